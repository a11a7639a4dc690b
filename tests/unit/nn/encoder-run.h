/* A small encoder, for the tests of embedding and of forward passes.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/nn/encoder-private.h>
#include <simclr/simclr-error.h>

#include "compare.h"

/* Of the test that runs: each runs with both. */
static SimclrPrecision precision;

#define SIZE 16
#define FLOATS (SIZE * SIZE * 3)

static inline SimclrWeights *
new_weights (gdouble width, guint64 seed)
{
  g_autoptr (GError) error = NULL;
  SimclrWeights *weights = simclr_weights_new_random (
      SIMCLR_ARCHITECTURE_RESNET18, width, SIMCLR_STEM_CIFAR, SIZE, seed, &error);

  g_assert_no_error (error);
  return weights;
}

static inline SimclrEncoder *
new_encoder_of (SimclrWeights *weights, guint threads)
{
  g_autoptr (GError) error = NULL;
  SimclrEncoder *encoder =
      simclr_encoder_new (weights, SIMCLR_PROVIDER_AUTO, precision, threads, &error);

  g_assert_no_error (error);
  return encoder;
}

static inline SimclrEncoder *
new_encoder (guint64 seed, guint threads)
{
  g_autoptr (SimclrWeights) weights = new_weights (0.125, seed);

  return new_encoder_of (weights, threads);
}

static inline Tensor *
new_pictures (guint n, guint64 stream)
{
  Tensor *pictures = tensor_new ((gsize) n * FLOATS);

  for (gsize i = 0; i < (gsize) n * FLOATS; i++)
    pictures[i] = (gfloat) _simclr_random_uniform (3, stream, i);
  return pictures;
}

static inline gsize
get_floats (SimclrEncoder *encoder, guint n)
{
  return (gsize) n * simclr_encoder_get_embedding_size (encoder, SIMCLR_OUTPUT_REPRESENTATION);
}

static inline Tensor *
encode (SimclrEncoder *encoder, const Tensor *pictures, guint n)
{
  g_autoptr (GError) error = NULL;
  Tensor *embeddings = tensor_new (get_floats (encoder, n));

  g_assert_true (simclr_encoder_encode (
      encoder, pictures, n, SIMCLR_OUTPUT_REPRESENTATION, embeddings, &error));
  g_assert_no_error (error);
  return embeddings;
}

static inline void
assert_same (const Tensor *a, const Tensor *b, gsize n)
{
  g_assert_cmpmem (a, n * sizeof (gfloat), b, n * sizeof (gfloat));
  for (gsize i = 0; i < n; i++)
    g_assert_true (isfinite (a[i]));
}

static inline SimclrForwardPass *
forward (SimclrEncoder *encoder, const Tensor *views, guint n)
{
  g_autoptr (GError) error = NULL;
  SimclrForwardPass *pass = simclr_encoder_forward (encoder, views, n, &error);
  gsize n_floats = 0;

  g_assert_no_error (error);
  g_assert_cmpuint (simclr_forward_pass_get_n_views (pass), ==, n);
  g_assert_true (simclr_forward_pass_get_encoder (pass) == encoder);
  g_assert_nonnull (simclr_forward_pass_get_embeddings (pass, &n_floats));
  g_assert_cmpuint (n_floats, ==, get_floats (encoder, n));
  return pass;
}

/* Embeddings and all gradients of a training pass, the gradient from above being drawn. */
static inline Tensor *
train (SimclrEncoder *encoder, const Tensor *views, guint n, gsize *n_results)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrForwardPass) pass = forward (encoder, views, n);
  const SimclrParameterSet *set = _simclr_encoder_get_parameters (encoder);
  gsize parameters = _simclr_parameters_get_floats (set->layout), floats = get_floats (encoder, n);
  g_autoptr (Tensor) gradient = tensor_new_random (floats, 9);
  Tensor *results = tensor_new (floats + parameters);

  memcpy (results, simclr_forward_pass_get_embeddings (pass, &floats), floats * sizeof (gfloat));
  g_assert_true (simclr_forward_pass_backward (pass, gradient, floats, &error));
  g_assert_no_error (error);
  memcpy (results + floats, set->gradients, parameters * sizeof (gfloat));
  *n_results = floats + parameters;
  return results;
}

/* A test that runs in both formats. */
typedef void (*EncoderTest) (void);

static inline void
run_in_float32 (gconstpointer test)
{
  precision = SIMCLR_PRECISION_FLOAT32;
  ((EncoderTest) test) ();
}

static inline void
run_in_bfloat16 (gconstpointer test)
{
  precision = SIMCLR_PRECISION_BFLOAT16;
  ((EncoderTest) test) ();
}

static inline void
add_encoder_test (const gchar *path, EncoderTest test)
{
  g_autofree gchar *in_float32 = g_strconcat (path, "/float32", NULL);
  g_autofree gchar *in_bfloat16 = g_strconcat (path, "/bfloat16", NULL);

  g_test_add_data_func (in_float32, test, run_in_float32);
  g_test_add_data_func (in_bfloat16, test, run_in_bfloat16);
}
