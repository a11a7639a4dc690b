/* Training lowers the loss, continues exactly where it was saved, and skips what is not finite.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/io/safetensors-private.h>
#include <simclr/nn/encoder-private.h>
#include <simclr/nn/weights-private.h>
#include <simclr/train/trainer.h>
#include <simclr/simclr-error.h>

#include <glib/gstdio.h>

#include "../nn/compare.h"

#define SIZE 12
#define FLOATS (SIZE * SIZE * 3)
#define VIEWS 16

/* An encoder and its trainer, both new. */
typedef struct
{
  SimclrEncoder *encoder;
  SimclrTrainer *trainer;
} Run;

static void
run_clear (Run *run)
{
  g_clear_object (&run->encoder);
  g_clear_object (&run->trainer);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Run, run_clear)

static SimclrTrainer *
new_trainer (SimclrOptimizer optimizer)
{
  SimclrTrainer *trainer = simclr_trainer_new ();
  gdouble learning_rate = optimizer == SIMCLR_OPTIMIZER_SGD    ? 0.1
                          : optimizer == SIMCLR_OPTIMIZER_LARS ? 3
                                                               : 0.003;

  g_object_set (trainer, "temperature", 0.5, "optimizer", optimizer, "learning-rate", learning_rate,
      "learning-rate-scaling", SIMCLR_LEARNING_RATE_SCALING_NONE, "momentum", 0.9, "weight-decay",
      1e-4, "schedule", SIMCLR_SCHEDULE_CONSTANT, "warmup-steps", (guint64) 0, "total-steps",
      (guint64) 0, "projection-layers", 2, "projection-size", 16, "seed", (guint64) 11, NULL);
  return trainer;
}

static SimclrEncoder *
new_encoder_of (SimclrWeights *weights)
{
  g_autoptr (GError) error = NULL;
  SimclrEncoder *encoder =
      simclr_encoder_new (weights, SIMCLR_PROVIDER_AUTO, SIMCLR_PRECISION_FLOAT32, 2, &error);

  g_assert_no_error (error);
  return encoder;
}

static Run
new_run (SimclrOptimizer optimizer)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrWeights) weights = simclr_weights_new_random (
      SIMCLR_ARCHITECTURE_RESNET18, 0.0625, SIMCLR_STEM_CIFAR, SIZE, 5, &error);
  Run run = {new_encoder_of (weights), new_trainer (optimizer)};

  g_assert_no_error (error);
  return run;
}

/* Pairs a0 b0 a1 b1 ...: b is a with a little noise. */
static Tensor *
new_views (guint64 batch)
{
  Tensor *views = tensor_new ((gsize) VIEWS * FLOATS);

  for (gsize i = 0; i < (gsize) VIEWS * FLOATS; i++) {
    gsize pair = i / (2 * FLOATS), element = i % FLOATS;

    views[i] = (gfloat) (0.9 * _simclr_random_uniform (3, batch, pair * FLOATS + element) +
                         0.1 * _simclr_random_uniform (4, batch, i));
  }
  return views;
}

static SimclrTrainingStatistics
step (Run *run, guint64 batch)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Tensor) views = new_views (batch);
  g_autoptr (SimclrForwardPass) pass = simclr_encoder_forward (run->encoder, views, VIEWS, &error);
  SimclrTrainingStatistics statistics = {0};

  g_assert_no_error (error);
  g_assert_true (simclr_trainer_step (run->trainer, pass, &statistics, &error));
  g_assert_no_error (error);
  return statistics;
}

static SimclrTrainingStatistics
bad_step (Run *run)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Tensor) views = new_views (999);
  g_autoptr (SimclrForwardPass) pass = NULL;
  SimclrTrainingStatistics statistics = {0};

  views[5 * FLOATS + 7] = NAN;
  pass = simclr_encoder_forward (run->encoder, views, VIEWS, &error);
  g_assert_no_error (error);
  g_assert_true (simclr_trainer_step (run->trainer, pass, &statistics, &error));
  g_assert_no_error (error);
  return statistics;
}

static gchar *
temporary_path (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *folder = g_dir_make_tmp ("simclr-XXXXXX", &error);

  g_assert_no_error (error);
  return g_build_filename (folder, "checkpoint.safetensors", NULL);
}

static void
remove_with_folder (const gchar *path)
{
  g_autofree gchar *folder = g_path_get_dirname (path);

  g_unlink (path);
  g_assert_cmpint (g_rmdir (folder), ==, 0); /* nothing else was left there */
}

static GBytes *
save_and_read (SimclrTrainer *trainer, const gchar *path)
{
  g_autoptr (GError) error = NULL;
  gchar *data;
  gsize length;

  g_assert_true (simclr_trainer_save (trainer, path, &error));
  g_assert_no_error (error);
  g_file_get_contents (path, &data, &length, &error);
  g_assert_no_error (error);
  return g_bytes_new_take (data, length);
}

/* Every tensor of two checkpoints, bit for bit; optionally the whole files. */
static void
assert_same_tensors (GBytes *a, GBytes *b)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrSafetensors) file_a = _simclr_safetensors_parse (a, &error);
  g_autoptr (SimclrSafetensors) file_b = _simclr_safetensors_parse (b, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (
      _simclr_safetensors_get_length (file_a), ==, _simclr_safetensors_get_length (file_b));
  for (guint i = 0; i < _simclr_safetensors_get_length (file_a); i++) {
    const SimclrSafetensor *one = _simclr_safetensors_get (file_a, i);
    const SimclrSafetensor *other = _simclr_safetensors_lookup (file_b, one->name);
    g_autofree gfloat *floats = g_new (gfloat, one->count + 1);
    g_autofree gfloat *other_floats = g_new (gfloat, one->count + 1);

    g_assert_nonnull (other);
    g_assert_cmpuint (one->count, ==, other->count);
    if (one->dtype == SIMCLR_DTYPE_I64)
      continue;
    _simclr_safetensors_read_floats (file_a, one, floats, one->count, &error);
    g_assert_no_error (error);
    _simclr_safetensors_read_floats (file_b, other, other_floats, one->count, &error);
    g_assert_no_error (error);
    if (memcmp (floats, other_floats, one->count * sizeof (gfloat)) != 0)
      g_error ("%s differs", one->name);
  }
}

static void
test_loss_falls (gconstpointer data)
{
  g_auto (Run) run = new_run (GPOINTER_TO_INT (data));
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

static void
test_resume_is_exact (gconstpointer data)
{
  SimclrOptimizer optimizer = GPOINTER_TO_INT (data);
  g_autofree gchar *path = temporary_path ();
  g_auto (Run) whole = new_run (optimizer);
  g_auto (Run) rest = {NULL, new_trainer (optimizer)};
  g_autoptr (SimclrWeights) weights = NULL;
  g_autoptr (GBytes) whole_end = NULL, rest_end = NULL, half = NULL, half_again = NULL;
  g_autoptr (GError) error = NULL;
  guint64 position;

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

/* Nothing trained, nothing saved: a file that is there stays as it is. */
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
  g_assert_false (simclr_trainer_save (idle, path, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_FAILED);
  g_clear_error (&error);
  g_assert_true (g_file_get_contents (path, &after, &length, &error));
  g_assert_cmpmem (after, length, g_bytes_get_data (before, NULL), g_bytes_get_size (before));
  remove_with_folder (path);
}

/* With and without a bad step in the middle, everything learned is the same, bit for bit. */
static void
test_bad_step_changes_nothing (gconstpointer data)
{
  SimclrOptimizer optimizer = GPOINTER_TO_INT (data);
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

static void
add_for_each_optimizer (const gchar *name, GTestDataFunc func)
{
  const struct
  {
    const gchar *nick;
    SimclrOptimizer optimizer;
  } optimizers[] = {{"sgd", SIMCLR_OPTIMIZER_SGD}, {"lars", SIMCLR_OPTIMIZER_LARS},
      {"adamw", SIMCLR_OPTIMIZER_ADAMW}};

  for (guint i = 0; i < G_N_ELEMENTS (optimizers); i++) {
    g_autofree gchar *path = g_strdup_printf ("/trainer/%s/%s", name, optimizers[i].nick);

    g_test_add_data_func (path, GINT_TO_POINTER (optimizers[i].optimizer), func);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_for_each_optimizer ("loss-falls", test_loss_falls);
  add_for_each_optimizer ("resume-is-exact", test_resume_is_exact);
  add_for_each_optimizer ("bad-step-changes-nothing", test_bad_step_changes_nothing);
  g_test_add_func ("/trainer/nothing-to-save", test_nothing_to_save);
  g_test_add_func ("/trainer/bad-first-step", test_bad_first_step);
  g_test_add_func ("/trainer/schedule", test_schedule);
  g_test_add_func ("/trainer/checkpoint-loads-as-weights", test_checkpoint_loads_as_weights);
  g_test_add_func ("/trainer/statistics-are-taken-up", test_statistics_are_taken_up);
  g_test_add_func ("/trainer/published-weights-stay", test_published_weights_stay);
  g_test_add_func ("/trainer/another-encoder-is-an-error", test_another_encoder_is_an_error);
  g_test_add_func ("/trainer/odd-views-are-an-error", test_odd_views_are_an_error);
  g_test_add_func ("/trainer/one-pair-is-an-error", test_one_pair_is_an_error);
  g_test_add_func ("/trainer/bad-checkpoints-are-errors", test_bad_checkpoints_are_errors);
  return g_test_run ();
}
