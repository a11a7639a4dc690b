/* Small RGB pictures of frames of any raw format.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrpicture.h"

#include <string.h>

void
gst_simclr_picture_reset (GstSimclrPicture *self)
{
  g_clear_pointer (&self->converter, gst_video_converter_free);
}

/* What fits into a square of that size, never larger than the frame. */
static void
fit (const GstVideoInfo *info, guint size, gint *width, gint *height)
{
  gint from_height = GST_VIDEO_INFO_HEIGHT (info);
  gint seen = (gint) gst_util_uint64_scale_int_round ((guint64) GST_VIDEO_INFO_WIDTH (info),
      GST_VIDEO_INFO_PAR_N (info), MAX (GST_VIDEO_INFO_PAR_D (info), 1));
  gint longest;

  seen = CLAMP (seen, 1, G_MAXINT / 2);
  longest = MAX (seen, from_height);
  size = MIN (size, (guint) longest);
  *width = MAX (1, (gint) gst_util_uint64_scale_int_round ((guint64) seen, (gint) size, longest));
  *height =
      MAX (1, (gint) gst_util_uint64_scale_int_round ((guint64) from_height, (gint) size, longest));
}

static gboolean
prepare (GstSimclrPicture *self, const GstVideoInfo *info, guint size)
{
  gint width, height;

  fit (info, size, &width, &height);
  if (self->converter != NULL && gst_video_info_is_equal (&self->from, info) &&
      GST_VIDEO_INFO_WIDTH (&self->to) == width && GST_VIDEO_INFO_HEIGHT (&self->to) == height)
    return TRUE;
  gst_simclr_picture_reset (self);
  self->from = *info;
  gst_video_info_set_format (&self->to, GST_VIDEO_FORMAT_RGB, (guint) width, (guint) height);
  /* a still picture: fields of interlaced video are not taken apart */
  GST_VIDEO_INFO_INTERLACE_MODE (&self->from) = GST_VIDEO_INTERLACE_MODE_PROGRESSIVE;
  GST_VIDEO_INFO_FPS_N (&self->to) = GST_VIDEO_INFO_FPS_N (info);
  GST_VIDEO_INFO_FPS_D (&self->to) = GST_VIDEO_INFO_FPS_D (info);
  self->converter = gst_video_converter_new (&self->from, &self->to,
      gst_structure_new ("options", GST_VIDEO_CONVERTER_OPT_RESAMPLER_METHOD,
          GST_TYPE_VIDEO_RESAMPLER_METHOD, GST_VIDEO_RESAMPLER_METHOD_LINEAR,
          GST_VIDEO_CONVERTER_OPT_THREADS, G_TYPE_UINT, 1, NULL));
  self->from = *info;
  return self->converter != NULL;
}

/* A row of RGB may be padded in a frame; a picture is not. */
static GBytes *
pack (GstVideoFrame *frame)
{
  gsize row = (gsize) GST_VIDEO_FRAME_WIDTH (frame) * 3;
  guint height = (guint) GST_VIDEO_FRAME_HEIGHT (frame);
  guint8 *pixels = g_malloc (row * height);

  for (guint y = 0; y < height; y++)
    memcpy (pixels + y * row,
        (const guint8 *) GST_VIDEO_FRAME_PLANE_DATA (frame, 0) +
            (gssize) y * GST_VIDEO_FRAME_PLANE_STRIDE (frame, 0),
        row);
  return g_bytes_new_take (pixels, row * height);
}

GBytes *
gst_simclr_picture_make (GstSimclrPicture *self, GstBuffer *buffer, const GstVideoInfo *info,
    guint size, guint *width, guint *height)
{
  GstVideoFrame from, to;
  GstBuffer *small;
  GBytes *bytes = NULL;

  *width = *height = 0;
  if (!prepare (self, info, size) ||
      !gst_video_frame_map (&from, info, buffer, GST_MAP_READ | GST_VIDEO_FRAME_MAP_FLAG_NO_REF))
    return NULL;
  small = gst_buffer_new_allocate (NULL, GST_VIDEO_INFO_SIZE (&self->to), NULL);
  if (gst_video_frame_map (&to, &self->to, small, GST_MAP_READWRITE)) {
    gst_video_converter_frame (self->converter, &from, &to);
    bytes = pack (&to);
    *width = (guint) GST_VIDEO_FRAME_WIDTH (&to);
    *height = (guint) GST_VIDEO_FRAME_HEIGHT (&to);
    gst_video_frame_unmap (&to);
  }
  gst_buffer_unref (small);
  gst_video_frame_unmap (&from);
  return bytes;
}
