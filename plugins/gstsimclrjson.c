/* JSON written piece by piece, with short numbers.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrjson.h"

#include <math.h>

#define DIGITS 6

void
gst_simclr_json_item (GString *json)
{
  gchar last = json->len > 0 ? json->str[json->len - 1] : '{';

  if (last != '{' && last != '[' && last != ':')
    g_string_append_c (json, ',');
}

void
gst_simclr_json_name (GString *json, const gchar *name)
{
  gst_simclr_json_item (json);
  gst_simclr_json_string (json, name);
  g_string_append_c (json, ':');
}

void
gst_simclr_json_string (GString *json, const gchar *text)
{
  g_autofree gchar *valid = g_utf8_make_valid (text, -1);

  g_string_append_c (json, '"');
  for (const gchar *next = valid; *next != '\0'; next++) {
    if (*next == '"' || *next == '\\')
      g_string_append_c (json, '\\');
    if ((guchar) *next < 0x20)
      g_string_append_printf (json, "\\u%04x", (guint) *next);
    else
      g_string_append_c (json, *next);
  }
  g_string_append_c (json, '"');
}

void
gst_simclr_json_double (GString *json, gdouble number, guint digits)
{
  gchar format[8], text[G_ASCII_DTOSTR_BUF_SIZE];

  if (!isfinite (number)) {
    g_string_append (json, "null");
    return;
  }
  g_snprintf (format, sizeof format, "%%.%ug", MIN (digits, 17));
  g_string_append (json, g_ascii_formatd (text, sizeof text, format, number));
}

static void append_value (GString *json, const GValue *value);

static void
append_array (GString *json, const GValue *array)
{
  g_string_append_c (json, '[');
  for (guint i = 0; i < gst_value_array_get_size (array); i++) {
    gst_simclr_json_item (json);
    append_value (json, gst_value_array_get_value (array, i));
  }
  g_string_append_c (json, ']');
}

/* What is none of this is null. */
static void
append_value (GString *json, const GValue *value)
{
  g_auto (GValue) number = G_VALUE_INIT;

  if (G_VALUE_HOLDS_STRING (value) && g_value_get_string (value) != NULL) {
    gst_simclr_json_string (json, g_value_get_string (value));
  } else if (G_VALUE_HOLDS_BOOLEAN (value)) {
    g_string_append (json, g_value_get_boolean (value) ? "true" : "false");
  } else if (G_VALUE_HOLDS_UINT64 (value)) {
    g_string_append_printf (json, "%" G_GUINT64_FORMAT, g_value_get_uint64 (value));
  } else if (GST_VALUE_HOLDS_ARRAY (value)) {
    append_array (json, value);
  } else if (G_VALUE_HOLDS_DOUBLE (value) || G_VALUE_HOLDS_FLOAT (value)) {
    g_value_init (&number, G_TYPE_DOUBLE);
    g_value_transform (value, &number);
    gst_simclr_json_double (json, g_value_get_double (&number), DIGITS);
  } else if (g_value_type_transformable (G_VALUE_TYPE (value), G_TYPE_INT64)) {
    g_value_init (&number, G_TYPE_INT64);
    g_value_transform (value, &number);
    g_string_append_printf (json, "%" G_GINT64_FORMAT, g_value_get_int64 (&number));
  } else {
    g_string_append (json, "null");
  }
}

static gboolean
append_field (GQuark field, const GValue *value, gpointer json)
{
  gst_simclr_json_name (json, g_quark_to_string (field));
  append_value (json, value);
  return TRUE;
}

void
gst_simclr_json_structure (GString *json, const GstStructure *fields)
{
  g_string_append_c (json, '{');
  gst_structure_foreach (fields, append_field, json);
  g_string_append_c (json, '}');
}
