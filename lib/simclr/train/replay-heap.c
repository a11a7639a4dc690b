/* A heap of the items of a replay memory: who goes first when it is over its bounds.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/train/replay-order-private.h>

static SimclrReplayEntry *
heap_get (GPtrArray *heap, gsize place)
{
  return g_ptr_array_index (heap, place);
}

static void
heap_set (GPtrArray *heap, gsize place, SimclrReplayEntry *entry)
{
  g_ptr_array_index (heap, place) = entry;
  entry->heap_place = place;
}

/* The entry belongs at the place, or further up. */
static void
sift_up (GPtrArray *heap, gsize place, SimclrReplayEntry *entry)
{
  while (place > 0 && heap_get (heap, (place - 1) / 2)->rank < entry->rank) {
    heap_set (heap, place, heap_get (heap, (place - 1) / 2));
    place = (place - 1) / 2;
  }
  heap_set (heap, place, entry);
}

/* The entry belongs at the place, or further down. */
static void
sift_down (GPtrArray *heap, gsize place, SimclrReplayEntry *entry)
{
  while (2 * place + 1 < heap->len) {
    gsize child = 2 * place + 1;

    if (child + 1 < heap->len && heap_get (heap, child + 1)->rank > heap_get (heap, child)->rank)
      child++;
    if (heap_get (heap, child)->rank <= entry->rank)
      break;
    heap_set (heap, place, heap_get (heap, child));
    place = child;
  }
  heap_set (heap, place, entry);
}

void
_simclr_replay_heap_push (GPtrArray *heap, SimclrReplayEntry *entry)
{
  g_ptr_array_add (heap, entry);
  sift_up (heap, heap->len - 1, entry);
}

void
_simclr_replay_heap_remove (GPtrArray *heap, SimclrReplayEntry *entry)
{
  gsize place = entry->heap_place;
  SimclrReplayEntry *last = heap_get (heap, heap->len - 1);

  g_ptr_array_set_size (heap, (gint) heap->len - 1);
  if (place == heap->len)
    return;
  if (place > 0 && heap_get (heap, (place - 1) / 2)->rank < last->rank)
    sift_up (heap, place, last);
  else
    sift_down (heap, place, last);
}
