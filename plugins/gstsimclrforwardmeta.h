/* A batch's way back: the meta with which a trainer backpropagates through the batch's forward pass.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

#include <simclr/simclr.h>

G_BEGIN_DECLS

/* An encoder has one forward pass at a time. The gate knows whether it is out (in a queue, in a
 * trainer) or has come back, and lets the encoder wait for it. Counted; any thread. */
typedef struct _GstSimclrForwardGate GstSimclrForwardGate;

GstSimclrForwardGate *gst_simclr_forward_gate_new (void) G_GNUC_WARN_UNUSED_RESULT;
void gst_simclr_forward_gate_unref (GstSimclrForwardGate *self);

/* Waits until no pass is out, and then until passes have been out for no more than the share of the time (0
 * to 1); FALSE as soon as, and as long as, the gate is flushing. */
gboolean gst_simclr_forward_gate_wait (GstSimclrForwardGate *self, gdouble share);
/* Whether somebody is in that wait now. */
gboolean gst_simclr_forward_gate_is_waited_at (GstSimclrForwardGate *self);
void gst_simclr_forward_gate_set_flushing (GstSimclrForwardGate *self, gboolean flushing);
/* TRUE once a trainer wants no more passes: batches then travel without. */
gboolean gst_simclr_forward_gate_is_closed (GstSimclrForwardGate *self);
/* Back to a gate that is as new. */
void gst_simclr_forward_gate_reset (GstSimclrForwardGate *self);

/* What copies of one meta share. */
typedef struct _GstSimclrForwardTicket GstSimclrForwardTicket;

typedef struct
{
  GstMeta meta;

  GstSimclrForwardTicket *ticket;
} GstSimclrForwardMeta;

/* Named by a trainer in the ALLOCATION query: that is what switches an encoder to training. */
#define GST_SIMCLR_FORWARD_META_API_TYPE (gst_simclr_forward_meta_api_get_type ())
GType gst_simclr_forward_meta_api_get_type (void);
const GstMetaInfo *gst_simclr_forward_meta_get_info (void);

/* pass is out from here until it is given back or the last copy of the meta is freed. model, where
 * trained weights are to be published, may be NULL. pass is taken over, model is not. */
GstSimclrForwardMeta *gst_buffer_add_simclr_forward_meta (
    GstBuffer *buffer, GstSimclrForwardGate *gate, SimclrForwardPass *pass, SimclrModel *model);
GstSimclrForwardMeta *gst_buffer_get_simclr_forward_meta (GstBuffer *buffer);

/* The pass, for the first who asks, NULL for all others; to be given back. */
SimclrForwardPass *gst_simclr_forward_meta_take (
    GstSimclrForwardMeta *self) G_GNUC_WARN_UNUSED_RESULT;
/* Ends the pass: its encoder may start the next one. */
void gst_simclr_forward_meta_give_back (GstSimclrForwardMeta *self, SimclrForwardPass *pass);
/* The trainer has enough: tells the encoder, which others may go on listening to. */
void gst_simclr_forward_meta_close_gate (GstSimclrForwardMeta *self);
/* Borrowed, NULL where nothing is to be published. */
SimclrModel *gst_simclr_forward_meta_get_model (GstSimclrForwardMeta *self);

G_END_DECLS
