/* The vectorised exp () against the mathematical one.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/base/exp-private.h>

#include <math.h>

static void
test_within_a_few_units_in_the_last_place (void)
{
  gdouble worst = 0;

  for (gint i = -870000; i <= 880000; i += 7) {
    gfloat x = (gfloat) i * 1e-4f;
    gdouble exact = exp ((gdouble) x);

    worst = MAX (worst, fabs (_simclr_exp (x) - exact) / exact);
  }
  g_test_message ("largest relative error: %g", worst);
  g_assert_cmpfloat (worst, <, 1.5e-7); /* a float's unit is 1.2e-7 */
}

static void
test_edges (void)
{
  g_assert_cmpfloat (_simclr_exp (0.0f), ==, 1);
  g_assert_cmpfloat (_simclr_exp (-0.0f), ==, 1);
  g_assert_cmpfloat (_simclr_exp (-87.1f), ==, 0);
  g_assert_cmpfloat (_simclr_exp (-1e30f), ==, 0);
  g_assert_cmpfloat (_simclr_exp (-INFINITY), ==, 0);
  g_assert_true (isnan (_simclr_exp (NAN)));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func (
      "/exp/within-a-few-units-in-the-last-place", test_within_a_few_units_in_the_last_place);
  g_test_add_func ("/exp/edges", test_edges);
  return g_test_run ();
}
