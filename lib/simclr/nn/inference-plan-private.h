/* A residual network at inference: BatchNorm folded into the convolutions, memory for one batch size.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

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

SimclrInferencePlan *_simclr_inference_plan_new (SimclrResnet *resnet, SimclrProvider provider,
    SimclrPrecision precision, gsize images, SimclrParallel *parallel, GError **error);
void _simclr_inference_plan_free (SimclrInferencePlan *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimclrInferencePlan, _simclr_inference_plan_free)

gsize _simclr_inference_plan_get_images (SimclrInferencePlan *self);

/* The folded weights changed; borrowed until the next call. */
void _simclr_inference_plan_set_folded (SimclrInferencePlan *self, const SimclrFolded *folded);

/* pictures (images, size, size, 3) to embeddings (images, embedding size). */
void _simclr_inference_plan_run (
    SimclrInferencePlan *self, const gfloat *pictures, gfloat *embeddings);
