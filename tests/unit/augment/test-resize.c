/* Crop and resize against the definition: every output pixel as one weighted sum over the box.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "naive.h"

#include <math.h>
#include <string.h>

#include <simclr/augment/resize-private.h>

/* The arithmetic is float, of at most a few hundred terms below 1. */
#define TOLERANCE 3e-6

static void
check_box (const SimclrFrame *frame, const SimclrBox *box, guint size, gboolean flip,
    SimclrInterpolation interpolation)
{
  gsize n = (gsize) size * size;
  g_autofree gdouble *expected = g_new (gdouble, 3 * n);
  g_autofree gfloat *planes = g_new (gfloat, 3 * n);
  gfloat *const channels[3] = {planes, planes + n, planes + 2 * n};
  g_autoptr (GError) error = NULL;
  SimclrScratch scratch = {NULL};

  naive_resize (
      frame, box->x, box->y, box->width, box->height, size, flip, interpolation, expected);
  g_assert_true (
      _simclr_resize (&scratch, frame, box, size, flip, interpolation, channels, &error));
  g_assert_no_error (error);
  for (gsize i = 0; i < n; i++)
    for (guint c = 0; c < 3; c++)
      g_assert_cmpfloat_with_epsilon (channels[c][i], expected[3 * i + c], TOLERANCE);
  _simclr_scratch_clear (&scratch);
}

static void
test_boxes_match_the_definition (gconstpointer data)
{
  SimclrInterpolation interpolation = GPOINTER_TO_INT (data);
  static const struct
  {
    guint width, height;
    SimclrBox box;
    guint size;
  } cases[] = {
      {1, 1, {0, 0, 1, 1}, 32},                                  /* one pixel */
      {64, 48, {0, 0, 64, 48}, 33},                              /* shrinking, odd size */
      {64, 48, {13, 5, 20, 31}, 32},                             /* enlarging a part */
      {64, 48, {44, 0, 20, 48}, 16},                             /* both, at the right edge */
      {64, 48, {0, 47, 64, 1}, 17},                              /* the last row */
      {64, 48, {63, 0, 1, 48}, 5},                               /* the last column */
      {401, 3, {0, 0, 401, 3}, 24},                              /* extreme aspects */
      {2, 390, {0, 0, 2, 390}, 18}, {97, 61, {1, 1, 95, 59}, 1}, /* to one pixel */
      {97, 61, {3, 2, 71, 50}, 47}, /* to a little less, not a multiple of four */
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    SimclrFrame frame;
    g_autofree guint8 *pixels =
        naive_frame (&frame, cases[i].width, cases[i].height, SIMCLR_PIXEL_FORMAT_RGB, i % 3, i);

    g_test_message ("case %u", i);
    check_box (&frame, &cases[i].box, cases[i].size, FALSE, interpolation);
    check_box (&frame, &cases[i].box, cases[i].size, TRUE, interpolation);
  }
}

static void
test_formats_match_the_definition (void)
{
  const SimclrBox box = {3, 2, 37, 29};

  for (guint format = 0; format <= SIMCLR_PIXEL_FORMAT_GRAY8; format++) {
    SimclrFrame frame;
    g_autofree guint8 *pixels = naive_frame (&frame, 41, 33, format, 5, format);

    check_box (&frame, &box, 21, FALSE, SIMCLR_INTERPOLATION_BICUBIC);
  }
}

/* A flat box stays flat to the last bit that shows, whatever the weights. */
static void
test_flat_stays_flat (void)
{
  g_autofree guint8 *pixels = g_malloc (50 * 40 * 3);
  SimclrFrame frame = {pixels, 50, 40, 150, SIMCLR_PIXEL_FORMAT_RGB};
  gfloat planes[3][19 * 19];
  gfloat *const channels[3] = {planes[0], planes[1], planes[2]};
  SimclrScratch scratch = {NULL};
  const SimclrBox box = {1, 2, 48, 37};

  memset (pixels, 200, 50 * 40 * 3);
  g_assert_true (_simclr_resize (
      &scratch, &frame, &box, 19, FALSE, SIMCLR_INTERPOLATION_BICUBIC, channels, NULL));
  for (guint c = 0; c < 3; c++)
    for (guint i = 0; i < 19 * 19; i++)
      g_assert_cmpfloat_with_epsilon (planes[c][i], 200 / 255.0f, 1e-6);
  _simclr_scratch_clear (&scratch);
}

/* Pixels around the box may be anything. */
static void
test_only_the_box_is_read (void)
{
  const SimclrBox box = {11, 9, 13, 17};
  gfloat planes[2][3][24 * 24];
  SimclrScratch scratch = {NULL};

  for (guint run = 0; run < 2; run++) {
    SimclrFrame frame;
    g_autofree guint8 *pixels = naive_frame (&frame, 40, 40, SIMCLR_PIXEL_FORMAT_RGB, 0, 5);
    gfloat *const channels[3] = {planes[run][0], planes[run][1], planes[run][2]};

    for (guint y = 0; y < 40; y++)
      for (guint x = 0; x < 40; x++)
        if (x < box.x || x >= box.x + box.width || y < box.y || y >= box.y + box.height)
          memset (pixels + (y * 40 + x) * 3, run == 0 ? 0 : 255, 3);
    g_assert_true (_simclr_resize (
        &scratch, &frame, &box, 24, FALSE, SIMCLR_INTERPOLATION_BICUBIC, channels, NULL));
  }
  g_assert_cmpmem (planes[0], sizeof (planes[0]), planes[1], sizeof (planes[1]));
  _simclr_scratch_clear (&scratch);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/resize/bicubic-boxes-match-the-definition",
      GINT_TO_POINTER (SIMCLR_INTERPOLATION_BICUBIC), test_boxes_match_the_definition);
  g_test_add_data_func ("/resize/bilinear-boxes-match-the-definition",
      GINT_TO_POINTER (SIMCLR_INTERPOLATION_BILINEAR), test_boxes_match_the_definition);
  g_test_add_func ("/resize/formats-match-the-definition", test_formats_match_the_definition);
  g_test_add_func ("/resize/flat-stays-flat", test_flat_stays_flat);
  g_test_add_func ("/resize/only-the-box-is-read", test_only_the_box_is_read);
  return g_test_run ();
}
