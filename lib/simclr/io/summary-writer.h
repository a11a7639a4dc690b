/* Curves for TensorBoard: event files.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/simclr-macros.h>

G_BEGIN_DECLS

#define SIMCLR_TYPE_SUMMARY_WRITER (simclr_summary_writer_get_type ())
SIMCLR_API
G_DECLARE_FINAL_TYPE (SimclrSummaryWriter, simclr_summary_writer, SIMCLR, SUMMARY_WRITER, GObject)

SIMCLR_API
SimclrSummaryWriter *simclr_summary_writer_new (
    const gchar *folder, guint64 first_step, GError **error) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
gboolean simclr_summary_writer_add_scalars (SimclrSummaryWriter *self, guint64 step,
    const gchar *const *tags, const gdouble *values, gsize n_values, GError **error);
SIMCLR_API
const gchar *simclr_summary_writer_get_path (SimclrSummaryWriter *self);

G_END_DECLS
