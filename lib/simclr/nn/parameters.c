/* A table of named tensors that share one flat buffer.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/parameters-private.h>

#include <string.h>

/* Tensors start at multiples of 16 floats, one cache line. */
#define FLOATS_OF_A_LINE 16

struct _SimclrParameters
{
  gatomicrefcount references;
  GPtrArray *tensors;  /* SimclrParameter, owned; their addresses stay while the table grows */
  GHashTable *by_name; /* the tensor's own name to the tensor */
  gsize floats;
};

static void
parameter_free (gpointer data)
{
  SimclrParameter *self = data;

  g_free (self->name);
  g_free (self);
}

SimclrParameters *
_simclr_parameters_new (void)
{
  SimclrParameters *self = g_new0 (SimclrParameters, 1);

  g_atomic_ref_count_init (&self->references);
  self->tensors = g_ptr_array_new_with_free_func (parameter_free);
  self->by_name = g_hash_table_new (g_str_hash, g_str_equal);
  return self;
}

SimclrParameters *
_simclr_parameters_ref (SimclrParameters *self)
{
  g_atomic_ref_count_inc (&self->references);
  return self;
}

void
_simclr_parameters_unref (SimclrParameters *self)
{
  if (!g_atomic_ref_count_dec (&self->references))
    return;
  g_hash_table_unref (self->by_name);
  g_ptr_array_unref (self->tensors);
  g_free (self);
}

guint
_simclr_parameters_add (SimclrParameters *self, const gchar *name, SimclrParameterKind kind,
    guint n_dims, const gsize *shape)
{
  SimclrParameter *tensor = g_new0 (SimclrParameter, 1);

  g_assert (n_dims <= G_N_ELEMENTS (tensor->shape));
  g_assert (!g_hash_table_contains (self->by_name, name));

  tensor->name = g_strdup (name);
  tensor->kind = kind;
  tensor->n_dims = n_dims;
  tensor->offset = self->floats;
  tensor->count = 1;
  for (guint i = 0; i < n_dims; i++) {
    tensor->shape[i] = shape[i];
    tensor->count *= shape[i];
  }
  self->floats += (tensor->count + FLOATS_OF_A_LINE - 1) / FLOATS_OF_A_LINE * FLOATS_OF_A_LINE;

  g_ptr_array_add (self->tensors, tensor);
  g_hash_table_insert (self->by_name, tensor->name, tensor);
  return self->tensors->len - 1;
}

guint
_simclr_parameters_get_length (SimclrParameters *self)
{
  return self->tensors->len;
}

const SimclrParameter *
_simclr_parameters_get (SimclrParameters *self, guint number)
{
  g_assert (number < self->tensors->len);
  return g_ptr_array_index (self->tensors, number);
}

const SimclrParameter *
_simclr_parameters_lookup (SimclrParameters *self, const gchar *name)
{
  return g_hash_table_lookup (self->by_name, name);
}

gsize
_simclr_parameters_get_floats (SimclrParameters *self)
{
  return self->floats;
}

/* (rows, columns) to (columns, rows). */
static void
transpose (const gfloat *restrict from, gfloat *restrict to, gsize rows, gsize columns)
{
  for (gsize row = 0; row < rows; row++)
    for (gsize column = 0; column < columns; column++)
      to[column * rows + row] = from[row * columns + column];
}

/* A convolution's weight is a transposed (pixels, in) matrix for each output channel. */
void
_simclr_parameter_to_file (const SimclrParameter *self, const gfloat *memory, gfloat *file)
{
  gsize in = self->shape[1], pixels = self->shape[2] * self->shape[3];

  if (self->n_dims != 4) {
    memcpy (file, memory, self->count * sizeof (gfloat));
    return;
  }
  for (gsize out = 0; out < self->shape[0]; out++)
    transpose (memory + out * in * pixels, file + out * in * pixels, pixels, in);
}

void
_simclr_parameter_from_file (const SimclrParameter *self, const gfloat *file, gfloat *memory)
{
  gsize in = self->shape[1], pixels = self->shape[2] * self->shape[3];

  if (self->n_dims != 4) {
    memcpy (memory, file, self->count * sizeof (gfloat));
    return;
  }
  for (gsize out = 0; out < self->shape[0]; out++)
    transpose (file + out * in * pixels, memory + out * in * pixels, in, pixels);
}

void
_simclr_parameter_fill (const SimclrParameter *self, gfloat *floats, gfloat value)
{
  for (gsize i = 0; i < self->count; i++)
    floats[self->offset + i] = value;
}
