/* An encoder as an ONNX model.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/io/onnx-model-private.h>
#include <simclr/nn/weights-private.h>

#define SIMCLR_ONNX_INPUT "input"
#define SIMCLR_ONNX_EMBEDDING "embedding"

/* input (batch, 3, size, size), red, green and blue in [0, 1], to embedding (batch, floats). BatchNorm is
 * folded, the weights' normalisation is part of the graph. Weights without projection head have no
 * projection. */
Onnx__ModelProto *_simclr_onnx_model_of (
    SimclrWeights *weights, SimclrOutput output, GError **error) G_GNUC_WARN_UNUSED_RESULT;
