/* Cross entropy and distillation against their definitions in double precision, and their gradients against
 * differences.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/base/random-private.h>
#include <simclr/loss/classification-private.h>

#include <math.h>

#define ROWS 9
#define LABELS 5
#define FLOATS (ROWS * LABELS)

static const gint32 labels[ROWS] = {0, 4, -1, 2, 2, -1, 1, 3, 0};
static const gint32 no_labels[ROWS] = {-1, -1, -1, -1, -1, -1, -1, -1, -1};

static void
fill (gfloat *floats, guint64 stream, gdouble size)
{
  for (gsize i = 0; i < FLOATS; i++)
    floats[i] = (gfloat) (size * _simclr_random_normal (77, stream, i));
}

/* exp (x / t) over their sum, as it is written */
static void
define_softmax (const gdouble *x, gdouble temperature, gdouble *p)
{
  gdouble sum = 0;

  for (gsize k = 0; k < LABELS; k++)
    sum += p[k] = exp (x[k] / temperature);
  for (gsize k = 0; k < LABELS; k++)
    p[k] /= sum;
}

static gdouble
define_cross_entropy (const gdouble *x)
{
  gdouble sum = 0, p[LABELS];
  guint count = 0;

  for (gsize row = 0; row < ROWS; row++) {
    if (labels[row] < 0)
      continue;
    define_softmax (x + row * LABELS, 1, p);
    sum -= log (p[labels[row]]);
    count++;
  }
  return sum / count;
}

/* add_kd_loss of the official notebook */
static gdouble
define_distillation (const gdouble *x, const gfloat *teacher, gdouble temperature)
{
  gdouble sum = 0, p[LABELS], q[LABELS], t[LABELS];

  for (gsize row = 0; row < ROWS; row++) {
    for (gsize k = 0; k < LABELS; k++)
      t[k] = teacher[row * LABELS + k];
    define_softmax (t, temperature, p);
    define_softmax (x + row * LABELS, temperature, q);
    for (gsize k = 0; k < LABELS; k++)
      sum -= temperature * temperature * p[k] * log (q[k]);
  }
  return sum / ROWS;
}

static gdouble
define (const gdouble *x, const gfloat *teacher, gdouble temperature)
{
  return teacher ? define_distillation (x, teacher, temperature) : define_cross_entropy (x);
}

/* teacher NULL: cross entropy */
static void
check (const gfloat *logits, const gfloat *teacher, gdouble temperature)
{
  gfloat gradient[FLOATS];
  gdouble x[FLOATS], difference = 0, size = 0;
  SimclrClassificationResult result;

  if (teacher)
    _simclr_distillation (logits, teacher, ROWS, LABELS, temperature, gradient, &result);
  else
    _simclr_cross_entropy (logits, labels, ROWS, LABELS, gradient, &result);
  for (gsize i = 0; i < FLOATS; i++)
    x[i] = logits[i];
  g_assert_cmpfloat_with_epsilon (
      result.loss, define (x, teacher, temperature), 1e-9 * MAX (1, result.loss));
  g_assert_cmpuint (result.rows, ==, teacher ? ROWS : 7);
  for (gsize i = 0; i < FLOATS; i++) {
    const gdouble step = 1e-5;
    gdouble upper, slope;

    x[i] = logits[i] + step;
    upper = define (x, teacher, temperature);
    x[i] = logits[i] - step;
    slope = (upper - define (x, teacher, temperature)) / (2 * step);
    x[i] = logits[i];
    difference += (slope - gradient[i]) * (slope - gradient[i]);
    size += slope * slope;
  }
  g_assert_cmpfloat (sqrt (difference / size), <, 1e-6);
}

static void
test_cross_entropy_is_defined (void)
{
  gfloat logits[FLOATS];

  fill (logits, 1, 2);
  check (logits, NULL, 1);
}

static void
test_distillation_is_defined (void)
{
  const gdouble temperatures[] = {0.3, 1, 4};
  gfloat logits[FLOATS], teacher[FLOATS];

  fill (logits, 1, 2);
  fill (teacher, 2, 3);
  for (guint i = 0; i < G_N_ELEMENTS (temperatures); i++)
    check (logits, teacher, temperatures[i]);
}

static void
test_accuracy_counts_the_best (void)
{
  gfloat logits[FLOATS], gradient[FLOATS];
  SimclrClassificationResult result;

  fill (logits, 1, 1);
  for (gsize row = 0; row < ROWS; row++)
    logits[row * LABELS + (labels[row] < 0 || row == 3 ? 1 : labels[row])] = 50;
  _simclr_cross_entropy (logits, labels, ROWS, LABELS, gradient, &result);
  g_assert_cmpfloat_with_epsilon (result.accuracy, 6.0 / 7, 1e-12);
  _simclr_distillation (logits, logits, ROWS, LABELS, 1, gradient, &result);
  g_assert_cmpfloat (result.accuracy, ==, 1);
  for (gsize i = 0; i < FLOATS; i++) /* nothing to learn from oneself */
    g_assert_cmpfloat (fabsf (gradient[i]), <, 1e-7);
}

static void
test_without_labels_nothing_is_learned (void)
{
  gfloat logits[FLOATS], gradient[FLOATS];
  SimclrClassificationResult result;

  fill (logits, 1, 1);
  fill (gradient, 2, 1);
  _simclr_cross_entropy (logits, no_labels, ROWS, LABELS, gradient, &result);
  g_assert_cmpuint (result.rows, ==, 0);
  g_assert_cmpfloat (result.loss, ==, 0);
  for (gsize i = 0; i < FLOATS; i++)
    g_assert_cmpfloat (gradient[i], ==, 0);
}

/* Logits whose exponentials leave the range of any number, and one that is none. */
static void
test_large_logits_are_safe (void)
{
  gfloat logits[FLOATS], teacher[FLOATS], gradient[FLOATS];
  SimclrClassificationResult result;

  fill (logits, 1, 1e6);
  fill (teacher, 2, 1e6);
  _simclr_cross_entropy (logits, labels, ROWS, LABELS, gradient, &result);
  g_assert_true (isfinite (result.loss));
  _simclr_distillation (logits, teacher, ROWS, LABELS, 1, gradient, &result);
  g_assert_true (isfinite (result.loss));
  for (gsize i = 0; i < FLOATS; i++)
    g_assert_true (isfinite (gradient[i]));

  logits[2] = NAN;
  _simclr_cross_entropy (logits, labels, ROWS, LABELS, gradient, &result);
  g_assert_false (isfinite (result.loss));
  _simclr_distillation (logits, teacher, ROWS, LABELS, 1, gradient, &result);
  g_assert_false (isfinite (result.loss));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/classification/cross-entropy", test_cross_entropy_is_defined);
  g_test_add_func ("/classification/distillation", test_distillation_is_defined);
  g_test_add_func ("/classification/accuracy", test_accuracy_counts_the_best);
  g_test_add_func ("/classification/without-labels", test_without_labels_nothing_is_learned);
  g_test_add_func ("/classification/large-logits", test_large_logits_are_safe);
  return g_test_run ();
}
