/* A replay memory in a file: it comes back as it was, goes on as if nothing had been, and a bad file is an
 * error that leaves nothing behind.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/train/replay-private.h>

#include <glib/gstdio.h>
#include <simclr/simclr-error.h>
#include <string.h>

static gint alive; /* items */

static GBytes *
item_new (guint number)
{
  gchar *text = g_strdup_printf ("item %u", number);

  alive++;
  return g_bytes_new_take (text, strlen (text));
}

static void
item_free (gpointer item)
{
  alive--;
  g_bytes_unref (item);
}

static GBytes *
describe (gpointer item, gchar **format, gpointer user_data)
{
  *format = g_strdup (g_bytes_get_size (item) % 2 ? "odd \"words\"" : "even");
  return g_bytes_ref (item);
}

static gpointer
revive (GBytes *bytes, const gchar *format, const SimclrReplayFacts *facts, gpointer user_data,
    GError **error)
{
  g_assert_cmpstr (format, ==, g_bytes_get_size (bytes) % 2 ? "odd \"words\"" : "even");
  alive++;
  return g_bytes_ref (bytes);
}

static SimclrReplay *
memory_new (SimclrReplayPolicy policy, guint64 capacity)
{
  return simclr_replay_new (policy, capacity, 0, 5, item_free);
}

static void
add (SimclrReplay *replay, guint number)
{
  GBytes *item = item_new (number);
  const SimclrReplayFacts facts = {.bytes = g_bytes_get_size (item),
      .source = number % 3,
      .run = 1 + number / 10,
      .time = (gint64) number * 1000 - 1};

  g_assert_true (simclr_replay_add_with_facts (replay, item, &facts, NULL));
}

static void
embed_waiting (SimclrReplay *replay)
{
  guint64 number;

  while (simclr_replay_get_waiting (replay, 0, &number) != NULL) {
    const gfloat embedding[] = {1, (gfloat) (number * 37 % 101), (gfloat) (number * 11 % 31)};

    simclr_replay_set_embedding (replay, number, embedding, 1, 3);
  }
}

static void
save (SimclrReplay *replay, const gchar *path)
{
  g_autoptr (SimclrReplayDump) dump = simclr_replay_dump (replay, describe, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (simclr_replay_dump_write (dump, path, &error));
  g_assert_no_error (error);
}

static void
assert_same (SimclrReplay *a, SimclrReplay *b)
{
  g_assert_cmpuint (a->order->len, ==, b->order->len);
  g_assert_cmpuint (simclr_replay_get_seen (a), ==, simclr_replay_get_seen (b));
  g_assert_cmpuint (simclr_replay_get_bytes (a), ==, simclr_replay_get_bytes (b));
  g_assert_cmpuint (simclr_replay_get_embedded (a), ==, simclr_replay_get_embedded (b));
  for (guint i = 0; i < a->order->len; i++) {
    const SimclrReplayEntry *x = g_ptr_array_index (a->order, i);
    const SimclrReplayEntry *y = g_ptr_array_index (b->order, i);

    g_assert_cmpuint (x->number, ==, y->number);
    g_assert_true (g_bytes_equal (x->item, y->item));
    g_assert_cmpuint (x->facts.bytes, ==, y->facts.bytes);
    g_assert_cmpuint (x->facts.source, ==, y->facts.source);
    g_assert_cmpuint (x->facts.run, ==, y->facts.run);
    g_assert_cmpint (x->facts.time, ==, y->facts.time);
  }
}

static gchar *
make_path (void)
{
  g_autofree gchar *folder = g_dir_make_tmp ("simclr-test-XXXXXX", NULL);

  return g_build_filename (folder, "memory.safetensors", NULL);
}

static void
remove_path (const gchar *path)
{
  g_autofree gchar *folder = g_path_get_dirname (path);

  g_remove (path);
  g_assert_cmpint (g_rmdir (folder), ==, 0);
}

/* A run that was saved and restored goes on as one that was not. */
static void
test_a_restored_memory_goes_on (gconstpointer data)
{
  SimclrReplayPolicy policy = GPOINTER_TO_INT (data);
  g_autoptr (SimclrReplay) whole = memory_new (policy, 100);
  g_autoptr (SimclrReplay) restored = memory_new (policy, 100);
  g_autofree gchar *path = make_path ();
  g_autoptr (GError) error = NULL;
  guint frames = policy == SIMCLR_REPLAY_POLICY_ALL ? 50 : 300;

  for (guint i = 0; i < frames; i++) {
    add (whole, i);
    embed_waiting (whole);
  }
  save (whole, path);
  g_assert_true (simclr_replay_load (restored, path, revive, NULL, &error));
  g_assert_no_error (error);
  assert_same (whole, restored);
  g_assert_cmpuint (simclr_replay_begin_run (restored), >=, 1 + (frames - 1) / 10 + 1);
  for (guint i = frames; i < frames + 40; i++) {
    add (whole, i);
    embed_waiting (whole);
    add (restored, i);
    embed_waiting (restored);
  }
  assert_same (whole, restored);
  g_clear_object (&whole);
  g_clear_object (&restored);
  g_assert_cmpint (alive, ==, 0);
  remove_path (path);
}

/* Smaller bounds, another policy: what fits is taken. */
static void
test_another_memory_takes_what_fits (void)
{
  g_autoptr (SimclrReplay) large = memory_new (SIMCLR_REPLAY_POLICY_FIFO, 200);
  g_autofree gchar *path = make_path ();

  for (guint i = 0; i < 300; i++)
    add (large, i);
  save (large, path);
  for (SimclrReplayPolicy policy = SIMCLR_REPLAY_POLICY_ALL;
       policy <= SIMCLR_REPLAY_POLICY_MIN_REDUNDANCY; policy++) {
    g_autoptr (SimclrReplay) small = memory_new (policy, 30);

    g_assert_true (simclr_replay_load (small, path, revive, NULL, NULL));
    g_assert_cmpuint (simclr_replay_get_length (small), ==, 30);
    for (guint i = 300; i < 400 && policy != SIMCLR_REPLAY_POLICY_ALL; i++)
      add (small, i);
    g_assert_cmpuint (simclr_replay_get_length (small), ==, 30);
    g_assert_nonnull (simclr_replay_sample (small, 0, NULL));
  }
  g_clear_object (&large);
  g_assert_cmpint (alive, ==, 0);
  remove_path (path);
}

static void
assert_is_refused (const gchar *path)
{
  g_autoptr (SimclrReplay) replay = memory_new (SIMCLR_REPLAY_POLICY_MIN_REDUNDANCY, 100);
  g_autoptr (GError) error = NULL;

  g_assert_false (simclr_replay_load (replay, path, revive, NULL, &error));
  g_assert_nonnull (error);
  g_assert_nonnull (strstr (error->message, path));
  g_assert_cmpuint (simclr_replay_get_length (replay), ==, 0);
  g_assert_cmpuint (simclr_replay_get_bytes (replay), ==, 0);
  g_assert_cmpint (alive, ==, 0);
}

/* Same length, so that the file stays sound as safetensors; n-th place where `from` stands. */
static void
replace (gchar *text, gsize length, const gchar *from, const gchar *to)
{
  gchar *place = memmem (text, length, from, strlen (from));

  g_assert_nonnull (place);
  g_assert_cmpuint (strlen (from), ==, strlen (to));
  memcpy (place, to, strlen (to));
}

static void
test_a_bad_file_is_an_error (void)
{
  const gchar *const changes[][2] = {
      {"simclr-replay-1", "simclr-replay-2"},
      {"\"seen\":\"20\"", "\"seen\":\"10\""},
      {"\"seen\":\"20\"", "\"seen\":\"-5\""},
      {"\"runs\"", "\"rums\""},
      {"\"lowest_dropped\"", "\"lowest_dripped\""},
      {"\"format.0\"", "\"format.9\""},
      {"\"frame.3\"", "\"frame.x\""},
      {"\"frames\"", "\"farmes\""},
      {"\"frames\":\"0 0 1 ", "\"frames\":\"0 0 1x"},
      {"\"frames\":\"0 0 1 -", "\"frames\":\"9 0 1 -"},
      {"\"embedding.7\":{\"dtype\":\"F32\",\"shape\":[3]",
          "\"embedding.7\":{\"dtype\":\"U32\",\"shape\":[3]"},
      {"\"frame.5\":{\"dtype\":\"U8\"", "\"frame.5\":{\"dtype\":\"F8\""},
  };
  g_autoptr (SimclrReplay) replay = memory_new (SIMCLR_REPLAY_POLICY_MIN_REDUNDANCY, 100);
  g_autofree gchar *path = make_path ();
  g_autofree gchar *text = NULL;
  gsize length;

  for (guint i = 0; i < 20; i++)
    add (replay, i);
  embed_waiting (replay);
  save (replay, path);
  g_clear_object (&replay);
  g_assert_true (g_file_get_contents (path, &text, &length, NULL));
  for (guint i = 0; i < G_N_ELEMENTS (changes); i++) {
    g_autofree gchar *changed = g_memdup2 (text, length);

    g_test_message ("%s", changes[i][1]);
    replace (changed, length, changes[i][0], changes[i][1]);
    g_assert_true (g_file_set_contents (path, changed, (gssize) length, NULL));
    assert_is_refused (path);
  }
  for (gsize cut = 0; cut < length; cut += 61) {
    g_assert_true (g_file_set_contents (path, text, (gssize) cut, NULL));
    assert_is_refused (path);
  }
  remove_path (path);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/replay-file/a-restored-memory-goes-on/all",
      GINT_TO_POINTER (SIMCLR_REPLAY_POLICY_ALL), test_a_restored_memory_goes_on);
  g_test_add_data_func ("/replay-file/a-restored-memory-goes-on/fifo",
      GINT_TO_POINTER (SIMCLR_REPLAY_POLICY_FIFO), test_a_restored_memory_goes_on);
  g_test_add_data_func ("/replay-file/a-restored-memory-goes-on/reservoir",
      GINT_TO_POINTER (SIMCLR_REPLAY_POLICY_RESERVOIR), test_a_restored_memory_goes_on);
  g_test_add_data_func ("/replay-file/a-restored-memory-goes-on/min-redundancy",
      GINT_TO_POINTER (SIMCLR_REPLAY_POLICY_MIN_REDUNDANCY), test_a_restored_memory_goes_on);
  g_test_add_func (
      "/replay-file/another-memory-takes-what-fits", test_another_memory_takes_what_fits);
  g_test_add_func ("/replay-file/a-bad-file-is-an-error", test_a_bad_file_is_an_error);
  return g_test_run ();
}
