/* What a file of weights holds beside the encoder: projection head and linear layer.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/io/label-list-private.h>
#include <simclr/io/parameter-file-private.h>
#include <simclr/io/weights-file-parts-private.h>

static void
add_head_tensor (SimclrParameters *layout, SimclrParameterKind kind, guint module,
    const gchar *field, guint n_dims, const gsize *shape)
{
  g_autofree gchar *name = g_strdup_printf (SIMCLR_WEIGHTS_FILE_HEAD "%u.%s", module, field);

  _simclr_parameters_add (layout, name, kind, n_dims, shape);
}

/* Adds one dense layer with its BatchNorm to the layouts; size is the width of its input, then of its
 * output. Only the matrix is checked here: the rest when it is read. */
static gboolean
add_head_layer (SimclrSafetensors *file, guint layer, SimclrParameters *layout,
    SimclrParameters *statistics, gsize *size, GError **error)
{
  guint dense = 3 * layer, norm = dense + 1;
  g_autofree gchar *name = g_strdup_printf (SIMCLR_WEIGHTS_FILE_HEAD "%u.weight", dense);
  const SimclrSafetensor *weight = _simclr_safetensors_lookup (file, name);
  gsize shape[2] = {(gsize) weight->shape[0], *size};

  if (weight->n_dims != 2 || weight->shape[0] == 0 || weight->shape[1] != *size) {
    g_autofree gchar *found = _simclr_safetensor_describe_shape (weight);

    return _simclr_weights_file_fail (error, SIMCLR_ERROR_MISMATCH,
        "tensor \"%s\" has the shape %s in the file, but a matrix of %" G_GSIZE_FORMAT
        " columns is wanted",
        name, found, *size);
  }
  if (_simclr_weights_file_has_tensor (file, SIMCLR_WEIGHTS_FILE_HEAD "%u.bias", dense))
    return _simclr_weights_file_fail (error, SIMCLR_ERROR_UNSUPPORTED,
        "tensor \"" SIMCLR_WEIGHTS_FILE_HEAD
        "%u.bias\": dense layers of a projection head have no bias here",
        dense);

  add_head_tensor (layout, SIMCLR_PARAMETER_WEIGHT, dense, "weight", 2, shape);
  add_head_tensor (layout, SIMCLR_PARAMETER_SCALE, norm, "weight", 1, shape);
  if (_simclr_weights_file_has_tensor (file, SIMCLR_WEIGHTS_FILE_HEAD "%u.bias", norm))
    add_head_tensor (layout, SIMCLR_PARAMETER_SHIFT, norm, "bias", 1, shape);
  add_head_tensor (statistics, SIMCLR_PARAMETER_MEAN, norm, "running_mean", 1, shape);
  add_head_tensor (statistics, SIMCLR_PARAMETER_VARIANCE, norm, "running_var", 1, shape);
  *size = shape[0];
  return TRUE;
}

gboolean
_simclr_weights_file_read_head (SimclrSafetensors *file, SimclrWeights *weights, GError **error)
{
  g_autoptr (SimclrParameters) layout = _simclr_parameters_new ();
  g_autoptr (SimclrParameters) statistics_layout = _simclr_parameters_new ();
  g_autofree gfloat *values = NULL, *statistics = NULL;
  gsize size = simclr_weights_get_embedding_size (weights, SIMCLR_OUTPUT_REPRESENTATION);
  guint layers = 0;

  /* another implementation's head, with biases and without BatchNorm: the encoder is what is of use */
  if (g_strcmp0 (_simclr_safetensors_get_metadata (file, "format"), SIMCLR_WEIGHTS_FILE_FORMAT) !=
          0 &&
      _simclr_weights_file_has_tensor (file, SIMCLR_WEIGHTS_FILE_HEAD "0.bias")) {
    g_debug ("a projection head with biases is left out");
    return TRUE;
  }
  while (_simclr_weights_file_has_tensor (file, SIMCLR_WEIGHTS_FILE_HEAD "%u.weight", 3 * layers)) {
    if (layers == SIMCLR_WEIGHTS_FILE_MAX_HEAD_LAYERS)
      return _simclr_weights_file_fail (error, SIMCLR_ERROR_UNSUPPORTED,
          "the projection head has more than %d layers", SIMCLR_WEIGHTS_FILE_MAX_HEAD_LAYERS);
    if (!add_head_layer (file, layers++, layout, statistics_layout, &size, error))
      return FALSE;
  }
  if (layers == 0)
    return TRUE;

  values = g_new0 (gfloat, _simclr_parameters_get_floats (layout));
  statistics = g_new0 (gfloat, _simclr_parameters_get_floats (statistics_layout));
  if (!_simclr_parameters_file_read (file, layout, values, error) ||
      !_simclr_parameters_file_read (file, statistics_layout, statistics, error))
    return FALSE;
  _simclr_weights_set_head (
      weights, g_steal_pointer (&layout), values, g_steal_pointer (&statistics_layout), statistics);
  return TRUE;
}

/* What the linear layer sees: the representation, or a layer of the projection head; 0: there is no such
 * layer. */
static gsize
classifier_input (SimclrWeights *weights, guint head_layer)
{
  g_autofree gchar *name =
      g_strdup_printf (SIMCLR_WEIGHTS_FILE_HEAD "%u.weight", 3 * (head_layer - 1));
  const SimclrParameter *dense;

  if (head_layer == 0)
    return simclr_weights_get_embedding_size (weights, SIMCLR_OUTPUT_REPRESENTATION);
  dense =
      weights->head_layout != NULL ? _simclr_parameters_lookup (weights->head_layout, name) : NULL;
  return dense != NULL ? dense->shape[0] : 0;
}

/* The names of so many logits. */
static gchar **
read_label_names (SimclrSafetensors *file, gsize n_labels, GError **error)
{
  const gchar *json = _simclr_safetensors_get_metadata (file, "labels");
  g_auto (GStrv) labels = NULL;

  if (json == NULL)
    return _simclr_label_list_numbers (n_labels);
  labels = _simclr_label_list_from_json (json, error);
  if (labels != NULL && g_strv_length (labels) != n_labels) {
    _simclr_weights_file_fail (error, SIMCLR_ERROR_MISMATCH,
        "metadata labels has %u names, but fc.weight %" G_GSIZE_FORMAT " rows",
        g_strv_length (labels), n_labels);
    return NULL;
  }
  return g_steal_pointer (&labels);
}

gboolean
_simclr_weights_file_read_classifier (
    SimclrSafetensors *file, SimclrWeights *weights, GError **error)
{
  const SimclrSafetensor *weight = _simclr_safetensors_lookup (file, "fc.weight");
  const SimclrSafetensor *bias = _simclr_safetensors_lookup (file, "fc.bias");
  gboolean ours = g_strcmp0 (_simclr_safetensors_get_metadata (file, "format"),
                      SIMCLR_WEIGHTS_FILE_FORMAT) == 0;
  g_autoptr (SimclrParameters) layout = NULL;
  g_autofree gfloat *values = NULL;
  g_auto (GStrv) labels = NULL;
  guint64 head_layer = 0;
  gsize size;

  if (weight == NULL || !_simclr_weights_file_read_number (file, "head_layer",
                            SIMCLR_WEIGHTS_FILE_MAX_HEAD_LAYERS, &head_layer, error))
    return weight == NULL;
  size = classifier_input (weights, (guint) head_layer);
  if (weight->n_dims != 2 || weight->shape[0] == 0 || weight->shape[1] != size || bias == NULL ||
      bias->n_dims != 1 || bias->shape[0] != weight->shape[0]) {
    g_debug ("fc.weight and fc.bias are no linear layer over embeddings of %" G_GSIZE_FORMAT
             " floats",
        size);
    return !ours ||
           _simclr_weights_file_fail (error, SIMCLR_ERROR_MISMATCH,
               "tensors fc.weight and fc.bias are no linear layer over the %" G_GSIZE_FORMAT
               " floats of layer %" G_GUINT64_FORMAT,
               size, head_layer);
  }
  labels = read_label_names (file, (gsize) weight->shape[0], error);
  if (labels == NULL)
    return FALSE;
  layout = _simclr_classifier_layout_new ((gsize) weight->shape[0], size);
  values = g_new0 (gfloat, _simclr_parameters_get_floats (layout));
  if (!_simclr_parameters_file_read (file, layout, values, error))
    return FALSE;
  _simclr_weights_set_classifier (weights, g_steal_pointer (&layout), values, (guint) head_layer,
      (const gchar *const *) labels);
  return TRUE;
}
