/* A residual network at inference: BatchNorm folded into the convolutions, memory for one batch size.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/nn/quantization-private.h>
#include <simclr/nn/resnet-private.h>

/* Convolution weights and biases with the running statistics folded in, shared by plans. */
typedef struct
{
  gfloat *weights; /* as the layout: every convolution's weight times scale / deviation */
  gfloat *biases;  /* at the offset of each layer's shift */
} SimclrFolded;

SimclrFolded *_simclr_folded_new (SimclrResnet *resnet);
void _simclr_folded_free (SimclrFolded *self);
void _simclr_folded_set (
    SimclrFolded *self, SimclrResnet *resnet, const gfloat *values, const gfloat *statistics);

typedef struct _SimclrInferencePlan SimclrInferencePlan;

/* Of floats or bfloat16. ranges (layers + 1, one for each tensor): from the stem on of bytes that reach so
 * far; NULL: not. folded: borrowed until _simclr_inference_plan_set_folded (). */
SimclrInferencePlan *_simclr_inference_plan_new (SimclrResnet *resnet, SimclrProvider provider,
    SimclrPrecision precision, gsize images, const SimclrFolded *folded, const gfloat *ranges,
    SimclrParallel *parallel, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void _simclr_inference_plan_free (SimclrInferencePlan *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimclrInferencePlan, _simclr_inference_plan_free)

gsize _simclr_inference_plan_get_images (SimclrInferencePlan *self);

/* The folded weights changed; borrowed until the next call. A plan of bytes needs to be made again instead. */
void _simclr_inference_plan_set_folded (SimclrInferencePlan *self, const SimclrFolded *folded);

/* pictures (images, size, size, 3) to embeddings (images, embedding size). calibration: counts what the
 * tensors hold, or NULL; not for a plan of bytes. */
void _simclr_inference_plan_run (SimclrInferencePlan *self, const gfloat *pictures,
    gfloat *embeddings, SimclrCalibration *calibration);
