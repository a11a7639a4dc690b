/* simclrreplay in pipelines: they end, change state and survive whatever comes in whatever order.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gst/gst.h>

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
  g_test_add_func ("/replay-pipelines/pipelines-end", test_pipelines_end);
  g_test_add_func ("/replay-pipelines/states-up-and-down", test_states_up_and_down);
  g_test_add_func ("/replay-pipelines/random-sequences", test_random_sequences);
  return g_test_run ();
}
