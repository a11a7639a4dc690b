/* Working memory that is kept from view to view and only grows.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include <simclr/base/arena-private.h>

typedef struct
{
  gpointer memory;
  gsize bytes;
} SimclrScratch;

/* Makes at least bytes available at self->memory; what was in it is lost when it grows. */
static inline gboolean
_simclr_scratch_reserve (SimclrScratch *self, gsize bytes, GError **error)
{
  if (bytes <= self->bytes)
    return TRUE;
  g_clear_pointer (&self->memory, _simclr_aligned_free);
  self->bytes = 0;
  self->memory = _simclr_aligned_alloc (bytes, error);
  if (self->memory == NULL)
    return FALSE;
  self->bytes = bytes;
  return TRUE;
}

static inline void
_simclr_scratch_clear (SimclrScratch *self)
{
  g_clear_pointer (&self->memory, _simclr_aligned_free);
  self->bytes = 0;
}

/* Takes bytes from the front of what cursor points to, keeping every block on a cache line. */
static inline gpointer
_simclr_scratch_take (guint8 **cursor, gsize bytes)
{
  gpointer block = *cursor;

  *cursor += (bytes + SIMCLR_ALIGNMENT - 1) / SIMCLR_ALIGNMENT * SIMCLR_ALIGNMENT;
  return block;
}
