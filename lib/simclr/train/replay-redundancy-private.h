/* Which of the items with an embedding is the most redundant.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include <simclr/train/replay-order-private.h>

/* The cosine to the nearest where there is none. */
#define SIMCLR_REPLAY_NO_SIMILARITY -2.0f

/* Rows of unit length, and of each the row most similar to it. Rows are dense: a row that goes is
 * replaced by the last. Everything costs one product of the matrix with a vector, O(rows * size), at
 * most a fixed number of them for each call. */
typedef struct
{
  gboolean
      older_only; /* a row is compared with older ones only: of two alike the newer is redundant */
  guint size;     /* floats of a row, 0: not known yet */
  gsize length, allocated;
  gfloat *rows;                /* (allocated, size) */
  SimclrReplayEntry **entries; /* of each row, borrowed; their `row` is kept */
  guint64 *numbers;            /* theirs, in one place */
  gfloat *similarity;          /* cosine to the most similar row; an upper bound if stale */
  gsize *nearest;              /* that row; G_MAXSIZE: there is none, or it has gone (stale) */
  gfloat *products;            /* scratch */
} SimclrReplayRedundancy;

/* Forgets all rows and their size. */
void _simclr_replay_redundancy_clear (SimclrReplayRedundancy *self);
/* Adds a row for the entry, which has none. FALSE where it has no direction (zero, or not finite). */
gboolean _simclr_replay_redundancy_add (
    SimclrReplayRedundancy *self, SimclrReplayEntry *entry, const gfloat *embedding);
/* The same without comparing it: others are as much alike as is given, or less (as a file says, which was
 * written with the same rows). */
gboolean _simclr_replay_redundancy_add_known (SimclrReplayRedundancy *self,
    SimclrReplayEntry *entry, const gfloat *embedding, gfloat similarity);
/* How much alike the entry's row and the nearest one are, or less. */
gfloat _simclr_replay_redundancy_bound (
    SimclrReplayRedundancy *self, const SimclrReplayEntry *entry);
/* Moves the entry's row: new = keep * old + (1 - keep) * embedding, scaled to unit length. */
gboolean _simclr_replay_redundancy_update (
    SimclrReplayRedundancy *self, SimclrReplayEntry *entry, const gfloat *embedding, gfloat keep);
void _simclr_replay_redundancy_remove (SimclrReplayRedundancy *self, SimclrReplayEntry *entry);
/* The entry most similar to another one, and that other one (nullable); NULL if there is no row. */
SimclrReplayEntry *_simclr_replay_redundancy_find (
    SimclrReplayRedundancy *self, SimclrReplayEntry **other);
/* Mean over the rows of the cosine to the most similar row; 0 without rows. */
gdouble _simclr_replay_redundancy_mean (SimclrReplayRedundancy *self);
