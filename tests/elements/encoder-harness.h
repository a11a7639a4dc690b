/* simclrencoder in a harness, and what must leave it by what the library says; for its tests.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "element-test.h"

#include <gstsimclrembeddingmeta.h>
#include <gstsimclrencoder.h>

static inline const GstVideoInfo *
small_rgb (void)
{
  static GstVideoInfo info;

  info = video_info ("RGB", 32, 32);
  return &info;
}

static inline SimclrPixelFormat
pixel_format (GstVideoFormat format)
{
  return format == GST_VIDEO_FORMAT_RGB    ? SIMCLR_PIXEL_FORMAT_RGB
         : format == GST_VIDEO_FORMAT_BGR  ? SIMCLR_PIXEL_FORMAT_BGR
         : format == GST_VIDEO_FORMAT_RGBx ? SIMCLR_PIXEL_FORMAT_RGBX
         : format == GST_VIDEO_FORMAT_BGRx ? SIMCLR_PIXEL_FORMAT_BGRX
                                           : SIMCLR_PIXEL_FORMAT_GRAY8;
}

/* The oracle: the library called by hand. */
static inline void
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
static inline void
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

static inline void
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

static inline void
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

static inline void
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

/* A test of it with these properties, set up and torn down. */
#define ADD(name, settings, function)                                                              \
  g_test_add ("/encoder/embedding/" name, Fixture, settings, set_up, function, tear_down)
