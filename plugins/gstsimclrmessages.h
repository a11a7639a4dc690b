/* What elements say on the bus: element messages and progress.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

#include <simclr/simclr.h>

G_BEGIN_DECLS

/* One training step in numbers, for the message and for a property. */
GstStructure *gst_simclr_training_structure_new (const gchar *name,
    const SimclrTrainingStatistics *statistics, gdouble pairs_per_second) G_GNUC_WARN_UNUSED_RESULT;

/* fields is taken over. */
void gst_simclr_post_element_message (GstElement *element, GstStructure *fields);
void gst_simclr_post_checkpoint (GstElement *element, const gchar *location, guint64 step);
void gst_simclr_post_progress (
    GstElement *element, GstProgressType type, guint64 step, guint64 total, gdouble loss);

/* Adds to a GST_TYPE_ARRAY. */
void gst_simclr_array_append_uint64 (GValue *array, guint64 number);
void gst_simclr_array_append_double (GValue *array, gdouble number);
void gst_simclr_array_append_string (GValue *array, const gchar *text);

G_END_DECLS
