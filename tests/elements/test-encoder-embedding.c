/* simclrencoder when it embeds: what leaves it equals what the library says, in every form.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "element-test.h"

#include <math.h>

#include <gstsimclrembeddingmeta.h>
#include <gstsimclrencoder.h>
#include <gstsimclrforwardmeta.h>
#include <gstsimclrmodeltable.h>

static const GstVideoInfo *
small_rgb (void)
{
  static GstVideoInfo info;

  info = video_info ("RGB", 32, 32);
  return &info;
}

static SimclrPixelFormat
pixel_format (GstVideoFormat format)
{
  return format == GST_VIDEO_FORMAT_RGB    ? SIMCLR_PIXEL_FORMAT_RGB
         : format == GST_VIDEO_FORMAT_BGR  ? SIMCLR_PIXEL_FORMAT_BGR
         : format == GST_VIDEO_FORMAT_RGBx ? SIMCLR_PIXEL_FORMAT_RGBX
         : format == GST_VIDEO_FORMAT_BGRx ? SIMCLR_PIXEL_FORMAT_BGRX
                                           : SIMCLR_PIXEL_FORMAT_GRAY8;
}

/* The oracle: the library called by hand. */
static void
expect_embedding (
    SimclrWeights *weights, const GstVideoInfo *info, GstBuffer *buffer, gfloat *embedding)
{
  guint size = simclr_weights_get_input_size (weights);
  g_autofree gfloat *picture = g_new (gfloat, 3 * size * size);
  g_autoptr (SimclrEncoder) encoder = NULL;
  g_autoptr (GError) error = NULL;
  GstMapInfo map;
  SimclrFrame frame;

  g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_READ));
  frame = (SimclrFrame){map.data, info->width, info->height, info->stride[0],
      pixel_format (GST_VIDEO_INFO_FORMAT (info))};
  simclr_evaluation_view (
      &frame, size, simclr_weights_get_normalization (weights), picture, &error);
  g_assert_no_error (error);
  gst_buffer_unmap (buffer, &map);
  encoder = simclr_encoder_new (weights, SIMCLR_PROVIDER_AUTO, SIMCLR_PRECISION_AUTO, 1, &error);
  g_assert_no_error (error);
  simclr_encoder_encode (encoder, picture, 1, SIMCLR_OUTPUT_REPRESENTATION, embedding, &error);
  g_assert_no_error (error);
}

/* Batches of other sizes may sum in another order. */
static void
assert_close (const gfloat *a, const gfloat *b, guint n)
{
  gdouble difference = 0, norm = 0;

  for (guint i = 0; i < n; i++) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    norm += b[i] * b[i];
  }
  g_assert_cmpfloat (norm, >, 0);
  g_assert_cmpfloat (difference, <=, 1e-10 * norm);
}

static void
check_frame (GstBuffer *out, SimclrWeights *weights, const GstVideoInfo *info)
{
  gfloat expected[TINY_SIZE];
  const gfloat *embedding;
  guint size, rows;

  embedding = gst_buffer_get_simclr_embedding (out, &size, &rows);
  g_assert_nonnull (embedding);
  g_assert_cmpuint (size, ==, TINY_SIZE);
  g_assert_cmpuint (rows, ==, 1);
  expect_embedding (weights, info, out, expected);
  assert_close (embedding, expected, size);
}

typedef struct
{
  gchar *folder;
  gchar *location;
  SimclrWeights *weights;
  GstHarness *harness;
  GstBus *bus;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer settings)
{
  g_autofree gchar *launch = NULL;
  g_autoptr (GError) error = NULL;

  fixture->folder = make_folder ();
  fixture->location = g_build_filename (fixture->folder, "w.safetensors", NULL);
  fixture->weights = tiny_weights (32, 7);
  simclr_weights_save (fixture->weights, fixture->location, &error);
  g_assert_no_error (error);
  launch = g_strdup_printf ("simclrencoder threads=1 location=%s %s", fixture->location,
      settings != NULL ? (const gchar *) settings : "");
  fixture->harness = harness_new (launch);
  fixture->bus = attach_bus (fixture->harness->element);
}

static void
tear_down (Fixture *fixture, gconstpointer settings)
{
  GstElement *element = gst_object_ref (fixture->harness->element);

  detach_bus (element, fixture->bus);
  gst_object_unref (fixture->bus);
  gst_harness_teardown (fixture->harness);
  g_assert_finalize_object (element);
  simclr_weights_unref (fixture->weights);
  remove_folder (fixture->folder);
  g_free (fixture->folder);
  g_free (fixture->location);
}

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
test_a_batch_keeps_order_and_times (Fixture *fixture, gconstpointer settings)
{
  GstHarness *harness = fixture->harness;

  set_video_caps (harness, small_rgb ());
  for (guint i = 0; i < 5; i++) {
    g_assert_cmpint (
        gst_harness_push (harness, make_frame (small_rgb (), i, i * GST_SECOND)), ==, GST_FLOW_OK);
    g_assert_cmpuint (gst_harness_buffers_received (harness), ==, i < 2 ? 0 : 3);
  }
  gst_harness_push_event (harness, gst_event_new_eos ());
  for (guint i = 0; i < 5; i++) {
    g_autoptr (GstBuffer) out = gst_harness_pull (harness);

    g_assert_cmpuint (GST_BUFFER_PTS (out), ==, i * GST_SECOND);
    check_frame (out, fixture->weights, small_rgb ());
  }
}

static void
test_serialised_events_stay_behind_their_frames (Fixture *fixture, gconstpointer settings)
{
  GstHarness *harness = fixture->harness;

  set_video_caps (harness, small_rgb ());
  gst_harness_push (harness, make_frame (small_rgb (), 1, 0));
  g_assert_cmpuint (gst_harness_buffers_received (harness), ==, 0);
  gst_harness_push_event (harness, gst_event_new_gap (GST_SECOND, GST_SECOND));
  g_assert_cmpuint (gst_harness_buffers_received (harness), ==, 1);
}

static void
test_a_late_batch_goes_when_time_is_up (Fixture *fixture, gconstpointer settings)
{
  g_autoptr (GstBuffer) first = NULL;
  g_autoptr (GstBuffer) second = NULL;

  set_video_caps (fixture->harness, small_rgb ());
  gst_harness_push (fixture->harness, make_frame (small_rgb (), 1, 0));
  gst_harness_push (fixture->harness, make_frame (small_rgb (), 2, 1));
  /* waits for it, up to a minute */
  first = gst_harness_pull (fixture->harness);
  second = gst_harness_pull (fixture->harness);
  check_frame (first, fixture->weights, small_rgb ());
  check_frame (second, fixture->weights, small_rgb ());
}

static GstClockTime
get_latency (GstHarness *harness)
{
  g_autoptr (GstQuery) query = gst_query_new_latency ();
  GstClockTime least;
  gboolean live;

  gst_harness_set_upstream_latency (harness, GST_MSECOND);
  g_assert_true (gst_pad_peer_query (harness->sinkpad, query));
  gst_query_parse_latency (query, &live, &least, NULL);
  return least;
}

static void
test_latency_is_what_batching_adds (Fixture *fixture, gconstpointer settings)
{
  set_video_caps (fixture->harness, small_rgb ());
  g_assert_cmpuint (get_latency (fixture->harness), ==, GST_MSECOND + 2 * GST_SECOND / 30);
}

static void
test_latency_is_the_timeout_where_shorter (Fixture *fixture, gconstpointer settings)
{
  set_video_caps (fixture->harness, small_rgb ());
  g_assert_cmpuint (get_latency (fixture->harness), ==, 3 * GST_MSECOND);
}

static void
test_a_flush_drops_what_is_held (Fixture *fixture, gconstpointer settings)
{
  GstHarness *harness = fixture->harness;
  GstSegment segment;

  set_video_caps (harness, small_rgb ());
  gst_harness_push (harness, make_frame (small_rgb (), 1, 0));
  gst_harness_push (harness, make_frame (small_rgb (), 2, 0));
  gst_harness_push_event (harness, gst_event_new_flush_start ());
  gst_harness_push_event (harness, gst_event_new_flush_stop (TRUE));
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (harness, gst_event_new_segment (&segment));
  for (guint i = 0; i < 3; i++)
    gst_harness_push (harness, make_frame (small_rgb (), 10 + i, i));
  g_assert_cmpuint (gst_harness_buffers_received (harness), ==, 3);
  for (guint i = 0; i < 3; i++) {
    g_autoptr (GstBuffer) out = gst_harness_pull (harness);

    g_assert_cmpuint (GST_BUFFER_PTS (out), ==, i);
    check_frame (out, fixture->weights, small_rgb ());
  }
}

/* As funnel announces a stream before its frame. */
static void
turn_to_stream (GstHarness *harness, const gchar *id)
{
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (harness->srcpad);
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  g_assert_true (gst_harness_push_event (harness, gst_event_new_stream_start (id)));
  g_assert_true (gst_harness_push_event (harness, gst_event_new_caps (caps)));
  g_assert_true (gst_harness_push_event (harness, gst_event_new_segment (&segment)));
}

static GstPadProbeReturn
note_stream (GstPad *pad, GstPadProbeInfo *info, gpointer log)
{
  const gchar *id;

  if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
    g_string_append_printf (log, "%d", (gint) GST_BUFFER_PTS (GST_PAD_PROBE_INFO_BUFFER (info)));
  } else if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) == GST_EVENT_STREAM_START) {
    gst_event_parse_stream_start (GST_PAD_PROBE_INFO_EVENT (info), &id);
    g_string_append (log, id);
  }
  return GST_PAD_PROBE_OK;
}

static void
test_several_streams_fill_a_batch (Fixture *fixture, gconstpointer settings)
{
  GstHarness *harness = fixture->harness;
  g_autoptr (GString) log = g_string_new (NULL);
  g_autoptr (GstPad) pad = gst_element_get_static_pad (harness->element, "src");

  set_video_caps (harness, small_rgb ());
  gst_pad_add_probe (
      pad, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, note_stream, log, NULL);
  for (guint i = 0; i < 3; i++) {
    g_assert_cmpuint (gst_harness_buffers_received (harness), ==, 0);
    turn_to_stream (harness, i % 2 ? "b" : "a");
    gst_harness_push (harness, make_frame (small_rgb (), i, i));
  }
  g_assert_cmpstr (log->str, ==, "a0b1a2");
  for (guint i = 0; i < 3; i++) {
    g_autoptr (GstBuffer) out = gst_harness_pull (harness);

    check_frame (out, fixture->weights, small_rgb ());
  }
}

static void
test_a_flush_keeps_which_stream_it_is (Fixture *fixture, gconstpointer settings)
{
  GstHarness *harness = fixture->harness;
  g_autoptr (GstPad) pad = gst_element_get_static_pad (harness->element, "src");
  g_autoptr (GstEvent) event = NULL;
  const gchar *id;

  set_video_caps (harness, small_rgb ());
  gst_harness_push (harness, make_frame (small_rgb (), 1, 0));
  turn_to_stream (harness, "b");
  gst_harness_push_event (harness, gst_event_new_flush_start ());
  gst_harness_push_event (harness, gst_event_new_flush_stop (TRUE));
  event = gst_pad_get_sticky_event (pad, GST_EVENT_STREAM_START, 0);
  g_assert_nonnull (event);
  gst_event_parse_stream_start (event, &id);
  g_assert_cmpstr (id, ==, "b");
  g_assert_cmpuint (gst_harness_buffers_received (harness), ==, 0);
}

static void
test_caps_change_in_the_middle_of_a_batch (Fixture *fixture, gconstpointer settings)
{
  GstHarness *harness = fixture->harness;
  GstVideoInfo infos[2] = {video_info ("RGB", 32, 32), video_info ("GRAY8", 21, 45)};

  for (guint i = 0; i < 2; i++) {
    set_video_caps (harness, &infos[i]);
    gst_harness_push (harness, make_frame (&infos[i], i, 0));
  }
  gst_harness_push_event (harness, gst_event_new_eos ());
  for (guint i = 0; i < 2; i++) {
    g_autoptr (GstBuffer) out = gst_harness_pull (harness);

    g_assert_cmpuint (gst_buffer_get_size (out), ==, GST_VIDEO_INFO_SIZE (&infos[i]));
    check_frame (out, fixture->weights, &infos[i]);
  }
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
test_contradiction_names_the_property (Fixture *fixture, gconstpointer settings)
{
  g_autofree gchar *text = NULL;

  set_video_caps (fixture->harness, small_rgb ());
  g_assert_cmpint (gst_harness_push (fixture->harness, make_frame (small_rgb (), 1, 0)), ==,
      GST_FLOW_NOT_NEGOTIATED);
  text = pop_text (fixture->bus, GST_MESSAGE_ERROR);
  assert_contains (text, strstr (settings, "architecture") ? "architecture=resnet34 contradicts"
                         : strstr (settings, "width")      ? "width=0.5 contradicts"
                         : strstr (settings, "stem")       ? "stem=imagenet contradicts"
                                                           : "output=projection");
  g_assert_null (pop_text (fixture->bus, GST_MESSAGE_ERROR));
}

static void
test_input_size_may_be_another (Fixture *fixture, gconstpointer settings)
{
  g_autoptr (SimclrWeights) weights =
      simclr_weights_adapt (fixture->weights, 48, SIMCLR_NORMALIZATION_IMAGENET, NULL);
  g_autoptr (GstBuffer) out = NULL;

  g_assert_cmpint (simclr_weights_get_stem (weights), ==, SIMCLR_STEM_CIFAR);
  set_video_caps (fixture->harness, small_rgb ());
  out = gst_harness_push_and_pull (fixture->harness, make_frame (small_rgb (), 1, 0));
  check_frame (out, weights, small_rgb ());
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
test_bad_file_fails_the_start (void)
{
  g_autofree gchar *folder = make_folder ();
  g_autofree gchar *path = g_build_filename (folder, "bad.safetensors", NULL);
  g_autofree gchar *text = NULL;
  g_autofree gchar *missing = NULL;
  GstElement *element = gst_element_factory_make ("simclrencoder", NULL);
  g_autoptr (GstBus) bus = attach_bus (gst_object_ref_sink (element));

  g_assert_true (g_file_set_contents (path, "\xff\xff\xff\xff\xff\xff\xff\x7f{}", 10, NULL));
  g_object_set (element, "location", path, NULL);
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
  text = pop_text (bus, GST_MESSAGE_ERROR);
  assert_contains (text, path);
  gst_element_set_state (element, GST_STATE_NULL);

  g_remove (path);
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
  missing = pop_text (bus, GST_MESSAGE_ERROR);
  assert_contains (missing, path);
  gst_element_set_state (element, GST_STATE_NULL);
  detach_bus (element, bus);
  g_assert_finalize_object (element);
  remove_folder (folder);
}

static void
test_untrained_is_said (void)
{
  GstHarness *harness = harness_new ("simclrencoder " TINY " seed=7 threads=1");
  g_autoptr (GstBus) bus = attach_bus (harness->element);
  g_autoptr (SimclrWeights) weights = tiny_weights (32, 7);
  g_autofree gchar *text = NULL;
  g_autoptr (GstBuffer) out = NULL;

  set_video_caps (harness, small_rgb ());
  out = gst_harness_push_and_pull (harness, make_frame (small_rgb (), 1, 0));
  check_frame (out, weights, small_rgb ());
  text = pop_text (bus, GST_MESSAGE_WARNING);
  assert_contains (text, "untrained");
  detach_bus (harness->element, bus);
  gst_harness_teardown (harness);
}

/* An untrained encoder with stem=auto: 224 and the ImageNet stem for larger frames. */
static void
test_untrained_input_size_follows_the_frame (void)
{
  const guint sides[] = {32, 33};

  for (guint i = 0; i < 2; i++) {
    GstHarness *harness = harness_new ("simclrencoder " TINY " threads=1 seed=2");
    GstVideoInfo info = video_info ("RGB", 50, sides[i]);
    g_autoptr (SimclrWeights) weights = tiny_weights (i == 0 ? 32 : 224, 2);
    g_autoptr (GstBuffer) out = NULL;

    set_video_caps (harness, &info);
    out = gst_harness_push_and_pull (harness, make_frame (&info, 1, 0));
    check_frame (out, weights, &info);
    gst_harness_teardown (harness);
  }
}

static guint64
get_step (GstBuffer *buffer)
{
  GstCustomMeta *meta = gst_buffer_get_custom_meta (buffer, "SimclrEmbedding");
  guint64 step = G_MAXUINT64;

  g_assert_nonnull (meta);
  gst_structure_get_uint64 (gst_custom_meta_get_structure (meta), "step", &step);
  return step;
}

static void
test_newest_weights_of_a_model_are_taken (void)
{
  GstHarness *harness = harness_new ("simclrencoder model=shared " TINY " threads=1");
  SimclrModel *model = gst_simclr_model_table_acquire ("shared");
  g_autoptr (SimclrWeights) first = tiny_weights (32, 1);
  g_autoptr (SimclrWeights) second = tiny_weights (32, 2);
  g_autoptr (SimclrWeights) larger = tiny_weights (40, 3);
  SimclrWeights *published[] = {first, second, larger};

  simclr_model_publish (model, first);
  set_video_caps (harness, small_rgb ());
  for (guint i = 0; i < 3; i++) {
    g_autoptr (GstBuffer) out = NULL;

    simclr_model_publish (model, published[i]);
    out = gst_harness_push_and_pull (harness, make_frame (small_rgb (), i, 0));
    check_frame (out, published[i], small_rgb ());
    g_assert_cmpuint (get_step (out), ==, 0);
  }
  gst_harness_teardown (harness);
  gst_simclr_model_table_release ("shared");
}

/* Projections need a head, which only training makes: frames do not wait for it. */
static void
test_frames_pass_while_a_model_has_no_head (void)
{
  GstHarness *harness = harness_new ("simclrencoder model=headless output=projection " TINY);
  g_autoptr (GstBuffer) out = NULL;

  set_video_caps (harness, small_rgb ());
  out = gst_harness_push_and_pull (harness, make_frame (small_rgb (), 1, 0));
  g_assert_null (gst_buffer_get_custom_meta (out, "SimclrEmbedding"));
  gst_harness_teardown (harness);
}

/* Where it is not to be had, the start says so. After two frames of calibration embeddings are near those of
 * other precisions but not the same. */
static void
test_bytes_follow_calibration (Fixture *fixture, gconstpointer settings)
{
  g_autoptr (SimclrEncoder) encoder =
      simclr_encoder_new (fixture->weights, SIMCLR_PROVIDER_AUTO, SIMCLR_PRECISION_INT8, 1, NULL);
  gfloat expected[TINY_SIZE];

  set_video_caps (fixture->harness, small_rgb ());
  if (encoder == NULL) {
    g_autofree gchar *text = NULL;

    g_assert_cmpint (
        gst_harness_push (fixture->harness, make_frame (small_rgb (), 1, 0)), !=, GST_FLOW_OK);
    text = pop_text (fixture->bus, GST_MESSAGE_ERROR);
    assert_contains (text, "precision=int8");
    return;
  }
  for (guint i = 0; i < 4; i++) {
    g_autoptr (GstBuffer) out =
        gst_harness_push_and_pull (fixture->harness, make_frame (small_rgb (), i, i * GST_SECOND));
    const gfloat *embedding = gst_buffer_get_simclr_embedding (out, NULL, NULL);
    gdouble difference = 0, norm = 0;

    if (i < 2) {
      check_frame (out, fixture->weights, small_rgb ());
      continue;
    }
    expect_embedding (fixture->weights, small_rgb (), out, expected);
    for (guint k = 0; k < TINY_SIZE; k++) {
      difference += (embedding[k] - expected[k]) * (embedding[k] - expected[k]);
      norm += expected[k] * expected[k];
    }
    g_assert_cmpfloat (difference, >, 0);
    g_assert_cmpfloat (sqrt (difference / norm), <, 0.06);
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

#define ADD(name, settings, function)                                                              \
  g_test_add ("/encoder/embedding/" name, Fixture, settings, set_up, function, tear_down)

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
  ADD ("batch", "batch-size=3", test_a_batch_keeps_order_and_times);
  ADD ("events", "batch-size=3", test_serialised_events_stay_behind_their_frames);
  ADD ("late", "batch-size=1000 batch-timeout=5000000", test_a_late_batch_goes_when_time_is_up);
  ADD ("latency", "batch-size=3", test_latency_is_what_batching_adds);
  ADD ("latency-timeout", "batch-size=3 batch-timeout=2000000",
      test_latency_is_the_timeout_where_shorter);
  ADD ("flush", "batch-size=3", test_a_flush_drops_what_is_held);
  ADD ("streams", "batch-size=3", test_several_streams_fill_a_batch);
  ADD ("streams-flush", "batch-size=3", test_a_flush_keeps_which_stream_it_is);
  ADD ("caps-change", "batch-size=3", test_caps_change_in_the_middle_of_a_batch);
  ADD ("short-buffer", NULL, test_short_buffer_is_an_error);
  ADD ("architecture", "architecture=resnet34", test_contradiction_names_the_property);
  ADD ("width", "width=0.5", test_contradiction_names_the_property);
  ADD ("stem", "stem=imagenet", test_contradiction_names_the_property);
  ADD ("projection", "output=projection", test_contradiction_names_the_property);
  ADD ("input-size", "input-size=48 normalization=imagenet", test_input_size_may_be_another);
  ADD ("bytes", "precision=int8 calibration-frames=2", test_bytes_follow_calibration);
  ADD ("again", NULL, test_up_and_down_again_is_the_same);
  g_test_add_func ("/encoder/bad-file", test_bad_file_fails_the_start);
  g_test_add_func ("/encoder/untrained", test_untrained_is_said);
  g_test_add_func ("/encoder/untrained-size", test_untrained_input_size_follows_the_frame);
  g_test_add_func ("/encoder/model", test_newest_weights_of_a_model_are_taken);
  g_test_add_func ("/encoder/no-head", test_frames_pass_while_a_model_has_no_head);
  g_test_add_func ("/encoder/no-pairs", test_trainer_without_pairs_is_an_error);
  return g_test_run ();
}
