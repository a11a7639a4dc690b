/* Weighted nearest-neighbour classification on embeddings (Wu et al. 2018, 1805.01978).
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/simclr-macros.h>

G_BEGIN_DECLS

SIMCLR_API
guint32 *simclr_knn_classify (const gfloat *train, gsize n_train_floats,
    const guint32 *train_labels, gsize n_train, const gfloat *test, gsize n_test_floats,
    guint neighbors, gdouble temperature, gsize *n_predictions,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
gdouble simclr_knn_accuracy (const gfloat *train, gsize n_train_floats, const guint32 *train_labels,
    gsize n_train, const gfloat *test, gsize n_test_floats, const guint32 *test_labels,
    gsize n_test, guint neighbors, gdouble temperature, GError **error);

G_END_DECLS
