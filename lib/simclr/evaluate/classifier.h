/* Labels for embeddings, learned from examples: nearest neighbours, a linear layer, or prototypes.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/simclr-macros.h>
#include <simclr/simclr-enums.h>

G_BEGIN_DECLS

/* SimclrClassifier: a GObject with properties method, neighbors, temperature, solver, standardize, l2,
 * max-bytes, seed, threads and encoder. Not thread-safe: one caller at a time. */
#define SIMCLR_TYPE_CLASSIFIER (simclr_classifier_get_type ())
SIMCLR_API
G_DECLARE_FINAL_TYPE (SimclrClassifier, simclr_classifier, SIMCLR, CLASSIFIER, GObject)

SIMCLR_API
SimclrClassifier *simclr_classifier_new (void) G_GNUC_WARN_UNUSED_RESULT;

SIMCLR_API
gboolean simclr_classifier_teach (SimclrClassifier *self, const gfloat *embeddings, gsize n_floats,
    const gchar *const *labels, gsize n_labels, GError **error);
SIMCLR_API
guint64 simclr_classifier_unlearn (SimclrClassifier *self, const gchar *label);
SIMCLR_API
gchar **simclr_classifier_get_labels (SimclrClassifier *self) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
guint simclr_classifier_get_n_labels (SimclrClassifier *self);
SIMCLR_API
guint64 simclr_classifier_get_n_examples (SimclrClassifier *self, const gchar *label);
SIMCLR_API
guint64 simclr_classifier_get_n_dropped (SimclrClassifier *self);
SIMCLR_API
guint simclr_classifier_get_embedding_size (SimclrClassifier *self);

SIMCLR_API
gboolean simclr_classifier_fit (SimclrClassifier *self, GError **error);
SIMCLR_API
gfloat *simclr_classifier_classify (SimclrClassifier *self, const gfloat *embeddings,
    gsize n_floats, gsize *n_scores, GError **error) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
gchar **simclr_classifier_predict (SimclrClassifier *self, const gfloat *embeddings, gsize n_floats,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
gfloat *simclr_classifier_get_novelty (SimclrClassifier *self, const gfloat *embeddings,
    gsize n_floats, gsize *n_rows, GError **error) G_GNUC_WARN_UNUSED_RESULT;

SIMCLR_API
gboolean simclr_classifier_save (SimclrClassifier *self, const gchar *path, GError **error);
SIMCLR_API
gboolean simclr_classifier_load (SimclrClassifier *self, const gchar *path, GError **error);

G_END_DECLS
