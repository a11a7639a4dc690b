/* Contrastive training: one step over encoder and projection head.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/train/trainer-private.h>

#include <simclr/simclr-error.h>
#include <simclr/simclr-enum-types.h>
#include <simclr/base/arena-private.h>
#include <simclr/evaluate/statistics-private.h>
#include <simclr/loss/loss-private.h>
#include <simclr/nn/encoder-private.h>
#include <simclr/train/schedule-private.h>
#include <math.h>
#include <string.h>

G_DEFINE_FINAL_TYPE (SimclrTrainer, simclr_trainer, G_TYPE_OBJECT)

enum
{
  PROP_0,
  PROP_LOSS,
  PROP_TEMPERATURE,
  PROP_MARGIN,
  PROP_SEMI_HARD,
  PROP_PROJECTION_LAYERS,
  PROP_PROJECTION_HIDDEN,
  PROP_PROJECTION_SIZE,
  PROP_OPTIMIZER,
  PROP_LEARNING_RATE,
  PROP_LEARNING_RATE_SCALING,
  PROP_MOMENTUM,
  PROP_WEIGHT_DECAY,
  PROP_TRUST_COEFFICIENT,
  PROP_SCHEDULE,
  PROP_WARMUP_STEPS,
  PROP_TOTAL_STEPS,
  PROP_SEED,
  PROP_STEP,
  PROP_PAIRS_SEEN,
  PROP_SKIPPED_STEPS,
  N_PROPERTIES
};

static GParamSpec *properties[N_PROPERTIES];

static void
simclr_trainer_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  SimclrTrainer *self = SIMCLR_TRAINER (object);

  switch (id) {
  case PROP_LOSS:
    g_value_set_enum (value, (gint) self->loss);
    break;
  case PROP_TEMPERATURE:
    g_value_set_double (value, self->temperature);
    break;
  case PROP_MARGIN:
    g_value_set_double (value, self->margin);
    break;
  case PROP_SEMI_HARD:
    g_value_set_boolean (value, self->semi_hard);
    break;
  case PROP_PROJECTION_LAYERS:
    g_value_set_uint (value, self->projection_layers);
    break;
  case PROP_PROJECTION_HIDDEN:
    g_value_set_uint (value, self->projection_hidden);
    break;
  case PROP_PROJECTION_SIZE:
    g_value_set_uint (value, self->projection_size);
    break;
  case PROP_OPTIMIZER:
    g_value_set_enum (value, (gint) self->optimizer.method);
    break;
  case PROP_LEARNING_RATE:
    g_value_set_double (value, self->learning_rate);
    break;
  case PROP_LEARNING_RATE_SCALING:
    g_value_set_enum (value, (gint) self->scaling);
    break;
  case PROP_MOMENTUM:
    g_value_set_double (value, self->optimizer.momentum);
    break;
  case PROP_WEIGHT_DECAY:
    g_value_set_double (value, self->optimizer.weight_decay);
    break;
  case PROP_TRUST_COEFFICIENT:
    g_value_set_double (value, self->optimizer.trust_coefficient);
    break;
  case PROP_SCHEDULE:
    g_value_set_enum (value, (gint) self->schedule);
    break;
  case PROP_WARMUP_STEPS:
    g_value_set_uint64 (value, self->warmup_steps);
    break;
  case PROP_TOTAL_STEPS:
    g_value_set_uint64 (value, self->total_steps);
    break;
  case PROP_SEED:
    g_value_set_uint64 (value, self->seed);
    break;
  case PROP_STEP:
    g_value_set_uint64 (value, self->step);
    break;
  case PROP_PAIRS_SEEN:
    g_value_set_uint64 (value, self->pairs_seen);
    break;
  case PROP_SKIPPED_STEPS:
    g_value_set_uint64 (value, self->skipped);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
}

static void
simclr_trainer_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  SimclrTrainer *self = SIMCLR_TRAINER (object);

  switch (id) {
  case PROP_LOSS:
    self->loss = (SimclrLoss) g_value_get_enum (value);
    break;
  case PROP_TEMPERATURE:
    self->temperature = g_value_get_double (value);
    break;
  case PROP_MARGIN:
    self->margin = g_value_get_double (value);
    break;
  case PROP_SEMI_HARD:
    self->semi_hard = g_value_get_boolean (value);
    break;
  case PROP_PROJECTION_LAYERS:
    self->projection_layers = g_value_get_uint (value);
    break;
  case PROP_PROJECTION_HIDDEN:
    self->projection_hidden = g_value_get_uint (value);
    break;
  case PROP_PROJECTION_SIZE:
    self->projection_size = g_value_get_uint (value);
    break;
  case PROP_OPTIMIZER:
    self->optimizer.method = (SimclrOptimizer) g_value_get_enum (value);
    break;
  case PROP_LEARNING_RATE:
    self->learning_rate = g_value_get_double (value);
    break;
  case PROP_LEARNING_RATE_SCALING:
    self->scaling = (SimclrLearningRateScaling) g_value_get_enum (value);
    break;
  case PROP_MOMENTUM:
    self->optimizer.momentum = g_value_get_double (value);
    break;
  case PROP_WEIGHT_DECAY:
    self->optimizer.weight_decay = g_value_get_double (value);
    break;
  case PROP_TRUST_COEFFICIENT:
    self->optimizer.trust_coefficient = g_value_get_double (value);
    break;
  case PROP_SCHEDULE:
    self->schedule = (SimclrSchedule) g_value_get_enum (value);
    break;
  case PROP_WARMUP_STEPS:
    self->warmup_steps = g_value_get_uint64 (value);
    break;
  case PROP_TOTAL_STEPS:
    self->total_steps = g_value_get_uint64 (value);
    break;
  case PROP_SEED:
    self->seed = g_value_get_uint64 (value);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
}

static void
simclr_trainer_finalize (GObject *object)
{
  SimclrTrainer *self = SIMCLR_TRAINER (object);

  g_clear_pointer (&self->encoder_state, _simclr_optimizer_free);
  g_clear_pointer (&self->head_state, _simclr_optimizer_free);
  g_clear_pointer (&self->head, _simclr_projection_head_free);
  g_clear_pointer (&self->resumed, simclr_weights_unref);
  g_clear_pointer (&self->resumed_file, _simclr_safetensors_free);
  _simclr_aligned_free (self->memory);
  g_free (self->doubles);
  g_clear_object (&self->encoder);
  G_OBJECT_CLASS (simclr_trainer_parent_class)->finalize (object);
}

#define READWRITE (G_PARAM_READWRITE | G_PARAM_CONSTRUCT | G_PARAM_STATIC_STRINGS)
#define READABLE (G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)

static void
install_loss_properties (void)
{
  properties[PROP_LOSS] = g_param_spec_enum (
      "loss", "Loss", "The contrastive loss.", SIMCLR_TYPE_LOSS, SIMCLR_LOSS_NT_XENT, READWRITE);
  properties[PROP_TEMPERATURE] = g_param_spec_double ("temperature", "Temperature",
      "Temperature of the contrastive loss; a lower one gives the hardest negatives more weight.",
      0.001, 1000, 0.1, READWRITE);
  properties[PROP_MARGIN] = g_param_spec_double ("margin", "Margin",
      "loss=margin-triplet: how much more similar (cosine) the positive shall be than a negative.",
      0, 2, 0.8, READWRITE);
  properties[PROP_SEMI_HARD] = g_param_spec_boolean ("semi-hard", "Semi-hard negatives",
      "loss=nt-logistic and margin-triplet: each view learns from one negative, the most similar "
      "of "
      "those less similar than its positive, which the paper found better; otherwise from all.",
      TRUE, READWRITE);
  properties[PROP_PROJECTION_LAYERS] = g_param_spec_uint ("projection-layers", "Projection layers",
      "Dense layers of the projection head, each with BatchNorm, ReLU between them.", 1, 3, 2,
      READWRITE);
  properties[PROP_PROJECTION_HIDDEN] = g_param_spec_uint ("projection-hidden", "Projection hidden",
      "Width of the projection head's hidden layers; 0: as wide as the representation.", 0, 65536,
      0, READWRITE);
  properties[PROP_PROJECTION_SIZE] = g_param_spec_uint ("projection-size", "Projection size",
      "Outputs of the projection head.", 1, 65536, 128, READWRITE);
  properties[PROP_SEED] = g_param_spec_uint64 ("seed", "Seed",
      "Seed of the projection head's initial weights.", 0, G_MAXUINT64, 0, READWRITE);
}

static void
install_optimizer_properties (void)
{
  properties[PROP_OPTIMIZER] =
      g_param_spec_enum ("optimizer", "Optimizer", "How the weights follow the gradient.",
          SIMCLR_TYPE_OPTIMIZER, SIMCLR_OPTIMIZER_LARS, READWRITE);
  properties[PROP_LEARNING_RATE] = g_param_spec_double ("learning-rate", "Learning rate",
      "Learning rate before learning-rate-scaling and schedule.", 0, 1000, 0.3, READWRITE);
  properties[PROP_LEARNING_RATE_SCALING] = g_param_spec_enum ("learning-rate-scaling",
      "Learning rate scaling", "How the learning rate depends on the batch.",
      SIMCLR_TYPE_LEARNING_RATE_SCALING, SIMCLR_LEARNING_RATE_SCALING_LINEAR, READWRITE);
  properties[PROP_MOMENTUM] = g_param_spec_double ("momentum", "Momentum",
      "Momentum of LARS and SGD; first beta of AdamW.", 0, 0.9999, 0.9, READWRITE);
  properties[PROP_WEIGHT_DECAY] = g_param_spec_double ("weight-decay", "Weight decay",
      "Weight decay of convolutions and dense layers; BatchNorm and biases have none.", 0, 10, 1e-6,
      READWRITE);
  properties[PROP_TRUST_COEFFICIENT] = g_param_spec_double ("trust-coefficient",
      "Trust coefficient", "LARS: how far a layer moves in a step, beside the size of its weights.",
      1e-9, 10, 0.001, READWRITE);
}

static void
install_schedule_properties (void)
{
  properties[PROP_SCHEDULE] =
      g_param_spec_enum ("schedule", "Schedule", "How the learning rate depends on the step.",
          SIMCLR_TYPE_SCHEDULE, SIMCLR_SCHEDULE_COSINE, READWRITE);
  properties[PROP_WARMUP_STEPS] = g_param_spec_uint64 ("warmup-steps", "Warm-up steps",
      "Steps over which the learning rate rises from zero; 0: none.", 0, G_MAXUINT64, 0, READWRITE);
  properties[PROP_TOTAL_STEPS] = g_param_spec_uint64 ("total-steps", "Total steps",
      "Steps of the whole training: the cosine ends there, and the run with it; 0: no end, the "
      "rate stays constant.",
      0, G_MAXUINT64, 0, READWRITE);
  properties[PROP_STEP] = g_param_spec_uint64 (
      "step", "Step", "Optimizer steps, skipped ones included.", 0, G_MAXUINT64, 0, READABLE);
  properties[PROP_PAIRS_SEEN] = g_param_spec_uint64 (
      "pairs-seen", "Pairs seen", "Pairs that entered training.", 0, G_MAXUINT64, 0, READABLE);
  properties[PROP_SKIPPED_STEPS] = g_param_spec_uint64 ("skipped-steps", "Skipped steps",
      "Steps skipped for a non-finite loss or gradient.", 0, G_MAXUINT64, 0, READABLE);
}

static void
simclr_trainer_class_init (SimclrTrainerClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->get_property = simclr_trainer_get_property;
  object_class->set_property = simclr_trainer_set_property;
  object_class->finalize = simclr_trainer_finalize;
  install_loss_properties ();
  install_optimizer_properties ();
  install_schedule_properties ();
  g_object_class_install_properties (object_class, N_PROPERTIES, properties);
}

static void
simclr_trainer_init (SimclrTrainer *self)
{
}

/**
 * simclr_trainer_new:
 *
 * Makes a trainer with the official code's settings. Set the properties before the first step.
 *
 * Returns: (transfer full): a trainer
 */
SimclrTrainer *
simclr_trainer_new (void)
{
  return g_object_new (SIMCLR_TYPE_TRAINER, NULL);
}

/* Head and optimizer states for the first encoder that a pass comes from. */
static gboolean
bind_encoder (SimclrTrainer *self, SimclrEncoder *encoder, GError **error)
{
  gsize size = simclr_encoder_get_embedding_size (encoder, SIMCLR_OUTPUT_REPRESENTATION);

  if (self->encoder == encoder)
    return TRUE;
  if (self->encoder) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH,
        "a trainer trains one encoder; this forward pass is another one's");
    return FALSE;
  }
  if (!self->head)
    self->head = _simclr_projection_head_new (self->projection_layers, size,
        self->projection_hidden, self->projection_size, self->seed, error);
  if (!self->head)
    return FALSE;
  self->encoder_state =
      _simclr_optimizer_new (&self->optimizer, _simclr_encoder_get_parameters (encoder));
  self->head_state =
      _simclr_optimizer_new (&self->optimizer, _simclr_projection_head_get_parameters (self->head));
  if (self->resumed_file &&
      (!_simclr_optimizer_load (self->encoder_state, self->resumed_file, error) ||
          !_simclr_optimizer_load (self->head_state, self->resumed_file, error))) {
    g_clear_pointer (&self->encoder_state, _simclr_optimizer_free);
    g_clear_pointer (&self->head_state, _simclr_optimizer_free);
    return FALSE;
  }
  g_clear_pointer (&self->resumed_file, _simclr_safetensors_free);
  g_clear_pointer (&self->resumed, simclr_weights_unref);
  self->encoder = g_object_ref (encoder);
  return TRUE;
}

/* Memory of one step: dz, dh, and the loss's scratch. */
static gboolean
prepare_memory (
    SimclrTrainer *self, gsize rows, gsize size, gsize columns, guint threads, GError **error)
{
  gsize floats = rows * (size + columns) + 32 + _simclr_loss_get_scratch (threads, rows, columns);

  if (self->memory && self->memory_rows == rows)
    return TRUE;
  _simclr_aligned_free (self->memory);
  self->memory_rows = rows;
  self->memory = _simclr_aligned_alloc (floats * sizeof (gfloat), error);
  if (!self->memory)
    return FALSE;
  self->dh = self->memory;
  self->dz = self->dh + ((rows * size + 15) & ~(gsize) 15);
  self->scratch = self->dz + ((rows * columns + 15) & ~(gsize) 15);
  g_free (self->doubles);
  self->doubles = g_new (gdouble, _simclr_statistics_get_scratch (rows, columns));
  return TRUE;
}

static gboolean
check_batch (SimclrForwardPass *pass, GError **error)
{
  guint views = simclr_forward_pass_get_n_views (pass);

  if (views < 4 || views % 2 != 0) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE,
        "a batch of %u views cannot be contrasted: it takes at least two pairs", views);
    return FALSE;
  }
  return TRUE;
}

/* Loss and all gradients. */
static gboolean
compute_gradients (SimclrTrainer *self, SimclrForwardPass *pass,
    SimclrTrainingStatistics *statistics, GError **error)
{
  SimclrParallel *parallel = _simclr_encoder_get_parallel (self->encoder);
  gsize rows = simclr_forward_pass_get_n_views (pass), floats;
  gsize columns = _simclr_projection_head_get_output_size (self->head);
  const gfloat *h = simclr_forward_pass_get_embeddings (pass, &floats);
  const SimclrLossSettings settings = {.loss = self->loss,
      .temperature = self->temperature,
      .margin = self->margin,
      .semi_hard = self->semi_hard};
  SimclrLossBatch batch = {.rows = rows, .columns = columns};
  SimclrLossResult result;
  const gfloat *z;
  gdouble squares;

  if (!prepare_memory (
          self, rows, floats / rows, columns, _simclr_parallel_get_threads (parallel), error))
    return FALSE;
  z = _simclr_projection_head_forward (self->head, parallel, h, rows, error);
  if (!z)
    return FALSE;
  batch.z = z;
  _simclr_loss (parallel, &settings, &batch, self->dz, &result, self->scratch);
  _simclr_projection_head_backward (self->head, parallel, self->dz, self->dh);
  if (!simclr_forward_pass_backward (pass, self->dh, floats, error))
    return FALSE;

  squares =
      _simclr_gradient_sum_of_squares (parallel, _simclr_encoder_get_parameters (self->encoder)) +
      _simclr_gradient_sum_of_squares (
          parallel, _simclr_projection_head_get_parameters (self->head));
  statistics->loss = result.loss;
  statistics->contrastive_accuracy = result.accuracy;
  statistics->contrastive_entropy = result.entropy;
  statistics->gradient_norm = sqrt (squares);
  statistics->embedding_deviation = _simclr_embedding_deviation (z, rows, columns, self->doubles);
  statistics->effective_rank = _simclr_effective_rank (z, rows, columns, self->doubles);
  return TRUE;
}

static void
take_step (SimclrTrainer *self, SimclrForwardPass *pass, gdouble rate)
{
  SimclrParallel *parallel = _simclr_encoder_get_parallel (self->encoder);

  _simclr_optimizer_step (self->encoder_state, parallel, rate);
  _simclr_optimizer_step (self->head_state, parallel, rate);
  _simclr_projection_head_commit (self->head);
  _simclr_encoder_commit (self->encoder, pass, self->step + 1);
}

/**
 * simclr_trainer_step:
 * @self: a trainer
 * @pass: the forward pass of a batch, rows a0 b0 a1 b1 ...; at least two pairs
 * @statistics: (out caller-allocates): what happened
 * @error: return location for an error
 *
 * Projects the batch, computes the loss over all its views, goes backward and steps the optimizer over
 * encoder and projection head. A non-finite loss or gradient is no error: the step is skipped, nothing but
 * the counters changes, and @statistics says so.
 *
 * Returns: %FALSE with @error set when the batch is too small (%SIMCLR_ERROR_SHAPE), comes from another
 *   encoder or does not fit the resumed checkpoint (%SIMCLR_ERROR_MISMATCH), or memory is short
 */
gboolean
simclr_trainer_step (SimclrTrainer *self, SimclrForwardPass *pass,
    SimclrTrainingStatistics *statistics, GError **error)
{
  gint64 start = g_get_monotonic_time ();
  guint64 pairs;

  g_return_val_if_fail (SIMCLR_IS_TRAINER (self), FALSE);
  g_return_val_if_fail (SIMCLR_IS_FORWARD_PASS (pass), FALSE);
  g_return_val_if_fail (statistics != NULL, FALSE);

  memset (statistics, 0, sizeof *statistics);
  if (!check_batch (pass, error) ||
      !bind_encoder (self, simclr_forward_pass_get_encoder (pass), error) ||
      !compute_gradients (self, pass, statistics, error))
    return FALSE;

  pairs = simclr_forward_pass_get_n_views (pass) / 2;
  statistics->learning_rate = _simclr_schedule_rate (self->schedule,
      _simclr_schedule_scale (self->scaling, self->learning_rate, pairs), self->step,
      self->warmup_steps, self->total_steps);
  statistics->was_skipped = !isfinite (statistics->loss) || !isfinite (statistics->gradient_norm);
  if (statistics->was_skipped)
    self->skipped++;
  else
    take_step (self, pass, statistics->learning_rate);
  self->step++;
  self->pairs_seen += pairs;

  statistics->step = self->step;
  statistics->pairs_seen = self->pairs_seen;
  statistics->skipped = self->skipped;
  statistics->seconds = (gdouble) (g_get_monotonic_time () - start) / G_USEC_PER_SEC;
  return TRUE;
}

/**
 * simclr_trainer_get_weights:
 * @self: a trainer
 *
 * Returns: (transfer full) (nullable): a snapshot of encoder and projection head; after
 *   simclr_trainer_resume() and before the first step, those of the file; %NULL before that
 */
SimclrWeights *
simclr_trainer_get_weights (SimclrTrainer *self)
{
  const SimclrParameterSet *head;
  SimclrWeights *weights;

  g_return_val_if_fail (SIMCLR_IS_TRAINER (self), NULL);

  if (!self->encoder)
    return self->resumed ? simclr_weights_ref (self->resumed) : NULL;
  weights = _simclr_encoder_snapshot (self->encoder);
  head = _simclr_projection_head_get_parameters (self->head);
  _simclr_weights_set_head (weights, _simclr_parameters_ref (head->layout), head->values,
      _simclr_parameters_ref (_simclr_projection_head_get_statistics_layout (self->head)),
      _simclr_projection_head_get_statistics (self->head));
  return weights;
}
