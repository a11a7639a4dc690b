/* Training: a batch of pairs goes forward and waits for the trainer to send it back.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrencoder-private.h"

#include "gstsimclrmodelquery.h"

#define GST_CAT_DEFAULT gst_simclr_encoder_debug

/* Once asked for, the trainer's weights appear in a model: the one that is shared by name, or one that
 * nobody else sees. */
gboolean
_gst_simclr_encoder_answer_model (GstSimclrEncoder *self, GstQuery *query)
{
  g_autoptr (SimclrModel) model = NULL;
  gboolean follow;

  if (!gst_simclr_is_model_query (query, &follow))
    return FALSE;
  GST_OBJECT_LOCK (self);
  if (self->trains) {
    if (self->offered == NULL)
      self->offered = self->model != NULL ? g_object_ref (self->model) : simclr_model_new ();
    self->is_followed = self->is_followed || follow;
    model = g_object_ref (self->offered);
  }
  GST_OBJECT_UNLOCK (self);
  if (model != NULL)
    gst_simclr_model_answer (query, model);
  return model != NULL;
}

/* Where the trainer publishes; NULL: nobody wants to know. */
static SimclrModel *
get_model (GstSimclrEncoder *self)
{
  SimclrModel *model = self->model;

  GST_OBJECT_LOCK (self);
  if (self->offered != NULL)
    model = self->offered;
  if (model != NULL)
    g_object_ref (model);
  GST_OBJECT_UNLOCK (self);
  return model;
}

/* Tells a replay upstream what training makes of its frames. */
static void
send_embeddings (GstSimclrEncoder *self, const gfloat *embeddings, gsize n_floats)
{
  g_autoptr (GBytes) samples = NULL;
  g_autoptr (GBytes) floats = NULL;
  gboolean is_followed;

  GST_OBJECT_LOCK (self);
  is_followed = self->is_followed;
  GST_OBJECT_UNLOCK (self);
  if (!is_followed)
    return;
  samples = g_bytes_new (self->offsets, self->filled * sizeof (guint64));
  floats = g_bytes_new (embeddings, n_floats * sizeof (gfloat));
  gst_pad_push_event (self->sinkpad,
      gst_event_new_custom (GST_EVENT_CUSTOM_UPSTREAM,
          gst_structure_new (GST_SIMCLR_EMBEDDINGS_EVENT_NAME, "samples", G_TYPE_BYTES, samples,
              "embeddings", G_TYPE_BYTES, floats, "size", G_TYPE_UINT, self->size, NULL)));
}

/* The pairs stay collected when a flush interrupts the wait: the next pair finds a full batch and
 * tries again. */
static GstFlowReturn
forward (GstSimclrEncoder *self)
{
  guint views = 2 * self->filled;
  g_autoptr (SimclrForwardPass) pass = NULL;
  g_autoptr (GstBuffer) tensors = NULL;
  g_autoptr (SimclrModel) model = get_model (self);
  g_autoptr (GError) error = NULL;
  const gfloat *embeddings;
  const gsize n_floats = (gsize) views * self->size;

  if (!gst_simclr_forward_gate_wait (self->gate, self->active.max_cpu))
    return GST_FLOW_FLUSHING;
  if (self->layout.crops > 0)
    pass = simclr_encoder_forward_crops (self->encoder, self->pictures, views, self->crops,
        self->layout.crops, self->layout.crop_size, &error);
  else
    pass = simclr_encoder_forward (self->encoder, self->pictures, views, &error);
  if (pass == NULL || !simclr_forward_pass_set_times (pass, self->times, views, &error) ||
      !simclr_forward_pass_set_streams (pass, self->streams, views, &error)) {
    GST_ELEMENT_ERROR (self, STREAM, FAILED, ("The forward pass of %u views failed.", views),
        ("%s", error->message));
    return GST_FLOW_ERROR;
  }
  /* a copy, of the views' embeddings: others than the trainer may keep the buffer beyond the pass */
  embeddings = simclr_forward_pass_get_embeddings (pass, NULL);
  send_embeddings (self, embeddings, n_floats);
  tensors = gst_buffer_new_memdup (embeddings, n_floats * sizeof (gfloat));
  if (!gst_simclr_forward_gate_is_closed (self->gate))
    gst_buffer_add_simclr_forward_meta (tensors, self->gate, g_steal_pointer (&pass), model);
  g_clear_object (&pass);
  gst_simclr_batch_meta_add (tensors, self->frames, self->filled);
  _gst_simclr_encoder_stamp (self, tensors);
  _gst_simclr_encoder_drop_batch (self);
  _gst_simclr_encoder_push_tensor_caps (self, views);
  GST_LOG_OBJECT (self, "pushing %u views", views);
  return gst_pad_push (self->srcpad, g_steal_pointer (&tensors));
}

GstFlowReturn
_gst_simclr_encoder_train_pair (GstSimclrEncoder *self, GstBuffer *buffer)
{
  GstFlowReturn flow = GST_FLOW_OK;

  if (self->filled == self->capacity)
    flow = forward (self);
  if (flow == GST_FLOW_OK && !_gst_simclr_encoder_add_pair (self, buffer))
    flow = GST_FLOW_ERROR;
  gst_buffer_unref (buffer);
  if (flow == GST_FLOW_OK && self->filled == self->capacity)
    flow = forward (self);
  return flow;
}
