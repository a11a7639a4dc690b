/* Forward passes: one at a time, used once, dropped without a trace.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "encoder-run.h"

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

  _simclr_encoder_commit (encoder, 7);
  g_clear_object (&pass);
  snapshot = _simclr_encoder_snapshot (encoder);
  g_assert_cmpuint (simclr_weights_get_step (snapshot), ==, 7);
  fresh = new_encoder_of (snapshot, 2);
  after = encode (encoder, views, 2);
  fresh_after = encode (fresh, views, 2);
  assert_same (after, fresh_after, n);
  g_assert_cmpfloat (normalised_error_float (after, before, n), >, 1e-3);
}

/* A whole pass and an embedding at one size: everything that comes out is a number. */
static void
check_size (SimclrArchitecture architecture, SimclrStem stem, gdouble width, guint size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrWeights) weights =
      simclr_weights_new_random (architecture, width, stem, size, 1, &error);
  g_autoptr (SimclrEncoder) encoder = new_encoder_of (weights, 2);
  g_autoptr (Tensor) views = tensor_new_random ((gsize) 4 * size * size * 3, size);
  g_autoptr (SimclrForwardPass) pass = simclr_encoder_forward (encoder, views, 4, &error);
  const SimclrParameterSet *set = _simclr_encoder_get_parameters (encoder);
  gsize n = get_floats (encoder, 4);
  g_autoptr (Tensor) gradient = tensor_new_random (n, 9);
  g_autoptr (Tensor) embeddings = encode (encoder, views, 4);

  g_assert_no_error (error);
  g_assert_true (simclr_forward_pass_backward (pass, gradient, n, &error));
  for (gsize i = 0; i < n; i++)
    g_assert_true (isfinite (embeddings[i]));
  for (gsize i = 0; i < _simclr_parameters_get_floats (set->layout); i++)
    g_assert_true (isfinite (set->gradients[i]));
}

static void
test_any_input_size (void)
{
  const guint sizes[] = {1, 2, 3, 5, 8, 9, 33};

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    for (guint kind = 0; kind < 4; kind++)
      check_size (kind % 2 ? SIMCLR_ARCHITECTURE_RESNET50 : SIMCLR_ARCHITECTURE_RESNET18,
          kind / 2 ? SIMCLR_STEM_CIFAR : SIMCLR_STEM_IMAGENET, i % 2 ? 0.001 : 0.05, sizes[i]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_encoder_test ("/forward-pass/training-batch-size-changes", test_training_batch_size_changes);
  add_encoder_test ("/forward-pass/new-weights-take-effect-in-training",
      test_new_weights_take_effect_in_training);
  add_encoder_test ("/forward-pass/one-pass-at-a-time", test_one_pass_at_a_time);
  add_encoder_test (
      "/forward-pass/dropped-pass-leaves-no-trace", test_dropped_pass_leaves_no_trace);
  add_encoder_test ("/forward-pass/encoding-during-a-pass", test_encoding_during_a_pass);
  add_encoder_test (
      "/forward-pass/pass-outlives-the-callers-encoder", test_pass_outlives_the_callers_encoder);
  add_encoder_test ("/forward-pass/backward-wants-its-gradient", test_backward_wants_its_gradient);
  add_encoder_test ("/forward-pass/not-a-number-shows", test_not_a_number_shows);
  add_encoder_test ("/forward-pass/more-memory-than-there-is", test_more_memory_than_there_is);
  add_encoder_test (
      "/forward-pass/commit-takes-up-the-statistics", test_commit_takes_up_the_statistics);
  add_encoder_test ("/forward-pass/any-input-size", test_any_input_size);
  return g_test_run ();
}
