/* The arithmetic of NT-Xent on one tile of the similarity matrix.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/loss/ntxent-kernel-private.h>

#include <simclr/base/exp-private.h>
#include <simclr/base/multiversion-private.h>
#include <math.h>

#define LANES SIMCLR_NTXENT_LANES
#define DOT_LANES 16
/* tf.math.l2_normalize's bound of the squared length */
#define SMALLEST_SQUARE 1e-12

/* In double: squares of floats cannot overflow. */
SIMCLR_MULTIVERSION
static gdouble
dot (const gfloat *restrict a, const gfloat *restrict b, gsize count)
{
  gdouble lanes[DOT_LANES] = {0}, sum = 0;
  gsize i = 0;

  for (; i + DOT_LANES <= count; i += DOT_LANES)
    for (gsize lane = 0; lane < DOT_LANES; lane++)
      lanes[lane] += (gdouble) a[i + lane] * b[i + lane];
  for (gsize lane = 0; lane < DOT_LANES; lane++)
    sum += lanes[lane];
  for (; i < count; i++)
    sum += (gdouble) a[i] * b[i];
  return sum;
}

void
_simclr_ntxent_normalize (const gfloat *z, gsize rows, gsize columns, gfloat *u, gfloat *inverse)
{
  for (gsize row = 0; row < rows; row++) {
    const gfloat *in = z + row * columns;
    gfloat *out = u + row * columns;
    gdouble square = dot (in, in, columns);
    gdouble factor = 1 / sqrt (MAX (square, SMALLEST_SQUARE));

    /* MAX takes the bound for a square that is not a number; the product below still is none */
    inverse[row] = (gfloat) factor;
    for (gsize c = 0; c < columns; c++)
      out[c] = (gfloat) (in[c] * factor);
  }
}

/* Where the length counts, what points along u changes nothing. */
void
_simclr_ntxent_normalize_backward (
    const gfloat *u, const gfloat *inverse, gsize rows, gsize columns, gfloat *du)
{
  const gfloat bounded = (gfloat) (1 / sqrt (SMALLEST_SQUARE));

  for (gsize row = 0; row < rows; row++) {
    const gfloat *unit = u + row * columns;
    gfloat *gradient = du + row * columns, factor = inverse[row];
    gfloat along = factor < bounded ? (gfloat) dot (unit, gradient, columns) : 0.0f;

    for (gsize c = 0; c < columns; c++)
      gradient[c] = (gradient[c] - unit[c] * along) * factor;
  }
}

SIMCLR_MULTIVERSION
gfloat
_simclr_ntxent_highest (const gfloat *restrict logits, gsize padded)
{
  gfloat lanes[LANES], highest;

  for (gsize lane = 0; lane < LANES; lane++)
    lanes[lane] = logits[lane];
  for (gsize i = LANES; i < padded; i += LANES)
    for (gsize lane = 0; lane < LANES; lane++)
      lanes[lane] = logits[i + lane] > lanes[lane] ? logits[i + lane] : lanes[lane];
  highest = lanes[0];
  for (gsize lane = 1; lane < LANES; lane++)
    highest = MAX (highest, lanes[lane]);
  return highest;
}

SIMCLR_MULTIVERSION
static void
sums (const gfloat *restrict logits, gsize padded, gfloat highest, gdouble *sum, gdouble *moment)
{
  gfloat zeroth[LANES] = {0}, first[LANES] = {0};

  for (gsize i = 0; i < padded; i += LANES) {
    for (gsize lane = 0; lane < LANES; lane++) {
      gfloat below = logits[i + lane] - highest;
      gfloat weight = _simclr_exp (below);

      zeroth[lane] += weight;
      first[lane] += weight * below;
    }
  }
  *sum = *moment = 0;
  for (gsize lane = 0; lane < LANES; lane++) {
    *sum += zeroth[lane];
    *moment += first[lane];
  }
}

void
_simclr_ntxent_row_add (SimclrNtxentRow *row, const gfloat *logits, gsize padded, gfloat highest)
{
  gdouble sum, moment, down, factor;

  if (highest > row->highest) {
    down = row->highest - highest;
    factor = exp (down);
    row->moment = (row->moment + row->sum * down) * factor;
    row->sum *= factor;
    row->highest = highest;
  }
  sums (logits, padded, (gfloat) row->highest, &sum, &moment);
  row->sum += sum;
  row->moment += moment;
}

SIMCLR_MULTIVERSION
void
_simclr_ntxent_pull (
    gfloat *restrict logits, gsize columns, gfloat own, const gfloat *restrict others)
{
  for (gsize k = 0; k < columns; k++)
    logits[k] = _simclr_exp (logits[k] - own) + _simclr_exp (logits[k] - others[k]);
}
