/* In which order a replay memory hands out what it holds.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include <simclr/train/replay.h>

/* One item of the memory, and where the orders below have it. */
typedef struct
{
  gpointer item;
  SimclrReplayFacts facts;
  guint64 number; /* of arrival, from 0 */
  guint64 rank;   /* over the bounds, the highest rank goes first */
  gsize heap_place;
  gsize rest_place;
  gsize row;         /* of its embedding, G_MAXSIZE: it has none */
  GList age;         /* its link in the order in which embeddings were made */
  gfloat *embedding; /* of an item in the fresh tier, for the time after; usually NULL */
  gboolean is_fresh;
  gboolean waits; /* for its embedding */
} SimclrReplayEntry;

/* The highest rank first. */
void _simclr_replay_heap_push (GPtrArray *heap, SimclrReplayEntry *entry);
void _simclr_replay_heap_remove (GPtrArray *heap, SimclrReplayEntry *entry);

/* Epoch after epoch, each a fresh shuffle of 0 .. length - 1. */
typedef struct
{
  guint64 seed;
  guint64 epoch;
  guint32 *places; /* length of them, those of `epoch` */
  gsize length;
} SimclrReplayShuffle;

void _simclr_replay_shuffle_clear (SimclrReplayShuffle *self);
/* Where sample `index` of the endless sequence lies; length > 0, and at most 2^32. */
gsize _simclr_replay_shuffle_place (SimclrReplayShuffle *self, guint64 index, gsize length);

/* Random draws with rest: an entry once drawn is not drawn again before half as many draws as there
 * are entries have passed. A ring of entries, those who may be drawn first, then those at rest, the
 * latest drawn first. */
typedef struct
{
  guint64 seed;
  SimclrReplayEntry **ring; /* size is a power of two, or 0 */
  gsize size;
  gsize head;
  gsize length;
  gsize ready;
} SimclrReplayRest;

void _simclr_replay_rest_clear (SimclrReplayRest *self);
void _simclr_replay_rest_add (SimclrReplayRest *self, SimclrReplayEntry *entry);
void _simclr_replay_rest_remove (SimclrReplayRest *self, SimclrReplayEntry *entry);
/* NULL when there is none. Which one depends on seed and index, and on what was drawn before. */
SimclrReplayEntry *_simclr_replay_rest_draw (SimclrReplayRest *self, guint64 index);

/* Lower 32 bits of SIMCLR_STREAM_REPLAY: what the numbers are used for. */
#define SIMCLR_REPLAY_STREAM_ADMISSION 0
#define SIMCLR_REPLAY_STREAM_SHUFFLE 1
#define SIMCLR_REPLAY_STREAM_DRAW 2
#define SIMCLR_REPLAY_STREAM_TIER 3
#define SIMCLR_REPLAY_STREAM_SOURCE 4
#define SIMCLR_REPLAY_STREAM_EITHER 5
#define SIMCLR_REPLAY_STREAM_NEIGHBOUR 6
