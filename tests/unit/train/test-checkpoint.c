/* Training continues exactly where it was saved, and a step that is not finite leaves no trace.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training-run.h"

static void
check_resume (SimclrOptimizer optimizer, guint negatives)
{
  g_autofree gchar *path = temporary_path ();
  g_auto (Run) whole = new_run (optimizer);
  g_auto (Run) rest = {NULL, new_trainer (optimizer)};
  g_autoptr (SimclrWeights) weights = NULL;
  g_autoptr (GBytes) whole_end = NULL, rest_end = NULL, half = NULL, half_again = NULL;
  g_autoptr (GError) error = NULL;
  guint64 position;

  g_object_set (whole.trainer, "negatives", negatives, NULL);
  g_object_set (rest.trainer, "negatives", negatives, NULL);
  for (guint64 i = 0; i < 3; i++)
    step (&whole, i);
  half = save_and_read (whole.trainer, path);

  g_assert_true (simclr_trainer_resume (rest.trainer, path, &error));
  g_assert_no_error (error);
  weights = simclr_trainer_get_weights (rest.trainer);
  g_assert_nonnull (weights);
  g_assert_cmpuint (simclr_weights_get_step (weights), ==, 3);
  g_object_get (rest.trainer, "step", &position, NULL);
  g_assert_cmpuint (position, ==, 3);
  rest.encoder = new_encoder_of (weights);

  for (guint64 i = 3; i < 6; i++) {
    SimclrTrainingStatistics one = step (&whole, i), other = step (&rest, i);

    g_assert_cmpfloat (one.loss, ==, other.loss);
    g_assert_cmpfloat (one.gradient_norm, ==, other.gradient_norm);
    g_assert_cmpuint (one.step, ==, other.step);
    g_assert_cmpuint (one.pairs_seen, ==, other.pairs_seen);
  }
  whole_end = save_and_read (whole.trainer, path);
  rest_end = save_and_read (rest.trainer, path);
  assert_same_tensors (whole_end, rest_end);
  g_assert_true (g_bytes_equal (whole_end, rest_end));
  g_assert_false (g_bytes_equal (whole_end, half));
  remove_with_folder (path);
}

static void
test_resume_is_exact (SimclrOptimizer optimizer)
{
  check_resume (optimizer, 0);
}

/* A queue that is full and turns round, and one that is not full yet. */
static void
test_resume_with_negatives_is_exact (void)
{
  check_resume (SIMCLR_OPTIMIZER_SGD, 37);
  check_resume (SIMCLR_OPTIMIZER_SGD, 3 * VIEWS);
  check_resume (SIMCLR_OPTIMIZER_SGD, 1000);
}

/* Nothing trained, nothing saved: a file that is there stays as it is; what was resumed is there again. */
static void
test_nothing_to_save (void)
{
  g_autofree gchar *path = temporary_path ();
  g_auto (Run) run = new_run (SIMCLR_OPTIMIZER_ADAMW);
  g_autoptr (SimclrTrainer) idle = new_trainer (SIMCLR_OPTIMIZER_ADAMW);
  g_autoptr (GBytes) before = NULL;
  g_autofree gchar *after = NULL;
  g_autoptr (GError) error = NULL;
  gsize length;

  g_assert_false (simclr_trainer_save (run.trainer, path, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_FAILED);
  g_clear_error (&error);
  step (&run, 0);
  before = save_and_read (run.trainer, path);
  g_assert_true (simclr_trainer_resume (idle, path, &error));
  g_assert_no_error (error);
  g_unlink (path);
  g_assert_true (simclr_trainer_save (idle, path, &error)); /* what was resumed, as it was */
  g_assert_no_error (error);
  g_assert_true (g_file_get_contents (path, &after, &length, &error));
  g_assert_cmpmem (after, length, g_bytes_get_data (before, NULL), g_bytes_get_size (before));
  remove_with_folder (path);
}

/* With and without a bad step in the middle, everything learned is the same, bit for bit. */
static void
test_bad_step_changes_nothing (SimclrOptimizer optimizer)
{
  g_autofree gchar *path = temporary_path ();
  g_auto (Run) clean = new_run (optimizer);
  g_auto (Run) disturbed = new_run (optimizer);
  g_autoptr (GBytes) clean_end = NULL, disturbed_end = NULL;
  SimclrTrainingStatistics statistics;
  guint64 skipped;

  for (guint64 i = 0; i < 2; i++) {
    step (&clean, i);
    statistics = step (&disturbed, i);
  }
  for (guint i = 1; i <= 2; i++) {
    statistics = bad_step (&disturbed);
    g_assert_true (statistics.was_skipped);
    g_assert_cmpuint (statistics.skipped, ==, i);
    g_assert_cmpuint (statistics.step, ==, 2 + i);
    g_assert_cmpuint (statistics.pairs_seen, ==, (2 + i) * VIEWS / 2);
  }
  g_object_get (disturbed.trainer, "skipped-steps", &skipped, NULL);
  g_assert_cmpuint (skipped, ==, 2);
  for (guint64 i = 2; i < 4; i++) {
    g_assert_cmpfloat (step (&clean, i).loss, ==, step (&disturbed, i).loss);
  }
  clean_end = save_and_read (clean.trainer, path);
  disturbed_end = save_and_read (disturbed.trainer, path);
  assert_same_tensors (clean_end, disturbed_end);
  remove_with_folder (path);
}

static void
test_bad_first_step (void)
{
  g_auto (Run) run = new_run (SIMCLR_OPTIMIZER_LARS);
  g_auto (Run) clean = new_run (SIMCLR_OPTIMIZER_LARS);

  g_assert_true (bad_step (&run).was_skipped);
  g_assert_cmpfloat (step (&run, 0).loss, ==, step (&clean, 0).loss);
  g_assert_cmpfloat (step (&run, 1).loss, ==, step (&clean, 1).loss);
}

static void
test_checkpoint_loads_as_weights (void)
{
  g_autofree gchar *path = temporary_path ();
  g_auto (Run) run = new_run (SIMCLR_OPTIMIZER_SGD);
  g_autoptr (SimclrWeights) published = NULL, loaded = NULL;
  g_autoptr (SimclrEncoder) of_published = NULL, of_loaded = NULL;
  g_autoptr (Tensor) views = new_views (0);
  g_autoptr (GBytes) file = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_null (simclr_trainer_get_weights (run.trainer));
  step (&run, 0);
  step (&run, 1);
  file = save_and_read (run.trainer, path);
  published = simclr_trainer_get_weights (run.trainer);
  loaded = simclr_weights_load (path, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (simclr_weights_get_step (loaded), ==, 2);
  of_published = new_encoder_of (published);
  of_loaded = new_encoder_of (loaded);
  for (guint output = 0; output < 2; output++) {
    guint size = simclr_encoder_get_embedding_size (of_loaded, output);
    g_autoptr (Tensor) a = tensor_new (4 * size);
    g_autoptr (Tensor) b = tensor_new (4 * size);

    g_assert_cmpuint (size, ==, output == SIMCLR_OUTPUT_PROJECTION ? 16 : 32);
    g_assert_true (simclr_encoder_encode (of_published, views, 4, output, a, &error));
    g_assert_true (simclr_encoder_encode (of_loaded, views, 4, output, b, &error));
    g_assert_cmpmem (a, 4 * size * sizeof (gfloat), b, 4 * size * sizeof (gfloat));
    if (output == SIMCLR_OUTPUT_PROJECTION) {
      for (guint row = 0; row < 4; row++) {
        gdouble square = 0;

        for (guint i = 0; i < size; i++)
          square += a[row * size + i] * a[row * size + i];
        g_assert_cmpfloat_with_epsilon (square, 1, 1e-5);
      }
    }
  }
  remove_with_folder (path);
}

static void
test_bad_checkpoints_are_errors (void)
{
  g_autofree gchar *path = temporary_path ();
  g_auto (Run) run = new_run (SIMCLR_OPTIMIZER_SGD);
  g_autoptr (SimclrTrainer) adamw = new_trainer (SIMCLR_OPTIMIZER_ADAMW);
  g_autoptr (SimclrTrainer) fresh = new_trainer (SIMCLR_OPTIMIZER_SGD);
  g_autoptr (GBytes) file = NULL;
  g_autoptr (GError) error = NULL;
  gsize length;
  const gchar *data;

  step (&run, 0);
  file = save_and_read (run.trainer, path);
  g_assert_false (
      simclr_trainer_resume (adamw, path, &error)); /* SGD's state has no second moment */
  g_assert_true (error != NULL && error->domain == SIMCLR_ERROR);
  g_clear_error (&error);

  data = g_bytes_get_data (file, &length);
  for (guint part = 0; part < 8; part++) {
    g_file_set_contents (path, data, length * part / 8, &error);
    g_assert_no_error (error);
    g_assert_false (simclr_trainer_resume (fresh, path, &error));
    g_assert_nonnull (error);
    g_clear_error (&error);
  }
  g_file_set_contents (path, data, length, &error);
  g_assert_true (simclr_trainer_resume (fresh, path, &error)); /* no failure spoiled it */
  g_assert_no_error (error);
  remove_with_folder (path);
}

/* The head's shape is a setting of the trainer: the error names it, and both values. */
static void
test_another_head_is_an_error (void)
{
  const struct
  {
    const gchar *property;
    guint value;
    const gchar *message;
  } others[] = {{"projection-layers", 3, "projection-layers=2, not 3"},
      {"projection-layers", 1, "projection-layers=2, not 1"},
      {"projection-hidden", 24, "projection-hidden=32, not 24"},
      {"projection-size", 8, "projection-size=16, not 8"}, {"projection-hidden", 32, NULL}};
  g_autofree gchar *path = temporary_path ();
  g_auto (Run) run = new_run (SIMCLR_OPTIMIZER_SGD);
  g_autoptr (GBytes) file = NULL;

  step (&run, 0);
  file = save_and_read (run.trainer, path);
  for (guint i = 0; i < G_N_ELEMENTS (others); i++) {
    g_autoptr (SimclrTrainer) trainer = new_trainer (SIMCLR_OPTIMIZER_SGD);
    g_autoptr (GError) error = NULL;

    g_object_set (trainer, others[i].property, others[i].value, NULL);
    g_assert_cmpint (simclr_trainer_resume (trainer, path, &error), ==, others[i].message == NULL);
    if (others[i].message == NULL)
      continue;
    g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH);
    g_assert_nonnull (strstr (error->message, others[i].message));
  }
  remove_with_folder (path);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_variants ("/checkpoint/resume-is-exact", test_resume_is_exact);
  g_test_add_func (
      "/checkpoint/resume-with-negatives-is-exact", test_resume_with_negatives_is_exact);
  g_test_add_func ("/checkpoint/nothing-to-save", test_nothing_to_save);
  add_variants ("/checkpoint/bad-step-changes-nothing", test_bad_step_changes_nothing);
  g_test_add_func ("/checkpoint/bad-first-step", test_bad_first_step);
  g_test_add_func ("/checkpoint/checkpoint-loads-as-weights", test_checkpoint_loads_as_weights);
  g_test_add_func ("/checkpoint/another-head-is-an-error", test_another_head_is_an_error);
  g_test_add_func ("/checkpoint/bad-checkpoints-are-errors", test_bad_checkpoints_are_errors);
  return g_test_run ();
}
