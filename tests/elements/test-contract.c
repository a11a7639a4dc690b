/* What every element of the plugin owes: descriptions, defaults, states up and down, nothing left.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gst/gst.h>

#include <string.h>

/* Nothing comes from the plugin but elements, and every one of them is checked: none is listed here. */
static GList *
list_elements (void)
{
  GList *features = gst_registry_get_feature_list_by_plugin (gst_registry_get (), "simclr");

  g_assert_cmpuint (g_list_length (features), >=, 4);
  for (GList *item = features; item != NULL; item = item->next)
    g_assert_true (GST_IS_ELEMENT_FACTORY (item->data));
  return features;
}

static void
for_each_element (void (*check) (GstElement *element, const gchar *name))
{
  GList *features = list_elements ();

  for (GList *item = features; item != NULL; item = item->next) {
    const gchar *name = gst_plugin_feature_get_name (item->data);
    GstElement *element = gst_object_ref_sink (gst_element_factory_make (name, NULL));

    g_test_message ("%s", name);
    check (element, name);
    g_assert_finalize_object (element);
  }
  gst_plugin_feature_list_free (features);
}

/* A sentence: it begins with a capital and says more than the name. */
static void
check_words (const gchar *where, const gchar *text)
{
  if (text == NULL || strlen (text) < 8 || !g_unichar_isupper (g_utf8_get_char (text)))
    g_error ("%s is described as \"%s\"", where, text != NULL ? text : "");
}

static void
check_description (GstElement *element, const gchar *name)
{
  GstElementClass *klass = GST_ELEMENT_GET_CLASS (element);
  const gchar *author = gst_element_class_get_metadata (klass, GST_ELEMENT_METADATA_AUTHOR);

  check_words (name, gst_element_class_get_metadata (klass, GST_ELEMENT_METADATA_LONGNAME));
  check_words (name, gst_element_class_get_metadata (klass, GST_ELEMENT_METADATA_KLASS));
  check_words (name, gst_element_class_get_metadata (klass, GST_ELEMENT_METADATA_DESCRIPTION));
  g_assert_true (author != NULL && *author != '\0');
  g_assert_true (g_str_has_prefix (name, "simclr"));
  g_assert_nonnull (gst_element_class_get_pad_template_list (klass));
  for (GList *item = gst_element_class_get_pad_template_list (klass); item; item = item->next) {
    g_autoptr (GstCaps) caps = gst_pad_template_get_caps (item->data);

    g_assert_false (gst_caps_is_empty (caps));
  }
}

static void
check_enum (GParamSpec *pspec)
{
  GEnumClass *klass = G_PARAM_SPEC_ENUM (pspec)->enum_class;

  for (guint i = 0; i < klass->n_values; i++) {
    const GEnumValue *value = &klass->values[i];
    g_auto (GValue) typed = G_VALUE_INIT;

    g_value_init (&typed, pspec->value_type);
    /* what a person types, and what it means in words rather than a C constant */
    g_assert_true (
        g_ascii_islower (value->value_nick[0]) || g_ascii_isdigit (value->value_nick[0]));
    g_assert_null (strstr (value->value_name, "SIMCLR_"));
    if (strlen (value->value_name) < 6)
      g_error ("%s: %s is described as \"%s\"", pspec->name, value->value_nick, value->value_name);
    /* GStreamer takes a description for a value as well, and before the nicks */
    g_assert_true (gst_value_deserialize (&typed, value->value_nick));
    g_assert_cmpint (g_value_get_enum (&typed), ==, value->value);
  }
}

static void
check_property (GstElement *element, GParamSpec *pspec)
{
  const GParamFlags mutable =
      GST_PARAM_MUTABLE_READY | GST_PARAM_MUTABLE_PAUSED | GST_PARAM_MUTABLE_PLAYING;
  g_auto (GValue) value = G_VALUE_INIT;
  g_autofree gchar *is = NULL;
  g_autofree gchar *promised = NULL;

  g_assert_true (g_ascii_isupper (g_param_spec_get_nick (pspec)[0]));
  check_words (pspec->name, g_param_spec_get_blurb (pspec));
  if (!g_str_has_suffix (g_param_spec_get_blurb (pspec), "."))
    g_error ("%s: \"%s\" is no sentence", pspec->name, g_param_spec_get_blurb (pspec));
  g_assert_cmpstr (g_param_spec_get_nick (pspec), !=, g_param_spec_get_blurb (pspec));
  if (pspec->flags & G_PARAM_WRITABLE)
    g_assert_cmphex (pspec->flags & mutable, !=, 0);
  else
    g_assert_cmphex (pspec->flags & mutable, ==, 0);
  if (G_IS_PARAM_SPEC_ENUM (pspec))
    check_enum (pspec);

  g_assert_true (pspec->flags & G_PARAM_READABLE);
  g_value_init (&value, pspec->value_type);
  g_object_get_property (G_OBJECT (element), pspec->name, &value);
  if (pspec->value_type == GST_TYPE_STRUCTURE) {
    g_assert_nonnull (g_value_get_boxed (&value));
    return;
  }
  is = g_strdup_value_contents (&value);
  promised = g_strdup_value_contents (g_param_spec_get_default_value (pspec));
  if (!g_param_value_defaults (pspec, &value))
    g_error ("%s is %s, promised was %s", pspec->name, is, promised);

  if (pspec->flags & G_PARAM_WRITABLE) {
    g_object_set_property (G_OBJECT (element), pspec->name, &value);
    g_object_get_property (G_OBJECT (element), pspec->name, &value);
    g_assert_true (g_param_value_defaults (pspec, &value));
  }
}

static void
check_properties (GstElement *element, const gchar *name)
{
  guint n;
  g_autofree GParamSpec **pspecs =
      g_object_class_list_properties (G_OBJECT_GET_CLASS (element), &n);
  guint own = 0;

  for (guint i = 0; i < n; i++) {
    if (pspecs[i]->owner_type != G_OBJECT_TYPE (element))
      continue;
    check_property (element, pspecs[i]);
    own++;
  }
  g_assert_cmpuint (own, >, 0);
}

static void
check_states (GstElement *element, const gchar *name)
{
  for (guint i = 0; i < 2; i++) {
    g_assert_cmpint (
        gst_element_set_state (element, GST_STATE_PAUSED), !=, GST_STATE_CHANGE_FAILURE);
    g_assert_cmpint (gst_element_set_state (element, GST_STATE_NULL), ==, GST_STATE_CHANGE_SUCCESS);
    g_assert_cmpint (
        gst_element_set_state (element, GST_STATE_PLAYING), !=, GST_STATE_CHANGE_FAILURE);
    g_assert_cmpint (
        gst_element_set_state (element, GST_STATE_READY), !=, GST_STATE_CHANGE_FAILURE);
    g_assert_cmpint (gst_element_set_state (element, GST_STATE_NULL), ==, GST_STATE_CHANGE_SUCCESS);
  }
}

/* Pads of an element without peers answer, whatever its state. */
static void
check_queries (GstElement *element, const gchar *name)
{
  const GstState states[] = {GST_STATE_NULL, GST_STATE_PAUSED, GST_STATE_READY};

  for (guint i = 0; i < G_N_ELEMENTS (states); i++) {
    gst_element_set_state (element, states[i]);
    for (GList *item = element->pads; item != NULL; item = item->next) {
      g_autoptr (GstCaps) template = gst_pad_get_pad_template_caps (item->data);
      g_autoptr (GstCaps) caps = gst_pad_query_caps (item->data, NULL);
      g_autoptr (GstQuery) latency = gst_query_new_latency ();
      g_autoptr (GstQuery) custom =
          gst_query_new_custom (GST_QUERY_CUSTOM, gst_structure_new_empty ("unknown"));

      g_assert_true (gst_caps_is_subset (caps, template));
      g_assert_false (gst_caps_is_empty (caps));
      gst_pad_query (item->data, latency);
      g_assert_false (gst_pad_query (item->data, custom));
    }
  }
  gst_element_set_state (element, GST_STATE_NULL);
}

static void
test_descriptions (void)
{
  for_each_element (check_description);
}

static void
test_properties (void)
{
  for_each_element (check_properties);
}

static void
test_states (void)
{
  for_each_element (check_states);
}

static void
test_queries (void)
{
  for_each_element (check_queries);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/contract/descriptions", test_descriptions);
  g_test_add_func ("/contract/properties", test_properties);
  g_test_add_func ("/contract/states", test_states);
  g_test_add_func ("/contract/queries", test_queries);
  return g_test_run ();
}
