/* The ways of convolving that providers pick from.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/nn/convolution-private.h>
#include <math.h>

/* Any shape, by matrix products over blocks of unfolded input. */
SimclrConvolution *_simclr_convolution_unfold_new (const SimclrConvolutionShape *shape,
    SimclrConvolutionUse use, SimclrPrecision precision, SimclrParallel *parallel, GError **error);

/* 3x3 at stride 1 and padding 1. */
SimclrConvolution *_simclr_convolution_winograd_new (const SimclrConvolutionShape *shape,
    SimclrConvolutionUse use, SimclrPrecision precision, SimclrParallel *parallel, GError **error);

#ifdef HAVE_AMX
/* In bfloat16, where _simclr_amx_available (), for kernels of so many taps at most. */
#define SIMCLR_AMX_MOST_TAPS 49
SimclrConvolution *_simclr_convolution_amx_new (const SimclrConvolutionShape *shape,
    SimclrConvolutionUse use, SimclrParallel *parallel, GError **error);
#endif

#ifdef HAVE_ONEDNN
/* oneDNN's own, where the onednn provider might take one of those above. */
SimclrConvolution *_simclr_convolution_onednn_new (const SimclrConvolutionShape *shape,
    SimclrConvolutionUse use, SimclrPrecision precision, SimclrParallel *parallel, GError **error);
#endif

/* Whether Winograd's algorithm is the faster one for a shape. */
gboolean _simclr_winograd_pays (const SimclrConvolutionShape *shape);
