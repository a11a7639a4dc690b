/* An encoder's training side: master weights, their gradients, and a batch's way through it, whole or in
 * microbatches.
 *
 * In microbatches (GradCache, Gao et al. 2021, 2101.06983) a batch takes no more memory than one of them, but
 * for its pictures and embeddings: going forward keeps the embeddings only, and going backward computes each
 * microbatch again, then adds up its part of the gradient. As the loss is computed over all embeddings the
 * gradient is the whole batch's, but for BatchNorm, whose statistics are each microbatch's own.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/nn/resnet-private.h>
#include <simclr/nn/weights-private.h>

typedef struct _SimclrTraining SimclrTraining;

/* Begins with the values of weights. resnet and parallel are borrowed. */
SimclrTraining *_simclr_training_new (SimclrResnet *resnet, SimclrProvider provider,
    SimclrPrecision precision, SimclrParallel *parallel, SimclrWeights *weights,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;
void _simclr_training_free (SimclrTraining *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimclrTraining, _simclr_training_free)

const SimclrParameterSet *_simclr_training_get_parameters (SimclrTraining *self);
/* Running statistics, flat. */
gfloat *_simclr_training_get_statistics (SimclrTraining *self);
void _simclr_training_set_weights (SimclrTraining *self, SimclrWeights *weights);

/* From the next forward on: at most this many pairs at a time; 0: the whole batch. */
void _simclr_training_set_microbatch (SimclrTraining *self, guint pairs);
/* From the next forward on: BatchNorm uses the running statistics, which then stay. */
void _simclr_training_set_frozen (SimclrTraining *self, gboolean frozen);

/* pictures (n_views, size, size, 3) to embeddings (n_views, embedding size), valid until the next call. An
 * odd number of views goes whole. */
const gfloat *_simclr_training_forward (
    SimclrTraining *self, const gfloat *pictures, gsize n_views, GError **error);
/* The last forward's pictures, before going backward; in one part rounded to the plan's precision. */
void _simclr_training_get_pictures (SimclrTraining *self, gfloat *pictures);
/* Gradient of the embeddings to the parameters' gradients. Once for each forward. */
void _simclr_training_backward (SimclrTraining *self, const gfloat *gradient);
/* The optimizer changed the values: takes the last forward's statistics into the running ones, once for
 * each microbatch, and lets the convolutions repack. */
void _simclr_training_commit (SimclrTraining *self);
