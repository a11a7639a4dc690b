/* simclrplot: draws how training goes and how embeddings lie, as video.
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-simclrplot
 * @title: simclrplot
 * @short_description: draws the curves of training and a map of the embeddings, as video
 *
 * Takes frames that simclrencoder embedded and makes a video of its own of them: on the right a map on which
 * frames that look alike to the encoder lie together, on the left, where the pipeline has a simclrtrainer, the
 * curves of its run. Like the visualizers of GStreamer it has the size and rate that downstream
 * asks for: `simclrplot ! video/x-raw,width=1280,height=720,framerate=10/1`; 640x480 and 10 pictures a second where
 * nothing is asked for. It draws on the time of its input, at most one picture for each frame that comes in, and one
 * more at the end of the stream.
 *
 * ## The map
 *
 * Embeddings of the last #simclrplot:window, scaled to unit length, in the plane in which they spread
 * most (the first two principal components). A coordinate is a distance between directions: embeddings that have
 * nothing in common are 1.41 apart. The plane is fitted for each picture, and its axes are turned to
 * where they were before, so that the map drifts but neither flips nor spins. Where there is room, frames
 * are shown as small pictures, and the frame of this moment with a white frame on top; others are dots, new ones brighter. Where
 * simclrclassifier stands upstream, their colour is the label. An encoder that goes on learning moves away from
 * what it said of earlier frames; those leave the map in time.
 *
 * ## The curves
 *
 * `loss` (nats), how often a view finds the other view of its picture (%), `effective rank` and `spread` of
 * the projections (fields `loss`, `contrastive-accuracy`, `effective-rank`, `embedding-deviation` of simclrtrainer's
 * messages): each step, and their mean. They come from the trainer called #simclrplot:trainer, or the first one in
 * the pipeline. A run of any length is shown from its beginning (from the resume on where it was resumed).
 *
 * ## The map of a test picture
 *
 * |[
 * gst-launch-1.0 videotestsrc pattern=ball num-buffers=90 ! videoconvert ! simclrencoder width=0.25 input-size=64 ! simclrplot window=3000000000 ! videoconvert ! autovideosink
 * ]|
 *
 * ## Watch an encoder learn
 *
 * |[
 * gst-launch-1.0 videotestsrc pattern=ball is-live=true num-buffers=120 ! video/x-raw,width=64,height=64 ! videoconvert ! tee name=frames frames. ! queue ! simclrreplay min-fill=16 ! simclraugment size=32 ! simclrencoder width=0.25 batch-size=8 model=ball ! simclrtrainer temperature=0.5 optimizer=sgd learning-rate=0.02 learning-rate-scaling=none frames. ! queue ! simclrencoder model=ball ! simclrplot ! video/x-raw,width=1280,height=720 ! videoconvert ! autovideosink
 * ]|
 */
#include "gstsimclrplot.h"

#include <gst/video/video.h>

#include "gstsimclrclassificationmeta.h"
#include "gstsimclrembeddingmeta.h"
#include "gstsimclrplotdraw.h"
#include "gstsimclrtrainer.h"

GST_DEBUG_CATEGORY_STATIC (gst_simclr_plot_debug);
#define GST_CAT_DEFAULT gst_simclr_plot_debug

#define DEFAULT_POINTS 200
#define DEFAULT_WINDOW (60 * GST_SECOND)
#define DEFAULT_WIDTH 640
#define DEFAULT_HEIGHT 480
#define DEFAULT_RATE 10
#define THUMBNAIL 96 /* pixels of the longer side */

/* As Cairo has its pixels in memory. */
#if G_BYTE_ORDER == G_LITTLE_ENDIAN
#define FORMATS "{ BGRx, BGRA }"
#define THUMBNAIL_FORMAT GST_VIDEO_FORMAT_BGRx
#else
#define FORMATS "{ xRGB, ARGB }"
#define THUMBNAIL_FORMAT GST_VIDEO_FORMAT_xRGB
#endif

typedef enum
{
  SHOW_CURVES = 1 << 0,
  SHOW_MAP = 1 << 1,
} Show;

enum
{
  PROP_0,
  PROP_TRAINER,
  PROP_SHOW,
  PROP_POINTS,
  PROP_WINDOW,
  PROP_THUMBNAILS,
};

typedef struct
{
  Show show;
  guint points;
  GstClockTime window;
  gboolean thumbnails;
} Settings;

struct _GstSimclrPlot
{
  GstElement parent;

  GstPad *sinkpad, *srcpad;
  Settings settings;   /* object lock */
  gchar *trainer_name; /* object lock: NULL: the first one */

  /* where the state is changed */
  GstElement *trainer; /* NULL: none */
  gulong handler;

  GMutex lock;
  GstSimclrCurves curves; /* lock: the trainer's thread adds to them */

  /* streaming thread, or while there is none */
  GstSegment segment;
  GstVideoInfo in, out;
  GstVideoConverter *shrink; /* to a thumbnail; NULL: none wanted yet */
  GstVideoInfo small;
  GstBufferPool *pool;
  GstSimclrMap map;
  GstClockTime next_picture, last_point, now; /* running times */
  GstClockTime pts;                           /* of the last frame */
  gboolean drawn;                             /* what came last is in a picture */
};

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK,
    GST_PAD_ALWAYS, GST_STATIC_CAPS (GST_VIDEO_CAPS_MAKE (GST_VIDEO_FORMATS_ALL)));

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS (GST_VIDEO_CAPS_MAKE (FORMATS)));

G_DEFINE_FINAL_TYPE (GstSimclrPlot, gst_simclr_plot, GST_TYPE_ELEMENT)
GST_ELEMENT_REGISTER_DEFINE (simclrplot, "simclrplot", GST_RANK_NONE, GST_TYPE_SIMCLR_PLOT)

static GType
get_show_type (void)
{
  static const GFlagsValue values[] = {{SHOW_CURVES, "The curves of training", "curves"},
      {SHOW_MAP, "The map of embeddings", "map"}, {0, NULL, NULL}};
  static gsize type = 0;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_flags_register_static ("GstSimclrPlotShow", values));
  return type;
}

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstSimclrPlot *self = GST_SIMCLR_PLOT (object);

  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_TRAINER:
    g_free (self->trainer_name);
    self->trainer_name = g_value_dup_string (value);
    break;
  case PROP_SHOW:
    self->settings.show = (Show) g_value_get_flags (value);
    break;
  case PROP_POINTS:
    self->settings.points = g_value_get_uint (value);
    break;
  case PROP_WINDOW:
    self->settings.window = g_value_get_uint64 (value);
    break;
  case PROP_THUMBNAILS:
    self->settings.thumbnails = g_value_get_boolean (value);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstSimclrPlot *self = GST_SIMCLR_PLOT (object);

  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_TRAINER:
    g_value_set_string (value, self->trainer_name);
    break;
  case PROP_SHOW:
    g_value_set_flags (value, self->settings.show);
    break;
  case PROP_POINTS:
    g_value_set_uint (value, self->settings.points);
    break;
  case PROP_WINDOW:
    g_value_set_uint64 (value, self->settings.window);
    break;
  case PROP_THUMBNAILS:
    g_value_set_boolean (value, self->settings.thumbnails);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

static Settings
settings_snapshot (GstSimclrPlot *self)
{
  Settings copy;

  GST_OBJECT_LOCK (self);
  copy = self->settings;
  GST_OBJECT_UNLOCK (self);
  return copy;
}

/* In the trainer's thread. */
static void
on_trained (GstElement *trainer, const GstStructure *fields, gpointer data)
{
  GstSimclrPlot *self = data;

  g_mutex_lock (&self->lock);
  gst_simclr_curves_add (&self->curves, fields);
  g_mutex_unlock (&self->lock);
}

/* The pipeline that all of this is in, or this element itself. */
static GstObject *
get_top (GstSimclrPlot *self)
{
  GstObject *top = gst_object_ref (GST_OBJECT (self)), *above;

  while ((above = gst_object_get_parent (top)) != NULL) {
    gst_object_unref (top);
    top = above;
  }
  return top;
}

static gint
compare_trainer (gconstpointer item, gconstpointer name)
{
  GstElement *element = g_value_get_object (item);
  g_autofree gchar *own = NULL;

  if (!GST_IS_SIMCLR_TRAINER (element))
    return 1;
  own = gst_element_get_name (element);
  return name == NULL || g_str_equal (own, name) ? 0 : 1;
}

static GstElement *
find_trainer (GstObject *top, const gchar *name)
{
  g_auto (GValue) found = G_VALUE_INIT;
  GstIterator *elements;
  GstElement *trainer = NULL;

  if (!GST_IS_BIN (top))
    return NULL;
  elements = gst_bin_iterate_recurse (GST_BIN (top));
  if (gst_iterator_find_custom (elements, compare_trainer, &found, (gpointer) name))
    trainer = g_value_dup_object (&found);
  gst_iterator_free (elements);
  return trainer;
}

static gboolean
follow_trainer (GstSimclrPlot *self)
{
  g_autofree gchar *name = NULL;
  g_autoptr (GstObject) top = get_top (self);

  GST_OBJECT_LOCK (self);
  if (self->trainer_name != NULL && *self->trainer_name != '\0')
    name = g_strdup (self->trainer_name);
  GST_OBJECT_UNLOCK (self);
  self->trainer = find_trainer (top, name);
  if (self->trainer == NULL && name != NULL) {
    GST_ELEMENT_ERROR (self, LIBRARY, SETTINGS,
        ("trainer=\"%s\": there is no simclrtrainer of that name in the pipeline.", name), (NULL));
    return FALSE;
  }
  if (self->trainer != NULL) /* the handler outlives its element where it is being called */
    self->handler = g_signal_connect_data (self->trainer, "trained", G_CALLBACK (on_trained),
        gst_object_ref (self), (GClosureNotify) gst_object_unref, 0);
  GST_DEBUG_OBJECT (self, "curves of %" GST_PTR_FORMAT, self->trainer);
  return TRUE;
}

static void
leave_trainer (GstSimclrPlot *self)
{
  if (self->trainer != NULL)
    g_signal_handler_disconnect (self->trainer, self->handler);
  gst_clear_object (&self->trainer);
}

static void
forget_pool (GstSimclrPlot *self)
{
  if (self->pool != NULL)
    gst_buffer_pool_set_active (self->pool, FALSE);
  gst_clear_object (&self->pool);
}

static void
restart_time (GstSimclrPlot *self)
{
  self->next_picture = self->last_point = self->now = self->pts = GST_CLOCK_TIME_NONE;
  self->drawn = TRUE;
}

/* No streaming thread is here. */
static void
reset (GstSimclrPlot *self)
{
  leave_trainer (self);
  forget_pool (self);
  g_clear_pointer (&self->shrink, gst_video_converter_free);
  gst_simclr_map_clear (&self->map);
  gst_segment_init (&self->segment, GST_FORMAT_TIME);
  restart_time (self);
  g_mutex_lock (&self->lock);
  gst_simclr_curves_clear (&self->curves);
  g_mutex_unlock (&self->lock);
}

static GstCaps *
choose_caps (GstSimclrPlot *self)
{
  g_autoptr (GstCaps) template = gst_pad_get_pad_template_caps (self->srcpad);
  GstCaps *caps = gst_pad_peer_query_caps (self->srcpad, template);
  GstStructure *structure;

  if (gst_caps_is_empty (caps))
    return caps;
  caps = gst_caps_make_writable (gst_caps_truncate (caps));
  structure = gst_caps_get_structure (caps, 0);
  gst_structure_fixate_field_nearest_int (structure, "width", DEFAULT_WIDTH);
  gst_structure_fixate_field_nearest_int (structure, "height", DEFAULT_HEIGHT);
  if (gst_structure_has_field (structure, "framerate"))
    gst_structure_fixate_field_nearest_fraction (structure, "framerate", DEFAULT_RATE, 1);
  else
    gst_structure_set (structure, "framerate", GST_TYPE_FRACTION, DEFAULT_RATE, 1, NULL);
  if (gst_structure_has_field (structure, "pixel-aspect-ratio"))
    gst_structure_fixate_field_nearest_fraction (structure, "pixel-aspect-ratio", 1, 1);
  return gst_caps_fixate (caps);
}

static gboolean
open_pool (GstSimclrPlot *self, GstCaps *caps)
{
  GstStructure *config;

  forget_pool (self);
  self->pool = gst_video_buffer_pool_new ();
  config = gst_buffer_pool_get_config (self->pool);
  gst_buffer_pool_config_set_params (config, caps, (guint) GST_VIDEO_INFO_SIZE (&self->out), 0, 0);
  return gst_buffer_pool_set_config (self->pool, config) &&
         gst_buffer_pool_set_active (self->pool, TRUE);
}

static gboolean
negotiate (GstSimclrPlot *self)
{
  g_autoptr (GstCaps) caps = choose_caps (self);
  gboolean done = !gst_caps_is_empty (caps) && gst_video_info_from_caps (&self->out, caps) &&
                  gst_pad_set_caps (self->srcpad, caps) && open_pool (self, caps);

  GST_DEBUG_OBJECT (self, "%s %" GST_PTR_FORMAT, done ? "drawing" : "cannot draw", caps);
  if (!done)
    gst_pad_mark_reconfigure (self->srcpad);
  return done;
}

/* A thumbnail's size, of the frame's shape as it is seen. */
static void
plan_thumbnails (GstSimclrPlot *self)
{
  gdouble width = (gdouble) self->in.width * self->in.par_n / self->in.par_d,
          height = self->in.height, longer = MAX (width, height);

  g_clear_pointer (&self->shrink, gst_video_converter_free);
  gst_video_info_set_format (&self->small, THUMBNAIL_FORMAT,
      (guint) MAX (width / longer * THUMBNAIL + 0.5, 1),
      (guint) MAX (height / longer * THUMBNAIL + 0.5, 1));
  /* what the converter does not change must be the same */
  self->small.fps_n = self->in.fps_n;
  self->small.fps_d = self->in.fps_d;
  GST_VIDEO_INFO_INTERLACE_MODE (&self->small) = GST_VIDEO_INFO_INTERLACE_MODE (&self->in);
}

static GstStructure *
make_shrink_config (void)
{
  return gst_structure_new ("shrink", GST_VIDEO_CONVERTER_OPT_RESAMPLER_METHOD,
      GST_TYPE_VIDEO_RESAMPLER_METHOD, GST_VIDEO_RESAMPLER_METHOD_LINEAR,
      GST_VIDEO_CONVERTER_OPT_DITHER_METHOD, GST_TYPE_VIDEO_DITHER_METHOD, GST_VIDEO_DITHER_NONE,
      NULL);
}

/* The frame made small; NULL where that cannot be. */
static cairo_surface_t *
make_thumbnail (GstSimclrPlot *self, GstBuffer *buffer)
{
  GstVideoFrame frame, small;
  cairo_surface_t *surface = NULL;
  GstBuffer *pixels;

  if (self->shrink == NULL)
    self->shrink = gst_video_converter_new (&self->in, &self->small, make_shrink_config ());
  if (self->shrink == NULL || !gst_video_frame_map (&frame, &self->in, buffer, GST_MAP_READ))
    return NULL;
  surface = cairo_image_surface_create (CAIRO_FORMAT_RGB24, self->small.width, self->small.height);
  g_assert (cairo_image_surface_get_stride (surface) == self->small.stride[0]);
  cairo_surface_flush (surface);
  pixels = gst_buffer_new_wrapped_full (0, cairo_image_surface_get_data (surface),
      GST_VIDEO_INFO_SIZE (&self->small), 0, GST_VIDEO_INFO_SIZE (&self->small), NULL, NULL);
  if (gst_video_frame_map (&small, &self->small, pixels, GST_MAP_WRITE)) {
    gst_video_converter_frame (self->shrink, &frame, &small);
    gst_video_frame_unmap (&small);
  }
  gst_buffer_unref (pixels);
  cairo_surface_mark_dirty (surface);
  gst_video_frame_unmap (&frame);
  return surface;
}

static const gchar *
get_label (GstBuffer *buffer)
{
  GstCustomMeta *meta = gst_buffer_get_custom_meta (buffer, GST_SIMCLR_CLASSIFICATION_META_NAME);

  return meta != NULL ? gst_structure_get_string (gst_custom_meta_get_structure (meta), "label")
                      : NULL;
}

/* Puts this frame on the map, for now, or to stay where one is due. */
static void
take_frame (GstSimclrPlot *self, GstBuffer *buffer, const Settings *settings, gboolean seen)
{
  guint size, rows;
  const gfloat *embedding = gst_buffer_get_simclr_embedding (buffer, &size, &rows);
  GstClockTime apart = settings->window / settings->points;
  gboolean stays =
      !GST_CLOCK_TIME_IS_VALID (self->last_point) || self->now >= self->last_point + apart;

  if (embedding == NULL || rows != 1 || !(stays || seen) || !(settings->show & SHOW_MAP))
    return;
  gst_simclr_map_set_current (&self->map, self->now, embedding, size, get_label (buffer),
      settings->thumbnails ? make_thumbnail (self, buffer) : NULL);
  if (!stays)
    return;
  gst_simclr_map_keep_current (&self->map, settings->window, settings->points);
  self->last_point = self->now;
}

static void
draw (GstSimclrPlot *self, GstVideoFrame *frame, const Settings *settings)
{
  cairo_surface_t *surface = cairo_image_surface_create_for_data (
      GST_VIDEO_FRAME_PLANE_DATA (frame, 0), CAIRO_FORMAT_ARGB32, GST_VIDEO_FRAME_WIDTH (frame),
      GST_VIDEO_FRAME_HEIGHT (frame), GST_VIDEO_FRAME_PLANE_STRIDE (frame, 0));
  cairo_t *cr = cairo_create (surface);
  GstSimclrPlotContent content = {.window = settings->window};
  /* what is drawn is as wide as it will be seen */
  gdouble aspect = (gdouble) self->out.par_n / self->out.par_d;

  if (settings->show & SHOW_MAP) {
    content.map = &self->map;
    content.has_map = gst_simclr_map_update (&self->map);
  }
  cairo_scale (cr, 1 / aspect, 1);
  g_mutex_lock (&self->lock);
  if (settings->show & SHOW_CURVES && self->trainer != NULL)
    content.curves = &self->curves;
  gst_simclr_plot_draw (cr, (gint) (self->out.width * aspect), self->out.height, &content);
  g_mutex_unlock (&self->lock);
  cairo_destroy (cr);
  cairo_surface_destroy (surface);
}

static GstFlowReturn
push_picture (GstSimclrPlot *self, const Settings *settings)
{
  GstBuffer *picture = NULL;
  GstFlowReturn flow = gst_buffer_pool_acquire_buffer (self->pool, &picture, NULL);
  GstVideoFrame frame;

  if (flow != GST_FLOW_OK)
    return flow;
  if (!gst_video_frame_map (&frame, &self->out, picture, GST_MAP_WRITE)) {
    gst_buffer_unref (picture);
    GST_ELEMENT_ERROR (self, STREAM, FAILED, ("Could not draw a picture."), (NULL));
    return GST_FLOW_ERROR;
  }
  draw (self, &frame, settings);
  gst_video_frame_unmap (&frame);
  GST_BUFFER_PTS (picture) = self->pts;
  if (self->out.fps_n > 0)
    GST_BUFFER_DURATION (picture) =
        gst_util_uint64_scale (GST_SECOND, (guint64) self->out.fps_d, (guint64) self->out.fps_n);
  self->drawn = TRUE;
  GST_LOG_OBJECT (self, "picture at %" GST_TIME_FORMAT, GST_TIME_ARGS (self->pts));
  return gst_pad_push (self->srcpad, picture);
}

/* Whether it is time for a picture; then the next one is due a period later, or, after a gap, from now on. */
static gboolean
is_due (GstSimclrPlot *self)
{
  GstClockTime period =
      self->out.fps_n > 0
          ? gst_util_uint64_scale (GST_SECOND, (guint64) self->out.fps_d, (guint64) self->out.fps_n)
          : 0;

  if (GST_CLOCK_TIME_IS_VALID (self->next_picture) && self->now < self->next_picture)
    return FALSE;
  self->next_picture =
      GST_CLOCK_TIME_IS_VALID (self->next_picture) && self->now < self->next_picture + period
          ? self->next_picture + period
          : self->now + period;
  return TRUE;
}

static GstFlowReturn
chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  GstSimclrPlot *self = GST_SIMCLR_PLOT (parent);
  Settings settings = settings_snapshot (self);
  GstFlowReturn flow = GST_FLOW_OK;
  gboolean due;

  if (self->pool == NULL || (gst_pad_check_reconfigure (self->srcpad) && !negotiate (self))) {
    gst_buffer_unref (buffer);
    return GST_PAD_IS_FLUSHING (self->srcpad) ? GST_FLOW_FLUSHING : GST_FLOW_NOT_NEGOTIATED;
  }
  self->pts = GST_BUFFER_PTS (buffer);
  self->now = gst_segment_to_running_time (&self->segment, GST_FORMAT_TIME, self->pts);
  if (!GST_CLOCK_TIME_IS_VALID (self->now)) {
    GST_DEBUG_OBJECT (self, "a frame without a time, or outside of the segment");
    gst_buffer_unref (buffer);
    return GST_FLOW_OK;
  }
  due = is_due (self);
  take_frame (self, buffer, &settings, due);
  gst_buffer_unref (buffer);
  self->drawn = FALSE;
  if (due)
    flow = push_picture (self, &settings);
  return flow;
}

static gboolean
take_caps (GstSimclrPlot *self, GstEvent *event)
{
  GstCaps *caps;

  gst_event_parse_caps (event, &caps);
  if (!gst_video_info_from_caps (&self->in, caps))
    return FALSE;
  plan_thumbnails (self);
  gst_pad_check_reconfigure (self->srcpad);
  return negotiate (self);
}

static gboolean
sink_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstSimclrPlot *self = GST_SIMCLR_PLOT (parent);
  Settings settings;
  gboolean done;

  switch (GST_EVENT_TYPE (event)) {
  case GST_EVENT_CAPS:
    done = take_caps (self, event);
    gst_event_unref (event);
    return done;
  case GST_EVENT_SEGMENT:
    gst_event_copy_segment (event, &self->segment);
    break;
  case GST_EVENT_FLUSH_STOP:
    gst_segment_init (&self->segment, GST_FORMAT_TIME);
    gst_simclr_map_clear (&self->map);
    restart_time (self);
    break;
  case GST_EVENT_EOS:
    settings = settings_snapshot (self);
    if (!self->drawn && self->pool != NULL)
      push_picture (self, &settings);
    break;
  default:
    break;
  }
  return gst_pad_event_default (pad, parent, event);
}

/* The pictures have nothing to do with the frames' format and size. */
static gboolean
query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  g_autoptr (GstCaps) caps = NULL;
  GstCaps *filter;

  if (GST_QUERY_TYPE (query) == GST_QUERY_ALLOCATION)
    return FALSE;
  if (GST_QUERY_TYPE (query) != GST_QUERY_CAPS)
    return gst_pad_query_default (pad, parent, query);
  gst_query_parse_caps (query, &filter);
  caps = gst_pad_get_pad_template_caps (pad);
  if (filter != NULL) {
    GstCaps *all = caps;

    caps = gst_caps_intersect_full (filter, all, GST_CAPS_INTERSECT_FIRST);
    gst_caps_unref (all);
  }
  gst_query_set_caps_result (query, caps);
  return TRUE;
}

static GstStateChangeReturn
change_state (GstElement *element, GstStateChange transition)
{
  GstSimclrPlot *self = GST_SIMCLR_PLOT (element);
  GstStateChangeReturn result;

  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && !follow_trainer (self))
    return GST_STATE_CHANGE_FAILURE;
  result = GST_ELEMENT_CLASS (gst_simclr_plot_parent_class)->change_state (element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY ||
      (transition == GST_STATE_CHANGE_READY_TO_PAUSED && result == GST_STATE_CHANGE_FAILURE))
    reset (self);
  return result;
}

static void
finalize (GObject *object)
{
  GstSimclrPlot *self = GST_SIMCLR_PLOT (object);

  reset (self);
  gst_simclr_map_free (&self->map);
  g_free (self->trainer_name);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (gst_simclr_plot_parent_class)->finalize (object);
}

#define FLAGS (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING)

static void
install_properties (GObjectClass *klass)
{
  g_object_class_install_property (klass, PROP_TRAINER,
      g_param_spec_string ("trainer", "Trainer",
          "Name of the simclrtrainer in this pipeline whose curves are drawn. Unset: the first "
          "one, "
          "if there is any.",
          NULL, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY));
  g_object_class_install_property (klass, PROP_SHOW,
      g_param_spec_flags ("show", "Show", "What is drawn; curves only where there is a trainer.",
          get_show_type (), SHOW_CURVES | SHOW_MAP, FLAGS));
  g_object_class_install_property (klass, PROP_POINTS,
      g_param_spec_uint ("points", "Points", "Frames on the map at most, evenly over the window.",
          2, 2000, DEFAULT_POINTS, FLAGS));
  g_object_class_install_property (klass, PROP_WINDOW,
      g_param_spec_uint64 ("window", "Window",
          "Nanoseconds of running time for which a frame stays on the map.", 1, G_MAXUINT64 / 4,
          DEFAULT_WINDOW, FLAGS));
  g_object_class_install_property (klass, PROP_THUMBNAILS,
      g_param_spec_boolean ("thumbnails", "Thumbnails",
          "Whether the map shows small pictures of frames; otherwise all are dots.", TRUE, FLAGS));
}

static void
gst_simclr_plot_class_init (GstSimclrPlotClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_simclr_plot_debug, "simclrplot", 0, "SimCLR plot");
  gst_simclr_classification_meta_register ();
  gst_simclr_embedding_meta_register ();
  gst_type_mark_as_plugin_api (get_show_type (), 0);

  object_class->set_property = set_property;
  object_class->get_property = get_property;
  object_class->finalize = finalize;
  install_properties (object_class);

  element_class->change_state = change_state;
  gst_element_class_set_static_metadata (element_class, "SimCLR plot", "Visualization/Video",
      "Draws the curves of training and a map of the embeddings, as video",
      "The gst-simclr authors");
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
}

static void
gst_simclr_plot_init (GstSimclrPlot *self)
{
  self->settings = (Settings){.show = SHOW_CURVES | SHOW_MAP,
      .points = DEFAULT_POINTS,
      .window = DEFAULT_WINDOW,
      .thumbnails = TRUE};
  g_mutex_init (&self->lock);
  gst_simclr_map_init (&self->map);
  gst_simclr_curves_clear (&self->curves);
  gst_segment_init (&self->segment, GST_FORMAT_TIME);
  restart_time (self);

  self->sinkpad = gst_pad_new_from_static_template (&sink_template, "sink");
  gst_pad_set_chain_function (self->sinkpad, chain);
  gst_pad_set_event_function (self->sinkpad, sink_event);
  gst_pad_set_query_function (self->sinkpad, query);
  gst_element_add_pad (GST_ELEMENT (self), self->sinkpad);
  self->srcpad = gst_pad_new_from_static_template (&src_template, "src");
  gst_pad_set_query_function (self->srcpad, query);
  gst_element_add_pad (GST_ELEMENT (self), self->srcpad);
}
