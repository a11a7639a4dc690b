/* Adds entries to an index, and bounds it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/search/index-private.h>

#include <simclr/simclr-error.h>
#include <glib/gstdio.h>
#include <string.h>

#define MOST_TEXT 65535 /* bytes of a name of a stream or source */

static const gchar *
intern_string (SimclrIndex *self, const gchar *text)
{
  gpointer known;

  if (!g_hash_table_lookup_extended (self->strings, text, &known, NULL)) {
    known = g_strdup (text);
    g_hash_table_add (self->strings, known);
  }
  return known;
}

SimclrOrigin *
_simclr_index_intern (gpointer index, const gchar *stream, const gchar *source)
{
  SimclrIndex *self = index;
  SimclrOrigin key;
  gpointer known;

  g_mutex_lock (&self->lock);
  key.stream = intern_string (self, stream);
  key.source = intern_string (self, source);
  if (!g_hash_table_lookup_extended (self->origins, &key, &known, NULL)) {
    known = g_memdup2 (&key, sizeof key);
    g_hash_table_add (self->origins, known);
  }
  g_mutex_unlock (&self->lock);
  return known;
}

static guint
chunk_capacity (SimclrIndex *self)
{
  if (self->max_entries == 0)
    return SIMCLR_CHUNK_ROWS;
  return (guint) CLAMP (self->max_entries / 8, 1, SIMCLR_CHUNK_ROWS);
}

/* The oldest entries go, a chunk at a time; searches that look at them keep them until done. */
static void
drop_oldest (SimclrIndex *self)
{
  while (self->max_entries > 0 && self->total > self->max_entries && self->chunks->len > 1) {
    SimclrChunk *oldest;

    g_mutex_lock (&self->lock);
    oldest = g_ptr_array_steal_index (self->chunks, 0);
    self->total -= oldest->count;
    g_mutex_unlock (&self->lock);
    if (oldest->path != NULL && self->writable && g_unlink (oldest->path) != 0)
      g_info ("could not remove \"%s\"", oldest->path);
    _simclr_chunk_unref (oldest);
  }
}

/* The chunk to write to; NULL where there is no memory for one. */
static SimclrChunk *
get_open_chunk (SimclrIndex *self, GError **error)
{
  SimclrChunk *last =
      self->chunks->len > 0 ? g_ptr_array_index (self->chunks, self->chunks->len - 1) : NULL;

  /* numbers of a chunk have no gap, though files that were moved away may leave one */
  if (last != NULL && last->count < last->capacity && last->first + last->count == self->next)
    return last;
  last = _simclr_chunk_new (self->next, chunk_capacity (self), self->size, error);
  if (last == NULL)
    return NULL;
  g_mutex_lock (&self->lock);
  g_ptr_array_add (self->chunks, last);
  g_mutex_unlock (&self->lock);
  return last;
}

gboolean
_simclr_index_append (SimclrIndex *self, const SimclrEntry *entry, GError **error)
{
  SimclrChunk *chunk = get_open_chunk (self, error);
  guint count, coded;

  if (chunk == NULL)
    return FALSE;
  _simclr_chunk_write (chunk, entry, &count, &coded);
  g_mutex_lock (&self->lock);
  chunk->count = count;
  chunk->coded = coded;
  self->next++;
  self->total++;
  g_mutex_unlock (&self->lock);
  drop_oldest (self);
  return TRUE;
}

static gboolean
check_size (SimclrIndex *self, gsize n_floats, GError **error)
{
  if (n_floats >= 1 && n_floats <= SIMCLR_INDEX_MOST_FLOATS &&
      (self->size == 0 || self->size == n_floats))
    return TRUE;
  if (self->size != 0)
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE,
        "an embedding of %" G_GSIZE_FORMAT " floats for an index of embeddings of %" G_GSIZE_FORMAT,
        n_floats, self->size);
  else
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE,
        "an embedding of %" G_GSIZE_FORMAT " floats, where 1 to %d are possible", n_floats,
        SIMCLR_INDEX_MOST_FLOATS);
  return FALSE;
}

static gboolean
check_text (const gchar *what, const gchar *text, GError **error)
{
  if (strlen (text) <= MOST_TEXT && g_utf8_validate (text, -1, NULL))
    return TRUE;
  g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_VALUE,
      "the name of the %s is not UTF-8 of at most %d bytes", what, MOST_TEXT);
  return FALSE;
}

static gboolean
check_picture (const SimclrPicture *picture, GError **error)
{
  gsize bytes = picture->bytes != NULL ? g_bytes_get_size (picture->bytes) : 0;

  if (picture->width <= SIMCLR_THUMBNAIL_MOST && picture->height <= SIMCLR_THUMBNAIL_MOST &&
      bytes == (gsize) picture->width * picture->height * 3)
    return TRUE;
  g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE,
      "a thumbnail of %ux%u has 3 bytes a pixel and at most %d pixels a side, not %" G_GSIZE_FORMAT
      " bytes",
      picture->width, picture->height, SIMCLR_THUMBNAIL_MOST, bytes);
  return FALSE;
}

static gboolean
add_entry (
    SimclrIndex *self, const gfloat *embedding, gsize n_floats, SimclrEntry *entry, GError **error)
{
  if (!check_size (self, n_floats, error))
    return FALSE;
  if (self->unit == NULL || self->size == 0)
    self->unit = g_renew (gfloat, self->unit, n_floats);
  if (!_simclr_index_normalize (embedding, n_floats, self->unit)) {
    g_set_error_literal (error, SIMCLR_ERROR, SIMCLR_ERROR_NON_FINITE,
        "the embedding holds a number that is not finite");
    return FALSE;
  }
  g_mutex_lock (&self->lock);
  self->size = n_floats;
  g_mutex_unlock (&self->lock);
  entry->embedding = self->unit;
  return (self->folder == NULL || _simclr_index_folder_log (self, entry, error)) &&
         _simclr_index_append (self, entry, error) &&
         (self->folder == NULL || _simclr_index_folder_seal (self, error));
}

/**
 * simclr_index_add:
 * @self: an index
 * @embedding: (array length=n_floats): an embedding, of any length but always as many floats
 * @n_floats: floats in it
 * @time: of the moment, in nanoseconds
 * @stream: (nullable): name of the stream, for example of the camera; %NULL is ""
 * @source: (nullable): where it came from, for example a file; %NULL is ""
 * @thumbnail: (nullable): RGB bytes, row after row without gaps
 * @thumbnail_width: pixels, 0 without a thumbnail
 * @thumbnail_height: pixels, 0 without a thumbnail
 * @error: return location for an error
 *
 * Stores a moment. Entries need not come in the order of their time, but search is fastest where neighbours are
 * alike, as they are in video. Every 2048th writes a file of them, which takes a moment.
 *
 * Returns: %FALSE with @error set when something is wrong with the entry, or when it could not be written
 */
gboolean
simclr_index_add (SimclrIndex *self, const gfloat *embedding, gsize n_floats, gint64 time,
    const gchar *stream, const gchar *source, GBytes *thumbnail, guint thumbnail_width,
    guint thumbnail_height, GError **error)
{
  SimclrEntry entry = {NULL, time, NULL, {thumbnail, thumbnail_width, thumbnail_height}};
  gboolean added;

  g_return_val_if_fail (SIMCLR_IS_INDEX (self), FALSE);
  g_return_val_if_fail (embedding != NULL || n_floats == 0, FALSE);

  stream = stream != NULL ? stream : "";
  source = source != NULL ? source : "";
  if (!self->writable) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_UNSUPPORTED, "index \"%s\" is open for reading",
        self->path);
    return FALSE;
  }
  if (!check_text ("stream", stream, error) || !check_text ("source", source, error) ||
      !check_picture (&entry.picture, error))
    return FALSE;
  if (thumbnail_width == 0 || thumbnail_height == 0)
    entry.picture = (SimclrPicture){NULL, 0, 0};
  entry.origin = _simclr_index_intern (self, stream, source);
  g_mutex_lock (&self->write_lock);
  added = add_entry (self, embedding, n_floats, &entry, error);
  g_mutex_unlock (&self->write_lock);
  return added;
}
