/* The error domain of libsimclr; its codes are in simclr-enums.h.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/simclr-macros.h>
#include <simclr/simclr-enums.h>

G_BEGIN_DECLS

/**
 * SIMCLR_ERROR:
 *
 * The error domain of this library; codes are #SimclrError.
 */
#define SIMCLR_ERROR (simclr_error_quark ())

SIMCLR_API
GQuark simclr_error_quark (void);

G_END_DECLS
