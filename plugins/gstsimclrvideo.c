/* GStreamer's video frames as the library's frames.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrvideo.h"

static SimclrPixelFormat
pixel_format (GstVideoFormat format)
{
  switch (format) {
  case GST_VIDEO_FORMAT_BGR:
    return SIMCLR_PIXEL_FORMAT_BGR;
  case GST_VIDEO_FORMAT_RGBx:
    return SIMCLR_PIXEL_FORMAT_RGBX;
  case GST_VIDEO_FORMAT_BGRx:
    return SIMCLR_PIXEL_FORMAT_BGRX;
  case GST_VIDEO_FORMAT_GRAY8:
    return SIMCLR_PIXEL_FORMAT_GRAY8;
  default:
    return SIMCLR_PIXEL_FORMAT_RGB;
  }
}

void
gst_simclr_describe_frame (const GstVideoFrame *frame, SimclrFrame *description)
{
  *description = (SimclrFrame){
      .data = GST_VIDEO_FRAME_PLANE_DATA (frame, 0),
      .width = (guint) GST_VIDEO_FRAME_WIDTH (frame),
      .height = (guint) GST_VIDEO_FRAME_HEIGHT (frame),
      .stride = (gsize) GST_VIDEO_FRAME_PLANE_STRIDE (frame, 0),
      .format = pixel_format (GST_VIDEO_FRAME_FORMAT (frame)),
  };
}
