/* 3x3 convolutions at stride 1 by Winograd's F(4x4, 3x3): a quarter of the products.
 *
 * Tiles of 4x4 outputs are counted through all images. A block of tiles is transformed, multiplied point by
 * point of the 6x6 and transformed back while it is in the cache. Going backward to the data is the same
 * with the weights rotated; to the weights, the block's products are summed over its tiles.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/convolution-winograd-private.h>

#include <simclr/base/arena-private.h>
#include <simclr/base/bfloat16-private.h>

/* Bytes of transformed input and output that one thread works on. */
#define BLOCK_BYTES (1024 * 1024)
/* A sum of weights' gradients that is larger is made once, by all threads together. */
#define SHARED_SUM_BYTES (4 * 1024 * 1024)
#define FEWEST_TILES 28
#define MOST_TILES 112

static gsize
round_up (gsize channels)
{
  return (channels + SIMCLR_PANEL - 1) / SIMCLR_PANEL * SIMCLR_PANEL;
}

static void
transform_output (const SimclrWinogradCall *call, gsize tile, gsize tiles, const gfloat *products)
{
  for (gsize t = 0; t < tiles; t++) {
    gsize offsets[16];
    gpointer to[16];
    gconstpointer residual[16];

    _simclr_winograd_find_output (call->self, call->to_channels, tile + t, offsets);
    for (gsize i = 0; i < 16; i++) {
      to[i] = offsets[i] != G_MAXSIZE ? call->to + offsets[i] : NULL;
      residual[i] = call->residual ? call->residual + (to[i] ? offsets[i] : 0) : NULL;
    }
    _simclr_winograd_output (products + t * call->to_stride, call->self->block * call->to_stride,
        call->to_channels, to, call->residual ? residual : NULL, call->bias, call->relu,
        call->self->half);
  }
}

/* Forward, or backward to the data with the rotated weights. */
static void
convolve_tiles (guint thread, gsize begin, gsize end, gpointer data)
{
  const SimclrWinogradCall *call = data;
  const SimclrWinograd *self = call->self;
  gfloat *transformed = call->workspace + thread * _simclr_winograd_block_floats (self);
  gfloat *products = transformed + SIMCLR_WINOGRAD_POINTS * self->block * call->from_stride;
  const gsize panel = call->from_channels * SIMCLR_PANEL;

  for (gsize tile = begin; tile < end; tile += self->block) {
    const gsize tiles = MIN (self->block, end - tile);

    _simclr_winograd_transform_input (
        call, call->from, call->from_channels, call->from_stride, tile, tiles, transformed);
    for (gsize point = 0; point < SIMCLR_WINOGRAD_POINTS; point++) {
      const SimclrProduct product = {.rows = tiles,
          .columns = call->to_stride,
          .depth = call->from_channels,
          .a = transformed + point * self->block * call->from_stride,
          .a_row = call->from_stride,
          .a_depth = 1,
          .b = call->weights + point * call->to_stride * call->from_channels,
          .b_depth = SIMCLR_PANEL,
          .b_panel = panel,
          .c = products + point * self->block * call->to_stride,
          .c_row = call->to_stride};

      _simclr_product (&product);
    }
    transform_output (call, tile, tiles, products);
  }
}

static void
forward (SimclrConvolution *parent, gconstpointer x, gpointer y, const SimclrEpilogue *epilogue,
    gpointer workspace)
{
  const SimclrWinograd *self = (const SimclrWinograd *) parent;
  SimclrWinogradCall call = {.self = self,
      .from = x,
      .to = y,
      .weights = self->kept ? self->kept : workspace,
      .from_channels = parent->shape.in,
      .from_stride = self->in_stride,
      .to_channels = parent->shape.out,
      .to_stride = self->out_stride,
      .bias = epilogue ? epilogue->bias : NULL,
      .residual = epilogue ? epilogue->residual : NULL,
      .relu = epilogue && epilogue->relu,
      .workspace =
          (gfloat *) workspace + (self->kept ? 0 : _simclr_winograd_forward_floats (self))};

  if (!self->kept)
    _simclr_winograd_pack (self, workspace, FALSE);
  _simclr_parallel_for (parent->parallel, self->tiles, 1, convolve_tiles, &call);
}

static void
backward_data (SimclrConvolution *parent, gconstpointer dy, gpointer dx, gboolean accumulate,
    gpointer workspace)
{
  const SimclrWinograd *self = (const SimclrWinograd *) parent;
  SimclrWinogradCall call = {.self = self,
      .from = dy,
      .to = dx,
      .weights = workspace,
      .from_channels = parent->shape.out,
      .from_stride = self->out_stride,
      .to_channels = parent->shape.in,
      .to_stride = self->in_stride,
      .residual = accumulate ? dx : NULL,
      .workspace = (gfloat *) workspace + _simclr_winograd_backward_floats (self)};

  _simclr_winograd_pack (self, workspace, TRUE);
  _simclr_parallel_for (parent->parallel, self->tiles, 1, convolve_tiles, &call);
}

static void
set_weights (SimclrConvolution *parent, const gfloat *weights)
{
  SimclrWinograd *self = (SimclrWinograd *) parent;

  self->weights = weights;
  if (self->kept)
    _simclr_winograd_pack (self, self->kept, FALSE);
}

static void
free_convolution (SimclrConvolution *parent)
{
  SimclrWinograd *self = (SimclrWinograd *) parent;

  _simclr_aligned_free (self->kept);
  _simclr_aligned_free (self->zeros);
  g_free (self);
}

static gfloat *
new_zeros (gsize count, GError **error)
{
  gfloat *floats = _simclr_aligned_alloc (count * sizeof (gfloat), error);

  if (floats)
    memset (floats, 0, count * sizeof (gfloat));
  return floats;
}

static void
plan_blocks (SimclrWinograd *self)
{
  const SimclrConvolutionShape *shape = &self->parent.shape;
  const gsize threads = _simclr_parallel_get_threads (self->parent.parallel);

  self->tile_rows = (shape->height + SIMCLR_WINOGRAD_OUTPUT - 1) / SIMCLR_WINOGRAD_OUTPUT;
  self->tile_columns = (shape->width + SIMCLR_WINOGRAD_OUTPUT - 1) / SIMCLR_WINOGRAD_OUTPUT;
  self->tiles = shape->images * self->tile_rows * self->tile_columns;
  self->in_stride = round_up (shape->in);
  self->out_stride = round_up (shape->out);
  self->block = BLOCK_BYTES /
                (SIMCLR_WINOGRAD_POINTS * (self->in_stride + self->out_stride) * sizeof (gfloat)) /
                14 * 14;
  self->block = CLAMP (self->block, FEWEST_TILES, MOST_TILES);
  self->block = MIN (self->block, self->tiles);
  self->n_sums = _simclr_winograd_gradient_floats (self) * sizeof (gfloat) > SHARED_SUM_BYTES
                     ? 1
                     : (guint) threads;
  self->parent.workspace = (threads * _simclr_winograd_block_floats (self) +
                               MAX (MAX (_simclr_winograd_forward_floats (self),
                                        _simclr_winograd_backward_floats (self)),
                                   self->parent.use & SIMCLR_CONVOLUTION_BACKWARD_WEIGHTS
                                       ? self->n_sums * _simclr_winograd_gradient_floats (self)
                                       : 0)) *
                           sizeof (gfloat);
}

/* Products saved against the padding of tiles and channels; the transforms cost about as much as 40 more
 * channels, and fetching a weight as much as 25 products. */
gboolean
_simclr_winograd_pays (const SimclrConvolutionShape *shape)
{
  const gdouble images = (gdouble) shape->images;
  const gdouble fetched = 25.0 * (gdouble) shape->in * (gdouble) shape->out;
  gdouble tiles, direct, winograd;

  if (shape->kernel != 3 || shape->stride != 1 || shape->padding != 1)
    return FALSE;
  tiles = ceil ((gdouble) shape->height / SIMCLR_WINOGRAD_OUTPUT) *
          ceil ((gdouble) shape->width / SIMCLR_WINOGRAD_OUTPUT);
  direct = images * (gdouble) (shape->height * shape->width * 9) * (gdouble) shape->in *
               (gdouble) round_up (shape->out) +
           9 * fetched;
  winograd = images * tiles * SIMCLR_WINOGRAD_POINTS *
                 ((gdouble) shape->in * (gdouble) round_up (shape->out) +
                     20.0 * (gdouble) (shape->in + shape->out)) +
             SIMCLR_WINOGRAD_POINTS * fetched;
  return winograd < direct;
}

static const SimclrConvolutionClass winograd_class = {
    .provider = SIMCLR_PROVIDER_OPENBLAS,
    .free = free_convolution,
    .set_weights = set_weights,
    .forward = forward,
    .backward_data = backward_data,
    .backward_weights = _simclr_winograd_backward_weights,
};

SimclrConvolution *
_simclr_convolution_winograd_new (const SimclrConvolutionShape *shape, SimclrConvolutionUse use,
    SimclrPrecision precision, SimclrParallel *parallel, GError **error)
{
  SimclrWinograd *self = g_new0 (SimclrWinograd, 1);

  self->parent = (SimclrConvolution){.klass = &winograd_class,
      .shape = *shape,
      .use = use,
      .precision = precision,
      .parallel = parallel};
  self->half = precision == SIMCLR_PRECISION_BFLOAT16;
  self->value_bytes = _simclr_value_bytes (precision);
  plan_blocks (self);
  self->zeros = new_zeros (MAX (shape->in, shape->out), error);
  if (self->zeros && use == SIMCLR_CONVOLUTION_FORWARD)
    self->kept = new_zeros (_simclr_winograd_forward_floats (self), error);
  if (!self->zeros || (use == SIMCLR_CONVOLUTION_FORWARD && !self->kept)) {
    free_convolution (&self->parent);
    return NULL;
  }
  return &self->parent;
}
