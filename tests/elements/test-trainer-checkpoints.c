/* simclrtrainer and its checkpoints: when they are written, runs that go on from them, and what goes wrong.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trainer-harness.h"

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

static void
read_file (const gchar *path, GBytes **bytes)
{
  gchar *data;
  gsize length;

  g_assert_true (g_file_get_contents (path, &data, &length, NULL));
  *bytes = g_bytes_new_take (data, length);
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

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  GST_ELEMENT_REGISTER (simclraugment, NULL);
  GST_ELEMENT_REGISTER (simclrencoder, NULL);
  GST_ELEMENT_REGISTER (simclrtrainer, NULL);

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
  return g_test_run ();
}
