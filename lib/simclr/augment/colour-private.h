/* Colour jitter, grayscale and solarize on planes of floats in [0, 1].
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/augment/augment.h>

/* Kernels: n pixels in place, results clamped to [0, 1]. */
void _simclr_colour_brightness (gfloat *restrict plane, gsize n, gfloat factor);
void _simclr_colour_contrast (gfloat *restrict plane, gsize n, gfloat factor, gfloat mean);
void _simclr_colour_saturation (
    gfloat *restrict red, gfloat *restrict green, gfloat *restrict blue, gsize n, gfloat factor);
/* shift in turns, -0.5 to 0.5 */
void _simclr_colour_hue (
    gfloat *restrict red, gfloat *restrict green, gfloat *restrict blue, gsize n, gfloat shift);
/* into red */
void _simclr_colour_gray (
    gfloat *restrict red, const gfloat *restrict green, const gfloat *restrict blue, gsize n);
gdouble _simclr_colour_gray_sum (
    const gfloat *restrict red, const gfloat *restrict green, const gfloat *restrict blue, gsize n);
void _simclr_colour_solarize (gfloat *restrict plane, gsize n, gfloat threshold);

/* The draw's jitter in its order, then grayscale; n pixels a plane. After grayscale only planes[0]
 * holds the picture. */
void _simclr_colour_apply (gfloat *const planes[3], gsize n, const SimclrDraw *draw);
