/* Tensors that PyTorch computed (tests/reference/make-resnet-fixtures.py), by name.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/io/safetensors-private.h>
#include <simclr/nn/parameters-private.h>

#include "compare.h"

static inline gchar *
fixture_path (const gchar *file)
{
  const gchar *source = g_getenv ("SIMCLR_TEST_SOURCE");

  if (source == NULL)
    g_error ("SIMCLR_TEST_SOURCE is not set: run by meson test, or set it to the folder tests");
  return g_build_filename (source, "reference", "fixtures", file, NULL);
}

static inline SimclrSafetensors *
fixture_open (const gchar *file)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *path = fixture_path (file);
  SimclrSafetensors *fixture = _simclr_safetensors_open (path, &error);

  g_assert_no_error (error);
  return fixture;
}

/* NULL where the fixture has no such tensor. */
static inline Tensor *
fixture_lookup (SimclrSafetensors *fixture, const gchar *name, gsize *count)
{
  g_autoptr (GError) error = NULL;
  const SimclrSafetensor *tensor = _simclr_safetensors_lookup (fixture, name);
  Tensor *floats;

  if (tensor == NULL)
    return NULL;
  floats = tensor_new (tensor->count);
  _simclr_safetensors_read_floats (fixture, tensor, floats, tensor->count, &error);
  g_assert_no_error (error);
  if (count != NULL)
    *count = tensor->count;
  return floats;
}

static inline Tensor *
fixture_get (SimclrSafetensors *fixture, const gchar *name, gsize *count)
{
  Tensor *floats = fixture_lookup (fixture, name, count);

  if (floats == NULL)
    g_error ("the fixture has no tensor %s", name);
  return floats;
}

/* Ours against the fixture's tensor of that name. */
static inline void
fixture_compare (
    SimclrSafetensors *fixture, const gchar *name, const gfloat *ours, gsize n, gdouble tolerance)
{
  gsize count = 0;
  g_autoptr (Tensor) truth = fixture_get (fixture, name, &count);
  gdouble error;

  g_assert_cmpuint (count, ==, n);
  error = normalised_error_float (ours, truth, n);
  g_test_message ("%s: %g", name, error);
  if (!(error < tolerance))
    g_error ("%s is %g off, more than %g", name, error, tolerance);
}

/* Every tensor of a table against the fixture's of prefix and name; ours lies as in memory. */
static inline void
fixture_compare_table (SimclrSafetensors *fixture, const gchar *prefix, SimclrParameters *layout,
    const gfloat *ours, gdouble tolerance)
{
  g_assert_cmpuint (_simclr_parameters_get_length (layout), >, 0);
  for (guint i = 0; i < _simclr_parameters_get_length (layout); i++) {
    const SimclrParameter *parameter = _simclr_parameters_get (layout, i);
    g_autofree gchar *name = g_strconcat (prefix, parameter->name, NULL);
    g_autoptr (Tensor) file_order = tensor_new (parameter->count);

    _simclr_parameter_to_file (parameter, ours + parameter->offset, file_order);
    fixture_compare (fixture, name, file_order, parameter->count, tolerance);
  }
}

/* The same for all tensors as one. */
static inline void
fixture_compare_whole_table (SimclrSafetensors *fixture, const gchar *prefix,
    SimclrParameters *layout, const gfloat *ours, gdouble tolerance)
{
  gdouble difference = 0, size = 0;

  for (guint i = 0; i < _simclr_parameters_get_length (layout); i++) {
    const SimclrParameter *parameter = _simclr_parameters_get (layout, i);
    g_autofree gchar *name = g_strconcat (prefix, parameter->name, NULL);
    g_autoptr (Tensor) file_order = tensor_new (parameter->count);
    g_autoptr (Tensor) truth = fixture_get (fixture, name, NULL);

    _simclr_parameter_to_file (parameter, ours + parameter->offset, file_order);
    for (gsize k = 0; k < parameter->count; k++) {
      difference += pow ((gdouble) file_order[k] - truth[k], 2);
      size += pow (truth[k], 2);
    }
  }
  g_test_message ("%s*: %g", prefix, sqrt (difference / size));
  if (!(sqrt (difference / size) < tolerance))
    g_error ("%s* is %g off, more than %g", prefix, sqrt (difference / size), tolerance);
}
