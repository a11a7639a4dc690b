/* simclrreplay: what it stores, what it pushes, when it ends, and that nothing can hold it up.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gst/allocators/allocators.h>
#include <gst/check/gstharness.h>
#include <gst/video/video.h>

#include <sys/mman.h>
#include <unistd.h>

#define CAPS "video/x-raw,format=RGB,width=8,height=4,framerate=25/1"
#define FRAME_BYTES 96

/* A harness around one element, its properties given as for gst-launch. */
static GstHarness *
harness_new (const gchar *properties)
{
  g_autofree gchar *line = g_strdup_printf ("simclrreplay name=replay %s", properties);
  g_autoptr (GError) error = NULL;
  GstElement *element = gst_parse_launch (line, &error);
  GstHarness *harness;

  g_assert_no_error (error);
  harness = gst_harness_new_with_element (element, "sink", "src");
  gst_object_unref (element);
  gst_harness_set_src_caps_str (harness, CAPS);
  return harness;
}

/* A frame whose bytes all are `number`. */
static GstBuffer *
frame_new (guint number)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, FRAME_BYTES, NULL);

  gst_buffer_memset (buffer, 0, (guint8) number, FRAME_BYTES);
  GST_BUFFER_PTS (buffer) = number * 40 * GST_MSECOND;
  GST_BUFFER_DURATION (buffer) = 40 * GST_MSECOND;
  return buffer;
}

static void
push_frames (GstHarness *harness, guint first, guint frames)
{
  for (guint i = 0; i < frames; i++)
    g_assert_cmpint (gst_harness_push (harness, frame_new (first + i)), ==, GST_FLOW_OK);
}

static guint
frame_number (GstBuffer *buffer)
{
  guint8 number = 0;

  g_assert_cmpuint (gst_buffer_extract (buffer, 0, &number, 1), ==, 1);
  return number;
}

static guint
pull_number (GstHarness *harness)
{
  GstBuffer *buffer = gst_harness_pull (harness);
  guint number;

  g_assert_nonnull (buffer);
  number = frame_number (buffer);
  gst_buffer_unref (buffer);
  return number;
}

static void
wait_for_event (GstHarness *harness, GstEventType type)
{
  gboolean found = FALSE;

  while (!found) {
    GstEvent *event = gst_harness_pull_event (harness);

    g_assert_nonnull (event);
    found = GST_EVENT_TYPE (event) == type;
    gst_event_unref (event);
  }
}

static guint64
stat (GstHarness *harness, const gchar *field)
{
  GstStructure *stats;
  guint64 value;

  g_object_get (harness->element, "stats", &stats, NULL);
  g_assert_true (gst_structure_has_name (stats, "simclr-replay"));
  g_assert_true (gst_structure_get_uint64 (stats, field, &value));
  gst_structure_free (stats);
  return value;
}

static void
test_epochs_are_counted (void)
{
  GstHarness *harness = harness_new ("policy=all epochs=3 seed=1");
  guint orders[3][20], counts[20] = {0};

  push_frames (harness, 0, 20);
  g_assert_cmpuint (gst_harness_buffers_received (harness), ==, 0);
  g_assert_true (gst_harness_push_event (harness, gst_event_new_eos ()));
  wait_for_event (harness, GST_EVENT_EOS);
  g_assert_cmpuint (gst_harness_buffers_received (harness), ==, 60);
  for (guint i = 0; i < 60; i++) {
    orders[i / 20][i % 20] = pull_number (harness);
    counts[orders[i / 20][i % 20]]++;
    if (i % 20 == 19) {
      for (guint number = 0; number < 20; number++)
        g_assert_cmpuint (counts[number], ==, i / 20 + 1);
    }
  }
  g_assert_cmpint (memcmp (orders[0], orders[1], sizeof orders[0]), !=, 0);
  g_assert_cmpint (memcmp (orders[1], orders[2], sizeof orders[0]), !=, 0);
  gst_harness_teardown (harness);
}

static void
test_min_fill_is_waited_for (void)
{
  GstHarness *harness = harness_new ("policy=fifo min-fill=10");

  push_frames (harness, 0, 9);
  g_assert_cmpuint (stat (harness, "level"), ==, 9);
  g_assert_cmpuint (stat (harness, "pushed"), ==, 0);
  push_frames (harness, 9, 1);
  pull_number (harness);
  gst_harness_teardown (harness);
}

static void
test_full_is_filled (void)
{
  /* more than fits is never there */
  GstHarness *harness = harness_new ("policy=reservoir capacity=5 min-fill=10");

  push_frames (harness, 0, 5);
  pull_number (harness);
  gst_harness_teardown (harness);

  harness = harness_new ("policy=fifo max-bytes=500 min-fill=10");
  push_frames (harness, 0, 6);
  pull_number (harness);
  gst_harness_teardown (harness);
}

static GstPadProbeReturn
hold_up (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  return GST_PAD_PROBE_OK;
}

static void
test_sink_never_waits (void)
{
  const gchar *policies[] = {"fifo", "reservoir", "all"};

  for (guint i = 0; i < G_N_ELEMENTS (policies); i++) {
    g_autofree gchar *properties = g_strdup_printf ("policy=%s min-fill=1", policies[i]);
    GstHarness *harness = harness_new (properties);
    GstQuery *drain = gst_query_new_drain ();
    gulong probe = gst_pad_add_probe (harness->sinkpad,
        GST_PAD_PROBE_TYPE_BLOCK | GST_PAD_PROBE_TYPE_DATA_DOWNSTREAM, hold_up, NULL, NULL);

    push_frames (harness, 0, 200);
    g_assert_cmpuint (stat (harness, "level"), ==, 200);
    g_assert_true (gst_harness_push_event (harness, gst_event_new_tag (gst_tag_list_new_empty ())));
    g_assert_true (gst_harness_push_event (harness, gst_event_new_gap (0, GST_SECOND)));
    g_assert_true (gst_pad_peer_query (harness->srcpad, drain));
    gst_query_unref (drain);
    g_assert_true (gst_harness_push_event (harness, gst_event_new_eos ()));
    gst_pad_remove_probe (harness->sinkpad, probe);
    wait_for_event (harness, GST_EVENT_EOS);
    gst_harness_teardown (harness);
  }
}

static void
test_num_samples_end_a_run (void)
{
  const gchar *policies[] = {"fifo", "reservoir", "all"};

  for (guint i = 0; i < G_N_ELEMENTS (policies); i++) {
    g_autofree gchar *properties =
        g_strdup_printf ("policy=%s min-fill=5 num-samples=33 epochs=0", policies[i]);
    GstHarness *harness = harness_new (properties);

    push_frames (harness, 0, 4);
    if (i == 2)
      g_assert_true (gst_harness_push_event (harness, gst_event_new_eos ()));
    else
      push_frames (harness, 4, 1);
    wait_for_event (harness, GST_EVENT_EOS);
    g_assert_cmpuint (gst_harness_buffers_received (harness), ==, 33);
    while (i != 2 && gst_harness_push (harness, frame_new (0)) == GST_FLOW_OK)
      g_thread_yield (); /* between EOS and the flow that follows it */
    g_assert_cmpint (gst_harness_push (harness, frame_new (0)), ==, GST_FLOW_EOS);
    gst_harness_teardown (harness);
  }
}

static void
test_end_before_min_fill (void)
{
  const gchar *policies[] = {"fifo", "reservoir"};
  gboolean seen[7] = {FALSE};

  for (guint i = 0; i < G_N_ELEMENTS (policies); i++) {
    g_autofree gchar *properties = g_strdup_printf ("policy=%s min-fill=10", policies[i]);
    GstHarness *harness = harness_new (properties);

    push_frames (harness, 0, 7);
    g_assert_true (gst_harness_push_event (harness, gst_event_new_eos ()));
    wait_for_event (harness, GST_EVENT_EOS);
    g_assert_cmpuint (gst_harness_buffers_received (harness), ==, 7);
    for (guint k = 0; k < 7; k++)
      seen[pull_number (harness)] = TRUE;
    g_assert_true (seen[0] || seen[1]);
    gst_harness_teardown (harness);
  }
}

static void
test_one_frame_and_none (void)
{
  const gchar *policies[] = {"fifo", "reservoir", "all"};

  for (guint i = 0; i < G_N_ELEMENTS (policies); i++) {
    for (guint frames = 0; frames < 2; frames++) {
      g_autofree gchar *properties = g_strdup_printf ("policy=%s", policies[i]);
      GstHarness *harness = harness_new (properties);

      push_frames (harness, 0, frames);
      g_assert_true (gst_harness_push_event (harness, gst_event_new_eos ()));
      wait_for_event (harness, GST_EVENT_EOS);
      g_assert_cmpuint (gst_harness_buffers_received (harness), ==, frames);
      g_assert_cmpint (gst_harness_push (harness, frame_new (0)), ==, GST_FLOW_EOS);
      gst_harness_teardown (harness);
    }
  }
}

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

static GstPadProbeReturn
answer_resume (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  GstQuery *query = GST_PAD_PROBE_INFO_QUERY (info);
  guint64 *pairs = user_data;

  if (GST_QUERY_TYPE (query) != GST_QUERY_CUSTOM ||
      !gst_structure_has_name (gst_query_get_structure (query), "simclr-resume"))
    return GST_PAD_PROBE_OK;
  gst_structure_set (gst_query_writable_structure (query), "pairs", G_TYPE_UINT64, *pairs, NULL);
  return GST_PAD_PROBE_HANDLED;
}

/* Frames from sample `start` to the end. */
static guint
run_from (const gchar *properties, guint64 start, guint *numbers)
{
  GstHarness *harness = harness_new (properties);
  guint samples;

  gst_pad_add_probe (harness->sinkpad,
      GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM | GST_PAD_PROBE_TYPE_PUSH, answer_resume, &start, NULL);
  push_frames (harness, 0, 30);
  g_assert_true (gst_harness_push_event (harness, gst_event_new_eos ()));
  wait_for_event (harness, GST_EVENT_EOS);
  samples = gst_harness_buffers_received (harness);
  for (guint i = 0; i < samples; i++)
    numbers[i] = pull_number (harness);
  gst_harness_teardown (harness);
  return samples;
}

static void
test_resumes_in_the_middle (void)
{
  guint whole[90], rest[90];

  g_assert_cmpuint (run_from ("policy=all epochs=3 seed=5", 0, whole), ==, 90);
  g_assert_cmpuint (run_from ("policy=all epochs=3 seed=5", 44, rest), ==, 46);
  g_assert_cmpmem (rest, 46 * sizeof *rest, whole + 44, 46 * sizeof *whole);
  g_assert_cmpuint (run_from ("policy=all epochs=0 num-samples=70 seed=5", 44, rest), ==, 26);
  g_assert_cmpmem (rest, 26 * sizeof *rest, whole + 44, 26 * sizeof *whole);
  g_assert_cmpuint (run_from ("policy=all epochs=3 seed=5", 90, rest), ==, 0);
  g_assert_cmpuint (run_from ("policy=all epochs=3 seed=5", 1000, rest), ==, 0);
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
test_flush_keeps_the_memory (void)
{
  const gchar *policies[] = {"fifo", "reservoir", "all"};

  for (guint i = 0; i < G_N_ELEMENTS (policies); i++) {
    g_autofree gchar *properties = g_strdup_printf ("policy=%s min-fill=4 epochs=0", policies[i]);
    GstHarness *harness = harness_new (properties);
    GstSegment segment;

    push_frames (harness, 0, 6);
    if (i == 2)
      g_assert_true (gst_harness_push_event (harness, gst_event_new_eos ()));
    pull_number (harness);
    g_assert_true (gst_harness_push_event (harness, gst_event_new_flush_start ()));
    g_assert_cmpint (gst_harness_push (harness, frame_new (0)), ==, GST_FLOW_FLUSHING);
    g_assert_true (gst_harness_push_event (harness, gst_event_new_flush_stop (TRUE)));
    g_assert_cmpuint (stat (harness, "level"), ==, 6);
    gst_segment_init (&segment, GST_FORMAT_TIME);
    g_assert_true (gst_harness_push_event (harness, gst_event_new_segment (&segment)));
    push_frames (harness, 6, 1);
    g_assert_cmpuint (stat (harness, "level"), ==, 7);
    if (i == 2)
      g_assert_true (gst_harness_push_event (harness, gst_event_new_eos ()));
    while (pull_number (harness) != 6)
      continue; /* an old sample: it must end, for new ones are drawn too */
    gst_harness_teardown (harness);
  }
}

static void
test_new_stream_after_the_end (void)
{
  GstHarness *harness = harness_new ("policy=all epochs=1");

  push_frames (harness, 0, 5);
  g_assert_true (gst_harness_push_event (harness, gst_event_new_eos ()));
  wait_for_event (harness, GST_EVENT_EOS);
  g_assert_true (gst_harness_push_event (harness, gst_event_new_stream_start ("second")));
  gst_harness_set_src_caps_str (harness, CAPS);
  push_frames (harness, 5, 5);
  g_assert_true (gst_harness_push_event (harness, gst_event_new_eos ()));
  wait_for_event (harness, GST_EVENT_EOS);
  /* the sequence goes on: ten frames, of whose first pass five samples have been pushed */
  g_assert_cmpuint (gst_harness_buffers_received (harness), ==, 10);
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

static GstPadProbeReturn
return_eos (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  gint *samples = user_data;

  if (g_atomic_int_add (samples, -1) > 1)
    return GST_PAD_PROBE_OK;
  gst_buffer_unref (GST_PAD_PROBE_INFO_BUFFER (info));
  GST_PAD_PROBE_INFO_FLOW_RETURN (info) = GST_FLOW_EOS;
  return GST_PAD_PROBE_HANDLED;
}

static void
test_downstream_ends_a_run (void)
{
  GstHarness *harness = harness_new ("policy=fifo min-fill=1");
  gint samples = 10;
  GstFlowReturn flow = GST_FLOW_OK;

  gst_pad_add_probe (harness->sinkpad, GST_PAD_PROBE_TYPE_BUFFER, return_eos, &samples, NULL);
  push_frames (harness, 0, 1);
  wait_for_event (harness, GST_EVENT_EOS);
  g_assert_cmpuint (gst_harness_buffers_received (harness), ==, 9);
  while (flow == GST_FLOW_OK) {
    flow = gst_harness_push (harness, frame_new (0));
    g_thread_yield ();
  }
  g_assert_cmpint (flow, ==, GST_FLOW_EOS);
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
  g_assert_cmpuint (stat (harness, "copied"), ==, 20);
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
  g_assert_cmpuint (stat (harness, "copied"), ==, 0);
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
  g_assert_cmpuint (stat (harness, "copied"), ==, 3);
  g_assert_cmpuint (stat (harness, "bytes"), <, 4 * FRAME_BYTES);
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
  g_assert_cmpuint (stat (harness, "copied"), ==, 1);
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
  g_assert_cmpuint (stat (harness, "ignored"), ==, 3);
  g_assert_cmpuint (stat (harness, "level"), ==, 1);
  gst_harness_teardown (harness);
}

static void
test_full_is_a_clear_error (void)
{
  GstHarness *harness = harness_new ("policy=all max-bytes=1000");
  g_autoptr (GstBus) bus = gst_bus_new ();
  g_autoptr (GError) error = NULL;
  GstMessage *message;
  guint frames = 0;

  gst_element_set_bus (harness->element, bus);
  while (gst_harness_push (harness, frame_new (frames)) == GST_FLOW_OK)
    frames++;
  g_assert_cmpuint (frames, >=, 8);
  g_assert_cmpuint (frames, <=, 1000 / FRAME_BYTES);
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  gst_message_parse_error (message, &error, NULL);
  g_assert_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT);
  g_assert_nonnull (g_strstr_len (error->message, -1, "max-bytes=1000"));
  gst_message_unref (message);
  gst_element_set_bus (harness->element, NULL);
  gst_harness_teardown (harness);
}

/* A pipeline's end or error, with a time limit instead of a hang. Below no test asserts that a
 * pipeline is gone when it is unreferenced: a thread of GstBin may have it for a moment. */
static void
wait_for_eos (GstElement *pipeline)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  GstMessage *message =
      gst_bus_timed_pop_filtered (bus, 30 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);

  g_assert_nonnull (message);
  g_assert_cmpint (GST_MESSAGE_TYPE (message), ==, GST_MESSAGE_EOS);
  gst_message_unref (message);
}

static GstElement *
pipeline_new (const gchar *line)
{
  g_autoptr (GError) error = NULL;
  GstElement *pipeline = gst_parse_launch (line, &error);

  g_assert_no_error (error);
  return pipeline;
}

static guint64
level (GstElement *pipeline)
{
  g_autoptr (GstElement) replay = gst_bin_get_by_name (GST_BIN (pipeline), "replay");
  guint64 frames;

  g_object_get (replay, "level", &frames, NULL);
  return frames;
}

#define SOURCE "videotestsrc pattern=ball ! video/x-raw,format=RGB,width=32,height=32 ! "

static void
test_pipelines_end (void)
{
  const gchar *lines[] = {
      "videotestsrc num-buffers=30 ! simclrreplay policy=all epochs=3 ! fakesink",
      "videotestsrc num-buffers=30 ! simclrreplay policy=fifo ! fakesink",
      "videotestsrc num-buffers=1 ! simclrreplay ! fakesink",
      "videotestsrc num-buffers=0 ! simclrreplay ! fakesink",
      SOURCE "simclrreplay policy=reservoir capacity=50 num-samples=500 ! fakesink",
      SOURCE "simclrreplay policy=fifo capacity=50 ! fakesink num-buffers=300",
      SOURCE "simclrreplay policy=fifo capacity=50 num-samples=500 ! queue ! identity ! fakesink",
      "videotestsrc is-live=true num-buffers=3 ! simclrreplay min-fill=2 ! fakesink sync=true",
  };

  for (guint i = 0; i < G_N_ELEMENTS (lines); i++) {
    GstElement *pipeline = pipeline_new (lines[i]);

    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    wait_for_eos (pipeline);
    gst_element_set_state (pipeline, GST_STATE_NULL);
    gst_object_unref (pipeline);
  }
}

static void
set_state (GstElement *pipeline, GstState state)
{
  GstStateChangeReturn result = gst_element_set_state (pipeline, state);

  if (result == GST_STATE_CHANGE_ASYNC)
    result = gst_element_get_state (pipeline, NULL, NULL, 30 * GST_SECOND);
  g_assert_true (result == GST_STATE_CHANGE_SUCCESS || result == GST_STATE_CHANGE_NO_PREROLL);
}

static void
test_states_up_and_down (void)
{
  GstElement *pipeline =
      pipeline_new (SOURCE "simclrreplay name=replay capacity=20 min-fill=10 ! fakesink");

  for (guint i = 0; i < 5; i++) {
    set_state (pipeline, GST_STATE_PLAYING);
    g_assert_cmpuint (level (pipeline), >=, 10);
    set_state (pipeline, GST_STATE_PAUSED);
    g_assert_cmpuint (level (pipeline), >=, 10);
    set_state (pipeline, GST_STATE_PLAYING);
    set_state (pipeline, GST_STATE_READY);
    g_assert_cmpuint (level (pipeline), ==, 0);
    set_state (pipeline, GST_STATE_PAUSED);
    set_state (pipeline, i % 2 ? GST_STATE_NULL : GST_STATE_READY);
  }
  set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
}

static void
seek (GstElement *pipeline, GRand *random)
{
  gst_element_seek_simple (pipeline, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH,
      g_rand_int_range (random, 0, 1000) * GST_MSECOND);
}

static void
change_caps (GstElement *pipeline, GRand *random)
{
  g_autoptr (GstElement) filter = gst_bin_get_by_name (GST_BIN (pipeline), "filter");
  g_autoptr (GstCaps) caps =
      gst_caps_new_simple ("video/x-raw", "width", G_TYPE_INT, g_rand_int_range (random, 1, 64),
          "height", G_TYPE_INT, g_rand_int_range (random, 1, 64), NULL);

  if (filter)
    g_object_set (filter, "caps", caps, NULL);
}

static void
do_something (GstElement *pipeline, GRand *random)
{
  switch (g_rand_int_range (random, 0, 9)) {
  case 0:
  case 1:
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    break;
  case 2:
    gst_element_set_state (pipeline, GST_STATE_PAUSED);
    break;
  case 3:
    gst_element_set_state (pipeline, GST_STATE_READY);
    break;
  case 4:
  case 5:
    seek (pipeline, random);
    break;
  case 6:
    gst_element_get_state (pipeline, NULL, NULL, g_rand_int_range (random, 0, 20) * GST_MSECOND);
    break;
  case 7:
    change_caps (pipeline, random);
    break;
  default:
    /* below PAUSED GstBaseSrc leaks it */
    if (GST_STATE (pipeline) >= GST_STATE_PAUSED)
      gst_element_send_event (pipeline, gst_event_new_eos ());
    break;
  }
}

/* A hang is caught by the time limit of the test. */
static void
test_random_sequences (void)
{
  const gchar *lines[] = {
      SOURCE "simclrreplay capacity=30 min-fill=5 ! fakesink",
      SOURCE "simclrreplay policy=fifo capacity=30 min-fill=5 ! queue ! videoconvert ! fakesink",
      "videotestsrc num-buffers=50 ! simclrreplay policy=all epochs=0 ! videoconvert ! fakesink",
      "videotestsrc is-live=true ! simclrreplay min-fill=1 num-samples=1000 ! fakesink sync=true",
  };
  g_autoptr (GRand) random = g_rand_new_with_seed (g_test_thorough () ? 2 : 1);
  guint rounds = g_test_thorough () ? 2000 : 200;

  for (guint i = 0; i < rounds; i++) {
    GstElement *pipeline = pipeline_new (lines[i % G_N_ELEMENTS (lines)]);

    for (guint step = 0; step < 8; step++)
      do_something (pipeline, random);
    g_assert_cmpint (
        gst_element_set_state (pipeline, GST_STATE_NULL), ==, GST_STATE_CHANGE_SUCCESS);
    gst_object_unref (pipeline);
  }
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/replay/epochs-are-counted", test_epochs_are_counted);
  g_test_add_func ("/replay/min-fill-is-waited-for", test_min_fill_is_waited_for);
  g_test_add_func ("/replay/full-is-filled", test_full_is_filled);
  g_test_add_func ("/replay/sink-never-waits", test_sink_never_waits);
  g_test_add_func ("/replay/num-samples-end-a-run", test_num_samples_end_a_run);
  g_test_add_func ("/replay/end-before-min-fill", test_end_before_min_fill);
  g_test_add_func ("/replay/one-frame-and-none", test_one_frame_and_none);
  g_test_add_func ("/replay/output-has-its-own-timeline", test_output_has_its_own_timeline);
  g_test_add_func (
      "/replay/samples-do-not-change-the-memory", test_samples_do_not_change_the_memory);
  g_test_add_func ("/replay/resumes-in-the-middle", test_resumes_in_the_middle);
  g_test_add_func ("/replay/caps-stay-with-their-frames", test_caps_stay_with_their_frames);
  g_test_add_func ("/replay/flush-keeps-the-memory", test_flush_keeps_the_memory);
  g_test_add_func ("/replay/new-stream-after-the-end", test_new_stream_after_the_end);
  g_test_add_func ("/replay/events-are-in-order", test_events_are_in_order);
  g_test_add_func ("/replay/upstream-sees-seeks-but-no-qos", test_upstream_sees_seeks_but_no_qos);
  g_test_add_func ("/replay/latency-has-no-most", test_latency_has_no_most);
  g_test_add_func (
      "/replay/allocation-offers-an-unbounded-pool", test_allocation_offers_an_unbounded_pool);
  g_test_add_func ("/replay/downstream-ends-a-run", test_downstream_ends_a_run);
  g_test_add_func ("/replay/bounded-pool-is-not-starved", test_bounded_pool_is_not_starved);
  g_test_add_func (
      "/replay/unbounded-pool-is-held-by-reference", test_unbounded_pool_is_held_by_reference);
  g_test_add_func ("/replay/reference-is-the-same-memory", test_reference_is_the_same_memory);
  g_test_add_func (
      "/replay/piece-of-a-large-memory-is-copied", test_piece_of_a_large_memory_is_copied);
  g_test_add_func ("/replay/device-memory-is-copied", test_device_memory_is_copied);
  g_test_add_func (
      "/replay/frames-without-a-picture-are-ignored", test_frames_without_a_picture_are_ignored);
  g_test_add_func ("/replay/full-is-a-clear-error", test_full_is_a_clear_error);
  g_test_add_func ("/replay/pipelines-end", test_pipelines_end);
  g_test_add_func ("/replay/states-up-and-down", test_states_up_and_down);
  g_test_add_func ("/replay/random-sequences", test_random_sequences);
  return g_test_run ();
}
