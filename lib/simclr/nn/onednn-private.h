/* What this library uses of oneDNN, the same for its versions 2 and 3: convolutions by one thread over
 * NHWC activations.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dnnl.h>
#include <glib.h>

#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t SimclrOnednnDesc;
#else
typedef const dnnl_memory_desc_t *SimclrOnednnDesc;
#endif

typedef enum
{
  SIMCLR_ONEDNN_FORWARD,
  SIMCLR_ONEDNN_BACKWARD_DATA,
  SIMCLR_ONEDNN_BACKWARD_WEIGHTS,
} SimclrOnednnDirection;

/* What a forward convolution does besides: y = relu? (conv (x) + bias + y). */
typedef enum
{
  SIMCLR_ONEDNN_RELU = 1 << 0,
  SIMCLR_ONEDNN_SUM = 1 << 1,
  SIMCLR_ONEDNN_BIAS = 1 << 2, /* float, (out) */
} SimclrOnednnExtra;

/* What numbers a convolution is of. Where x is of bytes, weights are of signed bytes and
 *   y = relu? (scales[out] * products + bias + sum_scale * y), rounded, of bytes, signed or not. */
typedef struct
{
  dnnl_data_type_t x, y;
  const gfloat *scales;      /* bytes only: one for each output channel, borrowed for life */
  gfloat sum_scale;          /* bytes only */
  dnnl_data_type_t sum_type; /* bytes only: what y is of before the sum */
} SimclrOnednnNumbers;

extern const SimclrOnednnNumbers _simclr_onednn_float32;
extern const SimclrOnednnNumbers _simclr_onednn_bfloat16;

/* A convolution of square kernels; compared by memcmp (). */
typedef struct
{
  dnnl_dim_t images;
  dnnl_dim_t in, height, width;
  dnnl_dim_t out, out_height, out_width;
  dnnl_dim_t kernel, stride;
  dnnl_dim_t top, left, bottom, right; /* padding */
  dnnl_dim_t first_out; /* its first output channel in the convolution it is part of */
} SimclrOnednnProblem;

/* A primitive, described at first and compiled when it is prepared. */
typedef struct
{
  dnnl_primitive_desc_t desc;
  dnnl_primitive_t primitive; /* NULL until prepared */
  gsize scratch;              /* bytes that a run needs */
  gboolean slow;              /* oneDNN has only general code for this here */
} SimclrOnednnPrimitive;

/* How a memory is laid out: each dimension's stride, after the inner blocks listed from the outermost. */
typedef struct
{
  dnnl_dims_t strides;
  int blocks;
  dnnl_dims_t block_sizes, block_dimensions;
} SimclrOnednnBlocking;

/* NULL and error where there is none for this processor. */
dnnl_engine_t _simclr_onednn_get_engine (GError **error);

/* Whether the processor multiplies bfloat16. */
gboolean _simclr_onednn_has_bfloat16 (void);

/* Whether it does so by whole tiles (AMX), many times faster than by vectors. */
gboolean _simclr_onednn_has_tiles (void);

/* Whether the processor multiplies bytes. */
gboolean _simclr_onednn_has_int8 (void);

/* oneDNN 2 adds the bias of a convolution of bytes before it scales. Turns one that is in units of y into
 * what is passed on. */
gfloat _simclr_onednn_get_bias (gfloat bias, gfloat scale);

dnnl_data_type_t _simclr_onednn_numbers_get_weights (const SimclrOnednnNumbers *numbers);

/* Bytes of a number. */
gsize _simclr_onednn_type_get_bytes (dnnl_data_type_t type);

/* Between enter and leave, what the calling thread asks of oneDNN is done by this thread alone. Primitives
 * are made and run in between. */
gint _simclr_onednn_enter (void);
void _simclr_onednn_leave (gint entered);

/* data: NULL where it is told later. */
gboolean _simclr_onednn_memory_new (
    dnnl_memory_t *memory, SimclrOnednnDesc desc, gpointer data, GError **error);
/* n floats. */
gboolean _simclr_onednn_vector_new (
    dnnl_memory_t *memory, dnnl_dim_t n, gpointer data, GError **error);
gboolean _simclr_onednn_stream_new (dnnl_stream_t *stream, GError **error);

gboolean _simclr_onednn_primitive_init (SimclrOnednnPrimitive *self,
    SimclrOnednnDirection direction, const SimclrOnednnProblem *problem,
    const SimclrOnednnNumbers *numbers, SimclrOnednnExtra extra, GError **error);
gboolean _simclr_onednn_primitive_prepare (SimclrOnednnPrimitive *self, GError **error);
void _simclr_onednn_primitive_clear (SimclrOnednnPrimitive *self);

/* The memory that an argument (DNNL_ARG_SRC, ...) of a primitive must have; owned by the primitive. */
SimclrOnednnDesc _simclr_onednn_primitive_get_desc (SimclrOnednnPrimitive *self, gint argument);

gsize _simclr_onednn_desc_get_bytes (SimclrOnednnDesc desc);
void _simclr_onednn_desc_get_blocking (SimclrOnednnDesc desc, SimclrOnednnBlocking *blocking);
