/* Figures of a classifier against the truth: top-1, top-5, a table of labels, a confusion matrix.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/simclr-macros.h>

G_BEGIN_DECLS

#define SIMCLR_TYPE_CONFUSION (simclr_confusion_get_type ())
SIMCLR_API
G_DECLARE_FINAL_TYPE (SimclrConfusion, simclr_confusion, SIMCLR, CONFUSION, GObject)

SIMCLR_API
SimclrConfusion *simclr_confusion_new (void) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
gboolean simclr_confusion_add (SimclrConfusion *self, const gchar *truth,
    const gchar *const *labels, gsize n_labels, const gfloat *scores, gsize n_scores,
    GError **error);

SIMCLR_API
guint64 simclr_confusion_get_count (SimclrConfusion *self);
SIMCLR_API
gdouble simclr_confusion_get_top (SimclrConfusion *self, guint k);
SIMCLR_API
gchar **simclr_confusion_get_labels (SimclrConfusion *self) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
guint64 *simclr_confusion_get_cells (SimclrConfusion *self, gsize *n) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
guint64 simclr_confusion_get_class (
    SimclrConfusion *self, const gchar *label, gdouble *recall, gdouble *precision);
SIMCLR_API
gchar *simclr_confusion_to_json (SimclrConfusion *self) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
