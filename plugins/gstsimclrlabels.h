/* A text file of labels, one line a frame.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/* Constant once loaded. */
typedef struct _GstSimclrLabels GstSimclrLabels;

/* Line n (from 0) is the label of frame n; equal lines are one label, an empty one is none. The text is
 * UTF-8; blanks at the ends of a line and a byte order mark do not count. Labels are numbered in the order of
 * their texts, by value where all are numbers, as torchvision numbers folders. */
GstSimclrLabels *gst_simclr_labels_load (
    const gchar *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void gst_simclr_labels_free (GstSimclrLabels *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstSimclrLabels, gst_simclr_labels_free)

guint64 gst_simclr_labels_get_length (GstSimclrLabels *self);
guint gst_simclr_labels_get_n_labels (GstSimclrLabels *self);
/* Takes the label from most frames: of each label this share of its frames keeps it, at least one, chosen by
 * the seed. Before others share it. */
void gst_simclr_labels_thin (GstSimclrLabels *self, gdouble fraction, guint64 seed);
/* All texts by number, ended by NULL; borrowed. */
const gchar *const *gst_simclr_labels_get_texts (GstSimclrLabels *self);
/* From 0; -1: that frame has none. */
gint gst_simclr_labels_get (GstSimclrLabels *self, guint64 frame);
/* Its text, as long as self; NULL: that frame has none. */
const gchar *gst_simclr_labels_get_text (GstSimclrLabels *self, guint64 frame);

G_END_DECLS
