/* Separable Gaussian blur of a square plane.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* The official code's kernel is a tenth of the picture, made odd. */
#define SIMCLR_BLUR_RADIUS(size) ((size) / 10 / 2)

/* Half a normalised Gaussian: weights[0] is the centre, weights[k] both neighbours at distance k;
 * weights has room for radius + 1. Returns the radius that is left when weights too small to change
 * an 8-bit pixel are dropped. */
guint _simclr_blur_weights (gfloat *weights, guint radius, gdouble sigma);

/* plane is (size, size), blurred in place; borders reflect without repeating the edge, as
 * torchvision's (the official code pads with zeros, which darkens them). scratch holds size * size
 * + size + 2 * radius floats. radius < size. */
void _simclr_blur (gfloat *restrict plane, guint size, const gfloat *weights, guint radius,
    gfloat *restrict scratch);
