/* An encoder as an ONNX model: the steps of the inference plan as nodes.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/io/onnx-graph-private.h>

#include <simclr/augment/frame-private.h>
#include <simclr/nn/batchnorm-private.h>
#include <simclr/nn/inference-plan-private.h>
#include <simclr/simclr-enum-types.h>
#include <simclr/simclr-error.h>
#include <math.h>
#include <string.h>

#define REPRESENTATION "representation" /* h, where the embedding is made from it */
#define SHORTEST 1e-6f /* projections are not scaled up by more; as simclr_encoder_encode () */

typedef struct
{
  Onnx__ModelProto *model;
  SimclrWeights *weights;
  SimclrResnet *resnet;
  SimclrFolded *folded;
} Graph;

static gchar *
name_tensor (const Graph *self, guint tensor)
{
  if (tensor > 0)
    return g_strdup_printf ("tensor%u", tensor);
  return g_strdup (self->weights->normalization == SIMCLR_NORMALIZATION_IMAGENET
                       ? "normalized"
                       : SIMCLR_ONNX_INPUT);
}

/* (x - mean) / deviation stays in front of the first convolution: its zero padding comes after it. */
static void
add_normalization (const Graph *self)
{
  const gint64 shape[] = {1, 3, 1, 1};
  g_autofree gchar *output = name_tensor (self, 0);
  SimclrPixelMapping mapping;
  gfloat *scale, *offset;

  if (self->weights->normalization != SIMCLR_NORMALIZATION_IMAGENET)
    return;
  _simclr_pixel_mapping (&mapping, self->weights->normalization, TRUE);
  scale = _simclr_onnx_model_add_constant (self->model, "normalization.scale", 4, shape);
  offset = _simclr_onnx_model_add_constant (self->model, "normalization.offset", 4, shape);
  memcpy (scale, mapping.scale, sizeof mapping.scale);
  memcpy (offset, mapping.offset, sizeof mapping.offset);
  _simclr_onnx_model_add_node (
      self->model, "Mul", "scaled", SIMCLR_ONNX_INPUT, "normalization.scale", NULL);
  _simclr_onnx_model_add_node (self->model, "Add", output, "scaled", "normalization.offset", NULL);
}

static void
set_window (Onnx__NodeProto *node, const SimclrConvolutionShape *shape)
{
  _simclr_onnx_node_set_integers (node, "kernel_shape", 2, (gint64) shape->kernel);
  _simclr_onnx_node_set_integers (node, "strides", 2, (gint64) shape->stride);
  _simclr_onnx_node_set_integers (node, "pads", 4, (gint64) shape->padding);
}

/* The folded weight in file order (O, I, KH, KW), and its bias. */
static void
add_convolution (
    const Graph *self, const SimclrLayer *layer, const gchar *input, const gchar *output)
{
  SimclrParameters *layout = self->resnet->layout;
  const SimclrParameter *weight = _simclr_parameters_get (layout, layer->weight);
  const SimclrParameter *shift = _simclr_parameters_get (layout, layer->shift);
  const gint64 out = (gint64) shift->count;
  g_autofree gchar *bias = g_strconcat (output, ".bias", NULL);
  gint64 shape[4];

  for (guint i = 0; i < 4; i++)
    shape[i] = (gint64) weight->shape[i];
  _simclr_parameter_to_file (weight, self->folded->weights + weight->offset,
      _simclr_onnx_model_add_constant (self->model, weight->name, 4, shape));
  memcpy (_simclr_onnx_model_add_constant (self->model, bias, 1, &out),
      self->folded->biases + shift->offset, shift->count * sizeof (gfloat));
  set_window (
      _simclr_onnx_model_add_node (self->model, "Conv", output, input, weight->name, bias, NULL),
      &layer->shape);
}

/* Convolution, then + residual, then ReLU: the last of them has the tensor's name. */
static void
add_layer (const Graph *self, guint number)
{
  const SimclrLayer *layer = _simclr_resnet_get_layer (self->resnet, number);
  g_autofree gchar *input = name_tensor (self, layer->input);
  g_autofree gchar *residual = name_tensor (self, layer->residual);
  g_autofree gchar *output = name_tensor (self, number + 1);
  g_autofree gchar *product = g_strconcat (output, ".convolution", NULL);
  g_autofree gchar *sum = g_strconcat (output, ".sum", NULL);
  const gchar *last;

  if (layer->kind == SIMCLR_LAYER_MAX_POOL) {
    set_window (
        _simclr_onnx_model_add_node (self->model, "MaxPool", output, input, NULL), &layer->shape);
    return;
  }
  last = layer->relu || layer->residual ? product : output;
  add_convolution (self, layer, input, last);
  if (layer->residual) {
    _simclr_onnx_model_add_node (
        self->model, "Add", layer->relu ? sum : output, product, residual, NULL);
    last = sum;
  }
  if (layer->relu)
    _simclr_onnx_model_add_node (self->model, "Relu", output, last, NULL);
}

static void
add_pooling (const Graph *self, const gchar *output)
{
  g_autofree gchar *last = name_tensor (self, self->resnet->layers->len);
  Onnx__NodeProto *node;

  _simclr_onnx_model_add_node (self->model, "GlobalAveragePool", "pooled", last, NULL);
  node = _simclr_onnx_model_add_node (self->model, "Flatten", output, "pooled", NULL);
  _simclr_onnx_node_set_integer (node, "axis", 1);
}

static const gfloat *
find (SimclrParameters *layout, const gfloat *values, guint module, const gchar *field)
{
  g_autofree gchar *name = g_strdup_printf ("projection_head.layers.%u.%s", module, field);
  const SimclrParameter *parameter = _simclr_parameters_lookup (layout, name);

  return parameter ? values + parameter->offset : NULL;
}

/* A dense layer of the head with its BatchNorm folded; the last one has no shift. */
static void
add_dense (const Graph *self, guint number, const SimclrParameter *weight, const gchar *input,
    const gchar *output)
{
  const SimclrWeights *weights = self->weights;
  const guint norm = 3 * number + 1;
  const gfloat *scale = find (weights->head_layout, weights->head_values, norm, "weight");
  const gfloat *shift = find (weights->head_layout, weights->head_values, norm, "bias");
  const gfloat *mean =
      find (weights->head_statistics_layout, weights->head_statistics, norm, "running_mean");
  const gfloat *variance =
      find (weights->head_statistics_layout, weights->head_statistics, norm, "running_var");
  const gfloat *from = weights->head_values + weight->offset;
  const gint64 shape[] = {(gint64) weight->shape[0], (gint64) weight->shape[1]};
  g_autofree gchar *bias_name = g_strconcat (output, ".bias", NULL);
  gfloat *matrix = _simclr_onnx_model_add_constant (self->model, weight->name, 2, shape);
  gfloat *bias = _simclr_onnx_model_add_constant (self->model, bias_name, 1, shape);

  for (gsize o = 0; o < weight->shape[0]; o++) {
    gfloat factor = scale[o] / sqrtf (variance[o] + SIMCLR_BATCHNORM_EPSILON);

    for (gsize i = 0; i < weight->shape[1]; i++)
      matrix[o * weight->shape[1] + i] = from[o * weight->shape[1] + i] * factor;
    bias[o] = (shift ? shift[o] : 0) - mean[o] * factor;
  }
  _simclr_onnx_node_set_integer (_simclr_onnx_model_add_node (self->model, "Gemm", output, input,
                                     weight->name, bias_name, NULL),
      "transB", 1);
}

static void
add_unit_length (const Graph *self, const gchar *input, const gchar *output)
{
  Onnx__NodeProto *norm =
      _simclr_onnx_model_add_node (self->model, "ReduceL2", "norm", input, NULL);

  _simclr_onnx_node_set_integers (norm, "axes", 1, 1);
  _simclr_onnx_node_set_integer (norm, "keepdims", 1);
  *_simclr_onnx_model_add_constant (self->model, "shortest", 0, NULL) = SHORTEST;
  _simclr_onnx_model_add_node (self->model, "Max", "length", "norm", "shortest", NULL);
  _simclr_onnx_model_add_node (self->model, "Div", output, input, "length", NULL);
}

static void
add_head (const Graph *self)
{
  g_autofree gchar *input = g_strdup (REPRESENTATION);
  const SimclrParameter *weight = NULL;

  for (guint number = 0;; number++) {
    g_autofree gchar *name = g_strdup_printf ("projection_head.layers.%u.weight", 3 * number);
    g_autofree gchar *product = g_strdup_printf ("head%u.product", number + 1);

    weight = _simclr_parameters_lookup (self->weights->head_layout, name);
    if (!weight)
      break;
    if (number > 0) {
      g_autofree gchar *before = g_steal_pointer (&input);

      input = g_strdup_printf ("head%u", number);
      _simclr_onnx_model_add_node (self->model, "Relu", input, before, NULL);
    }
    add_dense (self, number, weight, input, product);
    g_free (input);
    input = g_steal_pointer (&product);
  }
  add_unit_length (self, input, SIMCLR_ONNX_EMBEDDING);
}

static const gchar *
get_nick (GType type, gint value)
{
  g_autoptr (GTypeClass) klass = g_type_class_ref (type);

  return g_enum_get_value (G_ENUM_CLASS (klass), value)->value_nick; /* static */
}

/* What the weights say of themselves, under the names that their own files have for it. */
static void
describe (const Graph *self, SimclrOutput output)
{
  const SimclrWeights *weights = self->weights;
  g_autofree gchar *step = g_strdup_printf ("%" G_GUINT64_FORMAT, weights->step);
  gchar width[G_ASCII_DTOSTR_BUF_SIZE];
  const struct
  {
    const gchar *key;
    const gchar *value;
  } metadata[] = {
      {"architecture", get_nick (SIMCLR_TYPE_ARCHITECTURE, (gint) weights->architecture)},
      {"width", g_ascii_dtostr (width, sizeof width, weights->width)},
      {"stem", get_nick (SIMCLR_TYPE_STEM, (gint) weights->stem)},
      {"normalization", get_nick (SIMCLR_TYPE_NORMALIZATION, (gint) weights->normalization)},
      {"output", get_nick (SIMCLR_TYPE_OUTPUT, (gint) output)},
      {"step", step},
      {"name", weights->name},
  };

  for (guint i = 0; i < G_N_ELEMENTS (metadata); i++)
    if (metadata[i].value)
      _simclr_onnx_model_add_metadata (self->model, metadata[i].key, metadata[i].value);
}

static void
add_ends (const Graph *self, SimclrOutput output)
{
  const gint64 size = self->weights->input_size;
  const gint64 pictures[] = {SIMCLR_ONNX_BATCH, 3, size, size};
  const gint64 embeddings[] = {
      SIMCLR_ONNX_BATCH, simclr_weights_get_embedding_size (self->weights, output)};

  _simclr_onnx_model_add_input (
      self->model, SIMCLR_ONNX_INPUT, "red, green and blue planes in [0, 1]", 4, pictures);
  _simclr_onnx_model_add_output (self->model, SIMCLR_ONNX_EMBEDDING,
      output == SIMCLR_OUTPUT_PROJECTION ? "z, after the projection head, scaled to unit length"
                                         : "h, the pooled features, before the projection head",
      2, embeddings);
}

Onnx__ModelProto *
_simclr_onnx_model_of (SimclrWeights *weights, SimclrOutput output, GError **error)
{
  g_autoptr (SimclrResnet) resnet = _simclr_resnet_new (
      weights->architecture, weights->width, weights->stem, weights->input_size, error);
  Graph self = {.weights = weights, .resnet = resnet};

  if (!resnet)
    return NULL;
  self.model = _simclr_onnx_model_new ("simclr");
  self.folded = _simclr_folded_new (resnet);
  _simclr_folded_set (self.folded, resnet, weights->values, weights->statistics);
  describe (&self, output);
  add_ends (&self, output);
  add_normalization (&self);
  for (guint i = 0; i < resnet->layers->len; i++)
    add_layer (&self, i);
  if (output == SIMCLR_OUTPUT_PROJECTION) {
    add_pooling (&self, REPRESENTATION);
    add_head (&self);
  } else {
    add_pooling (&self, SIMCLR_ONNX_EMBEDDING);
  }
  _simclr_folded_free (self.folded);
  return self.model;
}
