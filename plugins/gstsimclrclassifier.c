/* simclrclassifier: the element's properties, pads, states and documentation.
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-simclrclassifier
 * @title: simclrclassifier
 * @short_description: learns labels from examples, and recognises what frames show
 *
 * Labels for the embeddings of simclrencoder. Frames, or tensors of embeddings, pass through; they are learned
 * while a label is given, and classified while none is.
 *
 * ## Teaching
 *
 * * By a file: `mode=fit labels=FILE location=LEARNED`. FILE is UTF-8 text with one line a frame, in the
 *   order of the frames since the start: its label, any words; an empty line is a frame to leave out.
 *   Fewer lines than frames are an error, more a warning.
 * * By showing: set #simclrclassifier:label while PLAYING. As long as it is not empty every frame is an
 *   example of it, in either mode. The action signal `unlearn` (a label, returns the examples forgotten)
 *   takes a label back, `list-labels` returns the labels, and `save` writes
 *   #simclrclassifier:location now.
 *
 * In mode=fit #simclrclassifier:location is written at EOS and on the way to READY, if there is
 * something new. The write is atomic: the file is the old one or the new one. With
 * #simclrclassifier:resume teaching goes on from that file. In mode=predict it is loaded and left alone.
 *
 * ## Methods
 *
 * * `knn`: the #simclrclassifier:neighbors nearest examples vote, by cosine similarity. Presets
 *   `solo-learn` (20, temperature 0.07, the default) and `lightly` (200, 0.1).
 * * `linear`: multinomial logistic regression on the frozen embeddings, the linear evaluation of the
 *   paper; see #simclrclassifier:solver, #simclrclassifier:l2 and #simclrclassifier:standardize. The
 *   preset `official` is the official code's own descent. After teaching it is fitted anew when the next frame
 *   is classified, which holds that frame up: about ten seconds for 50,000 examples, a moment for a hundred.
 * * `prototype`: the label whose examples' mean direction is nearest; a handful of examples is enough.
 *
 * What is learned is kept as examples, so that a file that was taught with one method serves the others.
 * Unless #simclrclassifier:method is set, it is the file's.
 *
 * Examples stay as the encoder made them. One that goes on learning (`model` of simclrencoder) moves away from
 * them: teach again now and then, or keep to weights from a file. That a file was taught with other weights
 * than the embeddings come from is a warning.
 *
 * ## Unknown and novel
 *
 * Novelty is the distance to the nearest example over the distance within which 95 % of the examples have
 * another one (of the other half of their label, in the order of teaching, or of another label; at least 0.001): 0 for a
 * double, 1 at the edge of what was taught. A frame is `unknown` when its confidence is below
 * #simclrclassifier:confidence-threshold or its novelty above #simclrclassifier:novelty-threshold.
 *
 * ## Messages
 *
 * `simclr-classification`, when the label changes or for each frame (#simclrclassifier:messages):
 *
 * * `label` (#gchararray): the best label, or `unknown`
 * * `known` (#gboolean): whether it is a label
 * * `confidence` (#gdouble): the best label's score, 0 to 1, after #simclrclassifier:smoothing
 * * `novelty` (#gdouble): see above; 0 where #simclrclassifier:novelty-threshold is 0
 * * `labels`, `scores` (#GstValueArray): up to five best labels and their scores, best first
 * * `frame` (#guint64): the frame's number since the start, from 0
 * * `row` (#guint): the embedding's row in its buffer, 0 for frames
 * * `running-time` (#guint64): of the frame, in nanoseconds
 *
 * `simclr-novelty`, when novelty goes above the threshold, and when it has fallen
 * #simclrclassifier:novelty-hysteresis below it: `active` (#gboolean), `novelty` and `threshold`
 * (#gdouble), `frame` and `running-time` (#guint64).
 *
 * `simclr-evaluation`, at EOS or on the way to READY, in mode=predict with #simclrclassifier:labels:
 *
 * * `frames` (#guint64): with a label in the file, and classified
 * * `top1`, `top5` (#gdouble): share whose true label has the highest, one of the five highest scores;
 *   thresholds do not count
 * * `unknown` (#guint64): frames that thresholds made unknown
 * * `labels`, `label-frames`, `recall`, `precision` (#GstValueArray): the table of labels
 * * `confusion` (#GstValueArray of #GstValueArray of #guint64): a row for each true label, a column for
 *   each predicted one, in the order of `labels`
 *
 * `simclr-learned`, when #simclrclassifier:location was written: `location` (#gchararray), `labels`
 * (#guint), `examples` (#guint64).
 *
 * ## Metas
 *
 * Each classified frame carries the custom meta `SimclrClassification`, whose structure has the fields of
 * `simclr-classification` (in Python: `buffer.get_custom_meta("SimclrClassification").get_structure()`); a
 * buffer of tensors carries one for each row. On video a known label is a #GstVideoRegionOfInterestMeta of
 * the whole frame too, with the label as its type, and a classification of GstAnalytics where GStreamer
 * has it (1.24).
 *
 * ## Statistics
 *
 * #simclrclassifier:stats is a structure `simclr-classifier` with `frames`, `embeddings`, `taught`, `examples`,
 * `unknown`, `evaluated` (#guint64), `top1`, `confidence`, `novelty` (#gdouble), `label` (#gchararray, empty
 * where unknown), and `labels`, `label-examples` (#GstValueArray).
 *
 * ## Learn two test patterns by showing them, then recognise them
 *
 * |[
 * gst-launch-1.0 videotestsrc pattern=ball num-buffers=20 ! video/x-raw,width=64,height=64 ! simclrencoder width=0.25 input-size=64 ! simclrclassifier mode=fit label=ball location=patterns.safetensors ! fakesink
 * gst-launch-1.0 videotestsrc pattern=smpte num-buffers=20 ! video/x-raw,width=64,height=64 ! simclrencoder width=0.25 input-size=64 ! simclrclassifier mode=fit resume=true label=bars location=patterns.safetensors ! fakesink
 * gst-launch-1.0 -m videotestsrc pattern=smpte num-buffers=20 ! video/x-raw,width=64,height=64 ! simclrencoder width=0.25 input-size=64 ! simclrclassifier method=prototype location=patterns.safetensors ! fakesink
 * ]|
 */

#include "gstsimclrclassifier-private.h"

#include "gstsimclrclassificationmeta.h"
#include "gstsimclrembeddingmeta.h"
#include "gstsimclrproperties.h"
#include "gstsimclrtensorcaps.h"

GST_DEBUG_CATEGORY (gst_simclr_classifier_debug);
#define GST_CAT_DEFAULT gst_simclr_classifier_debug

#define DEFAULT_MODE GST_SIMCLR_CLASSIFIER_PREDICT
#define DEFAULT_MESSAGES GST_SIMCLR_CLASSIFIER_ON_CHANGE
#define DEFAULT_NOVELTY_THRESHOLD 2.0
#define DEFAULT_NOVELTY_HYSTERESIS 0.2

/* Ids from PROP_LIBRARY on are SimclrClassifier's properties. */
enum
{
  PROP_0,
  PROP_MODE,
  PROP_LOCATION,
  PROP_RESUME,
  PROP_LABELS,
  PROP_LABEL,
  PROP_CONFIDENCE_THRESHOLD,
  PROP_NOVELTY_THRESHOLD,
  PROP_NOVELTY_HYSTERESIS,
  PROP_SMOOTHING,
  PROP_MESSAGES,
  PROP_REGION_OF_INTEREST,
  PROP_REPORT,
  PROP_CONFUSION,
  PROP_STATS,
  PROP_LIBRARY,
};

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK,
    GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw(ANY); " GST_SIMCLR_TENSOR_CAPS));

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC,
    GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw(ANY); " GST_SIMCLR_TENSOR_CAPS));

G_DEFINE_FINAL_TYPE_WITH_CODE (GstSimclrClassifier, gst_simclr_classifier, GST_TYPE_ELEMENT,
    G_IMPLEMENT_INTERFACE (GST_TYPE_PRESET, NULL))
GST_ELEMENT_REGISTER_DEFINE (
    simclrclassifier, "simclrclassifier", GST_RANK_NONE, GST_TYPE_SIMCLR_CLASSIFIER)

static GType
get_mode_type (void)
{
  static const GEnumValue values[] = {
      {GST_SIMCLR_CLASSIFIER_FIT, "Learn, and write what was learned to location", "fit"},
      {GST_SIMCLR_CLASSIFIER_PREDICT, "Recognise, with what location holds", "predict"},
      {0, NULL, NULL}};
  static gsize type = 0;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstSimclrClassifierMode", values));
  return type;
}

static GType
get_messages_type (void)
{
  static const GEnumValue values[] = {
      {GST_SIMCLR_CLASSIFIER_ON_CHANGE, "When the label is another one than before", "change"},
      {GST_SIMCLR_CLASSIFIER_ON_FRAME, "For every frame that is classified", "frame"},
      {GST_SIMCLR_CLASSIFIER_NEVER, "None; metas and stats say the same", "never"},
      {0, NULL, NULL}};
  static gsize type = 0;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstSimclrClassifierMessages", values));
  return type;
}

/* An empty text is none. */
static void
take_text (gchar **field, const GValue *value)
{
  const gchar *text = g_value_get_string (value);

  g_free (*field);
  *field = text != NULL && *text != '\0' ? g_strdup (text) : NULL;
}

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstSimclrClassifier *self = GST_SIMCLR_CLASSIFIER (object);

  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_MODE:
    self->fixed.mode = g_value_get_enum (value);
    break;
  case PROP_LOCATION:
    take_text (&self->fixed.location, value);
    break;
  case PROP_RESUME:
    self->fixed.resume = g_value_get_boolean (value);
    break;
  case PROP_LABELS:
    take_text (&self->fixed.labels, value);
    break;
  case PROP_LABEL:
    take_text (&self->live.label, value);
    break;
  case PROP_CONFIDENCE_THRESHOLD:
    self->live.confidence_threshold = g_value_get_double (value);
    break;
  case PROP_NOVELTY_THRESHOLD:
    self->live.novelty_threshold = g_value_get_double (value);
    break;
  case PROP_NOVELTY_HYSTERESIS:
    self->live.novelty_hysteresis = g_value_get_double (value);
    break;
  case PROP_SMOOTHING:
    self->live.smoothing = g_value_get_uint64 (value);
    break;
  case PROP_MESSAGES:
    self->live.messages = g_value_get_enum (value);
    break;
  case PROP_REGION_OF_INTEREST:
    self->live.region_of_interest = g_value_get_boolean (value);
    break;
  case PROP_REPORT:
    take_text (&self->fixed.report, value);
    break;
  case PROP_CONFUSION:
    take_text (&self->fixed.confusion, value);
    break;
  default:
    if (id >= PROP_LIBRARY) {
      gst_simclr_property_store (G_OBJECT (self->prototype), pspec->name, value);
      self->method_set |= g_str_equal (pspec->name, "method");
    } else {
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
  }
  GST_OBJECT_UNLOCK (self);
}

static void
append_label (GstSimclrClassifier *self, GValue *names, GValue *counts, const gchar *label)
{
  g_auto (GValue) name = G_VALUE_INIT;
  g_auto (GValue) count = G_VALUE_INIT;

  g_value_init (&name, G_TYPE_STRING);
  g_value_set_string (&name, label);
  gst_value_array_append_value (names, &name);
  g_value_init (&count, G_TYPE_UINT64);
  g_value_set_uint64 (&count, simclr_classifier_get_n_examples (self->classifier, label));
  gst_value_array_append_value (counts, &count);
}

static GstStructure *
get_stats (GstSimclrClassifier *self)
{
  GValue names = G_VALUE_INIT, examples = G_VALUE_INIT;
  const GstSimclrClassifierCounts *counts = &self->counts;
  GstStructure *stats;

  g_value_init (&names, GST_TYPE_ARRAY);
  g_value_init (&examples, GST_TYPE_ARRAY);
  g_mutex_lock (&self->lock);
  stats = gst_structure_new ("simclr-classifier", "frames", G_TYPE_UINT64, counts->frames,
      "embeddings", G_TYPE_UINT64, counts->embeddings, "taught", G_TYPE_UINT64, counts->taught,
      "examples", G_TYPE_UINT64,
      self->classifier ? simclr_classifier_get_n_examples (self->classifier, NULL) : 0, "unknown",
      G_TYPE_UINT64, counts->unknown, "evaluated", G_TYPE_UINT64,
      self->evaluation ? simclr_confusion_get_count (self->evaluation) : 0, "top1", G_TYPE_DOUBLE,
      self->evaluation ? simclr_confusion_get_top (self->evaluation, 1) : 0, "label", G_TYPE_STRING,
      counts->label ? counts->label : "", "confidence", G_TYPE_DOUBLE, counts->confidence,
      "novelty", G_TYPE_DOUBLE, counts->novelty, NULL);
  if (self->classifier != NULL) {
    const gchar *const *labels = _gst_simclr_classifier_get_labels (self);

    for (; *labels != NULL; labels++)
      append_label (self, &names, &examples, *labels);
  }
  g_mutex_unlock (&self->lock);
  gst_structure_take_value (stats, "labels", &names);
  gst_structure_take_value (stats, "label-examples", &examples);
  return stats;
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstSimclrClassifier *self = GST_SIMCLR_CLASSIFIER (object);

  if (id == PROP_STATS) {
    g_value_take_boxed (value, get_stats (self));
    return;
  }
  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_MODE:
    g_value_set_enum (value, (gint) self->fixed.mode);
    break;
  case PROP_LOCATION:
    g_value_set_string (value, self->fixed.location);
    break;
  case PROP_RESUME:
    g_value_set_boolean (value, self->fixed.resume);
    break;
  case PROP_LABELS:
    g_value_set_string (value, self->fixed.labels);
    break;
  case PROP_LABEL:
    g_value_set_string (value, self->live.label);
    break;
  case PROP_CONFIDENCE_THRESHOLD:
    g_value_set_double (value, self->live.confidence_threshold);
    break;
  case PROP_NOVELTY_THRESHOLD:
    g_value_set_double (value, self->live.novelty_threshold);
    break;
  case PROP_NOVELTY_HYSTERESIS:
    g_value_set_double (value, self->live.novelty_hysteresis);
    break;
  case PROP_SMOOTHING:
    g_value_set_uint64 (value, self->live.smoothing);
    break;
  case PROP_MESSAGES:
    g_value_set_enum (value, (gint) self->live.messages);
    break;
  case PROP_REGION_OF_INTEREST:
    g_value_set_boolean (value, self->live.region_of_interest);
    break;
  case PROP_REPORT:
    g_value_set_string (value, self->fixed.report);
    break;
  case PROP_CONFUSION:
    g_value_set_string (value, self->fixed.confusion);
    break;
  default:
    if (id >= PROP_LIBRARY)
      gst_simclr_property_fetch (G_OBJECT (self->prototype), pspec->name, value);
    else
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

static GstFlowReturn
chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  GstSimclrClassifier *self = GST_SIMCLR_CLASSIFIER (parent);
  GstFlowReturn flow = GST_FLOW_OK;

  buffer = _gst_simclr_classifier_handle (self, buffer, &flow);
  return buffer != NULL ? gst_pad_push (self->srcpad, buffer) : flow;
}

static gboolean
take_caps (GstSimclrClassifier *self, GstCaps *caps)
{
  g_autoptr (GError) error = NULL;

  self->is_video = gst_structure_has_name (gst_caps_get_structure (caps, 0), "video/x-raw");
  if (self->is_video)
    return gst_video_info_from_caps (&self->info, caps);
  if (gst_simclr_tensor_caps_parse (caps, &self->tensor_size, &self->tensor_rows, &error))
    return TRUE;
  GST_ELEMENT_ERROR (
      self, STREAM, FORMAT, ("These tensors are no embeddings."), ("%s", error->message));
  return FALSE;
}

static gboolean
sink_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstSimclrClassifier *self = GST_SIMCLR_CLASSIFIER (parent);
  GstCaps *caps;

  switch (GST_EVENT_TYPE (event)) {
  case GST_EVENT_CAPS:
    gst_event_parse_caps (event, &caps);
    if (!take_caps (self, caps)) {
      gst_event_unref (event);
      return FALSE;
    }
    break;
  case GST_EVENT_SEGMENT:
    gst_event_copy_segment (event, &self->segment);
    gst_simclr_smoothing_reset (&self->smoothing);
    break;
  case GST_EVENT_FLUSH_STOP:
    gst_segment_init (&self->segment, GST_FORMAT_TIME);
    gst_simclr_smoothing_reset (&self->smoothing);
    break;
  case GST_EVENT_EOS:
    /* before the EOS message: whoever sees it finds the files written */
    if (self->active.mode == GST_SIMCLR_CLASSIFIER_FIT)
      _gst_simclr_classifier_save (self);
    _gst_simclr_classifier_report (self, TRUE);
    break;
  default:
    break;
  }
  return gst_pad_event_default (pad, parent, event);
}

void
_gst_simclr_classifier_fixed_clear (GstSimclrClassifierFixed *self)
{
  g_clear_pointer (&self->location, g_free);
  g_clear_pointer (&self->labels, g_free);
  g_clear_pointer (&self->report, g_free);
  g_clear_pointer (&self->confusion, g_free);
}

static void
take_settings (GstSimclrClassifier *self)
{
  _gst_simclr_classifier_fixed_clear (&self->active);
  GST_OBJECT_LOCK (self);
  self->active = self->fixed;
  self->active.location = g_strdup (self->fixed.location);
  self->active.labels = g_strdup (self->fixed.labels);
  self->active.report = g_strdup (self->fixed.report);
  self->active.confusion = g_strdup (self->fixed.confusion);
  GST_OBJECT_UNLOCK (self);
}

/* Back to what init left; no streaming thread is here. */
static void
reset (GstSimclrClassifier *self)
{
  g_mutex_lock (&self->lock);
  g_clear_object (&self->classifier);
  g_clear_object (&self->evaluation);
  g_clear_pointer (&self->labels, g_strfreev);
  g_free (self->counts.label);
  self->counts = (GstSimclrClassifierCounts){0};
  self->unsaved = self->evaluated = FALSE;
  g_mutex_unlock (&self->lock);
  g_clear_pointer (&self->truth, gst_simclr_labels_free);
  g_clear_pointer (&self->told, g_free);
  self->alarm = self->origin_compared = FALSE;
  gst_simclr_smoothing_reset (&self->smoothing);
  gst_segment_init (&self->segment, GST_FORMAT_TIME);
}

static GstStateChangeReturn
change_state (GstElement *element, GstStateChange transition)
{
  GstSimclrClassifier *self = GST_SIMCLR_CLASSIFIER (element);
  GstStateChangeReturn result;

  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
    take_settings (self);
    if (!_gst_simclr_classifier_open (self)) {
      reset (self);
      return GST_STATE_CHANGE_FAILURE;
    }
  }
  result =
      GST_ELEMENT_CLASS (gst_simclr_classifier_parent_class)->change_state (element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    if (self->active.mode == GST_SIMCLR_CLASSIFIER_FIT)
      _gst_simclr_classifier_save (self);
    _gst_simclr_classifier_report (self, FALSE);
    reset (self);
  } else if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && result == GST_STATE_CHANGE_FAILURE) {
    reset (self);
  }
  return result;
}

static guint64
unlearn (GstSimclrClassifier *self, const gchar *label)
{
  guint64 removed = 0;

  g_mutex_lock (&self->lock);
  if (self->classifier != NULL && label != NULL)
    removed = simclr_classifier_unlearn (self->classifier, label);
  if (removed > 0) {
    self->unsaved = TRUE;
    _gst_simclr_classifier_labels_changed (self);
  }
  g_mutex_unlock (&self->lock);
  GST_INFO_OBJECT (self, "unlearned %" G_GUINT64_FORMAT " examples of \"%s\"", removed, label);
  return removed;
}

static gchar **
list_labels (GstSimclrClassifier *self)
{
  gchar **labels;

  g_mutex_lock (&self->lock);
  labels = self->classifier != NULL ? simclr_classifier_get_labels (self->classifier)
                                    : g_new0 (gchar *, 1);
  g_mutex_unlock (&self->lock);
  return labels;
}

static void
finalize (GObject *object)
{
  GstSimclrClassifier *self = GST_SIMCLR_CLASSIFIER (object);

  reset (self);
  _gst_simclr_classifier_fixed_clear (&self->active);
  _gst_simclr_classifier_fixed_clear (&self->fixed);
  g_free (self->live.label);
  g_object_unref (self->prototype);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (gst_simclr_classifier_parent_class)->finalize (object);
}

static void
install_text (GObjectClass *klass, guint id, const gchar *name, const gchar *nick,
    const gchar *blurb, GParamFlags when)
{
  g_object_class_install_property (klass, id,
      g_param_spec_string (
          name, nick, blurb, NULL, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | when));
}

static void
install_files (GObjectClass *klass)
{
  install_text (klass, PROP_LOCATION, "location", "Location",
      "Safetensors file of what was learned: written in mode=fit, loaded in mode=predict; unset: "
      "what is taught is forgotten with the run.",
      GST_PARAM_MUTABLE_READY);
  install_text (klass, PROP_LABELS, "labels", "Labels",
      "UTF-8 text file with one line a frame, its label; in mode=fit they are taught, in "
      "mode=predict predictions are compared with them. An empty line leaves the frame out; unset: "
      "none.",
      GST_PARAM_MUTABLE_READY);
  install_text (klass, PROP_REPORT, "report", "Report",
      "JSON file to write the evaluation to at the end (frames, top1, top5, classes, confusion), "
      "with mode=predict and labels; unset: none.",
      GST_PARAM_MUTABLE_READY);
  install_text (klass, PROP_CONFUSION, "confusion", "Confusion",
      "PNG file to draw the confusion matrix into at the end, with mode=predict and labels; unset: "
      "none.",
      GST_PARAM_MUTABLE_READY);
  install_text (klass, PROP_LABEL, "label", "Label",
      "What the frames show now: every frame is learned as an example of it, in both modes; empty "
      "or unset: frames are classified.",
      GST_PARAM_MUTABLE_PLAYING);
}

static void
install_thresholds (GObjectClass *klass)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING;

  g_object_class_install_property (klass, PROP_CONFIDENCE_THRESHOLD,
      g_param_spec_double ("confidence-threshold", "Confidence threshold",
          "Confidence (0 to 1) below which a frame is unknown; 0: never.", 0, 1, 0, flags));
  g_object_class_install_property (klass, PROP_NOVELTY_THRESHOLD,
      g_param_spec_double ("novelty-threshold", "Novelty threshold",
          "Novelty above which a frame is unknown and an alarm is told: 1 is the edge of what was "
          "taught, 2 twice as far from the nearest example; 0: novelty is not computed, which "
          "saves time with many examples.",
          0, G_MAXDOUBLE, DEFAULT_NOVELTY_THRESHOLD, flags));
  g_object_class_install_property (klass, PROP_NOVELTY_HYSTERESIS,
      g_param_spec_double ("novelty-hysteresis", "Novelty hysteresis",
          "Share of novelty-threshold by which novelty must fall below it before the alarm ends.",
          0, 1, DEFAULT_NOVELTY_HYSTERESIS, flags));
  g_object_class_install_property (klass, PROP_SMOOTHING,
      g_param_spec_uint64 ("smoothing", "Smoothing",
          "Time constant in nanoseconds of an exponential mean over the scores and novelty of "
          "successive frames; 0: each frame by itself.",
          0, G_MAXINT64, 0, flags));
  g_object_class_install_property (klass, PROP_MESSAGES,
      g_param_spec_enum ("messages", "Messages", "When simclr-classification messages are posted.",
          get_messages_type (), DEFAULT_MESSAGES, flags));
  g_object_class_install_property (klass, PROP_REGION_OF_INTEREST,
      g_param_spec_boolean ("region-of-interest", "Region of interest",
          "Whether a known label is put on video frames as a region of interest meta of the whole "
          "frame (and for GstAnalytics), beside the meta SimclrClassification.",
          TRUE, flags));
}

static void
install_library_properties (GObjectClass *klass)
{
  GObjectClass *library = g_type_class_ref (SIMCLR_TYPE_CLASSIFIER);
  guint n, id = PROP_LIBRARY;
  g_autofree GParamSpec **pspecs = g_object_class_list_properties (library, &n);

  for (guint i = 0; i < n; i++) {
    /* what made the embeddings is found out, not set */
    if (G_IS_PARAM_SPEC_STRING (pspecs[i]))
      continue;
    g_object_class_install_property (klass, id++,
        gst_simclr_property_like (
            pspecs[i], G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY));
  }
}

static void
install_signals (GObjectClass *klass)
{
  GType type = G_TYPE_FROM_CLASS (klass);
  const GSignalFlags flags = G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION;

  /**
   * GstSimclrClassifier::unlearn:
   * @self: the element
   * @label: a label
   *
   * Forgets all examples of a label.
   *
   * Returns: how many there were
   */
  g_signal_new_class_handler ("unlearn", type, flags, G_CALLBACK (unlearn), NULL, NULL, NULL,
      G_TYPE_UINT64, 1, G_TYPE_STRING);
  /**
   * GstSimclrClassifier::list-labels:
   * @self: the element
   *
   * Returns: (transfer full): the labels that it knows, in the order of their first example
   */
  g_signal_new_class_handler (
      "list-labels", type, flags, G_CALLBACK (list_labels), NULL, NULL, NULL, G_TYPE_STRV, 0);
  /**
   * GstSimclrClassifier::save:
   * @self: the element
   *
   * Writes what was learned to the location now, in either mode.
   *
   * Returns: whether there was nothing new, or it was written
   */
  g_signal_new_class_handler ("save", type, flags, G_CALLBACK (_gst_simclr_classifier_save), NULL,
      NULL, NULL, G_TYPE_BOOLEAN, 0);
}

static void
gst_simclr_classifier_class_init (GstSimclrClassifierClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;

  GST_DEBUG_CATEGORY_INIT (gst_simclr_classifier_debug, "simclrclassifier", 0, "SimCLR classifier");
  gst_simclr_embedding_meta_register ();
  gst_simclr_classification_meta_register ();
  gst_type_mark_as_plugin_api (get_mode_type (), 0);
  gst_type_mark_as_plugin_api (get_messages_type (), 0);

  object_class->set_property = set_property;
  object_class->get_property = get_property;
  object_class->finalize = finalize;
  g_object_class_install_property (object_class, PROP_MODE,
      g_param_spec_enum ("mode", "Mode", "Whether location is written or read.", get_mode_type (),
          DEFAULT_MODE, flags));
  g_object_class_install_property (object_class, PROP_RESUME,
      g_param_spec_boolean ("resume", "Resume",
          "Whether mode=fit goes on from location, if it is there, instead of beginning afresh.",
          FALSE, flags));
  install_files (object_class);
  install_thresholds (object_class);
  g_object_class_install_property (object_class, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "Structure simclr-classifier: frames, embeddings, taught, examples, unknown, evaluated, "
          "top1, label, confidence, novelty, labels and label-examples.",
          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
  install_library_properties (object_class);
  install_signals (object_class);

  element_class->change_state = change_state;
  gst_element_class_set_static_metadata (element_class, "SimCLR classifier",
      "Filter/Analyzer/Video", "Learns labels from examples and recognises what frames show",
      "The gst-simclr authors");
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
}

static GstPad *
add_pad (GstSimclrClassifier *self, GstStaticPadTemplate *template, const gchar *name)
{
  GstPad *pad = gst_pad_new_from_static_template (template, name);

  GST_PAD_SET_PROXY_CAPS (pad);
  GST_PAD_SET_PROXY_ALLOCATION (pad);
  GST_PAD_SET_PROXY_SCHEDULING (pad);
  gst_element_add_pad (GST_ELEMENT (self), pad);
  return pad;
}

static void
gst_simclr_classifier_init (GstSimclrClassifier *self)
{
  g_mutex_init (&self->lock);
  self->prototype = simclr_classifier_new ();
  self->fixed.mode = DEFAULT_MODE;
  self->live.novelty_threshold = DEFAULT_NOVELTY_THRESHOLD;
  self->live.novelty_hysteresis = DEFAULT_NOVELTY_HYSTERESIS;
  self->live.messages = DEFAULT_MESSAGES;
  self->live.region_of_interest = TRUE;
  gst_segment_init (&self->segment, GST_FORMAT_TIME);
  gst_simclr_smoothing_reset (&self->smoothing);

  self->sinkpad = add_pad (self, &sink_template, "sink");
  gst_pad_set_chain_function (self->sinkpad, chain);
  gst_pad_set_event_function (self->sinkpad, sink_event);
  self->srcpad = add_pad (self, &src_template, "src");
}
