/* A residual network in training: planned memory, forward and backward.
 *
 * Moments of the memory plan: forward of layer i is moment i, the pooled embeddings moment n, backward of
 * layer i moment 2 n - i. Every convolution's result is kept until its own backward. Outputs of residual sums
 * are kept as well; every other output follows from the result alone, so it lives from its layer to its
 * last reader and is made again where going backward reads it. A tensor's gradient lives from its last
 * reader's backward to its own layer's.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/training-plan-private.h>

#include <simclr/base/arena-private.h>
#include <simclr/base/bfloat16-private.h>
#include <simclr/nn/batchnorm-private.h>
#include <simclr/nn/pool-private.h>
#include <math.h>

#define NONE G_MAXUINT

/* What the plan holds for each layer. Blocks are numbers in the arena. */
typedef struct
{
  SimclrConvolution *convolution; /* NULL: pooling */
  guint product;                  /* the convolution's result; pooling: the chosen taps */
  guint output;
  guint again; /* the output once more, for going backward; NONE: output was kept or is not read */
  guint again_reader; /* the layer whose backward is the first to read it */
  guint gradient;     /* of the output */
  guint own_gradient; /* of the product; the same block as gradient where nothing else needs that */
  gboolean accumulate; /* the input's gradient was begun by a later layer */
  guint moments;       /* mean, variance and inverse: (3, channels) */
} PlannedLayer;

struct _SimclrTrainingPlan
{
  SimclrResnet *resnet;
  SimclrParallel *parallel;
  SimclrPrecision precision;
  gsize images;
  gsize layers;
  const gfloat *values;
  const gfloat *frozen; /* running statistics that stand in for the batch's, or NULL */
  PlannedLayer *planned;
  SimclrArena *arena;
  guint pictures;
  guint embeddings;
  guint workspace;
};

static gsize
tensor_bytes (SimclrTrainingPlan *self, guint tensor)
{
  return self->images * _simclr_resnet_get_floats (self->resnet, tensor) *
         _simclr_value_bytes (self->precision);
}

static gsize
tensor_rows (SimclrTrainingPlan *self, guint tensor)
{
  gsize size = _simclr_resnet_get_size (self->resnet, tensor);

  return self->images * size * size;
}

static gpointer
memory (SimclrTrainingPlan *self, guint block)
{
  return _simclr_arena_get (self->arena, block);
}

static gboolean
create_convolutions (SimclrTrainingPlan *self, SimclrProvider provider, GError **error)
{
  for (guint i = 0; i < self->layers; i++) {
    const SimclrLayer *layer = _simclr_resnet_get_layer (self->resnet, i);
    SimclrConvolutionShape shape = layer->shape;
    SimclrConvolutionUse use = SIMCLR_CONVOLUTION_FORWARD | SIMCLR_CONVOLUTION_BACKWARD_WEIGHTS;

    if (layer->kind != SIMCLR_LAYER_CONVOLUTION)
      continue;
    shape.images = self->images;
    if (layer->input != 0)
      use |= SIMCLR_CONVOLUTION_BACKWARD_DATA;
    self->planned[i].convolution =
        _simclr_convolution_new (provider, &shape, use, self->precision, self->parallel, error);
    if (!self->planned[i].convolution)
      return FALSE;
  }
  return TRUE;
}

/* The layers that read a tensor: the last one going forward; convolutions, whose backward needs it. */
static void
find_readers (SimclrTrainingPlan *self, guint tensor, guint *last, guint *first_convolution,
    guint *last_convolution)
{
  *last = tensor == self->layers ? (guint) self->layers : tensor - 1;
  *first_convolution = *last_convolution = NONE;
  for (guint i = 0; i < self->layers; i++) {
    const SimclrLayer *layer = _simclr_resnet_get_layer (self->resnet, i);

    if (layer->input != tensor && layer->residual != tensor)
      continue;
    *last = MAX (*last, i);
    if (layer->input == tensor && layer->kind == SIMCLR_LAYER_CONVOLUTION) {
      *first_convolution = MIN (*first_convolution, i);
      *last_convolution = i;
    }
  }
}

static gboolean
is_kept (const SimclrLayer *layer)
{
  return layer->residual != 0 || layer->kind == SIMCLR_LAYER_MAX_POOL;
}

static void
plan_output (SimclrTrainingPlan *self, guint i)
{
  const SimclrLayer *layer = _simclr_resnet_get_layer (self->resnet, i);
  PlannedLayer *planned = &self->planned[i];
  const guint n = (guint) self->layers;
  const gsize bytes = tensor_bytes (self, i + 1);
  guint last, first_convolution, last_convolution;

  find_readers (self, i + 1, &last, &first_convolution, &last_convolution);
  planned->again = planned->again_reader = NONE;
  planned->output =
      _simclr_arena_reserve (self->arena, bytes, i, is_kept (layer) ? 2 * n - i : last);
  if (!is_kept (layer) && last_convolution != NONE) {
    planned->again_reader = last_convolution;
    planned->again = _simclr_arena_reserve (
        self->arena, bytes, 2 * n - last_convolution, 2 * n - first_convolution);
  }
}

static void
plan_forward (SimclrTrainingPlan *self)
{
  const guint n = (guint) self->layers;

  self->pictures = _simclr_arena_reserve (self->arena, tensor_bytes (self, 0), 0, 2 * n);
  self->embeddings = _simclr_arena_reserve (
      self->arena, self->images * self->resnet->embedding_size * sizeof (gfloat), 0, 2 * n);
  for (guint i = 0; i < n; i++) {
    const SimclrLayer *layer = _simclr_resnet_get_layer (self->resnet, i);
    PlannedLayer *planned = &self->planned[i];
    const gsize values = self->images * _simclr_resnet_get_floats (self->resnet, i + 1);
    const gboolean pool = layer->kind == SIMCLR_LAYER_MAX_POOL;

    planned->product = _simclr_arena_reserve (
        self->arena, pool ? values : tensor_bytes (self, i + 1), i, 2 * n - i);
    plan_output (self, i);
    planned->moments =
        _simclr_arena_reserve (self->arena, 3 * layer->shape.out * sizeof (gfloat), 0, 2 * n);
  }
}

/* A gradient's block: who shares it and for how long. */
typedef struct
{
  gsize bytes;
  guint first, last;
} GradientBlock;

/* Gradients flow backwards; a residual's gradient is the masked gradient of the sum, in the same
 * memory, which then lives on until the residual's own layer. */
static void
plan_backward (SimclrTrainingPlan *self)
{
  const guint n = (guint) self->layers;
  g_autofree guint *shared = g_new (guint, n + 1); /* tensor to number in blocks */
  g_autofree guint *own = g_new (guint, n + 1);
  g_autoptr (GArray) blocks = g_array_new (FALSE, FALSE, sizeof (GradientBlock));
  GradientBlock block = {tensor_bytes (self, n), n, n};

  for (guint tensor = 0; tensor <= n; tensor++)
    shared[tensor] = NONE;
  shared[n] = 0;
  g_array_append_val (blocks, block);

  for (guint i = n; i-- > 0;) {
    const SimclrLayer *layer = _simclr_resnet_get_layer (self->resnet, i);
    const guint moment = 2 * n - i;

    own[i] = shared[i + 1];
    g_array_index (blocks, GradientBlock, own[i]).last = moment;
    if (layer->residual) {
      shared[layer->residual] = shared[i + 1];
      block = (GradientBlock){tensor_bytes (self, i + 1), moment, moment};
      own[i] = blocks->len;
      g_array_append_val (blocks, block);
    }
    if (layer->input == 0)
      continue;
    self->planned[i].accumulate = shared[layer->input] != NONE;
    if (!self->planned[i].accumulate) {
      block = (GradientBlock){tensor_bytes (self, layer->input), moment, moment};
      shared[layer->input] = blocks->len;
      g_array_append_val (blocks, block);
    }
  }

  g_autofree guint *reserved = g_new (guint, blocks->len);
  for (guint i = 0; i < blocks->len; i++) {
    const GradientBlock *b = &g_array_index (blocks, GradientBlock, i);

    reserved[i] = _simclr_arena_reserve (self->arena, b->bytes, b->first, b->last);
  }
  for (guint i = 0; i < n; i++) {
    self->planned[i].gradient = reserved[shared[i + 1]];
    self->planned[i].own_gradient = reserved[own[i]];
  }
}

static void
plan_workspace (SimclrTrainingPlan *self)
{
  guint threads = _simclr_parallel_get_threads (self->parallel);
  gsize bytes = 0;

  for (guint i = 0; i < self->layers; i++) {
    const SimclrLayer *layer = _simclr_resnet_get_layer (self->resnet, i);

    if (self->planned[i].convolution)
      bytes = MAX (bytes, _simclr_convolution_get_workspace (self->planned[i].convolution));
    bytes =
        MAX (bytes, _simclr_batchnorm_get_scratch (threads, layer->shape.out) * sizeof (gfloat));
  }
  self->workspace = _simclr_arena_reserve (self->arena, bytes, 0, 2 * (guint) self->layers);
}

SimclrTrainingPlan *
_simclr_training_plan_new (SimclrResnet *resnet, SimclrProvider provider, SimclrPrecision precision,
    gsize images, SimclrParallel *parallel, GError **error)
{
  g_autoptr (SimclrTrainingPlan) self = g_new0 (SimclrTrainingPlan, 1);

  self->resnet = _simclr_resnet_ref (resnet);
  self->parallel = parallel;
  self->precision = precision;
  self->images = images;
  self->layers = resnet->layers->len;
  self->planned = g_new0 (PlannedLayer, self->layers);
  self->arena = _simclr_arena_new ();
  if (!create_convolutions (self, provider, error))
    return NULL;
  plan_forward (self);
  plan_backward (self);
  plan_workspace (self);
  if (!_simclr_arena_allocate (self->arena, error))
    return NULL;
  return g_steal_pointer (&self);
}

void
_simclr_training_plan_free (SimclrTrainingPlan *self)
{
  for (guint i = 0; i < self->layers; i++)
    g_clear_pointer (&self->planned[i].convolution, _simclr_convolution_free);
  _simclr_arena_free (self->arena);
  _simclr_resnet_unref (self->resnet);
  g_free (self->planned);
  g_free (self);
}

gsize
_simclr_training_plan_get_images (SimclrTrainingPlan *self)
{
  return self->images;
}

gsize
_simclr_training_plan_get_bytes (SimclrTrainingPlan *self)
{
  return _simclr_arena_get_bytes (self->arena);
}

void
_simclr_training_plan_set_pictures (SimclrTrainingPlan *self, const gfloat *pictures)
{
  const gsize values = self->images * _simclr_resnet_get_floats (self->resnet, 0);
  const gboolean half = self->precision == SIMCLR_PRECISION_BFLOAT16;
  gpointer to = memory (self, self->pictures);

  for (gsize i = 0; i < values; i++)
    _simclr_store_value (to, i, pictures[i], half);
}

void
_simclr_training_plan_get_pictures (SimclrTrainingPlan *self, gfloat *pictures)
{
  const gsize values = self->images * _simclr_resnet_get_floats (self->resnet, 0);
  const gboolean half = self->precision == SIMCLR_PRECISION_BFLOAT16;
  gconstpointer from = memory (self, self->pictures);

  for (gsize i = 0; i < values; i++)
    pictures[i] = _simclr_load_value (from, i, half);
}

static const gfloat *
value_of (SimclrTrainingPlan *self, guint parameter)
{
  return self->values + _simclr_parameters_get (self->resnet->layout, parameter)->offset;
}

void
_simclr_training_plan_set_values (SimclrTrainingPlan *self, const gfloat *values)
{
  self->values = values;
  for (guint i = 0; i < self->layers; i++) {
    const SimclrLayer *layer = _simclr_resnet_get_layer (self->resnet, i);

    if (self->planned[i].convolution)
      _simclr_convolution_set_weights (
          self->planned[i].convolution, value_of (self, layer->weight));
  }
}

void
_simclr_training_plan_set_frozen (SimclrTrainingPlan *self, const gfloat *statistics)
{
  self->frozen = statistics;
}

static gpointer
output_of (SimclrTrainingPlan *self, guint tensor)
{
  return memory (self, tensor == 0 ? self->pictures : self->planned[tensor - 1].output);
}

static void
forward_pool (SimclrTrainingPlan *self, guint i)
{
  const SimclrLayer *layer = _simclr_resnet_get_layer (self->resnet, i);

  _simclr_max_pool_forward (self->parallel, self->precision, output_of (self, layer->input),
      self->images, layer->shape.height, layer->shape.width, layer->shape.in,
      output_of (self, i + 1), memory (self, self->planned[i].product));
}

/* Output of layer i from its convolution's result. */
static void
normalise (SimclrTrainingPlan *self, guint i, gpointer output)
{
  const SimclrLayer *layer = _simclr_resnet_get_layer (self->resnet, i);
  const PlannedLayer *planned = &self->planned[i];
  const gfloat *mean = memory (self, planned->moments);
  gsize channels = layer->shape.out;

  _simclr_batchnorm_apply (self->parallel, self->precision, memory (self, planned->product),
      tensor_rows (self, i + 1), channels, mean, mean + 2 * channels, value_of (self, layer->scale),
      value_of (self, layer->shift), layer->residual ? output_of (self, layer->residual) : NULL,
      layer->relu, output, memory (self, self->workspace));
}

/* mean, variance and inverse: (3, channels) */
static void
recall_statistics (SimclrTrainingPlan *self, guint i, gfloat *moments)
{
  const SimclrLayer *layer = _simclr_resnet_get_layer (self->resnet, i);
  SimclrParameters *layout = self->resnet->statistics_layout;
  const gfloat *mean = self->frozen + _simclr_parameters_get (layout, layer->mean)->offset;
  const gfloat *variance = self->frozen + _simclr_parameters_get (layout, layer->variance)->offset;
  const gsize channels = layer->shape.out;

  for (gsize c = 0; c < channels; c++) {
    moments[c] = mean[c];
    moments[channels + c] = variance[c];
    moments[2 * channels + c] = 1 / sqrtf (variance[c] + SIMCLR_BATCHNORM_EPSILON);
  }
}

static void
forward_convolution (SimclrTrainingPlan *self, guint i)
{
  const SimclrLayer *layer = _simclr_resnet_get_layer (self->resnet, i);
  const PlannedLayer *planned = &self->planned[i];
  gsize channels = layer->shape.out;
  gfloat *mean = memory (self, planned->moments), *scratch = memory (self, self->workspace);
  gpointer product = memory (self, planned->product);

  _simclr_convolution_forward (
      planned->convolution, output_of (self, layer->input), product, NULL, scratch);
  if (self->frozen)
    recall_statistics (self, i, mean);
  else
    _simclr_batchnorm_statistics (self->parallel, self->precision, product,
        tensor_rows (self, i + 1), channels, mean, mean + channels, mean + 2 * channels, scratch);
  normalise (self, i, output_of (self, i + 1));
}

const gfloat *
_simclr_training_plan_forward (SimclrTrainingPlan *self)
{
  guint last = (guint) self->layers;

  for (guint i = 0; i < last; i++) {
    if (self->planned[i].convolution)
      forward_convolution (self, i);
    else
      forward_pool (self, i);
  }
  _simclr_average_pool_forward (self->parallel, self->precision, output_of (self, last),
      self->images, tensor_rows (self, last) / self->images, self->resnet->embedding_size,
      memory (self, self->embeddings));
  return memory (self, self->embeddings);
}

static gpointer
gradient_of (SimclrTrainingPlan *self, guint tensor)
{
  return memory (self, self->planned[tensor - 1].gradient);
}

static void
backward_pool (SimclrTrainingPlan *self, guint i)
{
  const SimclrLayer *layer = _simclr_resnet_get_layer (self->resnet, i);

  _simclr_max_pool_backward (self->parallel, self->precision, gradient_of (self, i + 1),
      memory (self, self->planned[i].product), self->images, layer->shape.height,
      layer->shape.width, layer->shape.in, gradient_of (self, layer->input));
}

/* A layer's input as it was going forward, made again where it was not kept. */
static gconstpointer
recall_input (SimclrTrainingPlan *self, guint i)
{
  const guint input = _simclr_resnet_get_layer (self->resnet, i)->input;
  const PlannedLayer *writer;

  if (input == 0)
    return output_of (self, 0);
  writer = &self->planned[input - 1];
  if (writer->again == NONE)
    return output_of (self, input);
  if (writer->again_reader == i)
    normalise (self, input - 1, memory (self, writer->again));
  return memory (self, writer->again);
}

static void
backward_convolution (SimclrTrainingPlan *self, guint i, gfloat *gradients)
{
  const SimclrLayer *layer = _simclr_resnet_get_layer (self->resnet, i);
  const PlannedLayer *planned = &self->planned[i];
  SimclrParameters *layout = self->resnet->layout;
  gsize channels = layer->shape.out;
  gpointer dy = memory (self, planned->gradient), dx = memory (self, planned->own_gradient);
  const gfloat *mean = memory (self, planned->moments);
  gpointer scratch = memory (self, self->workspace);

  _simclr_batchnorm_backward (self->parallel, self->precision, memory (self, planned->product),
      layer->relu, is_kept (layer) ? output_of (self, i + 1) : NULL, dy, tensor_rows (self, i + 1),
      channels, mean, mean + 2 * channels, value_of (self, layer->scale),
      value_of (self, layer->shift), dx, layer->residual ? dy : NULL,
      gradients + _simclr_parameters_get (layout, layer->scale)->offset,
      gradients + _simclr_parameters_get (layout, layer->shift)->offset, self->frozen != NULL,
      scratch);
  _simclr_convolution_backward_weights (planned->convolution, recall_input (self, i), dx,
      gradients + _simclr_parameters_get (layout, layer->weight)->offset, scratch);
  if (layer->input != 0)
    _simclr_convolution_backward_data (
        planned->convolution, dx, gradient_of (self, layer->input), planned->accumulate, scratch);
}

void
_simclr_training_plan_backward (SimclrTrainingPlan *self, const gfloat *gradient, gfloat *gradients)
{
  guint last = (guint) self->layers;

  _simclr_average_pool_backward (self->parallel, self->precision, gradient, self->images,
      tensor_rows (self, last) / self->images, self->resnet->embedding_size,
      gradient_of (self, last));
  for (guint i = last; i-- > 0;) {
    if (self->planned[i].convolution)
      backward_convolution (self, i, gradients);
    else
      backward_pool (self, i);
  }
}

void
_simclr_training_plan_update_statistics (SimclrTrainingPlan *self, gfloat *statistics)
{
  for (guint i = 0; i < self->layers; i++) {
    const SimclrLayer *layer = _simclr_resnet_get_layer (self->resnet, i);
    SimclrParameters *layout = self->resnet->statistics_layout;
    const gfloat *mean = memory (self, self->planned[i].moments);

    if (layer->kind != SIMCLR_LAYER_CONVOLUTION)
      continue;
    _simclr_batchnorm_update_running (mean, mean + layer->shape.out, tensor_rows (self, i + 1),
        layer->shape.out, statistics + _simclr_parameters_get (layout, layer->mean)->offset,
        statistics + _simclr_parameters_get (layout, layer->variance)->offset);
  }
}
