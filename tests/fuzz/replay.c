/* Replays a target's corpus without libFuzzer: y_ files must be taken, n_ files refused, others survived.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

static void
replay (gconstpointer data)
{
  const gchar *path = data;
  g_autofree gchar *name = g_path_get_basename (path);
  g_autofree gchar *content = NULL;
  g_autoptr (GError) error = NULL;
  gboolean taken;
  gsize size;

  g_assert_true (g_file_get_contents (path, &content, &size, &error));
  g_assert_no_error (error);
  taken = simclr_fuzz_one ((const guint8 *) content, size);
  if (g_str_has_prefix (name, "y_"))
    g_assert_true (taken);
  else if (g_str_has_prefix (name, "n_"))
    g_assert_false (taken);
}

int
main (int argc, char **argv)
{
  g_autoptr (GDir) folder = NULL;
  g_autoptr (GError) error = NULL;
  const gchar *name;
  guint count = 0;

  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 2);
  folder = g_dir_open (argv[1], 0, &error);
  g_assert_no_error (error);
  while ((name = g_dir_read_name (folder)) != NULL) {
    g_autofree gchar *test = g_strdup_printf ("/corpus/%s", name);

    g_test_add_data_func_full (test, g_build_filename (argv[1], name, NULL), replay, g_free);
    count++;
  }
  g_assert_cmpuint (count, >, 0);
  return g_test_run ();
}
