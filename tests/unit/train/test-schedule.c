/* The learning rate's schedule against its definition in the paper and the official code.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/train/schedule-private.h>

#include <math.h>

static void
test_scaling (void)
{
  g_assert_cmpfloat (
      _simclr_schedule_scale (SIMCLR_LEARNING_RATE_SCALING_NONE, 0.3, 4096), ==, 0.3);
  g_assert_cmpfloat_with_epsilon (
      _simclr_schedule_scale (SIMCLR_LEARNING_RATE_SCALING_LINEAR, 0.3, 4096), 4.8, 1e-12);
  g_assert_cmpfloat_with_epsilon (
      _simclr_schedule_scale (SIMCLR_LEARNING_RATE_SCALING_SQRT, 0.075, 4096), 4.8, 1e-12);
}

static gdouble
cosine (guint64 step, guint64 warmup, guint64 total)
{
  const SimclrScheduleSettings settings = {SIMCLR_SCHEDULE_COSINE, warmup, total, 0, 0};

  return _simclr_schedule_rate (&settings, 2, step);
}

static void
test_cosine (void)
{
  /* rises from zero in a line, ten steps of which the last is nine tenths */
  for (guint64 step = 0; step < 10; step++)
    g_assert_cmpfloat_with_epsilon (cosine (step, 10, 110), 0.2 * (gdouble) step, 1e-12);
  g_assert_cmpfloat_with_epsilon (cosine (10, 10, 110), 2, 1e-12);
  g_assert_cmpfloat_with_epsilon (cosine (60, 10, 110), 1, 1e-12);
  for (guint64 step = 10; step < 110; step++)
    g_assert_cmpfloat_with_epsilon (
        cosine (step, 10, 110), 1 + cos (G_PI * ((gdouble) step - 10) / 100), 1e-12);
  g_assert_cmpfloat_with_epsilon (cosine (110, 10, 110), 0, 1e-12);
  g_assert_cmpfloat_with_epsilon (cosine (G_MAXUINT64, 10, 110), 0, 1e-12);
}

static void
test_edges (void)
{
  g_assert_cmpfloat (cosine (0, 0, 100), ==, 2); /* no warm-up begins at the top */
  g_assert_cmpfloat (cosine (12345, 10, 0), ==, 2);
  g_assert_cmpfloat (cosine (5, 10, 0), ==, 1);
  g_assert_cmpfloat (cosine (5, 10, 10), ==, 1); /* nothing but warm-up */
  g_assert_cmpfloat (cosine (10, 10, 10), ==, 0);
  g_assert_cmpfloat (cosine (8, 10, 5), ==, 1.6);
}

static void
test_constant (void)
{
  const SimclrScheduleSettings settings = {SIMCLR_SCHEDULE_CONSTANT, 10, 100, 0, 0};

  for (guint64 step = 0; step < 1000; step++)
    g_assert_cmpfloat_with_epsilon (
        _simclr_schedule_rate (&settings, 2, step), step < 10 ? 0.2 * (gdouble) step : 2, 1e-12);
}

/* Against the sequence as one would write it down, cycle by cycle. */
static void
test_restarts (void)
{
  for (guint factor = 1; factor <= 3; factor++) {
    const SimclrScheduleSettings settings = {SIMCLR_SCHEDULE_COSINE_RESTARTS, 7, 0, 20, factor};
    guint64 step = 7;

    g_assert_cmpfloat_with_epsilon (_simclr_schedule_rate (&settings, 2, 3), 6.0 / 7, 1e-12);
    for (guint64 cycle = 0, length = 20; cycle < 5; cycle++, length *= factor) {
      for (guint64 i = 0; i < length; i++, step++)
        g_assert_cmpfloat_with_epsilon (_simclr_schedule_rate (&settings, 2, step),
            1 + cos (G_PI * (gdouble) i / (gdouble) length), 1e-12);
    }
  }
}

/* A run that never ends gets there. */
static void
test_restarts_at_the_end_of_counting (void)
{
  for (guint factor = 1; factor <= 1000; factor++) {
    const SimclrScheduleSettings settings = {SIMCLR_SCHEDULE_COSINE_RESTARTS, 0, 0, 1, factor};
    gdouble rate = _simclr_schedule_rate (&settings, 2, G_MAXUINT64);

    g_assert_cmpfloat (rate, >=, 0);
    g_assert_cmpfloat (rate, <=, 2);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/schedule/scaling", test_scaling);
  g_test_add_func ("/schedule/cosine", test_cosine);
  g_test_add_func ("/schedule/edges", test_edges);
  g_test_add_func ("/schedule/constant", test_constant);
  g_test_add_func ("/schedule/restarts", test_restarts);
  g_test_add_func (
      "/schedule/restarts-at-the-end-of-counting", test_restarts_at_the_end_of_counting);
  return g_test_run ();
}
