/* simclrreplay: when it samples, what, until when, and that nothing can hold it up.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "replay-harness.h"

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
  g_assert_cmpuint (replay_stat (harness, "level"), ==, 9);
  g_assert_cmpuint (replay_stat (harness, "pushed"), ==, 0);
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
    g_assert_cmpuint (replay_stat (harness, "level"), ==, 200);
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
    g_assert_cmpuint (replay_stat (harness, "level"), ==, 6);
    gst_segment_init (&segment, GST_FORMAT_TIME);
    g_assert_true (gst_harness_push_event (harness, gst_event_new_segment (&segment)));
    push_frames (harness, 6, 1);
    g_assert_cmpuint (replay_stat (harness, "level"), ==, 7);
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

static GstPadProbeReturn
start_stream_at_eos (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) != GST_EVENT_EOS)
    return GST_PAD_PROBE_OK;
  g_assert_true (gst_harness_push_event (user_data, gst_event_new_stream_start ("second")));
  return GST_PAD_PROBE_REMOVE;
}

static void
test_new_stream_while_the_end_goes_out (void)
{
  GstHarness *harness = harness_new ("policy=all epochs=1");

  gst_pad_add_probe (
      harness->sinkpad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, start_stream_at_eos, harness, NULL);
  push_frames (harness, 0, 5);
  g_assert_true (gst_harness_push_event (harness, gst_event_new_eos ()));
  wait_for_event (harness, GST_EVENT_EOS);
  push_frames (harness, 5, 5);
  g_assert_true (gst_harness_push_event (harness, gst_event_new_eos ()));
  wait_for_event (harness, GST_EVENT_EOS);
  g_assert_cmpuint (gst_harness_buffers_received (harness), ==, 10);
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

  gst_pad_add_probe (harness->sinkpad, GST_PAD_PROBE_TYPE_BUFFER, return_eos, &samples, NULL);
  push_frames (harness, 0, 1);
  wait_for_event (harness, GST_EVENT_EOS);
  g_assert_cmpuint (gst_harness_buffers_received (harness), ==, 9);
  g_assert_cmpint (gst_harness_push (harness, frame_new (0)), ==, GST_FLOW_EOS);
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
  g_test_add_func ("/replay/resumes-in-the-middle", test_resumes_in_the_middle);
  g_test_add_func ("/replay/flush-keeps-the-memory", test_flush_keeps_the_memory);
  g_test_add_func ("/replay/new-stream-after-the-end", test_new_stream_after_the_end);
  g_test_add_func (
      "/replay/new-stream-while-the-end-goes-out", test_new_stream_while_the_end_goes_out);
  g_test_add_func ("/replay/downstream-ends-a-run", test_downstream_ends_a_run);
  g_test_add_func ("/replay/full-is-a-clear-error", test_full_is_a_clear_error);
  return g_test_run ();
}
