/* Batch normalisation against its definition and finite differences of the definition, in double.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/batchnorm-private.h>

#include "compare.h"

typedef struct
{
  gsize rows;
  gsize channels;
  gboolean shift;
  gboolean residual;
  gboolean relu;
  SimclrPrecision precision; /* of x, residual, y and their gradients */
} Case;

/* Everything that one case computes, and what it started from. packed is what the functions are given;
 * the floats of the same name are the same numbers. */
typedef struct
{
  Tensor *x, *gamma, *beta, *residual, *dy;
  Tensor *mean, *variance, *inverse, *y;
  Tensor *packed_x, *packed_residual, *packed_dy, *packed_y;
  Tensor *scratch;
} Run;

static void
run_clear (Run *run)
{
  Tensor *all[] = {run->x, run->gamma, run->beta, run->residual, run->dy, run->mean, run->variance,
      run->inverse, run->y, run->packed_x, run->packed_residual, run->packed_dy, run->packed_y,
      run->scratch};

  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    tensor_free (all[i]);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Run, run_clear)

static void
apply (const Case *c, SimclrParallel *team, const Run *run, const Tensor *packed_x,
    const Tensor *packed_residual, Tensor *packed_y)
{
  _simclr_batchnorm_apply (team, c->precision, packed_x, c->rows, c->channels, run->mean,
      run->inverse, run->gamma, run->beta, packed_residual, c->relu, packed_y, run->scratch);
}

static Run
run_forward (const Case *c, SimclrParallel *team)
{
  gsize n = c->rows * c->channels;
  Run run = {0};

  run.x = tensor_new_random (n, 1);
  run.gamma = tensor_new_random (c->channels, 2);
  run.beta = c->shift ? tensor_new_random (c->channels, 3) : NULL;
  run.residual = c->residual ? tensor_new_random (n, 4) : NULL;
  run.dy = tensor_new_random (n, 5);
  run.mean = tensor_new (c->channels);
  run.variance = tensor_new (c->channels);
  run.inverse = tensor_new (c->channels);
  run.packed_y = tensor_new (n);
  run.scratch =
      tensor_new (_simclr_batchnorm_get_scratch (_simclr_parallel_get_threads (team), c->channels));
  for (gsize i = 0; i < n; i++)
    run.x[i] = run.x[i] * (1 + i % c->channels % 5) + (gfloat) (i % c->channels % 3);
  tensor_round (run.x, n, c->precision);
  tensor_round (run.residual, n, c->precision);
  tensor_round (run.dy, n, c->precision);
  run.packed_x = tensor_pack (run.x, n, c->precision);
  run.packed_residual = tensor_pack (run.residual, n, c->precision);
  run.packed_dy = tensor_pack (run.dy, n, c->precision);

  _simclr_batchnorm_statistics (team, c->precision, run.packed_x, c->rows, c->channels, run.mean,
      run.variance, run.inverse, run.scratch);
  apply (c, team, &run, run.packed_x, run.packed_residual, run.packed_y);
  run.y = tensor_unpack (run.packed_y, n, c->precision);
  return run;
}

/* Of what is stored in the case's format: bfloat16 is off by 2^-9 at most. */
static gdouble
get_tolerance (const Case *c, gdouble of_float)
{
  return c->precision == SIMCLR_PRECISION_BFLOAT16 ? 4e-3 : of_float;
}

static gsize
get_bytes (const Case *c)
{
  return c->rows * c->channels * (c->precision == SIMCLR_PRECISION_BFLOAT16 ? 2 : 4);
}

/* One channel by the definition. x, residual and y are its column; returns sum (dy * y). */
static gdouble
define_column (const Case *c, const gdouble *x, gdouble gamma, gdouble beta,
    const gdouble *residual, const gdouble *dy, gdouble *y)
{
  gdouble mean = 0, variance = 0, sum = 0;

  for (gsize r = 0; r < c->rows; r++)
    mean += x[r] / c->rows;
  for (gsize r = 0; r < c->rows; r++)
    variance += (x[r] - mean) * (x[r] - mean) / c->rows;
  for (gsize r = 0; r < c->rows; r++) {
    gdouble value = gamma * (x[r] - mean) / sqrt (variance + SIMCLR_BATCHNORM_EPSILON) + beta +
                    (c->residual ? residual[r] : 0);

    y[r] = c->relu ? MAX (0, value) : value;
    sum += dy[r] * y[r];
  }
  return sum;
}

/* One column of a (rows, channels) matrix. */
static gdouble *
get_column (const Case *c, const gfloat *matrix, gsize channel)
{
  gdouble *column = g_new0 (gdouble, c->rows);

  for (gsize r = 0; matrix != NULL && r < c->rows; r++)
    column[r] = matrix[r * c->channels + channel];
  return column;
}

static const gsize many_rows[] = {1, 2, 3, 7, 64, 509, 4099};
static const gsize many_channels[] = {1, 3, 16, 17, 64, 70, 130};

/* Every size with every kind of call in both formats; no team, and teams of one to three, take turns. */
static void
for_each_case (void (*check) (const Case *c, SimclrParallel *team), gsize most)
{
  for (guint r = 0; r < G_N_ELEMENTS (many_rows); r++)
    for (guint n = 0; n < G_N_ELEMENTS (many_channels); n++)
      for (guint kind = 0; kind < 16; kind++) {
        Case c = {many_rows[r], many_channels[n], !(kind & 1), (kind & 2) != 0, (kind & 4) != 0,
            kind & 8 ? SIMCLR_PRECISION_BFLOAT16 : SIMCLR_PRECISION_FLOAT32};
        guint threads = (r + n + kind) % 4;
        g_autoptr (SimclrParallel) team = threads > 0 ? _simclr_parallel_new (threads) : NULL;

        if (c.rows * c.channels <= most)
          check (&c, team);
      }
}

static void
check_forward (const Case *c, SimclrParallel *team)
{
  g_auto (Run) run = run_forward (c, team);
  g_autofree gdouble *expected = g_new (gdouble, c->rows * c->channels);
  g_autofree gdouble *y = g_new (gdouble, c->rows);

  for (gsize channel = 0; channel < c->channels; channel++) {
    g_autofree gdouble *x = get_column (c, run.x, channel);
    g_autofree gdouble *residual = get_column (c, run.residual, channel);
    gdouble mean = 0, variance = 0;

    for (gsize r = 0; r < c->rows; r++)
      mean += x[r] / c->rows;
    for (gsize r = 0; r < c->rows; r++)
      variance += (x[r] - mean) * (x[r] - mean) / c->rows;
    g_assert_cmpfloat_with_epsilon (run.mean[channel], mean, 1e-5);
    g_assert_cmpfloat_with_epsilon (run.variance[channel], variance, 1e-5 * (variance + 1));
    g_assert_cmpfloat_with_epsilon (
        run.inverse[channel] * sqrt (variance + SIMCLR_BATCHNORM_EPSILON), 1, 1e-4);
    define_column (c, x, run.gamma[channel], c->shift ? run.beta[channel] : 0, residual, x, y);
    for (gsize r = 0; r < c->rows; r++)
      expected[r * c->channels + channel] = y[r];
  }
  g_assert_cmpfloat (
      normalised_error (run.y, expected, c->rows * c->channels), <, get_tolerance (c, 2e-5));
}

static void
test_forward_is_the_definition (void)
{
  for_each_case (check_forward, 70 * 509);
}

/* The header's promises about what may be what. */
static void
check_forward_in_place (const Case *c, SimclrParallel *team)
{
  gsize n = c->rows * c->channels;
  g_auto (Run) run = run_forward (c, team);
  g_autoptr (Tensor) x = tensor_pack (run.x, n, c->precision);
  g_autoptr (Tensor) residual = tensor_pack (run.residual, n, c->precision);

  apply (c, team, &run, x, run.packed_residual, x);
  g_assert_cmpmem (x, get_bytes (c), run.packed_y, get_bytes (c));
  if (c->residual) {
    apply (c, team, &run, run.packed_x, residual, residual);
    g_assert_cmpmem (residual, get_bytes (c), run.packed_y, get_bytes (c));
  }
}

static void
test_forward_in_place (void)
{
  for_each_case (check_forward_in_place, 20000);
}

typedef struct
{
  Tensor *dx, *masked, *dgamma, *dbeta;
  Tensor *packed_dx, *packed_masked;
} Gradient;

static void
gradient_clear (Gradient *gradient)
{
  Tensor *all[] = {gradient->dx, gradient->masked, gradient->dgamma, gradient->dbeta,
      gradient->packed_dx, gradient->packed_masked};

  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    tensor_free (all[i]);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Gradient, gradient_clear)

static void
differentiate (const Case *c, SimclrParallel *team, const Run *run, const Tensor *packed_y,
    const Tensor *packed_dy, Tensor *packed_dx, Tensor *packed_masked, Gradient *gradient)
{
  _simclr_batchnorm_backward (team, c->precision, run->packed_x, c->relu, packed_y, packed_dy,
      c->rows, c->channels, run->mean, run->inverse, run->gamma, run->beta, packed_dx,
      packed_masked, gradient->dgamma, gradient->dbeta, FALSE, run->scratch);
}

static Gradient
run_backward (const Case *c, SimclrParallel *team, const Run *run)
{
  gsize n = c->rows * c->channels;
  Gradient gradient = {.dgamma = tensor_new (c->channels),
      .dbeta = c->shift ? tensor_new (c->channels) : NULL,
      .packed_dx = tensor_new (n),
      .packed_masked = c->residual ? tensor_new (n) : NULL};

  differentiate (c, team, run, run->packed_y, run->packed_dy, gradient.packed_dx,
      gradient.packed_masked, &gradient);
  gradient.dx = tensor_unpack (gradient.packed_dx, n, c->precision);
  if (c->residual)
    gradient.masked = tensor_unpack (gradient.packed_masked, n, c->precision);
  return gradient;
}

/* Central difference of sum (dy * y) to the number at *value. */
#define DIFFERENCE(value)                                                                          \
  ({                                                                                               \
    gdouble kept_ = (value), step_ = 1e-5, above_, below_;                                         \
    (value) = kept_ + step_;                                                                       \
    above_ = define_column (c, x, gamma, beta, residual, dy, y);                                   \
    (value) = kept_ - step_;                                                                       \
    below_ = define_column (c, x, gamma, beta, residual, dy, y);                                   \
    (value) = kept_;                                                                               \
    (above_ - below_) / (2 * step_);                                                               \
  })

static void
check_backward (const Case *c, SimclrParallel *team)
{
  gsize n = c->rows * c->channels;
  g_auto (Run) run = run_forward (c, team);
  g_auto (Gradient) gradient = run_backward (c, team, &run);
  g_autofree gdouble *dx = g_new (gdouble, n);
  g_autofree gdouble *masked = g_new (gdouble, n);
  g_autofree gdouble *dgamma = g_new (gdouble, c->channels);
  g_autofree gdouble *dbeta = g_new (gdouble, c->channels);
  g_autofree gdouble *y = g_new (gdouble, c->rows);
  gdouble size = 0, dx_size = 0, difference = 0;

  for (gsize channel = 0; channel < c->channels; channel++) {
    g_autofree gdouble *x = get_column (c, run.x, channel);
    g_autofree gdouble *residual = get_column (c, run.residual, channel);
    g_autofree gdouble *dy = get_column (c, run.dy, channel);
    gdouble gamma = run.gamma[channel], beta = c->shift ? run.beta[channel] : 0;

    dgamma[channel] = DIFFERENCE (gamma);
    dbeta[channel] = DIFFERENCE (beta);
    for (gsize r = 0; r < c->rows; r++) {
      dx[r * c->channels + channel] = DIFFERENCE (x[r]);
      masked[r * c->channels + channel] = DIFFERENCE (residual[r]);
      size += dy[r] * dy[r];
      dx_size += pow (dx[r * c->channels + channel], 2);
      difference += pow (gradient.dx[r * c->channels + channel] - dx[r * c->channels + channel], 2);
    }
  }
  /* dx of one or two rows may be all but zero: its error counts next to the gradient above then */
  g_assert_cmpfloat (sqrt (difference / MAX (size, dx_size)), <, get_tolerance (c, 1e-4));
  if (c->rows > 2)
    g_assert_cmpfloat (normalised_error (gradient.dx, dx, n), <, get_tolerance (c, 1e-4));
  if (c->rows > 1)
    g_assert_cmpfloat (normalised_error (gradient.dgamma, dgamma, c->channels), <, 1e-4);
  if (c->shift)
    g_assert_cmpfloat (normalised_error (gradient.dbeta, dbeta, c->channels), <, 1e-4);
  if (c->residual)
    g_assert_cmpfloat (normalised_error (gradient.masked, masked, n), <, 1e-4);
}

static void
test_backward_is_the_derivative (void)
{
  for_each_case (check_backward, 1200);
}

/* Many rows by the analytic gradient; finite differences would take too long. */
static void
check_backward_of_many_rows (const Case *c, SimclrParallel *team)
{
  gsize n = c->rows * c->channels;
  g_auto (Run) run = run_forward (c, team);
  g_auto (Gradient) gradient = run_backward (c, team, &run);
  g_autofree gdouble *dx = g_new (gdouble, n);
  g_autofree gdouble *dgamma = g_new0 (gdouble, c->channels);
  g_autofree gdouble *dbeta = g_new0 (gdouble, c->channels);

  for (gsize i = 0; i < n; i++) {
    gsize channel = i % c->channels;

    dx[i] = c->relu && !(run.y[i] > 0) ? 0 : run.dy[i];
    if (c->residual)
      g_assert_cmpfloat (gradient.masked[i], ==, (gfloat) dx[i]);
    dbeta[channel] += dx[i];
    dgamma[channel] += dx[i] * (run.x[i] - run.mean[channel]) * run.inverse[channel];
  }
  for (gsize i = 0; i < n; i++) {
    gsize channel = i % c->channels;
    gdouble normal = (run.x[i] - run.mean[channel]) * run.inverse[channel];

    dx[i] = run.gamma[channel] * run.inverse[channel] *
            (dx[i] - dbeta[channel] / c->rows - normal * dgamma[channel] / c->rows);
  }
  if (c->rows > 2)
    g_assert_cmpfloat (normalised_error (gradient.dx, dx, n), <, get_tolerance (c, 2e-5));
  g_assert_cmpfloat (normalised_error (gradient.dgamma, dgamma, c->channels), <, 2e-5);
  if (c->shift)
    g_assert_cmpfloat (normalised_error (gradient.dbeta, dbeta, c->channels), <, 2e-5);
}

static void
test_backward_of_many_rows (void)
{
  for_each_case (check_backward_of_many_rows, 4099 * 17);
}

static void
check_backward_in_place (const Case *c, SimclrParallel *team)
{
  gsize n = c->rows * c->channels;
  g_auto (Run) run = run_forward (c, team);
  g_auto (Gradient) gradient = run_backward (c, team, &run);
  g_autoptr (Tensor) over_dy = tensor_pack (run.dy, n, c->precision);
  g_autoptr (Tensor) masked_over_dy = tensor_pack (run.dy, n, c->precision);
  g_autoptr (Tensor) dx = tensor_new (n);
  g_autoptr (Tensor) masked = c->residual ? tensor_new (n) : NULL;

  differentiate (c, team, &run, run.packed_y, over_dy, over_dy, masked, &gradient);
  g_assert_cmpmem (over_dy, get_bytes (c), gradient.packed_dx, get_bytes (c));
  if (c->residual) {
    g_assert_cmpmem (masked, get_bytes (c), gradient.packed_masked, get_bytes (c));
    differentiate (c, team, &run, run.packed_y, masked_over_dy, dx, masked_over_dy, &gradient);
    g_assert_cmpmem (dx, get_bytes (c), gradient.packed_dx, get_bytes (c));
    g_assert_cmpmem (masked_over_dy, get_bytes (c), gradient.packed_masked, get_bytes (c));
  }
}

static void
test_backward_in_place (void)
{
  for_each_case (check_backward_in_place, 20000);
}

/* Without residual the ReLU's mask follows from x; y need not be kept. */
static void
check_backward_without_output (const Case *c, SimclrParallel *team)
{
  g_auto (Run) run = run_forward (c, team);
  g_auto (Gradient) gradient = run_backward (c, team, &run);
  g_autoptr (Tensor) dx = tensor_new (c->rows * c->channels);

  if (c->residual)
    return;
  differentiate (c, team, &run, NULL, run.packed_dy, dx, NULL, &gradient);
  g_assert_cmpmem (dx, get_bytes (c), gradient.packed_dx, get_bytes (c));
}

static void
test_backward_without_output (void)
{
  for_each_case (check_backward_without_output, 70 * 509);
}

/* E[x^2] - E[x]^2 in float would be noise here. */
static void
test_variance_far_from_zero (void)
{
  const gsize rows = 5000, channels = 33;
  g_autoptr (Tensor) x = tensor_new_random (rows * channels, 1);
  g_autoptr (Tensor) mean = tensor_new (channels);
  g_autoptr (Tensor) variance = tensor_new (channels);
  g_autoptr (Tensor) inverse = tensor_new (channels);
  g_autoptr (Tensor) scratch = tensor_new (_simclr_batchnorm_get_scratch (1, channels));

  for (gsize i = 0; i < rows * channels; i++)
    x[i] = x[i] * 0.5f + 1000;
  _simclr_batchnorm_statistics (
      NULL, SIMCLR_PRECISION_FLOAT32, x, rows, channels, mean, variance, inverse, scratch);
  for (gsize channel = 0; channel < channels; channel++) {
    Case c = {.rows = rows, .channels = channels};
    g_autofree gdouble *column = get_column (&c, x, channel);
    gdouble true_mean = 0, true_variance = 0;

    for (gsize r = 0; r < rows; r++)
      true_mean += column[r] / rows;
    for (gsize r = 0; r < rows; r++)
      true_variance += (column[r] - true_mean) * (column[r] - true_mean) / rows;
    g_assert_cmpfloat_with_epsilon (mean[channel], true_mean, 1e-3);
    g_assert_cmpfloat_with_epsilon (variance[channel] / true_variance, 1, 1e-3);
  }
}

/* A channel that is the same everywhere: variance 0, output the shift, no gradient but finite. */
static void
test_constant_channel (void)
{
  Case c = {.rows = 100, .channels = 1, .shift = TRUE, .precision = SIMCLR_PRECISION_FLOAT32};
  g_auto (Run) run = run_forward (&c, NULL);
  g_auto (Gradient) gradient = {0};

  for (gsize r = 0; r < c.rows; r++)
    run.packed_x[r] = 0.1f;
  _simclr_batchnorm_statistics (
      NULL, c.precision, run.packed_x, c.rows, 1, run.mean, run.variance, run.inverse, run.scratch);
  apply (&c, NULL, &run, run.packed_x, NULL, run.packed_y);
  gradient = run_backward (&c, NULL, &run);
  g_assert_cmpfloat (run.variance[0], >=, 0);
  g_assert_cmpfloat (run.variance[0], <, 1e-12);
  for (gsize r = 0; r < c.rows; r++) {
    g_assert_cmpfloat_with_epsilon (run.packed_y[r], run.beta[0], 1e-3);
    g_assert_true (isfinite (gradient.dx[r]));
  }
}

static void
test_running_statistics (void)
{
  const gfloat mean[3] = {1, -2, 0}, variance[3] = {4, 0.5f, 0};
  gfloat running_mean[3] = {0.5f, 0, 3}, running_variance[3] = {1, 1, 2};

  _simclr_batchnorm_update_running (mean, variance, 5, 3, running_mean, running_variance);
  for (guint i = 0; i < 3; i++) {
    const gdouble before_mean[3] = {0.5, 0, 3}, before_variance[3] = {1, 1, 2};

    g_assert_cmpfloat_with_epsilon (running_mean[i], 0.9 * before_mean[i] + 0.1 * mean[i], 1e-6);
    g_assert_cmpfloat_with_epsilon (
        running_variance[i], 0.9 * before_variance[i] + 0.1 * variance[i] * 5 / 4, 1e-6);
  }
}

/* Bessel's n / (n - 1) has nothing to say about one row, and must not say infinity. */
static void
test_running_statistics_of_one_row (void)
{
  const gfloat mean[2] = {1, 2}, variance[2] = {0, 0};
  gfloat running_mean[2] = {0, 0}, running_variance[2] = {1, 1};

  _simclr_batchnorm_update_running (mean, variance, 1, 2, running_mean, running_variance);
  for (guint i = 0; i < 2; i++) {
    g_assert_true (isfinite (running_mean[i]));
    g_assert_true (isfinite (running_variance[i]));
    g_assert_cmpfloat (running_variance[i], >=, 0);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/batchnorm/forward-is-the-definition", test_forward_is_the_definition);
  g_test_add_func ("/batchnorm/forward-in-place", test_forward_in_place);
  g_test_add_func ("/batchnorm/backward-is-the-derivative", test_backward_is_the_derivative);
  g_test_add_func ("/batchnorm/backward-of-many-rows", test_backward_of_many_rows);
  g_test_add_func ("/batchnorm/backward-in-place", test_backward_in_place);
  g_test_add_func ("/batchnorm/backward-without-output", test_backward_without_output);
  g_test_add_func ("/batchnorm/variance-far-from-zero", test_variance_far_from_zero);
  g_test_add_func ("/batchnorm/constant-channel", test_constant_channel);
  g_test_add_func ("/batchnorm/running-statistics", test_running_statistics);
  g_test_add_func ("/batchnorm/running-statistics-of-one-row", test_running_statistics_of_one_row);
  return g_test_run ();
}
