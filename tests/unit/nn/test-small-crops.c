/* Small crops beside a batch's views: the same weights, and the sum of both gradients.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/weights-private.h>
#include <simclr/train/trainer.h>

#include "encoder-run.h"

#define PAIRS 6
#define VIEWS (2 * PAIRS)
#define PER_PAIR 3
#define CROPS (PAIRS * PER_PAIR)
#define CROP_SIZE 8
#define CROP_FLOATS (3 * CROP_SIZE * CROP_SIZE)

static Tensor *
new_crops (guint64 stream)
{
  Tensor *crops = tensor_new (CROPS * CROP_FLOATS);

  for (gsize i = 0; i < CROPS * CROP_FLOATS; i++)
    crops[i] = (gfloat) _simclr_random_uniform (4, stream, i);
  return crops;
}

static SimclrForwardPass *
forward_crops (SimclrEncoder *encoder, const Tensor *views, const Tensor *crops)
{
  g_autoptr (GError) error = NULL;
  SimclrForwardPass *pass =
      simclr_encoder_forward_crops (encoder, views, VIEWS, crops, PER_PAIR, CROP_SIZE, &error);
  gsize floats;

  g_assert_no_error (error);
  g_assert_cmpuint (simclr_forward_pass_get_n_views (pass), ==, VIEWS);
  g_assert_cmpuint (simclr_forward_pass_get_crops_per_pair (pass), ==, PER_PAIR);
  g_assert_nonnull (simclr_forward_pass_get_embeddings (pass, &floats));
  g_assert_cmpuint (floats, ==, get_floats (encoder, VIEWS + CROPS));
  return pass;
}

/* Embeddings, gradients and the statistics after the step. */
static void
run (SimclrEncoder *encoder, SimclrForwardPass *pass, const Tensor *gradient, Tensor *embeddings,
    Tensor *gradients, Tensor *statistics)
{
  const SimclrParameterSet *set = _simclr_encoder_get_parameters (encoder);
  g_autoptr (SimclrWeights) after = NULL;
  g_autoptr (GError) error = NULL;
  gsize floats;
  const gfloat *h = simclr_forward_pass_get_embeddings (pass, &floats);

  memcpy (embeddings, h, floats * sizeof (gfloat));
  g_assert_true (simclr_forward_pass_backward (pass, gradient, floats, &error));
  g_assert_no_error (error);
  memcpy (gradients, set->gradients, _simclr_parameters_get_floats (set->layout) * sizeof (gfloat));
  _simclr_encoder_commit (encoder, 1);
  after = simclr_encoder_get_weights (encoder);
  memcpy (statistics, after->statistics,
      _simclr_parameters_get_floats (after->statistics_layout) * sizeof (gfloat));
}

/* The same weights for pictures of another size. */
static SimclrEncoder *
new_encoder_for_crops (SimclrWeights *weights)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrWeights) adapted =
      simclr_weights_adapt (weights, CROP_SIZE, SIMCLR_NORMALIZATION_AUTO, &error);

  g_assert_no_error (error);
  return new_encoder_of (adapted, 2);
}

/* What two encoders make of views and of crops, one of them of both: embeddings row by row, and the sum of the
 * gradients. */
static void
test_is_both_together (void)
{
  g_autoptr (SimclrWeights) weights = new_weights (0.125, 7);
  g_autoptr (SimclrEncoder) together = new_encoder_of (weights, 2);
  g_autoptr (SimclrEncoder) of_views = new_encoder_of (weights, 2);
  g_autoptr (SimclrEncoder) of_crops = new_encoder_for_crops (weights);
  g_autoptr (Tensor) views = new_pictures (VIEWS, 60), crops = new_crops (61);
  const gsize rows = get_floats (together, VIEWS), all = get_floats (together, VIEWS + CROPS);
  const gsize values = _simclr_parameters_get_floats (weights->layout);
  const gsize statistics = _simclr_parameters_get_floats (weights->statistics_layout);
  g_autoptr (Tensor) gradient = tensor_new_random (all, 9);
  g_autoptr (Tensor) h = tensor_new (all), h_views = tensor_new (rows),
                     h_crops = tensor_new (all - rows);
  g_autoptr (Tensor) g = tensor_new (values), g_views = tensor_new (values),
                     g_crops = tensor_new (values);
  g_autoptr (Tensor) s = tensor_new (statistics), s_views = tensor_new (statistics),
                     s_crops = tensor_new (statistics);
  g_autoptr (SimclrForwardPass) pass = forward_crops (together, views, crops);
  g_autoptr (SimclrForwardPass) pass_views = forward (of_views, views, VIEWS);
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrForwardPass) pass_crops =
      simclr_encoder_forward (of_crops, crops, CROPS, &error);

  g_assert_no_error (error);
  run (together, pass, gradient, h, g, s);
  run (of_views, pass_views, gradient, h_views, g_views, s_views);
  run (of_crops, pass_crops, gradient + rows, h_crops, g_crops, s_crops);
  assert_same (h, h_views, rows);
  assert_same (h + rows, h_crops, all - rows);
  for (gsize i = 0; i < values; i++)
    g_views[i] += g_crops[i];
  assert_same (g, g_views, values);
  /* running statistics: a tenth of the way to the views', then a tenth of what is left to the crops' */
  for (gsize i = 0; i < statistics; i++) {
    const gfloat begin = weights->statistics[i];

    g_assert_cmpfloat_with_epsilon (
        s[i], 0.9f * s_views[i] + (s_crops[i] - 0.9f * begin), 1e-4 * (1 + ABS (s[i])));
  }
}

/* Frozen statistics: where the batch is cut makes no difference. */
static void
test_microbatches_add_up (void)
{
  g_autoptr (SimclrWeights) weights = new_weights (0.125, 7);
  g_autoptr (SimclrEncoder) encoder = new_encoder_of (weights, 2);
  g_autoptr (Tensor) views = new_pictures (VIEWS, 62), crops = new_crops (63);
  const gsize all = get_floats (encoder, VIEWS + CROPS);
  const gsize values = _simclr_parameters_get_floats (weights->layout);
  const gsize statistics = _simclr_parameters_get_floats (weights->statistics_layout);
  const gdouble tolerance = precision == SIMCLR_PRECISION_BFLOAT16 ? 2e-2 : 1e-5;
  g_autoptr (Tensor) gradient = tensor_new_random (all, 9);
  g_autoptr (Tensor) whole_h = tensor_new (all), part_h = tensor_new (all);
  g_autoptr (Tensor) whole_g = tensor_new (values), part_g = tensor_new (values);
  g_autoptr (Tensor) s = tensor_new (statistics);

  _simclr_encoder_set_frozen (encoder, TRUE);
  for (guint pairs = 0; pairs <= PAIRS + 1; pairs++) {
    g_autoptr (SimclrForwardPass) pass = NULL;

    simclr_encoder_set_microbatch_size (encoder, pairs);
    pass = forward_crops (encoder, views, crops);
    if (pairs == 0) {
      run (encoder, pass, gradient, whole_h, whole_g, s);
      continue;
    }
    run (encoder, pass, gradient, part_h, part_g, s);
    g_assert_cmpfloat (normalised_error_float (part_h, whole_h, all), <, tolerance);
    g_assert_cmpfloat (normalised_error_float (part_g, whole_g, values), <, tolerance);
  }
}

/* With crops, other crops, none, and in parts, one batch after another. */
static void
test_come_and_go (void)
{
  g_autoptr (SimclrEncoder) encoder = new_encoder (7, 2);
  g_autoptr (Tensor) views = new_pictures (VIEWS, 64), crops = new_crops (65);
  g_autoptr (SimclrForwardPass) first = forward (encoder, views, VIEWS);
  const gsize floats = get_floats (encoder, VIEWS);
  g_autoptr (Tensor) h = tensor_new (floats);
  static const struct
  {
    guint per_pair, size, microbatch;
  } batches[] = {
      {3, 8, 0}, {2, 8, 0}, {0, 0, 0}, {3, 8, 2}, {1, 4, 2}, {0, 0, 2}, {1, 12, 0}, {0, 0, 0}};

  memcpy (h, simclr_forward_pass_get_embeddings (first, NULL), floats * sizeof (gfloat));
  g_clear_object (&first);
  for (guint i = 0; i < G_N_ELEMENTS (batches); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (SimclrForwardPass) pass = NULL;
    const guint per_pair = batches[i].per_pair;
    gsize all;

    simclr_encoder_set_microbatch_size (encoder, batches[i].microbatch);
    if (per_pair > 0)
      pass = simclr_encoder_forward_crops (
          encoder, views, VIEWS, crops, per_pair, batches[i].size, &error);
    else
      pass = simclr_encoder_forward (encoder, views, VIEWS, &error);
    g_assert_no_error (error);
    g_assert_nonnull (simclr_forward_pass_get_embeddings (pass, &all));
    g_assert_cmpuint (all, ==, floats + get_floats (encoder, PAIRS * per_pair));
    if (batches[i].microbatch == 0)
      assert_same (simclr_forward_pass_get_embeddings (pass, NULL), h, floats);
  }
}

static void
test_refused (void)
{
  g_autoptr (SimclrEncoder) encoder = new_encoder (7, 1);
  g_autoptr (Tensor) views = new_pictures (VIEWS, 66), crops = new_crops (67);
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrForwardPass) pass = NULL;
  g_autoptr (GBytes) view_bytes = g_bytes_new (views, VIEWS * FLOATS * sizeof (gfloat));
  g_autoptr (GBytes) crop_bytes = g_bytes_new (crops, CROPS * CROP_FLOATS * sizeof (gfloat));

  g_assert_null (simclr_encoder_forward_crops (encoder, views, 3, crops, 1, CROP_SIZE, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE);
  g_assert_nonnull (strstr (error->message, "3 views"));
  g_clear_error (&error);

  g_assert_null (
      simclr_encoder_forward_crops_bytes (encoder, view_bytes, crop_bytes, PER_PAIR + 1, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE);
  g_clear_error (&error);

  /* and a refusal leaves the encoder free */
  pass = simclr_encoder_forward_crops_bytes (encoder, view_bytes, crop_bytes, PER_PAIR, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (simclr_forward_pass_get_crops_per_pair (pass), ==, PER_PAIR);
}

/* A step takes the crops into loss and gradient; a loss that knows no crops says so. */
static void
test_trainer_takes_them (void)
{
  g_autoptr (Tensor) views = new_pictures (VIEWS, 68), crops = new_crops (69);

  for (guint supervised = 0; supervised < 2; supervised++) {
    g_autoptr (SimclrEncoder) encoder = new_encoder (7, 2);
    g_autoptr (SimclrTrainer) trainer = simclr_trainer_new ();
    SimclrTrainingStatistics statistics;
    gdouble losses[12];

    g_object_set (trainer, "optimizer", SIMCLR_OPTIMIZER_SGD, "learning-rate", 0.05,
        "learning-rate-scaling", SIMCLR_LEARNING_RATE_SCALING_NONE, "temperature", 0.5, NULL);
    if (supervised)
      g_object_set (trainer, "loss", SIMCLR_LOSS_CROSS_ENTROPY, NULL);
    for (guint i = 0; i < G_N_ELEMENTS (losses); i++) {
      g_autoptr (SimclrForwardPass) pass = forward_crops (encoder, views, crops);
      g_autoptr (GError) error = NULL;

      if (supervised) {
        g_assert_false (simclr_trainer_step (trainer, pass, &statistics, &error));
        g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_UNSUPPORTED);
        break;
      }
      g_assert_true (simclr_trainer_step (trainer, pass, &statistics, &error));
      g_assert_no_error (error);
      g_assert_false (statistics.was_skipped);
      losses[i] = statistics.loss;
    }
    if (!supervised)
      g_assert_cmpfloat (losses[G_N_ELEMENTS (losses) - 1], <, losses[0] - 0.1);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_encoder_test ("/small-crops/is-both-together", test_is_both_together);
  add_encoder_test ("/small-crops/microbatches-add-up", test_microbatches_add_up);
  add_encoder_test ("/small-crops/come-and-go", test_come_and_go);
  add_encoder_test ("/small-crops/refused", test_refused);
  add_encoder_test ("/small-crops/trainer-takes-them", test_trainer_takes_them);
  return g_test_run ();
}
