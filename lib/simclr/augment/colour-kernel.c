/* Colour kernels, with the definitions of torchvision's functional_tensor.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/augment/colour-private.h>

#include <simclr/augment/vector-private.h>
#include <simclr/base/multiversion-private.h>

/* ITU-R BT.601 luma, with torchvision's digits. */
#define RED 0.2989f
#define GREEN 0.587f
#define BLUE 0.114f

SIMCLR_MULTIVERSION
void
_simclr_colour_brightness (gfloat *restrict plane, gsize n, gfloat factor)
{
  for (gsize i = 0; i < n; i++)
    plane[i] = _simclr_clamp_unit (plane[i] * factor);
}

SIMCLR_MULTIVERSION
void
_simclr_colour_contrast (gfloat *restrict plane, gsize n, gfloat factor, gfloat mean)
{
  gfloat offset = (1.0f - factor) * mean;

  for (gsize i = 0; i < n; i++)
    plane[i] = _simclr_clamp_unit (plane[i] * factor + offset);
}

SIMCLR_MULTIVERSION
void
_simclr_colour_saturation (
    gfloat *restrict red, gfloat *restrict green, gfloat *restrict blue, gsize n, gfloat factor)
{
  gfloat rest = 1.0f - factor;

  for (gsize i = 0; i < n; i++) {
    gfloat gray = rest * (RED * red[i] + GREEN * green[i] + BLUE * blue[i]);

    red[i] = _simclr_clamp_unit (red[i] * factor + gray);
    green[i] = _simclr_clamp_unit (green[i] * factor + gray);
    blue[i] = _simclr_clamp_unit (blue[i] * factor + gray);
  }
}

/* One channel out of HSV without dividing: with value V, chroma C = V * saturation and hue H in
 * sixths of a turn, the channel is V - C * clamp (min (k, 4 - k), 0, 1), k = (H + n) mod 6, where n
 * is 5 for red, 3 for green and 1 for blue. Here everything in the clamp is times C. */
SIMCLR_INLINE gfloat
channel_of_hue (gfloat hue, gfloat n, gfloat chroma, gfloat value)
{
  gfloat k = hue + n * chroma;
  gfloat drop;

  k = k >= 6.0f * chroma ? k - 6.0f * chroma : k;
  drop = 4.0f * chroma - k;
  drop = k < drop ? k : drop;
  drop = drop < chroma ? drop : chroma;
  drop = drop > 0.0f ? drop : 0.0f;
  return value - drop;
}

SIMCLR_MULTIVERSION
void
_simclr_colour_hue (
    gfloat *restrict red, gfloat *restrict green, gfloat *restrict blue, gsize n, gfloat shift)
{
  gfloat sixths = 6.0f * shift;

  for (gsize i = 0; i < n; i++) {
    gfloat r = red[i], g = green[i], b = blue[i];
    gfloat high = r > g ? r : g, low = r < g ? r : g;
    gfloat value = high > b ? high : b;
    gfloat chroma = value - (low < b ? low : b);
    /* hue times chroma: which channel is the largest decides the sixth */
    gfloat hue = value == g ? 2.0f * chroma + (b - r) : 4.0f * chroma + (r - g);

    hue = value == r ? g - b : hue;
    hue += sixths * chroma;
    hue = hue < 0.0f ? hue + 6.0f * chroma : hue;
    hue = hue >= 6.0f * chroma ? hue - 6.0f * chroma : hue;
    red[i] = channel_of_hue (hue, 5.0f, chroma, value);
    green[i] = channel_of_hue (hue, 3.0f, chroma, value);
    blue[i] = channel_of_hue (hue, 1.0f, chroma, value);
  }
}

SIMCLR_MULTIVERSION
void
_simclr_colour_gray (
    gfloat *restrict red, const gfloat *restrict green, const gfloat *restrict blue, gsize n)
{
  for (gsize i = 0; i < n; i++)
    red[i] = RED * red[i] + GREEN * green[i] + BLUE * blue[i];
}

SIMCLR_MULTIVERSION
gdouble
_simclr_colour_gray_sum (
    const gfloat *restrict red, const gfloat *restrict green, const gfloat *restrict blue, gsize n)
{
  gfloat lanes[SIMCLR_LANES] = {0};
  gdouble sum = 0;
  gsize i = 0;

  for (; i + SIMCLR_LANES <= n; i += SIMCLR_LANES)
    for (gsize k = 0; k < SIMCLR_LANES; k++)
      lanes[k] += RED * red[i + k] + GREEN * green[i + k] + BLUE * blue[i + k];
  for (; i < n; i++)
    sum += RED * red[i] + GREEN * green[i] + BLUE * blue[i];
  for (gsize k = 0; k < SIMCLR_LANES; k++)
    sum += lanes[k];
  return sum;
}

SIMCLR_MULTIVERSION
void
_simclr_colour_solarize (gfloat *restrict plane, gsize n, gfloat threshold)
{
  for (gsize i = 0; i < n; i++)
    plane[i] = plane[i] >= threshold ? 1.0f - plane[i] : plane[i];
}
