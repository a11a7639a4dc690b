/* The error domain of libsimclr.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/simclr-error.h>

/* clang-format off */
G_DEFINE_QUARK (simclr-error-quark, simclr_error)
