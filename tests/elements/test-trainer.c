/* simclrtrainer: steps, messages, checkpoints, the end of a run, and what goes wrong.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "element-test.h"

#include <gstsimclraugment.h>
#include <gstsimclrencoder.h>
#include <gstsimclrmodeltable.h>
#include <gstsimclrreplay.h>
#include <gstsimclrresumequery.h>
#include <gstsimclrtrainer.h>

#define PAIRS 4

/* A bin augment ! encoder ! trainer that frames are pushed into. */
typedef struct
{
  gchar *folder;
  gchar *location;
  GstHarness *harness;
  GstElement *trainer;
  GstBus *bus;
  GstVideoInfo info;
} Fixture;

static GstStaticPadTemplate any_source =
    GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

static void
start (Fixture *fixture, const gchar *encoder, const gchar *trainer)
{
  g_autofree gchar *launch = g_strdup_printf (
      "simclraugment size=16 seed=3 ! simclrencoder " TINY
      " batch-size=4 seed=5 threads=1 %s ! %ssimclrtrainer name=trainer async=false %s",
      encoder, strstr (trainer, "QUEUE") != NULL ? "queue ! " : "",
      strstr (trainer, "QUEUE") != NULL ? "" : trainer);

  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) bin =
      gst_object_ref_sink (gst_parse_bin_from_description (launch, TRUE, &error));

  g_assert_no_error (error);
  fixture->bus = attach_bus (bin);
  fixture->trainer = gst_bin_get_by_name (GST_BIN (bin), "trainer");
  g_object_set (fixture->trainer, "async", FALSE, NULL); /* a harness waits for no preroll */
  fixture->harness = gst_harness_new_empty ();
  gst_harness_add_element_full (fixture->harness, bin, &any_source, "sink", NULL, NULL);
  gst_harness_play (fixture->harness);
  fixture->info = video_info ("RGB", 20, 18);
  set_video_caps (fixture->harness, &fixture->info);
}

static void
stop (Fixture *fixture)
{
  GstElement *element = gst_object_ref (fixture->harness->element);

  gst_element_set_state (element, GST_STATE_NULL);
  detach_bus (element, fixture->bus);
  gst_clear_object (&fixture->bus);
  gst_clear_object (&fixture->trainer);
  gst_harness_teardown (fixture->harness);
  fixture->harness = NULL;
  g_assert_finalize_object (element);
}

static void
set_up (Fixture *fixture, gconstpointer settings)
{
  fixture->folder = make_folder ();
  fixture->location = g_build_filename (fixture->folder, "c.safetensors", NULL);
}

static void
tear_down (Fixture *fixture, gconstpointer settings)
{
  if (fixture->harness != NULL)
    stop (fixture);
  remove_folder (fixture->folder);
  g_free (fixture->folder);
  g_free (fixture->location);
}

static void
start_with_location (Fixture *fixture, const gchar *encoder, const gchar *trainer)
{
  g_autofree gchar *all = g_strdup_printf ("location=%s %s", fixture->location, trainer);

  start (fixture, encoder, all);
}

static GstFlowReturn
push_frames (Fixture *fixture, guint first, guint n)
{
  GstFlowReturn flow = GST_FLOW_OK;

  for (guint i = first; i < first + n && flow == GST_FLOW_OK; i++)
    flow = gst_harness_push (fixture->harness, make_frame (&fixture->info, i, i * GST_SECOND));
  return flow;
}

static void
push_steps (Fixture *fixture, guint first, guint n)
{
  g_assert_cmpint (push_frames (fixture, first * PAIRS, n * PAIRS), ==, GST_FLOW_OK);
}

static GstMessage *
pop_element_message (Fixture *fixture, const gchar *name)
{
  GstMessage *message;

  while ((message = gst_bus_pop_filtered (fixture->bus, GST_MESSAGE_ELEMENT)) != NULL) {
    if (gst_message_has_name (message, name))
      return message;
    gst_message_unref (message);
  }
  return NULL;
}

static guint
count_checkpoints (Fixture *fixture, guint64 *last_step)
{
  GstMessage *message;
  guint n = 0;

  while ((message = pop_element_message (fixture, "simclr-checkpoint")) != NULL) {
    const GstStructure *fields = gst_message_get_structure (message);

    g_assert_cmpstr (gst_structure_get_string (fields, "location"), ==, fixture->location);
    g_assert_true (gst_structure_get_uint64 (fields, "step", last_step));
    gst_message_unref (message);
    n++;
  }
  return n;
}

static gboolean
exists (Fixture *fixture)
{
  return g_file_test (fixture->location, G_FILE_TEST_EXISTS);
}

static void
read_file (const gchar *path, GBytes **bytes)
{
  gchar *data;
  gsize length;

  g_assert_true (g_file_get_contents (path, &data, &length, NULL));
  *bytes = g_bytes_new_take (data, length);
}

static void
test_each_batch_is_a_step_and_a_message (Fixture *fixture, gconstpointer settings)
{
  const gchar *numbers[] = {"loss", "contrastive-accuracy", "contrastive-entropy", "learning-rate",
      "pairs-per-second", "gradient-norm", "embedding-deviation", "effective-rank"};
  g_autoptr (GstStructure) stats = NULL;
  guint64 step;

  start (fixture, "", "");
  push_steps (fixture, 0, 2);
  g_assert_cmpint (push_frames (fixture, 100, PAIRS - 1), ==, GST_FLOW_OK);
  g_object_get (fixture->trainer, "step", &step, "stats", &stats, NULL);
  g_assert_cmpuint (step, ==, 2);
  for (guint i = 1; i <= 2; i++) {
    g_autoptr (GstMessage) message = pop_element_message (fixture, "simclr-training");
    const GstStructure *fields;
    guint64 pairs, skipped;
    gdouble value;

    g_assert_nonnull (message);
    g_assert_true (GST_MESSAGE_SRC (message) == GST_OBJECT (fixture->trainer));
    fields = gst_message_get_structure (message);
    g_assert_true (gst_structure_get_uint64 (fields, "step", &step));
    g_assert_true (gst_structure_get_uint64 (fields, "pairs", &pairs));
    g_assert_true (gst_structure_get_uint64 (fields, "skipped-steps", &skipped));
    g_assert_cmpuint (step, ==, i);
    g_assert_cmpuint (pairs, ==, i * PAIRS);
    g_assert_cmpuint (skipped, ==, 0);
    for (guint n = 0; n < G_N_ELEMENTS (numbers); n++) {
      g_assert_true (gst_structure_get_double (fields, numbers[n], &value));
      g_assert_cmpfloat (value, >=, 0);
    }
    g_assert_true (gst_structure_get_double (fields, "pairs-per-second", &value));
    g_assert_cmpfloat (value, >, 0);
    if (i == 2) {
      gst_structure_set_name (stats, "simclr-training");
      g_assert_true (gst_structure_is_equal (fields, stats));
    }
  }
  g_assert_null (pop_element_message (fixture, "simclr-training"));
}

static void
test_training_through_a_queue (Fixture *fixture, gconstpointer settings)
{
  start (fixture, "", "QUEUE");
  push_steps (fixture, 0, 5);
  gst_harness_push_event (fixture->harness, gst_event_new_eos ());
  for (guint i = 1; i <= 5; i++) {
    g_autoptr (GstMessage) message =
        gst_bus_timed_pop_filtered (fixture->bus, 20 * GST_SECOND, GST_MESSAGE_ELEMENT);

    g_assert_nonnull (message);
    g_assert_true (gst_message_has_name (message, "simclr-training"));
  }
}

static void
test_enough_steps_end_the_run (Fixture *fixture, gconstpointer settings)
{
  guint64 step = 0;
  GstProgressType type = GST_PROGRESS_TYPE_START;
  GstMessage *message;
  guint started = 0;

  start_with_location (fixture, "", "total-steps=2");
  push_steps (fixture, 0, 1);
  g_assert_false (exists (fixture));
  g_assert_cmpint (push_frames (fixture, PAIRS, PAIRS), ==, GST_FLOW_EOS);
  g_assert_true (exists (fixture));
  g_assert_cmpint (push_frames (fixture, 100, PAIRS), ==, GST_FLOW_EOS);

  while ((message = gst_bus_pop_filtered (fixture->bus, GST_MESSAGE_PROGRESS)) != NULL) {
    gst_message_parse_progress (message, &type, NULL, NULL);
    started += type == GST_PROGRESS_TYPE_START;
    gst_message_unref (message);
  }
  g_assert_cmpint (type, ==, GST_PROGRESS_TYPE_COMPLETE);
  g_assert_cmpuint (started, ==, 1);
  g_object_get (fixture->trainer, "step", &step, NULL);
  g_assert_cmpuint (step, ==, 2);
}

static void
test_checkpoints_come_at_their_interval_and_at_the_end (Fixture *fixture, gconstpointer settings)
{
  guint64 step = 0;

  start_with_location (fixture, "", "checkpoint-interval=2");
  push_steps (fixture, 0, 3);
  g_assert_cmpuint (count_checkpoints (fixture, &step), ==, 1);
  g_assert_cmpuint (step, ==, 2);
  gst_harness_push_event (fixture->harness, gst_event_new_eos ());
  g_assert_cmpuint (count_checkpoints (fixture, &step), ==, 1);
  g_assert_cmpuint (step, ==, 3);

  /* nothing new since */
  gst_element_set_state (fixture->harness->element, GST_STATE_READY);
  g_assert_cmpuint (count_checkpoints (fixture, &step), ==, 0);
}

static void
test_going_to_ready_writes_what_is_new (Fixture *fixture, gconstpointer settings)
{
  start_with_location (fixture, "", "checkpoint-interval=0");
  push_steps (fixture, 0, 1);
  g_assert_false (exists (fixture));
  gst_element_set_state (fixture->harness->element, GST_STATE_READY);
  g_assert_true (exists (fixture));
}

static void
test_a_resumed_run_is_the_same_run (Fixture *fixture, gconstpointer settings)
{
  const gchar *trainer = "total-steps=6 warmup-steps=2 resume=true learning-rate=0.1";
  g_autofree gchar *options = g_strdup_printf ("%s optimizer=%s", trainer, (gchar *) settings);
  g_autoptr (GBytes) whole = NULL;
  g_autoptr (GBytes) resumed = NULL;

  start_with_location (fixture, "", options);
  push_steps (fixture, 0, 5);
  g_assert_cmpint (push_frames (fixture, 5 * PAIRS, PAIRS), ==, GST_FLOW_EOS);
  stop (fixture);
  read_file (fixture->location, &whole);
  g_remove (fixture->location);

  for (guint part = 0; part < 2; part++) {
    start_with_location (fixture, "", options);
    push_frames (fixture, 3 * part * PAIRS, 3 * PAIRS);
    stop (fixture);
  }
  read_file (fixture->location, &resumed);
  g_assert_true (g_bytes_equal (whole, resumed));
}

static void
test_resuming_a_finished_run_ends_at_once (Fixture *fixture, gconstpointer settings)
{
  g_autoptr (GBytes) before = NULL;
  g_autoptr (GBytes) after = NULL;

  start_with_location (fixture, "", "total-steps=1");
  g_assert_cmpint (push_frames (fixture, 0, PAIRS), ==, GST_FLOW_EOS);
  stop (fixture);
  read_file (fixture->location, &before);
  start_with_location (fixture, "", "total-steps=1 resume=true");
  g_assert_cmpint (push_frames (fixture, 0, PAIRS), ==, GST_FLOW_EOS);
  stop (fixture);
  read_file (fixture->location, &after);
  g_assert_true (g_bytes_equal (before, after));
}

/* NULL: the bin starts; else the text of the error that kept it from that. */
static gchar *
try_to_start (const gchar *encoder, const gchar *trainer)
{
  g_autofree gchar *launch = g_strdup_printf (
      "simclraugment size=16 ! simclrencoder %s ! simclrtrainer %s", encoder, trainer);
  g_autoptr (GstElement) bin =
      gst_object_ref_sink (gst_parse_bin_from_description (launch, TRUE, NULL));
  g_autoptr (GstBus) bus = attach_bus (bin);
  GstStateChangeReturn result = gst_element_set_state (bin, GST_STATE_PAUSED);
  gchar *text = pop_text (bus, GST_MESSAGE_ERROR);

  g_assert_cmpint (result == GST_STATE_CHANGE_FAILURE, ==, text != NULL);
  gst_element_set_state (bin, GST_STATE_NULL);
  detach_bus (bin, bus);
  return text;
}

static void
test_a_bad_checkpoint_is_an_error_and_stays (Fixture *fixture, gconstpointer settings)
{
  g_autofree gchar *options = g_strdup_printf ("resume=true location=%s", fixture->location);
  g_autofree gchar *hostile = NULL;
  g_autofree gchar *truncated = NULL;
  g_autofree gchar *kept = NULL;
  g_autoptr (GBytes) whole = NULL;

  g_assert_true (g_file_set_contents (fixture->location, "not a checkpoint", -1, NULL));
  hostile = try_to_start (TINY, options);
  assert_contains (hostile, fixture->location);
  g_assert_true (g_file_get_contents (fixture->location, &kept, NULL, NULL));
  g_assert_cmpstr (kept, ==, "not a checkpoint");
  g_remove (fixture->location);

  start_with_location (fixture, "", "");
  push_steps (fixture, 0, 1);
  stop (fixture);
  read_file (fixture->location, &whole);
  g_assert_true (g_file_set_contents (fixture->location, g_bytes_get_data (whole, NULL),
      (gssize) g_bytes_get_size (whole) - 100, NULL));
  truncated = try_to_start (TINY, options);
  assert_contains (truncated, fixture->location);
}

static void
test_settings_that_cannot_work_fail_the_start (Fixture *fixture, gconstpointer settings)
{
  g_autofree gchar *missing = try_to_start (TINY, "location=/nowhere/c.safetensors");
  g_autofree gchar *folder = try_to_start (TINY, "location=/");
  g_autofree gchar *resume = try_to_start (TINY, "resume=true");

  assert_contains (missing, "/nowhere");
  assert_contains (folder, "is a folder");
  assert_contains (resume, "needs a location");
}

static void
test_a_checkpoint_that_does_not_suit_the_encoder (Fixture *fixture, gconstpointer settings)
{
  g_autofree gchar *text = NULL;

  start_with_location (fixture, "", "");
  push_steps (fixture, 0, 1);
  stop (fixture);
  start_with_location (fixture, "architecture=resnet34", "resume=true");
  g_assert_cmpint (push_frames (fixture, 0, 1), ==, GST_FLOW_NOT_NEGOTIATED);
  text = pop_text (fixture->bus, GST_MESSAGE_ERROR);
  assert_contains (text, "architecture=resnet34 contradicts the checkpoint");
}

/* The disk fails in the middle: a warning, and training goes on; at the end: an error. */
static void
test_a_failed_write_is_said (Fixture *fixture, gconstpointer settings)
{
  g_autofree gchar *moved = g_strconcat (fixture->folder, "-moved", NULL);
  g_autofree gchar *warning = NULL;
  g_autofree gchar *failure = NULL;
  guint64 step = 0;

  start_with_location (fixture, "", "checkpoint-interval=1");
  push_steps (fixture, 0, 1);
  g_assert_true (exists (fixture));
  g_assert_cmpint (g_rename (fixture->folder, moved), ==, 0);
  push_steps (fixture, 1, 1);
  warning = pop_text (fixture->bus, GST_MESSAGE_WARNING);
  assert_contains (warning, fixture->location);
  gst_harness_push_event (fixture->harness, gst_event_new_eos ());
  failure = pop_text (fixture->bus, GST_MESSAGE_ERROR);
  assert_contains (failure, fixture->location);
  g_assert_cmpint (g_rename (moved, fixture->folder), ==, 0);

  /* the next chance is taken */
  gst_element_set_state (fixture->harness->element, GST_STATE_READY);
  g_assert_cmpuint (count_checkpoints (fixture, &step), ==, 1);
  g_assert_cmpuint (step, ==, 2);
}

static void
test_divergence_is_said_and_not_written (Fixture *fixture, gconstpointer settings)
{
  g_autoptr (GBytes) good = NULL;
  g_autoptr (GBytes) kept = NULL;
  g_autofree gchar *warning = NULL;
  g_autofree gchar *failure = NULL;
  GstFlowReturn flow = GST_FLOW_OK;

  start_with_location (fixture, "", "checkpoint-interval=0");
  push_steps (fixture, 0, 1);
  stop (fixture);
  read_file (fixture->location, &good);

  /* weights times minus ten thousand in each step */
  start_with_location (fixture, "",
      "optimizer=sgd learning-rate=1000 learning-rate-scaling=none weight-decay=10 momentum=0 "
      "checkpoint-interval=0");
  for (guint i = 0; i < 200 && flow == GST_FLOW_OK; i++)
    flow = push_frames (fixture, i * PAIRS, PAIRS);
  g_assert_cmpint (flow, ==, GST_FLOW_ERROR);
  warning = pop_text (fixture->bus, GST_MESSAGE_WARNING);
  assert_contains (warning, "diverges");
  g_free (warning);
  warning = pop_text (fixture->bus, GST_MESSAGE_WARNING);
  assert_contains (warning, "skipped");
  failure = pop_text (fixture->bus, GST_MESSAGE_ERROR);
  assert_contains (failure, "diverged");
  stop (fixture);
  read_file (fixture->location, &kept);
  g_assert_true (g_bytes_equal (good, kept));
}

/* Weights grow beyond all bounds before a loss does: readers keep those from before the first such step. */
static void
test_what_diverged_is_not_published (Fixture *fixture, gconstpointer settings)
{
  SimclrModel *model = gst_simclr_model_table_acquire ("diverging");
  g_autoptr (SimclrWeights) weights = NULL;
  GstFlowReturn flow = GST_FLOW_OK;

  start (fixture, "model=diverging",
      "optimizer=sgd learning-rate=1000 learning-rate-scaling=none weight-decay=10 momentum=0");
  for (guint i = 0; i < 200 && flow == GST_FLOW_OK; i++)
    flow = push_frames (fixture, i * PAIRS, PAIRS);
  g_assert_cmpint (flow, ==, GST_FLOW_ERROR);
  weights = simclr_model_take (model);
  g_assert_cmpuint (simclr_weights_get_step (weights), ==, 0);
  g_assert_true (simclr_weights_are_finite (weights));
  stop (fixture);
  gst_simclr_model_table_release ("diverging");
}

static void
test_weights_are_published_at_their_interval (Fixture *fixture, gconstpointer settings)
{
  SimclrModel *model = gst_simclr_model_table_acquire ("published");
  const guint64 steps[] = {0, 2, 2, 4};
  g_autoptr (SimclrWeights) initial = NULL;

  start (fixture, "model=published", "publish-interval=2");
  for (guint i = 0; i < G_N_ELEMENTS (steps); i++) {
    g_autoptr (SimclrWeights) weights = NULL;

    push_steps (fixture, i, 1);
    weights = simclr_model_take (model);
    g_assert_cmpuint (simclr_weights_get_step (weights), ==, steps[i]);
    g_assert_cmpuint (simclr_weights_get_embedding_size (weights, SIMCLR_OUTPUT_PROJECTION), ==,
        steps[i] == 0 ? 0 : 128);
  }
  gst_simclr_model_table_release ("published");
}

static void
test_a_flush_and_a_pause_lose_nothing (Fixture *fixture, gconstpointer settings)
{
  GstElement *bin;
  GstSegment segment;
  guint64 step = 0;

  start (fixture, "", "");
  bin = fixture->harness->element;
  g_assert_cmpint (push_frames (fixture, 0, PAIRS + 2), ==, GST_FLOW_OK);
  gst_harness_push_event (fixture->harness, gst_event_new_flush_start ());
  gst_harness_push_event (fixture->harness, gst_event_new_flush_stop (TRUE));
  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.start = 3600 * GST_SECOND;
  gst_harness_push_event (fixture->harness, gst_event_new_segment (&segment));
  g_assert_cmpint (gst_element_set_state (bin, GST_STATE_PAUSED), !=, GST_STATE_CHANGE_FAILURE);
  g_assert_cmpint (gst_element_set_state (bin, GST_STATE_PLAYING), !=, GST_STATE_CHANGE_FAILURE);
  /* frames before the segment too: nothing is too late to learn from */
  g_assert_cmpint (push_frames (fixture, 10, 2), ==, GST_FLOW_OK);
  g_object_get (fixture->trainer, "step", &step, NULL);
  g_assert_cmpuint (step, ==, 2);
}

static void
test_a_stream_shorter_than_a_batch_is_said (Fixture *fixture, gconstpointer settings)
{
  g_autofree gchar *text = NULL;

  start_with_location (fixture, "", "");
  g_assert_cmpint (push_frames (fixture, 0, 1), ==, GST_FLOW_OK);
  gst_harness_push_event (fixture->harness, gst_event_new_eos ());
  text = pop_text (fixture->bus, GST_MESSAGE_WARNING);
  assert_contains (text, "nothing was learned");
  stop (fixture);
  g_assert_false (exists (fixture));
}

static void
test_one_pair_is_no_batch (Fixture *fixture, gconstpointer settings)
{
  g_autofree gchar *text = NULL;

  start (fixture, "batch-size=1", "");
  g_assert_cmpint (push_frames (fixture, 0, 1), ==, GST_FLOW_ERROR);
  text = pop_text (fixture->bus, GST_MESSAGE_ERROR);
  assert_contains (text, "at least two pairs");
}

static void
test_the_trainer_says_where_training_stands (Fixture *fixture, gconstpointer settings)
{
  g_autoptr (GstPad) sinkpad = NULL;
  g_autoptr (GstPad) srcpad = NULL;
  g_auto (GstSimclrResume) fresh = {0};
  g_auto (GstSimclrResume) later = {0};

  start (fixture, "", "QUEUE");
  sinkpad = gst_element_get_static_pad (fixture->harness->element, "sink");
  srcpad = gst_pad_get_peer (sinkpad);
  g_assert_true (gst_simclr_resume_query (srcpad, &fresh));
  g_assert_cmpuint (fresh.pairs, ==, 0);
  g_assert_null (fresh.weights);

  push_steps (fixture, 0, 2);
  gst_message_unref (
      gst_bus_timed_pop_filtered (fixture->bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_ELEMENT));
  gst_message_unref (
      gst_bus_timed_pop_filtered (fixture->bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_ELEMENT));
  g_assert_true (gst_simclr_resume_query (srcpad, &later));
  g_assert_cmpuint (later.pairs, ==, 2 * PAIRS);
  g_assert_cmpuint (later.step, ==, 2);
  g_assert_nonnull (later.weights);
}

static void
test_foreign_tensors_are_an_error (void)
{
  GstHarness *harness = gst_harness_new_parse ("simclrtrainer async=false");
  g_autoptr (GstBus) bus = attach_bus (harness->element);
  g_autofree gchar *text = NULL;

  gst_harness_set_src_caps_str (harness,
      "other/tensors, format=static, num_tensors=1, types=float32, dimensions=(string)4:2, "
      "framerate=0/1");
  g_assert_cmpint (
      gst_harness_push (harness, gst_buffer_new_allocate (NULL, 32, NULL)), ==, GST_FLOW_ERROR);
  text = pop_text (bus, GST_MESSAGE_ERROR);
  assert_contains (text, "do not come from a simclrencoder");
  detach_bus (harness->element, bus);
  gst_harness_teardown (harness);
}

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

#define ADD(name, settings, function)                                                              \
  g_test_add ("/trainer/" name, Fixture, settings, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  GST_ELEMENT_REGISTER (simclraugment, NULL);
  GST_ELEMENT_REGISTER (simclrencoder, NULL);
  GST_ELEMENT_REGISTER (simclrreplay, NULL);
  GST_ELEMENT_REGISTER (simclrtrainer, NULL);

  ADD ("step", NULL, test_each_batch_is_a_step_and_a_message);
  ADD ("queue", NULL, test_training_through_a_queue);
  ADD ("total-steps", NULL, test_enough_steps_end_the_run);
  ADD ("checkpoints", NULL, test_checkpoints_come_at_their_interval_and_at_the_end);
  ADD ("ready", NULL, test_going_to_ready_writes_what_is_new);
  ADD ("resume-lars", "lars", test_a_resumed_run_is_the_same_run);
  ADD ("resume-sgd", "sgd", test_a_resumed_run_is_the_same_run);
  ADD ("resume-adamw", "adamw", test_a_resumed_run_is_the_same_run);
  ADD ("resume-negatives", "sgd loss=decoupled negatives=10 exclude-neighbours=2000000000",
      test_a_resumed_run_is_the_same_run);
  ADD ("resume-finished", NULL, test_resuming_a_finished_run_ends_at_once);
  ADD ("bad-checkpoint", NULL, test_a_bad_checkpoint_is_an_error_and_stays);
  ADD ("bad-settings", NULL, test_settings_that_cannot_work_fail_the_start);
  ADD ("other-encoder", NULL, test_a_checkpoint_that_does_not_suit_the_encoder);
  ADD ("failed-write", NULL, test_a_failed_write_is_said);
  ADD ("divergence", NULL, test_divergence_is_said_and_not_written);
  ADD ("publish-diverged", NULL, test_what_diverged_is_not_published);
  ADD ("publish", NULL, test_weights_are_published_at_their_interval);
  ADD ("flush-and-pause", NULL, test_a_flush_and_a_pause_lose_nothing);
  ADD ("short-stream", NULL, test_a_stream_shorter_than_a_batch_is_said);
  ADD ("one-pair", NULL, test_one_pair_is_no_batch);
  ADD ("resume-query", NULL, test_the_trainer_says_where_training_stands);
  g_test_add_func ("/trainer/foreign", test_foreign_tensors_are_an_error);
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
