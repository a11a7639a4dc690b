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
 * A checkpoint of simclrtrainer's `loss=cross-entropy` or `distillation`, too, is a #simclrclassifier:location (and so are
 * torchvision's weights, whose labels are numbers): its linear layer classifies the representations of that same
 * encoder. There are no examples in it, so that it cannot be taught, and nothing is novel.
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
 * Novelty is the distance to an example over the reach of its label, the least of all: 0 for a double of
 * an example, 1 at the edge of what was taught, and above 2 better called unknown. A label's reach follows
 * from how far its examples lie from each other, and more so from how far they lie from the other labels,
 * which tells what is far to this encoder: five frames of each of two things are enough. Measured on real clips
 * what is foreign was best told from what was taught at about 2 (`tests/benchmarks/measure-unknown.py`). A thing that
 * was shown in one position only is soon unknown in another: turn it while it is shown. An encoder that has seen
 * nothing but the things that are taught knows little of others: let it see more.
 *
 * A frame is `unknown` when its confidence is below #simclrclassifier:confidence-threshold or its novelty
 * above #simclrclassifier:novelty-threshold.
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
#include "gstsimclrtensorcaps.h"

GST_DEBUG_CATEGORY (gst_simclr_classifier_debug);
#define GST_CAT_DEFAULT gst_simclr_classifier_debug

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK,
    GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw(ANY); " GST_SIMCLR_TENSOR_CAPS));

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC,
    GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw(ANY); " GST_SIMCLR_TENSOR_CAPS));

G_DEFINE_FINAL_TYPE_WITH_CODE (GstSimclrClassifier, gst_simclr_classifier, GST_TYPE_ELEMENT,
    G_IMPLEMENT_INTERFACE (GST_TYPE_PRESET, NULL))
GST_ELEMENT_REGISTER_DEFINE (
    simclrclassifier, "simclrclassifier", GST_RANK_NONE, GST_TYPE_SIMCLR_CLASSIFIER)

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
    _gst_simclr_classifier_take_settings (self);
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

static void
finalize (GObject *object)
{
  GstSimclrClassifier *self = GST_SIMCLR_CLASSIFIER (object);

  reset (self);
  _gst_simclr_classifier_clear_settings (self);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (gst_simclr_classifier_parent_class)->finalize (object);
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
  g_signal_new_class_handler ("unlearn", type, flags, G_CALLBACK (_gst_simclr_classifier_unlearn),
      NULL, NULL, NULL, G_TYPE_UINT64, 1, G_TYPE_STRING);
  /**
   * GstSimclrClassifier::list-labels:
   * @self: the element
   *
   * Returns: (transfer full): the labels that it knows, in the order of their first example
   */
  g_signal_new_class_handler ("list-labels", type, flags,
      G_CALLBACK (_gst_simclr_classifier_list_labels), NULL, NULL, NULL, G_TYPE_STRV, 0);
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

  GST_DEBUG_CATEGORY_INIT (gst_simclr_classifier_debug, "simclrclassifier", 0, "SimCLR classifier");
  gst_simclr_embedding_meta_register ();
  gst_simclr_classification_meta_register ();

  object_class->finalize = finalize;
  _gst_simclr_classifier_install_properties (object_class);
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
  _gst_simclr_classifier_init_settings (self);
  gst_segment_init (&self->segment, GST_FORMAT_TIME);
  gst_simclr_smoothing_reset (&self->smoothing);

  self->sinkpad = add_pad (self, &sink_template, "sink");
  gst_pad_set_chain_function (self->sinkpad, chain);
  gst_pad_set_event_function (self->sinkpad, sink_event);
  self->srcpad = add_pad (self, &src_template, "src");
}
