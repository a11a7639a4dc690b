/* simclrencoder in front of a trainer: batches of pairs, and the wait for a pass to come back.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "element-test.h"

#include <gstsimclrencoder-private.h>

#define SIDE 16
#define PAIRS 3

typedef struct
{
  GstHarness *harness;
  GstBus *bus;
  GstVideoInfo info;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer settings)
{
  fixture->harness =
      harness_new ("simclrencoder " TINY " batch-size=3 seed=4 threads=1 provider=openblas");
  fixture->bus = attach_bus (fixture->harness->element);
  fixture->info = pair_info (SIDE);
  gst_harness_set_sink_caps_str (fixture->harness, "other/tensors");
  gst_harness_add_propose_allocation_meta (
      fixture->harness, GST_SIMCLR_FORWARD_META_API_TYPE, NULL);
  set_video_caps (fixture->harness, &fixture->info);
}

static void
tear_down (Fixture *fixture, gconstpointer settings)
{
  GstElement *element = gst_object_ref (fixture->harness->element);

  detach_bus (element, fixture->bus);
  gst_object_unref (fixture->bus);
  gst_harness_teardown (fixture->harness);
  g_assert_finalize_object (element);
}

static GstFlowReturn
push (Fixture *fixture, guint seed)
{
  return gst_harness_push (fixture->harness, make_frame (&fixture->info, seed, seed * GST_SECOND));
}

static GstBuffer *
push_batch (Fixture *fixture)
{
  for (guint i = 0; i < PAIRS; i++)
    g_assert_cmpint (push (fixture, i), ==, GST_FLOW_OK);
  return gst_harness_pull (fixture->harness);
}

/* Pair i of a batch is rows 2i and 2i + 1: the upper half of its picture and the lower one. */
static void
test_a_batch_is_the_forward_pass_of_its_views (Fixture *fixture, gconstpointer settings)
{
  g_autoptr (SimclrWeights) weights = tiny_weights (SIDE, 4);
  g_autoptr (SimclrEncoder) encoder = NULL;
  g_autoptr (SimclrForwardPass) pass = NULL;
  g_autoptr (GstBuffer) batch = NULL;
  g_autoptr (GstCaps) caps = NULL;
  gfloat views[2 * PAIRS * SIDE * SIDE * 3];
  const gfloat *embeddings;
  gsize floats;

  batch = push_batch (fixture);
  for (guint i = 0; i < PAIRS; i++) {
    g_autoptr (GstBuffer) pair = make_frame (&fixture->info, i, 0);
    GstMapInfo map;

    gst_buffer_map (pair, &map, GST_MAP_READ);
    for (guint y = 0; y < 2 * SIDE; y++)
      for (guint x = 0; x < 3 * SIDE; x++)
        views[(i * 2 * SIDE + y) * SIDE * 3 + x] =
            (gfloat) map.data[y * fixture->info.stride[0] + x] / 255.0f;
    gst_buffer_unmap (pair, &map);
  }
  encoder =
      simclr_encoder_new (weights, SIMCLR_PROVIDER_OPENBLAS, SIMCLR_PRECISION_FLOAT32, 1, NULL);
  pass = simclr_encoder_forward (encoder, views, 2 * PAIRS, NULL);
  embeddings = simclr_forward_pass_get_embeddings (pass, &floats);
  g_assert_cmpuint (floats, ==, 2 * PAIRS * TINY_SIZE);
  g_assert_cmpuint (gst_buffer_get_size (batch), ==, floats * sizeof (gfloat));
  for (gsize i = 0; i < floats; i++) {
    gfloat value;

    gst_buffer_extract (batch, i * sizeof value, &value, sizeof value);
    g_assert_cmpfloat_with_epsilon (value, embeddings[i], 1e-5);
  }
  caps = gst_pad_get_current_caps (fixture->harness->sinkpad);
  g_assert_cmpstr (
      gst_structure_get_string (gst_caps_get_structure (caps, 0), "dimensions"), ==, "32:6");
  g_assert_cmpuint (GST_BUFFER_PTS (batch), ==, 0);
}

static void
test_one_trainer_gets_the_pass (Fixture *fixture, gconstpointer settings)
{
  g_autoptr (GstBuffer) batch = push_batch (fixture);
  g_autoptr (GstBuffer) copy = gst_buffer_copy (batch);
  GstSimclrForwardMeta *meta = gst_buffer_get_simclr_forward_meta (batch);
  GstSimclrForwardMeta *other = gst_buffer_get_simclr_forward_meta (copy);
  SimclrForwardPass *pass;

  g_assert_nonnull (meta);
  g_assert_nonnull (other);
  g_assert_null (gst_simclr_forward_meta_get_model (meta));
  pass = gst_simclr_forward_meta_take (other);
  g_assert_cmpuint (simclr_forward_pass_get_n_views (pass), ==, 2 * PAIRS);
  g_assert_null (gst_simclr_forward_meta_take (meta));
  gst_simclr_forward_meta_give_back (other, pass);
}

static gpointer
push_in_thread (gpointer data)
{
  Fixture *fixture = data;
  GstFlowReturn flow = GST_FLOW_OK;

  for (guint i = 0; i < PAIRS && flow == GST_FLOW_OK; i++)
    flow = push (fixture, 10 + i);
  return GINT_TO_POINTER (flow);
}

/* A batch in flight, and a thread that waits for it with the next one. */
static GThread *
begin_wait (Fixture *fixture, GstBuffer **batch)
{
  GstSimclrEncoder *encoder = GST_SIMCLR_ENCODER (fixture->harness->element);
  gint64 end = g_get_monotonic_time () + 60 * G_USEC_PER_SEC;
  GThread *thread;

  *batch = push_batch (fixture);
  thread = g_thread_new ("second batch", push_in_thread, fixture);
  while (!gst_simclr_forward_gate_is_waited_at (encoder->gate)) {
    g_assert_cmpint (g_get_monotonic_time (), <, end);
    g_thread_yield ();
  }
  return thread;
}

static GstFlowReturn
end_wait (GThread *thread)
{
  return GPOINTER_TO_INT (g_thread_join (thread));
}

static void
test_a_batch_waits_for_the_one_before (Fixture *fixture, gconstpointer settings)
{
  GstBuffer *batch;
  GThread *thread = begin_wait (fixture, &batch);

  g_assert_cmpuint (gst_harness_buffers_in_queue (fixture->harness), ==, 0);
  gst_buffer_unref (batch);
  g_assert_cmpint (end_wait (thread), ==, GST_FLOW_OK);
  gst_buffer_unref (gst_harness_pull (fixture->harness));
}

/* Somebody keeps the buffer (a sink's last sample): the pass alone counts. */
static void
test_a_pass_comes_back_before_its_buffer (Fixture *fixture, gconstpointer settings)
{
  GstBuffer *batch;
  GThread *thread = begin_wait (fixture, &batch);
  GstSimclrForwardMeta *meta = gst_buffer_get_simclr_forward_meta (batch);

  gst_simclr_forward_meta_give_back (meta, gst_simclr_forward_meta_take (meta));
  g_assert_cmpint (end_wait (thread), ==, GST_FLOW_OK);
  gst_buffer_unref (batch);
}

static void
test_a_flush_ends_the_wait_and_loses_no_pair (Fixture *fixture, gconstpointer settings)
{
  GstHarness *harness = fixture->harness;
  GstBuffer *batch;
  GThread *thread = begin_wait (fixture, &batch);
  guint batches = 0;
  GstSegment segment;

  gst_harness_push_event (harness, gst_event_new_flush_start ());
  g_assert_cmpint (end_wait (thread), ==, GST_FLOW_FLUSHING);
  gst_harness_push_event (harness, gst_event_new_flush_stop (TRUE));
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (harness, gst_event_new_segment (&segment));

  gst_buffer_unref (batch);
  for (guint i = 0; i < PAIRS; i++) {
    GstBuffer *next;

    g_assert_cmpint (push (fixture, 20 + i), ==, GST_FLOW_OK);
    next = gst_harness_try_pull (harness);
    batches += next != NULL;
    gst_clear_buffer (&next);
  }
  /* the batch that waited is still there, and the one that came now */
  g_assert_cmpuint (batches, ==, 2);
}

static void
test_going_to_ready_ends_the_wait (Fixture *fixture, gconstpointer settings)
{
  GstBuffer *batch;
  GThread *thread = begin_wait (fixture, &batch);

  g_assert_cmpint (gst_element_set_state (fixture->harness->element, GST_STATE_READY), ==,
      GST_STATE_CHANGE_SUCCESS);
  g_assert_cmpint (end_wait (thread), ==, GST_FLOW_FLUSHING);
  gst_buffer_unref (batch);
}

/* The trainer has enough, a tee's other branch has not. */
static void
test_after_the_trainer_nobody_waits (Fixture *fixture, gconstpointer settings)
{
  g_autoptr (GstBuffer) first = push_batch (fixture);
  g_autoptr (GstBuffer) second = NULL;
  g_autoptr (GstBuffer) third = NULL;
  GstSimclrForwardMeta *meta = gst_buffer_get_simclr_forward_meta (first);

  gst_simclr_forward_meta_close_gate (meta);
  gst_simclr_forward_meta_give_back (meta, gst_simclr_forward_meta_take (meta));
  second = push_batch (fixture);
  third = push_batch (fixture);
  g_assert_null (gst_buffer_get_simclr_forward_meta (second));
  g_assert_cmpuint (gst_buffer_get_size (third), ==, 2 * PAIRS * TINY_SIZE * sizeof (gfloat));
}

static void
test_what_fills_no_batch_is_dropped_at_the_end (Fixture *fixture, gconstpointer settings)
{
  g_autoptr (GstBuffer) batch = push_batch (fixture);

  g_assert_cmpint (push (fixture, 1), ==, GST_FLOW_OK);
  gst_harness_push_event (fixture->harness, gst_event_new_eos ());
  g_assert_cmpuint (gst_harness_buffers_in_queue (fixture->harness), ==, 0);
}

static void
test_pairs_of_another_size_are_an_error (Fixture *fixture, gconstpointer settings)
{
  GstVideoInfo larger = pair_info (2 * SIDE);
  g_autofree gchar *text = NULL;

  g_assert_cmpint (push (fixture, 1), ==, GST_FLOW_OK);
  set_video_caps (fixture->harness, &larger);
  g_assert_cmpint (
      gst_harness_push (fixture->harness, make_frame (&larger, 1, 0)), ==, GST_FLOW_NOT_NEGOTIATED);
  text = pop_text (fixture->bus, GST_MESSAGE_ERROR);
  assert_contains (text, "changed from 16x16 to 32x32");
}

static void
test_another_frame_rate_changes_nothing (Fixture *fixture, gconstpointer settings)
{
  g_assert_cmpint (push (fixture, 1), ==, GST_FLOW_OK);
  fixture->info.fps_n = 25;
  set_video_caps (fixture->harness, &fixture->info);
  for (guint i = 1; i < PAIRS; i++)
    g_assert_cmpint (push (fixture, i), ==, GST_FLOW_OK);
  g_assert_cmpuint (gst_harness_buffers_in_queue (fixture->harness), ==, 1);
}

#define ADD(name, function)                                                                        \
  g_test_add ("/encoder/training/" name, Fixture, NULL, set_up, function, tear_down)

static void
test_bytes_are_an_error (void)
{
  GstHarness *harness = harness_new ("simclrencoder " TINY " batch-size=3 precision=int8");
  g_autoptr (GstBus) bus = attach_bus (harness->element);
  GstVideoInfo info = pair_info (SIDE);
  g_autofree gchar *text = NULL;

  gst_harness_set_sink_caps_str (harness, "other/tensors");
  gst_harness_add_propose_allocation_meta (harness, GST_SIMCLR_FORWARD_META_API_TYPE, NULL);
  set_video_caps (harness, &info);
  g_assert_cmpint (gst_harness_push (harness, make_frame (&info, 1, 0)), !=, GST_FLOW_OK);
  text = pop_text (bus, GST_MESSAGE_ERROR);
  assert_contains (text, "precision=int8");
  detach_bus (harness->element, bus);
  gst_harness_teardown (harness);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  GST_ELEMENT_REGISTER (simclrencoder, NULL);

  ADD ("batch", test_a_batch_is_the_forward_pass_of_its_views);
  ADD ("one-trainer", test_one_trainer_gets_the_pass);
  ADD ("wait", test_a_batch_waits_for_the_one_before);
  ADD ("last-sample", test_a_pass_comes_back_before_its_buffer);
  ADD ("flush", test_a_flush_ends_the_wait_and_loses_no_pair);
  ADD ("ready", test_going_to_ready_ends_the_wait);
  ADD ("closed", test_after_the_trainer_nobody_waits);
  ADD ("remainder", test_what_fills_no_batch_is_dropped_at_the_end);
  ADD ("size-change", test_pairs_of_another_size_are_an_error);
  ADD ("rate-change", test_another_frame_rate_changes_nothing);
  g_test_add_func ("/encoder/training/bytes", test_bytes_are_an_error);
  return g_test_run ();
}
