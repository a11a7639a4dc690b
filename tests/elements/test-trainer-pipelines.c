/* simclrtrainer in pipelines with other branches: the end of the run, preroll, and a second trainer.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "element-test.h"

#include <gstsimclraugment.h>
#include <gstsimclrencoder.h>
#include <gstsimclrreplay.h>
#include <gstsimclrtrainer.h>

static GstMessage *
run (const gchar *launch)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = gst_object_ref_sink (gst_parse_launch (launch, &error));
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  GstMessage *message;

  g_assert_no_error (error);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, 60 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return message;
}

static guint
count_buffers (GstPad *pad, GstPadProbeInfo *info, gpointer n)
{
  g_atomic_int_inc ((gint *) n);
  return GST_PAD_PROBE_OK;
}

/* Training in one branch of a tee ends, the other branch sees every frame. */
static void
test_a_tee_goes_on_when_training_has_enough (gconstpointer branch)
{
  g_autofree gchar *launch = g_strdup_printf (
      "videotestsrc num-buffers=100 ! video/x-raw,format=RGB,width=20,height=18 ! tee name=t "
      "t. ! %s simclraugment size=16 ! simclrencoder " TINY
      " batch-size=4 threads=1 ! simclrtrainer async=false total-steps=2 name=trainer "
      "t. ! queue ! fakesink name=other async=false",
      (const gchar *) branch);
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = gst_object_ref_sink (gst_parse_launch (launch, &error));
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstElement) other = gst_bin_get_by_name (GST_BIN (pipeline), "other");
  g_autoptr (GstElement) trainer = gst_bin_get_by_name (GST_BIN (pipeline), "trainer");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (other, "sink");
  g_autoptr (GstMessage) message = NULL;
  guint64 step;
  gint n;

  g_assert_no_error (error);
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, count_buffers, &n, NULL);
  /* twice: what was cut is whole again */
  for (guint i = 0; i < 2; i++) {
    n = 0;
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    message =
        gst_bus_timed_pop_filtered (bus, 60 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
    g_assert_nonnull (message);
    g_assert_cmpint (GST_MESSAGE_TYPE (message), ==, GST_MESSAGE_EOS);
    g_clear_pointer (&message, gst_message_unref);
    g_object_get (trainer, "step", &step, NULL);
    g_assert_cmpuint (step, ==, 2);
    g_assert_cmpint (n, ==, 100);
    gst_element_set_state (pipeline, GST_STATE_NULL);
  }
}

/* No other branch would go on: the run is over when the last trainer has enough. */
static void
test_two_trainings_end_a_run_without_end (void)
{
  g_autoptr (GstMessage) message =
      run ("videotestsrc ! video/x-raw,format=RGB,width=20,height=18 ! tee name=t "
           "t. ! queue ! simclraugment size=16 ! simclrencoder " TINY
           " batch-size=4 threads=1 ! simclrtrainer async=false total-steps=2 "
           "t. ! queue ! simclraugment size=16 ! simclrencoder " TINY
           " batch-size=4 threads=1 ! simclrtrainer async=false total-steps=3");

  g_assert_cmpint (GST_MESSAGE_TYPE (message), ==, GST_MESSAGE_EOS);
}

/* While the replay memory still fills, or the first batch does, and other branches would have to wait for it. */
static void
test_the_first_word_of_a_stream_is_preroll_enough (gconstpointer memory)
{
  g_autofree gchar *launch = g_strdup_printf (
      "videotestsrc num-buffers=100 ! video/x-raw,format=RGB,width=20,height=18 ! tee name=t "
      "t. ! queue max-size-buffers=5 ! fakesink t. ! %s simclraugment size=16 ! simclrencoder " TINY
      " batch-size=40 threads=1 ! simclrtrainer",
      (const gchar *) memory);
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = gst_object_ref_sink (gst_parse_launch (launch, &error));
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) message = NULL;

  g_assert_no_error (error);
  g_assert_cmpint (gst_element_set_state (pipeline, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_ASYNC);
  for (guint i = 0; i < 3; i++) {
    g_assert_cmpint (gst_element_get_state (pipeline, NULL, NULL, 60 * GST_SECOND), ==,
        GST_STATE_CHANGE_SUCCESS);
    /* the word after a flush */
    g_assert_true (gst_element_seek_simple (pipeline, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, 0));
  }
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, 60 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  g_assert_cmpint (GST_MESSAGE_TYPE (message), ==, GST_MESSAGE_EOS);
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

/* A sink that keeps its last buffer does not keep the pass. */
static void
test_embeddings_can_be_watched_while_training (void)
{
  g_autoptr (GstMessage) message = run (
      "videotestsrc num-buffers=40 ! video/x-raw,format=RGB,width=20,height=18 ! "
      "simclraugment size=16 ! simclrencoder " TINY " batch-size=4 threads=1 ! tee name=t "
      "t. ! queue ! simclrtrainer async=false total-steps=3 t. ! queue ! fakesink async=false");

  g_assert_cmpint (GST_MESSAGE_TYPE (message), ==, GST_MESSAGE_EOS);
}

static void
test_two_trainers_of_one_encoder_are_an_error (void)
{
  g_autoptr (GstMessage) message =
      run ("videotestsrc num-buffers=40 ! video/x-raw,format=RGB,width=20,height=18 ! "
           "simclraugment size=16 ! simclrencoder " TINY " batch-size=4 threads=1 ! tee name=t "
           "t. ! queue ! simclrtrainer async=false t. ! queue ! simclrtrainer async=false");

  g_assert_cmpint (GST_MESSAGE_TYPE (message), ==, GST_MESSAGE_ERROR);
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

  g_test_add_data_func ("/trainer/tee", "", test_a_tee_goes_on_when_training_has_enough);
  g_test_add_data_func (
      "/trainer/tee-queue", "queue !", test_a_tee_goes_on_when_training_has_enough);
  g_test_add_func ("/trainer/two-trainings", test_two_trainings_end_a_run_without_end);
  g_test_add_data_func ("/trainer/preroll-queue", "queue max-size-buffers=5 !",
      test_the_first_word_of_a_stream_is_preroll_enough);
  g_test_add_data_func ("/trainer/preroll-memory", "simclrreplay min-fill=50 num-samples=80 !",
      test_the_first_word_of_a_stream_is_preroll_enough);
  g_test_add_func ("/trainer/watched", test_embeddings_can_be_watched_while_training);
  g_test_add_func ("/trainer/two-trainers", test_two_trainers_of_one_encoder_are_an_error);
  return g_test_run ();
}
