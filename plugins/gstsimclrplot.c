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
#include "gstsimclrplot-private.h"

#include "gstsimclrclassificationmeta.h"
#include "gstsimclrembeddingmeta.h"

GST_DEBUG_CATEGORY (gst_simclr_plot_debug);
#define GST_CAT_DEFAULT gst_simclr_plot_debug

#define DEFAULT_WIDTH 640
#define DEFAULT_HEIGHT 480
#define DEFAULT_RATE 10

/* As Cairo has its pixels in memory. */
#if G_BYTE_ORDER == G_LITTLE_ENDIAN
#define FORMATS "{ BGRx, BGRA }"
#else
#define FORMATS "{ xRGB, ARGB }"
#endif

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK,
    GST_PAD_ALWAYS, GST_STATIC_CAPS (GST_VIDEO_CAPS_MAKE (GST_VIDEO_FORMATS_ALL)));

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS (GST_VIDEO_CAPS_MAKE (FORMATS)));

G_DEFINE_FINAL_TYPE (GstSimclrPlot, gst_simclr_plot, GST_TYPE_ELEMENT)
GST_ELEMENT_REGISTER_DEFINE (simclrplot, "simclrplot", GST_RANK_NONE, GST_TYPE_SIMCLR_PLOT)

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
  _gst_simclr_plot_leave_trainer (self);
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
  GstSimclrPlotSettings settings = _gst_simclr_plot_get_settings (self);
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
  _gst_simclr_plot_take_frame (self, buffer, &settings, due);
  gst_buffer_unref (buffer);
  self->drawn = FALSE;
  if (due)
    flow = _gst_simclr_plot_push_picture (self, &settings);
  return flow;
}

static gboolean
take_caps (GstSimclrPlot *self, GstEvent *event)
{
  GstCaps *caps;

  gst_event_parse_caps (event, &caps);
  if (!gst_video_info_from_caps (&self->in, caps))
    return FALSE;
  _gst_simclr_plot_plan_thumbnails (self);
  gst_pad_check_reconfigure (self->srcpad);
  return negotiate (self);
}

static gboolean
sink_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstSimclrPlot *self = GST_SIMCLR_PLOT (parent);
  GstSimclrPlotSettings settings;
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
    settings = _gst_simclr_plot_get_settings (self);
    if (!self->drawn && self->pool != NULL)
      _gst_simclr_plot_push_picture (self, &settings);
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

  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && !_gst_simclr_plot_follow_trainer (self))
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

static void
gst_simclr_plot_class_init (GstSimclrPlotClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_simclr_plot_debug, "simclrplot", 0, "SimCLR plot");
  gst_simclr_classification_meta_register ();
  gst_simclr_embedding_meta_register ();

  object_class->finalize = finalize;
  _gst_simclr_plot_install_properties (object_class);

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
  _gst_simclr_plot_init_settings (self);
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
