/* The augmentations by their definitions.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "naive.h"

#include <math.h>
#include <string.h>

static gdouble
clamp (gdouble x)
{
  return CLAMP (x, 0.0, 1.0);
}

void
naive_pixel (const SimclrFrame *frame, guint x, guint y, gdouble rgb[3])
{
  const guint8 *row = frame->data + y * frame->stride;

  switch (frame->format) {
  case SIMCLR_PIXEL_FORMAT_RGB:
    for (guint c = 0; c < 3; c++)
      rgb[c] = row[3 * x + c];
    break;
  case SIMCLR_PIXEL_FORMAT_BGR:
    for (guint c = 0; c < 3; c++)
      rgb[c] = row[3 * x + 2 - c];
    break;
  case SIMCLR_PIXEL_FORMAT_RGBX:
    for (guint c = 0; c < 3; c++)
      rgb[c] = row[4 * x + c];
    break;
  case SIMCLR_PIXEL_FORMAT_BGRX:
    for (guint c = 0; c < 3; c++)
      rgb[c] = row[4 * x + 2 - c];
    break;
  case SIMCLR_PIXEL_FORMAT_GRAY8:
    for (guint c = 0; c < 3; c++)
      rgb[c] = row[x];
    break;
  }
}

static gdouble
filter (SimclrInterpolation interpolation, gdouble x)
{
  const gdouble a = -0.5;

  x = fabs (x);
  if (interpolation == SIMCLR_INTERPOLATION_BILINEAR)
    return x < 1 ? 1 - x : 0;
  if (x < 1)
    return (a + 2) * x * x * x - (a + 3) * x * x + 1;
  return x < 2 ? a * x * x * x - 5 * a * x * x + 8 * a * x - 4 * a : 0;
}

/* The weight of every input position for one output position, those past the ends left out. */
static void
filter_weights (
    SimclrInterpolation interpolation, guint length, guint size, guint position, gdouble *weights)
{
  gdouble scale = (gdouble) length / size, widening = MAX (scale, 1), sum = 0;

  for (guint i = 0; i < length; i++) {
    weights[i] = filter (interpolation, (i + 0.5 - (position + 0.5) * scale) / widening);
    sum += weights[i];
  }
  for (guint i = 0; i < length; i++)
    weights[i] /= sum;
}

void
naive_resize (const SimclrFrame *frame, guint box_x, guint box_y, guint box_width, guint box_height,
    guint size, gboolean flip, SimclrInterpolation interpolation, gdouble *out)
{
  g_autofree gdouble *across = g_new (gdouble, box_width);
  g_autofree gdouble *down = g_new (gdouble, box_height);

  for (guint y = 0; y < size; y++) {
    filter_weights (interpolation, box_height, size, y, down);
    for (guint x = 0; x < size; x++) {
      gdouble sum[3] = {0}, rgb[3];
      gdouble *pixel = out + 3 * ((gsize) y * size + (flip ? size - 1 - x : x));

      filter_weights (interpolation, box_width, size, x, across);
      for (guint j = 0; j < box_height; j++)
        for (guint i = 0; down[j] != 0 && i < box_width; i++) {
          if (across[i] == 0)
            continue;
          naive_pixel (frame, box_x + i, box_y + j, rgb);
          for (guint c = 0; c < 3; c++)
            sum[c] += down[j] * across[i] * rgb[c] / 255;
        }
      for (guint c = 0; c < 3; c++)
        pixel[c] = clamp (sum[c]);
    }
  }
}

static gdouble
luma (const gdouble *rgb)
{
  return 0.2989 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
}

void
naive_brightness (gdouble *picture, gsize n, gdouble factor)
{
  for (gsize i = 0; i < 3 * n; i++)
    picture[i] = clamp (picture[i] * factor);
}

void
naive_contrast (gdouble *picture, gsize n, gdouble factor)
{
  gdouble mean = 0;

  for (gsize i = 0; i < n; i++)
    mean += luma (picture + 3 * i) / (gdouble) n;
  for (gsize i = 0; i < 3 * n; i++)
    picture[i] = clamp (factor * picture[i] + (1 - factor) * mean);
}

void
naive_saturation (gdouble *picture, gsize n, gdouble factor)
{
  for (gsize i = 0; i < n; i++) {
    gdouble gray = luma (picture + 3 * i);

    for (guint c = 0; c < 3; c++)
      picture[3 * i + c] = clamp (factor * picture[3 * i + c] + (1 - factor) * gray);
  }
}

/* The textbook's conversions: hue by thirds, saturation by division, six sectors. */
static void
shift_hue (gdouble *rgb, gdouble shift)
{
  gdouble high = MAX (MAX (rgb[0], rgb[1]), rgb[2]), low = MIN (MIN (rgb[0], rgb[1]), rgb[2]);
  gdouble chroma = high - low, saturation, hue, fraction, p, q, t;
  gint sector;

  if (chroma == 0)
    return;
  saturation = chroma / high;
  if (high == rgb[0])
    hue = (rgb[1] - rgb[2]) / chroma;
  else if (high == rgb[1])
    hue = 2 + (rgb[2] - rgb[0]) / chroma;
  else
    hue = 4 + (rgb[0] - rgb[1]) / chroma;
  hue = hue / 6 + shift;
  hue -= floor (hue);
  sector = (gint) floor (hue * 6);
  fraction = hue * 6 - sector;
  p = high * (1 - saturation);
  q = high * (1 - saturation * fraction);
  t = high * (1 - saturation * (1 - fraction));
  switch (sector % 6) {
  case 0:
    rgb[0] = high, rgb[1] = t, rgb[2] = p;
    break;
  case 1:
    rgb[0] = q, rgb[1] = high, rgb[2] = p;
    break;
  case 2:
    rgb[0] = p, rgb[1] = high, rgb[2] = t;
    break;
  case 3:
    rgb[0] = p, rgb[1] = q, rgb[2] = high;
    break;
  case 4:
    rgb[0] = t, rgb[1] = p, rgb[2] = high;
    break;
  default:
    rgb[0] = high, rgb[1] = p, rgb[2] = q;
    break;
  }
}

void
naive_hue (gdouble *picture, gsize n, gdouble shift)
{
  for (gsize i = 0; i < n; i++)
    shift_hue (picture + 3 * i, shift);
}

void
naive_grayscale (gdouble *picture, gsize n)
{
  for (gsize i = 0; i < n; i++) {
    gdouble gray = luma (picture + 3 * i);

    for (guint c = 0; c < 3; c++)
      picture[3 * i + c] = gray;
  }
}

void
naive_solarize (gdouble *picture, gsize n, gdouble threshold)
{
  for (gsize i = 0; i < 3 * n; i++)
    if (picture[i] >= threshold)
      picture[i] = 1 - picture[i];
}

static guint
reflected (gint i, gint size)
{
  while (i < 0 || i >= size)
    i = i < 0 ? -i : 2 * (size - 1) - i;
  return (guint) i;
}

void
naive_blur (gdouble *picture, guint size, guint radius, gdouble sigma)
{
  gint r = (gint) radius, n = (gint) size;
  gsize floats = 3 * (gsize) size * size;
  g_autofree gdouble *out = g_new0 (gdouble, floats);
  gdouble sum = 0;

  for (gint j = -r; j <= r; j++)
    for (gint i = -r; i <= r; i++)
      sum += exp (-0.5 * (i * i + j * j) / (sigma * sigma));
  for (gint j = -r; j <= r; j++)
    for (gint i = -r; i <= r; i++) {
      gdouble weight = exp (-0.5 * (i * i + j * j) / (sigma * sigma)) / sum;

      for (gint y = 0; y < n; y++)
        for (gint x = 0; x < n; x++)
          for (guint c = 0; c < 3; c++)
            out[3 * (y * n + x) + (gint) c] +=
                weight * picture[3 * (reflected (y + j, n) * size + reflected (x + i, n)) + c];
    }
  memcpy (picture, out, floats * sizeof (gdouble));
}

void
naive_view (const SimclrFrame *frame, const SimclrDraw *draw, guint size,
    SimclrInterpolation interpolation, gdouble *out)
{
  gsize n = (gsize) size * size;

  naive_resize (frame, draw->crop_x, draw->crop_y, draw->crop_width, draw->crop_height, size,
      draw->flip, interpolation, out);
  for (guint i = 0; draw->jitter && i < 4; i++) {
    if (draw->order[i] == 0)
      naive_brightness (out, n, draw->brightness);
    else if (draw->order[i] == 1)
      naive_contrast (out, n, draw->contrast);
    else if (draw->order[i] == 2)
      naive_saturation (out, n, draw->saturation);
    else
      naive_hue (out, n, draw->hue);
  }
  if (draw->grayscale)
    naive_grayscale (out, n);
  if (draw->blur)
    naive_blur (out, size, size / 10 / 2, draw->sigma);
  if (draw->solarize)
    naive_solarize (out, n, draw->solarize_threshold);
}

guint8 *
naive_frame (SimclrFrame *frame, guint width, guint height, SimclrPixelFormat format, gsize extra,
    guint32 seed)
{
  static const gsize pixel_bytes[] = {3, 3, 4, 4, 1};
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  gsize bytes = pixel_bytes[format], stride = width * bytes + extra;
  /* exactly as large as it must be, so that a sanitizer sees any byte too far */
  guint8 *data = g_malloc (stride * (height - 1) + width * bytes);

  for (guint y = 0; y < height; y++)
    for (gsize i = 0; i < width * bytes; i++) {
      gdouble wave = 127 + 127 * sin ((gdouble) i / 19 + y / 7.0 + (gdouble) (i % bytes));

      if ((i / bytes / 5 + y / 4) % 7 == 0)
        wave = (y + i) % 2 ? 255 : 0;
      data[y * stride + i] = (guint8) CLAMP (wave + g_rand_double_range (rand, -20, 20), 0, 255);
    }
  for (guint y = 0; y + 1 < height; y++)
    memset (data + y * stride + width * bytes, 0xaa, extra);
  *frame = (SimclrFrame){data, width, height, stride, format};
  return data;
}
