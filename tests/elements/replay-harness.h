/* simclrreplay in a harness, with frames that can be told apart; for its tests.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/check/gstharness.h>

#define CAPS "video/x-raw,format=RGB,width=8,height=4,framerate=25/1"
#define FRAME_BYTES 96

/* A harness around one element, its properties given as for gst-launch. */
static inline GstHarness *
harness_new (const gchar *properties)
{
  g_autofree gchar *line = g_strdup_printf ("simclrreplay name=replay %s", properties);
  g_autoptr (GError) error = NULL;
  GstElement *element = gst_parse_launch (line, &error);
  GstHarness *harness;

  g_assert_no_error (error);
  harness = gst_harness_new_with_element (element, "sink", "src");
  gst_object_unref (element);
  gst_harness_set_src_caps_str (harness, CAPS);
  return harness;
}

/* A frame whose bytes all are `number`. */
static inline GstBuffer *
frame_new (guint number)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, FRAME_BYTES, NULL);

  gst_buffer_memset (buffer, 0, (guint8) number, FRAME_BYTES);
  GST_BUFFER_PTS (buffer) = number * 40 * GST_MSECOND;
  GST_BUFFER_DURATION (buffer) = 40 * GST_MSECOND;
  return buffer;
}

static inline void
push_frames (GstHarness *harness, guint first, guint frames)
{
  for (guint i = 0; i < frames; i++)
    g_assert_cmpint (gst_harness_push (harness, frame_new (first + i)), ==, GST_FLOW_OK);
}

static inline guint
frame_number (GstBuffer *buffer)
{
  guint8 number = 0;

  g_assert_cmpuint (gst_buffer_extract (buffer, 0, &number, 1), ==, 1);
  return number;
}

static inline guint
pull_number (GstHarness *harness)
{
  GstBuffer *buffer = gst_harness_pull (harness);
  guint number;

  g_assert_nonnull (buffer);
  number = frame_number (buffer);
  gst_buffer_unref (buffer);
  return number;
}

static inline void
wait_for_event (GstHarness *harness, GstEventType type)
{
  gboolean found = FALSE;

  while (!found) {
    GstEvent *event = gst_harness_pull_event (harness);

    g_assert_nonnull (event);
    found = GST_EVENT_TYPE (event) == type;
    gst_event_unref (event);
  }
}

static inline guint64
replay_stat (GstHarness *harness, const gchar *field)
{
  GstStructure *stats;
  guint64 value;

  g_object_get (harness->element, "stats", &stats, NULL);
  g_assert_true (gst_structure_has_name (stats, "simclr-replay"));
  g_assert_true (gst_structure_get_uint64 (stats, field, &value));
  gst_structure_free (stats);
  return value;
}
