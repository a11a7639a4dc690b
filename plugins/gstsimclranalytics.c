/* What elements add for GStreamer's analytics library, which Debian 12 does not have: nothing is added then.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclranalytics.h"

#ifdef HAVE_GST_ANALYTICS
#define GST_USE_UNSTABLE_API /* new in 1.24, and declared stable later */
#include <gst/analytics/analytics.h>
#endif

void
gst_buffer_add_simclr_analytics_classification (
    GstBuffer *buffer, const gchar *label, gdouble confidence)
{
#ifdef HAVE_GST_ANALYTICS
  GstAnalyticsRelationMeta *relations = gst_buffer_get_analytics_relation_meta (buffer);
  GstAnalyticsClsMtd classification;

  if (relations == NULL)
    relations = gst_buffer_add_analytics_relation_meta (buffer);
  gst_analytics_relation_meta_add_one_cls_mtd (
      relations, (gfloat) confidence, g_quark_from_string (label), &classification);
#endif
}

/* Like what onnxinference adds: row-major, the batch's dimension first even where it is 1. */
void
gst_buffer_add_simclr_analytics_tensor (
    GstBuffer *buffer, GBytes *embeddings, guint rows, guint size)
{
#ifdef HAVE_GST_TENSOR_META
  gsize dims[] = {rows, size};
  GstTensorMeta *meta = gst_buffer_add_tensor_meta (buffer);
  GstTensor **tensors = g_new (GstTensor *, 1); /* the meta frees it */

  tensors[0] = gst_tensor_new_simple (g_quark_from_static_string (GST_SIMCLR_EMBEDDING_TENSOR),
      GST_TENSOR_DATA_TYPE_FLOAT32, gst_buffer_new_wrapped_bytes (embeddings),
      GST_TENSOR_DIM_ORDER_ROW_MAJOR, G_N_ELEMENTS (dims), dims);
  gst_tensor_meta_set (meta, 1, tensors);
#endif
}
