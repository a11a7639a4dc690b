/* What elements add for GStreamer's analytics library, which Debian 12 does not have: nothing is added then.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/* The id of the tensor that holds embeddings. */
#define GST_SIMCLR_EMBEDDING_TENSOR "simclr-embedding"

/* A classification of the whole frame, in the buffer's GstAnalyticsRelationMeta (GStreamer 1.24).
 * buffer must be writable. */
void gst_buffer_add_simclr_analytics_classification (
    GstBuffer *buffer, const gchar *label, gdouble confidence);

/* A GstTensorMeta of (rows, size) float32 that shares memory with embeddings (GStreamer 1.26). buffer must be
 * writable. */
void gst_buffer_add_simclr_analytics_tensor (
    GstBuffer *buffer, GBytes *embeddings, guint rows, guint size);

G_END_DECLS
