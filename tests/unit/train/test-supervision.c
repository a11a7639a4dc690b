/* Fine-tuning on labels and distillation: what is learned, what is left alone, and that a run goes on exactly.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/evaluate/classifier.h>
#include <simclr/nn/projection-head-private.h>
#include <simclr/nn/supervised-head-private.h>
#include <simclr/nn/weights-private.h>

#include "training-run.h"

#define LABELS 4

static const gchar *const names[] = {"ant", "bee", "cat", "dog", NULL};

/* The variant that stands for all where every layer of the head is tried. */
static gboolean
is_plain (SimclrOptimizer optimizer)
{
  return optimizer == SIMCLR_OPTIMIZER_SGD && precision == SIMCLR_PRECISION_FLOAT32;
}

/* An encoder with a projection head of two layers, as pretraining leaves it. */
static SimclrWeights *
pretrain (void)
{
  g_auto (Run) run = new_run (SIMCLR_OPTIMIZER_SGD);

  for (guint64 i = 0; i < 2; i++)
    step (&run, i);
  return simclr_trainer_get_weights (run.trainer);
}

static SimclrTrainer *
new_fine_tuner (SimclrOptimizer optimizer, guint head_layer)
{
  SimclrTrainer *trainer = new_trainer (optimizer);

  g_object_set (trainer, "loss", SIMCLR_LOSS_CROSS_ENTROPY, "head-layer", head_layer,
      "weight-decay", 0.0, NULL);
  if (optimizer == SIMCLR_OPTIMIZER_LARS) /* does not adapt the linear layer's */
    g_object_set (trainer, "learning-rate", 0.1, NULL);
  simclr_trainer_set_labels (trainer, names);
  return trainer;
}

/* A batch whose pairs have labels in turn, but for the last n. */
static SimclrTrainingStatistics
labelled_step (Run *run, guint64 batch, guint n_unlabelled)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Tensor) views = new_views (batch);
  g_autoptr (SimclrForwardPass) pass = simclr_encoder_forward (run->encoder, views, VIEWS, &error);
  SimclrTrainingStatistics statistics = {0};
  gint labels[VIEWS];

  g_assert_no_error (error);
  for (guint i = 0; i < VIEWS; i++)
    labels[i] = i / 2 < VIEWS / 2 - n_unlabelled ? (gint) (i / 2) % LABELS : -1;
  g_assert_true (simclr_forward_pass_set_labels (pass, labels, VIEWS, &error));
  g_assert_true (simclr_trainer_step (run->trainer, pass, &statistics, &error));
  g_assert_no_error (error);
  return statistics;
}

static void
test_labels_are_learned (SimclrOptimizer optimizer)
{
  g_autoptr (SimclrWeights) weights = pretrain ();

  for (guint layer = is_plain (optimizer) ? 0 : 1; layer <= (is_plain (optimizer) ? 2 : 1);
       layer++) {
    g_auto (Run) run = {new_encoder_of (weights), new_fine_tuner (optimizer, layer)};
    SimclrTrainingStatistics statistics = labelled_step (&run, 0, 0);

    g_assert_cmpfloat_with_epsilon (statistics.loss, log (LABELS), 1e-6); /* it begins at zero */
    for (guint i = 1; i < 16; i++)
      statistics = labelled_step (&run, 0, 0);
    g_test_message ("layer %u: loss %g, accuracy %g", layer, statistics.loss, statistics.accuracy);
    g_assert_cmpfloat (statistics.loss, <, 0.9 * log (LABELS));
    g_assert_cmpfloat (statistics.accuracy, >=, 0.5);
    g_assert_cmpfloat (statistics.contrastive_accuracy, <, 0); /* there is no contrast */
    g_assert_false (statistics.collapsed);
  }
}

static gboolean
tensor_changed (SimclrParameters *layout, const gfloat *a, const gfloat *b, const gchar *name)
{
  const SimclrParameter *tensor = _simclr_parameters_lookup (layout, name);

  g_assert_nonnull (tensor);
  return memcmp (a + tensor->offset, b + tensor->offset, tensor->count * sizeof (gfloat)) != 0;
}

/* Layer 1 becomes part of the encoder; what lies behind stays what it was, and goes into the file; with layer
 * 0 there is no head any more. */
static void
test_only_used_layers_change (void)
{
  g_autoptr (SimclrWeights) before = pretrain ();
  g_auto (Run) first = {new_encoder_of (before), new_fine_tuner (SIMCLR_OPTIMIZER_SGD, 1)};
  g_auto (Run) none = {new_encoder_of (before), new_fine_tuner (SIMCLR_OPTIMIZER_SGD, 0)};
  g_autoptr (SimclrWeights) after = NULL, plain = NULL;

  g_object_set (first.trainer, "weight-decay", 0.1, NULL);
  for (guint i = 0; i < 2; i++) {
    labelled_step (&first, i, 0);
    labelled_step (&none, i, 0);
  }
  after = simclr_trainer_get_weights (first.trainer);
  plain = simclr_trainer_get_weights (none.trainer);
  g_assert_true (tensor_changed (before->layout, before->values, after->values, "conv1.weight"));
  for (guint layer = 0; layer < 2; layer++) {
    g_autofree gchar *weight = g_strdup_printf ("projection_head.layers.%u.weight", 3 * layer);
    g_autofree gchar *mean =
        g_strdup_printf ("projection_head.layers.%u.running_mean", 3 * layer + 1);

    g_assert_cmpint (
        tensor_changed (before->head_layout, before->head_values, after->head_values, weight), ==,
        layer == 0);
    g_assert_cmpint (tensor_changed (before->head_statistics_layout, before->head_statistics,
                         after->head_statistics, mean),
        ==, layer == 0);
  }
  g_assert_null (plain->head_layout);
  g_assert_nonnull (plain->classifier_layout);
}

/* The official code's: head_supervised is left out of LARS' adaptation, so that the first step goes the whole way
 * down the gradient, and also the second, when its weights are no longer zero. */
static void
test_lars_does_not_adapt_the_linear_layer (void)
{
  g_autoptr (SimclrWeights) before = pretrain (), after = NULL;
  g_auto (Run) run = {new_encoder_of (before), new_fine_tuner (SIMCLR_OPTIMIZER_LARS, 0)};
  g_autofree gfloat *first = NULL;
  gsize floats;
  gdouble square = 0, second = 0;

  g_object_set (run.trainer, "learning-rate", 0.01, NULL);
  labelled_step (&run, 0, 0);
  after = simclr_trainer_get_weights (run.trainer);
  floats = _simclr_parameters_get_floats (after->classifier_layout);
  first = g_memdup2 (after->classifier_values, floats * sizeof (gfloat));
  labelled_step (&run, 0, 0);
  g_clear_pointer (&after, simclr_weights_unref);
  after = simclr_trainer_get_weights (run.trainer);
  for (gsize i = 0; i < floats; i++) {
    square += (gdouble) first[i] * first[i];
    second += (gdouble) (after->classifier_values[i] - first[i]) *
              (after->classifier_values[i] - first[i]);
  }
  /* nearly the same gradient, and nine tenths of the momentum */
  g_assert_cmpfloat (sqrt (second / square), >, 1.5);
  g_assert_cmpfloat (sqrt (second / square), <, 2);
}

/* The learning rate goes into nothing but the labelled views. */
static void
test_unlabelled_views_do_not_count (void)
{
  g_autoptr (SimclrWeights) weights = pretrain ();
  g_auto (Run) run = {new_encoder_of (weights), new_fine_tuner (SIMCLR_OPTIMIZER_SGD, 1)};
  g_auto (Run) same = {new_encoder_of (weights), new_fine_tuner (SIMCLR_OPTIMIZER_SGD, 1)};
  g_autofree gchar *path = temporary_path ();
  g_autoptr (GBytes) before = NULL, after = NULL, idle = NULL;
  SimclrTrainingStatistics statistics;

  labelled_step (&run, 0, 0);
  labelled_step (&same, 0, 0);
  before = save_and_read (run.trainer, path);
  statistics = labelled_step (&run, 1, VIEWS / 2);
  g_assert_cmpfloat (statistics.loss, ==, 0);
  g_assert_cmpfloat (statistics.accuracy, <, 0);
  g_assert_false (statistics.was_skipped);
  g_assert_cmpuint (statistics.step, ==, 2);
  idle = save_and_read (run.trainer, path);
  assert_same_tensors (before, idle);

  statistics = labelled_step (&run, 2, 3);
  g_assert_cmpfloat (statistics.loss, >, 0);
  labelled_step (&same, 2, 3);
  after = save_and_read (run.trainer, path);
  g_bytes_unref (idle);
  idle = save_and_read (same.trainer, path);
  assert_same_tensors (after, idle);
  remove_with_folder (path);
}

static SimclrWeights *
educate_once (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrWeights) weights = simclr_weights_new_random (
      SIMCLR_ARCHITECTURE_RESNET18, 0.125, SIMCLR_STEM_CIFAR, SIZE, 6, &error);
  g_auto (Run) run = {new_encoder_of (weights), new_fine_tuner (SIMCLR_OPTIMIZER_SGD, 0)};

  for (guint i = 0; i < 20; i++)
    labelled_step (&run, 0, 0);
  return simclr_trainer_get_weights (run.trainer);
}

/* A teacher of another width that has learned the labels of batch 0; the same every time. */
static SimclrWeights *
educate (void)
{
  static SimclrWeights *teacher;

  if (teacher == NULL)
    teacher = educate_once ();
  return simclr_weights_ref (teacher);
}

static SimclrTrainer *
new_student (SimclrOptimizer optimizer, SimclrWeights *teacher, guint head_layer)
{
  SimclrTrainer *trainer = new_trainer (optimizer);
  g_autoptr (GError) error = NULL;

  g_object_set (trainer, "loss", SIMCLR_LOSS_DISTILLATION, "head-layer", head_layer, NULL);
  if (optimizer == SIMCLR_OPTIMIZER_LARS)
    g_object_set (trainer, "learning-rate", 0.1, NULL);
  g_assert_true (simclr_trainer_set_teacher (trainer, teacher, &error));
  g_assert_no_error (error);
  return trainer;
}

static void
test_a_student_learns (void)
{
  g_autoptr (SimclrWeights) teacher = educate (), weights = pretrain (), after = NULL;
  g_auto (Run) run = {new_encoder_of (weights), new_student (SIMCLR_OPTIMIZER_SGD, teacher, 1)};
  SimclrTrainingStatistics statistics = step (&run, 0);
  gdouble first = statistics.loss;
  g_auto (GStrv) labels = NULL;

  g_assert_cmpfloat_with_epsilon (first, log (LABELS), 1e-6);
  for (guint i = 1; i < 16; i++)
    statistics = step (&run, 0);
  g_test_message ("loss %g, agreement %g", statistics.loss, statistics.accuracy);
  g_assert_cmpfloat (statistics.loss, <, 0.9 * first);
  g_assert_cmpfloat (statistics.accuracy, >=, 0.5);
  after = simclr_trainer_get_weights (run.trainer);
  labels = simclr_weights_get_labels (after);
  g_assert_cmpstrv (labels, names);
}

/* Against the definition, with the teacher's logits computed by hand: encode() and the linear layer. In
 * microbatches the views come from elsewhere. */
static void
test_the_teacher_sees_the_students_views (void)
{
  g_autoptr (SimclrWeights) teacher = educate (), weights = pretrain ();
  const gdouble temperature = 2;

  for (guint microbatch = 0; microbatch <= 3; microbatch += 3) {
    g_auto (Run) run = {new_encoder_of (weights), new_student (SIMCLR_OPTIMIZER_SGD, teacher, 0)};
    g_autoptr (SimclrEncoder) oracle = new_encoder_of (teacher);
    g_autoptr (Tensor) views = new_views (7);
    g_autoptr (Tensor) h = tensor_new (VIEWS * 64);
    g_autoptr (GError) error = NULL;
    const gfloat *fc = teacher->classifier_values;
    gdouble entropy = 0, measured;

    g_object_set (run.trainer, "distillation-temperature", temperature, "learning-rate", 0.0, NULL);
    simclr_encoder_set_microbatch_size (run.encoder, microbatch);
    g_assert_true (
        simclr_encoder_encode (oracle, views, VIEWS, SIMCLR_OUTPUT_REPRESENTATION, h, &error));
    measured = step (&run, 7).loss;
    /* the student's linear layer is zero: its probabilities are even, whatever it sees */
    g_assert_cmpfloat_with_epsilon (measured, temperature * temperature * log (LABELS), 1e-5);

    g_object_set (run.trainer, "learning-rate", 0.0, NULL);
    for (guint i = 0; i < VIEWS; i++) {
      gdouble logits[LABELS], sum = 0;

      for (guint k = 0; k < LABELS; k++) {
        logits[k] = fc[_simclr_parameters_get (teacher->classifier_layout, 1)->offset + k];
        for (guint j = 0; j < 64; j++)
          logits[k] += (gdouble) fc[k * 64 + j] * h[i * 64 + j];
        sum += exp (logits[k] / temperature);
      }
      for (guint k = 0; k < LABELS; k++) {
        gdouble p = exp (logits[k] / temperature) / sum;

        entropy -= p * log (p) / VIEWS;
      }
    }
    g_assert_cmpfloat (entropy, <, log (LABELS) - 0.05); /* the teacher has an opinion */

    /* taught until the loss is the entropy of its teacher, it has its teacher's opinion */
    {
      g_auto (Run)
          pupil = {new_encoder_of (weights), new_student (SIMCLR_OPTIMIZER_SGD, teacher, 0)};

      g_object_set (pupil.trainer, "distillation-temperature", temperature, NULL);
      simclr_encoder_set_microbatch_size (pupil.encoder, microbatch);
      for (guint i = 0; i < 16; i++)
        measured = step (&pupil, 7).loss / (temperature * temperature);
      g_test_message ("loss %g, entropy %g", measured, entropy);
      g_assert_cmpfloat (measured, >, entropy - 0.01);
      g_assert_cmpfloat (measured, <, entropy + 0.3 * (log (LABELS) - entropy));
    }
  }
}

/* trainer: a second one like that of the run, for the rest. */
static void
check_resume (Run *whole, SimclrTrainer *trainer, gboolean labelled)
{
  g_autofree gchar *path = temporary_path ();
  g_auto (Run) rest = {NULL, trainer};
  g_autoptr (SimclrWeights) weights = NULL;
  g_autoptr (GBytes) half = NULL, whole_end = NULL, rest_end = NULL;
  g_autoptr (GError) error = NULL;

  for (guint64 i = 0; i < 2; i++)
    labelled ? labelled_step (whole, i, 0) : step (whole, i);
  half = save_and_read (whole->trainer, path);
  g_assert_true (simclr_trainer_resume (trainer, path, &error));
  g_assert_no_error (error);
  weights = simclr_trainer_get_weights (trainer);
  rest.encoder = new_encoder_of (weights);
  for (guint64 i = 2; i < 4; i++) {
    SimclrTrainingStatistics one = labelled ? labelled_step (whole, i, 1) : step (whole, i);
    SimclrTrainingStatistics other = labelled ? labelled_step (&rest, i, 1) : step (&rest, i);

    g_assert_cmpfloat (one.loss, ==, other.loss);
    g_assert_cmpfloat (one.gradient_norm, ==, other.gradient_norm);
  }
  whole_end = save_and_read (whole->trainer, path);
  rest_end = save_and_read (rest.trainer, path);
  g_assert_true (g_bytes_equal (whole_end, rest_end));
  g_assert_false (g_bytes_equal (whole_end, half));
  remove_with_folder (path);
}

static void
test_resume_is_exact (SimclrOptimizer optimizer)
{
  g_autoptr (SimclrWeights) weights = pretrain (), teacher = educate ();

  for (guint layer = is_plain (optimizer) ? 0 : 1; layer <= (is_plain (optimizer) ? 2 : 1);
       layer++) {
    g_auto (Run) tuned = {new_encoder_of (weights), new_fine_tuner (optimizer, layer)};
    g_auto (Run) taught = {new_encoder_of (weights), new_student (optimizer, teacher, layer)};

    check_resume (&tuned, new_fine_tuner (optimizer, layer), TRUE);
    if (optimizer == SIMCLR_OPTIMIZER_SGD)
      check_resume (&taught, new_student (optimizer, teacher, layer), FALSE);
  }
}

static void
assert_refuses (SimclrTrainer *trainer, const gchar *path, const gchar *word)
{
  g_autoptr (SimclrTrainer) owned = trainer;
  g_autoptr (GError) error = NULL;

  g_assert_false (simclr_trainer_resume (owned, path, &error));
  g_assert_true (error != NULL && error->domain == SIMCLR_ERROR);
  if (strstr (error->message, word) == NULL)
    g_error ("\"%s\" says nothing of \"%s\"", error->message, word);
}

static void
test_another_run_is_an_error (void)
{
  g_autofree gchar *path = temporary_path ();
  const gchar *const others[] = {"ant", "bee", "cow", "dog", NULL};
  g_autoptr (SimclrWeights) weights = pretrain ();
  g_auto (Run) tuned = {new_encoder_of (weights), new_fine_tuner (SIMCLR_OPTIMIZER_SGD, 1)};
  g_auto (Run) contrast = new_run (SIMCLR_OPTIMIZER_SGD);
  SimclrTrainer *relabelled = new_fine_tuner (SIMCLR_OPTIMIZER_SGD, 1);
  SimclrTrainer *unlabelled = new_trainer (SIMCLR_OPTIMIZER_SGD);

  labelled_step (&tuned, 0, 0);
  g_bytes_unref (save_and_read (tuned.trainer, path));
  simclr_trainer_set_labels (relabelled, others);
  g_object_set (unlabelled, "loss", SIMCLR_LOSS_CROSS_ENTROPY, NULL);
  assert_refuses (relabelled, path, "other labels");
  assert_refuses (unlabelled, path, "needs labels");
  assert_refuses (new_fine_tuner (SIMCLR_OPTIMIZER_SGD, 0), path, "head-layer=1, not 0");
  assert_refuses (new_trainer (SIMCLR_OPTIMIZER_SGD), path, "fine-tuned");
  step (&contrast, 0);
  g_bytes_unref (save_and_read (contrast.trainer, path));
  assert_refuses (new_fine_tuner (SIMCLR_OPTIMIZER_SGD, 1), path, "fc.weight");
  remove_with_folder (path);
}

static void
assert_step_fails (SimclrWeights *weights, SimclrTrainer *trainer, gint label, const gchar *word)
{
  g_auto (Run) run = {new_encoder_of (weights), trainer};
  g_autoptr (Tensor) views = new_views (0);
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrForwardPass) pass = simclr_encoder_forward (run.encoder, views, 2, &error);
  SimclrTrainingStatistics statistics;

  simclr_forward_pass_set_labels (pass, (gint[]){label, label}, 2, &error);
  g_assert_no_error (error);
  g_assert_false (simclr_trainer_step (trainer, pass, &statistics, &error));
  g_assert_true (error != NULL && error->domain == SIMCLR_ERROR);
  if (strstr (error->message, word) == NULL)
    g_error ("\"%s\" says nothing of \"%s\"", error->message, word);
}

static void
test_what_is_missing_is_an_error (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrWeights) weights = pretrain (), teacher = educate ();
  g_autoptr (SimclrWeights) bare = simclr_weights_new_random (
      SIMCLR_ARCHITECTURE_RESNET18, 0.0625, SIMCLR_STEM_CIFAR, SIZE, 5, &error);
  g_autoptr (SimclrWeights) other = NULL;
  g_autoptr (SimclrTrainer) trainer = simclr_trainer_new ();
  SimclrTrainer *unlabelled = new_trainer (SIMCLR_OPTIMIZER_SGD);
  SimclrTrainer *untaught = new_trainer (SIMCLR_OPTIMIZER_SGD);

  g_object_set (unlabelled, "loss", SIMCLR_LOSS_CROSS_ENTROPY, NULL);
  g_object_set (untaught, "loss", SIMCLR_LOSS_DISTILLATION, NULL);
  assert_step_fails (weights, unlabelled, 0, "needs labels");
  assert_step_fails (weights, untaught, 0, "needs a teacher");
  assert_step_fails (
      weights, new_fine_tuner (SIMCLR_OPTIMIZER_SGD, 0), LABELS, "label number 4, but there are 4");
  assert_step_fails (bare, new_fine_tuner (SIMCLR_OPTIMIZER_SGD, 1), 0, "no projection head");
  assert_step_fails (weights, new_fine_tuner (SIMCLR_OPTIMIZER_SGD, 3), 0, "layer 3");
  g_assert_false (simclr_trainer_set_teacher (trainer, weights, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH);
  g_clear_error (&error);
  other = simclr_weights_adapt (teacher, 0, SIMCLR_NORMALIZATION_IMAGENET, &error);
  g_assert_no_error (error);
  assert_step_fails (weights, new_student (SIMCLR_OPTIMIZER_SGD, other, 0), 0, "normalization");
}

/* The checkpoint is an encoder and, to SimclrClassifier, a classifier of its embeddings. */
static void
test_the_checkpoint_classifies (void)
{
  g_autofree gchar *path = temporary_path ();
  g_autoptr (SimclrWeights) weights = pretrain ();

  for (guint layer = 0; layer <= 2; layer++) {
    g_auto (Run) run = {new_encoder_of (weights), new_fine_tuner (SIMCLR_OPTIMIZER_SGD, layer)};
    g_autoptr (SimclrClassifier) classifier = simclr_classifier_new ();
    g_autoptr (SimclrWeights) tuned = NULL, loaded = NULL;
    g_autoptr (SimclrEncoder) encoder = NULL;
    g_autoptr (SimclrSupervisedHead) head = NULL;
    g_autoptr (Tensor) views = new_views (0);
    g_autoptr (Tensor) h = tensor_new (VIEWS * 32);
    g_autoptr (Tensor) logits = tensor_new (VIEWS * LABELS);
    g_autoptr (GError) error = NULL;
    g_autofree gfloat *scores = NULL, *novelty = NULL;
    g_auto (GStrv) labels = NULL;
    gsize n;

    for (guint i = 0; i < 5; i++)
      labelled_step (&run, 0, 0);
    tuned = simclr_trainer_get_weights (run.trainer);
    g_bytes_unref (save_and_read (run.trainer, path));
    loaded = simclr_weights_load (path, &error);
    g_assert_no_error (error);
    encoder = new_encoder_of (loaded);
    g_assert_true (
        simclr_encoder_encode (encoder, views, VIEWS, SIMCLR_OUTPUT_REPRESENTATION, h, &error));
    g_assert_true (simclr_classifier_load (classifier, path, &error));
    g_assert_no_error (error);
    labels = simclr_classifier_get_labels (classifier);
    g_assert_cmpstrv (labels, names);
    g_assert_cmpuint (simclr_classifier_get_embedding_size (classifier), ==, 32);
    scores = simclr_classifier_classify (classifier, h, VIEWS * 32, &n, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (n, ==, VIEWS * LABELS);

    head = _simclr_supervised_head_new_from (tuned, &error);
    g_assert_true (_simclr_supervised_head_infer (head, NULL, h, VIEWS, logits, &error));
    for (guint i = 0; i < VIEWS; i++) {
      gdouble sum = 0;

      for (guint k = 0; k < LABELS; k++)
        sum += exp (logits[i * LABELS + k]);
      for (guint k = 0; k < LABELS; k++)
        g_assert_cmpfloat_with_epsilon (
            scores[i * LABELS + k], exp (logits[i * LABELS + k]) / sum, 1e-5);
    }

    novelty = simclr_classifier_get_novelty (classifier, h, VIEWS * 32, &n, &error);
    g_assert_cmpuint (n, ==, VIEWS);
    g_assert_cmpfloat (novelty[VIEWS - 1], ==, 0);
    g_assert_false (simclr_classifier_teach (classifier, h, 32, names, 1, &error));
    g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_UNSUPPORTED);
    g_clear_error (&error);
    g_assert_cmpuint (simclr_classifier_unlearn (classifier, "ant"), ==, 0);
    g_object_set (classifier, "method", SIMCLR_CLASSIFIER_METHOD_KNN, NULL);
    g_assert_false (simclr_classifier_fit (classifier, &error));
    g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_UNSUPPORTED);
  }
  remove_with_folder (path);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_variants ("/supervision/labels-are-learned", test_labels_are_learned);
  g_test_add_func ("/supervision/a-student-learns", test_a_student_learns);
  add_variants ("/supervision/resume-is-exact", test_resume_is_exact);
  g_test_add_func ("/supervision/used-layers", test_only_used_layers_change);
  g_test_add_func ("/supervision/lars", test_lars_does_not_adapt_the_linear_layer);
  g_test_add_func ("/supervision/unlabelled-views", test_unlabelled_views_do_not_count);
  g_test_add_func ("/supervision/teacher-sees-views", test_the_teacher_sees_the_students_views);
  g_test_add_func ("/supervision/another-run", test_another_run_is_an_error);
  g_test_add_func ("/supervision/missing", test_what_is_missing_is_an_error);
  g_test_add_func ("/supervision/checkpoint-classifies", test_the_checkpoint_classifies);
  return g_test_run ();
}
