/* What simclrreplay sends: a stored frame as a new buffer, on the output's own timeline.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrreplayprivate.h"

#include "gstsimclrframemeta.h"
#include "gstsimclrmodelquery.h"
#include "gstsimclrneighbourmeta.h"

void
gst_simclr_replay_push_events (GstSimclrReplay *self, GQueue *events)
{
  GstEvent *event;

  while ((event = g_queue_pop_head (events)))
    gst_pad_push_event (self->srcpad, event);
}

/* With the number of the input's segment, so that a seek can be told from what it led to. */
void
gst_simclr_replay_push_numbered (GstSimclrReplay *self, GstEvent *event)
{
  g_mutex_lock (&self->lock);
  if (self->seqnum != GST_SEQNUM_INVALID)
    gst_event_set_seqnum (event, self->seqnum);
  g_mutex_unlock (&self->lock);
  gst_pad_push_event (self->srcpad, event);
}

static void
push_caps (GstSimclrReplay *self, GstCaps *caps)
{
  if (self->src_caps && (self->src_caps == caps || gst_caps_is_equal (self->src_caps, caps)))
    return;
  gst_caps_replace (&self->src_caps, caps);
  gst_pad_push_event (self->srcpad, gst_event_new_caps (caps));
}

/* The output's own timeline begins now where a clock runs already, so that a live pipeline's sink
 * need not drop what comes; it begins at 0 where none runs yet and after a flush. */
static void
push_segment (GstSimclrReplay *self, gboolean was_flushed)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.start = segment.time = segment.position = self->position;
  if (!was_flushed && GST_STATE (self) == GST_STATE_PLAYING) {
    GstClockTime now = gst_element_get_current_running_time (GST_ELEMENT (self));

    if (GST_CLOCK_TIME_IS_VALID (now))
      segment.base = now;
  }
  gst_simclr_replay_push_numbered (self, gst_event_new_segment (&segment));
}

static GstClockTime
frame_duration (GstBuffer *buffer, GstCaps *caps)
{
  gint numerator, denominator;

  if (GST_BUFFER_DURATION_IS_VALID (buffer))
    return GST_BUFFER_DURATION (buffer);
  if (gst_structure_get_fraction (
          gst_caps_get_structure (caps, 0), "framerate", &numerator, &denominator) &&
      numerator > 0)
    return gst_util_uint64_scale_int (GST_SECOND, denominator, numerator);
  return GST_CLOCK_TIME_NONE;
}

/* When a stored frame came in, as running time of the input; GST_CLOCK_TIME_NONE: unknown. */
static GstClockTime
original_time (GstSample *frame)
{
  GstBuffer *stored = gst_sample_get_buffer (frame);
  GstSegment *segment = gst_sample_get_segment (frame);

  if (segment->format != GST_FORMAT_TIME || !GST_BUFFER_PTS_IS_VALID (stored))
    return GST_CLOCK_TIME_NONE;
  return gst_segment_to_running_time (segment, GST_FORMAT_TIME, GST_BUFFER_PTS (stored));
}

/* Another frame of the same shot, where simclraugment wants one. */
static void
add_neighbour (GstSimclrReplay *self, const GstSimclrReplayTaken *taken, GstBuffer *buffer)
{
  GstClockTime window = gst_simclr_window_query (self->srcpad);
  g_autoptr (GstSample) neighbour = NULL;

  if (window == 0)
    return;
  g_mutex_lock (&self->lock);
  neighbour = simclr_replay_neighbour (self->memory, taken->number, window, taken->index, NULL);
  if (neighbour)
    gst_sample_ref (neighbour);
  g_mutex_unlock (&self->lock);
  if (neighbour &&
      gst_caps_is_equal (gst_sample_get_caps (neighbour), gst_sample_get_caps (taken->frame)))
    gst_buffer_add_simclr_neighbour_meta (
        buffer, gst_sample_get_buffer (neighbour), original_time (neighbour));
}

/* Which frame of which input it is; one from a file is none. */
static void
add_number (GstSample *frame, GstBuffer *buffer)
{
  const GstStructure *info = gst_sample_get_info (frame);
  guint64 number = GST_SIMCLR_NO_FRAME;
  guint stream = 0;

  gst_structure_get_uint64 (info, "number", &number);
  gst_structure_get_uint (info, "stream", &stream);
  gst_simclr_frame_meta_set (buffer, number, stream);
}

/* A new buffer around the stored frame's memory, with a place on the output's timeline. */
static GstBuffer *
make_output (GstSimclrReplay *self, const GstSimclrReplayTaken *taken)
{
  GstBuffer *stored = gst_sample_get_buffer (taken->frame);
  GstBuffer *buffer = gst_buffer_copy (stored);
  GstClockTime duration = frame_duration (stored, gst_sample_get_caps (taken->frame));
  GstClockTime time = original_time (taken->frame);

  if (GST_CLOCK_TIME_IS_VALID (time))
    gst_simclr_set_original_time (buffer, time, GST_BUFFER_DURATION (stored));
  add_number (taken->frame, buffer);
  add_neighbour (self, taken, buffer);

  GST_BUFFER_PTS (buffer) = self->position;
  GST_BUFFER_DTS (buffer) = GST_CLOCK_TIME_NONE;
  GST_BUFFER_DURATION (buffer) = duration;
  GST_BUFFER_OFFSET (buffer) = taken->index;
  GST_BUFFER_OFFSET_END (buffer) = taken->index + 1;
  GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
  if (GST_CLOCK_TIME_IS_VALID (duration))
    self->position += duration;
  return buffer;
}

GstFlowReturn
gst_simclr_replay_push_output (
    GstSimclrReplay *self, const GstSimclrReplayTaken *taken, GQueue *events)
{
  push_caps (self, gst_sample_get_caps (taken->frame));
  if (taken->need_segment)
    push_segment (self, taken->was_flushed);
  gst_simclr_replay_push_events (self, events);
  return gst_pad_push (self->srcpad, make_output (self, taken));
}
