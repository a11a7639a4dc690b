/* A text file of labels, one line a frame.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/* Constant once loaded. */
typedef struct _GstSimclrLabels GstSimclrLabels;

/* Line n (from 0) is the label of frame n; equal lines are one label, an empty one is none. */
GstSimclrLabels *gst_simclr_labels_load (
    const gchar *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void gst_simclr_labels_free (GstSimclrLabels *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstSimclrLabels, gst_simclr_labels_free)

guint64 gst_simclr_labels_get_length (GstSimclrLabels *self);
guint gst_simclr_labels_get_n_labels (GstSimclrLabels *self);
/* From 0; -1: that frame has none. */
gint gst_simclr_labels_get (GstSimclrLabels *self, guint64 frame);

G_END_DECLS
