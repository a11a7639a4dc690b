/* A replay memory from inside: its entries, and what its files share.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/train/replay.h>

#include <simclr/io/safetensors-private.h>

#include <simclr/train/replay-order-private.h>
#include <simclr/train/replay-redundancy-private.h>

/* Frames that wait for their embedding, at most, once others have one: what comes beyond is refused. Not
 * more than one in so many of the memory, either. */
#define SIMCLR_REPLAY_WAITING 64
#define SIMCLR_REPLAY_WAITING_SHARE 4

/* Cameras: what a file may claim. */
#define SIMCLR_REPLAY_SOURCES 4096

/* Every item gets a rank when it arrives, and over the bounds the item of the highest rank goes; so
 * at any time all that is held ranks below all that was dropped. The rank makes the policy:
 *  fifo       the oldest ranks highest;
 *  reservoir  a random number, which leaves a uniform sample of everything seen (the distribution of
 *             Vitter's algorithm R), and stays sound when items differ in size and the bound is in
 *             bytes: an item is held exactly if its number lies below a threshold that only falls.
 *             What size an item has then matters only for the one at the threshold;
 *  all        as fifo, but going over the bounds is an error.
 * With min-redundancy the most redundant item goes; the rank, random, decides as long as too few items
 * have an embedding.
 *
 * With a fresh tier items pass through it first, in the order in which they came, and are taken into
 * the long memory, or not, when they leave it. */
struct _SimclrReplay
{
  GObject parent_instance;

  SimclrReplayPolicy policy;
  SimclrReplayRule rule;
  guint64 capacity;
  guint64 max_bytes;
  guint64 seed;
  gdouble fresh_ratio;
  guint64 fresh_frames; /* 0: no fresh tier */
  GDestroyNotify item_free;

  GPtrArray *order; /* of SimclrReplayEntry, by number: owns them */
  GPtrArray *heap;  /* of those in the long memory, highest rank first; not with policy all */
  GQueue fresh;     /* of the others, oldest first */
  GQueue waiting;   /* min-redundancy, rule newer: in the long memory without an embedding */
  GQueue ages;      /* of those with an embedding, by its age, oldest first */
  SimclrReplayRedundancy redundancy;
  guint64 bytes;
  guint64 seen;
  guint64 runs;           /* begun so far */
  guint64 lowest_dropped; /* rank */
  SimclrReplayShuffle shuffle;
  GArray *rests[2]; /* of SimclrReplayRest by source: the long memory's, the fresh tier's */
};

/* The entry that arrived as number `number`, NULL if it is gone; O(log n). */
SimclrReplayEntry *_simclr_replay_find (SimclrReplay *self, guint64 number, gsize *place);
void _simclr_replay_entry_free (SimclrReplay *self, SimclrReplayEntry *entry);
guint64 _simclr_replay_rank (SimclrReplay *self, guint64 number);
/* Takes back an item that a file held, newer than all that are held; seen is the caller's to set. Takes
 * the item. The embedding, of the redundancy's size, may be NULL; no older item (with the published rule: no
 * item) is more like it than similarity says. */
void _simclr_replay_restore (SimclrReplay *self, gpointer item, const SimclrReplayFacts *facts,
    guint64 number, guint64 rank, const gfloat *embedding, gfloat similarity);
/* simclr_replay_load() of a file that is open. */
gboolean _simclr_replay_read (SimclrReplay *self, SimclrSafetensors *file,
    SimclrReplayRevive revive, gpointer user_data, GError **error);
