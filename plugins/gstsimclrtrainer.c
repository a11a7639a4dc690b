/* simclrtrainer: the sink in which batches of embeddings train their encoder.
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-simclrtrainer
 * @title: simclrtrainer
 * @short_description: training of the simclrencoder upstream
 *
 * The sink at the end of a training pipeline: projection head, contrastive loss and optimizer of
 * SimCLR, and the two steps that follow in its version 2, fine-tuning and distillation. Each batch
 * that arrives from a simclrencoder is one step: the loss is computed over all of its views, goes
 * backward through head and encoder, and the optimizer changes the weights of both before the encoder
 * starts on its next batch.
 *
 * Only a `queue` or a `tee` may stand between encoder and trainer; an encoder has one trainer.
 *
 * On the way to PAUSED it takes part in preroll like other sinks, but the start of the stream is enough for it, or of
 * what follows a seek, not a whole batch: other branches of a `tee` need not wait until one has filled.
 *
 * ## Losses
 *
 * #GstSimclrTrainer:loss chooses what is made of the similarities of a batch's views (cosines of their
 * projections). Each view has one positive, the other view of its pair; all others are negatives.
 *
 * * `nt-xent`: the paper's loss (Chen et al. 2020, equation 1), a softmax over positive and negatives
 * * `decoupled`: the same without the positive in the denominator (DCL, Yeh et al. 2021, 2110.06848),
 *   which learns faster in small batches; `decoupled-weighted` gives pairs whose views are far apart
 *   more weight (DCLW, sigma 0.5)
 * * `nt-logistic`, `margin-triplet`: the two others of the paper's table 2, the mean over triples of a
 *   view, its positive and a negative; with #GstSimclrTrainer:semi-hard (the default) over one triple a
 *   view, whose negative is the most similar of those less similar than the positive
 * * `supervised`: all views of a label are positives (Khosla et al. 2020, 2004.11362, L_out). Labels come
 *   from #GstSimclrTrainer:labels, a text file with one label a frame, in the order the frames come in
 *   (into simclrreplay, where one stands upstream; what is behind it may come in any order)
 *
 * The memory that a loss takes grows linearly with the batch.
 *
 * Small crops that simclraugment made beside the views (its `small-crops`) are to find both views of their frame, and
 * never each other (multi-crop, Caron et al. 2020, 2006.09882, section 3.3): the loss is the mean over the batch of
 * views and, for each crop of a pair and each of its views, the batch of those crops and views. The figures of
 * contrast and of the embeddings are those of the views.
 *
 * With #GstSimclrTrainer:negatives the last so many projections are kept as further negatives of every
 * view, without gradient, which gives a small batch the negatives of a large one (cross-batch memory, Wang
 * et al. 2020, 1912.06798). The checkpoint holds them.
 *
 * With #GstSimclrTrainer:exclude-neighbours frames of one moment are no negatives of each other, for
 * pushing apart what is the same scene teaches nothing. What counts is when a frame was filmed, in the
 * running time of simclrreplay's input where one stands upstream. It holds for the frames that
 * #GstSimclrTrainer:negatives keeps as well; what has the same label stays a positive.
 *
 * ## Fine-tuning
 *
 * With `loss=cross-entropy` the encoder learns #GstSimclrTrainer:labels: a linear layer over labels stands in
 * the projection head's place, and all weights follow the gradient of its cross entropy, as in version 2 of
 * the paper (Chen et al. 2020, 2006.10029). A pretrained encoder comes in by `location` of simclrencoder. The
 * layer begins at zero, as the official code's, and LARS does not adapt its rate. With
 * #GstSimclrTrainer:head-layer the first layers of the projection head that came with the encoder become
 * part of it; for few labels the paper found the first of three best.
 *
 * Views are only cropped and mirrored, `simclraugment @preset=fine-tune`; the two of a frame are two
 * pictures of its label, and learning-rate-scaling counts pairs. Frames without a label teach nothing: `labels`
 * of simclrreplay leaves them out, and its `label-fraction` takes 1 or 10 % of each label. The official
 * settings are LARS with learning-rate 0.005, learning-rate-scaling sqrt and no weight-decay, batches of 1024, no
 * warm-up, 60 epochs for 1 % of ImageNet and 30 for 10 %. pipelines/fine-tune has settings for small pictures;
 * a rate that is too high makes the encoder forget what it was pretrained for.
 *
 * The checkpoint is the encoder, with the layer as `fc.weight` and `fc.bias`: a whole torchvision model, where
 * head-layer is 0. simclrencoder and simclrclassifier both take it as their `location`. Metadata `labels` names
 * the rows, in the order of their texts (by value where all are numbers), and `head_layer` the layer.
 *
 * |[
 * yes ball | head -n 32 > patterns.txt; yes bars | head -n 32 >> patterns.txt
 * gst-launch-1.0 -m concat name=frames ! simclrreplay policy=all epochs=8 labels=patterns.txt label-fraction=0.5 ! simclraugment @preset=fine-tune size=32 ! simclrencoder width=0.25 batch-size=16 ! simclrtrainer loss=cross-entropy labels=patterns.txt optimizer=sgd learning-rate=0.05 learning-rate-scaling=none location=patterns.safetensors videotestsrc pattern=ball num-buffers=32 ! video/x-raw,format=RGB,width=64,height=64 ! frames. videotestsrc pattern=smpte num-buffers=32 ! video/x-raw,format=RGB,width=64,height=64 ! frames.
 * gst-launch-1.0 -m videotestsrc pattern=smpte num-buffers=8 ! videoconvert ! simclrencoder location=patterns.safetensors ! simclrclassifier location=patterns.safetensors ! fakesink
 * ]|
 *
 * ## Distillation
 *
 * With `loss=distillation` the encoder learns to name frames as a fine-tuned #GstSimclrTrainer:teacher does, and
 * no label is needed: the third step of version 2. Both see the same views, and the teacher computes with its
 * running statistics, in the student's precision; the loss is the cross entropy between their probabilities,
 * softened by #GstSimclrTrainer:distillation-temperature, times its square (Hinton et al. 2015, 1503.02531, and
 * the official code). The teacher may be larger, or of the same kind (self-distillation), and stays as it is.
 * The checkpoint is as after fine-tuning, with the teacher's labels.
 *
 * |[
 * gst-launch-1.0 -m videotestsrc pattern=ball num-buffers=64 ! video/x-raw,width=64,height=64 ! videoconvert ! simclraugment @preset=fine-tune size=32 ! simclrencoder width=0.125 batch-size=16 ! simclrtrainer loss=distillation teacher=patterns.safetensors optimizer=sgd learning-rate=0.05 learning-rate-scaling=none location=student.safetensors
 * ]|
 *
 * ## The online probe
 *
 * With #GstSimclrTrainer:labels and a contrastive loss a linear layer learns the labels from the representations
 * of the same batches (standardised over the batch), as in the official code; its gradient stops there, so
 * that the encoder learns what it would without. How many views it names right before it learns from them
 * tells early whether a run is worth going on with. The figure is of augmented views;
 * pipelines/linear-evaluation measures a finished encoder.
 * The checkpoint holds the layer.
 *
 * ## Small batches
 *
 * |[
 * gst-launch-1.0 -m videotestsrc pattern=ball num-buffers=64 ! video/x-raw,width=64,height=64 ! videoconvert ! simclraugment size=32 ! simclrencoder width=0.25 batch-size=8 ! simclrtrainer loss=decoupled negatives=256 exclude-neighbours=100000000 optimizer=sgd learning-rate=0.06 learning-rate-scaling=none
 * ]|
 *
 * ## The end of a run
 *
 * With #GstSimclrTrainer:total-steps the trainer has enough after that many steps: it writes the
 * checkpoint and returns EOS upstream, which ends the run. Where a `tee` above feeds other branches as
 * well, only this branch ends and the others go on. Otherwise a run ends with the stream. Pairs that do
 * not fill a batch are dropped.
 *
 * ## Checkpoints
 *
 * #GstSimclrTrainer:location is written every #GstSimclrTrainer:checkpoint-interval steps, at the end
 * and on the way to READY, if there is something new: encoder, projection head, optimizer and
 * position, as safetensors. A write is atomic: the file is the old one or the new one, whatever
 * happens. If one fails in the middle of a run, a warning says so and training goes on; at the end it
 * is an error. While training diverges (field `sound` below) the last good file is left alone; what a run that
 * diverges has come to at its end is written beside it, with `.diverged` after its name. A checkpoint in the middle
 * of a run is told upstream with a custom event `simclr-checkpoint` (`location`, `step`), so that simclrreplay writes
 * its memory too.
 *
 * Every #GstSimclrTrainer:publish-interval steps the weights are published as the `model` of the encoder. Those of a
 * run that diverges are not: who embeds with them goes on with the last good ones.
 *
 * A location with a number in it, `location=run-%08llu.safetensors`, makes each checkpoint a file of its own, by
 * step. The #GstSimclrTrainer:max-files that were written last are kept, those of earlier runs included. Resuming
 * takes the one that was written last, and so does simclrencoder with the same location.
 *
 * With #GstSimclrTrainer:resume a run goes on exactly where the file left it, bit for bit: simclrreplay
 * and simclraugment upstream take up their random sequences at the right pair. If there is no such file
 * yet, the run begins afresh; a file that cannot be read is an error, and is left as it is.
 *
 * ## Messages
 *
 * Each step posts an element message `simclr-training` (`gst-launch-1.0 -m` shows them) with these
 * fields, which #GstSimclrTrainer:stats holds too:
 *
 * * `step` (#guint64): steps taken, those before a resume and skipped ones included
 * * `loss` (#gdouble): mean over all views, in nats; ln(2N-1) when nothing has been learned of N pairs. Of
 *   cross-entropy the mean over views with a label, ln(labels) at first, and 0 for a batch that has none
 * * `accuracy` (#gdouble), only with `loss=cross-entropy` and `distillation`: share of these views whose best label,
 *   before the step, was the true one, or the teacher's best
 * * `contrastive-accuracy` (#gdouble): share of views whose positive is the most similar, 0 to 1. This,
 *   `contrastive-entropy` and what is said of projections (`embedding-deviation` to `collapsed`) only with a
 *   contrastive loss
 * * `contrastive-entropy` (#gdouble): mean entropy of the softmax over the candidates, in nats
 * * `learning-rate` (#gdouble): used in this step, after scaling and schedule
 * * `pairs-per-second` (#gdouble): over the last ten seconds, whole pipeline
 * * `gradient-norm` (#gdouble): Euclidean norm of the whole gradient
 * * `embedding-deviation` (#gdouble): spread of the unit-length projections, 1 when even, 0 when
 *   collapsed
 * * `effective-rank` (#gdouble): dimensions that the projections use (RankMe)
 * * `collapsed-dimensions` (#guint): dimensions of the unit-length projections that deviate by less than a
 *   hundredth of an even spread
 * * `alignment` (#gdouble): mean squared distance between the projections of a pair, 0 when they are the
 *   same, 2 when unrelated (Wang and Isola 2020, 2005.10242)
 * * `uniformity` (#gdouble): log of the mean of exp(-2 squared distance) between pairs, -4 when spread
 *   evenly over many dimensions, 0 when collapsed; of 256 pairs at most
 * * `collapsed` (#gboolean): for 20 steps the projections have been all alike (deviation under 0.1) or on
 *   one line (effective rank under 2)
 * * `diverging` (#gboolean): for 20 steps the mean loss has been a quarter above the lowest it was, while positives
 *   (without contrast: labels) were found less than half as often as at best; or the weights have grown a thousandfold. What was lowest
 *   and best is forgotten over some thousand steps of good learning: pictures may become harder
 * * `sound` (#gboolean): the weights are worth publishing and writing: neither this step nor the mean of those
 *   before shows signs of divergence
 * * `weight-norm` (#gdouble): Euclidean norm of all weights after the step
 * * `pairs` (#guint64): pairs that entered training since step 0
 * * `skipped-steps` (#guint64): steps that changed nothing because loss or gradient were not finite
 * * `probe-accuracy` (#gdouble), only where the batch has labels: share of its labelled views that the online
 *   probe named right, 0 to 1
 * * `probe-loss` (#gdouble), likewise: the probe's mean cross entropy, in nats
 *
 * The signal #GstSimclrTrainer::trained has the same fields, for elements and programs that want each step in
 * the streaming thread.
 *
 * A skipped step is also said in a warning, at most one in five seconds; 100 in a row are an error. That
 * training has collapsed or diverges is a warning, once when it begins.
 *
 * Each checkpoint posts `simclr-checkpoint` with `location` (#gchararray) and `step` (#guint64). With
 * #GstSimclrTrainer:total-steps progress messages of code `training` are posted about once a second;
 * their structure has `percent` (#gint).
 *
 * ## Curves for TensorBoard
 *
 * #GstSimclrTrainer:tensorboard names a folder in which each run begins an event file; `tensorboard --logdir`
 * shows what is in it while the run goes on, each step as soon as it is taken. A resumed run goes on with the curves
 * from the checkpoint's step, and what an older file of the folder has of later ones is no longer shown. The
 * names of the official code: `train/contrast_loss`, `train/contrast_acc`, `train/contrast_entropy`,
 * `learning_rate`, and of the online probe, or where there is no contrast but labels or a teacher,
 * `train/supervised_loss` and `train/supervised_acc`; of our own
 * `train/gradient_norm`, `train/pairs_per_second`, `train/skipped_steps`, and `health/embedding_deviation`,
 * `health/effective_rank`, `health/collapsed_dimensions`, `health/alignment`, `health/uniformity`. They are the
 * numbers of the messages. If the folder cannot be written to, or the disk is full, a warning says so and training
 * goes on.
 *
 * |[
 * gst-launch-1.0 videotestsrc pattern=ball num-buffers=64 ! video/x-raw,width=64,height=64 ! videoconvert ! simclraugment size=32 ! simclrencoder width=0.25 batch-size=8 ! simclrtrainer tensorboard=curves optimizer=sgd learning-rate=0.06 learning-rate-scaling=none
 * ]|
 *
 * ## Pretrain an encoder
 *
 * |[
 * gst-launch-1.0 -m videotestsrc pattern=smpte num-buffers=256 ! video/x-raw,width=64,height=64 ! videoconvert ! simclraugment size=32 ! simclrencoder width=0.25 batch-size=32 ! simclrtrainer optimizer=sgd learning-rate=0.06 learning-rate-scaling=none
 * ]|
 *
 * ## Write the encoder, then embed with it
 *
 * |[
 * gst-launch-1.0 videotestsrc pattern=ball ! video/x-raw,width=64,height=64 ! videoconvert ! simclrreplay min-fill=64 ! simclraugment size=32 ! simclrencoder width=0.25 batch-size=32 ! simclrtrainer total-steps=20 location=encoder.safetensors
 * gst-launch-1.0 videotestsrc num-buffers=10 ! simclrencoder location=encoder.safetensors ! fakesink
 * ]|
 */

#include "gstsimclrtrainer-private.h"

#include "gstsimclrproperties.h"
#include "gstsimclrresumequery.h"
#include "gstsimclrtensorcaps.h"

GST_DEBUG_CATEGORY (gst_simclr_trainer_debug);
#define GST_CAT_DEFAULT gst_simclr_trainer_debug

guint _gst_simclr_trainer_trained;

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE (
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (GST_SIMCLR_TENSOR_CAPS));

G_DEFINE_FINAL_TYPE (GstSimclrTrainer, gst_simclr_trainer, GST_TYPE_BASE_SINK)
GST_ELEMENT_REGISTER_DEFINE (simclrtrainer, "simclrtrainer", GST_RANK_NONE, GST_TYPE_SIMCLR_TRAINER)

static gboolean
begin (GstSimclrTrainer *self)
{
  SimclrTrainingStatistics statistics = {0};
  gboolean resume;

  GST_OBJECT_LOCK (self);
  self->location = gst_simclr_dup_text (self->settings.location);
  self->max_files = self->settings.max_files;
  resume = self->settings.resume;
  GST_OBJECT_UNLOCK (self);

  self->trainer = _gst_simclr_trainer_new_trainer (self);
  g_object_get (self->trainer, "total-steps", &self->total_steps, NULL);
  if (!_gst_simclr_trainer_check_location (self) || !_gst_simclr_trainer_load_labels (self) ||
      !_gst_simclr_trainer_load_teacher (self) || (resume && !_gst_simclr_trainer_resume (self)) ||
      !_gst_simclr_trainer_open_summaries (self))
    return FALSE;
  self->step = self->saved_step = self->first_step;
  g_object_get (self->trainer, "pairs-seen", &statistics.pairs_seen, "skipped-steps",
      &statistics.skipped, NULL);
  statistics.step = self->step;
  GST_OBJECT_LOCK (self);
  self->statistics = statistics;
  self->pairs_per_second = 0;
  GST_OBJECT_UNLOCK (self);
  return TRUE;
}

/* Back to what init left; no streaming thread is here. */
static void
reset (GstSimclrTrainer *self)
{
  g_mutex_lock (&self->lock);
  g_clear_object (&self->trainer);
  g_mutex_unlock (&self->lock);
  g_clear_pointer (&self->location, g_free);
  g_clear_pointer (&self->labels, gst_simclr_labels_free);
  g_clear_object (&self->summaries);
  self->summaries_failed = FALSE;
  gst_simclr_branch_restore (&self->branch);
  self->total_steps = self->first_step = self->step = self->saved_step = 0;
  self->skipped_in_a_row = 0;
  self->collapsed = self->diverging = self->unlabelled = FALSE;
  self->unsound = self->publish_due = self->save_due = FALSE;
  self->warned_at = self->progress_at = 0;
  self->loss = 0;
  self->in_progress = self->finished = FALSE;
  self->rate.n = 0;
}

static GstStateChangeReturn
change_state (GstElement *element, GstStateChange transition)
{
  GstSimclrTrainer *self = GST_SIMCLR_TRAINER (element);
  GstStateChangeReturn result;

  switch (transition) {
  case GST_STATE_CHANGE_READY_TO_PAUSED:
    if (!begin (self)) {
      reset (self);
      return GST_STATE_CHANGE_FAILURE;
    }
    break;
  case GST_STATE_CHANGE_PAUSED_TO_PLAYING:
    GST_OBJECT_LOCK (self);
    self->playing_since = g_get_monotonic_time ();
    GST_OBJECT_UNLOCK (self);
    break;
  default:
    break;
  }
  result = GST_ELEMENT_CLASS (gst_simclr_trainer_parent_class)->change_state (element, transition);
  _gst_simclr_trainer_end_preroll (self);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    _gst_simclr_trainer_save (self, TRUE);
    _gst_simclr_trainer_end_progress (self, GST_PROGRESS_TYPE_CANCELED);
    reset (self);
  } else if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && result == GST_STATE_CHANGE_FAILURE) {
    reset (self);
  }
  return result;
}

/* Serialized ones come with the preroll lock, FLUSH_STOP without it. Before the EOS message: whoever sees it
 * finds the checkpoint written. */
static gboolean
event (GstBaseSink *sink, GstEvent *event)
{
  GstSimclrTrainer *self = GST_SIMCLR_TRAINER (sink);

  _gst_simclr_trainer_preroll (self, event);
  if (GST_EVENT_TYPE (event) == GST_EVENT_FLUSH_STOP)
    _gst_simclr_trainer_end_preroll (self);
  if (GST_EVENT_TYPE (event) == GST_EVENT_EOS) {
    _gst_simclr_trainer_save (self, TRUE);
    _gst_simclr_trainer_end_progress (self, GST_PROGRESS_TYPE_CANCELED);
    if (self->step == self->first_step && !self->finished &&
        gst_pad_has_current_caps (GST_BASE_SINK_PAD (sink)))
      GST_ELEMENT_WARNING (self, STREAM, FAILED,
          ("The stream ended before the first step: nothing was learned."),
          ("It had fewer frames than one batch; batch-size of simclrencoder says how many."));
  }
  return GST_BASE_SINK_CLASS (gst_simclr_trainer_parent_class)->event (sink, event);
}

static gboolean
set_caps (GstBaseSink *sink, GstCaps *caps)
{
  g_autoptr (GError) error = NULL;
  guint size, rows;

  if (!gst_simclr_tensor_caps_parse (caps, &size, &rows, &error)) {
    GST_ELEMENT_ERROR (
        sink, STREAM, FORMAT, ("These tensors are no embeddings."), ("%s", error->message));
    return FALSE;
  }
  GST_DEBUG_OBJECT (sink, "%u rows of %u floats", rows, size);
  return TRUE;
}

/* The training handshake: the encoder upstream finds this and attaches its forward passes. */
static gboolean
propose_allocation (GstBaseSink *sink, GstQuery *query)
{
  gst_query_add_allocation_meta (query, GST_SIMCLR_FORWARD_META_API_TYPE, NULL);
  return TRUE;
}

static gboolean
answer_resume (GstSimclrTrainer *self, GstQuery *query)
{
  g_auto (GstSimclrResume) resume = {0};
  gboolean answered = FALSE;

  g_mutex_lock (&self->lock);
  if (self->trainer != NULL) {
    g_object_get (self->trainer, "step", &resume.step, "pairs-seen", &resume.pairs, NULL);
    resume.weights = simclr_trainer_get_weights (self->trainer);
    answered = TRUE;
  }
  g_mutex_unlock (&self->lock);
  if (answered)
    gst_simclr_resume_answer (query, &resume);
  return answered;
}

static gboolean
query (GstBaseSink *sink, GstQuery *query)
{
  if (gst_simclr_is_resume_query (query))
    return answer_resume (GST_SIMCLR_TRAINER (sink), query);
  return GST_BASE_SINK_CLASS (gst_simclr_trainer_parent_class)->query (sink, query);
}

static void
finalize (GObject *object)
{
  GstSimclrTrainer *self = GST_SIMCLR_TRAINER (object);

  reset (self);
  _gst_simclr_trainer_clear_settings (self);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (gst_simclr_trainer_parent_class)->finalize (object);
}

static void
gst_simclr_trainer_class_init (GstSimclrTrainerClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseSinkClass *sink_class = GST_BASE_SINK_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_simclr_trainer_debug, "simclrtrainer", 0, "SimCLR trainer");

  object_class->finalize = finalize;
  _gst_simclr_trainer_install_properties (object_class);

  /**
   * GstSimclrTrainer::trained:
   * @trainer: the trainer
   * @stats: the fields of the message simclr-training
   *
   * After each step, in the streaming thread.
   */
  _gst_simclr_trainer_trained =
      g_signal_new ("trained", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
          G_TYPE_NONE, 1, GST_TYPE_STRUCTURE | G_SIGNAL_TYPE_STATIC_SCOPE);

  element_class->change_state = change_state;
  gst_element_class_set_static_metadata (element_class, "SimCLR trainer", "Sink/Analyzer/Video",
      "Trains the simclrencoder upstream (contrastive loss, fine-tuning, distillation) and writes "
      "checkpoints",
      "The gst-simclr authors");
  gst_element_class_add_static_pad_template (element_class, &sink_template);

  sink_class->render = _gst_simclr_trainer_render;
  sink_class->event = event;
  sink_class->query = query;
  sink_class->set_caps = set_caps;
  sink_class->propose_allocation = propose_allocation;
}

static void
gst_simclr_trainer_init (GstSimclrTrainer *self)
{
  GstBaseSink *sink = GST_BASE_SINK (self);

  _gst_simclr_trainer_init_settings (self);
  g_mutex_init (&self->lock);

  /* training has no clock to follow, and must not keep a batch beyond its step */
  gst_base_sink_set_sync (sink, FALSE);
  gst_base_sink_set_last_sample_enabled (sink, FALSE);
  gst_base_sink_set_drop_out_of_segment (sink, FALSE);
}
