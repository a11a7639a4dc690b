/* Philox against its published answers, and the numbers made of it against their definitions.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/base/random-private.h>

#include <math.h>

/* Random123's kat_vectors for philox4x32 10: counter all ones, key all ones; and pi. */
static void
test_philox_known_answers (void)
{
  guint32 bits[4];

  _simclr_random_bits (0, 0, 0, bits);
  g_assert_cmphex (bits[0], ==, 0x6627e8d5);
  g_assert_cmphex (bits[1], ==, 0xe169c58d);
  g_assert_cmphex (bits[2], ==, 0xbc57ac4c);
  g_assert_cmphex (bits[3], ==, 0x9b00dbd8);

  _simclr_random_bits (G_MAXUINT64, G_MAXUINT64, G_MAXUINT64, bits);
  g_assert_cmphex (bits[0], ==, 0x408f276d);
  g_assert_cmphex (bits[1], ==, 0x41c83b0e);
  g_assert_cmphex (bits[2], ==, 0xa20bc7c6);
  g_assert_cmphex (bits[3], ==, 0x6d5451fd);

  _simclr_random_bits (G_GUINT64_CONSTANT (0x299f31d0a4093822),
      G_GUINT64_CONSTANT (0x0370734413198a2e), G_GUINT64_CONSTANT (0x85a308d3243f6a88), bits);
  g_assert_cmphex (bits[0], ==, 0xd16cfe09);
  g_assert_cmphex (bits[1], ==, 0x94fdcceb);
  g_assert_cmphex (bits[2], ==, 0x5001e420);
  g_assert_cmphex (bits[3], ==, 0x24126ea1);
}

static void
test_moments (void)
{
  gdouble uniform = 0, normal = 0, normal_squares = 0, truncated_squares = 0;
  const guint64 n = 100000;

  for (guint64 i = 0; i < n; i++) {
    gdouble u = _simclr_random_uniform (7, 1, i);
    gdouble x = _simclr_random_normal (7, 2, i);
    gdouble t = _simclr_random_truncated_normal (7, 3, i);

    g_assert_cmpfloat (u, >=, 0);
    g_assert_cmpfloat (u, <, 1);
    g_assert_cmpfloat (fabs (t), <=, 2);
    uniform += u;
    normal += x;
    normal_squares += x * x;
    truncated_squares += t * t;
  }
  g_assert_cmpfloat (fabs (uniform / n - 0.5), <, 0.005);
  g_assert_cmpfloat (fabs (normal / n), <, 0.015);
  g_assert_cmpfloat (fabs (normal_squares / n - 1), <, 0.025);
  /* the variance of a normal cut at two deviations */
  g_assert_cmpfloat (fabs (sqrt (truncated_squares / n) - 0.87962566), <, 0.01);
}

static void
test_below_is_uniform (void)
{
  guint counts[7] = {0};

  for (guint64 i = 0; i < 70000; i++)
    counts[_simclr_random_below (3, 4, i, 7)]++;
  for (guint i = 0; i < 7; i++)
    g_assert_cmpint (ABS ((gint) counts[i] - 10000), <, 500);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/random/philox-known-answers", test_philox_known_answers);
  g_test_add_func ("/random/moments", test_moments);
  g_test_add_func ("/random/below-is-uniform", test_below_is_uniform);
  return g_test_run ();
}
