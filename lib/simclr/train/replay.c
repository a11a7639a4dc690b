/* A bounded memory of items: who stays, who goes, and which one comes next.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/train/replay.h>

#include <simclr/base/random-private.h>
#include <simclr/simclr-enum-types.h>
#include <simclr/simclr-error.h>
#include <simclr/train/replay-order-private.h>

/* Every item gets a rank when it arrives, and over the bounds the item of the highest rank goes; so
 * at any time all that is held ranks below all that was dropped. The rank makes the policy:
 *  fifo       the oldest ranks highest;
 *  reservoir  a random number, which leaves a uniform sample of everything seen (the distribution of
 *             Vitter's algorithm R), and stays sound when items differ in size and the bound is in
 *             bytes: an item is held exactly if its number lies below a threshold that only falls.
 *             What size an item has then matters only for the one at the threshold;
 *  all        as fifo, but going over the bounds is an error. */
struct _SimclrReplay
{
  GObject parent_instance;

  SimclrReplayPolicy policy;
  guint64 capacity;
  guint64 max_bytes;
  guint64 seed;
  GDestroyNotify item_free;

  GPtrArray *heap; /* of SimclrReplayEntry, highest rank first; policy all: in order of arrival */
  guint64 bytes;
  guint64 seen;
  guint64 lowest_dropped; /* rank */
  SimclrReplayShuffle shuffle;
  SimclrReplayRest rest;
};

G_DEFINE_FINAL_TYPE (SimclrReplay, simclr_replay, G_TYPE_OBJECT)

static SimclrReplayEntry *
heap_get (SimclrReplay *self, gsize place)
{
  return g_ptr_array_index (self->heap, place);
}

static void
heap_set (SimclrReplay *self, gsize place, SimclrReplayEntry *entry)
{
  g_ptr_array_index (self->heap, place) = entry;
  entry->heap_place = place;
}

static void
heap_push (SimclrReplay *self, SimclrReplayEntry *entry)
{
  gsize place = self->heap->len;

  g_ptr_array_add (self->heap, entry);
  while (place > 0 && heap_get (self, (place - 1) / 2)->rank < entry->rank) {
    heap_set (self, place, heap_get (self, (place - 1) / 2));
    place = (place - 1) / 2;
  }
  heap_set (self, place, entry);
}

static SimclrReplayEntry *
heap_pop (SimclrReplay *self)
{
  SimclrReplayEntry *top = heap_get (self, 0);
  SimclrReplayEntry *last = heap_get (self, self->heap->len - 1);
  gsize length = self->heap->len - 1, place = 0;

  g_ptr_array_set_size (self->heap, (gint) length);
  while (2 * place + 1 < length) {
    gsize child = 2 * place + 1;

    if (child + 1 < length && heap_get (self, child + 1)->rank > heap_get (self, child)->rank)
      child++;
    if (heap_get (self, child)->rank <= last->rank)
      break;
    heap_set (self, place, heap_get (self, child));
    place = child;
  }
  if (length > 0)
    heap_set (self, place, last);
  return top;
}

static void
free_item (SimclrReplay *self, gpointer item)
{
  if (self->item_free)
    self->item_free (item);
}

/* Of the item that comes next. */
static guint64
next_rank (SimclrReplay *self)
{
  guint32 bits[4];

  if (self->policy != SIMCLR_REPLAY_POLICY_RESERVOIR)
    return G_MAXUINT64 - 1 - self->seen;
  _simclr_random_bits (
      self->seed, SIMCLR_STREAM_REPLAY | SIMCLR_REPLAY_STREAM_ADMISSION, self->seen, bits);
  return ((guint64) bits[0] << 32) | bits[1];
}

static gboolean
fits (SimclrReplay *self, guint64 items, guint64 bytes)
{
  return (self->capacity == 0 || items <= self->capacity) &&
         (self->max_bytes == 0 || bytes <= self->max_bytes);
}

static gboolean
check_bounds (SimclrReplay *self, gsize bytes, GError **error)
{
  if (self->max_bytes > 0 && bytes > self->max_bytes) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_FULL,
        "a frame of %" G_GSIZE_FORMAT " bytes is larger than the whole memory of %" G_GUINT64_FORMAT
        " bytes",
        bytes, self->max_bytes);
    return FALSE;
  }
  if (self->policy == SIMCLR_REPLAY_POLICY_ALL && self->capacity > 0 &&
      self->heap->len >= self->capacity) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_FULL,
        "all %" G_GUINT64_FORMAT " places are taken, and the policy is to keep every frame",
        self->capacity);
    return FALSE;
  }
  if (self->policy == SIMCLR_REPLAY_POLICY_ALL && self->max_bytes > 0 &&
      bytes > self->max_bytes - self->bytes) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_FULL,
        "%u frames take %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
        " bytes, so that one more of %" G_GSIZE_FORMAT
        " does not fit, and the policy is to keep every frame",
        self->heap->len, self->bytes, self->max_bytes, bytes);
    return FALSE;
  }
  return TRUE;
}

/**
 * simclr_replay_admits:
 * @self: a #SimclrReplay
 * @bytes: size of an item
 *
 * Tells before an item is made (or copied) whether it would be kept.
 *
 * Returns: %FALSE if simclr_replay_add() would drop the item at once; %TRUE if it would keep it or
 *   fail
 */
gboolean
simclr_replay_admits (SimclrReplay *self, gsize bytes)
{
  guint64 rank;

  g_return_val_if_fail (SIMCLR_IS_REPLAY (self), FALSE);

  rank = next_rank (self);
  return rank < self->lowest_dropped && (self->heap->len == 0 || rank < heap_get (self, 0)->rank ||
                                            fits (self, self->heap->len + 1, self->bytes + bytes));
}

/**
 * simclr_replay_add: (skip)
 * @self: a #SimclrReplay
 * @item: (transfer full): what to store
 * @bytes: its size
 * @error: return location for a #GError
 *
 * Adds an item, and drops what the policy drops for it, which can be the item itself. In case of an
 * error nothing has changed but that the item is gone: %SIMCLR_ERROR_FULL if it does not fit and the
 * policy is to keep every item, or if it would not even fit into an empty memory.
 *
 * Returns: whether there was no error
 */
gboolean
simclr_replay_add (SimclrReplay *self, gpointer item, gsize bytes, GError **error)
{
  SimclrReplayEntry *entry;
  guint64 rank;

  g_return_val_if_fail (SIMCLR_IS_REPLAY (self), FALSE);

  if (!check_bounds (self, bytes, error)) {
    free_item (self, item);
    return FALSE;
  }

  rank = next_rank (self);
  if (rank >= self->lowest_dropped) {
    self->seen++;
    free_item (self, item);
    return TRUE;
  }

  entry = g_new0 (SimclrReplayEntry, 1);
  entry->item = item;
  entry->bytes = bytes;
  entry->number = self->seen++;
  entry->rank = rank;
  heap_push (self, entry);
  self->bytes += bytes;
  if (self->policy != SIMCLR_REPLAY_POLICY_ALL)
    _simclr_replay_rest_add (&self->rest, entry);

  while (!fits (self, self->heap->len, self->bytes)) {
    SimclrReplayEntry *dropped = heap_pop (self);

    _simclr_replay_rest_remove (&self->rest, dropped);
    self->lowest_dropped = dropped->rank;
    self->bytes -= dropped->bytes;
    free_item (self, dropped->item);
    g_free (dropped);
  }
  return TRUE;
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
 * Returns: (transfer none) (nullable): the item, %NULL if the memory is empty
 */
gpointer
simclr_replay_sample (SimclrReplay *self, guint64 index, guint64 *number)
{
  SimclrReplayEntry *entry;

  g_return_val_if_fail (SIMCLR_IS_REPLAY (self), NULL);

  if (self->heap->len == 0)
    return NULL;
  if (self->policy == SIMCLR_REPLAY_POLICY_ALL)
    entry = heap_get (self, _simclr_replay_shuffle_place (&self->shuffle, index, self->heap->len));
  else
    entry = _simclr_replay_rest_draw (&self->rest, index);
  if (number)
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

  for (gsize place = 0; place < self->heap->len; place++) {
    free_item (self, heap_get (self, place)->item);
    g_free (heap_get (self, place));
  }
  g_ptr_array_set_size (self->heap, 0);
  _simclr_replay_shuffle_clear (&self->shuffle);
  _simclr_replay_rest_clear (&self->rest);
  self->bytes = 0;
  self->seen = 0;
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

  return self->heap->len;
}

/**
 * simclr_replay_get_bytes:
 * @self: a #SimclrReplay
 *
 * Returns: size of all items held, in bytes
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
 * simclr_replay_is_full:
 * @self: a #SimclrReplay
 *
 * Returns: whether no place is left, or something had to be dropped already
 */
gboolean
simclr_replay_is_full (SimclrReplay *self)
{
  g_return_val_if_fail (SIMCLR_IS_REPLAY (self), FALSE);

  return self->heap->len < self->seen ||
         (self->capacity > 0 && self->heap->len == self->capacity) ||
         (self->max_bytes > 0 && self->bytes == self->max_bytes);
}

static void
simclr_replay_finalize (GObject *object)
{
  SimclrReplay *self = SIMCLR_REPLAY (object);

  simclr_replay_clear (self);
  g_ptr_array_unref (self->heap);
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
  self->heap = g_ptr_array_new ();
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
  self->seed = self->shuffle.seed = self->rest.seed = seed;
  self->item_free = item_free;
  return self;
}
