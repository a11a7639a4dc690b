/* The element simclraugment: a frame in, two random views of it out, one above the other.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-simclraugment
 * @title: simclraugment
 *
 * Makes the positive pairs that SimCLR learns from. Of each frame two views are made, independently
 * and at random: a crop of random area and shape is resized to #GstSimclrAugment:size times
 * #GstSimclrAugment:size pixels (antialiased), maybe mirrored, its colours jittered, maybe turned
 * gray, maybe blurred, maybe solarized. The defaults are the paper's ImageNet recipe, also as preset
 * `imagenet`; the preset `cifar` is the recipe for pictures of 32x32. The preset `fine-tune` crops and mirrors only, for
 * simclrtrainer's `loss=cross-entropy` and `distillation`, at any size.
 *
 * The output is ordinary RGB video of size times two sizes, view 1 above view 2
 * (`multiview-mode=top-bottom`), one picture for each frame, with the frame's times: it can be
 * looked at, stored and encoded like any video. simclrencoder takes it as it is.
 *
 * ## Small crops
 *
 * With #GstSimclrAugment:small-crops each pair brings small crops of its first view's frame along (multi-crop, Caron
 * et al. 2020, section 3.3, [arXiv 2006.09882](https://arxiv.org/abs/2006.09882)): cheap further views, which
 * simclrtrainer has find both views. They differ from views in #GstSimclrAugment:small-size and in the areas
 * #GstSimclrAugment:small-min-area to #GstSimclrAugment:small-max-area; everything else is drawn as for a
 * view. They lie below the views, in rows from left to right, and the caps then have `small-crops`, `small-size`
 * and `multiview-mode=mono`.
 *
 * ## Repeating a run
 *
 * Everything random follows from #GstSimclrAugment:seed and the number of the pair, which counts
 * from 0 at each start. Before the first pair the element asks downstream with a custom query
 * `simclr-resume`; an element that continues an earlier run answers it with a field `pairs`
 * (guint64), and counting starts there.
 *
 * ## Pairs over time
 *
 * With #GstSimclrAugment:temporal-window above 0, view 2 comes from an earlier frame, drawn from
 * those at most that much before (running time). At most 16 past frames are kept, spread evenly over
 * the window; buffers of limited pools are copied, so that no camera or decoder waits for them.
 * A DISCONT, a flush, a new segment, changed caps or time running backwards forgets them; the frame
 * after that, and frames without a timestamp, are paired with themselves. The element adds no
 * latency.
 *
 * Behind a simclrreplay, which hands out frames in a random order, view 2 comes from another frame of the
 * same shot in its memory, at most that much before or after; a frame that has none there is paired with
 * itself. simclrreplay asks for the window, and sees scene cuts.
 *
 * ## The meta SimclrPair
 *
 * Each output buffer has a #GstCustomMeta named `SimclrPair` that tells how it was made:
 *
 * * `seed`, `pair` (guint64), `size` (guint), `interpolation` (string), `frame-width`,
 *   `frame-height` (guint): about the pair;
 * * and for each view, with `view1-` or `view2-` in front (`view3-` and so on for small crops, whose `small-size` is
 *   there too):
 *   `crop-x`, `crop-y`, `crop-width`, `crop-height` (guint, pixels of the frame), `flip` (boolean),
 *   `jitter` (boolean; the next five apply only if it is set), `brightness`, `contrast`,
 *   `saturation` (double, factors), `hue` (double, turns), `order` (string of four digits: 0
 *   brightness, 1 contrast, 2 saturation, 3 hue), `grayscale`, `blur` (boolean), `sigma` (double,
 *   pixels of the view), `solarize` (boolean), `solarize-threshold` (double), `pts`,
 *   `running-time` (guint64 nanoseconds, of the frame the view came from; behind simclrreplay that of
 *   the replay's input).
 *
 * simclr_augment_apply() makes the same view again from the frame and these numbers.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 videotestsrc num-buffers=100 ! video/x-raw,width=640,height=480 ! videoconvert ! simclraugment size=160 seed=1 ! videoconvert ! autovideosink
 * ]| Shows positive pairs of a test picture.
 * |[
 * gst-launch-1.0 videotestsrc pattern=ball num-buffers=30 ! videoconvert ! simclraugment @preset=cifar temporal-window=500000000 ! fakesink
 * ]| Makes pairs of 32x32 views, the second from up to half a second earlier.
 */
#include "gstsimclraugment-private.h"

#include "gstsimclrneighbourmeta.h"
#include "gstsimclrpairmeta.h"
#include "gstsimclrvideo.h"

GST_DEBUG_CATEGORY (gst_simclr_augment_debug);
#define GST_CAT_DEFAULT gst_simclr_augment_debug

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK,
    GST_PAD_ALWAYS, GST_STATIC_CAPS (GST_VIDEO_CAPS_MAKE (GST_SIMCLR_VIDEO_FORMATS)));

/* A pair alone, and one with small crops. */
#define PAIR_CAPS GST_VIDEO_CAPS_MAKE ("RGB") ", multiview-mode=(string)top-bottom"
#define CROPS_CAPS                                                                                 \
  GST_VIDEO_CAPS_MAKE ("RGB")                                                                      \
  ", multiview-mode=(string)mono, small-crops=(int)[ 1, " G_STRINGIFY (                            \
      GST_SIMCLR_PAIR_MAX_CROPS) " ], small-size=(int)[ 1, 8192 ]"

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS (PAIR_CAPS "; " CROPS_CAPS));

G_DEFINE_FINAL_TYPE_WITH_CODE (GstSimclrAugment, gst_simclr_augment, GST_TYPE_VIDEO_FILTER,
    G_IMPLEMENT_INTERFACE (GST_TYPE_PRESET, NULL))
GST_ELEMENT_REGISTER_DEFINE (simclraugment, "simclraugment", GST_RANK_NONE, GST_TYPE_SIMCLR_AUGMENT)

/* The picture the element makes of each structure: only the frame rate is the other side's. */
static GstCaps *
gst_simclr_augment_transform_caps (
    GstBaseTransform *trans, GstPadDirection direction, GstCaps *caps, GstCaps *filter)
{
  GstSimclrAugment *self = GST_SIMCLR_AUGMENT (trans);
  GstSimclrAugmentSettings settings = _gst_simclr_augment_snapshot (self);
  GstSimclrPairLayout layout = _gst_simclr_augment_settings_layout (&settings);
  const guint kind = direction == GST_PAD_SINK && layout.crops > 0 ? 1 : 0;
  GstPad *other = direction == GST_PAD_SINK ? trans->srcpad : trans->sinkpad;
  GstCaps *template = gst_pad_get_pad_template_caps (other);
  GstCaps *result = gst_caps_new_empty ();

  for (guint i = 0; i < gst_caps_get_size (caps); i++) {
    GstStructure *structure = gst_structure_copy (gst_caps_get_structure (template, kind));
    const GValue *rate = gst_structure_get_value (gst_caps_get_structure (caps, i), "framerate");

    if (direction == GST_PAD_SINK) {
      gst_simclr_pair_layout_describe (&layout, structure);
      gst_structure_set (structure, "pixel-aspect-ratio", GST_TYPE_FRACTION, 1, 1, NULL);
    }
    if (rate != NULL)
      gst_structure_set_value (structure, "framerate", rate);
    result = gst_caps_merge_structure (result, structure);
  }
  gst_caps_unref (template);
  if (filter != NULL) {
    GstCaps *all = result;

    result = gst_caps_intersect_full (filter, all, GST_CAPS_INTERSECT_FIRST);
    gst_caps_unref (all);
  }
  GST_DEBUG_OBJECT (self, "%" GST_PTR_FORMAT " becomes %" GST_PTR_FORMAT, caps, result);
  return result;
}

static gboolean
gst_simclr_augment_set_info (GstVideoFilter *filter, GstCaps *in_caps, GstVideoInfo *in,
    GstCaps *out_caps, GstVideoInfo *out)
{
  GstSimclrAugment *self = GST_SIMCLR_AUGMENT (filter);

  gst_simclr_frame_history_reset (&self->history);
  if (!gst_simclr_pair_layout_parse (out_caps, &self->layout)) {
    GstSimclrAugmentSettings settings = _gst_simclr_augment_snapshot (self);
    GstSimclrPairLayout wanted = _gst_simclr_augment_settings_layout (&settings);

    GST_ELEMENT_ERROR (self, LIBRARY, SETTINGS,
        ("small-size=%u is larger than size=%u.", wanted.crop_size, wanted.size),
        ("no pair: %" GST_PTR_FORMAT, out_caps));
    return FALSE;
  }
  g_object_set (self->augment, "size", self->layout.size, NULL);
  if (self->layout.crops > 0)
    g_object_set (self->small, "size", self->layout.crop_size, NULL);
  return TRUE;
}

/* Positions and sizes of the frame mean nothing in a view; what is about the frame as a whole
 * stays. */
static gboolean
gst_simclr_augment_transform_meta (
    GstBaseTransform *trans, GstBuffer *out, GstMeta *meta, GstBuffer *in)
{
  GType api = meta->info->api;
  gboolean of_another_pair =
      gst_meta_info_is_custom (meta->info) &&
      gst_custom_meta_has_name ((GstCustomMeta *) meta, GST_SIMCLR_PAIR_META_NAME);

  if (of_another_pair ||
      gst_meta_api_type_has_tag (api, g_quark_from_static_string (GST_META_TAG_VIDEO_SIZE_STR)) ||
      gst_meta_api_type_has_tag (
          api, g_quark_from_static_string (GST_META_TAG_VIDEO_ORIENTATION_STR)))
    return FALSE;
  return GST_BASE_TRANSFORM_CLASS (gst_simclr_augment_parent_class)
      ->transform_meta (trans, out, meta, in);
}

static gboolean
gst_simclr_augment_sink_event (GstBaseTransform *trans, GstEvent *event)
{
  GstSimclrAugment *self = GST_SIMCLR_AUGMENT (trans);
  const GstSegment *segment;

  switch (GST_EVENT_TYPE (event)) {
  case GST_EVENT_SEGMENT:
    gst_event_parse_segment (event, &segment);
    if (!gst_segment_is_equal (segment, &trans->segment))
      gst_simclr_frame_history_clear (&self->history);
    break;
  case GST_EVENT_FLUSH_STOP:
  case GST_EVENT_STREAM_START:
    gst_simclr_frame_history_clear (&self->history);
    break;
  default:
    break;
  }
  return GST_BASE_TRANSFORM_CLASS (gst_simclr_augment_parent_class)->sink_event (trans, event);
}

/* Here rather than in transform_frame (), which does not see frames that are dropped for QoS. */
static GstFlowReturn
gst_simclr_augment_submit_input_buffer (
    GstBaseTransform *trans, gboolean is_discont, GstBuffer *input)
{
  GstSimclrAugment *self = GST_SIMCLR_AUGMENT (trans);

  if (is_discont)
    gst_simclr_frame_history_clear (&self->history);
  return GST_BASE_TRANSFORM_CLASS (gst_simclr_augment_parent_class)
      ->submit_input_buffer (trans, is_discont, input);
}

/* A replay upstream asks how far apart the frames of a pair may be. */
static gboolean
gst_simclr_augment_query (GstBaseTransform *trans, GstPadDirection direction, GstQuery *query)
{
  if (direction == GST_PAD_SINK &&
      gst_simclr_window_answer (
          query, _gst_simclr_augment_snapshot (GST_SIMCLR_AUGMENT (trans)).temporal_window))
    return TRUE;
  return GST_BASE_TRANSFORM_CLASS (gst_simclr_augment_parent_class)
      ->query (trans, direction, query);
}

static gboolean
gst_simclr_augment_start (GstBaseTransform *trans)
{
  GstSimclrAugment *self = GST_SIMCLR_AUGMENT (trans);

  self->pairs = 0;
  self->asked = FALSE;
  return TRUE;
}

static gboolean
gst_simclr_augment_stop (GstBaseTransform *trans)
{
  GstSimclrAugment *self = GST_SIMCLR_AUGMENT (trans);

  gst_simclr_frame_history_reset (&self->history);
  return TRUE;
}

static void
gst_simclr_augment_finalize (GObject *object)
{
  GstSimclrAugment *self = GST_SIMCLR_AUGMENT (object);

  g_clear_object (&self->augment);
  g_clear_object (&self->small);
  G_OBJECT_CLASS (gst_simclr_augment_parent_class)->finalize (object);
}

static void
gst_simclr_augment_class_init (GstSimclrAugmentClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseTransformClass *transform_class = GST_BASE_TRANSFORM_CLASS (klass);
  GstVideoFilterClass *filter_class = GST_VIDEO_FILTER_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (
      gst_simclr_augment_debug, "simclraugment", 0, "SimCLR augmentation: frames to pairs");
  gst_simclr_pair_meta_register ();

  object_class->finalize = gst_simclr_augment_finalize;
  _gst_simclr_augment_install_properties (object_class);

  gst_element_class_set_static_metadata (element_class, "SimCLR augmentation",
      "Filter/Effect/Video",
      "Makes two random views of each frame, a positive pair for contrastive learning",
      "gst-simclr");
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);

  transform_class->transform_caps = gst_simclr_augment_transform_caps;
  transform_class->transform_meta = gst_simclr_augment_transform_meta;
  transform_class->sink_event = gst_simclr_augment_sink_event;
  transform_class->submit_input_buffer = gst_simclr_augment_submit_input_buffer;
  transform_class->query = gst_simclr_augment_query;
  transform_class->start = gst_simclr_augment_start;
  transform_class->stop = gst_simclr_augment_stop;
  filter_class->set_info = gst_simclr_augment_set_info;
  filter_class->transform_frame = _gst_simclr_augment_transform_frame;
}

static void
gst_simclr_augment_init (GstSimclrAugment *self)
{
  _gst_simclr_augment_init_settings (self);
  self->augment = simclr_augment_new ();
  self->small = simclr_augment_new ();
  gst_base_transform_set_qos_enabled (GST_BASE_TRANSFORM (self), TRUE);
}
