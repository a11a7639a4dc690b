/* Stored moments of hours of video, and what is known of them.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/search/index-private.h>

#include <simclr/simclr-error.h>
#include <string.h>

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
