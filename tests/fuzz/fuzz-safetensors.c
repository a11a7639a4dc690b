/* Any bytes are a safetensors file or an error: libFuzzer's entry.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <simclr/io/safetensors-private.h>
#include <simclr/io/weights-file-private.h>

/* Every tensor that a sound file describes can be read to its last element. */
static void
read_everything (SimclrSafetensors *file)
{
  for (guint i = 0; i < _simclr_safetensors_get_length (file); i++) {
    const SimclrSafetensor *tensor = _simclr_safetensors_get (file, i);
    g_autofree gfloat *floats = g_new (gfloat, MIN (tensor->count, tensor->bytes) + 1);
    g_autoptr (GError) error = NULL;

    g_assert_true (_simclr_safetensors_lookup (file, tensor->name) == tensor);
    g_assert_cmpuint (tensor->n_dims, <=, 8);
    if (tensor->dtype == SIMCLR_DTYPE_OTHER || tensor->dtype == SIMCLR_DTYPE_I64)
      continue;
    g_assert_true (_simclr_safetensors_read_floats (file, tensor, floats, tensor->count, &error));
    g_assert_no_error (error);
  }
}

gboolean
simclr_fuzz_one (const guint8 *data, gsize size)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrSafetensors) file = _simclr_safetensors_parse (bytes, &error);
  g_autoptr (SimclrWeights) weights = NULL;

  g_assert_true ((file == NULL) == (error != NULL));
  if (file == NULL) {
    g_assert_true (g_utf8_validate (error->message, -1, NULL));
    return FALSE;
  }
  read_everything (file);
  weights = _simclr_weights_file_read (file, &error);
  g_assert_true ((weights == NULL) == (error != NULL));
  return TRUE;
}
