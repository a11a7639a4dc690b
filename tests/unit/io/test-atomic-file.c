/* A file is whole or absent, whatever goes wrong while it is written.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/io/atomic-file-private.h>

#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct
{
  gchar *folder;
  gchar *path;
  gchar *temporary;
} Fixture;

static void
set_up (Fixture *self, gconstpointer data)
{
  self->folder = g_dir_make_tmp ("simclr-test-XXXXXX", NULL);
  g_assert_nonnull (self->folder);
  self->path = g_build_filename (self->folder, "file", NULL);
  self->temporary = g_build_filename (self->folder, ".file.tmp-0", NULL);
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  g_unlink (self->path);
  g_assert_cmpint (g_rmdir (self->folder), ==, 0); /* no temporary was left */
  g_free (self->folder);
  g_free (self->path);
  g_free (self->temporary);
}

static gboolean
write_text (const gchar *path, const gchar *text, GError **error)
{
  g_autoptr (SimclrAtomicFile) file = _simclr_atomic_file_open (path, error);

  return file != NULL && _simclr_atomic_file_write (file, text, strlen (text), error) &&
         _simclr_atomic_file_commit (file, error);
}

static void
assert_text (const gchar *path, const gchar *expected)
{
  g_autofree gchar *text = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, expected);
}

static void
test_new_and_replaced (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (write_text (fixture->path, "old", &error));
  assert_text (fixture->path, "old");
  g_assert_true (write_text (fixture->path, "new", &error));
  assert_text (fixture->path, "new");
  g_assert_no_error (error);
}

static void
test_abandoned_changes_nothing (Fixture *fixture, gconstpointer data)
{
  SimclrAtomicFile *file;

  g_assert_true (write_text (fixture->path, "old", NULL));
  file = _simclr_atomic_file_open (fixture->path, NULL);
  g_assert_true (_simclr_atomic_file_write (file, "new", 3, NULL));
  assert_text (fixture->path, "old");
  g_assert_true (g_file_test (fixture->temporary, G_FILE_TEST_EXISTS));
  _simclr_atomic_file_free (file);
  assert_text (fixture->path, "old");
}

static mode_t
get_mode (const gchar *path)
{
  struct stat status;

  g_assert_cmpint (stat (path, &status), ==, 0);
  return status.st_mode & 0777;
}

static void
test_permissions (Fixture *fixture, gconstpointer data)
{
  mode_t before = umask (027);

  g_assert_true (write_text (fixture->path, "a", NULL));
  g_assert_cmpint (get_mode (fixture->path), ==, 0640);
  g_assert_cmpint (chmod (fixture->path, 0604), ==, 0);
  g_assert_true (write_text (fixture->path, "b", NULL));
  g_assert_cmpint (get_mode (fixture->path), ==, 0604);
  umask (before);
}

static void
test_links_are_followed (Fixture *fixture, gconstpointer data)
{
  g_autofree gchar *folder = g_build_filename (fixture->folder, "elsewhere", NULL);
  g_autofree gchar *target = g_build_filename (folder, "target", NULL);
  g_autofree gchar *second = g_build_filename (fixture->folder, "second", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_mkdir (folder, 0700), ==, 0);
  g_assert_cmpint (symlink ("elsewhere/target", second), ==, 0);
  g_assert_cmpint (symlink (second, fixture->path), ==, 0);

  /* dangling at first */
  g_assert_true (write_text (fixture->path, "a", &error));
  assert_text (target, "a");
  g_assert_true (write_text (fixture->path, "b", &error));
  assert_text (target, "b");
  g_assert_no_error (error);
  g_assert_true (g_file_test (fixture->path, G_FILE_TEST_IS_SYMLINK));
  g_assert_true (g_file_test (second, G_FILE_TEST_IS_SYMLINK));

  g_unlink (second);
  g_assert_cmpint (symlink (fixture->path, second), ==, 0);
  g_assert_false (write_text (fixture->path, "c", &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_LOOP);

  g_unlink (second);
  g_unlink (target);
  g_rmdir (folder);
}

static void
assert_fails (const gchar *path, gint code)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (write_text (path, "x", &error));
  g_assert_error (error, G_FILE_ERROR, code);
  g_assert_nonnull (strstr (error->message, path));
}

static void
test_wrong_places_are_errors (Fixture *fixture, gconstpointer data)
{
  g_autofree gchar *below_file = g_build_filename (fixture->path, "x", NULL);
  g_autofree gchar *nowhere = g_build_filename (fixture->folder, "no", "x", NULL);
  g_autofree gchar *long_name = g_strnfill (300, 'n');
  g_autofree gchar *too_long = g_build_filename (fixture->folder, long_name, NULL);

  g_assert_true (write_text (fixture->path, "x", NULL));
  assert_fails (below_file, G_FILE_ERROR_NOTDIR);
  assert_fails (nowhere, G_FILE_ERROR_NOENT);
  assert_fails (fixture->folder, G_FILE_ERROR_ISDIR);
  assert_fails (too_long, G_FILE_ERROR_NAMETOOLONG);
  assert_fails ("/dev/null", G_FILE_ERROR_INVAL);
  assert_fails ("", G_FILE_ERROR_NOENT);
}

static void
test_long_names_are_fine (Fixture *fixture, gconstpointer data)
{
  g_autofree gchar *name = g_strnfill (255, 'n');
  g_autofree gchar *path = g_build_filename (fixture->folder, name, NULL);

  g_assert_true (write_text (path, "x", NULL));
  g_unlink (path);
}

static void
test_forbidden_is_an_error (Fixture *fixture, gconstpointer data)
{
  if (geteuid () == 0) {
    g_test_skip ("root may write everywhere");
    return;
  }
  g_assert_true (write_text (fixture->path, "old", NULL));
  g_assert_cmpint (chmod (fixture->path, 0400), ==, 0);
  assert_fails (fixture->path, G_FILE_ERROR_ACCES);
  g_assert_cmpint (chmod (fixture->path, 0600), ==, 0);
  g_assert_cmpint (chmod (fixture->folder, 0500), ==, 0);
  assert_fails (fixture->path, G_FILE_ERROR_ACCES);
  g_assert_cmpint (chmod (fixture->folder, 0700), ==, 0);
  assert_text (fixture->path, "old");
}

/* The limit of a file's size stands in for a full disk: write () fails after a part. */
static void
test_full_disk_keeps_the_old (Fixture *fixture, gconstpointer data)
{
  g_autofree gchar *much = g_strnfill (300000, 'm');
  struct rlimit before, limit;
  g_autoptr (GError) error = NULL;
  gboolean written;

  g_assert_true (write_text (fixture->path, "old", NULL));
  signal (SIGXFSZ, SIG_IGN);
  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &before), ==, 0);
  limit = before;
  limit.rlim_cur = 100000;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  written = write_text (fixture->path, much, &error);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &before), ==, 0);

  g_assert_false (written);
  g_assert_nonnull (error);
  g_assert_nonnull (strstr (error->message, fixture->path));
  assert_text (fixture->path, "old");
  g_assert_false (g_file_test (fixture->temporary, G_FILE_TEST_EXISTS));
}

static void
test_leftovers_are_cleared (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (fixture->temporary, "left by a killed process", -1, NULL));
  g_assert_true (write_text (fixture->path, "new", &error));
  g_assert_no_error (error);
  assert_text (fixture->path, "new");
  g_assert_false (g_file_test (fixture->temporary, G_FILE_TEST_EXISTS));
}

/* A link that waits under the temporary's name must not lead the writer elsewhere. */
static void
test_planted_links_are_not_followed (Fixture *fixture, gconstpointer data)
{
  g_autofree gchar *victim = g_build_filename (fixture->folder, "victim", NULL);

  g_assert_true (g_file_set_contents (victim, "precious", -1, NULL));
  g_assert_cmpint (symlink (victim, fixture->temporary), ==, 0);
  g_assert_true (write_text (fixture->path, "new", NULL));
  assert_text (fixture->path, "new");
  assert_text (victim, "precious");
  g_unlink (fixture->temporary);
  g_unlink (victim);
}

static void
test_two_writers_do_not_mix (Fixture *fixture, gconstpointer data)
{
  SimclrAtomicFile *first = _simclr_atomic_file_open (fixture->path, NULL);
  SimclrAtomicFile *second = _simclr_atomic_file_open (fixture->path, NULL);

  g_assert_nonnull (first);
  g_assert_nonnull (second);
  g_assert_true (_simclr_atomic_file_write (first, "first", 5, NULL));
  g_assert_true (_simclr_atomic_file_write (second, "second", 6, NULL));
  g_assert_true (_simclr_atomic_file_commit (first, NULL));
  assert_text (fixture->path, "first");
  g_assert_true (_simclr_atomic_file_commit (second, NULL));
  assert_text (fixture->path, "second");
  _simclr_atomic_file_free (first);
  _simclr_atomic_file_free (second);
}

#define CONTENT 40000

/* Writes files of one letter until killed. */
static void
write_forever (const gchar *path)
{
  gchar content[CONTENT];

  for (guint i = 0;; i++) {
    SimclrAtomicFile *file = _simclr_atomic_file_open (path, NULL);

    memset (content, 'a' + i % 26, sizeof content);
    if (file == NULL)
      _exit (1);
    for (gsize done = 0; done < sizeof content; done += 1000)
      if (!_simclr_atomic_file_write (file, content + done, 1000, NULL))
        _exit (1);
    if (!_simclr_atomic_file_commit (file, NULL))
      _exit (1);
    _simclr_atomic_file_free (file);
  }
}

static void
assert_whole (const gchar *path)
{
  g_autofree gchar *content = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (path, &content, &size, NULL));
  g_assert_cmpuint (size, ==, CONTENT);
  for (gsize i = 0; i < size; i++)
    g_assert_cmpint (content[i], ==, content[0]);
}

/* SIGKILL at many moments: the file is always whole, and what lies beside it goes with the next one. */
static void
test_killed_writers_leave_whole_files (Fixture *fixture, gconstpointer data)
{
  gboolean seen_leftover = FALSE;
  gchar content[CONTENT];
  g_autoptr (SimclrAtomicFile) first = _simclr_atomic_file_open (fixture->path, NULL);

  memset (content, '0', sizeof content);
  g_assert_true (_simclr_atomic_file_write (first, content, sizeof content, NULL));
  g_assert_true (_simclr_atomic_file_commit (first, NULL));

  for (guint i = 0; i < 60; i++) {
    pid_t child = fork ();
    int status;

    g_assert_cmpint (child, >=, 0);
    if (child == 0)
      write_forever (fixture->path);
    g_usleep (1000 + i * 137); /* when to strike, not what to wait for */
    g_assert_cmpint (kill (child, SIGKILL), ==, 0);
    g_assert_cmpint (waitpid (child, &status, 0), ==, child);
    g_assert_true (WIFSIGNALED (status));
    assert_whole (fixture->path);
    seen_leftover = seen_leftover || g_file_test (fixture->temporary, G_FILE_TEST_EXISTS);
  }
  g_test_message ("a temporary was left: %s", seen_leftover ? "yes" : "no");
  g_assert_true (write_text (fixture->path, "last", NULL));
  assert_text (fixture->path, "last");
}

#define ADD(name, function)                                                                        \
  g_test_add ("/atomic-file/" name, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("new-and-replaced", test_new_and_replaced);
  ADD ("abandoned-changes-nothing", test_abandoned_changes_nothing);
  ADD ("permissions", test_permissions);
  ADD ("links-are-followed", test_links_are_followed);
  ADD ("wrong-places-are-errors", test_wrong_places_are_errors);
  ADD ("long-names-are-fine", test_long_names_are_fine);
  ADD ("forbidden-is-an-error", test_forbidden_is_an_error);
  ADD ("full-disk-keeps-the-old", test_full_disk_keeps_the_old);
  ADD ("leftovers-are-cleared", test_leftovers_are_cleared);
  ADD ("planted-links-are-not-followed", test_planted_links_are_not_followed);
  ADD ("two-writers-do-not-mix", test_two_writers_do_not_mix);
  ADD ("killed-writers-leave-whole-files", test_killed_writers_leave_whole_files);
  return g_test_run ();
}
