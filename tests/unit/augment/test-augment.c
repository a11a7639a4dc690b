/* Whole views against the definition, and what applying refuses.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "naive.h"

#include <math.h>
#include <string.h>

/* One step of 8 bits for rounding on the edge; the mean of honest rounding is a quarter of one. */
static void
check_view (SimclrAugment *augment, const SimclrFrame *frame, const SimclrDraw *draw, guint size,
    SimclrInterpolation interpolation)
{
  gsize n = (gsize) size * size, stride = (gsize) size * 3 + 7;
  g_autofree gdouble *expected = g_new (gdouble, 3 * n);
  g_autofree guint8 *view = g_malloc (stride * size);
  g_autoptr (GError) error = NULL;
  gdouble sum = 0;

  memset (view, 0x55, stride * size);
  naive_view (frame, draw, size, interpolation, expected);
  g_assert_true (simclr_augment_apply (augment, frame, draw, view, stride, &error));
  g_assert_no_error (error);
  for (gsize y = 0; y < size; y++) {
    for (gsize i = 0; i < 3 * size; i++) {
      gdouble apart = fabs (view[y * stride + i] - 255 * expected[y * 3 * size + i]);

      g_assert_cmpfloat (apart, <, 0.6);
      sum += apart;
    }
    for (gsize i = 3 * size; i < stride; i++)
      g_assert_cmpuint (view[y * stride + i], ==, 0x55);
  }
  g_assert_cmpfloat (sum / (gdouble) (3 * n), <, 0.4);
}

static void
test_views_match_the_definition (void)
{
  const struct
  {
    guint width, height, size;
    SimclrInterpolation interpolation;
    SimclrPixelFormat format;
  } cases[] = {
      {80, 60, 32, SIMCLR_INTERPOLATION_BICUBIC, SIMCLR_PIXEL_FORMAT_RGB},
      {33, 47, 40, SIMCLR_INTERPOLATION_BILINEAR, SIMCLR_PIXEL_FORMAT_BGRX},
      {32, 32, 32, SIMCLR_INTERPOLATION_BICUBIC, SIMCLR_PIXEL_FORMAT_BGR},
      {1, 1, 21, SIMCLR_INTERPOLATION_BICUBIC, SIMCLR_PIXEL_FORMAT_RGB},
      {50, 50, 41, SIMCLR_INTERPOLATION_BICUBIC, SIMCLR_PIXEL_FORMAT_GRAY8},
      {60, 2, 23, SIMCLR_INTERPOLATION_BICUBIC, SIMCLR_PIXEL_FORMAT_RGBX},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (SimclrAugment) augment = g_object_new (
        SIMCLR_TYPE_AUGMENT, "size", cases[i].size, "interpolation", cases[i].interpolation, NULL);
    SimclrFrame frame;
    g_autofree guint8 *pixels =
        naive_frame (&frame, cases[i].width, cases[i].height, cases[i].format, i, i);

    for (guint pair = 0; pair < 8; pair++)
      for (guint view = 0; view < 2; view++) {
        SimclrDraw draw;

        simclr_augment_draw (augment, pair, view, frame.width, frame.height, &draw);
        check_view (augment, &frame, &draw, cases[i].size, cases[i].interpolation);
      }
  }
}

/* Solarize comes last and at its threshold. */
static void
test_solarize_matches_the_definition (void)
{
  g_autoptr (SimclrAugment) augment = g_object_new (SIMCLR_TYPE_AUGMENT, "size", 4, NULL);
  guint8 pixels[4 * 4 * 3], view[4 * 4 * 3];
  SimclrFrame frame = {pixels, 4, 4, 12, SIMCLR_PIXEL_FORMAT_RGB};
  SimclrDraw draw = {
      .crop_width = 4, .crop_height = 4, .solarize = TRUE, .solarize_threshold = 0.5};

  for (guint i = 0; i < sizeof (pixels); i++)
    pixels[i] = (guint8) (i * 5);
  g_assert_true (simclr_augment_apply (augment, &frame, &draw, view, 12, NULL));
  for (guint i = 0; i < sizeof (pixels); i++)
    g_assert_cmpuint (view[i], ==, pixels[i] < 127.5 ? pixels[i] : 255 - pixels[i]);
}

/* A crop of a view's own size copies pixels. */
static void
test_same_size_is_exact (void)
{
  g_autoptr (SimclrAugment) augment = g_object_new (SIMCLR_TYPE_AUGMENT, "size", 24, NULL);
  SimclrFrame frame;
  g_autofree guint8 *pixels = naive_frame (&frame, 30, 40, SIMCLR_PIXEL_FORMAT_RGB, 2, 1);
  SimclrDraw draw = {.crop_x = 3, .crop_y = 7, .crop_width = 24, .crop_height = 24};
  guint8 view[24 * 24 * 3];

  g_assert_true (simclr_augment_apply (augment, &frame, &draw, view, 72, NULL));
  for (guint y = 0; y < 24; y++)
    g_assert_cmpmem (view + 72 * y, 72, pixels + (y + 7) * frame.stride + 9, 72);
}

/* Results do not depend on what the object did before. */
static void
test_views_do_not_depend_on_history (void)
{
  g_autoptr (SimclrAugment) used = g_object_new (SIMCLR_TYPE_AUGMENT, "size", 48, NULL);
  SimclrFrame frame;
  g_autofree guint8 *pixels = naive_frame (&frame, 64, 64, SIMCLR_PIXEL_FORMAT_RGB, 0, 1);
  guint8 first[48 * 48 * 3], second[48 * 48 * 3];
  SimclrDraw draw;

  for (guint pair = 0; pair < 20; pair++) {
    g_autoptr (SimclrAugment) fresh = g_object_new (SIMCLR_TYPE_AUGMENT, "size", 48, NULL);

    simclr_augment_draw (used, pair, 0, 64, 64, &draw);
    g_assert_true (simclr_augment_apply (used, &frame, &draw, first, 144, NULL));
    g_assert_true (simclr_augment_apply (fresh, &frame, &draw, second, 144, NULL));
    g_assert_cmpmem (first, sizeof (first), second, sizeof (second));
  }
}

/* One thread or two, each view of a pair is what it is by itself; the frames may differ. */
static void
test_a_pair_is_its_two_views (void)
{
  SimclrFrame frames[2];
  g_autofree guint8 *first = naive_frame (&frames[0], 64, 50, SIMCLR_PIXEL_FORMAT_RGB, 0, 1);
  g_autofree guint8 *second = naive_frame (&frames[1], 31, 70, SIMCLR_PIXEL_FORMAT_GRAY8, 0, 2);
  guint8 pair[2 * 24 * 80], view[24 * 80];

  for (guint threads = 1; threads <= 2; threads++) {
    g_autoptr (SimclrAugment) augment =
        g_object_new (SIMCLR_TYPE_AUGMENT, "size", 24, "threads", threads, NULL);

    for (guint number = 0; number < 8; number++) {
      SimclrDraw draws[2];

      memset (pair, 0x55, sizeof (pair));
      for (guint i = 0; i < 2; i++)
        simclr_augment_draw (augment, number, i, frames[i].width, frames[i].height, &draws[i]);
      g_assert_true (simclr_augment_apply_pair (augment, frames, draws, pair, 80, NULL));
      for (guint i = 0; i < 2; i++) {
        memset (view, 0x55, sizeof (view));
        g_assert_true (simclr_augment_apply (augment, &frames[i], &draws[i], view, 80, NULL));
        g_assert_cmpmem (pair + i * sizeof (view), sizeof (view), view, sizeof (view));
      }
    }
  }
}

static void
test_a_bad_view_of_a_pair_is_named (void)
{
  for (guint threads = 1; threads <= 2; threads++) {
    g_autoptr (SimclrAugment) augment =
        g_object_new (SIMCLR_TYPE_AUGMENT, "size", 8, "threads", threads, NULL);
    g_autoptr (GError) error = NULL;
    guint8 pixels[8 * 8 * 3] = {0}, pair[2 * 8 * 24];
    SimclrFrame frames[2] = {
        {pixels, 8, 8, 24, SIMCLR_PIXEL_FORMAT_RGB}, {pixels, 8, 8, 23, SIMCLR_PIXEL_FORMAT_RGB}};
    SimclrDraw draws[2];

    for (guint i = 0; i < 2; i++)
      simclr_augment_draw (augment, 0, i, 8, 8, &draws[i]);
    g_assert_false (simclr_augment_apply_pair (augment, frames, draws, pair, 24, &error));
    g_assert_nonnull (error);
    g_assert_true (g_str_has_prefix (error->message, "view 2: "));
  }
}

static void
refuse (SimclrAugment *augment, const SimclrFrame *frame, const SimclrDraw *draw, gsize stride,
    SimclrError code)
{
  guint8 view[8 * 8 * 3];
  g_autoptr (GError) error = NULL;

  g_assert_false (simclr_augment_apply (augment, frame, draw, view, stride, &error));
  g_assert_error (error, SIMCLR_ERROR, (gint) code);
}

static void
test_what_does_not_fit_is_an_error (void)
{
  g_autoptr (SimclrAugment) augment = g_object_new (SIMCLR_TYPE_AUGMENT, "size", 8, NULL);
  SimclrFrame frame, bad;
  g_autofree guint8 *pixels = naive_frame (&frame, 10, 10, SIMCLR_PIXEL_FORMAT_RGB, 0, 1);
  const SimclrDraw good = {.crop_width = 10, .crop_height = 10};
  SimclrDraw draw;

  refuse (augment, &frame, &good, 23, SIMCLR_ERROR_SHAPE);

  draw = good, draw.crop_x = 1;
  refuse (augment, &frame, &draw, 24, SIMCLR_ERROR_SHAPE);
  draw = good, draw.crop_height = 0;
  refuse (augment, &frame, &draw, 24, SIMCLR_ERROR_SHAPE);
  draw = good, draw.crop_y = G_MAXUINT, draw.crop_height = 2;
  refuse (augment, &frame, &draw, 24, SIMCLR_ERROR_SHAPE);

  draw = good, draw.blur = TRUE;
  refuse (augment, &frame, &draw, 24, SIMCLR_ERROR_VALUE);
  draw = good, draw.jitter = TRUE, draw.hue = NAN;
  refuse (augment, &frame, &draw, 24, SIMCLR_ERROR_VALUE);
  draw = good, draw.jitter = TRUE; /* order 0, 0, 0, 0 */
  refuse (augment, &frame, &draw, 24, SIMCLR_ERROR_VALUE);
  draw = good, draw.jitter = TRUE, draw.contrast = -1;
  refuse (augment, &frame, &draw, 24, SIMCLR_ERROR_VALUE);

  bad = frame, bad.stride = 29;
  refuse (augment, &bad, &good, 24, SIMCLR_ERROR_SHAPE);
  bad = frame, bad.width = 0;
  refuse (augment, &bad, &good, 24, SIMCLR_ERROR_SHAPE);
  bad = frame, bad.format = 99;
  refuse (augment, &bad, &good, 24, SIMCLR_ERROR_VALUE);
}

static void
test_properties_hold_what_is_set (void)
{
  g_autoptr (SimclrAugment) augment = simclr_augment_new ();
  g_autofree GParamSpec **pspecs = NULL;
  guint n;

  pspecs = g_object_class_list_properties (G_OBJECT_GET_CLASS (augment), &n);
  g_assert_cmpuint (n, ==, 21);
  for (guint i = 0; i < n; i++) {
    g_auto (GValue) value = G_VALUE_INIT, back = G_VALUE_INIT;

    g_value_init (&value, pspecs[i]->value_type);
    g_value_init (&back, pspecs[i]->value_type);
    g_object_get_property (G_OBJECT (augment), pspecs[i]->name, &back);
    g_assert_true (g_param_value_defaults (pspecs[i], &back));
    if (G_VALUE_HOLDS_DOUBLE (&value))
      g_value_set_double (&value, 0.375);
    else if (G_VALUE_HOLDS_UINT (&value))
      g_value_set_uint (&value, MIN (77, G_PARAM_SPEC_UINT (pspecs[i])->maximum));
    else if (G_VALUE_HOLDS_UINT64 (&value))
      g_value_set_uint64 (&value, G_MAXUINT64);
    else
      g_value_set_enum (&value, SIMCLR_INTERPOLATION_BILINEAR);
    g_object_set_property (G_OBJECT (augment), pspecs[i]->name, &value);
    g_object_get_property (G_OBJECT (augment), pspecs[i]->name, &back);
    g_assert_cmpint (g_param_values_cmp (pspecs[i], &value, &back), ==, 0);
  }
  g_assert_finalize_object (g_steal_pointer (&augment));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/augment/views-match-the-definition", test_views_match_the_definition);
  g_test_add_func (
      "/augment/solarize-matches-the-definition", test_solarize_matches_the_definition);
  g_test_add_func ("/augment/same-size-is-exact", test_same_size_is_exact);
  g_test_add_func ("/augment/views-do-not-depend-on-history", test_views_do_not_depend_on_history);
  g_test_add_func ("/augment/a-pair-is-its-two-views", test_a_pair_is_its_two_views);
  g_test_add_func ("/augment/a-bad-view-of-a-pair-is-named", test_a_bad_view_of_a_pair_is_named);
  g_test_add_func ("/augment/what-does-not-fit-is-an-error", test_what_does_not_fit_is_an_error);
  g_test_add_func ("/augment/properties-hold-what-is-set", test_properties_hold_what_is_set);
  return g_test_run ();
}
