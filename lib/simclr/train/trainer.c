/* Training: one step over encoder and head.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/train/trainer-private.h>

#include <simclr/simclr-error.h>
#include <simclr/base/arena-private.h>
#include <simclr/evaluate/statistics-private.h>
#include <simclr/loss/multi-crop-private.h>
#include <simclr/nn/encoder-private.h>
#include <simclr/nn/forward-pass-private.h>
#include <math.h>
#include <string.h>

G_DEFINE_FINAL_TYPE (SimclrTrainer, simclr_trainer, G_TYPE_OBJECT)

static void
simclr_trainer_finalize (GObject *object)
{
  SimclrTrainer *self = SIMCLR_TRAINER (object);

  g_clear_pointer (&self->encoder_state, _simclr_optimizer_free);
  g_clear_pointer (&self->head_state, _simclr_optimizer_free);
  g_clear_pointer (&self->head, _simclr_projection_head_free);
  g_clear_pointer (&self->resumed, simclr_weights_unref);
  g_clear_pointer (&self->resumed_file, _simclr_safetensors_free);
  g_clear_pointer (&self->negatives, _simclr_negatives_free);
  g_clear_pointer (&self->probe, _simclr_online_probe_free);
  g_clear_pointer (&self->supervision, _simclr_supervision_free);
  g_clear_pointer (&self->teacher, simclr_weights_unref);
  g_strfreev (self->labels);
  _simclr_aligned_free (self->memory);
  g_free (self->doubles);
  g_clear_object (&self->encoder);
  G_OBJECT_CLASS (simclr_trainer_parent_class)->finalize (object);
}

static void
simclr_trainer_class_init (SimclrTrainerClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = simclr_trainer_finalize;
  _simclr_trainer_install_properties (object_class);
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

static gboolean
begin_negatives (SimclrTrainer *self, GError **error)
{
  g_clear_pointer (&self->negatives, _simclr_negatives_free);
  if (self->n_negatives == 0)
    return TRUE;
  self->negatives = _simclr_negatives_new (
      self->n_negatives, _simclr_projection_head_get_output_size (self->head), error);
  return self->negatives && (!self->resumed_file || _simclr_negatives_load (self->negatives,
                                                        self->resumed_file, error));
}

static gboolean
begin_probe (SimclrTrainer *self, gsize size, GError **error)
{
  g_clear_pointer (&self->probe, _simclr_online_probe_free);
  self->probe = _simclr_online_probe_new (size);
  return !self->resumed_file || _simclr_online_probe_load (self->probe, self->resumed_file, error);
}

/* The norm of encoder and head. */
static gdouble
measure_weights (SimclrTrainer *self)
{
  SimclrParallel *parallel = _simclr_encoder_get_parallel (self->encoder);
  const gdouble encoder =
      _simclr_sum_of_squares_of_values (parallel, _simclr_encoder_get_parameters (self->encoder));
  const gdouble head = self->supervision
                           ? _simclr_supervision_sum_of_squares_of_values (self->supervision)
                           : _simclr_sum_of_squares_of_values (
                                 parallel, _simclr_projection_head_get_parameters (self->head));

  return sqrt (encoder + head);
}

/* What this step says of the run; one that had nothing to learn from says nothing. */
static void
judge_step (SimclrTrainer *self, const SimclrLossBatch *batch, SimclrTrainingStatistics *statistics)
{
  gsize candidates = batch->rows - 1;

  if (self->supervision)
    candidates = _simclr_supervision_get_n_labels (self->supervision);
  statistics->weight_norm = measure_weights (self);
  if (self->is_idle) {
    statistics->diverging = self->health.diverging;
    statistics->sound = !self->health.diverging;
    return;
  }
  _simclr_health_update (&self->health, statistics, MIN (batch->rows, batch->columns), candidates);
}

/* Projection head, what belongs to contrast, and the head's optimizer. */
static gboolean
begin_contrast (SimclrTrainer *self, SimclrEncoder *encoder, GError **error)
{
  gsize size = simclr_encoder_get_embedding_size (encoder, SIMCLR_OUTPUT_REPRESENTATION);

  if (!self->head)
    self->head = _simclr_projection_head_new (self->projection_layers, size,
        self->projection_hidden, self->projection_size, self->seed, error);
  if (!self->head || !begin_negatives (self, error) || !begin_probe (self, size, error))
    return FALSE;
  g_clear_pointer (&self->head_state, _simclr_optimizer_free);
  self->head_state =
      _simclr_optimizer_new (&self->optimizer, _simclr_projection_head_get_parameters (self->head));
  return !self->resumed_file ||
         _simclr_optimizer_load (self->head_state, self->resumed_file, error);
}

static gboolean
begin_supervision (SimclrTrainer *self, SimclrEncoder *encoder, GError **error)
{
  SimclrSupervisionSettings settings = _simclr_trainer_get_supervision_settings (self);

  g_clear_pointer (&self->supervision, _simclr_supervision_free);
  self->supervision =
      _simclr_supervision_new (&settings, encoder, self->resumed, self->resumed_file, error);
  return self->supervision != NULL;
}

/* Heads and optimizer states for the first encoder that a pass comes from. */
static gboolean
bind_encoder (SimclrTrainer *self, SimclrEncoder *encoder, GError **error)
{
  if (self->encoder == encoder)
    return TRUE;
  if (self->encoder) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH,
        "a trainer trains one encoder; this forward pass is another one's");
    return FALSE;
  }
  if (!(_simclr_loss_is_contrastive (self->loss) ? begin_contrast (self, encoder, error)
                                                 : begin_supervision (self, encoder, error)))
    return FALSE;
  g_clear_pointer (&self->encoder_state, _simclr_optimizer_free);
  self->encoder_state =
      _simclr_optimizer_new (&self->optimizer, _simclr_encoder_get_parameters (encoder));
  if (self->resumed_file &&
      !_simclr_optimizer_load (self->encoder_state, self->resumed_file, error))
    return FALSE;
  g_clear_pointer (&self->resumed_file, _simclr_safetensors_free);
  g_clear_pointer (&self->resumed, simclr_weights_unref);
  self->encoder = g_object_ref (encoder);
  self->health.first_norm = measure_weights (self);
  return TRUE;
}

/* Memory of one step, for rows views and so many small crops: dh, dz, and the loss's scratch. */
static gboolean
prepare_memory (SimclrTrainer *self, gsize rows, gsize crops, gsize size, gsize columns,
    guint threads, GError **error)
{
  const gsize all = rows + crops;
  const gsize scratch = crops > 0 ? _simclr_multi_crop_get_scratch (threads, rows, columns)
                                  : _simclr_loss_get_scratch (threads, rows, columns);
  const gsize floats =
      _simclr_align_floats (all * size) + _simclr_align_floats (all * columns) + scratch;

  if (self->memory && self->memory_rows == rows && self->memory_crops == crops)
    return TRUE;
  _simclr_aligned_free (self->memory);
  self->memory_rows = rows;
  self->memory_crops = crops;
  self->memory = _simclr_aligned_alloc (floats * sizeof (gfloat), error);
  if (!self->memory)
    return FALSE;
  self->dh = self->memory;
  self->dz = self->dh + _simclr_align_floats (all * size);
  self->scratch = self->dz + _simclr_align_floats (all * columns);
  g_free (self->doubles);
  self->doubles = g_new (gdouble, _simclr_statistics_get_scratch (rows, columns));
  return TRUE;
}

static gboolean
check_batch (SimclrTrainer *self, SimclrForwardPass *pass, GError **error)
{
  guint views = simclr_forward_pass_get_n_views (pass);

  if (!_simclr_loss_is_contrastive (self->loss)) {
    if (simclr_forward_pass_get_crops_per_pair (pass) == 0)
      return TRUE;
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_UNSUPPORTED,
        "small crops are for contrastive losses; this one takes views only (small-crops=0)");
    return FALSE;
  }
  if (views < 4 || views % 2 != 0) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE,
        "a batch of %u views cannot be contrasted: it takes at least two pairs", views);
    return FALSE;
  }
  return TRUE;
}

static SimclrLossSettings
get_loss_settings (const SimclrTrainer *self)
{
  return (SimclrLossSettings){.loss = self->loss,
      .temperature = self->temperature,
      .margin = self->margin,
      .semi_hard = self->semi_hard,
      .neighbours = (gint64) self->neighbours};
}

/* While the embeddings are there: going backward may take their memory. */
static void
ask_probe (SimclrTrainer *self, const SimclrLossBatch *batch, const gfloat *h,
    SimclrTrainingStatistics *statistics)
{
  statistics->probe_accuracy = statistics->probe_loss = -1;
  if (batch->facts.labels)
    _simclr_online_probe_step (self->probe, h, batch->rows, batch->facts.labels,
        &statistics->probe_accuracy, &statistics->probe_loss);
}

/* Logits, loss and all gradients, on labels or from a teacher. */
static gboolean
compute_supervised_gradients (SimclrTrainer *self, SimclrForwardPass *pass,
    SimclrTrainingStatistics *statistics, GError **error)
{
  SimclrParallel *parallel = _simclr_encoder_get_parallel (self->encoder);
  const gsize rows = simclr_forward_pass_get_n_views (pass);
  gsize floats;
  const gfloat *h = simclr_forward_pass_get_embeddings (pass, &floats);
  const SimclrViewFacts facts = _simclr_forward_pass_get_facts (pass);
  SimclrClassificationResult result;

  statistics->contrastive_accuracy = statistics->probe_accuracy = statistics->probe_loss = -1;
  statistics->accuracy = -1;
  if (!prepare_memory (
          self, rows, 0, floats / rows, 0, _simclr_parallel_get_threads (parallel), error) ||
      !_simclr_supervision_compute (
          self->supervision, h, facts.labels, rows, self->dh, &result, error))
    return FALSE;
  self->is_idle = result.rows == 0;
  if (self->is_idle)
    return TRUE;
  if (!simclr_forward_pass_backward (pass, self->dh, floats, error))
    return FALSE;
  statistics->loss = result.loss;
  statistics->accuracy = result.accuracy;
  statistics->gradient_norm = sqrt (
      _simclr_gradient_sum_of_squares (parallel, _simclr_encoder_get_parameters (self->encoder)) +
      _simclr_supervision_gradient_sum_of_squares (self->supervision));
  return TRUE;
}

/* dz: of the views, and then of the small crops. */
static void
compute_loss (SimclrTrainer *self, SimclrParallel *parallel, const SimclrLossBatch *batch,
    gsize crops_per_pair, SimclrLossResult *result)
{
  const SimclrLossSettings settings = get_loss_settings (self);
  const gsize floats = batch->rows * batch->columns;

  if (crops_per_pair > 0)
    _simclr_multi_crop_loss (parallel, &settings, batch, batch->z + floats, crops_per_pair,
        self->dz, self->dz + floats, result, self->scratch);
  else
    _simclr_loss (parallel, &settings, batch, self->dz, result, self->scratch);
}

/* Projections, loss and all gradients; batch is left as it was when the loss was computed. */
static gboolean
compute_gradients (SimclrTrainer *self, SimclrForwardPass *pass, SimclrLossBatch *batch,
    SimclrTrainingStatistics *statistics, GError **error)
{
  SimclrParallel *parallel = _simclr_encoder_get_parallel (self->encoder);
  const gsize rows = simclr_forward_pass_get_n_views (pass);
  const gsize crops_per_pair = simclr_forward_pass_get_crops_per_pair (pass);
  const gsize crops = rows / 2 * crops_per_pair;
  const gsize columns = _simclr_projection_head_get_output_size (self->head);
  gsize floats;
  const gfloat *h = simclr_forward_pass_get_embeddings (pass, &floats);
  SimclrLossResult result;
  gdouble squares;

  if (!prepare_memory (self, rows, crops, floats / (rows + crops), columns,
          _simclr_parallel_get_threads (parallel), error))
    return FALSE;
  *batch = (SimclrLossBatch){
      .rows = rows, .columns = columns, .facts = _simclr_forward_pass_get_facts (pass)};
  batch->z = _simclr_projection_head_forward (self->head, parallel, h, rows + crops, error);
  if (!batch->z)
    return FALSE;
  ask_probe (self, batch, h, statistics);
  if (self->negatives)
    _simclr_negatives_lend (self->negatives, batch);
  compute_loss (self, parallel, batch, crops_per_pair, &result);
  _simclr_projection_head_backward (self->head, parallel, self->dz, self->dh);
  if (!simclr_forward_pass_backward (pass, self->dh, floats, error))
    return FALSE;

  squares =
      _simclr_gradient_sum_of_squares (parallel, _simclr_encoder_get_parameters (self->encoder)) +
      _simclr_gradient_sum_of_squares (
          parallel, _simclr_projection_head_get_parameters (self->head));
  statistics->loss = result.loss;
  statistics->accuracy = -1;
  statistics->contrastive_accuracy = result.accuracy;
  statistics->contrastive_entropy = result.entropy;
  statistics->gradient_norm = sqrt (squares);
  return TRUE;
}

static void
describe_projections (
    SimclrTrainer *self, const SimclrLossBatch *batch, SimclrTrainingStatistics *statistics)
{
  const gfloat *z = batch->z;
  const gsize rows = batch->rows, columns = batch->columns;

  statistics->embedding_deviation = _simclr_embedding_deviation (
      z, rows, columns, &statistics->collapsed_dimensions, self->doubles);
  statistics->effective_rank = _simclr_effective_rank (z, rows, columns, self->doubles);
  statistics->alignment = _simclr_alignment (z, rows, columns);
  statistics->uniformity = _simclr_uniformity (z, rows, columns, self->doubles);
}

static void
take_step (SimclrTrainer *self, SimclrForwardPass *pass, const SimclrLossBatch *batch, gdouble rate)
{
  SimclrParallel *parallel = _simclr_encoder_get_parallel (self->encoder);

  _simclr_optimizer_step (self->encoder_state, parallel, rate);
  if (self->supervision) {
    _simclr_supervision_step (self->supervision, rate);
  } else {
    _simclr_optimizer_step (self->head_state, parallel, rate);
    _simclr_projection_head_commit (self->head);
  }
  _simclr_encoder_commit (self->encoder, self->step + 1);
  if (self->negatives)
    _simclr_negatives_push (self->negatives, batch);
}

/* What batch is left as, without contrast, has no rows. */
static gboolean
compute (SimclrTrainer *self, SimclrForwardPass *pass, SimclrLossBatch *batch,
    SimclrTrainingStatistics *statistics, GError **error)
{
  *batch = (SimclrLossBatch){0};
  self->is_idle = FALSE;
  if (self->supervision)
    return compute_supervised_gradients (self, pass, statistics, error);
  if (!compute_gradients (self, pass, batch, statistics, error))
    return FALSE;
  describe_projections (self, batch, statistics);
  return TRUE;
}

/**
 * simclr_trainer_step:
 * @self: a trainer
 * @pass: the forward pass of a batch, rows a0 b0 a1 b1 ...; at least two pairs
 * @statistics: (out caller-allocates): what happened
 * @error: return location for an error
 *
 * Projects the batch, computes the loss over all its views, goes backward and steps the optimizer over
 * encoder and projection head; with %SIMCLR_LOSS_CROSS_ENTROPY and %SIMCLR_LOSS_DISTILLATION it is the linear
 * layer over labels in the projection head's place. A non-finite loss or gradient is no error: the step is
 * skipped, nothing but the counters changes, and @statistics says so. A batch without a label teaches cross
 * entropy nothing: only the counters change.
 *
 * Returns: %FALSE with @error set when the batch is too small (%SIMCLR_ERROR_SHAPE), comes from another
 *   encoder or does not fit the resumed checkpoint (%SIMCLR_ERROR_MISMATCH), or memory is short
 */
gboolean
simclr_trainer_step (SimclrTrainer *self, SimclrForwardPass *pass,
    SimclrTrainingStatistics *statistics, GError **error)
{
  gint64 start = g_get_monotonic_time ();
  SimclrLossBatch batch;
  guint64 pairs;

  g_return_val_if_fail (SIMCLR_IS_TRAINER (self), FALSE);
  g_return_val_if_fail (SIMCLR_IS_FORWARD_PASS (pass), FALSE);
  g_return_val_if_fail (statistics != NULL, FALSE);

  memset (statistics, 0, sizeof *statistics);
  if (!check_batch (self, pass, error) ||
      !bind_encoder (self, simclr_forward_pass_get_encoder (pass), error) ||
      !compute (self, pass, &batch, statistics, error))
    return FALSE;

  pairs = simclr_forward_pass_get_n_views (pass) / 2;
  statistics->learning_rate = _simclr_schedule_rate (&self->schedule,
      _simclr_schedule_scale (self->scaling, self->learning_rate, pairs), self->step);
  statistics->was_skipped = !isfinite (statistics->loss) || !isfinite (statistics->gradient_norm);
  if (statistics->was_skipped) {
    self->skipped++;
  } else if (!self->is_idle) {
    take_step (self, pass, &batch, statistics->learning_rate);
  }
  judge_step (self, &batch, statistics);
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
 * Returns: (transfer full) (nullable): a snapshot of encoder and head; after
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
  if (self->supervision) {
    _simclr_supervision_store (self->supervision, weights);
    return weights;
  }
  head = _simclr_projection_head_get_parameters (self->head);
  _simclr_weights_set_head (weights, _simclr_parameters_ref (head->layout), head->values,
      _simclr_parameters_ref (_simclr_projection_head_get_statistics_layout (self->head)),
      _simclr_projection_head_get_statistics (self->head));
  return weights;
}
