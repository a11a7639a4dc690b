/* A small encoder in training, for the tests of the trainer.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/io/safetensors-private.h>
#include <simclr/nn/encoder-private.h>
#include <simclr/train/trainer.h>
#include <simclr/simclr-error.h>

#include <glib/gstdio.h>

#include "../nn/compare.h"

/* Of the test that runs. */
static SimclrPrecision precision = SIMCLR_PRECISION_FLOAT32;

#define SIZE 12
#define FLOATS (SIZE * SIZE * 3)
#define VIEWS 16

/* An encoder and its trainer, both new. */
typedef struct
{
  SimclrEncoder *encoder;
  SimclrTrainer *trainer;
} Run;

static inline void
run_clear (Run *run)
{
  g_clear_object (&run->encoder);
  g_clear_object (&run->trainer);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Run, run_clear)

static inline SimclrTrainer *
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

static inline SimclrEncoder *
new_encoder_of (SimclrWeights *weights)
{
  g_autoptr (GError) error = NULL;
  SimclrEncoder *encoder = simclr_encoder_new (weights, SIMCLR_PROVIDER_AUTO, precision, 2, &error);

  g_assert_no_error (error);
  return encoder;
}

static inline Run
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
static inline Tensor *
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

static inline SimclrTrainingStatistics
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

static inline SimclrTrainingStatistics
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

static inline gchar *
temporary_path (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *folder = g_dir_make_tmp ("simclr-XXXXXX", &error);

  g_assert_no_error (error);
  return g_build_filename (folder, "checkpoint.safetensors", NULL);
}

static inline void
remove_with_folder (const gchar *path)
{
  g_autofree gchar *folder = g_path_get_dirname (path);

  g_unlink (path);
  g_assert_cmpint (g_rmdir (folder), ==, 0); /* nothing else was left there */
}

static inline GBytes *
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

/* Every tensor of two checkpoints, bit for bit. */
static inline void
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

/* A test that runs with every optimizer and in both formats. */
typedef struct
{
  void (*run) (SimclrOptimizer optimizer);
  SimclrOptimizer optimizer;
  SimclrPrecision precision;
} Variant;

static inline void
run_variant (gconstpointer data)
{
  const Variant *variant = data;

  precision = variant->precision;
  variant->run (variant->optimizer);
  precision = SIMCLR_PRECISION_FLOAT32;
}

static inline void
add_variants (const gchar *name, void (*run) (SimclrOptimizer optimizer))
{
  const struct
  {
    const gchar *nick;
    SimclrOptimizer optimizer;
  } optimizers[] = {{"sgd", SIMCLR_OPTIMIZER_SGD}, {"lars", SIMCLR_OPTIMIZER_LARS},
      {"adamw", SIMCLR_OPTIMIZER_ADAMW}};

  for (guint i = 0; i < 2 * G_N_ELEMENTS (optimizers); i++) {
    Variant *variant = g_new (Variant, 1);
    g_autofree gchar *path =
        g_strdup_printf ("%s/%s/%s", name, i % 2 ? "bfloat16" : "float32", optimizers[i / 2].nick);

    *variant = (Variant){run, optimizers[i / 2].optimizer,
        i % 2 ? SIMCLR_PRECISION_BFLOAT16 : SIMCLR_PRECISION_FLOAT32};
    g_test_add_data_func_full (path, variant, run_variant, g_free);
  }
}
