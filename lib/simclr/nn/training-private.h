/* An encoder's training side: master weights, their gradients, and a batch's way through it, whole or in
 * microbatches.
 *
 * In microbatches (GradCache, Gao et al. 2021, 2101.06983) a batch takes no more memory than one of them, but
 * for its pictures and embeddings: going forward keeps the embeddings only, and going backward computes each
 * microbatch again, then adds up its part of the gradient. As the loss is computed over all embeddings the
 * gradient is the whole batch's, but for BatchNorm, whose statistics are each microbatch's own.
 *
 * Small crops (multi-crop, Caron et al. 2020, 2006.09882) beside a batch's views go through the same weights by plans of
 * their own, as each of its resolutions does in their code; BatchNorm's statistics are each resolution's own.
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

/* From the next forward on: so many crops for each pair go with the views. resnet is the same network for pictures of
 * the crops' size; NULL: no crops. */
void _simclr_training_set_crops (SimclrTraining *self, SimclrResnet *resnet, guint per_pair);

/* views (n_views, size, size, 3) and, where there are any, crops (n_views / 2 * per_pair, crop size, crop size, 3),
 * those of a pair together, to embeddings (views and then crops, embedding size), valid until the next call. An odd
 * number of views goes whole, and without crops. */
const gfloat *_simclr_training_forward (
    SimclrTraining *self, const gfloat *views, gsize n_views, const gfloat *crops, GError **error);
/* The last forward's views, before going backward; in one part rounded to the plan's precision. */
void _simclr_training_get_views (SimclrTraining *self, gfloat *views);
/* Gradient of the embeddings to the parameters' gradients. Once for each forward. */
void _simclr_training_backward (SimclrTraining *self, const gfloat *gradient);
/* The optimizer changed the values: takes the last forward's statistics into the running ones, once for
 * each microbatch, and lets the convolutions repack. */
void _simclr_training_commit (SimclrTraining *self);
