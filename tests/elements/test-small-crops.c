/* Small crops from simclraugment to simclrtrainer: how they lie, what they are, and what is learned from them.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trainer-harness.h"

#include <gstsimclrencoder-private.h>

#define SIDE 16

/* An augmentation in a harness, frames of 40x30 before it. */
static GstHarness *
new_augment (const gchar *properties, GstVideoInfo *info)
{
  g_autofree gchar *launch = g_strdup_printf ("simclraugment seed=3 %s", properties);
  GstHarness *harness = harness_new (launch);

  *info = video_info ("RGB", 40, 30);
  set_video_caps (harness, info);
  return harness;
}

static GstBuffer *
augment_frame (GstHarness *harness, const GstVideoInfo *info, guint seed)
{
  g_assert_cmpint (
      gst_harness_push (harness, make_frame (info, seed, seed * GST_SECOND)), ==, GST_FLOW_OK);
  return gst_harness_pull (harness);
}

static void
assert_caps (GstHarness *harness, const gchar *expected)
{
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (harness->sinkpad);
  g_autoptr (GstCaps) wanted = gst_caps_from_string (expected);

  if (!gst_caps_is_subset (caps, wanted))
    g_error ("%s is not %s", gst_caps_to_string (caps), expected);
}

static guint
field (const GstStructure *fields, const gchar *view, const gchar *name)
{
  g_autofree gchar *full = g_strconcat (view, name, NULL);
  guint value;

  g_assert_true (gst_structure_get_uint (fields, full, &value));
  return value;
}

/* The crop that the meta tells of: area, and that nothing random was done but crop and flip. */
static void
check_crop (GstBuffer *pair, const GstVideoInfo *info, const guint8 *frame, const guint8 *rows,
    gsize stride, guint number, guint size)
{
  const GstStructure *fields =
      gst_custom_meta_get_structure (gst_buffer_get_custom_meta (pair, "SimclrPair"));
  g_autofree gchar *view = g_strdup_printf ("view%u-", number);
  g_autoptr (SimclrAugment) augment = simclr_augment_new ();
  g_autofree guint8 *made = g_malloc (3 * size * size);
  g_autofree gchar *flip = g_strconcat (view, "flip", NULL);
  const SimclrFrame picture = {frame, 40, 30, (gsize) info->stride[0], SIMCLR_PIXEL_FORMAT_RGB};
  SimclrDraw draw = {.crop_x = field (fields, view, "crop-x"),
      .crop_y = field (fields, view, "crop-y"),
      .crop_width = field (fields, view, "crop-width"),
      .crop_height = field (fields, view, "crop-height")};
  const gdouble area = draw.crop_width * draw.crop_height / 1200.0;
  g_autoptr (GError) error = NULL;

  g_assert_true (gst_structure_get_boolean (fields, flip, &draw.flip));
  g_assert_cmpfloat (area, >, number > 2 ? 0.08 : 0.45); /* rounding to pixels */
  g_assert_cmpfloat (area, <, number> 2 ? 0.22 : 1.001);
  g_object_set (augment, "size", size, NULL);
  g_assert_true (simclr_augment_apply (augment, &picture, &draw, made, 3 * size, &error));
  for (guint y = 0; y < size; y++)
    g_assert_cmpmem (made + 3 * size * y, 3 * size, rows + y * stride, 3 * size);
}

/* Two side by side, the fifth alone; black where there is none. */
static void
test_lie_in_rows_below (void)
{
  GstVideoInfo info, out;
  GstHarness *harness =
      new_augment ("size=20 small-crops=5 small-size=8 min-area=0.5 small-min-area=0.1 "
                   "small-max-area=0.2 strength=0 grayscale-probability=0 blur-probability=0",
          &info);

  for (guint n = 0; n < 20; n++) {
    g_autoptr (GstBuffer) frame = make_frame (&info, n, 0),
                          pair = augment_frame (harness, &info, n);
    g_autoptr (GstCaps) caps = gst_pad_get_current_caps (harness->sinkpad);
    GstVideoFrame in, views;
    const guint8 *rows;
    gsize stride;

    assert_caps (harness, "video/x-raw, format=RGB, width=20, height=64, framerate=30/1, "
                          "multiview-mode=mono, small-crops=5, small-size=8");
    g_assert_true (gst_video_info_from_caps (&out, caps));
    g_assert_true (gst_video_frame_map (&in, &info, frame, GST_MAP_READ));
    g_assert_true (gst_video_frame_map (&views, &out, pair, GST_MAP_READ));
    rows = GST_VIDEO_FRAME_PLANE_DATA (&views, 0);
    stride = (gsize) GST_VIDEO_FRAME_PLANE_STRIDE (&views, 0);
    for (guint view = 0; view < 2; view++)
      check_crop (pair, &info, GST_VIDEO_FRAME_PLANE_DATA (&in, 0), rows + view * 20 * stride,
          stride, view + 1, 20);
    for (guint crop = 0; crop < 5; crop++)
      check_crop (pair, &info, GST_VIDEO_FRAME_PLANE_DATA (&in, 0),
          rows + (40 + crop / 2 * 8) * stride + crop % 2 * 24, stride, crop + 3, 8);
    for (guint y = 40; y < 64; y++)
      for (guint x = y < 56 ? 48 : 24; x < 60; x++)
        g_assert_cmpuint (rows[y * stride + x], ==, 0);
    gst_video_frame_unmap (&in);
    gst_video_frame_unmap (&views);
  }
  gst_harness_teardown (harness);
}

/* Draws of a view do not depend on what is drawn beside it. */
static void
test_views_stay_as_they_are (void)
{
  GstVideoInfo info;
  GstHarness *with = new_augment ("size=20 small-crops=2 small-size=10", &info);
  GstHarness *without = new_augment ("size=20", &info);

  for (guint n = 0; n < 4; n++) {
    g_autoptr (GstBuffer) a = augment_frame (with, &info, n), b = augment_frame (without, &info, n);
    GstMapInfo map;

    gst_buffer_map (b, &map, GST_MAP_READ);
    g_assert_cmpuint (map.size, ==, 20 * 40 * 3);
    g_assert_cmpint (gst_buffer_memcmp (a, 0, map.data, map.size), ==, 0);
    gst_buffer_unmap (b, &map);
  }
  gst_harness_teardown (with);
  gst_harness_teardown (without);
}

static void
test_change_while_playing (void)
{
  GstVideoInfo info;
  GstHarness *harness = new_augment ("size=16", &info);

  gst_buffer_unref (augment_frame (harness, &info, 0));
  assert_caps (harness, "video/x-raw, height=32, multiview-mode=top-bottom");
  g_object_set (harness->element, "small-crops", 3, "small-size", 8, NULL);
  gst_buffer_unref (augment_frame (harness, &info, 1));
  assert_caps (harness, "video/x-raw, height=48, small-crops=3, small-size=8");
  g_object_set (harness->element, "size", 224, "small-size", 0, NULL); /* by the size */
  gst_buffer_unref (augment_frame (harness, &info, 2));
  assert_caps (harness, "video/x-raw, height=640, small-crops=3, small-size=96");
  g_object_set (harness->element, "size", 16, "small-crops", 0, NULL);
  gst_buffer_unref (augment_frame (harness, &info, 3));
  assert_caps (harness, "video/x-raw, height=32, multiview-mode=top-bottom");
  gst_harness_teardown (harness);
}

static void
test_larger_than_a_view_is_an_error (void)
{
  GstVideoInfo info;
  GstHarness *harness = new_augment ("size=16 small-crops=1 small-size=17", &info);
  g_autoptr (GstBus) bus = attach_bus (harness->element);
  g_autofree gchar *text = NULL;

  g_assert_cmpint (gst_harness_push (harness, make_frame (&info, 1, 0)), !=, GST_FLOW_OK);
  text = pop_text (bus, GST_MESSAGE_ERROR);
  assert_contains (text, "small-size=17 is larger than size=16");
  detach_bus (harness->element, bus);
  gst_harness_teardown (harness);
}

/* An encoder for training, and pairs of 16x16 with so many crops of 8x8 before it. */
static GstHarness *
new_encoder (guint crops, GstVideoInfo *info)
{
  GstHarness *harness =
      harness_new ("simclrencoder " TINY " batch-size=3 seed=4 threads=1 provider=openblas");
  GstCaps *caps;

  *info = video_info ("RGB", SIDE, 2 * SIDE + (crops + 1) / 2 * 8);
  caps = gst_video_info_to_caps (info);
  gst_caps_set_simple (caps, "small-crops", G_TYPE_INT, crops, "small-size", G_TYPE_INT, 8, NULL);
  gst_harness_set_sink_caps_str (harness, "other/tensors");
  gst_harness_add_propose_allocation_meta (harness, GST_SIMCLR_FORWARD_META_API_TYPE, NULL);
  gst_harness_set_src_caps (harness, caps);
  return harness;
}

static void
read_square (const guint8 *pixels, gsize stride, guint x, guint y, guint size, gfloat *floats)
{
  for (guint row = 0; row < size; row++)
    for (guint i = 0; i < 3 * size; i++)
      *floats++ = (gfloat) pixels[(y + row) * stride + 3 * x + i] / 255.0f;
}

/* The batch that goes on has the views' embeddings, the pass those of all. */
static void
test_encoder_embeds_them (void)
{
  GstVideoInfo info;
  GstHarness *harness = new_encoder (3, &info);
  g_autoptr (SimclrWeights) weights = tiny_weights (SIDE, 4);
  g_autoptr (SimclrEncoder) encoder = NULL;
  g_autoptr (SimclrForwardPass) expected = NULL, pass = NULL;
  g_autoptr (GstBuffer) batch = NULL;
  g_autoptr (GError) error = NULL;
  gfloat views[6 * SIDE * SIDE * 3], crops[9 * 8 * 8 * 3];
  const gfloat *a, *b;
  gsize n_a, n_b;

  for (guint i = 0; i < 3; i++) {
    g_autoptr (GstBuffer) pair = make_frame (&info, i, 0);
    GstMapInfo map;

    gst_buffer_map (pair, &map, GST_MAP_READ);
    for (guint view = 0; view < 2; view++)
      read_square (map.data, (gsize) info.stride[0], 0, view * SIDE, SIDE,
          views + (2 * i + view) * SIDE * SIDE * 3);
    for (guint crop = 0; crop < 3; crop++)
      read_square (map.data, (gsize) info.stride[0], crop % 2 * 8, 2 * SIDE + crop / 2 * 8, 8,
          crops + (3 * i + crop) * 8 * 8 * 3);
    gst_buffer_unmap (pair, &map);
    g_assert_cmpint (gst_harness_push (harness, make_frame (&info, i, 0)), ==, GST_FLOW_OK);
  }
  batch = gst_harness_pull (harness);
  g_assert_cmpuint (gst_buffer_get_size (batch), ==, 6 * TINY_SIZE * sizeof (gfloat));
  pass = gst_simclr_forward_meta_take (gst_buffer_get_simclr_forward_meta (batch));
  encoder =
      simclr_encoder_new (weights, SIMCLR_PROVIDER_OPENBLAS, SIMCLR_PRECISION_FLOAT32, 1, &error);
  expected = simclr_encoder_forward_crops (encoder, views, 6, crops, 3, 8, &error);
  g_assert_no_error (error);
  a = simclr_forward_pass_get_embeddings (pass, &n_a);
  b = simclr_forward_pass_get_embeddings (expected, &n_b);
  g_assert_cmpuint (n_a, ==, 15 * TINY_SIZE);
  g_assert_cmpuint (n_a, ==, n_b);
  for (gsize i = 0; i < n_a; i++)
    g_assert_cmpfloat_with_epsilon (a[i], b[i], 1e-5);
  g_clear_object (&pass);
  g_clear_pointer (&batch, gst_buffer_unref);
  gst_harness_teardown (harness);
}

static void
push_all (Fixture *fixture, guint first, guint n, GstFlowReturn expected)
{
  g_assert_cmpint (push_frames (fixture, first, n), ==, expected);
}

static guint64
get_step (Fixture *fixture)
{
  guint64 step;

  g_object_get (fixture->trainer, "step", &step, NULL);
  return step;
}

static void
set_crops (Fixture *fixture, guint crops, guint size)
{
  GstIterator *all = gst_bin_iterate_all_by_element_factory_name (
      GST_BIN (fixture->harness->element), "simclraugment");
  g_auto (GValue) item = G_VALUE_INIT;

  g_assert_cmpint (gst_iterator_next (all, &item), ==, GST_ITERATOR_OK);
  g_object_set (g_value_get_object (&item), "small-crops", crops, "small-size", size, NULL);
  gst_iterator_free (all);
}

/* Crops come, change and go in the middle of a run, which loses no more than the batch in hand. */
static void
test_training_goes_on (Fixture *fixture, gconstpointer settings)
{
  start_with_location (fixture, "", "loss=decoupled");
  set_crops (fixture, 2, 8);
  push_all (fixture, 0, 2 * PAIRS + 1, GST_FLOW_OK);
  g_assert_cmpuint (get_step (fixture), ==, 2);
  set_crops (fixture, 3, 4);
  push_all (fixture, 20, 2 * PAIRS, GST_FLOW_OK);
  g_assert_cmpuint (get_step (fixture), ==, 4);
  set_crops (fixture, 0, 4);
  push_all (fixture, 40, PAIRS, GST_FLOW_OK);
  g_assert_cmpuint (get_step (fixture), ==, 5);
  gst_harness_push_event (fixture->harness, gst_event_new_eos ());
  stop (fixture);
  g_assert_true (exists (fixture));
}

/* In parts, with negatives of earlier batches, and beside exclude-neighbours. */
static void
test_training_with_all_the_rest (Fixture *fixture, gconstpointer settings)
{
  start_with_location (fixture, "microbatch-size=3", "negatives=64 exclude-neighbours=1000000000");
  set_crops (fixture, 4, 8);
  push_all (fixture, 0, 3 * PAIRS, GST_FLOW_OK);
  g_assert_cmpuint (get_step (fixture), ==, 3);
}

static void
test_labels_take_no_crops (Fixture *fixture, gconstpointer settings)
{
  g_autofree gchar *labels = g_build_filename (fixture->folder, "labels", NULL);
  g_autofree gchar *trainer = g_strdup_printf ("loss=cross-entropy labels=%s", labels);
  g_autofree gchar *text = NULL;

  g_assert_true (g_file_set_contents (labels, "a\nb\na\nb\n", -1, NULL));
  start (fixture, "", trainer);
  set_crops (fixture, 1, 8);
  push_all (fixture, 0, PAIRS, GST_FLOW_ERROR);
  text = pop_text (fixture->bus, GST_MESSAGE_ERROR);
  assert_contains (text, "small-crops=0");
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  GST_ELEMENT_REGISTER (simclraugment, NULL);
  GST_ELEMENT_REGISTER (simclrencoder, NULL);
  GST_ELEMENT_REGISTER (simclrtrainer, NULL);

  g_test_add_func ("/small-crops/lie-in-rows-below", test_lie_in_rows_below);
  g_test_add_func ("/small-crops/views-stay-as-they-are", test_views_stay_as_they_are);
  g_test_add_func ("/small-crops/change-while-playing", test_change_while_playing);
  g_test_add_func ("/small-crops/larger-than-a-view", test_larger_than_a_view_is_an_error);
  g_test_add_func ("/small-crops/encoder-embeds-them", test_encoder_embeds_them);
  ADD ("small-crops/training-goes-on", NULL, test_training_goes_on);
  ADD ("small-crops/training-with-all-the-rest", NULL, test_training_with_all_the_rest);
  ADD ("small-crops/labels-take-no-crops", NULL, test_labels_take_no_crops);
  return g_test_run ();
}
