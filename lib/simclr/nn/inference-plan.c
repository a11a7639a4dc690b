/* A residual network at inference: BatchNorm folded, ReLU and residual in the convolution's pass.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/inference-plan-private.h>

#include <simclr/base/arena-private.h>
#include <simclr/base/bfloat16-private.h>
#include <simclr/base/multiversion-private.h>
#include <simclr/nn/convolution-int8-private.h>
#include <simclr/nn/pool-private.h>
#include <string.h>

/* Bytes of a layer's output that one thread works on where the batch allows: about what stays in its caches
 * until the next layer reads it. */
#define CHUNK_BYTES (4 * 1024 * 1024)

typedef struct
{
  SimclrConvolution *convolution; /* NULL: pooling or of bytes */
  SimclrInt8Convolution *int8;
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

  /* Of bytes from a layer on; that layer's input is quantised. */
  guint first_int8;               /* number of layers: none */
  const gfloat *ranges;           /* while the plan is made */
  guint quantised;                /* block of that input */
  gfloat first_scale, last_scale; /* of that input, and of the last output */
  SimclrCalibration *calibration; /* of the run */
  SimclrArena *arena;
  guint workspace;
};

static gsize
image_bytes (SimclrInferencePlan *self, guint tensor)
{
  return _simclr_resnet_get_floats (self->resnet, tensor) *
         (tensor > self->first_int8 ? 1 : _simclr_value_bytes (self->precision));
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
         layer->residual != self->first_int8 &&
         self->planned[layer->residual - 1].images == self->planned[i].images;
}

/* The input of the first layer of bytes, as bytes. */
static void
plan_quantised (SimclrInferencePlan *self, const guint *last)
{
  const guint maker = self->first_int8 - 1;

  if (self->first_int8 < self->resnet->layers->len)
    self->quantised = _simclr_arena_reserve (self->arena,
        self->planned[maker].images * _simclr_resnet_get_floats (self->resnet, self->first_int8),
        self->planned[maker].images > images_of (self, maker) ? 0 : maker, last[self->first_int8]);
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
  if (self->first_int8 < n)
    end[self->first_int8] = self->first_int8 - 1; /* then it is bytes */
  for (guint i = n; i-- > 0;) {
    if (adds_in_place (self, i, last))
      end[_simclr_resnet_get_layer (self->resnet, i)->residual] = end[i + 1];
  }
  self->pictures = _simclr_arena_reserve (self->arena,
      self->precision == SIMCLR_PRECISION_BFLOAT16 ? images_of (self, 0) * image_bytes (self, 0)
                                                   : 0,
      0, last[0]);
  plan_quantised (self, last);
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

/* Only what is added to a residual has a sign. */
static gboolean
is_signed (SimclrInferencePlan *self, guint tensor)
{
  return tensor > self->first_int8 && !_simclr_resnet_get_layer (self->resnet, tensor - 1)->relu;
}

static gfloat
scale_of (SimclrInferencePlan *self, guint tensor)
{
  const gfloat range = self->ranges[tensor];

  return range > 0 ? range / (is_signed (self, tensor) ? 127 : 255) : 1;
}

static SimclrInt8Convolution *
create_int8 (
    SimclrInferencePlan *self, guint i, const SimclrConvolutionShape *shape, GError **error)
{
  const SimclrLayer *layer = _simclr_resnet_get_layer (self->resnet, i);
  SimclrParameters *layout = self->resnet->layout;
  const SimclrInt8Scales scales = {.x_scale = scale_of (self, layer->input),
      .y_scale = scale_of (self, i + 1),
      .residual_scale = layer->residual ? scale_of (self, layer->residual) : 0,
      .residual_signed = layer->residual && is_signed (self, layer->residual),
      .relu = layer->relu};

  return _simclr_int8_convolution_new (shape, &scales,
      self->folded->weights + _simclr_parameters_get (layout, layer->weight)->offset,
      self->folded->biases + _simclr_parameters_get (layout, layer->shift)->offset, self->parallel,
      error);
}

/* workspace becomes at least what it needs. */
static gboolean
create_convolution (SimclrInferencePlan *self, SimclrProvider provider, SimclrPrecision precision,
    guint i, gsize *workspace, GError **error)
{
  PlannedLayer *planned = &self->planned[i];
  SimclrConvolutionShape shape = _simclr_resnet_get_layer (self->resnet, i)->shape;
  gsize needed;

  shape.images = images_of (self, i);
  if (i >= self->first_int8) {
    planned->int8 = create_int8 (self, i, &shape, error);
    if (!planned->int8)
      return FALSE;
    needed = _simclr_int8_convolution_get_workspace (planned->int8);
  } else {
    planned->convolution = _simclr_convolution_new (
        provider, &shape, SIMCLR_CONVOLUTION_FORWARD, precision, self->parallel, error);
    if (!planned->convolution)
      return FALSE;
    needed = _simclr_convolution_get_workspace (planned->convolution);
  }
  *workspace = MAX (*workspace, needed);
  return TRUE;
}

static gboolean
create_convolutions (
    SimclrInferencePlan *self, SimclrProvider provider, SimclrPrecision precision, GError **error)
{
  gsize workspace = 0;

  for (guint i = 0; i < self->resnet->layers->len; i++) {
    if (_simclr_resnet_get_layer (self->resnet, i)->kind == SIMCLR_LAYER_CONVOLUTION &&
        !create_convolution (self, provider, precision, i, &workspace, error))
      return FALSE;
  }
  self->workspace = _simclr_arena_reserve (self->arena, workspace, 0, self->resnet->layers->len);
  return TRUE;
}

/* The stem, whose pictures may have a sign, stays as it is; so does the pooling behind it. */
static guint
find_first_int8 (const SimclrResnet *resnet)
{
  return _simclr_resnet_get_layer (resnet, 1)->kind == SIMCLR_LAYER_MAX_POOL ? 2 : 1;
}

SimclrInferencePlan *
_simclr_inference_plan_new (SimclrResnet *resnet, SimclrProvider provider,
    SimclrPrecision precision, gsize images, const SimclrFolded *folded, const gfloat *ranges,
    SimclrParallel *parallel, GError **error)
{
  g_autoptr (SimclrInferencePlan) self = g_new0 (SimclrInferencePlan, 1);

  self->resnet = _simclr_resnet_ref (resnet);
  self->parallel = parallel;
  self->precision = precision;
  self->images = images;
  self->folded = folded;
  self->first_int8 = ranges ? find_first_int8 (resnet) : resnet->layers->len;
  self->ranges = ranges;
  self->planned = g_new0 (PlannedLayer, resnet->layers->len);
  self->segments = g_array_new (FALSE, FALSE, sizeof (Segment));
  self->arena = _simclr_arena_new ();
  plan_segments (self);
  if (!create_convolutions (self, provider, precision, error))
    return NULL;
  plan_outputs (self);
  if (!_simclr_arena_allocate (self->arena, error))
    return NULL;
  _simclr_inference_plan_set_folded (self, folded);
  self->first_scale = ranges ? scale_of (self, self->first_int8) : 1;
  self->last_scale = ranges ? scale_of (self, resnet->layers->len) : 1;
  self->ranges = NULL;
  return g_steal_pointer (&self);
}

void
_simclr_inference_plan_free (SimclrInferencePlan *self)
{
  for (guint i = 0; i < self->resnet->layers->len; i++) {
    g_clear_pointer (&self->planned[i].convolution, _simclr_convolution_free);
    g_clear_pointer (&self->planned[i].int8, _simclr_int8_convolution_free);
  }
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

/* The same of what a layer reads. */
static gpointer
input_of (SimclrInferencePlan *self, guint tensor, gsize first)
{
  if (tensor != self->first_int8)
    return output_of (self, tensor, first);
  return (guint8 *) _simclr_arena_get (self->arena, self->quantised) +
         first % self->planned[tensor - 1].images *
             _simclr_resnet_get_floats (self->resnet, tensor);
}

static void
run_layer (SimclrInferencePlan *self, guint i, gconstpointer input, gsize first)
{
  const SimclrLayer *layer = _simclr_resnet_get_layer (self->resnet, i);
  gpointer output = output_of (self, i + 1, first);
  gpointer workspace = _simclr_arena_get (self->arena, self->workspace);
  SimclrEpilogue epilogue = {.relu = layer->relu};

  if (layer->residual)
    epilogue.residual = input_of (self, layer->residual, first);
  if (self->planned[i].int8) {
    _simclr_int8_convolution_forward (
        self->planned[i].int8, input, output, epilogue.residual, workspace);
    return;
  }
  if (!self->planned[i].convolution) {
    _simclr_max_pool_forward (self->parallel, self->precision, input, images_of (self, i),
        layer->shape.height, layer->shape.width, layer->shape.in, output, NULL);
    return;
  }
  epilogue.bias =
      self->folded->biases + _simclr_parameters_get (self->resnet->layout, layer->shift)->offset;
  _simclr_convolution_forward (self->planned[i].convolution, input, output, &epilogue, workspace);
}

/* What is to be done with a layer's output besides. */
static void
follow_layer (SimclrInferencePlan *self, guint i, gsize first)
{
  const gpointer output = output_of (self, i + 1, first);
  const gsize values = images_of (self, i) * _simclr_resnet_get_floats (self->resnet, i + 1);

  if (self->calibration)
    _simclr_calibration_observe (self->calibration, i + 1, self->precision, output, values);
  if (i + 1 == self->first_int8 && self->first_int8 < self->resnet->layers->len)
    _simclr_quantize (self->parallel, self->precision, output, values, self->first_scale,
        input_of (self, i + 1, first));
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

    run_layer (self, i, input == 0 ? taken : input_of (self, input, first), first);
    follow_layer (self, i, first);
  }
}

static void
pool (SimclrInferencePlan *self, gconstpointer from, gsize images, gfloat *embeddings)
{
  const guint last = self->resnet->layers->len;
  const gsize size = _simclr_resnet_get_size (self->resnet, last);
  const gsize channels = self->resnet->embedding_size;

  if (self->first_int8 < last)
    _simclr_average_bytes (
        self->parallel, from, images, size * size, channels, self->last_scale, embeddings);
  else
    _simclr_average_pool_forward (
        self->parallel, self->precision, from, images, size * size, channels, embeddings);
}

void
_simclr_inference_plan_run (SimclrInferencePlan *self, const gfloat *pictures, gfloat *embeddings,
    SimclrCalibration *calibration)
{
  const guint segment = self->segments->len - 1;
  const gsize images = g_array_index (self->segments, Segment, segment).images;

  self->calibration = calibration;
  for (gsize first = 0; first < self->images; first += images) {
    run_segment (self, segment, pictures, first);
    pool (self, output_of (self, self->resnet->layers->len, first), images,
        embeddings + first * self->resnet->embedding_size);
  }
}
