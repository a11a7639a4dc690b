/* Random sequences of play, pause, flush, seek, caps change, end and stop: no hang, no crash, a clean end. Each pipeline
 * goes through one; SIMCLR_TEST_SEQUENCES says through how many, SIMCLR_TEST_SEED which are the first.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "element-test.h"
#include "restless-source.h"

#include <gstsimclraugment.h>
#include <gstsimclrencoder.h>
#include <gstsimclrreplay.h>
#include <gstsimclrtrainer.h>

#include <unistd.h>

#define SOURCE "restlesssrc ! "

#define OPERATIONS 30

/* A leaky queue counts with max-size-time=0: where times jump, GStreamer 1.22's takes itself for full while it is
 * empty, and aborts. */

/* What hangs is killed after so many seconds. */
#define PATIENCE 120

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
    SOURCE "tee name=t t. ! queue leaky=downstream max-size-time=0 ! " TRAINING
           " total-steps=20 t. ! queue ! simclrencoder " TINY
           " input-size=16 threads=1 ! fakesink async=false",
    /* a camera with a display that follows training, and everything that is kept in files */
    SOURCE "tee name=t "
           "t. ! queue max-size-buffers=4 ! simclrencoder model=camera threads=1 ! "
           "fakesink sync=true qos=true "
           "t. ! queue leaky=downstream max-size-time=0 ! simclrreplay policy=min-redundancy "
           "min-fill=8 capacity=32 "
           "storage-size=20 location=FOLDER/memory.safetensors resume=true save-interval=0 ! "
           "simclraugment size=16 temporal-window=500000000 ! simclrencoder model=camera " TINY
           " batch-size=4 threads=1 ! simclrtrainer checkpoint-interval=2 max-files=2 resume=true "
           "negatives=16 exclude-neighbours=100000000 location=FOLDER/c-%d.safetensors",
    /* several cameras into one memory */
    SOURCE "tee name=t t. ! queue ! cameras. t. ! queue ! fakesink sync=true async=false " SOURCE
           "queue ! cameras. " SOURCE "cameras. "
           "simclrreplay name=cameras min-fill=8 capacity=32 storage-size=20 ! queue ! " TRAINING,
    /* and into one stream, whose frames are embedded in batches and shown apart */
    SOURCE
    "queue ! cameras. " SOURCE "queue ! cameras. funnel name=cameras ! tee name=t "
    "t. ! queue ! simclrencoder " TINY
    " input-size=16 threads=1 batch-size=3 batch-timeout=5000000 ! fakesink sync=true async=false "
    "t. ! queue leaky=downstream max-size-time=0 ! simclrreplay min-fill=8 capacity=32 "
    "storage-size=20 ! " TRAINING,
};

/* While a state change shuts pads one after the other, stock elements may turn an event that could not go on
 * into an error of the source's (identity alone does, once in a hundred sequences). Ours post an error of
 * their own before a flow returns one. */
static void
assert_no_error_of_ours (GstMessage *message)
{
  GstObject *source = GST_MESSAGE_SRC (message);
  g_autoptr (GError) error = NULL;
  g_autofree gchar *debug = NULL;

  if (GST_MESSAGE_TYPE (message) != GST_MESSAGE_ERROR)
    return;
  gst_message_parse_error (message, &error, &debug);
  if (g_str_has_prefix (G_OBJECT_TYPE_NAME (source), "GstSimclr"))
    g_error ("%s: %s %s", GST_OBJECT_NAME (source), error->message, debug);
  g_test_message ("%s: %s %s", GST_OBJECT_NAME (source), error->message, debug);
}

/* Until a step has been taken, or an error posted; not for long. */
static void
work (GstElement *pipeline, GstClockTime patience)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) message =
      gst_bus_timed_pop_filtered (bus, patience, GST_MESSAGE_ELEMENT | GST_MESSAGE_ERROR);

  if (message != NULL)
    assert_no_error_of_ours (message);
}

/* How many errors of others there were. */
static guint
assert_no_errors_of_ours (GstElement *pipeline)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  GstMessage *message;
  guint n = 0;

  while ((message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR)) != NULL) {
    assert_no_error_of_ours (message);
    gst_message_unref (message);
    n++;
  }
  return n;
}

static gboolean
has_settled (GstElement *pipeline)
{
  g_autoptr (GstIterator) elements = gst_bin_iterate_elements (GST_BIN (pipeline));
  g_auto (GValue) item = G_VALUE_INIT;
  gboolean settled = TRUE;

  while (gst_iterator_next (elements, &item) == GST_ITERATOR_OK) {
    settled &= gst_element_get_state (g_value_get_object (&item), NULL, NULL, 0) ==
               GST_STATE_CHANGE_SUCCESS;
    g_value_reset (&item);
  }
  return settled;
}

/* A state that does not come is a hang. After an error of others none comes until one begins anew, as an application
 * would; nor where a bin of GStreamer 1.22 was told PAUSED right after PLAYING and takes itself for busy, though all its
 * elements are there (two fakesinks behind a tee do it once in ten times). */
static void
wait_for_state (GstElement *pipeline, guint seconds)
{
  GstStateChangeReturn result =
      gst_element_get_state (pipeline, NULL, NULL, seconds * GST_SECOND / 6);

  if (result == GST_STATE_CHANGE_ASYNC && has_settled (pipeline)) {
    gst_element_set_state (pipeline, GST_STATE_READY);
    return;
  }
  if (result == GST_STATE_CHANGE_ASYNC)
    result = gst_element_get_state (pipeline, NULL, NULL, seconds * GST_SECOND);
  if (result == GST_STATE_CHANGE_FAILURE) {
    g_assert_cmpuint (assert_no_errors_of_ours (pipeline), >, 0);
    gst_element_set_state (pipeline, GST_STATE_NULL);
  }
  g_assert_cmpint (result, !=, GST_STATE_CHANGE_ASYNC);
}

/* One source after the other: a funnel does not put two flushes at once together. */
static void
flush_sources (GstElement *pipeline)
{
  g_autoptr (GstIterator) elements = gst_bin_iterate_sources (GST_BIN (pipeline));
  g_auto (GValue) item = G_VALUE_INIT;

  while (gst_iterator_next (elements, &item) == GST_ITERATOR_OK) {
    gst_element_send_event (g_value_get_object (&item), gst_event_new_flush_start ());
    gst_element_send_event (g_value_get_object (&item), gst_event_new_flush_stop (TRUE));
    g_value_reset (&item);
  }
}

static void
operate (GstElement *pipeline, GRand *random)
{
  switch (g_rand_int_range (random, 0, 9)) {
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
    g_atomic_int_set (&restless_variant, g_rand_int_range (random, 0, 10000));
    break;
  case 4:
    gst_element_set_state (pipeline, GST_STATE_READY);
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    break;
  case 5:
    gst_element_set_state (pipeline, GST_STATE_NULL);
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    break;
  case 6:
    flush_sources (pipeline);
    break;
  case 7:
    /* a source sends it when what it sends has gone on, which it does not while sinks preroll */
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    wait_for_state (pipeline, 60);
    if (g_rand_int_range (random, 0, 3) == 0)
      gst_element_send_event (pipeline, gst_event_new_eos ());
    break;
  default:
    wait_for_state (pipeline, 60);
    work (pipeline, (GstClockTime) g_rand_int_range (random, 0, 30) * GST_MSECOND);
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

static guint
read_number (const gchar *variable, guint otherwise)
{
  const gchar *text = g_getenv (variable);

  return text != NULL ? (guint) g_ascii_strtoull (text, NULL, 10) : otherwise;
}

static void
go_through (const gchar *launch, guint32 seed)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (seed);
  g_autoptr (GError) error = NULL;
  GstElement *pipeline = gst_object_ref_sink (gst_parse_launch (launch, &error));

  g_assert_no_error (error);
  alarm (PATIENCE);
  for (guint i = 0; i < OPERATIONS; i++)
    operate (pipeline, random);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  wait_for_state (pipeline, 60);
  assert_no_errors_of_ours (pipeline);
  g_assert_cmpint (gst_element_set_state (pipeline, GST_STATE_NULL), ==, GST_STATE_CHANGE_SUCCESS);
  assert_is_finalized (pipeline);
  alarm (0);
}

static void
test_random_sequences (gconstpointer data)
{
  g_autofree gchar *folder = make_folder ();
  g_auto (GStrv) parts = g_strsplit (data, "FOLDER", -1);
  g_autofree gchar *launch = g_strjoinv (folder, parts);
  guint first = read_number ("SIMCLR_TEST_SEED", 0);

  for (guint i = 0; i < read_number ("SIMCLR_TEST_SEQUENCES", 1); i++) {
    g_test_message ("seed %u", first + i);
    go_through (launch, g_str_hash (data) + first + i);
  }
  remove_folder (folder);
}

int
main (int argc, char **argv)
{
  int result;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  gst_element_register (NULL, "restlesssrc", GST_RANK_NONE, restless_source_get_type ());
  GST_ELEMENT_REGISTER (simclraugment, NULL);
  GST_ELEMENT_REGISTER (simclrencoder, NULL);
  GST_ELEMENT_REGISTER (simclrreplay, NULL);
  GST_ELEMENT_REGISTER (simclrtrainer, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (pipelines); i++) {
    g_autofree gchar *name = g_strdup_printf ("/sequences/%u", i);

    g_test_add_data_func (name, pipelines[i], test_random_sequences);
  }
  result = g_test_run ();
  gst_deinit (); /* waits for that thread: a weak reference is told before memory is free */
  return result;
}
