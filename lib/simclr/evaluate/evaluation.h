/* Figures of a classifier against the truth: top-1, top-5, a table of labels, a confusion matrix.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/simclr-macros.h>

G_BEGIN_DECLS

#define SIMCLR_TYPE_EVALUATION (simclr_evaluation_get_type ())
SIMCLR_API
G_DECLARE_FINAL_TYPE (SimclrEvaluation, simclr_evaluation, SIMCLR, EVALUATION, GObject)

SIMCLR_API
SimclrEvaluation *simclr_evaluation_new (void) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
gboolean simclr_evaluation_add (SimclrEvaluation *self, const gchar *truth,
    const gchar *const *labels, gsize n_labels, const gfloat *scores, gsize n_scores,
    GError **error);

SIMCLR_API
guint64 simclr_evaluation_get_count (SimclrEvaluation *self);
SIMCLR_API
gdouble simclr_evaluation_get_top (SimclrEvaluation *self, guint k);
SIMCLR_API
gchar **simclr_evaluation_get_labels (SimclrEvaluation *self) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
guint64 *simclr_evaluation_get_confusion (
    SimclrEvaluation *self, gsize *n) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
guint64 simclr_evaluation_get_class (
    SimclrEvaluation *self, const gchar *label, gdouble *recall, gdouble *precision);
SIMCLR_API
gchar *simclr_evaluation_to_json (SimclrEvaluation *self) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
