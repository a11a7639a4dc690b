/* Convolution over NHWC activations: choosing a provider and calling it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/convolution-private.h>

#include <simclr/simclr-error.h>
#include <simclr/nn/convolution-int8-private.h>
#ifdef HAVE_ONEDNN
#include <simclr/nn/onednn-private.h>
#endif

static const SimclrConvolutionClass *const providers[] = {
#ifdef HAVE_ONEDNN
    &_simclr_convolution_onednn,
#endif
    &_simclr_convolution_openblas,
};

static const SimclrConvolutionClass *
find_provider (SimclrProvider provider)
{
  for (guint i = 0; i < G_N_ELEMENTS (providers); i++) {
    if (providers[i]->provider == provider)
      return providers[i];
  }
  return NULL;
}

/* The provider, or an error where this build lacks it. */
static const SimclrConvolutionClass *
require_provider (SimclrProvider provider, GError **error)
{
  const SimclrConvolutionClass *klass = find_provider (provider);

  if (!klass)
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_UNSUPPORTED,
        "provider onednn was not built in; install oneDNN's development files and build again");
  return klass;
}

static gboolean
multiplies_bfloat16 (void)
{
#ifdef HAVE_ONEDNN
  return _simclr_onednn_has_bfloat16 ();
#else
  return FALSE;
#endif
}

/* Our own convolutions only store bfloat16; oneDNN multiplies it. */
static gboolean
check_bfloat16 (SimclrProvider provider, GError **error)
{
  if (provider == SIMCLR_PROVIDER_ONEDNN && !multiplies_bfloat16 ()) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_UNSUPPORTED,
        "precision bfloat16 with provider onednn needs a processor that multiplies it (AVX512-BF16 "
        "or AMX); provider openblas needs none");
    return FALSE;
  }
  return TRUE;
}

/* oneDNN's provider takes this library's own convolutions where they are faster. */
static SimclrProvider
fastest_provider (SimclrPrecision precision)
{
#ifdef HAVE_ONEDNN
  if (precision == SIMCLR_PRECISION_FLOAT32 || multiplies_bfloat16 ())
    return SIMCLR_PROVIDER_ONEDNN;
#endif
  return SIMCLR_PROVIDER_OPENBLAS;
}

/* bfloat16 where the processor multiplies it and the provider uses that; storing alone does not pay. */
static SimclrPrecision
fastest_precision (SimclrProvider provider)
{
  return provider != SIMCLR_PROVIDER_OPENBLAS && multiplies_bfloat16 () ? SIMCLR_PRECISION_BFLOAT16
                                                                        : SIMCLR_PRECISION_FLOAT32;
}

SimclrPrecision
_simclr_precision_beside_int8 (void)
{
  return fastest_precision (SIMCLR_PROVIDER_AUTO);
}

/* Never what auto chooses: it costs some accuracy, and frames to calibrate with. */
static gboolean
choose_int8 (SimclrProvider *provider, GError **error)
{
  if (*provider == SIMCLR_PROVIDER_OPENBLAS) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_UNSUPPORTED,
        "precision int8 is not to be had with provider openblas; it needs provider onednn");
    return FALSE;
  }
  *provider = SIMCLR_PROVIDER_ONEDNN;
  return _simclr_int8_check (error);
}

gboolean
_simclr_provider_choose (SimclrProvider *provider, SimclrPrecision *precision, GError **error)
{
  if (*precision == SIMCLR_PRECISION_INT8)
    return choose_int8 (provider, error);
  if (*precision == SIMCLR_PRECISION_AUTO)
    *precision = fastest_precision (*provider);
  if (*provider == SIMCLR_PROVIDER_AUTO)
    *provider = fastest_provider (*precision);
  if (!require_provider (*provider, error))
    return FALSE;
  return *precision != SIMCLR_PRECISION_BFLOAT16 || check_bfloat16 (*provider, error);
}

SimclrConvolution *
_simclr_convolution_new (SimclrProvider provider, const SimclrConvolutionShape *shape,
    SimclrConvolutionUse use, SimclrPrecision precision, SimclrParallel *parallel, GError **error)
{
  const SimclrConvolutionClass *klass = require_provider (provider, error);

  if (!klass)
    return NULL;
  if (shape->images == 0 || shape->in == 0 || shape->out == 0 || shape->kernel == 0 ||
      shape->stride == 0 || shape->height + 2 * shape->padding < shape->kernel ||
      shape->width + 2 * shape->padding < shape->kernel) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE,
        "a %" G_GSIZE_FORMAT "x%" G_GSIZE_FORMAT
        " input is too small for a convolution of %" G_GSIZE_FORMAT "x%" G_GSIZE_FORMAT,
        shape->height, shape->width, shape->kernel, shape->kernel);
    return NULL;
  }
  return klass->create (shape, use, precision, parallel, error);
}

void
_simclr_convolution_free (SimclrConvolution *self)
{
  self->klass->free (self);
}

gsize
_simclr_convolution_get_workspace (SimclrConvolution *self)
{
  return self->workspace;
}

void
_simclr_convolution_set_weights (SimclrConvolution *self, const gfloat *weights)
{
  self->klass->set_weights (self, weights);
}

void
_simclr_convolution_forward (SimclrConvolution *self, gconstpointer x, gpointer y,
    const SimclrEpilogue *epilogue, gpointer workspace)
{
  self->klass->forward (self, x, y, epilogue, workspace);
}

void
_simclr_convolution_backward_data (
    SimclrConvolution *self, gconstpointer dy, gpointer dx, gboolean accumulate, gpointer workspace)
{
  self->klass->backward_data (self, dy, dx, accumulate, workspace);
}

void
_simclr_convolution_backward_weights (SimclrConvolution *self, gconstpointer x, gconstpointer dy,
    gfloat *dweights, gpointer workspace)
{
  self->klass->backward_weights (self, x, dy, dweights, workspace);
}
