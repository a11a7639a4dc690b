/* simclrreplay's sink pads: streams come in at the camera's rate, without waiting.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrreplayprivate.h"

#define GST_CAT_DEFAULT gst_simclr_replay_debug

GstStaticPadTemplate gst_simclr_replay_sink_template =
    GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw"));

GstStaticPadTemplate gst_simclr_replay_request_template = GST_STATIC_PAD_TEMPLATE (
    "sink_%u", GST_PAD_SINK, GST_PAD_REQUEST, GST_STATIC_CAPS ("video/x-raw"));

static GstSimclrReplayInput *
get_input (GstPad *pad)
{
  return gst_pad_get_element_private (pad);
}

/* Whether no other camera is linked; lock held. */
static gboolean
is_alone (GstSimclrReplay *self, GstSimclrReplayInput *input)
{
  for (guint i = 0; i < self->inputs->len; i++) {
    GstSimclrReplayInput *other = g_ptr_array_index (self->inputs, i);

    if (other != input && gst_pad_is_linked (other->pad))
      return FALSE;
  }
  return TRUE;
}

/* Whether the stream of every pad that has one has ended; lock held. */
static gboolean
have_all_ended (GstSimclrReplay *self)
{
  for (guint i = 0; i < self->inputs->len; i++) {
    GstSimclrReplayInput *input = g_ptr_array_index (self->inputs, i);

    if (!input->ended && (input->started || gst_pad_is_linked (input->pad)))
      return FALSE;
  }
  return TRUE;
}

static GstFlowReturn
gst_simclr_replay_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  GstSimclrReplay *self = GST_SIMCLR_REPLAY (parent);
  GstSimclrReplayInput *input = get_input (pad);
  GstFlowReturn flow;
  guint64 number;

  g_mutex_lock (&self->lock);
  flow = self->flow == GST_FLOW_OK && input->ended ? GST_FLOW_EOS : self->flow;
  if (input->flushing)
    flow = GST_FLOW_FLUSHING;
  number = self->received;
  self->received += flow == GST_FLOW_OK ? 1 : 0;
  g_mutex_unlock (&self->lock);
  if (flow == GST_FLOW_OK)
    return gst_simclr_replay_take_frame (self, input, buffer, number);
  gst_buffer_unref (buffer);
  return flow;
}

/* Two events of which only the later one matters. */
static gboolean
supersedes (GstEvent *event, GstEvent *earlier)
{
  const GstStructure *fields = gst_event_get_structure (event);
  const GstStructure *earlier_fields = gst_event_get_structure (earlier);

  if (GST_EVENT_TYPE (event) != GST_EVENT_TYPE (earlier))
    return FALSE;
  if (!fields || !earlier_fields)
    return fields == earlier_fields;
  return g_str_equal (gst_structure_get_name (fields), gst_structure_get_name (earlier_fields));
}

/* Takes the event, which goes out with the next sample: sent from here it would wait for the frame
 * that is being trained on. Lock held. */
static void
enqueue (GstSimclrReplay *self, GstEvent *event)
{
  for (GList *link = self->pending.head; link; link = link->next) {
    if (supersedes (event, link->data)) {
      gst_event_unref (link->data);
      g_queue_delete_link (&self->pending, link);
      break;
    }
  }
  g_queue_push_tail (&self->pending, event);
}

static void
drop_unless_sticky (gpointer data, gpointer user_data)
{
  GQueue *kept = user_data;
  GstEvent *event = data;

  if (GST_EVENT_IS_STICKY (event))
    g_queue_push_tail (kept, event);
  else
    gst_event_unref (event);
}

/* Wakes a streaming thread that waits for training. */
static void
set_flushing (GstSimclrReplay *self, GstSimclrReplayInput *input, gboolean flushing)
{
  g_mutex_lock (&self->lock);
  input->flushing = flushing;
  if (flushing && !gst_pad_is_active (self->srcpad))
    gst_simclr_replay_set_flow (self, GST_FLOW_FLUSHING);
  g_cond_broadcast (&self->wake);
  g_mutex_unlock (&self->lock);
}

/* One camera of several begins anew; the others, and training, go on. */
static gboolean
is_flush_of_one (GstSimclrReplay *self, GstSimclrReplayInput *input, GstEvent *event)
{
  gboolean alone;

  g_mutex_lock (&self->lock);
  alone = is_alone (self, input);
  g_mutex_unlock (&self->lock);
  if (alone)
    return FALSE;
  gst_event_unref (event);
  return TRUE;
}

static gboolean
flush_start (GstSimclrReplay *self, GstSimclrReplayInput *input, GstEvent *event)
{
  gboolean sent;

  set_flushing (self, input, TRUE);
  if (is_flush_of_one (self, input, event))
    return TRUE;
  g_mutex_lock (&self->lock);
  gst_simclr_replay_set_flow (self, GST_FLOW_FLUSHING);
  g_mutex_unlock (&self->lock);
  sent = gst_pad_push_event (self->srcpad, event);
  gst_pad_pause_task (self->srcpad);
  return sent;
}

/* The stream was announced before, and is again: sinks that preroll after a flush need not wait for frames, either.
 * A copy, for a pad sends the same sticky event only once. Lock held. */
static void
announce_again (GstSimclrReplay *self)
{
  GstEvent *first = g_queue_peek_head (&self->pending);
  g_autoptr (GstEvent) sent = gst_pad_get_sticky_event (self->srcpad, GST_EVENT_STREAM_START, 0);

  if (sent && (!first || GST_EVENT_TYPE (first) != GST_EVENT_STREAM_START))
    g_queue_push_head (&self->pending, gst_event_copy (sent));
}

static gboolean
flush_stop (GstSimclrReplay *self, GstSimclrReplayInput *input, GstEvent *event)
{
  GQueue kept = G_QUEUE_INIT;
  gboolean sent, reset_time;

  gst_segment_init (&input->segment, GST_FORMAT_UNDEFINED);
  input->run = 0;
  g_mutex_lock (&self->lock);
  input->ended = input->flushing = self->input_ended = FALSE;
  g_mutex_unlock (&self->lock);
  if (is_flush_of_one (self, input, event))
    return TRUE;
  gst_event_parse_flush_stop (event, &reset_time);
  sent = gst_pad_push_event (self->srcpad, event);

  g_mutex_lock (&self->lock);
  g_queue_foreach (&self->pending, drop_unless_sticky, &kept);
  g_queue_clear (&self->pending);
  self->pending = kept;
  announce_again (self);
  self->need_segment = TRUE;
  self->was_flushed = self->was_flushed || reset_time;
  gst_simclr_replay_restart (self);
  g_mutex_unlock (&self->lock);
  return sent;
}

static gboolean
end_of_input (GstSimclrReplay *self, GstSimclrReplayInput *input, GstEvent *event)
{
  GstFlowReturn flow;

  gst_event_unref (event);
  g_mutex_lock (&self->lock);
  input->ended = TRUE;
  self->input_ended = have_all_ended (self);
  flow = self->flow;
  GST_INFO_OBJECT (input->pad,
      "input ended: %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " frames held",
      simclr_replay_get_length (self->memory), simclr_replay_get_seen (self->memory));
  if (self->input_ended && self->run.policy != SIMCLR_REPLAY_POLICY_ALL &&
      self->pushed < self->run.min_fill)
    GST_WARNING_OBJECT (self,
        "input ended when %" G_GUINT64_FORMAT " samples had been pushed, and sampling ends with "
        "it; policy=all trains on a file or folder",
        self->pushed);
  g_cond_broadcast (&self->wake);
  g_mutex_unlock (&self->lock);

  /* no chain call will carry it upstream any more */
  if (flow == GST_FLOW_NOT_LINKED || flow < GST_FLOW_EOS)
    GST_ELEMENT_FLOW_ERROR (self, flow);
  return TRUE;
}

/* The output continues the stream of the first camera that has one; streams that join it are silent. What
 * the stream before it still had to say is dropped. After the end of one the same memory goes on. */
static void
new_stream (GstSimclrReplay *self, GstSimclrReplayInput *input, GstEvent *event)
{
  input->run = 0;
  input->stream =
      input->source * GST_SIMCLR_STREAMS + gst_simclr_streams_get (&input->streams, event);
  g_mutex_lock (&self->lock);
  input->started = TRUE;
  input->ended = FALSE;
  if (!self->main_input)
    self->main_input = input;
  if (self->main_input == input) {
    g_queue_clear_full (&self->pending, (GDestroyNotify) gst_event_unref);
    g_queue_push_tail (&self->pending, event);
    self->started = TRUE;
  } else {
    gst_event_unref (event);
  }
  g_cond_broadcast (&self->wake);
  if (self->input_ended) {
    self->input_ended = FALSE;
    if (self->flow == GST_FLOW_EOS) {
      self->need_segment = TRUE;
      gst_simclr_replay_restart (self);
    }
  }
  g_mutex_unlock (&self->lock);
}

static void
new_segment (GstSimclrReplay *self, GstSimclrReplayInput *input, GstEvent *event)
{
  gst_event_copy_segment (event, &input->segment);
  input->run = 0;
  g_mutex_lock (&self->lock);
  if (self->main_input == input)
    self->seqnum = gst_event_get_seqnum (event);
  g_mutex_unlock (&self->lock);
  gst_event_unref (event);
}

static gboolean
other_event (GstSimclrReplay *self, GstSimclrReplayInput *input, GstEvent *event)
{
  if (!GST_EVENT_IS_SERIALIZED (event))
    return gst_pad_event_default (input->pad, GST_OBJECT (self), event);
  g_mutex_lock (&self->lock);
  if (self->main_input == input || is_alone (self, input))
    enqueue (self, event);
  else
    gst_event_unref (event);
  g_mutex_unlock (&self->lock);
  return TRUE;
}

static gboolean
gst_simclr_replay_sink_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstSimclrReplay *self = GST_SIMCLR_REPLAY (parent);
  GstSimclrReplayInput *input = get_input (pad);
  gboolean done;
  GstCaps *caps;

  GST_DEBUG_OBJECT (pad, "%" GST_PTR_FORMAT, event);
  switch (GST_EVENT_TYPE (event)) {
  case GST_EVENT_FLUSH_START:
    return flush_start (self, input, event);
  case GST_EVENT_FLUSH_STOP:
    return flush_stop (self, input, event);
  case GST_EVENT_EOS:
    return end_of_input (self, input, event);
  case GST_EVENT_STREAM_START:
    new_stream (self, input, event);
    return TRUE;
  case GST_EVENT_CAPS:
    gst_event_parse_caps (event, &caps);
    done = gst_simclr_replay_set_input_caps (self, input, caps);
    gst_event_unref (event);
    return done;
  case GST_EVENT_SEGMENT:
    new_segment (self, input, event);
    return TRUE;
  case GST_EVENT_GAP:
    gst_event_unref (event);
    return TRUE;
  default:
    return other_event (self, input, event);
  }
}

/* Offers a pool without bound, for its buffers are kept. No meta is promised: downstream, which would
 * have to understand it, cannot be asked without waiting for it. */
static gboolean
propose_allocation (GstQuery *query)
{
  g_autoptr (GstBufferPool) pool = NULL;
  GstCaps *caps;
  GstVideoInfo info;
  gboolean need_pool;

  gst_query_parse_allocation (query, &caps, &need_pool);
  if (!caps || !gst_video_info_from_caps (&info, caps))
    return FALSE;

  if (need_pool) {
    GstStructure *config;

    pool = gst_video_buffer_pool_new ();
    config = gst_buffer_pool_get_config (pool);
    gst_buffer_pool_config_set_params (config, caps, (guint) info.size, 0, 0);
    if (!gst_buffer_pool_set_config (pool, config))
      return FALSE;
  }
  gst_query_add_allocation_pool (query, pool, (guint) info.size, 0, 0);
  return TRUE;
}

/* Where frames are converted any may come in; else those that downstream takes. */
static void
answer_caps (GstSimclrReplay *self, GstPad *pad, GstQuery *query)
{
  g_autoptr (GstCaps) caps = gst_pad_get_pad_template_caps (pad);
  GstCaps *filter;

  gst_query_parse_caps (query, &filter);
  if (!gst_simclr_replay_converts (self))
    gst_caps_take (&caps, gst_pad_peer_query_caps (self->srcpad, caps));
  if (filter)
    gst_caps_take (&caps, gst_caps_intersect_full (filter, caps, GST_CAPS_INTERSECT_FIRST));
  gst_query_set_caps_result (query, caps);
}

static gboolean
gst_simclr_replay_sink_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  switch (GST_QUERY_TYPE (query)) {
  case GST_QUERY_CAPS:
    answer_caps (GST_SIMCLR_REPLAY (parent), pad, query);
    return TRUE;
  case GST_QUERY_ALLOCATION:
    return propose_allocation (query);
  case GST_QUERY_DRAIN:
    return TRUE; /* nobody's scarce buffers are held */
  default:
    if (GST_QUERY_IS_SERIALIZED (query))
      return FALSE; /* its answer would wait for the frame that is being trained on */
    return gst_pad_query_default (pad, parent, query);
  }
}

static gboolean
gst_simclr_replay_sink_activate_mode (
    GstPad *pad, GstObject *parent, GstPadMode mode, gboolean active)
{
  GstSimclrReplay *self = GST_SIMCLR_REPLAY (parent);
  GstSimclrReplayInput *input = get_input (pad);

  if (mode != GST_PAD_MODE_PUSH)
    return FALSE;
  set_flushing (self, input, !active);
  if (!active) {
    /* until the last chain call has returned */
    GST_PAD_STREAM_LOCK (pad);
    gst_simclr_replay_reset_input (input);
    GST_PAD_STREAM_UNLOCK (pad);
  }
  return TRUE;
}

/* Of one camera, or any of several. */
GstCaps *
gst_simclr_replay_get_input_caps (GstSimclrReplay *self)
{
  g_autoptr (GPtrArray) pads = g_ptr_array_new_with_free_func (gst_object_unref);
  GstCaps *caps = gst_caps_new_empty ();

  g_mutex_lock (&self->lock);
  for (guint i = 0; i < self->inputs->len; i++) {
    GstSimclrReplayInput *input = g_ptr_array_index (self->inputs, i);

    if (gst_pad_is_linked (input->pad))
      g_ptr_array_add (pads, gst_object_ref (input->pad));
  }
  g_mutex_unlock (&self->lock);
  for (guint i = 0; i < pads->len; i++)
    caps = gst_caps_merge (caps, gst_pad_peer_query_caps (g_ptr_array_index (pads, i), NULL));
  if (pads->len == 0)
    gst_caps_take (&caps, gst_pad_get_pad_template_caps (self->srcpad));
  return caps;
}

GstSimclrReplayInput *
gst_simclr_replay_add_input (
    GstSimclrReplay *self, GstPadTemplate *template, const gchar *name, guint source)
{
  GstSimclrReplayInput *input = g_new0 (GstSimclrReplayInput, 1);

  input->pad = gst_pad_new_from_template (template, name);
  input->source = source;
  gst_simclr_replay_reset_input (input);
  gst_pad_set_element_private (input->pad, input);
  gst_pad_set_chain_function (input->pad, gst_simclr_replay_chain);
  gst_pad_set_event_function (input->pad, gst_simclr_replay_sink_event);
  gst_pad_set_query_function (input->pad, gst_simclr_replay_sink_query);
  gst_pad_set_activatemode_function (input->pad, gst_simclr_replay_sink_activate_mode);
  g_mutex_lock (&self->lock);
  g_ptr_array_add (self->inputs, input);
  g_mutex_unlock (&self->lock);
  return input;
}

/* Its frames stay in the memory. The others may have waited for its end. */
void
gst_simclr_replay_remove_input (GstSimclrReplay *self, GstPad *pad)
{
  g_mutex_lock (&self->lock);
  if (self->main_input == get_input (pad))
    self->main_input = NULL;
  g_ptr_array_remove (self->inputs, get_input (pad));
  self->input_ended = self->input_ended || (self->started && have_all_ended (self));
  g_cond_broadcast (&self->wake);
  g_mutex_unlock (&self->lock);
}

void
gst_simclr_replay_input_free (gpointer data)
{
  gst_simclr_replay_reset_input (data);
  g_free (data);
}
