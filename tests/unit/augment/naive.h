/* The augmentations by their definitions, in double precision, slow: the oracle of the fast ones.
 * Pictures are (height, width, 3) doubles in [0, 1].
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/simclr.h>

/* Values 0 to 255 of one pixel, whatever the format. */
void naive_pixel (const SimclrFrame *frame, guint x, guint y, gdouble rgb[3]);

/* The box resampled to size x size by an antialiased filter, clamped. */
void naive_resize (const SimclrFrame *frame, guint box_x, guint box_y, guint box_width,
    guint box_height, guint size, gboolean flip, SimclrInterpolation interpolation, gdouble *out);

void naive_brightness (gdouble *picture, gsize n, gdouble factor);
void naive_contrast (gdouble *picture, gsize n, gdouble factor);
void naive_saturation (gdouble *picture, gsize n, gdouble factor);
/* By way of hue, saturation and value. */
void naive_hue (gdouble *picture, gsize n, gdouble shift);
void naive_grayscale (gdouble *picture, gsize n);
void naive_solarize (gdouble *picture, gsize n, gdouble threshold);
/* Two-dimensional kernel of (2 * radius + 1) squared weights, reflecting borders. */
void naive_blur (gdouble *picture, guint size, guint radius, gdouble sigma);

/* The whole chain. */
void naive_view (const SimclrFrame *frame, const SimclrDraw *draw, guint size,
    SimclrInterpolation interpolation, gdouble *out);

/* A picture with edges, gradients and noise; free with g_free(). extra bytes follow each row. */
guint8 *naive_frame (SimclrFrame *frame, guint width, guint height, SimclrPixelFormat format,
    gsize extra, guint32 seed);
