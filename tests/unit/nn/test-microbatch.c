/* A batch in microbatches: the loss and its gradient are the whole batch's.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/loss/loss-private.h>
#include <simclr/nn/weights-private.h>
#include <simclr/train/trainer.h>

#include "encoder-run.h"

#define PAIRS 10
#define VIEWS (2 * PAIRS)

/* NT-Xent on the representations themselves; returns the loss, and the gradient of every weight. */
static gdouble
differentiate (SimclrEncoder *encoder, const gfloat *views, guint n_views, Tensor **gradient)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrForwardPass) pass = simclr_encoder_forward (encoder, views, n_views, &error);
  const SimclrLossSettings settings = {SIMCLR_LOSS_NT_XENT, 0.5};
  SimclrLossBatch batch = {.rows = n_views};
  SimclrLossResult result;
  gsize floats;

  g_assert_no_error (error);
  batch.z = simclr_forward_pass_get_embeddings (pass, &floats);
  batch.columns = floats / n_views;
  {
    g_autoptr (Tensor) dh = tensor_new (floats);
    g_autoptr (Tensor) scratch = tensor_new (_simclr_loss_get_scratch (1, n_views, batch.columns));

    _simclr_loss (NULL, &settings, &batch, dh, &result, scratch);
    simclr_forward_pass_backward (pass, dh, floats, &error);
    g_assert_no_error (error);
  }
  if (gradient != NULL) {
    const SimclrParameterSet *set = _simclr_encoder_get_parameters (encoder);
    gsize count = _simclr_parameters_get_floats (set->layout);

    *gradient = tensor_new (count);
    memcpy (*gradient, set->gradients, count * sizeof (gfloat));
  }
  return result.loss;
}

static gsize
count_values (SimclrEncoder *encoder)
{
  return _simclr_parameters_get_floats (_simclr_encoder_get_parameters (encoder)->layout);
}

/* Running statistics that are not 0 and 1. */
static SimclrEncoder *
new_frozen_encoder (void)
{
  SimclrEncoder *encoder = new_encoder (7, 2);
  g_autoptr (Tensor) views = new_pictures (VIEWS, 50);

  for (guint i = 0; i < 5; i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (SimclrForwardPass) pass = simclr_encoder_forward (encoder, views, VIEWS, &error);

    g_assert_no_error (error);
    _simclr_encoder_commit (encoder, i);
  }
  _simclr_encoder_set_frozen (encoder, TRUE);
  return encoder;
}

/* With statistics that stay, the parts of a batch know nothing of each other, and it makes no difference
 * where it is cut: evenly or not. */
static void
test_frozen_is_the_whole_batch (void)
{
  g_autoptr (SimclrEncoder) encoder = new_frozen_encoder ();
  g_autoptr (Tensor) views = new_pictures (VIEWS, 51);
  g_autoptr (Tensor) whole = NULL;
  const gdouble tolerance = precision == SIMCLR_PRECISION_BFLOAT16 ? 2e-2 : 1e-5;
  gdouble loss = differentiate (encoder, views, VIEWS, &whole);

  for (guint pairs = 1; pairs <= PAIRS + 1; pairs++) {
    g_autoptr (Tensor) gradient = NULL;
    gdouble error;

    simclr_encoder_set_microbatch_size (encoder, pairs);
    g_assert_cmpfloat_with_epsilon (
        differentiate (encoder, views, VIEWS, &gradient), loss, tolerance);
    error = normalised_error_float (gradient, whole, count_values (encoder));
    g_test_message ("%u pairs at a time: %g apart", pairs, error);
    g_assert_cmpfloat (error, <, tolerance);
  }
}

/* Microbatches that are all alike have the statistics of the whole. */
static void
test_alike_parts_are_the_whole_batch (void)
{
  g_autoptr (SimclrEncoder) encoder = new_encoder (7, 2);
  g_autoptr (Tensor) views = new_pictures (3 * 8, 52);
  g_autoptr (Tensor) whole = NULL, gradient = NULL;
  const gdouble tolerance = precision == SIMCLR_PRECISION_BFLOAT16 ? 5e-2 : 1e-4;
  gdouble loss;

  for (guint copy = 1; copy < 3; copy++)
    memcpy (views + copy * 8 * FLOATS, views, 8 * FLOATS * sizeof (gfloat));
  loss = differentiate (encoder, views, 3 * 8, &whole);
  simclr_encoder_set_microbatch_size (encoder, 4);
  g_assert_cmpfloat_with_epsilon (
      differentiate (encoder, views, 3 * 8, &gradient), loss, tolerance);
  g_assert_cmpfloat (
      normalised_error_float (gradient, whole, count_values (encoder)), <, tolerance);
}

static gdouble
loss_at (SimclrEncoder *encoder, SimclrWeights *weights, const gfloat *views,
    const gfloat *gradient, gdouble step)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrWeights) moved = _simclr_weights_new (
      weights->architecture, weights->width, weights->stem, weights->input_size, &error);

  memcpy (moved->statistics, weights->statistics,
      _simclr_parameters_get_floats (weights->statistics_layout) * sizeof (gfloat));
  for (gsize i = 0; i < _simclr_parameters_get_floats (weights->layout); i++)
    moved->values[i] = (gfloat) (weights->values[i] + step * gradient[i]);
  simclr_encoder_set_weights (encoder, moved, &error);
  g_assert_no_error (error);
  return differentiate (encoder, views, VIEWS, NULL);
}

/* With each part's own statistics it is the gradient of the loss of just that. */
static void
test_gradient_is_the_difference (void)
{
  g_autoptr (SimclrEncoder) encoder = new_encoder (7, 2);
  g_autoptr (SimclrWeights) weights = simclr_encoder_get_weights (encoder);
  g_autoptr (Tensor) views = new_pictures (VIEWS, 53);
  g_autoptr (Tensor) gradient = NULL;
  gdouble square = 0, slope, step;

  if (precision == SIMCLR_PRECISION_BFLOAT16) {
    g_test_skip ("too coarse for differences");
    return;
  }
  simclr_encoder_set_microbatch_size (encoder, 3);
  differentiate (encoder, views, VIEWS, &gradient);
  for (gsize i = 0; i < count_values (encoder); i++)
    square += (gdouble) gradient[i] * gradient[i];
  step = 3e-3 / sqrt (square);
  slope = (loss_at (encoder, weights, views, gradient, step) -
              loss_at (encoder, weights, views, gradient, -step)) /
          (2 * step);
  g_test_message ("%g, by differences %g", square, slope);
  g_assert_cmpfloat_with_epsilon (slope, square, 2e-2 * square);
}

/* Once for each microbatch, in order, and not again when it is computed for the second time. */
static void
test_running_statistics_see_each_part_once (void)
{
  g_autoptr (SimclrEncoder) parts = new_encoder (7, 2), one_by_one = new_encoder (7, 2);
  g_autoptr (Tensor) views = new_pictures (12, 54);
  g_autoptr (SimclrWeights) a = NULL, b = NULL, before = NULL;
  g_autoptr (GError) error = NULL;
  gsize bytes;

  simclr_encoder_set_microbatch_size (parts, 2);
  differentiate (parts, views, 12, NULL); /* a pass that is dropped leaves no trace */
  before = simclr_encoder_get_weights (parts);
  {
    g_autoptr (SimclrForwardPass) pass = simclr_encoder_forward (parts, views, 12, &error);
    gsize floats;
    g_autoptr (Tensor) gradient = NULL;

    g_assert_no_error (error);
    simclr_forward_pass_get_embeddings (pass, &floats);
    gradient = tensor_new (floats);
    memset (gradient, 0, floats * sizeof (gfloat));
    simclr_forward_pass_backward (pass, gradient, floats, &error);
    g_assert_no_error (error);
    _simclr_encoder_commit (parts, 1);
  }
  for (guint part = 0; part < 3; part++) {
    g_autoptr (SimclrForwardPass) pass =
        simclr_encoder_forward (one_by_one, views + part * 4 * FLOATS, 4, &error);

    g_assert_no_error (error);
    _simclr_encoder_commit (one_by_one, 1);
  }
  a = simclr_encoder_get_weights (parts);
  b = simclr_encoder_get_weights (one_by_one);
  bytes = _simclr_parameters_get_floats (a->statistics_layout) * sizeof (gfloat);
  g_assert_cmpmem (a->statistics, bytes, b->statistics, bytes);
  g_assert_cmpint (memcmp (a->statistics, before->statistics, bytes), !=, 0);
}

/* The whole of training: head, loss, optimizer. */
static void
test_step_is_the_whole_batch (void)
{
  g_autoptr (Tensor) views = new_pictures (VIEWS, 55);
  SimclrWeights *weights[2];
  gdouble loss[2];

  for (guint i = 0; i < 2; i++) {
    g_autoptr (SimclrEncoder) encoder = new_frozen_encoder ();
    g_autoptr (SimclrTrainer) trainer = simclr_trainer_new ();
    g_autoptr (SimclrForwardPass) pass = NULL;
    g_autoptr (GError) error = NULL;
    SimclrTrainingStatistics statistics;

    g_object_set (trainer, "optimizer", SIMCLR_OPTIMIZER_SGD, "learning-rate", 0.1,
        "learning-rate-scaling", SIMCLR_LEARNING_RATE_SCALING_NONE, NULL);
    simclr_encoder_set_microbatch_size (encoder, i * 4);
    pass = simclr_encoder_forward (encoder, views, VIEWS, &error);
    g_assert_no_error (error);
    g_assert_true (simclr_trainer_step (trainer, pass, &statistics, &error));
    g_assert_no_error (error);
    loss[i] = statistics.loss;
    weights[i] = simclr_trainer_get_weights (trainer);
  }
  g_assert_cmpfloat_with_epsilon (
      loss[0], loss[1], precision == SIMCLR_PRECISION_BFLOAT16 ? 2e-2 : 1e-5);
  g_assert_cmpfloat (normalised_error_float (weights[0]->values, weights[1]->values,
                         _simclr_parameters_get_floats (weights[0]->layout)),
      <, precision == SIMCLR_PRECISION_BFLOAT16 ? 1e-3 : 1e-6);
  simclr_weights_unref (weights[0]);
  simclr_weights_unref (weights[1]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_encoder_test ("/microbatch/frozen-is-the-whole-batch", test_frozen_is_the_whole_batch);
  add_encoder_test (
      "/microbatch/alike-parts-are-the-whole-batch", test_alike_parts_are_the_whole_batch);
  add_encoder_test ("/microbatch/gradient-is-the-difference", test_gradient_is_the_difference);
  add_encoder_test ("/microbatch/running-statistics-see-each-part-once",
      test_running_statistics_see_each_part_once);
  add_encoder_test ("/microbatch/step-is-the-whole-batch", test_step_is_the_whole_batch);
  return g_test_run ();
}
