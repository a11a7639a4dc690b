/* A convolution of bfloat16 by whole tiles (AMX): what is kept of it.
 *
 * 32 pictures are packed at a time, and their values at one place lie together: what would be the pixels of
 * one picture for other ways of convolving are the same pixel of 32 pictures here. So every tap reads whole
 * tiles from a place that its own position alone tells, at any stride; taps that fall into the padding are
 * left out; and small pictures fill the tiles as well as large ones do.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/nn/convolution-native-private.h>

#include <simclr/nn/amx-private.h>

/* Pictures that are packed together. */
#define SIMCLR_AMX_GROUP SIMCLR_AMX_STEP

/* From one tensor to another: forward from x to y, or backward from dy to dx. */
typedef struct
{
  gsize from_height, from_width, from_channels;
  gsize from_step; /* of what is read there, in lines and columns */
  gsize to_height, to_width, to_channels;
  gssize *lines, *columns; /* (to, kernel): where a tap reads, in steps; -1: in the padding */
  gsize packed_width;      /* pixels */
  gsize steps, row;        /* of a packed pixel of one picture: depth, and values */
  gsize pixel;             /* values of a packed pixel of all pictures */
  gsize tiles;             /* of output channels */
  gsize block_lines;       /* of the output, made from what is packed at a time */
  gsize packed_lines;      /* what they need at most */
  gsize parts;             /* that output channels are cut into */
} SimclrAmxWay;

/* The weights' gradient: blocks of some whole pictures, or of some lines of one group. */
typedef struct
{
  gsize groups, lines; /* of a block, of the output */
  gsize x_lines;       /* of a block's input, at most */
  gsize in_block;      /* tiles of input channels that stay in the cache, by twos */
  guint n_sums;        /* one, or one for each thread */
} SimclrAmxGradient;

typedef struct
{
  SimclrConvolution parent;
  gsize out_height, out_width;
  gsize groups, taps;
  gsize in_tiles, out_tiles;
  SimclrAmxWay forward, backward;
  SimclrAmxGradient gradient;
  const gfloat *weights; /* (out, kernel, kernel, in), borrowed */
  guint16 *kept;         /* inference: packed once; training packs in the workspace */
} SimclrAmx;

static inline gsize
_simclr_amx_count (gsize n, gsize unit)
{
  return (n + unit - 1) / unit;
}

/* The lines of the input, in steps, that taps of some lines of the output read: from first on, count of them. */
void _simclr_amx_find_lines (const SimclrAmx *self, const SimclrAmxWay *way, gsize line, gsize end,
    gsize *first, gsize *count);

/* The most of them that so many lines of the output need at a time. */
gsize _simclr_amx_count_lines (const SimclrAmx *self, const SimclrAmxWay *way, gsize lines);

/* convolution-amx-gradient.c: reads what the forward way reads */
void _simclr_amx_plan_gradient (SimclrAmx *self);
gsize _simclr_amx_get_gradient_workspace (const SimclrAmx *self);
void _simclr_amx_backward_weights (SimclrConvolution *parent, gconstpointer x, gconstpointer dy,
    gfloat *dweights, gpointer workspace);
