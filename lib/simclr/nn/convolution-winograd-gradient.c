/* The weights' gradient by Winograd's algorithm: a block's products are summed over its tiles.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/convolution-winograd-private.h>

#include <simclr/nn/unfold-private.h>

/* Output channels first to first + outs - 1 only. */
static void
transform_gradient (const SimclrWinogradCall *call, gsize tile, gsize tiles, gsize first,
    gsize outs, gfloat *transformed)
{
  const SimclrWinograd *self = call->self;

  for (gsize t = 0; t < tiles; t++) {
    gsize offsets[16];
    gconstpointer pixels[16];

    _simclr_winograd_find_output (self, self->parent.shape.out, tile + t, offsets);
    for (gsize i = 0; i < 16; i++)
      pixels[i] =
          offsets[i] != G_MAXSIZE ? call->dy + offsets[i] + first * self->value_bytes : NULL;
    _simclr_winograd_output_gradient (pixels, self->half, outs, transformed + t * self->out_stride,
        self->block * self->out_stride);
  }
}

/* Adds some tiles' gradient of the transformed weights of some output channels to sum (points, out, in). */
static void
sum_tiles (const SimclrWinogradCall *call, guint thread, gsize begin, gsize end, gsize first,
    gsize outs, gfloat *sum)
{
  const SimclrWinograd *self = call->self;
  const SimclrConvolutionShape *shape = &self->parent.shape;
  gfloat *inputs = call->workspace + thread * _simclr_winograd_block_floats (self);
  gfloat *gradients = inputs + SIMCLR_WINOGRAD_POINTS * self->block * self->in_stride;

  for (gsize tile = begin; tile < end; tile += self->block) {
    const gsize tiles = MIN (self->block, end - tile);

    _simclr_winograd_transform_input (
        call, call->from, shape->in, self->in_stride, tile, tiles, inputs);
    transform_gradient (call, tile, tiles, first, outs, gradients);
    for (gsize point = 0; point < SIMCLR_WINOGRAD_POINTS; point++) {
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
  const SimclrWinogradCall *call = data;

  sum_tiles (call, thread, begin, end, 0, call->self->parent.shape.out,
      call->sums + thread * _simclr_winograd_gradient_floats (call->self));
}

/* Many weights: each thread takes some output channels of the one sum. */
static void
sum_by_channels (guint thread, gsize begin, gsize end, gpointer data)
{
  const SimclrWinogradCall *call = data;

  sum_tiles (call, thread, 0, call->self->tiles, begin, end - begin, call->sums);
}

/* The threads' sums, added in their order, become gradients of the weights of some outputs. */
static void
finish_weights_gradient (guint thread, gsize begin, gsize end, gpointer data)
{
  const SimclrWinogradCall *call = data;
  const SimclrWinograd *self = call->self;
  const SimclrConvolutionShape *shape = &self->parent.shape;
  const gsize point_stride = shape->out * self->in_stride;

  for (gsize out = begin; out < end; out++) {
    gfloat *sum = call->sums + out * self->in_stride;

    for (guint other = 1; other < self->n_sums; other++) {
      const gfloat *part = sum + other * _simclr_winograd_gradient_floats (self);

      for (gsize point = 0; point < SIMCLR_WINOGRAD_POINTS; point++)
        _simclr_add_floats (sum + point * point_stride, part + point * point_stride, shape->in);
    }
    _simclr_winograd_weights_gradient (
        sum, point_stride, shape->in, call->dweights + out * 9 * shape->in, shape->in);
  }
}

void
_simclr_winograd_backward_weights (SimclrConvolution *parent, gconstpointer x, gconstpointer dy,
    gfloat *dweights, gpointer workspace)
{
  const SimclrWinograd *self = (const SimclrWinograd *) parent;
  const guint threads = _simclr_parallel_get_threads (parent->parallel);
  gfloat *sums = (gfloat *) workspace + threads * _simclr_winograd_block_floats (self);
  SimclrWinogradCall sum = {
      .self = self, .from = x, .dy = dy, .sums = sums, .workspace = workspace};
  SimclrWinogradCall finish = {.self = self, .sums = sums, .dweights = dweights};

  if (self->n_sums == 1) {
    _simclr_parallel_for (parent->parallel, parent->shape.out, SIMCLR_PANEL, sum_by_channels, &sum);
  } else {
    if (self->tiles < threads) /* some get none */
      memset (sums, 0, threads * _simclr_winograd_gradient_floats (self) * sizeof (gfloat));
    _simclr_parallel_for (parent->parallel, self->tiles, 1, sum_by_tiles, &sum);
  }
  _simclr_parallel_for (parent->parallel, parent->shape.out, 1, finish_weights_gradient, &finish);
}
