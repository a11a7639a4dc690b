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
 * * and for each view, with `view1-` or `view2-` in front:
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
#include "gstsimclraugment.h"

#include <simclr/simclr.h>

#include "gstsimclrpairmeta.h"
#include "gstsimclrvideo.h"
#include "gstsimclrframehistory.h"
#include "gstsimclrneighbourmeta.h"
#include "gstsimclrproperties.h"
#include "gstsimclrresumequery.h"

GST_DEBUG_CATEGORY_STATIC (gst_simclr_augment_debug);
#define GST_CAT_DEFAULT gst_simclr_augment_debug

/* SimclrAugment's properties become the element's, with the same numbers, ranges and words. */
#define N_LIBRARY_PROPERTIES 21

enum
{
  PROP_TEMPORAL_WINDOW = N_LIBRARY_PROPERTIES + 1,
};

typedef struct
{
  GValue library[N_LIBRARY_PROPERTIES]; /* plain numbers, so copying bytes copies them */
  GstClockTime temporal_window;
  guint version; /* counts changes */
} Settings;

struct _GstSimclrAugment
{
  GstVideoFilter parent;

  Settings settings; /* object lock */

  /* streaming thread, or while there is none */
  SimclrAugment *augment;
  guint applied; /* version of the settings that augment has */
  const gchar *interpolation;
  guint size; /* negotiated */
  guint64 pairs;
  gboolean asked; /* downstream, where to resume */
  GstSimclrFrameHistory history;
};

static GParamSpec *library_properties[N_LIBRARY_PROPERTIES]; /* constant after class_init */
static guint size_property;

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK,
    GST_PAD_ALWAYS, GST_STATIC_CAPS (GST_VIDEO_CAPS_MAKE (GST_SIMCLR_VIDEO_FORMATS)));

static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS,
        GST_STATIC_CAPS (GST_VIDEO_CAPS_MAKE ("RGB") ", multiview-mode=(string)top-bottom"));

G_DEFINE_FINAL_TYPE_WITH_CODE (GstSimclrAugment, gst_simclr_augment, GST_TYPE_VIDEO_FILTER,
    G_IMPLEMENT_INTERFACE (GST_TYPE_PRESET, NULL))
GST_ELEMENT_REGISTER_DEFINE (simclraugment, "simclraugment", GST_RANK_NONE, GST_TYPE_SIMCLR_AUGMENT)

static Settings
settings_snapshot (GstSimclrAugment *self)
{
  Settings copy;

  GST_OBJECT_LOCK (self);
  copy = self->settings;
  GST_OBJECT_UNLOCK (self);
  return copy;
}

static void
gst_simclr_augment_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstSimclrAugment *self = GST_SIMCLR_AUGMENT (object);

  GST_OBJECT_LOCK (self);
  if (id == PROP_TEMPORAL_WINDOW)
    self->settings.temporal_window = g_value_get_uint64 (value);
  else
    g_value_copy (value, &self->settings.library[id - 1]);
  self->settings.version++;
  GST_OBJECT_UNLOCK (self);

  if (id == size_property)
    gst_base_transform_reconfigure_src (GST_BASE_TRANSFORM (self));
}

static void
gst_simclr_augment_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstSimclrAugment *self = GST_SIMCLR_AUGMENT (object);

  GST_OBJECT_LOCK (self);
  if (id == PROP_TEMPORAL_WINDOW)
    g_value_set_uint64 (value, self->settings.temporal_window);
  else
    g_value_copy (&self->settings.library[id - 1], value);
  GST_OBJECT_UNLOCK (self);
}

/* The picture the element makes of each structure: only the frame rate is the other side's. */
static GstCaps *
gst_simclr_augment_transform_caps (
    GstBaseTransform *trans, GstPadDirection direction, GstCaps *caps, GstCaps *filter)
{
  GstSimclrAugment *self = GST_SIMCLR_AUGMENT (trans);
  Settings settings = settings_snapshot (self);
  gint size = (gint) g_value_get_uint (&settings.library[size_property - 1]);
  GstPad *other = direction == GST_PAD_SINK ? trans->srcpad : trans->sinkpad;
  GstCaps *template = gst_pad_get_pad_template_caps (other);
  GstCaps *result = gst_caps_new_empty ();

  for (guint i = 0; i < gst_caps_get_size (caps); i++) {
    GstStructure *structure = gst_structure_copy (gst_caps_get_structure (template, 0));
    const GValue *rate = gst_structure_get_value (gst_caps_get_structure (caps, i), "framerate");

    if (direction == GST_PAD_SINK)
      gst_structure_set (structure, "width", G_TYPE_INT, size, "height", G_TYPE_INT, 2 * size,
          "pixel-aspect-ratio", GST_TYPE_FRACTION, 1, 1, NULL);
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
  self->size = (guint) GST_VIDEO_INFO_WIDTH (out);
  g_object_set (self->augment, "size", self->size, NULL);
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
          query, settings_snapshot (GST_SIMCLR_AUGMENT (trans)).temporal_window))
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

/* A trainer that continues from a checkpoint says how many pairs it has seen. */
static void
ask_where_to_resume (GstSimclrAugment *self)
{
  g_auto (GstSimclrResume) resume = {0};

  if (gst_simclr_resume_query (GST_BASE_TRANSFORM_SRC_PAD (self), &resume)) {
    GST_INFO_OBJECT (self, "resuming at pair %" G_GUINT64_FORMAT, resume.pairs);
    self->pairs = resume.pairs;
  }
  self->asked = TRUE;
}

static void
apply_settings (GstSimclrAugment *self, const Settings *settings)
{
  const GValue *interpolation = NULL;

  for (guint i = 0; i < N_LIBRARY_PROPERTIES; i++) {
    if (i + 1 != size_property)
      gst_simclr_property_store (
          G_OBJECT (self->augment), library_properties[i]->name, &settings->library[i]);
    if (g_str_equal (library_properties[i]->name, "interpolation"))
      interpolation = &settings->library[i];
  }
  self->interpolation = g_enum_get_value (
      g_type_class_peek (SIMCLR_TYPE_INTERPOLATION), g_value_get_enum (interpolation))
                            ->value_nick;
  self->applied = settings->version;
}

/* The past frame that view 2 comes from; NULL: this one. Borrowed from the history. */
static const GstSimclrPastFrame *
choose_partner (GstSimclrAugment *self, GstClockTime running_time, GstClockTime window)
{
  guint chosen;

  if (window == 0 || !GST_CLOCK_TIME_IS_VALID (running_time)) {
    gst_simclr_frame_history_clear (&self->history);
    return NULL;
  }
  gst_simclr_frame_history_advance (&self->history, running_time, window);
  if (self->history.length == 0)
    return NULL;
  chosen = simclr_augment_draw_partner (self->augment, self->pairs, self->history.length);
  return &self->history.frames[chosen];
}

/* A replay brings the neighbour with the frame. FALSE: it has none, or there is no replay. */
static gboolean
take_neighbour (GstBuffer *buffer, GstClockTime window, GstSimclrPastFrame *partner)
{
  GstSimclrNeighbourMeta *meta = gst_buffer_get_simclr_neighbour_meta (buffer);

  if (window == 0 || meta == NULL)
    return FALSE;
  *partner = (GstSimclrPastFrame){meta->frame, meta->running_time};
  return TRUE;
}

/* Draws and makes both views; the second may come from another frame. */
static gboolean
make_pair (GstSimclrAugment *self, const GstVideoFrame *first, const GstVideoFrame *second,
    GstVideoFrame *out, GstSimclrPair *pair)
{
  const GstVideoFrame *sources[2] = {first, second};
  g_autoptr (GError) error = NULL;
  SimclrFrame frames[2];
  SimclrDraw draws[2];

  for (guint i = 0; i < 2; i++) {
    gst_simclr_describe_frame (sources[i], &frames[i]);
    pair->views[i].pts = GST_BUFFER_PTS (sources[i]->buffer);
    simclr_augment_draw (
        self->augment, self->pairs, i, frames[i].width, frames[i].height, &draws[i]);
    pair->views[i].draw = draws[i];
  }
  if (simclr_augment_apply_pair (self->augment, frames, draws, GST_VIDEO_FRAME_PLANE_DATA (out, 0),
          (gsize) GST_VIDEO_FRAME_PLANE_STRIDE (out, 0), &error))
    return TRUE;
  GST_ELEMENT_ERROR (
      self, STREAM, FAILED, ("Could not make a pair of views."), ("%s", error->message));
  return FALSE;
}

static gboolean
make_pair_with (GstSimclrAugment *self, const GstVideoFrame *in, const GstSimclrPastFrame *partner,
    GstVideoFrame *out, GstSimclrPair *pair)
{
  GstVideoFrame past;
  gboolean made;

  if (partner == NULL)
    return make_pair (self, in, in, out, pair);
  if (!gst_video_frame_map (
          &past, &GST_VIDEO_FILTER (self)->in_info, partner->buffer, GST_MAP_READ)) {
    GST_ELEMENT_ERROR (self, STREAM, FAILED, ("Could not read an earlier frame."),
        ("mapping a buffer of the temporal window failed"));
    return FALSE;
  }
  pair->views[1].running_time = partner->running_time;
  made = make_pair (self, in, &past, out, pair);
  gst_video_frame_unmap (&past);
  return made;
}

/* When the frame was filmed: a replay remembers it. */
static GstClockTime
get_time (GstSimclrAugment *self, GstBuffer *buffer)
{
  GstClockTime time = gst_simclr_get_original_time (buffer);

  if (GST_CLOCK_TIME_IS_VALID (time))
    return time;
  return gst_segment_to_running_time (
      &GST_BASE_TRANSFORM (self)->segment, GST_FORMAT_TIME, GST_BUFFER_PTS (buffer));
}

static GstFlowReturn
gst_simclr_augment_transform_frame (GstVideoFilter *filter, GstVideoFrame *in, GstVideoFrame *out)
{
  GstSimclrAugment *self = GST_SIMCLR_AUGMENT (filter);
  Settings settings = settings_snapshot (self);
  GstClockTime window = settings.temporal_window;
  GstClockTime running_time = get_time (self, in->buffer);
  const GstSimclrPastFrame *partner;
  GstSimclrPastFrame neighbour;
  GstSimclrPair pair = {
      .size = self->size,
      .frame_width = (guint) GST_VIDEO_FRAME_WIDTH (in),
      .frame_height = (guint) GST_VIDEO_FRAME_HEIGHT (in),
      .views = {{.running_time = running_time}, {.running_time = running_time}},
  };

  if (!self->asked)
    ask_where_to_resume (self);
  if (settings.version != self->applied)
    apply_settings (self, &settings);

  partner = take_neighbour (in->buffer, window, &neighbour)
                ? &neighbour
                : choose_partner (self, running_time, window);
  if (!make_pair_with (self, in, partner, out, &pair))
    return GST_FLOW_ERROR;
  pair.interpolation = self->interpolation;
  gst_simclr_pair_meta_add (out->buffer, &pair);
  self->pairs++;

  if (window > 0 && GST_CLOCK_TIME_IS_VALID (running_time) &&
      !gst_simclr_frame_history_add (&self->history, in, running_time, window))
    GST_WARNING_OBJECT (self, "no memory to keep a frame for the temporal window");
  return GST_FLOW_OK;
}

static void
gst_simclr_augment_finalize (GObject *object)
{
  GstSimclrAugment *self = GST_SIMCLR_AUGMENT (object);

  g_clear_object (&self->augment);
  G_OBJECT_CLASS (gst_simclr_augment_parent_class)->finalize (object);
}

static void
install_properties (GObjectClass *object_class)
{
  GObjectClass *library = g_type_class_ref (SIMCLR_TYPE_AUGMENT);
  guint n = 0;
  GParamSpec **pspecs = g_object_class_list_properties (library, &n);

  g_assert (n == N_LIBRARY_PROPERTIES);
  for (guint i = 0; i < n; i++) {
    library_properties[i] = gst_simclr_property_like (
        pspecs[i], G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);
    g_object_class_install_property (object_class, i + 1, library_properties[i]);
    if (g_str_equal (pspecs[i]->name, "size"))
      size_property = i + 1;
  }
  g_free (pspecs);
  g_type_class_unref (library);

  g_object_class_install_property (object_class, PROP_TEMPORAL_WINDOW,
      g_param_spec_uint64 ("temporal-window", "Temporal window",
          "How much earlier the frame of the second view may be, in nanoseconds of running time; "
          "0: both views come from the same frame.",
          0, G_MAXINT64, 0,
          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING));
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

  object_class->set_property = gst_simclr_augment_set_property;
  object_class->get_property = gst_simclr_augment_get_property;
  object_class->finalize = gst_simclr_augment_finalize;
  install_properties (object_class);

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
  filter_class->transform_frame = gst_simclr_augment_transform_frame;
}

static void
gst_simclr_augment_init (GstSimclrAugment *self)
{
  for (guint i = 0; i < N_LIBRARY_PROPERTIES; i++) {
    g_value_init (&self->settings.library[i], library_properties[i]->value_type);
    g_param_value_set_default (library_properties[i], &self->settings.library[i]);
  }
  self->settings.version = 1;
  self->augment = simclr_augment_new ();
  gst_base_transform_set_qos_enabled (GST_BASE_TRANSFORM (self), TRUE);
}
