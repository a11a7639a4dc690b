/* Event files: checksums by the standard's own vectors, whole records even on a full disk.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/io/crc32c-private.h>
#include <simclr/io/summary-writer.h>
#include <simclr/simclr-error.h>

#include <glib/gstdio.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#ifdef HAVE_TENSORBOARD
#include <simclr/io/event.pb-c.h>
#endif

/* RFC 3720, B.4. */
static void
test_checksums_are_those_of_the_standard (void)
{
  guint8 bytes[32] = {0};

  g_assert_cmphex (_simclr_crc32c ("123456789", 9), ==, 0xe3069283);
  g_assert_cmphex (_simclr_crc32c (bytes, 32), ==, 0x8a9136aa);
  memset (bytes, 0xff, 32);
  g_assert_cmphex (_simclr_crc32c (bytes, 32), ==, 0x62a8ab43);
  for (guint8 i = 0; i < 32; i++)
    bytes[i] = i;
  g_assert_cmphex (_simclr_crc32c (bytes, 32), ==, 0x46dd794e);
  g_assert_cmphex (_simclr_crc32c (bytes, 0), ==, 0);
}

#ifdef HAVE_TENSORBOARD
static gchar *
make_folder (void)
{
  gchar *folder = g_dir_make_tmp ("simclr-test-XXXXXX", NULL);

  g_assert_nonnull (folder);
  return folder;
}

static SimclrSummaryWriter *
open_writer (const gchar *folder, guint64 first_step)
{
  g_autoptr (GError) error = NULL;
  SimclrSummaryWriter *writer = simclr_summary_writer_new (folder, first_step, &error);

  g_assert_no_error (error);
  return writer;
}

static gboolean
add (SimclrSummaryWriter *writer, guint64 step, gdouble value, GError **error)
{
  const gchar *const tags[] = {"train/contrast_loss", "learning_rate", NULL};
  const gdouble values[] = {value, -2 * value};

  return simclr_summary_writer_add_scalars (writer, step, tags, values, 2, error);
}

/* The checksum bit by bit, masked as TensorFlow does it. */
static guint32
define_checksum (const guint8 *data, gsize bytes)
{
  guint32 crc = 0xffffffff;

  for (gsize i = 0; i < 8 * bytes; i++) {
    gboolean differs = (crc ^ data[i / 8] >> i % 8) & 1;

    crc = crc >> 1 ^ (differs ? 0x82f63b78 : 0);
  }
  crc ^= 0xffffffff;
  return (crc >> 15 | crc << 17) + 0xa282ead8;
}

static guint32
read_number (const gchar *bytes)
{
  guint32 number;

  memcpy (&number, bytes, 4);
  return GUINT32_FROM_LE (number);
}

/* All events of a file in which nothing else is. */
static GPtrArray *
read_events (const gchar *path)
{
  GPtrArray *events = g_ptr_array_new ();
  g_autofree gchar *data = NULL;
  gsize size, at = 0;

  g_assert_true (g_file_get_contents (path, &data, &size, NULL));
  while (at < size) {
    guint32 length = read_number (data + at);
    const guint8 *message = (const guint8 *) data + at + 12;

    g_assert_cmpuint (at + 16 + length, <=, size);
    g_assert_cmpuint (read_number (data + at + 4), ==, 0);
    g_assert_cmphex (
        read_number (data + at + 8), ==, define_checksum ((const guint8 *) data + at, 8));
    g_assert_cmphex (read_number (data + at + 12 + length), ==, define_checksum (message, length));
    g_ptr_array_add (events, simclr__event__event__unpack (NULL, length, message));
    g_assert_nonnull (g_ptr_array_index (events, events->len - 1));
    at += 16 + length;
  }
  return events;
}

static void
free_events (GPtrArray *events)
{
  for (guint i = 0; i < events->len; i++)
    simclr__event__event__free_unpacked (events->pdata[i], NULL);
  g_ptr_array_unref (events);
}

static void
assert_point (const Simclr__Event__Event *event, guint64 step, gdouble value)
{
  g_assert_cmpint (event->step, ==, (gint64) step);
  g_assert_cmpint (event->what_case, ==, SIMCLR__EVENT__EVENT__WHAT_SUMMARY);
  g_assert_cmpuint (event->summary->n_value, ==, 2);
  g_assert_cmpstr (event->summary->value[0]->tag, ==, "train/contrast_loss");
  g_assert_cmpstr (event->summary->value[1]->tag, ==, "learning_rate");
  g_assert_cmpfloat (event->summary->value[0]->simple_value, ==, (gfloat) value);
  g_assert_cmpfloat (event->summary->value[1]->simple_value, ==, (gfloat) (-2 * value));
}

static void
remove_all (const gchar *folder, SimclrSummaryWriter *writer)
{
  g_assert_cmpint (g_unlink (simclr_summary_writer_get_path (writer)), ==, 0);
  g_object_unref (writer);
  g_rmdir (folder);
}

static void
test_what_was_added_is_in_the_file_at_once (void)
{
  g_autofree gchar *parent = make_folder ();
  g_autofree gchar *folder = g_build_filename (parent, "made", NULL);
  gdouble before = (gdouble) g_get_real_time () / G_USEC_PER_SEC;
  SimclrSummaryWriter *writer = open_writer (folder, 41);
  g_autofree gchar *name = g_path_get_basename (simclr_summary_writer_get_path (writer));
  const Simclr__Event__Event *event;
  GPtrArray *events;

  g_assert_true (g_str_has_prefix (name, "events.out.tfevents."));
  g_assert_true (add (writer, 41, 3.25, NULL));
  g_assert_true (add (writer, G_MAXUINT64, INFINITY, NULL));
  events = read_events (simclr_summary_writer_get_path (writer));
  g_assert_cmpuint (events->len, ==, 4);
  event = events->pdata[0];
  g_assert_cmpstr (event->file_version, ==, "brain.Event:2");
  g_assert_cmpfloat (event->wall_time, >=, before - 1);
  g_assert_cmpfloat (event->wall_time, <, before + 100);
  event = events->pdata[1];
  g_assert_cmpint (event->what_case, ==, SIMCLR__EVENT__EVENT__WHAT_SESSION_LOG);
  g_assert_cmpint (event->session_log->status, ==, 1);
  g_assert_cmpint (event->step, ==, 41);
  assert_point (events->pdata[2], 41, 3.25);
  assert_point (events->pdata[3], G_MAXINT64, INFINITY);
  free_events (events);
  remove_all (folder, writer);
  g_rmdir (parent);
}

static void
test_each_writer_has_its_file (void)
{
  g_autofree gchar *folder = make_folder ();
  SimclrSummaryWriter *one = open_writer (folder, 1), *two = open_writer (folder, 1);

  /* in the order in which they were begun */
  g_assert_cmpint (
      g_strcmp0 (simclr_summary_writer_get_path (one), simclr_summary_writer_get_path (two)), <, 0);
  g_unlink (simclr_summary_writer_get_path (one));
  g_object_unref (one);
  remove_all (folder, two);
}

/* A file that may not grow stands for the disk. */
static void
test_a_full_disk_leaves_whole_records (void)
{
  g_autofree gchar *folder = make_folder ();
  SimclrSummaryWriter *writer = open_writer (folder, 1);
  g_autoptr (GError) error = NULL;
  struct rlimit old, small;
  GPtrArray *events;
  GStatBuf status;

  g_assert_true (add (writer, 1, 1, NULL));
  g_assert_cmpint (g_stat (simclr_summary_writer_get_path (writer), &status), ==, 0);
  signal (SIGXFSZ, SIG_IGN);
  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &old), ==, 0);
  small = old;
  small.rlim_cur = (rlim_t) status.st_size + 20; /* half a record fits */
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &small), ==, 0);
  g_assert_false (add (writer, 2, 2, &error));
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &old), ==, 0);
  g_assert_true (error != NULL && error->domain == G_FILE_ERROR);
  g_assert_nonnull (strstr (error->message, simclr_summary_writer_get_path (writer)));
  events = read_events (simclr_summary_writer_get_path (writer));
  g_assert_cmpuint (events->len, ==, 3);
  free_events (events);

  g_assert_true (add (writer, 3, 3, NULL)); /* there is room again */
  events = read_events (simclr_summary_writer_get_path (writer));
  g_assert_cmpuint (events->len, ==, 4);
  assert_point (events->pdata[3], 3, 3);
  free_events (events);
  remove_all (folder, writer);
}

static void
test_what_cannot_be_is_an_error (void)
{
  g_autofree gchar *folder = make_folder ();
  SimclrSummaryWriter *writer = open_writer (folder, 1);
  const gchar *const tags[] = {"one", NULL};
  const gdouble values[] = {1, 2};
  g_autoptr (GError) shape = NULL, place = NULL;

  g_assert_false (simclr_summary_writer_add_scalars (writer, 1, tags, values, 2, &shape));
  g_assert_error (shape, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE);
  /* a file where the folder should be */
  g_assert_null (simclr_summary_writer_new (simclr_summary_writer_get_path (writer), 1, &place));
  g_assert_true (place != NULL && place->domain == G_FILE_ERROR);
  remove_all (folder, writer);
}
#else
static void
test_a_build_without_protobuf_says_so (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (simclr_summary_writer_new ("curves", 1, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, "protobuf-c"));
  g_assert_false (g_file_test ("curves", G_FILE_TEST_EXISTS));
}
#endif

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, function) g_test_add_func ("/summary-writer/" path, function)
  ADD ("checksums-are-those-of-the-standard", test_checksums_are_those_of_the_standard);
#ifdef HAVE_TENSORBOARD
  ADD ("what-was-added-is-in-the-file-at-once", test_what_was_added_is_in_the_file_at_once);
  ADD ("each-writer-has-its-file", test_each_writer_has_its_file);
  ADD ("a-full-disk-leaves-whole-records", test_a_full_disk_leaves_whole_records);
  ADD ("what-cannot-be-is-an-error", test_what_cannot_be_is_an_error);
#else
  ADD ("a-build-without-protobuf-says-so", test_a_build_without_protobuf_says_so);
#endif
#undef ADD
  return g_test_run ();
}
