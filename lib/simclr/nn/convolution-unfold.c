/* Convolutions of any shape as matrix products over cache-sized blocks of unfolded input (im2col).
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/convolution-native-private.h>

#include <simclr/base/arena-private.h>
#include <simclr/base/bfloat16-private.h>
#include <simclr/base/multiversion-private.h>
#include <simclr/nn/product-private.h>
#include <simclr/nn/unfold-private.h>

/* Bytes of unfolded input that one thread works on: stays in its second-level cache. */
#define COLUMN_BYTES (768 * 1024)

typedef struct
{
  SimclrConvolution parent;
  SimclrUnfold forward;  /* of x, for forward and backward-weights */
  SimclrUnfold backward; /* of dy, for backward-data at stride 1 */
  gsize depth;           /* kernel * kernel * in: columns of the unfolded input */
  gsize out_height, out_width;
  gboolean half;            /* activations are bfloat16 */
  gsize column_floats;      /* of one thread's block of columns */
  gsize staging_floats;     /* bfloat16: of a block of rows as floats */
  gsize image_floats;       /* bfloat16: of a picture that is folded back */
  gfloat *forward_weights;  /* packed (depth, out) */
  gfloat *backward_weights; /* packed: stride 1 (kernel * kernel * out, in), else (out, depth) */
} UnfoldConvolution;

/* One call's arguments for the team. */
typedef struct
{
  UnfoldConvolution *self;
  gconstpointer x;
  gconstpointer dy;
  gpointer y; /* forward's y or backward's dx */
  gfloat *dweights;
  gfloat *workspace;
  SimclrEpilogue epilogue;
} Call;

/* One thread's memory. */
static gfloat *
columns_of (const Call *call, guint thread)
{
  const UnfoldConvolution *self = call->self;

  return call->workspace +
         thread * (self->column_floats + self->staging_floats + self->image_floats);
}

static gfloat *
staging_of (const Call *call, guint thread)
{
  return columns_of (call, thread) + call->self->column_floats;
}

static gfloat *
image_of (const Call *call, guint thread)
{
  return staging_of (call, thread) + call->self->staging_floats;
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

SIMCLR_INLINE void
finish_loop (const SimclrEpilogue *epilogue, const gfloat *from, gpointer y, gsize first,
    gsize rows, gsize channels, const gboolean half)
{
  const SimclrVector zero = {0};
  const SimclrBits keep = (SimclrBits){0} - (epilogue->relu ? 0u : 1u); /* negative values stay */

  for (gsize row = 0; row < rows; row++, from += channels, first += channels) {
    gsize c = 0;

    for (; c + SIMCLR_LANES <= channels; c += SIMCLR_LANES) {
      SimclrVector value = _simclr_load_vector (from, c, FALSE);

      if (epilogue->bias)
        value += _simclr_load_vector (epilogue->bias, c, FALSE);
      if (epilogue->residual)
        value += _simclr_load_vector (epilogue->residual, first + c, half);
      value = _simclr_select (value, keep | (SimclrBits) ~(value < zero)); /* a NaN stays one */
      _simclr_store_vector (y, first + c, value, half);
    }
    for (; c < channels; c++) {
      gfloat value = from[c] + (epilogue->bias ? epilogue->bias[c] : 0);

      if (epilogue->residual)
        value += _simclr_load_value (epilogue->residual, first + c, half);
      _simclr_store_value (y, first + c, epilogue->relu && value < 0 ? 0 : value, half);
    }
  }
}

/* Rows of products on their way to y, from its value number first on. */
SIMCLR_MULTIVERSION
static void
finish_rows (const SimclrEpilogue *epilogue, const gfloat *from, gpointer y, gsize first,
    gsize rows, gsize channels, gboolean half)
{
  if (half)
    finish_loop (epilogue, from, y, first, rows, channels, TRUE);
  else
    finish_loop (epilogue, from, y, first, rows, channels, FALSE);
}

/* Rows of an activation as floats: where they are, or widened in staging memory. */
static const gfloat *
floats_of (
    const UnfoldConvolution *self, gconstpointer values, gsize first, gsize count, gfloat *staging)
{
  if (!self->half)
    return (const gfloat *) values + first;
  _simclr_widen ((const guint16 *) values + first, count, staging);
  return staging;
}

/* A block of lines of y = finish (columns * weights). The product goes straight to a float y, to which
 * nothing is added or what is there already; else through staging memory. */
static void
convolve_block (const Call *call, guint thread, const SimclrUnfold *unfold, gconstpointer pictures,
    const gfloat *weights, gsize channels, gsize line, gsize lines)
{
  const UnfoldConvolution *self = call->self;
  const gsize rows = lines * unfold->out_width, first = line * unfold->out_width * channels;
  const gfloat *columns =
      _simclr_unfold_lines (unfold, pictures, line, lines, columns_of (call, thread));
  const gboolean in_place = call->epilogue.residual == call->y;
  gfloat *y = (gfloat *) call->y + first;
  SimclrEpilogue epilogue = call->epilogue;

  if (self->half) {
    multiply (rows, channels, unfold->depth, columns, weights, FALSE, staging_of (call, thread));
    finish_rows (&epilogue, staging_of (call, thread), call->y, first, rows, channels, TRUE);
    return;
  }
  multiply (rows, channels, unfold->depth, columns, weights, in_place, y);
  if (in_place)
    epilogue.residual = NULL;
  if (epilogue.bias || epilogue.residual || epilogue.relu)
    finish_rows (&epilogue, y, call->y, first, rows, channels, FALSE);
}

static void
forward_lines (guint thread, gsize begin, gsize end, gpointer data)
{
  const Call *call = data;
  const UnfoldConvolution *self = call->self;

  for (gsize line = begin; line < end; line += self->forward.block_lines)
    convolve_block (call, thread, &self->forward, call->x, self->forward_weights,
        self->parent.shape.out, line, MIN (self->forward.block_lines, end - line));
}

static void
forward (SimclrConvolution *parent, gconstpointer x, gpointer y, const SimclrEpilogue *epilogue,
    gpointer workspace)
{
  UnfoldConvolution *self = (UnfoldConvolution *) parent;
  Call call = {.self = self, .x = x, .y = y, .workspace = workspace};

  if (epilogue)
    call.epilogue = *epilogue;
  _simclr_parallel_for (
      parent->parallel, parent->shape.images * self->out_height, 1, forward_lines, &call);
}

/* Stride 1: dx is a convolution of dy with the rotated weights. */
static void
backward_data_lines (guint thread, gsize begin, gsize end, gpointer data)
{
  const Call *call = data;
  const UnfoldConvolution *self = call->self;

  for (gsize line = begin; line < end; line += self->backward.block_lines)
    convolve_block (call, thread, &self->backward, call->dy, self->backward_weights,
        self->parent.shape.in, line, MIN (self->backward.block_lines, end - line));
}

/* The columns' gradient of one image, folded back onto a float picture. */
static void
fold_image (const Call *call, guint thread, gsize image, gfloat *pictures, gsize first_line)
{
  const UnfoldConvolution *self = call->self;
  const SimclrConvolutionShape *shape = &self->parent.shape;
  gfloat *columns = columns_of (call, thread);

  for (gsize line = 0; line < self->out_height; line += self->forward.block_lines) {
    const gsize lines = MIN (self->forward.block_lines, self->out_height - line);
    const gsize rows = lines * self->out_width;
    const gfloat *dy =
        floats_of (self, call->dy, (image * self->out_height + line) * self->out_width * shape->out,
            rows * shape->out, staging_of (call, thread));

    multiply (rows, self->depth, shape->out, dy, self->backward_weights, FALSE, columns);
    _simclr_fold_lines (&self->forward, columns, first_line + line, lines, pictures);
  }
}

/* Any stride: image by image, in place or on a float copy. */
static void
backward_data_images (guint thread, gsize begin, gsize end, gpointer data)
{
  const Call *call = data;
  const UnfoldConvolution *self = call->self;
  const SimclrConvolutionShape *shape = &self->parent.shape;
  const gsize values = shape->height * shape->width * shape->in;
  gfloat *copy = image_of (call, thread);

  for (gsize image = begin; image < end; image++) {
    if (self->half) {
      memset (copy, 0, values * sizeof (gfloat));
      fold_image (call, thread, image, copy, 0);
      finish_rows (&call->epilogue, copy, call->y, image * values, shape->height * shape->width,
          shape->in, TRUE);
    } else {
      if (!call->epilogue.residual)
        memset ((gfloat *) call->y + image * values, 0, values * sizeof (gfloat));
      fold_image (call, thread, image, call->y, image * self->out_height);
    }
  }
}

static void
backward_data (SimclrConvolution *parent, gconstpointer dy, gpointer dx, gboolean accumulate,
    gpointer workspace)
{
  UnfoldConvolution *self = (UnfoldConvolution *) parent;
  Call call = {.self = self, .dy = dy, .y = dx, .workspace = workspace};

  call.epilogue.residual = accumulate ? dx : NULL;
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
        .a = floats_of (self, call->dy, line * self->out_width * out, lines * self->out_width * out,
            staging_of (call, thread)),
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
  gfloat *partial = (gfloat *) workspace +
                    threads * (self->column_floats + self->staging_floats + self->image_floats);
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

  if (self->forward_weights)
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
      shape->stride, shape->padding, self->half, COLUMN_BYTES);
  self->column_floats = _simclr_unfold_get_floats (&self->forward);
  if (self->half)
    self->staging_floats = self->forward.block_lines * self->out_width * shape->out;
  if (self->half && shape->stride > 1 && (self->parent.use & SIMCLR_CONVOLUTION_BACKWARD_DATA))
    self->image_floats = shape->height * shape->width * shape->in;
  if (shape->stride == 1 && (self->parent.use & SIMCLR_CONVOLUTION_BACKWARD_DATA)) {
    _simclr_unfold_init (&self->backward, self->out_height, self->out_width, shape->out,
        shape->kernel, 1, shape->kernel - 1 - shape->padding, self->half, COLUMN_BYTES);
    self->column_floats = MAX (self->column_floats, _simclr_unfold_get_floats (&self->backward));
    if (self->half)
      self->staging_floats =
          MAX (self->staging_floats, self->backward.block_lines * shape->width * shape->in);
  }
  self->parent.workspace =
      threads * (self->column_floats + self->staging_floats + self->image_floats) * sizeof (gfloat);
  if (threads > 1 && (self->parent.use & SIMCLR_CONVOLUTION_BACKWARD_WEIGHTS))
    self->parent.workspace += threads * shape->out * self->depth * sizeof (gfloat);
}

static gboolean
allocate_weights (UnfoldConvolution *self, GError **error)
{
  const SimclrConvolutionShape *shape = &self->parent.shape;
  gsize floats = _simclr_packed_floats (self->depth, shape->out);

  if (self->parent.use & SIMCLR_CONVOLUTION_FORWARD) {
    self->forward_weights = _simclr_aligned_alloc (floats * sizeof (gfloat), error);
    if (!self->forward_weights)
      return FALSE;
  }
  if (!(self->parent.use & SIMCLR_CONVOLUTION_BACKWARD_DATA))
    return TRUE;
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
    SimclrPrecision precision, SimclrParallel *parallel, GError **error)
{
  UnfoldConvolution *self = g_new0 (UnfoldConvolution, 1);

  self->parent = (SimclrConvolution){.klass = &unfold_class,
      .shape = *shape,
      .use = use,
      .precision = precision,
      .parallel = parallel};
  self->depth = shape->kernel * shape->kernel * shape->in;
  self->out_height = _simclr_convolution_out_height (shape);
  self->out_width = _simclr_convolution_out_width (shape);
  self->half = precision == SIMCLR_PRECISION_BFLOAT16;
  plan_blocks (self);
  if (!allocate_weights (self, error)) {
    free_convolution (&self->parent);
    return NULL;
  }
  return &self->parent;
}
