/* Convolutions of bytes for inference, by oneDNN.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/nn/convolution-private.h>

/* A tensor's value is its byte times its scale. Inputs have no sign, outputs only without ReLU. */
typedef struct
{
  gfloat x_scale, y_scale;
  gfloat residual_scale; /* 0: none is added */
  gboolean residual_signed;
  gboolean relu;
} SimclrInt8Scales;

typedef struct _SimclrInt8Convolution SimclrInt8Convolution;

/* Whether this build and processor have it; else an error that says what is missing. */
gboolean _simclr_int8_check (GError **error);

/* y = relu? (conv (x) + bias + residual). weights (out, kernel, kernel, in) and bias (out) are read now. */
SimclrInt8Convolution *_simclr_int8_convolution_new (const SimclrConvolutionShape *shape,
    const SimclrInt8Scales *scales, const gfloat *weights, const gfloat *bias,
    SimclrParallel *parallel, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void _simclr_int8_convolution_free (SimclrInt8Convolution *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimclrInt8Convolution, _simclr_int8_convolution_free)

gsize _simclr_int8_convolution_get_workspace (SimclrInt8Convolution *self);

/* residual: like y, or y itself; only where its scale was told. */
void _simclr_int8_convolution_forward (SimclrInt8Convolution *self, const guint8 *x, guint8 *y,
    const guint8 *residual, gpointer workspace);
