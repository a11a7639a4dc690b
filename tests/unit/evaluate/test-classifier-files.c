/* Classifiers in files: what comes back, files of earlier versions, and hostile ones.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "labelled-data.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

static void
check_saved (SimclrClassifierMethod method)
{
  Data train = make_data (60, 1, 10), test = make_data (20, 1, 20);
  g_autoptr (SimclrClassifier) self =
      make_taught (&train, "method", method, "encoder", "resnet18, step 7", NULL);
  g_autoptr (SimclrClassifier) loaded = simclr_classifier_new ();
  g_autofree gchar *folder = g_dir_make_tmp ("simclr-test-XXXXXX", NULL);
  g_autofree gchar *path = g_build_filename (folder, "classifier.safetensors", NULL);
  g_autofree gchar *encoder = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) labels = NULL;
  SimclrClassifierMethod found;
  g_autofree gfloat *a = NULL, *b = NULL, *c = NULL, *d = NULL;
  gsize n;

  g_assert_true (simclr_classifier_save (self, path, &error));
  g_assert_no_error (error);
  simclr_classifier_teach (loaded, (const gfloat[]){1, 2}, 2, train.labels, 1, NULL);
  g_assert_true (simclr_classifier_load (loaded, path, &error));
  g_assert_no_error (error);
  labels = simclr_classifier_get_labels (loaded);
  for (guint k = 0; k < CLASSES; k++)
    g_assert_cmpstr (labels[k], ==, names[k]);
  g_object_get (loaded, "method", &found, "encoder", &encoder, NULL);
  g_assert_cmpint (found, ==, method);
  g_assert_cmpstr (encoder, ==, "resnet18, step 7");
  if (method == SIMCLR_CLASSIFIER_METHOD_LINEAR)
    g_assert_nonnull (loaded->probe); /* no fitting again */
  a = classify (self, &test);
  b = classify (loaded, &test);
  g_assert_cmpmem (a, 20 * CLASSES * sizeof (gfloat), b, 20 * CLASSES * sizeof (gfloat));
  c = simclr_classifier_get_novelty (self, test.rows, 20 * SIZE, &n, NULL);
  d = simclr_classifier_get_novelty (loaded, test.rows, 20 * SIZE, &n, NULL);
  g_assert_cmpmem (c, 20 * sizeof (gfloat), d, 20 * sizeof (gfloat));

  /* teaching goes on from a file */
  simclr_classifier_teach (self, test.rows, 20 * SIZE, test.labels, 20, NULL);
  simclr_classifier_teach (loaded, test.rows, 20 * SIZE, test.labels, 20, NULL);
  g_free (g_steal_pointer (&a));
  g_free (g_steal_pointer (&b));
  a = classify (self, &test);
  b = classify (loaded, &test);
  g_assert_cmpmem (a, 20 * CLASSES * sizeof (gfloat), b, 20 * CLASSES * sizeof (gfloat));
  g_free (g_steal_pointer (&c));
  g_free (g_steal_pointer (&d));
  c = simclr_classifier_get_novelty (self, train.rows, 60 * SIZE, &n, NULL);
  d = simclr_classifier_get_novelty (loaded, train.rows, 60 * SIZE, &n, NULL);
  g_assert_cmpmem (c, 60 * sizeof (gfloat), d, 60 * sizeof (gfloat));
  g_remove (path);
  g_rmdir (folder);
  data_clear (&train);
  data_clear (&test);
}

static void
test_a_file_brings_everything_back (void)
{
  check_saved (SIMCLR_CLASSIFIER_METHOD_KNN);
  check_saved (SIMCLR_CLASSIFIER_METHOD_LINEAR);
  check_saved (SIMCLR_CLASSIFIER_METHOD_PROTOTYPE);
}

/* Files of earlier versions have one distance in place of a reach for each label. */
static void
test_earlier_files_load (void)
{
  const gfloat examples[10] = {3, 0, 2, 0.1f, 4, -0.3f, 0, 1, 0.1f, 2},
               classes[5] = {0, 0, 0, 1, 1};
  const gchar *const labels[] = {"a", "a", "a", "b", "b"};
  const gsize shape[2] = {5, 2};
  g_autofree gchar *folder = g_dir_make_tmp ("simclr-test-XXXXXX", NULL);
  g_autofree gchar *path = g_build_filename (folder, "earlier.safetensors", NULL);
  g_autoptr (SimclrSafetensorsWriter) writer = _simclr_safetensors_writer_new ();
  g_autoptr (SimclrClassifier) loaded = simclr_classifier_new ();
  g_autoptr (SimclrClassifier) taught = simclr_classifier_new ();
  g_autofree gfloat *a = NULL, *b = NULL;
  g_autoptr (GError) error = NULL;
  gsize n;

  _simclr_safetensors_writer_set_metadata (writer, "format", "simclr-classifier");
  _simclr_safetensors_writer_set_metadata (writer, "version", "1");
  _simclr_safetensors_writer_set_metadata (writer, "method", "prototype");
  _simclr_safetensors_writer_set_metadata (writer, "labels", "[\"a\", \"b\"]");
  _simclr_safetensors_writer_set_metadata (writer, "novelty_distance", "0.5");
  _simclr_safetensors_writer_add (writer, "examples", 2, shape, examples);
  _simclr_safetensors_writer_add (writer, "classes", 1, shape, classes);
  g_assert_true (_simclr_safetensors_writer_write (writer, path, NULL));
  g_assert_true (simclr_classifier_load (loaded, path, &error));
  g_assert_no_error (error);
  g_assert_true (simclr_classifier_teach (taught, examples, 10, labels, 5, &error));
  a = simclr_classifier_get_novelty (loaded, (const gfloat[]){1, 1, 1, -0.2f}, 4, &n, NULL);
  b = simclr_classifier_get_novelty (taught, (const gfloat[]){1, 1, 1, -0.2f}, 4, &n, NULL);
  g_assert_cmpmem (a, 2 * sizeof (gfloat), b, 2 * sizeof (gfloat));
  g_assert_cmpfloat (a[0], >, 2);
  g_remove (path);
  g_rmdir (folder);
}

/* Files are hostile until parsed: each of these fails, and leaves the classifier as it was. */
static void
test_bad_files_are_errors (void)
{
  static const struct
  {
    const gchar *key, *value, *says;
    gboolean cut_classes;
    gfloat class;
    gfloat value0;
    gfloat reach; /* of the second label; 0: the file has none */
  } cases[] = {
      {"format", "simclr", "format"},
      {"version", "2", "version 2"},
      {"method", "guess", "guess"},
      {"labels", "[\"a\"", "labels"},
      {"labels", "[\"a\", [\"b\"]]", "labels"},
      {"labels", "[[[[[[[[", "labels"},
      {"labels", "{\"a\": 1}", "labels"},
      {"labels", "[\"a\", \"a\"]", "label 1"},
      {"labels", "[\"a\", \"\"]", "label 1"},
      {"labels", "[\"a\", 7]", "label 1"},
      {"labels", "[\"a\", \"b\", \"c\"]", "label 2 has no examples"},
      {.says = "classes", .cut_classes = TRUE},
      {.says = "class 2", .class = 2},
      {.says = "class -1", .class = -1},
      {.says = "class 0.5", .class = 0.5f},
      {.says = "class nan", .class = NAN},
      {.says = "example 0", .value0 = NAN},
      {.says = "example 0", .value0 = INFINITY},
      {.says = "reach of label 1", .reach = NAN},
      {.says = "reach of label 1", .reach = -1},
      {.says = "reach of label 1", .reach = 3},
  };
  const gsize shape[2] = {3, 2}, short_shape[1] = {2};
  g_autofree gchar *folder = g_dir_make_tmp ("simclr-test-XXXXXX", NULL);
  g_autofree gchar *path = g_build_filename (folder, "bad.safetensors", NULL);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (SimclrSafetensorsWriter) writer = _simclr_safetensors_writer_new ();
    g_autoptr (SimclrClassifier) self = simclr_classifier_new ();
    g_autoptr (GError) error = NULL;
    gfloat examples[6] = {cases[i].value0, 2, 3, 4, 5, 6}, classes[3] = {0, 1, cases[i].class};
    gfloat reach[2] = {1, 0};
    const gchar *label = "kept";

    _simclr_safetensors_writer_set_metadata (writer, "format", "simclr-classifier");
    _simclr_safetensors_writer_set_metadata (writer, "version", "1");
    _simclr_safetensors_writer_set_metadata (writer, "method", "knn");
    _simclr_safetensors_writer_set_metadata (writer, "labels", "[\"a\", \"b\"]");
    if (cases[i].key != NULL)
      _simclr_safetensors_writer_set_metadata (writer, cases[i].key, cases[i].value);
    _simclr_safetensors_writer_add (writer, "examples", 2, shape, examples);
    _simclr_safetensors_writer_add (
        writer, "classes", 1, cases[i].cut_classes ? short_shape : shape, classes);
    reach[1] = cases[i].reach;
    if (reach[1] != 0)
      _simclr_safetensors_writer_add (writer, "reach", 1, short_shape, reach);
    g_assert_true (_simclr_safetensors_writer_write (writer, path, NULL));
    simclr_classifier_teach (self, examples + 1, 2, &label, 1, NULL);
    g_assert_false (simclr_classifier_load (self, path, &error));
    g_assert_nonnull (strstr (error->message, path));
    if (strstr (error->message, cases[i].says) == NULL)
      g_error ("\"%s\" does not say \"%s\"", error->message, cases[i].says);
    g_assert_cmpuint (simclr_classifier_get_n_examples (self, "kept"), ==, 1);
  }
  g_remove (path);
  g_rmdir (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/classifier/a-file-brings-everything-back", test_a_file_brings_everything_back);
  g_test_add_func ("/classifier/earlier-files-load", test_earlier_files_load);
  g_test_add_func ("/classifier/bad-files-are-errors", test_bad_files_are_errors);
  return g_test_run ();
}
