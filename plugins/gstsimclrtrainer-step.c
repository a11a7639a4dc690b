/* One step of simclrtrainer: what is done with a batch, and what is said about it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrtrainer-private.h"

#include "gstsimclrmessages.h"

#define GST_CAT_DEFAULT gst_simclr_trainer_debug

#define WARNING_INTERVAL (5 * G_USEC_PER_SEC)
#define PROGRESS_INTERVAL G_USEC_PER_SEC

static void
post_progress (GstSimclrTrainer *self)
{
  gint64 now = g_get_monotonic_time ();

  if (self->total_steps == 0)
    return;
  if (!self->in_progress) {
    gst_simclr_post_progress (
        GST_ELEMENT (self), GST_PROGRESS_TYPE_START, self->step, self->total_steps, self->loss);
    self->in_progress = TRUE;
  } else if (now - self->progress_at >= PROGRESS_INTERVAL) {
    gst_simclr_post_progress (
        GST_ELEMENT (self), GST_PROGRESS_TYPE_CONTINUE, self->step, self->total_steps, self->loss);
  } else {
    return;
  }
  self->progress_at = now;
}

void
_gst_simclr_trainer_end_progress (GstSimclrTrainer *self, GstProgressType type)
{
  if (!self->in_progress)
    return;
  self->in_progress = FALSE;
  gst_simclr_post_progress (GST_ELEMENT (self), type, self->step, self->total_steps, self->loss);
}

/* Pauses do not count as time spent. */
static gdouble
update_rate (GstSimclrTrainer *self, guint64 pairs_before, guint64 pairs)
{
  gint64 since;
  guint last = (self->rate.first + self->rate.n - 1) % GST_SIMCLR_RATE_ENTRIES;

  GST_OBJECT_LOCK (self);
  since = self->playing_since;
  GST_OBJECT_UNLOCK (self);
  if (self->rate.n == 0 || self->rate.times[last] < since)
    gst_simclr_rate_begin (&self->rate, since, pairs_before);
  return gst_simclr_rate_update (&self->rate, g_get_monotonic_time (), pairs);
}

static void
tell_step (GstSimclrTrainer *self, const SimclrTrainingStatistics *statistics, guint n_pairs)
{
  gdouble rate = update_rate (self, statistics->pairs_seen - n_pairs, statistics->pairs_seen);
  GstStructure *fields = gst_simclr_training_structure_new ("simclr-training", statistics, rate);

  self->step = statistics->step;
  self->loss = statistics->loss;
  GST_OBJECT_LOCK (self);
  self->statistics = *statistics;
  self->pairs_per_second = rate;
  GST_OBJECT_UNLOCK (self);
  GST_INFO_OBJECT (self, "%" GST_PTR_FORMAT, fields);
  g_signal_emit (self, _gst_simclr_trainer_trained, 0, fields);
  gst_simclr_post_element_message (GST_ELEMENT (self), fields);
  _gst_simclr_trainer_write_summary (self, statistics, rate);
}

/* FALSE when there is no hope left. */
static gboolean
check_skipped (GstSimclrTrainer *self, const SimclrTrainingStatistics *statistics)
{
  gint64 now = g_get_monotonic_time ();

  if (!statistics->was_skipped) {
    self->skipped_in_a_row = 0;
    return TRUE;
  }
  self->skipped_in_a_row++;
  if (self->skipped_in_a_row >= GST_SIMCLR_TRAINER_DIVERGED) {
    GST_ELEMENT_ERROR (self, STREAM, FAILED,
        ("Training diverged: loss or gradient were not finite in %u steps in a row.",
            self->skipped_in_a_row),
        ("A lower learning-rate or more warmup-steps help; checkpoints from before are kept."));
    return FALSE;
  }
  if (self->warned_at == 0 || now - self->warned_at >= WARNING_INTERVAL) {
    GST_ELEMENT_WARNING (self, STREAM, FAILED,
        ("Step %" G_GUINT64_FORMAT " was skipped: its loss or gradient is not finite.",
            statistics->step),
        ("%" G_GUINT64_FORMAT " skipped so far; learning-rate may be too high.",
            statistics->skipped));
    self->warned_at = now;
  }
  return TRUE;
}

/* Each event is said once; it can come again after it has passed. */
static void
check_health (GstSimclrTrainer *self, const SimclrTrainingStatistics *statistics)
{
  if (statistics->collapsed && !self->collapsed)
    GST_ELEMENT_WARNING (self, STREAM, FAILED,
        ("Training has collapsed: the encoder makes nearly the same of every picture."),
        ("Step %" G_GUINT64_FORMAT ": embedding-deviation %.3g, effective-rank %.3g. A lower "
         "learning-rate, a higher temperature, larger batches or more varied frames help.",
            statistics->step, statistics->embedding_deviation, statistics->effective_rank));
  if (statistics->diverging && !self->diverging)
    GST_ELEMENT_WARNING (self, STREAM, FAILED,
        ("Training diverges: loss or weights have risen well above what they were."),
        ("Step %" G_GUINT64_FORMAT ": loss %.4g, gradient-norm %.3g, weight-norm %.3g. A lower "
         "learning-rate or more warmup-steps help; a camera may also look at what cannot be told "
         "apart. What was published and written before stays until this is over.",
            statistics->step, statistics->loss, statistics->gradient_norm,
            statistics->weight_norm));
  self->collapsed = statistics->collapsed;
  self->diverging = statistics->diverging;
  self->unsound = !statistics->sound && !statistics->was_skipped;
}

static guint64
get_interval (GstSimclrTrainer *self, const guint64 *interval)
{
  guint64 steps;

  GST_OBJECT_LOCK (self);
  steps = *interval;
  GST_OBJECT_UNLOCK (self);
  return steps;
}

static gboolean
is_due (guint64 step, guint64 interval)
{
  return interval > 0 && step % interval == 0;
}

/* Weights that a skipped step left alone were published before. Those of a run that diverges are not: readers
 * keep the last good ones. */
static void
publish (GstSimclrTrainer *self, SimclrModel *model)
{
  g_autoptr (SimclrWeights) weights = NULL;

  if (is_due (self->step, get_interval (self, &self->settings.publish_interval)))
    self->publish_due = TRUE;
  if (model == NULL || self->skipped_in_a_row > 0 || self->unsound || !self->publish_due)
    return;
  self->publish_due = FALSE;
  g_mutex_lock (&self->lock);
  weights = simclr_trainer_get_weights (self->trainer);
  g_mutex_unlock (&self->lock);
  if (simclr_weights_are_finite (weights))
    simclr_model_publish (model, weights);
  else
    GST_WARNING_OBJECT (
        self, "weights of step %" G_GUINT64_FORMAT " are not finite: not published", self->step);
}

/* The run is over. Where a tee feeds others too, only this branch ends, and this batch is no EOS. */
static GstFlowReturn
finish (GstSimclrTrainer *self, GstSimclrForwardMeta *meta)
{
  self->finished = TRUE;
  if (!_gst_simclr_trainer_save (self, TRUE)) {
    _gst_simclr_trainer_end_progress (self, GST_PROGRESS_TYPE_ERROR);
    return GST_FLOW_ERROR;
  }
  GST_INFO_OBJECT (self, "finished after %" G_GUINT64_FORMAT " steps", self->step);
  _gst_simclr_trainer_end_progress (self, GST_PROGRESS_TYPE_COMPLETE);
  if (meta != NULL)
    gst_simclr_forward_meta_close_gate (meta);
  return gst_simclr_branch_cut (&self->branch, GST_BASE_SINK_PAD (self)) ? GST_FLOW_OK
                                                                         : GST_FLOW_EOS;
}

static gboolean
is_last (GstSimclrTrainer *self)
{
  return self->total_steps > 0 && self->step >= self->total_steps;
}

static GstFlowReturn
train (GstSimclrTrainer *self, GstSimclrForwardMeta *meta, SimclrForwardPass *pass)
{
  guint n_pairs = simclr_forward_pass_get_n_views (pass) / 2;
  SimclrTrainingStatistics statistics;
  g_autoptr (GError) error = NULL;
  gboolean trained;

  g_mutex_lock (&self->lock);
  trained = simclr_trainer_step (self->trainer, pass, &statistics, &error);
  g_mutex_unlock (&self->lock);
  if (!trained) {
    GST_ELEMENT_ERROR (self, STREAM, FAILED, ("Could not train on a batch of %u pairs.", n_pairs),
        ("%s", error->message));
    return GST_FLOW_ERROR;
  }
  tell_step (self, &statistics, n_pairs);
  post_progress (self);
  check_health (self, &statistics);
  if (!check_skipped (self, &statistics))
    return GST_FLOW_ERROR;
  publish (self, gst_simclr_forward_meta_get_model (meta));
  if (is_last (self))
    return finish (self, meta);
  if (is_due (self->step, get_interval (self, &self->settings.checkpoint_interval)))
    self->save_due = TRUE;
  if (self->save_due)
    _gst_simclr_trainer_save (self, FALSE);
  return GST_FLOW_OK;
}

GstFlowReturn
_gst_simclr_trainer_render (GstBaseSink *sink, GstBuffer *buffer)
{
  GstSimclrTrainer *self = GST_SIMCLR_TRAINER (sink);
  GstSimclrForwardMeta *meta = gst_buffer_get_simclr_forward_meta (buffer);
  SimclrForwardPass *pass;
  GstFlowReturn flow;

  if (self->finished)
    return GST_FLOW_EOS;
  if (is_last (self)) {
    GST_INFO_OBJECT (
        self, "resumed after the last of %" G_GUINT64_FORMAT " steps", self->total_steps);
    return finish (self, meta);
  }
  if (meta == NULL) {
    GST_ELEMENT_ERROR (self, STREAM, WRONG_TYPE,
        ("These tensors cannot be trained on: they do not come from a simclrencoder."),
        ("Link simclraugment, simclrencoder and simclrtrainer; only queue and tee may stand "
         "between the last two."));
    return GST_FLOW_ERROR;
  }
  pass = gst_simclr_forward_meta_take (meta);
  if (pass == NULL) {
    GST_ELEMENT_ERROR (self, STREAM, FAILED,
        ("Another simclrtrainer has trained on this batch; an encoder has one trainer."), (NULL));
    return GST_FLOW_ERROR;
  }
  _gst_simclr_trainer_label (self, buffer, pass);
  flow = train (self, meta, pass);
  gst_simclr_forward_meta_give_back (meta, pass);
  return flow;
}
