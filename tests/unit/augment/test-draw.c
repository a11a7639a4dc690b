/* What is drawn follows its distributions, and nothing but seed, pair and view decides it. Seeds are fixed;
 * every test of a distribution would reject one right generator in about 10,000.
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

/* Two-sample Kolmogorov-Smirnov, n of each, at about one in 10,000. Equal values of both are taken together. */
static void
assert_same_distribution (const gchar *name, gdouble *a, gdouble *b, guint n)
{
  gdouble distance = 0;
  guint i = 0, j = 0;

  qsort (a, n, sizeof (gdouble), compare_doubles);
  qsort (b, n, sizeof (gdouble), compare_doubles);
  while (i < n && j < n) {
    gdouble value = MIN (a[i], b[j]);

    while (i < n && a[i] <= value)
      i++;
    while (j < n && b[j] <= value)
      j++;
    distance = MAX (distance, fabs ((gdouble) i - j) / n);
  }
  g_test_message ("%s: distance %.4f", name, distance);
  g_assert_cmpfloat (distance, <, 2.23 * sqrt (2.0 / n));
}

/* Chi-square at one in 10,000: Wilson and Hilferty's approximation of the quantile. */
static void
assert_shares (const guint *counts, const gdouble *probabilities, guint cells)
{
  gdouble n = 0, sum = 0, spread = 2 / (9.0 * (cells - 1));
  gdouble limit = (cells - 1) * pow (1 - spread + 3.719 * sqrt (spread), 3);

  for (guint i = 0; i < cells; i++)
    n += counts[i];
  for (guint i = 0; i < cells; i++)
    sum += pow (counts[i] - n * probabilities[i], 2) / (n * probabilities[i]);
  g_test_message ("chi-square %.1f of %u cells, at most %.1f", sum, cells, limit);
  g_assert_cmpfloat (sum, <, limit);
}

static void
assert_equal_shares (const guint *counts, guint cells)
{
  g_autofree gdouble *probabilities = g_new (gdouble, cells);

  for (guint i = 0; i < cells; i++)
    probabilities[i] = 1.0 / cells;
  assert_shares (counts, probabilities, cells);
}

/* The events as bits. */
static guint
events_of (const SimclrDraw *draw)
{
  return (draw->flip != 0) | (draw->jitter != 0) << 1 | (draw->grayscale != 0) << 2 |
         (draw->blur != 0) << 3 | (draw->solarize != 0) << 4;
}

/* All 32 combinations, so that each has its probability and none depends on another. */
static void
test_events_have_their_probability (void)
{
  static const gdouble share[5] = {0.5, 0.8, 0.2, 0.5, 0.3};
  g_autoptr (SimclrAugment) augment = g_object_new (
      SIMCLR_TYPE_AUGMENT, "seed", G_GUINT64_CONSTANT (11), "solarize-probability", 0.3, NULL);
  g_autofree SimclrDraw *draws = g_new (SimclrDraw, N);
  guint counts[32] = {0};
  gdouble probabilities[32];

  draw_many (augment, draws);
  for (guint i = 0; i < N; i++)
    counts[events_of (&draws[i])]++;
  for (guint i = 0; i < 32; i++) {
    probabilities[i] = 1;
    for (guint event = 0; event < 5; event++)
      probabilities[i] *= i >> event & 1 ? share[event] : 1 - share[event];
  }
  assert_shares (counts, probabilities, 32);
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

/* What a crop is told by: share of the area, log of the aspect, position among those possible. */
enum
{
  AREA,
  ASPECT,
  LEFT,
  TOP,
  N_FACTS
};
static const gchar *const fact_names[N_FACTS] = {"area", "aspect", "left", "top"};

/* low and high: of the area. The definition, by another generator: drawn again until it fits, a hundred times
 * at most, then the whole frame. */
static void
simulate_crop (GRand *rand, gdouble low, gdouble high, guint width, guint height, gdouble *facts)
{
  gdouble w = width, h = height, x = 0, y = 0;

  for (guint attempt = 0; attempt < 100; attempt++) {
    gdouble area = g_rand_double_range (rand, low, high) * width * height;
    gdouble aspect = exp (g_rand_double_range (rand, log (3.0 / 4.0), log (4.0 / 3.0)));
    gdouble across = floor (sqrt (area * aspect) + 0.5), down = floor (sqrt (area / aspect) + 0.5);

    if (across < 1 || across > width || down < 1 || down > height)
      continue;
    w = across;
    h = down;
    x = g_rand_int_range (rand, 0, (gint32) (width - w) + 1);
    y = g_rand_int_range (rand, 0, (gint32) (height - h) + 1);
    break;
  }
  facts[AREA] = w * h / width / height;
  facts[ASPECT] = log (w / h);
  facts[LEFT] = (x + 0.5) / (width - w + 1);
  facts[TOP] = (y + 0.5) / (height - h + 1);
}

static void
check_crops (gdouble low, gdouble high, guint width, guint height)
{
  g_autoptr (SimclrAugment) augment = g_object_new (
      SIMCLR_TYPE_AUGMENT, "min-area", low, "max-area", high, "seed", G_GUINT64_CONSTANT (3), NULL);
  g_autoptr (GRand) rand = g_rand_new_with_seed (4);
  g_autofree gdouble *values = g_new (gdouble, 2 * N_FACTS * N);

  for (guint i = 0; i < N; i++) {
    SimclrDraw d;
    gdouble simulated[N_FACTS], drawn[N_FACTS];

    simclr_augment_draw (augment, i / 2, i % 2, width, height, &d);
    drawn[AREA] = (gdouble) d.crop_width * d.crop_height / width / height;
    drawn[ASPECT] = log ((gdouble) d.crop_width / d.crop_height);
    drawn[LEFT] = (d.crop_x + 0.5) / (width - d.crop_width + 1);
    drawn[TOP] = (d.crop_y + 0.5) / (height - d.crop_height + 1);
    simulate_crop (rand, low, high, width, height, simulated);
    for (guint fact = 0; fact < N_FACTS; fact++) {
      values[2 * fact * N + i] = drawn[fact];
      values[(2 * fact + 1) * N + i] = simulated[fact];
    }
  }
  for (guint fact = 0; fact < N_FACTS; fact++) {
    g_autofree gchar *name = g_strdup_printf ("%ux%u %s", width, height, fact_names[fact]);

    assert_same_distribution (name, values + 2 * fact * N, values + (2 * fact + 1) * N, N);
  }
}

/* The recipe's own crops, drawn again where they do not fit, against a simulation. Nearly all are drawn again
 * in the frame of 900x90, and some end as the whole of it. */
static void
test_crops_follow_the_simulated_definition (void)
{
  check_crops (0.08, 1, 32, 32);
  check_crops (0.08, 1, 640, 480);
  check_crops (0.08, 1, 1080, 1920);
  check_crops (0.2, 1, 97, 131);
  check_crops (0.08, 1, 900, 90);
}

static void
test_orders_are_equally_likely (void)
{
  g_autoptr (SimclrAugment) augment = g_object_new (
      SIMCLR_TYPE_AUGMENT, "jitter-probability", 1.0, "seed", G_GUINT64_CONSTANT (2), NULL);
  g_autofree SimclrDraw *draws = g_new (SimclrDraw, N);
  guint counts[256] = {0}, orders[24] = {0}, kinds = 0;

  draw_many (augment, draws);
  for (guint i = 0; i < N; i++) {
    const guint8 *o = draws[i].order;

    counts[o[0] << 6 | o[1] << 4 | o[2] << 2 | o[3]]++;
  }
  for (guint i = 0; i < 256; i++)
    if (counts[i] > 0) {
      g_assert_cmpuint (kinds, <, 24);
      orders[kinds++] = counts[i];
    }
  g_assert_cmpuint (kinds, ==, 24);
  assert_equal_shares (orders, 24);
}

static gdouble
field_area (const SimclrDraw *draw)
{
  return (gdouble) draw->crop_width * draw->crop_height;
}

/* Which quarter of a sorted field a value belongs to. */
static guint
quarter_of (const gdouble *sorted, gdouble value)
{
  return (value >= sorted[N / 4]) + (value >= sorted[N / 2]) + (value >= sorted[3 * N / 4]);
}

/* The field a of each draw and b of the one that lies distance after it: all sixteen pairs of quarters are as
 * frequent. */
static void
check_independent (const SimclrDraw *draws, Field a, Field b, guint distance)
{
  g_autofree gdouble *as = g_new (gdouble, N), *bs = g_new (gdouble, N);
  guint counts[16] = {0};

  for (guint i = 0; i < N; i++) {
    as[i] = a (&draws[i]);
    bs[i] = b (&draws[i]);
  }
  qsort (as, N, sizeof (gdouble), compare_doubles);
  qsort (bs, N, sizeof (gdouble), compare_doubles);
  /* draws that share none with the next, so that the counts are independent, too */
  for (guint i = 0; i + distance < N; i += MAX (1, 2 * distance))
    counts[4 * quarter_of (as, a (&draws[i])) + quarter_of (bs, b (&draws[i + distance]))]++;
  assert_equal_shares (counts, 16);
}

static void
test_fields_views_and_pairs_are_independent (void)
{
  static const Field fields[] = {
      field_area, field_brightness, field_contrast, field_saturation, field_hue, field_sigma};
  g_autoptr (SimclrAugment) augment =
      g_object_new (SIMCLR_TYPE_AUGMENT, "jitter-probability", 1.0, "blur-probability", 1.0, NULL);
  g_autofree SimclrDraw *draws = g_new (SimclrDraw, N);

  draw_many (augment, draws);
  for (guint i = 0; i < G_N_ELEMENTS (fields); i++) {
    for (guint j = 0; j < i; j++)
      check_independent (draws, fields[i], fields[j], 0);
    check_independent (draws, fields[i], fields[i], 1); /* the pair's other view */
    check_independent (draws, fields[i], fields[i], 2); /* the next pair's view */
  }
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
  assert_equal_shares (counts, 5);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/draw/events-have-their-probability", test_events_have_their_probability);
  g_test_add_func ("/draw/factors-are-uniform", test_factors_are_uniform);
  g_test_add_func ("/draw/crops-are-distributed-as-defined", test_crops_are_distributed_as_defined);
  g_test_add_func (
      "/draw/crops-follow-the-simulated-definition", test_crops_follow_the_simulated_definition);
  g_test_add_func ("/draw/orders-are-equally-likely", test_orders_are_equally_likely);
  g_test_add_func (
      "/draw/fields-views-and-pairs-are-independent", test_fields_views_and_pairs_are_independent);
  g_test_add_func ("/draw/any-draw-can-be-repeated-alone", test_any_draw_can_be_repeated_alone);
  g_test_add_func ("/draw/tiny-and-narrow-frames", test_tiny_and_narrow_frames);
  g_test_add_func ("/draw/strength-zero-leaves-colours", test_strength_zero_leaves_colours);
  g_test_add_func ("/draw/partners-are-uniform", test_partners_are_uniform);
  return g_test_run ();
}
