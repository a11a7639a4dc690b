/* simclraugment: what a pair looks like and says of itself, counting, caps and presets.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "augment-harness.h"

#include <simclr/simclr.h>

static GstElement *
fixture_element (Fixture *f)
{
  GstElement *found = gst_harness_find_element (f->harness, "simclraugment");

  g_assert_nonnull (found);
  return found;
}

/* Reads what the element's documentation says, by names only. */
static void
draw_of_meta (const GstStructure *fields, guint view, SimclrDraw *draw)
{
  g_autofree gchar *prefix = g_strdup_printf ("view%u-", view + 1);
  const gchar *order;

#define READ(type, name, field)                                                                    \
  G_STMT_START                                                                                     \
  {                                                                                                \
    g_autofree gchar *full = g_strconcat (prefix, name, NULL);                                     \
    g_assert_true (gst_structure_get_##type (fields, full, &draw->field));                         \
  }                                                                                                \
  G_STMT_END
  *draw = (SimclrDraw){.view = view};
  g_assert_true (gst_structure_get_uint64 (fields, "seed", &draw->seed));
  g_assert_true (gst_structure_get_uint64 (fields, "pair", &draw->pair));
  READ (uint, "crop-x", crop_x);
  READ (uint, "crop-y", crop_y);
  READ (uint, "crop-width", crop_width);
  READ (uint, "crop-height", crop_height);
  READ (boolean, "flip", flip);
  READ (boolean, "jitter", jitter);
  READ (double, "brightness", brightness);
  READ (double, "contrast", contrast);
  READ (double, "saturation", saturation);
  READ (double, "hue", hue);
  READ (boolean, "grayscale", grayscale);
  READ (boolean, "blur", blur);
  READ (double, "sigma", sigma);
  READ (boolean, "solarize", solarize);
  READ (double, "solarize-threshold", solarize_threshold);
#undef READ
  order = gst_structure_get_string (fields, view == 0 ? "view1-order" : "view2-order");
  g_assert_cmpuint (strlen (order), ==, 4);
  for (guint i = 0; i < 4; i++)
    draw->order[i] = (guint8) (order[i] - '0');
}

/* Makes both views again from the frame and the meta and compares every byte. */
static void
assert_meta_replays (Fixture *f, GstBuffer *frame, GstBuffer *pair, SimclrPixelFormat format)
{
  const GstStructure *fields = meta_of (pair);
  g_autoptr (SimclrAugment) augment = simclr_augment_new ();
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (f->harness->sinkpad);
  g_autofree guint8 *view = NULL;
  GstVideoInfo out_info;
  GstVideoFrame in, out;
  guint size, width;

  g_assert_true (gst_structure_get_uint (fields, "size", &size));
  g_assert_true (gst_structure_get_uint (fields, "frame-width", &width));
  g_assert_cmpint (width, ==, GST_VIDEO_INFO_WIDTH (&f->info));
  gst_util_set_object_arg (
      G_OBJECT (augment), "interpolation", gst_structure_get_string (fields, "interpolation"));
  g_object_set (augment, "size", size, NULL);
  view = g_malloc (size * size * 3);

  g_assert_true (gst_video_info_from_caps (&out_info, caps));
  g_assert_true (gst_video_frame_map (&in, &f->info, frame, GST_MAP_READ));
  g_assert_true (gst_video_frame_map (&out, &out_info, pair, GST_MAP_READ));
  for (guint v = 0; v < 2; v++) {
    const guint8 *rows = GST_VIDEO_FRAME_PLANE_DATA (&out, 0);
    guint stride = (guint) GST_VIDEO_FRAME_PLANE_STRIDE (&out, 0);
    SimclrFrame picture = {GST_VIDEO_FRAME_PLANE_DATA (&in, 0), (guint) GST_VIDEO_FRAME_WIDTH (&in),
        (guint) GST_VIDEO_FRAME_HEIGHT (&in), (gsize) GST_VIDEO_FRAME_PLANE_STRIDE (&in, 0),
        format};
    SimclrDraw draw;

    draw_of_meta (fields, v, &draw);
    g_assert_true (simclr_augment_apply (augment, &picture, &draw, view, size * 3, NULL));
    for (guint y = 0; y < size; y++)
      g_assert_cmpmem (view + y * size * 3, size * 3, rows + (v * size + y) * stride, size * 3);
  }
  gst_video_frame_unmap (&in);
  gst_video_frame_unmap (&out);
}

static void
test_output_is_a_pair_over_each_other (void)
{
  Fixture f;
  g_autoptr (GstCaps) caps = NULL, expected = NULL;
  GstBuffer *pair;

  fixture_init (&f, "size=40", GST_VIDEO_FORMAT_RGB, 64, 48);
  pair = push_and_pull (&f, make_frame (&f, 5 * GST_SECOND, 0, 1));
  caps = gst_pad_get_current_caps (f.harness->sinkpad);
  expected = gst_caps_from_string ("video/x-raw, format=RGB, width=40, height=80, "
                                   "framerate=30/1, multiview-mode=top-bottom");
  g_assert_true (gst_caps_is_subset (caps, expected));
  g_assert_cmpuint (gst_buffer_get_size (pair), ==, 40 * 80 * 3);
  g_assert_cmpuint (GST_BUFFER_PTS (pair), ==, 5 * GST_SECOND);
  g_assert_cmpuint (GST_BUFFER_DURATION (pair), ==, GST_SECOND / 30);
  gst_buffer_unref (pair);
  fixture_clear (&f);
}

static void
test_meta_replays_every_format_and_size (void)
{
  const struct
  {
    GstVideoFormat format;
    SimclrPixelFormat pixel_format;
    guint width, height;
    const gchar *properties;
  } cases[] = {
      {GST_VIDEO_FORMAT_RGB, SIMCLR_PIXEL_FORMAT_RGB, 64, 48, "size=32 seed=1"},
      {GST_VIDEO_FORMAT_RGB, SIMCLR_PIXEL_FORMAT_RGB, 1, 1, "size=33 seed=2"},
      {GST_VIDEO_FORMAT_BGR, SIMCLR_PIXEL_FORMAT_BGR, 37, 91, "size=31 interpolation=bilinear"},
      {GST_VIDEO_FORMAT_RGBx, SIMCLR_PIXEL_FORMAT_RGBX, 33, 3, "size=32 seed=4"},
      {GST_VIDEO_FORMAT_BGRx, SIMCLR_PIXEL_FORMAT_BGRX, 2, 77, "size=1"},
      {GST_VIDEO_FORMAT_GRAY8, SIMCLR_PIXEL_FORMAT_GRAY8, 63, 45, "size=48 seed=5"},
      {GST_VIDEO_FORMAT_RGB, SIMCLR_PIXEL_FORMAT_RGB, 55, 55,
          "size=40 solarize-probability=1 solarize-threshold=0.3"},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    Fixture f;

    fixture_init (&f, cases[i].properties, cases[i].format, cases[i].width, cases[i].height);
    for (guint n = 0; n < 6; n++) {
      GstBuffer *frame = make_frame (&f, n * GST_SECOND, (guint8) n, 7);
      GstBuffer *pair = push_and_pull (&f, gst_buffer_ref (frame));

      g_assert_cmpuint (meta_uint64 (pair, "pair"), ==, n);
      assert_meta_replays (&f, frame, pair, cases[i].pixel_format);
      gst_buffer_unref (frame);
      gst_buffer_unref (pair);
    }
    fixture_clear (&f);
  }
}

static void
test_same_seed_same_pairs (void)
{
  GstBuffer *pairs[2][4];

  for (guint run = 0; run < 2; run++) {
    Fixture f;

    fixture_init (&f, "size=24 seed=77 temporal-window=1000000000", GST_VIDEO_FORMAT_RGB, 50, 40);
    for (guint n = 0; n < 4; n++)
      pairs[run][n] = push_and_pull (&f, make_frame (&f, n * GST_SECOND / 10, (guint8) n, 3));
    fixture_clear (&f);
  }
  for (guint n = 0; n < 4; n++) {
    GstMapInfo map;

    g_assert_true (gst_buffer_map (pairs[0][n], &map, GST_MAP_READ));
    g_assert_cmpint (gst_buffer_memcmp (pairs[1][n], 0, map.data, map.size), ==, 0);
    gst_buffer_unmap (pairs[0][n], &map);
    gst_buffer_unref (pairs[0][n]);
    gst_buffer_unref (pairs[1][n]);
  }
}

static GstPadQueryFunction harness_query;
static guint resume_queries;

static gboolean
answer_resume (GstPad *pad, GstObject *parent, GstQuery *query)
{
  if (GST_QUERY_TYPE (query) == GST_QUERY_CUSTOM &&
      gst_structure_has_name (gst_query_get_structure (query), "simclr-resume")) {
    resume_queries++;
    gst_structure_set (gst_query_writable_structure (query), "pairs", G_TYPE_UINT64,
        G_GUINT64_CONSTANT (5000000000), NULL);
    return TRUE;
  }
  return harness_query (pad, parent, query);
}

static void
test_counting_starts_where_downstream_says (void)
{
  Fixture f;
  GstBuffer *pair;

  fixture_init (&f, "size=16", GST_VIDEO_FORMAT_RGB, 20, 20);
  harness_query = GST_PAD_QUERYFUNC (f.harness->sinkpad);
  gst_pad_set_query_function (f.harness->sinkpad, answer_resume);
  resume_queries = 0;
  for (guint n = 0; n < 3; n++) {
    pair = push_and_pull (&f, make_frame (&f, n * GST_SECOND, 0, 1));
    g_assert_cmpuint (meta_uint64 (pair, "pair"), ==, G_GUINT64_CONSTANT (5000000000) + n);
    gst_buffer_unref (pair);
  }
  g_assert_cmpuint (resume_queries, ==, 1);
  fixture_clear (&f);
}

/* A flush does not begin the draws again; a new start does. */
static void
test_flush_continues_and_restart_begins_again (void)
{
  Fixture f;
  GstBuffer *pair;
  GstSegment segment;
  GstElement *element;

  fixture_init (&f, "size=16", GST_VIDEO_FORMAT_RGB, 20, 20);
  gst_buffer_unref (push_and_pull (&f, make_frame (&f, 0, 0, 1)));
  gst_harness_push_event (f.harness, gst_event_new_flush_start ());
  gst_harness_push_event (f.harness, gst_event_new_flush_stop (TRUE));
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (f.harness, gst_event_new_segment (&segment));
  pair = push_and_pull (&f, make_frame (&f, 0, 0, 1));
  g_assert_cmpuint (meta_uint64 (pair, "pair"), ==, 1);
  gst_buffer_unref (pair);

  element = fixture_element (&f);
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_NULL), ==, GST_STATE_CHANGE_SUCCESS);
  g_assert_cmpint (
      gst_element_set_state (element, GST_STATE_PLAYING), ==, GST_STATE_CHANGE_SUCCESS);
  gst_object_unref (element);
  gst_harness_push_event (f.harness, gst_event_new_stream_start ("again"));
  push_caps (&f);
  gst_harness_push_event (f.harness, gst_event_new_segment (&segment));
  pair = push_and_pull (&f, make_frame (&f, 0, 0, 1));
  g_assert_cmpuint (meta_uint64 (pair, "pair"), ==, 0);
  gst_buffer_unref (pair);
  fixture_clear (&f);
}

static void
test_size_changes_while_playing (void)
{
  Fixture f;
  GstElement *element;
  GstBuffer *pair;

  fixture_init (&f, "size=16", GST_VIDEO_FORMAT_RGB, 50, 30);
  element = fixture_element (&f);
  gst_buffer_unref (push_and_pull (&f, make_frame (&f, 0, 0, 1)));
  g_object_set (element, "size", 40, "strength", 0.0, NULL);
  for (guint n = 0; n < 2; n++) {
    GstBuffer *frame = make_frame (&f, n, 0, 1);

    pair = push_and_pull (&f, gst_buffer_ref (frame));
    g_assert_cmpuint (gst_buffer_get_size (pair), ==, 40 * 80 * 3);
    assert_meta_replays (&f, frame, pair, SIMCLR_PIXEL_FORMAT_RGB);
    gst_buffer_unref (frame);
    gst_buffer_unref (pair);
  }
  gst_object_unref (element);
  fixture_clear (&f);
}

static void
test_downstream_of_another_size_is_not_negotiated (void)
{
  Fixture f;

  fixture_init (&f, "size=16", GST_VIDEO_FORMAT_RGB, 20, 20);
  gst_harness_set_sink_caps_str (f.harness, "video/x-raw,format=RGB,width=99,height=99");
  g_assert_cmpint (
      gst_harness_push (f.harness, make_frame (&f, 0, 0, 1)), ==, GST_FLOW_NOT_NEGOTIATED);
  fixture_clear (&f);
}

static void
test_metas_about_places_are_dropped (void)
{
  Fixture f;
  GstBuffer *frame, *pair;
  const gchar *tags[] = {NULL};

  gst_meta_register_custom ("TestLabel", tags, NULL, NULL, NULL);
  fixture_init (&f, "size=16", GST_VIDEO_FORMAT_RGB, 20, 20);
  frame = make_frame (&f, 0, 0, 1);
  gst_buffer_add_video_region_of_interest_meta (frame, "face", 1, 2, 3, 4);
  gst_buffer_add_custom_meta (frame, "TestLabel");
  gst_buffer_add_custom_meta (frame, META);
  pair = push_and_pull (&f, frame);
  g_assert_null (gst_buffer_get_video_region_of_interest_meta_id (pair, 0));
  g_assert_cmpuint (
      gst_buffer_get_n_meta (pair, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE), ==, 0);
  g_assert_nonnull (gst_buffer_get_custom_meta (pair, "TestLabel"));
  g_assert_cmpuint (gst_buffer_get_n_meta (pair, gst_meta_get_info (META)->api), ==, 1);
  g_assert_cmpuint (meta_uint64 (pair, "pair"), ==, 0);
  gst_buffer_unref (pair);
  fixture_clear (&f);
}

static void
test_eos_passes (void)
{
  Fixture f;
  GstEvent *event;
  gboolean seen = FALSE;

  fixture_init (&f, "size=16", GST_VIDEO_FORMAT_RGB, 20, 20);
  gst_buffer_unref (push_and_pull (&f, make_frame (&f, 0, 0, 1)));
  g_assert_true (gst_harness_push_event (f.harness, gst_event_new_eos ()));
  while ((event = gst_harness_try_pull_event (f.harness)) != NULL) {
    seen |= GST_EVENT_TYPE (event) == GST_EVENT_EOS;
    gst_event_unref (event);
  }
  g_assert_true (seen);
  fixture_clear (&f);
}

static void
test_presets_are_the_recipes (void)
{
  const gchar *const colours[] = {
      "jitter-probability", "grayscale-probability", "blur-probability", "solarize-probability"};
  g_autoptr (GstElement) element = gst_element_factory_make ("simclraugment", NULL);
  gdouble strength, blur;
  guint size;

  gst_object_ref_sink (element);
  g_object_set (element, "min-area", 0.5, NULL);
  g_assert_true (gst_preset_load_preset (GST_PRESET (element), "cifar"));
  g_object_get (element, "size", &size, "strength", &strength, "blur-probability", &blur, NULL);
  g_assert_cmpuint (size, ==, 32);
  g_assert_cmpfloat (strength, ==, 0.5);
  g_assert_cmpfloat (blur, ==, 0);

  /* crop and flip alone, at the size that was set */
  g_assert_true (gst_preset_load_preset (GST_PRESET (element), "fine-tune"));
  for (guint i = 0; i < G_N_ELEMENTS (colours); i++) {
    gdouble probability;

    g_object_get (element, colours[i], &probability, NULL);
    g_assert_cmpfloat (probability, ==, 0);
  }
  g_object_get (element, "size", &size, "flip-probability", &strength, NULL);
  g_assert_cmpuint (size, ==, 32);
  g_assert_cmpfloat (strength, ==, 0.5);

  /* the preset imagenet is what a new element has */
  g_assert_true (gst_preset_load_preset (GST_PRESET (element), "imagenet"));
  {
    g_autofree GParamSpec **pspecs = NULL;
    guint n;

    pspecs = g_object_class_list_properties (G_OBJECT_GET_CLASS (element), &n);
    for (guint i = 0; i < n; i++)
      if (pspecs[i]->owner_type == G_OBJECT_TYPE (element)) {
        g_auto (GValue) value = G_VALUE_INIT;

        g_object_get_property (G_OBJECT (element), pspecs[i]->name, &value);
        g_test_message ("%s", pspecs[i]->name);
        g_assert_true (g_param_value_defaults (pspecs[i], &value));
      }
  }
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/element-augment/output-is-a-pair", test_output_is_a_pair_over_each_other);
  g_test_add_func ("/element-augment/meta-replays", test_meta_replays_every_format_and_size);
  g_test_add_func ("/element-augment/same-seed-same-pairs", test_same_seed_same_pairs);
  g_test_add_func ("/element-augment/resume", test_counting_starts_where_downstream_says);
  g_test_add_func (
      "/element-augment/flush-and-restart", test_flush_continues_and_restart_begins_again);
  g_test_add_func ("/element-augment/size-changes", test_size_changes_while_playing);
  g_test_add_func (
      "/element-augment/not-negotiated", test_downstream_of_another_size_is_not_negotiated);
  g_test_add_func ("/element-augment/metas", test_metas_about_places_are_dropped);
  g_test_add_func ("/element-augment/eos", test_eos_passes);
  g_test_add_func ("/element-augment/presets", test_presets_are_the_recipes);
  return g_test_run ();
}
