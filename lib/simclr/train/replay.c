/* A bounded memory of items: the object, and which item comes next.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/train/replay-private.h>

#include <simclr/base/random-private.h>
#include <simclr/simclr-enum-types.h>

G_DEFINE_FINAL_TYPE (SimclrReplay, simclr_replay, G_TYPE_OBJECT)

static SimclrReplayEntry *
order_get (SimclrReplay *self, gsize place)
{
  return g_ptr_array_index (self->order, place);
}

/* The camera that gives the next sample: all those who have one in this tier alike. */
static SimclrReplayRest *
choose_source (SimclrReplay *self, gboolean fresh, guint64 index)
{
  GArray *rests = self->rests[fresh];
  guint64 filled = 0, chosen = 0;

  for (guint i = 0; i < rests->len; i++)
    filled += g_array_index (rests, SimclrReplayRest, i).length > 0 ? 1 : 0;
  if (filled > 1)
    chosen = _simclr_random_below (
        self->seed, SIMCLR_STREAM_REPLAY | SIMCLR_REPLAY_STREAM_SOURCE, index, filled);
  for (guint i = 0; i < rests->len; i++) {
    SimclrReplayRest *rest = &g_array_index (rests, SimclrReplayRest, i);

    if (rest->length > 0 && chosen-- == 0)
      return rest;
  }
  return NULL;
}

static SimclrReplayEntry *
draw (SimclrReplay *self, guint64 index)
{
  gboolean fresh = self->heap->len == 0;

  if (self->fresh.length > 0 && self->heap->len > 0)
    fresh = _simclr_random_uniform (self->seed, SIMCLR_STREAM_REPLAY | SIMCLR_REPLAY_STREAM_TIER,
                index) < self->fresh_ratio;
  return _simclr_replay_rest_draw (choose_source (self, fresh, index), index);
}

/**
 * simclr_replay_sample: (skip)
 * @self: a #SimclrReplay
 * @index: position in the sequence of samples, from 0
 * @number: (out) (optional): how many items had been added before this one
 *
 * Gives one item. With %SIMCLR_REPLAY_POLICY_ALL the sequence runs through all items in one order,
 * then through all in another, and so on; each order is a uniform shuffle that follows from seed and
 * epoch, so that the sequence can be taken up at any index. With the other policies every item is as
 * likely as every other, but an item once given rests until half as many samples as there are items
 * have been given: a batch of up to half the memory has no item twice, which in contrastive learning
 * would be its own negative. There @index numbers the draw, and what was drawn before counts.
 *
 * Where there are several sources each is as likely as every other, however many items it has, and
 * with simclr_replay_set_fresh() the given share of samples comes from the newest items.
 *
 * Returns: (transfer none) (nullable): the item, %NULL if the memory is empty
 */
gpointer
simclr_replay_sample (SimclrReplay *self, guint64 index, guint64 *number)
{
  SimclrReplayEntry *entry;

  g_return_val_if_fail (SIMCLR_IS_REPLAY (self), NULL);

  if (self->order->len == 0)
    return NULL;
  if (self->policy == SIMCLR_REPLAY_POLICY_ALL)
    entry =
        order_get (self, _simclr_replay_shuffle_place (&self->shuffle, index, self->order->len));
  else
    entry = draw (self, index);
  if (number)
    *number = entry->number;
  return entry->item;
}

/* How far in the order of arrival neighbours are looked for, beyond those of other cameras. */
#define REACH 512

/* The entries around a place that are of its run and near in time; `wanted` of them from its own on, in
 * the order in which they are met. Returns how many there are. */
static guint64
scan_neighbours (
    SimclrReplay *self, gsize place, guint64 window, guint64 wanted, SimclrReplayEntry **found)
{
  const SimclrReplayEntry *entry = order_get (self, place);
  guint64 n = 0;

  for (gint step = -1; step <= 1; step += 2) {
    for (gsize way = 1; way <= REACH; way++) {
      gsize other = step < 0 ? place - way : place + way;
      SimclrReplayEntry *candidate;
      guint64 distance;

      if (other >= self->order->len) /* also below 0, which wraps */
        break;
      candidate = order_get (self, other);
      if (candidate->facts.run != entry->facts.run)
        continue;
      distance = candidate->facts.time < entry->facts.time
                     ? (guint64) entry->facts.time - (guint64) candidate->facts.time
                     : (guint64) candidate->facts.time - (guint64) entry->facts.time;
      if (distance > window)
        break;
      if (n++ == wanted)
        *found = candidate;
    }
  }
  return n;
}

/**
 * simclr_replay_neighbour: (skip)
 * @self: a #SimclrReplay
 * @number: of an item, as simclr_replay_sample() gave it
 * @window: how far away in time the other one may be, nanoseconds
 * @index: position in the sequence of samples, which decides the choice
 * @neighbour: (out) (optional): number of the other one
 *
 * Gives another item of the same run, filmed at most @window before or after the first; each of them is
 * as likely as every other. Those are looked for among the 512 that arrived before it and the 512 after.
 *
 * Returns: (transfer none) (nullable): the item, %NULL if there is none
 */
gpointer
simclr_replay_neighbour (
    SimclrReplay *self, guint64 number, guint64 window, guint64 index, guint64 *neighbour)
{
  SimclrReplayEntry *entry, *found = NULL;
  guint64 n;
  gsize place;

  g_return_val_if_fail (SIMCLR_IS_REPLAY (self), NULL);

  entry = _simclr_replay_find (self, number, &place);
  if (entry == NULL || entry->facts.run == 0)
    return NULL;
  n = scan_neighbours (self, place, window, G_MAXUINT64, &found);
  if (n == 0)
    return NULL;
  scan_neighbours (self, place, window,
      _simclr_random_below (
          self->seed, SIMCLR_STREAM_REPLAY | SIMCLR_REPLAY_STREAM_NEIGHBOUR, index, n),
      &found);
  if (neighbour)
    *neighbour = found->number;
  return found->item;
}

/**
 * simclr_replay_begin_run:
 * @self: a #SimclrReplay
 *
 * Returns: the number of a new run: of items that follow each other without a break
 */
guint64
simclr_replay_begin_run (SimclrReplay *self)
{
  g_return_val_if_fail (SIMCLR_IS_REPLAY (self), 0);

  return ++self->runs;
}

/**
 * simclr_replay_get_waiting: (skip)
 * @self: a #SimclrReplay
 * @place: among the waiting items, from 0
 * @number: (out): the item's number
 *
 * With %SIMCLR_REPLAY_POLICY_MIN_REDUNDANCY and %SIMCLR_REPLAY_RULE_NEWER an item waits for somebody to
 * embed it and call simclr_replay_set_embedding().
 *
 * Returns: (transfer none) (nullable): the item that has waited longest, second longest, ...; %NULL if
 *   there are no more
 */
gpointer
simclr_replay_get_waiting (SimclrReplay *self, guint place, guint64 *number)
{
  SimclrReplayEntry *entry;

  g_return_val_if_fail (SIMCLR_IS_REPLAY (self), NULL);

  entry = g_queue_peek_nth (&self->waiting, place);
  if (entry == NULL)
    return NULL;
  *number = entry->number;
  return entry->item;
}

/**
 * simclr_replay_get_stale: (skip)
 * @self: a #SimclrReplay
 * @place: among the items with an embedding, from 0
 * @number: (out): the item's number
 *
 * An encoder in training makes something else of an item from step to step; embeddings that are to be compared
 * with new ones have to be made anew from time to time.
 *
 * Returns: (transfer none) (nullable): the item whose embedding is the oldest, second oldest, ...; %NULL if
 *   there are no more
 */
gpointer
simclr_replay_get_stale (SimclrReplay *self, guint place, guint64 *number)
{
  SimclrReplayEntry *entry;

  g_return_val_if_fail (SIMCLR_IS_REPLAY (self), NULL);

  entry = g_queue_peek_nth (&self->ages, place);
  if (entry == NULL)
    return NULL;
  *number = entry->number;
  return entry->item;
}

/**
 * simclr_replay_clear:
 * @self: a #SimclrReplay
 *
 * Drops all items and forgets that they were seen.
 */
void
simclr_replay_clear (SimclrReplay *self)
{
  g_return_if_fail (SIMCLR_IS_REPLAY (self));

  _simclr_replay_redundancy_clear (&self->redundancy);
  g_queue_init (&self->ages); /* its links lie in the entries */
  for (gsize place = 0; place < self->order->len; place++)
    _simclr_replay_entry_free (self, order_get (self, place));
  g_ptr_array_set_size (self->order, 0);
  g_ptr_array_set_size (self->heap, 0);
  g_queue_clear (&self->fresh);
  g_queue_clear (&self->waiting);
  _simclr_replay_shuffle_clear (&self->shuffle);
  for (guint tier = 0; tier < 2; tier++) {
    for (guint i = 0; i < self->rests[tier]->len; i++)
      _simclr_replay_rest_clear (&g_array_index (self->rests[tier], SimclrReplayRest, i));
  }
  self->bytes = 0;
  self->seen = 0;
  self->runs = 0;
  self->lowest_dropped = G_MAXUINT64;
}

/**
 * simclr_replay_get_length:
 * @self: a #SimclrReplay
 *
 * Returns: number of items held
 */
guint64
simclr_replay_get_length (SimclrReplay *self)
{
  g_return_val_if_fail (SIMCLR_IS_REPLAY (self), 0);

  return self->order->len;
}

/**
 * simclr_replay_get_bytes:
 * @self: a #SimclrReplay
 *
 * Returns: size of all items held, and of their embeddings, in bytes
 */
guint64
simclr_replay_get_bytes (SimclrReplay *self)
{
  g_return_val_if_fail (SIMCLR_IS_REPLAY (self), 0);

  return self->bytes;
}

/**
 * simclr_replay_get_seen:
 * @self: a #SimclrReplay
 *
 * Returns: number of items added, those dropped since included
 */
guint64
simclr_replay_get_seen (SimclrReplay *self)
{
  g_return_val_if_fail (SIMCLR_IS_REPLAY (self), 0);

  return self->seen;
}

/**
 * simclr_replay_get_embedded:
 * @self: a #SimclrReplay
 *
 * Returns: number of items of which an embedding is known
 */
guint64
simclr_replay_get_embedded (SimclrReplay *self)
{
  g_return_val_if_fail (SIMCLR_IS_REPLAY (self), 0);

  return self->redundancy.length;
}

/**
 * simclr_replay_get_redundancy:
 * @self: a #SimclrReplay
 *
 * Returns: mean cosine between an item's embedding and the one most like it (with
 *   %SIMCLR_REPLAY_RULE_NEWER the older one most like it); 0 where none is known
 */
gdouble
simclr_replay_get_redundancy (SimclrReplay *self)
{
  g_return_val_if_fail (SIMCLR_IS_REPLAY (self), 0);

  return _simclr_replay_redundancy_mean (&self->redundancy);
}

/**
 * simclr_replay_is_full:
 * @self: a #SimclrReplay
 *
 * Returns: whether no place is left, or something had to be dropped already
 */
gboolean
simclr_replay_is_full (SimclrReplay *self)
{
  g_return_val_if_fail (SIMCLR_IS_REPLAY (self), FALSE);

  return self->order->len < self->seen ||
         (self->capacity > 0 && self->order->len == self->capacity) ||
         (self->max_bytes > 0 && self->bytes == self->max_bytes);
}

static void
simclr_replay_finalize (GObject *object)
{
  SimclrReplay *self = SIMCLR_REPLAY (object);

  simclr_replay_clear (self);
  g_ptr_array_unref (self->order);
  g_ptr_array_unref (self->heap);
  g_array_unref (self->rests[0]);
  g_array_unref (self->rests[1]);
  G_OBJECT_CLASS (simclr_replay_parent_class)->finalize (object);
}

static void
simclr_replay_class_init (SimclrReplayClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = simclr_replay_finalize;
}

static void
simclr_replay_init (SimclrReplay *self)
{
  self->order = g_ptr_array_new ();
  self->heap = g_ptr_array_new ();
  for (guint tier = 0; tier < 2; tier++)
    self->rests[tier] = g_array_new (FALSE, FALSE, sizeof (SimclrReplayRest));
  g_queue_init (&self->fresh);
  g_queue_init (&self->waiting);
  g_queue_init (&self->ages);
  self->lowest_dropped = G_MAXUINT64;
}

/**
 * simclr_replay_new: (skip)
 * @policy: which items stay
 * @capacity: number of items, 0 for no bound
 * @max_bytes: size of all items together, 0 for no bound
 * @seed: of all that is random here
 * @item_free: (nullable): frees an item that is dropped
 *
 * Returns: (transfer full): an empty memory
 */
SimclrReplay *
simclr_replay_new (SimclrReplayPolicy policy, guint64 capacity, guint64 max_bytes, guint64 seed,
    GDestroyNotify item_free)
{
  SimclrReplay *self = g_object_new (SIMCLR_TYPE_REPLAY, NULL);

  self->policy = policy;
  self->capacity = capacity;
  self->max_bytes = max_bytes;
  self->seed = self->shuffle.seed = seed;
  self->item_free = item_free;
  return self;
}

/**
 * simclr_replay_set_rule: (skip)
 * @self: a #SimclrReplay that is empty
 * @rule: who goes with %SIMCLR_REPLAY_POLICY_MIN_REDUNDANCY
 */
void
simclr_replay_set_rule (SimclrReplay *self, SimclrReplayRule rule)
{
  g_return_if_fail (SIMCLR_IS_REPLAY (self));
  g_return_if_fail (self->order->len == 0);

  self->rule = rule;
}

/**
 * simclr_replay_set_fresh: (skip)
 * @self: a #SimclrReplay that is empty
 * @ratio: share of samples that come from the newest items, 0 to 1
 * @frames: how many items are the newest; 0: the same chance for all
 *
 * Makes two tiers: a short memory of the newest items, whatever they are, and the long one, which the
 * policy keeps, of those that have left it. Not with %SIMCLR_REPLAY_POLICY_ALL.
 */
void
simclr_replay_set_fresh (SimclrReplay *self, gdouble ratio, guint64 frames)
{
  g_return_if_fail (SIMCLR_IS_REPLAY (self));
  g_return_if_fail (self->order->len == 0);

  self->fresh_ratio = ratio;
  self->fresh_frames = frames;
}
