/* simclr-watch: runs a pipeline description as gst-launch-1.0 does and shows how its training goes.
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *   simclr-watch [--statistics=FILE] [--reconnect=SECONDS] PIPELINE...
 *
 * A progress line follows the messages simclr-training; with --statistics each of them becomes one
 * line of JSON. Interrupting it ends the stream properly, so that the trainer writes its checkpoint.
 *
 * With --reconnect a camera may go and come back: when a stream ends or breaks off, the pipeline stops, checkpoint and
 * replay memory are written, and after so many seconds it begins anew with what is in the files. */
#include "session.h"

#include <errno.h>
#include <json-glib/json-glib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LINES_APART (5 * G_USEC_PER_SEC) /* where the output is no terminal */

typedef struct
{
  FILE *statistics;
  guint64 total; /* steps, 0 when nobody knows */
  guint64 step;  /* the last */
  gint64 begin;
  gint64 shown;
  gboolean line_open;
} Watch;

/* The total-steps of the first trainer in the pipeline. */
static guint64
find_total_steps (GstElement *pipeline)
{
  g_autoptr (GstIterator) elements = gst_bin_iterate_recurse (GST_BIN (pipeline));
  GValue item = G_VALUE_INIT;
  guint64 total = 0;

  while (!total && gst_iterator_next (elements, &item) == GST_ITERATOR_OK) {
    GObject *element = g_value_get_object (&item);

    if (g_object_class_find_property (G_OBJECT_GET_CLASS (element), "total-steps"))
      g_object_get (element, "total-steps", &total, NULL);
    g_value_reset (&item);
  }
  g_value_unset (&item);
  return total;
}

static gboolean
add_number (GQuark field, const GValue *value, gpointer builder)
{
  GValue number = G_VALUE_INIT;

  if (!g_value_type_transformable (G_VALUE_TYPE (value), G_TYPE_DOUBLE))
    return TRUE;
  g_value_init (&number, G_TYPE_DOUBLE);
  g_value_transform (value, &number);
  if (isfinite (g_value_get_double (&number))) {
    json_builder_set_member_name (builder, g_quark_to_string (field));
    json_builder_add_double_value (builder, g_value_get_double (&number));
  }
  g_value_unset (&number);
  return TRUE;
}

static void
write_statistics (FILE *file, const GstStructure *fields)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autofree gchar *line = NULL;

  json_builder_begin_object (builder);
  gst_structure_foreach (fields, add_number, builder);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  line = json_to_string (root, FALSE);
  fprintf (file, "%s\n", line);
  fflush (file);
}

static gdouble
get_double (const GstStructure *fields, const gchar *name)
{
  gdouble value = NAN;

  gst_structure_get_double (fields, name, &value);
  return value;
}

static void
show_progress (Watch *self, const GstStructure *fields)
{
  gboolean terminal = isatty (STDOUT_FILENO);
  gint64 now = g_get_monotonic_time ();
  guint64 step = 0;

  gst_structure_get_uint64 (fields, "step", &step);
  self->step = step;
  if (!self->begin)
    self->begin = now;
  if (self->shown && now - self->shown < (terminal ? LINES_APART / 25 : LINES_APART) &&
      step != self->total)
    return;
  self->shown = now;
  g_print ("%sstep %" G_GUINT64_FORMAT, terminal ? "\r" : "", step);
  if (self->total)
    g_print (" of %" G_GUINT64_FORMAT, self->total);
  g_print (", loss %.3f", get_double (fields, "loss"));
  if (gst_structure_has_field (fields, "accuracy"))
    g_print (", names %.0f %% of views rightly", 100 * get_double (fields, "accuracy"));
  else if (gst_structure_has_field (fields, "contrastive-accuracy"))
    g_print (", finds the other view of a picture %.0f %% of the time",
        100 * get_double (fields, "contrastive-accuracy"));
  g_print (", %.0f pairs/s", get_double (fields, "pairs-per-second"));
  if (step > 1 && step < self->total)
    g_print (", %.0f s left",
        (gdouble) (now - self->begin) / (step - 1) * (self->total - step) / G_USEC_PER_SEC);
  g_print (terminal ? "\033[K" : "\n");
  self->line_open = terminal;
}

static void
end_line (Watch *self)
{
  if (self->line_open)
    g_print ("\n");
  self->line_open = FALSE;
}

static void
on_element (Session *session, GstMessage *message)
{
  Watch *self = session->application;

  if (!gst_message_has_name (message, "simclr-training"))
    return;
  if (self->statistics)
    write_statistics (self->statistics, gst_message_get_structure (message));
  show_progress (self, gst_message_get_structure (message));
}

static void
before_text (Session *session)
{
  end_line (session->application);
}

static void
on_interrupt (Session *session, gboolean again)
{
  end_line (session->application);
  if (again)
    session->status = EXIT_FAILURE;
  else
    g_printerr ("Interrupted: finishing the step in hand.\n");
}

static gboolean
has_enough (Session *session)
{
  Watch *self = session->application;

  return self->total > 0 && self->step >= self->total;
}

/* Weights that are in no file would be lost each time. FALSE: that was said. */
static gboolean
check_reconnect (Session *session)
{
  g_autoptr (GstIterator) elements =
      gst_bin_iterate_all_by_element_factory_name (GST_BIN (session->pipeline), "simclrtrainer");
  g_auto (GValue) item = G_VALUE_INIT;
  g_autofree gchar *location = NULL;

  if (gst_iterator_next (elements, &item) != GST_ITERATOR_OK)
    return TRUE;
  g_object_get (g_value_get_object (&item), "location", &location, NULL);
  if (!location)
    g_printerr ("--reconnect needs simclrtrainer to have a location: what it has learned goes on "
                "from there.\n");
  return location != NULL;
}

int
main (int argc, char **argv)
{
  g_autofree gchar *statistics = NULL;
  gint reconnect = 0;
  const GOptionEntry entries[] = {
      {"reconnect", 0, 0, G_OPTION_ARG_INT, &reconnect,
          "Begin anew when the stream ends or breaks off, after so long", "SECONDS"},
      {"statistics", 0, 0, G_OPTION_ARG_FILENAME, &statistics, "Where JSON lines go", "FILE"},
      {NULL},
  };
  Watch self = {0};
  Session session = {
      .summary =
          "Runs a pipeline description as gst-launch-1.0 does and shows how its training goes, "
          "on one line; interrupted, it ends the stream, so that simclrtrainer writes its "
          "checkpoint.",
      .application = &self,
      .on_element = on_element,
      .before_text = before_text,
      .on_interrupt = on_interrupt,
      .has_enough = has_enough};

  if (!session_open (&session, entries, argc, argv))
    return EXIT_FAILURE;
  session.reconnect = (guint) MAX (reconnect, 0);
  if (reconnect > 0 && !check_reconnect (&session)) {
    session_close (&session);
    return EXIT_FAILURE;
  }
  if (statistics && !(self.statistics = fopen (statistics, "w"))) {
    g_printerr ("Could not write \"%s\": %s\n", statistics, g_strerror (errno));
    session_close (&session);
    return EXIT_FAILURE;
  }
  self.total = find_total_steps (session.pipeline);
  session_run (&session);
  end_line (&self);
  if (self.statistics && fclose (self.statistics) != 0)
    session.status = EXIT_FAILURE;
  session_close (&session);
  return session.status;
}
