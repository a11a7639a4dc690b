/* Loops split over a team: every index once, ranges cut at the grain.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/base/parallel-private.h>

typedef struct
{
  gint *visits;
  gsize count;
  gsize grain;
} Visit;

static void
visit (guint thread, gsize begin, gsize end, gpointer data)
{
  Visit *self = data;

  g_assert_cmpuint (begin % self->grain, ==, 0);
  g_assert_true (end % self->grain == 0 || end == self->count);
  for (gsize i = begin; i < end; i++)
    g_atomic_int_inc (&self->visits[i]);
}

static void
test_every_index_once (void)
{
  for (guint threads = 1; threads <= 5; threads++) {
    g_autoptr (SimclrParallel) team = _simclr_parallel_new (threads);

    g_assert_cmpuint (_simclr_parallel_get_threads (team), ==, threads);
    for (gsize count = 0; count < 60; count++) {
      for (gsize grain = 1; grain <= 16; grain *= 4) {
        g_autofree gint *visits = g_new0 (gint, count + 1);
        Visit data = {visits, count, grain};

        _simclr_parallel_for (team, count, grain, visit, &data);
        for (gsize i = 0; i < count; i++)
          g_assert_cmpint (visits[i], ==, 1);
      }
    }
  }
}

static void
test_no_team_is_the_caller (void)
{
  gint visits[9] = {0};
  Visit data = {visits, 9, 1};

  g_assert_cmpuint (_simclr_parallel_get_threads (NULL), ==, 1);
  _simclr_parallel_for (NULL, 9, 1, visit, &data);
  for (gsize i = 0; i < 9; i++)
    g_assert_cmpint (visits[i], ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/parallel/every-index-once", test_every_index_once);
  g_test_add_func ("/parallel/no-team-is-the-caller", test_no_team_is_the_caller);
  return g_test_run ();
}
