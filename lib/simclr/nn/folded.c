/* BatchNorm folded into the convolutions before it, for inference.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/inference-plan-private.h>

#include <simclr/nn/batchnorm-private.h>
#include <math.h>

SimclrFolded *
_simclr_folded_new (SimclrResnet *resnet)
{
  SimclrFolded *self = g_new0 (SimclrFolded, 1);

  self->weights = g_new0 (gfloat, _simclr_parameters_get_floats (resnet->layout));
  self->biases = g_new0 (gfloat, _simclr_parameters_get_floats (resnet->layout));
  return self;
}

void
_simclr_folded_free (SimclrFolded *self)
{
  g_free (self->weights);
  g_free (self->biases);
  g_free (self);
}

/* w' = w scale / deviation, b' = shift - mean scale / deviation */
void
_simclr_folded_set (
    SimclrFolded *self, SimclrResnet *resnet, const gfloat *values, const gfloat *statistics)
{
  for (guint i = 0; i < resnet->layers->len; i++) {
    const SimclrLayer *layer = _simclr_resnet_get_layer (resnet, i);
    const SimclrParameter *weight, *scale, *shift, *mean, *variance;
    gsize depth;

    if (layer->kind != SIMCLR_LAYER_CONVOLUTION)
      continue;
    weight = _simclr_parameters_get (resnet->layout, layer->weight);
    scale = _simclr_parameters_get (resnet->layout, layer->scale);
    shift = _simclr_parameters_get (resnet->layout, layer->shift);
    mean = _simclr_parameters_get (resnet->statistics_layout, layer->mean);
    variance = _simclr_parameters_get (resnet->statistics_layout, layer->variance);
    depth = weight->count / layer->shape.out;
    for (gsize o = 0; o < layer->shape.out; o++) {
      const gfloat *from = values + weight->offset + o * depth;
      gfloat *to = self->weights + weight->offset + o * depth;
      gfloat factor = values[scale->offset + o] /
                      sqrtf (statistics[variance->offset + o] + SIMCLR_BATCHNORM_EPSILON);

      for (gsize j = 0; j < depth; j++)
        to[j] = from[j] * factor;
      self->biases[shift->offset + o] =
          values[shift->offset + o] - statistics[mean->offset + o] * factor;
    }
  }
}
