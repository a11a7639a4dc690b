/* Activations as bytes: scales from what tensors were seen to hold, and the way there and back.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/simclr-enums.h>
#include <simclr/base/parallel-private.h>

/* Counts of the magnitudes in each tensor of a network. */
typedef struct _SimclrCalibration SimclrCalibration;

SimclrCalibration *_simclr_calibration_new (guint tensors) G_GNUC_WARN_UNUSED_RESULT;
void _simclr_calibration_free (SimclrCalibration *self);

/* precision: of the values, float32 or bfloat16. */
void _simclr_calibration_observe (SimclrCalibration *self, guint tensor, SimclrPrecision precision,
    gconstpointer values, gsize count);

/* The magnitude that all but one in ten thousand of a tensor's values are below; 0 where all are zero. What
 * is larger will saturate, so that a few large values do not cost all others their resolution. */
gfloat _simclr_calibration_get_range (const SimclrCalibration *self, guint tensor);

/* to = from / scale, rounded, at least 0 and at most 255. */
void _simclr_quantize (SimclrParallel *parallel, SimclrPrecision precision, gconstpointer from,
    gsize count, gfloat scale, guint8 *to);

/* Mean over positions times scale: (images, positions, channels) to (images, channels). */
void _simclr_average_bytes (SimclrParallel *parallel, const guint8 *x, gsize images,
    gsize positions, gsize channels, gfloat scale, gfloat *y);
