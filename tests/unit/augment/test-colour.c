/* Colour operations and blur against their definitions.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "naive.h"

#include <math.h>
#include <string.h>

#include <simclr/augment/blur-private.h>
#include <simclr/augment/colour-private.h>

#define TOLERANCE 2e-6

typedef struct
{
  gsize n;
  gfloat *planes[3];
  gdouble *picture; /* the same values, packed */
} Pixels;

/* Random values with the corners of the colour cube and grays among them. */
static void
pixels_init (Pixels *self, gsize n, guint32 seed)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);

  self->n = n;
  self->picture = g_new (gdouble, 3 * n);
  for (guint c = 0; c < 3; c++)
    self->planes[c] = g_new (gfloat, n);
  for (gsize i = 0; i < n; i++)
    for (guint c = 0; c < 3; c++) {
      gfloat value = (gfloat) g_rand_double (rand);

      if (i < 8)
        value = (i >> c) & 1;
      else if (i < 16)
        value = (gfloat) (i - 8) / 8;
      self->planes[c][i] = value;
      self->picture[3 * i + c] = value;
    }
}

static void
pixels_clear (Pixels *self)
{
  for (guint c = 0; c < 3; c++)
    g_free (self->planes[c]);
  g_free (self->picture);
}

static void
pixels_check (const Pixels *self, gdouble tolerance)
{
  for (gsize i = 0; i < self->n; i++)
    for (guint c = 0; c < 3; c++)
      g_assert_cmpfloat_with_epsilon (self->planes[c][i], self->picture[3 * i + c], tolerance);
}

static void
test_factors_match_the_definition (void)
{
  const gdouble factors[] = {0, 0.2, 0.7, 1, 1.3, 1.8};

  for (guint i = 0; i < G_N_ELEMENTS (factors); i++) {
    Pixels p;
    gfloat f = (gfloat) factors[i];

    pixels_init (&p, 1021, i);
    for (guint c = 0; c < 3; c++)
      _simclr_colour_brightness (p.planes[c], p.n, f);
    naive_brightness (p.picture, p.n, factors[i]);
    pixels_check (&p, TOLERANCE);

    _simclr_colour_saturation (p.planes[0], p.planes[1], p.planes[2], p.n, f);
    naive_saturation (p.picture, p.n, factors[i]);
    pixels_check (&p, TOLERANCE);
    pixels_clear (&p);
  }
}

static void
test_contrast_matches_the_definition (void)
{
  Pixels p;
  SimclrDraw draw = {
      .jitter = TRUE, .brightness = 1, .contrast = 0.3, .saturation = 1, .order = {0, 1, 2, 3}};

  pixels_init (&p, 3000, 3);
  _simclr_colour_apply (p.planes, p.n, &draw);
  naive_contrast (p.picture, p.n, 0.3);
  pixels_check (&p, TOLERANCE);
  pixels_clear (&p);
}

static void
test_hue_matches_the_definition (void)
{
  for (gint i = -50; i <= 50; i += 5) {
    Pixels p;

    pixels_init (&p, 777, (guint32) (i + 100));
    _simclr_colour_hue (p.planes[0], p.planes[1], p.planes[2], p.n, (gfloat) i / 100);
    naive_hue (p.picture, p.n, i / 100.0);
    pixels_check (&p, 5e-6);
    pixels_clear (&p);
  }
}

/* A third of a turn carries red to green, green to blue, blue to red. */
static void
test_hue_turns_the_circle (void)
{
  gfloat red[4] = {1, 0, 0, 0.5f}, green[4] = {0, 1, 0, 0.5f}, blue[4] = {0, 0, 1, 0.5f};
  const gfloat turned[3][4] = {{0, 0, 1, 0.5f}, {1, 0, 0, 0.5f}, {0, 1, 0, 0.5f}};

  _simclr_colour_hue (red, green, blue, 4, 1.0f / 3.0f);
  for (guint i = 0; i < 4; i++) {
    g_assert_cmpfloat_with_epsilon (red[i], turned[0][i], 1e-6);
    g_assert_cmpfloat_with_epsilon (green[i], turned[1][i], 1e-6);
    g_assert_cmpfloat_with_epsilon (blue[i], turned[2][i], 1e-6);
  }
}

static void
swap (guint8 *a, guint8 *b)
{
  guint8 kept = *a;

  *a = *b;
  *b = kept;
}

/* Each of the 24 orders gives that order's result, with and without grayscale. */
static void
check_order (SimclrDraw *draw)
{
  Pixels p;

  pixels_init (&p, 2500, 9);
  _simclr_colour_apply (p.planes, p.n, draw);
  for (guint i = 0; i < 4; i++) {
    if (draw->order[i] == 0)
      naive_brightness (p.picture, p.n, draw->brightness);
    else if (draw->order[i] == 1)
      naive_contrast (p.picture, p.n, draw->contrast);
    else if (draw->order[i] == 2)
      naive_saturation (p.picture, p.n, draw->saturation);
    else
      naive_hue (p.picture, p.n, draw->hue);
  }
  if (draw->grayscale) {
    naive_grayscale (p.picture, p.n);
    memcpy (p.planes[1], p.planes[0], p.n * sizeof (gfloat));
    memcpy (p.planes[2], p.planes[0], p.n * sizeof (gfloat));
  }
  /* a factor of 1.7 carries float's error on through the next operations */
  pixels_check (&p, 2e-5);
  pixels_clear (&p);
  draw->grayscale = !draw->grayscale;
}

static void
permute (SimclrDraw *draw, guint fixed, guint *count)
{
  if (fixed == 4) {
    check_order (draw);
    ++*count;
    return;
  }
  for (guint i = fixed; i < 4; i++) {
    swap (&draw->order[fixed], &draw->order[i]);
    permute (draw, fixed + 1, count);
    swap (&draw->order[fixed], &draw->order[i]);
  }
}

static void
test_orders_match_the_definition (void)
{
  SimclrDraw draw = {.jitter = TRUE,
      .brightness = 1.4,
      .contrast = 1.7,
      .saturation = 0.4,
      .hue = 0.15,
      .order = {0, 1, 2, 3}};
  guint count = 0;

  permute (&draw, 0, &count);
  g_assert_cmpuint (count, ==, 24);
}

static void
test_blur_matches_the_definition (void)
{
  const struct
  {
    guint size, radius;
    gdouble sigma;
  } cases[] = {{40, 2, 0.1}, {40, 2, 2.0}, {67, 11, 2.0}, {67, 11, 0.8}, {70, 3, 1.0},
      {12, 11, 2.0}, {2, 1, 1.5}};

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    guint size = cases[i].size, radius = cases[i].radius, kept;
    g_autofree gfloat *scratch = g_new (gfloat, size * size + size + 2 * radius);
    gfloat weights[12];
    Pixels p;

    pixels_init (&p, size * size, i);
    kept = _simclr_blur_weights (weights, radius, cases[i].sigma);
    g_assert_cmpuint (kept, <=, radius);
    for (guint c = 0; c < 3; c++)
      _simclr_blur (p.planes[c], size, weights, kept, scratch);
    naive_blur (p.picture, size, radius, cases[i].sigma);
    /* dropped weights sum to 1e-4 in each direction */
    pixels_check (&p, 2e-4);
    pixels_clear (&p);
  }
}

static void
test_solarize_inverts_from_the_threshold (void)
{
  gfloat plane[4] = {0.2f, 0.5f, 0.7f, 1.0f};

  _simclr_colour_solarize (plane, 4, 0.5f);
  g_assert_cmpfloat_with_epsilon (plane[0], 0.2, 1e-6);
  g_assert_cmpfloat_with_epsilon (plane[1], 0.5, 1e-6);
  g_assert_cmpfloat_with_epsilon (plane[2], 0.3, 1e-6);
  g_assert_cmpfloat_with_epsilon (plane[3], 0.0, 1e-6);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/colour/factors-match-the-definition", test_factors_match_the_definition);
  g_test_add_func ("/colour/contrast-matches-the-definition", test_contrast_matches_the_definition);
  g_test_add_func ("/colour/hue-matches-the-definition", test_hue_matches_the_definition);
  g_test_add_func ("/colour/hue-turns-the-circle", test_hue_turns_the_circle);
  g_test_add_func ("/colour/orders-match-the-definition", test_orders_match_the_definition);
  g_test_add_func (
      "/colour/solarize-inverts-from-the-threshold", test_solarize_inverts_from_the_threshold);
  g_test_add_func ("/blur/matches-the-definition", test_blur_matches_the_definition);
  return g_test_run ();
}
