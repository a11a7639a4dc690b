/* Thumbnails: the colours of the cells, and how far apart two of them are.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "naive.h"

#include <simclr/augment/thumbnail.h>
#include <simclr/simclr-error.h>

#include <math.h>

/* Frames of 64x64 or less are averaged whole. */
static void
test_cells_are_averages (void)
{
  const SimclrPixelFormat formats[] = {SIMCLR_PIXEL_FORMAT_RGB, SIMCLR_PIXEL_FORMAT_BGR,
      SIMCLR_PIXEL_FORMAT_RGBX, SIMCLR_PIXEL_FORMAT_BGRX, SIMCLR_PIXEL_FORMAT_GRAY8};
  const guint sides[][2] = {{64, 64}, {16, 8}, {40, 24}};

  for (guint f = 0; f < G_N_ELEMENTS (formats); f++) {
    for (guint s = 0; s < G_N_ELEMENTS (sides); s++) {
      guint width = sides[s][0], height = sides[s][1], bytes = f < 2 ? 3 : f < 4 ? 4 : 1;
      SimclrFrame frame;
      g_autofree guint8 *pixels = naive_frame (&frame, width, height, formats[f], 5, 3);
      gfloat thumbnail[SIMCLR_THUMBNAIL_FLOATS];

      g_assert_true (simclr_thumbnail (&frame, thumbnail, NULL));
      for (guint cell = 0; cell < 64; cell++) {
        for (guint c = 0; c < 3; c++) {
          guint x0 = cell % 8 * width / 8, y0 = cell / 8 * height / 8;
          guint offset = bytes == 1 ? 0 : f % 2 ? 2 - c : c;
          gdouble sum = 0;

          for (guint y = y0; y < y0 + height / 8; y++) {
            for (guint x = x0; x < x0 + width / 8; x++)
              sum += frame.data[y * frame.stride + x * bytes + offset] / 255.0;
          }
          g_assert_cmpfloat (fabs (thumbnail[3 * cell + c] - sum * 64 / (width * height)), <, 1e-5);
        }
      }
    }
  }
}

static void
test_any_size_has_one (void)
{
  for (guint side = 1; side < 300; side = side * 3 / 2 + 1) {
    SimclrFrame frame;
    g_autofree guint8 *pixels =
        naive_frame (&frame, side, 301 - side, SIMCLR_PIXEL_FORMAT_RGB, 0, 1);
    gfloat thumbnail[SIMCLR_THUMBNAIL_FLOATS];

    for (gsize i = 0; i < frame.stride * frame.height; i++)
      ((guint8 *) frame.data)[i] = 51;
    g_assert_true (simclr_thumbnail (&frame, thumbnail, NULL));
    for (guint i = 0; i < SIMCLR_THUMBNAIL_FLOATS; i++)
      g_assert_cmpfloat (fabs (thumbnail[i] - 0.2), <, 1e-6);
  }
}

static void
test_distance (void)
{
  gfloat black[SIMCLR_THUMBNAIL_FLOATS] = {0}, other[SIMCLR_THUMBNAIL_FLOATS];

  for (guint i = 0; i < SIMCLR_THUMBNAIL_FLOATS; i++)
    other[i] = 1;
  g_assert_cmpfloat (simclr_thumbnail_distance (black, black), ==, 0);
  g_assert_cmpfloat (fabs (simclr_thumbnail_distance (black, other) - 1), <, 1e-9);
  for (guint i = 48; i < SIMCLR_THUMBNAIL_FLOATS; i++)
    other[i] = 0;
  g_assert_cmpfloat (fabs (simclr_thumbnail_distance (other, black) - 0.5), <, 1e-9);
}

static void
test_no_picture_is_an_error (void)
{
  SimclrFrame frame;
  g_autofree guint8 *pixels = naive_frame (&frame, 8, 8, SIMCLR_PIXEL_FORMAT_RGB, 0, 3);
  g_autoptr (GError) error = NULL;
  gfloat thumbnail[SIMCLR_THUMBNAIL_FLOATS];

  frame.width = 0;
  g_assert_false (simclr_thumbnail (&frame, thumbnail, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/thumbnail/cells-are-averages", test_cells_are_averages);
  g_test_add_func ("/thumbnail/any-size-has-one", test_any_size_has_one);
  g_test_add_func ("/thumbnail/distance", test_distance);
  g_test_add_func ("/thumbnail/no-picture-is-an-error", test_no_picture_is_an_error);
  return g_test_run ();
}
