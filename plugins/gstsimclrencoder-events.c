/* simclrencoder's events: what they do to a batch, and what a late sink means.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrencoder-private.h"

#define GST_CAT_DEFAULT gst_simclr_encoder_debug

/* Before whatever follows frames in the stream: embedding sends what it holds, training keeps
 * collecting, and at the end says what was too little for a batch. */
static void
drain (GstSimclrEncoder *self, gboolean end)
{
  switch (self->mode) {
  case GST_SIMCLR_ENCODER_MODE_VIDEO:
  case GST_SIMCLR_ENCODER_MODE_TENSORS:
    self->late_flow = _gst_simclr_encoder_embed (self);
    break;
  case GST_SIMCLR_ENCODER_MODE_TRAINING:
    if (end && self->filled > 0) {
      GST_INFO_OBJECT (
          self, "%u pairs were too few for a batch of %u: dropped", self->filled, self->capacity);
      _gst_simclr_encoder_drop_batch (self);
    }
    break;
  case GST_SIMCLR_ENCODER_MODE_NONE:
    _gst_simclr_encoder_drop_batch (self);
  }
}

static void
set_earliest (GstSimclrEncoder *self, GstClockTime earliest, gdouble proportion)
{
  GST_OBJECT_LOCK (self);
  self->earliest = earliest;
  self->proportion = proportion;
  GST_OBJECT_UNLOCK (self);
}

/* As GstVideoDecoder: a sink that is late will be later by as much again when the next frame is there. */
gboolean
_gst_simclr_encoder_src_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstSimclrEncoder *self = GST_SIMCLR_ENCODER (parent);
  GstQOSType type;
  gdouble proportion;
  GstClockTimeDiff difference;
  GstClockTime time;

  if (GST_EVENT_TYPE (event) == GST_EVENT_QOS) {
    gst_event_parse_qos (event, &type, &proportion, &difference, &time);
    if (!GST_CLOCK_TIME_IS_VALID (time))
      set_earliest (self, GST_CLOCK_TIME_NONE, proportion);
    else if (difference > 0)
      set_earliest (self, time + 2 * (GstClockTime) difference, proportion);
    else if (time > (GstClockTime) -difference)
      set_earliest (self, time + difference, proportion);
  }
  return gst_pad_event_default (pad, parent, event);
}

/* Whether an event may wait in the batch, between its frames, so that frames of several streams (`funnel`, which
 * announces each stream as it turns to it) fill one batch. What may be followed by nothing for long does not wait. */
static gboolean
joins_batch (GstSimclrEncoder *self, GstEvent *event)
{
  GstCaps *caps;

  if (self->mode != GST_SIMCLR_ENCODER_MODE_VIDEO || self->filled == 0)
    return FALSE;
  switch (GST_EVENT_TYPE (event)) {
  case GST_EVENT_CAPS:
    gst_event_parse_caps (event, &caps);
    return gst_caps_is_equal (caps, self->caps);
  case GST_EVENT_STREAM_START:
  case GST_EVENT_SEGMENT:
  case GST_EVENT_TAG:
    return TRUE;
  default:
    return FALSE;
  }
}

/* Drops the batch. What it held that outlives a flush (which stream this is, its caps) goes on after it. */
static gboolean
finish_flush (GstSimclrEncoder *self, GstEvent *flush_stop)
{
  GQueue events = G_QUEUE_INIT;
  GstEvent *event;
  gboolean done;

  for (GList *item = self->held.head; item != NULL; item = item->next) {
    if (GST_IS_EVENT (item->data) && GST_EVENT_TYPE (item->data) != GST_EVENT_SEGMENT)
      g_queue_push_tail (&events, gst_event_ref (GST_EVENT_CAST (item->data)));
  }
  if (self->mode != GST_SIMCLR_ENCODER_MODE_TRAINING)
    _gst_simclr_encoder_drop_batch (self);
  done = gst_pad_event_default (self->sinkpad, GST_OBJECT (self), flush_stop);
  while ((event = g_queue_pop_head (&events)) != NULL)
    gst_pad_push_event (self->srcpad, event);
  return done;
}

static gboolean
handle_sink_event (GstSimclrEncoder *self, GstEvent *event)
{
  gboolean done;
  GstCaps *caps;

  if (GST_EVENT_TYPE (event) == GST_EVENT_STREAM_START)
    self->stream = gst_simclr_streams_get (&self->seen, event);
  if (joins_batch (self, event)) {
    if (GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT)
      gst_event_copy_segment (event, &self->segment);
    g_queue_push_tail (&self->held, event);
    return TRUE;
  }
  switch (GST_EVENT_TYPE (event)) {
  case GST_EVENT_FLUSH_START:
    gst_simclr_forward_gate_set_flushing (self->gate, TRUE);
    break;
  case GST_EVENT_FLUSH_STOP:
    gst_simclr_forward_gate_set_flushing (self->gate, FALSE);
    self->batch_pts = GST_CLOCK_TIME_NONE;
    self->late_flow = GST_FLOW_OK;
    gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
    set_earliest (self, GST_CLOCK_TIME_NONE, 1);
    /* a negotiation that the flush cut short is done again */
    gst_pad_mark_reconfigure (self->srcpad);
    return finish_flush (self, event);
  case GST_EVENT_CAPS:
    drain (self, FALSE);
    gst_event_parse_caps (event, &caps);
    done = _gst_simclr_encoder_set_caps (self, caps);
    gst_event_unref (event);
    return done;
  case GST_EVENT_SEGMENT:
    drain (self, FALSE);
    self->batch_pts = GST_CLOCK_TIME_NONE;
    gst_event_copy_segment (event, &self->segment);
    break;
  case GST_EVENT_EOS:
    drain (self, TRUE);
    break;
  default:
    if (GST_EVENT_IS_SERIALIZED (event))
      drain (self, FALSE);
  }
  return gst_pad_event_default (self->sinkpad, GST_OBJECT (self), event);
}

/* The flush or the state change comes to what is downstream first. */
gboolean
_gst_simclr_encoder_is_flushing (GstSimclrEncoder *self)
{
  g_autoptr (GstPad) peer = gst_pad_get_peer (self->srcpad);

  return GST_PAD_IS_FLUSHING (self->srcpad) || (peer != NULL && GST_PAD_IS_FLUSHING (peer));
}

/* An event that a flush or a state change kept from going on is no error of the stream. */
GstFlowReturn
_gst_simclr_encoder_sink_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstSimclrEncoder *self = GST_SIMCLR_ENCODER (parent);
  gboolean is_caps = GST_EVENT_TYPE (event) == GST_EVENT_CAPS;

  if (handle_sink_event (self, event))
    return GST_FLOW_OK;
  if (_gst_simclr_encoder_is_flushing (self))
    return GST_FLOW_FLUSHING;
  return is_caps ? GST_FLOW_NOT_NEGOTIATED : GST_FLOW_ERROR;
}
