/* The contrastive losses as their papers write them, in double precision, with the whole matrix of
 * similarities: the oracle of the fast ones.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/loss/loss-private.h>

#include <math.h>
#include <string.h>

/* One case: embeddings in float and what the library makes of them. Owns all arrays. */
typedef struct
{
  SimclrLossSettings settings;
  SimclrLossBatch batch;
  gfloat *z;
  gfloat *memory;
  gfloat *dz;
  SimclrLossResult result;
  gsize *chosen; /* semi-hard negatives that stay chosen while z moves a little; NULL: not yet */
} Case;

typedef struct
{
  const Case *self;
  gdouble *similarity; /* (rows, rows + memory) */
  gsize candidates;
} Definition;

static inline gint32
label_at (const Definition *d, gsize k)
{
  const SimclrLossBatch *batch = &d->self->batch;

  if (d->self->settings.loss != SIMCLR_LOSS_SUPERVISED || batch->facts.labels == NULL)
    return SIMCLR_NO_LABEL;
  return k < batch->rows ? batch->facts.labels[k] : batch->memory_facts.labels[k - batch->rows];
}

static inline gboolean
is_positive (const Definition *d, gsize i, gsize k)
{
  gint32 label = label_at (d, i);

  if (k == (i ^ 1))
    return TRUE;
  return k != i && label != SIMCLR_NO_LABEL && label == label_at (d, k);
}

static inline gboolean
is_negative (const Definition *d, gsize i, gsize k)
{
  const SimclrLossBatch *batch = &d->self->batch;
  const SimclrViewFacts *facts = k < batch->rows ? &batch->facts : &batch->memory_facts;
  gint64 most = d->self->settings.neighbours;
  gsize at = k < batch->rows ? k : k - batch->rows;

  if (k == i || is_positive (d, i, k))
    return FALSE;
  if (most <= 0 || batch->facts.times == NULL || batch->facts.streams[i] == SIMCLR_NO_STREAM ||
      batch->facts.streams[i] != facts->streams[at])
    return TRUE;
  return ABS (batch->facts.times[i] - facts->times[at]) > most;
}

/* log of the sum of exp (s / temperature) over negatives, and positives too where asked for; -infinity
 * for none. */
static inline gdouble
log_sum (const Definition *d, gsize i, gboolean with_positives)
{
  const gdouble *s = d->similarity + i * d->candidates;
  gdouble highest = -INFINITY, sum = 0;

  for (gsize k = 0; k < d->candidates; k++)
    if (is_negative (d, i, k) || (with_positives && is_positive (d, i, k)))
      highest = MAX (highest, s[k]);
  for (gsize k = 0; k < d->candidates; k++)
    if (is_negative (d, i, k) || (with_positives && is_positive (d, i, k)))
      sum += exp ((s[k] - highest) / d->self->settings.temperature);
  return highest / d->self->settings.temperature + log (sum);
}

static inline gsize
count_negatives (const Definition *d, gsize i)
{
  gsize count = 0;

  for (gsize k = 0; k < d->candidates; k++)
    count += is_negative (d, i, k);
  return count;
}

/* FaceNet's: the most similar negative less similar than the positive; else the least similar one. */
static inline gsize
semi_hard_negative (const Definition *d, gsize i)
{
  const gdouble *s = d->similarity + i * d->candidates;
  gsize hard = G_MAXSIZE, easy = G_MAXSIZE;

  if (d->self->chosen != NULL)
    return d->self->chosen[i];
  for (gsize k = 0; k < d->candidates; k++) {
    if (!is_negative (d, i, k))
      continue;
    if (s[k] < s[i ^ 1] && (hard == G_MAXSIZE || s[k] > s[hard]))
      hard = k;
    if (easy == G_MAXSIZE || s[k] < s[easy])
      easy = k;
  }
  return hard != G_MAXSIZE ? hard : easy;
}

/* Table 2's function of one triple, of similarities. */
static inline gdouble
triple (const Definition *d, gdouble positive, gdouble negative)
{
  gdouble t = d->self->settings.temperature;

  if (d->self->settings.loss == SIMCLR_LOSS_MARGIN_TRIPLET)
    return MAX (negative - positive + d->self->settings.margin, 0);
  return log1p (exp (-positive / t)) + log1p (exp (negative / t));
}

static inline gdouble
mean_triple (const Definition *d, gsize i)
{
  const gdouble *s = d->similarity + i * d->candidates;
  gsize count = count_negatives (d, i);
  gdouble sum = 0;

  if (count == 0)
    return 0;
  if (d->self->settings.semi_hard)
    return triple (d, s[i ^ 1], s[semi_hard_negative (d, i)]);
  for (gsize k = 0; k < d->candidates; k++)
    if (is_negative (d, i, k))
      sum += triple (d, s[i ^ 1], s[k]);
  return sum / (gdouble) count;
}

static inline gdouble
mean_positive (const Definition *d, gsize i)
{
  const gdouble *s = d->similarity + i * d->candidates;
  gdouble sum = 0;
  gsize count = 0;

  for (gsize k = 0; k < d->candidates; k++)
    if (is_positive (d, i, k)) {
      sum += s[k] / d->self->settings.temperature;
      count++;
    }
  return sum / (gdouble) count;
}

/* DCLW: 2 - exp (s / sigma) over its mean over pairs. */
static inline gdouble
pair_weight (const Definition *d, gsize i)
{
  gdouble mean = 0, pairs = (gdouble) d->self->batch.rows / 2;

  if (d->self->settings.loss != SIMCLR_LOSS_DECOUPLED_WEIGHTED)
    return 1;
  for (gsize k = 0; k < d->self->batch.rows; k += 2)
    mean += exp (d->similarity[k * d->candidates + k + 1] / 0.5) / pairs;
  return 2 - exp (d->similarity[i * d->candidates + (i ^ 1)] / 0.5) / mean;
}

static inline gdouble
define_view (const Definition *d, gsize i)
{
  switch (d->self->settings.loss) {
  case SIMCLR_LOSS_NT_XENT:
  case SIMCLR_LOSS_SUPERVISED:
    return log_sum (d, i, TRUE) - mean_positive (d, i);
  case SIMCLR_LOSS_DECOUPLED:
  case SIMCLR_LOSS_DECOUPLED_WEIGHTED:
    if (count_negatives (d, i) == 0)
      return 0;
    return log_sum (d, i, FALSE) - pair_weight (d, i) * mean_positive (d, i);
  default:
    return mean_triple (d, i);
  }
}

static inline gdouble
define_entropy (const Definition *d, gsize i)
{
  const gdouble *s = d->similarity + i * d->candidates;
  gdouble logarithm = log_sum (d, i, TRUE), entropy = 0;

  for (gsize k = 0; k < d->candidates; k++)
    if (is_negative (d, i, k) || is_positive (d, i, k)) {
      gdouble p = exp (s[k] / d->self->settings.temperature - logarithm);

      entropy -= p > 0 ? p * log (p) : 0;
    }
  return entropy;
}

static inline gboolean
define_hit (const Definition *d, gsize i)
{
  const gdouble *s = d->similarity + i * d->candidates;

  for (gsize k = 0; k < d->candidates; k++)
    if (is_negative (d, i, k) && s[k] >= s[i ^ 1])
      return FALSE;
  return TRUE;
}

/* The unit length is tf.math.l2_normalize's. */
static inline void
define_similarities (Definition *d, const gdouble *z)
{
  const SimclrLossBatch *batch = &d->self->batch;
  gsize rows = batch->rows, columns = batch->columns;
  g_autofree gdouble *unit = g_new (gdouble, d->candidates * columns);

  for (gsize i = 0; i < d->candidates * columns; i++)
    unit[i] = i < rows * columns ? z[i] : (gdouble) batch->memory[i - rows * columns];
  for (gsize i = 0; i < rows; i++) {
    gdouble square = 0;

    for (gsize c = 0; c < columns; c++)
      square += z[i * columns + c] * z[i * columns + c];
    for (gsize c = 0; c < columns; c++)
      unit[i * columns + c] /= sqrt (MAX (square, 1e-12));
  }
  for (gsize i = 0; i < rows; i++)
    for (gsize k = 0; k < d->candidates; k++) {
      gdouble sum = 0;

      for (gsize c = 0; c < columns; c++)
        sum += unit[i * columns + c] * unit[k * columns + c];
      d->similarity[i * d->candidates + k] = sum;
    }
}

/* From here on the choice is that of z: its change, in jumps, is no part of the gradient. */
static inline void
choose_negatives (Case *self, const gdouble *z)
{
  Definition d = {self, NULL, self->batch.rows + self->batch.memory_rows};
  gsize *chosen = g_new (gsize, self->batch.rows);

  d.similarity = g_new (gdouble, self->batch.rows * d.candidates);
  define_similarities (&d, z);
  for (gsize i = 0; i < self->batch.rows; i++)
    chosen[i] = semi_hard_negative (&d, i);
  self->chosen = chosen;
  g_free (d.similarity);
}

static inline void
define (const Case *self, const gdouble *z, SimclrLossResult *result)
{
  Definition d = {self, NULL, self->batch.rows + self->batch.memory_rows};
  gdouble rows = (gdouble) self->batch.rows;

  d.similarity = g_new (gdouble, self->batch.rows * d.candidates);
  define_similarities (&d, z);
  *result = (SimclrLossResult){0};
  for (gsize i = 0; i < self->batch.rows; i++) {
    result->loss += define_view (&d, i) / rows;
    result->entropy += define_entropy (&d, i) / rows;
    result->accuracy += (define_hit (&d, i) ? 1.0 : 0.0) / rows;
  }
  g_free (d.similarity);
}
