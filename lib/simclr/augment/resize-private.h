/* Antialiased resampling of a box of a frame, the geometry of every view.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/augment/frame.h>
#include <simclr/augment/scratch-private.h>

/* A rectangle of a frame's pixels. */
typedef struct
{
  guint x, y, width, height;
} SimclrBox;

/* Weights of one direction: output position p is the sum over k < count[p] of
 * weights[p * taps + k] times input position start[p] + k. */
typedef struct
{
  guint size; /* output positions */
  guint taps; /* largest count */
  guint *start;
  guint *count;
  gfloat *weights; /* (size, taps) */
} SimclrResizeAxis;

/* Largest count that an axis from length to size positions can have. */
guint _simclr_resize_axis_taps (guint length, guint size, SimclrInterpolation interpolation);
/* Fills start, count and weights, whose memory and taps the caller has set; weights sum to gain;
 * mirrored reverses the output. */
void _simclr_resize_axis_fill (SimclrResizeAxis *axis, guint length, guint size,
    SimclrInterpolation interpolation, gboolean mirrored, gfloat gain);

/* Kernels, for one strip of SIMCLR_LANES output rows.
 * bytes is the box, n_bytes in a row; converted holds (input rows of the strip, 64);
 * columns becomes (n_bytes rounded up to 64, SIMCLR_LANES). */
void _simclr_resize_strip_vertical (const guint8 *restrict bytes, gsize stride, gsize n_bytes,
    const SimclrResizeAxis *vertical, guint first, gfloat *restrict converted,
    gfloat *restrict columns);
/* strip becomes (channels, size, SIMCLR_LANES); offsets[c] is the byte of channel c in a pixel. */
void _simclr_resize_strip_horizontal (const gfloat *restrict columns, gsize pixel_bytes,
    const guint8 *offsets, guint channels, const SimclrResizeAxis *horizontal,
    gfloat *restrict strip);
/* (size, SIMCLR_LANES) to the first rows of (SIMCLR_LANES, size), clamped to [0, 1]. */
void _simclr_resize_strip_store (
    const gfloat *restrict strip, guint size, guint rows, gfloat *restrict plane);

/* The box of the frame resampled to size x size, values in [0, 1], one plane a channel (red, green,
 * blue). Pixels outside the box are never read. */
gboolean _simclr_resize (SimclrScratch *scratch, const SimclrFrame *frame, const SimclrBox *box,
    guint size, gboolean mirrored, SimclrInterpolation interpolation, gfloat *const planes[3],
    GError **error);
