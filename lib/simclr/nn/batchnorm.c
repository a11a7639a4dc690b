/* Batch normalisation over the rows of a (rows, channels) matrix.
 *
 * Sergey Ioffe and Christian Szegedy, Batch Normalization (2015); running statistics as torch.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/batchnorm-private.h>

#include <simclr/base/bfloat16-private.h>
#include <simclr/base/multiversion-private.h>
#include <math.h>

/* Rows are summed in float over blocks of this many, and at most about this many bytes; blocks in
 * double. */
#define BLOCK_ROWS 256
#define BLOCK_BYTES (64 * 1024)

#define LANES SIMCLR_LANES

/* One call's arguments for the team. Activations are in the format that half says. */
typedef struct
{
  gboolean half;
  gconstpointer x;
  gconstpointer y; /* masks the gradient, or NULL */
  gconstpointer dy;
  gconstpointer residual_in;
  gpointer out;
  gpointer residual_out;
  gsize channels;
  gboolean relu;
  const gfloat *mean;
  const gfloat *scale;
  const gfloat *shift;
  const gfloat *slope;    /* gradient: of x - mean */
  const gfloat *constant; /* gradient: of one */
  const gfloat *origin;   /* statistics: near the mean */
  gdouble *sums;          /* (threads, 2, channels) */
} Call;

gsize
_simclr_batchnorm_get_scratch (guint threads, gsize channels)
{
  return (gsize) threads * 4 * channels + 6 * channels + 2 * LANES;
}

static gsize
block_rows (gsize channels)
{
  return CLAMP (BLOCK_BYTES / (channels * sizeof (gfloat)), 16, BLOCK_ROWS);
}

SIMCLR_INLINE void
add_lanes (gdouble *sums, SimclrVector first, SimclrVector second, gsize channels)
{
  for (gsize lane = 0; lane < LANES; lane++) {
    sums[lane] += (gdouble) first[lane];
    sums[channels + lane] += (gdouble) second[lane];
  }
}

/* Sums of x - origin and of its square over rows begin to end - 1, added to sums (2, channels). */
SIMCLR_INLINE void
sum_block (const Call *call, gsize begin, gsize end, gdouble *sums, const gboolean half)
{
  const gsize channels = call->channels;
  gsize c = 0;

  for (; c + LANES <= channels; c += LANES) {
    const SimclrVector zero = _simclr_load_vector (call->origin, c, FALSE);
    SimclrVector sum = {0}, squares = {0}, sum_odd = {0}, squares_odd = {0};
    gsize row = begin;

    for (; row + 2 <= end; row += 2) {
      SimclrVector even = _simclr_load_vector (call->x, row * channels + c, half) - zero;
      SimclrVector odd = _simclr_load_vector (call->x, (row + 1) * channels + c, half) - zero;

      sum += even;
      squares += even * even;
      sum_odd += odd;
      squares_odd += odd * odd;
    }
    if (row < end) {
      SimclrVector even = _simclr_load_vector (call->x, row * channels + c, half) - zero;

      sum += even;
      squares += even * even;
    }
    add_lanes (sums + c, sum + sum_odd, squares + squares_odd, channels);
  }
  for (; c < channels; c++) {
    for (gsize row = begin; row < end; row++) {
      gdouble value = _simclr_load_value (call->x, row * channels + c, half) - call->origin[c];

      sums[c] += value;
      sums[channels + c] += value * value;
    }
  }
}

SIMCLR_MULTIVERSION
static void
sum_rows (guint thread, gsize begin, gsize end, gpointer data)
{
  const Call *call = data;
  gdouble *sums = call->sums + thread * 2 * call->channels;
  gsize block = block_rows (call->channels);

  for (gsize row = begin; row < end; row += block) {
    if (call->half)
      sum_block (call, row, MIN (row + block, end), sums, TRUE);
    else
      sum_block (call, row, MIN (row + block, end), sums, FALSE);
  }
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
_simclr_batchnorm_statistics (SimclrParallel *parallel, SimclrPrecision precision, gconstpointer x,
    gsize rows, gsize channels, gfloat *mean, gfloat *variance, gfloat *inverse, gfloat *scratch)
{
  gfloat *origin = scratch;
  Call call = {.half = precision == SIMCLR_PRECISION_BFLOAT16,
      .x = x,
      .channels = channels,
      .origin = origin};

  for (gsize c = 0; c < channels; c++)
    origin[c] = _simclr_load_value (x, c, call.half);
  call.sums = clear_sums (parallel, channels, scratch + channels);
  _simclr_parallel_for (parallel, rows, 16, sum_rows, &call);
  gather_sums (parallel, channels, call.sums);

  for (gsize c = 0; c < channels; c++) {
    gdouble offset = call.sums[c] / (gdouble) rows;
    gdouble square = call.sums[channels + c] / (gdouble) rows - offset * offset;

    mean[c] = (gfloat) ((gdouble) origin[c] + offset);
    variance[c] = (gfloat) (square < 0 ? 0 : square);
    inverse[c] = (gfloat) (1 / sqrt ((gdouble) variance[c] + (gdouble) SIMCLR_BATCHNORM_EPSILON));
  }
}

SIMCLR_INLINE void
apply_loop (const Call *call, gsize begin, gsize end, const gboolean residual, const gboolean half)
{
  const gsize channels = call->channels;
  const SimclrVector zero = {0};
  const SimclrBits keep = (SimclrBits){0} - (call->relu ? 0u : 1u); /* negative values stay */

  for (gsize row = begin; row < end; row++) {
    gsize c = 0, at = row * channels;

    for (; c + LANES <= channels; c += LANES) {
      SimclrVector value = (_simclr_load_vector (call->x, at + c, half) -
                               _simclr_load_vector (call->mean, c, FALSE)) *
                               _simclr_load_vector (call->scale, c, FALSE) +
                           _simclr_load_vector (call->shift, c, FALSE);

      if (residual)
        value += _simclr_load_vector (call->residual_in, at + c, half);
      value = _simclr_select (value, keep | (SimclrBits) ~(value < zero)); /* a NaN stays one */
      _simclr_store_vector (call->out, at + c, value, half);
    }
    for (; c < channels; c++) {
      gfloat value = (_simclr_load_value (call->x, at + c, half) - call->mean[c]) * call->scale[c] +
                     call->shift[c];

      if (residual)
        value += _simclr_load_value (call->residual_in, at + c, half);
      _simclr_store_value (call->out, at + c, call->relu && value < 0 ? 0 : value, half);
    }
  }
}

SIMCLR_MULTIVERSION
static void
apply_rows (guint thread, gsize begin, gsize end, gpointer data)
{
  const Call *call = data;

  if (call->half && call->residual_in)
    apply_loop (call, begin, end, TRUE, TRUE);
  else if (call->half)
    apply_loop (call, begin, end, FALSE, TRUE);
  else if (call->residual_in)
    apply_loop (call, begin, end, TRUE, FALSE);
  else
    apply_loop (call, begin, end, FALSE, FALSE);
}

static void
set_scale_and_shift (gsize channels, const gfloat *inverse, const gfloat *gamma, const gfloat *beta,
    gfloat *scale, gfloat *shift)
{
  for (gsize c = 0; c < channels; c++) {
    scale[c] = gamma[c] * inverse[c];
    shift[c] = beta ? beta[c] : 0;
  }
}

void
_simclr_batchnorm_apply (SimclrParallel *parallel, SimclrPrecision precision, gconstpointer x,
    gsize rows, gsize channels, const gfloat *mean, const gfloat *inverse, const gfloat *gamma,
    const gfloat *beta, gconstpointer residual, gboolean relu, gpointer y, gfloat *scratch)
{
  gfloat *scale = scratch, *shift = scratch + channels;
  Call call = {.half = precision == SIMCLR_PRECISION_BFLOAT16,
      .x = x,
      .residual_in = residual,
      .out = y,
      .channels = channels,
      .relu = relu,
      .mean = mean,
      .scale = scale,
      .shift = shift};

  set_scale_and_shift (channels, inverse, gamma, beta, scale, shift);
  _simclr_parallel_for (parallel, rows, 1, apply_rows, &call);
}

/* The masked gradient: where y, or without y what x becomes, is not above zero, it is zero. */
SIMCLR_INLINE SimclrVector
gradient_vector (const Call *call, gsize at, gsize c, SimclrVector centred, const gboolean half)
{
  const SimclrVector zero = {0};
  SimclrVector gradient = _simclr_load_vector (call->dy, at + c, half);

  if (!call->relu)
    return gradient;
  if (call->y)
    return _simclr_select (
        gradient, (SimclrBits) (_simclr_load_vector (call->y, at + c, half) > zero));
  return _simclr_select (
      gradient, (SimclrBits) (centred * _simclr_load_vector (call->scale, c, FALSE) +
                                  _simclr_load_vector (call->shift, c, FALSE) >
                              zero));
}

SIMCLR_INLINE gfloat
gradient_value (const Call *call, gsize at, gsize c, gfloat centred, const gboolean half)
{
  gfloat output;

  if (!call->relu)
    return _simclr_load_value (call->dy, at + c, half);
  output = call->y ? _simclr_load_value (call->y, at + c, half)
                   : centred * call->scale[c] + call->shift[c];
  return output > 0 ? _simclr_load_value (call->dy, at + c, half) : 0;
}

/* Sums of the masked gradient g and of g * (x - mean) over rows begin to end - 1. */
SIMCLR_INLINE void
sum_gradient_block (const Call *call, gsize begin, gsize end, gdouble *sums, const gboolean half)
{
  const gsize channels = call->channels;
  gsize c = 0;

  for (; c + LANES <= channels; c += LANES) {
    const SimclrVector mean = _simclr_load_vector (call->mean, c, FALSE);
    SimclrVector sum = {0}, products = {0};

    for (gsize row = begin; row < end; row++) {
      SimclrVector centred = _simclr_load_vector (call->x, row * channels + c, half) - mean;
      SimclrVector gradient = gradient_vector (call, row * channels, c, centred, half);

      sum += gradient;
      products += gradient * centred;
    }
    add_lanes (sums + c, sum, products, channels);
  }
  for (; c < channels; c++) {
    for (gsize row = begin; row < end; row++) {
      gfloat centred = _simclr_load_value (call->x, row * channels + c, half) - call->mean[c];
      gfloat gradient = gradient_value (call, row * channels, c, centred, half);

      sums[c] += (gdouble) gradient;
      sums[channels + c] += (gdouble) gradient * (gdouble) centred;
    }
  }
}

SIMCLR_MULTIVERSION
static void
sum_gradient_rows (guint thread, gsize begin, gsize end, gpointer data)
{
  const Call *call = data;
  gdouble *sums = call->sums + thread * 2 * call->channels;
  gsize block = block_rows (call->channels);

  for (gsize row = begin; row < end; row += block) {
    if (call->half)
      sum_gradient_block (call, row, MIN (row + block, end), sums, TRUE);
    else
      sum_gradient_block (call, row, MIN (row + block, end), sums, FALSE);
  }
}

SIMCLR_INLINE void
gradient_loop (const Call *call, gsize begin, gsize end, const gboolean half)
{
  const gsize channels = call->channels;

  for (gsize row = begin; row < end; row++) {
    gsize c = 0, at = row * channels;

    for (; c + LANES <= channels; c += LANES) {
      SimclrVector centred =
          _simclr_load_vector (call->x, at + c, half) - _simclr_load_vector (call->mean, c, FALSE);
      SimclrVector gradient = gradient_vector (call, at, c, centred, half);

      if (call->residual_out)
        _simclr_store_vector (call->residual_out, at + c, gradient, half);
      _simclr_store_vector (call->out, at + c,
          _simclr_load_vector (call->scale, c, FALSE) * gradient +
              _simclr_load_vector (call->slope, c, FALSE) * centred +
              _simclr_load_vector (call->constant, c, FALSE),
          half);
    }
    for (; c < channels; c++) {
      gfloat centred = _simclr_load_value (call->x, at + c, half) - call->mean[c];
      gfloat gradient = gradient_value (call, at, c, centred, half);

      if (call->residual_out)
        _simclr_store_value (call->residual_out, at + c, gradient, half);
      _simclr_store_value (call->out, at + c,
          call->scale[c] * gradient + call->slope[c] * centred + call->constant[c], half);
    }
  }
}

SIMCLR_MULTIVERSION
static void
gradient_rows (guint thread, gsize begin, gsize end, gpointer data)
{
  const Call *call = data;

  if (call->half)
    gradient_loop (call, begin, end, TRUE);
  else
    gradient_loop (call, begin, end, FALSE);
}

/* dx = gamma inverse (g - mean (g) - xhat mean (g xhat)), xhat = (x - mean) inverse. */
void
_simclr_batchnorm_backward (SimclrParallel *parallel, SimclrPrecision precision, gconstpointer x,
    gboolean relu, gconstpointer y, gconstpointer dy, gsize rows, gsize channels,
    const gfloat *mean, const gfloat *inverse, const gfloat *gamma, const gfloat *beta, gpointer dx,
    gpointer residual, gfloat *dgamma, gfloat *dbeta, gboolean frozen, gfloat *scratch)
{
  gfloat *scale = scratch, *shift = scratch + channels, *slope = scratch + 2 * channels;
  gfloat *constant = scratch + 3 * channels;
  Call call = {.half = precision == SIMCLR_PRECISION_BFLOAT16,
      .x = x,
      .y = y,
      .dy = dy,
      .out = dx,
      .residual_out = residual,
      .channels = channels,
      .relu = relu,
      .mean = mean,
      .scale = scale,
      .shift = shift,
      .slope = slope,
      .constant = constant};

  set_scale_and_shift (channels, inverse, gamma, beta, scale, shift);
  call.sums = clear_sums (parallel, channels, scratch + 4 * channels);
  _simclr_parallel_for (parallel, rows, 16, sum_gradient_rows, &call);
  gather_sums (parallel, channels, call.sums);

  for (gsize c = 0; c < channels; c++) {
    gdouble sum = call.sums[c], product = call.sums[channels + c] * (gdouble) inverse[c];

    slope[c] = constant[c] = 0;
    if (!frozen) {
      slope[c] = (gfloat) (-(gdouble) scale[c] * (gdouble) inverse[c] * product / (gdouble) rows);
      constant[c] = (gfloat) (-(gdouble) scale[c] * sum / (gdouble) rows);
    }
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
