/* OpenBLAS as this library uses it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/base/blas-private.h>

#include <cblas.h>
#include <glib.h>

void
_simclr_blas_prepare (void)
{
  static gsize prepared;

  if (g_once_init_enter (&prepared)) {
    openblas_set_num_threads (1);
    g_once_init_leave (&prepared, 1);
  }
}
