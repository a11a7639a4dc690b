/* Contrastive training: one step over encoder and projection head.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/train/trainer-private.h>

#include <simclr/simclr-error.h>
#include <simclr/base/arena-private.h>
#include <simclr/evaluate/statistics-private.h>
#include <simclr/loss/loss-private.h>
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

  return sqrt (
      _simclr_sum_of_squares_of_values (parallel, _simclr_encoder_get_parameters (self->encoder)) +
      _simclr_sum_of_squares_of_values (
          parallel, _simclr_projection_head_get_parameters (self->head)));
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
  if (!self->head || !begin_negatives (self, error) || !begin_probe (self, size, error))
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
  self->health.first_norm = measure_weights (self);
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

/* Projections, loss and all gradients; batch is left as it was when the loss was computed. */
static gboolean
compute_gradients (SimclrTrainer *self, SimclrForwardPass *pass, SimclrLossBatch *batch,
    SimclrTrainingStatistics *statistics, GError **error)
{
  SimclrParallel *parallel = _simclr_encoder_get_parallel (self->encoder);
  const gsize rows = simclr_forward_pass_get_n_views (pass);
  const gsize columns = _simclr_projection_head_get_output_size (self->head);
  const SimclrLossSettings settings = get_loss_settings (self);
  gsize floats;
  const gfloat *h = simclr_forward_pass_get_embeddings (pass, &floats);
  SimclrLossResult result;
  gdouble squares;

  if (!prepare_memory (
          self, rows, floats / rows, columns, _simclr_parallel_get_threads (parallel), error))
    return FALSE;
  *batch = (SimclrLossBatch){
      .rows = rows, .columns = columns, .facts = _simclr_forward_pass_get_facts (pass)};
  batch->z = _simclr_projection_head_forward (self->head, parallel, h, rows, error);
  if (!batch->z)
    return FALSE;
  ask_probe (self, batch, h, statistics);
  if (self->negatives)
    _simclr_negatives_lend (self->negatives, batch);
  _simclr_loss (parallel, &settings, batch, self->dz, &result, self->scratch);
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
  _simclr_optimizer_step (self->head_state, parallel, rate);
  _simclr_projection_head_commit (self->head);
  _simclr_encoder_commit (self->encoder, self->step + 1);
  if (self->negatives)
    _simclr_negatives_push (self->negatives, batch);
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
  SimclrLossBatch batch;
  guint64 pairs;

  g_return_val_if_fail (SIMCLR_IS_TRAINER (self), FALSE);
  g_return_val_if_fail (SIMCLR_IS_FORWARD_PASS (pass), FALSE);
  g_return_val_if_fail (statistics != NULL, FALSE);

  memset (statistics, 0, sizeof *statistics);
  if (!check_batch (pass, error) ||
      !bind_encoder (self, simclr_forward_pass_get_encoder (pass), error) ||
      !compute_gradients (self, pass, &batch, statistics, error))
    return FALSE;

  describe_projections (self, &batch, statistics);
  pairs = batch.rows / 2;
  statistics->learning_rate = _simclr_schedule_rate (&self->schedule,
      _simclr_schedule_scale (self->scaling, self->learning_rate, pairs), self->step);
  statistics->was_skipped = !isfinite (statistics->loss) || !isfinite (statistics->gradient_norm);
  if (statistics->was_skipped) {
    self->skipped++;
  } else {
    take_step (self, pass, &batch, statistics->learning_rate);
  }
  statistics->weight_norm = measure_weights (self);
  _simclr_health_update (&self->health, statistics, MIN (batch.rows, batch.columns), batch.rows);
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
