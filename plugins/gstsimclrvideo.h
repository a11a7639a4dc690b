/* GStreamer's video frames as the library's frames.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/video/video.h>

#include <simclr/simclr.h>

G_BEGIN_DECLS

/* What a sink pad that takes frames offers. */
#define GST_SIMCLR_VIDEO_FORMATS "{ RGB, BGR, RGBx, BGRx, GRAY8 }"

/* Describes a mapped frame of one of these formats; the pixels stay the frame's. */
void gst_simclr_describe_frame (const GstVideoFrame *frame, SimclrFrame *description);

G_END_DECLS
