/* simclrindex: stores what frames look like, and finds the moments most like one.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/base/gstbasetransform.h>

G_BEGIN_DECLS

#define GST_TYPE_SIMCLR_INDEX (gst_simclr_index_get_type ())
G_DECLARE_FINAL_TYPE (GstSimclrIndex, gst_simclr_index, GST, SIMCLR_INDEX, GstBaseTransform)
GST_ELEMENT_REGISTER_DECLARE (simclrindex)

G_END_DECLS
