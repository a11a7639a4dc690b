/* The dense layer against its definition, for any team and odd sizes.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/linear-private.h>
#include <simclr/base/random-private.h>

#include <math.h>
#include <string.h>

static gfloat *
random_floats (gsize count, guint64 stream)
{
  gfloat *floats = g_new (gfloat, count);

  for (gsize i = 0; i < count; i++)
    floats[i] = (gfloat) _simclr_random_normal (11, stream, i);
  return floats;
}

static void
assert_near (const gfloat *a, const gdouble *b, gsize count)
{
  gdouble difference = 0, norm = 0;

  for (gsize i = 0; i < count; i++) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    norm += b[i] * b[i];
  }
  g_assert_cmpfloat (sqrt (difference), <=, 1e-6 * sqrt (norm));
}

static void
check_size (SimclrParallel *team, gsize rows, gsize in, gsize out)
{
  g_autofree gfloat *x = random_floats (rows * in, 1), *w = random_floats (out * in, 2);
  g_autofree gfloat *dy = random_floats (rows * out, 3);
  g_autofree gfloat *y = g_new (gfloat, rows * out), *dx = g_new (gfloat, rows * in);
  g_autofree gfloat *dw = g_new (gfloat, out * in), *dw_alone = g_new (gfloat, out * in);
  g_autofree gdouble *y_true = g_new0 (gdouble, rows * out), *dx_true = g_new0 (gdouble, rows * in);
  g_autofree gdouble *dw_true = g_new0 (gdouble, out * in);

  for (gsize r = 0; r < rows; r++) {
    for (gsize o = 0; o < out; o++) {
      for (gsize i = 0; i < in; i++) {
        y_true[r * out + o] += (gdouble) x[r * in + i] * w[o * in + i];
        dx_true[r * in + i] += (gdouble) dy[r * out + o] * w[o * in + i];
        dw_true[o * in + i] += (gdouble) dy[r * out + o] * x[r * in + i];
      }
    }
  }
  memset (y, 0xff, rows * out * sizeof (gfloat));
  memset (dx, 0xff, rows * in * sizeof (gfloat));
  memset (dw, 0xff, out * in * sizeof (gfloat));
  _simclr_linear_forward (team, x, w, rows, in, out, y);
  _simclr_linear_backward (team, x, w, dy, rows, in, out, dx, dw);
  assert_near (y, y_true, rows * out);
  assert_near (dx, dx_true, rows * in);
  assert_near (dw, dw_true, out * in);
  _simclr_linear_backward (team, x, w, dy, rows, in, out, NULL, dw_alone);
  g_assert_cmpmem (dw, out * in * sizeof (gfloat), dw_alone, out * in * sizeof (gfloat));
}

static void
test_is_its_definition (void)
{
  const gsize sizes[][3] = {{1, 1, 1}, {2, 3, 5}, {17, 33, 9}, {64, 128, 48}, {70, 31, 130}};

  for (guint threads = 1; threads <= 3; threads++) {
    g_autoptr (SimclrParallel) team = _simclr_parallel_new (threads);

    for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
      check_size (team, sizes[i][0], sizes[i][1], sizes[i][2]);
  }
  check_size (NULL, 20, 7, 11);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/linear/is-its-definition", test_is_its_definition);
  return g_test_run ();
}
