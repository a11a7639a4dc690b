/* Convolutions of bytes for inference, by oneDNN.
 *
 * Weights are signed bytes with a scale for each output channel; products are summed exactly, and scaled to
 * the output's bytes with bias, residual and ReLU in the same pass.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/convolution-int8-private.h>

#include <simclr/simclr-error.h>
#ifdef HAVE_ONEDNN
#include <simclr/nn/onednn-pass-private.h>
#include <math.h>

struct _SimclrInt8Convolution
{
  SimclrOnednnPass *pass;
  SimclrOnednnExtra extra;
  gfloat *scales; /* (out) */
  gfloat *bias;   /* (out), as oneDNN wants it */
};

gboolean
_simclr_int8_check (GError **error)
{
  if (!_simclr_onednn_has_int8 ())
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_UNSUPPORTED,
        "precision int8 needs a processor that multiplies bytes (AVX512-VNNI or AVX-VNNI)");
  return _simclr_onednn_has_int8 ();
}

/* Whole numbers from -127 to 127 in place of each output channel's weights; the scales that take their
 * products to the output's bytes. */
static void
quantize_weights (SimclrInt8Convolution *self, const SimclrInt8Scales *scales, const gfloat *bias,
    gsize out, gsize depth, gfloat *weights)
{
  for (gsize o = 0; o < out; o++) {
    gfloat *row = weights + o * depth, largest = 0, step;

    for (gsize i = 0; i < depth; i++)
      largest = MAX (largest, fabsf (row[i]));
    step = largest > 0 && isfinite (largest) ? largest / 127 : 1;
    for (gsize i = 0; i < depth; i++)
      row[i] = CLAMP (rintf (row[i] / step), -127, 127);
    self->scales[o] = scales->x_scale * step / scales->y_scale;
    self->bias[o] = _simclr_onednn_get_bias (bias[o] / scales->y_scale, self->scales[o]);
  }
}

SimclrInt8Convolution *
_simclr_int8_convolution_new (const SimclrConvolutionShape *shape, const SimclrInt8Scales *scales,
    const gfloat *weights, const gfloat *bias, SimclrParallel *parallel, GError **error)
{
  g_autoptr (SimclrInt8Convolution) self = g_new0 (SimclrInt8Convolution, 1);
  const gsize depth = shape->kernel * shape->kernel * shape->in;
  const SimclrOnednnProblem problem = _simclr_onednn_describe (shape);
  g_autofree gfloat *whole = g_memdup2 (weights, shape->out * depth * sizeof (gfloat));
  SimclrOnednnNumbers numbers = {.x = dnnl_u8,
      .y = scales->relu ? dnnl_u8 : dnnl_s8,
      .sum_scale = scales->residual_scale / scales->y_scale,
      .sum_type = scales->residual_signed ? dnnl_s8 : dnnl_u8};

  numbers.scales = self->scales = g_new (gfloat, shape->out);
  self->bias = g_new (gfloat, shape->out);
  quantize_weights (self, scales, bias, shape->out, depth, whole);
  self->extra = (scales->relu ? SIMCLR_ONEDNN_RELU : 0) |
                (scales->residual_scale > 0 ? SIMCLR_ONEDNN_SUM : 0);
  self->pass = _simclr_onednn_pass_new (SIMCLR_ONEDNN_FORWARD, &problem, &numbers,
      self->extra | SIMCLR_ONEDNN_BIAS, _simclr_onednn_cut_inference (shape, parallel), parallel,
      error);
  if (!self->pass)
    return NULL;
  _simclr_onednn_pass_set_weights (self->pass, whole, FALSE);
  _simclr_onednn_pass_pack (self->pass);
  return g_steal_pointer (&self);
}

void
_simclr_int8_convolution_free (SimclrInt8Convolution *self)
{
  g_clear_pointer (&self->pass, _simclr_onednn_pass_free);
  g_free (self->scales);
  g_free (self->bias);
  g_free (self);
}

gsize
_simclr_int8_convolution_get_workspace (SimclrInt8Convolution *self)
{
  return _simclr_onednn_pass_get_workspace (self->pass);
}

void
_simclr_int8_convolution_forward (SimclrInt8Convolution *self, const guint8 *x, guint8 *y,
    const guint8 *residual, gpointer workspace)
{
  const SimclrOnednnRun run = {
      .x = (gpointer) x, .y = y, .bias = self->bias, .residual = residual, .workspace = workspace};

  _simclr_onednn_pass_run (self->pass, self->extra, &run);
}

#else

gboolean
_simclr_int8_check (GError **error)
{
  g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_UNSUPPORTED,
      "precision int8 needs provider onednn, which was not built in; install oneDNN's development "
      "files "
      "and build again");
  return FALSE;
}

SimclrInt8Convolution *
_simclr_int8_convolution_new (const SimclrConvolutionShape *shape, const SimclrInt8Scales *scales,
    const gfloat *weights, const gfloat *bias, SimclrParallel *parallel, GError **error)
{
  _simclr_int8_check (error);
  return NULL;
}

void
_simclr_int8_convolution_free (SimclrInt8Convolution *self)
{
}

gsize
_simclr_int8_convolution_get_workspace (SimclrInt8Convolution *self)
{
  return 0;
}

void
_simclr_int8_convolution_forward (SimclrInt8Convolution *self, const guint8 *x, guint8 *y,
    const guint8 *residual, gpointer workspace)
{
}

#endif
