/* safetensors files: read with suspicion, written atomically.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

typedef enum
{
  SIMCLR_DTYPE_F64,
  SIMCLR_DTYPE_F32,
  SIMCLR_DTYPE_F16,
  SIMCLR_DTYPE_BF16,
  SIMCLR_DTYPE_I64,
  SIMCLR_DTYPE_OTHER, /* known to the format, not readable as floats here */
} SimclrDtype;

typedef struct
{
  const gchar *name;
  SimclrDtype dtype;
  guint n_dims;
  guint64 shape[8];
  gsize offset; /* bytes from the start of the data */
  gsize bytes;
  gsize count; /* elements */
} SimclrSafetensor;

typedef struct _SimclrSafetensors SimclrSafetensors;

/* Says what is wrong with a file's content (SIMCLR_ERROR_FORMAT); returns FALSE. */
gboolean _simclr_safetensors_fail (GError **error, const gchar *format, ...) G_GNUC_PRINTF (2, 3);

/* Reads the whole file; every offset, shape and size is checked before use. */
SimclrSafetensors *_simclr_safetensors_open (const gchar *path, GError **error);
SimclrSafetensors *_simclr_safetensors_parse (GBytes *bytes, GError **error);
void _simclr_safetensors_free (SimclrSafetensors *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimclrSafetensors, _simclr_safetensors_free)

guint _simclr_safetensors_get_length (SimclrSafetensors *self);
const SimclrSafetensor *_simclr_safetensors_get (SimclrSafetensors *self, guint number);
const SimclrSafetensor *_simclr_safetensors_lookup (SimclrSafetensors *self, const gchar *name);
/* Calls a tensor by another name from now on; FALSE where there is one of that name. */
gboolean _simclr_safetensors_rename (SimclrSafetensors *self, guint number, const gchar *name);
/* NULL where the file has no such key in __metadata__. */
const gchar *_simclr_safetensors_get_metadata (SimclrSafetensors *self, const gchar *key);
/* Converts F64, F32, F16 and BF16 to count floats; count must be the tensor's. */
gboolean _simclr_safetensors_read_floats (SimclrSafetensors *self, const SimclrSafetensor *tensor,
    gfloat *floats, gsize count, GError **error);
/* The count elements of an I64 tensor. */
gboolean _simclr_safetensors_read_integers (SimclrSafetensors *self, const SimclrSafetensor *tensor,
    gint64 *integers, gsize count, GError **error);
/* Writes the whole file once more, atomically, whatever has become of its path since. */
gboolean _simclr_safetensors_copy (SimclrSafetensors *self, const gchar *path, GError **error);

/* Where the tensor lies in the bytes that were parsed, little-endian and aligned as it happens to be; NULL for
 * a file that was opened by name. */
gconstpointer _simclr_safetensors_borrow (SimclrSafetensors *self, const SimclrSafetensor *tensor);

/* The bytes of a U8 tensor of one dimension; NULL with error set for any other. */
GBytes *_simclr_safetensors_read_bytes (
    SimclrSafetensors *self, const SimclrSafetensor *tensor, GError **error);

typedef struct _SimclrSafetensorsWriter SimclrSafetensorsWriter;

SimclrSafetensorsWriter *_simclr_safetensors_writer_new (void);
void _simclr_safetensors_writer_free (SimclrSafetensorsWriter *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimclrSafetensorsWriter, _simclr_safetensors_writer_free)
void _simclr_safetensors_writer_set_metadata (
    SimclrSafetensorsWriter *self, const gchar *key, const gchar *value);
/* F32 tensors; data is borrowed until written. */
void _simclr_safetensors_writer_add (SimclrSafetensorsWriter *self, const gchar *name, guint n_dims,
    const gsize *shape, const gfloat *data);
/* The same, the writer frees the data with g_free(). */
void _simclr_safetensors_writer_take (SimclrSafetensorsWriter *self, const gchar *name,
    guint n_dims, const gsize *shape, gfloat *data);
/* A U8 tensor of one dimension; keeps a reference to the bytes. */
void _simclr_safetensors_writer_add_bytes (
    SimclrSafetensorsWriter *self, const gchar *name, GBytes *bytes);
/* An I64 scalar (torch's num_batches_tracked). */
void _simclr_safetensors_writer_add_scalar (
    SimclrSafetensorsWriter *self, const gchar *name, gint64 value);
/* I64 tensors; the writer frees the data with g_free(). */
void _simclr_safetensors_writer_take_integers (SimclrSafetensorsWriter *self, const gchar *name,
    guint n_dims, const gsize *shape, gint64 *data);
gboolean _simclr_safetensors_writer_write (
    SimclrSafetensorsWriter *self, const gchar *path, GError **error);
