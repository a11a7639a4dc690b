/* Weighted nearest-neighbour classification on embeddings (Wu et al. 2018, 1805.01978).
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/simclr-macros.h>

G_BEGIN_DECLS

SIMCLR_API
gboolean simclr_knn_classify (const gfloat *train, const guint32 *train_labels, gsize n_train,
    const gfloat *test, gsize n_test, gsize size, guint neighbors, gdouble temperature,
    guint32 *predictions, GError **error);

G_END_DECLS
