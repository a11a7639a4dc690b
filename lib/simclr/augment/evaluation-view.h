/* The view an encoder sees when nothing is random: the official code's centre crop.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/augment/frame.h>

G_BEGIN_DECLS

SIMCLR_API
gboolean simclr_evaluation_view (const SimclrFrame *frame, guint size,
    SimclrNormalization normalization, gfloat *view, GError **error);

G_END_DECLS
