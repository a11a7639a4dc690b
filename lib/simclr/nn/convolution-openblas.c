/* Convolutions as OpenBLAS matrix products over cache-sized blocks of unfolded input (im2col).
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/convolution-private.h>

#include <simclr/base/arena-private.h>
#include <simclr/base/blas-private.h>
#include <simclr/base/multiversion-private.h>
#include <simclr/nn/unfold-private.h>
#include <cblas.h>
#include <string.h>

/* Bytes of unfolded input that one thread works on: stays in its second-level cache. */
#define COLUMN_BYTES (768 * 1024)

typedef struct
{
  SimclrConvolution parent;
  SimclrUnfold forward;  /* of x, for forward and backward-weights */
  SimclrUnfold backward; /* of dy, for backward-data at stride 1 */
  gsize depth;           /* kernel * kernel * in: columns of the unfolded input */
  gsize out_height, out_width;
  gsize column_floats;   /* of one thread's block */
  const gfloat *weights; /* (out, depth), borrowed */
  gfloat *rotated;       /* (in, kernel, kernel, out), for backward-data at stride 1 */
} OpenblasConvolution;

/* One call's arguments for the team. */
typedef struct
{
  OpenblasConvolution *self;
  const gfloat *x;
  const gfloat *dy;
  gfloat *y;
  gfloat *dx;
  gfloat *dweights;
  gfloat *workspace;
  const SimclrEpilogue *epilogue;
  gboolean accumulate;
} Call;

static gfloat *
columns_of (const Call *call, guint thread)
{
  return call->workspace + thread * call->self->column_floats;
}

/* c (rows, n) = a (rows, k) * b (n, k)' */
static void
multiply_transposed (
    gsize rows, gsize n, gsize k, const gfloat *a, const gfloat *b, gfloat beta, gfloat *c)
{
  cblas_sgemm (CblasRowMajor, CblasNoTrans, CblasTrans, (blasint) rows, (blasint) n, (blasint) k, 1,
      a, (blasint) k, b, (blasint) k, beta, c, (blasint) n);
}

/* c (rows, n) = a (rows, k) * b (k, n) */
static void
multiply (gsize rows, gsize n, gsize k, const gfloat *a, const gfloat *b, gfloat beta, gfloat *c)
{
  cblas_sgemm (CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint) rows, (blasint) n, (blasint) k,
      1, a, (blasint) k, b, (blasint) n, beta, c, (blasint) n);
}

SIMCLR_MULTIVERSION
static void
finish_rows (gfloat *y, const gfloat *bias, const gfloat *residual, gboolean relu, gsize rows,
    gsize channels)
{
  for (gsize row = 0; row < rows; row++) {
    gfloat *out = y + row * channels;

    if (bias) {
      for (gsize c = 0; c < channels; c++)
        out[c] += bias[c];
    }
    if (residual) {
      const gfloat *in = residual + row * channels;

      for (gsize c = 0; c < channels; c++)
        out[c] += in[c];
    }
    if (relu) {
      for (gsize c = 0; c < channels; c++)
        out[c] = out[c] < 0 ? 0 : out[c]; /* a NaN stays one */
    }
  }
}

/* y = relu? (columns * weights' + bias + residual), line by line of the output. */
static void
forward_lines (guint thread, gsize begin, gsize end, gpointer data)
{
  const Call *call = data;
  OpenblasConvolution *self = call->self;
  const SimclrEpilogue *epilogue = call->epilogue;
  gsize out = self->parent.shape.out;

  for (gsize line = begin; line < end; line += self->forward.block_lines) {
    gsize lines = MIN (self->forward.block_lines, end - line);
    gsize rows = lines * self->out_width;
    gfloat *y = call->y + line * self->out_width * out;
    const gfloat *columns =
        _simclr_unfold_lines (&self->forward, call->x, line, lines, columns_of (call, thread));

    /* The residual may be y itself, so it is added by the product then. */
    gboolean in_place = epilogue && epilogue->residual == call->y;

    multiply_transposed (rows, out, self->depth, columns, self->weights, in_place ? 1 : 0, y);
    if (epilogue) {
      const gfloat *residual = epilogue->residual;

      if (residual)
        residual = in_place ? NULL : residual + line * self->out_width * out;
      finish_rows (y, epilogue->bias, residual, epilogue->relu, rows, out);
    }
  }
}

static void
forward (SimclrConvolution *parent, gconstpointer x, gpointer y, const SimclrEpilogue *epilogue,
    gpointer workspace)
{
  OpenblasConvolution *self = (OpenblasConvolution *) parent;
  Call call = {.self = self, .x = x, .y = y, .workspace = workspace, .epilogue = epilogue};

  _simclr_parallel_for (
      parent->parallel, parent->shape.images * self->out_height, 1, forward_lines, &call);
}

/* Stride 1: dx is a convolution of dy with the rotated weights. */
static void
backward_data_lines (guint thread, gsize begin, gsize end, gpointer data)
{
  const Call *call = data;
  OpenblasConvolution *self = call->self;
  const SimclrConvolutionShape *shape = &self->parent.shape;
  gsize depth = shape->kernel * shape->kernel * shape->out;

  for (gsize line = begin; line < end; line += self->backward.block_lines) {
    gsize lines = MIN (self->backward.block_lines, end - line);
    const gfloat *columns =
        _simclr_unfold_lines (&self->backward, call->dy, line, lines, columns_of (call, thread));

    multiply_transposed (lines * shape->width, shape->in, depth, columns, self->rotated,
        call->accumulate ? 1 : 0, call->dx + line * shape->width * shape->in);
  }
}

/* Any stride: the columns' gradient is folded back, image by image. */
static void
backward_data_images (guint thread, gsize begin, gsize end, gpointer data)
{
  const Call *call = data;
  OpenblasConvolution *self = call->self;
  const SimclrConvolutionShape *shape = &self->parent.shape;
  gfloat *columns = columns_of (call, thread);

  if (!call->accumulate)
    memset (call->dx + begin * shape->height * shape->width * shape->in, 0,
        (end - begin) * shape->height * shape->width * shape->in * sizeof (gfloat));
  for (gsize line = begin * self->out_height; line < end * self->out_height;
       line += self->forward.block_lines) {
    gsize lines = MIN (self->forward.block_lines, end * self->out_height - line);

    multiply (lines * self->out_width, self->depth, shape->out,
        call->dy + line * self->out_width * shape->out, self->weights, 0, columns);
    _simclr_fold_lines (&self->forward, columns, line, lines, call->dx);
  }
}

static void
backward_data (SimclrConvolution *parent, gconstpointer dy, gpointer dx, gboolean accumulate,
    gpointer workspace)
{
  OpenblasConvolution *self = (OpenblasConvolution *) parent;
  Call call = {.self = self, .dy = dy, .dx = dx, .workspace = workspace, .accumulate = accumulate};

  if (parent->shape.stride == 1)
    _simclr_parallel_for (parent->parallel, parent->shape.images * parent->shape.height, 1,
        backward_data_lines, &call);
  else
    _simclr_parallel_for (parent->parallel, parent->shape.images, 1, backward_data_images, &call);
}

/* Each thread sums over its lines into its own copy of the gradient. */
static void
backward_weights_lines (guint thread, gsize begin, gsize end, gpointer data)
{
  const Call *call = data;
  OpenblasConvolution *self = call->self;
  gsize out = self->parent.shape.out;
  gfloat *sum = call->dweights + thread * out * self->depth;

  for (gsize line = begin; line < end; line += self->forward.block_lines) {
    gsize lines = MIN (self->forward.block_lines, end - line);
    const gfloat *columns =
        _simclr_unfold_lines (&self->forward, call->x, line, lines, columns_of (call, thread));

    cblas_sgemm (CblasRowMajor, CblasTrans, CblasNoTrans, (blasint) out, (blasint) self->depth,
        (blasint) (lines * self->out_width), 1, call->dy + line * self->out_width * out,
        (blasint) out, columns, (blasint) self->depth, line == begin ? 0 : 1, sum,
        (blasint) self->depth);
  }
}

SIMCLR_MULTIVERSION
static void
add_floats (gfloat *restrict sum, const gfloat *restrict part, gsize begin, gsize end)
{
  for (gsize i = begin; i < end; i++)
    sum[i] += part[i];
}

typedef struct
{
  gfloat *sum;
  const gfloat *parts; /* of threads 1, 2, ... */
  gsize floats;
  guint n_parts;
} Reduction;

static void
reduce_range (guint thread, gsize begin, gsize end, gpointer data)
{
  const Reduction *reduction = data;

  for (guint part = 0; part < reduction->n_parts; part++)
    add_floats (reduction->sum, reduction->parts + part * reduction->floats, begin, end);
}

static void
backward_weights (SimclrConvolution *parent, gconstpointer x, gconstpointer dy, gfloat *dweights,
    gpointer workspace)
{
  OpenblasConvolution *self = (OpenblasConvolution *) parent;
  gsize lines = parent->shape.images * self->out_height;
  guint threads = _simclr_parallel_get_threads (parent->parallel);
  gfloat *partial = (gfloat *) workspace + threads * self->column_floats;
  gsize floats = parent->shape.out * self->depth;
  Call call = {.self = self, .x = x, .dy = dy, .workspace = workspace};
  Reduction reduction = {dweights, partial + floats, floats, threads - 1};

  call.dweights = threads > 1 ? partial : dweights;
  if (lines < threads) /* some get none */
    memset (call.dweights, 0, threads * floats * sizeof (gfloat));
  _simclr_parallel_for (parent->parallel, lines, 1, backward_weights_lines, &call);
  if (threads > 1) {
    memcpy (dweights, partial, floats * sizeof (gfloat));
    _simclr_parallel_for (parent->parallel, floats, 1024, reduce_range, &reduction);
  }
}

/* (out, k, k, in) to (in, k, k, out), both kernel axes reversed. */
static void
rotate_weights (OpenblasConvolution *self)
{
  const SimclrConvolutionShape *shape = &self->parent.shape;
  gsize taps = shape->kernel * shape->kernel;

  for (gsize i = 0; i < shape->in; i++) {
    for (gsize tap = 0; tap < taps; tap++) {
      const gfloat *from = self->weights + (taps - 1 - tap) * shape->in + i;
      gfloat *to = self->rotated + (i * taps + tap) * shape->out;

      for (gsize o = 0; o < shape->out; o++)
        to[o] = from[o * self->depth];
    }
  }
}

static void
set_weights (SimclrConvolution *parent, const gfloat *weights)
{
  OpenblasConvolution *self = (OpenblasConvolution *) parent;

  self->weights = weights;
  if (self->rotated)
    rotate_weights (self);
}

static void
free_convolution (SimclrConvolution *parent)
{
  OpenblasConvolution *self = (OpenblasConvolution *) parent;

  _simclr_aligned_free (self->rotated);
  g_free (self);
}

/* The input's unfolding, and dy's for the rotated convolution of backward-data. */
static void
plan_blocks (OpenblasConvolution *self)
{
  const SimclrConvolutionShape *shape = &self->parent.shape;
  gsize threads = _simclr_parallel_get_threads (self->parent.parallel);

  _simclr_unfold_init (&self->forward, shape->height, shape->width, shape->in, shape->kernel,
      shape->stride, shape->padding, COLUMN_BYTES);
  self->column_floats = _simclr_unfold_get_floats (&self->forward);
  if (shape->stride == 1 && (self->parent.use & SIMCLR_CONVOLUTION_BACKWARD_DATA)) {
    _simclr_unfold_init (&self->backward, self->out_height, self->out_width, shape->out,
        shape->kernel, 1, shape->kernel - 1 - shape->padding, COLUMN_BYTES);
    self->column_floats = MAX (self->column_floats, _simclr_unfold_get_floats (&self->backward));
  }
  self->parent.workspace = threads * self->column_floats * sizeof (gfloat);
  if (threads > 1 && (self->parent.use & SIMCLR_CONVOLUTION_BACKWARD_WEIGHTS))
    self->parent.workspace += threads * shape->out * self->depth * sizeof (gfloat);
}

static SimclrConvolution *
create (const SimclrConvolutionShape *shape, SimclrConvolutionUse use, SimclrPrecision precision,
    SimclrParallel *parallel, GError **error)
{
  OpenblasConvolution *self = g_new0 (OpenblasConvolution, 1);

  _simclr_blas_prepare ();
  self->parent.klass = &_simclr_convolution_openblas;
  self->parent.shape = *shape;
  self->parent.use = use;
  self->parent.precision = precision;
  self->parent.parallel = parallel;
  self->depth = shape->kernel * shape->kernel * shape->in;
  self->out_height = _simclr_convolution_out_height (shape);
  self->out_width = _simclr_convolution_out_width (shape);
  plan_blocks (self);
  if (shape->stride == 1 && (use & SIMCLR_CONVOLUTION_BACKWARD_DATA)) {
    self->rotated = _simclr_aligned_alloc (shape->out * self->depth * sizeof (gfloat), error);
    if (!self->rotated) {
      g_free (self);
      return NULL;
    }
  }
  return &self->parent;
}

const SimclrConvolutionClass _simclr_convolution_openblas = {
    .provider = SIMCLR_PROVIDER_OPENBLAS,
    .create = create,
    .free = free_convolution,
    .set_weights = set_weights,
    .forward = forward,
    .backward_data = backward_data,
    .backward_weights = backward_weights,
};
