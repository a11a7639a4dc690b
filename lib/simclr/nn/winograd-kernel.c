/* The transforms of Winograd's F(4x4, 3x3), sixteen channels at a time.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/winograd-private.h>

#include <simclr/base/bfloat16-private.h>
#include <simclr/base/multiversion-private.h>

#define LANES SIMCLR_LANES
#define INLINE SIMCLR_INLINE

typedef SimclrVector Vector;

INLINE Vector
load (const gfloat *from)
{
  return *(const Vector *) from;
}

INLINE void
store (gfloat *to, Vector value)
{
  *(Vector *) to = value;
}

/* The last channels of some pixels, less than a vector of them, as floats padded with zeros. */
static void
pad_channels (const gconstpointer *from, gboolean half, gsize pixels, gsize c, gsize channels,
    gfloat *padded, gconstpointer *to)
{
  memset (padded, 0, pixels * LANES * sizeof (gfloat));
  for (gsize i = 0; i < pixels; i++) {
    gconstpointer pixel = from[i]; /* from may be to */

    to[i] = pixel ? padded + i * LANES : NULL;
    for (gsize j = 0; pixel && j < channels - c; j++)
      padded[i * LANES + j] = _simclr_load_value (pixel, c + j, half);
  }
}

/* B' d */
INLINE void
input_line (Vector d0, Vector d1, Vector d2, Vector d3, Vector d4, Vector d5, Vector *t, gsize step)
{
  const Vector even = d4 - 4 * d2, odd = d3 - 4 * d1;
  const Vector even_half = d4 - d2, odd_half = 2 * (d3 - d1);

  t[0] = 4 * d0 - 5 * d2 + d4;
  t[step] = even + odd;
  t[2 * step] = even - odd;
  t[3 * step] = even_half + odd_half;
  t[4 * step] = even_half - odd_half;
  t[5 * step] = 4 * d1 - 5 * d3 + d5;
}

INLINE void
input_vector (const gconstpointer from[36], const gboolean half, gsize c, gfloat *to, gsize stride)
{
  Vector t[36], v[36];

  for (gsize j = 0; j < 6; j++)
    input_line (_simclr_load_vector (from[j], c, half), _simclr_load_vector (from[6 + j], c, half),
        _simclr_load_vector (from[12 + j], c, half), _simclr_load_vector (from[18 + j], c, half),
        _simclr_load_vector (from[24 + j], c, half), _simclr_load_vector (from[30 + j], c, half),
        t + j, 6);
  for (gsize i = 0; i < 6; i++)
    input_line (t[6 * i], t[6 * i + 1], t[6 * i + 2], t[6 * i + 3], t[6 * i + 4], t[6 * i + 5],
        v + 6 * i, 1);
  for (gsize i = 0; i < 36; i++)
    store (to + i * stride + c, v[i]);
}

SIMCLR_MULTIVERSION
void
_simclr_winograd_input (
    const gconstpointer from[36], gboolean half, gsize channels, gfloat *to, gsize stride)
{
  gsize c = 0;

  if (half) {
    for (; c + LANES <= channels; c += LANES)
      input_vector (from, TRUE, c, to, stride);
  } else {
    for (; c + LANES <= channels; c += LANES)
      input_vector (from, FALSE, c, to, stride);
  }
  if (c < channels) {
    gfloat padded[36 * LANES];
    gconstpointer pixels[36];

    pad_channels (from, half, 36, c, channels, padded, pixels);
    input_vector (pixels, FALSE, 0, to + c, stride);
  }
}

/* A' m */
INLINE void
output_line (
    Vector m0, Vector m1, Vector m2, Vector m3, Vector m4, Vector m5, Vector *t, gsize step)
{
  const Vector sum = m1 + m2, difference = m1 - m2, far_sum = m3 + m4, far_difference = m3 - m4;

  t[0] = m0 + sum + far_sum;
  t[step] = difference + 2 * far_difference;
  t[2 * step] = sum + 4 * far_sum;
  t[3 * step] = difference + 8 * far_difference + m5;
}

INLINE void
output_vector (const gfloat *m, gsize stride, gsize c, const gpointer to[16],
    const gconstpointer residual[16], const gfloat *bias, gboolean relu, const gboolean half)
{
  Vector t[24], y[16];
  const Vector zero = {0};

  for (gsize j = 0; j < 6; j++)
    output_line (load (m + j * stride + c), load (m + (6 + j) * stride + c),
        load (m + (12 + j) * stride + c), load (m + (18 + j) * stride + c),
        load (m + (24 + j) * stride + c), load (m + (30 + j) * stride + c), t + j, 6);
  for (gsize i = 0; i < 4; i++)
    output_line (t[6 * i], t[6 * i + 1], t[6 * i + 2], t[6 * i + 3], t[6 * i + 4], t[6 * i + 5],
        y + 4 * i, 1);
  for (gsize i = 0; i < 16; i++) {
    Vector value = y[i];

    if (!to[i])
      continue;
    if (bias)
      value += load (bias + c);
    if (residual)
      value += _simclr_load_vector (residual[i], c, half);
    if (relu)
      value = _simclr_select (value, (SimclrBits) ~(value < zero)); /* a NaN stays one */
    _simclr_store_vector (to[i], c, value, half);
  }
}

/* The last channels, less than a vector: through padded copies. */
static void
output_tail (const gfloat *m, gsize stride, gsize c, gsize channels, const gpointer to[16],
    const gconstpointer residual[16], const gfloat *bias, gboolean relu, gboolean half)
{
  gfloat y[16 * LANES], added[17 * LANES] = {0};
  gconstpointer residuals[16], biases[1] = {bias};
  gpointer pixels[16];

  pad_channels (biases, FALSE, 1, c, channels, added + 16 * LANES, biases);
  if (residual)
    pad_channels (residual, half, 16, c, channels, added, residuals);
  for (gsize i = 0; i < 16; i++)
    pixels[i] = to[i] ? y + i * LANES : NULL;
  output_vector (m + c, stride, 0, pixels, residual ? residuals : NULL, biases[0], relu, FALSE);
  for (gsize i = 0; i < 16; i++) {
    for (gsize j = 0; to[i] && j < channels - c; j++)
      _simclr_store_value (to[i], c + j, y[i * LANES + j], half);
  }
}

SIMCLR_MULTIVERSION
void
_simclr_winograd_output (const gfloat *m, gsize stride, gsize channels, const gpointer to[16],
    const gconstpointer residual[16], const gfloat *bias, gboolean relu, gboolean half)
{
  gsize c = 0;

  if (half) {
    for (; c + LANES <= channels; c += LANES)
      output_vector (m, stride, c, to, residual, bias, relu, TRUE);
  } else {
    for (; c + LANES <= channels; c += LANES)
      output_vector (m, stride, c, to, residual, bias, relu, FALSE);
  }
  if (c < channels)
    output_tail (m, stride, c, channels, to, residual, bias, relu, half);
}

/* A dy */
INLINE void
output_gradient_line (Vector y0, Vector y1, Vector y2, Vector y3, Vector *t, gsize step)
{
  const Vector even = y0 + y2, odd = y1 + y3;
  const Vector far_even = y0 + 4 * y2, far_odd = 2 * y1 + 8 * y3;

  t[0] = y0;
  t[step] = even + odd;
  t[2 * step] = even - odd;
  t[3 * step] = far_even + far_odd;
  t[4 * step] = far_even - far_odd;
  t[5 * step] = y3;
}

INLINE Vector
load_or_zero (gconstpointer from, gsize c, const gboolean half)
{
  return from ? _simclr_load_vector (from, c, half) : (Vector){0};
}

INLINE void
output_gradient_vector (
    const gconstpointer from[16], const gboolean half, gsize c, gfloat *to, gsize stride)
{
  Vector t[24], v[36];

  for (gsize j = 0; j < 4; j++)
    output_gradient_line (load_or_zero (from[j], c, half), load_or_zero (from[4 + j], c, half),
        load_or_zero (from[8 + j], c, half), load_or_zero (from[12 + j], c, half), t + j, 4);
  for (gsize i = 0; i < 6; i++)
    output_gradient_line (t[4 * i], t[4 * i + 1], t[4 * i + 2], t[4 * i + 3], v + 6 * i, 1);
  for (gsize i = 0; i < 36; i++)
    store (to + i * stride + c, v[i]);
}

SIMCLR_MULTIVERSION
void
_simclr_winograd_output_gradient (
    const gconstpointer from[16], gboolean half, gsize channels, gfloat *to, gsize stride)
{
  gsize c = 0;

  if (half) {
    for (; c + LANES <= channels; c += LANES)
      output_gradient_vector (from, TRUE, c, to, stride);
  } else {
    for (; c + LANES <= channels; c += LANES)
      output_gradient_vector (from, FALSE, c, to, stride);
  }
  if (c < channels) {
    gfloat padded[16 * LANES];
    gconstpointer pixels[16];

    pad_channels (from, half, 16, c, channels, padded, pixels);
    output_gradient_vector (pixels, FALSE, 0, to + c, stride);
  }
}

/* G w */
INLINE void
weights_line (Vector w0, Vector w1, Vector w2, Vector *t, gsize step)
{
  const Vector near = (w0 + w2) * (1.0f / 6), middle = w1 * (1.0f / 6);
  const Vector far = w0 * (1.0f / 24) + w2 * (1.0f / 6), far_middle = w1 * (1.0f / 12);

  t[0] = w0 * 0.25f;
  t[step] = -(near + middle);
  t[2 * step] = middle - near;
  t[3 * step] = far + far_middle;
  t[4 * step] = far - far_middle;
  t[5 * step] = w2;
}

INLINE void
weights_vector (
    const gfloat *w, gsize tap_stride, gsize c, gboolean rotated, gfloat *to, gsize stride)
{
  Vector g[9], t[18], u[36];

  for (gsize tap = 0; tap < 9; tap++)
    g[rotated ? 8 - tap : tap] = load (w + tap * tap_stride + c);
  for (gsize j = 0; j < 3; j++)
    weights_line (g[j], g[3 + j], g[6 + j], t + j, 3);
  for (gsize i = 0; i < 6; i++)
    weights_line (t[3 * i], t[3 * i + 1], t[3 * i + 2], u + 6 * i, 1);
  for (gsize i = 0; i < 36; i++)
    store (to + i * stride + c, u[i]);
}

SIMCLR_MULTIVERSION
void
_simclr_winograd_weights (
    const gfloat *w, gsize tap_stride, gsize channels, gboolean rotated, gfloat *to, gsize stride)
{
  gsize c = 0;

  for (; c + LANES <= channels; c += LANES)
    weights_vector (w, tap_stride, c, rotated, to, stride);
  if (c < channels) {
    gfloat padded[9 * LANES];
    gconstpointer taps[9];

    for (gsize tap = 0; tap < 9; tap++)
      taps[tap] = w + tap * tap_stride;
    pad_channels (taps, FALSE, 9, c, channels, padded, taps);
    weights_vector (padded, LANES, 0, rotated, to + c, stride);
  }
}

/* G' du */
INLINE void
weights_gradient_line (
    Vector u0, Vector u1, Vector u2, Vector u3, Vector u4, Vector u5, Vector *t, gsize step)
{
  const Vector sum = (u1 + u2) * (1.0f / 6), difference = (u2 - u1) * (1.0f / 6);
  const Vector far_sum = u3 + u4, far_difference = (u3 - u4) * (1.0f / 12);

  t[0] = u0 * 0.25f - sum + far_sum * (1.0f / 24);
  t[step] = difference + far_difference;
  t[2 * step] = far_sum * (1.0f / 6) - sum + u5;
}

INLINE void
weights_gradient_vector (const gfloat *du, gsize stride, gsize c, gfloat *dw, gsize tap_stride)
{
  Vector t[18], g[9];

  for (gsize j = 0; j < 6; j++)
    weights_gradient_line (load (du + j * stride + c), load (du + (6 + j) * stride + c),
        load (du + (12 + j) * stride + c), load (du + (18 + j) * stride + c),
        load (du + (24 + j) * stride + c), load (du + (30 + j) * stride + c), t + j, 6);
  for (gsize i = 0; i < 3; i++)
    weights_gradient_line (t[6 * i], t[6 * i + 1], t[6 * i + 2], t[6 * i + 3], t[6 * i + 4],
        t[6 * i + 5], g + 3 * i, 1);
  for (gsize tap = 0; tap < 9; tap++)
    store (dw + tap * tap_stride + c, g[tap]);
}

SIMCLR_MULTIVERSION
void
_simclr_winograd_weights_gradient (
    const gfloat *du, gsize stride, gsize channels, gfloat *dw, gsize tap_stride)
{
  gsize c = 0;

  for (; c + LANES <= channels; c += LANES)
    weights_gradient_vector (du, stride, c, dw, tap_stride);
  if (c < channels) {
    gfloat taps[9 * LANES];

    weights_gradient_vector (du + c, stride, 0, taps, LANES);
    for (gsize tap = 0; tap < 9; tap++)
      memcpy (dw + tap * tap_stride + c, taps + tap * LANES, (channels - c) * sizeof (gfloat));
  }
}
