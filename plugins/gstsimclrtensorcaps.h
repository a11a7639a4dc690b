/* Caps of embeddings as tensors: NNStreamer's other/tensors, its library not needed.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_SIMCLR_TENSOR_CAPS                                                                     \
  "other/tensors, format = (string) static, num_tensors = (int) 1, "                               \
  "types = (string) float32, framerate = " GST_FRACTION_RANGE

#define GST_FRACTION_RANGE "(fraction) [ 0/1, 2147483647/1 ]"

/* rows embeddings of size floats; both 0 leaves the dimensions open. */
GstCaps *gst_simclr_tensor_caps_new (guint size, guint rows, gint framerate_numerator,
    gint framerate_denominator) G_GNUC_WARN_UNUSED_RESULT;

/* Reads dimensions as NNStreamer writes them: innermost first, trailing ones left out or not, up to 16
 * of them ("512:128", "512:128:1:1"). Anything that is not rows of float32 is an error. */
gboolean gst_simclr_tensor_caps_parse (
    const GstCaps *caps, guint *size, guint *rows, GError **error);

/* caps as allowed (what the peer takes) spells them, NULL where it does not take them. */
GstCaps *gst_simclr_tensor_caps_adapt (
    const GstCaps *caps, const GstCaps *allowed) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
