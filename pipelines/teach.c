/* simclr-teach: runs a pipeline description and teaches its simclrclassifier by keyboard.
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *   simclr-teach [--names=NAME,NAME...] PIPELINE...
 *
 * Commands are lines of the standard input: `label NAME` (what the camera shows now is NAME), `stop`,
 * `unlearn NAME`, `list`, `save`, `quit`; a digit teaches the name of that number, from 1. Digits, and the
 * space bar to stop, work in the video's window too. At its end, or interrupted, the pipeline is ended
 * properly, so that a simclrclassifier with mode=fit writes its location. */
#include "session.h"

#include <gst/video/navigation.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TICK 200 /* milliseconds */

typedef struct
{
  Session session;
  GstElement *classifier, *overlay; /* overlay: NULL where there is none */
  gchar **names;
  gchar *label;   /* being taught, NULL: none */
  guint64 before; /* examples taught when that began */
} Teach;

static gint
compare_factory (gconstpointer item, gconstpointer name)
{
  GstElementFactory *factory = gst_element_get_factory (g_value_get_object (item));

  return factory ? g_strcmp0 (gst_plugin_feature_get_name (factory), name) : 1;
}

/* The first element that this factory made, a new reference; NULL where there is none. */
static GstElement *
find_element (GstElement *pipeline, const gchar *factory)
{
  g_autoptr (GstIterator) elements = gst_bin_iterate_recurse (GST_BIN (pipeline));
  g_auto (GValue) item = G_VALUE_INIT;

  if (!gst_iterator_find_custom (elements, compare_factory, &item, (gpointer) factory))
    return NULL;
  return g_value_dup_object (&item);
}

static guint64
count_taught (Teach *self)
{
  g_autoptr (GstStructure) stats = NULL;
  guint64 taught = 0;

  g_object_get (self->classifier, "stats", &stats, NULL);
  gst_structure_get_uint64 (stats, "taught", &taught);
  return taught;
}

static void
show_line (Teach *self, const gchar *text)
{
  if (self->overlay)
    g_object_set (self->overlay, "text", text, NULL);
}

static void
stop_teaching (Teach *self)
{
  if (!self->label)
    return;
  g_object_set (self->classifier, "label", NULL, NULL);
  g_print ("learned %s: %" G_GUINT64_FORMAT " examples\n", self->label,
      count_taught (self) - self->before);
  show_line (self, NULL);
  g_clear_pointer (&self->label, g_free);
}

static void
start_teaching (Teach *self, const gchar *name)
{
  stop_teaching (self);
  self->before = count_taught (self);
  self->label = g_strdup (name);
  g_object_set (self->classifier, "label", name, NULL);
  g_print ("learning %s: show it from all sides, then stop\n", name);
}

/* While it learns, the picture says so. */
static gboolean
on_tick (gpointer data)
{
  Teach *self = data;
  g_autofree gchar *text = NULL;

  if (self->label) {
    text = g_strdup_printf (
        "learning %s: %" G_GUINT64_FORMAT, self->label, count_taught (self) - self->before);
    show_line (self, text);
  }
  return G_SOURCE_CONTINUE;
}

static void
list_labels (Teach *self)
{
  g_autoptr (GstStructure) stats = NULL;
  const GValue *labels, *counts;

  g_object_get (self->classifier, "stats", &stats, NULL);
  labels = gst_structure_get_value (stats, "labels");
  counts = gst_structure_get_value (stats, "label-examples");
  g_print ("%u labels\n", gst_value_array_get_size (labels));
  for (guint i = 0; i < gst_value_array_get_size (labels); i++)
    g_print ("  %s: %" G_GUINT64_FORMAT " examples\n",
        g_value_get_string (gst_value_array_get_value (labels, i)),
        g_value_get_uint64 (gst_value_array_get_value (counts, i)));
}

static void
unlearn (Teach *self, const gchar *name)
{
  guint64 forgotten = 0;

  g_signal_emit_by_name (self->classifier, "unlearn", name, &forgotten);
  g_print ("unlearned %s: %" G_GUINT64_FORMAT " examples\n", name, forgotten);
}

static void
save (Teach *self)
{
  gboolean saved = FALSE;

  g_signal_emit_by_name (self->classifier, "save", &saved);
  g_print (saved ? "saved\n" : "not saved\n");
}

/* A digit stands for a name, a space for stop. FALSE: the key means nothing. */
static gboolean
press_key (Teach *self, gchar key)
{
  guint number = (guint) g_ascii_digit_value (key);

  if (key == ' ') {
    stop_teaching (self);
  } else if (g_ascii_isdigit (key) && number > 0) {
    if (self->names && number <= g_strv_length (self->names))
      start_teaching (self, self->names[number - 1]);
    else
      start_teaching (self, (gchar[]){key, '\0'});
  } else {
    return FALSE;
  }
  return TRUE;
}

static gboolean
has_word (const gchar *line, const gchar *word, const gchar **rest)
{
  gsize length = strlen (word);

  if (strncmp (line, word, length) != 0 || (line[length] != '\0' && line[length] != ' '))
    return FALSE;
  *rest = line + length + (line[length] == ' ');
  return TRUE;
}

static void
obey (Teach *self, const gchar *line)
{
  const gchar *rest;

  if (has_word (line, "label", &rest) && *rest)
    start_teaching (self, rest);
  else if (has_word (line, "unlearn", &rest) && *rest)
    unlearn (self, rest);
  else if (g_str_equal (line, "stop"))
    stop_teaching (self);
  else if (g_str_equal (line, "list"))
    list_labels (self);
  else if (g_str_equal (line, "save"))
    save (self);
  else if (g_str_equal (line, "quit"))
    session_end (&self->session);
  else if (*line && !(strlen (line) == 1 && press_key (self, *line)))
    g_print ("label NAME, a digit, stop, unlearn NAME, list, save or quit\n");
}

/* At the end of the input the stream goes on: whoever pipes commands ends it by `quit`. */
static gboolean
on_input (GIOChannel *input, GIOCondition condition, gpointer data)
{
  g_autofree gchar *line = NULL, *valid = NULL;
  gsize end;

  if (g_io_channel_read_line (input, &line, NULL, &end, NULL) != G_IO_STATUS_NORMAL)
    return G_SOURCE_REMOVE;
  line[end] = '\0';
  valid = g_utf8_make_valid (line, -1);
  obey (data, g_strstrip (valid));
  return G_SOURCE_CONTINUE;
}

typedef struct
{
  Teach *teach;
  gchar key;
} Press;

static gboolean
on_press (gpointer data)
{
  Press *press = data;

  press_key (press->teach, press->key);
  return G_SOURCE_REMOVE;
}

/* The window sends its keys upstream, in a thread of its own. */
static GstPadProbeReturn
on_upstream_event (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GstEvent *event = GST_PAD_PROBE_INFO_EVENT (info);
  const gchar *key;

  if (GST_EVENT_TYPE (event) == GST_EVENT_NAVIGATION &&
      gst_navigation_event_get_type (event) == GST_NAVIGATION_EVENT_KEY_PRESS &&
      gst_navigation_event_parse_key_event (event, &key)) {
    Press press = {data, g_str_equal (key, "space") ? ' ' : *key};

    if (press.key == ' ' || key[1] == '\0')
      g_main_context_invoke_full (
          NULL, G_PRIORITY_DEFAULT, on_press, g_memdup2 (&press, sizeof press), g_free);
  }
  return GST_PAD_PROBE_OK;
}

static void
show_classification (const GstStructure *fields)
{
  gdouble confidence = 0, novelty = 0;

  gst_structure_get_double (fields, "confidence", &confidence);
  gst_structure_get_double (fields, "novelty", &novelty);
  g_print ("%s (%.0f %%, novelty %.1f)\n", gst_structure_get_string (fields, "label"),
      100 * confidence, novelty);
}

static void
on_element (Session *session, GstMessage *message)
{
  if (gst_message_has_name (message, "simclr-classification"))
    show_classification (gst_message_get_structure (message));
  else if (gst_message_has_name (message, "simclr-learned"))
    g_print ("written to %s\n",
        gst_structure_get_string (gst_message_get_structure (message), "location"));
}

static void
run (Teach *self)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (self->classifier, "src");
  g_autoptr (GIOChannel) input = g_io_channel_unix_new (STDIN_FILENO);

  g_io_channel_set_encoding (input, NULL, NULL);
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_EVENT_UPSTREAM, on_upstream_event, self, NULL);
  g_io_add_watch (input, G_IO_IN | G_IO_HUP, on_input, self);
  g_timeout_add (TICK, on_tick, self);
  session_run (&self->session);
}

int
main (int argc, char **argv)
{
  g_autofree gchar *names = NULL;
  const GOptionEntry entries[] = {
      {"names", 0, 0, G_OPTION_ARG_FILENAME, &names, "What the digits 1, 2, ... teach", "NAME,..."},
      {NULL},
  };
  Teach self = {.session.on_element = on_element};

  self.session.summary =
      "Runs a pipeline description and teaches its simclrclassifier by lines of the standard "
      "input: label NAME (what the camera shows now is NAME), stop, unlearn NAME, list, save, "
      "quit; a digit teaches the name of that number. Digits, and the space bar to stop, work in "
      "the video's window too.";
  setlocale (LC_ALL, "");
  if (!session_open (&self.session, entries, argc, argv))
    return EXIT_FAILURE;
  self.classifier = find_element (self.session.pipeline, "simclrclassifier");
  self.overlay = find_element (self.session.pipeline, "simclroverlay");
  self.names = names ? g_strsplit (names, ",", -1) : NULL;
  setvbuf (stdout, NULL, _IOLBF, 0);
  if (self.classifier) {
    run (&self);
  } else {
    g_printerr ("There is no simclrclassifier in the pipeline.\n");
    self.session.status = EXIT_FAILURE;
  }
  g_free (self.label);
  g_strfreev (self.names);
  gst_clear_object (&self.overlay);
  gst_clear_object (&self.classifier);
  session_close (&self.session);
  return self.session.status;
}
