/* Convolutions of every provider against the definition in double precision, and against each other.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/convolution-native-private.h>
#include <simclr/simclr-error.h>

#ifdef HAVE_AMX
#include <simclr/nn/amx-private.h>
#include <simclr/nn/onednn-private.h>
#endif

#include "compare.h"
#include "convolution-definition.h"

#define EVERY_USE                                                                                  \
  (SIMCLR_CONVOLUTION_FORWARD | SIMCLR_CONVOLUTION_BACKWARD_DATA |                                 \
      SIMCLR_CONVOLUTION_BACKWARD_WEIGHTS)

/* Direct float32 sums are good to 1e-6; Winograd's transforms cost a digit. What is rounded to bfloat16
 * is off by 2^-9 at most, oneDNN's weights too. */
#define TOLERANCE 2e-5
#define BFLOAT16_TOLERANCE 4e-3

/* Who convolves: the providers, and every way that they pick from. */
typedef enum
{
  OPENBLAS,
  ONEDNN,
  ONEDNN_ITSELF,
  UNFOLD,
  WINOGRAD,
  AMX,
  N_MAKERS
} Maker;

static const SimclrPrecision precisions[] = {SIMCLR_PRECISION_FLOAT32, SIMCLR_PRECISION_BFLOAT16};
static const gchar *const maker_names[] = {
    "openblas", "onednn", "oneDNN itself", "unfold", "winograd", "amx"};

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
    {2, 9, 10, 18, 20, 5, 3, 2},
    {33, 5, 4, 17, 20, 3, 1, 1},
    {40, 8, 7, 16, 48, 3, 2, 1},
    {35, 6, 5, 20, 34, 1, 2, 0},
    {70, 2, 2, 32, 16, 3, 1, 1},
    {2, 5, 1, 16, 16, 3, 2, 1},
};

/* What one or another of oneDNN 2.6's codes gets wrong, in bfloat16 or with AVX2. */
static const SimclrConvolutionShape traps[] = {
    {3, 8, 5, 43, 64, 1, 1, 0},
    {2, 12, 10, 64, 29, 1, 2, 0},
    {1, 2, 7, 136, 16, 7, 1, 3},
    {2, 4, 1, 17, 35, 7, 2, 3},
    {2, 6, 14, 8, 16, 1, 2, 0},
    {2, 4, 18, 14, 9, 1, 2, 0},
    {3, 8, 8, 4, 8, 1, 2, 0},
    {2, 10, 10, 7, 30, 1, 2, 0},
};

/* Deeper and wider than one block of anything: each with one team. */
static const SimclrConvolutionShape large_shapes[] = {
    {1, 9, 9, 130, 260, 3, 1, 1},
    {2, 4, 4, 280, 130, 3, 1, 1},
    {3, 25, 23, 20, 32, 3, 1, 1},
    {2, 9, 7, 515, 260, 1, 1, 0},
    {1, 28, 28, 96, 70, 1, 1, 0},
    {1, 11, 11, 70, 270, 3, 2, 1},
    {1, 60, 60, 3, 40, 7, 2, 3},
    {16, 8, 8, 32, 32, 3, 1, 1},
    {1, 7, 7, 20, 260, 3, 1, 1},
    {1, 9, 8, 20, 70, 3, 1, 1},
    {1, 6, 7, 40, 200, 1, 1, 0},
    {1, 14, 33, 130, 20, 3, 1, 1},
    {1, 3, 45, 170, 180, 3, 1, 1},
};

/* NULL where oneDNN was not built, where the shape is not Winograd's, and where there are no tiles. */
static SimclrConvolution *
create (Maker maker, SimclrPrecision precision, const SimclrConvolutionShape *shape,
    SimclrConvolutionUse use, SimclrParallel *parallel)
{
  g_autoptr (GError) error = NULL;
  const gboolean onednn = maker == ONEDNN || maker == ONEDNN_ITSELF || maker == AMX;
  SimclrProvider provider = onednn ? SIMCLR_PROVIDER_ONEDNN : SIMCLR_PROVIDER_OPENBLAS;
  SimclrConvolution *convolution = NULL;

  if (!_simclr_provider_choose (&provider, &precision, &error)) {
    g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_UNSUPPORTED);
    g_assert_true (onednn);
    return NULL;
  }
  if (maker == WINOGRAD && (shape->kernel != 3 || shape->stride != 1 || shape->padding != 1))
    return NULL;
  if (maker == UNFOLD)
    convolution = _simclr_convolution_unfold_new (shape, use, precision, parallel, &error);
  else if (maker == WINOGRAD)
    convolution = _simclr_convolution_winograd_new (shape, use, precision, parallel, &error);
#ifdef HAVE_ONEDNN
  else if (maker == ONEDNN_ITSELF)
    convolution = _simclr_convolution_onednn_new (shape, use, precision, parallel, &error);
#endif
#ifdef HAVE_AMX
  else if (maker == AMX && precision == SIMCLR_PRECISION_BFLOAT16 && _simclr_onednn_has_tiles () &&
           _simclr_amx_available ())
    convolution = _simclr_convolution_amx_new (shape, use, parallel, &error);
#endif
  else if (maker != AMX)
    convolution = _simclr_convolution_new (provider, shape, use, precision, parallel, &error);
  g_assert_no_error (error);
  return convolution;
}

static Tensor *
workspace_new (SimclrConvolution *convolution)
{
  return tensor_new ((_simclr_convolution_get_workspace (convolution) + 3) / sizeof (gfloat));
}

/* One call under test, to be named where it is wrong. */
typedef struct
{
  Maker maker;
  SimclrConvolution *convolution;
  Tensor *workspace; /* exactly as large as asked for, and dirty */
} Candidate;

static void
assert_near (const Candidate *candidate, const gchar *what, const gfloat *ours,
    const gdouble *truth, gsize n, gdouble tolerance)
{
  gdouble error = normalised_error (ours, truth, n);

  if (!(error < tolerance)) {
    g_autofree gchar *text = describe (&candidate->convolution->shape);

    g_error ("%s, %s, %u threads, %s: %s is %g off", maker_names[candidate->maker],
        candidate->convolution->precision == SIMCLR_PRECISION_BFLOAT16 ? "bfloat16" : "float32",
        _simclr_parallel_get_threads (candidate->convolution->parallel), text, what, error);
  }
}

/* Of what is stored in the convolution's format. */
static gdouble
get_tolerance (const Candidate *candidate)
{
  return candidate->convolution->precision == SIMCLR_PRECISION_BFLOAT16 ? BFLOAT16_TOLERANCE
                                                                        : TOLERANCE;
}

/* y = relu? (truth + bias? + residual?); choice says which, 8 and above the residual is y itself. */
static void
check_epilogue (const Candidate *candidate, const Tensor *packed_x, const Tensor *residual,
    const gdouble *truth, guint choice)
{
  SimclrConvolution *convolution = candidate->convolution;
  const SimclrConvolutionShape *s = &convolution->shape;
  gsize n = output_floats (s);
  g_autoptr (Tensor) bias = tensor_new_random (s->out, 5);
  g_autoptr (Tensor) packed_residual = NULL, packed_y = NULL, y = NULL;
  g_autofree gdouble *expected = g_new (gdouble, n);
  SimclrEpilogue epilogue = {0};

  packed_residual = tensor_pack (residual, n, convolution->precision);
  packed_y = choice >= 8 ? tensor_pack (residual, n, convolution->precision) : tensor_new (n);
  epilogue.bias = choice & 1 ? bias : NULL;
  epilogue.relu = (choice & 2) != 0;
  epilogue.residual = choice >= 8 ? packed_y : choice >= 4 ? packed_residual : NULL;
  for (gsize i = 0; i < n; i++) {
    gdouble sum = truth[i] + (choice & 1 ? bias[i % s->out] : 0) + (choice >= 4 ? residual[i] : 0);

    expected[i] = choice & 2 ? MAX (0, sum) : sum;
  }
  _simclr_convolution_forward (
      convolution, packed_x, packed_y, choice == 0 ? NULL : &epilogue, candidate->workspace);
  y = tensor_unpack (packed_y, n, convolution->precision);
  assert_near (candidate, "y", y, expected, n, get_tolerance (candidate));
}

/* Every epilogue at inference, which has them; one of each end in training. */
static void
check_forward (const Candidate *candidate, const Tensor *x, const gdouble *truth)
{
  SimclrConvolution *convolution = candidate->convolution;
  const guint step = convolution->use == SIMCLR_CONVOLUTION_FORWARD ? 1 : 11;
  const gsize n = output_floats (&convolution->shape);
  g_autoptr (Tensor) residual = tensor_new_random (n, 6);
  g_autoptr (Tensor) packed_x =
      tensor_pack (x, input_floats (&convolution->shape), convolution->precision);

  tensor_round (residual, n, convolution->precision);
  for (guint choice = 0; choice < 12; choice += step)
    check_epilogue (candidate, packed_x, residual, truth, choice);
}

static void
check_backward_data (const Candidate *candidate, const Tensor *packed_dy, const gdouble *truth)
{
  SimclrConvolution *convolution = candidate->convolution;
  gsize n = input_floats (&convolution->shape);
  g_autoptr (Tensor) before = tensor_new_random (n, 7);
  g_autoptr (Tensor) packed_dx = tensor_new (n);
  g_autoptr (Tensor) packed_sum = NULL, dx = NULL, sum = NULL;
  g_autofree gdouble *expected = g_new (gdouble, n);

  tensor_round (before, n, convolution->precision);
  packed_sum = tensor_pack (before, n, convolution->precision);
  for (gsize i = 0; i < n; i++)
    expected[i] = before[i] + truth[i];
  _simclr_convolution_backward_data (
      convolution, packed_dy, packed_dx, FALSE, candidate->workspace);
  _simclr_convolution_backward_data (
      convolution, packed_dy, packed_sum, TRUE, candidate->workspace);
  dx = tensor_unpack (packed_dx, n, convolution->precision);
  sum = tensor_unpack (packed_sum, n, convolution->precision);
  assert_near (candidate, "dx", dx, truth, n, get_tolerance (candidate));
  assert_near (candidate, "dx on top of another", sum, expected, n, get_tolerance (candidate));
}

static void
check_backward (const Candidate *candidate, const Tensor *x, const Tensor *dy, const Truth *truth)
{
  SimclrConvolution *convolution = candidate->convolution;
  const SimclrConvolutionShape *s = &convolution->shape;
  g_autoptr (Tensor) packed_x = tensor_pack (x, input_floats (s), convolution->precision);
  g_autoptr (Tensor) packed_dy = tensor_pack (dy, output_floats (s), convolution->precision);
  g_autoptr (Tensor) dw = tensor_new (weight_floats (s));

  check_backward_data (candidate, packed_dy, truth->dx);
  _simclr_convolution_backward_weights (convolution, packed_x, packed_dy, dw, candidate->workspace);
  assert_near (candidate, "dw", dw, truth->dw, weight_floats (s), TOLERANCE);
}

static void
check_maker (Maker maker, SimclrPrecision precision, guint threads, const SimclrConvolutionShape *s,
    const Tensor *x, const Tensor *w, const Tensor *dy, const Truth *truth)
{
  g_autoptr (SimclrParallel) team = _simclr_parallel_new (threads);
  g_autoptr (SimclrConvolution) train = create (maker, precision, s, EVERY_USE, team);
  g_autoptr (SimclrConvolution) infer =
      train != NULL ? create (maker, precision, s, SIMCLR_CONVOLUTION_FORWARD, team) : NULL;
  g_autoptr (Tensor) train_workspace = NULL, infer_workspace = NULL;

  if (train == NULL)
    return;
  train_workspace = workspace_new (train);
  infer_workspace = workspace_new (infer);
  _simclr_convolution_set_weights (train, w);
  _simclr_convolution_set_weights (infer, w);
  check_forward (&(Candidate){maker, train, train_workspace}, x, truth->y);
  check_forward (&(Candidate){maker, infer, infer_workspace}, x, truth->y);
  check_backward (&(Candidate){maker, train, train_workspace}, x, dy, truth);
}

static void
check_shape (const SimclrConvolutionShape *s, guint64 stream, guint fewest, guint most)
{
  for (guint p = 0; p < G_N_ELEMENTS (precisions); p++) {
    g_autoptr (Tensor) x = tensor_new_random (input_floats (s), stream);
    g_autoptr (Tensor) w = tensor_new_random (weight_floats (s), stream + 1);
    g_autoptr (Tensor) dy = tensor_new_random (output_floats (s), stream + 2);
    g_auto (Truth) truth = {NULL};

    tensor_round (x, input_floats (s), precisions[p]);
    tensor_round (dy, output_floats (s), precisions[p]);
    truth = define (s, x, w, dy);
    for (Maker maker = 0; maker < N_MAKERS; maker++)
      for (guint threads = fewest; threads <= most; threads++)
        check_maker (maker, precisions[p], threads, s, x, w, dy, &truth);
  }
}

static void
test_listed_shapes (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (shapes); i++)
    check_shape (&shapes[i], 100 + 10 * i, 1, 3);
}

static void
test_traps (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (traps); i++)
    check_shape (&traps[i], 2000 + 10 * i, 1, 3);
}

static void
test_large_shapes (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (large_shapes); i++)
    check_shape (&large_shapes[i], 1000 + 10 * i, 1 + i % 3, 1 + i % 3);
}

static void
test_drawn_shapes (void)
{
  const gsize kernels[] = {1, 3, 3, 7};

  for (guint draw = 0; draw < 40; draw++) {
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
  g_autoptr (Tensor) y = tensor_new (outputs);
  g_autoptr (Tensor) dx = tensor_new (inputs);
  g_autoptr (Tensor) dw = tensor_new (weight_floats (s));

  _simclr_convolution_set_weights (convolution, w);
  _simclr_convolution_forward (convolution, x, y, NULL, workspace);
  _simclr_convolution_backward_data (convolution, dy, dx, FALSE, workspace);
  _simclr_convolution_backward_weights (convolution, x, dy, dw, workspace);
  memcpy (results, y, outputs * sizeof (gfloat));
  memcpy (results + outputs, dx, inputs * sizeof (gfloat));
  memcpy (results + outputs + inputs, dw, weight_floats (s) * sizeof (gfloat));
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

  for (Maker maker = 0; maker < N_MAKERS; maker++) {
    for (guint threads = 1; threads <= 2; threads++) {
      g_autoptr (Tensor) first = NULL;

      for (guint attempt = 0; attempt < 4; attempt++) {
        g_autoptr (SimclrParallel) team = _simclr_parallel_new (threads);
        g_autoptr (SimclrConvolution) convolution =
            create (maker, SIMCLR_PRECISION_FLOAT32, &s, EVERY_USE, team);
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

  for (Maker maker = 0; maker < N_MAKERS; maker++) {
    g_autoptr (SimclrConvolution) used =
        create (maker, SIMCLR_PRECISION_FLOAT32, &s, EVERY_USE, NULL);
    g_autoptr (SimclrConvolution) fresh =
        used ? create (maker, SIMCLR_PRECISION_FLOAT32, &s, EVERY_USE, NULL) : NULL;
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

  for (Maker maker = 0; maker < N_MAKERS; maker++) {
    g_autoptr (SimclrConvolution) used =
        create (maker, SIMCLR_PRECISION_FLOAT32, &s, EVERY_USE, NULL);
    g_autoptr (SimclrConvolution) fresh =
        used ? create (maker, SIMCLR_PRECISION_FLOAT32, &s, EVERY_USE, NULL) : NULL;
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
  g_test_add_func ("/convolution/large-shapes", test_large_shapes);
  g_test_add_func ("/convolution/traps", test_traps);
  g_test_add_func ("/convolution/drawn-shapes", test_drawn_shapes);
  g_test_add_func ("/convolution/repeats-bit-for-bit", test_repeats_bit_for_bit);
  g_test_add_func ("/convolution/new-weights-replace-old-ones", test_new_weights_replace_old_ones);
  g_test_add_func ("/convolution/weights-changed-in-place", test_weights_changed_in_place);
  return g_test_run ();
}
