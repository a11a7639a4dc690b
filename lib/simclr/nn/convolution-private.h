/* Convolution over NHWC activations: one interface, several providers.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/simclr-enums.h>
#include <simclr/base/parallel-private.h>

/* Square kernels, equal stride and padding in both directions. */
typedef struct
{
  gsize images;
  gsize height; /* of the input */
  gsize width;
  gsize in; /* channels */
  gsize out;
  gsize kernel;
  gsize stride;
  gsize padding;
} SimclrConvolutionShape;

static inline gsize
_simclr_convolution_out_height (const SimclrConvolutionShape *shape)
{
  return (shape->height + 2 * shape->padding - shape->kernel) / shape->stride + 1;
}

static inline gsize
_simclr_convolution_out_width (const SimclrConvolutionShape *shape)
{
  return (shape->width + 2 * shape->padding - shape->kernel) / shape->stride + 1;
}

typedef enum
{
  SIMCLR_CONVOLUTION_FORWARD = 1 << 0,
  SIMCLR_CONVOLUTION_BACKWARD_DATA = 1 << 1,
  SIMCLR_CONVOLUTION_BACKWARD_WEIGHTS = 1 << 2,
} SimclrConvolutionUse;

/* What inference adds to a convolution in the same pass: y = relu? (conv (x) + bias + residual). */
typedef struct
{
  const gfloat *bias;     /* (out) or NULL */
  gconstpointer residual; /* like y, or NULL; may be y itself */
  gboolean relu;
} SimclrEpilogue;

typedef struct _SimclrConvolution SimclrConvolution;

/* One provider's functions. Activations (x, y, dx, dy) are float, or bfloat16 where the convolution was
 * made for it; weights and their gradients are float and (out, kernel, kernel, in). */
typedef struct
{
  SimclrProvider provider;
  SimclrConvolution *(*create) (const SimclrConvolutionShape *shape, SimclrConvolutionUse use,
      SimclrPrecision precision, SimclrParallel *parallel, GError **error);
  void (*free) (SimclrConvolution *self);
  void (*set_weights) (SimclrConvolution *self, const gfloat *weights);
  void (*forward) (SimclrConvolution *self, gconstpointer x, gpointer y,
      const SimclrEpilogue *epilogue, gpointer workspace);
  void (*backward_data) (SimclrConvolution *self, gconstpointer dy, gpointer dx,
      gboolean accumulate, gpointer workspace);
  void (*backward_weights) (SimclrConvolution *self, gconstpointer x, gconstpointer dy,
      gfloat *dweights, gpointer workspace);
} SimclrConvolutionClass;

/* Providers embed this first. */
struct _SimclrConvolution
{
  const SimclrConvolutionClass *klass;
  SimclrConvolutionShape shape;
  SimclrConvolutionUse use;
  SimclrPrecision precision; /* never auto */
  SimclrParallel *parallel;  /* borrowed */
  gsize workspace;           /* bytes that forward and backward need */
};

/* provider and precision may not be auto: see _simclr_provider_choose(). */
SimclrConvolution *_simclr_convolution_new (SimclrProvider provider,
    const SimclrConvolutionShape *shape, SimclrConvolutionUse use, SimclrPrecision precision,
    SimclrParallel *parallel, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void _simclr_convolution_free (SimclrConvolution *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimclrConvolution, _simclr_convolution_free)

gsize _simclr_convolution_get_workspace (SimclrConvolution *self);

/* weights (out, kernel, kernel, in) are borrowed until the next call and must not change before it. */
void _simclr_convolution_set_weights (SimclrConvolution *self, const gfloat *weights);
void _simclr_convolution_forward (SimclrConvolution *self, gconstpointer x, gpointer y,
    const SimclrEpilogue *epilogue, gpointer workspace);
/* accumulate: dx += instead of dx =. */
void _simclr_convolution_backward_data (SimclrConvolution *self, gconstpointer dy, gpointer dx,
    gboolean accumulate, gpointer workspace);
/* dweights is overwritten. */
void _simclr_convolution_backward_weights (SimclrConvolution *self, gconstpointer x,
    gconstpointer dy, gfloat *dweights, gpointer workspace);

/* Turns auto into what this build and processor do best; an error where the wish cannot be met. */
gboolean _simclr_provider_choose (
    SimclrProvider *provider, SimclrPrecision *precision, GError **error);

/* What is computed with beside int8: before it is calibrated, and where bytes do not do. */
SimclrPrecision _simclr_precision_beside_int8 (void);

extern const SimclrConvolutionClass _simclr_convolution_openblas;
#ifdef HAVE_ONEDNN
extern const SimclrConvolutionClass _simclr_convolution_onednn;
#endif
