/* Memory planned before it is needed: blocks with lifetimes share one allocation.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Every block starts on a cache line, and 64 bytes past its end are readable and writable. */
#define SIMCLR_ALIGNMENT 64

typedef struct _SimclrArena SimclrArena;

SimclrArena *_simclr_arena_new (void) G_GNUC_WARN_UNUSED_RESULT;
void _simclr_arena_free (SimclrArena *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimclrArena, _simclr_arena_free)

/* Reserves bytes that are alive from moment first to moment last, both included (moments are the
 * caller's: for example numbers of operations). Returns the block's number. */
guint _simclr_arena_reserve (SimclrArena *self, gsize bytes, guint first, guint last);

/* Places all blocks, those alive together apart, and allocates (not cleared). Once for each arena. */
gboolean _simclr_arena_allocate (SimclrArena *self, GError **error);

gpointer _simclr_arena_get (SimclrArena *self, guint block);
gsize _simclr_arena_get_bytes (SimclrArena *self);

/* Floats rounded up to whole cache lines. */
static inline gsize
_simclr_align_floats (gsize floats)
{
  const gsize line = SIMCLR_ALIGNMENT / sizeof (gfloat);

  return (floats + line - 1) / line * line;
}

/* Scratch memory from its first cache line on; up to a line less of it than there was. */
static inline gfloat *
_simclr_align_scratch (gfloat *scratch)
{
  return (
      gfloat *) (((guintptr) scratch + SIMCLR_ALIGNMENT - 1) / SIMCLR_ALIGNMENT * SIMCLR_ALIGNMENT);
}

/* The next so many floats of aligned scratch memory, which then begins behind them, aligned again. */
static inline gfloat *
_simclr_take_floats (gfloat **scratch, gsize floats)
{
  gfloat *taken = *scratch;

  *scratch += _simclr_align_floats (floats);
  return taken;
}

/* Aligned memory, NULL and error when there is none; freed by _simclr_aligned_free(). */
gpointer _simclr_aligned_alloc (gsize bytes, GError **error);
void _simclr_aligned_free (gpointer memory);
