/* The view an encoder sees when nothing is random: the official code's centre crop.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/augment/frame.h>

G_BEGIN_DECLS

SIMCLR_API
gboolean simclr_evaluation_view (const SimclrFrame *frame, guint size,
    SimclrNormalization normalization, gfloat *view, GError **error);
SIMCLR_API
gfloat *simclr_evaluation_view_from_bytes (GBytes *pixels, guint width, guint height, gsize stride,
    SimclrPixelFormat format, guint size, SimclrNormalization normalization, gsize *n_floats,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
GBytes *simclr_evaluation_view_to_bytes (GBytes *pixels, guint width, guint height, gsize stride,
    SimclrPixelFormat format, guint size, SimclrNormalization normalization,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
