/* libsimclr: SimCLR for streams. Include only this file.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/simclr-macros.h>
#include <simclr/simclr-enums.h>
#include <simclr/simclr-error.h>
#include <simclr/simclr-enum-types.h>
#include <simclr/augment/frame.h>
#include <simclr/augment/augment.h>
#include <simclr/augment/evaluation-view.h>
#include <simclr/augment/thumbnail.h>
#include <simclr/nn/weights.h>
#include <simclr/nn/encoder.h>
#include <simclr/nn/model.h>
#include <simclr/io/onnx-export.h>
#include <simclr/io/summary-writer.h>
#include <simclr/train/replay.h>
#include <simclr/train/trainer.h>
#include <simclr/evaluate/classifier.h>
#include <simclr/evaluate/confusion.h>
#include <simclr/evaluate/knn.h>
#include <simclr/evaluate/projection.h>
#include <simclr/search/match.h>
#include <simclr/search/index.h>
