/* Random sequences of play, pause, seek, caps change and stop: no hang, no crash, a clean end.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "element-test.h"

#include <gstsimclraugment.h>
#include <gstsimclrencoder.h>
#include <gstsimclrreplay.h>
#include <gstsimclrtrainer.h>

/* The pattern "ball" writes beyond frames that are smaller than it; caps that change at once may come between
 * the source's question and its answer. */
#define SOURCE                                                                                     \
  "videotestsrc pattern=snow ! capsfilter name=caps "                                              \
  "caps-change-mode=delayed caps=video/x-raw,width=20,height=18 ! "                                \
  "videoconvert ! "
#define TRAINING                                                                                   \
  "simclraugment size=16 ! simclrencoder " TINY " batch-size=4 threads=1 ! queue ! simclrtrainer"

static const gchar *const pipelines[] = {
    SOURCE TRAINING,
    SOURCE "queue ! simclrreplay min-fill=8 capacity=64 ! queue ! " TRAINING,
    SOURCE "simclrencoder " TINY " input-size=16 threads=1 batch-size=3 ! fakesink sync=true",
    SOURCE "simclrencoder " TINY " input-size=16 threads=1 batch-size=5 batch-timeout=1000000 ! "
           "queue ! other/tensors ! fakesink",
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

static void
change_caps (GstElement *pipeline, GRand *random)
{
  g_autoptr (GstElement) filter = gst_bin_get_by_name (GST_BIN (pipeline), "caps");
  g_autoptr (GstCaps) caps =
      gst_caps_new_simple ("video/x-raw", "width", G_TYPE_INT, g_rand_int_range (random, 1, 60),
          "height", G_TYPE_INT, g_rand_int_range (random, 1, 60), NULL);

  g_object_set (filter, "caps", caps, NULL);
}

static void
operate (GstElement *pipeline, GRand *random)
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
    change_caps (pipeline, random);
    break;
  case 4:
    gst_element_set_state (pipeline, GST_STATE_READY);
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    break;
  default:
    wait_for_state (pipeline, 60);
    /* some work between the operations, of a length that differs */
    for (gint i = g_rand_int_range (random, 0, 3000); i > 0; i--)
      g_thread_yield ();
  }
}

/* Errors of stock elements do not count: a source that renegotiates while it seeks may fail by itself. Ours
 * post an error of their own before a flow returns one. */
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
test_a_random_sequence (gconstpointer launch)
{
  const gchar *seed = g_getenv ("SIMCLR_TEST_SEED"); /* for hunting */
  g_autoptr (GRand) random =
      g_rand_new_with_seed (g_str_hash (launch) + (seed != NULL ? (guint32) atoi (seed) : 0));
  g_autoptr (GError) error = NULL;
  GstElement *pipeline = gst_object_ref_sink (gst_parse_launch (launch, &error));
  GstBus *bus = gst_element_get_bus (pipeline);

  g_assert_no_error (error);
  for (guint i = 0; i < 40; i++)
    operate (pipeline, random);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  wait_for_state (pipeline, 60);
  assert_no_error_of_ours (bus);
  g_assert_cmpint (gst_element_set_state (pipeline, GST_STATE_NULL), ==, GST_STATE_CHANGE_SUCCESS);
  gst_object_unref (bus);
  g_assert_finalize_object (pipeline);
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

  for (guint i = 0; i < G_N_ELEMENTS (pipelines); i++) {
    g_autofree gchar *name = g_strdup_printf ("/sequences/%u", i);

    g_test_add_data_func (name, pipelines[i], test_a_random_sequence);
  }
  return g_test_run ();
}
