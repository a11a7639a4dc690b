/* The head of a fine-tuned encoder: the first layers of the projection head, which have become part of the
 * encoder (none of them for layer 0), and a linear layer over labels (official code, model.py SupervisedHead
 * and ft_proj_selector).
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/base/parallel-private.h>
#include <simclr/nn/weights-private.h>

typedef struct _SimclrSupervisedHead SimclrSupervisedHead;

/* A linear layer that begins at zero, over layer head_layer of the projection head that weights bring; 0: over
 * the representation, and a projection head is left alone. */
SimclrSupervisedHead *_simclr_supervised_head_new (SimclrWeights *weights, guint head_layer,
    gsize n_labels, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The one that weights hold; an error where they hold none. */
SimclrSupervisedHead *_simclr_supervised_head_new_from (
    SimclrWeights *weights, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void _simclr_supervised_head_free (SimclrSupervisedHead *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimclrSupervisedHead, _simclr_supervised_head_free)

gsize _simclr_supervised_head_get_n_labels (SimclrSupervisedHead *self);
guint _simclr_supervised_head_get_layer (SimclrSupervisedHead *self);

/* fc.weight and fc.bias. */
const SimclrParameterSet *_simclr_supervised_head_get_parameters (SimclrSupervisedHead *self);
/* Those of the projection head's layers that take part; NULL: none do. */
const SimclrParameterSet *_simclr_supervised_head_get_projection (SimclrSupervisedHead *self);

/* Batch statistics; keeps what backward needs. h (rows, size) to logits (rows, labels), which stay the head's
 * until the next call. */
const gfloat *_simclr_supervised_head_forward (SimclrSupervisedHead *self, SimclrParallel *parallel,
    const gfloat *h, gsize rows, GError **error);
/* dlogits (rows, labels) to dh (rows, size); fills the parameters' gradients. */
void _simclr_supervised_head_backward (
    SimclrSupervisedHead *self, SimclrParallel *parallel, const gfloat *dlogits, gfloat *dh);
/* Takes the last forward's batch statistics into the running ones. */
void _simclr_supervised_head_commit (SimclrSupervisedHead *self);
/* Running statistics. */
gboolean _simclr_supervised_head_infer (SimclrSupervisedHead *self, SimclrParallel *parallel,
    const gfloat *h, gsize rows, gfloat *logits, GError **error);

/* Writes the head into weights of an encoder that have none yet; labels name the logits. */
void _simclr_supervised_head_store (
    SimclrSupervisedHead *self, const gchar *const *labels, SimclrWeights *weights);
