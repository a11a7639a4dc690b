/* The encoder's promises: repeatable, independent of history, and what it refuses it says.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/encoder-private.h>
#include <simclr/nn/projection-head-private.h>
#include <simclr/nn/weights-private.h>
#include <simclr/simclr-error.h>

#include "compare.h"

#define SIZE 16
#define FLOATS (SIZE * SIZE * 3)

static SimclrWeights *
new_weights (gdouble width, guint64 seed)
{
  g_autoptr (GError) error = NULL;
  SimclrWeights *weights = simclr_weights_new_random (
      SIMCLR_ARCHITECTURE_RESNET18, width, SIMCLR_STEM_CIFAR, SIZE, seed, &error);

  g_assert_no_error (error);
  return weights;
}

static SimclrEncoder *
new_encoder_of (SimclrWeights *weights, guint threads)
{
  g_autoptr (GError) error = NULL;
  SimclrEncoder *encoder =
      simclr_encoder_new (weights, SIMCLR_PROVIDER_AUTO, SIMCLR_PRECISION_FLOAT32, threads, &error);

  g_assert_no_error (error);
  return encoder;
}

static SimclrEncoder *
new_encoder (guint64 seed, guint threads)
{
  g_autoptr (SimclrWeights) weights = new_weights (0.125, seed);

  return new_encoder_of (weights, threads);
}

static Tensor *
new_pictures (guint n, guint64 stream)
{
  Tensor *pictures = tensor_new ((gsize) n * FLOATS);

  for (gsize i = 0; i < (gsize) n * FLOATS; i++)
    pictures[i] = (gfloat) _simclr_random_uniform (3, stream, i);
  return pictures;
}

static gsize
get_floats (SimclrEncoder *encoder, guint n)
{
  return (gsize) n * simclr_encoder_get_embedding_size (encoder, SIMCLR_OUTPUT_REPRESENTATION);
}

static Tensor *
encode (SimclrEncoder *encoder, const Tensor *pictures, guint n)
{
  g_autoptr (GError) error = NULL;
  Tensor *embeddings = tensor_new (get_floats (encoder, n));

  g_assert_true (simclr_encoder_encode (
      encoder, pictures, n, SIMCLR_OUTPUT_REPRESENTATION, embeddings, &error));
  g_assert_no_error (error);
  return embeddings;
}

static void
assert_same (const Tensor *a, const Tensor *b, gsize n)
{
  g_assert_cmpmem (a, n * sizeof (gfloat), b, n * sizeof (gfloat));
  for (gsize i = 0; i < n; i++)
    g_assert_true (isfinite (a[i]));
}

static SimclrForwardPass *
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
static Tensor *
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

static void
test_training_batch_size_changes (void)
{
  g_autoptr (SimclrEncoder) encoder = new_encoder (1, 2);
  g_autoptr (Tensor) views = new_pictures (12, 1);
  const guint sizes[] = {4, 12, 2, 12};

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_autoptr (SimclrEncoder) fresh = new_encoder (1, 2);
    gsize n;
    g_autoptr (Tensor) results = train (encoder, views, sizes[i], &n);
    g_autoptr (Tensor) truth = train (fresh, views, sizes[i], &n);

    assert_same (results, truth, n);
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

/* Training from weights set later is training from them at once. */
static void
test_new_weights_take_effect_in_training (void)
{
  g_autoptr (SimclrWeights) second = new_weights (0.125, 2);
  g_autoptr (SimclrEncoder) encoder = new_encoder (1, 2);
  g_autoptr (SimclrEncoder) of_second = new_encoder_of (second, 2);
  g_autoptr (Tensor) views = new_pictures (4, 1);
  g_autoptr (GError) error = NULL;
  gsize n;
  g_autoptr (Tensor) before = train (encoder, views, 4, &n);
  g_autoptr (Tensor) truth = train (of_second, views, 4, &n);
  g_autoptr (Tensor) results = NULL;

  g_assert_true (simclr_encoder_set_weights (encoder, second, &error));
  g_assert_no_error (error);
  results = train (encoder, views, 4, &n);
  assert_same (results, truth, n);
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

static void
test_one_pass_at_a_time (void)
{
  g_autoptr (SimclrEncoder) encoder = new_encoder (1, 2);
  g_autoptr (Tensor) views = new_pictures (4, 1);
  g_autoptr (SimclrForwardPass) pass = forward (encoder, views, 4);
  g_autoptr (SimclrForwardPass) second = NULL;
  g_autoptr (GError) error = NULL;

  second = simclr_encoder_forward (encoder, views, 4, &error);
  g_assert_null (second);
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_BUSY);
  g_assert_finalize_object (g_steal_pointer (&pass));
  second = forward (encoder, views, 4);
}

/* A pass that nobody wants, as in a flush, leaves no trace. */
static void
test_dropped_pass_leaves_no_trace (void)
{
  g_autoptr (SimclrEncoder) encoder = new_encoder (1, 2);
  g_autoptr (SimclrEncoder) fresh = new_encoder (1, 2);
  g_autoptr (Tensor) views = new_pictures (4, 1);
  g_autoptr (Tensor) others = new_pictures (4, 2);
  g_autoptr (SimclrForwardPass) dropped = forward (encoder, others, 4);
  g_autoptr (Tensor) results = NULL, truth = NULL, embedded = NULL, true_embedded = NULL;
  gsize n;

  g_clear_object (&dropped);
  results = train (encoder, views, 4, &n);
  truth = train (fresh, views, 4, &n);
  assert_same (results, truth, n);
  embedded = encode (encoder, views, 4);
  true_embedded = encode (fresh, views, 4);
  assert_same (embedded, true_embedded, get_floats (encoder, 4));
}

/* Embedding between forward and backward is refused or harmless. */
static void
test_encoding_during_a_pass (void)
{
  g_autoptr (SimclrEncoder) encoder = new_encoder (1, 2);
  g_autoptr (SimclrEncoder) fresh = new_encoder (1, 2);
  g_autoptr (Tensor) views = new_pictures (4, 1);
  g_autoptr (Tensor) others = new_pictures (7, 2);
  g_autoptr (Tensor) truth = NULL, embedded = encode (fresh, others, 7);
  g_autoptr (Tensor) embeddings = tensor_new (get_floats (encoder, 7));
  g_autoptr (Tensor) gradient = tensor_new_random (get_floats (encoder, 4), 9);
  g_autoptr (SimclrForwardPass) pass = forward (encoder, views, 4);
  const SimclrParameterSet *set = _simclr_encoder_get_parameters (encoder);
  g_autoptr (GError) error = NULL;
  gsize n, floats = get_floats (encoder, 4);

  if (simclr_encoder_encode (encoder, others, 7, SIMCLR_OUTPUT_REPRESENTATION, embeddings, &error))
    assert_same (embeddings, embedded, get_floats (encoder, 7));
  else
    g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_BUSY);
  g_clear_error (&error);
  g_assert_true (simclr_forward_pass_backward (pass, gradient, floats, &error));
  g_assert_no_error (error);
  truth = train (fresh, views, 4, &n);
  assert_same (set->gradients, truth + floats, n - floats);
}

static void
test_pass_outlives_the_callers_encoder (void)
{
  SimclrEncoder *encoder = new_encoder (1, 1);
  g_autoptr (Tensor) views = new_pictures (2, 1);
  gsize floats = get_floats (encoder, 2);
  g_autoptr (Tensor) gradient = tensor_new_random (floats, 9);
  SimclrForwardPass *pass = forward (encoder, views, 2);
  g_autoptr (GError) error = NULL;

  g_object_add_weak_pointer (G_OBJECT (encoder), (gpointer *) &encoder);
  g_object_unref (encoder);
  g_assert_true (simclr_forward_pass_backward (pass, gradient, floats, &error));
  g_assert_no_error (error);
  g_assert_finalize_object (pass);
  g_assert_null (encoder);
}

static void
test_backward_wants_its_gradient (void)
{
  g_autoptr (SimclrEncoder) encoder = new_encoder (1, 1);
  g_autoptr (Tensor) views = new_pictures (2, 1);
  gsize floats = get_floats (encoder, 2);
  g_autoptr (Tensor) gradient = tensor_new_random (floats + 1, 9);
  g_autoptr (SimclrForwardPass) pass = forward (encoder, views, 2);
  g_autoptr (GError) error = NULL;

  g_assert_false (simclr_forward_pass_backward (pass, gradient, floats + 1, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE);
  g_clear_error (&error);
  g_assert_false (simclr_forward_pass_backward (pass, gradient, floats - 1, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE);
  g_clear_error (&error);
  g_assert_true (simclr_forward_pass_backward (pass, gradient, floats, &error));
  g_assert_no_error (error);
  g_assert_false (simclr_forward_pass_backward (pass, gradient, floats, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_BUSY); /* its activations are used up */
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

/* A training batch of one bad view must show in the embeddings, so that the step can be skipped. */
static void
test_not_a_number_shows (void)
{
  g_autoptr (SimclrEncoder) encoder = new_encoder (1, 2);
  g_autoptr (Tensor) views = new_pictures (4, 1);
  g_autoptr (SimclrForwardPass) pass = NULL;
  const gfloat *embeddings;
  gboolean finite = TRUE;
  gsize n;

  views[2 * FLOATS + 100] = NAN;
  pass = forward (encoder, views, 4);
  embeddings = simclr_forward_pass_get_embeddings (pass, &n);
  for (gsize i = 0; i < n; i++)
    finite = finite && isfinite (embeddings[i]);
  g_assert_false (finite);
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

static void
test_more_memory_than_there_is (void)
{
  g_autoptr (SimclrEncoder) encoder = new_encoder (1, 1);
  g_autoptr (Tensor) views = new_pictures (2, 1);
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrForwardPass) pass =
      simclr_encoder_forward (encoder, views, G_MAXUINT - 1, &error);
  g_autoptr (SimclrForwardPass) small = NULL;
  g_autoptr (SimclrWeights) weights = new_weights (0.125, 2);

  g_assert_null (pass);
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MEMORY);
  g_clear_error (&error);
  g_assert_true (simclr_encoder_set_weights (encoder, weights, &error));
  g_assert_no_error (error);
  small = forward (encoder, views, 2);
}

/* Learned statistics are what embedding uses, from the commit on and not before. */
static void
test_commit_takes_up_the_statistics (void)
{
  g_autoptr (SimclrEncoder) encoder = new_encoder (1, 2);
  g_autoptr (Tensor) views = new_pictures (8, 1);
  g_autoptr (Tensor) before = encode (encoder, views, 2);
  g_autoptr (Tensor) between = NULL, after = NULL, fresh_after = NULL;
  g_autoptr (SimclrForwardPass) pass = forward (encoder, views, 8);
  g_autoptr (SimclrWeights) snapshot = NULL;
  g_autoptr (SimclrEncoder) fresh = NULL;
  gsize n = get_floats (encoder, 2);

  _simclr_encoder_commit (encoder, pass, 7);
  g_clear_object (&pass);
  snapshot = _simclr_encoder_snapshot (encoder);
  g_assert_cmpuint (simclr_weights_get_step (snapshot), ==, 7);
  fresh = new_encoder_of (snapshot, 2);
  after = encode (encoder, views, 2);
  fresh_after = encode (fresh, views, 2);
  assert_same (after, fresh_after, n);
  g_assert_cmpfloat (normalised_error_float (after, before, n), >, 1e-3);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/encoder/repeats-bit-for-bit", test_repeats_bit_for_bit);
  g_test_add_func ("/encoder/batch-size-changes", test_batch_size_changes);
  g_test_add_func ("/encoder/training-batch-size-changes", test_training_batch_size_changes);
  g_test_add_func ("/encoder/new-weights-take-effect", test_new_weights_take_effect);
  g_test_add_func ("/encoder/new-heads-take-effect", test_new_heads_take_effect);
  g_test_add_func (
      "/encoder/new-weights-take-effect-in-training", test_new_weights_take_effect_in_training);
  g_test_add_func (
      "/encoder/weights-of-another-shape-are-an-error", test_weights_of_another_shape_are_an_error);
  g_test_add_func ("/encoder/one-pass-at-a-time", test_one_pass_at_a_time);
  g_test_add_func ("/encoder/dropped-pass-leaves-no-trace", test_dropped_pass_leaves_no_trace);
  g_test_add_func ("/encoder/encoding-during-a-pass", test_encoding_during_a_pass);
  g_test_add_func (
      "/encoder/pass-outlives-the-callers-encoder", test_pass_outlives_the_callers_encoder);
  g_test_add_func ("/encoder/backward-wants-its-gradient", test_backward_wants_its_gradient);
  g_test_add_func ("/encoder/not-a-number-does-not-stay", test_not_a_number_does_not_stay);
  g_test_add_func ("/encoder/not-a-number-shows", test_not_a_number_shows);
  g_test_add_func (
      "/encoder/projection-without-head-is-an-error", test_projection_without_head_is_an_error);
  g_test_add_func ("/encoder/more-memory-than-there-is", test_more_memory_than_there_is);
  g_test_add_func ("/encoder/commit-takes-up-the-statistics", test_commit_takes_up_the_statistics);
  return g_test_run ();
}
