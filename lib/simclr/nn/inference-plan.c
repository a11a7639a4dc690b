/* A residual network at inference: BatchNorm folded, ReLU and residual in the convolution's pass.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/inference-plan-private.h>

#include <simclr/base/arena-private.h>
#include <simclr/base/bfloat16-private.h>
#include <simclr/base/multiversion-private.h>
#include <simclr/nn/batchnorm-private.h>
#include <simclr/nn/pool-private.h>
#include <math.h>
#include <string.h>

/* Bytes of a layer's output that one thread works on where the batch allows: about what stays in its caches
 * until the next layer reads it. */
#define CHUNK_BYTES (4 * 1024 * 1024)

typedef struct
{
  SimclrConvolution *convolution; /* NULL: pooling */
  guint segment;
  guint output; /* block in the arena */
  gsize images; /* that the output has room for: as many as its readers take at a time */
} PlannedLayer;

/* Layers that take so many images at a time. The first ones, whose tensors are large, take few, again and
 * again until there are enough for the next segment; the last ones, whose weights are large, take all. */
typedef struct
{
  guint end; /* layer after the last */
  gsize images;
} Segment;

struct _SimclrInferencePlan
{
  SimclrResnet *resnet;
  SimclrParallel *parallel;
  SimclrPrecision precision;
  gsize images;
  guint pictures; /* block of the converted pictures, where not float */
  const SimclrFolded *folded;
  PlannedLayer *planned;
  GArray *segments;
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

static gsize
image_bytes (SimclrInferencePlan *self, guint tensor)
{
  return _simclr_resnet_get_floats (self->resnet, tensor) * _simclr_value_bytes (self->precision);
}

/* Whether nothing after a layer reads what was made before the one in front of it. */
static gboolean
may_cut (SimclrInferencePlan *self, guint layer)
{
  for (guint i = layer; i < self->resnet->layers->len; i++) {
    const SimclrLayer *later = _simclr_resnet_get_layer (self->resnet, i);

    if (later->input < layer || (later->residual > 0 && later->residual < layer))
      return FALSE;
  }
  return TRUE;
}

/* The largest part of the batch, a multiple of step, that is not above wanted and gives every thread an
 * image; the smallest that does where all are above. */
static gsize
choose_images (SimclrInferencePlan *self, gsize step, gsize wanted)
{
  const gsize threads = _simclr_parallel_get_threads (self->parallel);
  gsize chosen = 0;

  for (gsize images = step; images <= self->images; images += step) {
    if (self->images % images != 0 || images < threads)
      continue;
    if (chosen == 0 || images <= wanted)
      chosen = images;
  }
  return chosen == 0 ? self->images : chosen;
}

/* Bytes of the largest tensor that a layer or one after it makes of an image. */
static gsize
largest_from (SimclrInferencePlan *self, guint layer)
{
  gsize bytes = 0;

  for (guint i = layer; i < self->resnet->layers->len; i++)
    bytes = MAX (bytes, image_bytes (self, i + 1));
  return bytes;
}

static void
plan_segments (SimclrInferencePlan *self)
{
  const gsize threads = _simclr_parallel_get_threads (self->parallel);
  const guint n = self->resnet->layers->len;
  Segment segment = {0, 1};

  for (guint i = 0; i < n; i++) {
    const gsize images = may_cut (self, i)
                             ? choose_images (self, segment.images,
                                   threads * MAX (CHUNK_BYTES / largest_from (self, i), 1))
                             : segment.images;

    if (i > 0 && images != segment.images)
      g_array_append_val (self->segments, segment);
    segment = (Segment){i + 1, images};
    self->planned[i].segment = self->segments->len;
  }
  g_array_append_val (self->segments, segment);
}

static gsize
images_of (SimclrInferencePlan *self, guint layer)
{
  return g_array_index (self->segments, Segment, self->planned[layer].segment).images;
}

/* Whether a layer may add onto its residual where that lies: nobody reads it afterwards. */
static gboolean
adds_in_place (SimclrInferencePlan *self, guint i, const guint *last)
{
  const SimclrLayer *layer = _simclr_resnet_get_layer (self->resnet, i);

  return layer->residual != 0 && layer->residual != layer->input && last[layer->residual] == i &&
         self->planned[layer->residual - 1].images == self->planned[i].images;
}

/* A tensor is alive from its layer to its last reader; the average pool is moment n. What fills up while
 * the layers before it run again and again is alive from the start. */
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
  for (guint i = 0; i < n; i++)
    self->planned[i].images = images_of (self, MIN (last[i + 1], n - 1));
  memcpy (end, last, (n + 1) * sizeof (guint));
  for (guint i = n; i-- > 0;) {
    if (adds_in_place (self, i, last))
      end[_simclr_resnet_get_layer (self->resnet, i)->residual] = end[i + 1];
  }
  self->pictures = _simclr_arena_reserve (self->arena,
      self->precision == SIMCLR_PRECISION_BFLOAT16 ? images_of (self, 0) * image_bytes (self, 0)
                                                   : 0,
      0, last[0]);
  for (guint i = 0; i < n; i++) {
    const guint residual = _simclr_resnet_get_layer (self->resnet, i)->residual;
    PlannedLayer *planned = &self->planned[i];

    planned->output =
        adds_in_place (self, i, last)
            ? self->planned[residual - 1].output
            : _simclr_arena_reserve (self->arena, planned->images * image_bytes (self, i + 1),
                  planned->images > images_of (self, i) ? 0 : i, end[i + 1]);
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
    shape.images = images_of (self, i);
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
  self->segments = g_array_new (FALSE, FALSE, sizeof (Segment));
  self->arena = _simclr_arena_new ();
  plan_segments (self);
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
  g_array_unref (self->segments);
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

typedef struct
{
  const gfloat *from;
  guint16 *to;
} Narrowing;

SIMCLR_MULTIVERSION
static void
narrow_pictures (guint thread, gsize begin, gsize end, gpointer data)
{
  const Narrowing *narrowing = data;
  const gfloat *restrict from = narrowing->from;
  guint16 *restrict to = narrowing->to;

  for (gsize i = begin; i < end; i++)
    to[i] = _simclr_to_bfloat16 (from[i]);
}

/* The pictures from image number first on that the first segment takes. */
static gconstpointer
take_pictures (SimclrInferencePlan *self, const gfloat *pictures, gsize first)
{
  const gsize floats = _simclr_resnet_get_floats (self->resnet, 0);
  Narrowing narrowing = {
      pictures + first * floats, _simclr_arena_get (self->arena, self->pictures)};

  if (self->precision != SIMCLR_PRECISION_BFLOAT16)
    return narrowing.from;
  _simclr_parallel_for (
      self->parallel, images_of (self, 0) * floats, 1024, narrow_pictures, &narrowing);
  return narrowing.to;
}

/* Where a tensor's image number first lies. */
static gpointer
output_of (SimclrInferencePlan *self, guint tensor, gsize first)
{
  const PlannedLayer *planned = &self->planned[tensor - 1];

  return (guint8 *) _simclr_arena_get (self->arena, planned->output) +
         first % planned->images * image_bytes (self, tensor);
}

static void
run_layer (SimclrInferencePlan *self, guint i, gconstpointer input, gsize first)
{
  const SimclrLayer *layer = _simclr_resnet_get_layer (self->resnet, i);
  gpointer output = output_of (self, i + 1, first);
  SimclrEpilogue epilogue = {.relu = layer->relu};

  if (!self->planned[i].convolution) {
    _simclr_max_pool_forward (self->parallel, self->precision, input, images_of (self, i),
        layer->shape.height, layer->shape.width, layer->shape.in, output, NULL);
    return;
  }
  epilogue.bias =
      self->folded->biases + _simclr_parameters_get (self->resnet->layout, layer->shift)->offset;
  if (layer->residual)
    epilogue.residual = output_of (self, layer->residual, first);
  _simclr_convolution_forward (self->planned[i].convolution, input, output, &epilogue,
      _simclr_arena_get (self->arena, self->workspace));
}

/* A segment's images from number first on, by way of the segments before it. */
static void
run_segment (SimclrInferencePlan *self, guint number, const gfloat *pictures, gsize first)
{
  const Segment *segment = &g_array_index (self->segments, Segment, number);
  const Segment *before = number > 0 ? segment - 1 : NULL;
  gconstpointer taken = NULL;

  if (before) {
    for (gsize done = 0; done < segment->images; done += before->images)
      run_segment (self, number - 1, pictures, first + done);
  } else {
    taken = take_pictures (self, pictures, first);
  }
  for (guint i = before ? before->end : 0; i < segment->end; i++) {
    guint input = _simclr_resnet_get_layer (self->resnet, i)->input;

    run_layer (self, i, input == 0 ? taken : output_of (self, input, first), first);
  }
}

void
_simclr_inference_plan_run (SimclrInferencePlan *self, const gfloat *pictures, gfloat *embeddings)
{
  guint last = self->resnet->layers->len;
  gsize size = _simclr_resnet_get_size (self->resnet, last);

  const guint segment = self->segments->len - 1;
  const gsize images = g_array_index (self->segments, Segment, segment).images;

  for (gsize first = 0; first < self->images; first += images) {
    run_segment (self, segment, pictures, first);
    _simclr_average_pool_forward (self->parallel, self->precision, output_of (self, last, first),
        images, size * size, self->resnet->embedding_size,
        embeddings + first * self->resnet->embedding_size);
  }
}
