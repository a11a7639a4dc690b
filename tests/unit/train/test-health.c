/* Collapse and divergence are told from a run that goes well, each once while it lasts.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/train/health-private.h>

#include <math.h>

#include "training-run.h"

#define SIDES 128

static SimclrTrainingStatistics
update (SimclrHealth *health, gdouble loss, gdouble deviation, gdouble rank)
{
  SimclrTrainingStatistics statistics = {
      .loss = loss, .embedding_deviation = deviation, .effective_rank = rank};

  _simclr_health_update (health, &statistics, SIDES);
  return statistics;
}

/* Learning goes up and down on its way. */
static void
test_a_good_run_is_left_alone (void)
{
  SimclrHealth health = {0};

  for (guint i = 0; i < 2000; i++) {
    gdouble loss = 2 + 4 * exp (-(gdouble) i / 100) + 0.3 * _simclr_random_normal (1, 1, i);
    SimclrTrainingStatistics statistics = update (&health, loss, 0.9, 40);

    g_assert_false (statistics.collapsed);
    g_assert_false (statistics.diverging);
  }
}

static void
test_collapse_is_told_while_it_lasts (void)
{
  const gdouble symptoms[][2] = {{0.01, 40}, {0.9, 1.1}};

  for (guint s = 0; s < G_N_ELEMENTS (symptoms); s++) {
    SimclrHealth health = {0};
    guint begins = 0, ends = 0;
    gboolean before = FALSE;

    for (guint i = 0; i < 1000; i++) {
      gboolean ill = i >= 300 && i < 600, blip = i % 100 < 5; /* a few steps decide nothing */
      gboolean shows = ill != blip;
      SimclrTrainingStatistics statistics =
          update (&health, 4, shows ? symptoms[s][0] : 0.9, shows ? symptoms[s][1] : 40);

      begins += statistics.collapsed && !before;
      ends += !statistics.collapsed && before;
      before = statistics.collapsed;
      if (i < 300 + SIMCLR_HEALTH_STEPS - 1)
        g_assert_false (statistics.collapsed);
    }
    g_assert_cmpuint (begins, ==, 1);
    g_assert_cmpuint (ends, ==, 1);
  }
}

/* Of two dimensions nothing follows, and a rank that is not a number is another problem. */
static void
test_small_projections_cannot_collapse (void)
{
  SimclrHealth health = {0}, unknown = {0};

  for (guint i = 0; i < 100; i++) {
    SimclrTrainingStatistics statistics = {.embedding_deviation = 0.01, .effective_rank = 1};

    _simclr_health_update (&health, &statistics, 2);
    g_assert_false (statistics.collapsed);
    g_assert_false (update (&unknown, 4, NAN, NAN).collapsed);
  }
}

static void
test_divergence_is_told_while_it_lasts (void)
{
  const gdouble offsets[] = {0, -5, 40}; /* DCL's loss may be below zero */

  for (guint o = 0; o < G_N_ELEMENTS (offsets); o++) {
    SimclrHealth health = {0};
    guint begins = 0, ends = 0;
    gdouble scale = MAX (fabs (2 + offsets[o]), 1);
    gboolean before = FALSE;

    for (guint i = 0; i < 1500; i++) {
      gdouble rise = i >= 500 && i < 800 ? scale : 0;
      gdouble loss = 2 + 3 * exp (-(gdouble) i / 50) + rise + offsets[o] +
                     0.05 * _simclr_random_normal (1, o, i);
      SimclrTrainingStatistics statistics = update (&health, loss, 0.9, 40);

      begins += statistics.diverging && !before;
      ends += !statistics.diverging && before;
      before = statistics.diverging;
      if (i < 500)
        g_assert_false (statistics.diverging);
    }
    g_assert_cmpuint (begins, ==, 1);
    g_assert_cmpuint (ends, ==, 1);
  }
}

/* Two pictures, over and over, are told apart along one line: the trainer's own figures say so. */
static void
test_two_pictures_collapse (void)
{
  g_auto (Run) run = new_run (SIMCLR_OPTIMIZER_SGD);
  g_autoptr (Tensor) views = tensor_new ((gsize) VIEWS * FLOATS);
  SimclrTrainingStatistics statistics = {0};

  for (gsize i = 0; i < (gsize) VIEWS * FLOATS; i++)
    views[i] = (gfloat) _simclr_random_uniform (3, i / FLOATS / 2 % 2, i % FLOATS);
  g_object_set (run.trainer, "learning-rate", 0.0, NULL);
  for (guint i = 0; i < SIMCLR_HEALTH_STEPS; i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (SimclrForwardPass) pass = simclr_encoder_forward (run.encoder, views, VIEWS, &error);

    g_assert_no_error (error);
    g_assert_false (statistics.collapsed);
    g_assert_true (simclr_trainer_step (run.trainer, pass, &statistics, &error));
    g_assert_no_error (error);
  }
  g_test_message ("deviation %g, rank %g, alignment %g, uniformity %g",
      statistics.embedding_deviation, statistics.effective_rank, statistics.alignment,
      statistics.uniformity);
  g_assert_true (statistics.collapsed);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/health/a-good-run-is-left-alone", test_a_good_run_is_left_alone);
  g_test_add_func ("/health/collapse-is-told-while-it-lasts", test_collapse_is_told_while_it_lasts);
  g_test_add_func (
      "/health/small-projections-cannot-collapse", test_small_projections_cannot_collapse);
  g_test_add_func (
      "/health/divergence-is-told-while-it-lasts", test_divergence_is_told_while_it_lasts);
  g_test_add_func ("/health/two-pictures-collapse", test_two_pictures_collapse);
  return g_test_run ();
}
