/* The element simclraugment: a frame in, a positive pair out.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/video/gstvideofilter.h>

G_BEGIN_DECLS

#define GST_TYPE_SIMCLR_AUGMENT (gst_simclr_augment_get_type ())
G_DECLARE_FINAL_TYPE (GstSimclrAugment, gst_simclr_augment, GST, SIMCLR_AUGMENT, GstVideoFilter)

GST_ELEMENT_REGISTER_DECLARE (simclraugment);

G_END_DECLS
