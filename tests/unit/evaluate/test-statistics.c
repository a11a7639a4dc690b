/* Health of embeddings, in cases where the answer is known.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/evaluate/statistics-private.h>
#include <simclr/base/random-private.h>

#include <math.h>

static gdouble
rank_of (const gfloat *z, gsize rows, gsize columns)
{
  g_autofree gdouble *scratch = g_new (gdouble, _simclr_statistics_get_scratch (rows, columns));

  return _simclr_effective_rank (z, rows, columns, scratch);
}

static gdouble
deviation_of (const gfloat *z, gsize rows, gsize columns)
{
  g_autofree gdouble *scratch = g_new (gdouble, _simclr_statistics_get_scratch (rows, columns));

  return _simclr_embedding_deviation (z, rows, columns, NULL, scratch);
}

/* The definition's last step. */
static gdouble
rank_of_values (const gdouble *values, gsize count)
{
  gdouble sum = 0, entropy = 0;

  for (gsize i = 0; i < count; i++)
    sum += values[i];
  for (gsize i = 0; i < count; i++)
    if (values[i] > 0)
      entropy -= values[i] / sum * log (values[i] / sum);
  return exp (entropy);
}

/* u diag (values) v', where columns of u and v are those of the cosine transform. */
static gfloat *
make_matrix (gsize rows, gsize columns, const gdouble *values, gsize count)
{
  gfloat *z = g_new0 (gfloat, rows * columns);

  for (gsize k = 0; k < count; k++) {
    for (gsize r = 0; r < rows; r++) {
      gdouble u = cos (G_PI * ((gdouble) r + 0.5) * (gdouble) k / (gdouble) rows) *
                  sqrt ((k == 0 ? 1.0 : 2.0) / (gdouble) rows);

      for (gsize c = 0; c < columns; c++)
        z[r * columns + c] +=
            (gfloat) (values[k] * u *
                      cos (G_PI * ((gdouble) c + 0.5) * (gdouble) k / (gdouble) columns) *
                      sqrt ((k == 0 ? 1.0 : 2.0) / (gdouble) columns));
    }
  }
  return z;
}

static void
test_rank_of_known_singular_values (void)
{
  const gdouble values[] = {5, 3, 3, 1, 0.5, 1e-2, 1e-3};
  const gsize sizes[][2] = {{7, 7}, {300, 20}, {20, 300}, {128, 129}, {600, 7}};

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    for (gsize count = 1; count <= G_N_ELEMENTS (values); count++) {
      g_autofree gfloat *z = make_matrix (sizes[i][0], sizes[i][1], values, count);

      /* float entries leave singular values of some 1e-6 in every direction */
      g_assert_cmpfloat_with_epsilon (
          rank_of (z, sizes[i][0], sizes[i][1]), rank_of_values (values, count), 2e-3);
    }
  }
}

static void
test_rank_edges (void)
{
  const gfloat zeros[12] = {0}, one[] = {3}, bad[] = {1, 2, NAN, 4},
               endless[] = {1, 2, 3, INFINITY};
  gfloat identity[64] = {0};

  for (guint i = 0; i < 8; i++)
    identity[i * 9] = 0.5f;
  g_assert_cmpfloat_with_epsilon (rank_of (identity, 8, 8), 8, 1e-9);
  g_assert_cmpfloat (rank_of (zeros, 3, 4), ==, 0);
  g_assert_cmpfloat_with_epsilon (rank_of (one, 1, 1), 1, 1e-12);
  g_assert_true (isnan (rank_of (bad, 2, 2)));
  g_assert_true (isnan (rank_of (endless, 2, 2)));
}

static void
test_deviation_of_the_sphere_is_one (void)
{
  const gsize rows = 20000, columns = 16;
  g_autofree gfloat *z = g_new (gfloat, rows * columns);

  for (gsize i = 0; i < rows * columns; i++)
    z[i] = (gfloat) (17 * _simclr_random_normal (1, 1, i));
  g_assert_cmpfloat_with_epsilon (deviation_of (z, rows, columns), 1, 0.01);
}

static void
test_deviation_of_a_collapse_is_zero (void)
{
  gfloat z[400];

  for (guint i = 0; i < 400; i++)
    z[i] = (gfloat) (i % 4 + 1) * (1 + (gfloat) (i / 4)); /* one direction, any length */
  g_assert_cmpfloat (deviation_of (z, 100, 4), <, 1e-3);
}

/* (1, 0), (-1, 0), (0, 1), (0, -1): each column has the deviation sqrt (1/2), times sqrt (2). */
static void
test_deviation_by_hand (void)
{
  const gfloat cross[] = {2, 0, -3, 0, 0, 4, 0, -5}, with_zero[] = {1, 0, 0, 0};

  g_assert_cmpfloat_with_epsilon (deviation_of (cross, 4, 2), 1, 1e-9);
  g_assert_cmpfloat_with_epsilon (deviation_of (with_zero, 2, 2), 0.25 * sqrt (2), 1e-9);
}

/* A column in which rows agree, and one that hardly tells them apart. */
static void
test_collapsed_dimensions_are_counted (void)
{
  gfloat z[200 * 5];
  g_autofree gdouble *scratch = g_new (gdouble, _simclr_statistics_get_scratch (200, 5));
  guint collapsed;

  for (guint i = 0; i < 200 * 5; i++)
    z[i] = (gfloat) _simclr_random_normal (3, 1, i);
  _simclr_embedding_deviation (z, 200, 5, &collapsed, scratch);
  g_assert_cmpuint (collapsed, ==, 0);
  for (guint i = 0; i < 200; i++) {
    z[i * 5 + 1] = 0;
    z[i * 5 + 3] *= 1e-3f;
  }
  _simclr_embedding_deviation (z, 200, 5, &collapsed, scratch);
  g_assert_cmpuint (collapsed, ==, 2);
}

/* Wang and Isola's definitions, couple by couple. */
static void
test_alignment_and_uniformity_are_defined (void)
{
  const gsize sizes[][2] = {{2, 3}, {4, 1}, {10, 7}, {64, 200}, {700, 16}};

  for (guint s = 0; s < G_N_ELEMENTS (sizes); s++) {
    const gsize rows = sizes[s][0], columns = sizes[s][1], pairs = MIN (rows / 2, 256);
    g_autofree gdouble *scratch = g_new (gdouble, _simclr_statistics_get_scratch (rows, columns));
    g_autofree gfloat *z = g_new (gfloat, rows * columns);
    g_autofree gdouble *unit = g_new (gdouble, rows * columns);
    gdouble alignment = 0, uniformity = 0;

    for (gsize row = 0; row < rows; row++) {
      gdouble square = 0;

      for (gsize c = 0; c < columns; c++) {
        z[row * columns + c] = (gfloat) (1 + 2 * _simclr_random_normal (4, s, row * columns + c));
        square += (gdouble) z[row * columns + c] * z[row * columns + c];
      }
      for (gsize c = 0; c < columns; c++)
        unit[row * columns + c] = z[row * columns + c] / sqrt (square);
    }
    for (gsize view = 0; view < 2; view++) {
      gdouble sum = 0;

      for (gsize i = 0; i < rows / 2; i++)
        for (gsize k = 0; k < i && i < pairs; k++) {
          gdouble square = 0;

          for (gsize c = 0; c < columns; c++) {
            gdouble d = unit[(2 * i + view) * columns + c] - unit[(2 * k + view) * columns + c];

            square += d * d;
          }
          sum += exp (-2 * square) / (0.5 * (gdouble) (pairs * (pairs - 1)));
        }
      uniformity += pairs > 1 ? 0.5 * log (sum) : 0;
    }
    for (gsize i = 0; i < rows * columns; i++)
      if (i / columns % 2 == 0) {
        gdouble d = unit[i] - unit[i + columns];

        alignment += d * d / (gdouble) (rows / 2);
      }
    g_assert_cmpfloat_with_epsilon (_simclr_alignment (z, rows, columns), alignment, 1e-9);
    g_assert_cmpfloat_with_epsilon (
        _simclr_uniformity (z, rows, columns, scratch), uniformity, 1e-9);
  }
}

static void
test_a_collapse_is_aligned_and_not_uniform (void)
{
  g_autofree gdouble *scratch = g_new (gdouble, _simclr_statistics_get_scratch (40, 4));
  gfloat z[40 * 4];

  for (guint i = 0; i < 40 * 4; i++)
    z[i] = (gfloat) (i % 4 + 1);
  g_assert_cmpfloat_with_epsilon (_simclr_alignment (z, 40, 4), 0, 1e-12);
  g_assert_cmpfloat_with_epsilon (_simclr_uniformity (z, 40, 4, scratch), 0, 1e-12);
  z[5] = NAN;
  g_assert_true (isnan (_simclr_alignment (z, 40, 4)));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/statistics/rank-of-known-singular-values", test_rank_of_known_singular_values);
  g_test_add_func ("/statistics/rank-edges", test_rank_edges);
  g_test_add_func (
      "/statistics/deviation-of-the-sphere-is-one", test_deviation_of_the_sphere_is_one);
  g_test_add_func (
      "/statistics/deviation-of-a-collapse-is-zero", test_deviation_of_a_collapse_is_zero);
  g_test_add_func ("/statistics/deviation-by-hand", test_deviation_by_hand);
  g_test_add_func (
      "/statistics/collapsed-dimensions-are-counted", test_collapsed_dimensions_are_counted);
  g_test_add_func ("/statistics/alignment-and-uniformity-are-defined",
      test_alignment_and_uniformity_are_defined);
  g_test_add_func ("/statistics/a-collapse-is-aligned-and-not-uniform",
      test_a_collapse_is_aligned_and_not_uniform);
  return g_test_run ();
}
