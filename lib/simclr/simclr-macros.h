/* Export and header macros of libsimclr.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>
#include <gio/gio.h>

#if defined(__GNUC__) && !defined(__GI_SCANNER__)
#define SIMCLR_API __attribute__ ((visibility ("default"))) extern
#else
#define SIMCLR_API extern
#endif
