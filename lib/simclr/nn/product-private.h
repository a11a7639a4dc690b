/* Matrix products of one thread, for operands that are packed once and used often.
 *
 * OpenBLAS packs both operands anew in every call, and knows nothing of strides that let a transposed
 * operand be read in place; the convolutions here multiply small blocks that are in the cache already,
 * many times by the same weights.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Columns of a panel of the packed operand. */
#define SIMCLR_PANEL 32

/* One product's operands. a (rows, depth): element (i, p) is a[i * a_row + p * a_depth]. b (depth,
 * columns) comes in panels of SIMCLR_PANEL columns: element (p, j) is
 * b[j / SIMCLR_PANEL * b_panel + p * b_depth + j % SIMCLR_PANEL]; a plain row-major matrix has b_panel
 * = SIMCLR_PANEL and b_depth = its row stride. c (rows, columns) is row-major with stride c_row. */
typedef struct
{
  gsize rows, columns, depth;
  const gfloat *a;
  gsize a_row, a_depth;
  const gfloat *b;
  gsize b_depth, b_panel;
  gfloat *c;
  gsize c_row;
  gboolean accumulate; /* c += instead of c = */
} SimclrProduct;

void _simclr_product (const SimclrProduct *product);

/* Floats of a packed (depth, columns) matrix; the last panel is padded with zeros. */
gsize _simclr_packed_floats (gsize depth, gsize columns);

/* Packs element (p, j) = from[p * depth_stride + j * column_stride] into panels: b_depth is
 * SIMCLR_PANEL and b_panel depth * SIMCLR_PANEL. */
void _simclr_pack (const gfloat *from, gsize depth_stride, gsize column_stride, gsize depth,
    gsize columns, gfloat *to);
