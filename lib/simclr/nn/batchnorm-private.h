/* Batch normalisation over the rows of a (rows, channels) matrix, which is what NHWC activations are.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/simclr-enums.h>
#include <simclr/base/parallel-private.h>

#define SIMCLR_BATCHNORM_EPSILON 1e-5f
#define SIMCLR_BATCHNORM_MOMENTUM                                                                  \
  0.1f /* of the new value, as torch counts it (official decay 0.9) */

/* Floats of scratch memory that the functions below need. */
gsize _simclr_batchnorm_get_scratch (guint threads, gsize channels);

/* Activations (x, y, dy, dx, residual) are float or bfloat16 as precision says; all else is float. */

/* Statistics of x over rows: mean, variance (biased) and 1 / sqrt (variance + epsilon). */
void _simclr_batchnorm_statistics (SimclrParallel *parallel, SimclrPrecision precision,
    gconstpointer x, gsize rows, gsize channels, gfloat *mean, gfloat *variance, gfloat *inverse,
    gfloat *scratch);

/* y = relu? (gamma * (x - mean) * inverse + beta + residual). beta (no shift) and residual may be
 * NULL; y may be x or residual. */
void _simclr_batchnorm_apply (SimclrParallel *parallel, SimclrPrecision precision, gconstpointer x,
    gsize rows, gsize channels, const gfloat *mean, const gfloat *inverse, const gfloat *gamma,
    const gfloat *beta, gconstpointer residual, gboolean relu, gpointer y, gfloat *scratch);

/* The gradient of _simclr_batchnorm_apply() with batch statistics; frozen: with statistics that do not
 * depend on x. dy is the gradient of y; with relu it
 * is masked by y > 0; without residual y may be NULL, it is told from x then. dx may be dy. Where residual
 * is given, the masked dy is written there (it may be dy when dx is another buffer). dgamma, dbeta (may be
 * NULL) are overwritten. */
void _simclr_batchnorm_backward (SimclrParallel *parallel, SimclrPrecision precision,
    gconstpointer x, gboolean relu, gconstpointer y, gconstpointer dy, gsize rows, gsize channels,
    const gfloat *mean, const gfloat *inverse, const gfloat *gamma, const gfloat *beta, gpointer dx,
    gpointer residual, gfloat *dgamma, gfloat *dbeta, gboolean frozen, gfloat *scratch);

/* running += momentum * (batch - running), the variance with Bessel's correction, as torch. */
void _simclr_batchnorm_update_running (const gfloat *mean, const gfloat *variance, gsize rows,
    gsize channels, gfloat *running_mean, gfloat *running_variance);
