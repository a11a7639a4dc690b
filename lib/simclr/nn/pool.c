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

/* The taps of a window that are in the picture: numbers of their first values, and their own numbers. */
typedef struct
{
  gsize values[9];
  guint8 taps[9];
  guint count;
} Window;

SIMCLR_INLINE void
find_window (const Call *call, gsize picture, gsize row, gsize column, Window *window)
{
  window->count = 0;
  for (guint8 tap = 0; tap < 9; tap++) {
    gsize top = row * 2 + tap / 3, left = column * 2 + tap % 3; /* plus one: the padding */

    if (top < 1 || left < 1 || top > call->height || left > call->width)
      continue;
    window->values[window->count] = picture + ((top - 1) * call->width + left - 1) * call->channels;
    window->taps[window->count++] = tap;
  }
}

/* Takes what is larger, or not a number, which then stays. Channels c to c + n - 1; y: number of the first.
 * (Loops and not vectors: the compiler takes comparisons of vectors apart.) */
SIMCLR_INLINE void
max_pool_channels (
    const Call *call, const Window *window, gsize c, gsize n, gsize y, const gboolean half)
{
  gfloat best[SIMCLR_LANES];
  guint32 chosen[SIMCLR_LANES];

  for (gsize k = 0; k < n; k++) {
    best[k] = -G_MAXFLOAT;
    chosen[k] = 4;
  }
  for (guint i = 0; i < window->count; i++) {
    const guint32 tap = window->taps[i];

    for (gsize k = 0; k < n; k++) {
      gfloat value = _simclr_load_value (call->in, window->values[i] + c + k, half);
      gboolean larger = !(value <= best[k]) && best[k] == best[k];

      best[k] = larger ? value : best[k];
      chosen[k] = larger ? tap : chosen[k];
    }
  }
  for (gsize k = 0; k < n; k++)
    _simclr_store_value (call->out, y + k, best[k], half);
  if (call->chosen) {
    for (gsize k = 0; k < n; k++)
      call->chosen[y + k] = (guint8) chosen[k];
  }
}

SIMCLR_INLINE void
max_pool_window (const Call *call, const Window *window, gsize y, const gboolean half)
{
  gsize c = 0;

  for (; c + SIMCLR_LANES <= call->channels; c += SIMCLR_LANES)
    max_pool_channels (call, window, c, SIMCLR_LANES, y + c, half);
  for (; c < call->channels; c++)
    max_pool_channels (call, window, c, 1, y + c, half);
}

/* The larger ones, or what is not a number. */
SIMCLR_INLINE SimclrVector
larger (SimclrVector a, SimclrVector b)
{
  const SimclrBits take = (SimclrBits) (b > a) | (SimclrBits) (b != b);

  return (SimclrVector) (((SimclrBits) b & take) | ((SimclrBits) a & ~take));
}

SIMCLR_INLINE void
max_of_nine (const Call *call, const gsize values[9], gsize y, const gboolean half)
{
  gsize c = 0;

  for (; c + SIMCLR_LANES <= call->channels; c += SIMCLR_LANES) {
    SimclrVector best = _simclr_load_vector (call->in, values[0] + c, half);

    for (guint i = 1; i < 9; i++)
      best = larger (best, _simclr_load_vector (call->in, values[i] + c, half));
    _simclr_store_vector (call->out, y + c, best, half);
  }
  for (; c < call->channels; c++) {
    gfloat best = _simclr_load_value (call->in, values[0] + c, half);

    for (guint i = 1; i < 9; i++) {
      gfloat value = _simclr_load_value (call->in, values[i] + c, half);

      best = value > best || value != value ? value : best;
    }
    _simclr_store_value (call->out, y + c, best, half);
  }
}

/* Inference: which of the nine it was is of no interest, so taps in the padding may be another's double. */
SIMCLR_MULTIVERSION
static void
max_pool_lines_only (guint thread, gsize begin, gsize end, gpointer data)
{
  const Call *call = data;

  for (gsize line = begin; line < end; line++) {
    gsize image = line / call->out_height, row = line % call->out_height;
    gsize picture = image * call->height * call->width * call->channels;

    for (gsize column = 0; column < call->out_width; column++) {
      gsize y = (line * call->out_width + column) * call->channels;
      Window window;

      find_window (call, picture, row, column, &window);
      for (guint i = window.count; i < 9; i++)
        window.values[i] = window.values[0];
      if (call->half)
        max_of_nine (call, window.values, y, TRUE);
      else
        max_of_nine (call, window.values, y, FALSE);
    }
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
      Window window;

      find_window (call, picture, row, column, &window);
      if (call->half)
        max_pool_window (call, &window, y, TRUE);
      else
        max_pool_window (call, &window, y, FALSE);
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

  _simclr_parallel_for (
      parallel, images * call.out_height, 1, chosen ? max_pool_lines : max_pool_lines_only, &call);
}

/* The windows around a pixel, at most four: where their gradients begin, and which tap of them it is. */
SIMCLR_INLINE void
find_windows (const Call *call, gsize windows, gsize row, gsize column, Window *found)
{
  found->count = 0;
  for (gsize i = row / 2; i <= (row + 1) / 2 && i < call->out_height; i++) {
    for (gsize j = column / 2; j <= (column + 1) / 2 && j < call->out_width; j++) {
      found->values[found->count] = windows + (i * call->out_width + j) * call->channels;
      found->taps[found->count++] = (guint8) ((row + 1 - 2 * i) * 3 + column + 1 - 2 * j);
    }
  }
}

/* A pixel's gradient: the sum of those of the windows that chose it. Channels c to c + n - 1; dx: number of
 * the first. */
SIMCLR_INLINE void
gather_channels (
    const Call *call, const Window *windows, gsize c, gsize n, gsize dx, const gboolean half)
{
  gfloat sum[SIMCLR_LANES] = {0};

  for (guint i = 0; i < windows->count; i++) {
    const gsize dy = windows->values[i] + c;
    const guint8 tap = windows->taps[i];

    for (gsize k = 0; k < n; k++) {
      gfloat gradient = _simclr_load_value (call->in, dy + k, half);

      sum[k] += call->chosen_in[dy + k] == tap ? gradient : 0;
    }
  }
  for (gsize k = 0; k < n; k++)
    _simclr_store_value (call->out, dx + k, sum[k], half);
}

SIMCLR_INLINE void
gather_pixel (const Call *call, const Window *windows, gsize dx, const gboolean half)
{
  gsize c = 0;

  for (; c + SIMCLR_LANES <= call->channels; c += SIMCLR_LANES)
    gather_channels (call, windows, c, SIMCLR_LANES, dx + c, half);
  for (; c < call->channels; c++)
    gather_channels (call, windows, c, 1, dx + c, half);
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
      Window around;

      find_windows (call, windows, line % call->height, column, &around);
      if (call->half)
        gather_pixel (call, &around, dx, TRUE);
      else
        gather_pixel (call, &around, dx, FALSE);
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
