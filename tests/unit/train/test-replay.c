/* The replay memory: who is kept, who is drawn, in which order, and what the bounds do.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/simclr-error.h>
#include <simclr/train/replay.h>

#include <math.h>

/* Items are pointers to entries of an array of flags: TRUE while the memory holds it. */
#define MAX_ITEMS 4096
static gboolean held[MAX_ITEMS];

static void
item_free (gpointer item)
{
  gboolean *flag = item;

  g_assert_true (*flag);
  *flag = FALSE;
}

static gboolean
add (SimclrReplay *replay, guint number, gsize bytes, GError **error)
{
  g_assert_cmpuint (number, <, MAX_ITEMS);
  g_assert_false (held[number]);
  held[number] = TRUE;
  return simclr_replay_add (replay, &held[number], bytes, error);
}

static void
add_many (SimclrReplay *replay, guint items, gsize bytes)
{
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < items; i++) {
    g_assert_true (add (replay, i, bytes, &error));
    g_assert_no_error (error);
  }
}

static guint
sample (SimclrReplay *replay, guint64 index)
{
  guint64 number;
  gboolean *flag = simclr_replay_sample (replay, index, &number);

  g_assert_nonnull (flag);
  g_assert_true (*flag);
  g_assert_cmpuint (number, ==, flag - held);
  return (guint) number;
}

static void
drop (SimclrReplay *replay)
{
  g_assert_finalize_object (replay);
  for (guint i = 0; i < MAX_ITEMS; i++)
    g_assert_false (held[i]);
}

/* Chi-square of counts that should be equal, in deviations from its mean; `scale` is what an
 * expected squared difference is of the expected count (1 for a multinomial with many cells). */
static gdouble
unevenness (const guint *counts, guint cells, gdouble scale)
{
  gdouble mean = 0, square = 0;

  for (guint i = 0; i < cells; i++)
    mean += (gdouble) counts[i] / cells;
  for (guint i = 0; i < cells; i++)
    square += (counts[i] - mean) * (counts[i] - mean) / (mean * scale);
  return (square - (cells - 1)) / sqrt (2.0 * (cells - 1));
}

static void
test_reservoir_is_uniform (void)
{
  guint counts[200] = {0};

  for (guint64 seed = 0; seed < 4000; seed++) {
    SimclrReplay *replay =
        simclr_replay_new (SIMCLR_REPLAY_POLICY_RESERVOIR, 20, 0, seed, item_free);

    add_many (replay, 200, 1);
    g_assert_cmpuint (simclr_replay_get_length (replay), ==, 20);
    g_assert_cmpuint (simclr_replay_get_seen (replay), ==, 200);
    for (guint i = 0; i < 200; i++)
      counts[i] += held[i] ? 1 : 0;
    g_object_unref (replay);
  }
  /* each is in or out with probability 0.1 */
  g_assert_cmpfloat (fabs (unevenness (counts, 200, 0.9)), <, 4);
}

/* Of 199 pairs of neighbours a uniform sample of 20 of 200 holds 199 * (20 * 19) / (200 * 199) = 1.9
 * on average. */
static void
test_reservoir_keeps_no_runs (void)
{
  guint neighbours = 0;

  for (guint64 seed = 0; seed < 4000; seed++) {
    SimclrReplay *replay =
        simclr_replay_new (SIMCLR_REPLAY_POLICY_RESERVOIR, 20, 0, seed, item_free);

    add_many (replay, 200, 1);
    for (guint i = 0; i + 1 < 200; i++)
      neighbours += held[i] && held[i + 1] ? 1 : 0;
    g_object_unref (replay);
  }
  g_assert_cmpfloat (fabs (neighbours / 4000.0 - 1.9), <, 0.1);
}

/* Frames of 1 and of 3 bytes in a memory of 100: near the threshold size matters a little. */
static void
test_reservoir_in_bytes_ignores_size_and_age (void)
{
  guint small = 0, large = 0, first_half = 0, second_half = 0;

  for (guint64 seed = 0; seed < 1000; seed++) {
    SimclrReplay *replay =
        simclr_replay_new (SIMCLR_REPLAY_POLICY_RESERVOIR, 0, 100, seed, item_free);

    for (guint i = 0; i < 400; i++) {
      g_assert_true (add (replay, i, i % 2 ? 3 : 1, NULL));
      g_assert_cmpuint (simclr_replay_get_bytes (replay), <=, 100);
    }
    for (guint i = 0; i < 400; i++) {
      *(i % 2 ? &large : &small) += held[i] ? 1 : 0;
      *(i < 200 ? &first_half : &second_half) += held[i] ? 1 : 0;
    }
    g_object_unref (replay);
  }
  g_assert_cmpfloat (fabs ((gdouble) large / small - 1), <, 0.06);
  g_assert_cmpfloat (fabs ((gdouble) first_half / second_half - 1), <, 0.04);
  /* 50 fit on average; what the threshold has cut off is not filled up */
  g_assert_cmpuint (small + large, >, 47 * 1000);
}

/* When frames become smaller the memory must not fill up with them beyond their share. */
static void
test_reservoir_in_bytes_over_a_change_of_size (void)
{
  guint large = 0, small = 0;

  for (guint64 seed = 0; seed < 2000; seed++) {
    SimclrReplay *replay =
        simclr_replay_new (SIMCLR_REPLAY_POLICY_RESERVOIR, 0, 1000, seed, item_free);

    for (guint i = 0; i < 200; i++)
      g_assert_true (add (replay, i, 100, NULL));
    for (guint i = 200; i < 300; i++)
      g_assert_true (add (replay, i, 1, NULL));
    for (guint i = 0; i < 300; i++)
      *(i < 200 ? &large : &small) += held[i] ? 1 : 0;
    g_object_unref (replay);
  }
  g_assert_cmpfloat (fabs (small / (large / 2.0) - 1), <, 0.1);
}

static void
test_fifo_keeps_the_newest (void)
{
  SimclrReplay *replay = simclr_replay_new (SIMCLR_REPLAY_POLICY_FIFO, 7, 0, 1, item_free);

  g_assert_false (simclr_replay_is_full (replay));
  for (guint i = 0; i < 100; i++) {
    g_assert_true (simclr_replay_admits (replay, 5));
    g_assert_true (add (replay, i, 5, NULL));
    for (guint k = 0; k <= i; k++)
      g_assert_true (held[k] == (k + 7 > i));
  }
  g_assert_true (simclr_replay_is_full (replay));
  g_assert_cmpuint (simclr_replay_get_bytes (replay), ==, 35);
  drop (replay);
}

/* The most that fits: as many of the newest as there is room for. */
static void
test_fifo_in_bytes (void)
{
  SimclrReplay *replay = simclr_replay_new (SIMCLR_REPLAY_POLICY_FIFO, 0, 1000, 1, item_free);

  for (guint i = 0; i < 300; i++) {
    guint64 sum = 0;
    guint k = i + 1;

    g_assert_true (add (replay, i, 20 + i % 37, NULL));
    while (k > 0 && sum + 20 + (k - 1) % 37 <= 1000)
      sum += 20 + --k % 37;
    g_assert_cmpuint (simclr_replay_get_bytes (replay), ==, sum);
    g_assert_cmpuint (simclr_replay_get_length (replay), ==, i + 1 - k);
    g_assert_true (held[k]);
  }
  drop (replay);
}

static void
test_admission_is_known_before (void)
{
  SimclrReplay *replay = simclr_replay_new (SIMCLR_REPLAY_POLICY_RESERVOIR, 10, 0, 3, item_free);
  guint kept = 0;

  for (guint i = 0; i < 500; i++) {
    gboolean admits = simclr_replay_admits (replay, 1);

    g_assert_true (add (replay, i, 1, NULL));
    g_assert_true (held[i] == admits);
    kept += admits ? 1 : 0;
  }
  /* sum of 10 / i from 11 to 500, and the first ten: 49, deviation 6 */
  g_assert_cmpuint (kept, >, 25);
  g_assert_cmpuint (kept, <, 75);
  drop (replay);
}

static void
test_all_is_an_error_when_full (void)
{
  g_autoptr (GError) error = NULL;
  SimclrReplay *replay = simclr_replay_new (SIMCLR_REPLAY_POLICY_ALL, 0, 1000, 1, item_free);

  add_many (replay, 9, 111);
  g_assert_false (add (replay, 9, 111, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_FULL);
  g_assert_nonnull (g_strstr_len (error->message, -1, "1000"));
  g_assert_nonnull (g_strstr_len (error->message, -1, "999"));
  g_assert_nonnull (g_strstr_len (error->message, -1, "111"));
  g_assert_false (held[9]);
  g_assert_cmpuint (simclr_replay_get_length (replay), ==, 9);
  g_assert_true (add (replay, 10, 1, NULL));
  drop (replay);

  g_clear_error (&error);
  replay = simclr_replay_new (SIMCLR_REPLAY_POLICY_ALL, 3, 0, 1, item_free);
  add_many (replay, 3, 1);
  g_assert_true (simclr_replay_is_full (replay));
  g_assert_false (add (replay, 3, 1, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_FULL);
  drop (replay);
}

static void
test_too_large_is_an_error (void)
{
  const SimclrReplayPolicy policies[] = {
      SIMCLR_REPLAY_POLICY_ALL, SIMCLR_REPLAY_POLICY_FIFO, SIMCLR_REPLAY_POLICY_RESERVOIR};

  for (guint i = 0; i < G_N_ELEMENTS (policies); i++) {
    g_autoptr (GError) error = NULL;
    SimclrReplay *replay = simclr_replay_new (policies[i], 0, 100, 1, item_free);

    g_assert_true (add (replay, 0, 50, NULL));
    g_assert_false (add (replay, 1, 101, &error));
    g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_FULL);
    g_assert_cmpuint (simclr_replay_get_length (replay), ==, 1);
    drop (replay);
  }
}

static void
test_epochs_are_complete_and_fresh (void)
{
  SimclrReplay *replay = simclr_replay_new (SIMCLR_REPLAY_POLICY_ALL, 0, 0, 5, item_free);
  guint before[101] = {0};
  guint moved = 0;

  add_many (replay, 101, 1);
  for (guint epoch = 0; epoch < 10; epoch++) {
    gboolean seen[101] = {FALSE};

    for (guint i = 0; i < 101; i++) {
      guint number = sample (replay, epoch * 101 + i);

      g_assert_false (seen[number]);
      seen[number] = TRUE;
      moved += number != before[i] ? 1 : 0;
      before[i] = number;
    }
  }
  /* by chance one place in an epoch stays */
  g_assert_cmpuint (moved, >, 10 * 101 - 30);
  drop (replay);
}

/* Every one of the 24 orders of four items is as frequent as every other, over seeds and epochs. */
static void
test_shuffle_is_uniform (void)
{
  guint counts[256] = {0}, orders[24], cells = 0;

  for (guint64 seed = 0; seed < 300; seed++) {
    SimclrReplay *replay = simclr_replay_new (SIMCLR_REPLAY_POLICY_ALL, 0, 0, seed, item_free);

    add_many (replay, 4, 1);
    for (guint epoch = 0; epoch < 40; epoch++) {
      guint order = 0;

      for (guint i = 0; i < 4; i++)
        order = order * 4 + sample (replay, epoch * 4 + i);
      counts[order]++;
    }
    g_object_unref (replay);
  }
  for (guint order = 0; order < 256; order++) {
    if (counts[order] > 0) {
      g_assert_cmpuint (cells, <, 24);
      orders[cells++] = counts[order];
    }
  }
  g_assert_cmpuint (cells, ==, 24);
  g_assert_cmpfloat (fabs (unevenness (orders, 24, 1)), <, 4);
}

static void
test_all_can_be_taken_up_anywhere (void)
{
  guint whole[300];
  SimclrReplay *replay = simclr_replay_new (SIMCLR_REPLAY_POLICY_ALL, 0, 0, 9, item_free);

  add_many (replay, 70, 1);
  for (guint i = 0; i < 300; i++)
    whole[i] = sample (replay, i);
  drop (replay);

  replay = simclr_replay_new (SIMCLR_REPLAY_POLICY_ALL, 0, 0, 9, item_free);
  add_many (replay, 70, 1);
  for (guint i = 151; i < 300; i++)
    g_assert_cmpuint (sample (replay, i), ==, whole[i]);
  g_assert_cmpuint (sample (replay, 3), ==, whole[3]);
  drop (replay);
}

/* Draws from a memory that changes, as many as there are additions. */
static void
draw_and_add (SimclrReplayPolicy policy, guint64 seed, guint *drawn, guint draws)
{
  SimclrReplay *replay = simclr_replay_new (policy, 40, 0, seed, item_free);

  for (guint i = 0; i < draws; i++) {
    g_assert_true (add (replay, i, 1, NULL));
    drawn[i] = sample (replay, i);
  }
  drop (replay);
}

static void
test_same_seed_same_samples (void)
{
  const SimclrReplayPolicy policies[] = {SIMCLR_REPLAY_POLICY_FIFO, SIMCLR_REPLAY_POLICY_RESERVOIR};

  for (guint i = 0; i < G_N_ELEMENTS (policies); i++) {
    guint first[500], again[500], other[500];

    draw_and_add (policies[i], 1, first, 500);
    draw_and_add (policies[i], 1, again, 500);
    draw_and_add (policies[i], 2, other, 500);
    g_assert_cmpmem (first, sizeof first, again, sizeof again);
    g_assert_cmpint (memcmp (first, other, sizeof first), !=, 0);
  }
}

/* In a window of half the memory no item comes twice, also while items come and go. */
static void
test_no_repeat_within_half_the_memory (void)
{
  SimclrReplay *replay = simclr_replay_new (SIMCLR_REPLAY_POLICY_RESERVOIR, 64, 0, 4, item_free);
  guint latest[32];

  add_many (replay, 64, 1);
  for (guint i = 0; i < 4000; i++) {
    guint number;

    if (i % 3 == 0)
      g_assert_true (add (replay, 64 + i / 3, 1, NULL));
    number = sample (replay, i);
    for (guint k = 0; k < MIN (i, 32); k++)
      g_assert_cmpuint (latest[k], !=, number);
    latest[i % 32] = number;
  }
  drop (replay);
}

static void
test_draws_are_uniform (void)
{
  SimclrReplay *replay = simclr_replay_new (SIMCLR_REPLAY_POLICY_FIFO, 50, 0, 4, item_free);
  guint counts[50] = {0}, followers[50] = {0};
  guint before = 0;

  add_many (replay, 50, 1);
  for (guint i = 0; i < 50000; i++) {
    guint number = sample (replay, i);

    counts[number]++;
    followers[(number + 50 - before) % 50]++;
    before = number;
  }
  /* rest makes the counts more even than independent draws would, never less */
  g_assert_cmpfloat (unevenness (counts, 50, 1), <, 4);
  for (guint i = 0; i < 50; i++)
    g_assert_cmpint (ABS ((gint) counts[i] - 1000), <, 100);
  /* and the distance from one draw to the next is any but none */
  g_assert_cmpuint (followers[0], <=, 1);
  g_assert_cmpfloat (fabs (unevenness (followers + 1, 49, 1)), <, 4);
  drop (replay);
}

static void
test_new_items_wait_for_nobody (void)
{
  SimclrReplay *replay = simclr_replay_new (SIMCLR_REPLAY_POLICY_FIFO, 0, 0, 4, item_free);

  g_assert_null (simclr_replay_sample (replay, 0, NULL));
  g_assert_true (add (replay, 0, 1, NULL));
  for (guint64 i = 0; i < 5; i++)
    g_assert_cmpuint (sample (replay, i), ==, 0);
  g_assert_true (add (replay, 1, 1, NULL));
  g_assert_cmpuint (sample (replay, 5), ==, 1);
  drop (replay);
}

static void
test_clear_begins_anew (void)
{
  guint first[100];
  SimclrReplay *replay = simclr_replay_new (SIMCLR_REPLAY_POLICY_RESERVOIR, 10, 0, 1, item_free);

  for (guint round = 0; round < 2; round++) {
    add_many (replay, 100, 3);
    for (guint i = 0; i < 100; i++) {
      guint number = sample (replay, i);

      if (round == 0)
        first[i] = number;
      g_assert_cmpuint (number, ==, first[i]);
    }
    simclr_replay_clear (replay);
    g_assert_cmpuint (simclr_replay_get_length (replay), ==, 0);
    g_assert_cmpuint (simclr_replay_get_bytes (replay), ==, 0);
    g_assert_cmpuint (simclr_replay_get_seen (replay), ==, 0);
    g_assert_false (simclr_replay_is_full (replay));
  }
  drop (replay);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/replay/reservoir-is-uniform", test_reservoir_is_uniform);
  g_test_add_func ("/replay/reservoir-keeps-no-runs", test_reservoir_keeps_no_runs);
  g_test_add_func ("/replay/reservoir-in-bytes-ignores-size-and-age",
      test_reservoir_in_bytes_ignores_size_and_age);
  g_test_add_func ("/replay/reservoir-in-bytes-over-a-change-of-size",
      test_reservoir_in_bytes_over_a_change_of_size);
  g_test_add_func ("/replay/fifo-keeps-the-newest", test_fifo_keeps_the_newest);
  g_test_add_func ("/replay/fifo-in-bytes", test_fifo_in_bytes);
  g_test_add_func ("/replay/admission-is-known-before", test_admission_is_known_before);
  g_test_add_func ("/replay/all-is-an-error-when-full", test_all_is_an_error_when_full);
  g_test_add_func ("/replay/too-large-is-an-error", test_too_large_is_an_error);
  g_test_add_func ("/replay/epochs-are-complete-and-fresh", test_epochs_are_complete_and_fresh);
  g_test_add_func ("/replay/shuffle-is-uniform", test_shuffle_is_uniform);
  g_test_add_func ("/replay/all-can-be-taken-up-anywhere", test_all_can_be_taken_up_anywhere);
  g_test_add_func ("/replay/same-seed-same-samples", test_same_seed_same_samples);
  g_test_add_func (
      "/replay/no-repeat-within-half-the-memory", test_no_repeat_within_half_the_memory);
  g_test_add_func ("/replay/draws-are-uniform", test_draws_are_uniform);
  g_test_add_func ("/replay/new-items-wait-for-nobody", test_new_items_wait_for_nobody);
  g_test_add_func ("/replay/clear-begins-anew", test_clear_begins_anew);
  return g_test_run ();
}
