/* safetensors files, written atomically; the same content gives the same bytes.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/io/safetensors-private.h>

#include <simclr/io/atomic-file-private.h>
#include <string.h>

#define MAX_DIMS G_N_ELEMENTS (((SimclrSafetensor *) NULL)->shape)
/* The header ends at a multiple of this, so that mapped tensors are aligned. */
#define HEADER_ALIGNMENT 8

typedef struct
{
  gchar *name;
  guint n_dims;
  gsize shape[MAX_DIMS];
  gsize bytes;
  const gfloat *floats; /* F32, or NULL: */
  gfloat *owned;        /* to be freed */
  GBytes *raw;          /* U8, or NULL: */
  gint64 *integers;     /* I64, owned */
} Entry;

typedef struct
{
  gchar *key;
  gchar *value;
} Metadata;

struct _SimclrSafetensorsWriter
{
  GPtrArray *entries;  /* Entry */
  GPtrArray *metadata; /* Metadata */
  GHashTable *by_name; /* the entry's own name, against writing one twice */
};

static void
entry_free (gpointer data)
{
  Entry *self = data;

  g_free (self->owned);
  g_clear_pointer (&self->raw, g_bytes_unref);
  g_free (self->integers);
  g_free (self->name);
  g_free (self);
}

static void
metadata_free (gpointer data)
{
  Metadata *self = data;

  g_free (self->key);
  g_free (self->value);
  g_free (self);
}

SimclrSafetensorsWriter *
_simclr_safetensors_writer_new (void)
{
  SimclrSafetensorsWriter *self = g_new0 (SimclrSafetensorsWriter, 1);

  self->entries = g_ptr_array_new_with_free_func (entry_free);
  self->metadata = g_ptr_array_new_with_free_func (metadata_free);
  self->by_name = g_hash_table_new (g_str_hash, g_str_equal);
  return self;
}

void
_simclr_safetensors_writer_free (SimclrSafetensorsWriter *self)
{
  g_hash_table_unref (self->by_name);
  g_ptr_array_unref (self->entries);
  g_ptr_array_unref (self->metadata);
  g_free (self);
}

void
_simclr_safetensors_writer_set_metadata (
    SimclrSafetensorsWriter *self, const gchar *key, const gchar *value)
{
  Metadata *metadata;

  for (guint i = 0; i < self->metadata->len; i++) {
    metadata = g_ptr_array_index (self->metadata, i);
    if (g_str_equal (metadata->key, key)) {
      g_free (metadata->value);
      metadata->value = g_utf8_make_valid (value, -1);
      return;
    }
  }
  metadata = g_new0 (Metadata, 1);
  metadata->key = g_utf8_make_valid (key, -1);
  metadata->value = g_utf8_make_valid (value, -1);
  g_ptr_array_add (self->metadata, metadata);
}

static Entry *
add_entry (SimclrSafetensorsWriter *self, const gchar *name, guint n_dims, const gsize *shape,
    gsize element_bytes)
{
  Entry *entry = g_new0 (Entry, 1);

  g_assert (n_dims <= MAX_DIMS);
  g_assert (!g_hash_table_contains (self->by_name, name));

  entry->name = g_strdup (name);
  entry->n_dims = n_dims;
  entry->bytes = element_bytes;
  for (guint i = 0; i < n_dims; i++) {
    entry->shape[i] = shape[i];
    entry->bytes *= shape[i];
  }
  g_ptr_array_add (self->entries, entry);
  g_hash_table_add (self->by_name, entry->name);
  return entry;
}

void
_simclr_safetensors_writer_add (SimclrSafetensorsWriter *self, const gchar *name, guint n_dims,
    const gsize *shape, const gfloat *data)
{
  add_entry (self, name, n_dims, shape, sizeof (gfloat))->floats = data;
}

void
_simclr_safetensors_writer_take (SimclrSafetensorsWriter *self, const gchar *name, guint n_dims,
    const gsize *shape, gfloat *data)
{
  Entry *entry = add_entry (self, name, n_dims, shape, sizeof (gfloat));

  entry->floats = data;
  entry->owned = data;
}

void
_simclr_safetensors_writer_add_bytes (
    SimclrSafetensorsWriter *self, const gchar *name, GBytes *bytes)
{
  const gsize shape[] = {g_bytes_get_size (bytes)};

  add_entry (self, name, 1, shape, 1)->raw = g_bytes_ref (bytes);
}

void
_simclr_safetensors_writer_add_scalar (
    SimclrSafetensorsWriter *self, const gchar *name, gint64 value)
{
  _simclr_safetensors_writer_take_integers (self, name, 0, NULL, g_memdup2 (&value, sizeof value));
}

void
_simclr_safetensors_writer_take_integers (SimclrSafetensorsWriter *self, const gchar *name,
    guint n_dims, const gsize *shape, gint64 *data)
{
  add_entry (self, name, n_dims, shape, sizeof (gint64))->integers = data;
}

static void
append_string (GString *json, const gchar *text)
{
  g_string_append_c (json, '"');
  for (const gchar *next = text; *next != '\0'; next++) {
    if (*next == '"' || *next == '\\')
      g_string_append_printf (json, "\\%c", *next);
    else if ((guchar) *next < 0x20)
      g_string_append_printf (json, "\\u%04x", (guint) *next);
    else
      g_string_append_c (json, *next);
  }
  g_string_append_c (json, '"');
}

static void
append_metadata (GString *json, GPtrArray *all)
{
  g_string_append (json, "\"__metadata__\":{");
  for (guint i = 0; i < all->len; i++) {
    const Metadata *metadata = g_ptr_array_index (all, i);

    if (i > 0)
      g_string_append_c (json, ',');
    append_string (json, metadata->key);
    g_string_append_c (json, ':');
    append_string (json, metadata->value);
  }
  g_string_append_c (json, '}');
}

/* Bytes of an element: what the file is ordered by. */
static gsize
element_width (const Entry *entry)
{
  return entry->raw != NULL ? 1 : entry->floats != NULL ? 4 : 8;
}

static const gchar *
dtype_name (const Entry *entry)
{
  return entry->raw != NULL ? "U8" : entry->floats != NULL ? "F32" : "I64";
}

static void
append_entry (GString *json, const Entry *entry, gsize offset)
{
  append_string (json, entry->name);
  g_string_append_printf (json, ":{\"dtype\":\"%s\",\"shape\":[", dtype_name (entry));
  for (guint i = 0; i < entry->n_dims; i++)
    g_string_append_printf (json, "%s%" G_GSIZE_FORMAT, i > 0 ? "," : "", entry->shape[i]);
  g_string_append_printf (json, "],\"data_offsets\":[%" G_GSIZE_FORMAT ",%" G_GSIZE_FORMAT "]}",
      offset, offset + entry->bytes);
}

/* Wider types first, as the reference implementation, so that each tensor is aligned to its type. */
static GPtrArray *
file_order (SimclrSafetensorsWriter *self)
{
  static const gsize widths[] = {8, 4, 1};
  GPtrArray *ordered = g_ptr_array_sized_new (self->entries->len);

  for (guint pass = 0; pass < G_N_ELEMENTS (widths); pass++) {
    for (guint i = 0; i < self->entries->len; i++) {
      Entry *entry = g_ptr_array_index (self->entries, i);

      if (element_width (entry) == widths[pass])
        g_ptr_array_add (ordered, entry);
    }
  }
  return ordered;
}

static GString *
build_header (SimclrSafetensorsWriter *self, GPtrArray *ordered)
{
  GString *json = g_string_new ("{");
  gsize offset = 0;

  if (self->metadata->len > 0)
    append_metadata (json, self->metadata);
  for (guint i = 0; i < ordered->len; i++) {
    const Entry *entry = g_ptr_array_index (ordered, i);

    if (json->len > 1)
      g_string_append_c (json, ',');
    append_entry (json, entry, offset);
    offset += entry->bytes;
  }
  g_string_append_c (json, '}');
  while (json->len % HEADER_ALIGNMENT != 0)
    g_string_append_c (json, ' ');
  return json;
}

static gboolean
write_floats (SimclrAtomicFile *file, const gfloat *floats, gsize bytes, GError **error)
{
#if G_BYTE_ORDER == G_LITTLE_ENDIAN
  return _simclr_atomic_file_write (file, floats, bytes, error);
#else
  guint32 chunk[4096];
  gsize count = bytes / sizeof (gfloat);

  for (gsize done = 0; done < count; done += G_N_ELEMENTS (chunk)) {
    gsize now = MIN (G_N_ELEMENTS (chunk), count - done);

    memcpy (chunk, floats + done, now * sizeof (guint32));
    for (gsize i = 0; i < now; i++)
      chunk[i] = GUINT32_TO_LE (chunk[i]);
    if (!_simclr_atomic_file_write (file, chunk, now * sizeof (guint32), error))
      return FALSE;
  }
  return TRUE;
#endif
}

static gboolean
write_integers (SimclrAtomicFile *file, gint64 *integers, gsize bytes, GError **error)
{
  for (gsize i = 0; i < bytes / sizeof (gint64); i++)
    integers[i] = GINT64_TO_LE (integers[i]);
  if (!_simclr_atomic_file_write (file, integers, bytes, error))
    return FALSE;
  for (gsize i = 0; i < bytes / sizeof (gint64); i++)
    integers[i] = GINT64_FROM_LE (integers[i]);
  return TRUE;
}

static gboolean
write_entry (SimclrAtomicFile *file, const Entry *entry, GError **error)
{
  if (entry->raw != NULL)
    return _simclr_atomic_file_write (
        file, g_bytes_get_data (entry->raw, NULL), entry->bytes, error);
  if (entry->floats != NULL)
    return write_floats (file, entry->floats, entry->bytes, error);
  return write_integers (file, entry->integers, entry->bytes, error);
}

gboolean
_simclr_safetensors_writer_write (SimclrSafetensorsWriter *self, const gchar *path, GError **error)
{
  g_autoptr (GPtrArray) ordered = file_order (self);
  g_autoptr (SimclrAtomicFile) file = _simclr_atomic_file_open (path, error);
  GString *json;
  guint64 length;
  gboolean written;

  if (file == NULL)
    return FALSE;
  json = build_header (self, ordered);
  length = GUINT64_TO_LE ((guint64) json->len);
  written = _simclr_atomic_file_write (file, &length, sizeof length, error) &&
            _simclr_atomic_file_write (file, json->str, json->len, error);
  g_string_free (json, TRUE);

  for (guint i = 0; written && i < ordered->len; i++)
    written = write_entry (file, g_ptr_array_index (ordered, i), error);
  return written && _simclr_atomic_file_commit (file, error);
}
