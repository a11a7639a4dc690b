/* A confusion matrix as a picture.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Draws cells (n, n; rows are true labels) as a PNG file: each cell's share of its row as a shade, its count
 * where there is room. title is one line above. An error where this build has no Cairo. */
gboolean gst_simclr_confusion_draw (const gchar *path, const gchar *title,
    const gchar *const *labels, const guint64 *cells, guint n, GError **error);

G_END_DECLS
