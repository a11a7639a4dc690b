/* Resampling kernels: rows first, straight from 8-bit pixels, then columns, many rows side by side.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/augment/resize-private.h>

#include <simclr/augment/vector-private.h>
#include <simclr/base/multiversion-private.h>

/* Bytes of a row that are resampled vertically at a time, so that their rows stay in the nearest
 * cache as floats. */
#define CHUNK 64

/* 4x4 blocks of a to b: b[column][row] = a[row][column], with distances in floats between rows. */
SIMCLR_INLINE void
transpose_four (const gfloat *restrict a, gsize a_stride, gfloat *restrict b, gsize b_stride)
{
  SimclrFour a0 = *(const SimclrFour *) a;
  SimclrFour a1 = *(const SimclrFour *) (a + a_stride);
  SimclrFour a2 = *(const SimclrFour *) (a + 2 * a_stride);
  SimclrFour a3 = *(const SimclrFour *) (a + 3 * a_stride);
  SimclrFour low01 = __builtin_shufflevector (a0, a1, 0, 4, 1, 5);
  SimclrFour high01 = __builtin_shufflevector (a0, a1, 2, 6, 3, 7);
  SimclrFour low23 = __builtin_shufflevector (a2, a3, 0, 4, 1, 5);
  SimclrFour high23 = __builtin_shufflevector (a2, a3, 2, 6, 3, 7);

  *(SimclrFour *) b = __builtin_shufflevector (low01, low23, 0, 1, 4, 5);
  *(SimclrFour *) (b + b_stride) = __builtin_shufflevector (low01, low23, 2, 3, 6, 7);
  *(SimclrFour *) (b + 2 * b_stride) = __builtin_shufflevector (high01, high23, 0, 1, 4, 5);
  *(SimclrFour *) (b + 3 * b_stride) = __builtin_shufflevector (high01, high23, 2, 3, 6, 7);
}

/* One output row of a chunk: the weighted sum of count converted rows. */
SIMCLR_INLINE void
sum_rows (
    const gfloat *restrict rows, const gfloat *restrict weights, guint count, gfloat *restrict out)
{
  SimclrLanes a = {0}, b = {0}, c = {0}, d = {0};

  for (guint k = 0; k < count; k++) {
    const SimclrLanes *row = (const SimclrLanes *) (rows + (gsize) k * CHUNK);
    gfloat weight = weights[k];

    a += weight * row[0];
    b += weight * row[1];
    c += weight * row[2];
    d += weight * row[3];
  }
  ((SimclrLanes *) out)[0] = a;
  ((SimclrLanes *) out)[1] = b;
  ((SimclrLanes *) out)[2] = c;
  ((SimclrLanes *) out)[3] = d;
}

SIMCLR_INLINE void
convert_rows (
    const guint8 *restrict bytes, gsize stride, gsize rows, gsize n, gfloat *restrict converted)
{
  for (gsize row = 0; row < rows; row++) {
    const guint8 *in = bytes + row * stride;
    gfloat *out = converted + row * CHUNK;

    if (n == CHUNK) {
      for (gsize i = 0; i < CHUNK; i++)
        out[i] = in[i];
    } else {
      for (gsize i = 0; i < n; i++)
        out[i] = in[i];
      for (gsize i = n; i < CHUNK; i++)
        out[i] = 0;
    }
  }
}

SIMCLR_MULTIVERSION
void
_simclr_resize_strip_vertical (const guint8 *restrict bytes, gsize stride, gsize n_bytes,
    const SimclrResizeAxis *vertical, guint first, gfloat *restrict converted,
    gfloat *restrict columns)
{
  guint last = MIN (first + SIMCLR_LANES, vertical->size) - 1;
  guint row = vertical->start[first];
  gsize rows = vertical->start[last] + vertical->count[last] - row;
  gfloat tile[SIMCLR_LANES * CHUNK] __attribute__ ((aligned (64)));

  for (gsize byte = 0; byte < n_bytes; byte += CHUNK) {
    convert_rows (
        bytes + row * stride + byte, stride, rows, MIN (CHUNK, n_bytes - byte), converted);
    for (guint lane = 0; lane < SIMCLR_LANES; lane++) {
      /* lanes below the picture repeat its last row; nobody stores them */
      guint out = MIN (first + lane, last);

      sum_rows (converted + (gsize) (vertical->start[out] - row) * CHUNK,
          vertical->weights + (gsize) out * vertical->taps, vertical->count[out],
          tile + lane * CHUNK);
    }
    for (guint i = 0; i < CHUNK; i += 4)
      for (guint lane = 0; lane < SIMCLR_LANES; lane += 4)
        transpose_four (tile + lane * CHUNK + i, CHUNK, columns + (byte + i) * SIMCLR_LANES + lane,
            SIMCLR_LANES);
  }
}

SIMCLR_MULTIVERSION
void
_simclr_resize_strip_horizontal (const gfloat *restrict columns, gsize pixel_bytes,
    const guint8 *offsets, guint channels, const SimclrResizeAxis *horizontal,
    gfloat *restrict strip)
{
  const SimclrLanes *in = (const SimclrLanes *) columns;
  SimclrLanes *out = (SimclrLanes *) strip;
  gsize size = horizontal->size;

  for (gsize x = 0; x < size; x++) {
    const SimclrLanes *pixel = in + horizontal->start[x] * pixel_bytes;
    const gfloat *weights = horizontal->weights + x * horizontal->taps;
    guint count = horizontal->count[x];

    if (channels == 3) {
      SimclrLanes red = {0}, green = {0}, blue = {0};
      gsize r = offsets[0], g = offsets[1], b = offsets[2];

      for (guint k = 0; k < count; k++, pixel += pixel_bytes) {
        red += weights[k] * pixel[r];
        green += weights[k] * pixel[g];
        blue += weights[k] * pixel[b];
      }
      out[x] = red;
      out[size + x] = green;
      out[2 * size + x] = blue;
    } else {
      SimclrLanes gray = {0};

      for (guint k = 0; k < count; k++, pixel += pixel_bytes)
        gray += weights[k] * pixel[0];
      out[x] = gray;
    }
  }
}

SIMCLR_MULTIVERSION
void
_simclr_resize_strip_store (
    const gfloat *restrict strip, guint size, guint rows, gfloat *restrict plane)
{
  gfloat block[SIMCLR_LANES * 4] __attribute__ ((aligned (64)));
  gsize whole = size / 4 * 4;

  for (gsize x = 0; x < whole; x += 4) {
    for (guint i = 0; i < 4 * SIMCLR_LANES; i++)
      block[i] = _simclr_clamp_unit (strip[x * SIMCLR_LANES + i]);
    if (rows == SIMCLR_LANES) {
      for (guint lane = 0; lane < SIMCLR_LANES; lane += 4)
        transpose_four (block + lane, SIMCLR_LANES, plane + lane * (gsize) size + x, size);
    } else {
      for (guint row = 0; row < rows; row++)
        for (guint i = 0; i < 4; i++)
          plane[row * (gsize) size + x + i] = block[i * SIMCLR_LANES + row];
    }
  }
  for (gsize x = whole; x < size; x++)
    for (guint row = 0; row < rows; row++)
      plane[row * (gsize) size + x] = _simclr_clamp_unit (strip[x * SIMCLR_LANES + row]);
}
