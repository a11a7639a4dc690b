/* Names of labels as a JSON array, as files hold them in their metadata.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/io/label-list-private.h>

#include <simclr/io/safetensors-private.h>
#include <json-glib/json-glib.h>

gchar *
_simclr_label_list_to_json (const gchar *const *labels, gsize n)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_array (builder);
  for (gsize i = 0; i < n; i++)
    json_builder_add_string_value (builder, labels[i]);
  json_builder_end_array (builder);
  root = json_builder_get_root (builder);
  return json_to_string (root, FALSE);
}

/* One array without anything nested in it: json-glib's parser recurses into whatever depth it is given. */
static gboolean
is_flat_array (const gchar *json)
{
  gboolean in_string = FALSE;
  guint opened = 0;

  for (; *json != '\0'; json++) {
    if (in_string && *json == '\\' && json[1] != '\0')
      json++;
    else if (*json == '"')
      in_string = !in_string;
    else if (!in_string && (*json == '{' || *json == '/'))
      return FALSE;
    else if (!in_string && *json == '[' && opened++ > 0)
      return FALSE;
  }
  return opened == 1;
}

gchar **
_simclr_label_list_from_json (const gchar *json, GError **error)
{
  g_autoptr (JsonNode) root =
      json != NULL && is_flat_array (json) ? json_from_string (json, NULL) : NULL;
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GPtrArray) labels = g_ptr_array_new_with_free_func (g_free);
  JsonArray *array;

  if (root == NULL || !JSON_NODE_HOLDS_ARRAY (root)) {
    _simclr_safetensors_fail (error, "metadata labels is no JSON array of labels");
    return NULL;
  }
  array = json_node_get_array (root);
  for (guint i = 0; i < json_array_get_length (array); i++) {
    JsonNode *node = json_array_get_element (array, i);
    const gchar *label =
        JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING
            ? json_node_get_string (node)
            : NULL;

    if (label == NULL || *label == '\0' || !g_utf8_validate (label, -1, NULL) ||
        !g_hash_table_add (seen, (gpointer) label)) {
      _simclr_safetensors_fail (error, "label %u is empty, no text, or there twice", i);
      return NULL;
    }
    g_ptr_array_add (labels, g_strdup (label));
  }
  g_ptr_array_add (labels, NULL);
  return (gchar **) g_ptr_array_steal (labels, NULL);
}

gchar **
_simclr_label_list_numbers (gsize n)
{
  gchar **labels = g_new0 (gchar *, n + 1);

  for (gsize i = 0; i < n; i++)
    labels[i] = g_strdup_printf ("%" G_GSIZE_FORMAT, i);
  return labels;
}
