/* simclrreplay: stores frames at the camera's rate, gives random ones at the trainer's.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_SIMCLR_REPLAY (gst_simclr_replay_get_type ())
G_DECLARE_FINAL_TYPE (GstSimclrReplay, gst_simclr_replay, GST, SIMCLR_REPLAY, GstElement)

GST_ELEMENT_REGISTER_DECLARE (simclrreplay)

G_END_DECLS
