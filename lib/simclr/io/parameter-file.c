/* One parameter's floats to and from a tensor of a safetensors file.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/io/parameter-file-private.h>

#include <simclr/simclr-error.h>

static gchar *
describe (guint n_dims, const guint64 *shape)
{
  GString *text = g_string_new ("(");

  for (guint i = 0; i < n_dims; i++)
    g_string_append_printf (text, "%s%" G_GUINT64_FORMAT, i > 0 ? ", " : "", shape[i]);
  g_string_append_c (text, ')');
  return g_string_free (text, FALSE);
}

gchar *
_simclr_safetensor_describe_shape (const SimclrSafetensor *tensor)
{
  return describe (tensor->n_dims, tensor->shape);
}

static gboolean
check_shape (const SimclrSafetensor *tensor, const SimclrParameter *parameter, GError **error)
{
  g_autofree gchar *found = NULL, *wanted = NULL;
  guint64 shape[G_N_ELEMENTS (parameter->shape)];
  gboolean same = tensor->n_dims == parameter->n_dims;

  for (guint i = 0; i < parameter->n_dims; i++) {
    shape[i] = parameter->shape[i];
    same = same && tensor->shape[i] == shape[i];
  }
  if (same)
    return TRUE;
  found = _simclr_safetensor_describe_shape (tensor);
  wanted = describe (parameter->n_dims, shape);
  g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH,
      "tensor \"%s\" has the shape %s in the file, but %s is wanted", tensor->name, found, wanted);
  return FALSE;
}

gboolean
_simclr_parameter_file_read (SimclrSafetensors *file, const gchar *name,
    const SimclrParameter *parameter, gfloat *memory, GError **error)
{
  const SimclrSafetensor *tensor = _simclr_safetensors_lookup (file, name);
  g_autofree gfloat *floats = NULL;

  if (tensor == NULL) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH, "tensor \"%s\" is missing", name);
    return FALSE;
  }
  if (!check_shape (tensor, parameter, error))
    return FALSE;
  if (parameter->n_dims != 4)
    return _simclr_safetensors_read_floats (file, tensor, memory, parameter->count, error);

  floats = g_try_new (gfloat, parameter->count);
  if (floats == NULL) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MEMORY, "no memory for tensor \"%s\"", name);
    return FALSE;
  }
  if (!_simclr_safetensors_read_floats (file, tensor, floats, parameter->count, error))
    return FALSE;
  _simclr_parameter_from_file (parameter, floats, memory);
  return TRUE;
}

void
_simclr_parameter_file_add (SimclrSafetensorsWriter *writer, const gchar *name,
    const SimclrParameter *parameter, const gfloat *memory)
{
  gfloat *floats;

  if (parameter->n_dims != 4) {
    _simclr_safetensors_writer_add (writer, name, parameter->n_dims, parameter->shape, memory);
    return;
  }
  floats = g_new (gfloat, parameter->count);
  _simclr_parameter_to_file (parameter, memory, floats);
  _simclr_safetensors_writer_take (writer, name, parameter->n_dims, parameter->shape, floats);
}

gboolean
_simclr_parameters_file_read (
    SimclrSafetensors *file, SimclrParameters *layout, gfloat *values, GError **error)
{
  for (guint i = 0; i < _simclr_parameters_get_length (layout); i++) {
    const SimclrParameter *parameter = _simclr_parameters_get (layout, i);

    if (!_simclr_parameter_file_read (
            file, parameter->name, parameter, values + parameter->offset, error))
      return FALSE;
  }
  return TRUE;
}

void
_simclr_parameters_file_add (
    SimclrSafetensorsWriter *writer, SimclrParameters *layout, const gfloat *values)
{
  for (guint i = 0; i < _simclr_parameters_get_length (layout); i++) {
    const SimclrParameter *parameter = _simclr_parameters_get (layout, i);

    _simclr_parameter_file_add (writer, parameter->name, parameter, values + parameter->offset);
  }
}
