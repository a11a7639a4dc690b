/* Max pooling (3x3, stride 2, padding 1) and global average pooling over NHWC activations.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/pool-private.h>

#include <simclr/base/multiversion-private.h>
#include <string.h>

typedef struct
{
  const gfloat *in;
  gfloat *out;
  guint8 *chosen;
  const guint8 *chosen_in;
  gsize height, width, channels;
  gsize out_height, out_width;
  gsize positions;
} Call;

/* Takes what is larger, or not a number, which then stays. */
SIMCLR_MULTIVERSION
static void
take_larger (const gfloat *restrict x, guint8 tap, gsize channels, gfloat *restrict y,
    guint8 *restrict chosen)
{
  if (!chosen) {
    for (gsize c = 0; c < channels; c++)
      y[c] = x[c] > y[c] || x[c] != x[c] ? x[c] : y[c];
    return;
  }
  for (gsize c = 0; c < channels; c++) {
    gboolean larger = x[c] > y[c] || x[c] != x[c];

    y[c] = larger ? x[c] : y[c];
    chosen[c] = larger ? tap : chosen[c];
  }
}

static void
max_pool_window (
    const Call *call, const gfloat *picture, gsize row, gsize column, gfloat *y, guint8 *chosen)
{
  gsize channels = call->channels;

  for (gsize c = 0; c < channels; c++)
    y[c] = -G_MAXFLOAT;
  for (guint8 tap = 0; tap < 9; tap++) {
    gsize top = row * 2 + tap / 3, left = column * 2 + tap % 3; /* plus one: the padding */

    if (top < 1 || left < 1 || top > call->height || left > call->width)
      continue;
    take_larger (
        picture + ((top - 1) * call->width + left - 1) * channels, tap, channels, y, chosen);
  }
}

static void
max_pool_lines (guint thread, gsize begin, gsize end, gpointer data)
{
  const Call *call = data;

  for (gsize line = begin; line < end; line++) {
    gsize image = line / call->out_height, row = line % call->out_height;
    const gfloat *picture = call->in + image * call->height * call->width * call->channels;

    for (gsize column = 0; column < call->out_width; column++) {
      gsize at = (line * call->out_width + column) * call->channels;

      if (call->chosen)
        memset (call->chosen + at, 4, call->channels);
      max_pool_window (
          call, picture, row, column, call->out + at, call->chosen ? call->chosen + at : NULL);
    }
  }
}

void
_simclr_max_pool_forward (SimclrParallel *parallel, const gfloat *x, gsize images, gsize height,
    gsize width, gsize channels, gfloat *y, guint8 *chosen)
{
  Call call = {.in = x,
      .out = y,
      .chosen = chosen,
      .height = height,
      .width = width,
      .channels = channels,
      .out_height = (height + 1) / 2,
      .out_width = (width + 1) / 2};

  _simclr_parallel_for (parallel, images * call.out_height, 1, max_pool_lines, &call);
}

static void
max_pool_backward_images (guint thread, gsize begin, gsize end, gpointer data)
{
  const Call *call = data;
  gsize channels = call->channels;

  for (gsize image = begin; image < end; image++) {
    gfloat *picture = call->out + image * call->height * call->width * channels;

    memset (picture, 0, call->height * call->width * channels * sizeof (gfloat));
    for (gsize position = 0; position < call->out_height * call->out_width; position++) {
      gsize row = position / call->out_width, column = position % call->out_width;
      gsize at = (image * call->out_height * call->out_width + position) * channels;

      for (gsize c = 0; c < channels; c++) {
        gsize tap = call->chosen_in[at + c];
        gsize top = row * 2 + tap / 3 - 1, left = column * 2 + tap % 3 - 1;

        picture[(top * call->width + left) * channels + c] += call->in[at + c];
      }
    }
  }
}

void
_simclr_max_pool_backward (SimclrParallel *parallel, const gfloat *dy, const guint8 *chosen,
    gsize images, gsize height, gsize width, gsize channels, gfloat *dx)
{
  Call call = {.in = dy,
      .out = dx,
      .chosen_in = chosen,
      .height = height,
      .width = width,
      .channels = channels,
      .out_height = (height + 1) / 2,
      .out_width = (width + 1) / 2};

  _simclr_parallel_for (parallel, images, 1, max_pool_backward_images, &call);
}

SIMCLR_MULTIVERSION
static void
average_images (guint thread, gsize begin, gsize end, gpointer data)
{
  const Call *call = data;
  gsize channels = call->channels;
  const gfloat share = 1.0f / (gfloat) call->positions;

  for (gsize image = begin; image < end; image++) {
    const gfloat *in = call->in + image * call->positions * channels;
    gfloat *restrict out = call->out + image * channels;

    memcpy (out, in, channels * sizeof (gfloat));
    for (gsize position = 1; position < call->positions; position++) {
      in += channels;
      for (gsize c = 0; c < channels; c++)
        out[c] += in[c];
    }
    for (gsize c = 0; c < channels; c++)
      out[c] *= share;
  }
}

void
_simclr_average_pool_forward (SimclrParallel *parallel, const gfloat *x, gsize images,
    gsize positions, gsize channels, gfloat *y)
{
  Call call = {.in = x, .out = y, .positions = positions, .channels = channels};

  _simclr_parallel_for (parallel, images, 1, average_images, &call);
}

SIMCLR_MULTIVERSION
static void
spread_images (guint thread, gsize begin, gsize end, gpointer data)
{
  const Call *call = data;
  gsize channels = call->channels;
  const gfloat share = 1.0f / (gfloat) call->positions;

  for (gsize image = begin; image < end; image++) {
    const gfloat *in = call->in + image * channels;

    for (gsize position = 0; position < call->positions; position++) {
      gfloat *restrict out = call->out + (image * call->positions + position) * channels;

      for (gsize c = 0; c < channels; c++)
        out[c] = in[c] * share;
    }
  }
}

void
_simclr_average_pool_backward (SimclrParallel *parallel, const gfloat *dy, gsize images,
    gsize positions, gsize channels, gfloat *dx)
{
  Call call = {.in = dy, .out = dx, .positions = positions, .channels = channels};

  _simclr_parallel_for (parallel, images, 1, spread_images, &call);
}
