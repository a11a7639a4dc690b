/* How simclrtrainer prerolls: the first word of a stream is enough, and the stream does not wait.
 *
 * There is nothing to show while paused, and a whole batch may take longer to come than other branches of the pipeline
 * can be kept waiting. Nor may the stream be held at its first word: a queue in front of the branch would not answer
 * the ALLOCATION query that its tee is asked, and nobody would get a frame. So a thread of its own says that the
 * state is reached and waits for PLAYING, and the stream goes on until its first batch, which waits like any sink's
 * buffer. None at all (async=false) would not do: GStreamer 1.22 loses the end of a stream when no sink prerolls and
 * decodebin is not done when the pipeline is.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrtrainer-private.h"

#define GST_CAT_DEFAULT gst_simclr_trainer_debug

/* A signal of the preroll condition may wake this thread in the streaming thread's place, which therefore is woken
 * after it. */
static gpointer
wait_for_playing (gpointer data)
{
  GstSimclrTrainer *self = data;
  GstBaseSink *sink = data;
  g_autoptr (GstEvent) word = gst_event_new_stream_start ("preroll");

  GST_BASE_SINK_PREROLL_LOCK (sink);
  if (!sink->flushing)
    gst_base_sink_do_preroll (sink, GST_MINI_OBJECT_CAST (word));
  self->prerolled = TRUE;
  GST_BASE_SINK_PREROLL_BROADCAST (sink);
  GST_BASE_SINK_PREROLL_UNLOCK (sink);
  return NULL;
}

void
_gst_simclr_trainer_preroll (GstSimclrTrainer *self, GstEvent *event)
{
  GstBaseSink *sink = GST_BASE_SINK (self);

  if (GST_EVENT_TYPE (event) != GST_EVENT_STREAM_START &&
      GST_EVENT_TYPE (event) != GST_EVENT_SEGMENT)
    return;
  if (!sink->need_preroll || (self->prerolling != NULL && !self->prerolled))
    return;
  if (self->prerolling != NULL)
    g_thread_unref (self->prerolling);
  self->prerolled = FALSE;
  self->prerolling = g_thread_new ("simclr-preroll", wait_for_playing, sink);
}

void
_gst_simclr_trainer_end_preroll (GstSimclrTrainer *self)
{
  GstBaseSink *sink = GST_BASE_SINK (self);
  GThread *thread;

  GST_BASE_SINK_PREROLL_LOCK (sink);
  thread = sink->flushing ? g_steal_pointer (&self->prerolling) : NULL;
  GST_BASE_SINK_PREROLL_BROADCAST (sink);
  GST_BASE_SINK_PREROLL_UNLOCK (sink);
  if (thread != NULL)
    g_thread_join (thread);
}
