/* What a fuzz target is: one function. Its file is linked with libFuzzer's driver, or with replay.c.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Feeds data to a parser, which may say no but do no wrong. Returns whether it took the data. */
gboolean simclr_fuzz_one (const guint8 *data, gsize size);
