/* A team of threads that share loops; the split depends only on the count, grain and team size.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

typedef struct _SimclrParallel SimclrParallel;

/* Handles begin .. end - 1; thread is 0 .. threads - 1 and names private scratch memory. */
typedef void (*SimclrParallelFunc) (guint thread, gsize begin, gsize end, gpointer data);

/* threads 0: one for each processor this process may use. The caller is thread 0; the others sleep
 * between loops. */
SimclrParallel *_simclr_parallel_new (guint threads) G_GNUC_WARN_UNUSED_RESULT;
SimclrParallel *_simclr_parallel_ref (SimclrParallel *self) G_GNUC_WARN_UNUSED_RESULT;
void _simclr_parallel_unref (SimclrParallel *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimclrParallel, _simclr_parallel_unref)

guint _simclr_parallel_get_threads (SimclrParallel *self);

/* Niceness of the threads that compute, 0 to 19; above 0 the caller of a loop only waits for them. Between
 * loops. */
void _simclr_parallel_set_nice (SimclrParallel *self, guint nice);

/* Splits 0 .. count - 1 into one contiguous range for each thread, cut at multiples of grain (the last
 * range takes the rest); returns when all are done. Not reentrant, one caller at a time. A NULL team
 * is the caller alone. */
void _simclr_parallel_for (
    SimclrParallel *self, gsize count, gsize grain, SimclrParallelFunc func, gpointer data);
