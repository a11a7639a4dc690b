/* Convolutions of every provider against the definition in double precision, and against each other.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/convolution-native-private.h>
#include <simclr/base/bfloat16-private.h>
#include <simclr/simclr-error.h>

#include "compare.h"

#define EVERY_USE                                                                                  \
  (SIMCLR_CONVOLUTION_FORWARD | SIMCLR_CONVOLUTION_BACKWARD_DATA |                                 \
      SIMCLR_CONVOLUTION_BACKWARD_WEIGHTS)

/* Direct float32 sums are good to 1e-6, Winograd's transforms cost a digit; bfloat16 rounds each number that goes
 * in and comes out to 8 bits, 2e-3 of it, and sums in float. */
typedef struct
{
  const gchar *name;
  SimclrProvider provider;
  SimclrPrecision precision;
  gboolean itself; /* oneDNN, where its provider might take Winograd */
  gdouble tolerance;
} Setup;

static const Setup setups[] = {
    {"openblas", SIMCLR_PROVIDER_OPENBLAS, SIMCLR_PRECISION_FLOAT32, FALSE, 2e-5},
    {"onednn", SIMCLR_PROVIDER_ONEDNN, SIMCLR_PRECISION_FLOAT32, FALSE, 2e-5},
    {"oneDNN itself", SIMCLR_PROVIDER_ONEDNN, SIMCLR_PRECISION_FLOAT32, TRUE, 2e-5},
    {"onednn bfloat16", SIMCLR_PROVIDER_ONEDNN, SIMCLR_PRECISION_BFLOAT16, FALSE, 1e-2},
};

/* The layers of ResNets in small, and the edges: one pixel, one channel, a kernel larger than the
 * picture, a stride that leaves the last row and column out, 3 channels by 7x7, remainders of vectors
 * and of Winograd's tiles. images, height, width, in, out, kernel, stride, padding. */
static const SimclrConvolutionShape shapes[] = {
    {1, 1, 1, 1, 1, 1, 1, 0},
    {2, 1, 1, 5, 3, 1, 1, 0},
    {3, 1, 1, 7, 9, 3, 1, 1},
    {2, 1, 1, 4, 6, 7, 2, 3},
    {2, 2, 2, 16, 16, 3, 1, 1},
    {2, 2, 3, 8, 5, 3, 2, 1},
    {4, 8, 8, 16, 16, 3, 1, 1},
    {2, 8, 8, 16, 32, 3, 2, 1},
    {2, 8, 8, 16, 32, 1, 2, 0},
    {2, 7, 9, 32, 64, 1, 2, 0},
    {3, 7, 7, 64, 70, 1, 1, 0},
    {1, 32, 32, 3, 16, 3, 1, 1},
    {2, 32, 32, 3, 8, 7, 2, 3},
    {1, 31, 29, 3, 7, 7, 2, 3},
    {5, 13, 11, 6, 10, 3, 1, 1},
    {2, 13, 12, 17, 33, 3, 2, 1},
    {1, 16, 16, 64, 64, 3, 1, 1},
    {1, 5, 6, 65, 31, 3, 1, 0},
    {1, 9, 4, 3, 2, 3, 2, 0},
    {2, 3, 40, 4, 4, 3, 1, 1},
    {2, 40, 3, 4, 4, 3, 1, 1},
    {1, 10, 10, 2, 2, 5, 3, 2},
    {2, 5, 1, 16, 16, 3, 2, 1},
    {3, 8, 5, 43, 64, 1, 1, 0},
    {2, 12, 10, 64, 29, 1, 2, 0},
    {1, 2, 7, 136, 16, 7, 1, 3},
};

static gsize
input_floats (const SimclrConvolutionShape *s)
{
  return s->images * s->height * s->width * s->in;
}

static gsize
output_floats (const SimclrConvolutionShape *s)
{
  return s->images * _simclr_convolution_out_height (s) * _simclr_convolution_out_width (s) *
         s->out;
}

static gsize
weight_floats (const SimclrConvolutionShape *s)
{
  return s->out * s->kernel * s->kernel * s->in;
}

static gchar *
describe (const SimclrConvolutionShape *s)
{
  return g_strdup_printf ("%zu x %zux%zux%zu to %zu, kernel %zu, stride %zu, padding %zu",
      s->images, s->height, s->width, s->in, s->out, s->kernel, s->stride, s->padding);
}

/* The definition, all three directions in one walk over the products. */
typedef struct
{
  gdouble *y;
  gdouble *dx;
  gdouble *dw;
} Truth;

static void
add_products (const SimclrConvolutionShape *s, const gfloat *x, const gfloat *w, const gfloat *dy,
    gsize xi, gsize wi, gsize yi, Truth *truth)
{
  for (gsize o = 0; o < s->out; o++) {
    for (gsize i = 0; i < s->in; i++) {
      gsize weight = o * s->kernel * s->kernel * s->in + wi + i;

      truth->y[yi + o] += (gdouble) x[xi + i] * w[weight];
      truth->dx[xi + i] += (gdouble) dy[yi + o] * w[weight];
      truth->dw[weight] += (gdouble) dy[yi + o] * x[xi + i];
    }
  }
}

static Truth
define (const SimclrConvolutionShape *s, const gfloat *x, const gfloat *w, const gfloat *dy)
{
  Truth truth = {g_new0 (gdouble, output_floats (s)), g_new0 (gdouble, input_floats (s)),
      g_new0 (gdouble, weight_floats (s))};
  gsize out_height = _simclr_convolution_out_height (s);
  gsize out_width = _simclr_convolution_out_width (s);

  for (gsize pixel = 0; pixel < s->images * out_height * out_width; pixel++) {
    gsize image = pixel / (out_height * out_width);
    gsize top = pixel / out_width % out_height * s->stride;
    gsize left = pixel % out_width * s->stride;

    for (gsize k = 0; k < s->kernel * s->kernel; k++) {
      gsize row = top + k / s->kernel - s->padding; /* wraps around above the picture */
      gsize column = left + k % s->kernel - s->padding;

      if (row < s->height && column < s->width)
        add_products (s, x, w, dy, ((image * s->height + row) * s->width + column) * s->in,
            k * s->in, pixel * s->out, &truth);
    }
  }
  return truth;
}

static void
truth_clear (Truth *truth)
{
  g_free (truth->y);
  g_free (truth->dx);
  g_free (truth->dw);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Truth, truth_clear)

/* NULL where provider or precision are not to be had here. */
static SimclrConvolution *
create (const Setup *setup, const SimclrConvolutionShape *shape, SimclrConvolutionUse use,
    SimclrParallel *parallel)
{
  g_autoptr (GError) error = NULL;
  SimclrProvider provider = setup->provider;
  SimclrPrecision precision = setup->precision;
  SimclrConvolution *convolution = NULL;

  if (!_simclr_provider_choose (&provider, &precision, &error)) {
    g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_UNSUPPORTED);
    g_assert_cmpint (provider, !=, SIMCLR_PROVIDER_OPENBLAS);
    return NULL;
  }
#ifdef HAVE_ONEDNN
  if (setup->itself)
    convolution = _simclr_convolution_onednn_new (shape, use, precision, parallel, &error);
#endif
  if (!convolution)
    convolution = _simclr_convolution_new (provider, shape, use, precision, parallel, &error);
  g_assert_no_error (error);
  return convolution;
}

/* Floats as the convolution's activations, in memory of exactly their size. */
static gpointer
to_activations (SimclrConvolution *convolution, const Tensor *floats, gsize n)
{
  SimclrBfloat16 *activations;

  if (convolution->precision == SIMCLR_PRECISION_FLOAT32)
    return tensor_copy (floats, n);
  activations = (SimclrBfloat16 *) tensor_new ((n + 1) / 2);
  for (gsize i = 0; i < n; i++)
    activations[i] = _simclr_bfloat16_from_float (floats[i]);
  return activations;
}

static void
from_activations (
    SimclrConvolution *convolution, gconstpointer activations, Tensor *floats, gsize n)
{
  const gboolean bfloat16 = convolution->precision == SIMCLR_PRECISION_BFLOAT16;

  for (gsize i = 0; i < n; i++)
    floats[i] = bfloat16 ? _simclr_bfloat16_to_float (((const SimclrBfloat16 *) activations)[i])
                         : ((const gfloat *) activations)[i];
}

/* Dirty memory, of exactly the size asked for. */
static Tensor *
workspace_new (SimclrConvolution *convolution)
{
  return tensor_new ((_simclr_convolution_get_workspace (convolution) + 3) / sizeof (gfloat));
}

#define assert_near(a, b, n, what)                                                                 \
  G_STMT_START                                                                                     \
  {                                                                                                \
    gdouble error_ = normalised_error (a, b, n);                                                   \
    if (!(error_ < setup->tolerance))                                                              \
      g_error ("%s, %u threads, %s: %s is %g off", setup->name,                                    \
          _simclr_parallel_get_threads (convolution->parallel), text, what, error_);               \
  }                                                                                                \
  G_STMT_END

/* Runs and leaves the result in y; where the residual is y itself, y begins as it. */
static void
run_forward (SimclrConvolution *convolution, const Tensor *x, Tensor *y, const Tensor *residual,
    const SimclrEpilogue *epilogue, gpointer workspace)
{
  const SimclrConvolutionShape *s = &convolution->shape;
  gsize n = output_floats (s);
  g_autoptr (Tensor) from = to_activations (convolution, x, input_floats (s));
  g_autoptr (Tensor) added = to_activations (convolution, residual, n);
  g_autoptr (Tensor) to = to_activations (convolution, y, n);
  SimclrEpilogue converted = epilogue ? *epilogue : (SimclrEpilogue){NULL};

  if (converted.residual)
    converted.residual = converted.residual == y ? to : added;
  _simclr_convolution_forward (convolution, from, to, epilogue ? &converted : NULL, workspace);
  from_activations (convolution, to, y, n);
}

static void
check_forward (
    const Setup *setup, SimclrConvolution *convolution, const Tensor *x, const gdouble *truth)
{
  const SimclrConvolutionShape *s = &convolution->shape;
  gsize n = output_floats (s);
  g_autofree gchar *text = describe (s);
  g_autoptr (Tensor) y = tensor_new (n);
  g_autoptr (Tensor) bias = tensor_new_random (s->out, 5);
  g_autoptr (Tensor) residual = tensor_new_random (n, 6);
  g_autofree gdouble *expected = g_new (gdouble, n);

  for (guint choice = 0; choice < 12; choice++) {
    SimclrEpilogue epilogue = {0};
    g_autoptr (Tensor) workspace = workspace_new (convolution);

    epilogue.bias = choice & 1 ? bias : NULL;
    epilogue.relu = (choice & 2) != 0;
    epilogue.residual = choice >= 8 ? y : choice >= 4 ? residual : NULL;
    for (gsize i = 0; i < n; i++) {
      gdouble sum =
          truth[i] + (choice & 1 ? bias[i % s->out] : 0) + (choice >= 4 ? residual[i] : 0);

      expected[i] = choice & 2 ? MAX (0, sum) : sum;
      y[i] = choice >= 8 ? residual[i] : NAN;
    }
    run_forward (convolution, x, y, residual, choice == 0 ? NULL : &epilogue, workspace);
    assert_near (y, expected, n, "y");
  }
}

static void
check_backward (const Setup *setup, SimclrConvolution *convolution, const Tensor *x,
    const Tensor *dy, const gdouble *true_dx, const gdouble *true_dw)
{
  const SimclrConvolutionShape *s = &convolution->shape;
  gsize n = input_floats (s);
  g_autofree gchar *text = describe (s);
  g_autoptr (Tensor) before = tensor_new_random (n, 7);
  g_autoptr (Tensor) dx = tensor_new (n);
  g_autoptr (Tensor) dw = tensor_new (weight_floats (s));
  g_autoptr (Tensor) workspace = workspace_new (convolution);
  g_autoptr (Tensor) from_x = to_activations (convolution, x, n);
  g_autoptr (Tensor) from_dy = to_activations (convolution, dy, output_floats (s));
  g_autoptr (Tensor) to_dx = to_activations (convolution, dx, n);
  g_autoptr (Tensor) sum = to_activations (convolution, before, n);
  g_autofree gdouble *expected = g_new (gdouble, n);

  for (gsize i = 0; i < n; i++)
    expected[i] = before[i] + true_dx[i];
  _simclr_convolution_backward_data (convolution, from_dy, to_dx, FALSE, workspace);
  from_activations (convolution, to_dx, dx, n);
  assert_near (dx, true_dx, n, "dx");
  _simclr_convolution_backward_data (convolution, from_dy, sum, TRUE, workspace);
  from_activations (convolution, sum, dx, n);
  assert_near (dx, expected, n, "dx on top of another");
  _simclr_convolution_backward_weights (convolution, from_x, from_dy, dw, workspace);
  assert_near (dw, true_dw, weight_floats (s), "dw");
}

static void
check_shape (const SimclrConvolutionShape *s, guint64 stream, guint fewest, guint most)
{
  g_autoptr (Tensor) x = tensor_new_random (input_floats (s), stream);
  g_autoptr (Tensor) w = tensor_new_random (weight_floats (s), stream + 1);
  g_autoptr (Tensor) dy = tensor_new_random (output_floats (s), stream + 2);
  g_auto (Truth) truth = define (s, x, w, dy);

  for (guint p = 0; p < G_N_ELEMENTS (setups); p++) {
    for (guint threads = fewest; threads <= most; threads++) {
      g_autoptr (SimclrParallel) team = _simclr_parallel_new (threads);
      g_autoptr (SimclrConvolution) train = create (&setups[p], s, EVERY_USE, team);
      g_autoptr (SimclrConvolution) infer =
          train != NULL ? create (&setups[p], s, SIMCLR_CONVOLUTION_FORWARD, team) : NULL;

      if (train == NULL)
        continue;
      _simclr_convolution_set_weights (train, w);
      _simclr_convolution_set_weights (infer, w);
      check_forward (&setups[p], train, x, truth.y);
      check_forward (&setups[p], infer, x, truth.y);
      check_backward (&setups[p], train, x, dy, truth.dx, truth.dw);
    }
  }
}

static void
test_listed_shapes (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (shapes); i++)
    check_shape (&shapes[i], 100 + 10 * i, 1, 3);
}

static void
test_drawn_shapes (void)
{
  const gsize kernels[] = {1, 3, 3, 7};

  for (guint draw = 0; draw < 60; draw++) {
    guint64 drawn[8];
    SimclrConvolutionShape s;

    for (guint i = 0; i < 8; i++)
      drawn[i] = _simclr_random_below (4, draw, i, 5040);
    s.kernel = kernels[drawn[0] % 4];
    s.stride = 1 + drawn[1] % 2;
    s.padding = drawn[2] % 4 == 0 ? 0 : s.kernel / 2;
    s.images = 1 + drawn[3] % 5;
    s.height = 1 + drawn[4] % 14;
    s.width = 1 + drawn[5] % 14;
    s.in = 1 + drawn[6] % 70;
    s.out = 1 + drawn[7] % 70;
    if (s.height + 2 * s.padding < s.kernel || s.width + 2 * s.padding < s.kernel ||
        output_floats (&s) * weight_floats (&s) / s.out > 3000000)
      continue;
    check_shape (&s, 10000 + 10 * draw, 1 + draw % 3, 1 + draw % 3);
  }
}

/* Three results of one convolution in one tensor: y, dx, dw. */
static Tensor *
run_all (SimclrConvolution *convolution, const Tensor *x, const Tensor *w, const Tensor *dy)
{
  const SimclrConvolutionShape *s = &convolution->shape;
  gsize inputs = input_floats (s), outputs = output_floats (s);
  Tensor *results = tensor_new (outputs + inputs + weight_floats (s));
  g_autoptr (Tensor) workspace = workspace_new (convolution);
  g_autoptr (Tensor) from_x = to_activations (convolution, x, inputs);
  g_autoptr (Tensor) from_dy = to_activations (convolution, dy, outputs);
  g_autoptr (Tensor) y = tensor_new (outputs);
  g_autoptr (Tensor) dx = tensor_new (inputs);

  _simclr_convolution_set_weights (convolution, w);
  _simclr_convolution_forward (convolution, from_x, y, NULL, workspace);
  _simclr_convolution_backward_data (convolution, from_dy, dx, FALSE, workspace);
  _simclr_convolution_backward_weights (
      convolution, from_x, from_dy, results + outputs + inputs, workspace);
  from_activations (convolution, y, results, outputs);
  from_activations (convolution, dx, results + outputs, inputs);
  return results;
}

static void
test_repeats_bit_for_bit (void)
{
  SimclrConvolutionShape s = {4, 9, 9, 24, 40, 3, 1, 1};
  gsize n = output_floats (&s) + input_floats (&s) + weight_floats (&s);
  g_autoptr (Tensor) x = tensor_new_random (input_floats (&s), 1);
  g_autoptr (Tensor) w = tensor_new_random (weight_floats (&s), 2);
  g_autoptr (Tensor) dy = tensor_new_random (output_floats (&s), 3);

  for (guint p = 0; p < G_N_ELEMENTS (setups); p++) {
    for (guint threads = 1; threads <= 2; threads++) {
      g_autoptr (Tensor) first = NULL;

      for (guint attempt = 0; attempt < 4; attempt++) {
        g_autoptr (SimclrParallel) team = _simclr_parallel_new (threads);
        g_autoptr (SimclrConvolution) convolution = create (&setups[p], &s, EVERY_USE, team);
        g_autoptr (Tensor) results = NULL;

        if (convolution == NULL)
          continue;
        results = run_all (convolution, x, w, dy);
        if (first != NULL)
          g_assert_cmpmem (results, n * sizeof (gfloat), first, n * sizeof (gfloat));
        else
          first = g_steal_pointer (&results);
      }
    }
  }
}

/* What a provider packed of the old weights must not survive. */
static void
test_new_weights_replace_old_ones (void)
{
  SimclrConvolutionShape s = {2, 6, 6, 16, 16, 3, 1, 1};
  gsize n = output_floats (&s) + input_floats (&s) + weight_floats (&s);
  g_autoptr (Tensor) x = tensor_new_random (input_floats (&s), 1);
  g_autoptr (Tensor) old = tensor_new_random (weight_floats (&s), 2);
  g_autoptr (Tensor) w = tensor_new_random (weight_floats (&s), 3);
  g_autoptr (Tensor) dy = tensor_new_random (output_floats (&s), 4);

  for (guint p = 0; p < G_N_ELEMENTS (setups); p++) {
    g_autoptr (SimclrConvolution) used = create (&setups[p], &s, EVERY_USE, NULL);
    g_autoptr (SimclrConvolution) fresh = used ? create (&setups[p], &s, EVERY_USE, NULL) : NULL;
    g_autoptr (Tensor) first = used ? run_all (used, x, old, dy) : NULL;
    g_autoptr (Tensor) second = used ? run_all (used, x, w, dy) : NULL;
    g_autoptr (Tensor) truth = used ? run_all (fresh, x, w, dy) : NULL;

    if (used != NULL)
      g_assert_cmpmem (second, n * sizeof (gfloat), truth, n * sizeof (gfloat));
  }
}

/* The same buffer, the same place, other numbers: the optimizer's way of changing weights. */
static void
test_weights_changed_in_place (void)
{
  SimclrConvolutionShape s = {2, 6, 6, 16, 16, 3, 1, 1};
  gsize n = output_floats (&s) + input_floats (&s) + weight_floats (&s);
  g_autoptr (Tensor) x = tensor_new_random (input_floats (&s), 1);
  g_autoptr (Tensor) w = tensor_new_random (weight_floats (&s), 2);
  g_autoptr (Tensor) dy = tensor_new_random (output_floats (&s), 4);

  for (guint p = 0; p < G_N_ELEMENTS (setups); p++) {
    g_autoptr (SimclrConvolution) used = create (&setups[p], &s, EVERY_USE, NULL);
    g_autoptr (SimclrConvolution) fresh = used ? create (&setups[p], &s, EVERY_USE, NULL) : NULL;
    g_autoptr (Tensor) first = used ? run_all (used, x, w, dy) : NULL;
    g_autoptr (Tensor) second = NULL, truth = NULL;

    if (used == NULL)
      continue;
    for (gsize i = 0; i < weight_floats (&s); i++)
      w[i] = 1 - w[i];
    second = run_all (used, x, w, dy);
    truth = run_all (fresh, x, w, dy);
    g_assert_cmpmem (second, n * sizeof (gfloat), truth, n * sizeof (gfloat));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/convolution/listed-shapes", test_listed_shapes);
  g_test_add_func ("/convolution/drawn-shapes", test_drawn_shapes);
  g_test_add_func ("/convolution/repeats-bit-for-bit", test_repeats_bit_for_bit);
  g_test_add_func ("/convolution/new-weights-replace-old-ones", test_new_weights_replace_old_ones);
  g_test_add_func ("/convolution/weights-changed-in-place", test_weights_changed_in_place);
  return g_test_run ();
}
