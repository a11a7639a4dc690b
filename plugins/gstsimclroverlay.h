/* simclroverlay: draws what simclrclassifier said of a frame into it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_SIMCLR_OVERLAY (gst_simclr_overlay_get_type ())
G_DECLARE_FINAL_TYPE (GstSimclrOverlay, gst_simclr_overlay, GST, SIMCLR_OVERLAY, GstElement)
GST_ELEMENT_REGISTER_DECLARE (simclroverlay)

G_END_DECLS
