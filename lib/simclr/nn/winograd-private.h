/* The transforms of Winograd's minimal filtering F(4x4, 3x3): 16 outputs of a 3x3 convolution from 36
 * products.
 *
 * Andrew Lavin and Scott Gray, Fast Algorithms for Convolutional Neural Networks (1509.09308), section
 * 4.3: y = A' ((G w G') (B' d B)) A.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#define SIMCLR_WINOGRAD_POINTS 36 /* 6 x 6 */
#define SIMCLR_WINOGRAD_INPUT 6   /* side of a tile of the input */
#define SIMCLR_WINOGRAD_OUTPUT 4  /* side of a tile of the output */

/* Pixels are float, or bfloat16 with half; all else is float. The transformed side has room for channels
 * rounded up to 16. */

/* B' d B. from: pointers to the tile's 36 pixels (channels each), to: point i at to + i * stride. */
void _simclr_winograd_input (const gconstpointer from[SIMCLR_WINOGRAD_POINTS], gboolean half,
    gsize channels, gfloat *to, gsize stride);

/* y = relu? (A' m A + bias + residual): point i of m at m + i * stride; to: pointers to 16 pixels, NULL
 * outside. residual: the 16 pixels to add, or NULL; they may be y itself. bias may be NULL. */
void _simclr_winograd_output (const gfloat *m, gsize stride, gsize channels, const gpointer to[16],
    const gconstpointer residual[16], const gfloat *bias, gboolean relu, gboolean half);

/* The transpose of A' m A, for gradients: A dy A'. from: 16 pointers, NULL outside counts as zero. */
void _simclr_winograd_output_gradient (
    const gconstpointer from[16], gboolean half, gsize channels, gfloat *to, gsize stride);

/* G w G' of one row of weights: w[tap * tap_stride + c], to + i * stride + c. rotated: the kernel's axes
 * are reversed. */
void _simclr_winograd_weights (
    const gfloat *w, gsize tap_stride, gsize channels, gboolean rotated, gfloat *to, gsize stride);

/* The transpose of G w G': G' du G, overwrites dw[tap * tap_stride + c]. */
void _simclr_winograd_weights_gradient (
    const gfloat *du, gsize stride, gsize channels, gfloat *dw, gsize tap_stride);
