/* Pixels between bytes and floats, packed and planar.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/augment/frame-private.h>

#include <simclr/augment/vector-private.h>
#include <simclr/base/multiversion-private.h>

#define CHUNK 256

/* What is a rounding error outside [0, 1] still rounds to 0 or 255. */
SIMCLR_INLINE void
round_to_bytes (const gfloat *restrict in, gsize n, guint8 *restrict out)
{
  for (gsize i = 0; i < n; i++)
    out[i] = (guint8) (gint) (in[i] * 255.0f + 0.5f);
}

SIMCLR_INLINE void
pack_bytes (const gfloat *restrict red, const gfloat *restrict green, const gfloat *restrict blue,
    gsize n, guint8 *restrict bytes)
{
  guint8 r[CHUNK], g[CHUNK], b[CHUNK];

  round_to_bytes (red, n, r);
  round_to_bytes (green, n, g);
  round_to_bytes (blue, n, b);
  for (gsize i = 0; i < n; i++) {
    bytes[3 * i] = r[i];
    bytes[3 * i + 1] = g[i];
    bytes[3 * i + 2] = b[i];
  }
}

SIMCLR_MULTIVERSION
void
_simclr_planes_to_bytes (const gfloat *restrict red, const gfloat *restrict green,
    const gfloat *restrict blue, gsize n, guint8 *restrict bytes)
{
  gsize i = 0;

  for (; i + CHUNK <= n; i += CHUNK)
    pack_bytes (red + i, green + i, blue + i, CHUNK, bytes + 3 * i);
  if (i < n)
    pack_bytes (red + i, green + i, blue + i, n - i, bytes + 3 * i);
}

SIMCLR_MULTIVERSION
void
_simclr_planes_to_floats (const gfloat *restrict red, const gfloat *restrict green,
    const gfloat *restrict blue, gsize n, const SimclrPixelMapping *mapping,
    gfloat *restrict pixels)
{
  SimclrPixelMapping m = *mapping;

  for (gsize i = 0; i < n; i++) {
    pixels[3 * i] = red[i] * m.scale[0] + m.offset[0];
    pixels[3 * i + 1] = green[i] * m.scale[1] + m.offset[1];
    pixels[3 * i + 2] = blue[i] * m.scale[2] + m.offset[2];
  }
}

/* Scale and offset of 48 floats in a row: three vectors of 16, the period of packed pixels. */
#define PERIOD (3 * SIMCLR_LANES)

SIMCLR_INLINE void
rgb_to_floats (const guint8 *restrict bytes, gsize n, const SimclrPixelMapping *mapping,
    gfloat *restrict pixels)
{
  gfloat scale[PERIOD], offset[PERIOD];
  gsize i = 0;

  for (gsize k = 0; k < PERIOD; k++) {
    scale[k] = mapping->scale[k % 3];
    offset[k] = mapping->offset[k % 3];
  }
  for (; i + PERIOD <= 3 * n; i += PERIOD)
    for (gsize k = 0; k < PERIOD; k++)
      pixels[i + k] = (gfloat) bytes[i + k] * scale[k] + offset[k];
  for (gsize k = 0; i < 3 * n; i++, k++)
    pixels[i] = (gfloat) bytes[i] * scale[k] + offset[k];
}

SIMCLR_MULTIVERSION
void
_simclr_bytes_to_floats (const guint8 *restrict bytes, const SimclrPixelLayout *layout, gsize n,
    const SimclrPixelMapping *mapping, gfloat *restrict pixels)
{
  SimclrPixelMapping m = *mapping;
  gsize r = layout->offsets[0], g = layout->offsets[1], b = layout->offsets[2];
  gsize step = layout->bytes;

  if (step == 3 && r == 0) {
    rgb_to_floats (bytes, n, mapping, pixels);
    return;
  }
  for (gsize i = 0; i < n; i++) {
    pixels[3 * i] = (gfloat) bytes[step * i + r] * m.scale[0] + m.offset[0];
    pixels[3 * i + 1] = (gfloat) bytes[step * i + g] * m.scale[1] + m.offset[1];
    pixels[3 * i + 2] = (gfloat) bytes[step * i + b] * m.scale[2] + m.offset[2];
  }
}
