/* A queue of past projections that serve as negatives once more.
 *
 * Cross-batch memory (XBM, Wang et al. 2020, 1912.06798): projections of the last steps' weights have hardly
 * drifted, so that a queue of them, as MoCo's (He et al. 2020, 1911.05722) but from the encoder itself, gives
 * a small batch the negatives of a large one.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/io/safetensors-private.h>
#include <simclr/loss/loss-private.h>

typedef struct _SimclrNegatives SimclrNegatives;

/* Room for capacity projections of so many columns. */
SimclrNegatives *_simclr_negatives_new (
    gsize capacity, gsize columns, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void _simclr_negatives_free (SimclrNegatives *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimclrNegatives, _simclr_negatives_free)

/* The batch's views, scaled to unit length, take the place of the oldest. */
void _simclr_negatives_push (SimclrNegatives *self, const SimclrLossBatch *batch);
/* Fills in the batch's memory, borrowed until the next push. */
void _simclr_negatives_lend (SimclrNegatives *self, SimclrLossBatch *batch);

/* Tensors negatives.*; what is kept has its place kept too, so that a resumed run adds up alike. */
void _simclr_negatives_save (SimclrNegatives *self, SimclrSafetensorsWriter *writer);
/* What the file has of it; of more than there is room for, the newest. */
gboolean _simclr_negatives_load (SimclrNegatives *self, SimclrSafetensors *file, GError **error);
