/* simclrreplay's source pad: a task pushes samples at the trainer's rate.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrreplayprivate.h"

#include "gstsimclrmodelquery.h"
#include "gstsimclrresumequery.h"

#define GST_CAT_DEFAULT gst_simclr_replay_debug

GstStaticPadTemplate gst_simclr_replay_src_template =
    GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw"));

typedef enum
{
  TURN_WAIT, /* for frames, or for the end of the input */
  TURN_START, /* say at once that there is a stream, or still is: sinks that preroll need not wait for frames */
  TURN_LOCATE, /* ask where the sequence starts */
  TURN_EMBED,  /* what has come in, with the weights of now */
  TURN_SAVE,   /* the memory, beside the trainer's checkpoint */
  TURN_SAMPLE,
  TURN_END,
} Turn;

/* Stream-start, if any, is the first of the pending events. */
static gboolean
starts_stream (GQueue *events)
{
  GstEvent *event = g_queue_peek_head (events);

  return event && GST_EVENT_TYPE (event) == GST_EVENT_STREAM_START;
}

static gboolean
may_begin (GstSimclrReplay *self)
{
  if (self->input_ended)
    return TRUE;
  return self->run.policy != SIMCLR_REPLAY_POLICY_ALL && self->filled && self->started;
}

/* A whole number as the product may be is not to be missed by rounding. */
guint64
gst_simclr_replay_count_samples (GstSimclrReplay *self, gdouble samples_per_frame)
{
  return (guint64) (samples_per_frame * (gdouble) self->frames + 1e-6);
}

/* Training must not go over and over what there is while nothing new comes in. */
static gboolean
is_ahead (GstSimclrReplay *self)
{
  return self->run.max_samples > 0 && !self->input_ended &&
         self->pushed >= gst_simclr_replay_count_samples (self, self->run.max_samples);
}

/* What to do next with all that has been asked; lock held. */
static Turn
next_sampling_turn (GstSimclrReplay *self, guint64 length)
{
  if (self->run.num_samples > 0 && self->next_sample >= self->run.num_samples)
    return TURN_END;
  if (self->must_save)
    return TURN_SAVE;
  if (self->run.policy == SIMCLR_REPLAY_POLICY_ALL) {
    gboolean done = self->run.epochs > 0 && self->next_sample / length >= self->run.epochs;

    return done ? TURN_END : TURN_SAMPLE;
  }
  /* what came in before the end was worth min-fill samples at least */
  if (self->input_ended && self->pushed >= MIN (self->run.min_fill, length))
    return TURN_END;
  if (gst_simclr_replay_may_embed (self) && (self->embed_due >= 0 || is_ahead (self)))
    return TURN_EMBED;
  return is_ahead (self) ? TURN_WAIT : TURN_SAMPLE;
}

/* What to do next; lock held. */
static Turn
next_turn (GstSimclrReplay *self)
{
  guint64 length = simclr_replay_get_length (self->memory);

  if (starts_stream (&self->pending))
    return TURN_START;
  if (!may_begin (self))
    return TURN_WAIT;
  if (length == 0)
    return self->input_ended ? TURN_END : TURN_WAIT;
  return self->located ? next_sampling_turn (self, length) : TURN_LOCATE;
}

/* Asks downstream how far an earlier run came. */
static guint64
query_start (GstSimclrReplay *self)
{
  g_auto (GstSimclrResume) resume = {0};

  if (gst_simclr_resume_query (self->srcpad, &resume))
    GST_INFO_OBJECT (self, "resuming at sample %" G_GUINT64_FORMAT, resume.pairs);
  return resume.pairs;
}

/* Ends the task, unless something has restarted sampling since the flow was set. */
static void
stop_sampling (GstSimclrReplay *self)
{
  g_mutex_lock (&self->lock);
  if (self->flow != GST_FLOW_OK) {
    GST_INFO_OBJECT (self, "sampling stops: %s, %" G_GUINT64_FORMAT " samples pushed",
        gst_flow_get_name (self->flow), self->pushed);
    gst_pad_pause_task (self->srcpad);
  }
  g_mutex_unlock (&self->lock);
}

static void
finish (GstSimclrReplay *self, GQueue *events)
{
  if (self->src_caps)
    gst_simclr_replay_push_events (self, events);
  g_queue_clear_full (events, (GDestroyNotify) gst_event_unref);
  gst_simclr_replay_save (self, TRUE); /* whoever sees the end finds it written */
  gst_simclr_replay_push_numbered (self, gst_event_new_eos ());
  stop_sampling (self);
}

/* Something downstream does not take samples any more. */
static void
give_up (GstSimclrReplay *self, GstFlowReturn flow)
{
  gboolean is_error = flow == GST_FLOW_NOT_LINKED || flow < GST_FLOW_EOS;
  gboolean input_ended;

  g_mutex_lock (&self->lock);
  input_ended = self->input_ended;
  if (self->flow == GST_FLOW_OK)
    self->flow = flow;
  g_mutex_unlock (&self->lock);

  /* the input hears of it by its next frame; without one nobody but us can tell */
  if (is_error && input_ended)
    GST_ELEMENT_FLOW_ERROR (self, flow);
  if (flow == GST_FLOW_EOS)
    gst_simclr_replay_save (self, TRUE);
  if (flow == GST_FLOW_EOS || (is_error && input_ended))
    gst_simclr_replay_push_numbered (self, gst_event_new_eos ());
  stop_sampling (self);
}

/* Lock held. */
static void
draw (GstSimclrReplay *self, GstSimclrReplayTaken *taken)
{
  taken->index = self->next_sample;
  taken->frame = gst_sample_ref (simclr_replay_sample (self->memory, taken->index, &taken->number));
  taken->need_segment = self->need_segment;
  taken->was_flushed = self->was_flushed;
  if (self->drawn)
    self->drawn[taken->index % GST_SIMCLR_REPLAY_DRAWN] =
        (GstSimclrReplayDrawn){taken->index, taken->number};
  self->next_sample++;
  self->pushed++;
  gst_simclr_replay_earn_embedding (self);
  self->need_segment = self->was_flushed = FALSE;
}

/* Waits for a turn other than TURN_WAIT. FALSE: sampling has to stop. It hands out what goes with the
 * turn. */
static gboolean
wait_for_turn (GstSimclrReplay *self, Turn *turn, GstSimclrReplayTaken *taken, GQueue *events)
{
  g_mutex_lock (&self->lock);
  while (self->flow == GST_FLOW_OK && (*turn = next_turn (self)) == TURN_WAIT)
    g_cond_wait (&self->wake, &self->lock);

  if (self->flow != GST_FLOW_OK) {
    gst_pad_pause_task (self->srcpad);
    g_mutex_unlock (&self->lock);
    return FALSE;
  }
  if (*turn == TURN_SAMPLE)
    draw (self, taken);
  if (*turn == TURN_END)
    self->flow = GST_FLOW_EOS; /* before the event, after which a new stream may restart sampling */
  if (*turn == TURN_START) {
    g_queue_push_tail (events, g_queue_pop_head (&self->pending));
  } else if (*turn == TURN_SAMPLE || *turn == TURN_END) {
    *events = self->pending;
    g_queue_init (&self->pending);
  }
  g_cond_broadcast (&self->wake);
  g_mutex_unlock (&self->lock);
  return TRUE;
}

static void
locate (GstSimclrReplay *self)
{
  guint64 start = query_start (self);

  g_mutex_lock (&self->lock);
  self->next_sample = start;
  self->located = TRUE;
  g_mutex_unlock (&self->lock);
}

static void
push_sample (GstSimclrReplay *self, GstSimclrReplayTaken *taken, GQueue *events)
{
  GstFlowReturn flow = gst_simclr_replay_push_output (self, taken, events);

  gst_sample_unref (taken->frame);
  if (flow == GST_FLOW_OK)
    gst_simclr_replay_find_model (self);

  g_mutex_lock (&self->lock);
  self->done++;
  g_cond_broadcast (&self->wake);
  g_mutex_unlock (&self->lock);
  if (flow != GST_FLOW_OK)
    give_up (self, flow);
}

static void
gst_simclr_replay_loop (gpointer user_data)
{
  GstSimclrReplay *self = user_data;
  GQueue events = G_QUEUE_INIT;
  GstSimclrReplayTaken taken;
  Turn turn;

  if (!wait_for_turn (self, &turn, &taken, &events))
    return;
  switch (turn) {
  case TURN_WAIT:
    break;
  case TURN_START:
    gst_simclr_replay_push_events (self, &events);
    break;
  case TURN_LOCATE:
    locate (self);
    break;
  case TURN_EMBED:
    gst_simclr_replay_embed (self);
    break;
  case TURN_SAVE:
    gst_simclr_replay_save (self, FALSE);
    break;
  case TURN_SAMPLE:
    push_sample (self, &taken, &events);
    break;
  case TURN_END:
    finish (self, &events);
    break;
  }
}

void
gst_simclr_replay_set_flow (GstSimclrReplay *self, GstFlowReturn flow)
{
  self->flow = flow;
  g_cond_broadcast (&self->wake);
}

void
gst_simclr_replay_restart (GstSimclrReplay *self)
{
  gst_simclr_replay_set_flow (self, GST_FLOW_OK);
  if (gst_pad_is_active (self->srcpad))
    gst_pad_start_task (self->srcpad, gst_simclr_replay_loop, self, NULL);
}

/* What training has to say. FALSE: it is something else. */
static gboolean
take_feedback (GstSimclrReplay *self, GstEvent *event)
{
  const GstStructure *fields = gst_event_get_structure (event);

  if (gst_structure_has_name (fields, GST_SIMCLR_EMBEDDINGS_EVENT_NAME)) {
    gst_simclr_replay_take_embeddings (self, fields);
    return TRUE;
  }
  if (gst_structure_has_name (fields, GST_SIMCLR_CHECKPOINT_EVENT_NAME)) {
    g_mutex_lock (&self->lock);
    self->must_save = self->run.location != NULL;
    g_cond_broadcast (&self->wake);
    g_mutex_unlock (&self->lock);
    return TRUE;
  }
  return FALSE;
}

static gboolean
gst_simclr_replay_src_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstSimclrReplay *self = GST_SIMCLR_REPLAY (parent);

  switch (GST_EVENT_TYPE (event)) {
  case GST_EVENT_QOS:
    /* the camera need not slow down for the trainer, and would not know this timeline */
    gst_event_unref (event);
    return TRUE;
  case GST_EVENT_CUSTOM_UPSTREAM:
    if (take_feedback (self, event)) {
      gst_event_unref (event);
      return TRUE;
    }
    break;
  case GST_EVENT_RECONFIGURE:
    g_mutex_lock (&self->lock);
    if (self->flow == GST_FLOW_NOT_LINKED)
      gst_simclr_replay_restart (self);
    g_mutex_unlock (&self->lock);
    break;
  default:
    break;
  }
  return gst_pad_event_default (pad, parent, event);
}

/* Samples are made when asked for: the inputs' latency stays, and there is no most. */
static gboolean
answer_latency (GstSimclrReplay *self, GstQuery *query)
{
  gboolean live;
  GstClockTime min_latency;

  if (!gst_pad_query_default (self->srcpad, GST_OBJECT (self), query))
    return FALSE;
  gst_query_parse_latency (query, &live, &min_latency, NULL);
  gst_query_set_latency (query, live, min_latency, GST_CLOCK_TIME_NONE);
  return TRUE;
}

/* What downstream may get: RGB of any size where frames are made small, else what comes in. */
static void
answer_caps (GstSimclrReplay *self, GstQuery *query)
{
  g_autoptr (GstCaps) caps =
      gst_simclr_replay_converts (self)
          ? gst_caps_new_simple ("video/x-raw", "format", G_TYPE_STRING, "RGB", NULL)
          : gst_simclr_replay_get_input_caps (self);
  GstCaps *filter;

  gst_query_parse_caps (query, &filter);
  if (filter)
    gst_caps_take (&caps, gst_caps_intersect_full (filter, caps, GST_CAPS_INTERSECT_FIRST));
  gst_query_set_caps_result (query, caps);
}

static gboolean
gst_simclr_replay_src_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  switch (GST_QUERY_TYPE (query)) {
  case GST_QUERY_LATENCY:
    return answer_latency (GST_SIMCLR_REPLAY (parent), query);
  case GST_QUERY_CAPS:
    answer_caps (GST_SIMCLR_REPLAY (parent), query);
    return TRUE;
  default:
    return gst_pad_query_default (pad, parent, query);
  }
}

static gboolean
gst_simclr_replay_src_activate_mode (
    GstPad *pad, GstObject *parent, GstPadMode mode, gboolean active)
{
  GstSimclrReplay *self = GST_SIMCLR_REPLAY (parent);

  if (mode != GST_PAD_MODE_PUSH)
    return FALSE;

  g_mutex_lock (&self->lock);
  if (active) {
    gst_simclr_replay_set_flow (self, GST_FLOW_OK);
    g_mutex_unlock (&self->lock);
    return gst_pad_start_task (pad, gst_simclr_replay_loop, self, NULL);
  }
  gst_simclr_replay_set_flow (self, GST_FLOW_FLUSHING);
  g_mutex_unlock (&self->lock);
  return gst_pad_stop_task (pad);
}

void
gst_simclr_replay_reset_src (GstSimclrReplay *self)
{
  gst_clear_caps (&self->src_caps);
  self->position = 0;
}

void
gst_simclr_replay_init_src (GstSimclrReplay *self)
{
  self->srcpad = gst_pad_new_from_static_template (&gst_simclr_replay_src_template, "src");
  gst_pad_set_event_function (self->srcpad, gst_simclr_replay_src_event);
  gst_pad_set_query_function (self->srcpad, gst_simclr_replay_src_query);
  gst_pad_set_activatemode_function (self->srcpad, gst_simclr_replay_src_activate_mode);
  gst_element_add_pad (GST_ELEMENT (self), self->srcpad);
}
