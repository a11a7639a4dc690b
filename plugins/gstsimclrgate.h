/* simclrgate: passes a frame only when its embedding moved enough.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/base/gstbasetransform.h>

G_BEGIN_DECLS

#define GST_TYPE_SIMCLR_GATE (gst_simclr_gate_get_type ())
G_DECLARE_FINAL_TYPE (GstSimclrGate, gst_simclr_gate, GST, SIMCLR_GATE, GstBaseTransform)
GST_ELEMENT_REGISTER_DECLARE (simclrgate)

G_END_DECLS
