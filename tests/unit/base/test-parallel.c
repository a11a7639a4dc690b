/* Loops split over a team: every index once, ranges cut at the grain.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/base/parallel-private.h>

#include <sys/resource.h>

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

typedef struct
{
  GThread *caller;
  gint visits[40];
  gint in_caller;
  gint not_nice;
  int wanted;
} Nice;

static void
visit_nicely (guint thread, gsize begin, gsize end, gpointer data)
{
  Nice *self = data;

  if (g_thread_self () == self->caller)
    g_atomic_int_inc (&self->in_caller);
  if (getpriority (PRIO_PROCESS, 0) != self->wanted)
    g_atomic_int_inc (&self->not_nice);
  for (gsize i = begin; i < end; i++)
    g_atomic_int_inc (&self->visits[i]);
}

/* Also a single thread, and loops too short to be split. */
static void
test_nice_threads_leave_the_caller_as_it_is (void)
{
  int before = getpriority (PRIO_PROCESS, 0);

#ifndef __linux__
  g_test_skip ("niceness belongs to the process");
  return;
#endif
  for (guint threads = 1; threads <= 3; threads++) {
    g_autoptr (SimclrParallel) team = _simclr_parallel_new (threads);
    Nice data = {.caller = g_thread_self (), .wanted = MIN (before + 7, 19)};
    Visit plain = {data.visits, 40, 1};

    _simclr_parallel_for (team, 40, 1, visit, &plain);
    _simclr_parallel_set_nice (team, 7);
    for (guint i = 0; i < 100; i++)
      _simclr_parallel_for (team, 40, i % 2 ? 1 : 64, visit_nicely, &data);
    for (guint i = 0; i < 40; i++)
      g_assert_cmpint (data.visits[i], ==, 101);
    g_assert_cmpint (data.in_caller, ==, 0);
    g_assert_cmpint (data.not_nice, ==, 0);
    g_assert_cmpint (getpriority (PRIO_PROCESS, 0), ==, before);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/parallel/every-index-once", test_every_index_once);
  g_test_add_func ("/parallel/no-team-is-the-caller", test_no_team_is_the_caller);
  g_test_add_func ("/parallel/nice-threads-leave-the-caller-as-it-is",
      test_nice_threads_leave_the_caller_as_it_is);
  return g_test_run ();
}
