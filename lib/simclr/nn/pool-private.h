/* Max pooling (3x3, stride 2, padding 1) and global average pooling over NHWC activations.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/simclr-enums.h>
#include <simclr/base/parallel-private.h>

/* Activations are float or bfloat16 as precision says; the pooled embeddings are float. */

/* (images, height, width, channels) to (images, (height + 1) / 2, (width + 1) / 2, channels). chosen,
 * shaped like y, remembers which of the nine was the largest (the first of equals); NULL at inference. */
void _simclr_max_pool_forward (SimclrParallel *parallel, SimclrPrecision precision, gconstpointer x,
    gsize images, gsize height, gsize width, gsize channels, gpointer y, guint8 *chosen);
void _simclr_max_pool_backward (SimclrParallel *parallel, SimclrPrecision precision,
    gconstpointer dy, const guint8 *chosen, gsize images, gsize height, gsize width, gsize channels,
    gpointer dx);

/* Mean over positions: (images, positions, channels) to (images, channels). */
void _simclr_average_pool_forward (SimclrParallel *parallel, SimclrPrecision precision,
    gconstpointer x, gsize images, gsize positions, gsize channels, gfloat *y);
void _simclr_average_pool_backward (SimclrParallel *parallel, SimclrPrecision precision,
    const gfloat *dy, gsize images, gsize positions, gsize channels, gpointer dx);
