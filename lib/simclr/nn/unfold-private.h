/* Unfolding an NHWC picture so that convolution becomes a matrix product (im2col), and back.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

typedef struct
{
  gsize height, width, channels; /* of the picture */
  gsize kernel, stride, padding;
  gsize out_height, out_width;
  gsize depth;       /* kernel * kernel * channels: floats of one unfolded row */
  gsize block_lines; /* output lines that fit the memory given; at least 1 */
  gboolean half;     /* the pictures are bfloat16; columns are always float */
  gboolean direct;   /* 1x1 at stride 1 in float: the picture is its own unfolding */
} SimclrUnfold;

/* bytes: how much unfolded memory one block should take. */
void _simclr_unfold_init (SimclrUnfold *self, gsize height, gsize width, gsize channels,
    gsize kernel, gsize stride, gsize padding, gboolean half, gsize bytes);

/* Floats of a block's memory (0 where direct). */
gsize _simclr_unfold_get_floats (const SimclrUnfold *self);

/* Lines count through all images: line = image * out_height + output line. Fills (lines * out_width,
 * depth), ordered (kernel line, kernel column, channel), and returns it, or the picture itself where
 * direct. lines is at most block_lines. */
const gfloat *_simclr_unfold_lines (
    const SimclrUnfold *self, gconstpointer pictures, gsize line, gsize lines, gfloat *columns);

/* The opposite: adds the columns to the pictures they came from, which are float here. */
void _simclr_fold_lines (
    const SimclrUnfold *self, const gfloat *columns, gsize line, gsize lines, gfloat *pictures);

/* bfloat16 to float. */
void _simclr_widen (const guint16 *from, gsize count, gfloat *to);

/* sum += part; they do not overlap. */
void _simclr_add_floats (gfloat *sum, const gfloat *part, gsize floats);
