/* A full chunk of an index as a safetensors file, read by mapping it.
 *
 *   metadata   kind "simclr-index-1"; first, the first entry's number; encoder, what made the embeddings;
 *              stream.N and source.N, the origins that entries name
 *   time       I64 (entries), nanoseconds
 *   origin     I64 (entries), N
 *   picture    I64 (entries, 3): end of the thumbnail's bytes, width, height
 *   embedding  F32 (entries, floats), of unit length
 *   center     F32 (blocks, floats): the mean of each 128 entries
 *   radius     F32 (blocks): no entry is farther from its block's centre
 *   scale      F32 (entries)
 *   error      F32 (entries): no smaller than the norm of embedding - center - scale * code
 *   code       U8 (entries * floats), signed
 *   thumbnail  U8: RGB bytes of all thumbnails, one after the other
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/search/index-private.h>

#include <simclr/io/safetensors-private.h>
#include <simclr/simclr-error.h>
#include <math.h>

#define KIND "simclr-index-1"
#define PICTURE_FIELDS 3

/* Numbers the chunk's origins in the order of their first entry. */
static gint64 *
number_origins (const SimclrChunk *chunk, SimclrSafetensorsWriter *writer)
{
  g_autoptr (GHashTable) numbers = g_hash_table_new (NULL, NULL);
  gint64 *origins = g_new (gint64, chunk->count);

  for (guint row = 0; row < chunk->count; row++) {
    SimclrOrigin *origin = chunk->origins[row];
    guint number = GPOINTER_TO_UINT (g_hash_table_lookup (numbers, origin));

    if (number == 0) {
      g_autofree gchar *stream = NULL, *source = NULL;

      number = g_hash_table_size (numbers) + 1;
      g_hash_table_insert (numbers, origin, GUINT_TO_POINTER (number));
      stream = g_strdup_printf ("stream.%u", number - 1);
      source = g_strdup_printf ("source.%u", number - 1);
      _simclr_safetensors_writer_set_metadata (writer, stream, origin->stream);
      _simclr_safetensors_writer_set_metadata (writer, source, origin->source);
    }
    origins[row] = number - 1;
  }
  return origins;
}

static void
add_pictures (const SimclrChunk *chunk, SimclrSafetensorsWriter *writer)
{
  const gsize shape[] = {chunk->count, PICTURE_FIELDS};
  gint64 *fields = g_new (gint64, chunk->count * PICTURE_FIELDS);
  GByteArray *all = g_byte_array_new ();
  g_autoptr (GBytes) bytes = NULL;

  for (guint row = 0; row < chunk->count; row++) {
    const SimclrPicture *picture = &chunk->pictures[row];

    if (picture->bytes != NULL)
      g_byte_array_append (
          all, g_bytes_get_data (picture->bytes, NULL), (guint) g_bytes_get_size (picture->bytes));
    fields[row * PICTURE_FIELDS] = all->len;
    fields[row * PICTURE_FIELDS + 1] = picture->width;
    fields[row * PICTURE_FIELDS + 2] = picture->height;
  }
  bytes = g_byte_array_free_to_bytes (all);
  _simclr_safetensors_writer_take_integers (writer, "picture", 2, shape, fields);
  _simclr_safetensors_writer_add_bytes (writer, "thumbnail", bytes);
}

gboolean
_simclr_segment_write (
    const SimclrChunk *chunk, const gchar *encoder, const gchar *path, GError **error)
{
  g_autoptr (SimclrSafetensorsWriter) writer = _simclr_safetensors_writer_new ();
  g_autofree gchar *first = g_strdup_printf ("%" G_GUINT64_FORMAT, chunk->first);
  gsize blocks = SIMCLR_N_BLOCKS (chunk->count);
  const gsize rows[] = {chunk->count, chunk->size}, centers[] = {blocks, chunk->size};
  g_autoptr (GBytes) codes = g_bytes_new_static (chunk->codes, chunk->count * chunk->size);

  _simclr_safetensors_writer_set_metadata (writer, "kind", KIND);
  _simclr_safetensors_writer_set_metadata (writer, "first", first);
  if (encoder != NULL)
    _simclr_safetensors_writer_set_metadata (writer, "encoder", encoder);
  _simclr_safetensors_writer_take_integers (
      writer, "time", 1, rows, g_memdup2 (chunk->times, chunk->count * sizeof (gint64)));
  _simclr_safetensors_writer_take_integers (
      writer, "origin", 1, rows, number_origins (chunk, writer));
  add_pictures (chunk, writer);
  _simclr_safetensors_writer_add (writer, "embedding", 2, rows, chunk->rows);
  _simclr_safetensors_writer_add (writer, "center", 2, centers, chunk->centers);
  _simclr_safetensors_writer_add (writer, "radius", 1, centers, chunk->radii);
  _simclr_safetensors_writer_add (writer, "scale", 1, rows, chunk->scales);
  _simclr_safetensors_writer_add (writer, "error", 1, rows, chunk->errors);
  _simclr_safetensors_writer_add_bytes (writer, "code", codes);
  return _simclr_safetensors_writer_write (writer, path, error);
}

/* A tensor of that shape (columns 0: one dimension), or an error that names it. */
static const SimclrSafetensor *
find (SimclrSafetensors *file, const gchar *name, SimclrDtype type, guint64 rows, guint64 columns,
    GError **error)
{
  const SimclrSafetensor *tensor = _simclr_safetensors_lookup (file, name);
  guint dims = columns > 0 ? 2 : 1;

  if (tensor != NULL && tensor->dtype == type && tensor->n_dims == dims &&
      tensor->shape[0] == rows && (columns == 0 || tensor->shape[1] == columns))
    return tensor;
  _simclr_safetensors_fail (error,
      "tensor \"%s\" of an index is missing or has another type or shape than its "
      "%" G_GUINT64_FORMAT " entries need",
      name, rows);
  return NULL;
}

/* Where the floats lie in the mapping, or a copy where this machine cannot read them there. */
static const gfloat *
map_floats (SimclrChunk *self, SimclrSafetensors *file, const gchar *name, guint64 rows,
    guint64 columns, GError **error)
{
  const SimclrSafetensor *tensor = find (file, name, SIMCLR_DTYPE_F32, rows, columns, error);
  gconstpointer floats = tensor != NULL ? _simclr_safetensors_borrow (file, tensor) : NULL;
  gfloat *copy;

  if (tensor == NULL)
    return NULL;
  if (G_BYTE_ORDER == G_LITTLE_ENDIAN && GPOINTER_TO_SIZE (floats) % sizeof (gfloat) == 0)
    return floats;
  copy = g_try_new (gfloat, tensor->count);
  g_ptr_array_add (self->memory, copy);
  if (copy == NULL) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MEMORY, "no memory for tensor \"%s\"", name);
    return NULL;
  }
  return _simclr_safetensors_read_floats (file, tensor, copy, tensor->count, error) ? copy : NULL;
}

static gboolean
map_rows (SimclrChunk *self, SimclrSafetensors *file, GError **error)
{
  guint64 blocks = SIMCLR_N_BLOCKS (self->count);
  const SimclrSafetensor *code = _simclr_safetensors_lookup (file, "code");

  if (code == NULL || code->dtype != SIMCLR_DTYPE_OTHER || code->n_dims != 1 ||
      code->bytes != code->count || code->count != self->count * self->size)
    return _simclr_safetensors_fail (error, "tensor \"code\" does not have a byte for each float");
  self->codes = _simclr_safetensors_borrow (file, code);
  if ((self->rows = map_floats (self, file, "embedding", self->count, self->size, error)) == NULL ||
      (self->centers = map_floats (self, file, "center", blocks, self->size, error)) == NULL ||
      (self->radii = map_floats (self, file, "radius", blocks, 0, error)) == NULL ||
      (self->scales = map_floats (self, file, "scale", self->count, 0, error)) == NULL ||
      (self->errors = map_floats (self, file, "error", self->count, 0, error)) == NULL)
    return FALSE;
  for (guint row = 0; row < self->count; row++) {
    if (!(self->scales[row] >= 0 && isfinite (self->scales[row])) ||
        !(self->errors[row] >= 0 && isfinite (self->errors[row])) ||
        !isfinite (self->radii[row / SIMCLR_BLOCK_ROWS]))
      return _simclr_safetensors_fail (error, "the codes of entry %u are not sound", row);
  }
  return TRUE;
}

static gboolean
read_origins (SimclrChunk *self, SimclrSafetensors *file, SimclrInternFunc intern, gpointer data,
    GError **error)
{
  const SimclrSafetensor *tensor = find (file, "origin", SIMCLR_DTYPE_I64, self->count, 0, error);
  g_autofree gint64 *numbers = g_new (gint64, self->count);
  g_autoptr (GHashTable) known = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, NULL);

  if (tensor == NULL ||
      !_simclr_safetensors_read_integers (file, tensor, numbers, self->count, error))
    return FALSE;
  for (guint row = 0; row < self->count; row++) {
    self->origins[row] = g_hash_table_lookup (known, &numbers[row]);
    if (self->origins[row] == NULL) {
      g_autofree gchar *stream_key = g_strdup_printf ("stream.%" G_GINT64_FORMAT, numbers[row]);
      g_autofree gchar *source_key = g_strdup_printf ("source.%" G_GINT64_FORMAT, numbers[row]);
      const gchar *stream = _simclr_safetensors_get_metadata (file, stream_key);
      const gchar *source = _simclr_safetensors_get_metadata (file, source_key);

      if (stream == NULL || source == NULL)
        return _simclr_safetensors_fail (
            error, "entry %u names a stream that the file does not (\"%s\")", row, stream_key);
      self->origins[row] = intern (data, stream, source);
      g_hash_table_insert (known, &numbers[row], self->origins[row]);
    }
  }
  return TRUE;
}

static gboolean
read_pictures (SimclrChunk *self, SimclrSafetensors *file, GError **error)
{
  const SimclrSafetensor *tensor =
      find (file, "picture", SIMCLR_DTYPE_I64, self->count, PICTURE_FIELDS, error);
  const SimclrSafetensor *all = _simclr_safetensors_lookup (file, "thumbnail");
  g_autofree gint64 *fields = g_new (gint64, (gsize) self->count * PICTURE_FIELDS);
  gsize offset, end = 0;

  if (tensor == NULL || !_simclr_safetensors_read_integers (
                            file, tensor, fields, (gsize) self->count * PICTURE_FIELDS, error))
    return FALSE;
  if (all == NULL || all->dtype != SIMCLR_DTYPE_OTHER || all->n_dims != 1 ||
      all->bytes != all->count)
    return _simclr_safetensors_fail (error, "tensor \"thumbnail\" is not a row of bytes");
  offset = (gsize) ((const guint8 *) _simclr_safetensors_borrow (file, all) -
                    (const guint8 *) g_bytes_get_data (self->file, NULL));
  for (guint row = 0; row < self->count; row++) {
    const gint64 *field = fields + (gsize) row * PICTURE_FIELDS;
    SimclrPicture *picture = &self->pictures[row];

    if (field[1] < 0 || field[1] > SIMCLR_THUMBNAIL_MOST || field[2] < 0 ||
        field[2] > SIMCLR_THUMBNAIL_MOST || field[0] != (gint64) end + field[1] * field[2] * 3 ||
        field[0] > (gint64) all->bytes)
      return _simclr_safetensors_fail (error, "the thumbnail of entry %u does not fit", row);
    picture->width = (guint) field[1];
    picture->height = (guint) field[2];
    if (field[0] > (gint64) end)
      picture->bytes = g_bytes_new_from_bytes (self->file, offset + end, (gsize) field[0] - end);
    end = (gsize) field[0];
  }
  return TRUE;
}

/* How many entries of how many floats there are, and which; the rest is checked against that. */
static SimclrChunk *
read_size (SimclrSafetensors *file, GBytes *bytes, GError **error)
{
  const SimclrSafetensor *rows = _simclr_safetensors_lookup (file, "embedding");
  const gchar *kind = _simclr_safetensors_get_metadata (file, "kind");
  const gchar *first = _simclr_safetensors_get_metadata (file, "first");
  SimclrChunk *self;
  guint64 number;

  if (g_strcmp0 (kind, KIND) != 0) {
    _simclr_safetensors_fail (
        error, "not a part of an index (kind \"%s\", not \"" KIND "\")", kind != NULL ? kind : "");
    return NULL;
  }
  if (first == NULL || !g_ascii_string_to_unsigned (first, 10, 0, G_MAXINT64, &number, NULL)) {
    _simclr_safetensors_fail (error, "the first entry has no number");
    return NULL;
  }
  if (rows == NULL || rows->n_dims != 2 || rows->shape[0] < 1 || rows->shape[0] > 1 << 24 ||
      rows->shape[1] < 1 || rows->shape[1] > SIMCLR_INDEX_MOST_FLOATS) {
    _simclr_safetensors_fail (error,
        "there is no tensor \"embedding\" of entries of 1 to %d floats", SIMCLR_INDEX_MOST_FLOATS);
    return NULL;
  }
  self = g_new0 (SimclrChunk, 1);
  g_atomic_ref_count_init (&self->references);
  self->memory = g_ptr_array_new_with_free_func (g_free);
  self->file = g_bytes_ref (bytes);
  self->first = number;
  self->size = (gsize) rows->shape[1];
  self->capacity = self->count = (guint) rows->shape[0];
  self->coded = SIMCLR_N_BLOCKS (self->count);
  return self;
}

static gboolean
read_times (SimclrChunk *self, SimclrSafetensors *file, GError **error)
{
  const SimclrSafetensor *tensor = find (file, "time", SIMCLR_DTYPE_I64, self->count, 0, error);

  return tensor != NULL &&
         _simclr_safetensors_read_integers (file, tensor, self->times, self->count, error);
}

SimclrChunk *
_simclr_segment_read (
    GBytes *bytes, SimclrInternFunc intern, gpointer data, gchar **encoder, GError **error)
{
  g_autoptr (SimclrSafetensors) file = _simclr_safetensors_parse (bytes, error);
  g_autoptr (SimclrChunk) self = file != NULL ? read_size (file, bytes, error) : NULL;

  /* what the file cannot hold is not allocated: the tensors' sizes are checked first */
  if (self == NULL || !map_rows (self, file, error))
    return NULL;
  self->times = g_new (gint64, self->count);
  self->origins = g_new0 (SimclrOrigin *, self->count);
  self->pictures = g_new0 (SimclrPicture, self->count);
  g_ptr_array_add (self->memory, self->times);
  g_ptr_array_add (self->memory, self->origins);
  g_ptr_array_add (self->memory, self->pictures);
  if (!read_times (self, file, error) || !read_origins (self, file, intern, data, error) ||
      !read_pictures (self, file, error))
    return NULL;
  *encoder = g_strdup (_simclr_safetensors_get_metadata (file, "encoder"));
  return g_steal_pointer (&self);
}
