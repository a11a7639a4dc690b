/* SimclrIndex in a folder: restarts, killed writers, damage, bounds, readers beside a writer.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "moments.h"

typedef struct
{
  gchar *parent;
  gchar *path;
} Folder;

static Folder *
folder_new (void)
{
  Folder *self = g_new (Folder, 1);

  self->parent = g_dir_make_tmp ("simclr-test-XXXXXX", NULL);
  g_assert_nonnull (self->parent);
  self->path = g_build_filename (self->parent, "index", NULL);
  return self;
}

static GPtrArray *
list_files (const Folder *self, const gchar *suffix)
{
  GPtrArray *paths = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GDir) dir = g_dir_open (self->path, 0, NULL);
  const gchar *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
    if (g_str_has_suffix (name, suffix))
      g_ptr_array_add (paths, g_build_filename (self->path, name, NULL));
  }
  return paths;
}

static void
folder_free (Folder *self)
{
  g_autoptr (GPtrArray) paths = list_files (self, "");

  for (guint i = 0; i < paths->len; i++)
    g_remove (g_ptr_array_index (paths, i));
  g_rmdir (self->path);
  g_rmdir (self->parent);
  g_free (self->path);
  g_free (self->parent);
  g_free (self);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Folder, folder_free)

static SimclrIndex *
open_index (const Folder *folder, guint64 max_entries)
{
  g_autoptr (GError) error = NULL;
  SimclrIndex *index = simclr_index_open (folder->path, max_entries, &error);

  g_assert_no_error (error);
  return index;
}

static SimclrIndex *
read_index (const Folder *folder)
{
  g_autoptr (GError) error = NULL;
  SimclrIndex *index = simclr_index_open_readonly (folder->path, &error);

  g_assert_no_error (error);
  return index;
}

static void
test_an_index_outlives_its_process (void)
{
  g_autoptr (Folder) folder = folder_new ();
  g_autoptr (Moments) moments = moments_new (5000, 24, 0.05, 3);
  const Filter filter = {"door", 10000, G_MAXINT64, 5000};
  /* within a log, at the end of a file, behind several */
  const guint ends[] = {1, 100, 2047, 2048, 2049, 4096, 5000};

  for (guint i = 0; i < G_N_ELEMENTS (ends); i++) {
    g_autoptr (SimclrIndex) index = open_index (folder, 0);
    Moments sofar = *moments;

    sofar.count = i > 0 ? ends[i - 1] : 0;
    g_assert_cmpuint (simclr_index_get_n_entries (index), ==, sofar.count);
    moments_add (moments, index, sofar.count, ends[i]);
    sofar.count = ends[i];
    check_search (&sofar, 0, index, moments->rows + 60 * moments->size, 10, &filter);
    g_assert_finalize_object (g_steal_pointer (&index));
    index = read_index (folder);
    check_search (&sofar, 0, index, moments->rows + 60 * moments->size, 10, &NO_FILTER);
    check_search (&sofar, 0, index, moments->rows, 10, &filter);
  }
}

static void
test_what_was_said_of_a_moment_is_kept (void)
{
  g_autoptr (Folder) folder = folder_new ();
  g_autoptr (GError) error = NULL;

  for (guint begin = 0; begin < 3000; begin += 1500) {
    g_autoptr (SimclrIndex) index = open_index (folder, 0);

    simclr_index_set_encoder (index, "resnet18, step 7");
    for (guint i = begin; i < begin + 1500; i++) {
      g_autofree gchar *source = g_strdup_printf ("clip \"%u\"\n", i % 10);
      g_autofree guint8 *pixels = g_malloc0 (3 * (i % 4 + 1));
      g_autoptr (GBytes) thumbnail = NULL;

      pixels[0] = (guint8) i;
      thumbnail = i % 3 > 0 ? g_bytes_new (pixels, 3 * (i % 4 + 1)) : NULL;
      g_assert_true (simclr_index_add (index, (gfloat[]){1, (gfloat) i}, 2, i, "Höf", source,
          thumbnail, i % 3 > 0 ? i % 4 + 1 : 0, i % 3 > 0 ? 1 : 0, &error));
      g_assert_no_error (error);
    }
    g_assert_true (simclr_index_sync (index, &error));
  }
  for (guint i = 0; i < 3000; i += 7) {
    static SimclrIndex *index = NULL;
    g_autoptr (SimclrMatch) match = NULL;
    g_autofree gchar *source = g_strdup_printf ("clip \"%u\"\n", i % 10);

    if (index == NULL)
      index = read_index (folder);
    match = simclr_index_find (index, i, "Höf", &error);
    g_assert_no_error (error);
    g_assert_cmpint (match->time, ==, i);
    g_assert_cmpstr (match->source, ==, source);
    if (i % 3 == 0) {
      g_assert_null (match->thumbnail);
    } else {
      g_assert_cmpuint (match->thumbnail_width, ==, i % 4 + 1);
      g_assert_cmpuint (g_bytes_get_size (match->thumbnail), ==, 3 * (i % 4 + 1));
      g_assert_cmpuint (
          ((const guint8 *) g_bytes_get_data (match->thumbnail, NULL))[0], ==, i % 256);
    }
    if (i == 2996 - 2996 % 7) {
      g_autofree gchar *encoder = simclr_index_dup_encoder (index);

      g_assert_cmpstr (encoder, ==, "resnet18, step 7");
      g_clear_object (&index);
    }
  }
}

/* A child adds until it is killed; it says over a pipe how many entries it has added. */
static guint
add_until_killed (const Folder *folder, const Moments *moments, guint begin, guint until)
{
  int pipes[2], status;
  guint32 added = 0, said;
  pid_t child;

  g_assert_cmpint (pipe (pipes), ==, 0);
  child = fork ();
  g_assert_cmpint (child, >=, 0);
  if (child == 0) {
    SimclrIndex *index = simclr_index_open (folder->path, 0, NULL);

    for (guint row = begin; row < moments->count && index != NULL; row++) {
      if (!simclr_index_add (index, moments->rows + row * moments->size, moments->size,
              moments->times[row], moments->streams[row], NULL, NULL, 0, 0, NULL))
        break;
      said = row + 1;
      if (write (pipes[1], &said, sizeof said) != sizeof said)
        break;
    }
    _exit (1);
  }
  close (pipes[1]);
  while (read (pipes[0], &said, sizeof said) == sizeof said) {
    added = said;
    if (added >= until)
      kill (child, SIGKILL);
  }
  close (pipes[0]);
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_true (WIFSIGNALED (status));
  return added;
}

static void
test_a_killed_writer_loses_nothing (void)
{
  g_autoptr (Folder) folder = folder_new ();
  g_autoptr (Moments) moments = moments_new (200000, 8, 0.05, 3);
  guint added = 0;

  for (guint i = 0; i < 8; i++) {
    g_autoptr (SimclrIndex) index = NULL;
    guint64 kept;

    added = add_until_killed (folder, moments, added, added + 700);
    index = read_index (folder);
    kept = simclr_index_get_n_entries (index);
    /* one may have been added that it had no time to say */
    g_assert_cmpuint (kept, >=, added);
    g_assert_cmpuint (kept, <=, added + 1);
    added = (guint) kept;
  }
  {
    g_autoptr (SimclrIndex) index = open_index (folder, 0);
    Moments sofar = *moments;

    sofar.count = added;
    check_search (&sofar, 0, index, moments->rows + 500 * moments->size, 10, &NO_FILTER);
  }
}

static gchar *
log_path (const Folder *folder)
{
  return g_build_filename (folder->path, "recent.log", NULL);
}

/* Whatever the length at which a writer was stopped: what was whole is there, and goes on. */
static void
test_a_cut_entry_is_left_out (void)
{
  g_autoptr (Folder) folder = folder_new ();
  g_autoptr (Moments) moments = moments_new (20, 4, 1, 3);
  g_autofree gchar *path = log_path (folder), *whole = NULL;
  g_autoptr (GError) error = NULL;
  gsize bytes, record;

  {
    g_autoptr (SimclrIndex) index = open_index (folder, 0);

    moments_add (moments, index, 0, 10);
  }
  g_assert_true (g_file_get_contents (path, &whole, &bytes, &error));
  record = 12 + 24 + 16 + strlen (moments->streams[9]);
  for (gsize cut = 1; cut < record; cut += 5) {
    Moments sofar = *moments;

    g_assert_true (g_file_set_contents (path, whole, (gssize) (bytes - cut), &error));
    {
      g_autoptr (SimclrIndex) index = read_index (folder);

      sofar.count = 9;
      check_search (&sofar, 0, index, moments->rows, 20, &NO_FILTER);
    }
    {
      g_autoptr (SimclrIndex) index = open_index (folder, 0);

      moments_add (moments, index, 9, 11);
    }
    {
      g_autoptr (SimclrIndex) index = read_index (folder);

      sofar.count = 11;
      check_search (&sofar, 0, index, moments->rows, 20, &NO_FILTER);
    }
  }
}

/* The part was written, and then the writer died before the log began anew. */
static void
test_entries_of_log_and_part_are_there_once (void)
{
  g_autoptr (Folder) folder = folder_new ();
  g_autoptr (Moments) moments = moments_new (2060, 4, 0.1, 3);
  g_autofree gchar *path = log_path (folder), *before = NULL;
  gsize bytes;

  {
    g_autoptr (SimclrIndex) index = open_index (folder, 0);

    moments_add (moments, index, 0, 2047);
    g_assert_true (g_file_get_contents (path, &before, &bytes, NULL));
    moments_add (moments, index, 2047, 2048);
  }
  for (guint end = 2048; end <= 2060; end += 12) {
    Moments sofar = *moments;

    g_assert_true (g_file_set_contents (path, before, (gssize) bytes, NULL));
    sofar.count = 2048;
    {
      g_autoptr (SimclrIndex) index = read_index (folder);

      g_assert_cmpuint (simclr_index_get_n_entries (index), ==, 2048);
      check_search (&sofar, 0, index, moments->rows, 10, &NO_FILTER);
    }
    {
      g_autoptr (SimclrIndex) index = open_index (folder, 0);

      moments_add (moments, index, 2048, end);
    }
    {
      g_autoptr (SimclrIndex) index = read_index (folder);

      sofar.count = end;
      g_assert_cmpuint (simclr_index_get_n_entries (index), ==, end);
      check_search (&sofar, 0, index, moments->rows, 10, &NO_FILTER);
    }
  }
}

static void
expect_damage (const Folder *folder, const gchar *path)
{
  for (guint writable = 0; writable < 2; writable++) {
    g_autoptr (GError) error = NULL;
    g_autofree gchar *before = NULL, *after = NULL;
    g_autoptr (SimclrIndex) index = NULL;
    gsize sizes[2];

    g_assert_true (g_file_get_contents (path, &before, &sizes[0], NULL));
    index = writable ? simclr_index_open (folder->path, 0, &error)
                     : simclr_index_open_readonly (folder->path, &error);
    g_assert_null (index);
    g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_FORMAT);
    g_assert_nonnull (strstr (error->message, path));
    g_assert_true (g_file_get_contents (path, &after, &sizes[1], NULL));
    g_assert_cmpmem (before, sizes[0], after, sizes[1]);
  }
}

/* Any byte of a log that is another one is noticed, and nothing is thrown away. */
static void
test_a_damaged_log_is_an_error (void)
{
  g_autoptr (Folder) folder = folder_new ();
  g_autoptr (Moments) moments = moments_new (3, 4, 1, 3);
  g_autofree gchar *path = log_path (folder), *whole = NULL;
  gsize bytes;

  {
    g_autoptr (SimclrIndex) index = open_index (folder, 0);

    moments_add (moments, index, 0, 3);
  }
  g_assert_true (g_file_get_contents (path, &whole, &bytes, NULL));
  for (gsize at = 0; at < bytes; at++) {
    whole[at] ^= 0x10;
    g_assert_true (g_file_set_contents (path, whole, (gssize) bytes, NULL));
    expect_damage (folder, path);
    whole[at] ^= 0x10;
  }
  g_assert_true (g_file_set_contents (path, whole, 20, NULL));
  expect_damage (folder, path);
}

static void
test_a_damaged_file_is_an_error_and_can_be_moved_away (void)
{
  g_autoptr (Folder) folder = folder_new ();
  g_autoptr (Moments) moments = moments_new (5000, 4, 0.1, 3);
  g_autofree gchar *whole = NULL, *path = NULL;
  gsize bytes;

  {
    g_autoptr (SimclrIndex) index = open_index (folder, 0);

    moments_add (moments, index, 0, 5000);
  }
  path = g_build_filename (folder->path, "00000000000000000000.safetensors", NULL);
  g_assert_true (g_file_get_contents (path, &whole, &bytes, NULL));
  g_assert_true (g_file_set_contents (path, whole, (gssize) bytes - 1, NULL));
  expect_damage (folder, path);
  g_assert_true (g_file_set_contents (path, "", 0, NULL));
  expect_damage (folder, path);
  g_assert_cmpint (g_remove (path), ==, 0);
  {
    g_autoptr (SimclrIndex) index = open_index (folder, 0);

    g_assert_cmpuint (simclr_index_get_n_entries (index), ==, 5000 - 2048);
    check_search (moments, 2048, index, moments->rows + 3000 * moments->size, 10, &NO_FILTER);
  }
}

static void
test_the_oldest_files_go (void)
{
  g_autoptr (Folder) folder = folder_new ();
  g_autoptr (Moments) moments = moments_new (4000, 4, 0.1, 3);
  guint64 kept = 0;

  for (guint begin = 0; begin < 4000; begin += 1000) {
    g_autoptr (SimclrIndex) index = open_index (folder, 800);
    g_autoptr (GPtrArray) files = NULL;

    moments_add (moments, index, begin, begin + 1000);
    kept = simclr_index_get_n_entries (index);
    g_assert_cmpuint (kept, <=, 800);
    g_assert_cmpuint (kept, >=, 700);
    files = list_files (folder, ".safetensors");
    g_assert_cmpuint (files->len, <=, 8);
  }
  {
    g_autoptr (SimclrIndex) index = read_index (folder);

    g_assert_cmpuint (simclr_index_get_n_entries (index), ==, kept);
    check_search (moments, 4000 - (guint) kept, index, moments->rows, 10, &NO_FILTER);
  }
}

static void
test_one_adds_and_others_read (void)
{
  g_autoptr (Folder) folder = folder_new ();
  g_autoptr (Moments) moments = moments_new (5000, 4, 0.1, 3);
  g_autoptr (SimclrIndex) writer = open_index (folder, 0);
  g_autoptr (GError) error = NULL;

  g_assert_null (simclr_index_open (folder->path, 0, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_BUSY);
  g_clear_error (&error);
  for (guint begin = 0; begin < 5000; begin += 500) {
    g_autoptr (SimclrIndex) reader = NULL;
    Moments sofar = *moments;

    moments_add (moments, writer, begin, begin + 500);
    reader = read_index (folder);
    sofar.count = begin + 500;
    check_search (&sofar, 0, reader, moments->rows, 5, &NO_FILTER);
    g_assert_false (simclr_index_add (reader, moments->rows, 4, 0, NULL, NULL, NULL, 0, 0, &error));
    g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_UNSUPPORTED);
    g_clear_error (&error);
  }
}

/* A bound on the size of files stands for a full disk. */
static void
test_a_full_disk_is_an_error_and_loses_nothing (void)
{
  g_autoptr (Folder) folder = folder_new ();
  g_autoptr (Moments) moments = moments_new (3000, 16, 0.1, 3);
  guint32 added = 0;
  int pipes[2], status;
  pid_t child;

  g_assert_cmpint (pipe (pipes), ==, 0);
  child = fork ();
  g_assert_cmpint (child, >=, 0);
  if (child == 0) {
    const struct rlimit limit = {40001, 40001};
    g_autoptr (GError) error = NULL;
    SimclrIndex *index = simclr_index_open (folder->path, 0, NULL);

    signal (SIGXFSZ, SIG_IGN);
    setrlimit (RLIMIT_FSIZE, &limit);
    while (added < 3000 &&
           simclr_index_add (index, moments->rows + added * 16, 16, moments->times[added],
               moments->streams[added], NULL, NULL, 0, 0, &error))
      added++;
    if (error == NULL || error->domain != G_FILE_ERROR)
      added = 0;
    if (write (pipes[1], &added, sizeof added) == sizeof added)
      raise (SIGKILL); /* which no tool takes for an end that has to free memory */
    _exit (1);
  }
  close (pipes[1]);
  g_assert_cmpint (read (pipes[0], &added, sizeof added), ==, sizeof added);
  close (pipes[0]);
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_cmpuint (added, >, 100);
  {
    g_autoptr (SimclrIndex) index = open_index (folder, 0);

    g_assert_cmpuint (simclr_index_get_n_entries (index), ==, added);
    moments_add (moments, index, added, 3000);
    check_search (moments, 0, index, moments->rows, 10, &NO_FILTER);
  }
}

static void
test_other_folders_are_refused (void)
{
  g_autoptr (Folder) folder = folder_new ();
  g_autoptr (GError) error = NULL;
  g_autofree gchar *path = log_path (folder);

  g_assert_null (simclr_index_open_readonly (folder->path, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
  g_clear_error (&error);
  g_assert_cmpint (g_mkdir (folder->path, 0777), ==, 0);
  g_assert_null (simclr_index_open_readonly (folder->path, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_FORMAT);
  g_clear_error (&error);
  g_assert_true (g_file_set_contents (path, "", 0, NULL));
  g_assert_null (simclr_index_open (path, 0, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOTDIR);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/index-files/outlives", test_an_index_outlives_its_process);
  g_test_add_func ("/index-files/kept", test_what_was_said_of_a_moment_is_kept);
  g_test_add_func ("/index-files/killed", test_a_killed_writer_loses_nothing);
  g_test_add_func ("/index-files/cut", test_a_cut_entry_is_left_out);
  g_test_add_func ("/index-files/once", test_entries_of_log_and_part_are_there_once);
  g_test_add_func ("/index-files/damaged-log", test_a_damaged_log_is_an_error);
  g_test_add_func (
      "/index-files/damaged-file", test_a_damaged_file_is_an_error_and_can_be_moved_away);
  g_test_add_func ("/index-files/oldest-go", test_the_oldest_files_go);
  g_test_add_func ("/index-files/readers", test_one_adds_and_others_read);
  g_test_add_func ("/index-files/full-disk", test_a_full_disk_is_an_error_and_loses_nothing);
  g_test_add_func ("/index-files/other-folders", test_other_folders_are_refused);
  return g_test_run ();
}
