/* Contrastive losses over a batch of pairs; memory linear in the batch.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/simclr-enums.h>
#include <simclr/base/parallel-private.h>
#include <simclr/base/view-facts-private.h>

typedef struct
{
  SimclrLoss loss;
  gdouble temperature;
  gdouble margin;     /* margin triplet: in cosine similarity */
  gboolean semi_hard; /* NT-Logistic and margin triplet: only each view's semi-hard negative */
  gint64 neighbours;  /* views of one stream at most this far apart in time are no negatives of each
                       * other; 0: all are */
} SimclrLossSettings;

/* z (rows, columns) are the head's outputs before scaling to unit length, rows a0 b0 a1 b1 .... memory
 * (memory_rows, columns) are negatives of unit length to all of them, which get no gradient. Facts are
 * known of both or of none. */
typedef struct
{
  const gfloat *z;
  gsize rows;
  gsize columns;
  SimclrViewFacts facts;
  const gfloat *memory;
  gsize memory_rows;
  SimclrViewFacts memory_facts;
} SimclrLossBatch;

typedef struct
{
  gdouble loss;     /* mean over views */
  gdouble accuracy; /* share of views whose positive is more similar than every negative */
  gdouble entropy;  /* mean entropy of the softmax over positive and negatives, nats */
} SimclrLossResult;

/* Floats of scratch memory. */
gsize _simclr_loss_get_scratch (guint threads, gsize rows, gsize columns);

/* dz (rows, columns) is the gradient of the loss to z (through the scaling), overwritten. A row of zeros
 * is safe; so is a view without any negative, which adds nothing. */
void _simclr_loss (SimclrParallel *parallel, const SimclrLossSettings *settings,
    const SimclrLossBatch *batch, gfloat *dz, SimclrLossResult *result, gfloat *scratch);
