/* The evaluation view and the plain conversion to floats, against their definitions.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "naive.h"

#include <math.h>

static const gdouble mean[3] = {0.485, 0.456, 0.406};
static const gdouble deviation[3] = {0.229, 0.224, 0.225};

static gdouble
normalised (gdouble value, guint channel, SimclrNormalization normalization)
{
  if (normalization != SIMCLR_NORMALIZATION_IMAGENET)
    return value;
  return (value - mean[channel]) / deviation[channel];
}

static void
test_floats_are_the_pixels (void)
{
  for (guint format = 0; format <= SIMCLR_PIXEL_FORMAT_GRAY8; format++)
    for (guint norm = 0; norm <= SIMCLR_NORMALIZATION_IMAGENET; norm++) {
      SimclrFrame frame;
      g_autofree guint8 *pixels = naive_frame (&frame, 37, 11, format, 3, format);
      g_autofree gfloat *floats = g_new (gfloat, 37 * 11 * 3);
      g_autoptr (GError) error = NULL;

      g_assert_true (simclr_frame_to_floats (&frame, norm, floats, &error));
      g_assert_no_error (error);
      for (guint y = 0; y < 11; y++)
        for (guint x = 0; x < 37; x++) {
          gdouble rgb[3];

          naive_pixel (&frame, x, y, rgb);
          for (guint c = 0; c < 3; c++)
            g_assert_cmpfloat_with_epsilon (
                floats[(y * 37 + x) * 3 + c], normalised (rgb[c] / 255, c, norm), 2e-6);
        }
    }
}

/* The official centre crop: a rounded share of the shorter side, its offset rounded up. */
static void
check_central (guint width, guint height, guint size, guint side)
{
  gsize n = (gsize) size * size;
  SimclrFrame frame;
  g_autofree guint8 *pixels = naive_frame (&frame, width, height, SIMCLR_PIXEL_FORMAT_RGB, 1, 3);
  g_autofree gdouble *expected = g_new (gdouble, 3 * n);
  g_autofree gfloat *view = g_new (gfloat, 3 * n);
  g_autoptr (GError) error = NULL;

  naive_resize (&frame, (width - side + 1) / 2, (height - side + 1) / 2, side, side, size, FALSE,
      SIMCLR_INTERPOLATION_BICUBIC, expected);
  g_assert_true (
      simclr_evaluation_view (&frame, size, SIMCLR_NORMALIZATION_IMAGENET, view, &error));
  g_assert_no_error (error);
  for (gsize i = 0; i < 3 * n; i++)
    g_assert_cmpfloat_with_epsilon (
        view[i], normalised (expected[i], i % 3, SIMCLR_NORMALIZATION_IMAGENET), 2e-5);
}

static void
test_other_frames_are_cropped_and_resized (void)
{
  check_central (80, 64, 48, 56); /* 0.875 * 64 */
  check_central (33, 91, 48, 29); /* 28.875 */
  check_central (64, 48, 32, 48); /* up to 32: the whole shorter side */
  check_central (1, 1, 33, 1);    /* never nothing */
  check_central (100, 2, 40, 2);  /* 1.75 */
  check_central (48, 47, 48, 41); /* one side alone does not make it the right size; 41.125 */
}

static void
test_a_frame_of_the_size_is_used_as_it_is (void)
{
  SimclrFrame frame;
  g_autofree guint8 *pixels = naive_frame (&frame, 64, 64, SIMCLR_PIXEL_FORMAT_BGR, 0, 3);
  g_autofree gfloat *view = g_new (gfloat, 64 * 64 * 3);
  g_autofree gfloat *floats = g_new (gfloat, 64 * 64 * 3);

  g_assert_true (simclr_evaluation_view (&frame, 64, SIMCLR_NORMALIZATION_NONE, view, NULL));
  g_assert_true (simclr_frame_to_floats (&frame, SIMCLR_NORMALIZATION_NONE, floats, NULL));
  g_assert_cmpmem (view, 64 * 64 * 12, floats, 64 * 64 * 12);
}

static void
test_no_picture_is_an_error (void)
{
  SimclrFrame frame;
  g_autofree guint8 *pixels = naive_frame (&frame, 8, 8, SIMCLR_PIXEL_FORMAT_RGB, 0, 3);
  g_autoptr (GError) error = NULL;
  gfloat view[8 * 8 * 3];

  g_assert_false (simclr_evaluation_view (&frame, 0, SIMCLR_NORMALIZATION_NONE, view, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE);
  g_clear_error (&error);
  frame.stride = 20;
  g_assert_false (simclr_frame_to_floats (&frame, SIMCLR_NORMALIZATION_NONE, view, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/evaluation-view/floats-are-the-pixels", test_floats_are_the_pixels);
  g_test_add_func ("/evaluation-view/other-frames-are-cropped-and-resized",
      test_other_frames_are_cropped_and_resized);
  g_test_add_func ("/evaluation-view/a-frame-of-the-size-is-used-as-it-is",
      test_a_frame_of_the_size_is_used_as_it_is);
  g_test_add_func ("/evaluation-view/no-picture-is-an-error", test_no_picture_is_an_error);
  return g_test_run ();
}
