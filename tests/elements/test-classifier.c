/* simclrclassifier: teaching, recognising, what it tells, and alarms.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "classifier-harness.h"

#include "gstsimclrtensorcaps.h"

static void
test_what_was_shown_is_recognised (void)
{
  const gchar *const methods[] = {"knn", "linear", "prototype"};

  for (guint i = 0; i < G_N_ELEMENTS (methods); i++) {
    g_autofree gchar *settings = g_strdup_printf ("method=%s threads=1", methods[i]);
    Fixture fixture;

    fixture_init (&fixture, settings);
    teach (&fixture);
    assert_label (&fixture, cup, "cup");
    assert_label (&fixture, hat, "Hut, groß");
    assert_label (&fixture, odd, "unknown");
    assert_label (&fixture, cup, "cup");
    fixture_clear (&fixture);
  }
}

static void
test_metas_and_messages_say_the_same (void)
{
  g_autoptr (GstBuffer) buffer = NULL;
  g_autoptr (GstMessage) message = NULL;
  GstVideoRegionOfInterestMeta *region;
  const GstStructure *fields, *said;
  gdouble confidence, told;
  guint64 frame, time;
  gboolean known;
  Fixture fixture;

  fixture_init (&fixture, "");
  teach (&fixture);
  push (&fixture, cup);
  fields = pull_classification (&fixture, &buffer);
  g_assert_true (
      gst_structure_get (fields, "confidence", G_TYPE_DOUBLE, &confidence, "known", G_TYPE_BOOLEAN,
          &known, "frame", G_TYPE_UINT64, &frame, "running-time", G_TYPE_UINT64, &time, NULL));
  g_assert_true (known);
  g_assert_cmpfloat (confidence, >, 0.9);
  g_assert_cmpuint (frame, ==, 12);
  g_assert_cmpuint (time, ==, 12 * GST_SECOND / 10);
  message = pop_message (fixture.bus, "simclr-classification");
  g_assert_nonnull (message);
  said = gst_message_get_structure (message);
  g_assert_cmpstr (gst_structure_get_string (said, "label"), ==, "cup");
  g_assert_true (gst_structure_get_double (said, "confidence", &told));
  g_assert_cmpfloat (told, ==, confidence);
  g_assert_cmpuint (gst_value_array_get_size (gst_structure_get_value (said, "labels")), ==, 2);

  region = gst_buffer_get_video_region_of_interest_meta_id (buffer, 0);
  g_assert_nonnull (region);
  g_assert_cmpstr (g_quark_to_string (region->roi_type), ==, "cup");
  g_assert_cmpuint (region->w, ==, 8);
  g_assert_cmpuint (region->h, ==, 6);
  g_assert_nonnull (gst_video_region_of_interest_meta_get_param (region, "simclr-classification"));
  fixture_clear (&fixture);
}

static guint
count_messages (GstBus *bus, const gchar *name)
{
  GstMessage *message;
  guint count = 0;

  while ((message = pop_message (bus, name)) != NULL) {
    gst_message_unref (message);
    count++;
  }
  return count;
}

static void
test_messages_come_when_they_are_wanted (void)
{
  static const struct
  {
    const gchar *settings;
    guint messages;
  } cases[] = {{"messages=change", 3}, {"messages=frame", 9}, {"messages=never", 0}};

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    Fixture fixture;

    fixture_init (&fixture, cases[i].settings);
    teach (&fixture);
    push_some (&fixture, cup, 3);
    push_some (&fixture, hat, 3);
    push_some (&fixture, cup, 3);
    g_assert_cmpuint (count_messages (fixture.bus, "simclr-classification"), ==, cases[i].messages);
    fixture_clear (&fixture);
  }
}

static void
assert_novelty (GstBus *bus, gboolean active)
{
  g_autoptr (GstMessage) message = pop_message (bus, "simclr-novelty");
  gboolean found;

  g_assert_nonnull (message);
  g_assert_true (gst_structure_get_boolean (gst_message_get_structure (message), "active", &found));
  g_assert_cmpint (found, ==, active);
}

static void
test_novelty_raises_one_alarm (void)
{
  Fixture fixture;

  fixture_init (&fixture, "messages=never novelty-hysteresis=0.5");
  teach (&fixture);
  push_some (&fixture, cup, 2);
  g_assert_null (pop_message (fixture.bus, "simclr-novelty"));
  for (guint i = 0; i < 3; i++)
    push (&fixture, odd);
  assert_novelty (fixture.bus, TRUE);
  g_assert_null (pop_message (fixture.bus, "simclr-novelty"));
  push (&fixture, cup);
  assert_novelty (fixture.bus, FALSE);
  fixture_clear (&fixture);
}

/* Between the two ends the alarm stays as it is. */
static void
test_alarms_have_two_ends (void)
{
  const gfloat near[SIZE] = {1, 0.1f, 0, 0.9f};
  g_autoptr (GstStructure) stats = NULL;
  gdouble novelty = 0;
  Fixture fixture;

  fixture_init (&fixture, "messages=never novelty-threshold=1000 novelty-hysteresis=0.5");
  teach (&fixture);
  push (&fixture, near);
  g_object_get (fixture.harness->element, "stats", &stats, NULL);
  g_assert_true (gst_structure_get_double (stats, "novelty", &novelty));
  g_assert_cmpfloat (novelty, >, 0);
  g_object_set (fixture.harness->element, "novelty-threshold", novelty / 0.7, NULL);
  push (&fixture, near);
  g_assert_null (pop_message (fixture.bus, "simclr-novelty"));
  push (&fixture, odd);
  assert_novelty (fixture.bus, TRUE);
  push (&fixture, near);
  g_assert_null (pop_message (fixture.bus, "simclr-novelty"));
  push (&fixture, cup);
  assert_novelty (fixture.bus, FALSE);
  fixture_clear (&fixture);
}

/* One odd frame among others does not change what is said; staying does. */
static void
test_smoothing_waits_for_more (void)
{
  g_autoptr (GstBuffer) buffer = NULL;
  Fixture fixture;

  fixture_init (&fixture, "smoothing=500000000 novelty-threshold=0 method=prototype");
  teach (&fixture);
  push_some (&fixture, cup, 20);
  assert_label (&fixture, hat, "cup");
  push_some (&fixture, hat, 20);
  assert_label (&fixture, hat, "Hut, groß");
  fixture_clear (&fixture);
}

static void
test_labels_are_unlearned_and_listed (void)
{
  g_auto (GStrv) labels = NULL;
  g_autoptr (GstStructure) stats = NULL;
  guint64 removed = 0, examples = 0;
  Fixture fixture;

  fixture_init (&fixture, "novelty-threshold=0");
  teach (&fixture);
  g_signal_emit_by_name (fixture.harness->element, "list-labels", &labels);
  g_assert_cmpuint (g_strv_length (labels), ==, 2);
  g_assert_cmpstr (labels[1], ==, "Hut, groß");
  g_signal_emit_by_name (fixture.harness->element, "unlearn", "cup", &removed);
  g_assert_cmpuint (removed, ==, 6);
  g_signal_emit_by_name (fixture.harness->element, "unlearn", "cup", &removed);
  g_assert_cmpuint (removed, ==, 0);
  assert_label (&fixture, cup, "Hut, groß");
  g_object_get (fixture.harness->element, "stats", &stats, NULL);
  g_assert_true (gst_structure_get_uint64 (stats, "examples", &examples));
  g_assert_cmpuint (examples, ==, 6);
  g_assert_cmpstr (gst_structure_get_string (stats, "label"), ==, "Hut, groß");
  fixture_clear (&fixture);
}

/* Nothing was taught, or frames come without embeddings: they pass. */
static void
test_frames_pass_untouched (void)
{
  GstVideoInfo info = video_info ("RGB", 8, 6);
  g_autoptr (GstBuffer) buffer = NULL;
  g_autofree gchar *warning = NULL;
  Fixture fixture;

  fixture_init (&fixture, "");
  gst_harness_push (fixture.harness, make_frame (&info, 1, 0));
  g_assert_null (pull_classification (&fixture, &buffer));
  gst_harness_push_event (fixture.harness, gst_event_new_eos ());
  warning = pop_text (fixture.bus, GST_MESSAGE_WARNING);
  assert_contains (warning, "simclrencoder");
  fixture_clear (&fixture);

  fixture_init (&fixture, "");
  push (&fixture, cup);
  g_clear_pointer (&buffer, gst_buffer_unref);
  g_assert_null (pull_classification (&fixture, &buffer));
  fixture_clear (&fixture);
}

/* A frame that somebody else holds as well stays as it is. */
static void
test_shared_buffers_are_left_alone (void)
{
  g_autoptr (GstBuffer) shared = embed (cup, SIZE, 20);
  g_autoptr (GstBuffer) buffer = NULL;
  Fixture fixture;

  fixture_init (&fixture, "");
  teach (&fixture);
  gst_harness_push (fixture.harness, gst_buffer_ref (shared));
  g_assert_nonnull (pull_classification (&fixture, &buffer));
  g_assert_null (gst_buffer_get_custom_meta (shared, GST_SIMCLR_CLASSIFICATION_META_NAME));
  g_assert_true (gst_buffer_peek_memory (buffer, 0) == gst_buffer_peek_memory (shared, 0));
  fixture_clear (&fixture);
}

static void
test_presets_are_the_protocols (void)
{
  g_autoptr (GstElement) element =
      gst_object_ref_sink (gst_element_factory_make ("simclrclassifier", NULL));
  SimclrClassifierMethod method;
  SimclrProbeSolver solver;
  guint neighbors, other_neighbors;
  gdouble temperature, other_temperature;

  /* solo-learn's is what a new element has */
  g_object_get (element, "neighbors", &neighbors, "temperature", &temperature, NULL);
  g_assert_true (gst_preset_load_preset (GST_PRESET (element), "lightly"));
  g_object_get (element, "neighbors", &other_neighbors, "temperature", &other_temperature, NULL);
  g_assert_cmpuint (other_neighbors, ==, 200);
  g_assert_cmpfloat (other_temperature, ==, 0.1);
  g_assert_true (gst_preset_load_preset (GST_PRESET (element), "solo-learn"));
  g_object_get (element, "neighbors", &other_neighbors, "temperature", &other_temperature, NULL);
  g_assert_cmpuint (other_neighbors, ==, neighbors);
  g_assert_cmpfloat (other_temperature, ==, temperature);
  g_assert_true (gst_preset_load_preset (GST_PRESET (element), "official"));
  g_object_get (element, "method", &method, "solver", &solver, NULL);
  g_assert_cmpint (method, ==, SIMCLR_CLASSIFIER_METHOD_LINEAR);
  g_assert_cmpint (solver, ==, SIMCLR_PROBE_SOLVER_SGD);
}

static void
test_tensors_are_classified_row_by_row (void)
{
  GstHarness *harness = harness_new ("simclrclassifier label=cup messages=frame");
  g_autoptr (GstBus) bus = attach_bus (harness->element);
  g_autoptr (GstBuffer) buffer = NULL;
  gfloat rows[2][SIZE];
  gpointer state = NULL;
  guint metas = 0;
  GstMeta *meta;

  gst_harness_play (harness);
  gst_harness_set_src_caps (harness, gst_simclr_tensor_caps_new (SIZE, 2, 30, 1));
  memcpy (rows[0], cup, sizeof cup);
  memcpy (rows[1], cup, sizeof cup);
  rows[1][3] = 0.1f;
  gst_harness_push (harness, gst_buffer_new_memdup (rows, sizeof rows));
  g_object_set (harness->element, "label", "hat", NULL);
  memcpy (rows[0], hat, sizeof hat);
  memcpy (rows[1], hat, sizeof hat);
  rows[1][3] = 0.1f;
  gst_harness_push (harness, gst_buffer_new_memdup (rows, sizeof rows));
  g_object_set (harness->element, "label", NULL, NULL);
  memcpy (rows[1], cup, sizeof cup);
  gst_harness_push (harness, gst_buffer_new_memdup (rows, sizeof rows));
  while (gst_harness_buffers_in_queue (harness) > 1)
    gst_buffer_unref (gst_harness_pull (harness));
  buffer = gst_harness_pull (harness);
  while ((meta = gst_buffer_iterate_meta (buffer, &state)) != NULL) {
    const GstStructure *fields = gst_custom_meta_get_structure ((GstCustomMeta *) meta);
    guint row = 9;

    gst_structure_get_uint (fields, "row", &row);
    g_assert_cmpuint (row, ==, metas);
    g_assert_cmpstr (gst_structure_get_string (fields, "label"), ==, row == 0 ? "hat" : "cup");
    metas++;
  }
  g_assert_cmpuint (metas, ==, 2);
  g_assert_cmpuint (count_messages (bus, "simclr-classification"), ==, 2);
  detach_bus (harness->element, bus);
  gst_harness_teardown (harness);
}

/* Labels change, labels are listed and unlearned from another thread while frames are classified. */
static gpointer
meddle (gpointer data)
{
  GstElement *element = data;

  for (guint i = 0; i < 200; i++) {
    g_auto (GStrv) labels = NULL;
    g_autoptr (GstStructure) stats = NULL;
    guint64 removed;

    g_object_set (element, "label",
        i % 3 == 0   ? "cup"
        : i % 3 == 1 ? "other"
                     : NULL,
        "smoothing", (guint64) (i % 2) * GST_SECOND, NULL);
    g_signal_emit_by_name (element, "list-labels", &labels);
    if (i % 7 == 0)
      g_signal_emit_by_name (element, "unlearn", "other", &removed);
    g_object_get (element, "stats", &stats, NULL);
    g_assert_nonnull (stats);
  }
  return NULL;
}

static void
test_threads_may_meddle (void)
{
  Fixture fixture;
  GThread *thread;

  fixture_init (&fixture, "messages=never threads=1 method=prototype");
  teach (&fixture);
  thread = g_thread_new ("meddle", meddle, fixture.harness->element);
  for (guint i = 0; i < 300; i++) {
    push_some (&fixture, i % 2 ? cup : hat, 1);
    gst_buffer_unref (gst_harness_pull (fixture.harness));
  }
  g_thread_join (thread);
  fixture_clear (&fixture);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  gst_simclr_embedding_meta_register ();
  GST_ELEMENT_REGISTER (simclrclassifier, NULL);
  g_test_add_func ("/classifier/shown-is-recognised", test_what_was_shown_is_recognised);
  g_test_add_func ("/classifier/metas-and-messages", test_metas_and_messages_say_the_same);
  g_test_add_func ("/classifier/messages-when-wanted", test_messages_come_when_they_are_wanted);
  g_test_add_func ("/classifier/novelty-raises-one-alarm", test_novelty_raises_one_alarm);
  g_test_add_func ("/classifier/alarms-have-two-ends", test_alarms_have_two_ends);
  g_test_add_func ("/classifier/smoothing-waits-for-more", test_smoothing_waits_for_more);
  g_test_add_func ("/classifier/unlearned-and-listed", test_labels_are_unlearned_and_listed);
  g_test_add_func ("/classifier/frames-pass-untouched", test_frames_pass_untouched);
  g_test_add_func ("/classifier/shared-buffers", test_shared_buffers_are_left_alone);
  g_test_add_func ("/classifier/presets", test_presets_are_the_protocols);
  g_test_add_func ("/classifier/tensors", test_tensors_are_classified_row_by_row);
  g_test_add_func ("/classifier/threads", test_threads_may_meddle);
  return g_test_run ();
}
