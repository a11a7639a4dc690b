/* Training lowers the loss, follows its schedule, and says what it cannot train on.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/weights-private.h>

#include "training-run.h"

static void
test_loss_falls (SimclrOptimizer optimizer)
{
  g_auto (Run) run = new_run (optimizer);
  gdouble first = 0, last = 0;

  for (guint64 i = 0; i < 20; i++) {
    SimclrTrainingStatistics statistics = step (&run, 0);

    g_assert_false (statistics.was_skipped);
    g_assert_cmpuint (statistics.step, ==, i + 1);
    g_assert_cmpuint (statistics.pairs_seen, ==, (i + 1) * VIEWS / 2);
    g_assert_cmpuint (statistics.skipped, ==, 0);
    g_assert_cmpfloat (statistics.gradient_norm, >, 0);
    g_assert_cmpfloat (statistics.contrastive_accuracy, >=, 0);
    g_assert_cmpfloat (statistics.contrastive_accuracy, <=, 1);
    g_assert_cmpfloat (statistics.contrastive_entropy, >=, 0);
    g_assert_cmpfloat (statistics.contrastive_entropy, <=, log (VIEWS - 1) + 1e-6);
    g_assert_cmpfloat (statistics.effective_rank, >=, 1 - 1e-6);
    g_assert_cmpfloat (statistics.effective_rank, <=, 16 + 1e-6);
    g_assert_cmpfloat (statistics.embedding_deviation, >, 0);
    g_assert_cmpfloat (statistics.embedding_deviation, <, 1.01);
    g_assert_cmpfloat (statistics.seconds, >=, 0);
    if (i == 0)
      first = statistics.loss;
    last = statistics.loss;
  }
  g_test_message ("loss %g, after 20 steps %g", first, last);
  g_assert_cmpfloat (last, <, first - 0.2);
}

/* Official code: linear warm-up to the scaled rate, then half a cosine down to zero. */
static void
test_schedule (void)
{
  g_auto (Run) run = new_run (SIMCLR_OPTIMIZER_SGD);
  const gdouble scaled = 0.4 * (VIEWS / 2) / 256;
  const guint64 warmup = 3, total = 8;
  guint64 position;

  g_object_set (run.trainer, "learning-rate", 0.4, "learning-rate-scaling",
      SIMCLR_LEARNING_RATE_SCALING_LINEAR, "schedule", SIMCLR_SCHEDULE_COSINE, "warmup-steps",
      warmup, "total-steps", total, NULL);
  for (guint64 i = 0; i < total; i++) {
    gdouble expected = i < warmup ? scaled * i / warmup
                                  : scaled * (1 + cos (G_PI * (i - warmup) / (total - warmup))) / 2;

    g_assert_cmpfloat_with_epsilon (step (&run, i).learning_rate, expected, 1e-9);
  }
  g_object_get (run.trainer, "step", &position, NULL);
  g_assert_cmpuint (position, ==, total);
}

/* After a step the running statistics of every BatchNorm, the head's too, have left 0 and 1. */
static void
test_statistics_are_taken_up (void)
{
  g_auto (Run) run = new_run (SIMCLR_OPTIMIZER_SGD);
  g_autoptr (SimclrWeights) weights = NULL;

  step (&run, 0);
  weights = simclr_trainer_get_weights (run.trainer);
  for (guint set = 0; set < 2; set++) {
    SimclrParameters *layout =
        set == 0 ? weights->statistics_layout : weights->head_statistics_layout;
    const gfloat *statistics = set == 0 ? weights->statistics : weights->head_statistics;

    for (guint i = 0; i < _simclr_parameters_get_length (layout); i++) {
      const SimclrParameter *parameter = _simclr_parameters_get (layout, i);
      gfloat initial = parameter->kind == SIMCLR_PARAMETER_VARIANCE ? 1 : 0;

      for (gsize k = 0; k < parameter->count; k++)
        if (statistics[parameter->offset + k] == initial)
          g_error ("%s is as it was", parameter->name);
    }
  }
}

/* A published set is a copy: later steps do not reach it. */
static void
test_published_weights_stay (void)
{
  g_auto (Run) run = new_run (SIMCLR_OPTIMIZER_SGD);
  g_autoptr (SimclrWeights) first = NULL, second = NULL;
  g_autofree gfloat *copy = NULL;
  gsize bytes;

  step (&run, 0);
  first = simclr_trainer_get_weights (run.trainer);
  bytes = _simclr_parameters_get_floats (first->layout) * sizeof (gfloat);
  copy = g_memdup2 (first->values, bytes);
  step (&run, 1);
  second = simclr_trainer_get_weights (run.trainer);
  g_assert_cmpmem (first->values, bytes, copy, bytes);
  g_assert_cmpint (memcmp (first->values, second->values, bytes), !=, 0);
}

/* The head and its optimizer belong to one width of representation. */
static void
test_another_encoder_is_an_error (void)
{
  g_auto (Run) run = new_run (SIMCLR_OPTIMIZER_SGD);
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrWeights) wider = simclr_weights_new_random (
      SIMCLR_ARCHITECTURE_RESNET18, 0.125, SIMCLR_STEM_CIFAR, SIZE, 5, &error);
  g_autoptr (SimclrEncoder) encoder = new_encoder_of (wider);
  g_autoptr (Tensor) views = new_views (0);
  g_autoptr (SimclrForwardPass) pass = NULL;
  SimclrTrainingStatistics statistics;

  step (&run, 0);
  pass = simclr_encoder_forward (encoder, views, VIEWS, &error);
  g_assert_no_error (error);
  g_assert_false (simclr_trainer_step (run.trainer, pass, &statistics, &error));
  g_assert_true (error != NULL && error->domain == SIMCLR_ERROR);
  step (&run, 1);
}

static void
test_odd_views_are_an_error (void)
{
  g_auto (Run) run = new_run (SIMCLR_OPTIMIZER_SGD);
  g_autoptr (Tensor) views = new_views (0);
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrForwardPass) pass = simclr_encoder_forward (run.encoder, views, 5, &error);
  SimclrTrainingStatistics statistics;

  if (pass != NULL)
    g_assert_false (simclr_trainer_step (run.trainer, pass, &statistics, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE);
}

/* One pair has no negatives, so there is nothing to learn from it. */
static void
test_one_pair_is_an_error (void)
{
  g_auto (Run) run = new_run (SIMCLR_OPTIMIZER_SGD);
  g_autoptr (Tensor) views = new_views (0);
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrForwardPass) pass = simclr_encoder_forward (run.encoder, views, 2, &error);
  SimclrTrainingStatistics statistics;

  g_assert_no_error (error);
  g_assert_false (simclr_trainer_step (run.trainer, pass, &statistics, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_variants ("/trainer/loss-falls", test_loss_falls);
  g_test_add_func ("/trainer/schedule", test_schedule);
  g_test_add_func ("/trainer/statistics-are-taken-up", test_statistics_are_taken_up);
  g_test_add_func ("/trainer/published-weights-stay", test_published_weights_stay);
  g_test_add_func ("/trainer/another-encoder-is-an-error", test_another_encoder_is_an_error);
  g_test_add_func ("/trainer/odd-views-are-an-error", test_odd_views_are_an_error);
  g_test_add_func ("/trainer/one-pair-is-an-error", test_one_pair_is_an_error);
  return g_test_run ();
}
