/* simclrencoder beside a camera: weights that change under it, files it follows, frames that are late.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "element-test.h"

#include <gstsimclrembeddingmeta.h>
#include <gstsimclrencoder.h>
#include <gstsimclrmodeltable.h>

#include <math.h>
#include <simclr/nn/weights-private.h>

typedef struct
{
  GstHarness *harness;
  GstVideoInfo info;
  guint frames;
} Camera;

static Camera
camera_new (const gchar *properties)
{
  g_autofree gchar *launch = g_strdup_printf ("simclrencoder threads=1 %s", properties);
  Camera self = {.harness = harness_new (launch), .info = video_info ("RGB", 32, 32)};

  set_video_caps (self.harness, &self.info);
  return self;
}

/* The same picture each time; every frame comes out. Its first float, NAN where there is no embedding. */
static gfloat
look (Camera *self)
{
  GstClockTime pts = self->frames++ * GST_SECOND / 30;
  g_autoptr (GstBuffer) out =
      gst_harness_push_and_pull (self->harness, make_frame (&self->info, 1, pts));
  const gfloat *embedding;

  g_assert_nonnull (out);
  embedding = gst_buffer_get_simclr_embedding (out, NULL, NULL);
  return embedding != NULL ? embedding[0] : NAN;
}

static gfloat
embed_directly (SimclrWeights *weights)
{
  SimclrModel *model = gst_simclr_model_table_acquire ("direct");
  Camera camera = camera_new ("model=direct");
  gfloat value;

  simclr_model_publish (model, weights);
  value = look (&camera);
  gst_harness_teardown (camera.harness);
  gst_simclr_model_table_release ("direct");
  g_assert_true (isfinite (value));
  return value;
}

/* Frames go on, one after the other, until the file has been taken. */
static void
look_until (Camera *camera, gfloat wanted)
{
  gint64 end = g_get_monotonic_time () + 60 * G_USEC_PER_SEC;

  while (look (camera) != wanted) {
    g_assert_cmpint (g_get_monotonic_time (), <, end);
    g_thread_yield ();
  }
}

static void
test_a_file_is_followed (void)
{
  g_autofree gchar *folder = make_folder ();
  g_autofree gchar *path = g_build_filename (folder, "c.safetensors", NULL);
  g_autofree gchar *properties =
      g_strdup_printf ("location=%s follow=true follow-interval=0 model=followed", path);
  g_autoptr (SimclrWeights) first = tiny_weights (32, 1);
  g_autoptr (SimclrWeights) second = tiny_weights (32, 2);
  gfloat of_first = embed_directly (first), of_second = embed_directly (second);
  Camera camera = camera_new (properties), other = camera_new ("model=followed");

  for (guint i = 0; i < 3; i++)
    g_assert_true (isnan (look (&camera)));
  g_assert_true (simclr_weights_save (first, path, NULL));
  look_until (&camera, of_first);
  look_until (&other, of_first);

  g_assert_true (g_file_set_contents (path, "half a file", -1, NULL));
  for (guint i = 0; i < 50; i++)
    g_assert_cmpfloat (look (&camera), ==, of_first);
  g_assert_true (simclr_weights_save (second, path, NULL));
  look_until (&camera, of_second);
  look_until (&other, of_second);
  gst_harness_teardown (camera.harness);

  /* what is there at the start is there for the first frame */
  camera = camera_new (properties);
  g_assert_cmpfloat (look (&camera), ==, of_second);
  gst_harness_teardown (camera.harness);
  gst_harness_teardown (other.harness);
  remove_folder (folder);
}

static void
test_frames_pass_until_a_model_is_there (void)
{
  Camera camera = camera_new ("model=later");
  SimclrModel *model = gst_simclr_model_table_acquire ("later");
  g_autoptr (SimclrWeights) weights = tiny_weights (32, 1);

  for (guint i = 0; i < 3; i++)
    g_assert_true (isnan (look (&camera)));
  simclr_model_publish (model, weights);
  g_assert_true (isfinite (look (&camera)));
  gst_harness_teardown (camera.harness);
  gst_simclr_model_table_release ("later");
}

/* Somebody publishes what is not worth it: the last good weights go on. */
static void
test_weights_that_are_no_numbers_are_not_used (void)
{
  Camera camera = camera_new ("model=bad");
  SimclrModel *model = gst_simclr_model_table_acquire ("bad");
  g_autoptr (SimclrWeights) good = tiny_weights (32, 1);
  g_autoptr (SimclrWeights) bad = tiny_weights (32, 2);
  g_autoptr (SimclrWeights) better = tiny_weights (32, 3);
  gfloat of_good;

  bad->statistics[0] = NAN;
  g_assert_false (simclr_weights_are_finite (bad));
  simclr_model_publish (model, good);
  of_good = look (&camera);
  simclr_model_publish (model, bad);
  for (guint i = 0; i < 3; i++)
    g_assert_cmpfloat (look (&camera), ==, of_good);
  simclr_model_publish (model, better);
  g_assert_cmpfloat (look (&camera), ==, embed_directly (better));
  gst_harness_teardown (camera.harness);
  gst_simclr_model_table_release ("bad");
}

static void
send_qos (Camera *camera, GstClockTime time, GstClockTimeDiff late)
{
  gst_harness_push_upstream_event (
      camera->harness, gst_event_new_qos (GST_QOS_TYPE_UNDERFLOW, 1.5, late, time));
}

/* A sink that is late by 100 ms at 1 s wants nothing before 1.2 s. */
static void
test_late_frames_pass_without_embedding (gconstpointer qos)
{
  g_autofree gchar *properties = g_strdup_printf (TINY "qos=%s", (const gchar *) qos);
  Camera camera = camera_new (properties);
  GstBus *bus = attach_bus (camera.harness->element);
  gboolean honours = g_str_equal (qos, "true");
  g_autoptr (GstMessage) message = NULL;
  guint64 processed, dropped;

  for (guint i = 0; i < 31; i++)
    g_assert_true (isfinite (look (&camera)));
  send_qos (&camera, GST_SECOND, 100 * GST_MSECOND);
  for (guint i = 31; i < 50; i++)
    g_assert_cmpint (isnan (look (&camera)) != 0, ==, honours && i <= 36);
  send_qos (&camera, 49 * GST_SECOND / 30, 1000 * GST_MSECOND);
  g_assert_cmpint (isnan (look (&camera)) != 0, ==, honours);

  message = gst_bus_pop_filtered (bus, GST_MESSAGE_QOS);
  g_assert_cmpint (message != NULL, ==, honours);
  if (message) {
    gst_message_parse_qos_stats (message, NULL, &processed, &dropped);
    g_assert_cmpuint (processed, ==, 31);
    g_assert_cmpuint (dropped, ==, 1);
  }
  g_clear_pointer (&message, gst_message_unref);
  detach_bus (camera.harness->element, bus);
  gst_object_unref (bus);
  gst_harness_teardown (camera.harness);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  gst_simclr_embedding_meta_register ();
  GST_ELEMENT_REGISTER (simclrencoder, NULL);

  g_test_add_func ("/encoder/live/a-file-is-followed", test_a_file_is_followed);
  g_test_add_func (
      "/encoder/live/frames-pass-until-a-model-is-there", test_frames_pass_until_a_model_is_there);
  g_test_add_func ("/encoder/live/weights-that-are-no-numbers-are-not-used",
      test_weights_that_are_no_numbers_are_not_used);
  g_test_add_data_func ("/encoder/live/late-frames-pass-without-embedding/qos", "true",
      test_late_frames_pass_without_embedding);
  g_test_add_data_func ("/encoder/live/late-frames-pass-without-embedding/no-qos", "false",
      test_late_frames_pass_without_embedding);
  return g_test_run ();
}
