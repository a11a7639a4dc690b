/* Training that is not contrastive: fine-tuning on labels, and distillation from a teacher (SimCLR version 2,
 * Chen et al. 2020, 2006.10029). It takes the place of projection head and contrastive loss in a step.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/nn/encoder.h>
#include <simclr/io/safetensors-private.h>
#include <simclr/loss/classification-private.h>
#include <simclr/train/optimizer-private.h>

typedef struct _SimclrSupervision SimclrSupervision;

typedef struct
{
  SimclrLoss loss; /* cross entropy or distillation */
  guint head_layer;
  gdouble temperature; /* of distillation */
  SimclrOptimizerSettings optimizer;
  const gchar *const *labels; /* of cross entropy; distillation has its teacher's */
  SimclrWeights *teacher;     /* of distillation */
} SimclrSupervisionSettings;

gboolean _simclr_loss_is_contrastive (SimclrLoss loss);

/* The labels that will be told apart, borrowed from settings; NULL with an error where they are missing. */
const gchar *const *_simclr_supervision_get_labels (
    const SimclrSupervisionSettings *settings, GError **error);

/* For an encoder whose first forward pass is out. resumed and file: where training goes on, NULL for a fresh
 * run. Settings are copied. */
SimclrSupervision *_simclr_supervision_new (const SimclrSupervisionSettings *settings,
    SimclrEncoder *encoder, SimclrWeights *resumed, SimclrSafetensors *file,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;
void _simclr_supervision_free (SimclrSupervision *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimclrSupervision, _simclr_supervision_free)

/* Loss and gradients of a pass with representations h (rows, size) and labels (rows; NULL: none has one);
 * dh (rows, size) is the gradient to h. */
gboolean _simclr_supervision_compute (SimclrSupervision *self, const gfloat *h,
    const gint32 *labels, gsize rows, gfloat *dh, SimclrClassificationResult *result,
    GError **error);
gsize _simclr_supervision_get_n_labels (SimclrSupervision *self);
/* Of all gradients, and all values, but the encoder's. */
gdouble _simclr_supervision_gradient_sum_of_squares (SimclrSupervision *self);
gdouble _simclr_supervision_sum_of_squares_of_values (SimclrSupervision *self);
void _simclr_supervision_step (SimclrSupervision *self, gdouble learning_rate);

/* Adds what was learned to a snapshot of the encoder. */
void _simclr_supervision_store (SimclrSupervision *self, SimclrWeights *weights);
/* The optimizer's state; what is in the weights is not written again. */
void _simclr_supervision_save (SimclrSupervision *self, SimclrSafetensorsWriter *writer);
