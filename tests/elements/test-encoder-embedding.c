/* simclrencoder when it embeds: what leaves it equals what the library says, in every form.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "encoder-harness.h"

#include <gstsimclrforwardmeta.h>

static void
test_frames_pass_with_their_embedding (Fixture *fixture, gconstpointer settings)
{
  GstHarness *harness = fixture->harness;
  GstBuffer *in = make_frame (small_rgb (), 1, 5 * GST_MSECOND);
  g_autoptr (GstBuffer) copy = gst_buffer_copy_deep (in);
  g_autoptr (GstBuffer) out = NULL;
  GstCustomMeta *meta;
  GstStructure *fields;
  guint64 step;
  guint size;
  GstMapInfo map;

  set_video_caps (harness, small_rgb ());
  out = gst_harness_push_and_pull (harness, in);
  check_frame (out, fixture->weights, small_rgb ());
  g_assert_cmpuint (GST_BUFFER_PTS (out), ==, 5 * GST_MSECOND);
  g_assert_true (gst_buffer_map (copy, &map, GST_MAP_READ));
  g_assert_cmpint (gst_buffer_memcmp (out, 0, map.data, map.size), ==, 0);
  gst_buffer_unmap (copy, &map);

  meta = gst_buffer_get_custom_meta (out, "SimclrEmbedding");
  fields = gst_custom_meta_get_structure (meta);
  g_assert_true (gst_structure_has_field_typed (fields, "embedding", G_TYPE_BYTES));
  g_assert_cmpstr (gst_structure_get_string (fields, "model"), ==, "w.safetensors");
  g_assert_cmpstr (gst_structure_get_string (fields, "architecture"), ==, "resnet18");
  g_assert_true (gst_structure_get_uint64 (fields, "step", &step));
  g_assert_cmpuint (step, ==, 0);
  g_object_get (harness->element, "embedding-size", &size, NULL);
  g_assert_cmpuint (size, ==, TINY_SIZE);
  g_assert_null (pop_text (fixture->bus, GST_MESSAGE_WARNING));
}

static void
test_any_size_and_format (Fixture *fixture, gconstpointer settings)
{
  const gchar *formats[] = {"RGB", "BGR", "RGBx", "BGRx", "GRAY8"};
  const guint sizes[][2] = {{1, 1}, {33, 17}, {7, 201}, {64, 48}, {3, 1}};

  for (guint f = 0; f < G_N_ELEMENTS (formats); f++) {
    for (guint s = 0; s < G_N_ELEMENTS (sizes); s++) {
      GstVideoInfo info = video_info (formats[f], sizes[s][0], sizes[s][1]);
      g_autoptr (GstBuffer) out = NULL;

      set_video_caps (fixture->harness, &info);
      out = gst_harness_push_and_pull (fixture->harness, make_frame (&info, f * 10 + s, 0));
      check_frame (out, fixture->weights, &info);
    }
  }
}

static guint
get_rows (GstHarness *harness)
{
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (harness->sinkpad);
  const gchar *dimensions =
      gst_structure_get_string (gst_caps_get_structure (caps, 0), "dimensions");
  guint size = 0, rows = 0;

  g_assert_cmpint (sscanf (dimensions, "%u:%u", &size, &rows), ==, 2);
  g_assert_cmpuint (size, ==, TINY_SIZE);
  return rows;
}

static void
test_tensors_where_only_they_are_taken (Fixture *fixture, gconstpointer settings)
{
  GstHarness *harness = fixture->harness;
  g_autoptr (GstBuffer) full = NULL;
  g_autoptr (GstBuffer) rest = NULL;
  GstMapInfo map;

  gst_harness_set_sink_caps_str (harness, "other/tensors");
  set_video_caps (harness, small_rgb ());
  for (guint i = 0; i < 5; i++)
    g_assert_cmpint (
        gst_harness_push (harness, make_frame (small_rgb (), i, i * GST_SECOND)), ==, GST_FLOW_OK);
  g_assert_cmpuint (gst_harness_buffers_in_queue (harness), ==, 1);
  g_assert_cmpuint (get_rows (harness), ==, 3);
  full = gst_harness_pull (harness);
  gst_harness_push_event (harness, gst_event_new_eos ());
  rest = gst_harness_pull (harness);
  g_assert_cmpuint (get_rows (harness), ==, 2);

  g_assert_cmpuint (GST_BUFFER_PTS (full), ==, 0);
  g_assert_cmpuint (GST_BUFFER_DURATION (full), ==, 2 * GST_SECOND + GST_SECOND / 30);
  g_assert_cmpuint (GST_BUFFER_PTS (rest), ==, 3 * GST_SECOND);
  for (guint i = 0; i < 5; i++) {
    g_autoptr (GstBuffer) frame = make_frame (small_rgb (), i, 0);
    GstBuffer *tensors = i < 3 ? full : rest;
    gfloat expected[TINY_SIZE];

    expect_embedding (fixture->weights, small_rgb (), frame, expected);
    g_assert_true (gst_buffer_map (tensors, &map, GST_MAP_READ));
    g_assert_cmpuint (map.size, ==, (i < 3 ? 3 : 2) * sizeof expected);
    assert_close ((gfloat *) map.data + (i % 3) * TINY_SIZE, expected, TINY_SIZE);
    gst_buffer_unmap (tensors, &map);
  }
}

/* What NNStreamer documents of its caps and buffers (Documentation/data-type-and-flow-control.md; its oldest
 * versions take four dimensions, newer ones more): Types and Dimensions are lists of num_tensors, a Dimension
 * is four numbers from 1 to 65535 with colons, of which trailing ones may be left out, innermost first; a
 * framerate is always there; each tensor is one memory of the buffer. */
static void
assert_nnstreamer_takes (GstCaps *caps, GstBuffer *buffer)
{
  const GstStructure *structure = gst_caps_get_structure (caps, 0);
  const gchar *dimensions = gst_structure_get_string (structure, "dimensions");
  g_auto (GStrv) types = g_strsplit (gst_structure_get_string (structure, "types"), ",", -1);
  g_auto (GStrv) numbers = g_strsplit (dimensions, ":", -1);
  gint n_tensors = 0, numerator = -1, denominator = 0;
  gsize floats = 1;

  g_assert_true (gst_caps_is_fixed (caps));
  g_assert_cmpstr (gst_structure_get_name (structure), ==, "other/tensors");
  g_assert_cmpstr (gst_structure_get_string (structure, "format"), ==, "static");
  g_assert_true (gst_structure_get_int (structure, "num_tensors", &n_tensors));
  g_assert_cmpint (n_tensors, ==, 1);
  g_assert_cmpuint (g_strv_length (types), ==, n_tensors);
  g_assert_cmpstr (types[0], ==, "float32");
  g_assert_true (
      g_regex_match_simple ("^[1-9][0-9]{0,4}(:[1-9][0-9]{0,4}){0,3}$", dimensions, 0, 0));
  for (gchar **number = numbers; *number; number++)
    floats *= g_ascii_strtoull (*number, NULL, 10);
  g_assert_true (gst_structure_get_fraction (structure, "framerate", &numerator, &denominator));
  g_assert_cmpint (numerator, >=, 0);
  g_assert_cmpint (denominator, >, 0);
  g_assert_cmpuint (gst_buffer_n_memory (buffer), ==, n_tensors);
  g_assert_cmpuint (gst_buffer_get_size (buffer), ==, floats * sizeof (gfloat));
}

/* A full batch at a known rate, and the rest at the end at an unknown one (0/1). */
static void
test_tensors_are_nnstreamers (Fixture *fixture, gconstpointer settings)
{
  const gint rates[] = {30, 0};
  const guint frames[] = {3, 2};
  GstHarness *harness = fixture->harness;
  GstVideoInfo info = *small_rgb ();

  gst_harness_set_sink_caps_str (harness, "other/tensors");
  for (guint i = 0; i < G_N_ELEMENTS (rates); i++) {
    g_autoptr (GstBuffer) buffer = NULL;
    g_autoptr (GstCaps) caps = NULL;

    info.fps_n = rates[i];
    set_video_caps (harness, &info);
    for (guint frame = 0; frame < frames[i]; frame++)
      g_assert_cmpint (gst_harness_push (harness, make_frame (&info, frame, frame * GST_SECOND)),
          ==, GST_FLOW_OK);
    if (rates[i] == 0)
      gst_harness_push_event (harness, gst_event_new_eos ());
    buffer = gst_harness_pull (harness);
    caps = gst_pad_get_current_caps (harness->sinkpad);
    assert_nnstreamer_takes (caps, buffer);
    g_assert_cmpuint (get_rows (harness), ==, frames[i]);
  }
}

static void
test_spelling_of_dimensions_follows_downstream (Fixture *fixture, gconstpointer settings)
{
  GstHarness *harness = fixture->harness;
  g_autoptr (GstCaps) caps = NULL;
  g_autoptr (GstBuffer) out = NULL;

  gst_harness_set_sink_caps_str (harness,
      "other/tensors, format=static, num_tensors=1, types=float32, dimensions=32:1:1:1, "
      "framerate=[0/1, 1000/1]");
  set_video_caps (harness, small_rgb ());
  out = gst_harness_push_and_pull (harness, make_frame (small_rgb (), 1, 0));
  caps = gst_pad_get_current_caps (harness->sinkpad);
  g_assert_cmpstr (
      gst_structure_get_string (gst_caps_get_structure (caps, 0), "dimensions"), ==, "32:1:1:1");
}

static void
test_short_buffer_is_an_error (Fixture *fixture, gconstpointer settings)
{
  g_autofree gchar *text = NULL;

  set_video_caps (fixture->harness, small_rgb ());
  g_assert_cmpint (gst_harness_push (fixture->harness, gst_buffer_new_allocate (NULL, 10, NULL)),
      ==, GST_FLOW_ERROR);
  text = pop_text (fixture->bus, GST_MESSAGE_ERROR);
  assert_contains (text, "10 bytes");
}

static void
test_up_and_down_again_is_the_same (Fixture *fixture, gconstpointer settings)
{
  for (guint i = 0; i < 2; i++) {
    g_autoptr (GstBuffer) out = NULL;

    set_video_caps (fixture->harness, small_rgb ());
    out = gst_harness_push_and_pull (fixture->harness, make_frame (small_rgb (), 1, 0));
    check_frame (out, fixture->weights, small_rgb ());
    g_assert_cmpint (gst_element_set_state (fixture->harness->element, GST_STATE_READY), ==,
        GST_STATE_CHANGE_SUCCESS);
    gst_harness_play (fixture->harness);
  }
}

static void
test_trainer_without_pairs_is_an_error (void)
{
  GstHarness *harness = harness_new ("simclrencoder " TINY);
  g_autoptr (GstBus) bus = attach_bus (harness->element);
  g_autofree gchar *text = NULL;

  gst_harness_set_sink_caps_str (harness, "other/tensors");
  gst_harness_add_propose_allocation_meta (harness, GST_SIMCLR_FORWARD_META_API_TYPE, NULL);
  set_video_caps (harness, small_rgb ());
  g_assert_cmpint (
      gst_harness_push (harness, make_frame (small_rgb (), 1, 0)), ==, GST_FLOW_NOT_NEGOTIATED);
  text = pop_text (bus, GST_MESSAGE_ERROR);
  assert_contains (text, "simclraugment");
  detach_bus (harness->element, bus);
  gst_harness_teardown (harness);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  gst_simclr_embedding_meta_register ();
  GST_ELEMENT_REGISTER (simclrencoder, NULL);

  ADD ("frames-pass", NULL, test_frames_pass_with_their_embedding);
  ADD ("any-size-and-format", NULL, test_any_size_and_format);
  ADD ("tensors", "batch-size=3", test_tensors_where_only_they_are_taken);
  ADD ("nnstreamer", "batch-size=3", test_tensors_are_nnstreamers);
  ADD ("spelling", NULL, test_spelling_of_dimensions_follows_downstream);
  ADD ("short-buffer", NULL, test_short_buffer_is_an_error);
  ADD ("again", NULL, test_up_and_down_again_is_the_same);
  g_test_add_func ("/encoder/no-pairs", test_trainer_without_pairs_is_an_error);
  return g_test_run ();
}
