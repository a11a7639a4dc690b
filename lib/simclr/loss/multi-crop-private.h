/* A contrastive loss with small crops beside the two views of each picture (multi-crop).
 *
 * Caron et al. 2020 (2006.09882), section 3.3: only full views are targets, so a small crop is to find both views of
 * its picture, and no crop ever another one. The loss is the mean over the batch of views and, for each crop of a
 * pair and each of its views, the batch of those crops and views: 1 + 2 crops batches of as many rows, each by the
 * same contrastive loss.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/loss/loss-private.h>

/* Floats of scratch memory, the loss's own included. */
gsize _simclr_multi_crop_get_scratch (guint threads, gsize rows, gsize columns);

/* batch is that of the views. crops (rows / 2 * per_pair, columns) are the head's outputs for the crops, those of a
 * pair together; what is known of a pair's first view holds for its crops. dz (rows, columns) and dcrops, shaped like
 * crops, are the gradients of the mean loss. Of result the loss is that mean; accuracy and entropy are those of the
 * views alone. */
void _simclr_multi_crop_loss (SimclrParallel *parallel, const SimclrLossSettings *settings,
    const SimclrLossBatch *batch, const gfloat *crops, gsize per_pair, gfloat *dz, gfloat *dcrops,
    SimclrLossResult *result, gfloat *scratch);
