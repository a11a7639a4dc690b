/* Max pooling (3x3, stride 2, padding 1) and global average pooling over NHWC activations.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/pool-private.h>

#include <simclr/base/bfloat16-private.h>
#include <simclr/base/multiversion-private.h>

typedef struct
{
  gboolean half;
  gconstpointer in;
  gpointer out;
  guint8 *chosen;
  const guint8 *chosen_in;
  gsize height, width, channels; /* of the larger side */
  gsize out_height, out_width;
  gsize positions;
} Call;

/* Takes what is larger, or not a number, which then stays. x and y: numbers of their first values. */
SIMCLR_INLINE void
take_larger (const Call *call, gsize x, guint8 tap, gsize y, const gboolean half)
{
  guint8 *chosen = call->chosen ? call->chosen + y : NULL;

#pragma GCC ivdep
  for (gsize c = 0; c < call->channels; c++) {
    gfloat value = _simclr_load_value (call->in, x + c, half);
    gfloat old = _simclr_load_value (call->out, y + c, half);
    gboolean larger = value > old || value != value;

    _simclr_store_value (call->out, y + c, larger ? value : old, half);
    if (chosen)
      chosen[c] = larger ? tap : chosen[c];
  }
}

SIMCLR_INLINE void
max_pool_window (
    const Call *call, gsize picture, gsize row, gsize column, gsize y, const gboolean half)
{
  for (gsize c = 0; c < call->channels; c++)
    _simclr_store_value (call->out, y + c, -G_MAXFLOAT, half);
  for (guint8 tap = 0; tap < 9; tap++) {
    gsize top = row * 2 + tap / 3, left = column * 2 + tap % 3; /* plus one: the padding */

    if (top < 1 || left < 1 || top > call->height || left > call->width)
      continue;
    take_larger (
        call, picture + ((top - 1) * call->width + left - 1) * call->channels, tap, y, half);
  }
}

SIMCLR_MULTIVERSION
static void
max_pool_lines (guint thread, gsize begin, gsize end, gpointer data)
{
  const Call *call = data;

  for (gsize line = begin; line < end; line++) {
    gsize image = line / call->out_height, row = line % call->out_height;
    gsize picture = image * call->height * call->width * call->channels;

    for (gsize column = 0; column < call->out_width; column++) {
      gsize y = (line * call->out_width + column) * call->channels;

      if (call->chosen)
        memset (call->chosen + y, 4, call->channels);
      if (call->half)
        max_pool_window (call, picture, row, column, y, TRUE);
      else
        max_pool_window (call, picture, row, column, y, FALSE);
    }
  }
}

void
_simclr_max_pool_forward (SimclrParallel *parallel, SimclrPrecision precision, gconstpointer x,
    gsize images, gsize height, gsize width, gsize channels, gpointer y, guint8 *chosen)
{
  Call call = {.half = precision == SIMCLR_PRECISION_BFLOAT16,
      .in = x,
      .out = y,
      .chosen = chosen,
      .height = height,
      .width = width,
      .channels = channels,
      .out_height = (height + 1) / 2,
      .out_width = (width + 1) / 2};

  _simclr_parallel_for (parallel, images * call.out_height, 1, max_pool_lines, &call);
}

/* A pixel's gradient: of the windows around it that chose it, at most four. */
SIMCLR_INLINE void
gather_pixel (
    const Call *call, gsize windows, gsize row, gsize column, gsize dx, const gboolean half)
{
  for (gsize c = 0; c < call->channels; c++)
    _simclr_store_value (call->out, dx + c, 0, half);
  for (gsize i = row / 2; i <= (row + 1) / 2 && i < call->out_height; i++) {
    for (gsize j = column / 2; j <= (column + 1) / 2 && j < call->out_width; j++) {
      const guint8 tap = (guint8) ((row + 1 - 2 * i) * 3 + column + 1 - 2 * j);
      const gsize dy = windows + (i * call->out_width + j) * call->channels;

#pragma GCC ivdep
      for (gsize c = 0; c < call->channels; c++) {
        gfloat gradient =
            call->chosen_in[dy + c] == tap ? _simclr_load_value (call->in, dy + c, half) : 0;

        _simclr_store_value (
            call->out, dx + c, _simclr_load_value (call->out, dx + c, half) + gradient, half);
      }
    }
  }
}

SIMCLR_MULTIVERSION
static void
max_pool_backward_lines (guint thread, gsize begin, gsize end, gpointer data)
{
  const Call *call = data;

  for (gsize line = begin; line < end; line++) {
    gsize windows = line / call->height * call->out_height * call->out_width * call->channels;

    for (gsize column = 0; column < call->width; column++) {
      gsize dx = (line * call->width + column) * call->channels;

      if (call->half)
        gather_pixel (call, windows, line % call->height, column, dx, TRUE);
      else
        gather_pixel (call, windows, line % call->height, column, dx, FALSE);
    }
  }
}

void
_simclr_max_pool_backward (SimclrParallel *parallel, SimclrPrecision precision, gconstpointer dy,
    const guint8 *chosen, gsize images, gsize height, gsize width, gsize channels, gpointer dx)
{
  Call call = {.half = precision == SIMCLR_PRECISION_BFLOAT16,
      .in = dy,
      .out = dx,
      .chosen_in = chosen,
      .height = height,
      .width = width,
      .channels = channels,
      .out_height = (height + 1) / 2,
      .out_width = (width + 1) / 2};

  _simclr_parallel_for (parallel, images * height, 1, max_pool_backward_lines, &call);
}

SIMCLR_INLINE void
average_image (const Call *call, gsize image, const gboolean half)
{
  const gsize channels = call->channels;
  const gfloat share = 1.0f / (gfloat) call->positions;
  gfloat *out = (gfloat *) call->out + image * channels;

  memset (out, 0, channels * sizeof (gfloat));
  for (gsize position = 0; position < call->positions; position++) {
    gsize in = (image * call->positions + position) * channels;

#pragma GCC ivdep
    for (gsize c = 0; c < channels; c++)
      out[c] += _simclr_load_value (call->in, in + c, half);
  }
  for (gsize c = 0; c < channels; c++)
    out[c] *= share;
}

SIMCLR_MULTIVERSION
static void
average_images (guint thread, gsize begin, gsize end, gpointer data)
{
  const Call *call = data;

  for (gsize image = begin; image < end; image++) {
    if (call->half)
      average_image (call, image, TRUE);
    else
      average_image (call, image, FALSE);
  }
}

void
_simclr_average_pool_forward (SimclrParallel *parallel, SimclrPrecision precision, gconstpointer x,
    gsize images, gsize positions, gsize channels, gfloat *y)
{
  Call call = {.half = precision == SIMCLR_PRECISION_BFLOAT16,
      .in = x,
      .out = y,
      .positions = positions,
      .channels = channels};

  _simclr_parallel_for (parallel, images, 1, average_images, &call);
}

SIMCLR_INLINE void
spread_image (const Call *call, gsize image, const gboolean half)
{
  const gsize channels = call->channels;
  const gfloat share = 1.0f / (gfloat) call->positions;
  const gfloat *in = (const gfloat *) call->in + image * channels;

  for (gsize position = 0; position < call->positions; position++) {
    gsize out = (image * call->positions + position) * channels;

#pragma GCC ivdep
    for (gsize c = 0; c < channels; c++)
      _simclr_store_value (call->out, out + c, in[c] * share, half);
  }
}

SIMCLR_MULTIVERSION
static void
spread_images (guint thread, gsize begin, gsize end, gpointer data)
{
  const Call *call = data;

  for (gsize image = begin; image < end; image++) {
    if (call->half)
      spread_image (call, image, TRUE);
    else
      spread_image (call, image, FALSE);
  }
}

void
_simclr_average_pool_backward (SimclrParallel *parallel, SimclrPrecision precision,
    const gfloat *dy, gsize images, gsize positions, gsize channels, gpointer dx)
{
  Call call = {.half = precision == SIMCLR_PRECISION_BFLOAT16,
      .in = dy,
      .out = dx,
      .positions = positions,
      .channels = channels};

  _simclr_parallel_for (parallel, images, 1, spread_images, &call);
}
