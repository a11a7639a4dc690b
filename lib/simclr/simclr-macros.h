/* Export and header macros of libsimclr.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>
#include <gio/gio.h>

#ifdef __GI_SCANNER__ /* since 1.84 the scanner takes this name in an #ifdef of its own only */
#define SIMCLR_API extern
#else
#ifdef __GNUC__
#define SIMCLR_API __attribute__ ((visibility ("default"))) extern
#else
#define SIMCLR_API extern
#endif
#endif
