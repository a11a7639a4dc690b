/* What tests of elements share: small encoders, frames, and messages.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/check/gstharness.h>
#include <gst/video/video.h>
#include <glib/gstdio.h>

#include <simclr/simclr.h>

/* A twin of ResNet-18 that is quick. */
#define TINY_WIDTH (1.0 / 16)
#define TINY "width=0.0625 "
#define TINY_SIZE 32 /* floats of its embedding */

/* A folder of this test's own. */
static inline gchar *
make_folder (void)
{
  gchar *folder = g_dir_make_tmp ("simclr-test-XXXXXX", NULL);

  g_assert_nonnull (folder);
  return folder;
}

static inline void
remove_folder (const gchar *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const gchar *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
    g_autofree gchar *path = g_build_filename (folder, name, NULL);

    g_remove (path);
  }
  g_rmdir (folder);
}

static inline SimclrWeights *
tiny_weights (guint input_size, guint64 seed)
{
  g_autoptr (GError) error = NULL;
  SimclrWeights *weights = simclr_weights_new_random (
      SIMCLR_ARCHITECTURE_RESNET18, TINY_WIDTH, SIMCLR_STEM_AUTO, input_size, seed, &error);

  g_assert_no_error (error);
  return weights;
}

/* A frame of numbers that depend on seed, so that no two are alike. */
static inline GstBuffer *
make_frame (const GstVideoInfo *info, guint seed, GstClockTime pts)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, GST_VIDEO_INFO_SIZE (info), NULL);
  guint32 state = seed * 2654435761u + 12345;
  GstMapInfo map;

  g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_WRITE));
  for (gsize i = 0; i < map.size; i++) {
    state = state * 1664525u + 1013904223u;
    map.data[i] = (guint8) (state >> 24);
  }
  gst_buffer_unmap (buffer, &map);
  GST_BUFFER_PTS (buffer) = pts;
  GST_BUFFER_DURATION (buffer) = GST_SECOND / 30;
  return buffer;
}

static inline GstVideoInfo
video_info (const gchar *format, guint width, guint height)
{
  GstVideoInfo info;

  g_assert_true (
      gst_video_info_set_format (&info, gst_video_format_from_string (format), width, height));
  info.fps_n = 30;
  info.fps_d = 1;
  return info;
}

static inline GstVideoInfo
pair_info (guint size)
{
  GstVideoInfo info = video_info ("RGB", size, 2 * size);

  GST_VIDEO_INFO_MULTIVIEW_MODE (&info) = GST_VIDEO_MULTIVIEW_MODE_TOP_BOTTOM;
  return info;
}

static inline void
set_video_caps (GstHarness *harness, const GstVideoInfo *info)
{
  gst_harness_set_src_caps (harness, gst_video_info_to_caps (info));
}

/* A harness around one element with its properties, as gst-launch-1.0 reads them. */
static inline GstHarness *
harness_new (const gchar *launch)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) element = gst_object_ref_sink (gst_parse_launch (launch, &error));

  g_assert_no_error (error);
  return gst_harness_new_with_element (element, "sink", "src");
}

/* A bus of its own for an element that is in no pipeline. */
static inline GstBus *
attach_bus (GstElement *element)
{
  GstBus *bus = gst_bus_new ();

  gst_element_set_bus (element, bus);
  return bus;
}

/* Messages hold their element: they go first. */
static inline void
detach_bus (GstElement *element, GstBus *bus)
{
  gst_bus_set_flushing (bus, TRUE);
  gst_element_set_bus (element, NULL);
}

/* The text of the first message of that type, NULL where there is none. Messages before it are gone. */
static inline gchar *
pop_text (GstBus *bus, GstMessageType type)
{
  g_autoptr (GstMessage) message = gst_bus_pop_filtered (bus, type);
  g_autoptr (GError) error = NULL;
  g_autofree gchar *debug = NULL;

  if (message == NULL)
    return NULL;
  if (type == GST_MESSAGE_ERROR)
    gst_message_parse_error (message, &error, &debug);
  else
    gst_message_parse_warning (message, &error, &debug);
  return g_strconcat (error->message, " ", debug, NULL);
}

static inline void
assert_contains (const gchar *text, const gchar *part)
{
  if (text == NULL || strstr (text, part) == NULL)
    g_error ("\"%s\" is not in \"%s\"", part, text != NULL ? text : "(nothing)");
}
