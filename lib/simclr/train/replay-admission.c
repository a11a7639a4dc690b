/* Who stays in a replay memory and who goes: arrivals, bounds, tiers, embeddings.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/train/replay-private.h>

#include <simclr/base/random-private.h>
#include <simclr/simclr-error.h>

static SimclrReplayEntry *
order_get (SimclrReplay *self, gsize place)
{
  return g_ptr_array_index (self->order, place);
}

static guint64
random_number (SimclrReplay *self, guint64 stream, guint64 index)
{
  guint32 bits[4];

  _simclr_random_bits (self->seed, SIMCLR_STREAM_REPLAY | stream, index, bits);
  return ((guint64) bits[0] << 32) | bits[1];
}

SimclrReplayEntry *
_simclr_replay_find (SimclrReplay *self, guint64 number, gsize *place)
{
  gsize begin = 0, end = self->order->len;

  while (begin < end) {
    gsize middle = begin + (end - begin) / 2;

    if (order_get (self, middle)->number < number)
      begin = middle + 1;
    else
      end = middle;
  }
  if (place)
    *place = begin;
  if (begin == self->order->len || order_get (self, begin)->number != number)
    return NULL;
  return order_get (self, begin);
}

/* Of the item that arrives as number `number`. */
guint64
_simclr_replay_rank (SimclrReplay *self, guint64 number)
{
  if (self->policy == SIMCLR_REPLAY_POLICY_ALL || self->policy == SIMCLR_REPLAY_POLICY_FIFO)
    return G_MAXUINT64 - 1 - number;
  return random_number (self, SIMCLR_REPLAY_STREAM_ADMISSION, number);
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
      self->order->len >= self->capacity) {
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
        self->order->len, self->bytes, self->max_bytes, bytes);
    return FALSE;
  }
  return TRUE;
}

/* Where draws of the entry's camera, in its tier, are kept. */
static SimclrReplayRest *
get_rest (SimclrReplay *self, const SimclrReplayEntry *entry)
{
  GArray *rests = self->rests[entry->is_fresh];

  while (rests->len <= entry->facts.source) {
    SimclrReplayRest rest = {.seed = self->seed};

    g_array_append_val (rests, rest);
  }
  return &g_array_index (rests, SimclrReplayRest, entry->facts.source);
}

static gboolean
has_fresh_tier (SimclrReplay *self)
{
  return self->fresh_frames > 0 && self->policy != SIMCLR_REPLAY_POLICY_ALL;
}

/* Whether it is the most redundant that goes: by then enough must be known. */
static gboolean
drops_redundant (SimclrReplay *self)
{
  return self->policy == SIMCLR_REPLAY_POLICY_MIN_REDUNDANCY &&
         2 * self->redundancy.length >= self->heap->len && self->redundancy.length > 1;
}

static gboolean
waits_for_embedding (SimclrReplay *self)
{
  return self->policy == SIMCLR_REPLAY_POLICY_MIN_REDUNDANCY &&
         self->rule == SIMCLR_REPLAY_RULE_NEWER;
}

/* Nobody comes to embed them: those who have an embedding must not go for those who have none. */
static gboolean
is_jammed (SimclrReplay *self)
{
  return waits_for_embedding (self) && drops_redundant (self) &&
         self->waiting.length >=
             CLAMP (self->heap->len / SIMCLR_REPLAY_WAITING_SHARE, 1, SIMCLR_REPLAY_WAITING);
}

void
_simclr_replay_entry_free (SimclrReplay *self, SimclrReplayEntry *entry)
{
  if (self->item_free)
    self->item_free (entry->item);
  g_free (entry->embedding);
  g_free (entry);
}

static gsize
embedding_bytes (SimclrReplay *self)
{
  return self->redundancy.size * sizeof (gfloat);
}

static void
stop_waiting (SimclrReplay *self, SimclrReplayEntry *entry)
{
  if (entry->waits)
    g_queue_remove (&self->waiting, entry);
  entry->waits = FALSE;
}

/* Its embedding is the newest. */
static void
renew (SimclrReplay *self, SimclrReplayEntry *entry)
{
  g_queue_push_tail_link (&self->ages, &entry->age);
}

static void
take_embedding_away (SimclrReplay *self, SimclrReplayEntry *entry)
{
  if (entry->row != G_MAXSIZE) {
    _simclr_replay_redundancy_remove (&self->redundancy, entry);
    g_queue_unlink (&self->ages, &entry->age);
    self->bytes -= embedding_bytes (self);
  }
  if (entry->embedding)
    self->bytes -= embedding_bytes (self);
  g_clear_pointer (&entry->embedding, g_free);
}

/* Out of all places, and gone. */
static void
drop (SimclrReplay *self, SimclrReplayEntry *entry)
{
  gsize place;

  if (entry->is_fresh)
    g_queue_remove (&self->fresh, entry);
  else
    _simclr_replay_heap_remove (self->heap, entry);
  _simclr_replay_rest_remove (get_rest (self, entry), entry);
  stop_waiting (self, entry);
  take_embedding_away (self, entry);
  _simclr_replay_find (self, entry->number, &place);
  g_ptr_array_remove_index (self->order, (guint) place);
  self->bytes -= entry->facts.bytes;
  _simclr_replay_entry_free (self, entry);
}

/* Both of a pair are equally redundant; the published rule leaves open which one goes. */
static SimclrReplayEntry *
choose_redundant (SimclrReplay *self)
{
  SimclrReplayEntry *other, *entry = _simclr_replay_redundancy_find (&self->redundancy, &other);

  if (self->rule == SIMCLR_REPLAY_RULE_PUBLISHED && other != NULL &&
      random_number (self, SIMCLR_REPLAY_STREAM_EITHER, self->seen) & 1)
    return other;
  return entry;
}

/* One must go. */
static void
drop_one (SimclrReplay *self)
{
  SimclrReplayEntry *dropped;

  if (self->heap->len == 0) {
    drop (self, g_queue_peek_head (&self->fresh));
  } else if (drops_redundant (self)) {
    drop (self, choose_redundant (self));
  } else {
    dropped = g_ptr_array_index (self->heap, 0);
    if (self->policy != SIMCLR_REPLAY_POLICY_MIN_REDUNDANCY)
      self->lowest_dropped = dropped->rank;
    drop (self, dropped);
  }
}

static void
trim (SimclrReplay *self)
{
  while (!fits (self, self->order->len, self->bytes) && self->order->len > 0)
    drop_one (self);
}

/* Into the long memory. */
static void
enter (SimclrReplay *self, SimclrReplayEntry *entry)
{
  entry->is_fresh = FALSE;
  _simclr_replay_heap_push (self->heap, entry);
  _simclr_replay_rest_add (get_rest (self, entry), entry);
}

static void
await_embedding (SimclrReplay *self, SimclrReplayEntry *entry)
{
  if (!waits_for_embedding (self))
    return;
  g_queue_push_tail (&self->waiting, entry);
  entry->waits = TRUE;
}

static void
take_in (SimclrReplay *self, SimclrReplayEntry *entry)
{
  g_autofree gfloat *embedding = g_steal_pointer (&entry->embedding);

  enter (self, entry);
  if (!embedding)
    await_embedding (self, entry);
  else if (_simclr_replay_redundancy_add (&self->redundancy, entry, embedding))
    renew (self, entry);
  else
    self->bytes -= embedding_bytes (self);
}

/* The oldest of the fresh ones is fresh no more. */
static void
graduate (SimclrReplay *self)
{
  SimclrReplayEntry *entry = g_queue_peek_head (&self->fresh);

  if (entry->rank >= self->lowest_dropped || is_jammed (self)) {
    drop (self, entry);
    return;
  }
  g_queue_pop_head (&self->fresh);
  _simclr_replay_rest_remove (get_rest (self, entry), entry);
  take_in (self, entry);
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

  if (has_fresh_tier (self))
    return TRUE;
  if (self->policy == SIMCLR_REPLAY_POLICY_MIN_REDUNDANCY)
    return !is_jammed (self);
  rank = _simclr_replay_rank (self, self->seen);
  return rank < self->lowest_dropped &&
         (self->heap->len == 0 ||
             rank < ((SimclrReplayEntry *) g_ptr_array_index (self->heap, 0))->rank ||
             fits (self, self->order->len + 1, self->bytes + bytes));
}

static SimclrReplayEntry *
entry_new (gpointer item, const SimclrReplayFacts *facts, guint64 number, guint64 rank)
{
  SimclrReplayEntry *entry = g_new0 (SimclrReplayEntry, 1);

  entry->item = item;
  entry->facts = *facts;
  entry->number = number;
  entry->rank = rank;
  entry->row = G_MAXSIZE;
  entry->age.data = entry;
  return entry;
}

/**
 * simclr_replay_add_with_facts: (skip)
 * @self: a #SimclrReplay
 * @item: (transfer full): what to store
 * @facts: what is known of it
 * @error: return location for a #GError
 *
 * Adds an item, and drops what the policy drops for it, which can be the item itself. In case of an
 * error nothing has changed but that the item is gone: %SIMCLR_ERROR_FULL if it does not fit and the
 * policy is to keep every item, or if it would not even fit into an empty memory.
 *
 * Returns: whether there was no error
 */
gboolean
simclr_replay_add_with_facts (
    SimclrReplay *self, gpointer item, const SimclrReplayFacts *facts, GError **error)
{
  SimclrReplayEntry *entry;
  guint64 rank;

  g_return_val_if_fail (SIMCLR_IS_REPLAY (self), FALSE);

  if (!check_bounds (self, facts->bytes, error)) {
    if (self->item_free)
      self->item_free (item);
    return FALSE;
  }
  rank = _simclr_replay_rank (self, self->seen);
  entry = entry_new (item, facts, self->seen++, rank);
  if (!has_fresh_tier (self) && (rank >= self->lowest_dropped || is_jammed (self))) {
    _simclr_replay_entry_free (self, entry);
    return TRUE;
  }

  g_ptr_array_add (self->order, entry);
  self->bytes += facts->bytes;
  if (self->policy == SIMCLR_REPLAY_POLICY_ALL)
    return TRUE;
  if (has_fresh_tier (self)) {
    entry->is_fresh = TRUE;
    g_queue_push_tail (&self->fresh, entry);
    _simclr_replay_rest_add (get_rest (self, entry), entry);
    while (self->fresh.length > self->fresh_frames)
      graduate (self);
  } else {
    take_in (self, entry);
  }
  trim (self);
  return TRUE;
}

/**
 * simclr_replay_add: (skip)
 * @self: a #SimclrReplay
 * @item: (transfer full): what to store
 * @bytes: its size
 * @error: return location for a #GError
 *
 * simclr_replay_add_with_facts() for an item of which only the size is known.
 *
 * Returns: whether there was no error
 */
gboolean
simclr_replay_add (SimclrReplay *self, gpointer item, gsize bytes, GError **error)
{
  const SimclrReplayFacts facts = {.bytes = bytes};

  return simclr_replay_add_with_facts (self, item, &facts, error);
}

void
_simclr_replay_restore (SimclrReplay *self, gpointer item, const SimclrReplayFacts *facts,
    guint64 number, guint64 rank, const gfloat *embedding, gfloat similarity)
{
  SimclrReplayEntry *entry = entry_new (item, facts, number, rank);

  if (self->policy == SIMCLR_REPLAY_POLICY_ALL &&
      !fits (self, self->order->len + 1, self->bytes + facts->bytes)) {
    _simclr_replay_entry_free (self, entry);
    return;
  }
  g_ptr_array_add (self->order, entry);
  self->bytes += facts->bytes;
  self->runs = MAX (self->runs, facts->run);
  if (self->policy == SIMCLR_REPLAY_POLICY_ALL)
    return;
  enter (self, entry);
  if (embedding && self->policy == SIMCLR_REPLAY_POLICY_MIN_REDUNDANCY &&
      _simclr_replay_redundancy_add_known (&self->redundancy, entry, embedding, similarity)) {
    self->bytes += embedding_bytes (self);
    renew (self, entry);
  } else {
    await_embedding (self, entry);
  }
  trim (self);
}

/* Embeddings of another size come from another encoder: those known are worth nothing beside them. */
static void
change_size (SimclrReplay *self, guint size)
{
  for (gsize place = 0; place < self->order->len; place++) {
    SimclrReplayEntry *entry = order_get (self, place);
    gboolean had_one = entry->row != G_MAXSIZE;

    take_embedding_away (self, entry);
    if (had_one)
      await_embedding (self, entry);
  }
  _simclr_replay_redundancy_clear (&self->redundancy);
  self->redundancy.size = size;
  self->redundancy.older_only = self->rule == SIMCLR_REPLAY_RULE_NEWER;
}

/* How much of the old one stays when training gives a new one, as published. */
#define PUBLISHED_KEEP 0.5f

static gfloat
get_keep (SimclrReplay *self)
{
  return self->rule == SIMCLR_REPLAY_RULE_PUBLISHED ? PUBLISHED_KEEP : 0;
}

static void
learn_embedding (SimclrReplay *self, SimclrReplayEntry *entry, const gfloat *embedding)
{
  stop_waiting (self, entry);
  if (entry->is_fresh) {
    if (!entry->embedding)
      self->bytes += embedding_bytes (self);
    g_free (entry->embedding);
    entry->embedding = g_memdup2 (embedding, embedding_bytes (self));
  } else if (entry->row != G_MAXSIZE) {
    _simclr_replay_redundancy_update (&self->redundancy, entry, embedding, get_keep (self));
    g_queue_unlink (&self->ages, &entry->age);
    renew (self, entry);
  } else if (_simclr_replay_redundancy_add (&self->redundancy, entry, embedding)) {
    self->bytes += embedding_bytes (self);
    renew (self, entry);
  }
}

/**
 * simclr_replay_set_embedding: (skip)
 * @self: a #SimclrReplay
 * @number: of an item, which may be gone
 * @embeddings: (array): n_embeddings times size floats
 * @n_embeddings: of the same item, at least 1; their mean counts
 * @size: floats of an embedding, at least 1
 *
 * Tells what an encoder makes of an item, which decides who stays with
 * %SIMCLR_REPLAY_POLICY_MIN_REDUNDANCY. Only the direction of an embedding counts. It costs as much as the
 * product of all embeddings with one. An embedding that is zero, or not finite, is no embedding. Other
 * policies ignore it.
 */
void
simclr_replay_set_embedding (
    SimclrReplay *self, guint64 number, const gfloat *embeddings, guint n_embeddings, guint size)
{
  g_autofree gfloat *mean = NULL;
  SimclrReplayEntry *entry;

  g_return_if_fail (SIMCLR_IS_REPLAY (self));
  g_return_if_fail (embeddings != NULL && n_embeddings > 0 && size > 0);

  entry = _simclr_replay_find (self, number, NULL);
  if (entry == NULL || self->policy != SIMCLR_REPLAY_POLICY_MIN_REDUNDANCY)
    return;
  if (self->redundancy.size != size)
    change_size (self, size);
  mean = g_memdup2 (embeddings, size * sizeof (gfloat));
  for (guint row = 1; row < n_embeddings; row++) {
    for (guint i = 0; i < size; i++)
      mean[i] += embeddings[row * size + i];
  }
  learn_embedding (self, entry, mean);
  trim (self);
}
