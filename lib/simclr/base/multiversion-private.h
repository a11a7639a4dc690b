/* Compiler vector code for several processors in one binary: mark a kernel SIMCLR_MULTIVERSION and the
 * loader picks the version for the processor it runs on. Kernels that are blocked by the size of the
 * registers are written once for each under SIMCLR_HAVE_MULTIVERSION and picked by
 * __builtin_cpu_supports ().
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__gnu_linux__) &&   \
    !defined(__SANITIZE_THREAD__) && !defined(SIMCLR_NO_MULTIVERSION)
#define SIMCLR_HAVE_MULTIVERSION 1
#endif

/* One version does for the sanitizers, which take their time to compile each. */
#if defined(SIMCLR_HAVE_MULTIVERSION) && !defined(__SANITIZE_ADDRESS__)
#define SIMCLR_MULTIVERSION                                                                        \
  __attribute__ ((target_clones ("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define SIMCLR_MULTIVERSION
#endif
