/* The provider that is always there: this library's own convolutions, beside OpenBLAS for all else.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/convolution-native-private.h>

#include <simclr/simclr-error.h>

static SimclrConvolution *
create (const SimclrConvolutionShape *shape, SimclrConvolutionUse use, SimclrPrecision precision,
    SimclrParallel *parallel, GError **error)
{
  if (_simclr_winograd_pays (shape))
    return _simclr_convolution_winograd_new (shape, use, precision, parallel, error);
  return _simclr_convolution_unfold_new (shape, use, precision, parallel, error);
}

const SimclrConvolutionClass _simclr_convolution_openblas = {
    .provider = SIMCLR_PROVIDER_OPENBLAS,
    .create = create,
};
