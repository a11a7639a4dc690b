/* The arithmetic of contrastive losses on one row of a tile of the similarity matrix.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/loss/loss-kernel-private.h>

#include <simclr/base/exp-private.h>
#include <simclr/base/multiversion-private.h>
#include <math.h>

#define LANES SIMCLR_LOSS_LANES
#define DOT_LANES 16
/* Above this a logit is something; no temperature makes one as low. */
#define IS_SOMETHING (0.5f * SIMCLR_LOSS_NOTHING)
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
_simclr_loss_normalize (const gfloat *z, gsize rows, gsize columns, gfloat *u, gfloat *inverse)
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
_simclr_loss_normalize_backward (
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
_simclr_loss_highest (const gfloat *restrict logits, gsize padded)
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
gfloat
_simclr_loss_lowest (const gfloat *restrict logits, gsize padded)
{
  gfloat lanes[LANES], lowest = G_MAXFLOAT;

  for (gsize lane = 0; lane < LANES; lane++)
    lanes[lane] = G_MAXFLOAT;
  for (gsize i = 0; i < padded; i += LANES)
    for (gsize lane = 0; lane < LANES; lane++) {
      gfloat logit = logits[i + lane] > IS_SOMETHING ? logits[i + lane] : G_MAXFLOAT;

      lanes[lane] = logit < lanes[lane] ? logit : lanes[lane];
    }
  for (gsize lane = 0; lane < LANES; lane++)
    lowest = MIN (lowest, lanes[lane]);
  return lowest;
}

SIMCLR_MULTIVERSION
gfloat
_simclr_loss_highest_below (const gfloat *restrict logits, gsize padded, gfloat bound)
{
  gfloat lanes[LANES], highest = SIMCLR_LOSS_NOTHING;

  for (gsize lane = 0; lane < LANES; lane++)
    lanes[lane] = SIMCLR_LOSS_NOTHING;
  for (gsize i = 0; i < padded; i += LANES)
    for (gsize lane = 0; lane < LANES; lane++) {
      gfloat logit = logits[i + lane] < bound ? logits[i + lane] : SIMCLR_LOSS_NOTHING;

      lanes[lane] = logit > lanes[lane] ? logit : lanes[lane];
    }
  for (gsize lane = 0; lane < LANES; lane++)
    highest = MAX (highest, lanes[lane]);
  return highest;
}

SIMCLR_MULTIVERSION
gsize
_simclr_loss_count (const gfloat *restrict logits, gsize padded)
{
  guint count = 0;

  for (gsize i = 0; i < padded; i++)
    count += logits[i] > IS_SOMETHING ? 1u : 0u;
  return count;
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

/* A lower maximum would cost the sum its digits. */
static void
lift (SimclrLossRow *row, gdouble highest)
{
  gdouble down = row->highest - highest, factor;

  if (down >= 0)
    return;
  factor = exp (down);
  row->moment = (row->moment + row->sum * down) * factor;
  row->sum *= factor;
  row->highest = highest;
}

void
_simclr_loss_row_add (SimclrLossRow *row, const gfloat *logits, gsize padded, gfloat highest)
{
  gdouble sum, moment;

  if (highest <= IS_SOMETHING)
    return;
  lift (row, highest);
  sums (logits, padded, (gfloat) row->highest, &sum, &moment);
  row->sum += sum;
  row->moment += moment;
}

void
_simclr_loss_row_add_one (SimclrLossRow *row, gdouble logit)
{
  gdouble weight;

  lift (row, logit);
  weight = exp (logit - row->highest);
  row->sum += weight;
  row->moment += weight * (logit - row->highest);
}

SIMCLR_MULTIVERSION
void
_simclr_loss_mask_neighbours (gfloat *restrict logits, gsize columns, gint64 time, guint32 stream,
    const gint64 *restrict times, const guint32 *restrict streams, gint64 most, gint32 label,
    const gint32 *restrict labels)
{
  /* one comparison for both directions: what is below zero is far above as an unsigned number */
  const guint64 lowest = (guint64) time - (guint64) most, span = 2 * (guint64) most;

  for (gsize k = 0; k < columns; k++) {
    gboolean near = ((guint64) times[k] - lowest <= span) & (streams[k] == stream);

    if (labels)
      near &= labels[k] != label;
    logits[k] = near ? SIMCLR_LOSS_NOTHING : logits[k];
  }
}

SIMCLR_MULTIVERSION
gfloat
_simclr_loss_split_labels (const gfloat *restrict logits, gsize columns, gint32 label,
    const gint32 *restrict labels, gdouble *sum, gsize *count)
{
  gfloat highest = SIMCLR_LOSS_NOTHING;

  for (gsize k = 0; k < columns; k++) {
    gboolean same = labels[k] == label;

    if (same && logits[k] > IS_SOMETHING) {
      *sum += logits[k];
      (*count)++;
    }
    highest = !same && logits[k] > highest ? logits[k] : highest;
  }
  return highest;
}

/* log (1 + e^x) is max (x, 0) + log (1 + e^-|x|). The second part's factors lie between 1 and 2, so that
 * some can be multiplied before one logarithm is taken of them all. */
#define FACTORS 32

SIMCLR_MULTIVERSION
gdouble
_simclr_loss_sum_softplus (const gfloat *restrict logits, gsize padded)
{
  gdouble sum = 0;

  for (gsize begin = 0; begin < padded; begin += FACTORS * LANES) {
    gfloat linear[LANES] = {0}, product[LANES];
    gsize end = MIN (padded, begin + FACTORS * LANES);

    for (gsize lane = 0; lane < LANES; lane++)
      product[lane] = 1.0f;
    for (gsize i = begin; i < end; i += LANES)
      for (gsize lane = 0; lane < LANES; lane++) {
        gfloat x = logits[i + lane];

        linear[lane] += x > 0.0f ? x : 0.0f;
        product[lane] *= 1.0f + _simclr_exp (x > 0.0f ? -x : x);
      }
    for (gsize lane = 0; lane < LANES; lane++)
      sum += linear[lane] + log (product[lane]);
  }
  return sum;
}

SIMCLR_MULTIVERSION
gdouble
_simclr_loss_sum_above (const gfloat *restrict logits, gsize padded, gfloat threshold, gsize *count)
{
  gfloat lanes[LANES] = {0};
  guint above = 0;
  gdouble sum = 0;

  for (gsize i = 0; i < padded; i += LANES)
    for (gsize lane = 0; lane < LANES; lane++) {
      gfloat over = logits[i + lane] - threshold;

      lanes[lane] += over > 0.0f ? over : 0.0f;
      above += over > 0.0f ? 1u : 0u;
    }
  for (gsize lane = 0; lane < LANES; lane++)
    sum += lanes[lane];
  *count += above;
  return sum;
}

SIMCLR_MULTIVERSION
void
_simclr_loss_pull_softmax (
    gfloat *restrict logits, gsize columns, gfloat own, const gfloat *restrict others)
{
  for (gsize k = 0; k < columns; k++)
    logits[k] = _simclr_exp (logits[k] - own) + _simclr_exp (logits[k] - others[k]);
}

SIMCLR_MULTIVERSION
void
_simclr_loss_pull_labels (gfloat *restrict pull, gsize columns, gint32 label,
    const gint32 *restrict labels, gfloat own, const gfloat *restrict others)
{
  for (gsize k = 0; k < columns; k++)
    pull[k] -= labels[k] == label ? own + others[k] : 0.0f;
}

SIMCLR_MULTIVERSION
void
_simclr_loss_pull_logistic (
    gfloat *restrict logits, gsize columns, gfloat own, const gfloat *restrict others)
{
  for (gsize k = 0; k < columns; k++) {
    gfloat x = logits[k], small = _simclr_exp (x > 0.0f ? -x : x);

    logits[k] = (x > 0.0f ? 1.0f : small) / (1.0f + small) * (own + others[k]);
  }
}

SIMCLR_MULTIVERSION
void
_simclr_loss_pull_margin (gfloat *restrict logits, gsize columns, gfloat own, gfloat threshold,
    const gfloat *restrict others, const gfloat *restrict thresholds)
{
  for (gsize k = 0; k < columns; k++)
    logits[k] =
        (logits[k] > threshold ? own : 0.0f) + (logits[k] > thresholds[k] ? others[k] : 0.0f);
}
