/* Dense layer without bias: y (rows, out) = x (rows, in) * w' with w (out, in).
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/base/parallel-private.h>

void _simclr_linear_forward (SimclrParallel *parallel, const gfloat *x, const gfloat *w, gsize rows,
    gsize in, gsize out, gfloat *y);
/* dw (out, in) is overwritten; dx may be NULL. */
void _simclr_linear_backward (SimclrParallel *parallel, const gfloat *x, const gfloat *w,
    const gfloat *dy, gsize rows, gsize in, gsize out, gfloat *dx, gfloat *dw);
