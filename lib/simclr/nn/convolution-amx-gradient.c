/* The weights' gradient by whole tiles (AMX): a tap's is a product whose depth is all pictures and pixels.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/convolution-amx-private.h>

#include <simclr/base/arena-private.h>
#include <simclr/nn/unfold-private.h>
#include <string.h>

#define TILE SIMCLR_AMX_TILE
#define VALUES SIMCLR_AMX_VALUES
#define GROUP SIMCLR_AMX_GROUP

/* Bytes of a block: of all that is packed at a time, where threads have their own and where they share it; of
 * the channels that are multiplied at a time; and of the input's that stay in the second-level cache while
 * all of the output's pass by. */
#define OWN_BYTES (1024 * 1024)
#define SHARED_BYTES (4 * 1024 * 1024)
#define PAIR_BYTES (512 * 1024)
#define PASS_BYTES (768 * 1024)

/* Values of one picture that are staged at a time, if more than a pixel's; pictures are kept out of each other's
 * cache sets by a cache line. */
#define STAGED_VALUES 2048
#define SKEW 32

/* Floats of weights from which threads share them instead of the pictures. */
#define MANY_WEIGHTS (256 * 1024)

typedef struct
{
  const SimclrAmx *self;
  const guint16 *x, *dy;
  gfloat *dweights, *sums;
  guint16 *packed, *staged;
  gsize block; /* that threads share */
} Call;

typedef struct
{
  gsize first_group, groups;
  gsize line, lines;      /* of the output */
  gsize first_x, x_lines; /* of the input */
  guint16 *dy, *x;        /* packed: (groups, lines, columns, tiles) */
  gboolean first;
} Block;

/* Floats of one sum: (out, taps, in), padded to whole tiles. */
static gsize
sum_floats (const SimclrAmx *self)
{
  return self->out_tiles * TILE * self->taps * self->in_tiles * TILE;
}

/* The gradient itself can be the sum. */
static gboolean
sums_in_place (const SimclrAmx *self)
{
  return self->gradient.n_sums == 1 && self->parent.shape.in % TILE == 0 &&
         self->parent.shape.out % TILE == 0;
}

/* Values of a packed line. */
static gsize
dy_line (const SimclrAmx *self)
{
  return self->out_width * self->out_tiles * VALUES;
}

static gsize
x_line (const SimclrAmx *self)
{
  return self->forward.packed_width * self->in_tiles * VALUES;
}

/* Values from one staged picture to the next. */
static gsize
staged_row (const SimclrAmx *self)
{
  return MAX (STAGED_VALUES, MAX (self->parent.shape.in, self->parent.shape.out)) + SKEW;
}

static gsize
dy_values (const SimclrAmx *self)
{
  return self->gradient.groups * self->gradient.lines * dy_line (self);
}

static gsize
packed_values (const SimclrAmx *self)
{
  return dy_values (self) + self->gradient.groups * self->gradient.x_lines * x_line (self);
}

static gsize
count_blocks (const SimclrAmx *self)
{
  return _simclr_amx_count (self->groups, self->gradient.groups) *
         _simclr_amx_count (self->out_height, self->gradient.lines);
}

static Block
get_block (const SimclrAmx *self, gsize number, guint16 *packed)
{
  const gsize per_group = _simclr_amx_count (self->out_height, self->gradient.lines);
  Block block = {.first_group = number / per_group * self->gradient.groups,
      .line = number % per_group * self->gradient.lines,
      .dy = packed,
      .x = packed + dy_values (self)};

  block.groups = MIN (self->gradient.groups, self->groups - block.first_group);
  block.lines = MIN (self->gradient.lines, self->out_height - block.line);
  _simclr_amx_find_lines (
      self, &self->forward, block.line, block.line + block.lines, &block.first_x, &block.x_lines);
  return block;
}

/* Some pixels of a line of a group's pictures, one picture after another: where they come from, the same pixel
 * of neighbours may lie in the same cache set. Zeros where there is no picture. */
static void
stage (const SimclrAmx *self, guint16 *staged, const guint16 *pictures, gsize image_values,
    gsize group, gsize step, gsize channels, gsize pixels)
{
  for (gsize i = 0; i < GROUP; i++, staged += staged_row (self)) {
    const gsize image = group * GROUP + i;
    const guint16 *from = pictures + image * image_values;

    if (image >= self->parent.shape.images)
      memset (staged, 0, pixels * channels * sizeof *staged);
    else if (step == channels)
      memcpy (staged, from, pixels * channels * sizeof *staged);
    else
      for (gsize j = 0; j < pixels; j++)
        memcpy (staged + j * channels, from + j * step, channels * sizeof *staged);
  }
}

static void
pack_dy (const Call *call, guint16 *staged, const Block *block, gsize group, gsize line)
{
  const SimclrAmx *self = call->self;
  const gsize out = self->parent.shape.out, row = self->out_width * out;
  const gsize most = MAX (STAGED_VALUES / out, 1);
  guint16 *to = block->dy + (group * block->lines + line) * dy_line (self);

  for (gsize column = 0; column < self->out_width; column += most) {
    const gsize pixels = MIN (most, self->out_width - column);

    stage (self, staged, call->dy + (block->line + line) * row + column * out,
        self->out_height * row, block->first_group + group, out, out, pixels);
    for (gsize i = 0; i < pixels; i++, to += self->out_tiles * VALUES) {
      const guint16 *rows[GROUP];

      for (gsize k = 0; k < GROUP; k++)
        rows[k] = staged + k * staged_row (self) + i * out;
      _simclr_amx_transpose (rows, out, to);
    }
  }
}

static void
pack_x (const Call *call, guint16 *staged, const Block *block, gsize group, gsize line)
{
  const SimclrAmx *self = call->self;
  const SimclrConvolutionShape *s = &self->parent.shape;
  const gsize in = s->in, row = s->width * in, step = self->forward.from_step;
  const gsize most = MAX (STAGED_VALUES / in, 1);
  guint16 *to = block->x + (group * block->x_lines + line) * x_line (self);

  for (gsize column = 0; column < self->forward.packed_width; column += most) {
    const gsize pixels = MIN (most, self->forward.packed_width - column);

    stage (self, staged, call->x + (block->first_x + line) * step * row + column * step * in,
        s->height * row, block->first_group + group, step * in, in, pixels);
    for (gsize i = 0; i < pixels; i++, to += self->in_tiles * VALUES) {
      for (gsize k = 0; k < GROUP; k += 2) {
        const guint16 *first = staged + k * staged_row (self) + i * in;

        _simclr_amx_interleave (first, first + staged_row (self), in, to + k * TILE);
      }
    }
  }
}

/* Lines of both tensors count through the block's groups, the output's before the input's. */
static void
pack (const Call *call, guint thread, const Block *block, gsize begin, gsize end)
{
  guint16 *staged = call->staged + thread * GROUP * staged_row (call->self);
  const gsize lines = block->lines + block->x_lines;

  for (gsize i = begin; i < end; i++) {
    if (i % lines < block->lines)
      pack_dy (call, staged, block, i / lines, i % lines);
    else
      pack_x (call, staged, block, i / lines, i % lines - block->lines);
  }
}

/* Along one axis: outputs from first on, count of them, whose input at a tap is there. */
static void
find_outputs (const gssize *sources, gsize kernel, gsize tap, gsize begin, gsize end, gsize *first,
    gsize *count)
{
  while (begin < end && sources[begin * kernel + tap] < 0)
    begin++;
  while (begin < end && sources[(end - 1) * kernel + tap] < 0)
    end--;
  *first = begin;
  *count = end - begin;
}

/* One or two tiles of output channels by one or two of input channels, for one tap. */
static void
multiply_tap (
    const SimclrAmx *self, const Block *block, gsize tap, gsize i, guint rows, gsize j, gfloat *sum)
{
  const SimclrConvolutionShape *s = &self->parent.shape;
  const gsize k = tap / s->kernel, l = tap % s->kernel;
  const gsize dy_pixel = self->out_tiles * VALUES, x_pixel = self->in_tiles * VALUES;
  const gsize step = s->stride / self->forward.from_step;
  const gssize *lines = self->forward.lines, *columns = self->forward.columns;
  const gsize padded = self->in_tiles * TILE, row = self->taps * padded;
  SimclrAmxGrid product = {.row_tiles = rows,
      .column_tiles = (guint) MIN (2, self->in_tiles - j),
      .counts = {block->groups},
      .a = block->dy + i * VALUES,
      .b = block->x + j * VALUES,
      .a_strides = {block->lines * dy_line (self), dy_line (self), dy_pixel},
      .b_strides = {block->x_lines * x_line (self), step * x_line (self), step * x_pixel},
      .c = sum + i * TILE * row + tap * padded + j * TILE,
      .c_row = row,
      .accumulate = !block->first};
  gsize line, column;

  find_outputs (
      lines, s->kernel, k, block->line, block->line + block->lines, &line, &product.counts[1]);
  find_outputs (columns, s->kernel, l, 0, self->out_width, &column, &product.counts[2]);
  if (product.counts[1] && product.counts[2]) {
    product.a += (line - block->line) * dy_line (self) + column * dy_pixel;
    product.b += ((gsize) lines[line * s->kernel + k] - block->first_x) * x_line (self) +
                 (gsize) columns[column * s->kernel + l] * x_pixel;
  }
  _simclr_amx_multiply_grid (&product);
}

/* Some tiles of output channels of a block's gradient, added to sum but for the first block. */
static void
multiply (const SimclrAmx *self, const Block *block, gsize begin, gsize end, gfloat *sum)
{
  for (gsize pass = 0; pass < self->in_tiles; pass += self->gradient.in_block) {
    const gsize last = MIN (pass + self->gradient.in_block, self->in_tiles);

    for (gsize i = begin; i < end; i += 2) {
      for (gsize j = pass; j < last; j += 2) {
        for (gsize tap = 0; tap < self->taps; tap++)
          multiply_tap (self, block, tap, i, (guint) MIN (2, end - i), j, sum);
      }
    }
  }
}

/* Few weights: each thread takes some blocks, with a sum of its own. */
static void
sum_by_blocks (guint thread, gsize begin, gsize end, gpointer data)
{
  const Call *call = data;
  const SimclrAmx *self = call->self;

  _simclr_amx_begin ();
  for (gsize i = begin; i < end; i++) {
    Block block = get_block (self, i, call->packed + thread * packed_values (self));

    block.first = i == begin;
    pack (call, thread, &block, 0, block.groups * (block.lines + block.x_lines));
    multiply (self, &block, 0, self->out_tiles, call->sums + thread * sum_floats (self));
  }
  _simclr_amx_end ();
}

/* Many weights: threads pack a block together, and then each takes some output channels of the one sum. */
static void
pack_shared (guint thread, gsize begin, gsize end, gpointer data)
{
  const Call *call = data;
  const Block block = get_block (call->self, call->block, call->packed);

  pack (call, thread, &block, begin, end);
}

static void
multiply_shared (guint thread, gsize begin, gsize end, gpointer data)
{
  const Call *call = data;
  Block block = get_block (call->self, call->block, call->packed);

  block.first = call->block == 0;
  _simclr_amx_begin ();
  multiply (call->self, &block, begin, end, call->sums);
  _simclr_amx_end ();
}

static void
sum_by_channels (Call *call)
{
  const SimclrAmx *self = call->self;
  SimclrParallel *parallel = self->parent.parallel;

  for (call->block = 0; call->block < count_blocks (self); call->block++) {
    const Block block = get_block (self, call->block, call->packed);

    _simclr_parallel_for (
        parallel, block.groups * (block.lines + block.x_lines), 1, pack_shared, call);
    _simclr_parallel_for (parallel, self->out_tiles, 2, multiply_shared, call);
  }
}

/* The threads' sums, added in their order, without their padding. */
static void
finish (guint thread, gsize begin, gsize end, gpointer data)
{
  const Call *call = data;
  const SimclrAmx *self = call->self;
  const gsize in = self->parent.shape.in, padded = self->in_tiles * TILE;

  for (gsize row = begin; row < end; row++) {
    gfloat *to = call->dweights + row * in;

    memcpy (to, call->sums + row * padded, in * sizeof *to);
    for (guint i = 1; i < self->gradient.n_sums; i++)
      _simclr_add_floats (to, call->sums + i * sum_floats (self) + row * padded, in);
  }
}

void
_simclr_amx_backward_weights (SimclrConvolution *parent, gconstpointer x, gconstpointer dy,
    gfloat *dweights, gpointer workspace)
{
  const SimclrAmx *self = (const SimclrAmx *) parent;
  const guint threads = _simclr_parallel_get_threads (parent->parallel);
  Call call = {.self = self, .x = x, .dy = dy, .dweights = dweights};

  call.packed = (guint16 *) _simclr_align_scratch (workspace);
  call.staged = call.packed + self->gradient.n_sums * packed_values (self);
  call.sums = sums_in_place (self) ? dweights
                                   : (gfloat *) (call.staged + threads * GROUP * staged_row (self));
  if (self->gradient.n_sums == 1) {
    sum_by_channels (&call);
  } else {
    if (count_blocks (self) < threads) /* some get none */
      memset (call.sums, 0, threads * sum_floats (self) * sizeof (gfloat));
    _simclr_parallel_for (parent->parallel, count_blocks (self), 1, sum_by_blocks, &call);
  }
  if (!sums_in_place (self))
    _simclr_parallel_for (
        parent->parallel, parent->shape.out * self->taps, self->taps, finish, &call);
}

/* Values of one group's block that are multiplied at a time. */
static gsize
pair_values (const SimclrAmx *self)
{
  const SimclrAmxGradient *plan = &self->gradient;

  return (plan->lines * self->out_width + plan->x_lines * self->forward.packed_width) * 2 * VALUES;
}

static gboolean
fits (const SimclrAmx *self, gsize most)
{
  return packed_values (self) * sizeof (guint16) <= most &&
         pair_values (self) * sizeof (guint16) <= PAIR_BYTES;
}

/* As many lines as fit, and as many groups where whole pictures do. */
void
_simclr_amx_plan_gradient (SimclrAmx *self)
{
  const guint threads = _simclr_parallel_get_threads (self->parent.parallel);
  const gboolean few = sum_floats (self) < MANY_WEIGHTS || self->out_tiles < 2 * threads;
  const gsize most = few ? OWN_BYTES : SHARED_BYTES;
  SimclrAmxGradient *plan = &self->gradient;
  gsize groups;

  plan->n_sums = few ? threads : 1;
  plan->groups = 1;
  plan->lines = self->out_height;
  plan->x_lines = _simclr_amx_count_lines (self, &self->forward, plan->lines);
  while (plan->lines > 1 && !fits (self, most)) {
    plan->lines--;
    plan->x_lines = _simclr_amx_count_lines (self, &self->forward, plan->lines);
  }
  if (plan->lines == self->out_height) {
    groups = MIN (most / sizeof (guint16) / packed_values (self),
        PAIR_BYTES / sizeof (guint16) / pair_values (self));
    plan->groups = CLAMP (groups, 1, _simclr_amx_count (self->groups, plan->n_sums));
  }
  plan->in_block = 2 * MAX (PASS_BYTES / sizeof (guint16) / (plan->groups * pair_values (self)), 1);
}

gsize
_simclr_amx_get_gradient_workspace (const SimclrAmx *self)
{
  const guint threads = _simclr_parallel_get_threads (self->parent.parallel);
  const gsize sums = sums_in_place (self) ? 0 : self->gradient.n_sums * sum_floats (self);

  return SIMCLR_ALIGNMENT + sums * sizeof (gfloat) +
         (self->gradient.n_sums * packed_values (self) + threads * GROUP * staged_row (self)) *
             sizeof (guint16);
}
