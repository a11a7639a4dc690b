/* simclrencoder: frames to embeddings, pairs to trainable batches.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_SIMCLR_ENCODER (gst_simclr_encoder_get_type ())
G_DECLARE_FINAL_TYPE (GstSimclrEncoder, gst_simclr_encoder, GST, SIMCLR_ENCODER, GstElement)

GST_ELEMENT_REGISTER_DECLARE (simclrencoder);

G_END_DECLS
