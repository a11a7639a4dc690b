/* Draws augmentations and applies them, for comparison with another implementation.
 *   apply-draws draw WIDTH HEIGHT COUNT SEED       what is drawn for a frame, one draw a line
 *   apply-draws FILE WIDTH HEIGHT FORMAT SIZE INTERPOLATION
 * The latter applies the draws on standard input, lines as the former prints, to a file of raw pixels;
 * the views go to standard output, packed RGB.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/simclr.h>

#include "tool.h"

#include <stdio.h>

static gboolean
read_draw (SimclrDraw *d)
{
  guint order[4];

  *d = (SimclrDraw){0};
  if (scanf ("%u %u %u %u %d %d %lf %lf %lf %lf %u %u %u %u %d %d %lf %d %lf", &d->crop_x,
          &d->crop_y, &d->crop_width, &d->crop_height, &d->flip, &d->jitter, &d->brightness,
          &d->contrast, &d->saturation, &d->hue, &order[0], &order[1], &order[2], &order[3],
          &d->grayscale, &d->blur, &d->sigma, &d->solarize, &d->solarize_threshold) != 19)
    return FALSE;
  for (guint i = 0; i < 4; i++)
    d->order[i] = (guint8) order[i];
  return TRUE;
}

static guint
number (const gchar *text)
{
  return (guint) g_ascii_strtoull (text, NULL, 10);
}

static int
print_draws (guint width, guint height, guint count, guint64 seed)
{
  g_autoptr (SimclrAugment) augment = g_object_new (SIMCLR_TYPE_AUGMENT, "seed", seed, NULL);

  for (guint i = 0; i < count; i++) {
    SimclrDraw d;

    simclr_augment_draw (augment, i / 2, i % 2, width, height, &d);
    printf ("%u %u %u %u %d %d %.17g %.17g %.17g %.17g %u %u %u %u %d %d %.17g %d %.17g\n",
        d.crop_x, d.crop_y, d.crop_width, d.crop_height, d.flip, d.jitter, d.brightness, d.contrast,
        d.saturation, d.hue, d.order[0], d.order[1], d.order[2], d.order[3], d.grayscale, d.blur,
        d.sigma, d.solarize, d.solarize_threshold);
  }
  return 0;
}

int
main (int argc, char **argv)
{
  static const gsize pixel_bytes[] = {3, 3, 4, 4, 1};
  g_autoptr (SimclrAugment) augment = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree guint8 *pixels = NULL, *view = NULL;
  SimclrFrame frame = {NULL};
  SimclrDraw draw;
  gsize bytes, view_bytes;
  guint size;

  if (argc == 6 && g_str_equal (argv[1], "draw"))
    return print_draws (
        number (argv[2]), number (argv[3]), number (argv[4]), g_ascii_strtoull (argv[5], NULL, 10));
  if (argc != 7)
    g_error ("usage: %s FILE WIDTH HEIGHT FORMAT SIZE INTERPOLATION\n"
             "       %s draw WIDTH HEIGHT COUNT SEED",
        argv[0], argv[0]);
  frame.data = pixels = read_file (argv[1], &bytes);
  frame.width = number (argv[2]);
  frame.height = number (argv[3]);
  frame.format = from_nick (SIMCLR_TYPE_PIXEL_FORMAT, argv[4]);
  frame.stride = frame.width * pixel_bytes[frame.format];
  g_assert_cmpuint (bytes, ==, frame.stride * frame.height);

  size = number (argv[5]);
  augment = g_object_new (SIMCLR_TYPE_AUGMENT, "size", size, "interpolation",
      from_nick (SIMCLR_TYPE_INTERPOLATION, argv[6]), NULL);
  view_bytes = (gsize) size * size * 3;
  view = g_malloc (view_bytes);
  while (read_draw (&draw)) {
    simclr_augment_apply (augment, &frame, &draw, view, (gsize) size * 3, &error);
    stop_at (error);
    if (fwrite (view, view_bytes, 1, stdout) != 1)
      return 1;
  }
  return 0;
}
