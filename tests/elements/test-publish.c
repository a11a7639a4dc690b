/* simclrpublish: what its lines hold, when there is one, and that frames pass.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "element-test.h"

#include <errno.h>
#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>

#include "gstsimclrclassificationmeta.h"
#include "gstsimclrembeddingmeta.h"
#include "gstsimclrpublish.h"

#define SIZE 3

typedef struct
{
  gchar *folder;
  gchar *path;
  GstHarness *harness;
} Fixture;

static void
set_up (Fixture *self, gconstpointer data)
{
  self->folder = make_folder ();
  self->path = g_build_filename (self->folder, "lines.jsonl", NULL);
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  if (self->harness != NULL)
    gst_harness_teardown (self->harness);
  remove_folder (self->folder);
  g_free (self->folder);
  g_free (self->path);
}

static void
start (Fixture *self, const gchar *settings, const gchar *caps)
{
  g_autofree gchar *launch =
      g_strdup_printf ("simclrpublish location=\"%s\" %s", self->path, settings);

  self->harness = harness_new (launch);
  gst_harness_play (self->harness);
  gst_harness_set_src_caps_str (self->harness,
      caps != NULL ? caps : "video/x-raw,format=RGB,width=8,height=4,framerate=30/1");
}

static void
classify (GstBuffer *buffer, const gchar *label, gdouble confidence)
{
  g_autofree gchar *text = g_strdup_printf (
      "simclr-classification, known=(boolean)%s, confidence=(double)%g, novelty=(double)0.25, "
      "labels=<(string)cup, (string)hat>, scores=<(double)0.75, (double)0.25>",
      g_str_equal (label, "unknown") ? "false" : "true", confidence);
  g_autoptr (GstStructure) fields = gst_structure_from_string (text, NULL);

  gst_structure_set (fields, "label", G_TYPE_STRING, label, NULL);
  gst_buffer_add_simclr_classification_meta (buffer, fields);
}

static void
embed (GstBuffer *buffer, const gfloat *floats, guint rows)
{
  g_autoptr (GBytes) bytes = g_bytes_new (floats, rows * SIZE * sizeof *floats);
  const GstSimclrEmbeddingOrigin origin = {
      .model = "street", .architecture = "resnet18", .step = 77, .size = SIZE};

  gst_buffer_add_simclr_embedding_meta (buffer, bytes, &origin);
}

/* One second from frame to frame. */
static GstBuffer *
new_frame (guint number)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, 96, NULL);

  GST_BUFFER_PTS (buffer) = number * GST_SECOND;
  return buffer;
}

static void
push (Fixture *self, guint number, const gchar *label)
{
  GstBuffer *buffer = new_frame (number);

  if (label != NULL)
    classify (buffer, label, 0.75);
  g_assert_cmpint (gst_harness_push (self->harness, buffer), ==, GST_FLOW_OK);
}

/* The lines of the file, parsed by somebody else's parser. */
static GPtrArray *
read_lines (Fixture *self)
{
  GPtrArray *objects = g_ptr_array_new_with_free_func ((GDestroyNotify) json_object_unref);
  g_autofree gchar *text = NULL;
  g_auto (GStrv) lines = NULL;

  g_assert_true (g_file_get_contents (self->path, &text, NULL, NULL));
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i + 1] != NULL; i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (JsonNode) node = json_from_string (lines[i], &error);

    g_assert_no_error (error);
    g_ptr_array_add (objects, json_object_ref (json_node_get_object (node)));
  }
  g_assert_cmpstr (lines[g_strv_length (lines) - 1], ==, "");
  return objects;
}

static void
assert_frames (Fixture *self, const gchar *numbers)
{
  g_autoptr (GPtrArray) lines = read_lines (self);
  g_autoptr (GString) found = g_string_new (NULL);

  for (guint i = 0; i < lines->len; i++)
    g_string_append_printf (
        found, " %d", (gint) json_object_get_int_member (lines->pdata[i], "frame"));
  g_assert_cmpstr (found->str, ==, numbers);
}

static void
test_a_line_says_what_the_metas_say (Fixture *self, gconstpointer data)
{
  const gfloat floats[SIZE] = {0.1f, -2e-20f, NAN};
  g_autoptr (GstBuffer) out = NULL;
  g_autoptr (GPtrArray) lines = NULL;
  GstBuffer *buffer = new_frame (2);
  JsonObject *line, *scores, *region;
  JsonArray *embedding;

  start (self,
      "fields=time+stream+classification+scores+regions+model embedding=array "
      "stream=\"door \\\"1\\\"\"",
      NULL);
  classify (buffer, "cup\n\"ä\"", 0.75);
  embed (buffer, floats, 1);
  gst_buffer_add_video_region_of_interest_meta (buffer, "face", 1, 2, 3, 4);
  out = gst_harness_push_and_pull (self->harness, gst_buffer_ref (buffer));
  g_assert_true (out == buffer);
  gst_buffer_unref (buffer);

  lines = read_lines (self);
  g_assert_cmpuint (lines->len, ==, 1);
  line = lines->pdata[0];
  g_assert_cmpstr (json_object_get_string_member (line, "stream"), ==, "door \"1\"");
  g_assert_cmpint (json_object_get_int_member (line, "frame"), ==, 0);
  g_assert_cmpint (json_object_get_int_member (line, "running-time"), ==, 2 * GST_SECOND);
  g_assert_cmpstr (json_object_get_string_member (line, "label"), ==, "cup\n\"ä\"");
  g_assert_true (json_object_get_boolean_member (line, "known"));
  g_assert_cmpfloat (json_object_get_double_member (line, "confidence"), ==, 0.75);
  g_assert_cmpfloat (json_object_get_double_member (line, "novelty"), ==, 0.25);
  scores = json_object_get_object_member (line, "scores");
  g_assert_cmpuint (json_object_get_size (scores), ==, 2);
  g_assert_cmpfloat (json_object_get_double_member (scores, "hat"), ==, 0.25);
  region = json_array_get_object_element (json_object_get_array_member (line, "regions"), 0);
  g_assert_cmpstr (json_object_get_string_member (region, "type"), ==, "face");
  g_assert_cmpint (json_object_get_int_member (region, "width"), ==, 3);
  g_assert_cmpstr (json_object_get_string_member (line, "model"), ==, "street");
  g_assert_cmpint (json_object_get_int_member (line, "step"), ==, 77);
  embedding = json_object_get_array_member (line, "embedding");
  g_assert_cmpuint (json_array_get_length (embedding), ==, SIZE);
  for (guint i = 0; i < 2; i++)
    g_assert_true ((gfloat) json_array_get_double_element (embedding, i) == floats[i]);
  g_assert_true (json_array_get_null_element (embedding, 2));
}

static void
test_the_time_is_now (Fixture *self, gconstpointer data)
{
  g_autoptr (GDateTime) before = g_date_time_new_now_utc (), then = NULL;
  g_autoptr (GPtrArray) lines = NULL;
  GTimeSpan passed;

  start (self, "", NULL);
  push (self, 0, NULL);
  lines = read_lines (self);
  then =
      g_date_time_new_from_iso8601 (json_object_get_string_member (lines->pdata[0], "time"), NULL);
  g_assert_nonnull (then);
  passed = g_date_time_difference (then, before);
  g_assert_cmpint (passed, >=, -G_TIME_SPAN_MILLISECOND);
  g_assert_cmpint (passed, <, G_TIME_SPAN_MINUTE);
}

static void
test_base64_holds_the_floats (Fixture *self, gconstpointer data)
{
  const gfloat floats[SIZE] = {0.5f, -1e30f, 3};
  g_autoptr (GPtrArray) lines = NULL;
  g_autofree guchar *bytes = NULL;
  GstBuffer *buffer = new_frame (0);
  gsize size;

  start (self, "embedding=base64", NULL);
  embed (buffer, floats, 1);
  gst_harness_push (self->harness, buffer);
  lines = read_lines (self);
  bytes = g_base64_decode (json_object_get_string_member (lines->pdata[0], "embedding"), &size);
  g_assert_cmpmem (bytes, size, floats, sizeof floats);
}

static void
test_rows_of_tensors_are_frames (Fixture *self, gconstpointer data)
{
  const gfloat floats[2 * SIZE] = {1, 2, 3, 4, 5, 6};
  g_autoptr (GPtrArray) lines = NULL;
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, sizeof floats, NULL);

  start (self, "embedding=array",
      "other/tensors,format=static,num_tensors=1,types=float32,dimensions=(string)3:2,framerate=0/"
      "1");
  embed (buffer, floats, 2);
  classify (buffer, "cup", 0.5);
  classify (buffer, "hat", 0.5);
  gst_harness_push (self->harness, buffer);
  lines = read_lines (self);
  g_assert_cmpuint (lines->len, ==, 2);
  g_assert_cmpstr (json_object_get_string_member (lines->pdata[1], "label"), ==, "hat");
  g_assert_cmpint (json_object_get_int_member (lines->pdata[1], "frame"), ==, 1);
  g_assert_cmpfloat (json_array_get_double_element (
                         json_object_get_array_member (lines->pdata[1], "embedding"), 0),
      ==, 4);
}

static void
test_an_interval_thins_frames_out (Fixture *self, gconstpointer data)
{
  start (self, "interval=3000000000", NULL);
  for (guint i = 0; i < 8; i++)
    push (self, i, "cup");
  assert_frames (self, " 0 3 6");
}

static void
test_mode_change_tells_changes (Fixture *self, gconstpointer data)
{
  const gchar *const labels[] = {NULL, "cup", "cup", "hat", "hat", "unknown", NULL, NULL, "cup"};

  start (self, "mode=change", NULL);
  for (guint i = 0; i < G_N_ELEMENTS (labels); i++)
    push (self, i, labels[i]);
  assert_frames (self, " 1 3 5 6 8");
}

static void
test_mode_change_tells_that_nothing_changed (Fixture *self, gconstpointer data)
{
  start (self, "mode=change interval=4000000000", NULL);
  for (guint i = 0; i < 12; i++)
    push (self, i, i < 6 ? "cup" : "hat");
  assert_frames (self, " 0 4 6 10");
}

static void
test_streams_change_on_their_own (Fixture *self, gconstpointer data)
{
  g_autoptr (GPtrArray) lines = NULL;

  start (self, "mode=change", NULL);
  for (guint i = 0; i < 4; i++) {
    gst_harness_push_event (self->harness, gst_event_new_stream_start (i % 2 ? "a" : "b"));
    push (self, i, i % 2 ? "cup" : "hat");
  }
  assert_frames (self, " 0 1");
  lines = read_lines (self);
  g_assert_cmpstr (json_object_get_string_member (lines->pdata[0], "stream"), ==, "b");
  g_assert_cmpstr (json_object_get_string_member (lines->pdata[1], "stream"), ==, "a");
}

static void
test_unflushed_lines_are_there_at_the_end (Fixture *self, gconstpointer data)
{
  g_autofree gchar *text = NULL;

  start (self, "flush=false", NULL);
  push (self, 0, "cup");
  g_assert_true (g_file_get_contents (self->path, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, "");
  gst_harness_push_event (self->harness, gst_event_new_eos ());
  assert_frames (self, " 0");
}

static void
test_a_file_is_replaced_or_appended_to (Fixture *self, gconstpointer data)
{
  const gchar *const settings[] = {"", "append=true", ""}, *const frames[] = {" 0", " 0 0", " 0"};

  for (guint i = 0; i < G_N_ELEMENTS (settings); i++) {
    start (self, settings[i], NULL);
    push (self, 0, NULL);
    gst_harness_teardown (g_steal_pointer (&self->harness));
    assert_frames (self, frames[i]);
  }
}

static void
test_a_file_that_cannot_be_is_an_error (Fixture *self, gconstpointer data)
{
  g_autoptr (GstElement) element =
      gst_object_ref_sink (gst_element_factory_make ("simclrpublish", NULL));
  g_autoptr (GstBus) bus = attach_bus (element);
  g_autofree gchar *said = NULL;

  g_object_set (element, "location", self->folder, NULL);
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
  said = pop_text (bus, GST_MESSAGE_ERROR);
  assert_contains (said, self->folder);
  assert_contains (said, "location");
  gst_element_set_state (element, GST_STATE_NULL);
  detach_bus (element, bus);
}

static void
test_a_full_disk_is_an_error (Fixture *self, gconstpointer data)
{
  g_autoptr (GstBus) bus = NULL;
  g_autofree gchar *said = NULL;

  self->harness = harness_new ("simclrpublish location=/dev/full");
  bus = attach_bus (self->harness->element);
  gst_harness_play (self->harness);
  gst_harness_set_src_caps_str (
      self->harness, "video/x-raw,format=RGB,width=8,height=4,framerate=30/1");
  g_assert_cmpint (gst_harness_push (self->harness, new_frame (0)), ==, GST_FLOW_ERROR);
  said = pop_text (bus, GST_MESSAGE_ERROR);
  assert_contains (said, "/dev/full");
  assert_contains (said, g_strerror (ENOSPC));
  detach_bus (self->harness->element, bus);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  GST_ELEMENT_REGISTER (simclrpublish, NULL);

#define ADD(path, function)                                                                        \
  g_test_add ("/publish/" path, Fixture, NULL, set_up, function, tear_down)
  ADD ("a-line-says-what-the-metas-say", test_a_line_says_what_the_metas_say);
  ADD ("the-time-is-now", test_the_time_is_now);
  ADD ("base64-holds-the-floats", test_base64_holds_the_floats);
  ADD ("rows-of-tensors-are-frames", test_rows_of_tensors_are_frames);
  ADD ("an-interval-thins-frames-out", test_an_interval_thins_frames_out);
  ADD ("mode-change-tells-changes", test_mode_change_tells_changes);
  ADD ("mode-change-tells-that-nothing-changed", test_mode_change_tells_that_nothing_changed);
  ADD ("streams-change-on-their-own", test_streams_change_on_their_own);
  ADD ("unflushed-lines-are-there-at-the-end", test_unflushed_lines_are_there_at_the_end);
  ADD ("a-file-is-replaced-or-appended-to", test_a_file_is_replaced_or_appended_to);
  ADD ("a-file-that-cannot-be-is-an-error", test_a_file_that_cannot_be_is_an_error);
  ADD ("a-full-disk-is-an-error", test_a_full_disk_is_an_error);
#undef ADD
  return g_test_run ();
}
