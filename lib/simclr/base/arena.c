/* Memory planned before it is needed.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/base/arena-private.h>

#include <simclr/simclr-error.h>
#include <stdlib.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

/* Bytes, on most processors. */
#define HUGE_PAGE ((gsize) 2 * 1024 * 1024)

typedef struct
{
  gsize bytes;
  guint first;
  guint last;
  gsize offset;
} Block;

struct _SimclrArena
{
  GArray *blocks; /* Block */
  guint8 *memory;
  gsize bytes;
};

/* Large blocks are read from end to end again and again: in pages so large that the processor finds them
 * without looking them up each time, where the system has such pages for those who ask. */
static gsize
choose_alignment (gsize bytes)
{
  return bytes >= 2 * HUGE_PAGE ? HUGE_PAGE : SIMCLR_ALIGNMENT;
}

static void
ask_for_huge_pages (gpointer memory, gsize bytes)
{
#ifdef MADV_HUGEPAGE
  if (bytes >= 2 * HUGE_PAGE)
    madvise (memory, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
#endif
}

gpointer
_simclr_aligned_alloc (gsize bytes, GError **error)
{
  gpointer memory = NULL;

  if (bytes > G_MAXSSIZE - 2 * SIMCLR_ALIGNMENT ||
      posix_memalign (&memory, choose_alignment (bytes), bytes + SIMCLR_ALIGNMENT) != 0) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MEMORY,
        "no memory for %" G_GSIZE_FORMAT " MiB; a smaller batch or width needs less", bytes >> 20);
    return NULL;
  }
  ask_for_huge_pages (memory, bytes);
  return memory;
}

void
_simclr_aligned_free (gpointer memory)
{
  free (memory);
}

SimclrArena *
_simclr_arena_new (void)
{
  SimclrArena *self = g_new0 (SimclrArena, 1);

  self->blocks = g_array_new (FALSE, FALSE, sizeof (Block));
  return self;
}

void
_simclr_arena_free (SimclrArena *self)
{
  g_array_unref (self->blocks);
  _simclr_aligned_free (self->memory);
  g_free (self);
}

guint
_simclr_arena_reserve (SimclrArena *self, gsize bytes, guint first, guint last)
{
  Block block = {(MAX (bytes, 1) + 2 * SIMCLR_ALIGNMENT - 1) & ~(gsize) (SIMCLR_ALIGNMENT - 1),
      first, MAX (first, last), 0};

  g_assert (self->memory == NULL);
  g_array_append_val (self->blocks, block);
  return self->blocks->len - 1;
}

static gint
compare_largest_first (gconstpointer a, gconstpointer b, gpointer blocks)
{
  const Block *x = &g_array_index ((GArray *) blocks, Block, *(const guint *) a);
  const Block *y = &g_array_index ((GArray *) blocks, Block, *(const guint *) b);

  if (x->bytes != y->bytes)
    return x->bytes > y->bytes ? -1 : 1;
  return *(const guint *) a < *(const guint *) b ? -1 : 1;
}

static gint
compare_offsets (gconstpointer a, gconstpointer b)
{
  const Block *x = *(const Block *const *) a, *y = *(const Block *const *) b;

  return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* The lowest gap among the placed blocks that are alive together with this one. */
static gsize
find_gap (GPtrArray *placed, const Block *block)
{
  gsize offset = 0;

  for (guint i = 0; i < placed->len; i++) {
    const Block *other = g_ptr_array_index (placed, i);

    if (other->last < block->first || block->last < other->first)
      continue;
    if (other->offset >= offset && other->offset - offset >= block->bytes)
      break;
    offset = MAX (offset, other->offset + other->bytes);
  }
  return offset;
}

gboolean
_simclr_arena_allocate (SimclrArena *self, GError **error)
{
  g_autofree guint *order = g_new (guint, self->blocks->len + 1);
  g_autoptr (GPtrArray) placed = g_ptr_array_new ();

  g_assert (self->memory == NULL);
  for (guint i = 0; i < self->blocks->len; i++)
    order[i] = i;
  g_qsort_with_data (
      order, (gint) self->blocks->len, sizeof (guint), compare_largest_first, self->blocks);

  for (guint i = 0; i < self->blocks->len; i++) {
    Block *block = &g_array_index (self->blocks, Block, order[i]);

    block->offset = find_gap (placed, block);
    self->bytes = MAX (self->bytes, block->offset + block->bytes);
    g_ptr_array_add (placed, block);
    g_ptr_array_sort (placed, compare_offsets);
  }

  self->memory = _simclr_aligned_alloc (self->bytes, error);
  return self->memory != NULL;
}

gpointer
_simclr_arena_get (SimclrArena *self, guint block)
{
  return self->memory + g_array_index (self->blocks, Block, block).offset;
}

gsize
_simclr_arena_get_bytes (SimclrArena *self)
{
  return self->bytes;
}
