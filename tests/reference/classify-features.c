/* Fits a classifier on labelled embeddings and writes the scores of others, for comparison with other
 * implementations.
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *   classify-features TRAIN LABELS TEST SCORES [PROPERTY=VALUE ...]
 *
 * TRAIN and TEST hold raw floats, LABELS a line for each embedding of TRAIN; SCORES gets raw floats. */
#include <simclr/simclr.h>

#include "tool.h"

int
main (int argc, char **argv)
{
  g_autoptr (SimclrClassifier) classifier = simclr_classifier_new ();
  g_autofree gfloat *train = NULL, *test = NULL, *scores = NULL;
  g_autofree gchar *text = NULL;
  g_auto (GStrv) labels = NULL;
  gsize train_bytes, test_bytes, n_scores;
  GError *error = NULL;

  if (argc < 5) {
    g_printerr ("usage: %s TRAIN LABELS TEST SCORES [PROPERTY=VALUE ...]\n", argv[0]);
    return 2;
  }
  for (int i = 5; i < argc; i++)
    set_property (G_OBJECT (classifier), argv[i]);
  train = read_file (argv[1], &train_bytes);
  text = read_file (argv[2], NULL);
  test = read_file (argv[3], &test_bytes);
  labels = g_strsplit (g_strchomp (text), "\n", -1);
  simclr_classifier_teach (classifier, train, train_bytes / sizeof (gfloat),
      (const gchar *const *) labels, g_strv_length (labels), &error);
  stop_at (error);
  scores = simclr_classifier_classify (
      classifier, test, test_bytes / sizeof (gfloat), &n_scores, &error);
  stop_at (error);
  g_file_set_contents (
      argv[4], (const gchar *) scores, (gssize) (n_scores * sizeof (gfloat)), &error);
  stop_at (error);
  return 0;
}
