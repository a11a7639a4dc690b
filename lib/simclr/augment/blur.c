/* Gaussian blur: along rows into a second plane, then along columns back.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/augment/blur-private.h>

#include <math.h>
#include <string.h>

#include <simclr/augment/vector-private.h>
#include <simclr/base/multiversion-private.h>

/* What the dropped weights may sum to: a fortieth of an 8-bit step. */
#define NEGLIGIBLE 1e-4

guint
_simclr_blur_weights (gfloat *weights, guint radius, gdouble sigma)
{
  gdouble sum = 1, kept, tail = 0;

  for (guint k = 1; k <= radius; k++)
    sum += 2 * exp (-0.5 * (k / sigma) * (k / sigma));
  while (radius > 0) {
    tail += 2 * exp (-0.5 * (radius / sigma) * (radius / sigma));
    if (tail > NEGLIGIBLE * sum)
      break;
    radius--;
  }
  kept = 1;
  for (guint k = 1; k <= radius; k++)
    kept += 2 * exp (-0.5 * (k / sigma) * (k / sigma));
  for (guint k = 0; k <= radius; k++)
    weights[k] = (gfloat) (exp (-0.5 * (k / sigma) * (k / sigma)) / kept);
  return radius;
}

/* out[i] = weights[0] * middle[i] + sum of weights[k] * (middle[i - k * step] + middle[i + k * step]) */
#define BLOCK 64

SIMCLR_INLINE void
blur_along_row (const gfloat *restrict padded, gsize n, const gfloat *restrict weights,
    guint radius, gfloat *restrict out)
{
  const gfloat *middle = padded + radius;

  for (gsize x = 0; x < n; x += BLOCK) {
    gsize count = MIN (BLOCK, n - x);
    gfloat sum[BLOCK];

    for (gsize i = 0; i < count; i++)
      sum[i] = weights[0] * middle[x + i];
    for (gsize k = 1; k <= radius; k++)
      for (gsize i = 0; i < count; i++)
        sum[i] += weights[k] * (middle[x + i - k] + middle[x + i + k]);
    for (gsize i = 0; i < count; i++)
      out[x + i] = sum[i];
  }
}

static inline gsize
reflect (gssize i, gssize size)
{
  i = i < 0 ? -i : i;
  return (gsize) (i < size ? i : 2 * (size - 1) - i);
}

SIMCLR_INLINE void
blur_across_rows (const gfloat *restrict in, gsize size, gsize y, const gfloat *restrict weights,
    guint radius, gfloat *restrict out)
{
  for (gsize x = 0; x < size; x += BLOCK) {
    gsize count = MIN (BLOCK, size - x);
    const gfloat *restrict middle = in + y * size + x;
    gfloat sum[BLOCK];

    for (gsize i = 0; i < count; i++)
      sum[i] = weights[0] * middle[i];
    for (gsize k = 1; k <= radius; k++) {
      const gfloat *above = in + reflect ((gssize) (y - k), (gssize) size) * size + x;
      const gfloat *below = in + reflect ((gssize) (y + k), (gssize) size) * size + x;

      for (gsize i = 0; i < count; i++)
        sum[i] += weights[k] * (above[i] + below[i]);
    }
    for (gsize i = 0; i < count; i++)
      out[x + i] = sum[i];
  }
}

SIMCLR_MULTIVERSION
void
_simclr_blur (gfloat *restrict plane, guint size, const gfloat *weights, guint radius,
    gfloat *restrict scratch)
{
  gfloat *rows = scratch;
  gfloat *padded = scratch + (gsize) size * size;

  for (gsize y = 0; y < size; y++) {
    const gfloat *row = plane + y * size;

    memcpy (padded + radius, row, size * sizeof (gfloat));
    for (gsize k = 1; k <= radius; k++) {
      padded[radius - k] = row[k];
      padded[radius + size - 1 + k] = row[size - 1 - k];
    }
    blur_along_row (padded, size, weights, radius, rows + y * size);
  }
  for (gsize y = 0; y < size; y++)
    blur_across_rows (rows, size, y, weights, radius, plane + y * size);
}
