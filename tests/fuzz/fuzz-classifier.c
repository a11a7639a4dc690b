/* Any bytes are a classifier that classifies, or an error: libFuzzer's entry.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <simclr/evaluate/classifier-private.h>

gboolean
simclr_fuzz_one (const guint8 *data, gsize size)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrSafetensors) file = _simclr_safetensors_parse (bytes, &error);
  g_autoptr (SimclrClassifier) classifier = NULL;
  g_autofree gfloat *embedding = NULL, *scores = NULL, *novelty = NULL;
  gsize n;

  if (file == NULL)
    return FALSE;
  classifier = g_object_new (SIMCLR_TYPE_CLASSIFIER, "threads", 1, NULL);
  if (!_simclr_classifier_read (classifier, file, &error)) {
    g_assert_nonnull (error);
    g_assert_true (g_utf8_validate (error->message, -1, NULL));
    g_assert_cmpuint (simclr_classifier_get_n_labels (classifier), ==, 0);
    return FALSE;
  }
  g_assert_no_error (error);
  embedding = g_new0 (gfloat, simclr_classifier_get_embedding_size (classifier));
  scores = simclr_classifier_classify (
      classifier, embedding, simclr_classifier_get_embedding_size (classifier), &n, &error);
  g_assert_true ((scores == NULL) == (error != NULL));
  novelty = simclr_classifier_get_novelty (
      classifier, embedding, simclr_classifier_get_embedding_size (classifier), &n, NULL);
  g_assert_nonnull (novelty);
  return TRUE;
}
