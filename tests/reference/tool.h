/* What the tools of the comparisons share: words of the command line to values, files to memory. Whatever is
 * wrong ends the tool.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>

#include <stdlib.h>

static inline void
stop_at (GError *error)
{
  if (error != NULL) {
    g_printerr ("%s\n", error->message);
    exit (1);
  }
}

static inline gint
from_nick (GType type, const gchar *nick)
{
  g_autoptr (GEnumClass) klass = g_type_class_ref (type);
  GEnumValue *value = g_enum_get_value_by_nick (klass, nick);

  if (value == NULL) {
    g_printerr ("%s is no %s\n", nick, g_type_name (type));
    exit (1);
  }
  return value->value;
}

/* PROPERTY=VALUE: a number, true or false, or the nick of an enumeration. */
static inline void
set_property (GObject *object, const gchar *setting)
{
  g_auto (GStrv) parts = g_strsplit (setting, "=", 2);
  GParamSpec *pspec = g_object_class_find_property (G_OBJECT_GET_CLASS (object), parts[0]);

  if (pspec == NULL || parts[1] == NULL) {
    g_printerr ("there is no property %s, or no value\n", parts[0]);
    exit (1);
  }
  if (G_IS_PARAM_SPEC_ENUM (pspec))
    g_object_set (object, parts[0], from_nick (pspec->value_type, parts[1]), NULL);
  else if (G_IS_PARAM_SPEC_DOUBLE (pspec))
    g_object_set (object, parts[0], g_ascii_strtod (parts[1], NULL), NULL);
  else if (G_IS_PARAM_SPEC_BOOLEAN (pspec))
    g_object_set (object, parts[0], g_str_equal (parts[1], "true"), NULL);
  else if (G_IS_PARAM_SPEC_UINT64 (pspec))
    g_object_set (object, parts[0], g_ascii_strtoull (parts[1], NULL, 10), NULL);
  else
    g_object_set (object, parts[0], (guint) strtoul (parts[1], NULL, 10), NULL);
}

static inline gpointer
read_file (const gchar *path, gsize *bytes)
{
  GError *error = NULL;
  gchar *data = NULL;

  g_file_get_contents (path, &data, bytes, &error);
  stop_at (error);
  return data;
}
