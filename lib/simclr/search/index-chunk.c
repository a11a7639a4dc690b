/* Consecutive entries of an index, in memory.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/search/index-private.h>

#include <simclr/simclr-error.h>
#include <string.h>

static gpointer
allocate (SimclrChunk *self, gsize count, gsize bytes)
{
  gpointer memory = g_try_malloc0_n (MAX (count, 1), bytes);

  g_ptr_array_add (self->memory, memory);
  return memory;
}

SimclrChunk *
_simclr_chunk_new (guint64 first, guint capacity, gsize size, GError **error)
{
  g_autoptr (SimclrChunk) self = g_new0 (SimclrChunk, 1);
  guint blocks = SIMCLR_N_BLOCKS (capacity);

  g_atomic_ref_count_init (&self->references);
  self->memory = g_ptr_array_new_with_free_func (g_free);
  self->first = first;
  self->capacity = capacity;
  self->size = size;
  self->times = allocate (self, capacity, sizeof (gint64));
  self->origins = allocate (self, capacity, sizeof (SimclrOrigin *));
  self->rows = allocate (self, capacity, size * sizeof (gfloat));
  self->codes = allocate (self, capacity, size);
  self->scales = allocate (self, capacity, sizeof (gfloat));
  self->errors = allocate (self, capacity, sizeof (gfloat));
  self->centers = allocate (self, blocks, size * sizeof (gfloat));
  self->radii = allocate (self, blocks, sizeof (gfloat));
  self->pictures = allocate (self, capacity, sizeof (SimclrPicture));
  for (guint i = 0; i < self->memory->len; i++) {
    if (g_ptr_array_index (self->memory, i) != NULL)
      continue;
    self->pictures = NULL;
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MEMORY,
        "no memory for %u embeddings of %" G_GSIZE_FORMAT " floats", capacity, size);
    return NULL;
  }
  return g_steal_pointer (&self);
}

SimclrChunk *
_simclr_chunk_ref (SimclrChunk *self)
{
  g_atomic_ref_count_inc (&self->references);
  return self;
}

void
_simclr_chunk_unref (SimclrChunk *self)
{
  if (!g_atomic_ref_count_dec (&self->references))
    return;
  for (guint row = 0; self->pictures != NULL && row < self->capacity; row++)
    g_clear_pointer (&self->pictures[row].bytes, g_bytes_unref);
  g_ptr_array_unref (self->memory);
  g_clear_pointer (&self->file, g_bytes_unref);
  g_free (self->path);
  g_free (self);
}

void
_simclr_chunk_write (SimclrChunk *self, const SimclrEntry *entry, guint *count, guint *coded)
{
  guint row = self->count, block = row / SIMCLR_BLOCK_ROWS, begin = block * SIMCLR_BLOCK_ROWS;
  gfloat *rows = (gfloat *) self->rows;

  memcpy (rows + row * self->size, entry->embedding, self->size * sizeof (gfloat));
  self->times[row] = entry->time;
  self->origins[row] = entry->origin;
  self->pictures[row] = entry->picture;
  if (entry->picture.bytes != NULL)
    g_bytes_ref (entry->picture.bytes);

  *count = row + 1;
  *coded = self->coded;
  if (*count != self->capacity && *count - begin < SIMCLR_BLOCK_ROWS)
    return;
  ((gfloat *) self->radii)[block] =
      _simclr_index_encode (rows + begin * self->size, *count - begin, self->size,
          (gfloat *) self->centers + block * self->size, (gint8 *) self->codes + begin * self->size,
          (gfloat *) self->scales + begin, (gfloat *) self->errors + begin);
  *coded = block + 1;
}
