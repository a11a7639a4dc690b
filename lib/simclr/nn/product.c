/* Matrix products of one thread, for operands that are packed once and used often.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/product-private.h>

#include <simclr/base/multiversion-private.h>
#include <string.h>

/* Depth of one pass: a panel of b this deep stays in the first-level cache. */
#define PASS_DEPTH 256

/* Rows of c from which a panel of a plain b is worth copying. */
#define WORTH_PACKING 56

#define KERNEL(name) name##_default
#define TARGET
#define BYTES 16
#define MOST_ROWS 6
#include "product-kernel.inc"

#ifdef SIMCLR_HAVE_MULTIVERSION
#define KERNEL(name) name##_v3
#define TARGET __attribute__ ((target ("arch=x86-64-v3")))
#define BYTES 32
#define MOST_ROWS 6
#include "product-kernel.inc"

#define KERNEL(name) name##_v4
#define TARGET __attribute__ ((target ("arch=x86-64-v4")))
#define BYTES 64
#define MOST_ROWS 14
#include "product-kernel.inc"
#endif

typedef void (*PanelFunc) (const SimclrProduct *product, const gfloat *a, const gfloat *b,
    gfloat *c, gsize depth, gsize width, gboolean accumulate);

static PanelFunc
choose_panel (void)
{
#ifdef SIMCLR_HAVE_MULTIVERSION
  if (__builtin_cpu_supports ("x86-64-v4"))
    return panel_v4;
  if (__builtin_cpu_supports ("x86-64-v3"))
    return panel_v3;
#endif
  return panel_default;
}

/* A panel of b, made contiguous and padded with zeros. */
static void
pack_panel (const gfloat *b, gsize b_depth, gsize depth, gsize width, gfloat *packed)
{
  for (gsize p = 0; p < depth; p++) {
    memcpy (packed + p * SIMCLR_PANEL, b + p * b_depth, width * sizeof (gfloat));
    memset (packed + p * SIMCLR_PANEL + width, 0, (SIMCLR_PANEL - width) * sizeof (gfloat));
  }
}

/* The last columns, less than a panel: through a padded copy of c's rows. */
static void
multiply_tail (const SimclrProduct *product, PanelFunc panel, const gfloat *a, const gfloat *packed,
    gfloat *c, gsize depth, gsize width, gboolean accumulate)
{
  gfloat rows[14 * SIMCLR_PANEL];
  SimclrProduct part = *product;

  part.b_depth = SIMCLR_PANEL;
  part.c_row = SIMCLR_PANEL;
  for (gsize i = 0; i < product->rows; i += part.rows) {
    part.rows = MIN (14, product->rows - i);
    panel (&part, a + i * product->a_row, packed, rows, depth, SIMCLR_PANEL, FALSE);
    for (gsize r = 0; r < part.rows; r++) {
      gfloat *to = c + (i + r) * product->c_row;

      for (gsize j = 0; j < width; j++)
        to[j] = rows[r * SIMCLR_PANEL + j] + (accumulate ? to[j] : 0);
    }
  }
}

/* One panel over one pass of the depth. A plain b that many rows use is packed first. */
static void
multiply_panel (const SimclrProduct *product, PanelFunc panel, const gfloat *a, const gfloat *b,
    gfloat *c, gsize depth, gsize width, gboolean accumulate)
{
  gfloat packed[PASS_DEPTH * SIMCLR_PANEL] __attribute__ ((aligned (64)));
  SimclrProduct part = *product;

  if (product->b_depth != SIMCLR_PANEL &&
      (width < SIMCLR_PANEL || product->rows >= WORTH_PACKING)) {
    pack_panel (b, product->b_depth, depth, width, packed);
    part.b_depth = SIMCLR_PANEL;
    b = packed;
  }
  if (width == SIMCLR_PANEL)
    panel (&part, a, b, c, depth, width, accumulate);
  else
    multiply_tail (&part, panel, a, b, c, depth, width, accumulate);
}

void
_simclr_product (const SimclrProduct *product)
{
  const PanelFunc panel = choose_panel ();

  for (gsize p = 0; p < product->depth || p == 0; p += PASS_DEPTH) {
    const gsize depth = MIN (PASS_DEPTH, product->depth - p);

    for (gsize j = 0; j < product->columns; j += SIMCLR_PANEL)
      multiply_panel (product, panel, product->a + p * product->a_depth,
          product->b + j / SIMCLR_PANEL * product->b_panel + p * product->b_depth, product->c + j,
          depth, MIN (SIMCLR_PANEL, product->columns - j), product->accumulate || p > 0);
  }
}

gsize
_simclr_packed_floats (gsize depth, gsize columns)
{
  return (columns + SIMCLR_PANEL - 1) / SIMCLR_PANEL * SIMCLR_PANEL * depth;
}

void
_simclr_pack (const gfloat *from, gsize depth_stride, gsize column_stride, gsize depth,
    gsize columns, gfloat *to)
{
  for (gsize j = 0; j < columns; j += SIMCLR_PANEL) {
    const gsize width = MIN (SIMCLR_PANEL, columns - j);

    for (gsize p = 0; p < depth; p++, to += SIMCLR_PANEL) {
      const gfloat *row = from + p * depth_stride + j * column_stride;

      for (gsize k = 0; k < width; k++)
        to[k] = row[k * column_stride];
      memset (to + width, 0, (SIMCLR_PANEL - width) * sizeof (gfloat));
    }
  }
}
