/* Inference: a batch of frames gets its embeddings, on the frames or as tensors.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrencoder-private.h"

#include "gstsimclrembeddingmeta.h"

#define GST_CAT_DEFAULT gst_simclr_encoder_debug

/* The batch that a timer was started for. */
typedef struct
{
  GstSimclrEncoder *self;
  guint generation;
} Deadline;

static void
deadline_free (gpointer data)
{
  Deadline *deadline = data;

  gst_object_unref (deadline->self);
  g_free (deadline);
}

/* In a thread of GStreamer's pool: becomes the streaming thread for as long as it takes to send the
 * batch, unless that has gone in the meantime. */
static void
send_late_batch (GstElement *element, gpointer data)
{
  GstSimclrEncoder *self = GST_SIMCLR_ENCODER (element);
  guint generation = GPOINTER_TO_UINT (data);

  GST_PAD_STREAM_LOCK (self->sinkpad);
  if (self->generation == generation && self->filled > 0 && self->late_flow == GST_FLOW_OK) {
    GST_DEBUG_OBJECT (self, "%u of %u frames when time was up", self->filled, self->capacity);
    self->late_flow = _gst_simclr_encoder_embed (self);
  }
  GST_PAD_STREAM_UNLOCK (self->sinkpad);
}

/* In the clock's thread, which must not wait. */
static gboolean
time_is_up (GstClock *clock, GstClockTime time, GstClockID id, gpointer data)
{
  Deadline *deadline = data;

  gst_element_call_async (
      GST_ELEMENT (deadline->self), send_late_batch, GUINT_TO_POINTER (deadline->generation), NULL);
  return TRUE;
}

static void
start_timer (GstSimclrEncoder *self)
{
  Deadline *deadline;

  if (self->active.batch_timeout == 0)
    return;
  deadline = g_new (Deadline, 1);
  deadline->self = gst_object_ref (self);
  deadline->generation = self->generation;
  self->timer = gst_clock_new_single_shot_id (
      self->clock, gst_clock_get_time (self->clock) + self->active.batch_timeout);
  gst_clock_id_wait_async (self->timer, time_is_up, deadline, deadline_free);
}

void
_gst_simclr_encoder_stop_timer (GstSimclrEncoder *self)
{
  self->generation++;
  if (self->timer == NULL)
    return;
  gst_clock_id_unschedule (self->timer);
  g_clear_pointer (&self->timer, gst_clock_id_unref);
}

static const gchar *
model_name (GstSimclrEncoder *self, gchar **memory)
{
  if (self->active.model != NULL)
    return self->active.model;
  if (self->active.location != NULL)
    return *memory = g_path_get_basename (self->active.location);
  return "untrained";
}

/* Frames and the events between them, in their order; of an event after an error downstream only the pad keeps
 * note. */
static GstFlowReturn
push_frames (GstSimclrEncoder *self, GQueue *held, GBytes *embeddings,
    const GstSimclrEmbeddingOrigin *origin)
{
  const gsize bytes = origin->size * sizeof (gfloat);
  GstFlowReturn flow = GST_FLOW_OK;
  GstMiniObject *item;
  gsize row = 0;

  while ((item = g_queue_pop_head (held)) != NULL) {
    g_autoptr (GBytes) embedding = NULL;
    GstBuffer *frame;

    if (GST_IS_EVENT (item)) {
      gst_pad_push_event (self->srcpad, GST_EVENT_CAST (item));
      continue;
    }
    embedding = g_bytes_new_from_bytes (embeddings, row++ * bytes, bytes);
    if (flow != GST_FLOW_OK) {
      gst_mini_object_unref (item);
      continue;
    }
    frame = gst_buffer_make_writable (GST_BUFFER_CAST (item));
    gst_buffer_add_simclr_embedding_meta (frame, embedding, origin);
    flow = gst_pad_push (self->srcpad, frame);
  }
  return flow;
}

/* When embeddings have really gone somewhere, not when a pipeline is built up or torn down. */
static void
tell_untrained (GstSimclrEncoder *self, GstFlowReturn flow)
{
  if (!self->untrained || flow != GST_FLOW_OK)
    return;
  self->untrained = FALSE;
  GST_ELEMENT_WARNING (self, LIBRARY, SETTINGS,
      ("This encoder is untrained: its weights are random (seed %" G_GUINT64_FORMAT ").",
          self->active.seed),
      ("Set location to a file that simclrtrainer has written, or model."));
}

/* The batch is emptied before it is pushed: while downstream holds this thread, a flush may come. */
GstFlowReturn
_gst_simclr_encoder_embed (GstSimclrEncoder *self)
{
  guint rows = self->filled;
  g_autoptr (GError) error = NULL;
  g_autoptr (GEnumClass) architectures = g_type_class_ref (SIMCLR_TYPE_ARCHITECTURE);
  g_autoptr (GBytes) embeddings = NULL;
  g_autofree gchar *memory = NULL;
  g_autofree gfloat *floats = NULL;
  GstSimclrEmbeddingOrigin origin;
  GstBuffer *tensors = NULL;
  GQueue frames = self->held;
  gboolean calibrated;
  GstFlowReturn flow;

  if (rows == 0)
    return GST_FLOW_OK;
  calibrated = simclr_encoder_is_calibrated (self->encoder);
  floats = g_new (gfloat, (gsize) rows * self->size);
  if (!simclr_encoder_encode (
          self->encoder, self->pictures, rows, self->active.output, floats, &error)) {
    GST_ELEMENT_ERROR (
        self, STREAM, FAILED, ("Could not embed %u frames.", rows), ("%s", error->message));
    return GST_FLOW_ERROR;
  }
  if (!calibrated && simclr_encoder_is_calibrated (self->encoder))
    GST_INFO_OBJECT (self, "calibrated, int8 from here on");
  embeddings =
      g_bytes_new_take (g_steal_pointer (&floats), (gsize) rows * self->size * sizeof (gfloat));
  origin = (GstSimclrEmbeddingOrigin){
      .model = model_name (self, &memory),
      .architecture =
          g_enum_get_value (architectures, simclr_weights_get_architecture (self->weights))
              ->value_nick,
      .step = simclr_weights_get_step (self->weights),
      .size = self->size,
  };
  GST_LOG_OBJECT (self, "%u embeddings of step %" G_GUINT64_FORMAT, rows, origin.step);

  if (self->mode == GST_SIMCLR_ENCODER_MODE_TENSORS) {
    tensors = gst_buffer_new_wrapped_bytes (embeddings);
    gst_buffer_add_simclr_embedding_meta (tensors, embeddings, &origin);
    _gst_simclr_encoder_stamp (self, tensors);
  }
  g_queue_init (&self->held);
  _gst_simclr_encoder_drop_batch (self);
  if (tensors != NULL) {
    _gst_simclr_encoder_push_tensor_caps (self, rows);
    flow = gst_pad_push (self->srcpad, tensors);
  } else {
    flow = push_frames (self, &frames, embeddings, &origin);
  }
  tell_untrained (self, flow);
  return flow;
}

/* Whether downstream has said that a frame of this time comes too late. */
static gboolean
is_late (GstSimclrEncoder *self, GstBuffer *buffer, GstClockTime *running_time,
    GstClockTimeDiff *jitter, gdouble *proportion)
{
  GstClockTime earliest;

  GST_OBJECT_LOCK (self);
  earliest = self->earliest;
  *proportion = self->proportion;
  GST_OBJECT_UNLOCK (self);
  if (!self->active.qos || !GST_CLOCK_TIME_IS_VALID (earliest) ||
      self->segment.format != GST_FORMAT_TIME || !GST_BUFFER_PTS_IS_VALID (buffer))
    return FALSE;
  *running_time =
      gst_segment_to_running_time (&self->segment, GST_FORMAT_TIME, GST_BUFFER_PTS (buffer));
  *jitter = GST_CLOCK_DIFF (*running_time, earliest);
  return GST_CLOCK_TIME_IS_VALID (*running_time) && *running_time <= earliest;
}

/* Late frames pass without an embedding, which is what takes time; as tensors there is nothing to pass. */
static gboolean
skips (GstSimclrEncoder *self, GstBuffer *buffer)
{
  GstClockTime running_time;
  GstClockTimeDiff jitter;
  gdouble proportion;
  GstMessage *message;

  if (!is_late (self, buffer, &running_time, &jitter, &proportion)) {
    self->embedded++;
    return FALSE;
  }
  self->skipped++;
  message = gst_message_new_qos (GST_OBJECT (self), FALSE, running_time,
      gst_segment_to_stream_time (&self->segment, GST_FORMAT_TIME, GST_BUFFER_PTS (buffer)),
      GST_BUFFER_PTS (buffer), GST_BUFFER_DURATION (buffer));
  gst_message_set_qos_values (message, jitter, proportion, 1000000);
  gst_message_set_qos_stats (message, GST_FORMAT_BUFFERS, self->embedded, self->skipped);
  gst_element_post_message (GST_ELEMENT (self), message);
  return TRUE;
}

/* A shared model that has nothing to embed with yet holds nobody up, nor does a frame that is late: frames
 * pass without embedding. */
static GstFlowReturn
pass_by (GstSimclrEncoder *self, GstBuffer *buffer)
{
  GST_LOG_OBJECT (self, "no embedding for %" GST_PTR_FORMAT, buffer);
  if (self->mode == GST_SIMCLR_ENCODER_MODE_VIDEO)
    return gst_pad_push (self->srcpad, buffer);
  gst_buffer_unref (buffer);
  return GST_FLOW_OK;
}

GstFlowReturn
_gst_simclr_encoder_embed_frame (GstSimclrEncoder *self, GstBuffer *buffer)
{
  GstFlowReturn late = self->late_flow;

  self->late_flow = GST_FLOW_OK;
  if (late != GST_FLOW_OK || (self->filled == 0 && !_gst_simclr_encoder_refresh (self))) {
    gst_buffer_unref (buffer);
    return late != GST_FLOW_OK ? late : GST_FLOW_ERROR;
  }
  if (self->encoder == NULL)
    return pass_by (self, buffer);
  if (skips (self, buffer)) {
    GstFlowReturn flow = _gst_simclr_encoder_embed (self); /* what came before goes before it */

    if (flow == GST_FLOW_OK)
      return pass_by (self, buffer);
    gst_buffer_unref (buffer);
    return flow;
  }
  if (!_gst_simclr_encoder_add_frame (self, buffer)) {
    gst_buffer_unref (buffer);
    return GST_FLOW_ERROR;
  }
  if (self->mode == GST_SIMCLR_ENCODER_MODE_VIDEO)
    g_queue_push_tail (&self->held, buffer);
  else
    gst_buffer_unref (buffer);
  if (self->filled == self->capacity)
    return _gst_simclr_encoder_embed (self);
  if (self->filled == 1)
    start_timer (self);
  return GST_FLOW_OK;
}
