/* Tensor names of other SimCLR implementations, brought to torchvision's.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/io/safetensors-private.h>

/* Renames the tensors of the only encoder in the file, where it has other names than torchvision's:
 *
 *   prefix.conv1.weight, ...    any prefix; "backbone." is sthalles/SimCLR and solo-learn, "encoder."
 *                               Spijkervet/SimCLR, older solo-learn and HobbitLong/SupContrast (where it
 *                               may be "encoder.module.")
 *   prefix.0.weight, ...        nn.Sequential of torchvision's modules, numbered: "backbone." is lightly
 *                               (its head has our names), "f." leftthomas/SimCLR
 *   prefix.0.0.weight, prefix.1.blocks.0.net.0.weight, ...
 *                               "net." or "resnet.net." is Separius/SimCLRv2-Pytorch, which converts the
 *                               official release of version 2; not those with selective kernels
 *   ....shortcut.0.weight       for downsample: SupContrast and lightly's own ResNets
 *
 * (solo-learn's encoders for CIFAR pad the first convolution by 2 and not by 1, which no tensor tells: their
 * embeddings come out slightly different here.)
 *
 * tonylins/simclr-converter, which converts the official release of version 1, has torchvision's names. FALSE with
 * error set where the file holds more than one encoder, or one that cannot be; a file without any stays as it is. */
gboolean _simclr_foreign_names_adapt (SimclrSafetensors *file, GError **error);
