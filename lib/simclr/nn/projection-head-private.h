/* The projection head g: 1 to 3 dense layers, each with BatchNorm, the last without shift, ReLU
 * between them (official code, model_util.py projection_head).
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/nn/parameters-private.h>
#include <simclr/base/parallel-private.h>

typedef struct _SimclrProjectionHead SimclrProjectionHead;

/* hidden 0: as wide as the input. Weights are normal with deviation 0.01 (official), from seed. Names:
 * projection_head.layers.0.weight, .1.weight/.bias/.running_mean/.running_var, .3.weight, .4...., as
 * lightly's SimCLRProjectionHead. */
SimclrProjectionHead *_simclr_projection_head_new (
    guint layers, gsize in, gsize hidden, gsize out, guint64 seed, GError **error);
void _simclr_projection_head_free (SimclrProjectionHead *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimclrProjectionHead, _simclr_projection_head_free)

/* The same from tensors of a file: the layer count and sizes follow from the layouts' names. The last BatchNorm has a
 * shift if there is one, as lightly's has. */
SimclrProjectionHead *_simclr_projection_head_new_from (SimclrParameters *layout,
    const gfloat *values, SimclrParameters *statistics_layout, const gfloat *statistics,
    GError **error);

/* From here on only the first layers, 1 to all, are computed and trained: the output is that of the last of
 * them, after its ReLU where it has one. */
gboolean _simclr_projection_head_set_depth (
    SimclrProjectionHead *self, guint layers, GError **error) G_GNUC_WARN_UNUSED_RESULT;

const SimclrParameterSet *_simclr_projection_head_get_parameters (SimclrProjectionHead *self);
/* Those of the layers that are computed. Valid until the depth changes. */
const SimclrParameterSet *_simclr_projection_head_get_used (SimclrProjectionHead *self);
SimclrParameters *_simclr_projection_head_get_statistics_layout (SimclrProjectionHead *self);
gfloat *_simclr_projection_head_get_statistics (SimclrProjectionHead *self);
gsize _simclr_projection_head_get_output_size (SimclrProjectionHead *self); /* at that depth */
guint _simclr_projection_head_get_layers (SimclrProjectionHead *self);
/* Width of the hidden layers; 0 where there is none. */
gsize _simclr_projection_head_get_hidden_size (SimclrProjectionHead *self);

/* Batch statistics; keeps what backward needs. h (rows, in); the result (rows, out) stays owned by the
 * head until the next call. */
const gfloat *_simclr_projection_head_forward (SimclrProjectionHead *self, SimclrParallel *parallel,
    const gfloat *h, gsize rows, GError **error);
/* dz (rows, out) to dh (rows, in); fills the parameter gradients. */
void _simclr_projection_head_backward (
    SimclrProjectionHead *self, SimclrParallel *parallel, const gfloat *dz, gfloat *dh);
/* Takes the last forward's batch statistics into the running ones. */
void _simclr_projection_head_commit (SimclrProjectionHead *self);
/* Running statistics; z (rows, out) is not yet scaled to unit length. */
gboolean _simclr_projection_head_infer (SimclrProjectionHead *self, SimclrParallel *parallel,
    const gfloat *h, gsize rows, gfloat *z, GError **error);
