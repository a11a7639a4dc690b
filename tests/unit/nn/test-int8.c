/* Embedding in bytes: convolutions against integer arithmetic, networks against floats, and calibration.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/convolution-int8-private.h>
#include <simclr/nn/quantization-private.h>

#include "encoder-run.h"

/* A network of random weights is less forgiving than a trained one: 0.02 was seen with those. */
#define TOLERANCE 0.04

/* images, height, width, in, out, kernel, stride, padding: blocks of ResNets in small, remainders of vectors,
 * one pixel, and few pixels with many channels, which threads share. */
static const SimclrConvolutionShape shapes[] = {
    {1, 1, 1, 1, 1, 1, 1, 0},
    {2, 8, 8, 16, 32, 3, 2, 1},
    {2, 8, 8, 16, 32, 1, 2, 0},
    {3, 7, 7, 64, 70, 1, 1, 0},
    {5, 13, 11, 6, 10, 3, 1, 1},
    {1, 7, 7, 20, 260, 3, 1, 1},
    {1, 6, 7, 40, 200, 1, 1, 0},
    {2, 14, 14, 128, 64, 1, 1, 0},
    {1, 9, 9, 130, 66, 3, 1, 1},
    {3, 2, 2, 3, 5, 3, 1, 1},
};

static gboolean
is_missing (void)
{
  g_autoptr (GError) error = NULL;

  if (_simclr_int8_check (&error))
    return FALSE;
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_UNSUPPORTED);
  g_test_skip (error->message);
  return TRUE;
}

/* What a case starts from: bytes in memory as the library's, weights and biases as floats. */
typedef struct
{
  const SimclrConvolutionShape *shape;
  SimclrInt8Scales scales;
  guint8 *x, *residual;
  gfloat *weights, *bias;
} Case;

static void
case_clear (Case *c)
{
  _simclr_aligned_free (c->x);
  _simclr_aligned_free (c->residual);
  g_free (c->weights);
  g_free (c->bias);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Case, case_clear)

static gsize
count_out (const SimclrConvolutionShape *s)
{
  return s->images * _simclr_convolution_out_height (s) * _simclr_convolution_out_width (s) *
         s->out;
}

static guint8 *
draw_bytes (gsize n, guint64 stream)
{
  guint8 *bytes = _simclr_aligned_alloc (n, NULL);

  for (gsize i = 0; i < n; i++)
    bytes[i] = (guint8) _simclr_random_below (11, stream, i, 256);
  return bytes;
}

/* choice: 0 plain, 1 ReLU, 2 ReLU and a residual without sign, 3 ReLU and one with a sign. */
static Case
draw_case (const SimclrConvolutionShape *s, guint choice, guint64 stream)
{
  const gsize depth = s->kernel * s->kernel * s->in;
  Case c = {.shape = s, .x = draw_bytes (s->images * s->height * s->width * s->in, stream)};

  c.scales = (SimclrInt8Scales){.x_scale = 0.02f,
      .y_scale = 0.03f * sqrtf ((gfloat) depth),
      .residual_scale = choice >= 2 ? 0.05f : 0,
      .residual_signed = choice == 3,
      .relu = choice > 0};
  c.residual = draw_bytes (count_out (s), stream + 1);
  c.weights = g_new (gfloat, s->out * depth);
  c.bias = g_new (gfloat, s->out);
  for (gsize i = 0; i < s->out * depth; i++)
    c.weights[i] = (gfloat) _simclr_random_normal (11, stream + 2, i);
  for (gsize o = 0; o < s->out; o++)
    c.bias[o] = (gfloat) (5 * _simclr_random_normal (11, stream + 3, o));
  return c;
}

/* The sum of products of whole numbers, and the step that the weights of an output channel were divided by. */
static gint64
sum_products (const Case *c, gsize image, gsize row, gsize column, gsize o, gdouble *step)
{
  const SimclrConvolutionShape *s = c->shape;
  const gfloat *weights = c->weights + o * s->kernel * s->kernel * s->in;
  gdouble largest = 0;
  gint64 sum = 0;

  for (gsize i = 0; i < s->kernel * s->kernel * s->in; i++)
    largest = MAX (largest, fabs ((gdouble) weights[i]));
  *step = (gdouble) ((gfloat) largest / 127);
  for (gsize tap = 0; tap < s->kernel * s->kernel; tap++) {
    gsize y = row * s->stride + tap / s->kernel, x = column * s->stride + tap % s->kernel;

    if (y < s->padding || x < s->padding || y - s->padding >= s->height ||
        x - s->padding >= s->width)
      continue;
    for (gsize i = 0; i < s->in; i++)
      sum += (gint64) nearbyintf (weights[tap * s->in + i] / (gfloat) *step) *
             c->x[((image * s->height + y - s->padding) * s->width + x - s->padding) * s->in + i];
  }
  return sum;
}

/* Value number i before it is rounded to a byte. */
static gdouble
define_value (const Case *c, gsize i)
{
  const SimclrConvolutionShape *s = c->shape;
  const gsize height = _simclr_convolution_out_height (s);
  const gsize width = _simclr_convolution_out_width (s), o = i % s->out, position = i / s->out;
  gdouble step, value;
  gint64 sum = sum_products (
      c, position / (height * width), position / width % height, position % width, o, &step);

  value = (gdouble) sum * c->scales.x_scale * step + c->bias[o];
  if (c->scales.residual_scale > 0)
    value += c->scales.residual_scale *
             (c->scales.residual_signed ? (gint8) c->residual[i] : c->residual[i]);
  value /= c->scales.y_scale;
  return c->scales.relu ? CLAMP (value, 0, 255) : CLAMP (value, -128, 127);
}

static void
check_case (const Case *c, guint threads, gboolean in_place)
{
  const gsize n = count_out (c->shape);
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrParallel) team = _simclr_parallel_new (threads);
  g_autoptr (SimclrInt8Convolution) convolution =
      _simclr_int8_convolution_new (c->shape, &c->scales, c->weights, c->bias, team, &error);
  guint8 *y = draw_bytes (n, 99), *workspace;

  g_assert_no_error (error);
  workspace = draw_bytes (_simclr_int8_convolution_get_workspace (convolution) + 64, 98);
  if (in_place)
    memcpy (y, c->residual, n);
  _simclr_int8_convolution_forward (convolution, c->x, y,
      c->scales.residual_scale == 0 ? NULL
      : in_place                    ? y
                                    : c->residual,
      workspace);
  for (gsize i = 0; i < n; i++) {
    gdouble made = c->scales.relu ? y[i] : (gint8) y[i];

    g_assert_cmpfloat (fabs (made - define_value (c, i)), <=, 0.51);
  }
  _simclr_aligned_free (y);
  _simclr_aligned_free (workspace);
}

static void
test_convolutions_are_those_of_integers (void)
{
  if (is_missing ())
    return;
  for (guint i = 0; i < G_N_ELEMENTS (shapes); i++) {
    for (guint choice = 0; choice < 4; choice++) {
      g_auto (Case) c = draw_case (&shapes[i], choice, 100 * i + 10 * choice);

      for (guint threads = 1; threads <= 3; threads++)
        check_case (&c, threads, threads == 2);
    }
  }
}

/* 1, 2, ... 20000 with a zero for each and two huge ones: all but one in ten thousand are below 19,996 or so,
 * as far as bfloat16 tells numbers apart. */
static void
test_range_leaves_the_largest_out (void)
{
  SimclrCalibration *calibration = _simclr_calibration_new (2);
  g_autofree gfloat *values = g_new0 (gfloat, 40002);

  for (gsize i = 0; i < 20000; i++)
    values[i] = (gfloat) (i + 1) * (i % 2 ? 1 : -1);
  values[40000] = 1e9f;
  values[40001] = NAN;
  _simclr_calibration_observe (calibration, 1, SIMCLR_PRECISION_FLOAT32, values, 40002);
  g_assert_cmpfloat (_simclr_calibration_get_range (calibration, 1), >, 19900);
  g_assert_cmpfloat (_simclr_calibration_get_range (calibration, 1), <, 20200);
  g_assert_cmpfloat (_simclr_calibration_get_range (calibration, 0), ==, 0);
  _simclr_calibration_free (calibration);
}

static SimclrEncoder *
new_int8 (SimclrWeights *weights, guint threads, guint frames)
{
  g_autoptr (GError) error = NULL;
  SimclrEncoder *encoder =
      simclr_encoder_new (weights, SIMCLR_PROVIDER_AUTO, SIMCLR_PRECISION_INT8, threads, &error);

  g_assert_no_error (error);
  g_assert_cmpint (simclr_encoder_get_precision (encoder), ==, SIMCLR_PRECISION_INT8);
  g_assert_cmpint (simclr_encoder_get_provider (encoder), ==, SIMCLR_PROVIDER_ONEDNN);
  simclr_encoder_set_calibration_frames (encoder, frames);
  return encoder;
}

/* Both stems, blocks of both kinds, with and without a projected shortcut. */
static void
check_network (SimclrArchitecture architecture, SimclrStem stem, guint size, guint n)
{
  const gsize floats = (gsize) n * size * size * 3;
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrWeights) weights =
      simclr_weights_new_random (architecture, 0.25, stem, size, 3, &error);
  g_autoptr (SimclrEncoder) exact =
      simclr_encoder_new (weights, SIMCLR_PROVIDER_AUTO, SIMCLR_PRECISION_FLOAT32, 2, &error);
  g_autoptr (SimclrEncoder) encoder = new_int8 (weights, 2, n);
  g_autoptr (Tensor) pictures = tensor_new (floats);
  g_autoptr (Tensor) truth = NULL, before = NULL, after = NULL;

  for (gsize i = 0; i < floats; i++)
    pictures[i] = (gfloat) _simclr_random_uniform (3, 1, i);
  truth = encode (exact, pictures, n);
  before = encode (encoder, pictures, n);
  g_assert_true (simclr_encoder_is_calibrated (encoder));
  after = encode (encoder, pictures, n);
  g_assert_cmpfloat (normalised_error_float (before, truth, get_floats (exact, n)), <, 0.01);
  g_assert_cmpfloat (normalised_error_float (after, truth, get_floats (exact, n)), <, TOLERANCE);
  g_assert_cmpfloat (normalised_error_float (after, before, get_floats (exact, n)), >, 0);
}

static void
test_networks_are_near_those_of_floats (void)
{
  if (is_missing ())
    return;
  check_network (SIMCLR_ARCHITECTURE_RESNET18, SIMCLR_STEM_CIFAR, 32, 4);
  check_network (SIMCLR_ARCHITECTURE_RESNET18, SIMCLR_STEM_IMAGENET, 64, 3);
  check_network (SIMCLR_ARCHITECTURE_RESNET50, SIMCLR_STEM_CIFAR, 16, 1);
  check_network (SIMCLR_ARCHITECTURE_RESNET50, SIMCLR_STEM_IMAGENET, 224, 4);
}

/* The same frames first: the same bytes; others: others. A batch may overshoot the count. */
static void
test_calibration_repeats (void)
{
  g_autoptr (SimclrWeights) weights = new_weights (0.125, 1);
  g_autoptr (Tensor) pictures = new_pictures (6, 1);
  g_autoptr (Tensor) dark = new_pictures (6, 1);

  if (is_missing ())
    return;
  for (gsize i = 0; i < 6 * FLOATS; i++)
    dark[i] *= 0.1f;
  for (guint threads = 1; threads <= 3; threads++) {
    SimclrEncoder *encoders[3];
    Tensor *embedded[3];

    for (guint i = 0; i < 3; i++) {
      g_autoptr (Tensor) first = NULL;

      encoders[i] = new_int8 (weights, threads, 5);
      first = encode (encoders[i], i == 2 ? dark : pictures, 3);
      g_assert_false (simclr_encoder_is_calibrated (encoders[i]));
      tensor_free (encode (encoders[i], (i == 2 ? dark : pictures) + 3 * FLOATS, 3));
      g_assert_true (simclr_encoder_is_calibrated (encoders[i]));
      embedded[i] = encode (encoders[i], pictures, 6);
    }
    assert_same (embedded[0], embedded[1], get_floats (encoders[0], 6));
    g_assert_cmpfloat (
        normalised_error_float (embedded[2], embedded[0], get_floats (encoders[0], 6)), >, 1e-3);
    for (guint i = 0; i < 3; i++) {
      tensor_free (embedded[i]);
      g_object_unref (encoders[i]);
    }
  }
}

static void
test_new_weights_calibrate_again (void)
{
  g_autoptr (SimclrWeights) first = new_weights (0.125, 1);
  g_autoptr (SimclrWeights) second = new_weights (0.125, 2);
  g_autoptr (Tensor) pictures = new_pictures (2, 1);
  g_autoptr (SimclrEncoder) encoder = NULL, fresh = NULL;
  g_autoptr (GError) error = NULL;

  if (is_missing ())
    return;
  encoder = new_int8 (first, 2, 2);
  fresh = new_int8 (second, 2, 2);
  tensor_free (encode (encoder, pictures, 2));
  tensor_free (encode (encoder, pictures, 2));
  g_assert_true (simclr_encoder_set_weights (encoder, second, &error));
  g_assert_false (simclr_encoder_is_calibrated (encoder));
  for (guint call = 0; call < 2; call++) {
    g_autoptr (Tensor) embedded = encode (encoder, pictures, 2);
    g_autoptr (Tensor) expected = encode (fresh, pictures, 2);

    assert_same (embedded, expected, get_floats (encoder, 2));
  }
}

static void
test_training_is_an_error (void)
{
  g_autoptr (SimclrWeights) weights = new_weights (0.125, 1);
  g_autoptr (Tensor) views = new_pictures (2, 1);
  g_autoptr (SimclrEncoder) encoder = NULL;
  g_autoptr (GError) error = NULL;

  if (is_missing ())
    return;
  encoder = new_int8 (weights, 1, 1);
  g_assert_null (simclr_encoder_forward (encoder, views, 2, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, "precision int8"));
}

static void
test_openblas_does_not_have_it (void)
{
  g_autoptr (SimclrWeights) weights = new_weights (0.125, 1);
  g_autoptr (GError) error = NULL;

  g_assert_null (
      simclr_encoder_new (weights, SIMCLR_PROVIDER_OPENBLAS, SIMCLR_PRECISION_INT8, 1, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, "int8"));
}

static void
test_auto_never_chooses_it (void)
{
  const SimclrProvider providers[] = {SIMCLR_PROVIDER_AUTO, SIMCLR_PROVIDER_OPENBLAS};
  g_autoptr (SimclrWeights) weights = new_weights (0.125, 1);

  for (guint i = 0; i < G_N_ELEMENTS (providers); i++) {
    g_autoptr (SimclrEncoder) encoder =
        simclr_encoder_new (weights, providers[i], SIMCLR_PRECISION_AUTO, 1, NULL);

    g_assert_cmpint (simclr_encoder_get_precision (encoder), !=, SIMCLR_PRECISION_INT8);
    g_assert_false (simclr_encoder_is_calibrated (encoder));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/int8/convolutions", test_convolutions_are_those_of_integers);
  g_test_add_func ("/int8/range", test_range_leaves_the_largest_out);
  g_test_add_func ("/int8/networks", test_networks_are_near_those_of_floats);
  g_test_add_func ("/int8/calibration-repeats", test_calibration_repeats);
  g_test_add_func ("/int8/new-weights", test_new_weights_calibrate_again);
  g_test_add_func ("/int8/training", test_training_is_an_error);
  g_test_add_func ("/int8/openblas", test_openblas_does_not_have_it);
  g_test_add_func ("/int8/auto", test_auto_never_chooses_it);
  return g_test_run ();
}
