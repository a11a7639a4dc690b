/* NT-Xent, equation 1 of the paper, over all 2N views; memory linear in the batch.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/base/parallel-private.h>

typedef struct
{
  gdouble loss;     /* mean over views, nats */
  gdouble accuracy; /* share of views whose positive is the most similar candidate */
  gdouble entropy;  /* mean entropy of the softmax over the other views, nats */
} SimclrNtxentResult;

/* Floats of scratch memory. */
gsize _simclr_ntxent_get_scratch (guint threads, gsize rows, gsize columns);

/* z (rows, columns) are the head's outputs before scaling to unit length, rows a0 b0 a1 b1 ...; dz is
 * the gradient of the loss to them (through the scaling), overwritten. A row of zeros is safe. */
void _simclr_ntxent (SimclrParallel *parallel, const gfloat *z, gsize rows, gsize columns,
    gdouble temperature, gfloat *dz, SimclrNtxentResult *result, gfloat *scratch);
