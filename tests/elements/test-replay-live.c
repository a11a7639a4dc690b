/* simclrreplay beside a camera: what it takes in, how fast it hands out, neighbours, cameras, files.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "replay-harness.h"

#include <glib/gstdio.h>
#include <gst/video/video.h>

#include <gstsimclraugment.h>
#include <gstsimclrencoder.h>
#include <gstsimclrreplay.h>
#include <gstsimclrtrainer.h>

static void
push_value (GstHarness *harness, guint value)
{
  g_assert_cmpint (gst_harness_push (harness, frame_new (value)), ==, GST_FLOW_OK);
}

static void
test_what_repeats_is_left_out (void)
{
  GstHarness *harness = harness_new ("policy=fifo min-distance=0.1 min-fill=100");
  const guint values[] = {0, 2, 5, 100, 110, 0, 120, 200, 201};

  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    push_value (harness, values[i]);
  g_assert_cmpuint (replay_stat (harness, "level"), ==, 3);
  g_assert_cmpuint (replay_stat (harness, "near"), ==, 6);
  g_assert_cmpuint (replay_stat (harness, "seen"), ==, 3);
  gst_harness_teardown (harness);
}

static GstBuffer *
gray_new (guint bytes, guint8 value)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, bytes, NULL);

  gst_buffer_memset (buffer, 0, value, bytes);
  return buffer;
}

static void
assert_stored_as (const gchar *caps, guint bytes, guint value, gint width, gint height)
{
  GstHarness *harness = harness_new ("policy=fifo storage-size=24 min-fill=1 num-samples=1");
  g_autoptr (GstBuffer) buffer = NULL;
  g_autoptr (GstCaps) out = NULL;
  GstVideoInfo info;
  guint8 pixel[3];

  gst_harness_set_src_caps_str (harness, caps);
  g_assert_cmpint (gst_harness_push (harness, gray_new (bytes, value)), ==, GST_FLOW_OK);
  buffer = gst_harness_pull (harness);
  out = gst_pad_get_current_caps (harness->sinkpad);
  g_assert_true (gst_video_info_from_caps (&info, out));
  g_assert_cmpint (GST_VIDEO_INFO_FORMAT (&info), ==, GST_VIDEO_FORMAT_RGB);
  g_assert_cmpint (info.width, ==, width);
  g_assert_cmpint (info.height, ==, height);
  g_assert_cmpuint (gst_buffer_get_size (buffer), ==, info.size);
  g_assert_cmpuint (gst_buffer_extract (buffer, info.size / 2, pixel, 3), ==, 3);
  g_assert_cmpint (ABS (pixel[0] - (gint) value), <=, 1);
  gst_harness_teardown (harness);
}

static void
test_frames_are_stored_small (void)
{
  assert_stored_as (
      "video/x-raw,format=GRAY8,width=64,height=48,framerate=25/1", 64 * 48, 100, 32, 24);
  assert_stored_as (
      "video/x-raw,format=RGB,width=24,height=96,framerate=25/1", 24 * 96 * 3, 7, 24, 96);
  assert_stored_as (
      "video/x-raw,format=GRAY8,width=16,height=16,framerate=25/1", 16 * 16, 9, 16, 16);
  /* luma and chroma of a gray */
  assert_stored_as ("video/x-raw,format=I420,width=96,height=64,framerate=25/1,colorimetry=bt709",
      96 * 64 * 3 / 2, 128, 36, 24);
}

/* Two samples for each frame: no more and no less, and deterministic. */
static void
test_input_and_training_keep_pace (void)
{
  GstHarness *harness = harness_new ("policy=reservoir capacity=8 min-fill=4 "
                                     "min-samples-per-frame=2 max-samples-per-frame=2");

  push_frames (harness, 0, 3);
  g_assert_cmpuint (replay_stat (harness, "pushed"), ==, 0);
  for (guint i = 0; i < 50; i++) {
    push_frames (harness, 3 + i, 1);
    g_assert_cmpuint (replay_stat (harness, "pushed"), ==, 2 * (i + 1));
    g_assert_cmpuint (gst_harness_buffers_received (harness), ==, 2 * (i + 1));
  }
  gst_harness_teardown (harness);
}

static void
test_training_waits_for_new_frames (void)
{
  GstHarness *harness = harness_new ("policy=fifo min-fill=5 max-samples-per-frame=1.5");

  push_frames (harness, 0, 15);
  /* of frames 5 to 15 */
  for (guint i = 0; i < 16; i++)
    pull_number (harness);
  g_assert_cmpuint (replay_stat (harness, "pushed"), ==, 16);
  g_assert_cmpuint (gst_harness_buffers_in_queue (harness), ==, 0);
  push_frames (harness, 15, 2);
  for (guint i = 0; i < 3; i++)
    pull_number (harness);
  g_assert_cmpuint (replay_stat (harness, "pushed"), ==, 19);
  gst_harness_teardown (harness);
}

static GstPadProbeReturn
hold_up (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  return GST_PAD_PROBE_OK;
}

static gpointer
push_two (gpointer data)
{
  gst_harness_push (data, frame_new (1));
  return GINT_TO_POINTER (gst_harness_push (data, frame_new (2)));
}

/* The input waits for samples that nobody takes. */
static void
test_an_input_that_waits_can_be_woken (void)
{
  for (guint way = 0; way < 3; way++) {
    GstHarness *harness = harness_new ("policy=fifo min-fill=1 min-samples-per-frame=4");
    GstPad *pad = gst_element_get_static_pad (harness->element, "src");
    gulong probe = gst_pad_add_probe (
        pad, GST_PAD_PROBE_TYPE_BLOCK | GST_PAD_PROBE_TYPE_BUFFER, hold_up, NULL, NULL);
    GThread *thread = g_thread_new ("push", push_two, harness);
    GstFlowReturn flow;

    while (replay_stat (harness, "pushed") == 0)
      g_thread_yield ();
    if (way == 0)
      gst_harness_push_event (harness, gst_event_new_flush_start ());
    else if (way == 1)
      gst_element_set_state (harness->element, GST_STATE_READY);
    else
      gst_pad_remove_probe (pad, probe);
    flow = GPOINTER_TO_INT (g_thread_join (thread));
    g_assert_cmpint (flow, ==, way == 2 ? GST_FLOW_OK : GST_FLOW_FLUSHING);
    if (way < 2)
      gst_pad_remove_probe (pad, probe);
    gst_object_unref (pad);
    gst_harness_teardown (harness);
  }
}

/* Frames 40 ms apart; what breaks the shot comes before frame 10. */
static void
check_neighbours (const gchar *properties, void (*disturb) (GstHarness *), guint second_value)
{
  g_autofree gchar *line = g_strdup_printf (
      "simclrreplay name=replay policy=all %s ! simclraugment size=8 temporal-window=90000000",
      properties);
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) bin =
      gst_object_ref_sink (gst_parse_bin_from_description (line, TRUE, &error));
  GstHarness *harness;
  guint with_other = 0;
  GstBuffer *pair;

  g_assert_no_error (error);
  harness = gst_harness_new_with_element (bin, "sink", "src");
  gst_harness_set_src_caps_str (harness, CAPS);
  for (guint i = 0; i < 20; i++) {
    GstBuffer *frame = frame_new (i < 10 ? 0 : second_value);

    GST_BUFFER_PTS (frame) = i * 40 * GST_MSECOND;
    if (i == 10 && disturb)
      disturb (harness);
    if (i == 10 && !disturb && second_value == 0)
      GST_BUFFER_FLAG_SET (frame, GST_BUFFER_FLAG_DISCONT);
    g_assert_cmpint (gst_harness_push (harness, frame), ==, GST_FLOW_OK);
  }
  gst_harness_push_event (harness, gst_event_new_eos ());
  wait_for_event (harness, GST_EVENT_EOS);
  while ((pair = gst_harness_try_pull (harness)) != NULL) {
    GstStructure *fields =
        gst_custom_meta_get_structure (gst_buffer_get_custom_meta (pair, "SimclrPair"));
    guint64 first, second;

    g_assert_true (gst_structure_get_uint64 (fields, "view1-running-time", &first));
    g_assert_true (gst_structure_get_uint64 (fields, "view2-running-time", &second));
    first /= 40 * GST_MSECOND;
    second /= 40 * GST_MSECOND;
    g_assert_cmpint (ABS ((gint) first - (gint) second), <=, 2);
    g_assert_cmpuint (first / 10, ==, second / 10);
    with_other += first != second ? 1 : 0;
    gst_buffer_unref (pair);
  }
  g_assert_cmpuint (with_other, ==, 20);
  gst_harness_teardown (harness);
}

static void
flush (GstHarness *harness)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (harness, gst_event_new_flush_start ());
  gst_harness_push_event (harness, gst_event_new_flush_stop (FALSE));
  gst_harness_push_event (harness, gst_event_new_segment (&segment));
}

static void
new_segment (GstHarness *harness)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (harness, gst_event_new_segment (&segment));
}

static void
test_neighbours_are_of_one_shot (void)
{
  check_neighbours ("", NULL, 0);
  check_neighbours ("", NULL, 200); /* a scene cut */
  check_neighbours ("cut-distance=0", flush, 200);
  check_neighbours ("cut-distance=0", new_segment, 0);
}

static void
count_frames (GstElement *sink, GstBuffer *buffer, GstPad *pad, gpointer user_data)
{
  guint *counts = user_data;

  counts[frame_number (buffer) > 128 ? 1 : 0]++;
}

static void
run_to_the_end (GstElement *pipeline)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) message = NULL;
  g_autoptr (GError) error = NULL;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, 100 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    gst_message_parse_error (message, &error, NULL);
  g_assert_no_error (error);
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

static void
test_cameras_have_the_same_share (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = gst_object_ref_sink (gst_parse_launch (
      "videotestsrc pattern=black num-buffers=300 ! video/x-raw,format=RGB,width=8,height=8 ! "
      "r.sink_0 "
      "videotestsrc pattern=white num-buffers=30 ! video/x-raw,format=RGB,width=16,height=4 ! "
      "r.sink_1 "
      "simclrreplay name=r policy=fifo min-fill=330 ! fakesink name=sink signal-handoffs=true",
      &error));
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  guint counts[2] = {0};

  g_assert_no_error (error);
  g_signal_connect (sink, "handoff", G_CALLBACK (count_frames), counts);
  run_to_the_end (pipeline);
  g_assert_cmpuint (counts[0] + counts[1], >=, 330);
  g_assert_cmpfloat (ABS (counts[1] / (gdouble) (counts[0] + counts[1]) - 0.5), <, 0.14);
}

static void
release (GstElement *replay, GstPad *pad)
{
  GstPad *other = gst_pad_get_peer (pad);

  gst_pad_unlink (other, pad);
  gst_element_release_request_pad (replay, pad);
  gst_object_unref (other);
}

/* More often than there can be at once; whoever comes takes the lowest number that is free. */
static void
test_cameras_come_and_go_without_end (void)
{
  GstElement *replay = gst_object_ref_sink (gst_element_factory_make ("simclrreplay", NULL));
  GstPad *stays = gst_element_request_pad_simple (replay, "sink_1");

  for (guint i = 0; i < 3000; i++) {
    GstPad *first = gst_element_request_pad_simple (replay, "sink_%u");
    GstPad *second = gst_element_request_pad_simple (replay, "sink_%u");

    g_assert_cmpstr (GST_PAD_NAME (first), ==, "sink_0");
    g_assert_cmpstr (GST_PAD_NAME (second), ==, "sink_2");
    gst_element_release_request_pad (replay, first);
    gst_element_release_request_pad (replay, second);
    gst_object_unref (first);
    gst_object_unref (second);
  }
  gst_element_release_request_pad (replay, stays);
  gst_object_unref (stays);
  g_assert_finalize_object (replay);
}

/* One camera goes while it waits for training; what the other sends still comes out, and ends. */
static void
test_a_camera_may_leave (void)
{
  GstHarness *first = harness_new ("policy=fifo min-fill=1");
  GstPad *pad = gst_element_request_pad_simple (first->element, "sink_%u");
  GstPad *source = gst_pad_new ("source", GST_PAD_SRC);
  g_autoptr (GstCaps) caps = gst_caps_from_string (CAPS);
  GstSegment segment;

  g_assert_cmpint (gst_pad_link (source, pad), ==, GST_PAD_LINK_OK);
  gst_pad_set_active (source, TRUE);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_push_event (source, gst_event_new_stream_start ("other"));
  gst_pad_push_event (source, gst_event_new_caps (caps));
  gst_pad_push_event (source, gst_event_new_segment (&segment));
  g_assert_cmpint (gst_pad_push (source, frame_new (50)), ==, GST_FLOW_OK);
  push_frames (first, 1, 5);
  g_assert_true (gst_harness_push_event (first, gst_event_new_eos ()));
  g_assert_cmpint (gst_pad_push (source, frame_new (51)), ==, GST_FLOW_OK);
  release (first->element, pad);
  gst_object_unref (pad);
  wait_for_event (first, GST_EVENT_EOS);
  g_assert_cmpuint (replay_stat (first, "level"), ==, 7);
  gst_pad_set_active (source, FALSE);
  gst_object_unref (source);
  gst_harness_teardown (first);
}

static void
test_the_memory_is_kept_in_a_file (void)
{
  g_autofree gchar *folder = g_dir_make_tmp ("simclr-test-XXXXXX", NULL);
  g_autofree gchar *path = g_build_filename (folder, "memory.safetensors", NULL);
  g_autofree gchar *properties =
      g_strdup_printf ("policy=fifo min-fill=8 resume=true location=%s", path);
  GstHarness *harness = harness_new (properties);
  gboolean seen[30] = {FALSE};
  GstElement *element;

  push_frames (harness, 0, 20);
  gst_harness_teardown (harness);
  g_assert_true (g_file_test (path, G_FILE_TEST_IS_REGULAR));

  harness = harness_new (properties);
  g_assert_cmpuint (replay_stat (harness, "level"), ==, 20);
  for (guint i = 0; i < 30; i++)
    seen[pull_number (harness)] = TRUE;
  for (guint i = 0; i < 20; i++)
    g_assert_true (seen[i] || i < 8);
  gst_harness_teardown (harness);

  g_assert_true (g_file_set_contents (path, "no memory", -1, NULL));
  element = gst_object_ref_sink (gst_element_factory_make ("simclrreplay", NULL));
  g_object_set (element, "location", path, "resume", TRUE, NULL);
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
  gst_element_set_state (element, GST_STATE_NULL);
  gst_object_unref (element);
  g_unlink (path);
  g_rmdir (folder);
}

/* Trains on a stream of two scenes, the second far longer, and returns the checkpoint. */
static GBytes *
train (const gchar *folder, const gchar *rule, guint64 *embedded)
{
  g_autofree gchar *path = g_build_filename (folder, "encoder.safetensors", NULL);
  g_autofree gchar *line = g_strdup_printf (
      "videotestsrc pattern=snow num-buffers=120 ! video/x-raw,width=16,height=16,framerate=30/1 ! "
      "videoconvert ! simclrreplay name=replay policy=min-redundancy redundancy-rule=%s "
      "capacity=24 "
      "min-fill=16 min-samples-per-frame=1 max-samples-per-frame=1 seed=1 threads=1 ! "
      "simclraugment size=16 seed=1 ! simclrencoder width=0.0625 batch-size=8 threads=1 seed=1 ! "
      "simclrtrainer checkpoint-interval=0 location=%s",
      rule, path);
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = gst_object_ref_sink (gst_parse_launch (line, &error));
  g_autoptr (GstElement) replay = gst_bin_get_by_name (GST_BIN (pipeline), "replay");
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) message = NULL;
  GstStructure *stats;
  gchar *bytes;
  gsize length;

  g_assert_no_error (error);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, 100 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  g_assert_cmpint (GST_MESSAGE_TYPE (message), ==, GST_MESSAGE_EOS);
  g_object_get (replay, "stats", &stats, NULL);
  g_assert_true (gst_structure_get_uint64 (stats, "embedded", embedded));
  gst_structure_free (stats);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  g_assert_true (g_file_get_contents (path, &bytes, &length, NULL));
  g_unlink (path);
  return g_bytes_new_take (bytes, length);
}

/* The weights come from the encoder downstream, by nothing but the link; in step with the input everything
 * is decided by the seeds. */
static void
test_frames_are_embedded_while_training (gconstpointer rule)
{
  g_autofree gchar *folder = g_dir_make_tmp ("simclr-test-XXXXXX", NULL);
  guint64 embedded, again;
  g_autoptr (GBytes) first = train (folder, rule, &embedded);
  g_autoptr (GBytes) second = train (folder, rule, &again);

  g_assert_cmpuint (embedded, >=, 8);
  g_assert_cmpuint (embedded, ==, again);
  g_assert_true (g_bytes_equal (first, second));
  g_rmdir (folder);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  GST_ELEMENT_REGISTER (simclraugment, NULL);
  GST_ELEMENT_REGISTER (simclrencoder, NULL);
  GST_ELEMENT_REGISTER (simclrreplay, NULL);
  GST_ELEMENT_REGISTER (simclrtrainer, NULL);

  g_test_add_func ("/replay-live/what-repeats-is-left-out", test_what_repeats_is_left_out);
  g_test_add_func ("/replay-live/frames-are-stored-small", test_frames_are_stored_small);
  g_test_add_func ("/replay-live/input-and-training-keep-pace", test_input_and_training_keep_pace);
  g_test_add_func (
      "/replay-live/training-waits-for-new-frames", test_training_waits_for_new_frames);
  g_test_add_func (
      "/replay-live/an-input-that-waits-can-be-woken", test_an_input_that_waits_can_be_woken);
  g_test_add_func ("/replay-live/neighbours-are-of-one-shot", test_neighbours_are_of_one_shot);
  g_test_add_func ("/replay-live/cameras-have-the-same-share", test_cameras_have_the_same_share);
  g_test_add_func ("/replay-live/a-camera-may-leave", test_a_camera_may_leave);
  g_test_add_func (
      "/replay-live/cameras-come-and-go-without-end", test_cameras_come_and_go_without_end);
  g_test_add_func ("/replay-live/the-memory-is-kept-in-a-file", test_the_memory_is_kept_in_a_file);
  g_test_add_data_func ("/replay-live/frames-are-embedded-while-training/newer", "newer",
      test_frames_are_embedded_while_training);
  g_test_add_data_func ("/replay-live/frames-are-embedded-while-training/published", "published",
      test_frames_are_embedded_while_training);
  return g_test_run ();
}
