/* The encoder's promises: repeatable, independent of history, and what it refuses it says.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/projection-head-private.h>
#include <simclr/nn/weights-private.h>

#include "encoder-run.h"

static void
test_repeats_bit_for_bit (void)
{
  g_autoptr (Tensor) pictures = new_pictures (6, 1);

  for (guint threads = 1; threads <= 3; threads++) {
    g_autoptr (SimclrEncoder) a = new_encoder (1, threads);
    g_autoptr (SimclrEncoder) b = new_encoder (1, threads);
    gsize n;
    g_autoptr (Tensor) embedded_a = encode (a, pictures, 6);
    g_autoptr (Tensor) embedded_b = encode (b, pictures, 6);
    g_autoptr (Tensor) trained_a = train (a, pictures, 6, &n);
    g_autoptr (Tensor) trained_b = train (b, pictures, 6, &n);
    g_autoptr (Tensor) again = train (a, pictures, 6, &n);

    assert_same (embedded_a, embedded_b, get_floats (a, 6));
    assert_same (trained_a, trained_b, n);
    assert_same (again, trained_a, n);
  }
}

/* Alone or in a batch, a picture's embedding is the same; the batch may change from call to call. */
static void
test_batch_size_changes (void)
{
  g_autoptr (SimclrEncoder) encoder = new_encoder (1, 2);
  g_autoptr (Tensor) pictures = new_pictures (9, 1);
  g_autoptr (Tensor) truth = encode (encoder, pictures, 9);
  const guint sizes[] = {1, 4, 9, 2, 1, 8};

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_autoptr (Tensor) embeddings = encode (encoder, pictures, sizes[i]);
    gsize n = get_floats (encoder, sizes[i]);

    g_assert_cmpfloat (normalised_error_float (embeddings, truth, n), <, 1e-5);
  }
}

/* Pictures so large that a batch of them goes through the network in parts. */
static void
test_large_pictures_in_a_batch (void)
{
  const gsize size = 256, floats = size * size * 3;
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrWeights) weights = simclr_weights_new_random (
      SIMCLR_ARCHITECTURE_RESNET18, 0.125, SIMCLR_STEM_CIFAR, (guint) size, 1, &error);
  g_autoptr (SimclrEncoder) encoder = new_encoder_of (weights, 2);
  g_autoptr (Tensor) pictures = tensor_new (8 * floats);
  g_autoptr (Tensor) together = NULL;

  for (gsize i = 0; i < 8 * floats; i++)
    pictures[i] = (gfloat) _simclr_random_uniform (3, 1, i);
  together = encode (encoder, pictures, 8);
  for (guint i = 0; i < 8; i++) {
    g_autoptr (Tensor) alone = encode (encoder, pictures + i * floats, 1);

    g_assert_cmpfloat (
        normalised_error_float (together + get_floats (encoder, i), alone, get_floats (encoder, 1)),
        <, precision == SIMCLR_PRECISION_FLOAT32 ? 1e-5 : 1e-2);
  }
}

static void
test_new_weights_take_effect (void)
{
  g_autoptr (SimclrWeights) first = new_weights (0.125, 1);
  g_autoptr (SimclrWeights) second = new_weights (0.125, 2);
  g_autoptr (SimclrEncoder) encoder = new_encoder_of (first, 2);
  g_autoptr (SimclrEncoder) of_second = new_encoder_of (second, 2);
  g_autoptr (Tensor) pictures = new_pictures (3, 1);
  g_autoptr (Tensor) before = encode (encoder, pictures, 3);
  g_autoptr (Tensor) truth = encode (of_second, pictures, 3);
  gsize n = get_floats (encoder, 3);
  g_autoptr (Tensor) swapped = NULL, back = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (simclr_encoder_set_weights (encoder, second, &error));
  g_assert_no_error (error);
  swapped = encode (encoder, pictures, 3);
  assert_same (swapped, truth, n);
  g_assert_true (simclr_encoder_set_weights (encoder, first, &error));
  back = encode (encoder, pictures, 3);
  assert_same (back, before, n);
  g_assert_cmpint (memcmp (before, truth, n * sizeof (gfloat)), !=, 0);
}

/* Weights with a head of their own. */
static SimclrWeights *
new_weights_with_head (guint64 seed)
{
  g_autoptr (GError) error = NULL;
  SimclrWeights *weights = new_weights (0.125, seed);
  guint size = simclr_weights_get_embedding_size (weights, SIMCLR_OUTPUT_REPRESENTATION);
  g_autoptr (SimclrProjectionHead) head = _simclr_projection_head_new (2, size, 0, 8, seed, &error);
  const SimclrParameterSet *set = _simclr_projection_head_get_parameters (head);

  g_assert_no_error (error);
  _simclr_weights_set_head (weights, _simclr_parameters_ref (set->layout), set->values,
      _simclr_parameters_ref (_simclr_projection_head_get_statistics_layout (head)),
      _simclr_projection_head_get_statistics (head));
  return weights;
}

static void
test_new_heads_take_effect (void)
{
  g_autoptr (SimclrWeights) first = new_weights_with_head (1);
  g_autoptr (SimclrWeights) second = new_weights_with_head (2);
  g_autoptr (SimclrEncoder) encoder = new_encoder_of (first, 1);
  g_autoptr (SimclrEncoder) of_second = new_encoder_of (second, 1);
  g_autoptr (Tensor) pictures = new_pictures (3, 1);
  g_autoptr (Tensor) z = tensor_new (3 * 8);
  g_autoptr (Tensor) truth = tensor_new (3 * 8);
  g_autoptr (GError) error = NULL;

  simclr_encoder_encode (encoder, pictures, 3, SIMCLR_OUTPUT_PROJECTION, z, &error);
  g_assert_no_error (error);
  simclr_encoder_encode (of_second, pictures, 3, SIMCLR_OUTPUT_PROJECTION, truth, &error);
  g_assert_no_error (error);
  g_assert_cmpint (memcmp (z, truth, 3 * 8 * sizeof (gfloat)), !=, 0);
  g_assert_true (simclr_encoder_set_weights (encoder, second, &error));
  simclr_encoder_encode (encoder, pictures, 3, SIMCLR_OUTPUT_PROJECTION, z, &error);
  g_assert_no_error (error);
  assert_same (z, truth, 3 * 8);
}

static void
test_weights_of_another_shape_are_an_error (void)
{
  g_autoptr (SimclrEncoder) encoder = new_encoder (1, 1);
  g_autoptr (Tensor) pictures = new_pictures (2, 1);
  g_autoptr (Tensor) before = encode (encoder, pictures, 2);
  g_autoptr (Tensor) after = NULL;
  g_autoptr (SimclrWeights) wider = new_weights (0.25, 1);
  g_autoptr (SimclrWeights) deeper = NULL;
  g_autoptr (GError) error = NULL;

  deeper = simclr_weights_new_random (
      SIMCLR_ARCHITECTURE_RESNET34, 0.125, SIMCLR_STEM_CIFAR, SIZE, 1, &error);
  g_assert_no_error (error);
  g_assert_false (simclr_encoder_set_weights (encoder, wider, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH);
  g_clear_error (&error);
  g_assert_false (simclr_encoder_set_weights (encoder, deeper, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH);

  after = encode (encoder, pictures, 2);
  assert_same (after, before, get_floats (encoder, 2));
}

/* Not-a-number in, not-a-number or anything else out, but the next picture is untouched. */
static void
test_not_a_number_does_not_stay (void)
{
  g_autoptr (SimclrEncoder) encoder = new_encoder (1, 2);
  g_autoptr (SimclrEncoder) fresh = new_encoder (1, 2);
  g_autoptr (Tensor) pictures = new_pictures (4, 1);
  g_autoptr (Tensor) poison = tensor_new (4 * FLOATS); /* all NaN */
  g_autoptr (Tensor) before = encode (encoder, pictures, 4);
  g_autoptr (Tensor) poisoned = encode (encoder, poison, 4);
  g_autoptr (Tensor) after = encode (encoder, pictures, 4);
  g_autoptr (Tensor) trained_poison = NULL, results = NULL, truth = NULL;
  gsize n;

  assert_same (after, before, get_floats (encoder, 4));
  trained_poison = train (encoder, poison, 4, &n);
  results = train (encoder, pictures, 4, &n);
  truth = train (fresh, pictures, 4, &n);
  assert_same (results, truth, n);
  (void) poisoned;
}

static void
test_projection_without_head_is_an_error (void)
{
  g_autoptr (SimclrEncoder) encoder = new_encoder (1, 1);
  g_autoptr (Tensor) pictures = new_pictures (1, 1);
  gfloat embeddings[512];
  g_autoptr (GError) error = NULL;

  g_assert_false (
      simclr_encoder_encode (encoder, pictures, 1, SIMCLR_OUTPUT_PROJECTION, embeddings, &error));
  g_assert_true (error != NULL && error->domain == SIMCLR_ERROR);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_encoder_test ("/encoder/repeats-bit-for-bit", test_repeats_bit_for_bit);
  add_encoder_test ("/encoder/batch-size-changes", test_batch_size_changes);
  add_encoder_test ("/encoder/large-pictures-in-a-batch", test_large_pictures_in_a_batch);
  add_encoder_test ("/encoder/new-weights-take-effect", test_new_weights_take_effect);
  add_encoder_test ("/encoder/new-heads-take-effect", test_new_heads_take_effect);
  add_encoder_test (
      "/encoder/weights-of-another-shape-are-an-error", test_weights_of_another_shape_are_an_error);
  add_encoder_test ("/encoder/not-a-number-does-not-stay", test_not_a_number_does_not_stay);
  add_encoder_test (
      "/encoder/projection-without-head-is-an-error", test_projection_without_head_is_an_error);
  return g_test_run ();
}
