/* NT-Xent against equation 1 of the paper in double precision, and its gradient against differences.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/loss/ntxent-private.h>
#include <simclr/base/random-private.h>

#include <math.h>

typedef struct
{
  gsize rows;
  gsize columns;
  gdouble temperature;
  gfloat *z;
  gfloat *dz;
  SimclrNtxentResult result;
} Case;

static void
compute (Case *self, SimclrParallel *team)
{
  g_autofree gfloat *scratch = g_new (gfloat,
      _simclr_ntxent_get_scratch (_simclr_parallel_get_threads (team), self->rows, self->columns));

  _simclr_ntxent (team, self->z, self->rows, self->columns, self->temperature, self->dz,
      &self->result, scratch);
}

static void
case_init (Case *self, gsize rows, gsize columns, gdouble temperature, guint64 seed)
{
  *self = (Case){
      rows, columns, temperature, g_new (gfloat, rows * columns), g_new (gfloat, rows * columns)};
  for (gsize i = 0; i < rows * columns; i++)
    self->z[i] = (gfloat) (3 * _simclr_random_normal (seed, 1, i));
}

static void
case_clear (Case *self)
{
  g_free (self->z);
  g_free (self->dz);
}

/* The definition, with the unit length of tf.math.l2_normalize. */
static void
define (
    const gdouble *z, gsize rows, gsize columns, gdouble temperature, SimclrNtxentResult *result)
{
  g_autofree gdouble *unit = g_new (gdouble, rows * columns), *logits = g_new (gdouble, rows);

  for (gsize i = 0; i < rows; i++) {
    gdouble square = 0;

    for (gsize c = 0; c < columns; c++)
      square += z[i * columns + c] * z[i * columns + c];
    for (gsize c = 0; c < columns; c++)
      unit[i * columns + c] = z[i * columns + c] / sqrt (MAX (square, 1e-12));
  }
  *result = (SimclrNtxentResult){0};
  for (gsize i = 0; i < rows; i++) {
    gsize positive = i % 2 == 0 ? i + 1 : i - 1;
    gdouble highest = -G_MAXDOUBLE, sum = 0;
    gboolean hit = TRUE;

    for (gsize k = 0; k < rows; k++) {
      logits[k] = 0;
      for (gsize c = 0; c < columns; c++)
        logits[k] += unit[i * columns + c] * unit[k * columns + c] / temperature;
      if (k != i)
        highest = MAX (highest, logits[k]);
    }
    for (gsize k = 0; k < rows; k++) {
      if (k == i)
        continue;
      sum += exp (logits[k] - highest);
      hit = hit && (k == positive || logits[positive] > logits[k]);
    }
    result->loss += (highest + log (sum) - logits[positive]) / (gdouble) rows;
    result->accuracy += (hit ? 1.0 : 0.0) / (gdouble) rows;
    for (gsize k = 0; k < rows; k++) {
      gdouble p = exp (logits[k] - highest) / sum;

      if (k != i && p > 0)
        result->entropy -= p * log (p) / (gdouble) rows;
    }
  }
}

static gdouble
define_loss (const gdouble *z, const Case *self)
{
  SimclrNtxentResult result;

  define (z, self->rows, self->columns, self->temperature, &result);
  return result.loss;
}

static gdouble *
to_double (const Case *self)
{
  gdouble *z = g_new (gdouble, self->rows * self->columns);

  for (gsize i = 0; i < self->rows * self->columns; i++)
    z[i] = self->z[i];
  return z;
}

static void
test_is_equation_1 (void)
{
  const gsize sizes[][2] = {{2, 1}, {2, 4}, {4, 3}, {130, 16}, {514, 33}, {600, 128}};
  const gdouble temperatures[] = {0.01, 0.1, 0.5, 1, 10};

  for (guint s = 0; s < G_N_ELEMENTS (sizes); s++) {
    for (guint t = 0; t < G_N_ELEMENTS (temperatures); t++) {
      g_autofree gdouble *z = NULL;
      SimclrNtxentResult expected;
      Case self;

      case_init (&self, sizes[s][0], sizes[s][1], temperatures[t], s);
      z = to_double (&self);
      compute (&self, NULL);
      define (z, self.rows, self.columns, self.temperature, &expected);
      /* float logits have errors of some 1e-7 / temperature */
      g_assert_cmpfloat_with_epsilon (
          self.result.loss, expected.loss, 1e-6 / self.temperature + 2e-6);
      g_assert_cmpfloat_with_epsilon (
          self.result.entropy, expected.entropy, 1e-6 / self.temperature + 1e-5);
      g_assert_cmpfloat_with_epsilon (self.result.accuracy, expected.accuracy, 1e-9);
      case_clear (&self);
    }
  }
}

static void
test_gradient_is_the_difference (void)
{
  const gdouble temperatures[] = {0.05, 0.5, 2};

  for (guint t = 0; t < G_N_ELEMENTS (temperatures); t++) {
    g_autofree gdouble *z = NULL;
    gdouble difference = 0, norm = 0;
    Case self;

    case_init (&self, 12, 5, temperatures[t], 40 + t);
    z = to_double (&self);
    compute (&self, NULL);
    for (gsize i = 0; i < self.rows * self.columns; i++) {
      const gdouble step = 1e-5, middle = z[i];
      gdouble slope;

      z[i] = middle + step;
      slope = define_loss (z, &self);
      z[i] = middle - step;
      slope = (slope - define_loss (z, &self)) / (2 * step);
      z[i] = middle;
      difference += (self.dz[i] - slope) * (self.dz[i] - slope);
      norm += slope * slope;
    }
    g_assert_cmpfloat (norm, >, 0);
    g_assert_cmpfloat (sqrt (difference), <, 2e-5 * sqrt (norm));
    case_clear (&self);
  }
}

static void
test_any_team_gives_the_same_bits (void)
{
  Case alone, shared;

  case_init (&alone, 700, 20, 0.2, 5);
  case_init (&shared, 700, 20, 0.2, 5);
  compute (&alone, NULL);
  for (guint threads = 2; threads <= 4; threads++) {
    g_autoptr (SimclrParallel) team = _simclr_parallel_new (threads);

    compute (&shared, team);
    g_assert_cmpmem (alone.dz, 700 * 20 * sizeof (gfloat), shared.dz, 700 * 20 * sizeof (gfloat));
    g_assert_cmpmem (&alone.result, sizeof alone.result, &shared.result, sizeof shared.result);
  }
  case_clear (&alone);
  case_clear (&shared);
}

static void
test_low_temperature_stays_finite (void)
{
  Case self;

  case_init (&self, 64, 8, 1e-3, 9);
  for (gsize c = 0; c < 8; c++) /* a pair that agrees, and two rows that oppose */
    self.z[8 + c] = self.z[c], self.z[24 + c] = -self.z[16 + c];
  compute (&self, NULL);
  g_assert_true (isfinite (self.result.loss));
  g_assert_true (isfinite (self.result.entropy));
  for (gsize i = 0; i < 64 * 8; i++)
    g_assert_true (isfinite (self.dz[i]));
  case_clear (&self);
}

static void
test_rows_of_zeros_are_safe (void)
{
  SimclrNtxentResult expected;
  g_autofree gdouble *z = NULL;
  Case self;

  case_init (&self, 8, 4, 0.5, 10);
  for (gsize c = 0; c < 4; c++)
    self.z[c] = self.z[20 + c] = 0;
  z = to_double (&self);
  compute (&self, NULL);
  define (z, 8, 4, 0.5, &expected);
  g_assert_cmpfloat_with_epsilon (self.result.loss, expected.loss, 1e-6);
  for (gsize i = 0; i < 32; i++)
    g_assert_true (isfinite (self.dz[i]));
  case_clear (&self);
}

static void
test_huge_rows_are_safe (void)
{
  Case self, small;

  case_init (&self, 8, 4, 0.5, 10);
  case_init (&small, 8, 4, 0.5, 10);
  for (gsize i = 0; i < 32; i++)
    self.z[i] *= 0x1p100f;
  compute (&self, NULL);
  compute (&small, NULL);
  g_assert_cmpfloat_with_epsilon (self.result.loss, small.result.loss, 1e-6);
  case_clear (&self);
  case_clear (&small);
}

static void
test_what_is_not_finite_shows (void)
{
  const gfloat bad[] = {NAN, INFINITY, -INFINITY};

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    for (gsize row = 0; row < 600; row += 299) {
      Case self;

      case_init (&self, 600, 8, 0.5, 10);
      self.z[row * 8 + 3] = bad[i];
      compute (&self, NULL);
      g_assert_false (isfinite (self.result.loss));
      case_clear (&self);
    }
  }
}

/* Collapsed embeddings know nothing: the loss is that of a blind choice and no positive stands out. */
static void
test_collapse_is_no_success (void)
{
  Case self;

  case_init (&self, 32, 4, 0.5, 10);
  for (gsize i = 0; i < 128; i++)
    self.z[i] = i % 4 == 0;
  compute (&self, NULL);
  g_assert_cmpfloat_with_epsilon (self.result.loss, log (31), 1e-6);
  g_assert_cmpfloat_with_epsilon (self.result.entropy, log (31), 1e-6);
  g_assert_cmpfloat (self.result.accuracy, ==, 0);
  case_clear (&self);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ntxent/is-equation-1", test_is_equation_1);
  g_test_add_func ("/ntxent/gradient-is-the-difference", test_gradient_is_the_difference);
  g_test_add_func ("/ntxent/any-team-gives-the-same-bits", test_any_team_gives_the_same_bits);
  g_test_add_func ("/ntxent/low-temperature-stays-finite", test_low_temperature_stays_finite);
  g_test_add_func ("/ntxent/rows-of-zeros-are-safe", test_rows_of_zeros_are_safe);
  g_test_add_func ("/ntxent/huge-rows-are-safe", test_huge_rows_are_safe);
  g_test_add_func ("/ntxent/what-is-not-finite-shows", test_what_is_not_finite_shows);
  g_test_add_func ("/ntxent/collapse-is-no-success", test_collapse_is_no_success);
  return g_test_run ();
}
