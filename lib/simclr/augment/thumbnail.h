/* A tiny picture of a frame, to tell whether two frames look alike.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/augment/frame.h>

G_BEGIN_DECLS

/**
 * SIMCLR_THUMBNAIL_FLOATS:
 *
 * Floats of a thumbnail: red, green and blue of 8x8 cells.
 */
#define SIMCLR_THUMBNAIL_FLOATS 192

SIMCLR_API
gboolean simclr_thumbnail (const SimclrFrame *frame, gfloat *thumbnail, GError **error);
SIMCLR_API
gdouble simclr_thumbnail_distance (const gfloat *a, const gfloat *b);

G_END_DECLS
