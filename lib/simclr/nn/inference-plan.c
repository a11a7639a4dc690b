/* A residual network at inference: BatchNorm folded, ReLU and residual in the convolution's pass.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/inference-plan-private.h>

#include <simclr/base/arena-private.h>
#include <simclr/base/bfloat16-private.h>
#include <simclr/nn/batchnorm-private.h>
#include <simclr/nn/pool-private.h>
#include <math.h>
#include <string.h>

typedef struct
{
  SimclrConvolution *convolution; /* NULL: pooling */
  guint output;                   /* block in the arena */
} PlannedLayer;

struct _SimclrInferencePlan
{
  SimclrResnet *resnet;
  SimclrParallel *parallel;
  SimclrPrecision precision;
  gsize images;
  guint pictures; /* block of the converted pictures, where not float */
  const SimclrFolded *folded;
  PlannedLayer *planned;
  SimclrArena *arena;
  guint workspace;
};

SimclrFolded *
_simclr_folded_new (SimclrResnet *resnet)
{
  SimclrFolded *self = g_new0 (SimclrFolded, 1);

  self->weights = g_new0 (gfloat, _simclr_parameters_get_floats (resnet->layout));
  self->biases = g_new0 (gfloat, _simclr_parameters_get_floats (resnet->layout));
  return self;
}

void
_simclr_folded_free (SimclrFolded *self)
{
  g_free (self->weights);
  g_free (self->biases);
  g_free (self);
}

/* w' = w scale / deviation, b' = shift - mean scale / deviation */
void
_simclr_folded_set (
    SimclrFolded *self, SimclrResnet *resnet, const gfloat *values, const gfloat *statistics)
{
  for (guint i = 0; i < resnet->layers->len; i++) {
    const SimclrLayer *layer = _simclr_resnet_get_layer (resnet, i);
    const SimclrParameter *weight, *scale, *shift, *mean, *variance;
    gsize depth;

    if (layer->kind != SIMCLR_LAYER_CONVOLUTION)
      continue;
    weight = _simclr_parameters_get (resnet->layout, layer->weight);
    scale = _simclr_parameters_get (resnet->layout, layer->scale);
    shift = _simclr_parameters_get (resnet->layout, layer->shift);
    mean = _simclr_parameters_get (resnet->statistics_layout, layer->mean);
    variance = _simclr_parameters_get (resnet->statistics_layout, layer->variance);
    depth = weight->count / layer->shape.out;
    for (gsize o = 0; o < layer->shape.out; o++) {
      const gfloat *from = values + weight->offset + o * depth;
      gfloat *to = self->weights + weight->offset + o * depth;
      gfloat factor = values[scale->offset + o] /
                      sqrtf (statistics[variance->offset + o] + SIMCLR_BATCHNORM_EPSILON);

      for (gsize j = 0; j < depth; j++)
        to[j] = from[j] * factor;
      self->biases[shift->offset + o] =
          values[shift->offset + o] - statistics[mean->offset + o] * factor;
    }
  }
}

/* Whether a layer may add onto its residual where that lies: nobody reads it afterwards. */
static gboolean
adds_in_place (const SimclrLayer *layer, guint i, const guint *last)
{
  return layer->residual != 0 && layer->residual != layer->input && last[layer->residual] == i;
}

/* A tensor is alive from its layer to its last reader; the average pool is moment n. */
static void
plan_outputs (SimclrInferencePlan *self)
{
  const guint n = self->resnet->layers->len;
  g_autofree guint *last = g_new0 (guint, n + 1);
  g_autofree guint *end = g_new0 (guint, n + 1); /* of the block that a tensor is the first in */

  for (guint i = 0; i < n; i++) {
    const SimclrLayer *layer = _simclr_resnet_get_layer (self->resnet, i);

    last[layer->input] = i;
    last[layer->residual] = i;
  }
  last[n] = n;
  memcpy (end, last, (n + 1) * sizeof (guint));
  for (guint i = n; i-- > 0;) {
    const SimclrLayer *layer = _simclr_resnet_get_layer (self->resnet, i);

    if (adds_in_place (layer, i, last))
      end[layer->residual] = end[i + 1];
  }
  self->pictures = _simclr_arena_reserve (self->arena,
      self->precision == SIMCLR_PRECISION_BFLOAT16
          ? self->images * _simclr_resnet_get_floats (self->resnet, 0) * 2
          : 0,
      0, last[0]);
  for (guint i = 0; i < n; i++) {
    const SimclrLayer *layer = _simclr_resnet_get_layer (self->resnet, i);

    self->planned[i].output =
        adds_in_place (layer, i, last)
            ? self->planned[layer->residual - 1].output
            : _simclr_arena_reserve (self->arena,
                  self->images * _simclr_resnet_get_floats (self->resnet, i + 1) *
                      _simclr_value_bytes (self->precision),
                  i, end[i + 1]);
  }
}

static gboolean
create_convolutions (
    SimclrInferencePlan *self, SimclrProvider provider, SimclrPrecision precision, GError **error)
{
  gsize workspace = 0;

  for (guint i = 0; i < self->resnet->layers->len; i++) {
    const SimclrLayer *layer = _simclr_resnet_get_layer (self->resnet, i);
    SimclrConvolutionShape shape = layer->shape;

    if (layer->kind != SIMCLR_LAYER_CONVOLUTION)
      continue;
    shape.images = self->images;
    self->planned[i].convolution = _simclr_convolution_new (
        provider, &shape, SIMCLR_CONVOLUTION_FORWARD, precision, self->parallel, error);
    if (!self->planned[i].convolution)
      return FALSE;
    workspace = MAX (workspace, _simclr_convolution_get_workspace (self->planned[i].convolution));
  }
  self->workspace = _simclr_arena_reserve (self->arena, workspace, 0, self->resnet->layers->len);
  return TRUE;
}

SimclrInferencePlan *
_simclr_inference_plan_new (SimclrResnet *resnet, SimclrProvider provider,
    SimclrPrecision precision, gsize images, SimclrParallel *parallel, GError **error)
{
  g_autoptr (SimclrInferencePlan) self = g_new0 (SimclrInferencePlan, 1);

  self->resnet = _simclr_resnet_ref (resnet);
  self->parallel = parallel;
  self->precision = precision;
  self->images = images;
  self->planned = g_new0 (PlannedLayer, resnet->layers->len);
  self->arena = _simclr_arena_new ();
  if (!create_convolutions (self, provider, precision, error))
    return NULL;
  plan_outputs (self);
  if (!_simclr_arena_allocate (self->arena, error))
    return NULL;
  return g_steal_pointer (&self);
}

void
_simclr_inference_plan_free (SimclrInferencePlan *self)
{
  for (guint i = 0; i < self->resnet->layers->len; i++)
    g_clear_pointer (&self->planned[i].convolution, _simclr_convolution_free);
  _simclr_arena_free (self->arena);
  _simclr_resnet_unref (self->resnet);
  g_free (self->planned);
  g_free (self);
}

gsize
_simclr_inference_plan_get_images (SimclrInferencePlan *self)
{
  return self->images;
}

void
_simclr_inference_plan_set_folded (SimclrInferencePlan *self, const SimclrFolded *folded)
{
  self->folded = folded;
  for (guint i = 0; i < self->resnet->layers->len; i++) {
    const SimclrLayer *layer = _simclr_resnet_get_layer (self->resnet, i);

    if (self->planned[i].convolution)
      _simclr_convolution_set_weights (self->planned[i].convolution,
          folded->weights + _simclr_parameters_get (self->resnet->layout, layer->weight)->offset);
  }
}

static gconstpointer
take_pictures (SimclrInferencePlan *self, const gfloat *pictures)
{
  const gsize values = self->images * _simclr_resnet_get_floats (self->resnet, 0);
  guint16 *converted = _simclr_arena_get (self->arena, self->pictures);

  if (self->precision != SIMCLR_PRECISION_BFLOAT16)
    return pictures;
  for (gsize i = 0; i < values; i++)
    converted[i] = _simclr_to_bfloat16 (pictures[i]);
  return converted;
}

static gpointer
output_of (SimclrInferencePlan *self, guint tensor)
{
  return _simclr_arena_get (self->arena, self->planned[tensor - 1].output);
}

static void
run_layer (SimclrInferencePlan *self, guint i, gconstpointer input)
{
  const SimclrLayer *layer = _simclr_resnet_get_layer (self->resnet, i);
  SimclrEpilogue epilogue = {.relu = layer->relu};

  if (!self->planned[i].convolution) {
    _simclr_max_pool_forward (self->parallel, self->precision, input, self->images,
        layer->shape.height, layer->shape.width, layer->shape.in, output_of (self, i + 1), NULL);
    return;
  }
  epilogue.bias =
      self->folded->biases + _simclr_parameters_get (self->resnet->layout, layer->shift)->offset;
  if (layer->residual)
    epilogue.residual = output_of (self, layer->residual);
  _simclr_convolution_forward (self->planned[i].convolution, input, output_of (self, i + 1),
      &epilogue, _simclr_arena_get (self->arena, self->workspace));
}

void
_simclr_inference_plan_run (SimclrInferencePlan *self, const gfloat *pictures, gfloat *embeddings)
{
  guint last = self->resnet->layers->len;
  gsize size = _simclr_resnet_get_size (self->resnet, last);
  gconstpointer taken = take_pictures (self, pictures);

  for (guint i = 0; i < last; i++) {
    guint input = _simclr_resnet_get_layer (self->resnet, i)->input;

    run_layer (self, i, input == 0 ? taken : output_of (self, input));
  }
  _simclr_average_pool_forward (self->parallel, self->precision, output_of (self, last),
      self->images, size * size, self->resnet->embedding_size, embeddings);
}
