/* Weights to and from safetensors tensors with torchvision's names.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/io/safetensors-private.h>
#include <simclr/nn/weights-private.h>

/* Metadata keys (all values are strings): format "simclr", version "1", architecture, width, stem,
 * input_size, normalization (none or imagenet), step, seed, name. A file without them (a torchvision
 * state dict) is recognised by its tensors: architecture by the blocks of each layer, width by conv1,
 * stem by conv1's kernel (7: imagenet, 3: cifar), input size 224 or 32. fc.weight and
 * fc.bias are a linear layer over labels (metadata labels, a JSON array of their names, and head_layer, the layer of
 * the projection head that it sees); num_batches_tracked is ignored, other implementations' names known (foreign-names-private.h); anything missing or of the wrong shape is an error that names the tensor. */
SimclrWeights *_simclr_weights_file_read (SimclrSafetensors *file, GError **error);

/* Adds encoder, head and metadata of weights (borrowed until written). */
void _simclr_weights_file_add (SimclrSafetensorsWriter *writer, SimclrWeights *weights);
