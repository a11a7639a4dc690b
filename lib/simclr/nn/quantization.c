/* Activations as bytes: scales from what tensors were seen to hold, and the way there and back.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/quantization-private.h>

#include <simclr/base/bfloat16-private.h>
#include <simclr/base/multiversion-private.h>
#include <math.h>

/* One for each magnitude that bfloat16 knows: within 1 % of one another, over all that floats reach. */
#define BINS 0x8000
#define FIRST_NOT_FINITE 0x7f80

#define SHARE_BELOW 0.9999

struct _SimclrCalibration
{
  guint tensors;
  guint64 *counts; /* (tensors, BINS) */
};

SimclrCalibration *
_simclr_calibration_new (guint tensors)
{
  SimclrCalibration *self = g_new (SimclrCalibration, 1);

  self->tensors = tensors;
  self->counts = g_new0 (guint64, (gsize) tensors * BINS);
  return self;
}

void
_simclr_calibration_free (SimclrCalibration *self)
{
  g_free (self->counts);
  g_free (self);
}

void
_simclr_calibration_observe (SimclrCalibration *self, guint tensor, SimclrPrecision precision,
    gconstpointer values, gsize count)
{
  guint64 *counts = self->counts + (gsize) tensor * BINS;

  g_assert (tensor < self->tensors);
  if (precision == SIMCLR_PRECISION_BFLOAT16) {
    for (gsize i = 0; i < count; i++)
      counts[((const guint16 *) values)[i] & (BINS - 1)]++;
  } else {
    for (gsize i = 0; i < count; i++)
      counts[((const guint32 *) values)[i] >> 16 & (BINS - 1)]++;
  }
}

gfloat
_simclr_calibration_get_range (const SimclrCalibration *self, guint tensor)
{
  const guint64 *counts = self->counts + (gsize) tensor * BINS;
  guint64 all = 0, below = 0;

  for (guint bin = 0; bin < FIRST_NOT_FINITE; bin++)
    all += counts[bin];
  for (guint bin = 0; bin < FIRST_NOT_FINITE; bin++) {
    below += counts[bin];
    if ((gdouble) below >= (gdouble) all * SHARE_BELOW)
      return bin == 0 ? 0 : _simclr_from_bfloat16 ((guint16) MIN (bin + 1, FIRST_NOT_FINITE - 1));
  }
  return 0;
}

typedef struct
{
  gboolean half;
  gconstpointer from;
  gfloat factor;
  guint8 *to;
} Quantizing;

SIMCLR_INLINE void
quantize_loop (const Quantizing *call, gsize begin, gsize end, const gboolean half)
{
  const gfloat factor = call->factor;
  guint8 *restrict to = call->to;

  for (gsize i = begin; i < end; i++) {
    gfloat value = _simclr_load_value (call->from, i, half) * factor + 0.5f;

    value = value < 0 ? 0 : value;
    value = value > 255 ? 255 : value;
    to[i] = (guint8) (gint32) value;
  }
}

SIMCLR_MULTIVERSION
static void
quantize_range (guint thread, gsize begin, gsize end, gpointer data)
{
  const Quantizing *call = data;

  if (call->half)
    quantize_loop (call, begin, end, TRUE);
  else
    quantize_loop (call, begin, end, FALSE);
}

void
_simclr_quantize (SimclrParallel *parallel, SimclrPrecision precision, gconstpointer from,
    gsize count, gfloat scale, guint8 *to)
{
  Quantizing call = {precision == SIMCLR_PRECISION_BFLOAT16, from, 1 / scale, to};

  _simclr_parallel_for (parallel, count, 1024, quantize_range, &call);
}

typedef struct
{
  const guint8 *x;
  gsize positions, channels;
  gfloat share;
  gfloat *y;
} Averaging;

SIMCLR_MULTIVERSION
static void
average_range (guint thread, gsize begin, gsize end, gpointer data)
{
  const Averaging *call = data;
  const gsize channels = call->channels;

  for (gsize image = begin; image < end; image++) {
    const guint8 *restrict x = call->x + image * call->positions * channels;
    gfloat *restrict y = call->y + image * channels;

    memset (y, 0, channels * sizeof (gfloat));
    for (gsize position = 0; position < call->positions; position++, x += channels) {
      for (gsize c = 0; c < channels; c++)
        y[c] += x[c];
    }
    for (gsize c = 0; c < channels; c++)
      y[c] *= call->share;
  }
}

void
_simclr_average_bytes (SimclrParallel *parallel, const guint8 *x, gsize images, gsize positions,
    gsize channels, gfloat scale, gfloat *y)
{
  Averaging call = {x, positions, channels, scale / (gfloat) positions, y};

  _simclr_parallel_for (parallel, images, 1, average_range, &call);
}
