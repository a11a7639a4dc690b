/* simclrplot puts frames on its map, and draws pictures.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrplot-private.h"

#include "gstsimclrclassificationmeta.h"
#include "gstsimclrembeddingmeta.h"

#define GST_CAT_DEFAULT gst_simclr_plot_debug

#define THUMBNAIL 96 /* pixels of the longer side */

/* As Cairo has its pixels in memory. */
#if G_BYTE_ORDER == G_LITTLE_ENDIAN
#define THUMBNAIL_FORMAT GST_VIDEO_FORMAT_BGRx
#else
#define THUMBNAIL_FORMAT GST_VIDEO_FORMAT_xRGB
#endif

/* A thumbnail's size, of the frame's shape as it is seen. */
void
_gst_simclr_plot_plan_thumbnails (GstSimclrPlot *self)
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

void
_gst_simclr_plot_take_frame (
    GstSimclrPlot *self, GstBuffer *buffer, const GstSimclrPlotSettings *settings, gboolean seen)
{
  guint size, rows;
  const gfloat *embedding = gst_buffer_get_simclr_embedding (buffer, &size, &rows);
  GstClockTime apart = settings->window / settings->points;
  gboolean stays =
      !GST_CLOCK_TIME_IS_VALID (self->last_point) || self->now >= self->last_point + apart;

  if (embedding == NULL || rows != 1 || !(stays || seen) ||
      !(settings->show & GST_SIMCLR_PLOT_SHOW_MAP))
    return;
  gst_simclr_map_set_current (&self->map, self->now, embedding, size, get_label (buffer),
      settings->thumbnails ? make_thumbnail (self, buffer) : NULL);
  if (!stays)
    return;
  gst_simclr_map_keep_current (&self->map, settings->window, settings->points);
  self->last_point = self->now;
}

static void
draw (GstSimclrPlot *self, GstVideoFrame *frame, const GstSimclrPlotSettings *settings)
{
  cairo_surface_t *surface = cairo_image_surface_create_for_data (
      GST_VIDEO_FRAME_PLANE_DATA (frame, 0), CAIRO_FORMAT_ARGB32, GST_VIDEO_FRAME_WIDTH (frame),
      GST_VIDEO_FRAME_HEIGHT (frame), GST_VIDEO_FRAME_PLANE_STRIDE (frame, 0));
  cairo_t *cr = cairo_create (surface);
  GstSimclrPlotContent content = {.window = settings->window};
  /* what is drawn is as wide as it will be seen */
  gdouble aspect = (gdouble) self->out.par_n / self->out.par_d;

  if (settings->show & GST_SIMCLR_PLOT_SHOW_MAP) {
    content.map = &self->map;
    content.has_map = gst_simclr_map_update (&self->map);
  }
  cairo_scale (cr, 1 / aspect, 1);
  g_mutex_lock (&self->lock);
  if (settings->show & GST_SIMCLR_PLOT_SHOW_CURVES && self->trainer != NULL)
    content.curves = &self->curves;
  gst_simclr_plot_draw (cr, (gint) (self->out.width * aspect), self->out.height, &content);
  g_mutex_unlock (&self->lock);
  cairo_destroy (cr);
  cairo_surface_destroy (surface);
}

GstFlowReturn
_gst_simclr_plot_push_picture (GstSimclrPlot *self, const GstSimclrPlotSettings *settings)
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
