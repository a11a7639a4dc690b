/* simclrtrainer: steps, messages, published weights, the end of a run, and input that is not for it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trainer-harness.h"

#include <gstsimclrmodeltable.h>
#include <gstsimclrresumequery.h>

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

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  GST_ELEMENT_REGISTER (simclraugment, NULL);
  GST_ELEMENT_REGISTER (simclrencoder, NULL);
  GST_ELEMENT_REGISTER (simclrtrainer, NULL);

  ADD ("step", NULL, test_each_batch_is_a_step_and_a_message);
  ADD ("queue", NULL, test_training_through_a_queue);
  ADD ("total-steps", NULL, test_enough_steps_end_the_run);
  ADD ("publish-diverged", NULL, test_what_diverged_is_not_published);
  ADD ("publish", NULL, test_weights_are_published_at_their_interval);
  ADD ("flush-and-pause", NULL, test_a_flush_and_a_pause_lose_nothing);
  ADD ("short-stream", NULL, test_a_stream_shorter_than_a_batch_is_said);
  ADD ("one-pair", NULL, test_one_pair_is_no_batch);
  ADD ("resume-query", NULL, test_the_trainer_says_where_training_stands);
  g_test_add_func ("/trainer/foreign", test_foreign_tensors_are_an_error);
  return g_test_run ();
}
