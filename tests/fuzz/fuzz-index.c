/* Any log and any part of an index is taken or an error; what is taken can be searched.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <simclr/search/index-private.h>

#include <glib/gstdio.h>
#include <string.h>

/* What was taken can be used, whatever it says. */
static void
use (const gchar *folder)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrIndex) index = simclr_index_open_readonly (folder, &error);
  guint size = index != NULL ? simclr_index_get_embedding_size (index) : 0;
  g_autofree gfloat *query = g_new0 (gfloat, size + 1);

  g_assert_true ((index == NULL) == (error != NULL));
  if (index == NULL)
    g_assert_true (g_utf8_validate (error->message, -1, NULL));
  for (guint i = 0; i < size; i++)
    query[i] = i % 3 - 0.5f;
  for (guint i = 0; size > 0 && i < 2; i++) {
    g_autoptr (GPtrArray) found = simclr_index_search (
        index, query, size, 5, i > 0 ? "door" : NULL, 0, G_MAXINT64, i * 10, &error);
    g_autoptr (SimclrMatch) match = simclr_index_find (index, 5, NULL, NULL);

    g_assert_no_error (error);
    for (guint j = 0; j < found->len; j++) {
      const SimclrMatch *one = g_ptr_array_index (found, j);

      g_assert_true (one->similarity >= -1 && one->similarity <= 1);
      g_assert_true ((one->thumbnail != NULL ? g_bytes_get_size (one->thumbnail) : 0) ==
                     (gsize) one->thumbnail_width * one->thumbnail_height * 3);
    }
  }
}

/* A log begins with its name; everything else is a part. */
gboolean
simclr_fuzz_one (const guint8 *data, gsize size)
{
  g_autofree gchar *folder = g_dir_make_tmp ("simclr-fuzz-XXXXXX", NULL);
  gboolean is_log = size >= 8 && memcmp (data, "SIMCLRLG", 8) == 0, taken;
  g_autofree gchar *path =
      g_build_filename (folder, is_log ? "recent.log" : "00000000000000000000.safetensors", NULL);
  g_autoptr (SimclrIndex) index = NULL;

  g_assert_true (g_file_set_contents (path, (const gchar *) data, (gssize) size, NULL));
  index = simclr_index_open_readonly (folder, NULL);
  taken = index != NULL;
  g_clear_object (&index);
  use (folder);
  g_remove (path);
  g_rmdir (folder);
  return taken;
}
