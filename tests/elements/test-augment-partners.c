/* simclraugment with a temporal window: which earlier frame is the second view, and how many are held.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "augment-harness.h"

/* Crops only, so that a view's value is its frame's. */
#define PLAIN                                                                                      \
  "size=8 strength=0 grayscale-probability=0 blur-probability=0 temporal-window=500000000 seed=9 "

/* Pushes a frame of one value; returns how far back view 2 was, having checked it is what the meta
 * says. Frame n has value n and time n / 10 s. */
static guint
partner_distance (Fixture *f, guint n, GstBuffer *frame)
{
  GstBuffer *pair = push_and_pull (f, frame);
  guint64 time1 = meta_uint64 (pair, "view1-pts"), time2 = meta_uint64 (pair, "view2-pts");
  guint8 first, second;

  gst_buffer_extract (pair, 0, &first, 1);
  gst_buffer_extract (pair, 8 * 24, &second, 1);
  g_assert_cmpuint (first, ==, n);
  g_assert_cmpuint (time1, ==, n * GST_SECOND / 10);
  g_assert_cmpuint (GST_BUFFER_PTS (pair), ==, time1);
  g_assert_cmpuint (second, ==, time2 * 10 / GST_SECOND);
  g_assert_cmpuint (second, <=, first);
  gst_buffer_unref (pair);
  return first - second;
}

static GstBuffer *
numbered (const Fixture *f, guint n)
{
  return make_frame (f, n * GST_SECOND / 10, (guint8) n, 0);
}

static void
test_partners_come_from_the_window (void)
{
  Fixture f;
  guint counts[6] = {0};

  fixture_init (&f, PLAIN, GST_VIDEO_FORMAT_RGB, 16, 12);
  g_assert_cmpuint (partner_distance (&f, 0, numbered (&f, 0)), ==, 0);
  g_assert_cmpuint (partner_distance (&f, 1, numbered (&f, 1)), ==, 1);
  for (guint n = 2; n < 250; n++) {
    guint distance = partner_distance (&f, n, numbered (&f, n));

    g_assert_cmpuint (distance, >=, 1);
    g_assert_cmpuint (distance, <=, 5);
    counts[distance]++;
  }
  for (guint i = 1; i <= 5; i++)
    g_assert_cmpuint (counts[i], >, 25); /* of 248 / 5, four deviations less */
  fixture_clear (&f);
}

static void
test_partners_never_cross_a_discontinuity (void)
{
  for (guint way = 0; way < 5; way++) {
    Fixture f;
    GstBuffer *frame;

    fixture_init (&f, PLAIN, GST_VIDEO_FORMAT_RGB, 16, 12);
    for (guint n = 10; n < 13; n++)
      partner_distance (&f, n, numbered (&f, n));
    frame = numbered (&f, 13);
    if (way == 0)
      GST_BUFFER_FLAG_SET (frame, GST_BUFFER_FLAG_DISCONT);
    if (way == 1) {
      GstSegment segment;

      gst_harness_push_event (f.harness, gst_event_new_flush_start ());
      gst_harness_push_event (f.harness, gst_event_new_flush_stop (TRUE));
      gst_segment_init (&segment, GST_FORMAT_TIME);
      gst_harness_push_event (f.harness, gst_event_new_segment (&segment));
    }
    if (way == 2) {
      GstSegment segment;

      gst_segment_init (&segment, GST_FORMAT_TIME);
      segment.start = segment.time = GST_SECOND;
      segment.base = GST_SECOND;
      gst_harness_push_event (f.harness, gst_event_new_segment (&segment));
    }
    if (way == 3) { /* back in time */
      gst_buffer_unref (frame);
      g_assert_cmpuint (partner_distance (&f, 11, numbered (&f, 11)), ==, 0);
      g_assert_cmpuint (partner_distance (&f, 12, numbered (&f, 12)), ==, 1);
      g_assert_cmpuint (partner_distance (&f, 3, numbered (&f, 3)), ==, 0);
      fixture_clear (&f);
      continue;
    }
    if (way == 4) { /* a stall longer than the window */
      gst_buffer_unref (frame);
      g_assert_cmpuint (partner_distance (&f, 18, numbered (&f, 18)), ==, 0);
      fixture_clear (&f);
      continue;
    }
    g_assert_cmpuint (partner_distance (&f, 13, frame), ==, 0);
    g_assert_cmpuint (partner_distance (&f, 14, numbered (&f, 14)), ==, 1);
    fixture_clear (&f);
  }
}

static void
count_down (gpointer data, GstMiniObject *gone)
{
  gint *alive = data;

  --*alive;
}

static void
test_history_is_bounded (void)
{
  Fixture f;
  gint alive = 0;

  fixture_init (&f, "size=8 temporal-window=60000000000", GST_VIDEO_FORMAT_RGB, 16, 12);
  for (guint n = 0; n < 3000; n++) {
    GstBuffer *frame = make_frame (&f, n * GST_SECOND / 30, (guint8) n, 0);

    alive++;
    gst_mini_object_weak_ref (GST_MINI_OBJECT (frame), count_down, &alive);
    gst_buffer_unref (push_and_pull (&f, frame));
    g_assert_cmpint (alive, <=, 16);
  }
  g_assert_cmpint (alive, >=, 15);
  fixture_clear (&f);
  g_assert_cmpint (alive, ==, 0);
}

/* A camera's pool of two buffers must never run dry. */
static void
test_limited_pools_get_their_buffers_back (void)
{
  Fixture f;
  GstBufferPool *pool = gst_buffer_pool_new ();
  GstStructure *config = gst_buffer_pool_get_config (pool);
  GstBufferPoolAcquireParams params = {.flags = GST_BUFFER_POOL_ACQUIRE_FLAG_DONTWAIT};

  fixture_init (&f, PLAIN, GST_VIDEO_FORMAT_RGB, 15, 13);
  gst_buffer_pool_config_set_params (config, NULL, (guint) f.info.size, 2, 2);
  g_assert_true (gst_buffer_pool_set_config (pool, config));
  g_assert_true (gst_buffer_pool_set_active (pool, TRUE));
  for (guint n = 0; n < 60; n++) {
    GstBuffer *buffer;
    guint distance;

    g_assert_cmpint (gst_buffer_pool_acquire_buffer (pool, &buffer, &params), ==, GST_FLOW_OK);
    gst_buffer_memset (buffer, 0, (guint8) n, f.info.size);
    GST_BUFFER_PTS (buffer) = n * GST_SECOND / 10;
    distance = partner_distance (&f, n, buffer);
    g_assert_cmpuint (distance, >=, MIN (n, 1));
  }
  fixture_clear (&f);
  gst_buffer_pool_set_active (pool, FALSE);
  gst_object_unref (pool);
}

static void
test_frames_without_time_are_paired_with_themselves (void)
{
  Fixture f;

  fixture_init (&f, PLAIN, GST_VIDEO_FORMAT_RGB, 16, 12);
  for (guint n = 0; n < 5; n++) {
    GstBuffer *pair = push_and_pull (&f, make_frame (&f, GST_CLOCK_TIME_NONE, (guint8) n, 0));
    guint8 second;

    gst_buffer_extract (pair, 8 * 24, &second, 1);
    g_assert_cmpuint (second, ==, n);
    g_assert_cmpuint (meta_uint64 (pair, "view2-running-time"), ==, GST_CLOCK_TIME_NONE);
    gst_buffer_unref (pair);
  }
  fixture_clear (&f);
}

static void
test_caps_change_in_the_middle (void)
{
  Fixture f;

  fixture_init (&f, PLAIN, GST_VIDEO_FORMAT_RGB, 16, 12);
  partner_distance (&f, 1, numbered (&f, 1));
  gst_video_info_set_format (&f.info, GST_VIDEO_FORMAT_GRAY8, 31, 7);
  push_caps (&f);
  g_assert_cmpuint (partner_distance (&f, 2, numbered (&f, 2)), ==, 0);
  g_assert_cmpuint (partner_distance (&f, 3, numbered (&f, 3)), ==, 1);
  fixture_clear (&f);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/element-augment/partners-in-window", test_partners_come_from_the_window);
  g_test_add_func (
      "/element-augment/partners-discontinuity", test_partners_never_cross_a_discontinuity);
  g_test_add_func ("/element-augment/history-is-bounded", test_history_is_bounded);
  g_test_add_func ("/element-augment/limited-pools", test_limited_pools_get_their_buffers_back);
  g_test_add_func ("/element-augment/no-time", test_frames_without_time_are_paired_with_themselves);
  g_test_add_func ("/element-augment/caps-change", test_caps_change_in_the_middle);
  return g_test_run ();
}
