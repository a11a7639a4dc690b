/* Fits a classifier on labelled embeddings and writes the scores of others, for comparison with other
 * implementations.
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *   classify-features TRAIN LABELS TEST SCORES [PROPERTY=VALUE ...]
 *
 * TRAIN and TEST hold raw floats, LABELS a line for each embedding of TRAIN; SCORES gets raw floats. */
#include <simclr/simclr.h>

#include <stdlib.h>
#include <string.h>

static void
stop_at (GError *error)
{
  if (error != NULL) {
    g_printerr ("%s\n", error->message);
    exit (1);
  }
}

static gint
from_nick (GType type, const gchar *nick)
{
  g_autoptr (GEnumClass) klass = g_type_class_ref (type);

  return g_enum_get_value_by_nick (klass, nick)->value;
}

static void
set_property (GObject *object, const gchar *setting)
{
  g_auto (GStrv) parts = g_strsplit (setting, "=", 2);
  GParamSpec *pspec = g_object_class_find_property (G_OBJECT_GET_CLASS (object), parts[0]);

  if (G_IS_PARAM_SPEC_ENUM (pspec))
    g_object_set (object, parts[0], from_nick (pspec->value_type, parts[1]), NULL);
  else if (G_IS_PARAM_SPEC_DOUBLE (pspec))
    g_object_set (object, parts[0], g_ascii_strtod (parts[1], NULL), NULL);
  else if (G_IS_PARAM_SPEC_BOOLEAN (pspec))
    g_object_set (object, parts[0], g_str_equal (parts[1], "true"), NULL);
  else
    g_object_set (object, parts[0], (guint) strtoul (parts[1], NULL, 10), NULL);
}

int
main (int argc, char **argv)
{
  g_autoptr (SimclrClassifier) classifier = simclr_classifier_new ();
  g_autofree gchar *train = NULL, *text = NULL, *test = NULL;
  g_auto (GStrv) labels = NULL;
  g_autofree gfloat *scores = NULL;
  gsize train_bytes, test_bytes, n_scores;
  GError *error = NULL;

  if (argc < 5) {
    g_printerr ("usage: %s TRAIN LABELS TEST SCORES [PROPERTY=VALUE ...]\n", argv[0]);
    return 2;
  }
  for (int i = 5; i < argc; i++)
    set_property (G_OBJECT (classifier), argv[i]);
  g_file_get_contents (argv[1], &train, &train_bytes, &error);
  stop_at (error);
  g_file_get_contents (argv[2], &text, NULL, &error);
  stop_at (error);
  g_file_get_contents (argv[3], &test, &test_bytes, &error);
  stop_at (error);
  labels = g_strsplit (g_strchomp (text), "\n", -1);
  simclr_classifier_teach (classifier, (const gfloat *) train, train_bytes / sizeof (gfloat),
      (const gchar *const *) labels, g_strv_length (labels), &error);
  stop_at (error);
  scores = simclr_classifier_classify (
      classifier, (const gfloat *) test, test_bytes / sizeof (gfloat), &n_scores, &error);
  stop_at (error);
  g_file_set_contents (
      argv[4], (const gchar *) scores, (gssize) (n_scores * sizeof (gfloat)), &error);
  stop_at (error);
  return 0;
}
