/* Batch normalisation over the rows of a (rows, channels) matrix.
 *
 * Sergey Ioffe and Christian Szegedy, Batch Normalization (2015); running statistics as torch.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/batchnorm-private.h>

#include <simclr/base/multiversion-private.h>
#include <math.h>
#include <string.h>

/* Rows are summed in float over blocks of this many, and at most about this many bytes; blocks in
 * double. */
#define BLOCK_ROWS 256
#define BLOCK_BYTES (64 * 1024)

/* Sixteen channels at once; the compiler splits it where registers are narrower. */
typedef gfloat Vector __attribute__ ((vector_size (64), aligned (4)));
typedef gint32 Mask __attribute__ ((vector_size (64), aligned (4)));
#define LANES 16

typedef struct
{
  const gfloat *x;
  const gfloat *y;
  const gfloat *dy;
  const gfloat *residual_in;
  gfloat *out;
  gfloat *residual_out;
  gsize rows, channels;
  const gfloat *mean;
  const gfloat *scale;
  const gfloat *shift;
  const gfloat *slope; /* of x - mean in the gradient */
  gboolean relu;
  gdouble *sums; /* (threads, 2, channels) */
} Call;

gsize
_simclr_batchnorm_get_scratch (guint threads, gsize channels)
{
  return (gsize) threads * 4 * channels + 4 * channels + LANES;
}

static gsize
block_rows (gsize channels)
{
  return CLAMP (BLOCK_BYTES / (channels * sizeof (gfloat)), 16, BLOCK_ROWS);
}

static inline __attribute__ ((always_inline)) void
add_lanes (gdouble *sums, Vector first, Vector second, gsize channels)
{
  for (gsize lane = 0; lane < LANES; lane++) {
    sums[lane] += (gdouble) first[lane];
    sums[channels + lane] += (gdouble) second[lane];
  }
}

/* Sums of x - shift and of its square, of one block of rows, added to sums (2, channels). */
SIMCLR_MULTIVERSION
static void
sum_block (const gfloat *x, const gfloat *shift, gsize rows, gsize channels, gdouble *sums)
{
  gsize c = 0;

  for (; c + LANES <= channels; c += LANES) {
    const Vector zero = *(const Vector *) (shift + c);
    Vector sum = {0}, squares = {0}, sum_odd = {0}, squares_odd = {0};
    gsize row = 0;

    for (; row + 2 <= rows; row += 2) {
      Vector even = *(const Vector *) (x + row * channels + c) - zero;
      Vector odd = *(const Vector *) (x + (row + 1) * channels + c) - zero;

      sum += even;
      squares += even * even;
      sum_odd += odd;
      squares_odd += odd * odd;
    }
    if (row < rows) {
      Vector even = *(const Vector *) (x + row * channels + c) - zero;

      sum += even;
      squares += even * even;
    }
    add_lanes (sums + c, sum + sum_odd, squares + squares_odd, channels);
  }
  for (; c < channels; c++) {
    gdouble sum = 0, squares = 0;

    for (gsize row = 0; row < rows; row++) {
      gdouble value = x[row * channels + c] - shift[c];

      sum += value;
      squares += value * value;
    }
    sums[c] += sum;
    sums[channels + c] += squares;
  }
}

static void
statistics_rows (guint thread, gsize begin, gsize end, gpointer data)
{
  const Call *call = data;
  gdouble *sums = call->sums + thread * 2 * call->channels;
  gsize block = block_rows (call->channels);

  for (gsize row = begin; row < end; row += block)
    sum_block (
        call->x + row * call->channels, call->x, MIN (block, end - row), call->channels, sums);
}

static gdouble *
clear_sums (SimclrParallel *parallel, gsize channels, gfloat *scratch)
{
  /* Doubles want eight bytes. */
  gdouble *sums = (gdouble *) (((guintptr) scratch + 7) & ~(guintptr) 7);

  memset (sums, 0, _simclr_parallel_get_threads (parallel) * 2 * channels * sizeof (gdouble));
  return sums;
}

/* Adds the other threads' sums to the first one's, in their order. */
static void
gather_sums (SimclrParallel *parallel, gsize channels, gdouble *sums)
{
  for (guint thread = 1; thread < _simclr_parallel_get_threads (parallel); thread++) {
    for (gsize c = 0; c < 2 * channels; c++)
      sums[c] += sums[thread * 2 * channels + c];
  }
}

/* The first row serves as origin, so that a large mean costs the variance no digits. */
void
_simclr_batchnorm_statistics (SimclrParallel *parallel, const gfloat *x, gsize rows, gsize channels,
    gfloat *mean, gfloat *variance, gfloat *inverse, gfloat *scratch)
{
  Call call = {.x = x, .rows = rows, .channels = channels};

  call.sums = clear_sums (parallel, channels, scratch);
  _simclr_parallel_for (parallel, rows, 16, statistics_rows, &call);
  gather_sums (parallel, channels, call.sums);

  for (gsize c = 0; c < channels; c++) {
    gdouble offset = call.sums[c] / (gdouble) rows;
    gdouble square = call.sums[channels + c] / (gdouble) rows - offset * offset;

    mean[c] = (gfloat) ((gdouble) x[c] + offset);
    variance[c] = (gfloat) (square < 0 ? 0 : square);
    inverse[c] = (gfloat) (1 / sqrt ((gdouble) variance[c] + (gdouble) SIMCLR_BATCHNORM_EPSILON));
  }
}

static inline __attribute__ ((always_inline)) void
apply_loop (const Call *call, gsize begin, gsize end, gboolean residual, gboolean relu)
{
  gsize channels = call->channels;

  for (gsize row = begin; row < end; row++) {
    const gfloat *x = call->x + row * channels;
    const gfloat *in = residual ? call->residual_in + row * channels : NULL;
    gfloat *y = call->out + row * channels;

#pragma GCC ivdep
    for (gsize c = 0; c < channels; c++) {
      gfloat value = (x[c] - call->mean[c]) * call->scale[c] + call->shift[c];

      if (residual)
        value += in[c];
      y[c] = relu && value < 0 ? 0 : value;
    }
  }
}

SIMCLR_MULTIVERSION
static void
apply_rows (guint thread, gsize begin, gsize end, gpointer data)
{
  const Call *call = data;

  if (call->residual_in && call->relu)
    apply_loop (call, begin, end, TRUE, TRUE);
  else if (call->residual_in)
    apply_loop (call, begin, end, TRUE, FALSE);
  else if (call->relu)
    apply_loop (call, begin, end, FALSE, TRUE);
  else
    apply_loop (call, begin, end, FALSE, FALSE);
}

void
_simclr_batchnorm_apply (SimclrParallel *parallel, const gfloat *x, gsize rows, gsize channels,
    const gfloat *mean, const gfloat *inverse, const gfloat *gamma, const gfloat *beta,
    const gfloat *residual, gboolean relu, gfloat *y, gfloat *scratch)
{
  gfloat *scale = scratch, *shift = scratch + channels;
  Call call = {.x = x,
      .residual_in = residual,
      .out = y,
      .rows = rows,
      .channels = channels,
      .mean = mean,
      .scale = scale,
      .shift = shift,
      .relu = relu};

  for (gsize c = 0; c < channels; c++) {
    scale[c] = gamma[c] * inverse[c];
    shift[c] = beta ? beta[c] : 0;
  }
  _simclr_parallel_for (parallel, rows, 1, apply_rows, &call);
}

/* Sums of the masked gradient g and of g * (x - mean), of one block of rows. */
SIMCLR_MULTIVERSION
static void
sum_gradient_block (const gfloat *x, const gfloat *y, const gfloat *dy, const gfloat *mean,
    gsize rows, gsize channels, gdouble *sums)
{
  gsize c = 0;

  for (; c + LANES <= channels; c += LANES) {
    const Vector centre = *(const Vector *) (mean + c), zero = {0};
    Vector sum = {0}, products = {0};

    for (gsize row = 0; row < rows; row++) {
      gsize at = row * channels + c;
      Vector gradient = *(const Vector *) (dy + at);

      if (y)
        gradient = (Vector) ((Mask) gradient & (*(const Vector *) (y + at) > zero));
      sum += gradient;
      products += gradient * (*(const Vector *) (x + at) - centre);
    }
    add_lanes (sums + c, sum, products, channels);
  }
  for (; c < channels; c++) {
    gdouble sum = 0, products = 0;

    for (gsize row = 0; row < rows; row++) {
      gsize at = row * channels + c;
      gfloat gradient = y && !(y[at] > 0) ? 0 : dy[at];

      sum += (gdouble) gradient;
      products += (gdouble) gradient * (gdouble) (x[at] - mean[c]);
    }
    sums[c] += sum;
    sums[channels + c] += products;
  }
}

static void
gradient_sum_rows (guint thread, gsize begin, gsize end, gpointer data)
{
  const Call *call = data;
  gdouble *sums = call->sums + thread * 2 * call->channels;
  gsize block = block_rows (call->channels);

  for (gsize row = begin; row < end; row += block) {
    gsize at = row * call->channels;

    sum_gradient_block (call->x + at, call->y ? call->y + at : NULL, call->dy + at, call->mean,
        MIN (block, end - row), call->channels, sums);
  }
}

static inline __attribute__ ((always_inline)) void
gradient_loop (const Call *call, gsize begin, gsize end, gboolean masked, gboolean residual)
{
  gsize channels = call->channels;

  for (gsize row = begin; row < end; row++) {
    const gfloat *x = call->x + row * channels;
    const gfloat *y = masked ? call->y + row * channels : NULL;
    const gfloat *dy = call->dy + row * channels;
    gfloat *dx = call->out + row * channels;
    gfloat *passed = residual ? call->residual_out + row * channels : NULL;

#pragma GCC ivdep
    for (gsize c = 0; c < channels; c++) {
      gfloat gradient = masked && !(y[c] > 0) ? 0 : dy[c];

      if (residual)
        passed[c] = gradient;
      dx[c] = call->scale[c] * gradient + call->slope[c] * (x[c] - call->mean[c]) + call->shift[c];
    }
  }
}

SIMCLR_MULTIVERSION
static void
gradient_rows (guint thread, gsize begin, gsize end, gpointer data)
{
  const Call *call = data;

  if (call->y && call->residual_out)
    gradient_loop (call, begin, end, TRUE, TRUE);
  else if (call->y)
    gradient_loop (call, begin, end, TRUE, FALSE);
  else if (call->residual_out)
    gradient_loop (call, begin, end, FALSE, TRUE);
  else
    gradient_loop (call, begin, end, FALSE, FALSE);
}

/* dx = gamma inverse (g - mean (g) - xhat mean (g xhat)), xhat = (x - mean) inverse. */
void
_simclr_batchnorm_backward (SimclrParallel *parallel, const gfloat *x, const gfloat *y,
    const gfloat *dy, gsize rows, gsize channels, const gfloat *mean, const gfloat *inverse,
    const gfloat *gamma, gfloat *dx, gfloat *residual, gfloat *dgamma, gfloat *dbeta,
    gfloat *scratch)
{
  gfloat *scale = scratch, *slope = scratch + channels, *shift = scratch + 2 * channels;
  Call call = {.x = x,
      .y = y,
      .dy = dy,
      .out = dx,
      .residual_out = residual,
      .rows = rows,
      .channels = channels,
      .mean = mean,
      .scale = scale,
      .slope = slope,
      .shift = shift};

  call.sums = clear_sums (parallel, channels, scratch + 3 * channels);
  _simclr_parallel_for (parallel, rows, 16, gradient_sum_rows, &call);
  gather_sums (parallel, channels, call.sums);

  for (gsize c = 0; c < channels; c++) {
    gdouble sum = call.sums[c], product = call.sums[channels + c] * (gdouble) inverse[c];

    scale[c] = gamma[c] * inverse[c];
    slope[c] = (gfloat) (-(gdouble) scale[c] * (gdouble) inverse[c] * product / (gdouble) rows);
    shift[c] = (gfloat) (-(gdouble) scale[c] * sum / (gdouble) rows);
    dgamma[c] = (gfloat) product;
    if (dbeta)
      dbeta[c] = (gfloat) sum;
  }
  _simclr_parallel_for (parallel, rows, 1, gradient_rows, &call);
}

void
_simclr_batchnorm_update_running (const gfloat *mean, const gfloat *variance, gsize rows,
    gsize channels, gfloat *running_mean, gfloat *running_variance)
{
  const gfloat bessel = rows > 1 ? (gfloat) ((gdouble) rows / (gdouble) (rows - 1)) : 1;

  for (gsize c = 0; c < channels; c++) {
    running_mean[c] += SIMCLR_BATCHNORM_MOMENTUM * (mean[c] - running_mean[c]);
    running_variance[c] += SIMCLR_BATCHNORM_MOMENTUM * (variance[c] * bessel - running_variance[c]);
  }
}
