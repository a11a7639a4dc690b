/* The optimizers' arithmetic on a run of parameters.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

gdouble _simclr_sum_of_squares (const gfloat *x, gsize count);

/* Sums of squares of w and of g + decay * w. */
void _simclr_lars_norms (const gfloat *w, const gfloat *g, gsize count, gfloat decay,
    gdouble *weights, gdouble *updates);
/* v = momentum * v + rate * (g + decay * w); w -= v. The rate includes the trust ratio. */
void _simclr_lars_update (
    gfloat *w, const gfloat *g, gfloat *v, gsize count, gfloat rate, gfloat momentum, gfloat decay);

/* v = momentum * v + (g + decay * w); w -= rate * v */
void _simclr_sgd_update (
    gfloat *w, const gfloat *g, gfloat *v, gsize count, gfloat rate, gfloat momentum, gfloat decay);

typedef struct
{
  gfloat shrink;     /* 1 - rate * decay */
  gfloat rate;       /* rate / (1 - beta1^t) */
  gfloat correction; /* 1 / sqrt (1 - beta2^t) */
  gfloat beta1;
  gfloat beta2;
  gfloat rest1; /* 1 - beta, which a float difference would spoil */
  gfloat rest2;
  gfloat epsilon;
} SimclrAdamwFactors;

/* w = shrink * w - rate * mean / (correction * sqrt (square) + epsilon) after the running mean and the
 * running square took in g. */
void _simclr_adamw_update (gfloat *w, const gfloat *g, gfloat *mean, gfloat *square, gsize count,
    const SimclrAdamwFactors *factors);
