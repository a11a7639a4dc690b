/* Which of the items with an embedding is the most redundant: rows of unit length, and for each the
 * most similar other one, kept up to date at the cost of one matrix-vector product a change.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/train/replay-redundancy-private.h>

#include <cblas.h>
#include <math.h>
#include <string.h>

#include <simclr/base/blas-private.h>

/* When a row goes, those that were nearest to it have to search anew. Their old similarity bounds the
 * new one, so only a row that would be chosen by it is searched for, and so many in one call at most:
 * what is left is settled by the calls that follow. */
#define SEARCHES 8

void
_simclr_replay_redundancy_clear (SimclrReplayRedundancy *self)
{
  for (gsize row = 0; row < self->length; row++)
    self->entries[row]->row = G_MAXSIZE;
  g_clear_pointer (&self->rows, g_free);
  g_clear_pointer (&self->entries, g_free);
  g_clear_pointer (&self->numbers, g_free);
  g_clear_pointer (&self->similarity, g_free);
  g_clear_pointer (&self->nearest, g_free);
  g_clear_pointer (&self->products, g_free);
  self->length = self->allocated = 0;
  self->size = 0;
}

static void
grow (SimclrReplayRedundancy *self)
{
  gsize allocated = MAX (64, self->allocated + self->allocated / 2);

  if (self->length < self->allocated)
    return;
  self->rows = g_realloc_n (self->rows, allocated * self->size, sizeof (gfloat));
  self->entries = g_renew (SimclrReplayEntry *, self->entries, allocated);
  self->numbers = g_renew (guint64, self->numbers, allocated);
  self->similarity = g_renew (gfloat, self->similarity, allocated);
  self->nearest = g_renew (gsize, self->nearest, allocated);
  self->products = g_renew (gfloat, self->products, allocated);
  self->allocated = allocated;
}

static gboolean
scale_to_unit (gfloat *row, gsize size)
{
  gdouble square = 0;
  gfloat scale;

  for (gsize i = 0; i < size; i++)
    square += (gdouble) row[i] * row[i];
  if (!isfinite (square) || square <= 0)
    return FALSE;
  scale = (gfloat) (1 / sqrt (square));
  for (gsize i = 0; i < size; i++)
    row[i] *= scale;
  return TRUE;
}

/* products = rows * row */
static void
multiply (SimclrReplayRedundancy *self, gsize row)
{
  _simclr_blas_prepare ();
  cblas_sgemv (CblasRowMajor, CblasNoTrans, (blasint) self->length, (blasint) self->size, 1,
      self->rows, (blasint) self->size, self->rows + row * self->size, 1, 0, self->products, 1);
}

/* Whether row b may be what makes row a redundant. */
static gboolean
counts (SimclrReplayRedundancy *self, gsize a, gsize b)
{
  return a != b && (!self->older_only || self->numbers[b] < self->numbers[a]);
}

/* From products: what is nearest to the row. */
static void
choose_nearest (SimclrReplayRedundancy *self, gsize row)
{
  gfloat highest = SIMCLR_REPLAY_NO_SIMILARITY;
  gsize nearest = G_MAXSIZE;

  for (gsize i = 0; i < self->length; i++) {
    if (self->products[i] > highest && counts (self, row, i)) {
      highest = self->products[i];
      nearest = i;
    }
  }
  self->similarity[row] = highest;
  self->nearest[row] = nearest;
}

/* From products: to whom the row is nearer than all others. A bound that is not reached stays one. */
static void
announce (SimclrReplayRedundancy *self, gsize row)
{
  for (gsize i = 0; i < self->length; i++) {
    if (self->products[i] > self->similarity[i] && counts (self, i, row)) {
      self->similarity[i] = self->products[i];
      self->nearest[i] = row;
    }
  }
}

/* Those who were nearest to the row keep their similarity as a bound. */
static void
renounce (SimclrReplayRedundancy *self, gsize row)
{
  for (gsize i = 0; i < self->length; i++) {
    if (self->nearest[i] == row)
      self->nearest[i] = G_MAXSIZE;
  }
}

gboolean
_simclr_replay_redundancy_add_known (SimclrReplayRedundancy *self, SimclrReplayEntry *entry,
    const gfloat *embedding, gfloat similarity)
{
  gsize row = self->length;

  grow (self);
  memcpy (self->rows + row * self->size, embedding, self->size * sizeof (gfloat));
  if (!scale_to_unit (self->rows + row * self->size, self->size))
    return FALSE;
  self->entries[row] = entry;
  self->numbers[row] = entry->number;
  self->similarity[row] = similarity;
  self->nearest[row] = G_MAXSIZE;
  self->length++;
  entry->row = row;
  return TRUE;
}

gboolean
_simclr_replay_redundancy_add (
    SimclrReplayRedundancy *self, SimclrReplayEntry *entry, const gfloat *embedding)
{
  if (!_simclr_replay_redundancy_add_known (self, entry, embedding, SIMCLR_REPLAY_NO_SIMILARITY))
    return FALSE;
  multiply (self, entry->row);
  choose_nearest (self, entry->row);
  announce (self, entry->row);
  return TRUE;
}

gfloat
_simclr_replay_redundancy_bound (SimclrReplayRedundancy *self, const SimclrReplayEntry *entry)
{
  return self->similarity[entry->row];
}

gboolean
_simclr_replay_redundancy_update (
    SimclrReplayRedundancy *self, SimclrReplayEntry *entry, const gfloat *embedding, gfloat keep)
{
  gfloat *values = self->rows + entry->row * self->size;
  g_autofree gfloat *moved = g_new (gfloat, self->size);

  memcpy (moved, embedding, self->size * sizeof (gfloat));
  if (!scale_to_unit (moved, self->size))
    return FALSE;
  for (gsize i = 0; i < self->size; i++)
    moved[i] = keep * values[i] + (1 - keep) * moved[i];
  if (!scale_to_unit (moved, self->size))
    return FALSE;
  memcpy (values, moved, self->size * sizeof (gfloat));
  renounce (self, entry->row);
  multiply (self, entry->row);
  choose_nearest (self, entry->row);
  announce (self, entry->row);
  return TRUE;
}

void
_simclr_replay_redundancy_remove (SimclrReplayRedundancy *self, SimclrReplayEntry *entry)
{
  gsize row = entry->row, last = self->length - 1;

  renounce (self, row);
  entry->row = G_MAXSIZE;
  self->length--;
  if (row == last)
    return;
  memcpy (
      self->rows + row * self->size, self->rows + last * self->size, self->size * sizeof (gfloat));
  self->entries[row] = self->entries[last];
  self->numbers[row] = self->numbers[last];
  self->entries[row]->row = row;
  self->similarity[row] = self->similarity[last];
  self->nearest[row] = self->nearest[last];
  for (gsize i = 0; i < self->length; i++) {
    if (self->nearest[i] == last)
      self->nearest[i] = row;
  }
}

/* A bound instead of a similarity: somebody nearest has gone. */
static gboolean
is_stale (SimclrReplayRedundancy *self, gsize row)
{
  return self->nearest[row] == G_MAXSIZE && self->similarity[row] > SIMCLR_REPLAY_NO_SIMILARITY;
}

/* Of equals the newest. */
static gsize
find_highest (SimclrReplayRedundancy *self, gboolean with_stale)
{
  gsize highest = G_MAXSIZE;

  for (gsize row = 0; row < self->length; row++) {
    if (!with_stale && is_stale (self, row))
      continue;
    if (highest == G_MAXSIZE || self->similarity[row] > self->similarity[highest] ||
        (self->similarity[row] == self->similarity[highest] &&
            self->numbers[row] > self->numbers[highest]))
      highest = row;
  }
  return highest;
}

SimclrReplayEntry *
_simclr_replay_redundancy_find (SimclrReplayRedundancy *self, SimclrReplayEntry **other)
{
  gsize row = find_highest (self, TRUE);

  *other = NULL;
  if (row == G_MAXSIZE)
    return NULL;
  for (guint search = 0; is_stale (self, row) && search < SEARCHES; search++) {
    multiply (self, row);
    choose_nearest (self, row);
    row = find_highest (self, TRUE);
  }
  if (is_stale (self, row))
    row = find_highest (self, FALSE);
  if (row == G_MAXSIZE)
    row = self->length - 1;
  if (self->nearest[row] != G_MAXSIZE)
    *other = self->entries[self->nearest[row]];
  return self->entries[row];
}

gdouble
_simclr_replay_redundancy_mean (SimclrReplayRedundancy *self)
{
  gdouble sum = 0;
  gsize n = 0;

  for (gsize row = 0; row < self->length; row++) {
    if (self->similarity[row] > SIMCLR_REPLAY_NO_SIMILARITY) {
      sum += self->similarity[row];
      n++;
    }
  }
  return n > 0 ? sum / (gdouble) n : 0;
}
