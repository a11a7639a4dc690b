/* Caps of embeddings as tensors: NNStreamer's other/tensors, its library not needed.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrtensorcaps.h"

#include <simclr/simclr.h>

#define RANK_LIMIT 16

GstCaps *
gst_simclr_tensor_caps_new (
    guint size, guint rows, gint framerate_numerator, gint framerate_denominator)
{
  GstCaps *caps = gst_caps_new_simple ("other/tensors", "format", G_TYPE_STRING, "static",
      "num_tensors", G_TYPE_INT, 1, "types", G_TYPE_STRING, "float32", "framerate",
      GST_TYPE_FRACTION, framerate_numerator, framerate_denominator, NULL);

  if (size > 0 || rows > 0) {
    g_autofree gchar *dimensions = g_strdup_printf ("%u:%u", size, rows);

    gst_caps_set_simple (caps, "dimensions", G_TYPE_STRING, dimensions, NULL);
  }
  return caps;
}

static gboolean
parse_dimensions (const gchar *dimensions, guint *size, guint *rows, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (dimensions, ":", RANK_LIMIT + 1);
  guint sizes[2] = {1, 1};
  guint n_parts = g_strv_length (parts);

  for (guint i = 0; i < n_parts; i++) {
    guint64 value;

    if (i == RANK_LIMIT ||
        !g_ascii_string_to_unsigned (parts[i], 10, 1, G_MAXINT32, &value, NULL) ||
        (i >= 2 && value != 1)) {
      g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE,
          "tensor dimensions \"%s\" are not rows of embeddings (floats:rows)", dimensions);
      return FALSE;
    }
    if (i < 2)
      sizes[i] = (guint) value;
  }
  if (n_parts == 0) {
    g_set_error_literal (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE, "tensor dimensions are empty");
    return FALSE;
  }
  *size = sizes[0];
  *rows = sizes[1];
  return TRUE;
}

gboolean
gst_simclr_tensor_caps_parse (const GstCaps *caps, guint *size, guint *rows, GError **error)
{
  const GstStructure *structure =
      gst_caps_is_empty (caps) || gst_caps_is_any (caps) ? NULL : gst_caps_get_structure (caps, 0);
  const gchar *types, *format, *dimensions;
  gint tensors = 0;

  if (structure == NULL || !gst_structure_has_name (structure, "other/tensors")) {
    g_set_error_literal (
        error, SIMCLR_ERROR, SIMCLR_ERROR_FORMAT, "embeddings come as other/tensors");
    return FALSE;
  }
  format = gst_structure_get_string (structure, "format");
  types = gst_structure_get_string (structure, "types");
  dimensions = gst_structure_get_string (structure, "dimensions");
  if (g_strcmp0 (format, "static") != 0 || g_strcmp0 (types, "float32") != 0 ||
      !gst_structure_get_int (structure, "num_tensors", &tensors) || tensors != 1) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_FORMAT,
        "embeddings are one static tensor of float32, not %d of format %s and type %s", tensors,
        format != NULL ? format : "unknown", types != NULL ? types : "unknown");
    return FALSE;
  }
  if (dimensions == NULL) {
    g_set_error_literal (
        error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE, "the tensor's dimensions are missing");
    return FALSE;
  }
  return parse_dimensions (dimensions, size, rows, error);
}

GstCaps *
gst_simclr_tensor_caps_adapt (const GstCaps *caps, const GstCaps *allowed)
{
  guint size, rows;

  if (gst_caps_can_intersect (caps, allowed))
    return gst_caps_copy (caps);
  if (!gst_simclr_tensor_caps_parse (caps, &size, &rows, NULL))
    return NULL;

  for (guint i = 0; i < gst_caps_get_size (allowed); i++) {
    const gchar *dimensions =
        gst_structure_get_string (gst_caps_get_structure (allowed, i), "dimensions");
    guint other_size, other_rows;

    if (dimensions == NULL || !parse_dimensions (dimensions, &other_size, &other_rows, NULL))
      continue;
    if (other_size == size && other_rows == rows) {
      g_autoptr (GstCaps) spelled = gst_caps_copy (caps);

      gst_caps_set_simple (spelled, "dimensions", G_TYPE_STRING, dimensions, NULL);
      if (gst_caps_can_intersect (spelled, allowed))
        return g_steal_pointer (&spelled);
    }
  }
  return NULL;
}
