/* simclrpublish: what is known of frames, as JSON lines.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/base/gstbasetransform.h>

G_BEGIN_DECLS

#define GST_TYPE_SIMCLR_PUBLISH (gst_simclr_publish_get_type ())
G_DECLARE_FINAL_TYPE (GstSimclrPublish, gst_simclr_publish, GST, SIMCLR_PUBLISH, GstBaseTransform)
GST_ELEMENT_REGISTER_DECLARE (simclrpublish)

G_END_DECLS
