/* Embedding with a network's newest weights, in batches of any size.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/nn/inference-plan-private.h>

typedef struct _SimclrInference SimclrInference;

/* provider and precision may not be auto; parallel is borrowed. With int8 the first frames after each change of
 * weights are computed in the fastest other precision, and say how far the bytes have to reach. */
SimclrInference *_simclr_inference_new (SimclrResnet *resnet, SimclrProvider provider,
    SimclrPrecision precision, SimclrParallel *parallel) G_GNUC_WARN_UNUSED_RESULT;
void _simclr_inference_free (SimclrInference *self);

/* At least 1. */
void _simclr_inference_set_calibration_frames (SimclrInference *self, guint frames);
/* Whether bytes are what is computed with. */
gboolean _simclr_inference_is_calibrated (SimclrInference *self);

void _simclr_inference_weights_changed (SimclrInference *self);

/* values, statistics: the weights now, looked at only when they changed. */
gboolean _simclr_inference_run (SimclrInference *self, const gfloat *values,
    const gfloat *statistics, const gfloat *pictures, guint n, gfloat *embeddings, GError **error);
