/* 3x3 convolutions at stride 1 by Winograd's F(4x4, 3x3): a quarter of the products.
 *
 * Tiles of 4x4 outputs are counted through all images. A block of tiles is transformed, multiplied point by
 * point of the 6x6 and transformed back while it is in the cache. Going backward to the data is the same
 * with the weights rotated; to the weights, the block's products are summed over its tiles.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/convolution-native-private.h>

#include <simclr/base/arena-private.h>
#include <simclr/base/bfloat16-private.h>
#include <simclr/nn/product-private.h>
#include <simclr/nn/unfold-private.h>
#include <simclr/nn/winograd-private.h>

#define POINTS SIMCLR_WINOGRAD_POINTS
#define SIDE SIMCLR_WINOGRAD_OUTPUT

/* Bytes of transformed input and output that one thread works on. */
#define BLOCK_BYTES (1024 * 1024)
/* A sum of weights' gradients that is larger is made once, by all threads together. */
#define SHARED_SUM_BYTES (4 * 1024 * 1024)
#define FEWEST_TILES 28
#define MOST_TILES 112

typedef struct
{
  SimclrConvolution parent;
  gsize tile_rows, tile_columns; /* of one image */
  gsize tiles;                   /* of all images */
  gsize block;                   /* tiles */
  guint n_sums;                  /* of the weights' gradient: one, or one for each thread */
  gsize in_stride, out_stride;   /* channels, padded to whole panels */
  gboolean half;                 /* activations are bfloat16 */
  gsize value_bytes;             /* of an activation */
  const gfloat *weights;         /* (out, 3, 3, in), borrowed */
  gfloat *kept;  /* inference: transformed once; training transforms in the workspace */
  gfloat *zeros; /* a pixel of the padding, in either format */
} WinogradConvolution;

/* One direction's sizes and operands, for the team. */
typedef struct
{
  const WinogradConvolution *self;
  const guint8 *from; /* pictures of from_channels */
  guint8 *to;         /* pictures of to_channels */
  gfloat *sums;       /* backward-weights: the threads' sums */
  const gfloat *weights;
  gsize from_channels, from_stride;
  gsize to_channels, to_stride;
  const gfloat *bias;
  const guint8 *residual;
  gboolean relu;
  const guint8 *dy; /* backward-weights */
  gfloat *dweights;
  gfloat *workspace;
} Call;

static gsize
round_up (gsize channels)
{
  return (channels + SIMCLR_PANEL - 1) / SIMCLR_PANEL * SIMCLR_PANEL;
}

/* Floats of the transformed weights of forward: (points, panels of out, in, panel). */
static gsize
forward_floats (const WinogradConvolution *self)
{
  return POINTS * self->parent.shape.in * self->out_stride;
}

/* Of backward to the data: (points, panels of in, out, panel). */
static gsize
backward_floats (const WinogradConvolution *self)
{
  return POINTS * self->parent.shape.out * self->in_stride;
}

/* Floats of one thread's block of transformed input and output. */
static gsize
block_floats (const WinogradConvolution *self)
{
  return POINTS * self->block * (self->in_stride + self->out_stride);
}

/* Of a thread's sum of the transformed weights' gradient: (points, out, in). */
static gsize
gradient_floats (const WinogradConvolution *self)
{
  return backward_floats (self);
}

/* First pixel of a tile: image, row and column. */
static void
locate_tile (const WinogradConvolution *self, gsize tile, gsize *image, gsize *row, gsize *column)
{
  *image = tile / (self->tile_rows * self->tile_columns);
  tile %= self->tile_rows * self->tile_columns;
  *row = tile / self->tile_columns * SIDE;
  *column = tile % self->tile_columns * SIDE;
}

/* The 6x6 pixels that a tile of outputs depends on; the padding is zeros. */
static void
find_input (const WinogradConvolution *self, const guint8 *pictures, gsize channels, gsize tile,
    gconstpointer pixels[POINTS])
{
  const gsize height = self->parent.shape.height, width = self->parent.shape.width;
  gsize image, top, left;

  locate_tile (self, tile, &image, &top, &left);
  for (gsize i = 0; i < 6; i++) {
    for (gsize j = 0; j < 6; j++) {
      gsize row = top + i - 1, column = left + j - 1; /* below zero: wraps to a large number */

      pixels[6 * i + j] =
          row < height && column < width
              ? pictures + ((image * height + row) * width + column) * channels * self->value_bytes
              : (gconstpointer) self->zeros;
    }
  }
}

/* Offsets in bytes of the 4x4 pixels of a tile of outputs, G_MAXSIZE outside the picture. */
static void
find_output (const WinogradConvolution *self, gsize channels, gsize tile, gsize offsets[16])
{
  const gsize height = self->parent.shape.height, width = self->parent.shape.width;
  gsize image, top, left;

  locate_tile (self, tile, &image, &top, &left);
  for (gsize i = 0; i < SIDE; i++) {
    for (gsize j = 0; j < SIDE; j++)
      offsets[SIDE * i + j] =
          top + i < height && left + j < width
              ? ((image * height + top + i) * width + left + j) * channels * self->value_bytes
              : G_MAXSIZE;
  }
}

static void
transform_input (const Call *call, const guint8 *pictures, gsize channels, gsize stride, gsize tile,
    gsize tiles, gfloat *transformed)
{
  gconstpointer pixels[POINTS];

  for (gsize t = 0; t < tiles; t++) {
    find_input (call->self, pictures, channels, tile + t, pixels);
    _simclr_winograd_input (
        pixels, call->self->half, channels, transformed + t * stride, call->self->block * stride);
  }
}

static void
transform_output (const Call *call, gsize tile, gsize tiles, const gfloat *products)
{
  for (gsize t = 0; t < tiles; t++) {
    gsize offsets[16];
    gpointer to[16];
    gconstpointer residual[16];

    find_output (call->self, call->to_channels, tile + t, offsets);
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
  const Call *call = data;
  const WinogradConvolution *self = call->self;
  gfloat *transformed = call->workspace + thread * block_floats (self);
  gfloat *products = transformed + POINTS * self->block * call->from_stride;
  const gsize panel = call->from_channels * SIMCLR_PANEL;

  for (gsize tile = begin; tile < end; tile += self->block) {
    const gsize tiles = MIN (self->block, end - tile);

    transform_input (
        call, call->from, call->from_channels, call->from_stride, tile, tiles, transformed);
    for (gsize point = 0; point < POINTS; point++) {
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

typedef struct
{
  const WinogradConvolution *self;
  gfloat *transformed;
} Packing;

/* Input channels begin to end - 1, at most a panel of them, through a small transposed copy. */
static void
pack_forward_block (const Packing *packing, gsize panel, gsize begin, gsize end)
{
  const WinogradConvolution *self = packing->self;
  const SimclrConvolutionShape *shape = &self->parent.shape;
  const gsize width = MIN (SIMCLR_PANEL, shape->out - panel * SIMCLR_PANEL);
  gfloat transposed[9][16][SIMCLR_PANEL] = {0};

  for (gsize k = 0; k < width; k++) {
    const gfloat *from = self->weights + (panel * SIMCLR_PANEL + k) * 9 * shape->in + begin;

    for (gsize tap = 0; tap < 9; tap++) {
      for (gsize c = 0; c < end - begin; c++)
        transposed[tap][c][k] = from[tap * shape->in + c];
    }
  }
  for (gsize c = begin; c < end; c++)
    _simclr_winograd_weights (transposed[0][c - begin], 16 * SIMCLR_PANEL, SIMCLR_PANEL, FALSE,
        packing->transformed + (panel * shape->in + c) * SIMCLR_PANEL,
        shape->in * self->out_stride);
}

static void
pack_forward (guint thread, gsize begin, gsize end, gpointer data)
{
  const Packing *packing = data;
  const gsize panels = packing->self->out_stride / SIMCLR_PANEL;

  for (gsize panel = 0; panel < panels; panel++) {
    for (gsize c = begin; c < end; c += 16)
      pack_forward_block (packing, panel, c, MIN (c + 16, end));
  }
}

/* Panels of input channels for one output channel; the last may be partly padding. */
static void
pack_backward_row (const Packing *packing, gsize k)
{
  const WinogradConvolution *self = packing->self;
  const SimclrConvolutionShape *shape = &self->parent.shape;
  const gfloat *weights = self->weights + k * 9 * shape->in;

  for (gsize c = 0; c < shape->in; c += SIMCLR_PANEL) {
    gfloat *to = packing->transformed + c * shape->out + k * SIMCLR_PANEL;
    const gsize stride = shape->out * self->in_stride, width = MIN (SIMCLR_PANEL, shape->in - c);
    gfloat padded[9][SIMCLR_PANEL] = {0};

    if (width == SIMCLR_PANEL) {
      _simclr_winograd_weights (weights + c, shape->in, SIMCLR_PANEL, TRUE, to, stride);
      continue;
    }
    for (gsize tap = 0; tap < 9; tap++)
      memcpy (padded[tap], weights + tap * shape->in + c, width * sizeof (gfloat));
    _simclr_winograd_weights (padded[0], SIMCLR_PANEL, SIMCLR_PANEL, TRUE, to, stride);
  }
}

static void
pack_backward (guint thread, gsize begin, gsize end, gpointer data)
{
  for (gsize k = begin; k < end; k++)
    pack_backward_row (data, k);
}

/* The transformed weights for one direction; padded channels are zeros. */
static void
transform_weights (const WinogradConvolution *self, gfloat *transformed, gboolean backward)
{
  const SimclrConvolutionShape *shape = &self->parent.shape;
  Packing packing = {self, transformed};

  if (backward)
    _simclr_parallel_for (self->parent.parallel, shape->out, 16, pack_backward, &packing);
  else
    _simclr_parallel_for (self->parent.parallel, shape->in, 16, pack_forward, &packing);
}

static void
forward (SimclrConvolution *parent, gconstpointer x, gpointer y, const SimclrEpilogue *epilogue,
    gpointer workspace)
{
  const WinogradConvolution *self = (const WinogradConvolution *) parent;
  Call call = {.self = self,
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
      .workspace = (gfloat *) workspace + (self->kept ? 0 : forward_floats (self))};

  if (!self->kept)
    transform_weights (self, workspace, FALSE);
  _simclr_parallel_for (parent->parallel, self->tiles, 1, convolve_tiles, &call);
}

static void
backward_data (SimclrConvolution *parent, gconstpointer dy, gpointer dx, gboolean accumulate,
    gpointer workspace)
{
  const WinogradConvolution *self = (const WinogradConvolution *) parent;
  Call call = {.self = self,
      .from = dy,
      .to = dx,
      .weights = workspace,
      .from_channels = parent->shape.out,
      .from_stride = self->out_stride,
      .to_channels = parent->shape.in,
      .to_stride = self->in_stride,
      .residual = accumulate ? dx : NULL,
      .workspace = (gfloat *) workspace + backward_floats (self)};

  transform_weights (self, workspace, TRUE);
  _simclr_parallel_for (parent->parallel, self->tiles, 1, convolve_tiles, &call);
}

/* Output channels first to first + outs - 1 only. */
static void
transform_gradient (
    const Call *call, gsize tile, gsize tiles, gsize first, gsize outs, gfloat *transformed)
{
  const WinogradConvolution *self = call->self;

  for (gsize t = 0; t < tiles; t++) {
    gsize offsets[16];
    gconstpointer pixels[16];

    find_output (self, self->parent.shape.out, tile + t, offsets);
    for (gsize i = 0; i < 16; i++)
      pixels[i] =
          offsets[i] != G_MAXSIZE ? call->dy + offsets[i] + first * self->value_bytes : NULL;
    _simclr_winograd_output_gradient (pixels, self->half, outs, transformed + t * self->out_stride,
        self->block * self->out_stride);
  }
}

/* Adds some tiles' gradient of the transformed weights of some output channels to sum (points, out, in). */
static void
sum_tiles (
    const Call *call, guint thread, gsize begin, gsize end, gsize first, gsize outs, gfloat *sum)
{
  const WinogradConvolution *self = call->self;
  const SimclrConvolutionShape *shape = &self->parent.shape;
  gfloat *inputs = call->workspace + thread * block_floats (self);
  gfloat *gradients = inputs + POINTS * self->block * self->in_stride;

  for (gsize tile = begin; tile < end; tile += self->block) {
    const gsize tiles = MIN (self->block, end - tile);

    transform_input (call, call->from, shape->in, self->in_stride, tile, tiles, inputs);
    transform_gradient (call, tile, tiles, first, outs, gradients);
    for (gsize point = 0; point < POINTS; point++) {
      const SimclrProduct product = {.rows = outs,
          .columns = shape->in,
          .depth = tiles,
          .a = gradients + point * self->block * self->out_stride,
          .a_row = 1,
          .a_depth = self->out_stride,
          .b = inputs + point * self->block * self->in_stride,
          .b_depth = self->in_stride,
          .b_panel = SIMCLR_PANEL,
          .c = sum + (point * shape->out + first) * self->in_stride,
          .c_row = self->in_stride,
          .accumulate = tile > begin};

      _simclr_product (&product);
    }
  }
}

/* Many tiles: each thread takes some, with a sum of its own. */
static void
sum_by_tiles (guint thread, gsize begin, gsize end, gpointer data)
{
  const Call *call = data;

  sum_tiles (call, thread, begin, end, 0, call->self->parent.shape.out,
      call->sums + thread * gradient_floats (call->self));
}

/* Many weights: each thread takes some output channels of the one sum. */
static void
sum_by_channels (guint thread, gsize begin, gsize end, gpointer data)
{
  const Call *call = data;

  sum_tiles (call, thread, 0, call->self->tiles, begin, end - begin, call->sums);
}

/* The threads' sums, added in their order, become gradients of the weights of some outputs. */
static void
finish_weights_gradient (guint thread, gsize begin, gsize end, gpointer data)
{
  const Call *call = data;
  const WinogradConvolution *self = call->self;
  const SimclrConvolutionShape *shape = &self->parent.shape;
  const gsize point_stride = shape->out * self->in_stride;

  for (gsize out = begin; out < end; out++) {
    gfloat *sum = call->sums + out * self->in_stride;

    for (guint other = 1; other < self->n_sums; other++) {
      const gfloat *part = sum + other * gradient_floats (self);

      for (gsize point = 0; point < POINTS; point++)
        _simclr_add_floats (sum + point * point_stride, part + point * point_stride, shape->in);
    }
    _simclr_winograd_weights_gradient (
        sum, point_stride, shape->in, call->dweights + out * 9 * shape->in, shape->in);
  }
}

static void
backward_weights (SimclrConvolution *parent, gconstpointer x, gconstpointer dy, gfloat *dweights,
    gpointer workspace)
{
  const WinogradConvolution *self = (const WinogradConvolution *) parent;
  const guint threads = _simclr_parallel_get_threads (parent->parallel);
  gfloat *sums = (gfloat *) workspace + threads * block_floats (self);
  Call sum = {.self = self, .from = x, .dy = dy, .sums = sums, .workspace = workspace};
  Call finish = {.self = self, .sums = sums, .dweights = dweights};

  if (self->n_sums == 1) {
    _simclr_parallel_for (parent->parallel, parent->shape.out, SIMCLR_PANEL, sum_by_channels, &sum);
  } else {
    if (self->tiles < threads) /* some get none */
      memset (sums, 0, threads * gradient_floats (self) * sizeof (gfloat));
    _simclr_parallel_for (parent->parallel, self->tiles, 1, sum_by_tiles, &sum);
  }
  _simclr_parallel_for (parent->parallel, parent->shape.out, 1, finish_weights_gradient, &finish);
}

static void
set_weights (SimclrConvolution *parent, const gfloat *weights)
{
  WinogradConvolution *self = (WinogradConvolution *) parent;

  self->weights = weights;
  if (self->kept)
    transform_weights (self, self->kept, FALSE);
}

static void
free_convolution (SimclrConvolution *parent)
{
  WinogradConvolution *self = (WinogradConvolution *) parent;

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
plan_blocks (WinogradConvolution *self)
{
  const SimclrConvolutionShape *shape = &self->parent.shape;
  const gsize threads = _simclr_parallel_get_threads (self->parent.parallel);

  self->tile_rows = (shape->height + SIDE - 1) / SIDE;
  self->tile_columns = (shape->width + SIDE - 1) / SIDE;
  self->tiles = shape->images * self->tile_rows * self->tile_columns;
  self->in_stride = round_up (shape->in);
  self->out_stride = round_up (shape->out);
  self->block =
      BLOCK_BYTES / (POINTS * (self->in_stride + self->out_stride) * sizeof (gfloat)) / 14 * 14;
  self->block = CLAMP (self->block, FEWEST_TILES, MOST_TILES);
  self->block = MIN (self->block, self->tiles);
  self->n_sums = gradient_floats (self) * sizeof (gfloat) > SHARED_SUM_BYTES ? 1 : (guint) threads;
  self->parent.workspace =
      (threads * block_floats (self) + MAX (MAX (forward_floats (self), backward_floats (self)),
                                           self->parent.use & SIMCLR_CONVOLUTION_BACKWARD_WEIGHTS
                                               ? self->n_sums * gradient_floats (self)
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
  tiles = ceil ((gdouble) shape->height / SIDE) * ceil ((gdouble) shape->width / SIDE);
  direct = images * (gdouble) (shape->height * shape->width * 9) * (gdouble) shape->in *
               (gdouble) round_up (shape->out) +
           9 * fetched;
  winograd = images * tiles * POINTS *
                 ((gdouble) shape->in * (gdouble) round_up (shape->out) +
                     20.0 * (gdouble) (shape->in + shape->out)) +
             POINTS * fetched;
  return winograd < direct;
}

static const SimclrConvolutionClass winograd_class = {
    .provider = SIMCLR_PROVIDER_OPENBLAS,
    .free = free_convolution,
    .set_weights = set_weights,
    .forward = forward,
    .backward_data = backward_data,
    .backward_weights = backward_weights,
};

SimclrConvolution *
_simclr_convolution_winograd_new (const SimclrConvolutionShape *shape, SimclrConvolutionUse use,
    SimclrPrecision precision, SimclrParallel *parallel, GError **error)
{
  WinogradConvolution *self = g_new0 (WinogradConvolution, 1);

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
    self->kept = new_zeros (forward_floats (self), error);
  if (!self->zeros || (use == SIMCLR_CONVOLUTION_FORWARD && !self->kept)) {
    free_convolution (&self->parent);
    return NULL;
  }
  return &self->parent;
}
