/* Where oneDNN wants the weights of a convolution: taking them there, and their gradients back.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/onednn-layout-private.h>

#include <simclr/base/bfloat16-private.h>
#include <simclr/base/multiversion-private.h>

/* Channels whose weights oneDNN keeps side by side, so that what is written in a row shares cache lines. */
#define BLOCK 16

/* What index of one dimension adds to the place of an element. Inner blocks are listed from the outermost. */
static gsize
get_offset (const SimclrOnednnBlocking *blocking, dnnl_dim_t dimension, dnnl_dim_t index)
{
  dnnl_dim_t offset = 0, stride = 1;

  for (gint block = blocking->blocks - 1; block >= 0; block--) {
    dnnl_dim_t size = blocking->block_sizes[block];

    if (blocking->block_dimensions[block] == dimension) {
      offset += index % size * stride;
      index /= size;
    }
    stride *= size;
  }
  return (gsize) (offset + index * blocking->strides[dimension]);
}

void
_simclr_onednn_layout_init (
    SimclrOnednnLayout *self, SimclrOnednnDesc desc, const SimclrOnednnProblem *problem)
{
  const gsize out = (gsize) problem->out, in = (gsize) problem->in;
  const gsize kernel = (gsize) problem->kernel;
  SimclrOnednnBlocking blocking;

  _simclr_onednn_desc_get_blocking (desc, &blocking);
  self->bytes = _simclr_onednn_desc_get_bytes (desc);
  self->n_out = out;
  self->n_in = in;
  self->n_taps = kernel * kernel;
  self->out = g_new (gsize, out + in + kernel * kernel);
  self->in = self->out + out;
  self->tap = self->in + in;
  for (gsize o = 0; o < out; o++)
    self->out[o] = get_offset (&blocking, 0, (dnnl_dim_t) o);
  for (gsize i = 0; i < in; i++)
    self->in[i] = get_offset (&blocking, 1, (dnnl_dim_t) i);
  for (gsize tap = 0; tap < kernel * kernel; tap++)
    self->tap[tap] = get_offset (&blocking, 2, (dnnl_dim_t) (tap / kernel)) +
                     get_offset (&blocking, 3, (dnnl_dim_t) (tap % kernel));
}

void
_simclr_onednn_layout_clear (SimclrOnednnLayout *self)
{
  g_clear_pointer (&self->out, g_free);
}

SIMCLR_MULTIVERSION
static void
scatter_floats (
    gfloat *restrict to, const gsize *restrict places, const gfloat *restrict from, gsize n)
{
  for (gsize i = 0; i < n; i++)
    to[places[i]] = from[i];
}

SIMCLR_MULTIVERSION
static void
scatter_bfloat16 (
    guint16 *restrict to, const gsize *restrict places, const gfloat *restrict from, gsize n)
{
  for (gsize i = 0; i < n; i++)
    to[places[i]] = _simclr_to_bfloat16 (from[i]);
}

SIMCLR_MULTIVERSION
static void
scatter_bytes (
    gint8 *restrict to, const gsize *restrict places, const gfloat *restrict from, gsize n)
{
  for (gsize i = 0; i < n; i++)
    to[places[i]] = (gint8) from[i];
}

typedef struct
{
  const SimclrOnednnLayout *layout;
  const gfloat *weights;
  gpointer data;
  gboolean transposed;
  dnnl_data_type_t type;
} Packing;

/* One tap of some rows of weights (row, tap, column). */
static void
pack_tap (const Packing *packing, gsize tap, gsize begin, gsize end)
{
  const SimclrOnednnLayout *layout = packing->layout;
  const gboolean transposed = packing->transposed;
  const gsize taps = layout->n_taps;
  const gsize columns = transposed ? layout->n_out : layout->n_in;
  const gsize *rows = transposed ? layout->in : layout->out;
  const gsize *places = transposed ? layout->out : layout->in;

  for (gsize row = begin; row < end; row++) {
    const gfloat *from = packing->weights + (row * taps + tap) * columns;
    gsize place = rows[row] + layout->tap[transposed ? taps - 1 - tap : tap];

    if (packing->type == dnnl_bf16)
      scatter_bfloat16 ((guint16 *) packing->data + place, places, from, columns);
    else if (packing->type == dnnl_s8)
      scatter_bytes ((gint8 *) packing->data + place, places, from, columns);
    else
      scatter_floats ((gfloat *) packing->data + place, places, from, columns);
  }
}

static void
pack_rows (guint thread, gsize begin, gsize end, gpointer user_data)
{
  const Packing *packing = user_data;

  for (gsize row = begin; row < end; row += BLOCK) {
    for (gsize tap = 0; tap < packing->layout->n_taps; tap++)
      pack_tap (packing, tap, row, MIN (row + BLOCK, end));
  }
}

void
_simclr_onednn_layout_pack (const SimclrOnednnLayout *self, SimclrParallel *parallel,
    const gfloat *weights, gboolean transposed, dnnl_data_type_t type, gpointer data)
{
  Packing packing = {self, weights, data, transposed, type};

  /* Whole blocks of channels for each thread, so that none writes beside another. */
  _simclr_parallel_for (parallel, transposed ? self->n_in : self->n_out, 64, pack_rows, &packing);
}

SIMCLR_MULTIVERSION
static void
gather_floats (gfloat *restrict sum, const gfloat *restrict part, const gsize *restrict places,
    gsize n, gboolean first)
{
  if (first) {
    for (gsize i = 0; i < n; i++)
      sum[i] = part[places[i]];
  } else {
    for (gsize i = 0; i < n; i++)
      sum[i] += part[places[i]];
  }
}

typedef struct
{
  const SimclrOnednnPart *parts;
  guint n_parts;
  const guint8 *workspace;
  gfloat *sum;
} Sum;

static void
sum_tap (const Sum *call, const SimclrOnednnPart *part, gsize tap, gsize begin, gsize end)
{
  const SimclrOnednnLayout *layout = &part->layout;
  const gfloat *from = (gconstpointer) (call->workspace + part->place);

  for (gsize out = begin; out < end; out++)
    gather_floats (call->sum + (out * layout->n_taps + tap) * layout->n_in,
        from + layout->out[out] + layout->tap[tap], layout->in, layout->n_in, part == call->parts);
}

static void
sum_rows (guint thread, gsize begin, gsize end, gpointer user_data)
{
  const Sum *call = user_data;

  for (gsize out = begin; out < end; out += BLOCK) {
    for (gsize tap = 0; tap < call->parts[0].layout.n_taps; tap++) {
      for (guint i = 0; i < call->n_parts; i++)
        sum_tap (call, &call->parts[i], tap, out, MIN (out + BLOCK, end));
    }
  }
}

void
_simclr_onednn_parts_sum (const SimclrOnednnPart *parts, guint n_parts, SimclrParallel *parallel,
    gconstpointer workspace, gfloat *sum)
{
  Sum call = {parts, n_parts, workspace, sum};

  _simclr_parallel_for (parallel, parts[0].layout.n_out, BLOCK, sum_rows, &call);
}
