/* simclrencoder and its weights: from a file, from a model that is trained, untrained, of bytes.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "encoder-harness.h"

#include <math.h>

#include <gstsimclrmodeltable.h>

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

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  gst_simclr_embedding_meta_register ();
  GST_ELEMENT_REGISTER (simclrencoder, NULL);

  ADD ("architecture", "architecture=resnet34", test_contradiction_names_the_property);
  ADD ("width", "width=0.5", test_contradiction_names_the_property);
  ADD ("stem", "stem=imagenet", test_contradiction_names_the_property);
  ADD ("projection", "output=projection", test_contradiction_names_the_property);
  ADD ("input-size", "input-size=48 normalization=imagenet", test_input_size_may_be_another);
  ADD ("bytes", "precision=int8 calibration-frames=2", test_bytes_follow_calibration);
  g_test_add_func ("/encoder/bad-file", test_bad_file_fails_the_start);
  g_test_add_func ("/encoder/untrained", test_untrained_is_said);
  g_test_add_func ("/encoder/untrained-size", test_untrained_input_size_follows_the_frame);
  g_test_add_func ("/encoder/model", test_newest_weights_of_a_model_are_taken);
  g_test_add_func ("/encoder/no-head", test_frames_pass_while_a_model_has_no_head);
  return g_test_run ();
}
