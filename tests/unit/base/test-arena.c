/* Planned memory: blocks alive together do not overlap, others share.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/base/arena-private.h>
#include <simclr/base/random-private.h>

static void
test_living_blocks_are_apart (void)
{
  g_autoptr (SimclrArena) arena = _simclr_arena_new ();
  g_autoptr (GError) error = NULL;
  const guint n = 200;
  guint first[200], last[200];
  gsize bytes[200], sum = 0;

  for (guint i = 0; i < n; i++) {
    first[i] = (guint) _simclr_random_below (1, 0, i, 50);
    last[i] = first[i] + (guint) _simclr_random_below (1, 1, i, 8);
    bytes[i] = _simclr_random_below (1, 2, i, 5000);
    sum += bytes[i];
    g_assert_cmpuint (_simclr_arena_reserve (arena, bytes[i], first[i], last[i]), ==, i);
  }
  g_assert_true (_simclr_arena_allocate (arena, &error));
  g_assert_no_error (error);

  for (guint i = 0; i < n; i++) {
    guint8 *a = _simclr_arena_get (arena, i);

    g_assert_cmpuint ((guintptr) a % SIMCLR_ALIGNMENT, ==, 0);
    for (guint j = 0; j < i; j++) {
      guint8 *b = _simclr_arena_get (arena, j);

      if (first[i] <= last[j] && first[j] <= last[i])
        g_assert_true (a + bytes[i] <= b || b + bytes[j] <= a);
    }
  }
  g_assert_cmpuint (_simclr_arena_get_bytes (arena), <, sum / 2);
}

static void
test_too_much_is_an_error (void)
{
  g_autoptr (SimclrArena) arena = _simclr_arena_new ();
  g_autoptr (GError) error = NULL;

  _simclr_arena_reserve (arena, G_MAXSSIZE - 256, 0, 0);
  g_assert_false (_simclr_arena_allocate (arena, &error));
  g_assert_nonnull (error);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/arena/living-blocks-are-apart", test_living_blocks_are_apart);
  g_test_add_func ("/arena/too-much-is-an-error", test_too_much_is_an_error);
  return g_test_run ();
}
