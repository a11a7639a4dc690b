/* simclrreplay: how frames are held, what goes out with a sample, and what neighbours are told.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "replay-harness.h"

#include <gst/allocators/allocators.h>
#include <gst/video/video.h>

#include <sys/mman.h>
#include <unistd.h>

static void
test_output_has_its_own_timeline (void)
{
  GstHarness *harness = harness_new ("policy=all epochs=2");
  g_autoptr (GstCaps) timestamp = gst_caps_new_empty_simple ("timestamp/x-running-time");
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.start = segment.time = 0;
  segment.base = GST_SECOND;
  g_assert_true (gst_harness_push_event (harness, gst_event_new_segment (&segment)));
  push_frames (harness, 0, 9);
  g_assert_true (gst_harness_push_event (harness, gst_event_new_eos ()));
  for (guint i = 0; i < 18; i++) {
    GstBuffer *buffer = gst_harness_pull (harness);
    GstReferenceTimestampMeta *original;

    g_assert_nonnull (buffer);
    g_assert_cmpuint (GST_BUFFER_PTS (buffer), ==, i * 40 * GST_MSECOND);
    g_assert_cmpuint (GST_BUFFER_DURATION (buffer), ==, 40 * GST_MSECOND);
    g_assert_cmpuint (GST_BUFFER_OFFSET (buffer), ==, i);
    g_assert_true (GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DISCONT));
    g_assert_true (gst_buffer_is_writable (buffer));
    original = gst_buffer_get_reference_timestamp_meta (buffer, timestamp);
    g_assert_nonnull (original);
    g_assert_cmpuint (
        original->timestamp, ==, GST_SECOND + frame_number (buffer) * 40 * GST_MSECOND);
    gst_buffer_unref (buffer);
  }
  gst_harness_teardown (harness);
}

/* Downstream writes into what it gets; the memory keeps what came in. */
static void
test_samples_do_not_change_the_memory (void)
{
  GstHarness *harness = harness_new ("policy=all epochs=50");

  push_frames (harness, 7, 1);
  g_assert_true (gst_harness_push_event (harness, gst_event_new_eos ()));
  for (guint i = 0; i < 50; i++) {
    GstBuffer *buffer = gst_harness_pull (harness);

    g_assert_cmpuint (frame_number (buffer), ==, 7);
    buffer = gst_buffer_make_writable (buffer);
    gst_buffer_memset (buffer, 0, 99, FRAME_BYTES);
    gst_buffer_unref (buffer);
  }
  gst_harness_teardown (harness);
}

typedef struct
{
  guint small, large, changes;
} CapsCount;

static GstPadProbeReturn
check_caps (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  CapsCount *count = user_data;
  g_autoptr (GstCaps) caps = NULL;
  GstVideoInfo video;

  if (info->type & GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM) {
    count->changes += GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) == GST_EVENT_CAPS ? 1 : 0;
    return GST_PAD_PROBE_OK;
  }
  caps = gst_pad_get_current_caps (pad);
  g_assert_true (gst_video_info_from_caps (&video, caps));
  g_assert_cmpuint (
      gst_buffer_get_size (GST_PAD_PROBE_INFO_BUFFER (info)), ==, GST_VIDEO_INFO_SIZE (&video));
  *(GST_VIDEO_INFO_WIDTH (&video) == 4 ? &count->small : &count->large) += 1;
  return GST_PAD_PROBE_OK;
}

static void
test_caps_stay_with_their_frames (void)
{
  GstHarness *harness = harness_new ("policy=all epochs=4");
  CapsCount count = {0};

  gst_pad_add_probe (harness->sinkpad,
      GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, check_caps, &count, NULL);
  push_frames (harness, 0, 5);
  gst_harness_set_src_caps_str (harness, "video/x-raw,format=GRAY8,width=4,height=2,framerate=5/1");
  for (guint i = 0; i < 5; i++) {
    GstBuffer *buffer = gst_buffer_new_allocate (NULL, 8, NULL);

    g_assert_cmpint (gst_harness_push (harness, buffer), ==, GST_FLOW_OK);
  }
  g_assert_true (gst_harness_push_event (harness, gst_event_new_eos ()));
  wait_for_event (harness, GST_EVENT_EOS);
  g_assert_cmpuint (count.small, ==, 20);
  g_assert_cmpuint (count.large, ==, 20);
  g_assert_cmpuint (count.changes, >, 4);
  g_assert_cmpuint (count.changes, <, 40);
  gst_harness_teardown (harness);
}

static void
test_events_are_in_order (void)
{
  GstHarness *harness = harness_new ("policy=all");
  const GstEventType expected[] = {
      GST_EVENT_STREAM_START, GST_EVENT_CAPS, GST_EVENT_SEGMENT, GST_EVENT_TAG, GST_EVENT_EOS};

  for (guint i = 0; i < 3; i++) {
    GstTagList *tags = gst_tag_list_new (GST_TAG_TITLE, i == 2 ? "last" : "first", NULL);

    g_assert_true (gst_harness_push_event (harness, gst_event_new_tag (tags)));
  }
  push_frames (harness, 0, 1);
  g_assert_true (gst_harness_push_event (harness, gst_event_new_gap (GST_SECOND, GST_SECOND)));
  g_assert_true (gst_harness_push_event (harness, gst_event_new_eos ()));
  for (guint i = 0; i < G_N_ELEMENTS (expected); i++) {
    GstEvent *event = gst_harness_pull_event (harness);

    g_assert_nonnull (event);
    g_assert_cmpstr (GST_EVENT_TYPE_NAME (event), ==, gst_event_type_get_name (expected[i]));
    if (expected[i] == GST_EVENT_TAG) {
      g_autofree gchar *title = NULL;
      GstTagList *tags;

      gst_event_parse_tag (event, &tags);
      g_assert_true (gst_tag_list_get_string (tags, GST_TAG_TITLE, &title));
      g_assert_cmpstr (title, ==, "last");
    }
    gst_event_unref (event);
  }
  gst_harness_teardown (harness);
}

static void
test_upstream_sees_seeks_but_no_qos (void)
{
  GstHarness *harness = harness_new ("policy=fifo min-fill=1");
  GstEvent *event;
  gboolean seen = FALSE;

  push_frames (harness, 0, 1);
  pull_number (harness);
  g_assert_true (gst_harness_push_upstream_event (
      harness, gst_event_new_qos (GST_QOS_TYPE_UNDERFLOW, 0.5, GST_SECOND, 0)));
  g_assert_true (gst_harness_push_upstream_event (
      harness, gst_event_new_seek (1, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET, 0,
                   GST_SEEK_TYPE_NONE, 0)));
  while ((event = gst_harness_try_pull_upstream_event (harness))) {
    g_assert_cmpint (GST_EVENT_TYPE (event), !=, GST_EVENT_QOS);
    seen = seen || GST_EVENT_TYPE (event) == GST_EVENT_SEEK;
    gst_event_unref (event);
  }
  g_assert_true (seen);
  gst_harness_teardown (harness);
}

static void
test_latency_has_no_most (void)
{
  GstHarness *harness = harness_new ("");
  GstQuery *query = gst_query_new_latency ();
  GstClockTime min_latency, max_latency;
  gboolean live;

  gst_harness_set_upstream_latency (harness, 40 * GST_MSECOND);
  g_assert_true (gst_pad_peer_query (harness->sinkpad, query));
  gst_query_parse_latency (query, &live, &min_latency, &max_latency);
  g_assert_true (live);
  g_assert_cmpuint (min_latency, ==, 40 * GST_MSECOND);
  g_assert_cmpuint (max_latency, ==, GST_CLOCK_TIME_NONE);
  gst_query_unref (query);
  gst_harness_teardown (harness);
}

static void
test_allocation_offers_an_unbounded_pool (void)
{
  GstHarness *harness = harness_new ("");
  g_autoptr (GstCaps) caps = gst_caps_from_string (CAPS);
  GstQuery *query = gst_query_new_allocation (caps, TRUE);
  GstBufferPool *pool;
  guint size, min_buffers, max_buffers;

  g_assert_true (gst_pad_peer_query (harness->srcpad, query));
  g_assert_cmpuint (gst_query_get_n_allocation_pools (query), ==, 1);
  gst_query_parse_nth_allocation_pool (query, 0, &pool, &size, &min_buffers, &max_buffers);
  g_assert_nonnull (pool);
  g_assert_cmpuint (size, ==, FRAME_BYTES);
  g_assert_cmpuint (max_buffers, ==, 0);
  gst_object_unref (pool);
  gst_query_unref (query);
  gst_harness_teardown (harness);
}

static GstBufferPool *
pool_new (guint max_buffers)
{
  GstBufferPool *pool = gst_buffer_pool_new ();
  GstStructure *config = gst_buffer_pool_get_config (pool);

  gst_buffer_pool_config_set_params (config, NULL, FRAME_BYTES, 0, max_buffers);
  g_assert_true (gst_buffer_pool_set_config (pool, config));
  g_assert_true (gst_buffer_pool_set_active (pool, TRUE));
  return pool;
}

static void
push_from_pool (GstHarness *harness, GstBufferPool *pool, guint frames)
{
  for (guint i = 0; i < frames; i++) {
    GstBufferPoolAcquireParams params = {.flags = GST_BUFFER_POOL_ACQUIRE_FLAG_DONTWAIT};
    GstBuffer *buffer;

    g_assert_cmpint (gst_buffer_pool_acquire_buffer (pool, &buffer, &params), ==, GST_FLOW_OK);
    gst_buffer_memset (buffer, 0, (guint8) i, FRAME_BYTES);
    g_assert_cmpint (gst_harness_push (harness, buffer), ==, GST_FLOW_OK);
  }
}

static void
test_bounded_pool_is_not_starved (void)
{
  GstHarness *harness = harness_new ("policy=all");
  GstBufferPool *pool = pool_new (2);
  guint sum = 0;

  push_from_pool (harness, pool, 20);
  g_assert_cmpuint (replay_stat (harness, "copied"), ==, 20);
  g_assert_true (gst_harness_push_event (harness, gst_event_new_eos ()));
  for (guint i = 0; i < 20; i++)
    sum += pull_number (harness);
  g_assert_cmpuint (sum, ==, 190);
  gst_harness_teardown (harness);
  gst_buffer_pool_set_active (pool, FALSE);
  g_assert_finalize_object (pool);
}

static void
test_unbounded_pool_is_held_by_reference (void)
{
  GstHarness *harness = harness_new ("policy=all");
  GstBufferPool *pool = pool_new (0);

  push_from_pool (harness, pool, 20);
  g_assert_cmpuint (replay_stat (harness, "copied"), ==, 0);
  gst_harness_teardown (harness);
  gst_buffer_pool_set_active (pool, FALSE);
  g_assert_finalize_object (pool);
}

static void
test_reference_is_the_same_memory (void)
{
  GstHarness *harness = harness_new ("policy=all");
  GstBuffer *buffer = frame_new (1);
  GstMemory *memory = gst_buffer_get_memory (buffer, 0);

  g_assert_cmpint (gst_harness_push (harness, buffer), ==, GST_FLOW_OK);
  g_assert_true (gst_harness_push_event (harness, gst_event_new_eos ()));
  buffer = gst_harness_pull (harness);
  g_assert_true (gst_buffer_peek_memory (buffer, 0) == memory);
  gst_buffer_unref (buffer);
  gst_memory_unref (memory);
  gst_harness_teardown (harness);
}

/* One frame out of a block of a hundred must not keep the block. */
static void
test_piece_of_a_large_memory_is_copied (void)
{
  GstHarness *harness = harness_new ("policy=all");
  GstBuffer *block = gst_buffer_new_allocate (NULL, 100 * FRAME_BYTES, NULL);

  for (guint i = 0; i < 3; i++) {
    GstBuffer *piece =
        gst_buffer_copy_region (block, GST_BUFFER_COPY_MEMORY, i * FRAME_BYTES, FRAME_BYTES);

    g_assert_cmpint (gst_harness_push (harness, piece), ==, GST_FLOW_OK);
  }
  g_assert_cmpuint (replay_stat (harness, "copied"), ==, 3);
  g_assert_cmpuint (replay_stat (harness, "bytes"), <, 4 * FRAME_BYTES);
  gst_buffer_unref (block);
  gst_harness_teardown (harness);
}

static void
test_device_memory_is_copied (void)
{
  GstHarness *harness = harness_new ("policy=all");
  g_autoptr (GstAllocator) allocator = gst_fd_allocator_new ();
  GstBuffer *buffer = gst_buffer_new ();
  gint fd = memfd_create ("frame", 0);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (ftruncate (fd, FRAME_BYTES), ==, 0);
  gst_buffer_append_memory (
      buffer, gst_fd_allocator_alloc (allocator, fd, FRAME_BYTES, GST_FD_MEMORY_FLAG_NONE));
  gst_buffer_memset (buffer, 0, 42, FRAME_BYTES);
  g_assert_cmpint (gst_harness_push (harness, buffer), ==, GST_FLOW_OK);
  g_assert_cmpuint (replay_stat (harness, "copied"), ==, 1);
  g_assert_true (gst_harness_push_event (harness, gst_event_new_eos ()));
  g_assert_cmpuint (pull_number (harness), ==, 42);
  gst_harness_teardown (harness);
}

static void
test_frames_without_a_picture_are_ignored (void)
{
  GstHarness *harness = harness_new ("policy=all");
  GstBuffer *gap = frame_new (1), *corrupted = frame_new (2);

  GST_BUFFER_FLAG_SET (gap, GST_BUFFER_FLAG_GAP);
  GST_BUFFER_FLAG_SET (corrupted, GST_BUFFER_FLAG_CORRUPTED);
  g_assert_cmpint (gst_harness_push (harness, gap), ==, GST_FLOW_OK);
  g_assert_cmpint (gst_harness_push (harness, corrupted), ==, GST_FLOW_OK);
  g_assert_cmpint (gst_harness_push (harness, gst_buffer_new ()), ==, GST_FLOW_OK);
  push_frames (harness, 3, 1);
  g_assert_cmpuint (replay_stat (harness, "ignored"), ==, 3);
  g_assert_cmpuint (replay_stat (harness, "level"), ==, 1);
  gst_harness_teardown (harness);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/replay-frames/output-has-its-own-timeline", test_output_has_its_own_timeline);
  g_test_add_func (
      "/replay-frames/samples-do-not-change-the-memory", test_samples_do_not_change_the_memory);
  g_test_add_func ("/replay-frames/caps-stay-with-their-frames", test_caps_stay_with_their_frames);
  g_test_add_func ("/replay-frames/events-are-in-order", test_events_are_in_order);
  g_test_add_func (
      "/replay-frames/upstream-sees-seeks-but-no-qos", test_upstream_sees_seeks_but_no_qos);
  g_test_add_func ("/replay-frames/latency-has-no-most", test_latency_has_no_most);
  g_test_add_func ("/replay-frames/allocation-offers-an-unbounded-pool",
      test_allocation_offers_an_unbounded_pool);
  g_test_add_func ("/replay-frames/bounded-pool-is-not-starved", test_bounded_pool_is_not_starved);
  g_test_add_func ("/replay-frames/unbounded-pool-is-held-by-reference",
      test_unbounded_pool_is_held_by_reference);
  g_test_add_func (
      "/replay-frames/reference-is-the-same-memory", test_reference_is_the_same_memory);
  g_test_add_func (
      "/replay-frames/piece-of-a-large-memory-is-copied", test_piece_of_a_large_memory_is_copied);
  g_test_add_func ("/replay-frames/device-memory-is-copied", test_device_memory_is_copied);
  g_test_add_func ("/replay-frames/frames-without-a-picture-are-ignored",
      test_frames_without_a_picture_are_ignored);
  return g_test_run ();
}
