/* Max and average pooling against their definitions, and backward against finite differences.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/pool-private.h>

#include "compare.h"

typedef struct
{
  gsize images, height, width, channels;
} Shape;

static const Shape shapes[] = {{1, 1, 1, 1}, {2, 1, 1, 17}, {1, 2, 2, 3}, {3, 3, 5, 7},
    {2, 8, 8, 16}, {1, 7, 6, 70}, {5, 16, 16, 4}, {1, 1, 9, 5}, {2, 9, 1, 33}};

static gsize
out_floats (const Shape *s)
{
  return s->images * ((s->height + 1) / 2) * ((s->width + 1) / 2) * s->channels;
}

/* The place in x of the largest in the window of output y[at]; the first of equals. */
static gsize
find_largest (const Shape *s, const gfloat *x, gsize at)
{
  gsize out_height = (s->height + 1) / 2, out_width = (s->width + 1) / 2;
  gsize channel = at % s->channels, column = at / s->channels % out_width;
  gsize row = at / s->channels / out_width % out_height;
  gsize image = at / s->channels / out_width / out_height;
  gsize found = G_MAXSIZE;

  for (gssize r = (gssize) row * 2 - 1; r <= (gssize) row * 2 + 1; r++)
    for (gssize c = (gssize) column * 2 - 1; c <= (gssize) column * 2 + 1; c++) {
      gsize place =
          ((image * s->height + (gsize) r) * s->width + (gsize) c) * s->channels + channel;

      if (r < 0 || c < 0 || r >= (gssize) s->height || c >= (gssize) s->width)
        continue;
      if (found == G_MAXSIZE || x[place] > x[found])
        found = place;
    }
  return found;
}

static const SimclrPrecision precisions[] = {SIMCLR_PRECISION_FLOAT32, SIMCLR_PRECISION_BFLOAT16};

/* Of sums in the format. */
static gdouble
get_tolerance (SimclrPrecision precision)
{
  return precision == SIMCLR_PRECISION_BFLOAT16 ? 4e-3 : 1e-6;
}

static void
check_max_pool (const Shape *s, SimclrParallel *team, SimclrPrecision precision, Tensor *x)
{
  gsize n = s->images * s->height * s->width * s->channels, outs = out_floats (s);
  g_autoptr (Tensor) dy = tensor_new_random (outs, 2);
  g_autoptr (Tensor) packed_x = NULL, packed_dy = NULL;
  g_autoptr (Tensor) packed_y = tensor_new (outs);
  g_autoptr (Tensor) packed_inferred = tensor_new (outs);
  g_autoptr (Tensor) packed_dx = tensor_new (n);
  g_autoptr (Tensor) y = NULL, inferred = NULL, dx = NULL;
  g_autofree guint8 *chosen = g_malloc (outs + SIMCLR_ALIGNMENT);
  g_autofree gdouble *expected = g_new0 (gdouble, n);

  tensor_round (x, n, precision);
  tensor_round (dy, outs, precision);
  packed_x = tensor_pack (x, n, precision);
  packed_dy = tensor_pack (dy, outs, precision);
  _simclr_max_pool_forward (
      team, precision, packed_x, s->images, s->height, s->width, s->channels, packed_y, chosen);
  _simclr_max_pool_forward (team, precision, packed_x, s->images, s->height, s->width, s->channels,
      packed_inferred, NULL);
  _simclr_max_pool_backward (
      team, precision, packed_dy, chosen, s->images, s->height, s->width, s->channels, packed_dx);
  y = tensor_unpack (packed_y, outs, precision);
  inferred = tensor_unpack (packed_inferred, outs, precision);
  dx = tensor_unpack (packed_dx, n, precision);
  for (gsize at = 0; at < outs; at++) {
    gsize place = find_largest (s, x, at);

    g_assert_cmpfloat (y[at], ==, x[place]);
    g_assert_cmpfloat (inferred[at], ==, x[place]);
    expected[place] += dy[at];
  }
  g_assert_cmpfloat (normalised_error (dx, expected, n), <, get_tolerance (precision));
}

static void
test_max_pool (void)
{
  for (guint threads = 0; threads <= 3; threads++) {
    g_autoptr (SimclrParallel) team = threads > 0 ? _simclr_parallel_new (threads) : NULL;

    for (guint i = 0; i < G_N_ELEMENTS (shapes); i++)
      for (guint p = 0; p < G_N_ELEMENTS (precisions); p++) {
        const Shape *s = &shapes[i];
        gsize n = s->images * s->height * s->width * s->channels;
        g_autoptr (Tensor) x = tensor_new_random (n, 1);

        check_max_pool (s, team, precisions[p], x);
        for (gsize k = 0; k < n; k++) /* as after a ReLU: many equals */
          x[k] = MAX (x[k], 0);
        check_max_pool (s, team, precisions[p], x);
        for (gsize k = 0; k < n; k++) /* the padding is no zero */
          x[k] = -1 - x[k];
        check_max_pool (s, team, precisions[p], x);
      }
  }
}

/* A NaN in a window is not lost, wherever it stands, so that the step can be skipped. */
static void
test_max_pool_keeps_not_a_number (void)
{
  for (guint where = 0; where < 9; where++)
    for (guint kind = 0; kind < 4; kind++) {
      const SimclrPrecision precision = precisions[kind / 2];
      const gfloat values[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
      g_autoptr (Tensor) x = tensor_copy (values, 9);
      g_autoptr (Tensor) packed_y = tensor_new (4);
      g_autoptr (Tensor) packed_x = NULL, y = NULL;
      guint8 chosen[4];

      x[where] = NAN;
      packed_x = tensor_pack (x, 9, precision);
      _simclr_max_pool_forward (
          NULL, precision, packed_x, 1, 3, 3, 1, packed_y, kind % 2 ? chosen : NULL);
      y = tensor_unpack (packed_y, 4, precision);
      for (guint at = 0; at < 4; at++) {
        guint row = at / 2 * 2, column = at % 2 * 2; /* centre of the window */
        gboolean inside = ABS ((gint) (where / 3) - (gint) row) <= 1 &&
                          ABS ((gint) (where % 3) - (gint) column) <= 1;

        g_assert_cmpint (isnan (y[at]) != 0, ==, inside);
      }
    }
}

static void
check_average_pool (const Shape *s, SimclrParallel *team, SimclrPrecision precision)
{
  gsize positions = s->height * s->width, outs = s->images * s->channels;
  g_autoptr (Tensor) x = tensor_new_random (outs * positions, 1);
  g_autoptr (Tensor) dy = tensor_new_random (outs, 2);
  g_autoptr (Tensor) y = tensor_new (outs);
  g_autoptr (Tensor) packed_dx = tensor_new (outs * positions);
  g_autoptr (Tensor) packed_x = NULL, dx = NULL;
  g_autofree gdouble *means = g_new0 (gdouble, outs);
  g_autofree gdouble *shares = g_new0 (gdouble, outs * positions);

  tensor_round (x, outs * positions, precision);
  packed_x = tensor_pack (x, outs * positions, precision);
  for (gsize k = 0; k < outs * positions; k++) {
    gsize mean = k / s->channels / positions * s->channels + k % s->channels;

    means[mean] += (gdouble) x[k] / positions;
    shares[k] = (gdouble) dy[mean] / positions;
  }
  _simclr_average_pool_forward (team, precision, packed_x, s->images, positions, s->channels, y);
  _simclr_average_pool_backward (team, precision, dy, s->images, positions, s->channels, packed_dx);
  dx = tensor_unpack (packed_dx, outs * positions, precision);
  g_assert_cmpfloat (normalised_error (y, means, outs), <, 1e-6);
  g_assert_cmpfloat (normalised_error (dx, shares, outs * positions), <, get_tolerance (precision));
}

static void
test_average_pool (void)
{
  for (guint threads = 0; threads <= 3; threads++) {
    g_autoptr (SimclrParallel) team = threads > 0 ? _simclr_parallel_new (threads) : NULL;

    for (guint i = 0; i < G_N_ELEMENTS (shapes); i++)
      for (guint p = 0; p < G_N_ELEMENTS (precisions); p++)
        check_average_pool (&shapes[i], team, precisions[p]);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/pool/max", test_max_pool);
  g_test_add_func ("/pool/max-keeps-not-a-number", test_max_pool_keeps_not_a_number);
  g_test_add_func ("/pool/average", test_average_pool);
  return g_test_run ();
}
