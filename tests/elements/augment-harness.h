/* simclraugment in a harness, frames for it, and the meta of its pairs; for its tests.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/check/gstharness.h>
#include <gst/video/video.h>

#define META "SimclrPair"

typedef struct
{
  GstHarness *harness;
  GstVideoInfo info;
} Fixture;

/* An element with these properties, playing, with caps. */
static inline void
fixture_init (Fixture *f, const gchar *properties, GstVideoFormat format, guint width, guint height)
{
  g_autofree gchar *line = g_strdup_printf ("simclraugment %s", properties);
  GstCaps *caps;

  f->harness = gst_harness_new_parse (line);
  gst_video_info_set_format (&f->info, format, width, height);
  GST_VIDEO_INFO_FPS_N (&f->info) = 30;
  caps = gst_video_info_to_caps (&f->info);
  gst_harness_set_src_caps (f->harness, caps);
}

static inline void
fixture_clear (Fixture *f)
{
  gst_harness_teardown (f->harness);
}

/* What the fixture's info says, as a caps event. */
static inline void
push_caps (Fixture *f)
{
  g_autoptr (GstCaps) caps = gst_video_info_to_caps (&f->info);

  gst_harness_push_event (f->harness, gst_event_new_caps (caps));
}

/* A frame whose pixels count up from value; every one alike with step 0. */
static inline GstBuffer *
make_frame (const Fixture *f, GstClockTime pts, guint8 value, guint8 step)
{
  GstBuffer *buffer = gst_buffer_new_and_alloc (f->info.size);
  GstMapInfo map;

  g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_WRITE));
  for (gsize i = 0; i < map.size; i++)
    map.data[i] = (guint8) (value + i * step);
  gst_buffer_unmap (buffer, &map);
  GST_BUFFER_PTS (buffer) = pts;
  GST_BUFFER_DURATION (buffer) = GST_SECOND / 30;
  return buffer;
}

static inline GstBuffer *
push_and_pull (Fixture *f, GstBuffer *frame)
{
  GstBuffer *pair;

  g_assert_cmpint (gst_harness_push (f->harness, frame), ==, GST_FLOW_OK);
  g_assert_cmpuint (gst_harness_buffers_in_queue (f->harness), ==, 1);
  pair = gst_harness_pull (f->harness);
  g_assert_nonnull (pair);
  return pair;
}

static inline const GstStructure *
meta_of (GstBuffer *pair)
{
  GstCustomMeta *meta = gst_buffer_get_custom_meta (pair, META);

  g_assert_nonnull (meta);
  return gst_custom_meta_get_structure (meta);
}

static inline guint64
meta_uint64 (GstBuffer *pair, const gchar *name)
{
  guint64 value;

  g_assert_true (gst_structure_get_uint64 (meta_of (pair), name, &value));
  return value;
}
