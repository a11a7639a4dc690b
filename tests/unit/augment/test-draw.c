/* What is drawn follows its distributions, and nothing but seed, pair and view decides it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/simclr.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define N 20000
#define WIDTH 640
#define HEIGHT 480

static void
draw_many (SimclrAugment *augment, SimclrDraw *draws)
{
  for (guint i = 0; i < N; i++)
    simclr_augment_draw (augment, i / 2, i % 2, WIDTH, HEIGHT, &draws[i]);
}

static gint
compare_doubles (gconstpointer a, gconstpointer b)
{
  gdouble x = *(const gdouble *) a, y = *(const gdouble *) b;

  return x < y ? -1 : x > y;
}

/* Kolmogorov-Smirnov against the uniform distribution on low .. high, at about one in 10,000. */
static void
assert_uniform (gdouble *values, guint n, gdouble low, gdouble high)
{
  gdouble distance = 0;

  qsort (values, n, sizeof (gdouble), compare_doubles);
  g_assert_cmpfloat (values[0], >=, low);
  g_assert_cmpfloat (values[n - 1], <=, high);
  for (guint i = 0; i < n; i++) {
    gdouble expected = (values[i] - low) / (high - low);

    distance = MAX (distance, fabs (expected - (gdouble) i / n));
    distance = MAX (distance, fabs (expected - (i + 1.0) / n));
  }
  g_assert_cmpfloat (distance, <, 2.23 / sqrt (n));
}

/* Within four deviations of a binomial. */
static void
assert_share (guint count, guint n, gdouble probability)
{
  gdouble deviation = sqrt (n * probability * (1 - probability));

  g_assert_cmpfloat (fabs (count - n * probability), <, 4 * deviation + 1e-9);
}

static void
test_events_have_their_probability (void)
{
  g_autoptr (SimclrAugment) augment = g_object_new (
      SIMCLR_TYPE_AUGMENT, "seed", G_GUINT64_CONSTANT (11), "solarize-probability", 0.3, NULL);
  g_autofree SimclrDraw *draws = g_new (SimclrDraw, N);
  guint flip = 0, jitter = 0, gray = 0, blur = 0, solarize = 0, both = 0;

  draw_many (augment, draws);
  for (guint i = 0; i < N; i++) {
    flip += draws[i].flip;
    jitter += draws[i].jitter;
    gray += draws[i].grayscale;
    blur += draws[i].blur;
    solarize += draws[i].solarize;
    both += draws[i].flip && draws[i].blur;
  }
  assert_share (flip, N, 0.5);
  assert_share (jitter, N, 0.8);
  assert_share (gray, N, 0.2);
  assert_share (blur, N, 0.5);
  assert_share (solarize, N, 0.3);
  assert_share (both, N, 0.25);
}

typedef gdouble (*Field) (const SimclrDraw *draw);

static gdouble
field_brightness (const SimclrDraw *draw)
{
  return draw->jitter ? draw->brightness : NAN;
}

static gdouble
field_contrast (const SimclrDraw *draw)
{
  return draw->jitter ? draw->contrast : NAN;
}

static gdouble
field_saturation (const SimclrDraw *draw)
{
  return draw->jitter ? draw->saturation : NAN;
}

static gdouble
field_hue (const SimclrDraw *draw)
{
  return draw->jitter ? draw->hue : NAN;
}

static gdouble
field_sigma (const SimclrDraw *draw)
{
  return draw->blur ? draw->sigma : NAN;
}

static void
check_field (const SimclrDraw *draws, Field field, gdouble low, gdouble high)
{
  g_autofree gdouble *values = g_new (gdouble, N);
  guint n = 0;

  for (guint i = 0; i < N; i++) {
    gdouble value = field (&draws[i]);

    if (!isnan (value))
      values[n++] = value;
  }
  g_assert_cmpuint (n, >, N / 3);
  assert_uniform (values, n, low, high);
}

static void
test_factors_are_uniform (void)
{
  g_autoptr (SimclrAugment) augment = simclr_augment_new ();
  g_autofree SimclrDraw *draws = g_new (SimclrDraw, N);

  draw_many (augment, draws);
  check_field (draws, field_brightness, 0.2, 1.8);
  check_field (draws, field_contrast, 0.2, 1.8);
  check_field (draws, field_saturation, 0.2, 1.8);
  check_field (draws, field_hue, -0.2, 0.2);
  check_field (draws, field_sigma, 0.1, 2.0);

  /* a factor is never negative, so the range is cut at 0 */
  g_object_set (augment, "strength", 0.5, "contrast", 3.0, NULL);
  draw_many (augment, draws);
  check_field (draws, field_brightness, 0.6, 1.4);
  check_field (draws, field_contrast, 0.0, 2.5);
  check_field (draws, field_hue, -0.1, 0.1);
}

/* Crops small enough to fit wherever they are drawn are as drawn; the rest follows the definition
 * of drawing again. */
static void
test_crops_are_distributed_as_defined (void)
{
  g_autoptr (SimclrAugment) augment =
      g_object_new (SIMCLR_TYPE_AUGMENT, "min-area", 0.1, "max-area", 0.4, NULL);
  g_autofree SimclrDraw *draws = g_new (SimclrDraw, N);
  g_autofree gdouble *areas = g_new (gdouble, N), *aspects = g_new (gdouble, N);
  g_autofree gdouble *lefts = g_new (gdouble, N), *tops = g_new (gdouble, N);

  draw_many (augment, draws);
  for (guint i = 0; i < N; i++) {
    const SimclrDraw *d = &draws[i];

    g_assert_cmpuint (d->crop_x + d->crop_width, <=, WIDTH);
    g_assert_cmpuint (d->crop_y + d->crop_height, <=, HEIGHT);
    areas[i] = (gdouble) d->crop_width * d->crop_height / (WIDTH * HEIGHT);
    aspects[i] = log ((gdouble) d->crop_width / d->crop_height);
    /* a position among k as the middle of its k-th part of 0 .. 1 */
    lefts[i] = (d->crop_x + 0.5) / (WIDTH - d->crop_width + 1);
    tops[i] = (d->crop_y + 0.5) / (HEIGHT - d->crop_height + 1);
  }
  /* sides are whole pixels: a side of 160 is off by half a pixel at most, 0.3 % */
  assert_uniform (areas, N, 0.1 * 0.995, 0.4 * 1.005);
  assert_uniform (aspects, N, log (3.0 / 4.0) - 0.006, log (4.0 / 3.0) + 0.006);
  assert_uniform (lefts, N, 0, 1);
  assert_uniform (tops, N, 0, 1);
}

/* The area's mean with drawing again, against an independent simulation of the definition. */
static void
test_crops_that_do_not_fit_are_drawn_again (void)
{
  g_autoptr (SimclrAugment) augment = simclr_augment_new ();
  g_autofree SimclrDraw *draws = g_new (SimclrDraw, N);
  g_autoptr (GRand) rand = g_rand_new_with_seed (4);
  gdouble drawn = 0, simulated = 0;
  guint accepted = 0;

  draw_many (augment, draws);
  for (guint i = 0; i < N; i++)
    drawn += (gdouble) draws[i].crop_width * draws[i].crop_height / (WIDTH * HEIGHT) / N;
  while (accepted < N) {
    gdouble area = g_rand_double_range (rand, 0.08, 1) * WIDTH * HEIGHT;
    gdouble aspect = exp (g_rand_double_range (rand, log (0.75), log (4.0 / 3.0)));

    if (sqrt (area * aspect) >= WIDTH + 0.5 || sqrt (area / aspect) >= HEIGHT + 0.5)
      continue;
    simulated += area / (WIDTH * HEIGHT) / N;
    accepted++;
  }
  /* each mean has a deviation of about 0.24 / sqrt (N) = 0.0017 */
  g_assert_cmpfloat (fabs (drawn - simulated), <, 0.01);
}

static void
test_orders_are_equally_likely (void)
{
  g_autoptr (SimclrAugment) augment = g_object_new (
      SIMCLR_TYPE_AUGMENT, "jitter-probability", 1.0, "seed", G_GUINT64_CONSTANT (2), NULL);
  g_autofree SimclrDraw *draws = g_new (SimclrDraw, N);
  guint counts[256] = {0}, kinds = 0;

  draw_many (augment, draws);
  for (guint i = 0; i < N; i++) {
    const guint8 *o = draws[i].order;

    counts[o[0] << 6 | o[1] << 4 | o[2] << 2 | o[3]]++;
  }
  for (guint i = 0; i < 256; i++)
    if (counts[i] > 0) {
      kinds++;
      assert_share (counts[i], N, 1.0 / 24);
    }
  g_assert_cmpuint (kinds, ==, 24);
}

static void
test_any_draw_can_be_repeated_alone (void)
{
  g_autoptr (SimclrAugment) augment = simclr_augment_new ();
  g_autoptr (SimclrAugment) other = simclr_augment_new ();
  g_autofree SimclrDraw *draws = g_new0 (SimclrDraw, N);
  SimclrDraw again = {0};

  draw_many (augment, draws);
  for (guint i = N; i > 0; i -= 1000) {
    simclr_augment_draw (other, (i - 1) / 2, (i - 1) % 2, WIDTH, HEIGHT, &again);
    g_assert_cmpmem (&again, sizeof (again), &draws[i - 1], sizeof (again));
  }
  g_object_set (other, "seed", G_GUINT64_CONSTANT (1), NULL);
  simclr_augment_draw (other, 0, 0, WIDTH, HEIGHT, &again);
  g_assert_false (again.crop_width == draws[0].crop_width && again.crop_x == draws[0].crop_x);
}

static void
test_tiny_and_narrow_frames (void)
{
  g_autoptr (SimclrAugment) augment = simclr_augment_new ();

  for (guint pair = 0; pair < 500; pair++) {
    SimclrDraw d;

    simclr_augment_draw (augment, pair, 0, 1, 1, &d);
    g_assert_cmpuint (d.crop_width * d.crop_height, ==, 1);
    g_assert_cmpuint (d.crop_x + d.crop_y, ==, 0);

    /* no box of aspect 3/4 to 4/3 has 8 % of this frame's area: the whole frame */
    simclr_augment_draw (augment, pair, 1, 1000, 2, &d);
    g_assert_cmpuint (d.crop_width, ==, 1000);
    g_assert_cmpuint (d.crop_height, ==, 2);
  }
}

static void
test_strength_zero_leaves_colours (void)
{
  g_autoptr (SimclrAugment) augment = g_object_new (SIMCLR_TYPE_AUGMENT, "strength", 0.0, NULL);
  SimclrDraw d;

  for (guint pair = 0; pair < 100; pair++) {
    simclr_augment_draw (augment, pair, 0, 10, 10, &d);
    g_assert_false (d.jitter);
    g_assert_cmpfloat (d.brightness, ==, 1);
    g_assert_cmpfloat (d.hue, ==, 0);
  }
}

static void
test_partners_are_uniform (void)
{
  g_autoptr (SimclrAugment) augment = simclr_augment_new ();
  guint counts[5] = {0};

  for (guint pair = 0; pair < N; pair++)
    counts[simclr_augment_draw_partner (augment, pair, 5)]++;
  for (guint i = 0; i < 5; i++)
    assert_share (counts[i], N, 0.2);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/draw/events-have-their-probability", test_events_have_their_probability);
  g_test_add_func ("/draw/factors-are-uniform", test_factors_are_uniform);
  g_test_add_func ("/draw/crops-are-distributed-as-defined", test_crops_are_distributed_as_defined);
  g_test_add_func (
      "/draw/crops-that-do-not-fit-are-drawn-again", test_crops_that_do_not_fit_are_drawn_again);
  g_test_add_func ("/draw/orders-are-equally-likely", test_orders_are_equally_likely);
  g_test_add_func ("/draw/any-draw-can-be-repeated-alone", test_any_draw_can_be_repeated_alone);
  g_test_add_func ("/draw/tiny-and-narrow-frames", test_tiny_and_narrow_frames);
  g_test_add_func ("/draw/strength-zero-leaves-colours", test_strength_zero_leaves_colours);
  g_test_add_func ("/draw/partners-are-uniform", test_partners_are_uniform);
  return g_test_run ();
}
