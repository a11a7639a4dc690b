/* Whole encoders, heads and the loss against PyTorch: outputs, running statistics, every gradient.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/io/weights-file-private.h>
#include <simclr/loss/loss-private.h>
#include <simclr/nn/convolution-private.h>
#include <simclr/nn/encoder-private.h>
#include <simclr/nn/projection-head-private.h>

#include "fixture.h"

static const gchar *const models[] = {
    "resnet18-cifar", "resnet18-imagenet", "resnet50-cifar", "resnet50-imagenet"};

typedef struct
{
  const gchar *model;
  SimclrProvider provider;
  SimclrPrecision precision;
  guint threads;
} Setup;

/* bfloat16 keeps eight bits. What a small batch's BatchNorms and ReLUs make of that in the gradient is a
 * matter of tens of percents for any implementation (PyTorch's autocast is 12 to 38 % off on these models),
 * so that only the whole gradient is held against the truth. */
typedef struct
{
  gdouble embeddings;
  gdouble projections;
  gdouble gradients;
} Tolerances;

static const Tolerances float_tolerances = {1e-4, 1e-4, 1e-3};
static const Tolerances bfloat16_tolerances = {2e-2, 1e-1, 0.45};

typedef struct
{
  const Setup *setup;
  SimclrSafetensors *fixture;
  SimclrWeights *weights;
  SimclrEncoder *encoder;
  Tensor *views;
  guint n_views;
} Model;

static void
model_clear (Model *model)
{
  g_clear_pointer (&model->fixture, _simclr_safetensors_free);
  g_clear_pointer (&model->weights, simclr_weights_unref);
  g_clear_object (&model->encoder);
  g_clear_pointer (&model->views, tensor_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Model, model_clear)

static gboolean
is_half (const Setup *setup)
{
  return setup->precision == SIMCLR_PRECISION_BFLOAT16;
}

static const Tolerances *
get_tolerances (const Setup *setup)
{
  return is_half (setup) ? &bfloat16_tolerances : &float_tolerances;
}

static void
model_load (const Setup *setup, Model *model)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *file = g_strconcat (setup->model, ".safetensors", NULL);

  model->setup = setup;
  model->fixture = fixture_open (file);
  model->weights = _simclr_weights_file_read (model->fixture, &error);
  g_assert_no_error (error);
  model->views = fixture_get (model->fixture, "views", NULL);
  model->n_views = (guint) _simclr_safetensors_lookup (model->fixture, "views")->shape[0];
  model->encoder = simclr_encoder_new (
      model->weights, setup->provider, setup->precision, setup->threads, &error);
  g_assert_no_error (error);
}

static void
test_inference (gconstpointer data)
{
  const Setup *setup = data;
  g_auto (Model) model = {0};
  g_autoptr (GError) error = NULL;
  gsize size, n;

  model_load (setup, &model);
  for (guint output = 0; output < 2; output++) {
    g_autoptr (Tensor) embeddings = NULL;

    size = simclr_encoder_get_embedding_size (model.encoder, output);
    n = model.n_views * size;
    embeddings = tensor_new (n);
    simclr_encoder_encode (model.encoder, model.views, model.n_views, output, embeddings, &error);
    g_assert_no_error (error);
    fixture_compare (model.fixture,
        output == SIMCLR_OUTPUT_PROJECTION ? "projections.inference" : "embeddings.inference",
        embeddings, n, get_tolerances (setup)->embeddings);
  }
}

/* One step without the optimizer; the head and the loss are as in the fixture. */
static void
run_step (Model *model, SimclrProjectionHead *head, SimclrForwardPass *pass)
{
  const Tolerances *tolerances = get_tolerances (model->setup);
  SimclrParallel *parallel = _simclr_encoder_get_parallel (model->encoder);
  guint threads = _simclr_parallel_get_threads (parallel);
  gsize rows = model->n_views, columns = _simclr_projection_head_get_output_size (head), floats;
  const gchar *temperature = _simclr_safetensors_get_metadata (model->fixture, "temperature");
  const gfloat *h = simclr_forward_pass_get_embeddings (pass, &floats);
  g_autoptr (Tensor) dz = tensor_new (rows * columns);
  g_autoptr (Tensor) dh = tensor_new (floats);
  g_autoptr (Tensor) scratch = tensor_new (_simclr_loss_get_scratch (threads, rows, columns));
  g_autoptr (GError) error = NULL;
  SimclrLossSettings settings = {SIMCLR_LOSS_NT_XENT, g_ascii_strtod (temperature, NULL)};
  SimclrLossBatch batch = {.rows = rows, .columns = columns};
  SimclrLossResult result;
  const gfloat *z;
  gfloat loss;

  fixture_compare (model->fixture, "embeddings.training", h, floats, tolerances->embeddings);
  z = _simclr_projection_head_forward (head, parallel, h, rows, &error);
  g_assert_no_error (error);
  fixture_compare (
      model->fixture, "projections.training", z, rows * columns, tolerances->projections);
  batch.z = z;
  _simclr_loss (parallel, &settings, &batch, dz, &result, scratch);
  loss = (gfloat) result.loss;
  fixture_compare (model->fixture, "loss", &loss, 1, tolerances->projections);
  fixture_compare (
      model->fixture, "gradient.projections", dz, rows * columns, tolerances->gradients);
  _simclr_projection_head_backward (head, parallel, dz, dh);
  fixture_compare (model->fixture, "gradient.embeddings", dh, floats, tolerances->gradients);
  simclr_forward_pass_backward (pass, dh, floats, &error);
  g_assert_no_error (error);
}

static void
check_gradients (const Model *model, const SimclrParameterSet *set)
{
  if (is_half (model->setup))
    fixture_compare_whole_table (
        model->fixture, "grad.", set->layout, set->gradients, bfloat16_tolerances.gradients);
  else
    fixture_compare_table (
        model->fixture, "grad.", set->layout, set->gradients, float_tolerances.gradients);
}

static void
test_training (gconstpointer data)
{
  const Setup *setup = data;
  g_auto (Model) model = {0};
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrForwardPass) pass = NULL;
  g_autoptr (SimclrProjectionHead) head = NULL;
  g_autoptr (SimclrWeights) after = NULL;
  const SimclrParameterSet *set;

  model_load (setup, &model);
  head = _simclr_projection_head_new_from (model.weights->head_layout, model.weights->head_values,
      model.weights->head_statistics_layout, model.weights->head_statistics, &error);
  g_assert_no_error (error);
  pass = simclr_encoder_forward (model.encoder, model.views, model.n_views, &error);
  g_assert_no_error (error);
  run_step (&model, head, pass);

  set = _simclr_encoder_get_parameters (model.encoder);
  check_gradients (&model, set);
  set = _simclr_projection_head_get_parameters (head);
  check_gradients (&model, set);

  _simclr_encoder_commit (model.encoder, 1);
  _simclr_projection_head_commit (head);
  after = _simclr_encoder_snapshot (model.encoder);
  fixture_compare_table (model.fixture, "after.", after->statistics_layout, after->statistics,
      get_tolerances (setup)->embeddings);
  fixture_compare_table (model.fixture, "after.",
      _simclr_projection_head_get_statistics_layout (head),
      _simclr_projection_head_get_statistics (head), get_tolerances (setup)->embeddings);
}

static const gchar *const provider_names[] = {"auto", "openblas", "onednn"};

/* A provider or format that is not to be had here has nothing to be tested. */
static void
add_tests (const gchar *model, SimclrProvider provider, SimclrPrecision precision, guint threads)
{
  const gboolean half = precision == SIMCLR_PRECISION_BFLOAT16;
  SimclrProvider provider_chosen = provider;
  SimclrPrecision precision_chosen = precision;
  g_autofree gchar *prefix = g_strdup_printf ("/resnet/%s/%s/%s/%u", model,
      provider_names[provider], half ? "bfloat16" : "float32", threads);
  g_autofree gchar *inference = g_strconcat (prefix, "/inference", NULL);
  g_autofree gchar *training = g_strconcat (prefix, "/training", NULL);
  Setup *setup;

  if (!_simclr_provider_choose (&provider_chosen, &precision_chosen, NULL))
    return;
  setup = g_new (Setup, 1);
  *setup = (Setup){model, provider, precision, threads};
  g_test_add_data_func (inference, setup, test_inference);
  g_test_add_data_func_full (training, setup, test_training, g_free);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint m = 0; m < G_N_ELEMENTS (models); m++)
    for (guint threads = 1; threads <= 2; threads++) {
      add_tests (models[m], SIMCLR_PROVIDER_OPENBLAS, SIMCLR_PRECISION_FLOAT32, threads);
      add_tests (models[m], SIMCLR_PROVIDER_OPENBLAS, SIMCLR_PRECISION_BFLOAT16, threads);
      add_tests (models[m], SIMCLR_PROVIDER_ONEDNN, SIMCLR_PRECISION_FLOAT32, threads);
      add_tests (models[m], SIMCLR_PROVIDER_ONEDNN, SIMCLR_PRECISION_BFLOAT16, threads);
    }
  return g_test_run ();
}
