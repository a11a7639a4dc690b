/* Collapse and divergence are told from a run that goes well, each once while it lasts.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/train/health-private.h>

#include <math.h>

#include "training-run.h"

#define SIDES 128

static SimclrTrainingStatistics
update (SimclrHealth *health, gdouble loss, gdouble accuracy, gdouble deviation, gdouble rank)
{
  SimclrTrainingStatistics statistics = {.loss = loss,
      .contrastive_accuracy = accuracy,
      .embedding_deviation = deviation,
      .effective_rank = rank};

  _simclr_health_update (health, &statistics, SIDES, SIDES);
  return statistics;
}

/* Learning goes up and down on its way. */
static void
test_a_good_run_is_left_alone (void)
{
  SimclrHealth health = {0};

  for (guint i = 0; i < 2000; i++) {
    gdouble loss = 2 + 4 * exp (-(gdouble) i / 100) + 0.3 * _simclr_random_normal (1, 1, i);
    SimclrTrainingStatistics statistics = update (&health, loss, 0.8, 0.9, 40);

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
          update (&health, 4, 0.8, shows ? symptoms[s][0] : 0.9, shows ? symptoms[s][1] : 40);

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

    _simclr_health_update (&health, &statistics, 2, 8);
    g_assert_false (statistics.collapsed);
    g_assert_false (update (&unknown, 4, 0.8, NAN, NAN).collapsed);
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
      SimclrTrainingStatistics statistics = update (&health, loss, rise > 0 ? 0.01 : 0.8, 0.9, 40);

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

/* Published weights must not be those of a run that has just broken, and one odd batch delays them by itself only. */
static void
test_weights_are_unsound_from_the_first_bad_step (void)
{
  SimclrHealth health = {0};

  for (guint i = 0; i < 500; i++) {
    gboolean odd = i == 200, broken = i >= 300;
    SimclrTrainingStatistics statistics =
        update (&health, odd || broken ? 5.5 : 2, odd || broken ? 0.01 : 0.8, 0.9, 40);

    g_assert_cmpint (statistics.sound, ==, !odd && !broken);
    if (i < 300 + SIMCLR_HEALTH_STEPS || i >= 300 + 2 * SIMCLR_HEALTH_STEPS)
      g_assert_cmpint (statistics.diverging, ==, i >= 300 + 2 * SIMCLR_HEALTH_STEPS);
  }
}

/* Loss rises, accuracy sinks: a camera was turned to what is harder, and does not come back. */
static void
test_harder_pictures_are_no_divergence (void)
{
  SimclrHealth health = {0}, much_harder = {0};

  for (guint i = 0; i < 20000; i++) {
    gboolean turned = i >= 5000;

    g_assert_true (update (&health, turned ? 3 : 2, turned ? 0.5 : 0.8, 0.9, 40).sound);
    /* taken for divergence at first, but not for ever; what cannot be learned from stays it */
    if (update (&much_harder, turned ? 4 : 2, turned ? 0.2 : 0.8, 0.9, 40).sound)
      g_assert_true (!turned || i > 5500);
    else
      g_assert_true (turned && i < 8000);
  }
  for (guint i = 0; i < 20000; i++)
    g_assert_false (update (&health, 5.5, 0.01, 0.9, 40).sound);
}

static void
test_exploding_weights_are_told_at_once (void)
{
  SimclrHealth health = {.first_norm = 60};
  const gdouble norms[] = {60, 6000, 59000, 61000, INFINITY, NAN};

  for (guint i = 0; i < G_N_ELEMENTS (norms); i++) {
    SimclrTrainingStatistics statistics = {
        .loss = 3, .effective_rank = 40, .embedding_deviation = 0.9, .weight_norm = norms[i]};

    _simclr_health_update (&health, &statistics, SIDES, SIDES);
    g_assert_cmpint (statistics.sound, ==, i < 3);
    g_assert_cmpint (statistics.diverging, ==, i >= 3);
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
  g_test_add_func ("/health/weights-are-unsound-from-the-first-bad-step",
      test_weights_are_unsound_from_the_first_bad_step);
  g_test_add_func (
      "/health/harder-pictures-are-no-divergence", test_harder_pictures_are_no_divergence);
  g_test_add_func (
      "/health/exploding-weights-are-told-at-once", test_exploding_weights_are_told_at_once);
  g_test_add_func ("/health/two-pictures-collapse", test_two_pictures_collapse);
  return g_test_run ();
}
