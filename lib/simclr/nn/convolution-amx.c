/* Convolutions of bfloat16 by whole tiles (AMX), forward and backward to the data.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/convolution-amx-private.h>

#include <simclr/base/arena-private.h>

#define TILE SIMCLR_AMX_TILE
#define STEP SIMCLR_AMX_STEP
#define VALUES SIMCLR_AMX_VALUES
#define GROUP SIMCLR_AMX_GROUP

/* Bytes of packed input that one thread works on: stay in its second-level cache, beside weights. */
#define PACKED_BYTES (1024 * 1024)

/* Values of a row from which rows are kept out of each other's cache sets, by a cache line. */
#define LONG_ROW 256
#define SKEW 32

typedef struct
{
  const SimclrAmx *self;
  const SimclrAmxWay *way;
  const guint16 *from;
  guint16 *to;
  SimclrEpilogue epilogue;
  gboolean backward;
  guint16 *weights, *packed; /* packed: one thread's after another's */
} Call;

/* What a thread makes at a time: some lines of some channels of a group. */
typedef struct
{
  guint16 *packed, *made; /* made: (images, pixels, 32 channels) */
  gsize first_image, images;
  gsize line, end;        /* of the output */
  gsize first_from, from; /* lines of the input that are packed */
  gsize tile, last_tile;
} Block;

static gsize
weight_values (const SimclrAmx *self, const SimclrAmxWay *way)
{
  return way->tiles * self->taps * way->steps * VALUES;
}

static gsize
packed_values (const SimclrAmxWay *way)
{
  return way->packed_lines * way->packed_width * way->pixel;
}

/* Of what is made of one picture at a time. */
static gsize
made_image (const SimclrAmxWay *way)
{
  return way->block_lines * way->to_width * 2 * TILE + SKEW;
}

static gsize
thread_values (const SimclrAmxWay *way)
{
  return packed_values (way) + GROUP * made_image (way);
}

/* Tiles of the weights: (output channels, taps, depth). */
static void
pack_weights (guint thread, gsize begin, gsize end, gpointer data)
{
  const Call *call = data;
  const SimclrAmx *self = call->self;
  const SimclrAmxWay *way = call->way;
  const gsize in = self->parent.shape.in, out_row = self->taps * in;

  for (gsize i = begin; i < end; i++) {
    const gsize tile = i / self->taps * TILE, tap = i % self->taps;
    guint16 *to = call->weights + i * way->steps * VALUES;

    for (gsize depth = 0; depth < way->from_channels; depth += STEP, to += VALUES) {
      const gsize channels = MIN (TILE, way->to_channels - tile);
      const gsize values = MIN (STEP, way->from_channels - depth);

      if (call->backward)
        _simclr_amx_pack_rows (
            self->weights + depth * out_row + tap * in + tile, out_row, values, channels, to);
      else
        _simclr_amx_pack_columns (
            self->weights + tile * out_row + tap * in + depth, out_row, channels, values, to);
    }
  }
}

void
_simclr_amx_find_lines (const SimclrAmx *self, const SimclrAmxWay *way, gsize line, gsize end,
    gsize *first, gsize *count)
{
  const gsize kernel = self->parent.shape.kernel;
  gssize least = (gssize) way->from_height, last = -1;

  for (gsize i = line * kernel; i < end * kernel; i++) {
    last = MAX (last, way->lines[i]);
    if (way->lines[i] >= 0)
      least = MIN (least, way->lines[i]);
  }
  *first = (gsize) least;
  *count = last < 0 ? 0 : (gsize) (last - least) + 1;
}

gsize
_simclr_amx_count_lines (const SimclrAmx *self, const SimclrAmxWay *way, gsize lines)
{
  gsize most = 0;

  for (gsize line = 0; line < way->to_height; line += lines) {
    gsize first, count;

    _simclr_amx_find_lines (self, way, line, MIN (line + lines, way->to_height), &first, &count);
    most = MAX (most, count);
  }
  return most;
}

/* (lines, columns, group, row) */
static void
pack_input (const Call *call, const Block *block)
{
  const SimclrAmxWay *way = call->way;
  const gsize line = way->from_width * way->from_channels;
  const gsize step = way->from_step * way->from_channels;

  for (gsize image = 0; image < block->images; image++) {
    guint16 *to = block->packed + image * way->row;

    for (gsize i = 0; i < block->from; i++) {
      const gsize from_line = (block->first_from + i) * way->from_step;
      const guint16 *from =
          call->from + ((block->first_image + image) * way->from_height + from_line) * line;

      for (gsize j = 0; j < way->packed_width; j++, from += step, to += way->pixel)
        _simclr_amx_copy (from, way->from_channels, to);
    }
  }
}

/* Sums of one pixel of the group's pictures for one or two tiles of channels. */
static void
multiply (const Call *call, const Block *block, gsize line, gsize column, gsize tile, gfloat *sums)
{
  const SimclrAmx *self = call->self;
  const SimclrAmxWay *way = call->way;
  const gsize kernel = self->parent.shape.kernel, tap_values = way->steps * VALUES;
  const guint16 *weights = call->weights + tile * self->taps * tap_values;
  const guint16 *a[SIMCLR_AMX_MOST_TAPS], *b[SIMCLR_AMX_MOST_TAPS];
  SimclrAmxTaps product = {.row_tiles = block->images > TILE ? 2 : 1,
      .column_tiles = (guint) MIN (2, block->last_tile - tile),
      .steps = way->steps,
      .a = a,
      .a_row = way->row,
      .b = b,
      .b_tile = self->taps * tap_values,
      .sums = sums};

  for (gsize i = 0; i < kernel; i++) {
    const gssize from_line = way->lines[line * kernel + i];

    for (gsize j = 0; from_line >= 0 && j < kernel; j++) {
      const gssize from_column = way->columns[column * kernel + j];
      const gsize pixel =
          ((gsize) from_line - block->first_from) * way->packed_width + (gsize) from_column;

      if (from_column < 0)
        continue;
      a[product.taps] = block->packed + pixel * way->pixel;
      b[product.taps++] = weights + (i * kernel + j) * tap_values;
    }
  }
  _simclr_amx_multiply_taps (&product);
}

static gsize
count_channels (const Call *call, const Block *block, gsize tile)
{
  return MIN (2 * TILE, MIN (block->last_tile * TILE, call->way->to_channels) - tile * TILE);
}

/* The sums of one pixel, in what is made. */
static void
finish (const Call *call, const Block *block, gsize pixel, gsize tile, const gfloat *sums)
{
  guint16 *to = block->made + pixel * 2 * TILE;
  const SimclrAmxStore what = {.rows = block->images,
      .channels = count_channels (call, block, tile),
      .sums = sums,
      .bias = call->epilogue.bias ? call->epilogue.bias + tile * TILE : NULL,
      .residual = call->epilogue.residual ? to : NULL,
      .relu = call->epilogue.relu,
      .to = to,
      .to_row = made_image (call->way)};

  _simclr_amx_store (&what);
}

/* Between what is made and a tensor, picture by picture: the same pixel of neighbours may lie in the same
 * cache set there. from: or NULL. */
static void
move (const Call *call, const Block *block, gsize tile, const guint16 *from, guint16 *to)
{
  const SimclrAmxWay *way = call->way;
  const gsize pixels = (block->end - block->line) * way->to_width;

  for (gsize i = 0; i < block->images; i++) {
    const gsize place =
        (((block->first_image + i) * way->to_height + block->line) * way->to_width) *
            way->to_channels +
        tile * TILE;
    guint16 *made = block->made + i * made_image (way);

    if (from)
      _simclr_amx_copy_rows (from + place, way->to_channels, pixels,
          count_channels (call, block, tile), made, 2 * TILE);
    else
      _simclr_amx_copy_rows (
          made, 2 * TILE, pixels, count_channels (call, block, tile), to + place, way->to_channels);
  }
}

static void
convolve_block (const Call *call, const Block *block)
{
  gfloat sums[4 * TILE * TILE] __attribute__ ((aligned (64)));

  for (gsize tile = block->tile; tile < block->last_tile; tile += 2) {
    gsize pixel = 0;

    if (call->epilogue.residual)
      move (call, block, tile, call->epilogue.residual, NULL);
    for (gsize line = block->line; line < block->end; line++) {
      for (gsize column = 0; column < call->way->to_width; column++, pixel++) {
        multiply (call, block, line, column, tile, sums);
        finish (call, block, pixel, tile, sums);
      }
    }
    move (call, block, tile, NULL, call->to);
  }
}

/* Blocks count through groups, lines and parts of the channels, the last fastest. */
static void
convolve (guint thread, gsize begin, gsize end, gpointer data)
{
  const Call *call = data;
  const SimclrAmxWay *way = call->way;
  const gsize per_group = _simclr_amx_count (way->to_height, way->block_lines);
  const gsize pairs = _simclr_amx_count (way->tiles, 2);

  _simclr_amx_begin ();
  for (gsize i = begin; i < end; i++) {
    const gsize part = i % way->parts, rows = i / way->parts;
    const gsize group = rows / per_group, line = rows % per_group * way->block_lines;
    Block block = {.packed = call->packed + thread * thread_values (way),
        .first_image = group * GROUP,
        .images = MIN (GROUP, call->self->parent.shape.images - group * GROUP),
        .line = line,
        .end = MIN (line + way->block_lines, way->to_height),
        .tile = pairs * part / way->parts * 2,
        .last_tile = MIN (pairs * (part + 1) / way->parts * 2, way->tiles)};

    block.made = block.packed + packed_values (way);
    _simclr_amx_find_lines (call->self, way, block.line, block.end, &block.first_from, &block.from);
    if (part == 0 || i == begin)
      pack_input (call, &block);
    convolve_block (call, &block);
  }
  _simclr_amx_end ();
}

static void
pack_all (Call *call)
{
  _simclr_parallel_for (
      call->self->parent.parallel, call->way->tiles * call->self->taps, 1, pack_weights, call);
}

static void
run (Call *call, gpointer workspace)
{
  const SimclrAmx *self = call->self;
  const SimclrAmxWay *way = call->way;
  const gsize blocks = self->groups * _simclr_amx_count (way->to_height, way->block_lines);

  call->packed = (guint16 *) _simclr_align_scratch (workspace);
  if (self->kept) {
    call->weights = self->kept;
  } else {
    call->weights = call->packed;
    call->packed += weight_values (self, way);
    pack_all (call);
  }
  _simclr_parallel_for (self->parent.parallel, blocks * way->parts, 1, convolve, call);
}

static void
forward (SimclrConvolution *parent, gconstpointer x, gpointer y, const SimclrEpilogue *epilogue,
    gpointer workspace)
{
  const SimclrAmx *self = (const SimclrAmx *) parent;
  Call call = {.self = self, .way = &self->forward, .from = x, .to = y};

  if (epilogue)
    call.epilogue = *epilogue;
  run (&call, workspace);
}

static void
backward_data (SimclrConvolution *parent, gconstpointer dy, gpointer dx, gboolean accumulate,
    gpointer workspace)
{
  const SimclrAmx *self = (const SimclrAmx *) parent;
  Call call = {.self = self,
      .way = &self->backward,
      .from = dy,
      .to = dx,
      .epilogue.residual = accumulate ? dx : NULL,
      .backward = TRUE};

  run (&call, workspace);
}

static void
set_weights (SimclrConvolution *parent, const gfloat *weights)
{
  SimclrAmx *self = (SimclrAmx *) parent;
  Call call = {.self = self, .way = &self->forward, .weights = self->kept};

  self->weights = weights;
  if (self->kept)
    pack_all (&call);
}

static void
free_convolution (SimclrConvolution *parent)
{
  SimclrAmx *self = (SimclrAmx *) parent;

  _simclr_aligned_free (self->kept);
  g_free (self->forward.lines);
  g_free (self->forward.columns);
  g_free (self->backward.lines);
  g_free (self->backward.columns);
  g_free (self);
}

/* Along one axis: where the taps of every output read, in steps. */
static gssize *
find_sources (const SimclrConvolutionShape *s, gsize step, gsize from, gsize to, gboolean backward)
{
  const gssize stride = (gssize) s->stride, padding = (gssize) s->padding;
  gssize *sources = g_new (gssize, to * s->kernel);

  for (gsize i = 0; i < to * s->kernel; i++) {
    const gssize place = (gssize) (i / s->kernel), tap = (gssize) (i % s->kernel);
    const gssize scaled = backward ? place + padding - tap : place * stride + tap - padding;
    const gssize source = backward ? scaled / stride : scaled;
    const gboolean there =
        scaled >= 0 && source < (gssize) from && (!backward || scaled % stride == 0);

    sources[i] = there ? source / (gssize) step : -1;
  }
  return sources;
}

/* As many lines at a time as fit; channels are cut where that leaves threads without work. */
static void
plan_way (const SimclrAmx *self, SimclrAmxWay *way, gboolean backward)
{
  const SimclrConvolutionShape *s = &self->parent.shape;
  const guint threads = _simclr_parallel_get_threads (self->parent.parallel);
  gsize line, blocks;

  /* one tap without padding, as in a shortcut, does not read all pixels */
  way->from_step = !backward && s->kernel == 1 && s->padding == 0 ? s->stride : 1;
  way->lines = find_sources (s, way->from_step, way->from_height, way->to_height, backward);
  way->columns = find_sources (s, way->from_step, way->from_width, way->to_width, backward);
  way->packed_width = _simclr_amx_count (way->from_width, way->from_step);
  way->steps = _simclr_amx_count (way->from_channels, STEP);
  way->row = (way->steps * STEP >= LONG_ROW ? way->steps | 1 : way->steps) * STEP;
  way->tiles = _simclr_amx_count (way->to_channels, TILE);
  way->pixel = GROUP * way->row + SKEW;
  line = way->packed_width * way->pixel * sizeof (guint16);
  way->block_lines = way->to_height;
  while (way->block_lines > 1 &&
         _simclr_amx_count_lines (self, way, way->block_lines) * line > PACKED_BYTES)
    way->block_lines--;
  way->packed_lines = _simclr_amx_count_lines (self, way, way->block_lines);
  blocks = self->groups * _simclr_amx_count (way->to_height, way->block_lines);
  way->parts =
      CLAMP (_simclr_amx_count (2 * threads, blocks), 1, _simclr_amx_count (way->tiles, 2));
}

static gsize
get_workspace (const SimclrAmx *self, const SimclrAmxWay *way)
{
  const guint threads = _simclr_parallel_get_threads (self->parent.parallel);
  const gsize weights =
      self->parent.use == SIMCLR_CONVOLUTION_FORWARD ? 0 : weight_values (self, way);

  return SIMCLR_ALIGNMENT + (weights + threads * thread_values (way)) * sizeof (guint16);
}

/* The forward way always: the gradient reads what it reads. */
static void
plan (SimclrAmx *self)
{
  const SimclrConvolutionShape *s = &self->parent.shape;
  gsize *workspace = &self->parent.workspace;

  self->forward = (SimclrAmxWay){.from_height = s->height,
      .from_width = s->width,
      .from_channels = s->in,
      .to_height = self->out_height,
      .to_width = self->out_width,
      .to_channels = s->out};
  plan_way (self, &self->forward, FALSE);
  if (self->parent.use & SIMCLR_CONVOLUTION_FORWARD)
    *workspace = get_workspace (self, &self->forward);
  if (self->parent.use & SIMCLR_CONVOLUTION_BACKWARD_DATA) {
    self->backward = (SimclrAmxWay){.from_height = self->out_height,
        .from_width = self->out_width,
        .from_channels = s->out,
        .to_height = s->height,
        .to_width = s->width,
        .to_channels = s->in};
    plan_way (self, &self->backward, TRUE);
    *workspace = MAX (*workspace, get_workspace (self, &self->backward));
  }
  if (self->parent.use & SIMCLR_CONVOLUTION_BACKWARD_WEIGHTS) {
    _simclr_amx_plan_gradient (self);
    *workspace = MAX (*workspace, _simclr_amx_get_gradient_workspace (self));
  }
}

static const SimclrConvolutionClass amx_class = {
    .provider = SIMCLR_PROVIDER_ONEDNN,
    .free = free_convolution,
    .set_weights = set_weights,
    .forward = forward,
    .backward_data = backward_data,
    .backward_weights = _simclr_amx_backward_weights,
};

SimclrConvolution *
_simclr_convolution_amx_new (const SimclrConvolutionShape *shape, SimclrConvolutionUse use,
    SimclrParallel *parallel, GError **error)
{
  SimclrAmx *self = g_new0 (SimclrAmx, 1);

  self->parent = (SimclrConvolution){.klass = &amx_class,
      .shape = *shape,
      .use = use,
      .precision = SIMCLR_PRECISION_BFLOAT16,
      .parallel = parallel};
  self->out_height = _simclr_convolution_out_height (shape);
  self->out_width = _simclr_convolution_out_width (shape);
  self->groups = _simclr_amx_count (shape->images, GROUP);
  self->taps = shape->kernel * shape->kernel;
  self->in_tiles = _simclr_amx_count (shape->in, TILE);
  self->out_tiles = _simclr_amx_count (shape->out, TILE);
  plan (self);
  if (use == SIMCLR_CONVOLUTION_FORWARD) {
    self->kept =
        _simclr_aligned_alloc (weight_values (self, &self->forward) * sizeof (guint16), error);
    if (!self->kept) {
      free_convolution (&self->parent);
      return NULL;
    }
  }
  return &self->parent;
}
