/* A convolution by Winograd's F(4x4, 3x3): what is kept of it, and where its tiles lie in the pictures.
 * What is done for every tile is inline.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/nn/convolution-native-private.h>

#include <simclr/nn/product-private.h>
#include <simclr/nn/winograd-private.h>

typedef struct
{
  SimclrConvolution parent;
  gsize tile_rows, tile_columns; /* of one image */
  gsize tiles;                   /* of all images */
  gsize block;                   /* tiles */
  guint n_sums;                  /* of the weights' gradient: one, or one for each thread */
  gsize in_stride, out_stride;   /* channels, padded to whole panels */
  gboolean half;                 /* activations are bfloat16 */
  gsize value_bytes;             /* of an activation */
  const gfloat *weights;         /* (out, 3, 3, in), borrowed */
  gfloat *kept;  /* inference: transformed once; training transforms in the workspace */
  gfloat *zeros; /* a pixel of the padding, in either format */
} SimclrWinograd;

/* One direction's sizes and operands, for the team. */
typedef struct
{
  const SimclrWinograd *self;
  const guint8 *from; /* pictures of from_channels */
  guint8 *to;         /* pictures of to_channels */
  gfloat *sums;       /* backward-weights: the threads' sums */
  const gfloat *weights;
  gsize from_channels, from_stride;
  gsize to_channels, to_stride;
  const gfloat *bias;
  const guint8 *residual;
  gboolean relu;
  const guint8 *dy; /* backward-weights */
  gfloat *dweights;
  gfloat *workspace;
} SimclrWinogradCall;

/* Floats of the transformed weights of forward: (points, panels of out, in, panel). */
static inline gsize
_simclr_winograd_forward_floats (const SimclrWinograd *self)
{
  return SIMCLR_WINOGRAD_POINTS * self->parent.shape.in * self->out_stride;
}

/* Of backward to the data: (points, panels of in, out, panel). */
static inline gsize
_simclr_winograd_backward_floats (const SimclrWinograd *self)
{
  return SIMCLR_WINOGRAD_POINTS * self->parent.shape.out * self->in_stride;
}

/* Floats of one thread's block of transformed input and output. */
static inline gsize
_simclr_winograd_block_floats (const SimclrWinograd *self)
{
  return SIMCLR_WINOGRAD_POINTS * self->block * (self->in_stride + self->out_stride);
}

/* Of a thread's sum of the transformed weights' gradient: (points, out, in). */
static inline gsize
_simclr_winograd_gradient_floats (const SimclrWinograd *self)
{
  return _simclr_winograd_backward_floats (self);
}

/* First pixel of a tile: image, row and column. */
static inline void
_simclr_winograd_locate_tile (
    const SimclrWinograd *self, gsize tile, gsize *image, gsize *row, gsize *column)
{
  *image = tile / (self->tile_rows * self->tile_columns);
  tile %= self->tile_rows * self->tile_columns;
  *row = tile / self->tile_columns * SIMCLR_WINOGRAD_OUTPUT;
  *column = tile % self->tile_columns * SIMCLR_WINOGRAD_OUTPUT;
}

/* The 6x6 pixels that a tile of outputs depends on; the padding is zeros. */
static inline void
_simclr_winograd_find_input (const SimclrWinograd *self, const guint8 *pictures, gsize channels,
    gsize tile, gconstpointer pixels[SIMCLR_WINOGRAD_POINTS])
{
  const gsize height = self->parent.shape.height, width = self->parent.shape.width;
  gsize image, top, left;

  _simclr_winograd_locate_tile (self, tile, &image, &top, &left);
  for (gsize i = 0; i < 6; i++) {
    for (gsize j = 0; j < 6; j++) {
      gsize row = top + i - 1, column = left + j - 1; /* below zero: wraps to a large number */

      pixels[6 * i + j] =
          row < height && column < width
              ? pictures + ((image * height + row) * width + column) * channels * self->value_bytes
              : (gconstpointer) self->zeros;
    }
  }
}

/* Offsets in bytes of the 4x4 pixels of a tile of outputs, G_MAXSIZE outside the picture. */
static inline void
_simclr_winograd_find_output (
    const SimclrWinograd *self, gsize channels, gsize tile, gsize offsets[16])
{
  const gsize height = self->parent.shape.height, width = self->parent.shape.width;
  gsize image, top, left;

  _simclr_winograd_locate_tile (self, tile, &image, &top, &left);
  for (gsize i = 0; i < SIMCLR_WINOGRAD_OUTPUT; i++) {
    for (gsize j = 0; j < SIMCLR_WINOGRAD_OUTPUT; j++)
      offsets[SIMCLR_WINOGRAD_OUTPUT * i + j] =
          top + i < height && left + j < width
              ? ((image * height + top + i) * width + left + j) * channels * self->value_bytes
              : G_MAXSIZE;
  }
}

static inline void
_simclr_winograd_transform_input (const SimclrWinogradCall *call, const guint8 *pictures,
    gsize channels, gsize stride, gsize tile, gsize tiles, gfloat *transformed)
{
  gconstpointer pixels[SIMCLR_WINOGRAD_POINTS];

  for (gsize t = 0; t < tiles; t++) {
    _simclr_winograd_find_input (call->self, pictures, channels, tile + t, pixels);
    _simclr_winograd_input (
        pixels, call->self->half, channels, transformed + t * stride, call->self->block * stride);
  }
}

/* The transformed weights for one direction, in panels (convolution-winograd-weights.c); padded channels are zeros. */
void _simclr_winograd_pack (const SimclrWinograd *self, gfloat *transformed, gboolean backward);

/* The class's method (convolution-winograd-gradient.c). */
void _simclr_winograd_backward_weights (SimclrConvolution *parent, gconstpointer x,
    gconstpointer dy, gfloat *dweights, gpointer workspace);
