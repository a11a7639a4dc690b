/* The projection head g: dense layers with BatchNorm (official code, model.py ProjectionHead).
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/projection-head-private.h>

#include <simclr/simclr-error.h>
#include <simclr/base/arena-private.h>
#include <simclr/base/random-private.h>
#include <simclr/nn/batchnorm-private.h>
#include <simclr/nn/linear-private.h>
#include <math.h>
#include <string.h>

#define MOST_LAYERS 3
#define INITIAL_DEVIATION 0.01 /* model.py, LinearLayer */

typedef struct
{
  gsize in, out;
  guint weight, scale;  /* numbers in the layout */
  guint shift;          /* as well; 0, the first weight's, where there is none */
  guint mean, variance; /* numbers in the statistics layout */

  /* One batch: (rows, out) each, and mean, variance, inverse (3, out). */
  gfloat *product;
  gfloat *output;
  gfloat *moments;
} Layer;

struct _SimclrProjectionHead
{
  guint n_layers;
  guint depth; /* layers in use */
  Layer layers[MOST_LAYERS];
  SimclrParameterSet parameters;
  SimclrParameterSet used; /* those of the layers in use: a beginning of parameters */
  SimclrParameters *statistics_layout;
  gfloat *statistics;

  gsize rows;          /* that the memory below is for */
  const gfloat *input; /* of the last forward, borrowed */
  gfloat *gradients[2];
  gfloat *scratch;
};

static guint
add_vector (SimclrParameters *table, guint module, const gchar *name, SimclrParameterKind kind,
    gsize channels)
{
  g_autofree gchar *full = g_strdup_printf ("projection_head.layers.%u.%s", module, name);

  return _simclr_parameters_add (table, full, kind, 1, &channels);
}

static void
add_layer (
    SimclrProjectionHead *self, SimclrParameters *layout, gsize in, gsize out, gboolean shifted)
{
  const guint dense = 3 * self->n_layers, norm = dense + 1;
  const gsize shape[2] = {out, in};
  g_autofree gchar *weight = g_strdup_printf ("projection_head.layers.%u.weight", dense);
  Layer *layer = &self->layers[self->n_layers++];

  layer->in = in;
  layer->out = out;
  layer->weight = _simclr_parameters_add (layout, weight, SIMCLR_PARAMETER_WEIGHT, 2, shape);
  layer->scale = add_vector (layout, norm, "weight", SIMCLR_PARAMETER_SCALE, out);
  if (shifted)
    layer->shift = add_vector (layout, norm, "bias", SIMCLR_PARAMETER_SHIFT, out);
  layer->mean =
      add_vector (self->statistics_layout, norm, "running_mean", SIMCLR_PARAMETER_MEAN, out);
  layer->variance =
      add_vector (self->statistics_layout, norm, "running_var", SIMCLR_PARAMETER_VARIANCE, out);
}

static gboolean
allocate_parameters (SimclrProjectionHead *self, GError **error)
{
  gsize bytes = _simclr_parameters_get_floats (self->parameters.layout) * sizeof (gfloat);

  self->parameters.values = _simclr_aligned_alloc (bytes, error);
  self->parameters.gradients =
      self->parameters.values ? _simclr_aligned_alloc (bytes, error) : NULL;
  if (!self->parameters.gradients)
    return FALSE;
  memset (self->parameters.values, 0, bytes);
  memset (self->parameters.gradients, 0, bytes);
  self->statistics = g_new0 (gfloat, _simclr_parameters_get_floats (self->statistics_layout));
  return TRUE;
}

/* Layers, tables and cleared memory. The last BatchNorm has no shift, as in the official code, unless it is another's
 * head that has one. */
static SimclrProjectionHead *
build (guint layers, gsize in, gsize hidden, gsize out, gboolean shifted, GError **error)
{
  g_autoptr (SimclrProjectionHead) self = NULL;

  if (layers < 1 || layers > MOST_LAYERS || in == 0 || hidden == 0 || out == 0) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_VALUE,
        "a projection head has 1 to %d layers and at least one output, not %u layers with "
        "%" G_GSIZE_FORMAT " outputs",
        MOST_LAYERS, layers, out);
    return NULL;
  }
  self = g_new0 (SimclrProjectionHead, 1);
  self->parameters.layout = _simclr_parameters_new ();
  self->statistics_layout = _simclr_parameters_new ();
  for (guint i = 0; i < layers; i++)
    add_layer (self, self->parameters.layout, i == 0 ? in : hidden, i + 1 == layers ? out : hidden,
        shifted || i + 1 < layers);
  if (!allocate_parameters (self, error))
    return NULL;
  self->depth = layers;
  return g_steal_pointer (&self);
}

SimclrProjectionHead *
_simclr_projection_head_new (
    guint layers, gsize in, gsize hidden, gsize out, guint64 seed, GError **error)
{
  SimclrProjectionHead *self = build (layers, in, hidden ? hidden : in, out, FALSE, error);

  for (guint i = 0; self && i < self->n_layers; i++) {
    const Layer *layer = &self->layers[i];
    SimclrParameters *layout = self->parameters.layout;
    const SimclrParameter *weight = _simclr_parameters_get (layout, layer->weight);

    for (gsize j = 0; j < weight->count; j++)
      self->parameters.values[weight->offset + j] =
          (gfloat) (INITIAL_DEVIATION * _simclr_random_normal (seed, SIMCLR_STREAM_HEAD | i, j));
    _simclr_parameter_fill (
        _simclr_parameters_get (layout, layer->scale), self->parameters.values, 1);
    _simclr_parameter_fill (
        _simclr_parameters_get (self->statistics_layout, layer->variance), self->statistics, 1);
  }
  return self;
}

/* The sizes that the tensors' shapes tell. */
static gboolean
read_sizes (SimclrParameters *layout, guint *layers, gsize sizes[MOST_LAYERS + 1], GError **error)
{
  for (*layers = 0; *layers < MOST_LAYERS; (*layers)++) {
    g_autofree gchar *name = g_strdup_printf ("projection_head.layers.%u.weight", 3 * *layers);
    const SimclrParameter *weight = _simclr_parameters_lookup (layout, name);

    if (!weight)
      break;
    if (weight->n_dims != 2) {
      g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_FORMAT, "%s is no matrix", name);
      return FALSE;
    }
    sizes[*layers] = weight->shape[1];
    sizes[*layers + 1] = weight->shape[0];
  }
  if (*layers == 0) {
    g_set_error (
        error, SIMCLR_ERROR, SIMCLR_ERROR_FORMAT, "there is no projection_head.layers.0.weight");
    return FALSE;
  }
  return TRUE;
}

/* Copies every tensor of to from the one of the same name. */
static gboolean
copy_tensors (SimclrParameters *to_layout, gfloat *to, SimclrParameters *from_layout,
    const gfloat *from, GError **error)
{
  for (guint i = 0; i < _simclr_parameters_get_length (to_layout); i++) {
    const SimclrParameter *wanted = _simclr_parameters_get (to_layout, i);
    const SimclrParameter *found = _simclr_parameters_lookup (from_layout, wanted->name);

    if (!found || found->count != wanted->count) {
      g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH, "the projection head's %s is %s",
          wanted->name, found ? "of another size" : "missing");
      return FALSE;
    }
    memcpy (to + wanted->offset, from + found->offset, wanted->count * sizeof (gfloat));
  }
  return TRUE;
}

SimclrProjectionHead *
_simclr_projection_head_new_from (SimclrParameters *layout, const gfloat *values,
    SimclrParameters *statistics_layout, const gfloat *statistics, GError **error)
{
  g_autoptr (SimclrProjectionHead) self = NULL;
  g_autofree gchar *shift = NULL;
  gsize sizes[MOST_LAYERS + 1];
  guint layers;

  if (!read_sizes (layout, &layers, sizes, error))
    return NULL;
  shift = g_strdup_printf ("projection_head.layers.%u.bias", 3 * layers - 2);
  self = build (layers, sizes[0], sizes[1], sizes[layers],
      _simclr_parameters_lookup (layout, shift) != NULL, error);
  if (!self ||
      !copy_tensors (self->parameters.layout, self->parameters.values, layout, values, error) ||
      !copy_tensors (
          self->statistics_layout, self->statistics, statistics_layout, statistics, error))
    return NULL;
  return g_steal_pointer (&self);
}

static void
free_batch (SimclrProjectionHead *self)
{
  for (guint i = 0; i < self->n_layers; i++) {
    g_clear_pointer (&self->layers[i].product, _simclr_aligned_free);
    g_clear_pointer (&self->layers[i].output, _simclr_aligned_free);
    g_clear_pointer (&self->layers[i].moments, _simclr_aligned_free);
  }
  g_clear_pointer (&self->gradients[0], _simclr_aligned_free);
  g_clear_pointer (&self->gradients[1], _simclr_aligned_free);
  g_clear_pointer (&self->scratch, _simclr_aligned_free);
  self->rows = 0;
}

void
_simclr_projection_head_free (SimclrProjectionHead *self)
{
  free_batch (self);
  _simclr_aligned_free (self->parameters.values);
  _simclr_aligned_free (self->parameters.gradients);
  g_clear_pointer (&self->parameters.layout, _simclr_parameters_unref);
  g_clear_pointer (&self->used.layout, _simclr_parameters_unref);
  g_clear_pointer (&self->statistics_layout, _simclr_parameters_unref);
  g_free (self->statistics);
  g_free (self);
}

const SimclrParameterSet *
_simclr_projection_head_get_parameters (SimclrProjectionHead *self)
{
  return &self->parameters;
}

/* Offsets follow from the tensors before, so that they are those of the whole table. */
static SimclrParameters *
copy_beginning (SimclrProjectionHead *self)
{
  SimclrParameters *layout = _simclr_parameters_new ();
  const Layer *last = &self->layers[self->depth - 1];
  const guint end = MAX (last->scale, last->shift);

  for (guint i = 0; i <= end; i++) {
    const SimclrParameter *tensor = _simclr_parameters_get (self->parameters.layout, i);

    _simclr_parameters_add (layout, tensor->name, tensor->kind, tensor->n_dims, tensor->shape);
  }
  return layout;
}

gboolean
_simclr_projection_head_set_depth (SimclrProjectionHead *self, guint layers, GError **error)
{
  if (layers < 1 || layers > self->n_layers) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_VALUE,
        "layer %u of a projection head that has %u", layers, self->n_layers);
    return FALSE;
  }
  self->depth = layers;
  g_clear_pointer (&self->used.layout, _simclr_parameters_unref);
  return TRUE;
}

const SimclrParameterSet *
_simclr_projection_head_get_used (SimclrProjectionHead *self)
{
  if (!self->used.layout) {
    self->used = self->parameters;
    self->used.layout = copy_beginning (self);
  }
  return &self->used;
}

SimclrParameters *
_simclr_projection_head_get_statistics_layout (SimclrProjectionHead *self)
{
  return self->statistics_layout;
}

gfloat *
_simclr_projection_head_get_statistics (SimclrProjectionHead *self)
{
  return self->statistics;
}

gsize
_simclr_projection_head_get_output_size (SimclrProjectionHead *self)
{
  return self->layers[self->depth - 1].out;
}

guint
_simclr_projection_head_get_layers (SimclrProjectionHead *self)
{
  return self->n_layers;
}

gsize
_simclr_projection_head_get_hidden_size (SimclrProjectionHead *self)
{
  return self->n_layers > 1 ? self->layers[0].out : 0;
}

static gfloat *
new_floats (gsize count, gboolean *fine, GError **error)
{
  gfloat *floats = *fine ? _simclr_aligned_alloc (count * sizeof (gfloat), error) : NULL;

  *fine = floats != NULL;
  return floats;
}

/* Memory for a batch of that many rows; kept until the rows change. */
static gboolean
prepare_batch (SimclrProjectionHead *self, SimclrParallel *parallel, gsize rows, GError **error)
{
  gsize widest = 0;
  gboolean fine = TRUE;

  if (self->rows == rows)
    return TRUE;
  free_batch (self);
  for (guint i = 0; i < self->n_layers; i++) {
    Layer *layer = &self->layers[i];

    widest = MAX (widest, MAX (layer->in, layer->out));
    layer->product = new_floats (rows * layer->out, &fine, error);
    layer->output = new_floats (rows * layer->out, &fine, error);
    layer->moments = new_floats (3 * layer->out, &fine, error);
  }
  self->gradients[0] = new_floats (rows * widest, &fine, error);
  self->gradients[1] = new_floats (rows * widest, &fine, error);
  self->scratch =
      new_floats (_simclr_batchnorm_get_scratch (_simclr_parallel_get_threads (parallel), widest),
          &fine, error);
  if (!fine) {
    free_batch (self);
    return FALSE;
  }
  self->rows = rows;
  return TRUE;
}

static gsize
offset_of (SimclrProjectionHead *self, guint parameter)
{
  return _simclr_parameters_get (self->parameters.layout, parameter)->offset;
}

/* Of these values or gradients; NULL where the layer has none. */
static gfloat *
shift_of (SimclrProjectionHead *self, const Layer *layer, gfloat *floats)
{
  return layer->shift != 0 ? floats + offset_of (self, layer->shift) : NULL;
}

static gsize
statistics_offset (SimclrProjectionHead *self, guint parameter)
{
  return _simclr_parameters_get (self->statistics_layout, parameter)->offset;
}

const gfloat *
_simclr_projection_head_forward (SimclrProjectionHead *self, SimclrParallel *parallel,
    const gfloat *h, gsize rows, GError **error)
{
  const gfloat *values = self->parameters.values;
  const gfloat *input = h;

  if (!prepare_batch (self, parallel, rows, error))
    return NULL;
  self->input = h;
  for (guint i = 0; i < self->depth; i++) {
    Layer *layer = &self->layers[i];
    gboolean last = i + 1 == self->n_layers;
    gfloat *moments = layer->moments;

    _simclr_linear_forward (parallel, input, values + offset_of (self, layer->weight), rows,
        layer->in, layer->out, layer->product);
    _simclr_batchnorm_statistics (parallel, SIMCLR_PRECISION_FLOAT32, layer->product, rows,
        layer->out, moments, moments + layer->out, moments + 2 * layer->out, self->scratch);
    _simclr_batchnorm_apply (parallel, SIMCLR_PRECISION_FLOAT32, layer->product, rows, layer->out,
        moments, moments + 2 * layer->out, values + offset_of (self, layer->scale),
        shift_of (self, layer, self->parameters.values), NULL, !last, layer->output, self->scratch);
    input = layer->output;
  }
  return input;
}

void
_simclr_projection_head_backward (
    SimclrProjectionHead *self, SimclrParallel *parallel, const gfloat *dz, gfloat *dh)
{
  gfloat *gradients = self->parameters.gradients;
  const gfloat *dy = dz;

  for (guint i = self->depth; i-- > 0;) {
    Layer *layer = &self->layers[i];
    gboolean last = i + 1 == self->n_layers;
    gfloat *moments = layer->moments, *dproduct = self->gradients[0];
    gfloat *dinput = i == 0 ? dh : self->gradients[1];

    _simclr_batchnorm_backward (parallel, SIMCLR_PRECISION_FLOAT32, layer->product, !last,
        layer->output, dy, self->rows, layer->out, moments, moments + 2 * layer->out,
        self->parameters.values + offset_of (self, layer->scale), NULL, dproduct, NULL,
        gradients + offset_of (self, layer->scale), shift_of (self, layer, gradients), FALSE,
        self->scratch);
    _simclr_linear_backward (parallel, i == 0 ? self->input : self->layers[i - 1].output,
        self->parameters.values + offset_of (self, layer->weight), dproduct, self->rows, layer->in,
        layer->out, dinput, gradients + offset_of (self, layer->weight));
    dy = dinput;
  }
}

void
_simclr_projection_head_commit (SimclrProjectionHead *self)
{
  for (guint i = 0; i < self->depth; i++) {
    const Layer *layer = &self->layers[i];

    _simclr_batchnorm_update_running (layer->moments, layer->moments + layer->out, self->rows,
        layer->out, self->statistics + statistics_offset (self, layer->mean),
        self->statistics + statistics_offset (self, layer->variance));
  }
}

gboolean
_simclr_projection_head_infer (SimclrProjectionHead *self, SimclrParallel *parallel,
    const gfloat *h, gsize rows, gfloat *z, GError **error)
{
  const gfloat *values = self->parameters.values;
  const gfloat *input = h;

  if (!prepare_batch (self, parallel, rows, error))
    return FALSE;
  for (guint i = 0; i < self->depth; i++) {
    Layer *layer = &self->layers[i];
    gboolean last = i + 1 == self->n_layers;
    const gfloat *variance = self->statistics + statistics_offset (self, layer->variance);
    gfloat *inverse = layer->moments;

    for (gsize c = 0; c < layer->out; c++)
      inverse[c] = 1 / sqrtf (variance[c] + SIMCLR_BATCHNORM_EPSILON);
    _simclr_linear_forward (parallel, input, values + offset_of (self, layer->weight), rows,
        layer->in, layer->out, layer->product);
    _simclr_batchnorm_apply (parallel, SIMCLR_PRECISION_FLOAT32, layer->product, rows, layer->out,
        self->statistics + statistics_offset (self, layer->mean), inverse,
        values + offset_of (self, layer->scale), shift_of (self, layer, self->parameters.values),
        NULL, !last, i + 1 == self->depth ? z : layer->output, self->scratch);
    input = layer->output;
  }
  return TRUE;
}
