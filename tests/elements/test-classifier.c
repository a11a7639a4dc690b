/* simclrclassifier: teaching, recognising, alarms, evaluation, and what it refuses.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "element-test.h"

#include <math.h>

#include "gstsimclrclassificationmeta.h"
#include "gstsimclrclassifier.h"
#include "gstsimclrembeddingmeta.h"
#include "gstsimclrtensorcaps.h"

#define SIZE 4

/* What the frames of these tests show: directions that are far apart. */
static const gfloat cup[SIZE] = {1, 0.1f, 0, 0}, hat[SIZE] = {0, 1, 0.1f, 0},
                    odd[SIZE] = {-1, -1, -1, 5};

typedef struct
{
  GstHarness *harness;
  GstBus *bus;
  guint64 frames;
} Fixture;

static void
fixture_init (Fixture *self, const gchar *settings)
{
  g_autofree gchar *launch = g_strdup_printf ("simclrclassifier %s", settings);
  GstVideoInfo info = video_info ("RGB", 8, 6);

  self->harness = harness_new (launch);
  self->bus = attach_bus (self->harness->element);
  self->frames = 0;
  gst_harness_play (self->harness);
  set_video_caps (self->harness, &info);
}

static void
fixture_clear (Fixture *self)
{
  gst_element_set_state (self->harness->element, GST_STATE_NULL);
  detach_bus (self->harness->element, self->bus);
  gst_object_unref (self->bus);
  gst_harness_teardown (self->harness);
}

static GstBuffer *
embed (const gfloat *embedding, guint size, guint64 number)
{
  const GstSimclrEmbeddingOrigin origin = {"test", "resnet18", 7, size};
  g_autoptr (GBytes) bytes = g_bytes_new (embedding, size * sizeof (gfloat));
  GstVideoInfo info = video_info ("RGB", 8, 6);
  GstBuffer *buffer = make_frame (&info, 1, number * GST_SECOND / 10);

  gst_buffer_add_simclr_embedding_meta (buffer, bytes, &origin);
  return buffer;
}

static GstFlowReturn
push (Fixture *self, const gfloat *embedding)
{
  return gst_harness_push (self->harness, embed (embedding, SIZE, self->frames++));
}

/* A little apart from each other, as frames of one thing are. */
static void
push_some (Fixture *self, const gfloat *embedding, guint count)
{
  for (guint i = 0; i < count; i++) {
    gfloat moved[SIZE];

    for (guint j = 0; j < SIZE; j++)
      moved[j] = embedding[j] + 0.05f * (gfloat) ((i * 7 + j * 3) % 5);
    g_assert_cmpint (push (self, moved), ==, GST_FLOW_OK);
  }
}

static void
teach (Fixture *self)
{
  g_object_set (self->harness->element, "label", "cup", NULL);
  push_some (self, cup, 6);
  g_object_set (self->harness->element, "label", "Hut, groß", NULL);
  push_some (self, hat, 6);
  g_object_set (self->harness->element, "label", "", NULL);
}

/* Drops what came out before. */
static const GstStructure *
pull_classification (Fixture *self, GstBuffer **buffer)
{
  GstCustomMeta *meta;

  while (gst_harness_buffers_in_queue (self->harness) > 1)
    gst_buffer_unref (gst_harness_pull (self->harness));
  *buffer = gst_harness_pull (self->harness);
  meta = gst_buffer_get_custom_meta (*buffer, GST_SIMCLR_CLASSIFICATION_META_NAME);
  return meta != NULL ? gst_custom_meta_get_structure (meta) : NULL;
}

/* The next element message of that name, dropping others; NULL where there is none. */
static GstMessage *
pop_message (GstBus *bus, const gchar *name)
{
  GstMessage *message;

  while ((message = gst_bus_pop_filtered (bus, GST_MESSAGE_ELEMENT)) != NULL) {
    if (gst_message_has_name (message, name))
      return message;
    gst_message_unref (message);
  }
  return NULL;
}

static void
assert_label (Fixture *self, const gfloat *embedding, const gchar *label)
{
  g_autoptr (GstBuffer) buffer = NULL;
  const GstStructure *fields;

  g_assert_cmpint (push (self, embedding), ==, GST_FLOW_OK);
  fields = pull_classification (self, &buffer);
  g_assert_nonnull (fields);
  g_assert_cmpstr (gst_structure_get_string (fields, "label"), ==, label);
}

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
write_text (const gchar *path, const gchar *text)
{
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);
}

static void
test_a_file_of_labels_teaches_and_judges (void)
{
  g_autofree gchar *folder = make_folder ();
  g_autofree gchar *train = g_build_filename (folder, "train.txt", NULL);
  g_autofree gchar *test = g_build_filename (folder, "test.txt", NULL);
  g_autofree gchar *report = g_build_filename (folder, "report.json", NULL);
  g_autofree gchar *fit = g_strdup_printf (
      "mode=fit method=linear labels=%s location=%s/learned.safetensors", train, folder);
  g_autofree gchar *predict =
      g_strdup_printf ("labels=%s location=%s/learned.safetensors report=%s novelty-threshold=0",
          test, folder, report);
  g_autofree gchar *json = NULL;
  g_autoptr (GstMessage) learned = NULL;
  g_autoptr (GstMessage) evaluation = NULL;
  const GValue *confusion, *row;
  guint64 frames = 0;
  gdouble top1 = 0;
  Fixture fixture;

  /* a byte order mark, both kinds of line ends, a frame to leave out */
  write_text (train, "\xef\xbb\xbf"
                     "a cup\r\na cup\n\nhat\n  hat  \nhat");
  fixture_init (&fixture, fit);
  push_some (&fixture, cup, 2);
  push (&fixture, odd);
  push_some (&fixture, hat, 3);
  g_assert_null (gst_bus_pop_filtered (fixture.bus, GST_MESSAGE_ELEMENT));
  gst_harness_push_event (fixture.harness, gst_event_new_eos ());
  learned = pop_message (fixture.bus, "simclr-learned");
  g_assert_nonnull (learned);
  g_assert_null (pop_text (fixture.bus, GST_MESSAGE_WARNING));
  fixture_clear (&fixture);

  write_text (test, "a cup\nhat\nhat\n\na cup\n");
  fixture_init (&fixture, predict);
  push (&fixture, cup);
  push (&fixture, hat);
  push (&fixture, cup); /* the file says hat */
  push (&fixture, odd);
  push (&fixture, cup);
  gst_harness_push_event (fixture.harness, gst_event_new_eos ());
  evaluation = pop_message (fixture.bus, "simclr-evaluation");
  g_assert_nonnull (evaluation);
  gst_structure_get (gst_message_get_structure (evaluation), "frames", G_TYPE_UINT64, &frames,
      "top1", G_TYPE_DOUBLE, &top1, NULL);
  g_assert_cmpuint (frames, ==, 4);
  g_assert_cmpfloat (top1, ==, 0.75);
  confusion = gst_structure_get_value (gst_message_get_structure (evaluation), "confusion");
  g_assert_cmpuint (gst_value_array_get_size (confusion), ==, 2);
  row = gst_value_array_get_value (confusion, 1); /* hat */
  g_assert_cmpuint (g_value_get_uint64 (gst_value_array_get_value (row, 0)), ==, 1);
  g_assert_cmpuint (g_value_get_uint64 (gst_value_array_get_value (row, 1)), ==, 1);
  g_assert_true (g_file_get_contents (report, &json, NULL, NULL));
  assert_contains (json, "\"top1\":0.75");
  fixture_clear (&fixture);
  remove_folder (folder);
}

static void
test_teaching_goes_on_from_a_file (void)
{
  g_autofree gchar *folder = make_folder ();
  g_autofree gchar *fit =
      g_strdup_printf ("mode=fit location=%s/learned.safetensors label=cup", folder);
  g_autofree gchar *more =
      g_strdup_printf ("mode=fit resume=true location=%s/learned.safetensors label=hat", folder);
  g_autofree gchar *predict = g_strdup_printf ("location=%s/learned.safetensors", folder);
  Fixture fixture;

  fixture_init (&fixture, fit);
  push_some (&fixture, cup, 4);
  fixture_clear (&fixture); /* no EOS: written on the way to READY */
  fixture_init (&fixture, more);
  push_some (&fixture, hat, 4);
  fixture_clear (&fixture);
  fixture_init (&fixture, predict);
  assert_label (&fixture, cup, "cup");
  assert_label (&fixture, hat, "hat");

  /* what is taught in mode=predict is not written unless asked for */
  g_object_set (fixture.harness->element, "label", "odd", NULL);
  push_some (&fixture, odd, 2);
  fixture_clear (&fixture);
  fixture_init (&fixture, predict);
  assert_label (&fixture, odd, "unknown");
  fixture_clear (&fixture);
  remove_folder (folder);
}

static gdouble
get_confidence (const gchar *settings)
{
  g_autoptr (GstStructure) stats = NULL;
  gdouble confidence = 0;
  Fixture fixture;

  fixture_init (&fixture, settings);
  push (&fixture, cup);
  g_object_get (fixture.harness->element, "stats", &stats, NULL);
  g_assert_true (gst_structure_get_double (stats, "confidence", &confidence));
  fixture_clear (&fixture);
  return confidence;
}

/* One neighbour is always sure of itself, prototypes at temperature 1 never are. */
static void
test_a_method_that_is_not_set_is_the_files (void)
{
  const gchar *const methods[] = {"knn", "prototype"};

  for (guint i = 0; i < G_N_ELEMENTS (methods); i++) {
    g_autofree gchar *folder = make_folder ();
    g_autofree gchar *fit =
        g_strdup_printf ("mode=fit method=%s location=%s/l.safetensors", methods[i], folder);
    g_autofree gchar *plain =
        g_strdup_printf ("neighbors=1 temperature=1 location=%s/l.safetensors", folder);
    g_autofree gchar *knn = g_strconcat (plain, " method=knn", NULL);
    g_autofree gchar *prototype = g_strconcat (plain, " method=prototype", NULL);
    Fixture fixture;

    fixture_init (&fixture, fit);
    teach (&fixture);
    fixture_clear (&fixture);
    g_assert_cmpfloat (get_confidence (knn), ==, 1);
    g_assert_cmpfloat (get_confidence (prototype), <, 0.9);
    g_assert_cmpfloat (get_confidence (plain), ==, get_confidence (i == 0 ? knn : prototype));
    remove_folder (folder);
  }
}

static void
test_saving_can_be_asked_for (void)
{
  g_autofree gchar *folder = make_folder ();
  g_autofree gchar *path = g_build_filename (folder, "learned.safetensors", NULL);
  g_autofree gchar *fit = g_strdup_printf ("mode=fit location=%s label=cup", path);
  gboolean saved = FALSE;
  Fixture fixture;

  fixture_init (&fixture, fit);
  push_some (&fixture, cup, 4);
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
  g_signal_emit_by_name (fixture.harness->element, "save", &saved);
  g_assert_true (saved);
  g_assert_true (g_file_test (path, G_FILE_TEST_EXISTS));
  fixture_clear (&fixture);
  remove_folder (folder);
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

/* launch must not start, and says why. */
static void
assert_start_fails (const gchar *settings, const gchar *first, const gchar *second)
{
  g_autofree gchar *launch = g_strdup_printf ("simclrclassifier %s", settings);
  g_autoptr (GstElement) element = gst_object_ref_sink (gst_parse_launch (launch, NULL));
  g_autoptr (GstBus) bus = attach_bus (element);
  g_autofree gchar *text = NULL;

  g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
  text = pop_text (bus, GST_MESSAGE_ERROR);
  assert_contains (text, first);
  assert_contains (text, second);
  gst_element_set_state (element, GST_STATE_NULL);
  detach_bus (element, bus);
}

static void
test_bad_files_name_their_property (void)
{
  g_autofree gchar *folder = make_folder ();
  g_autofree gchar *path = g_build_filename (folder, "bytes", NULL);
  g_autofree gchar *location = g_strdup_printf ("location=%s", path);
  g_autofree gchar *resumed = g_strdup_printf ("mode=fit resume=true location=%s", path);
  g_autofree gchar *labels = g_strdup_printf ("labels=%s", path);
  g_autofree gchar *folder_location = g_strdup_printf ("mode=fit location=%s", folder);

  write_text (path, "cup\n\xff\xfe\n");
  assert_start_fails (location, "location=", path);
  assert_start_fails (resumed, "location=", path);
  assert_start_fails (labels, "labels=", "line 2");
  assert_start_fails ("labels=/nowhere/l.txt", "labels=", "/nowhere/l.txt");
  assert_start_fails ("location=/nowhere/l", "location=", "/nowhere/l");
  assert_start_fails ("mode=fit location=/nowhere/l", "location=", "/nowhere");
  assert_start_fails (folder_location, "location=", folder);
  assert_start_fails ("report=/nowhere/r.json", "report=", "/nowhere");
  assert_start_fails ("confusion=/nowhere/r.png", "confusion=", "/nowhere");
  remove_folder (folder);
}

static void
test_what_does_not_fit_is_an_error (void)
{
  g_autofree gchar *folder = make_folder ();
  g_autofree gchar *path = g_build_filename (folder, "labels.txt", NULL);
  g_autofree gchar *labels = g_strdup_printf ("mode=fit labels=%s", path);
  g_autofree gchar *few = NULL, *size = NULL, *many = NULL, *numbers = NULL;
  const gfloat bad[SIZE] = {1, NAN, 1, 1};
  Fixture fixture;

  write_text (path, "cup\ncup\n");
  fixture_init (&fixture, labels);
  push_some (&fixture, cup, 2);
  g_assert_cmpint (push (&fixture, cup), ==, GST_FLOW_ERROR);
  few = pop_text (fixture.bus, GST_MESSAGE_ERROR);
  assert_contains (few, path);
  assert_contains (few, "2 lines");
  assert_contains (few, "frame 3");
  fixture_clear (&fixture);

  fixture_init (&fixture, labels);
  push_some (&fixture, cup, 1);
  gst_harness_push_event (fixture.harness, gst_event_new_eos ());
  many = pop_text (fixture.bus, GST_MESSAGE_WARNING);
  assert_contains (many, path);
  fixture_clear (&fixture);

  fixture_init (&fixture, "label=cup");
  push_some (&fixture, cup, 1);
  g_assert_cmpint (
      gst_harness_push (fixture.harness, embed (cup, SIZE - 1, 2)), ==, GST_FLOW_ERROR);
  size = pop_text (fixture.bus, GST_MESSAGE_ERROR);
  assert_contains (size, "3 floats");
  assert_contains (size, "4");
  fixture_clear (&fixture);

  fixture_init (&fixture, "label=cup");
  g_assert_cmpint (push (&fixture, bad), ==, GST_FLOW_ERROR);
  numbers = pop_text (fixture.bus, GST_MESSAGE_ERROR);
  assert_contains (numbers, "learn frame 0");
  fixture_clear (&fixture);
  remove_folder (folder);
}

static void
test_another_encoder_is_a_warning (void)
{
  const GstSimclrEmbeddingOrigin other = {"test", "resnet18", 8, SIZE};
  g_autofree gchar *folder = make_folder ();
  g_autofree gchar *fit = g_strdup_printf ("mode=fit location=%s/l.safetensors label=cup", folder);
  g_autofree gchar *predict = g_strdup_printf ("location=%s/l.safetensors", folder);
  g_autoptr (GBytes) bytes = g_bytes_new (cup, sizeof cup);
  g_autofree gchar *warning = NULL;
  GstVideoInfo info = video_info ("RGB", 8, 6);
  GstBuffer *buffer = make_frame (&info, 1, 0);
  Fixture fixture;

  fixture_init (&fixture, fit);
  push_some (&fixture, cup, 2);
  fixture_clear (&fixture);
  fixture_init (&fixture, predict);
  push_some (&fixture, cup, 2);
  g_assert_null (pop_text (fixture.bus, GST_MESSAGE_WARNING));
  fixture_clear (&fixture);
  fixture_init (&fixture, predict);
  gst_buffer_add_simclr_embedding_meta (buffer, bytes, &other);
  g_assert_cmpint (gst_harness_push (fixture.harness, buffer), ==, GST_FLOW_OK);
  warning = pop_text (fixture.bus, GST_MESSAGE_WARNING);
  assert_contains (warning, "step 7");
  assert_contains (warning, "step 8");
  fixture_clear (&fixture);
  remove_folder (folder);
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
  g_test_add_func ("/classifier/file-of-labels", test_a_file_of_labels_teaches_and_judges);
  g_test_add_func ("/classifier/teaching-goes-on", test_teaching_goes_on_from_a_file);
  g_test_add_func ("/classifier/method-of-the-file", test_a_method_that_is_not_set_is_the_files);
  g_test_add_func ("/classifier/saving-on-request", test_saving_can_be_asked_for);
  g_test_add_func ("/classifier/presets", test_presets_are_the_protocols);
  g_test_add_func ("/classifier/tensors", test_tensors_are_classified_row_by_row);
  g_test_add_func ("/classifier/bad-files", test_bad_files_name_their_property);
  g_test_add_func ("/classifier/what-does-not-fit", test_what_does_not_fit_is_an_error);
  g_test_add_func ("/classifier/another-encoder", test_another_encoder_is_a_warning);
  g_test_add_func ("/classifier/threads", test_threads_may_meddle);
  return g_test_run ();
}
