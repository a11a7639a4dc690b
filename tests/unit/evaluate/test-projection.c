/* The map's axes are the principal ones, by the definition, and hold still.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/base/random-private.h>
#include <simclr/evaluate/projection.h>
#include <simclr/simclr-error.h>

#include <math.h>
#include <string.h>

#define N 90
#define SIZE 24

/* Directions around a common one that spread by a tenth along one axis, less along another, little along
 * all others. turn mixes the two axes. */
static gfloat *
make_embeddings (guint64 seed, gdouble first, gdouble second, gdouble turn)
{
  gfloat *embeddings = g_new (gfloat, N * SIZE);

  for (guint i = 0; i < N; i++) {
    gdouble u = first * _simclr_random_normal (seed, 1, i),
            v = second * _simclr_random_normal (seed, 2, i), length = 3 + (i % 4);

    for (guint c = 0; c < SIZE; c++)
      embeddings[i * SIZE + c] =
          (gfloat) (length * ((c == 0) + 0.002 * _simclr_random_normal (seed, 3 + c, i)));
    embeddings[i * SIZE + 3] += (gfloat) (length * (cos (turn) * u - sin (turn) * v));
    embeddings[i * SIZE + 7] += (gfloat) (length * (sin (turn) * u + cos (turn) * v));
  }
  return embeddings;
}

/* The covariance of the directions, and its largest eigenvalues by Jacobi's rotations. */
static gdouble
define_variances (const gfloat *embeddings, gdouble *values)
{
  gdouble rows[N][SIZE], matrix[SIZE][SIZE] = {{0}}, total = 0;

  for (guint i = 0; i < N; i++) {
    gdouble square = 0;

    for (guint c = 0; c < SIZE; c++)
      square += pow (embeddings[i * SIZE + c], 2);
    for (guint c = 0; c < SIZE; c++)
      rows[i][c] = embeddings[i * SIZE + c] / sqrt (square);
  }
  for (guint c = 0; c < SIZE; c++) {
    gdouble mean = 0;

    for (guint i = 0; i < N; i++)
      mean += rows[i][c] / N;
    for (guint i = 0; i < N; i++)
      rows[i][c] -= mean;
  }
  for (guint a = 0; a < SIZE; a++)
    for (guint b = 0; b < SIZE; b++)
      for (guint i = 0; i < N; i++)
        matrix[a][b] += rows[i][a] * rows[i][b];
  for (guint sweep = 0; sweep < 30; sweep++) {
    for (guint p = 0; p < SIZE; p++) {
      for (guint q = p + 1; q < SIZE; q++) {
        gdouble angle = 0.5 * atan2 (2 * matrix[p][q], matrix[q][q] - matrix[p][p]),
                c = cos (angle), s = sin (angle);

        for (guint k = 0; k < SIZE; k++) {
          gdouble x = matrix[k][p], y = matrix[k][q];

          matrix[k][p] = c * x - s * y;
          matrix[k][q] = s * x + c * y;
        }
        for (guint k = 0; k < SIZE; k++) {
          gdouble x = matrix[p][k], y = matrix[q][k];

          matrix[p][k] = c * x - s * y;
          matrix[q][k] = s * x + c * y;
        }
      }
    }
  }
  values[0] = values[1] = 0;
  for (guint k = 0; k < SIZE; k++) {
    total += matrix[k][k];
    if (matrix[k][k] > values[0]) {
      values[1] = values[0];
      values[0] = matrix[k][k];
    } else {
      values[1] = MAX (values[1], matrix[k][k]);
    }
  }
  return total;
}

static void
fit (SimclrProjection *projection, const gfloat *embeddings)
{
  g_autoptr (GError) error = NULL;

  simclr_projection_fit (projection, embeddings, N * SIZE, SIZE, &error);
  g_assert_no_error (error);
}

static gfloat *
map (SimclrProjection *projection, const gfloat *embeddings)
{
  g_autoptr (GError) error = NULL;
  gsize n;
  gfloat *points = simclr_projection_map (projection, embeddings, N * SIZE, SIZE, &n, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (n, ==, 2 * N);
  return points;
}

static void
test_axes_hold_the_variance_by_the_definition (void)
{
  const gdouble spreads[][2] = {{0.2, 0.1}, {0.1, 0.0999}, {0.2, 0}, {0.002, 0.002}};

  for (guint k = 0; k < G_N_ELEMENTS (spreads); k++) {
    g_autoptr (SimclrProjection) projection = simclr_projection_new ();
    g_autofree gfloat *embeddings = make_embeddings (k, spreads[k][0], spreads[k][1], 0.7);
    g_autofree gfloat *points = NULL;
    gdouble values[2], total = define_variances (embeddings, values), first, second;
    gdouble sums[5] = {0};

    fit (projection, embeddings);
    simclr_projection_get_shares (projection, &first, &second);
    g_assert_cmpfloat_with_epsilon (first, values[0] / total, 1e-3);
    g_assert_cmpfloat_with_epsilon (second, values[1] / total, 1e-3);
    /* the same of the points themselves */
    points = map (projection, embeddings);
    for (guint i = 0; i < N; i++) {
      gdouble x = points[2 * i], y = points[2 * i + 1];

      sums[0] += x;
      sums[1] += y;
      sums[2] += x * x;
      sums[3] += y * y;
      sums[4] += x * y;
    }
    g_assert_cmpfloat_with_epsilon (sums[0], 0, 1e-4);
    g_assert_cmpfloat_with_epsilon (sums[1], 0, 1e-4);
    g_assert_cmpfloat_with_epsilon (sums[2] / total, first, 1e-3);
    g_assert_cmpfloat_with_epsilon (sums[3] / total, second, 1e-3);
    g_assert_cmpfloat_with_epsilon (sums[4] / total, 0, 1e-3);
  }
}

/* The cloud turns in its plane by half a circle, through shapes that are round: each fit by itself would flip
 * its axes now and then. */
static void
test_axes_hold_still_while_the_cloud_turns (void)
{
  g_autoptr (SimclrProjection) projection = simclr_projection_new ();
  g_autofree gfloat *probe = make_embeddings (9, 0.1, 0.1, 0);
  g_autofree gfloat *before = NULL;

  for (guint k = 0; k < 120; k++) {
    gdouble ratio = 1 + 0.5 * cos (k * 0.2);
    g_autofree gfloat *cloud = make_embeddings (4, 0.1, 0.1 * ratio, k * G_PI / 120);
    g_autofree gfloat *points = NULL;
    gdouble moved = 0, size = 0;

    fit (projection, cloud);
    points = map (projection, probe);
    for (guint i = 0; before != NULL && i < 2 * N; i++) {
      moved += pow (points[i] - before[i], 2);
      size += pow (before[i], 2);
    }
    g_assert_cmpfloat (moved, <=, 0.02 * size);
    g_free (before);
    before = g_steal_pointer (&points);
  }
}

static void
test_a_second_fit_of_the_same_moves_nothing (void)
{
  g_autoptr (SimclrProjection) one = simclr_projection_new ();
  g_autofree gfloat *cloud = make_embeddings (4, 0.2, 0.1, 0.3);
  g_autofree gfloat *a = NULL, *b = NULL;

  fit (one, cloud);
  a = map (one, cloud);
  for (guint k = 0; k < 5; k++)
    fit (one, cloud);
  b = map (one, cloud);
  for (guint i = 0; i < 2 * N; i++)
    g_assert_cmpfloat_with_epsilon (a[i], b[i], 1e-3);
}

static void
test_what_does_not_spread_is_one_point (void)
{
  g_autoptr (SimclrProjection) projection = simclr_projection_new ();
  g_autofree gfloat *cloud = make_embeddings (4, 0.2, 0.1, 0.3);
  g_autofree gfloat *points = NULL, *later = NULL;
  gfloat same[2 * SIZE];
  gdouble first, second, spread = 0;
  gsize n;

  for (guint i = 0; i < 2 * SIZE; i++)
    same[i] = 1;
  g_assert_true (simclr_projection_fit (projection, same, 2 * SIZE, SIZE, NULL));
  points = simclr_projection_map (projection, same, 2 * SIZE, SIZE, &n, NULL);
  for (guint i = 0; i < n; i++)
    g_assert_cmpfloat_with_epsilon (points[i], 0, 1e-5);
  simclr_projection_get_shares (projection, &first, &second);
  g_assert_true (isfinite (first) && isfinite (second));

  fit (projection, cloud); /* and it recovers */
  later = map (projection, cloud);
  for (guint i = 0; i < N; i++)
    spread += pow (later[2 * i], 2) + pow (later[2 * i + 1], 2);
  g_assert_cmpfloat (spread, >, 0.5 * N * 0.05 * 0.5);
}

static void
test_two_embeddings_and_few_dimensions_are_enough (void)
{
  g_autoptr (SimclrProjection) projection = simclr_projection_new ();
  const gfloat two[] = {1, 0, 0, 1};
  g_autofree gfloat *points = NULL;
  gdouble first, second;
  gsize n;

  g_assert_true (simclr_projection_fit (projection, two, 4, 2, NULL));
  points = simclr_projection_map (projection, two, 4, 2, &n, NULL);
  g_assert_cmpuint (n, ==, 4);
  g_assert_cmpfloat_with_epsilon (
      hypot (points[0] - points[2], points[1] - points[3]), sqrt (2), 1e-5);
  simclr_projection_get_shares (projection, &first, &second);
  g_assert_cmpfloat_with_epsilon (first, 1, 1e-5);
  g_assert_cmpfloat_with_epsilon (second, 0, 1e-5);
}

static void
test_what_is_no_embedding_is_an_error (void)
{
  g_autoptr (SimclrProjection) projection = simclr_projection_new ();
  g_autofree gfloat *cloud = make_embeddings (4, 0.2, 0.1, 0.3), *kept = NULL, *now = NULL;
  const gfloat odd[] = {1, 2, 3, NAN};
  g_autoptr (GError) early = NULL, one = NULL, shape = NULL, nan = NULL, other = NULL;
  gsize n;

  g_assert_null (simclr_projection_map (projection, odd, 2, 2, &n, &early));
  g_assert_error (early, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH);
  fit (projection, cloud);
  kept = map (projection, cloud);
  g_assert_false (simclr_projection_fit (projection, odd, 2, 2, &one));
  g_assert_error (one, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE);
  g_assert_false (simclr_projection_fit (projection, odd, 4, 3, &shape));
  g_assert_error (shape, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE);
  g_assert_false (simclr_projection_fit (projection, odd, 4, 2, &nan));
  g_assert_error (nan, SIMCLR_ERROR, SIMCLR_ERROR_NON_FINITE);
  g_assert_null (simclr_projection_map (projection, odd, 4, 2, &n, &other));
  g_assert_error (other, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH);
  now = map (projection, cloud);
  g_assert_cmpmem (now, 2 * N * sizeof *now, kept, 2 * N * sizeof *kept);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, function) g_test_add_func ("/projection/" path, function)
  ADD ("axes-hold-the-variance-by-the-definition", test_axes_hold_the_variance_by_the_definition);
  ADD ("axes-hold-still-while-the-cloud-turns", test_axes_hold_still_while_the_cloud_turns);
  ADD ("a-second-fit-of-the-same-moves-nothing", test_a_second_fit_of_the_same_moves_nothing);
  ADD ("what-does-not-spread-is-one-point", test_what_does_not_spread_is_one_point);
  ADD ("two-embeddings-and-few-dimensions-are-enough",
      test_two_embeddings_and_few_dimensions_are_enough);
  ADD ("what-is-no-embedding-is-an-error", test_what_is_no_embedding_is_an_error);
#undef ADD
  return g_test_run ();
}
