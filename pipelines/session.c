/* A session: a described pipeline, run until it ends or is asked to.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "session.h"

#include <glib-unix.h>
#include <stdlib.h>

/* What was described, inside a pipeline in any case. */
static GstElement *
parse (gchar **words, GError **error)
{
  GstElement *element = gst_parse_launchv ((const gchar **) words, error), *pipeline;

  if (!element || GST_IS_PIPELINE (element))
    return element;
  pipeline = gst_pipeline_new (NULL);
  gst_bin_add (GST_BIN (pipeline), element);
  return pipeline;
}

gboolean
session_open (Session *self, const GOptionEntry *entries, gint argc, gchar **argv)
{
  g_autoptr (GOptionContext) options = g_option_context_new ("PIPELINE...");
  g_autoptr (GError) error = NULL;

  g_option_context_set_summary (options, self->summary);
  g_option_context_add_main_entries (options, entries, NULL);
  g_option_context_add_group (options, gst_init_get_option_group ());
  g_option_context_set_strict_posix (options, TRUE);
  if (g_option_context_parse (options, &argc, &argv, &error))
    self->pipeline = parse (argv + 1, &error);
  if (!error && self->pipeline)
    return TRUE;
  g_printerr ("%s\n", error ? error->message : "There is no pipeline.");
  session_close (self);
  return FALSE;
}

/* An EOS before the pipeline plays would wait for it, and it for the EOS. */
void
session_end (Session *self)
{
  if (self->playing)
    gst_element_send_event (self->pipeline, gst_event_new_eos ());
  self->ending = TRUE;
}

static void
follow_state (Session *self, GstMessage *message)
{
  GstState state;

  gst_message_parse_state_changed (message, NULL, &state, NULL);
  if (GST_MESSAGE_SRC (message) != GST_OBJECT (self->pipeline) || state != GST_STATE_PLAYING)
    return;
  self->playing = TRUE;
  if (self->ending)
    session_end (self);
}

static void
begin_text (Session *self)
{
  if (self->before_text)
    self->before_text (self);
}

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer data)
{
  Session *self = data;
  g_autoptr (GError) error = NULL;
  g_autofree gchar *debug = NULL;

  switch (GST_MESSAGE_TYPE (message)) {
  case GST_MESSAGE_ELEMENT:
    if (self->on_element)
      self->on_element (self, message);
    break;
  case GST_MESSAGE_WARNING:
    gst_message_parse_warning (message, &error, &debug);
    begin_text (self);
    g_printerr ("warning: %s\n", error->message);
    break;
  case GST_MESSAGE_ERROR:
    gst_message_parse_error (message, &error, &debug);
    begin_text (self);
    g_printerr ("%s: %s\n%s\n", GST_MESSAGE_SRC_NAME (message), error->message, debug);
    self->status = EXIT_FAILURE;
    g_main_loop_quit (self->loop);
    break;
  case GST_MESSAGE_STATE_CHANGED:
    follow_state (self, message);
    break;
  case GST_MESSAGE_EOS:
    g_main_loop_quit (self->loop);
    break;
  default:
    break;
  }
  return G_SOURCE_CONTINUE;
}

/* The second time without waiting for the stream. */
static gboolean
on_interrupt (gpointer data)
{
  Session *self = data;

  if (self->on_interrupt)
    self->on_interrupt (self, self->ending);
  if (self->ending)
    g_main_loop_quit (self->loop);
  else
    session_end (self);
  return G_SOURCE_CONTINUE;
}

void
session_run (Session *self)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (self->pipeline);
  guint interrupt = g_unix_signal_add (SIGINT, on_interrupt, self);

  self->loop = g_main_loop_new (NULL, FALSE);
  gst_bus_add_watch (bus, on_message, self);
  gst_element_set_state (self->pipeline, GST_STATE_PLAYING);
  g_main_loop_run (self->loop);
  gst_element_set_state (self->pipeline, GST_STATE_NULL);
  gst_bus_remove_watch (bus);
  g_source_remove (interrupt);
  g_clear_pointer (&self->loop, g_main_loop_unref);
}

void
session_close (Session *self)
{
  gst_clear_object (&self->pipeline);
}
