/* Weights of Winograd's convolutions: transformed for forward or for backward to the data, in panels.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/convolution-winograd-private.h>

typedef struct
{
  const SimclrWinograd *self;
  gfloat *transformed;
} Packing;

/* Input channels begin to end - 1, at most a panel of them, through a small transposed copy. */
static void
pack_forward_block (const Packing *packing, gsize panel, gsize begin, gsize end)
{
  const SimclrWinograd *self = packing->self;
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
  const SimclrWinograd *self = packing->self;
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

void
_simclr_winograd_pack (const SimclrWinograd *self, gfloat *transformed, gboolean backward)
{
  const SimclrConvolutionShape *shape = &self->parent.shape;
  Packing packing = {self, transformed};

  if (backward)
    _simclr_parallel_for (self->parent.parallel, shape->out, 16, pack_backward, &packing);
  else
    _simclr_parallel_for (self->parent.parallel, shape->in, 16, pack_forward, &packing);
}
