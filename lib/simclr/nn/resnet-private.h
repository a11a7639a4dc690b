/* The plan of a residual network: its layers, tensors and parameters, without any memory.
 *
 * He et al. 2015 (1512.03385), with the stride of bottleneck blocks in the 3x3 convolution, as
 * torchvision and the official SimCLR code (resnet.py).
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/simclr-enums.h>
#include <simclr/nn/convolution-private.h>
#include <simclr/nn/parameters-private.h>

typedef enum
{
  SIMCLR_LAYER_CONVOLUTION, /* convolution, BatchNorm, + residual, ReLU */
  SIMCLR_LAYER_MAX_POOL,    /* 3x3, stride 2, padding 1 */
} SimclrLayerKind;

/* Tensor 0 is the pictures; the output of layer i is tensor i + 1. */
typedef struct
{
  SimclrLayerKind kind;
  guint input;    /* tensor */
  guint residual; /* tensor that is added after BatchNorm, 0: none */
  gboolean relu;
  SimclrConvolutionShape shape; /* images is 0 */

  guint weight, scale, shift; /* numbers in the layout */
  guint mean, variance;       /* numbers in the statistics layout */
} SimclrLayer;

typedef struct
{
  gatomicrefcount references;
  GArray *layers; /* SimclrLayer */
  SimclrParameters *layout;
  SimclrParameters *statistics_layout;
  gsize input_size;
  gsize embedding_size; /* channels of the last tensor */
} SimclrResnet;

/* stem may not be auto. An input that is too small for the network is an error. */
SimclrResnet *_simclr_resnet_new (SimclrArchitecture architecture, gdouble width, SimclrStem stem,
    gsize input_size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
SimclrResnet *_simclr_resnet_ref (SimclrResnet *self) G_GNUC_WARN_UNUSED_RESULT;
void _simclr_resnet_unref (SimclrResnet *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimclrResnet, _simclr_resnet_unref)

static inline const SimclrLayer *
_simclr_resnet_get_layer (const SimclrResnet *self, guint number)
{
  return &g_array_index (self->layers, SimclrLayer, number);
}

/* Height (equal to width) and channels of a tensor. */
gsize _simclr_resnet_get_size (const SimclrResnet *self, guint tensor);
gsize _simclr_resnet_get_channels (const SimclrResnet *self, guint tensor);

/* Floats of one image's tensor. */
gsize _simclr_resnet_get_floats (const SimclrResnet *self, guint tensor);
