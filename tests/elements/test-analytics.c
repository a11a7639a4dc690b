/* What elements add for GStreamer's analytics library: the same facts as their own metas, in its forms.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "element-test.h"

#define GST_USE_UNSTABLE_API
#include <gst/analytics/analytics.h>

#include <gstsimclranalytics.h>
#include <gstsimclrclassifier.h>
#include <gstsimclrembeddingmeta.h>
#include <gstsimclrencoder.h>

#define SIZE 4

static GstBuffer *
embed (gfloat first)
{
  const gfloat embedding[SIZE] = {first, 1 - first, 0.1f, 0};
  const GstSimclrEmbeddingOrigin origin = {"test", "resnet18", 7, SIZE};
  g_autoptr (GBytes) bytes = g_bytes_new (embedding, sizeof embedding);
  GstVideoInfo info = video_info ("RGB", 8, 6);
  GstBuffer *buffer = make_frame (&info, 1, 0);

  gst_buffer_add_simclr_embedding_meta (buffer, bytes, &origin);
  return buffer;
}

/* What an earlier element said of the frame stays, and the classification joins it. */
static void
test_a_known_label_is_a_classification (void)
{
  GstHarness *harness = harness_new ("simclrclassifier method=prototype threads=1");
  GstBus *bus = attach_bus (harness->element);
  GstVideoInfo info = video_info ("RGB", 8, 6);
  GstBuffer *frame = embed (1);
  GstAnalyticsRelationMeta *relations;
  GstAnalyticsMtd mtd;
  GstAnalyticsODMtd cup;
  gpointer state = NULL;

  gst_harness_play (harness);
  set_video_caps (harness, &info);
  g_object_set (harness->element, "label", "cup", NULL);
  g_assert_cmpint (gst_harness_push (harness, embed (1)), ==, GST_FLOW_OK);
  g_assert_cmpint (gst_harness_push (harness, embed (0.9f)), ==, GST_FLOW_OK);
  g_object_set (harness->element, "label", "hat", NULL);
  g_assert_cmpint (gst_harness_push (harness, embed (0)), ==, GST_FLOW_OK);
  g_assert_cmpint (gst_harness_push (harness, embed (0.1f)), ==, GST_FLOW_OK);
  g_object_set (harness->element, "label", "", NULL);
  while (gst_harness_buffers_in_queue (harness) > 0)
    gst_buffer_unref (gst_harness_pull (harness));

  relations = gst_buffer_add_analytics_relation_meta (frame);
  g_assert_true (gst_analytics_relation_meta_add_od_mtd (
      relations, g_quark_from_static_string ("box"), 1, 2, 3, 4, 0.5f, &cup));
  frame = gst_harness_push_and_pull (harness, frame);
  relations = gst_buffer_get_analytics_relation_meta (frame);
  g_assert_nonnull (relations);
  g_assert_cmpuint (gst_analytics_relation_get_length (relations), ==, 2);
  g_assert_true (gst_analytics_relation_meta_iterate (
      relations, &state, gst_analytics_cls_mtd_get_mtd_type (), &mtd));
  g_assert_cmpuint (gst_analytics_cls_mtd_get_length (&mtd), ==, 1);
  g_assert_cmpstr (g_quark_to_string (gst_analytics_cls_mtd_get_quark (&mtd, 0)), ==, "cup");
  g_assert_cmpfloat (gst_analytics_cls_mtd_get_level (&mtd, 0), >, 0.5f);
  g_assert_cmpfloat (gst_analytics_cls_mtd_get_level (&mtd, 0), <=, 1);

  gst_buffer_unref (frame);
  gst_element_set_state (harness->element, GST_STATE_NULL);
  detach_bus (harness->element, bus);
  gst_object_unref (bus);
  gst_harness_teardown (harness);
}

#if GST_CHECK_VERSION(1, 26, 0)
/* The tensor of a buffer is (rows, TINY_SIZE) and holds what the meta SimclrEmbedding holds. */
static void
check_tensor (GstBuffer *buffer, guint rows)
{
  GstTensorMeta *meta = gst_buffer_get_tensor_meta (buffer);
  guint meta_rows, size;
  const gfloat *floats = gst_buffer_get_simclr_embedding (buffer, &size, &meta_rows);
  const GstTensor *tensor;
  gint index;

  g_assert_nonnull (meta);
  g_assert_cmpuint (meta->num_tensors, ==, 1);
  index = gst_tensor_meta_get_index_from_id (meta, g_quark_from_static_string ("simclr-embedding"));
  g_assert_cmpint (index, ==, 0);
  tensor = gst_tensor_meta_get (meta, index);
  g_assert_cmpint (tensor->data_type, ==, GST_TENSOR_DATA_TYPE_FLOAT32);
  g_assert_cmpint (tensor->dims_order, ==, GST_TENSOR_DIM_ORDER_ROW_MAJOR);
  g_assert_cmpint (tensor->layout, ==, GST_TENSOR_LAYOUT_CONTIGUOUS);
  g_assert_cmpuint (tensor->num_dims, ==, 2);
  g_assert_cmpuint (tensor->dims[0], ==, rows);
  g_assert_cmpuint (tensor->dims[1], ==, TINY_SIZE);
  g_assert_cmpuint (gst_buffer_get_size (tensor->data), ==, rows * TINY_SIZE * sizeof (gfloat));
  g_assert_nonnull (floats);
  g_assert_cmpuint (meta_rows, ==, rows);
  g_assert_cmpint (
      gst_buffer_memcmp (tensor->data, 0, floats, rows * TINY_SIZE * sizeof (gfloat)), ==, 0);
}

static void
test_embeddings_are_tensors (void)
{
  GstHarness *harness = harness_new ("simclrencoder " TINY "input-size=32 threads=1");
  GstVideoInfo info = video_info ("RGB", 32, 32);
  GstBuffer *buffer;

  gst_harness_play (harness);
  set_video_caps (harness, &info);
  buffer = gst_harness_push_and_pull (harness, make_frame (&info, 1, 0));
  check_tensor (buffer, 1);
  gst_buffer_unref (buffer);
  gst_harness_teardown (harness);

  harness = harness_new ("simclrencoder " TINY "input-size=32 batch-size=3 threads=1");
  gst_harness_set_sink_caps_str (harness, "other/tensors");
  gst_harness_play (harness);
  set_video_caps (harness, &info);
  for (guint i = 0; i < 3; i++)
    g_assert_cmpint (
        gst_harness_push (harness, make_frame (&info, i, i * GST_SECOND / 30)), ==, GST_FLOW_OK);
  buffer = gst_harness_pull (harness);
  check_tensor (buffer, 3);
  gst_buffer_unref (buffer);
  gst_harness_teardown (harness);
}
#endif

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  gst_simclr_embedding_meta_register ();
  GST_ELEMENT_REGISTER (simclrclassifier, NULL);
  GST_ELEMENT_REGISTER (simclrencoder, NULL);
  g_test_add_func ("/analytics/classification", test_a_known_label_is_a_classification);
#if GST_CHECK_VERSION(1, 26, 0)
  g_test_add_func ("/analytics/tensors", test_embeddings_are_tensors);
#endif
  return g_test_run ();
}
