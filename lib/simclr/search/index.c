/* Stored moments of hours of video: adding, bounding, and what is known of them.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/search/index-private.h>

#include <simclr/simclr-error.h>
#include <glib/gstdio.h>
#include <string.h>

#define MOST_TEXT 65535 /* bytes of a name of a stream or source */
#define MOST_ENCODER 4096

enum
{
  PROP_0,
  PROP_PATH,
  PROP_MAX_ENTRIES,
  PROP_ENCODER,
  N_PROPERTIES,
};

static GParamSpec *properties[N_PROPERTIES];

G_DEFINE_FINAL_TYPE (SimclrIndex, simclr_index, G_TYPE_OBJECT)

static void
simclr_index_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  SimclrIndex *self = SIMCLR_INDEX (object);

  switch (id) {
  case PROP_PATH:
    g_value_set_string (value, self->path);
    break;
  case PROP_MAX_ENTRIES:
    g_value_set_uint64 (value, self->max_entries);
    break;
  case PROP_ENCODER:
    g_value_take_string (value, simclr_index_dup_encoder (self));
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
}

static void
simclr_index_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  SimclrIndex *self = SIMCLR_INDEX (object);

  switch (id) {
  case PROP_PATH:
    self->path = g_value_dup_string (value);
    break;
  case PROP_MAX_ENTRIES:
    self->max_entries = g_value_get_uint64 (value);
    break;
  case PROP_ENCODER:
    simclr_index_set_encoder (self, g_value_get_string (value));
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
}

static void
simclr_index_finalize (GObject *object)
{
  SimclrIndex *self = SIMCLR_INDEX (object);

  g_clear_pointer (&self->folder, _simclr_index_folder_free);
  g_ptr_array_unref (self->chunks);
  g_hash_table_unref (self->origins);
  g_hash_table_unref (self->strings);
  g_free (self->unit);
  g_free (self->encoder);
  g_free (self->path);
  g_mutex_clear (&self->lock);
  g_mutex_clear (&self->write_lock);
  G_OBJECT_CLASS (simclr_index_parent_class)->finalize (object);
}

static void
simclr_index_class_init (SimclrIndexClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags constant = G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS;

  object_class->get_property = simclr_index_get_property;
  object_class->set_property = simclr_index_set_property;
  object_class->finalize = simclr_index_finalize;
  /* an index with a path is made by simclr_index_open(), which can fail */
  properties[PROP_PATH] = g_param_spec_string ("path", "Path",
      "Folder that holds the entries; unset: they are in memory only.", NULL,
      G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  properties[PROP_MAX_ENTRIES] = g_param_spec_uint64 ("max-entries", "Maximum entries",
      "Entries that are kept at most; when there are more the oldest go, an eighth of this (at "
      "most "
      "2048) at a time. 0: no bound.",
      0, G_MAXUINT64, 0, constant);
  properties[PROP_ENCODER] = g_param_spec_string ("encoder", "Encoder",
      "What made the embeddings, in words of the caller's; kept with them.", NULL,
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS);
  g_object_class_install_properties (object_class, N_PROPERTIES, properties);
}

/* Pointers into `strings` are equal where the texts are. */
static guint
hash_origin (gconstpointer key)
{
  const SimclrOrigin *origin = key;

  return g_direct_hash (origin->stream) * 31 + g_direct_hash (origin->source);
}

static gboolean
equal_origins (gconstpointer a, gconstpointer b)
{
  return memcmp (a, b, sizeof (SimclrOrigin)) == 0;
}

static void
simclr_index_init (SimclrIndex *self)
{
  g_mutex_init (&self->write_lock);
  g_mutex_init (&self->lock);
  self->writable = TRUE;
  self->chunks = g_ptr_array_new_with_free_func ((GDestroyNotify) _simclr_chunk_unref);
  self->strings = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->origins = g_hash_table_new_full (hash_origin, equal_origins, g_free, NULL);
}

/**
 * simclr_index_new:
 * @max_entries: entries that are kept at most, 0: no bound
 *
 * Makes an index in memory.
 *
 * Returns: (transfer full): an empty index
 */
SimclrIndex *
simclr_index_new (guint64 max_entries)
{
  return g_object_new (SIMCLR_TYPE_INDEX, "max-entries", max_entries, NULL);
}

static SimclrIndex *
open_index (const gchar *path, guint64 max_entries, gboolean writable, GError **error)
{
  g_autoptr (SimclrIndex) self = simclr_index_new (max_entries);

  self->path = g_strdup (path);
  self->writable = writable;
  if (_simclr_index_folder_open (self, error))
    return g_steal_pointer (&self);
  g_prefix_error (error, "index \"%s\": ", path);
  return NULL;
}

/**
 * simclr_index_open:
 * @path: (type filename): a folder, made if it is not there
 * @max_entries: entries that are kept at most, 0: no bound
 * @error: return location for an error
 *
 * Opens an index in a folder, to add to it and to search it. Once added, an entry is in a file and
 * survives the process, however that ends. One process at a time adds (another gets %SIMCLR_ERROR_BUSY); any
 * number may read meanwhile. A damaged file is an error that names it, and nothing is changed; moved away,
 * the rest is still there.
 *
 * Returns: (transfer full): an index, or %NULL with @error set
 */
SimclrIndex *
simclr_index_open (const gchar *path, guint64 max_entries, GError **error)
{
  g_return_val_if_fail (path != NULL, NULL);

  return open_index (path, max_entries, TRUE, error);
}

/**
 * simclr_index_open_readonly:
 * @path: (type filename): the folder of an index
 * @error: return location for an error
 *
 * Opens an index as it is now, to search it, also while another process adds to it.
 *
 * Returns: (transfer full): an index, or %NULL with @error set
 */
SimclrIndex *
simclr_index_open_readonly (const gchar *path, GError **error)
{
  g_return_val_if_fail (path != NULL, NULL);

  return open_index (path, 0, FALSE, error);
}

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

/**
 * simclr_index_sync:
 * @self: an index
 * @error: return location for an error
 *
 * Waits until what was added survives not only the process but the machine.
 *
 * Returns: %FALSE with @error set when it could not be written
 */
gboolean
simclr_index_sync (SimclrIndex *self, GError **error)
{
  gboolean synced = TRUE;

  g_return_val_if_fail (SIMCLR_IS_INDEX (self), FALSE);

  g_mutex_lock (&self->write_lock);
  if (self->folder != NULL)
    synced = _simclr_index_folder_sync (self, error);
  g_mutex_unlock (&self->write_lock);
  return synced;
}

/**
 * simclr_index_get_n_entries:
 * @self: an index
 *
 * Returns: how many entries there are
 */
guint64
simclr_index_get_n_entries (SimclrIndex *self)
{
  guint64 total;

  g_return_val_if_fail (SIMCLR_IS_INDEX (self), 0);

  g_mutex_lock (&self->lock);
  total = self->total;
  g_mutex_unlock (&self->lock);
  return total;
}

/**
 * simclr_index_get_embedding_size:
 * @self: an index
 *
 * Returns: floats of an embedding; 0 while it is empty
 */
guint
simclr_index_get_embedding_size (SimclrIndex *self)
{
  guint size;

  g_return_val_if_fail (SIMCLR_IS_INDEX (self), 0);

  g_mutex_lock (&self->lock);
  size = (guint) self->size;
  g_mutex_unlock (&self->lock);
  return size;
}

static gint
compare_texts (gconstpointer a, gconstpointer b)
{
  return g_strcmp0 (*(const gchar *const *) a, *(const gchar *const *) b);
}

/**
 * simclr_index_get_streams:
 * @self: an index
 *
 * Returns: (transfer full) (array zero-terminated=1): names of streams that entries were added of, in
 *   alphabetical order
 */
gchar **
simclr_index_get_streams (SimclrIndex *self)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  GPtrArray *names = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer key;

  g_return_val_if_fail (SIMCLR_IS_INDEX (self), NULL);

  g_mutex_lock (&self->lock);
  g_hash_table_iter_init (&iter, self->origins);
  while (g_hash_table_iter_next (&iter, &key, NULL)) {
    const SimclrOrigin *origin = key;

    if (g_hash_table_add (seen, (gpointer) origin->stream))
      g_ptr_array_add (names, g_strdup (origin->stream));
  }
  g_mutex_unlock (&self->lock);
  g_ptr_array_sort (names, compare_texts);
  g_ptr_array_add (names, NULL);
  return (gchar **) g_ptr_array_free (names, FALSE);
}

/**
 * simclr_index_dup_encoder: (get-property encoder)
 * @self: an index
 *
 * Returns: (transfer full) (nullable): what made the embeddings, in words; %NULL where nobody said
 */
gchar *
simclr_index_dup_encoder (SimclrIndex *self)
{
  gchar *encoder;

  g_return_val_if_fail (SIMCLR_IS_INDEX (self), NULL);

  g_mutex_lock (&self->lock);
  encoder = g_strdup (self->encoder);
  g_mutex_unlock (&self->lock);
  return encoder;
}

/**
 * simclr_index_set_encoder: (set-property encoder)
 * @self: an index
 * @encoder: (nullable): what makes the embeddings, at most 4096 bytes of UTF-8
 *
 * Says what makes the embeddings; it is kept with those that are added from now on.
 */
void
simclr_index_set_encoder (SimclrIndex *self, const gchar *encoder)
{
  g_return_if_fail (SIMCLR_IS_INDEX (self));
  g_return_if_fail (encoder == NULL || strlen (encoder) <= MOST_ENCODER);

  g_mutex_lock (&self->write_lock);
  g_mutex_lock (&self->lock);
  g_free (self->encoder);
  self->encoder = encoder != NULL ? g_utf8_make_valid (encoder, -1) : NULL;
  g_mutex_unlock (&self->lock);
  g_mutex_unlock (&self->write_lock);
}
