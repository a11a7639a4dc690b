/* simclrclassifier with files: labels, what was learned, reports, and what it refuses.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "classifier-harness.h"

#include <math.h>

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

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  gst_simclr_embedding_meta_register ();
  GST_ELEMENT_REGISTER (simclrclassifier, NULL);
  g_test_add_func ("/classifier/file-of-labels", test_a_file_of_labels_teaches_and_judges);
  g_test_add_func ("/classifier/teaching-goes-on", test_teaching_goes_on_from_a_file);
  g_test_add_func ("/classifier/method-of-the-file", test_a_method_that_is_not_set_is_the_files);
  g_test_add_func ("/classifier/saving-on-request", test_saving_can_be_asked_for);
  g_test_add_func ("/classifier/bad-files", test_bad_files_name_their_property);
  g_test_add_func ("/classifier/what-does-not-fit", test_what_does_not_fit_is_an_error);
  g_test_add_func ("/classifier/another-encoder", test_another_encoder_is_a_warning);
  return g_test_run ();
}
