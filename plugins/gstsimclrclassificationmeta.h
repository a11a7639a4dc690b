/* A frame's classification, as metas that other elements and languages read.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/video/video.h>

G_BEGIN_DECLS

/* The GstCustomMeta "SimclrClassification"; its fields are in simclrclassifier's documentation. */
#define GST_SIMCLR_CLASSIFICATION_META_NAME "SimclrClassification"

/* Before any other function here. */
void gst_simclr_classification_meta_register (void);

/* buffer must be writable; the fields are copied. One meta for each row of tensors. */
void gst_buffer_add_simclr_classification_meta (GstBuffer *buffer, const GstStructure *fields);

/* The same as GStreamer's own metas: a region of interest that is the whole frame, with the label as its
 * type and a parameter structure "simclr-classification" that holds the confidence; and, where GStreamer has
 * it (1.24), a classification of GstAnalytics. */
void gst_buffer_add_simclr_classification_region (
    GstBuffer *buffer, const GstVideoInfo *info, const gchar *label, gdouble confidence);

G_END_DECLS
