/* Everything that a model computes of some views, for the comparison with PyTorch.
 *   model-tool MODEL RESULT PROVIDER PRECISION THREADS
 * MODEL is a checkpoint that also has the tensor views (n, size, size, 3) and the metadata temperature. RESULT
 * gets embeddings and projections in both modes, the loss, all gradients and the running statistics after
 * one step, by the names that compare-models.py uses.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/simclr-enum-types.h>
#include <simclr/base/arena-private.h>
#include <simclr/io/weights-file-private.h>
#include <simclr/loss/loss-private.h>
#include <simclr/nn/convolution-private.h>
#include <simclr/nn/encoder-private.h>
#include <simclr/nn/projection-head-private.h>

#include "tool.h"

/* what the parent reads as "this machine has no such provider or precision" */
#define NOT_HERE 77

/* What lies in the library's own aligned memory; lives until the end. */
static gfloat *
new_floats (gsize floats)
{
  GError *error = NULL;
  gfloat *memory = _simclr_aligned_alloc (MAX (1, floats) * sizeof (gfloat), &error);

  stop_at (error);
  return memory;
}

static void
add (SimclrSafetensorsWriter *writer, const gchar *name, const gfloat *floats, gsize rows,
    gsize columns)
{
  const gsize shape[2] = {rows, columns};

  _simclr_safetensors_writer_take (
      writer, name, 2, shape, g_memdup2 (floats, rows * columns * sizeof (gfloat)));
}

/* Every tensor of a flat buffer, in the file's order. */
static void
add_table (SimclrSafetensorsWriter *writer, const gchar *prefix, SimclrParameters *layout,
    const gfloat *floats)
{
  for (guint i = 0; i < _simclr_parameters_get_length (layout); i++) {
    const SimclrParameter *parameter = _simclr_parameters_get (layout, i);
    g_autofree gchar *name = g_strconcat (prefix, parameter->name, NULL);
    gfloat *file_order = g_new (gfloat, parameter->count);

    _simclr_parameter_to_file (parameter, floats + parameter->offset, file_order);
    _simclr_safetensors_writer_take (writer, name, parameter->n_dims, parameter->shape, file_order);
  }
}

static void
infer (SimclrSafetensorsWriter *writer, SimclrEncoder *encoder, const gfloat *views, guint n_views)
{
  static const gchar *const names[] = {"embeddings.inference", "projections.inference"};
  static const SimclrOutput outputs[] = {SIMCLR_OUTPUT_REPRESENTATION, SIMCLR_OUTPUT_PROJECTION};
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < 2; i++) {
    guint size = simclr_encoder_get_embedding_size (encoder, outputs[i]);
    g_autofree gfloat *floats = g_new (gfloat, (gsize) n_views * size);

    simclr_encoder_encode (encoder, views, n_views, outputs[i], floats, &error);
    stop_at (error);
    add (writer, names[i], floats, n_views, size);
  }
}

/* Forward, head, NT-Xent and all the way back. */
static void
train (SimclrSafetensorsWriter *writer, SimclrEncoder *encoder, SimclrProjectionHead *head,
    SimclrForwardPass *pass, gdouble temperature)
{
  SimclrParallel *parallel = _simclr_encoder_get_parallel (encoder);
  guint threads = _simclr_parallel_get_threads (parallel);
  gsize rows = simclr_forward_pass_get_n_views (pass), floats;
  gsize columns = _simclr_projection_head_get_output_size (head);
  const gfloat *h = simclr_forward_pass_get_embeddings (pass, &floats);
  gfloat *dz = new_floats (rows * columns), *dh = new_floats (floats);
  gfloat *scratch = new_floats (_simclr_loss_get_scratch (threads, rows, columns));
  g_autoptr (GError) error = NULL;
  SimclrLossSettings settings = {SIMCLR_LOSS_NT_XENT, temperature};
  SimclrLossBatch batch = {.rows = rows, .columns = columns};
  SimclrLossResult result;
  gfloat loss;

  add (writer, "embeddings.training", h, rows, floats / rows);
  batch.z = _simclr_projection_head_forward (head, parallel, h, rows, &error);
  stop_at (error);
  add (writer, "projections.training", batch.z, rows, columns);
  _simclr_loss (parallel, &settings, &batch, dz, &result, scratch);
  loss = (gfloat) result.loss;
  add (writer, "loss", &loss, 1, 1);
  add (writer, "gradient.projections", dz, rows, columns);
  _simclr_projection_head_backward (head, parallel, dz, dh);
  add (writer, "gradient.embeddings", dh, rows, floats / rows);
  simclr_forward_pass_backward (pass, dh, floats, &error);
  stop_at (error);
  _simclr_aligned_free (dz);
  _simclr_aligned_free (dh);
  _simclr_aligned_free (scratch);
}

static void
compute (SimclrSafetensorsWriter *writer, SimclrEncoder *encoder, SimclrWeights *weights,
    const gfloat *views, guint n_views, gdouble temperature)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrForwardPass) pass = NULL;
  g_autoptr (SimclrProjectionHead) head = NULL;
  g_autoptr (SimclrWeights) after = NULL;
  const SimclrParameterSet *set;

  infer (writer, encoder, views, n_views);
  head = _simclr_projection_head_new_from (weights->head_layout, weights->head_values,
      weights->head_statistics_layout, weights->head_statistics, &error);
  stop_at (error);
  pass = simclr_encoder_forward (encoder, views, n_views, &error);
  stop_at (error);
  train (writer, encoder, head, pass, temperature);
  set = _simclr_encoder_get_parameters (encoder);
  add_table (writer, "grad.", set->layout, set->gradients);
  set = _simclr_projection_head_get_parameters (head);
  add_table (writer, "grad.", set->layout, set->gradients);

  _simclr_encoder_commit (encoder, 1);
  _simclr_projection_head_commit (head);
  after = _simclr_encoder_snapshot (encoder);
  add_table (writer, "after.", after->statistics_layout, after->statistics);
  add_table (writer, "after.", _simclr_projection_head_get_statistics_layout (head),
      _simclr_projection_head_get_statistics (head));
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrSafetensors) model = NULL;
  g_autoptr (SimclrSafetensorsWriter) writer = _simclr_safetensors_writer_new ();
  g_autoptr (SimclrWeights) weights = NULL;
  g_autoptr (SimclrEncoder) encoder = NULL;
  const SimclrSafetensor *tensor;
  const gchar *temperature;
  SimclrProvider provider;
  SimclrPrecision precision;
  gfloat *views;

  if (argc != 6) {
    g_printerr ("usage: %s MODEL RESULT PROVIDER PRECISION THREADS\n", argv[0]);
    return 2;
  }
  provider = from_nick (SIMCLR_TYPE_PROVIDER, argv[3]);
  precision = from_nick (SIMCLR_TYPE_PRECISION, argv[4]);
  if (!_simclr_provider_choose (&provider, &precision, &error)) {
    g_printerr ("%s\n", error->message);
    return NOT_HERE;
  }
  model = _simclr_safetensors_open (argv[1], &error);
  stop_at (error);
  weights = _simclr_weights_file_read (model, &error);
  stop_at (error);
  tensor = _simclr_safetensors_lookup (model, "views");
  temperature = _simclr_safetensors_get_metadata (model, "temperature");
  g_assert_true (tensor != NULL && temperature != NULL);
  views = new_floats (tensor->count);
  _simclr_safetensors_read_floats (model, tensor, views, tensor->count, &error);
  stop_at (error);
  encoder = simclr_encoder_new (
      weights, provider, precision, (guint) strtoul (argv[5], NULL, 10), &error);
  stop_at (error);
  compute (writer, encoder, weights, views, (guint) tensor->shape[0],
      g_ascii_strtod (temperature, NULL));
  _simclr_aligned_free (views);
  _simclr_safetensors_writer_write (writer, argv[2], &error);
  stop_at (error);
  return 0;
}
