/* Convolutions of any shape as matrix products over cache-sized blocks of unfolded input (im2col).
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/convolution-native-private.h>

#include <simclr/base/arena-private.h>
#include <simclr/base/multiversion-private.h>
#include <simclr/nn/product-private.h>
#include <simclr/nn/unfold-private.h>
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
  gsize column_floats;      /* of one thread's block */
  gfloat *forward_weights;  /* packed (depth, out) */
  gfloat *backward_weights; /* packed: stride 1 (kernel * kernel * out, in), else (out, depth) */
} UnfoldConvolution;

/* One call's arguments for the team. */
typedef struct
{
  UnfoldConvolution *self;
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

/* c (rows, columns) = a (rows, depth) * packed b */
static void
multiply (gsize rows, gsize columns, gsize depth, const gfloat *a, const gfloat *b,
    gboolean accumulate, gfloat *c)
{
  const SimclrProduct product = {.rows = rows,
      .columns = columns,
      .depth = depth,
      .a = a,
      .a_row = depth,
      .a_depth = 1,
      .b = b,
      .b_depth = SIMCLR_PANEL,
      .b_panel = depth * SIMCLR_PANEL,
      .c = c,
      .c_row = columns,
      .accumulate = accumulate};

  _simclr_product (&product);
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
  UnfoldConvolution *self = call->self;
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

    multiply (rows, out, self->depth, columns, self->forward_weights, in_place, y);
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
  UnfoldConvolution *self = (UnfoldConvolution *) parent;
  Call call = {.self = self, .x = x, .y = y, .workspace = workspace, .epilogue = epilogue};

  _simclr_parallel_for (
      parent->parallel, parent->shape.images * self->out_height, 1, forward_lines, &call);
}

/* Stride 1: dx is a convolution of dy with the rotated weights. */
static void
backward_data_lines (guint thread, gsize begin, gsize end, gpointer data)
{
  const Call *call = data;
  UnfoldConvolution *self = call->self;
  const SimclrConvolutionShape *shape = &self->parent.shape;
  gsize depth = shape->kernel * shape->kernel * shape->out;

  for (gsize line = begin; line < end; line += self->backward.block_lines) {
    gsize lines = MIN (self->backward.block_lines, end - line);
    const gfloat *columns =
        _simclr_unfold_lines (&self->backward, call->dy, line, lines, columns_of (call, thread));

    multiply (lines * shape->width, shape->in, depth, columns, self->backward_weights,
        call->accumulate, call->dx + line * shape->width * shape->in);
  }
}

/* Any stride: the columns' gradient is folded back, image by image. */
static void
backward_data_images (guint thread, gsize begin, gsize end, gpointer data)
{
  const Call *call = data;
  UnfoldConvolution *self = call->self;
  const SimclrConvolutionShape *shape = &self->parent.shape;
  gfloat *columns = columns_of (call, thread);

  if (!call->accumulate)
    memset (call->dx + begin * shape->height * shape->width * shape->in, 0,
        (end - begin) * shape->height * shape->width * shape->in * sizeof (gfloat));
  for (gsize line = begin * self->out_height; line < end * self->out_height;
       line += self->forward.block_lines) {
    gsize lines = MIN (self->forward.block_lines, end * self->out_height - line);

    multiply (lines * self->out_width, self->depth, shape->out,
        call->dy + line * self->out_width * shape->out, self->backward_weights, FALSE, columns);
    _simclr_fold_lines (&self->forward, columns, line, lines, call->dx);
  }
}

static void
backward_data (SimclrConvolution *parent, gconstpointer dy, gpointer dx, gboolean accumulate,
    gpointer workspace)
{
  UnfoldConvolution *self = (UnfoldConvolution *) parent;
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
  UnfoldConvolution *self = call->self;
  gsize out = self->parent.shape.out;
  gfloat *sum = call->dweights + thread * out * self->depth;

  for (gsize line = begin; line < end; line += self->forward.block_lines) {
    gsize lines = MIN (self->forward.block_lines, end - line);
    const gfloat *columns =
        _simclr_unfold_lines (&self->forward, call->x, line, lines, columns_of (call, thread));

    const SimclrProduct product = {.rows = out,
        .columns = self->depth,
        .depth = lines * self->out_width,
        .a = call->dy + line * self->out_width * out,
        .a_row = 1,
        .a_depth = out,
        .b = columns,
        .b_depth = self->depth,
        .b_panel = SIMCLR_PANEL,
        .c = sum,
        .c_row = self->depth,
        .accumulate = line > begin};

    _simclr_product (&product);
  }
}

SIMCLR_MULTIVERSION
void
_simclr_add_floats (gfloat *sum, const gfloat *part, gsize floats)
{
#pragma GCC ivdep
  for (gsize i = 0; i < floats; i++)
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
    _simclr_add_floats (
        reduction->sum + begin, reduction->parts + part * reduction->floats + begin, end - begin);
}

static void
backward_weights (SimclrConvolution *parent, gconstpointer x, gconstpointer dy, gfloat *dweights,
    gpointer workspace)
{
  UnfoldConvolution *self = (UnfoldConvolution *) parent;
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

/* Element ((tap, o), i) = w (o, last tap - tap, i), packed: what a rotated kernel multiplies. */
static void
pack_rotated (UnfoldConvolution *self, const gfloat *weights)
{
  const SimclrConvolutionShape *shape = &self->parent.shape;
  const gsize taps = shape->kernel * shape->kernel, depth = taps * shape->out;

  for (gsize i = 0; i < shape->in; i += SIMCLR_PANEL) {
    gfloat *panel = self->backward_weights + i * depth;

    for (gsize tap = 0; tap < taps; tap++)
      _simclr_pack (weights + (taps - 1 - tap) * shape->in + i, self->depth, 1, shape->out,
          MIN (SIMCLR_PANEL, shape->in - i), panel + tap * shape->out * SIMCLR_PANEL);
  }
}

static void
set_weights (SimclrConvolution *parent, const gfloat *weights)
{
  UnfoldConvolution *self = (UnfoldConvolution *) parent;

  _simclr_pack (weights, 1, self->depth, self->depth, parent->shape.out, self->forward_weights);
  if (!self->backward_weights)
    return;
  if (parent->shape.stride == 1)
    pack_rotated (self, weights);
  else
    _simclr_pack (weights, self->depth, 1, parent->shape.out, self->depth, self->backward_weights);
}

static void
free_convolution (SimclrConvolution *parent)
{
  UnfoldConvolution *self = (UnfoldConvolution *) parent;

  _simclr_aligned_free (self->forward_weights);
  _simclr_aligned_free (self->backward_weights);
  g_free (self);
}

/* The input's unfolding, and dy's for the rotated convolution of backward-data. */
static void
plan_blocks (UnfoldConvolution *self)
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

static gboolean
allocate_weights (UnfoldConvolution *self, GError **error)
{
  const SimclrConvolutionShape *shape = &self->parent.shape;
  gsize floats = _simclr_packed_floats (self->depth, shape->out);

  self->forward_weights = _simclr_aligned_alloc (floats * sizeof (gfloat), error);
  if (!self->forward_weights || !(self->parent.use & SIMCLR_CONVOLUTION_BACKWARD_DATA))
    return self->forward_weights != NULL;
  floats = shape->stride == 1
               ? _simclr_packed_floats (shape->kernel * shape->kernel * shape->out, shape->in)
               : _simclr_packed_floats (shape->out, self->depth);
  self->backward_weights = _simclr_aligned_alloc (floats * sizeof (gfloat), error);
  return self->backward_weights != NULL;
}

static const SimclrConvolutionClass unfold_class = {
    .provider = SIMCLR_PROVIDER_OPENBLAS,
    .free = free_convolution,
    .set_weights = set_weights,
    .forward = forward,
    .backward_data = backward_data,
    .backward_weights = backward_weights,
};

SimclrConvolution *
_simclr_convolution_unfold_new (const SimclrConvolutionShape *shape, SimclrConvolutionUse use,
    SimclrParallel *parallel, GError **error)
{
  UnfoldConvolution *self = g_new0 (UnfoldConvolution, 1);

  self->parent = (SimclrConvolution){.klass = &unfold_class,
      .shape = *shape,
      .use = use,
      .precision = SIMCLR_PRECISION_FLOAT32,
      .parallel = parallel};
  self->depth = shape->kernel * shape->kernel * shape->in;
  self->out_height = _simclr_convolution_out_height (shape);
  self->out_width = _simclr_convolution_out_width (shape);
  plan_blocks (self);
  if (!allocate_weights (self, error)) {
    free_convolution (&self->parent);
    return NULL;
  }
  return &self->parent;
}
