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
  if (g_option_context_parse (options, &argc, &argv, &error)) {
    self->words = g_strdupv (argv + 1);
    self->pipeline = parse (self->words, &error);
  }
  if (!error && self->pipeline)
    return TRUE;
  g_printerr ("%s\n", error ? error->message : "There is no pipeline.");
  session_close (self);
  return FALSE;
}

static gboolean on_message (GstBus *bus, GstMessage *message, gpointer data);

static void
play (Session *self)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (self->pipeline);

  gst_bus_add_watch (bus, on_message, self);
  gst_element_set_state (self->pipeline, GST_STATE_PLAYING);
}

static void
stop (Session *self)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (self->pipeline);

  gst_element_set_state (self->pipeline, GST_STATE_NULL);
  gst_bus_remove_watch (bus);
  self->playing = FALSE;
}

/* What is in files is gone on with. */
static void
resume (const GValue *item, gpointer data)
{
  GObject *element = g_value_get_object (item);
  g_autofree gchar *location = NULL;

  if (!g_object_class_find_property (G_OBJECT_GET_CLASS (element), "resume") ||
      !g_object_class_find_property (G_OBJECT_GET_CLASS (element), "location"))
    return;
  g_object_get (element, "location", &location, NULL);
  if (location)
    g_object_set (element, "resume", TRUE, NULL);
}

/* A pipeline of its own: links to pads that come and go (rtspsrc, decodebin) are made once in each. */
static gboolean
begin_anew (gpointer data)
{
  Session *self = data;
  g_autoptr (GstIterator) elements = NULL;

  self->waiting = 0;
  self->pipeline = parse (self->words, NULL);
  elements = gst_bin_iterate_recurse (GST_BIN (self->pipeline));
  gst_iterator_foreach (elements, resume, NULL);
  play (self);
  return G_SOURCE_REMOVE;
}

/* The pipeline stops, which has its elements write their files. */
static void
reconnect (Session *self)
{
  stop (self);
  gst_clear_object (&self->pipeline);
  g_printerr ("Trying again in %u s.\n", self->reconnect);
  self->waiting = g_timeout_add_seconds (self->reconnect, begin_anew, self);
}

static gboolean
may_reconnect (Session *self)
{
  return self->reconnect > 0 && !self->ending && !self->waiting &&
         !(self->has_enough && self->has_enough (self));
}

/* A camera that is not there is; a property that cannot be is not, nor what our elements find. */
static gboolean
is_worth_a_try (GstMessage *message, const GError *error)
{
  return (error->domain == GST_RESOURCE_ERROR || error->domain == GST_STREAM_ERROR) &&
         !g_str_has_prefix (G_OBJECT_TYPE_NAME (GST_MESSAGE_SRC (message)), "GstSimclr");
}

/* An EOS before the pipeline plays would wait for it, and it for the EOS. */
void
session_end (Session *self)
{
  if (self->waiting && self->loop)
    g_main_loop_quit (self->loop);
  else if (self->playing)
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
    if (is_worth_a_try (message, error) && may_reconnect (self)) {
      reconnect (self);
      break;
    }
    self->status = EXIT_FAILURE;
    g_main_loop_quit (self->loop);
    break;
  case GST_MESSAGE_STATE_CHANGED:
    follow_state (self, message);
    break;
  case GST_MESSAGE_EOS:
    if (may_reconnect (self)) {
      begin_text (self);
      g_printerr ("The stream has ended. ");
      reconnect (self);
      break;
    }
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
  guint interrupt = g_unix_signal_add (SIGINT, on_interrupt, self);

  self->loop = g_main_loop_new (NULL, FALSE);
  play (self);
  g_main_loop_run (self->loop);
  if (self->waiting)
    g_source_remove (self->waiting);
  else
    stop (self);
  self->waiting = 0;
  g_source_remove (interrupt);
  g_clear_pointer (&self->loop, g_main_loop_unref);
}

void
session_close (Session *self)
{
  gst_clear_object (&self->pipeline);
  g_clear_pointer (&self->words, g_strfreev);
}
