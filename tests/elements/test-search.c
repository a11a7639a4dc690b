/* simclrindex and simclrgate: what they keep of a stream, what they answer, what they refuse.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "element-test.h"

#include <math.h>

#include "gstsimclrembeddingmeta.h"
#include "gstsimclrgate.h"
#include "gstsimclrindex.h"
#include "gstsimclrnearestmeta.h"

#define SIZE 2
#define APART (GST_SECOND / 10) /* of frames */

typedef struct
{
  GstHarness *harness;
  GstBus *bus;
  guint frames;
} Fixture;

static void
fixture_init (Fixture *self, const gchar *launch)
{
  GstVideoInfo info = video_info ("RGB", 64, 48);

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
embed (const gfloat *embedding, guint size, GstClockTime pts)
{
  const GstSimclrEmbeddingOrigin origin = {"test", "resnet18", 7, size};
  g_autoptr (GBytes) bytes = g_bytes_new (embedding, size * sizeof (gfloat));
  GstVideoInfo info = video_info ("RGB", 64, 48);
  GstBuffer *buffer = make_frame (&info, 1, pts);

  GST_BUFFER_DURATION (buffer) = APART;
  gst_buffer_add_simclr_embedding_meta (buffer, bytes, &origin);
  return buffer;
}

/* A frame whose embedding points that way. Returns whether it came out. */
static gboolean
push (Fixture *self, gdouble degrees)
{
  const gdouble angle = degrees / 180 * G_PI;
  const gfloat embedding[] = {(gfloat) cos (angle), (gfloat) sin (angle)};
  guint before = gst_harness_buffers_received (self->harness);

  g_assert_cmpint (
      gst_harness_push (self->harness, embed (embedding, SIZE, self->frames++ * APART)), ==,
      GST_FLOW_OK);
  return gst_harness_buffers_received (self->harness) > before;
}

static guint64
get_stat (Fixture *self, const gchar *name)
{
  g_autoptr (GstStructure) stats = NULL;
  guint64 value;

  g_object_get (self->harness->element, "stats", &stats, NULL);
  g_assert_true (gst_structure_get_uint64 (stats, name, &value));
  return value;
}

static guint
count_gaps (Fixture *self)
{
  guint gaps = 0;
  GstEvent *event;

  while ((event = gst_harness_try_pull_event (self->harness)) != NULL) {
    gaps += GST_EVENT_TYPE (event) == GST_EVENT_GAP;
    gst_event_unref (event);
  }
  return gaps;
}

static void
test_what_moved_enough_passes (void)
{
  Fixture gate;

  /* 1 - cos (30 degrees) is 0.134, of 25 degrees 0.094 */
  fixture_init (&gate, "simclrgate threshold=0.13");
  g_assert_true (push (&gate, 0));
  g_assert_false (push (&gate, 0));
  g_assert_false (push (&gate, 25));
  g_assert_true (push (&gate, 30));
  g_assert_false (push (&gate, 5));
  g_assert_false (push (&gate, 55));
  g_assert_true (push (&gate, -5));
  /* a slow walk passes as often as it has gone far enough */
  for (guint i = 0, passed = 0; i <= 90; i++) {
    passed += push (&gate, -5 + (gdouble) i);
    g_assert_cmpuint (passed, ==, i / 30);
  }
  g_assert_cmpuint (get_stat (&gate, "frames"), ==, 98);
  g_assert_cmpuint (get_stat (&gate, "passed"), ==, 6);
  g_assert_cmpuint (count_gaps (&gate), ==, 92);
  fixture_clear (&gate);
}

static void
test_frames_after_dropped_ones_are_marked (void)
{
  const gdouble angles[] = {0, 90, 90, 180, 270};
  const gboolean marked[] = {FALSE, FALSE, TRUE, FALSE};
  Fixture gate;

  fixture_init (&gate, "simclrgate");
  for (guint i = 0; i < G_N_ELEMENTS (angles); i++)
    push (&gate, angles[i]);
  for (guint i = 0; i < G_N_ELEMENTS (marked); i++) {
    g_autoptr (GstBuffer) buffer = gst_harness_pull (gate.harness);

    g_assert_cmpint (GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DISCONT), ==, marked[i]);
    g_assert_cmpuint (gst_buffer_get_size (buffer), ==, 64 * 48 * 3);
  }
  fixture_clear (&gate);
}

static void
test_intervals_bound_what_passes (void)
{
  Fixture gate;

  fixture_init (&gate, "simclrgate min-interval=300000000 max-interval=1000000000");
  for (guint i = 0; i < 30; i++)
    g_assert_cmpint (push (&gate, 90 * (gdouble) i), ==, i % 3 == 0);
  for (guint i = 30; i < 60; i++) /* the last that passed was frame 27 */
    g_assert_cmpint (push (&gate, 90 * 27), ==, (i - 27) % 10 == 0);
  fixture_clear (&gate);
}

static void
test_the_gate_begins_anew_where_the_stream_does (void)
{
  GstVideoInfo other = video_info ("GRAY8", 32, 32);
  Fixture gate;
  GstSegment segment;

  fixture_init (&gate, "simclrgate");
  g_assert_true (push (&gate, 0));
  g_assert_false (push (&gate, 0));
  gst_harness_push_event (gate.harness, gst_event_new_flush_start ());
  gst_harness_push_event (gate.harness, gst_event_new_flush_stop (TRUE));
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (gate.harness, gst_event_new_segment (&segment));
  g_assert_true (push (&gate, 0));
  g_assert_false (push (&gate, 0));
  set_video_caps (gate.harness, &other);
  g_assert_true (push (&gate, 0));
  gst_element_set_state (gate.harness->element, GST_STATE_READY);
  g_assert_cmpuint (get_stat (&gate, "frames"), ==, 5);
  fixture_clear (&gate);
}

static void
test_frames_without_embeddings_pass (void)
{
  GstVideoInfo info = video_info ("RGB", 64, 48);
  g_autofree gchar *text = NULL;
  Fixture gate;

  fixture_init (&gate, "simclrgate");
  for (guint i = 0; i < 3; i++)
    g_assert_cmpint (
        gst_harness_push (gate.harness, make_frame (&info, 1, i * APART)), ==, GST_FLOW_OK);
  g_assert_cmpuint (gst_harness_buffers_received (gate.harness), ==, 3);
  text = pop_text (gate.bus, GST_MESSAGE_WARNING);
  assert_contains (text, "simclrencoder");
  g_assert_null (gst_bus_pop_filtered (gate.bus, GST_MESSAGE_WARNING));
  fixture_clear (&gate);
}

static void
test_key_frames_are_told (void)
{
  Fixture gate;
  g_autoptr (GstMessage) message = NULL;
  const GstStructure *fields;
  guint64 frame, time;
  gdouble distance;

  fixture_init (&gate, "simclrgate messages=true");
  push (&gate, 0);
  push (&gate, 10);
  push (&gate, 90);
  message = gst_bus_pop_filtered (gate.bus, GST_MESSAGE_ELEMENT);
  fields = gst_message_get_structure (message);
  g_assert_true (gst_structure_has_name (fields, "simclr-keyframe"));
  g_assert_true (gst_structure_get (fields, "frame", G_TYPE_UINT64, &frame, "running-time",
      G_TYPE_UINT64, &time, "distance", G_TYPE_DOUBLE, &distance, NULL));
  g_assert_cmpuint (frame, ==, 2);
  g_assert_cmpuint (time, ==, 2 * APART);
  g_assert_cmpfloat_with_epsilon (distance, 1, 1e-6);
  g_assert_null (gst_bus_pop_filtered (gate.bus, GST_MESSAGE_ELEMENT));
  fixture_clear (&gate);
}

static void
test_moments_are_stored_that_differ (void)
{
  Fixture index;

  fixture_init (&index, "simclrindex interval=200000000 min-change=0.01");
  push (&index, 0);  /* stored */
  push (&index, 90); /* too soon */
  push (&index, 1);  /* too like */
  push (&index, 10); /* 1 - cos is 0.015 */
  push (&index, 20); /* too soon */
  push (&index, 20);
  g_assert_cmpuint (gst_harness_buffers_received (index.harness), ==, 6);
  g_assert_cmpuint (get_stat (&index, "frames"), ==, 6);
  g_assert_cmpuint (get_stat (&index, "stored"), ==, 3);
  g_assert_cmpuint (get_stat (&index, "entries"), ==, 3);
  fixture_clear (&index);
}

static gint64
get_number (const GValue *array, guint i)
{
  return g_value_get_int64 (gst_value_array_get_value (array, i));
}

static void
test_the_newest_frame_is_searched_for (void)
{
  g_autoptr (GstStructure) answer = NULL, other = NULL, query = NULL, nothing = NULL;
  g_autoptr (GstMessage) message = NULL;
  const gfloat up[] = {0, 5};
  g_autoptr (GBytes) bytes = g_bytes_new (up, sizeof up);
  const GValue *times;
  Fixture index;
  gint64 time;

  fixture_init (&index, "simclrindex interval=0 min-change=0 stream=door apart=300000000");
  g_signal_emit_by_name (index.harness->element, "search", NULL, &nothing);
  g_assert_nonnull (gst_structure_get_string (nothing, "error"));
  gst_message_unref (gst_bus_pop_filtered (index.bus, GST_MESSAGE_ELEMENT));
  for (guint i = 0; i < 10; i++)
    push (&index, 10 * (gdouble) i);
  push (&index, 22);
  g_signal_emit_by_name (index.harness->element, "search", NULL, &answer);
  times = gst_structure_get_value (answer, "times");
  g_assert_cmpuint (gst_value_array_get_size (times), >=, 3);
  /* itself, 20 degrees, and what is three frames away from that */
  g_assert_cmpint (get_number (times, 0), ==, 10 * APART);
  g_assert_cmpint (get_number (times, 1), ==, 2 * APART);
  g_assert_cmpint (get_number (times, 2), ==, 5 * APART);
  g_assert_true (gst_structure_get_int64 (answer, "time", &time));
  g_assert_cmpint (time, ==, 10 * APART);
  message = gst_bus_pop_filtered (index.bus, GST_MESSAGE_ELEMENT);
  g_assert_true (gst_structure_is_equal (answer, gst_message_get_structure (message)));

  query = gst_structure_new ("query", "embedding", G_TYPE_BYTES, bytes, "end", G_TYPE_INT64,
      (gint64) (7 * APART), "matches", G_TYPE_UINT, 1, "stream", G_TYPE_STRING, "door", NULL);
  g_signal_emit_by_name (index.harness->element, "search", query, &other);
  times = gst_structure_get_value (other, "times");
  g_assert_cmpuint (gst_value_array_get_size (times), ==, 1);
  g_assert_cmpint (get_number (times, 0), ==, 7 * APART);
  fixture_clear (&index);
}

static void
test_the_nearest_moment_is_told (void)
{
  Fixture index;

  fixture_init (&index, "simclrindex interval=0 min-change=0 nearest=true apart=300000000");
  for (guint i = 0; i < 10; i++) {
    g_autoptr (GstBuffer) buffer = NULL;
    const GstStructure *nearest;
    gint64 time;

    push (&index, 10 * (gdouble) i);
    buffer = gst_harness_pull (index.harness);
    nearest = gst_buffer_get_simclr_nearest (buffer);
    if (i < 3) {
      g_assert_null (nearest);
      continue;
    }
    g_assert_true (gst_structure_get_int64 (nearest, "time", &time));
    g_assert_cmpint (time, ==, (i - 3) * APART);
    g_assert_true (gst_structure_has_field_typed (nearest, "thumbnail", G_TYPE_BYTES));
  }
  fixture_clear (&index);
}

/* Others hold the frame as well: the meta is on a buffer of its own that shares the memory. */
static void
test_a_shared_frame_is_left_as_it_is (void)
{
  const gfloat embedding[] = {1, 0};
  g_autoptr (GstBuffer) shared = NULL, out = NULL;
  Fixture index;

  fixture_init (&index, "simclrindex interval=0 min-change=0 nearest=true apart=0");
  push (&index, 0);
  gst_buffer_unref (gst_harness_pull (index.harness));
  shared = embed (embedding, SIZE, 7 * APART);
  g_assert_cmpint (gst_harness_push (index.harness, gst_buffer_ref (shared)), ==, GST_FLOW_OK);
  out = gst_harness_pull (index.harness);
  g_assert_nonnull (gst_buffer_get_simclr_nearest (out));
  g_assert_null (gst_buffer_get_simclr_nearest (shared));
  g_assert_true (gst_buffer_peek_memory (out, 0) == gst_buffer_peek_memory (shared, 0));
  fixture_clear (&index);
}

static void
test_an_index_outlives_the_run (void)
{
  g_autofree gchar *folder = make_folder ();
  g_autofree gchar *location = g_build_filename (folder, "index", NULL);
  g_autofree gchar *launch =
      g_strdup_printf ("simclrindex interval=0 min-change=0 thumbnail-size=16 stream=\"Höf\" "
                       "source=clip location=%s",
          location);
  g_autoptr (SimclrIndex) kept = NULL;
  g_autoptr (SimclrMatch) match = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree gchar *encoder = NULL;

  for (guint run = 1; run <= 2; run++) {
    g_autoptr (GstMessage) message = NULL;
    const GstStructure *fields;
    guint64 stored, entries;
    Fixture index;

    fixture_init (&index, launch);
    for (guint i = 0; i < 5; i++)
      push (&index, 10 * (gdouble) i);
    g_assert_true (gst_harness_push_event (index.harness, gst_event_new_eos ()));
    message = gst_bus_pop_filtered (index.bus, GST_MESSAGE_ELEMENT);
    fields = gst_message_get_structure (message);
    g_assert_true (gst_structure_has_name (fields, "simclr-index"));
    g_assert_cmpstr (gst_structure_get_string (fields, "location"), ==, location);
    g_assert_true (gst_structure_get (
        fields, "stored", G_TYPE_UINT64, &stored, "entries", G_TYPE_UINT64, &entries, NULL));
    g_assert_cmpuint (stored, ==, 5);
    g_assert_cmpuint (entries, ==, 5 * run);
    fixture_clear (&index);
  }
  kept = simclr_index_open_readonly (location, &error);
  g_assert_no_error (error);
  match = simclr_index_find (kept, 3 * APART, "Höf", &error);
  g_assert_no_error (error);
  g_assert_cmpuint (match->number, ==, 3);
  g_assert_cmpstr (match->source, ==, "clip");
  /* 64 by 48 pixels in 16 */
  g_assert_cmpuint (match->thumbnail_width, ==, 16);
  g_assert_cmpuint (match->thumbnail_height, ==, 12);
  encoder = simclr_index_dup_encoder (kept);
  g_assert_cmpstr (encoder, ==, "resnet18, step 7");
  g_clear_object (&kept);
  remove_folder (location);
  remove_folder (folder);
}

static void
test_thumbnails_show_the_frame (void)
{
  const gchar *formats[] = {"RGB", "I420", "GRAY8", "BGRx"};

  for (guint i = 0; i < G_N_ELEMENTS (formats); i++) {
    const gfloat embedding[] = {1, 0};
    const GstSimclrEmbeddingOrigin origin = {"test", "resnet18", 7, SIZE};
    g_autoptr (GBytes) bytes = g_bytes_new (embedding, sizeof embedding);
    GstVideoInfo info = video_info (formats[i], 40, 80);
    GstBuffer *buffer = gst_buffer_new_allocate (NULL, GST_VIDEO_INFO_SIZE (&info), NULL);
    const guint8 *pixels;
    GstVideoFrame frame;
    Fixture index;
    g_autoptr (GstBuffer) out = NULL;
    const GstStructure *nearest;
    g_autoptr (GBytes) thumbnail = NULL;

    /* above black, below white */
    gst_buffer_memset (buffer, 0, 0x80, GST_VIDEO_INFO_SIZE (&info));
    g_assert_true (gst_video_frame_map (&frame, &info, buffer, GST_MAP_WRITE));
    for (guint y = 0; y < 80; y++) {
      gint bytes_wide = GST_VIDEO_FRAME_COMP_PSTRIDE (&frame, 0) * 40;

      memset ((guint8 *) GST_VIDEO_FRAME_PLANE_DATA (&frame, 0) +
                  (gsize) y * (gsize) GST_VIDEO_FRAME_PLANE_STRIDE (&frame, 0),
          y < 40 ? (i == 1 ? 16 : 0) : (i == 1 ? 235 : 255), (gsize) bytes_wide);
    }
    gst_video_frame_unmap (&frame);
    GST_BUFFER_PTS (buffer) = 0;
    gst_buffer_add_simclr_embedding_meta (buffer, bytes, &origin);
    fixture_init (
        &index, "simclrindex interval=0 min-change=0 nearest=true apart=0 thumbnail-size=20");
    set_video_caps (index.harness, &info);
    g_assert_cmpint (gst_harness_push (index.harness, gst_buffer_ref (buffer)), ==, GST_FLOW_OK);
    gst_buffer_unref (gst_harness_pull (index.harness));
    g_assert_cmpint (gst_harness_push (index.harness, buffer), ==, GST_FLOW_OK);
    out = gst_harness_pull (index.harness);
    nearest = gst_buffer_get_simclr_nearest (out);
    gst_structure_get (nearest, "thumbnail", G_TYPE_BYTES, &thumbnail, NULL);
    g_assert_cmpuint (g_bytes_get_size (thumbnail), ==, 10 * 20 * 3);
    pixels = g_bytes_get_data (thumbnail, NULL);
    for (guint c = 0; c < 3; c++) {
      g_assert_cmpuint (pixels[c], <, 10);
      g_assert_cmpuint (pixels[19 * 30 + c], >, 245);
    }
    fixture_clear (&index);
  }
}

static void
test_a_folder_that_is_taken_or_damaged_is_an_error (void)
{
  g_autofree gchar *folder = make_folder ();
  g_autofree gchar *log = g_build_filename (folder, "recent.log", NULL);
  g_autofree gchar *text = NULL, *damage = NULL;
  g_autoptr (SimclrIndex) other = simclr_index_open (folder, 0, NULL);
  g_autoptr (GstElement) element =
      gst_object_ref_sink (gst_element_factory_make_full ("simclrindex", "location", folder, NULL));
  GstBus *bus = attach_bus (element);

  g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
  text = pop_text (bus, GST_MESSAGE_ERROR);
  assert_contains (text, folder);
  assert_contains (text, "another process or element");
  gst_element_set_state (element, GST_STATE_NULL);
  g_clear_object (&other);
  g_assert_true (g_file_set_contents (log, "nonsense", -1, NULL));
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
  damage = pop_text (bus, GST_MESSAGE_ERROR);
  assert_contains (damage, "recent.log");
  gst_element_set_state (element, GST_STATE_NULL);
  detach_bus (element, bus);
  gst_object_unref (bus);
  remove_folder (folder);
}

static void
test_embeddings_of_another_size_are_an_error (void)
{
  const gfloat longer[] = {1, 2, 3};
  g_autofree gchar *text = NULL;
  Fixture index;

  fixture_init (&index, "simclrindex interval=0");
  push (&index, 0);
  g_assert_cmpint (
      gst_harness_push (index.harness, embed (longer, 3, GST_SECOND)), ==, GST_FLOW_ERROR);
  text = pop_text (index.bus, GST_MESSAGE_ERROR);
  assert_contains (text, "3 floats");
  fixture_clear (&index);
}

static void
test_another_encoder_is_a_warning (void)
{
  g_autofree gchar *folder = make_folder ();
  g_autofree gchar *launch = g_strdup_printf ("simclrindex interval=0 location=%s", folder);
  g_autoptr (GError) error = NULL;
  g_autofree gchar *text = NULL;
  Fixture index;

  {
    g_autoptr (SimclrIndex) other = simclr_index_open (folder, 0, &error);

    simclr_index_set_encoder (other, "resnet50, step 1");
    g_assert_true (
        simclr_index_add (other, (gfloat[]){1, 2}, 2, 0, NULL, NULL, NULL, 0, 0, &error));
  }
  fixture_init (&index, launch);
  push (&index, 0);
  push (&index, 90);
  text = pop_text (index.bus, GST_MESSAGE_WARNING);
  assert_contains (text, "resnet50, step 1");
  g_assert_null (gst_bus_pop_filtered (index.bus, GST_MESSAGE_WARNING));
  fixture_clear (&index);
  remove_folder (folder);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  GST_ELEMENT_REGISTER (simclrindex, NULL);
  GST_ELEMENT_REGISTER (simclrgate, NULL);
  g_test_add_func ("/gate/moved", test_what_moved_enough_passes);
  g_test_add_func ("/gate/discont", test_frames_after_dropped_ones_are_marked);
  g_test_add_func ("/gate/intervals", test_intervals_bound_what_passes);
  g_test_add_func ("/gate/anew", test_the_gate_begins_anew_where_the_stream_does);
  g_test_add_func ("/gate/without", test_frames_without_embeddings_pass);
  g_test_add_func ("/gate/messages", test_key_frames_are_told);
  g_test_add_func ("/index/stored", test_moments_are_stored_that_differ);
  g_test_add_func ("/index/search", test_the_newest_frame_is_searched_for);
  g_test_add_func ("/index/nearest", test_the_nearest_moment_is_told);
  g_test_add_func ("/index/shared", test_a_shared_frame_is_left_as_it_is);
  g_test_add_func ("/index/outlives", test_an_index_outlives_the_run);
  g_test_add_func ("/index/thumbnails", test_thumbnails_show_the_frame);
  g_test_add_func ("/index/folder", test_a_folder_that_is_taken_or_damaged_is_an_error);
  g_test_add_func ("/index/size", test_embeddings_of_another_size_are_an_error);
  g_test_add_func ("/index/encoder", test_another_encoder_is_a_warning);
  return g_test_run ();
}
