/* A residual network in training: memory and convolutions for one batch size, forward and backward.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/nn/resnet-private.h>

typedef struct _SimclrTrainingPlan SimclrTrainingPlan;

/* images is the number of views in a batch. */
SimclrTrainingPlan *_simclr_training_plan_new (SimclrResnet *resnet, SimclrProvider provider,
    SimclrPrecision precision, gsize images, SimclrParallel *parallel, GError **error);
void _simclr_training_plan_free (SimclrTrainingPlan *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimclrTrainingPlan, _simclr_training_plan_free)

gsize _simclr_training_plan_get_images (SimclrTrainingPlan *self);
gsize _simclr_training_plan_get_bytes (SimclrTrainingPlan *self);

/* Takes the pictures of the next forward up: (images, size, size, 3). */
void _simclr_training_plan_set_pictures (SimclrTrainingPlan *self, const gfloat *pictures);
/* The same, between forward and backward, rounded to the plan's precision. */
void _simclr_training_plan_get_pictures (SimclrTrainingPlan *self, gfloat *pictures);

/* The values (as the layout says) changed: lets the convolutions repack. Borrowed until the next call. */
void _simclr_training_plan_set_values (SimclrTrainingPlan *self, const gfloat *values);

/* Running statistics (flat, as the layout; borrowed) that BatchNorm uses instead of the batch's, from the
 * next forward on; NULL: the batch's. */
void _simclr_training_plan_set_frozen (SimclrTrainingPlan *self, const gfloat *statistics);

/* Pictures to embeddings (images, embedding size), which stay valid until the next forward. */
const gfloat *_simclr_training_plan_forward (SimclrTrainingPlan *self);

/* Gradient of the embeddings to gradients of all parameters (flat, as the layout; overwritten). Once
 * for each forward: activations are used up. */
void _simclr_training_plan_backward (
    SimclrTrainingPlan *self, const gfloat *gradient, gfloat *gradients);

/* Takes the last forward's batch statistics into the running ones (flat, as the layout). */
void _simclr_training_plan_update_statistics (SimclrTrainingPlan *self, gfloat *statistics);
