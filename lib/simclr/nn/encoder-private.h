/* What training needs of an encoder beyond its public face.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/nn/encoder.h>
#include <simclr/nn/parameters-private.h>
#include <simclr/base/parallel-private.h>

/* How many pictures, at least one, that many floats are. */
gboolean _simclr_encoder_count_pictures (
    SimclrEncoder *self, gsize floats, guint *n, GError **error);

/* The trained tensors and, after a backward pass, their gradients. From the first forward pass on, valid as
 * long as the encoder. */
const SimclrParameterSet *_simclr_encoder_get_parameters (SimclrEncoder *self);

/* The views of the forward pass that is out, before it goes backward: (n_views, size, size, 3) floats. */
void _simclr_encoder_get_views (SimclrEncoder *self, gfloat *views);

/* The team of threads that computes; shared with the trainer, one caller at a time. */
SimclrParallel *_simclr_encoder_get_parallel (SimclrEncoder *self);
/* Computes with another encoder's team instead of its own; before its first call. */
void _simclr_encoder_share_parallel (SimclrEncoder *self, SimclrParallel *parallel);

/* What the encoder was made for, borrowed until it changes. While it trains there are no floats of its own, and
 * no head once a step has been taken. */
SimclrWeights *_simclr_encoder_peek_weights (SimclrEncoder *self);

/* After the optimizer changed the values: takes the statistics of the batch into the running ones,
 * sets the step and lets the providers repack. Not called for a skipped step. */
void _simclr_encoder_commit (SimclrEncoder *self, guint64 step);

/* From the next forward pass on BatchNorm uses the running statistics, also when training, and they stay as
 * they are. */
void _simclr_encoder_set_frozen (SimclrEncoder *self, gboolean frozen);

/* A copy of the current weights, without head. */
SimclrWeights *_simclr_encoder_snapshot (SimclrEncoder *self) G_GNUC_WARN_UNUSED_RESULT;
