/* Counter-based random numbers: (seed, stream, index) to number, in any order, from any thread.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Streams, so that no two uses of one seed see the same numbers. The upper 32 bits name the use, the
 * lower ones belong to the user (a tensor's number, a view). */
#define SIMCLR_STREAM_WEIGHTS (G_GUINT64_CONSTANT (1) << 32)
#define SIMCLR_STREAM_HEAD (G_GUINT64_CONSTANT (2) << 32)
#define SIMCLR_STREAM_AUGMENT (G_GUINT64_CONSTANT (3) << 32)
#define SIMCLR_STREAM_REPLAY (G_GUINT64_CONSTANT (4) << 32)
#define SIMCLR_STREAM_TEMPORAL (G_GUINT64_CONSTANT (5) << 32)
#define SIMCLR_STREAM_PROBE (G_GUINT64_CONSTANT (9) << 32)

/* Philox4x32-10 (Salmon et al. 2011): 128 random bits for each (seed, stream, index). */
void _simclr_random_bits (guint64 seed, guint64 stream, guint64 index, guint32 bits[4]);

/* Uniform in [0, 1), 53 bits. */
gdouble _simclr_random_uniform (guint64 seed, guint64 stream, guint64 index);

/* Uniform in 0 .. bound - 1, without bias that 64 bits could show; bound > 0. */
guint64 _simclr_random_below (guint64 seed, guint64 stream, guint64 index, guint64 bound);

/* Standard normal (Box-Muller). */
gdouble _simclr_random_normal (guint64 seed, guint64 stream, guint64 index);

/* Standard normal redrawn until within two deviations; attempts of one index stay apart from those
 * of every other. */
gdouble _simclr_random_truncated_normal (guint64 seed, guint64 stream, guint64 index);
