/* In which order a replay memory hands out what it holds: shuffled epochs, or draws with rest.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/train/replay-order-private.h>

#include <simclr/base/random-private.h>

void
_simclr_replay_shuffle_clear (SimclrReplayShuffle *self)
{
  g_clear_pointer (&self->places, g_free);
  self->length = 0;
}

/* Fisher and Yates. The counter of the random numbers is the sample's own index, so that no two
 * epochs share one. */
static void
shuffle (SimclrReplayShuffle *self, guint64 epoch)
{
  const guint64 stream = SIMCLR_STREAM_REPLAY | SIMCLR_REPLAY_STREAM_SHUFFLE;

  for (gsize i = 0; i < self->length; i++)
    self->places[i] = (guint32) i;
  for (gsize i = self->length - 1; i > 0; i--) {
    gsize j = _simclr_random_below (self->seed, stream, epoch * self->length + i, i + 1);
    guint32 place = self->places[i];

    self->places[i] = self->places[j];
    self->places[j] = place;
  }
  self->epoch = epoch;
}

gsize
_simclr_replay_shuffle_place (SimclrReplayShuffle *self, guint64 index, gsize length)
{
  guint64 epoch = index / length;

  if (self->length != length) {
    self->places = g_renew (guint32, self->places, length);
    self->length = length;
    shuffle (self, epoch);
  } else if (self->epoch != epoch) {
    shuffle (self, epoch);
  }
  return self->places[index % length];
}

void
_simclr_replay_rest_clear (SimclrReplayRest *self)
{
  g_clear_pointer (&self->ring, g_free);
  self->size = self->head = self->length = self->ready = 0;
}

static SimclrReplayEntry *
rest_get (SimclrReplayRest *self, gsize place)
{
  return self->ring[(self->head + place) & (self->size - 1)];
}

static void
rest_set (SimclrReplayRest *self, gsize place, SimclrReplayEntry *entry)
{
  gsize slot = (self->head + place) & (self->size - 1);

  self->ring[slot] = entry;
  entry->rest_place = slot;
}

static void
rest_grow (SimclrReplayRest *self)
{
  gsize size = MAX (16, 2 * self->size);
  SimclrReplayEntry **ring = g_new (SimclrReplayEntry *, size);

  for (gsize place = 0; place < self->length; place++) {
    ring[place] = rest_get (self, place);
    ring[place]->rest_place = place;
  }
  g_free (self->ring);
  self->ring = ring;
  self->size = size;
  self->head = 0;
}

/* In front of those who may be drawn: a new entry waits for nobody. */
void
_simclr_replay_rest_add (SimclrReplayRest *self, SimclrReplayEntry *entry)
{
  if (self->length == self->size)
    rest_grow (self);
  self->head--;
  self->length++;
  self->ready++;
  rest_set (self, 0, entry);
}

/* The hole is filled from the near end: the first of the ready, or the one that has rested longest
 * (which then rests a little longer). */
void
_simclr_replay_rest_remove (SimclrReplayRest *self, SimclrReplayEntry *entry)
{
  gsize place = (entry->rest_place - self->head) & (self->size - 1);

  if (place < self->ready) {
    rest_set (self, place, rest_get (self, 0));
    self->head++;
    self->ready--;
  } else {
    rest_set (self, place, rest_get (self, self->length - 1));
  }
  self->length--;
}

SimclrReplayEntry *
_simclr_replay_rest_draw (SimclrReplayRest *self, guint64 index)
{
  const guint64 stream = SIMCLR_STREAM_REPLAY | SIMCLR_REPLAY_STREAM_DRAW;
  SimclrReplayEntry *drawn;
  gsize place;

  if (self->length == 0)
    return NULL;

  while (self->length - self->ready > self->length / 2 || self->ready == 0) {
    SimclrReplayEntry *rested = rest_get (self, self->length - 1);

    self->head--;
    self->ready++;
    rest_set (self, 0, rested);
  }

  place = _simclr_random_below (self->seed, stream, index, self->ready);
  drawn = rest_get (self, place);
  self->ready--;
  rest_set (self, place, rest_get (self, self->ready));
  rest_set (self, self->ready, drawn);
  return drawn;
}
