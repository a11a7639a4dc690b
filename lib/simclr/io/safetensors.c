/* safetensors files, read with suspicion.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/io/safetensors-private.h>

#include <simclr/io/atomic-file-private.h>
#include <simclr/io/safetensors-header-private.h>

#include <simclr/simclr-error.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The reference implementation's bound. */
#define MAX_HEADER_BYTES 100000000
#define LENGTH_BYTES 8
/* Values are converted through a buffer of this size. */
#define CHUNK_BYTES 65536

/* Tensors are read from the open file when asked for: nothing is allocated for what nobody wants, and a
 * writer that renames a new file into place does not disturb the one that is open here. */
struct _SimclrSafetensors
{
  GBytes *bytes; /* the file's content, or NULL: */
  int fd;        /* the file, else -1 */
  gsize size;
  gsize data; /* where tensors' offsets begin */
  SimclrSafetensorsHeader *header;
};

gboolean
_simclr_safetensors_fail (GError **error, const gchar *format, ...)
{
  g_autofree gchar *what = NULL;
  va_list arguments;

  va_start (arguments, format);
  what = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error_literal (error, SIMCLR_ERROR, SIMCLR_ERROR_FORMAT, what);
  return FALSE;
}

static gboolean
read_at (SimclrSafetensors *self, gsize offset, gpointer to, gsize bytes, GError **error)
{
  guint8 *next = to;

  if (self->bytes != NULL) {
    memcpy (to, (const guint8 *) g_bytes_get_data (self->bytes, NULL) + offset, bytes);
    return TRUE;
  }
  while (bytes > 0) {
    gssize got = pread (self->fd, next, MIN (bytes, (gsize) 1 << 30), (off_t) offset);

    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0) {
      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), "could not read: %s",
          g_strerror (errno));
      return FALSE;
    }
    if (got == 0)
      return _simclr_safetensors_fail (error, "the file was cut while being read");
    next += got;
    offset += (gsize) got;
    bytes -= (gsize) got;
  }
  return TRUE;
}

static gint
compare_offsets (gconstpointer a, gconstpointer b)
{
  const SimclrSafetensor *x = *(const SimclrSafetensor *const *) a;
  const SimclrSafetensor *y = *(const SimclrSafetensor *const *) b;

  if (x->offset != y->offset)
    return x->offset < y->offset ? -1 : 1;
  return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

/* The format wants every byte of the data to belong to exactly one tensor. */
static gboolean
check_coverage (SimclrSafetensors *self, GError **error)
{
  GArray *tensors = self->header->tensors;
  g_autoptr (GPtrArray) ordered = g_ptr_array_sized_new (tensors->len);
  gsize end = 0, available = self->size - self->data;

  for (guint i = 0; i < tensors->len; i++)
    g_ptr_array_add (ordered, &g_array_index (tensors, SimclrSafetensor, i));
  g_ptr_array_sort (ordered, compare_offsets);

  for (guint i = 0; i < ordered->len; i++) {
    const SimclrSafetensor *tensor = g_ptr_array_index (ordered, i);

    if (tensor->offset != end)
      return _simclr_safetensors_fail (error,
          "tensor \"%s\" begins at byte %" G_GSIZE_FORMAT " of the data, but %" G_GSIZE_FORMAT
          " is where the one before it ends",
          tensor->name, tensor->offset, end);
    end += tensor->bytes; /* both at most G_MAXSSIZE */
    if (end > available)
      return _simclr_safetensors_fail (error,
          "tensor \"%s\" ends at byte %" G_GSIZE_FORMAT " of the data, which has %" G_GSIZE_FORMAT,
          tensor->name, end, available);
  }
  if (end != available)
    return _simclr_safetensors_fail (error,
        "%" G_GSIZE_FORMAT " bytes of data, but the tensors take %" G_GSIZE_FORMAT, available, end);
  return TRUE;
}

static gboolean
read_header (SimclrSafetensors *self, GError **error)
{
  g_autofree gchar *json = NULL;
  guint64 length;

  if (self->size < LENGTH_BYTES)
    return _simclr_safetensors_fail (
        error, "%" G_GSIZE_FORMAT " bytes are too few for a safetensors file", self->size);
  if (!read_at (self, 0, &length, LENGTH_BYTES, error))
    return FALSE;
  length = GUINT64_FROM_LE (length);
  if (length > MAX_HEADER_BYTES || length > self->size - LENGTH_BYTES)
    return _simclr_safetensors_fail (error,
        "not a safetensors file: a header of %" G_GUINT64_FORMAT
        " bytes in a file of %" G_GSIZE_FORMAT " (at most %d)",
        length, self->size, MAX_HEADER_BYTES);

  json = g_try_malloc ((gsize) length + 1);
  if (json == NULL) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MEMORY,
        "no memory for a header of %" G_GUINT64_FORMAT " bytes", length);
    return FALSE;
  }
  if (!read_at (self, LENGTH_BYTES, json, (gsize) length, error))
    return FALSE;
  self->header = _simclr_safetensors_header_parse (json, (gsize) length, error);
  if (self->header == NULL)
    return FALSE;
  self->data = LENGTH_BYTES + (gsize) length;
  return check_coverage (self, error);
}

static gboolean
open_file (SimclrSafetensors *self, const gchar *path, GError **error)
{
  struct stat status;

  self->fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (self->fd < 0 || fstat (self->fd, &status) != 0) {
    g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), "could not open: %s",
        g_strerror (errno));
    return FALSE;
  }
  if (!S_ISREG (status.st_mode))
    return _simclr_safetensors_fail (error, "not a regular file");
  self->size = (gsize) status.st_size;
  return TRUE;
}

SimclrSafetensors *
_simclr_safetensors_open (const gchar *path, GError **error)
{
  g_autoptr (SimclrSafetensors) self = g_new0 (SimclrSafetensors, 1);

  self->fd = -1;
  if (!open_file (self, path, error) || !read_header (self, error)) {
    g_prefix_error (error, "\"%s\": ", path);
    return NULL;
  }
  return g_steal_pointer (&self);
}

SimclrSafetensors *
_simclr_safetensors_parse (GBytes *bytes, GError **error)
{
  g_autoptr (SimclrSafetensors) self = g_new0 (SimclrSafetensors, 1);

  self->fd = -1;
  self->bytes = g_bytes_ref (bytes);
  self->size = g_bytes_get_size (bytes);
  return read_header (self, error) ? g_steal_pointer (&self) : NULL;
}

void
_simclr_safetensors_free (SimclrSafetensors *self)
{
  g_clear_pointer (&self->header, _simclr_safetensors_header_free);
  g_clear_pointer (&self->bytes, g_bytes_unref);
  if (self->fd >= 0)
    close (self->fd);
  g_free (self);
}

guint
_simclr_safetensors_get_length (SimclrSafetensors *self)
{
  return self->header->tensors->len;
}

const SimclrSafetensor *
_simclr_safetensors_get (SimclrSafetensors *self, guint number)
{
  g_assert (number < self->header->tensors->len);
  return &g_array_index (self->header->tensors, SimclrSafetensor, number);
}

const SimclrSafetensor *
_simclr_safetensors_lookup (SimclrSafetensors *self, const gchar *name)
{
  guint number = GPOINTER_TO_UINT (g_hash_table_lookup (self->header->by_name, name));

  return number > 0 ? _simclr_safetensors_get (self, number - 1) : NULL;
}

gboolean
_simclr_safetensors_rename (SimclrSafetensors *self, guint number, const gchar *name)
{
  SimclrSafetensor *tensor = &g_array_index (self->header->tensors, SimclrSafetensor, number);
  gchar *copy;

  g_assert (number < self->header->tensors->len);
  if (g_hash_table_contains (self->header->by_name, name))
    return FALSE;
  copy = g_strdup (name);
  g_hash_table_remove (self->header->by_name, tensor->name);
  g_hash_table_insert (self->header->by_name, copy, GUINT_TO_POINTER (number + 1));
  tensor->name = copy;
  return TRUE;
}

const gchar *
_simclr_safetensors_get_metadata (SimclrSafetensors *self, const gchar *key)
{
  return g_hash_table_lookup (self->header->metadata, key);
}

static inline gfloat
float_from_bits (guint32 bits)
{
  gfloat value;

  memcpy (&value, &bits, sizeof value);
  return value;
}

static gfloat
float_from_half (guint16 half)
{
  guint32 sign = (guint32) (half & 0x8000) << 16;
  guint32 exponent = half >> 10 & 0x1f, fraction = half & 0x3ff;

  if (exponent == 0x1f) /* infinite or not a number */
    return float_from_bits (sign | 0x7f800000 | fraction << 13);
  if (exponent == 0) /* zero or subnormal: fraction * 2^-24 */
    return (sign ? -1.0f : 1.0f) * (gfloat) fraction * 0x1p-24f;
  return float_from_bits (sign | (exponent + 112) << 23 | fraction << 13);
}

/* count little-endian values of the type to floats. */
static void
convert (SimclrDtype dtype, const guint8 *from, gfloat *to, gsize count)
{
  for (gsize i = 0; i < count; i++) {
    guint64 bits64;
    guint32 bits32;
    guint16 bits16;
    gdouble value;

    switch (dtype) {
    case SIMCLR_DTYPE_F64:
      memcpy (&bits64, from + 8 * i, sizeof bits64);
      bits64 = GUINT64_FROM_LE (bits64);
      memcpy (&value, &bits64, sizeof value);
      to[i] = (gfloat) value;
      break;
    case SIMCLR_DTYPE_F16:
      memcpy (&bits16, from + 2 * i, sizeof bits16);
      to[i] = float_from_half (GUINT16_FROM_LE (bits16));
      break;
    case SIMCLR_DTYPE_BF16:
      memcpy (&bits16, from + 2 * i, sizeof bits16);
      to[i] = float_from_bits ((guint32) GUINT16_FROM_LE (bits16) << 16);
      break;
    default:
      memcpy (&bits32, from + 4 * i, sizeof bits32);
      to[i] = float_from_bits (GUINT32_FROM_LE (bits32));
      break;
    }
  }
}

static gboolean
check_count (const SimclrSafetensor *tensor, gsize count, GError **error)
{
  if (tensor->count == count)
    return TRUE;
  g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE,
      "tensor \"%s\" has %" G_GSIZE_FORMAT " elements, not %" G_GSIZE_FORMAT, tensor->name,
      tensor->count, count);
  return FALSE;
}

gboolean
_simclr_safetensors_read_floats (SimclrSafetensors *self, const SimclrSafetensor *tensor,
    gfloat *floats, gsize count, GError **error)
{
  guint8 chunk[CHUNK_BYTES];
  gsize width, step;

  if (tensor->dtype == SIMCLR_DTYPE_I64 || tensor->dtype == SIMCLR_DTYPE_OTHER)
    return _simclr_safetensors_fail (
        error, "tensor \"%s\" does not hold floating-point numbers", tensor->name);
  if (!check_count (tensor, count, error))
    return FALSE;
  if (count == 0)
    return TRUE;
  width = tensor->bytes / count;
  step = CHUNK_BYTES / width;
  for (gsize done = 0; done < count; done += step) {
    gsize now = MIN (step, count - done);

    if (!read_at (self, self->data + tensor->offset + done * width, chunk, now * width, error)) {
      g_prefix_error (error, "tensor \"%s\": ", tensor->name);
      return FALSE;
    }
    convert (tensor->dtype, chunk, floats + done, now);
  }
  return TRUE;
}

gconstpointer
_simclr_safetensors_borrow (SimclrSafetensors *self, const SimclrSafetensor *tensor)
{
  if (self->bytes == NULL)
    return NULL;
  return (const guint8 *) g_bytes_get_data (self->bytes, NULL) + self->data + tensor->offset;
}

GBytes *
_simclr_safetensors_read_bytes (
    SimclrSafetensors *self, const SimclrSafetensor *tensor, GError **error)
{
  g_autofree guint8 *bytes = NULL;

  if (tensor->dtype != SIMCLR_DTYPE_OTHER || tensor->n_dims != 1 ||
      tensor->bytes != tensor->count) {
    _simclr_safetensors_fail (error, "tensor \"%s\" is not a row of bytes", tensor->name);
    return NULL;
  }
  bytes = g_try_malloc (MAX (tensor->bytes, 1));
  if (bytes == NULL) {
    g_set_error (
        error, SIMCLR_ERROR, SIMCLR_ERROR_MEMORY, "no memory for tensor \"%s\"", tensor->name);
    return NULL;
  }
  if (tensor->bytes > 0 &&
      !read_at (self, self->data + tensor->offset, bytes, tensor->bytes, error)) {
    g_prefix_error (error, "tensor \"%s\": ", tensor->name);
    return NULL;
  }
  return g_bytes_new_take (g_steal_pointer (&bytes), tensor->bytes);
}

gboolean
_simclr_safetensors_read_integers (SimclrSafetensors *self, const SimclrSafetensor *tensor,
    gint64 *integers, gsize count, GError **error)
{
  if (tensor->dtype != SIMCLR_DTYPE_I64)
    return _simclr_safetensors_fail (
        error, "tensor \"%s\" does not hold 64-bit integers", tensor->name);
  if (!check_count (tensor, count, error))
    return FALSE;
  if (!read_at (self, self->data + tensor->offset, integers, tensor->bytes, error)) {
    g_prefix_error (error, "tensor \"%s\": ", tensor->name);
    return FALSE;
  }
  for (gsize i = 0; i < count; i++)
    integers[i] = GINT64_FROM_LE (integers[i]);
  return TRUE;
}

gboolean
_simclr_safetensors_copy (SimclrSafetensors *self, const gchar *path, GError **error)
{
  g_autoptr (SimclrAtomicFile) file = _simclr_atomic_file_open (path, error);
  guint8 chunk[CHUNK_BYTES];

  if (file == NULL)
    return FALSE;
  for (gsize done = 0; done < self->size; done += CHUNK_BYTES) {
    gsize now = MIN (CHUNK_BYTES, self->size - done);

    if (!read_at (self, done, chunk, now, error) ||
        !_simclr_atomic_file_write (file, chunk, now, error))
      return FALSE;
  }
  return _simclr_atomic_file_commit (file, error);
}
