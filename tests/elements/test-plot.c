/* simclrplot: when it draws, what the pictures show of frames and steps, and how the map holds still.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "element-test.h"

#include <math.h>
#include <string.h>

#include "gstsimclrclassificationmeta.h"
#include "gstsimclrembeddingmeta.h"
#include "gstsimclrplot.h"
#include "gstsimclrplotcurves.h"
#include "gstsimclrplotmap.h"
#include "gstsimclrtrainer.h"

#define SIZE 16

static GstHarness *
start (const gchar *settings, const gchar *caps)
{
  g_autofree gchar *launch = g_strdup_printf ("simclrplot %s", settings);
  GstHarness *harness = harness_new (launch);

  if (caps != NULL)
    gst_harness_set_sink_caps_str (harness, caps);
  gst_harness_play (harness);
  gst_harness_set_src_caps_str (
      harness, "video/x-raw,format=RGB,width=32,height=24,framerate=30/1");
  return harness;
}

static void
set_embedding (gfloat *embedding, gdouble angle)
{
  for (guint c = 0; c < SIZE; c++)
    embedding[c] = (gfloat) (c == 0 ? 2 : c == 1 ? cos (angle) : c == 2 ? 0.5 * sin (angle) : 0);
}

/* A frame of one colour whose embedding is a point of an ellipse. */
static GstBuffer *
new_frame (GstClockTime pts, gdouble angle, guint8 color)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, 32 * 24 * 3, NULL);
  const GstSimclrEmbeddingOrigin origin = {
      .model = "test", .architecture = "resnet18", .step = 1, .size = SIZE};
  g_autoptr (GBytes) bytes = NULL;
  gfloat embedding[SIZE];

  set_embedding (embedding, angle);
  bytes = g_bytes_new (embedding, sizeof embedding);
  gst_buffer_memset (buffer, 0, color, 32 * 24 * 3);
  GST_BUFFER_PTS (buffer) = pts;
  gst_buffer_add_simclr_embedding_meta (buffer, bytes, &origin);
  return buffer;
}

static void
push (GstHarness *harness, guint n)
{
  for (guint i = 0; i < n; i++)
    g_assert_cmpint (
        gst_harness_push (harness, new_frame (i * GST_SECOND / 30, 0.3 * i, 200)), ==, GST_FLOW_OK);
}

/* Whether two bytes of a colour differ by little. */
static gboolean
is_near (guint32 a, guint32 b, guint shift)
{
  return ABS ((gint) (a >> shift & 0xff) - (gint) (b >> shift & 0xff)) <= 2;
}

/* Pixels of this colour, as red, green, blue. */
static guint
count_pixels (GstBuffer *picture, guint32 color)
{
  GstMapInfo map;
  guint found = 0;

  g_assert_true (gst_buffer_map (picture, &map, GST_MAP_READ));
  for (gsize i = 0; i < map.size; i += 4) {
    guint32 pixel;

    memcpy (&pixel, map.data + i, 4);
    found += is_near (pixel, color, 0) && is_near (pixel, color, 8) && is_near (pixel, color, 16);
  }
  gst_buffer_unmap (picture, &map);
  return found;
}

static GstBuffer *
last_picture (GstHarness *harness)
{
  GstBuffer *picture = NULL;

  while (gst_harness_buffers_in_queue (harness) > 0) {
    gst_clear_buffer (&picture);
    picture = gst_harness_pull (harness);
  }
  g_assert_nonnull (picture);
  return picture;
}

static void
test_size_and_rate_are_those_asked_for (void)
{
  const gchar *const asked[] = {NULL, "video/x-raw,width=1280,height=720,framerate=5/1",
      "video/x-raw,width=[1,100],height=[1,50]"};
  const gint expected[][3] = {{640, 480, 10}, {1280, 720, 5}, {100, 50, 10}};

  for (guint i = 0; i < G_N_ELEMENTS (asked); i++) {
    GstHarness *harness = start ("", asked[i]);
    g_autoptr (GstCaps) caps = NULL;
    GstVideoInfo info;
    GstClockTime before = GST_CLOCK_TIME_NONE;
    guint pictures = 0;

    push (harness, 61); /* two seconds */
    caps = gst_pad_get_current_caps (harness->sinkpad);
    g_assert_true (gst_video_info_from_caps (&info, caps));
    g_assert_cmpint (info.width, ==, expected[i][0]);
    g_assert_cmpint (info.height, ==, expected[i][1]);
    g_assert_cmpint (info.fps_n, ==, expected[i][2]);
    while (gst_harness_buffers_in_queue (harness) > 0) {
      g_autoptr (GstBuffer) picture = gst_harness_pull (harness);

      g_assert_cmpuint (gst_buffer_get_size (picture), ==, GST_VIDEO_INFO_SIZE (&info));
      if (GST_CLOCK_TIME_IS_VALID (before))
        g_assert_cmpuint (GST_BUFFER_PTS (picture), >, before);
      before = GST_BUFFER_PTS (picture);
      pictures++;
    }
    g_assert_cmpuint (pictures, ==, (guint) (2 * expected[i][2] + 1));
    gst_harness_teardown (harness);
  }
}

static void
test_a_gap_makes_no_pictures (void)
{
  GstHarness *harness = start ("", NULL);

  gst_harness_push (harness, new_frame (0, 0, 1));
  gst_harness_push (harness, new_frame (100 * GST_SECOND, 1, 1));
  gst_harness_push (harness, new_frame (100 * GST_SECOND + GST_MSECOND, 1, 1));
  g_assert_cmpuint (gst_harness_buffers_in_queue (harness), ==, 2);
  gst_harness_teardown (harness);
}

static void
test_the_end_is_drawn (void)
{
  GstHarness *harness = start ("", NULL);

  push (harness, 2); /* the second one is not due */
  g_assert_cmpuint (gst_harness_buffers_in_queue (harness), ==, 1);
  gst_harness_push_event (harness, gst_event_new_eos ());
  g_assert_cmpuint (gst_harness_buffers_in_queue (harness), ==, 2);
  gst_harness_teardown (harness);
}

static void
test_frames_are_on_the_map_as_pictures (void)
{
  GstHarness *harness = start ("", NULL);
  g_autoptr (GstBuffer) with = NULL, without = NULL;

  push (harness, 61);
  with = last_picture (harness);
  g_assert_cmpuint (count_pixels (with, 0xc8c8c8), >, 2000);
  g_object_set (harness->element, "thumbnails", FALSE, NULL);
  gst_harness_push_event (harness, gst_event_new_flush_start ());
  gst_harness_push_event (harness, gst_event_new_flush_stop (TRUE));
  {
    GstSegment segment;

    gst_segment_init (&segment, GST_FORMAT_TIME);
    gst_harness_push_event (harness, gst_event_new_segment (&segment));
  }
  push (harness, 61);
  without = last_picture (harness);
  g_assert_cmpuint (count_pixels (without, 0xc8c8c8), <, 20);
  gst_harness_teardown (harness);
}

static void
test_frames_without_embeddings_pass_by (void)
{
  GstHarness *harness = start ("", NULL);
  g_autoptr (GstBuffer) picture = NULL;

  for (guint i = 0; i < 4; i++) {
    GstBuffer *buffer = gst_buffer_new_allocate (NULL, 32 * 24 * 3, NULL);

    gst_buffer_memset (buffer, 0, 200, 32 * 24 * 3);
    GST_BUFFER_PTS (buffer) = i * GST_SECOND / 10;
    g_assert_cmpint (gst_harness_push (harness, buffer), ==, GST_FLOW_OK);
  }
  g_assert_cmpuint (gst_harness_buffers_in_queue (harness), ==, 4);
  picture = last_picture (harness);
  g_assert_cmpuint (count_pixels (picture, 0xc8c8c8), <, 20);
  gst_harness_teardown (harness);
}

static void
test_every_format_comes_in (void)
{
  g_autoptr (GstCaps) caps = gst_caps_from_string (GST_VIDEO_CAPS_MAKE (GST_VIDEO_FORMATS_ALL));
  const GValue *formats = gst_structure_get_value (gst_caps_get_structure (caps, 0), "format");
  GstHarness *harness = start ("", "video/x-raw,width=64,height=48");

  for (guint i = 0; i < gst_value_list_get_size (formats); i++) {
    GstVideoInfo info =
        video_info (g_value_get_string (gst_value_list_get_value (formats, i)), 37, 23);
    GstBuffer *buffer = gst_buffer_new_allocate (NULL, GST_VIDEO_INFO_SIZE (&info), NULL);
    g_autoptr (GstBuffer) source = new_frame (0, i, 0);
    guint size, rows;
    const gfloat *floats = gst_buffer_get_simclr_embedding (source, &size, &rows);
    g_autoptr (GBytes) bytes = g_bytes_new (floats, sizeof (gfloat) * size);
    const GstSimclrEmbeddingOrigin origin = {
        .model = "test", .architecture = "resnet18", .step = 1, .size = SIZE};

    gst_buffer_memset (buffer, 0, 0x40, GST_VIDEO_INFO_SIZE (&info));
    GST_BUFFER_PTS (buffer) = i * GST_SECOND;
    gst_buffer_add_simclr_embedding_meta (buffer, bytes, &origin);
    set_video_caps (harness, &info);
    g_assert_cmpint (gst_harness_push (harness, buffer), ==, GST_FLOW_OK);
  }
  gst_harness_teardown (harness);
}

static void
test_tiny_pictures_are_drawn (void)
{
  const gint sizes[][2] = {{1, 1}, {16, 16}, {3, 400}, {400, 3}, {33, 31}};

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_autofree gchar *caps =
        g_strdup_printf ("video/x-raw,width=%d,height=%d", sizes[i][0], sizes[i][1]);
    GstHarness *harness = start ("", caps);

    push (harness, 20);
    gst_harness_teardown (harness);
  }
}

/* A training pipeline of its own: the trainer's signal, as after each step. */
static void
test_steps_of_the_trainer_are_curves (void)
{
  g_autoptr (GstElement) pipeline = gst_object_ref_sink (gst_pipeline_new (NULL));
  GstElement *trainer = gst_element_factory_make ("simclrtrainer", "me");
  GstElement *plot = gst_element_factory_make ("simclrplot", NULL);
  GstHarness *harness;
  g_autoptr (GstBuffer) before = NULL, after = NULL;

  gst_bin_add_many (GST_BIN (pipeline), trainer, plot, NULL);
  harness = gst_harness_new_with_element (plot, "sink", "src");
  gst_harness_set_src_caps_str (
      harness, "video/x-raw,format=RGB,width=32,height=24,framerate=30/1");
  gst_harness_push (harness, new_frame (0, 0, 0));
  before = last_picture (harness);
  for (guint step = 1; step <= 50; step++) {
    g_autoptr (GstStructure) fields =
        gst_structure_new ("simclr-training", "step", G_TYPE_UINT64, (guint64) step, "loss",
            G_TYPE_DOUBLE, 5.0 / step, "contrastive-accuracy", G_TYPE_DOUBLE, step / 50.0, NULL);

    g_signal_emit_by_name (trainer, "trained", fields);
  }
  gst_harness_push (harness, new_frame (GST_SECOND, 0, 0));
  after = last_picture (harness);
  /* the colour of the curve of the loss, and that of the accuracy's */
  g_assert_cmpuint (count_pixels (before, 0x85adff), ==, 0);
  g_assert_cmpuint (count_pixels (after, 0x85adff), >, 50);
  g_assert_cmpuint (count_pixels (before, 0x59d9b8), ==, 0);
  g_assert_cmpuint (count_pixels (after, 0x59d9b8), >, 50);
  gst_harness_teardown (harness);
  gst_element_set_state (plot, GST_STATE_NULL);
}

static void
test_a_trainer_that_is_not_there_is_an_error (void)
{
  g_autoptr (GstElement) plot = gst_object_ref_sink (gst_element_factory_make ("simclrplot", NULL));
  g_autoptr (GstBus) bus = attach_bus (plot);
  g_autofree gchar *said = NULL;

  g_object_set (plot, "trainer", "nobody", NULL);
  g_assert_cmpint (gst_element_set_state (plot, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
  said = pop_text (bus, GST_MESSAGE_ERROR);
  assert_contains (said, "trainer=\"nobody\"");
  gst_element_set_state (plot, GST_STATE_NULL);
  detach_bus (plot, bus);
}

static void
test_curves_of_any_length_keep_their_shape (void)
{
  g_autofree GstSimclrCurves *curves = g_new0 (GstSimclrCurves, 1);
  const guint steps = 100000;
  gdouble before = 0;

  gst_simclr_curves_clear (curves);
  for (guint step = 1; step <= steps; step++) {
    g_autoptr (GstStructure) fields = gst_structure_new ("simclr-training", "step", G_TYPE_UINT64,
        (guint64) step, "loss", G_TYPE_DOUBLE, step == 77 ? NAN : (gdouble) step, NULL);

    gst_simclr_curves_add (curves, fields);
  }
  g_assert_cmpuint (curves->n, >, GST_SIMCLR_CURVE_MOST / 3);
  g_assert_cmpfloat (curves->points[curves->n - 1].step, >, steps - curves->span - 1);
  for (guint i = 0; i < curves->n; i++) {
    const GstSimclrCurvePoint *point = &curves->points[i];

    /* the mean of a straight line is its middle */
    g_assert_cmpfloat (point->step, ==, before + curves->span);
    g_assert_cmpfloat_with_epsilon (
        point->values[GST_SIMCLR_CURVE_LOSS], point->step - (curves->span - 1) / 2.0, 1);
    g_assert_true (isnan (point->values[GST_SIMCLR_CURVE_RANK]));
    before = point->step;
  }
}

static void
test_another_run_begins_anew (void)
{
  g_autofree GstSimclrCurves *curves = g_new0 (GstSimclrCurves, 1);

  gst_simclr_curves_clear (curves);
  for (guint step = 1; step <= 4; step++) {
    g_autoptr (GstStructure) fields = gst_structure_new (
        "simclr-training", "step", G_TYPE_UINT64, (guint64) (step == 4 ? 2 : step), NULL);

    gst_simclr_curves_add (curves, fields);
  }
  g_assert_cmpuint (curves->n, ==, 1);
  g_assert_cmpfloat (curves->points[0].step, ==, 2);
}

static void
test_the_map_forgets_and_holds_still (void)
{
  GstSimclrMap map;
  gfloat embedding[SIZE];
  gdouble x = 0, y = 0;

  gst_simclr_map_init (&map);
  for (guint i = 0; i < 300; i++) {
    set_embedding (embedding, i * 0.37);
    gst_simclr_map_set_current (&map, i * GST_SECOND, embedding, SIZE, i % 2 ? "cup" : "hat", NULL);
    gst_simclr_map_keep_current (&map, 50 * GST_SECOND, 40);
    g_assert_cmpuint (map.points->len, ==, MIN (i + 1, 40));
    g_assert_true (gst_simclr_map_update (&map) == (i > 0));
    /* the place of one direction among others that come and go */
    if (i > 40) {
      gsize n;
      g_autofree gfloat *place = NULL;

      set_embedding (embedding, 1);
      place = simclr_projection_map (map.projection, embedding, SIZE, SIZE, &n, NULL);
      if (i > 41)
        g_assert_cmpfloat (hypot (place[0] - x, place[1] - y), <, 0.05);
      x = place[0];
      y = place[1];
    }
  }
  g_assert_cmpfloat (hypot (x, y), >, 0.2);
  g_assert_cmpuint (map.labels->len, ==, 2);
  /* much later only the newest is left */
  gst_simclr_map_set_current (&map, 1000 * GST_SECOND, embedding, SIZE, NULL, NULL);
  gst_simclr_map_keep_current (&map, 50 * GST_SECOND, 40);
  g_assert_cmpuint (map.points->len, ==, 1);
  /* another encoder is another map */
  gst_simclr_map_set_current (&map, 1001 * GST_SECOND, embedding, SIZE / 2, NULL, NULL);
  g_assert_cmpuint (map.points->len, ==, 0);
  gst_simclr_map_free (&map);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  GST_ELEMENT_REGISTER (simclrplot, NULL);
  GST_ELEMENT_REGISTER (simclrtrainer, NULL);

#define ADD(path, function) g_test_add_func ("/plot/" path, function)
  ADD ("size-and-rate-are-those-asked-for", test_size_and_rate_are_those_asked_for);
  ADD ("a-gap-makes-no-pictures", test_a_gap_makes_no_pictures);
  ADD ("the-end-is-drawn", test_the_end_is_drawn);
  ADD ("frames-are-on-the-map-as-pictures", test_frames_are_on_the_map_as_pictures);
  ADD ("frames-without-embeddings-pass-by", test_frames_without_embeddings_pass_by);
  ADD ("every-format-comes-in", test_every_format_comes_in);
  ADD ("tiny-pictures-are-drawn", test_tiny_pictures_are_drawn);
  ADD ("steps-of-the-trainer-are-curves", test_steps_of_the_trainer_are_curves);
  ADD ("a-trainer-that-is-not-there-is-an-error", test_a_trainer_that_is_not_there_is_an_error);
  ADD ("curves-of-any-length-keep-their-shape", test_curves_of_any_length_keep_their_shape);
  ADD ("another-run-begins-anew", test_another_run_begins_anew);
  ADD ("the-map-forgets-and-holds-still", test_the_map_forgets_and_holds_still);
#undef ADD
  return g_test_run ();
}
