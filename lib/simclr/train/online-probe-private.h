/* A linear layer that learns labels beside contrastive training, from the same batches; its gradient stops
 * at the embeddings, so that training is what it would be without. As the official code logs it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/io/safetensors-private.h>

typedef struct _SimclrOnlineProbe SimclrOnlineProbe;

/* size: floats of an embedding. */
SimclrOnlineProbe *_simclr_online_probe_new (gsize size) G_GNUC_WARN_UNUSED_RESULT;
void _simclr_online_probe_free (SimclrOnlineProbe *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimclrOnlineProbe, _simclr_online_probe_free)

/* h (rows, size), which the layer sees standardised over the batch; labels (rows), negative ones are left out. The share and mean cross entropy of labels as
 * they were found before this step; FALSE where no row has a label or h is not finite: nothing is learned
 * then. */
gboolean _simclr_online_probe_step (SimclrOnlineProbe *self, const gfloat *h, gsize rows,
    const gint32 *labels, gdouble *accuracy, gdouble *loss);

/* Tensors online_probe.weight, online_probe.bias and their momenta; none before the first step. */
void _simclr_online_probe_save (SimclrOnlineProbe *self, SimclrSafetensorsWriter *writer);
gboolean _simclr_online_probe_load (
    SimclrOnlineProbe *self, SimclrSafetensors *file, GError **error);
