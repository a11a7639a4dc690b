/* simclrencoder when it embeds several frames at a time: their order, times, streams and latency.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "encoder-harness.h"

static void
test_a_batch_keeps_order_and_times (Fixture *fixture, gconstpointer settings)
{
  GstHarness *harness = fixture->harness;

  set_video_caps (harness, small_rgb ());
  for (guint i = 0; i < 5; i++) {
    g_assert_cmpint (
        gst_harness_push (harness, make_frame (small_rgb (), i, i * GST_SECOND)), ==, GST_FLOW_OK);
    g_assert_cmpuint (gst_harness_buffers_received (harness), ==, i < 2 ? 0 : 3);
  }
  gst_harness_push_event (harness, gst_event_new_eos ());
  for (guint i = 0; i < 5; i++) {
    g_autoptr (GstBuffer) out = gst_harness_pull (harness);

    g_assert_cmpuint (GST_BUFFER_PTS (out), ==, i * GST_SECOND);
    check_frame (out, fixture->weights, small_rgb ());
  }
}

static void
test_serialised_events_stay_behind_their_frames (Fixture *fixture, gconstpointer settings)
{
  GstHarness *harness = fixture->harness;

  set_video_caps (harness, small_rgb ());
  gst_harness_push (harness, make_frame (small_rgb (), 1, 0));
  g_assert_cmpuint (gst_harness_buffers_received (harness), ==, 0);
  gst_harness_push_event (harness, gst_event_new_gap (GST_SECOND, GST_SECOND));
  g_assert_cmpuint (gst_harness_buffers_received (harness), ==, 1);
}

static void
test_a_late_batch_goes_when_time_is_up (Fixture *fixture, gconstpointer settings)
{
  g_autoptr (GstBuffer) first = NULL;
  g_autoptr (GstBuffer) second = NULL;

  set_video_caps (fixture->harness, small_rgb ());
  gst_harness_push (fixture->harness, make_frame (small_rgb (), 1, 0));
  gst_harness_push (fixture->harness, make_frame (small_rgb (), 2, 1));
  /* waits for it, up to a minute */
  first = gst_harness_pull (fixture->harness);
  second = gst_harness_pull (fixture->harness);
  check_frame (first, fixture->weights, small_rgb ());
  check_frame (second, fixture->weights, small_rgb ());
}

static GstClockTime
get_latency (GstHarness *harness)
{
  g_autoptr (GstQuery) query = gst_query_new_latency ();
  GstClockTime least;
  gboolean live;

  gst_harness_set_upstream_latency (harness, GST_MSECOND);
  g_assert_true (gst_pad_peer_query (harness->sinkpad, query));
  gst_query_parse_latency (query, &live, &least, NULL);
  return least;
}

static void
test_latency_is_what_batching_adds (Fixture *fixture, gconstpointer settings)
{
  set_video_caps (fixture->harness, small_rgb ());
  g_assert_cmpuint (get_latency (fixture->harness), ==, GST_MSECOND + 2 * GST_SECOND / 30);
}

static void
test_latency_is_the_timeout_where_shorter (Fixture *fixture, gconstpointer settings)
{
  set_video_caps (fixture->harness, small_rgb ());
  g_assert_cmpuint (get_latency (fixture->harness), ==, 3 * GST_MSECOND);
}

static void
test_a_flush_drops_what_is_held (Fixture *fixture, gconstpointer settings)
{
  GstHarness *harness = fixture->harness;
  GstSegment segment;

  set_video_caps (harness, small_rgb ());
  gst_harness_push (harness, make_frame (small_rgb (), 1, 0));
  gst_harness_push (harness, make_frame (small_rgb (), 2, 0));
  gst_harness_push_event (harness, gst_event_new_flush_start ());
  gst_harness_push_event (harness, gst_event_new_flush_stop (TRUE));
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (harness, gst_event_new_segment (&segment));
  for (guint i = 0; i < 3; i++)
    gst_harness_push (harness, make_frame (small_rgb (), 10 + i, i));
  g_assert_cmpuint (gst_harness_buffers_received (harness), ==, 3);
  for (guint i = 0; i < 3; i++) {
    g_autoptr (GstBuffer) out = gst_harness_pull (harness);

    g_assert_cmpuint (GST_BUFFER_PTS (out), ==, i);
    check_frame (out, fixture->weights, small_rgb ());
  }
}

/* As funnel announces a stream before its frame. */
static void
turn_to_stream (GstHarness *harness, const gchar *id)
{
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (harness->srcpad);
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  g_assert_true (gst_harness_push_event (harness, gst_event_new_stream_start (id)));
  g_assert_true (gst_harness_push_event (harness, gst_event_new_caps (caps)));
  g_assert_true (gst_harness_push_event (harness, gst_event_new_segment (&segment)));
}

static GstPadProbeReturn
note_stream (GstPad *pad, GstPadProbeInfo *info, gpointer log)
{
  const gchar *id;

  if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
    g_string_append_printf (log, "%d", (gint) GST_BUFFER_PTS (GST_PAD_PROBE_INFO_BUFFER (info)));
  } else if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) == GST_EVENT_STREAM_START) {
    gst_event_parse_stream_start (GST_PAD_PROBE_INFO_EVENT (info), &id);
    g_string_append (log, id);
  }
  return GST_PAD_PROBE_OK;
}

static void
test_several_streams_fill_a_batch (Fixture *fixture, gconstpointer settings)
{
  GstHarness *harness = fixture->harness;
  g_autoptr (GString) log = g_string_new (NULL);
  g_autoptr (GstPad) pad = gst_element_get_static_pad (harness->element, "src");

  set_video_caps (harness, small_rgb ());
  gst_pad_add_probe (
      pad, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, note_stream, log, NULL);
  for (guint i = 0; i < 3; i++) {
    g_assert_cmpuint (gst_harness_buffers_received (harness), ==, 0);
    turn_to_stream (harness, i % 2 ? "b" : "a");
    gst_harness_push (harness, make_frame (small_rgb (), i, i));
  }
  g_assert_cmpstr (log->str, ==, "a0b1a2");
  for (guint i = 0; i < 3; i++) {
    g_autoptr (GstBuffer) out = gst_harness_pull (harness);

    check_frame (out, fixture->weights, small_rgb ());
  }
}

static void
test_a_flush_keeps_which_stream_it_is (Fixture *fixture, gconstpointer settings)
{
  GstHarness *harness = fixture->harness;
  g_autoptr (GstPad) pad = gst_element_get_static_pad (harness->element, "src");
  g_autoptr (GstEvent) event = NULL;
  const gchar *id;

  set_video_caps (harness, small_rgb ());
  gst_harness_push (harness, make_frame (small_rgb (), 1, 0));
  turn_to_stream (harness, "b");
  gst_harness_push_event (harness, gst_event_new_flush_start ());
  gst_harness_push_event (harness, gst_event_new_flush_stop (TRUE));
  event = gst_pad_get_sticky_event (pad, GST_EVENT_STREAM_START, 0);
  g_assert_nonnull (event);
  gst_event_parse_stream_start (event, &id);
  g_assert_cmpstr (id, ==, "b");
  g_assert_cmpuint (gst_harness_buffers_received (harness), ==, 0);
}

static void
test_caps_change_in_the_middle_of_a_batch (Fixture *fixture, gconstpointer settings)
{
  GstHarness *harness = fixture->harness;
  GstVideoInfo infos[2] = {video_info ("RGB", 32, 32), video_info ("GRAY8", 21, 45)};

  for (guint i = 0; i < 2; i++) {
    set_video_caps (harness, &infos[i]);
    gst_harness_push (harness, make_frame (&infos[i], i, 0));
  }
  gst_harness_push_event (harness, gst_event_new_eos ());
  for (guint i = 0; i < 2; i++) {
    g_autoptr (GstBuffer) out = gst_harness_pull (harness);

    g_assert_cmpuint (gst_buffer_get_size (out), ==, GST_VIDEO_INFO_SIZE (&infos[i]));
    check_frame (out, fixture->weights, &infos[i]);
  }
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  gst_simclr_embedding_meta_register ();
  GST_ELEMENT_REGISTER (simclrencoder, NULL);

  ADD ("batch", "batch-size=3", test_a_batch_keeps_order_and_times);
  ADD ("events", "batch-size=3", test_serialised_events_stay_behind_their_frames);
  ADD ("late", "batch-size=1000 batch-timeout=5000000", test_a_late_batch_goes_when_time_is_up);
  ADD ("latency", "batch-size=3", test_latency_is_what_batching_adds);
  ADD ("latency-timeout", "batch-size=3 batch-timeout=2000000",
      test_latency_is_the_timeout_where_shorter);
  ADD ("flush", "batch-size=3", test_a_flush_drops_what_is_held);
  ADD ("streams", "batch-size=3", test_several_streams_fill_a_batch);
  ADD ("streams-flush", "batch-size=3", test_a_flush_keeps_which_stream_it_is);
  ADD ("caps-change", "batch-size=3", test_caps_change_in_the_middle_of_a_batch);
  return g_test_run ();
}
