/* OpenBLAS as this library uses it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/base/blas-private.h>

#include <cblas.h>
#include <glib.h>

/* OpenBLAS knows processors by name, and takes one that is newer than itself for one of 2004. */
static void
tell_of_old_code (void)
{
#if defined(__x86_64__)
  const gchar *name = openblas_get_corename ();

  if (g_ascii_strcasecmp (name, "prescott") == 0 && __builtin_cpu_supports ("avx2"))
    g_info ("OpenBLAS does not know this processor and uses its code for %s; OPENBLAS_CORETYPE=%s "
            "in the environment makes it faster",
        name, __builtin_cpu_supports ("avx512f") ? "SkylakeX" : "Haswell");
#endif
}

void
_simclr_blas_prepare (void)
{
  static gsize prepared;

  if (g_once_init_enter (&prepared)) {
    openblas_set_num_threads (1);
    tell_of_old_code ();
    g_once_init_leave (&prepared, 1);
  }
}
