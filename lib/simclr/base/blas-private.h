/* OpenBLAS as this library uses it: many single-threaded calls side by side.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Sets OpenBLAS to one thread, once for the process: our own teams of threads call it concurrently, and
 * its own threads would only fight them for the processors. */
void _simclr_blas_prepare (void);
