/* simclroverlay: where it draws, when it does not, what it hands on.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "element-test.h"

#include "gstsimclrclassificationmeta.h"
#include "gstsimclrnearestmeta.h"
#include "gstsimclroverlay.h"

#define COMPOSED "video/x-raw(memory:SystemMemory,meta:GstVideoOverlayComposition)"

/* Frames of 320x240 halve the lengths of 480 lines: the padding is 8, and the panel at most 12.5 ems of
 * "Sans 16", which is 21.3 pixels, wide. */
#define WIDTH 320
#define HEIGHT 240
#define PAD 8
#define PANEL_WIDTH 136

static GstHarness *
start (const gchar *settings, const GstVideoInfo *info)
{
  g_autofree gchar *launch = g_strdup_printf ("simclroverlay %s", settings);
  GstHarness *harness = harness_new (launch);

  gst_harness_play (harness);
  set_video_caps (harness, info);
  return harness;
}

static void
append (GValue *array, GType type, const gchar *label, gdouble score)
{
  g_auto (GValue) value = G_VALUE_INIT;

  g_value_init (&value, type);
  if (type == G_TYPE_STRING)
    g_value_set_string (&value, label);
  else
    g_value_set_double (&value, score);
  gst_value_array_append_value (array, &value);
}

static void
classify (GstBuffer *buffer, const gchar *label, gdouble confidence)
{
  g_autoptr (GstStructure) fields = gst_structure_new ("simclr-classification", "label",
      G_TYPE_STRING, label, "known", G_TYPE_BOOLEAN, TRUE, "confidence", G_TYPE_DOUBLE, confidence,
      "novelty", G_TYPE_DOUBLE, 0.4, NULL);
  GValue labels = G_VALUE_INIT, scores = G_VALUE_INIT;

  g_value_init (&labels, GST_TYPE_ARRAY);
  g_value_init (&scores, GST_TYPE_ARRAY);
  append (&labels, G_TYPE_STRING, label, 0);
  append (&labels, G_TYPE_STRING, "another", 0);
  append (&scores, G_TYPE_DOUBLE, NULL, confidence);
  append (&scores, G_TYPE_DOUBLE, NULL, 1 - confidence);
  gst_structure_take_value (fields, "labels", &labels);
  gst_structure_take_value (fields, "scores", &scores);
  gst_buffer_add_simclr_classification_meta (buffer, fields);
}

/* Bits that a format does not use become what packing leaves there. */
static void
clean (const GstVideoInfo *info, GstBuffer *buffer)
{
  const GstVideoFormatInfo *format = info->finfo;
  g_autofree guint8 *row = g_malloc (8 * (gsize) info->width + 64);
  GstVideoFrame frame;

  g_assert_true (gst_video_frame_map (&frame, info, buffer, GST_MAP_READWRITE));
  for (gint y = 0; y < info->height; y++) {
    format->unpack_func (
        format, GST_VIDEO_PACK_FLAG_NONE, row, frame.data, frame.info.stride, 0, y, info->width);
    format->pack_func (format, GST_VIDEO_PACK_FLAG_NONE, row, 0, frame.data, frame.info.stride,
        info->chroma_site, y, info->width);
  }
  gst_video_frame_unmap (&frame);
}

/* A frame of one gray that no part of the panel has. */
static GstBuffer *
gray_frame (const GstVideoInfo *info, GstClockTime pts)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, GST_VIDEO_INFO_SIZE (info), NULL);

  gst_buffer_memset (buffer, 0, 0x60, GST_VIDEO_INFO_SIZE (info));
  if (!GST_VIDEO_FORMAT_INFO_HAS_PALETTE (info->finfo))
    clean (info, buffer);
  GST_BUFFER_PTS (buffer) = pts;
  return buffer;
}

static GstBuffer *
run_frame (GstHarness *harness, const GstVideoInfo *info, GstClockTime pts, const gchar *label)
{
  GstBuffer *buffer = gray_frame (info, pts);

  if (label != NULL)
    classify (buffer, label, 0.7);
  return gst_harness_push_and_pull (harness, buffer);
}

typedef struct
{
  gint left, top, right,
      bottom; /* right and bottom are outside; right is 0 where nothing differs */
} Box;

/* Pixels of a row as GStreamer's unpacking shows them, in 8 or 16 bits a component. */
static gsize
unpack_row (const GstVideoFrame *frame, gint row, guint8 *pixels)
{
  const GstVideoFormatInfo *format = frame->info.finfo;

  format->unpack_func (format, GST_VIDEO_PACK_FLAG_NONE, pixels, frame->data, frame->info.stride, 0,
      row, frame->info.width);
  return GST_VIDEO_FORMAT_INFO_DEPTH (gst_video_format_get_info (format->unpack_format), 0) > 8 ? 8
                                                                                                : 4;
}

/* The smallest box around everything that differs. */
static Box
compare (const GstVideoInfo *info, GstBuffer *before, GstBuffer *after)
{
  GstVideoFrame a, b;
  Box box = {info->width, info->height, 0, 0};
  g_autofree guint8 *one = g_malloc (8 * (gsize) info->width + 64);
  g_autofree guint8 *two = g_malloc (8 * (gsize) info->width + 64);

  g_assert_true (gst_video_frame_map (&a, info, before, GST_MAP_READ));
  g_assert_true (gst_video_frame_map (&b, info, after, GST_MAP_READ));
  for (gint y = 0; y < info->height; y++) {
    gsize size = unpack_row (&a, y, one);

    unpack_row (&b, y, two);
    for (gint x = 0; x < info->width; x++) {
      if (memcmp (one + x * size, two + x * size, size) == 0)
        continue;
      box = (Box){
          MIN (box.left, x), MIN (box.top, y), MAX (box.right, x + 1), MAX (box.bottom, y + 1)};
    }
  }
  gst_video_frame_unmap (&a);
  gst_video_frame_unmap (&b);
  return box;
}

/* What a frame of that label changes. */
static Box
find_box (const gchar *settings, const GstVideoInfo *info, const gchar *label)
{
  GstHarness *harness = start (settings, info);
  g_autoptr (GstBuffer) before = gray_frame (info, 0);
  g_autoptr (GstBuffer) after = run_frame (harness, info, 0, label);
  Box box = compare (info, before, after);

  gst_harness_teardown (harness);
  return box;
}

static void
test_every_format_is_drawn_into_inside_the_panel_only (void)
{
  g_autoptr (GstCaps) caps = gst_caps_from_string (GST_VIDEO_CAPS_MAKE (GST_VIDEO_FORMATS_ALL));
  const GValue *formats = gst_structure_get_value (gst_caps_get_structure (caps, 0), "format");

  g_assert_cmpuint (gst_value_list_get_size (formats), >, 50);
  for (guint i = 0; i < gst_value_list_get_size (formats); i++) {
    const gchar *name = g_value_get_string (gst_value_list_get_value (formats, i));
    GstVideoInfo info = video_info (name, WIDTH, HEIGHT);
    Box box;

    if (GST_VIDEO_FORMAT_INFO_HAS_PALETTE (info.finfo))
      continue; /* passes: what it has no colours for cannot be drawn */
    box = find_box ("", &info, "cup");
    g_test_message ("%s: %d to %d, %d to %d", name, box.left, box.right, box.top, box.bottom);
    g_assert_cmpint (box.left, ==, PAD);
    g_assert_cmpint (box.right, >, PAD + PANEL_WIDTH - 8);
    g_assert_cmpint (box.right, <=, PAD + PANEL_WIDTH);
    g_assert_cmpint (box.top, >, HEIGHT / 3);
    g_assert_cmpint (box.bottom, <=, HEIGHT - PAD);
    g_assert_cmpint (box.bottom, >, HEIGHT - 2 * PAD);
  }
}

static void
test_frames_with_nothing_to_say_pass_untouched (void)
{
  const gchar *const settings[] = {"", "silent=true"};
  GstVideoInfo info = video_info ("I420", 64, 48);

  for (guint i = 0; i < G_N_ELEMENTS (settings); i++) {
    GstHarness *harness = start (settings[i], &info);
    GstBuffer *buffer = gray_frame (&info, 0);
    g_autoptr (GstBuffer) before = gst_buffer_copy_deep (buffer);
    GstBuffer *held, *after;

    if (i == 1)
      classify (buffer, "cup", 0.9);
    held = gst_buffer_ref (buffer);
    after = gst_harness_push_and_pull (harness, buffer);
    g_assert_true (after == held);
    g_assert_cmpint (compare (&info, before, after).right, ==, 0);
    gst_buffer_unref (after);
    gst_buffer_unref (held);
    gst_harness_teardown (harness);
  }
}

static void
test_frames_of_others_are_not_written (void)
{
  GstVideoInfo info = video_info ("RGB", WIDTH, HEIGHT);
  GstHarness *harness = start ("", &info);
  g_autoptr (GstBuffer) buffer = gray_frame (&info, 0), before = gst_buffer_copy_deep (buffer),
                        after = NULL;

  classify (buffer, "cup", 0.9);
  after = gst_harness_push_and_pull (harness, gst_buffer_ref (buffer));
  g_assert_true (after != buffer);
  g_assert_cmpint (compare (&info, before, buffer).right, ==, 0);
  g_assert_cmpint (compare (&info, before, after).right, >, 0);
  gst_harness_teardown (harness);
}

static void
test_a_classification_is_held_for_a_while (void)
{
  const struct
  {
    GstClockTime pts;
    const gchar *label;
    gboolean shown;
  } frames[] = {{0, NULL, FALSE}, {100, "cup", TRUE}, {250, NULL, TRUE}, {301, NULL, FALSE},
      {302, NULL, FALSE}, {303, "cup", TRUE}, {200, NULL, FALSE}};
  GstVideoInfo info = video_info ("RGBx", WIDTH, HEIGHT);
  GstHarness *harness = start ("hold=200000000", &info);
  g_autoptr (GstBuffer) before = gray_frame (&info, 0);

  for (guint i = 0; i < G_N_ELEMENTS (frames); i++) {
    g_autoptr (GstBuffer) after =
        run_frame (harness, &info, frames[i].pts * GST_MSECOND, frames[i].label);

    g_assert_cmpint (compare (&info, before, after).right > 0, ==, frames[i].shown);
  }
  gst_harness_teardown (harness);
}

static void
test_the_panel_stands_where_it_is_told (void)
{
  GstVideoInfo info = video_info ("BGRx", WIDTH, HEIGHT);
  Box box = find_box ("halignment=right valignment=top xpad=40 ypad=24", &info, "cup");

  g_assert_cmpint (box.right, <=, WIDTH - 20);
  g_assert_cmpint (box.right, >, WIDTH - 30);
  g_assert_cmpint (box.left, >, WIDTH - 30 - PANEL_WIDTH);
  g_assert_cmpint (box.top, ==, 12);
  box = find_box ("halignment=center valignment=center", &info, "cup");
  g_assert_cmpint (ABS (box.left + box.right - WIDTH), <=, 12);
  g_assert_cmpint (ABS (box.top + box.bottom - HEIGHT), <=, 12);
}

static void
test_what_is_not_wanted_takes_no_room (void)
{
  const gchar *const settings[] = {"", "show-scores=false", "show-scores=false show-novelty=false",
      "show-scores=false show-novelty=false show-confidence=false"};
  GstVideoInfo info = video_info ("BGRx", WIDTH, HEIGHT);
  gint before = G_MAXINT;

  for (guint i = 0; i < G_N_ELEMENTS (settings); i++) {
    Box box = find_box (settings[i], &info, "cup");

    g_assert_cmpint (box.bottom - box.top, <, before);
    before = box.bottom - box.top;
  }
  g_assert_cmpint (before, >, 10);
}

static void
test_sizes_follow_the_frame (void)
{
  GstVideoInfo small = video_info ("I420", WIDTH, HEIGHT),
               large = video_info ("I420", 4 * WIDTH, 4 * HEIGHT);
  Box a = find_box ("", &small, "cup"), b = find_box ("", &large, "cup"),
      c = find_box ("auto-resize=false", &large, "cup"),
      d = find_box ("font-desc=\"Serif 32\"", &small, "cup");

  g_assert_cmpint (ABS (4 * (a.right - a.left) - (b.right - b.left)), <=, 16);
  g_assert_cmpint (ABS (2 * (a.right - a.left) - (c.right - c.left)), <=, 8);
  g_assert_cmpint (ABS (2 * (a.right - a.left) - (d.right - d.left)), <=, 8);
}

static void
test_pixels_that_are_not_square_count (void)
{
  GstVideoInfo square = video_info ("I420", WIDTH, HEIGHT), narrow = square;
  Box a = find_box ("", &square, "cup"), b;

  narrow.par_n = 1;
  narrow.par_d = 2;
  b = find_box ("", &narrow, "cup");
  g_assert_cmpint (b.right - b.left, >, 3 * (a.right - a.left) / 2);
  g_assert_cmpint (b.bottom - b.top, ==, a.bottom - a.top);
}

static void
test_frames_of_any_size_follow_each_other (void)
{
  const guint sizes[][2] = {
      {WIDTH, HEIGHT}, {1, 1}, {8, 6}, {1000, 3}, {3, 1000}, {33, 31}, {1920, 1080}};
  const gchar *const formats[] = {"RGB", "I420", "NV12", "YUY2"};
  GstVideoInfo info = video_info ("RGB", 16, 16);
  GstHarness *harness = start ("", &info);

  for (guint i = 0; i < G_N_ELEMENTS (sizes) * G_N_ELEMENTS (formats); i++) {
    const guint *size = sizes[i % G_N_ELEMENTS (sizes)];
    g_autoptr (GstBuffer) before = NULL, after = NULL;

    info = video_info (formats[i % G_N_ELEMENTS (formats)], size[0], size[1]);
    set_video_caps (harness, &info);
    before = gray_frame (&info, 0);
    after = run_frame (harness, &info, 0, "名前 on a frame of any size, longer than it is wide");
    g_assert_nonnull (after);
    g_assert_cmpuint (gst_buffer_get_size (after), ==, GST_VIDEO_INFO_SIZE (&info));
    if (size[0] > 32 && size[1] > 32)
      g_assert_cmpint (compare (&info, before, after).right, >, 0);
  }
  gst_harness_teardown (harness);
}

/* The panel as it was handed on. */
static GstVideoOverlayRectangle *
get_rectangle (GstBuffer *buffer, guint index, guint count)
{
  GstVideoOverlayCompositionMeta *meta = gst_buffer_get_video_overlay_composition_meta (buffer);

  g_assert_nonnull (meta);
  g_assert_cmpuint (gst_video_overlay_composition_n_rectangles (meta->overlay), ==, count);
  return gst_video_overlay_composition_get_rectangle (meta->overlay, index);
}

static GstHarness *
start_composed (const GstVideoInfo *info, gboolean takes_meta)
{
  GstHarness *harness = harness_new ("simclroverlay");

  gst_harness_set_sink_caps_str (harness, COMPOSED "; video/x-raw");
  if (takes_meta)
    gst_harness_add_propose_allocation_meta (
        harness, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, NULL);
  gst_harness_play (harness);
  set_video_caps (harness, info);
  return harness;
}

static gboolean
is_composed (GstHarness *harness)
{
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (harness->sinkpad);

  return gst_caps_features_contains (
      gst_caps_get_features (caps, 0), GST_CAPS_FEATURE_META_GST_VIDEO_OVERLAY_COMPOSITION);
}

static void
test_a_downstream_that_composes_gets_the_panel (void)
{
  GstVideoInfo info = video_info ("I420", WIDTH, HEIGHT);
  GstHarness *harness = start_composed (&info, TRUE);
  g_autoptr (GstBuffer) before = gray_frame (&info, 0), after = NULL, same = NULL, other = NULL;
  guint seqnum;

  after = run_frame (harness, &info, 0, "cup");
  g_assert_true (is_composed (harness));
  g_assert_cmpint (compare (&info, before, after).right, ==, 0);
  seqnum = gst_video_overlay_rectangle_get_seqnum (get_rectangle (after, 0, 1));
  same = run_frame (harness, &info, 1, "cup");
  g_assert_cmpuint (
      gst_video_overlay_rectangle_get_seqnum (get_rectangle (same, 0, 1)), ==, seqnum);
  other = run_frame (harness, &info, 2, "hat");
  g_assert_cmpuint (
      gst_video_overlay_rectangle_get_seqnum (get_rectangle (other, 0, 1)), !=, seqnum);
  gst_harness_teardown (harness);
}

static void
test_what_others_compose_stays (void)
{
  GstVideoInfo info = video_info ("I420", WIDTH, HEIGHT);
  GstHarness *harness = start_composed (&info, TRUE);
  g_autoptr (GstBuffer) after = run_frame (harness, &info, 0, "cup");
  g_autoptr (GstBuffer) both = NULL;
  GstVideoOverlayCompositionMeta *meta = gst_buffer_get_video_overlay_composition_meta (after);
  GstBuffer *buffer = gray_frame (&info, 1);

  gst_buffer_add_video_overlay_composition_meta (buffer, meta->overlay);
  classify (buffer, "hat", 0.5);
  both = gst_harness_push_and_pull (harness, buffer);
  g_assert_true (get_rectangle (both, 0, 2) == get_rectangle (after, 0, 1));
  gst_harness_teardown (harness);
}

static void
test_a_downstream_that_does_not_ask_gets_pixels (void)
{
  GstVideoInfo info = video_info ("I420", WIDTH, HEIGHT);
  GstHarness *harness = start_composed (&info, FALSE);
  g_autoptr (GstBuffer) before = gray_frame (&info, 0);
  g_autoptr (GstBuffer) after = run_frame (harness, &info, 0, "cup");

  g_assert_false (is_composed (harness));
  g_assert_null (gst_buffer_get_video_overlay_composition_meta (after));
  g_assert_cmpint (compare (&info, before, after).right, >, 0);
  gst_harness_teardown (harness);
}

static void
test_upstream_learns_what_downstream_takes (void)
{
  GstHarness *harness = harness_new ("simclroverlay");
  g_autoptr (GstPad) sink = gst_element_get_static_pad (harness->element, "sink");
  g_autoptr (GstCaps) plain = gst_caps_from_string ("video/x-raw,format=I420,width=64,height=48");
  g_autoptr (GstCaps) caps = NULL, drawn = NULL;

  gst_harness_set_sink_caps_str (harness, COMPOSED ",format=I420");
  caps = gst_pad_query_caps (sink, NULL);
  g_assert_true (gst_caps_can_intersect (caps, plain));
  gst_harness_set_sink_caps_str (harness, "video/x-raw,format=RGB");
  drawn = gst_pad_query_caps (sink, NULL);
  g_assert_false (gst_caps_can_intersect (drawn, plain));
  gst_harness_teardown (harness);
}

static void
test_settings_are_heard_while_playing (void)
{
  GstVideoInfo info = video_info ("RGB", WIDTH, HEIGHT);
  GstHarness *harness = start ("", &info);
  g_autoptr (GstBuffer) before = gray_frame (&info, 0), a = NULL, b = NULL, c = NULL;
  Box box;

  a = run_frame (harness, &info, 0, "cup");
  g_object_set (harness->element, "valignment", 0, NULL);
  b = run_frame (harness, &info, 1, "cup");
  g_assert_cmpint (compare (&info, before, b).top, ==, PAD);
  g_assert_cmpint (compare (&info, before, a).top, >, PAD);
  g_object_set (harness->element, "text", "learning Hütte", NULL);
  c = run_frame (harness, &info, GST_SECOND, NULL); /* long after the last label */
  box = compare (&info, before, c);
  g_assert_cmpint (box.bottom - box.top, >, 10);
  g_assert_cmpint (box.bottom - box.top, <, 40);
  gst_harness_teardown (harness);
}

/* A meta may come from anywhere. */
static void
test_odd_classifications_are_drawn_as_far_as_they_go (void)
{
  const gchar *const fields[] = {"c", "c, label=(int)3", "c, label=(string)cup, confidence=(int)5",
      "c, label=(string)cup, confidence=(double)-7, novelty=(double)1e300",
      "c, label=(string)cup, labels=(string)cup, scores=(double)1",
      "c, label=(string)cup, labels=<(int)1, (int)2>, scores=<(double)1, (double)1>",
      "c, label=(string)cup, labels=<a, b, c, d, e, f, g>, scores=<(double)1, (double)5>",
      "c, label=(string)\"\", labels=<(string)\"\", (string)\"<b>&\">, scores=<(double)0, "
      "(double)0>"};
  GstVideoInfo info = video_info ("RGB", WIDTH, HEIGHT);
  GstHarness *harness = start ("", &info);

  for (guint i = 0; i < G_N_ELEMENTS (fields); i++) {
    g_autoptr (GstStructure) structure = gst_structure_from_string (fields[i], NULL);
    g_autoptr (GstBuffer) before = gray_frame (&info, i), after = NULL;
    GstBuffer *buffer = gray_frame (&info, i);

    g_assert_nonnull (structure);
    gst_buffer_add_simclr_classification_meta (buffer, structure);
    after = gst_harness_push_and_pull (harness, buffer);
    g_assert_cmpint (compare (&info, before, after).right > 0, ==, i >= 2);
  }
  gst_harness_teardown (harness);
}

/* A red moment that a green one below it is told from by its thumbnail only. */
static GstBuffer *
nearest_frame (const GstVideoInfo *info, GstClockTime pts, gboolean red)
{
  guint8 pixels[3 * 16] = {0};
  SimclrMatch match = {.stream = (gchar *) "Höf", .source = (gchar *) "", .similarity = 0.97};
  GstBuffer *buffer = gray_frame (info, pts);

  for (guint i = 0; i < 16; i++)
    pixels[3 * i + !red] = 255;
  match.thumbnail = g_bytes_new (pixels, sizeof pixels);
  match.thumbnail_width = match.thumbnail_height = 4;
  gst_buffer_add_simclr_nearest_meta (buffer, &match);
  g_bytes_unref (match.thumbnail);
  return buffer;
}

/* Pixels of RGB in which a colour (0: red, 1: green) stands alone. */
static guint
count_pixels (const GstVideoInfo *info, GstBuffer *buffer, guint color)
{
  GstVideoFrame frame;
  guint count = 0;

  g_assert_true (gst_video_frame_map (&frame, info, buffer, GST_MAP_READ));
  for (gint y = 0; y < info->height; y++) {
    const guint8 *row = (const guint8 *) GST_VIDEO_FRAME_PLANE_DATA (&frame, 0) +
                        y * GST_VIDEO_FRAME_PLANE_STRIDE (&frame, 0);

    for (gint x = 0; x < info->width; x++)
      count += row[3 * x + color] > 250 && row[3 * x + !color] < 5 && row[3 * x + 2] < 5;
  }
  gst_video_frame_unmap (&frame);
  return count;
}

static void
test_the_nearest_moment_is_shown (void)
{
  GstVideoInfo info = video_info ("RGB", WIDTH, HEIGHT);
  GstHarness *harness = start ("hold=200000000", &info);
  GstBuffer *frames[4];

  frames[0] = gst_harness_push_and_pull (harness, nearest_frame (&info, 0, TRUE));
  frames[1] = gst_harness_push_and_pull (harness, nearest_frame (&info, GST_SECOND, FALSE));
  /* on the frames after it for a while, also beside a label */
  frames[2] = run_frame (harness, &info, GST_SECOND + GST_SECOND / 10, "cup");
  frames[3] = run_frame (harness, &info, 2 * GST_SECOND, "cup");
  for (guint i = 0; i < G_N_ELEMENTS (frames); i++) {
    g_assert_cmpint (count_pixels (&info, frames[i], 0) > 500, ==, i == 0);
    g_assert_cmpint (count_pixels (&info, frames[i], 1) > 500, ==, i == 1 || i == 2);
    gst_buffer_unref (frames[i]);
  }
  g_object_set (harness->element, "show-nearest", FALSE, NULL);
  frames[0] = gst_harness_push_and_pull (harness, nearest_frame (&info, 3 * GST_SECOND, TRUE));
  g_assert_cmpuint (count_pixels (&info, frames[0], 0), ==, 0);
  gst_buffer_unref (frames[0]);
  gst_harness_teardown (harness);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  GST_ELEMENT_REGISTER (simclroverlay, NULL);

#define ADD(path, function) g_test_add_func ("/overlay/" path, function)
  ADD ("every-format-is-drawn-into-inside-the-panel-only",
      test_every_format_is_drawn_into_inside_the_panel_only);
  ADD ("frames-with-nothing-to-say-pass-untouched", test_frames_with_nothing_to_say_pass_untouched);
  ADD ("frames-of-others-are-not-written", test_frames_of_others_are_not_written);
  ADD ("a-classification-is-held-for-a-while", test_a_classification_is_held_for_a_while);
  ADD ("the-panel-stands-where-it-is-told", test_the_panel_stands_where_it_is_told);
  ADD ("what-is-not-wanted-takes-no-room", test_what_is_not_wanted_takes_no_room);
  ADD ("sizes-follow-the-frame", test_sizes_follow_the_frame);
  ADD ("pixels-that-are-not-square-count", test_pixels_that_are_not_square_count);
  ADD ("frames-of-any-size-follow-each-other", test_frames_of_any_size_follow_each_other);
  ADD ("a-downstream-that-composes-gets-the-panel", test_a_downstream_that_composes_gets_the_panel);
  ADD ("what-others-compose-stays", test_what_others_compose_stays);
  ADD ("a-downstream-that-does-not-ask-gets-pixels",
      test_a_downstream_that_does_not_ask_gets_pixels);
  ADD ("upstream-learns-what-downstream-takes", test_upstream_learns_what_downstream_takes);
  ADD ("settings-are-heard-while-playing", test_settings_are_heard_while_playing);
  ADD ("odd-classifications-are-drawn-as-far-as-they-go",
      test_odd_classifications_are_drawn_as_far_as_they_go);
#undef ADD
  g_test_add_func ("/overlay/nearest", test_the_nearest_moment_is_shown);
  return g_test_run ();
}
