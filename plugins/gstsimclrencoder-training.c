/* Training: a batch of pairs goes forward and waits for the trainer to send it back.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrencoder-private.h"

#include "gstsimclrframemeta.h"

#define GST_CAT_DEFAULT gst_simclr_encoder_debug

/* The pairs stay collected when a flush interrupts the wait: the next pair finds a full batch and
 * tries again. */
static GstFlowReturn
forward (GstSimclrEncoder *self)
{
  guint views = 2 * self->filled;
  g_autoptr (SimclrForwardPass) pass = NULL;
  g_autoptr (GstBuffer) tensors = NULL;
  g_autoptr (GError) error = NULL;
  const gfloat *embeddings;
  gsize n_floats;

  if (!gst_simclr_forward_gate_wait (self->gate))
    return GST_FLOW_FLUSHING;
  pass = simclr_encoder_forward (self->encoder, self->pictures, views, &error);
  if (pass == NULL || !simclr_forward_pass_set_times (pass, self->times, views, &error)) {
    GST_ELEMENT_ERROR (self, STREAM, FAILED, ("The forward pass of %u views failed.", views),
        ("%s", error->message));
    return GST_FLOW_ERROR;
  }
  /* a copy: others than the trainer may keep the buffer beyond the pass */
  embeddings = simclr_forward_pass_get_embeddings (pass, &n_floats);
  tensors = gst_buffer_new_memdup (embeddings, n_floats * sizeof (gfloat));
  if (!gst_simclr_forward_gate_is_closed (self->gate))
    gst_buffer_add_simclr_forward_meta (tensors, self->gate, g_steal_pointer (&pass), self->model);
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
