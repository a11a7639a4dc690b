/* Short vectors of floats as the compiler's own type: it splits them into what each processor has.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Rows that the resampler works on side by side; also the floats of the widest vector register. */
#define SIMCLR_LANES 16

/* Never passed by value between functions, for how that is done depends on the processor. */
typedef gfloat SimclrLanes
    __attribute__ ((vector_size (SIMCLR_LANES * sizeof (gfloat)), may_alias));
typedef gfloat SimclrFour
    __attribute__ ((vector_size (4 * sizeof (gfloat)), may_alias, aligned (4)));

#define SIMCLR_INLINE static inline __attribute__ ((always_inline))

/* Written so that it becomes the minimum and maximum instructions. */
SIMCLR_INLINE gfloat
_simclr_clamp_unit (gfloat x)
{
  x = x > 0.0f ? x : 0.0f;
  return x < 1.0f ? x : 1.0f;
}
