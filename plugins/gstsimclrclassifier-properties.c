/* simclrclassifier's properties: its own, and the library's beside them.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrclassifier-private.h"

#include "gstsimclrproperties.h"

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

static GType
get_mode_type (void)
{
  static const GEnumValue values[] = {
      {GST_SIMCLR_CLASSIFIER_FIT, "Learn, and write what was learned to location", "fit"},
      {GST_SIMCLR_CLASSIFIER_PREDICT, "Recognise, with what location holds", "predict"},
      {0, NULL, NULL}};

  return gst_simclr_own_enum ("GstSimclrClassifierMode", values);
}

static GType
get_messages_type (void)
{
  static const GEnumValue values[] = {
      {GST_SIMCLR_CLASSIFIER_ON_CHANGE, "When the label is another one than before", "change"},
      {GST_SIMCLR_CLASSIFIER_ON_FRAME, "For every frame that is classified", "frame"},
      {GST_SIMCLR_CLASSIFIER_NEVER, "None; metas and stats say the same", "never"},
      {0, NULL, NULL}};

  return gst_simclr_own_enum ("GstSimclrClassifierMessages", values);
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
    gst_simclr_take_text (&self->fixed.location, value);
    break;
  case PROP_RESUME:
    self->fixed.resume = g_value_get_boolean (value);
    break;
  case PROP_LABELS:
    gst_simclr_take_text (&self->fixed.labels, value);
    break;
  case PROP_LABEL:
    gst_simclr_take_text (&self->live.label, value);
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
    gst_simclr_take_text (&self->fixed.report, value);
    break;
  case PROP_CONFUSION:
    gst_simclr_take_text (&self->fixed.confusion, value);
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
      "Safetensors file of what was learned: written in mode=fit, loaded in mode=predict, where a "
      "fine-tuned encoder's will do, too; unset: what is taught is forgotten with the run.",
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
          "taught, 2 twice as far from the examples, where what is foreign was found to begin; a "
          "higher one calls less unknown; 0: novelty is not computed, which saves time with many "
          "examples.",
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

void
_gst_simclr_classifier_install_properties (GObjectClass *klass)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;

  klass->set_property = set_property;
  klass->get_property = get_property;
  g_object_class_install_property (klass, PROP_MODE,
      g_param_spec_enum ("mode", "Mode", "Whether location is written or read.", get_mode_type (),
          DEFAULT_MODE, flags));
  g_object_class_install_property (klass, PROP_RESUME,
      g_param_spec_boolean ("resume", "Resume",
          "Whether mode=fit goes on from location, if it is there, instead of beginning afresh.",
          FALSE, flags));
  install_files (klass);
  install_thresholds (klass);
  g_object_class_install_property (klass, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "Structure simclr-classifier: frames, embeddings, taught, examples, unknown, evaluated, "
          "top1, label, confidence, novelty, labels and label-examples.",
          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
  install_library_properties (klass);
}

/* As the property specifications promise. */
void
_gst_simclr_classifier_init_settings (GstSimclrClassifier *self)
{
  self->prototype = simclr_classifier_new ();
  self->fixed.mode = DEFAULT_MODE;
  self->live.novelty_threshold = DEFAULT_NOVELTY_THRESHOLD;
  self->live.novelty_hysteresis = DEFAULT_NOVELTY_HYSTERESIS;
  self->live.messages = DEFAULT_MESSAGES;
  self->live.region_of_interest = TRUE;
}

static void
fixed_clear (GstSimclrClassifierFixed *self)
{
  g_clear_pointer (&self->location, g_free);
  g_clear_pointer (&self->labels, g_free);
  g_clear_pointer (&self->report, g_free);
  g_clear_pointer (&self->confusion, g_free);
}

void
_gst_simclr_classifier_clear_settings (GstSimclrClassifier *self)
{
  fixed_clear (&self->active);
  fixed_clear (&self->fixed);
  g_free (self->live.label);
  g_object_unref (self->prototype);
}

void
_gst_simclr_classifier_take_settings (GstSimclrClassifier *self)
{
  fixed_clear (&self->active);
  GST_OBJECT_LOCK (self);
  self->active = self->fixed;
  self->active.location = g_strdup (self->fixed.location);
  self->active.labels = g_strdup (self->fixed.labels);
  self->active.report = g_strdup (self->fixed.report);
  self->active.confusion = g_strdup (self->fixed.confusion);
  GST_OBJECT_UNLOCK (self);
}
