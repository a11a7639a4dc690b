/* A batch's way back: the meta with which a trainer backpropagates through the batch's forward pass.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrforwardmeta.h"

struct _GstSimclrForwardGate
{
  gatomicrefcount references;

  GMutex lock;
  GCond changed;
  guint out;         /* lock: passes that have not come back */
  gboolean flushing; /* lock */
  gboolean closed;   /* lock */
  gboolean waiting;  /* lock: the encoder is at the gate */
  gint64 opened_at;  /* lock: monotonic time, when the last wait was over; 0: never */
  gint64 rest_from;  /* lock: monotonic time, when the last pass came back; 0: none has */
};

struct _GstSimclrForwardTicket
{
  gatomicrefcount references;

  GstSimclrForwardGate *gate;
  SimclrModel *model;      /* constant */
  SimclrForwardPass *pass; /* gate's lock: NULL once taken */
  gboolean returned;       /* gate's lock */
};

GstSimclrForwardGate *
gst_simclr_forward_gate_new (void)
{
  GstSimclrForwardGate *self = g_new0 (GstSimclrForwardGate, 1);

  g_atomic_ref_count_init (&self->references);
  g_mutex_init (&self->lock);
  g_cond_init (&self->changed);
  return self;
}

static GstSimclrForwardGate *
gate_ref (GstSimclrForwardGate *self)
{
  g_atomic_ref_count_inc (&self->references);
  return self;
}

void
gst_simclr_forward_gate_unref (GstSimclrForwardGate *self)
{
  if (!g_atomic_ref_count_dec (&self->references))
    return;
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->changed);
  g_free (self);
}

/* A step that took so long rests so long that it was the share of both; lock held. */
static void
rest (GstSimclrForwardGate *self, gdouble share)
{
  gint64 end;

  if (share >= 1 || self->rest_from == 0)
    return;
  end =
      self->rest_from + (gint64) ((gdouble) (self->rest_from - self->opened_at) * (1 / share - 1));
  while (!self->flushing && g_cond_wait_until (&self->changed, &self->lock, end))
    ;
}

gboolean
gst_simclr_forward_gate_wait (GstSimclrForwardGate *self, gdouble share)
{
  gboolean open;

  g_mutex_lock (&self->lock);
  self->waiting = TRUE;
  while (self->out > 0 && !self->flushing)
    g_cond_wait (&self->changed, &self->lock);
  rest (self, share);
  self->waiting = FALSE;
  open = !self->flushing;
  if (open) {
    self->opened_at = g_get_monotonic_time ();
    self->rest_from = 0;
  }
  g_mutex_unlock (&self->lock);
  return open;
}

gboolean
gst_simclr_forward_gate_is_waited_at (GstSimclrForwardGate *self)
{
  gboolean waiting;

  g_mutex_lock (&self->lock);
  waiting = self->waiting;
  g_mutex_unlock (&self->lock);
  return waiting;
}

void
gst_simclr_forward_gate_set_flushing (GstSimclrForwardGate *self, gboolean flushing)
{
  g_mutex_lock (&self->lock);
  self->flushing = flushing;
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
}

gboolean
gst_simclr_forward_gate_is_closed (GstSimclrForwardGate *self)
{
  gboolean closed;

  g_mutex_lock (&self->lock);
  closed = self->closed;
  g_mutex_unlock (&self->lock);
  return closed;
}

void
gst_simclr_forward_gate_reset (GstSimclrForwardGate *self)
{
  g_mutex_lock (&self->lock);
  self->flushing = FALSE;
  self->closed = FALSE;
  g_mutex_unlock (&self->lock);
}

/* The pass must be gone before the gate opens: the encoder refuses a second one beside it. */
static void
ticket_return (GstSimclrForwardTicket *self)
{
  GstSimclrForwardGate *gate = self->gate;

  g_mutex_lock (&gate->lock);
  if (!self->returned) {
    self->returned = TRUE;
    gate->out--;
    gate->rest_from = g_get_monotonic_time ();
    g_cond_broadcast (&gate->changed);
  }
  g_mutex_unlock (&gate->lock);
}

static void
ticket_unref (GstSimclrForwardTicket *self)
{
  if (!g_atomic_ref_count_dec (&self->references))
    return;
  g_clear_object (&self->pass);
  ticket_return (self);
  g_clear_object (&self->model);
  gst_simclr_forward_gate_unref (self->gate);
  g_free (self);
}

static gboolean
forward_meta_init (GstMeta *meta, gpointer params, GstBuffer *buffer)
{
  ((GstSimclrForwardMeta *) meta)->ticket = NULL;
  return TRUE;
}

static void
forward_meta_free (GstMeta *meta, GstBuffer *buffer)
{
  g_clear_pointer (&((GstSimclrForwardMeta *) meta)->ticket, ticket_unref);
}

/* A copy of the buffer, however made, leads to the same pass. */
static gboolean
forward_meta_transform (GstBuffer *to, GstMeta *meta, GstBuffer *from, GQuark type, gpointer data)
{
  GstSimclrForwardMeta *source = (GstSimclrForwardMeta *) meta;
  GstSimclrForwardMeta *copy;

  if (!GST_META_TRANSFORM_IS_COPY (type) || source->ticket == NULL)
    return FALSE;
  copy =
      (GstSimclrForwardMeta *) gst_buffer_add_meta (to, gst_simclr_forward_meta_get_info (), NULL);
  if (copy == NULL)
    return FALSE;
  g_atomic_ref_count_inc (&source->ticket->references);
  copy->ticket = source->ticket;
  return TRUE;
}

GType
gst_simclr_forward_meta_api_get_type (void)
{
  static gsize type = 0;

  if (g_once_init_enter (&type)) {
    static const gchar *tags[] = {NULL};
    GType registered = gst_meta_api_type_register ("GstSimclrForwardMetaAPI", tags);

    g_once_init_leave (&type, registered);
  }
  return type;
}

const GstMetaInfo *
gst_simclr_forward_meta_get_info (void)
{
  static const GstMetaInfo *info = NULL;

  if (g_once_init_enter ((GstMetaInfo **) &info)) {
    const GstMetaInfo *registered = gst_meta_register (GST_SIMCLR_FORWARD_META_API_TYPE,
        "GstSimclrForwardMeta", sizeof (GstSimclrForwardMeta), forward_meta_init, forward_meta_free,
        forward_meta_transform);

    g_once_init_leave ((GstMetaInfo **) &info, (GstMetaInfo *) registered);
  }
  return info;
}

GstSimclrForwardMeta *
gst_buffer_add_simclr_forward_meta (
    GstBuffer *buffer, GstSimclrForwardGate *gate, SimclrForwardPass *pass, SimclrModel *model)
{
  GstSimclrForwardMeta *self = (GstSimclrForwardMeta *) gst_buffer_add_meta (
      buffer, gst_simclr_forward_meta_get_info (), NULL);
  GstSimclrForwardTicket *ticket = g_new0 (GstSimclrForwardTicket, 1);

  g_atomic_ref_count_init (&ticket->references);
  ticket->gate = gate_ref (gate);
  ticket->pass = pass;
  g_set_object (&ticket->model, model);
  self->ticket = ticket;

  g_mutex_lock (&gate->lock);
  gate->out++;
  g_mutex_unlock (&gate->lock);
  return self;
}

GstSimclrForwardMeta *
gst_buffer_get_simclr_forward_meta (GstBuffer *buffer)
{
  return (GstSimclrForwardMeta *) gst_buffer_get_meta (buffer, GST_SIMCLR_FORWARD_META_API_TYPE);
}

SimclrForwardPass *
gst_simclr_forward_meta_take (GstSimclrForwardMeta *self)
{
  GstSimclrForwardGate *gate = self->ticket->gate;
  SimclrForwardPass *pass;

  g_mutex_lock (&gate->lock);
  pass = g_steal_pointer (&self->ticket->pass);
  g_mutex_unlock (&gate->lock);
  return pass;
}

void
gst_simclr_forward_meta_give_back (GstSimclrForwardMeta *self, SimclrForwardPass *pass)
{
  g_object_unref (pass);
  ticket_return (self->ticket);
}

void
gst_simclr_forward_meta_close_gate (GstSimclrForwardMeta *self)
{
  GstSimclrForwardGate *gate = self->ticket->gate;

  g_mutex_lock (&gate->lock);
  gate->closed = TRUE;
  g_mutex_unlock (&gate->lock);
}

SimclrModel *
gst_simclr_forward_meta_get_model (GstSimclrForwardMeta *self)
{
  return self->ticket->model;
}
