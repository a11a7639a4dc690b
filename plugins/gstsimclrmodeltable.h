/* Models that elements of one process share by name.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/simclr.h>

G_BEGIN_DECLS

/* The model of that name, made on first use, alive until released as often as acquired. Borrowed; any
 * thread. */
SimclrModel *gst_simclr_model_table_acquire (const gchar *name);
void gst_simclr_model_table_release (const gchar *name);

G_END_DECLS
