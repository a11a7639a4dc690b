/* simclrtrainer: the sink in which batches of embeddings train their encoder.
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-simclrtrainer
 * @title: simclrtrainer
 * @short_description: contrastive training of the simclrencoder upstream
 *
 * The sink at the end of a training pipeline: projection head, contrastive loss and optimizer of
 * SimCLR. Each batch that arrives from a simclrencoder is one step: the loss is computed over all of
 * its views, goes backward through head and encoder, and the optimizer changes the weights of both
 * before the encoder starts on its next batch.
 *
 * Only a `queue` or a `tee` may stand between encoder and trainer; an encoder has one trainer.
 *
 * While it is PAUSED it takes part in preroll like other sinks, but the start of the stream is enough for it, not
 * a whole batch: other branches of a `tee` need not wait until one has filled.
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
 * With #GstSimclrTrainer:negatives the last so many projections are kept as further negatives of every
 * view, without gradient, which gives a small batch the negatives of a large one (cross-batch memory, Wang
 * et al. 2020, 1912.06798). The checkpoint holds them.
 *
 * With #GstSimclrTrainer:exclude-neighbours frames of one moment are no negatives of each other, for
 * pushing apart what is the same scene teaches nothing. What counts is when a frame was filmed, in the
 * running time of simclrreplay's input where one stands upstream. It holds for the frames that
 * #GstSimclrTrainer:negatives keeps as well; what has the same label stays a positive.
 *
 * ## The online probe
 *
 * With #GstSimclrTrainer:labels, whatever the loss, a linear layer learns the labels from the representations
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
 * is an error. While training diverges the last good file is left alone. A checkpoint in the middle of a run is
 * told upstream with a custom event `simclr-checkpoint` (`location`, `step`), so that simclrreplay writes
 * its memory too.
 *
 * Every #GstSimclrTrainer:publish-interval steps the weights are published as the `model` of the encoder, unless they are
 * not finite.
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
 * * `loss` (#gdouble): mean over all views, in nats; ln(2N-1) when nothing has been learned of N pairs
 * * `contrastive-accuracy` (#gdouble): share of views whose positive is the most similar, 0 to 1
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
 * * `diverging` (#gboolean): for 20 steps the mean loss has been a quarter above the lowest it ever was
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
 * `learning_rate`, and with the online probe `train/supervised_loss` and `train/supervised_acc`; of our own
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

#include "gstsimclrmessages.h"
#include "gstsimclrproperties.h"
#include "gstsimclrresumequery.h"
#include "gstsimclrtensorcaps.h"

GST_DEBUG_CATEGORY (gst_simclr_trainer_debug);
#define GST_CAT_DEFAULT gst_simclr_trainer_debug

#define DEFAULT_CHECKPOINT_INTERVAL 100
#define DEFAULT_PUBLISH_INTERVAL 1
#define DEFAULT_TENSORBOARD_INTERVAL 1

/* Ids from PROP_LIBRARY on are SimclrTrainer's writable properties. */
enum
{
  PROP_0,
  PROP_LOCATION,
  PROP_LABELS,
  PROP_TENSORBOARD,
  PROP_TENSORBOARD_INTERVAL,
  PROP_CHECKPOINT_INTERVAL,
  PROP_RESUME,
  PROP_PUBLISH_INTERVAL,
  PROP_STEP,
  PROP_STATS,
  PROP_LIBRARY,
};

guint _gst_simclr_trainer_trained;
static GPtrArray *library_properties; /* names, constant after class_init */

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE (
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (GST_SIMCLR_TENSOR_CAPS));

G_DEFINE_FINAL_TYPE (GstSimclrTrainer, gst_simclr_trainer, GST_TYPE_BASE_SINK)
GST_ELEMENT_REGISTER_DEFINE (simclrtrainer, "simclrtrainer", GST_RANK_NONE, GST_TYPE_SIMCLR_TRAINER)

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstSimclrTrainer *self = GST_SIMCLR_TRAINER (object);

  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_LOCATION:
    g_free (self->settings.location);
    self->settings.location = g_value_dup_string (value);
    break;
  case PROP_LABELS:
    g_free (self->settings.labels);
    self->settings.labels = g_value_dup_string (value);
    break;
  case PROP_TENSORBOARD:
    g_free (self->settings.tensorboard);
    self->settings.tensorboard = g_value_dup_string (value);
    break;
  case PROP_TENSORBOARD_INTERVAL:
    self->settings.tensorboard_interval = g_value_get_uint64 (value);
    break;
  case PROP_CHECKPOINT_INTERVAL:
    self->settings.checkpoint_interval = g_value_get_uint64 (value);
    break;
  case PROP_RESUME:
    self->settings.resume = g_value_get_boolean (value);
    break;
  case PROP_PUBLISH_INTERVAL:
    self->settings.publish_interval = g_value_get_uint64 (value);
    break;
  default:
    if (id >= PROP_LIBRARY)
      gst_simclr_property_store (G_OBJECT (self->prototype), pspec->name, value);
    else
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

static GstStructure *
get_stats (GstSimclrTrainer *self)
{
  SimclrTrainingStatistics statistics;
  gdouble rate;

  GST_OBJECT_LOCK (self);
  statistics = self->statistics;
  rate = self->pairs_per_second;
  GST_OBJECT_UNLOCK (self);
  return gst_simclr_training_structure_new ("simclr-trainer-stats", &statistics, rate);
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstSimclrTrainer *self = GST_SIMCLR_TRAINER (object);

  if (id == PROP_STATS) {
    g_value_take_boxed (value, get_stats (self));
    return;
  }
  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_LOCATION:
    g_value_set_string (value, self->settings.location);
    break;
  case PROP_LABELS:
    g_value_set_string (value, self->settings.labels);
    break;
  case PROP_TENSORBOARD:
    g_value_set_string (value, self->settings.tensorboard);
    break;
  case PROP_TENSORBOARD_INTERVAL:
    g_value_set_uint64 (value, self->settings.tensorboard_interval);
    break;
  case PROP_CHECKPOINT_INTERVAL:
    g_value_set_uint64 (value, self->settings.checkpoint_interval);
    break;
  case PROP_RESUME:
    g_value_set_boolean (value, self->settings.resume);
    break;
  case PROP_PUBLISH_INTERVAL:
    g_value_set_uint64 (value, self->settings.publish_interval);
    break;
  case PROP_STEP:
    g_value_set_uint64 (value, self->statistics.step);
    break;
  default:
    if (id >= PROP_LIBRARY)
      gst_simclr_property_fetch (G_OBJECT (self->prototype), pspec->name, value);
    else
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

/* A trainer of its own for each run, with the settings of this moment. */
static SimclrTrainer *
new_trainer (GstSimclrTrainer *self)
{
  SimclrTrainer *trainer = simclr_trainer_new ();

  GST_OBJECT_LOCK (self);
  for (guint i = 0; i < library_properties->len; i++) {
    const gchar *name = g_ptr_array_index (library_properties, i);
    g_auto (GValue) value = G_VALUE_INIT;

    g_object_get_property (G_OBJECT (self->prototype), name, &value);
    g_object_set_property (G_OBJECT (trainer), name, &value);
  }
  GST_OBJECT_UNLOCK (self);
  return trainer;
}

static gboolean
begin (GstSimclrTrainer *self)
{
  SimclrTrainingStatistics statistics = {0};
  const gchar *location;
  gboolean resume;

  GST_OBJECT_LOCK (self);
  location = self->settings.location;
  self->location = location != NULL && *location != '\0' ? g_strdup (location) : NULL;
  resume = self->settings.resume;
  GST_OBJECT_UNLOCK (self);

  self->trainer = new_trainer (self);
  g_object_get (self->trainer, "total-steps", &self->total_steps, NULL);
  if (!_gst_simclr_trainer_check_location (self) || !_gst_simclr_trainer_load_labels (self) ||
      (resume && !_gst_simclr_trainer_resume (self)) || !_gst_simclr_trainer_open_summaries (self))
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
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    _gst_simclr_trainer_save (self, TRUE);
    _gst_simclr_trainer_end_progress (self, GST_PROGRESS_TYPE_CANCELED);
    reset (self);
  } else if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && result == GST_STATE_CHANGE_FAILURE) {
    reset (self);
  }
  return result;
}

/* There is nothing to show while paused, and a whole batch may take longer to come than other branches of the
 * pipeline can be kept waiting, so the first word of a stream is preroll enough. None at all (async=false)
 * would not do: GStreamer 1.22 loses the end of a stream when no sink prerolls and decodebin is not done when
 * the pipeline is. Called with the preroll lock. */
static gboolean
preroll (GstBaseSink *sink, GstEvent *event)
{
  if (GST_EVENT_TYPE (event) != GST_EVENT_STREAM_START)
    return TRUE;
  return gst_base_sink_do_preroll (sink, GST_MINI_OBJECT_CAST (event)) == GST_FLOW_OK;
}

/* Before the EOS message: whoever sees it finds the checkpoint written. */
static gboolean
event (GstBaseSink *sink, GstEvent *event)
{
  GstSimclrTrainer *self = GST_SIMCLR_TRAINER (sink);

  if (!preroll (sink, event)) {
    gst_event_unref (event);
    return FALSE;
  }
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
  g_free (self->settings.location);
  g_free (self->settings.labels);
  g_free (self->settings.tensorboard);
  g_object_unref (self->prototype);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (gst_simclr_trainer_parent_class)->finalize (object);
}

static void
install_library_properties (GObjectClass *klass)
{
  GObjectClass *library = g_type_class_ref (SIMCLR_TYPE_TRAINER);
  guint n, id = PROP_LIBRARY;
  g_autofree GParamSpec **pspecs = g_object_class_list_properties (library, &n);

  library_properties = g_ptr_array_new ();
  for (guint i = 0; i < n; i++) {
    if (!(pspecs[i]->flags & G_PARAM_WRITABLE))
      continue;
    g_ptr_array_add (library_properties, (gpointer) g_intern_string (pspecs[i]->name));
    g_object_class_install_property (klass, id++,
        gst_simclr_property_like (
            pspecs[i], G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY));
  }
}

static void
install_properties (GObjectClass *klass)
{
  g_object_class_install_property (klass, PROP_LOCATION,
      g_param_spec_string ("location", "Location",
          "Safetensors file that checkpoints are written to, and the encoder with them; unset: "
          "none "
          "is written.",
          NULL, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY));
  g_object_class_install_property (klass, PROP_LABELS,
      g_param_spec_string ("labels", "Labels",
          "UTF-8 text file that says what frames show, for loss=supervised and the online probe: "
          "line n is the label of frame n, counted in the order they come in; an empty line is "
          "none. "
          "Unset: no labels.",
          NULL, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY));
  g_object_class_install_property (klass, PROP_TENSORBOARD,
      g_param_spec_string ("tensorboard", "TensorBoard",
          "Folder in which each run begins an event file with its curves, for TensorBoard; made if "
          "it "
          "is not there. Unset: none is written.",
          NULL, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY));
  g_object_class_install_property (klass, PROP_TENSORBOARD_INTERVAL,
      g_param_spec_uint64 ("tensorboard-interval", "TensorBoard interval",
          "Steps from one point of the curves to the next; a point of all curves takes half a "
          "kilobyte.",
          1, G_MAXUINT64, DEFAULT_TENSORBOARD_INTERVAL,
          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING));
  g_object_class_install_property (klass, PROP_CHECKPOINT_INTERVAL,
      g_param_spec_uint64 ("checkpoint-interval", "Checkpoint interval",
          "Steps from one checkpoint to the next; 0: only at the end and on the way to READY.", 0,
          G_MAXUINT64, DEFAULT_CHECKPOINT_INTERVAL,
          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING));
  g_object_class_install_property (klass, PROP_RESUME,
      g_param_spec_boolean ("resume", "Resume",
          "Go on from the checkpoint at location, if there is one; otherwise it is overwritten.",
          FALSE, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY));
  g_object_class_install_property (klass, PROP_PUBLISH_INTERVAL,
      g_param_spec_uint64 ("publish-interval", "Publish interval",
          "Steps after which new weights are published under the encoder's model name, for other "
          "encoders to take; 0: never.",
          0, G_MAXUINT64, DEFAULT_PUBLISH_INTERVAL,
          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING));
  g_object_class_install_property (klass, PROP_STEP,
      g_param_spec_uint64 ("step", "Step",
          "Steps taken, those before a resume and skipped ones included.", 0, G_MAXUINT64, 0,
          G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
  g_object_class_install_property (klass, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "The last step in numbers: the fields of the message simclr-training.",
          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
  install_library_properties (klass);
}

static void
gst_simclr_trainer_class_init (GstSimclrTrainerClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseSinkClass *sink_class = GST_BASE_SINK_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_simclr_trainer_debug, "simclrtrainer", 0, "SimCLR trainer");

  object_class->set_property = set_property;
  object_class->get_property = get_property;
  object_class->finalize = finalize;
  install_properties (object_class);

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
      "Trains the simclrencoder upstream by contrastive loss and writes checkpoints",
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

  self->prototype = simclr_trainer_new ();
  self->settings.checkpoint_interval = DEFAULT_CHECKPOINT_INTERVAL;
  self->settings.publish_interval = DEFAULT_PUBLISH_INTERVAL;
  self->settings.tensorboard_interval = DEFAULT_TENSORBOARD_INTERVAL;
  g_mutex_init (&self->lock);

  /* training has no clock to follow, and must not keep a batch beyond its step */
  gst_base_sink_set_sync (sink, FALSE);
  gst_base_sink_set_last_sample_enabled (sink, FALSE);
  gst_base_sink_set_drop_out_of_segment (sink, FALSE);
}
