/* LARS, SGD and AdamW over flat parameter sets.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/simclr-enums.h>
#include <simclr/base/parallel-private.h>
#include <simclr/nn/parameters-private.h>
#include <simclr/io/safetensors-private.h>

typedef struct
{
  SimclrOptimizer method;
  gdouble momentum;          /* AdamW: beta1 */
  gdouble weight_decay;      /* weights only, not BatchNorm nor bias (official code) */
  gdouble trust_coefficient; /* LARS */
} SimclrOptimizerSettings;

typedef struct _SimclrOptimizerState SimclrOptimizerState;

/* One state for each parameter set. */
SimclrOptimizerState *_simclr_optimizer_new (
    const SimclrOptimizerSettings *settings, const SimclrParameterSet *set);
void _simclr_optimizer_free (SimclrOptimizerState *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimclrOptimizerState, _simclr_optimizer_free)

/* Sum of squares of all gradients; not finite when any gradient is not. */
gdouble _simclr_gradient_sum_of_squares (SimclrParallel *parallel, const SimclrParameterSet *set);
/* The same of the values. */
gdouble _simclr_sum_of_squares_of_values (SimclrParallel *parallel, const SimclrParameterSet *set);

/* One update of the values. */
void _simclr_optimizer_step (
    SimclrOptimizerState *self, SimclrParallel *parallel, gdouble learning_rate);

/* Tensors optimizer.momentum.NAME (LARS, SGD) or optimizer.exp_avg.NAME and optimizer.exp_avg_sq.NAME
 * (AdamW), in the file order of the parameter; AdamW's count goes into metadata optimizer_step. */
void _simclr_optimizer_save (SimclrOptimizerState *self, SimclrSafetensorsWriter *writer);
gboolean _simclr_optimizer_load (
    SimclrOptimizerState *self, SimclrSafetensors *file, GError **error);
