/* simclrreplay's sink pad: frames come in at the camera's rate and are stored, without waiting.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrreplayprivate.h"

#include "gstsimclrframemeta.h"

#include <gst/video/video.h>

#define GST_CAT_DEFAULT gst_simclr_replay_debug

GstStaticPadTemplate gst_simclr_replay_sink_template =
    GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw"));

/* What the buffer keeps from being freed, in bytes. */
static gsize
buffer_footprint (GstBuffer *buffer)
{
  gsize bytes = 0;

  for (guint i = 0; i < gst_buffer_n_memory (buffer); i++) {
    gsize whole = 0;

    gst_memory_get_sizes (gst_buffer_peek_memory (buffer, i), NULL, &whole);
    bytes += whole;
  }
  return bytes;
}

static gboolean
pool_is_bounded (GstSimclrReplay *self, GstBufferPool *pool)
{
  GstStructure *config;
  guint max_buffers = 0;

  if (pool == self->pool)
    return self->pool_is_bounded;

  config = gst_buffer_pool_get_config (pool);
  if (!gst_buffer_pool_config_get_params (config, NULL, NULL, NULL, &max_buffers))
    max_buffers = 0;
  gst_structure_free (config);

  gst_object_replace ((GstObject **) &self->pool, GST_OBJECT (pool));
  self->pool_is_bounded = max_buffers > 0;
  GST_DEBUG_OBJECT (self, "frames come from %" GST_PTR_FORMAT " of at most %u buffers (0: any): %s",
      pool, max_buffers, max_buffers > 0 ? "copying" : "holding by reference");
  return self->pool_is_bounded;
}

/* A frame is held by reference unless that starves somebody (a pool that runs dry, a device's or
 * another buffer's memory) or keeps much more memory than the frame's. */
static gboolean
must_copy (GstSimclrReplay *self, GstBuffer *buffer)
{
  gsize size = gst_buffer_get_size (buffer);

  if (buffer->pool && pool_is_bounded (self, buffer->pool))
    return TRUE;
  if (gst_buffer_get_parent_buffer_meta (buffer))
    return TRUE;
  for (guint i = 0; i < gst_buffer_n_memory (buffer); i++) {
    if (!gst_memory_is_type (gst_buffer_peek_memory (buffer, i), GST_ALLOCATOR_SYSMEM))
      return TRUE;
  }
  return buffer_footprint (buffer) > size + size / 4;
}

static GstFlowReturn
check_flow (GstSimclrReplay *self, gsize bytes, gboolean *admitted, guint64 *number)
{
  GstFlowReturn flow;

  g_mutex_lock (&self->lock);
  flow = self->flow == GST_FLOW_OK && self->input_ended ? GST_FLOW_EOS : self->flow;
  *admitted = flow == GST_FLOW_OK && simclr_replay_admits (self->memory, bytes);
  *number = self->received;
  self->received += flow == GST_FLOW_OK ? 1 : 0;
  g_mutex_unlock (&self->lock);
  return flow;
}

static gboolean
has_no_picture (GstBuffer *buffer)
{
  return GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_GAP) ||
         GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_CORRUPTED) ||
         gst_buffer_get_size (buffer) == 0;
}

/* Takes the frame. */
static GstFlowReturn
store (GstSimclrReplay *self, GstBuffer *buffer, guint64 number, gboolean is_copy)
{
  g_autoptr (GError) error = NULL;
  gsize bytes = buffer_footprint (buffer);
  GstSample *frame = gst_sample_new (buffer, self->caps, &self->segment,
      gst_structure_new (GST_SIMCLR_FRAME_META_NAME, "number", G_TYPE_UINT64, number, NULL));
  GstFlowReturn flow;

  gst_buffer_unref (buffer);
  g_mutex_lock (&self->lock);
  flow = self->flow;
  if (flow != GST_FLOW_OK) {
    gst_sample_unref (frame);
  } else if (!simclr_replay_add (self->memory, frame, bytes, &error)) {
    flow = GST_FLOW_ERROR;
    gst_simclr_replay_set_flow (self, flow);
  } else {
    self->copied += is_copy ? 1 : 0;
    if (!self->filled && (simclr_replay_get_length (self->memory) >= self->run.min_fill ||
                             simclr_replay_is_full (self->memory))) {
      self->filled = TRUE;
    }
    g_cond_signal (&self->wake);
  }
  g_mutex_unlock (&self->lock);

  if (error) {
    GST_ELEMENT_ERROR (self, RESOURCE, NO_SPACE_LEFT,
        ("Could not store a frame with max-bytes=%" G_GUINT64_FORMAT
         " and capacity=%" G_GUINT64_FORMAT ": %s.",
            self->run.max_bytes, self->run.capacity, error->message),
        ("raise them, make the frames smaller before they come here, or choose policy=reservoir"));
  }
  return flow;
}

static GstFlowReturn
gst_simclr_replay_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  GstSimclrReplay *self = GST_SIMCLR_REPLAY (parent);
  gsize size = gst_buffer_get_size (buffer);
  gboolean admitted, is_copy = FALSE;
  guint64 number;
  GstFlowReturn flow = check_flow (self, size, &admitted, &number);

  GST_LOG_OBJECT (self, "%s %" GST_PTR_FORMAT, admitted ? "storing" : "passing by", buffer);
  if (flow != GST_FLOW_OK) {
    gst_buffer_unref (buffer);
    return flow;
  }
  if (!self->caps) {
    gst_buffer_unref (buffer);
    return GST_FLOW_NOT_NEGOTIATED;
  }
  if (has_no_picture (buffer)) {
    gst_buffer_unref (buffer);
    g_mutex_lock (&self->lock);
    self->ignored++;
    g_mutex_unlock (&self->lock);
    return GST_FLOW_OK;
  }

  if (admitted && must_copy (self, buffer)) {
    GstBuffer *copy = gst_buffer_copy_deep (buffer);

    gst_buffer_unref (buffer);
    if (!copy) {
      GST_ELEMENT_ERROR (self, RESOURCE, READ, ("Could not copy a frame of %zu bytes.", size),
          ("its memory cannot be mapped"));
      return GST_FLOW_ERROR;
    }
    buffer = copy;
    is_copy = TRUE;
  }
  return store (self, buffer, number, is_copy);
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

static gboolean
flush_start (GstSimclrReplay *self, GstEvent *event)
{
  gboolean sent;

  g_mutex_lock (&self->lock);
  gst_simclr_replay_set_flow (self, GST_FLOW_FLUSHING);
  g_mutex_unlock (&self->lock);
  sent = gst_pad_push_event (self->srcpad, event);
  gst_pad_pause_task (self->srcpad);
  return sent;
}

static gboolean
flush_stop (GstSimclrReplay *self, GstEvent *event)
{
  gboolean sent, reset_time;
  GQueue kept = G_QUEUE_INIT;

  gst_event_parse_flush_stop (event, &reset_time);
  sent = gst_pad_push_event (self->srcpad, event);
  gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);

  g_mutex_lock (&self->lock);
  g_queue_foreach (&self->pending, drop_unless_sticky, &kept);
  g_queue_clear (&self->pending);
  self->pending = kept;
  self->input_ended = FALSE;
  self->need_segment = TRUE;
  self->was_flushed = self->was_flushed || reset_time;
  gst_simclr_replay_restart (self);
  g_mutex_unlock (&self->lock);
  return sent;
}

static gboolean
end_of_input (GstSimclrReplay *self, GstEvent *event)
{
  GstFlowReturn flow;

  gst_event_unref (event);
  g_mutex_lock (&self->lock);
  self->input_ended = TRUE;
  flow = self->flow;
  GST_INFO_OBJECT (self, "input ended: %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " frames held",
      simclr_replay_get_length (self->memory), simclr_replay_get_seen (self->memory));
  if (self->run.policy != SIMCLR_REPLAY_POLICY_ALL && self->pushed < self->run.min_fill)
    GST_WARNING_OBJECT (self,
        "input ended when %" G_GUINT64_FORMAT " samples had been pushed, and sampling ends with "
        "it; policy=all trains on a file or folder",
        self->pushed);
  g_cond_signal (&self->wake);
  g_mutex_unlock (&self->lock);

  /* no chain call will carry it upstream any more */
  if (flow == GST_FLOW_NOT_LINKED || flow < GST_FLOW_EOS)
    GST_ELEMENT_FLOW_ERROR (self, flow);
  return TRUE;
}

/* What the stream before it still had to say is dropped. After the end of one the same memory goes
 * on. */
static void
new_stream (GstSimclrReplay *self, GstEvent *event)
{
  g_mutex_lock (&self->lock);
  g_queue_clear_full (&self->pending, (GDestroyNotify) gst_event_unref);
  g_queue_push_tail (&self->pending, event);
  g_cond_signal (&self->wake);
  if (self->input_ended) {
    self->input_ended = FALSE;
    if (self->flow == GST_FLOW_EOS) {
      self->need_segment = TRUE;
      gst_simclr_replay_restart (self);
    }
  }
  g_mutex_unlock (&self->lock);
}

static gboolean
gst_simclr_replay_sink_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstSimclrReplay *self = GST_SIMCLR_REPLAY (parent);
  GstCaps *caps;

  GST_DEBUG_OBJECT (self, "%" GST_PTR_FORMAT, event);
  switch (GST_EVENT_TYPE (event)) {
  case GST_EVENT_FLUSH_START:
    return flush_start (self, event);
  case GST_EVENT_FLUSH_STOP:
    return flush_stop (self, event);
  case GST_EVENT_EOS:
    return end_of_input (self, event);
  case GST_EVENT_STREAM_START:
    new_stream (self, event);
    return TRUE;
  case GST_EVENT_CAPS:
    gst_event_parse_caps (event, &caps);
    gst_caps_replace (&self->caps, caps);
    gst_event_unref (event);
    return TRUE;
  case GST_EVENT_SEGMENT:
    gst_event_copy_segment (event, &self->segment);
    g_mutex_lock (&self->lock);
    self->seqnum = gst_event_get_seqnum (event);
    g_mutex_unlock (&self->lock);
    gst_event_unref (event);
    return TRUE;
  case GST_EVENT_GAP:
    gst_event_unref (event);
    return TRUE;
  default:
    if (!GST_EVENT_IS_SERIALIZED (event))
      return gst_pad_event_default (pad, parent, event);
    g_mutex_lock (&self->lock);
    enqueue (self, event);
    g_mutex_unlock (&self->lock);
    return TRUE;
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

static gboolean
gst_simclr_replay_sink_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  switch (GST_QUERY_TYPE (query)) {
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

  if (mode != GST_PAD_MODE_PUSH)
    return FALSE;
  if (!active) {
    g_mutex_lock (&self->lock);
    gst_simclr_replay_set_flow (self, GST_FLOW_FLUSHING);
    g_mutex_unlock (&self->lock);
    /* until the last chain call has returned */
    GST_PAD_STREAM_LOCK (pad);
    gst_simclr_replay_reset_sink (self);
    GST_PAD_STREAM_UNLOCK (pad);
  }
  return TRUE;
}

void
gst_simclr_replay_reset_sink (GstSimclrReplay *self)
{
  gst_clear_caps (&self->caps);
  gst_clear_object (&self->pool);
  gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
}

void
gst_simclr_replay_init_sink (GstSimclrReplay *self)
{
  self->sinkpad = gst_pad_new_from_static_template (&gst_simclr_replay_sink_template, "sink");
  gst_pad_set_chain_function (self->sinkpad, gst_simclr_replay_chain);
  gst_pad_set_event_function (self->sinkpad, gst_simclr_replay_sink_event);
  gst_pad_set_query_function (self->sinkpad, gst_simclr_replay_sink_query);
  gst_pad_set_activatemode_function (self->sinkpad, gst_simclr_replay_sink_activate_mode);
  GST_PAD_SET_PROXY_CAPS (self->sinkpad);
  gst_element_add_pad (GST_ELEMENT (self), self->sinkpad);
  gst_simclr_replay_reset_sink (self);
}
