/* A replay memory's tiers, cameras and shots: what is drawn, and which frames are neighbours.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/train/replay.h>

#include <math.h>

static void
add (SimclrReplay *replay, guint number, guint source, guint64 run, gint64 time)
{
  const SimclrReplayFacts facts = {.bytes = 1, .source = source, .run = run, .time = time};

  g_assert_true (
      simclr_replay_add_with_facts (replay, GUINT_TO_POINTER (number + 1), &facts, NULL));
}

static guint64
draw (SimclrReplay *replay, guint64 index)
{
  guint64 number;
  gpointer item = simclr_replay_sample (replay, index, &number);

  g_assert_cmpuint (GPOINTER_TO_UINT (item), ==, number + 1);
  return number;
}

/* The share of samples among the newest, whatever the policy keeps. */
static void
test_fresh_share (void)
{
  const SimclrReplayPolicy policies[] = {SIMCLR_REPLAY_POLICY_FIFO, SIMCLR_REPLAY_POLICY_RESERVOIR,
      SIMCLR_REPLAY_POLICY_MIN_REDUNDANCY};

  for (guint p = 0; p < G_N_ELEMENTS (policies); p++) {
    g_autoptr (SimclrReplay) replay = simclr_replay_new (policies[p], 100, 0, 2, NULL);
    guint fresh = 0;

    simclr_replay_set_fresh (replay, 0.3, 20);
    for (guint i = 0; i < 1000; i++) {
      add (replay, i, 0, 0, 0);
      g_assert_true (simclr_replay_admits (replay, 1));
      g_assert_cmpuint (simclr_replay_get_length (replay), <=, 100);
    }
    g_assert_cmpuint (simclr_replay_get_length (replay), ==, 100);
    for (guint index = 0; index < 10000; index++)
      fresh += draw (replay, index) >= 980 ? 1 : 0;
    g_assert_cmpfloat (fabs (fresh / 10000.0 - 0.3), <, 0.02);
  }
}

static void
test_fresh_ones_come_first (void)
{
  g_autoptr (SimclrReplay) replay = simclr_replay_new (SIMCLR_REPLAY_POLICY_FIFO, 30, 0, 2, NULL);

  simclr_replay_set_fresh (replay, 1, 10);
  for (guint i = 0; i < 5; i++)
    add (replay, i, 0, 0, 0);
  g_assert_cmpuint (draw (replay, 0), <, 5);
  for (guint i = 5; i < 100; i++)
    add (replay, i, 0, 0, 0);
  for (guint index = 0; index < 500; index++)
    g_assert_cmpuint (draw (replay, index), >=, 90);
}

/* What leaves the short memory is a uniform sample in the long one. */
static void
test_the_long_memory_is_a_reservoir (void)
{
  guint first_half = 0, second_half = 0;

  for (guint64 seed = 0; seed < 300; seed++) {
    g_autoptr (SimclrReplay) replay =
        simclr_replay_new (SIMCLR_REPLAY_POLICY_RESERVOIR, 50, 0, seed, NULL);
    gboolean held[410] = {FALSE};

    simclr_replay_set_fresh (replay, 0.5, 10);
    for (guint i = 0; i < 410; i++)
      add (replay, i, 0, 0, 0);
    for (guint index = 0; index < 600; index++)
      held[draw (replay, index)] = TRUE;
    for (guint i = 0; i < 400; i++)
      *(i < 200 ? &first_half : &second_half) += held[i] ? 1 : 0;
    for (guint i = 400; i < 410; i++)
      g_assert_true (held[i]);
  }
  g_assert_cmpuint (first_half + second_half, ==, 300 * 40);
  g_assert_cmpfloat (fabs ((gdouble) first_half / second_half - 1), <, 0.06);
}

/* One camera is fast, the other slow. */
static void
test_cameras_are_drawn_alike (void)
{
  g_autoptr (SimclrReplay) replay = simclr_replay_new (SIMCLR_REPLAY_POLICY_FIFO, 1000, 0, 2, NULL);
  guint slow = 0;

  for (guint i = 0; i < 500; i++)
    add (replay, i, i % 10 == 0 ? 3 : 0, 0, 0);
  for (guint index = 0; index < 4000; index++)
    slow += draw (replay, index) % 10 == 0 ? 1 : 0;
  g_assert_cmpfloat (fabs (slow / 4000.0 - 0.5), <, 0.03);
}

/* Times of two cameras and several shots, in one memory. */
static void
test_neighbours_are_near_and_of_one_shot (void)
{
  const SimclrReplayPolicy policies[] = {SIMCLR_REPLAY_POLICY_ALL, SIMCLR_REPLAY_POLICY_RESERVOIR};

  for (guint p = 0; p < G_N_ELEMENTS (policies); p++) {
    g_autoptr (SimclrReplay) replay = simclr_replay_new (policies[p], 1000, 0, 7, NULL);
    guint counts[400] = {0}, alone = 0;

    for (guint i = 0; i < 400; i++)
      add (replay, i, i % 2, 1 + 2 * (i / 40) + i % 2, 10 * (i / 2));
    for (guint index = 0; index < 8000; index++) {
      guint64 number = index % 400, neighbour;
      gpointer item = simclr_replay_neighbour (replay, number, 30, index, &neighbour);

      g_assert_nonnull (item);
      g_assert_cmpuint (GPOINTER_TO_UINT (item), ==, neighbour + 1);
      g_assert_cmpuint (neighbour, !=, number);
      g_assert_cmpuint (neighbour % 2, ==, number % 2);
      g_assert_cmpuint (neighbour / 40, ==, number / 40);
      g_assert_cmpint (ABS ((gint) (neighbour / 2) - (gint) (number / 2)), <=, 3);
      counts[neighbour]++;
    }
    for (guint i = 0; i < 400; i++)
      alone += counts[i] == 0 ? 1 : 0;
    g_assert_cmpuint (alone, ==, 0);
    g_assert_null (simclr_replay_neighbour (replay, 10, 9, 0, NULL));
    g_assert_null (simclr_replay_neighbour (replay, 1000, 100, 0, NULL));
  }
}

static void
test_frames_without_a_run_have_no_neighbours (void)
{
  g_autoptr (SimclrReplay) replay = simclr_replay_new (SIMCLR_REPLAY_POLICY_ALL, 0, 0, 7, NULL);

  for (guint i = 0; i < 10; i++)
    add (replay, i, 0, 0, 0);
  for (guint i = 0; i < 10; i++)
    g_assert_null (simclr_replay_neighbour (replay, i, G_MAXUINT64, i, NULL));
  g_assert_cmpuint (simclr_replay_begin_run (replay), ==, 1);
  g_assert_cmpuint (simclr_replay_begin_run (replay), ==, 2);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/replay-tiers/fresh-share", test_fresh_share);
  g_test_add_func ("/replay-tiers/fresh-ones-come-first", test_fresh_ones_come_first);
  g_test_add_func (
      "/replay-tiers/the-long-memory-is-a-reservoir", test_the_long_memory_is_a_reservoir);
  g_test_add_func ("/replay-tiers/cameras-are-drawn-alike", test_cameras_are_drawn_alike);
  g_test_add_func ("/replay-tiers/neighbours-are-near-and-of-one-shot",
      test_neighbours_are_near_and_of_one_shot);
  g_test_add_func ("/replay-tiers/frames-without-a-run-have-no-neighbours",
      test_frames_without_a_run_have_no_neighbours);
  return g_test_run ();
}
