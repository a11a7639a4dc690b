/* Random sequences of play, pause, seek, caps change and stop: no hang, no crash, a clean end.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "element-test.h"

#include <gstsimclraugment.h>
#include <gstsimclrencoder.h>
#include <gstsimclrreplay.h>
#include <gstsimclrtrainer.h>

/* Frames from here: stock sources and scalers do not always survive what this does to them. */
#define SOURCE "appsrc name=source format=time stream-type=seekable ! "

#define TRAINING                                                                                   \
  "simclraugment size=16 ! simclrencoder " TINY                                                    \
  " batch-size=4 threads=1 ! queue ! simclrtrainer async=false"

static const gchar *const pipelines[] = {
    SOURCE TRAINING,
    SOURCE "queue ! simclrreplay min-fill=8 capacity=64 ! queue ! " TRAINING,
    SOURCE
    "simclrreplay policy=min-redundancy min-fill=8 capacity=32 storage-size=20 min-distance=0.01 "
    "min-samples-per-frame=1 max-samples-per-frame=2 fresh-ratio=0.2 fresh-frames=6 ! " TRAINING,
    SOURCE "simclrencoder " TINY " input-size=16 threads=1 batch-size=3 ! "
           "fakesink sync=true async=false",
    SOURCE "simclrencoder " TINY " input-size=16 threads=1 batch-size=5 batch-timeout=1000000 ! "
           "queue ! other/tensors ! fakesink async=false",
    SOURCE "tee name=t t. ! queue leaky=downstream ! " TRAINING
           " total-steps=20 t. ! queue ! simclrencoder " TINY
           " input-size=16 threads=1 ! fakesink async=false",
};

static void
wait_for_state (GstElement *pipeline, guint seconds)
{
  GstStateChangeReturn result = gst_element_get_state (pipeline, NULL, NULL, seconds * GST_SECOND);

  g_assert_cmpint (result, !=, GST_STATE_CHANGE_FAILURE);
  g_assert_cmpint (result, !=, GST_STATE_CHANGE_ASYNC);
}

/* What the source makes: changed by the test, read by the streaming thread. */
typedef struct
{
  gint variant;
  gint64 position;
} Source;

static void
push_frame (GstElement *element, guint length, gpointer data)
{
  Source *source = data;
  const gchar *formats[] = {"RGB", "BGR", "RGBx", "BGRx", "GRAY8"};
  gint variant = g_atomic_int_get (&source->variant);
  GstVideoInfo info = video_info (formats[variant % 5], 1 + variant % 47, 1 + variant % 31);
  g_autoptr (GstBuffer) frame = make_frame (&info, 1, (GstClockTime) source->position);
  g_autoptr (GstCaps) caps = gst_video_info_to_caps (&info);
  g_autoptr (GstSample) sample = gst_sample_new (frame, caps, NULL, NULL);
  GstFlowReturn flow;

  source->position += GST_SECOND / 30;
  g_signal_emit_by_name (element, "push-sample", sample, &flow);
}

static gboolean
seek (GstElement *element, guint64 position, gpointer data)
{
  ((Source *) data)->position = (gint64) position;
  return TRUE;
}

static void
operate (GstElement *pipeline, Source *source, GRand *random)
{
  switch (g_rand_int_range (random, 0, 6)) {
  case 0:
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    break;
  case 1:
    gst_element_set_state (pipeline, GST_STATE_PAUSED);
    break;
  case 2:
    gst_element_seek_simple (pipeline, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH,
        (gint64) g_rand_int_range (random, 0, 100) * GST_SECOND);
    break;
  case 3:
    g_atomic_int_set (&source->variant, g_rand_int_range (random, 0, 10000));
    break;
  case 4:
    gst_element_set_state (pipeline, GST_STATE_READY);
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    break;
  default:
    wait_for_state (pipeline, 60);
    /* some work between the operations, of a length that differs */
    for (gint i = g_rand_int_range (random, 0, 300); i > 0; i--)
      g_thread_yield ();
  }
}

/* While a state change shuts pads one after the other, stock elements may turn an event that could not go on
 * into an error of the source's (identity alone does, once in a hundred sequences). Ours post an error of
 * their own before a flow returns one. */
static void
assert_no_error_of_ours (GstBus *bus)
{
  GstMessage *message;

  while ((message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR)) != NULL) {
    GstObject *source = GST_MESSAGE_SRC (message);
    g_autoptr (GError) error = NULL;
    g_autofree gchar *debug = NULL;

    gst_message_parse_error (message, &error, &debug);
    if (g_str_has_prefix (G_OBJECT_TYPE_NAME (source), "GstSimclr"))
      g_error ("%s: %s %s", GST_OBJECT_NAME (source), error->message, debug);
    g_test_message ("%s: %s %s", GST_OBJECT_NAME (source), error->message, debug);
    gst_message_unref (message);
  }
}

static void
set_flag (gpointer flag, GObject *object)
{
  g_atomic_int_set ((gint *) flag, TRUE);
}

/* A thread of GStreamer's that went on with a state change may be the last to let go. */
static void
assert_is_finalized (GstElement *pipeline)
{
  gint64 end = g_get_monotonic_time () + 60 * G_USEC_PER_SEC;
  gint finalized = FALSE;

  g_object_weak_ref (G_OBJECT (pipeline), set_flag, &finalized);
  gst_object_unref (pipeline);
  while (!g_atomic_int_get (&finalized)) {
    g_assert_cmpint (g_get_monotonic_time (), <, end);
    g_thread_yield ();
  }
}

static void
test_a_random_sequence (gconstpointer launch)
{
  const gchar *seed = g_getenv ("SIMCLR_TEST_SEED"); /* for hunting */
  g_autoptr (GRand) random =
      g_rand_new_with_seed (g_str_hash (launch) + (seed != NULL ? (guint32) atoi (seed) : 0));
  g_autoptr (GError) error = NULL;
  GstElement *pipeline = gst_object_ref_sink (gst_parse_launch (launch, &error));
  GstBus *bus = gst_element_get_bus (pipeline);
  g_autoptr (GstElement) element = gst_bin_get_by_name (GST_BIN (pipeline), "source");
  Source source = {0};

  g_assert_no_error (error);
  g_signal_connect (element, "need-data", G_CALLBACK (push_frame), &source);
  g_signal_connect (element, "seek-data", G_CALLBACK (seek), &source);
  for (guint i = 0; i < 30; i++)
    operate (pipeline, &source, random);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  wait_for_state (pipeline, 60);
  assert_no_error_of_ours (bus);
  g_assert_cmpint (gst_element_set_state (pipeline, GST_STATE_NULL), ==, GST_STATE_CHANGE_SUCCESS);
  gst_object_unref (bus);
  gst_clear_object (&element);
  assert_is_finalized (pipeline);
}

int
main (int argc, char **argv)
{
  int result;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  GST_ELEMENT_REGISTER (simclraugment, NULL);
  GST_ELEMENT_REGISTER (simclrencoder, NULL);
  GST_ELEMENT_REGISTER (simclrreplay, NULL);
  GST_ELEMENT_REGISTER (simclrtrainer, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (pipelines); i++) {
    g_autofree gchar *name = g_strdup_printf ("/sequences/%u", i);

    g_test_add_data_func (name, pipelines[i], test_a_random_sequence);
  }
  result = g_test_run ();
  gst_deinit (); /* waits for that thread: a weak reference is told before memory is free */
  return result;
}
