/* How right simclrclassifier was: the message, the report and the picture at the end.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrclassifier-private.h"

#include "gstsimclrconfusion.h"
#include "gstsimclrmessages.h"

#define GST_CAT_DEFAULT gst_simclr_classifier_debug

/* A table of labels as arrays of the same length. */
typedef struct
{
  GValue labels, frames, recall, precision;
} Table;

static void
set_table (GstStructure *fields, SimclrConfusion *evaluation, gchar **labels)
{
  Table table = {G_VALUE_INIT, G_VALUE_INIT, G_VALUE_INIT, G_VALUE_INIT};

  g_value_init (&table.labels, GST_TYPE_ARRAY);
  g_value_init (&table.frames, GST_TYPE_ARRAY);
  g_value_init (&table.recall, GST_TYPE_ARRAY);
  g_value_init (&table.precision, GST_TYPE_ARRAY);
  for (; *labels != NULL; labels++) {
    gdouble recall, precision;
    guint64 frames = simclr_confusion_get_class (evaluation, *labels, &recall, &precision);

    gst_simclr_array_append_string (&table.labels, *labels);
    gst_simclr_array_append_uint64 (&table.frames, frames);
    gst_simclr_array_append_double (&table.recall, recall);
    gst_simclr_array_append_double (&table.precision, precision);
  }
  gst_structure_take_value (fields, "labels", &table.labels);
  gst_structure_take_value (fields, "label-frames", &table.frames);
  gst_structure_take_value (fields, "recall", &table.recall);
  gst_structure_take_value (fields, "precision", &table.precision);
}

static void
set_confusion (GstStructure *fields, const guint64 *cells, gsize n)
{
  GValue rows = G_VALUE_INIT;

  g_value_init (&rows, GST_TYPE_ARRAY);
  for (gsize row = 0; row < n; row++) {
    g_auto (GValue) numbers = G_VALUE_INIT;

    g_value_init (&numbers, GST_TYPE_ARRAY);
    for (gsize column = 0; column < n; column++)
      gst_simclr_array_append_uint64 (&numbers, cells[row * n + column]);
    gst_value_array_append_value (&rows, &numbers);
  }
  gst_structure_take_value (fields, "confusion", &rows);
}

static void
post (GstSimclrClassifier *self, SimclrConfusion *evaluation, gchar **labels, const guint64 *cells,
    guint64 unknown)
{
  GstStructure *fields = gst_structure_new ("simclr-evaluation", "frames", G_TYPE_UINT64,
      simclr_confusion_get_count (evaluation), "top1", G_TYPE_DOUBLE,
      simclr_confusion_get_top (evaluation, 1), "top5", G_TYPE_DOUBLE,
      simclr_confusion_get_top (evaluation, 5), "unknown", G_TYPE_UINT64, unknown, NULL);

  GST_INFO_OBJECT (self, "%" GST_PTR_FORMAT, fields);
  set_table (fields, evaluation, labels);
  set_confusion (fields, cells, g_strv_length (labels));
  gst_simclr_post_element_message (GST_ELEMENT (self), fields);
}

static void
write_report (GstSimclrClassifier *self, SimclrConfusion *evaluation)
{
  g_autofree gchar *json = simclr_confusion_to_json (evaluation);
  g_autofree gchar *text = g_strconcat (json, "\n", NULL);
  g_autoptr (GError) error = NULL;

  if (!g_file_set_contents (self->active.report, text, -1, &error))
    GST_ELEMENT_ERROR (self, RESOURCE, WRITE,
        ("Could not write report=\"%s\".", self->active.report), ("%s", error->message));
}

static void
draw_confusion (
    GstSimclrClassifier *self, SimclrConfusion *evaluation, gchar **labels, const guint64 *cells)
{
  g_autofree gchar *title = g_strdup_printf ("%.1f %% right of %" G_GUINT64_FORMAT " frames",
      100 * simclr_confusion_get_top (evaluation, 1), simclr_confusion_get_count (evaluation));
  g_autoptr (GError) error = NULL;

  if (!gst_simclr_confusion_draw (self->active.confusion, title, (const gchar *const *) labels,
          cells, g_strv_length (labels), &error))
    GST_ELEMENT_ERROR (self, RESOURCE, WRITE,
        ("Could not draw confusion=\"%s\".", self->active.confusion), ("%s", error->message));
}

/* A file that is longer than the stream is most likely another stream's. */
static void
check_lines (GstSimclrClassifier *self)
{
  guint64 frames;

  g_mutex_lock (&self->lock);
  frames = self->counts.frames;
  g_mutex_unlock (&self->lock);
  if (self->truth != NULL && frames < gst_simclr_labels_get_length (self->truth))
    GST_ELEMENT_WARNING (self, RESOURCE, READ,
        ("labels=\"%s\" has %" G_GUINT64_FORMAT " lines, but only %" G_GUINT64_FORMAT
         " frames came: do they belong together?",
            self->active.labels, gst_simclr_labels_get_length (self->truth), frames),
        (NULL));
}

static void
check_embeddings (GstSimclrClassifier *self)
{
  GstSimclrClassifierCounts counts;

  g_mutex_lock (&self->lock);
  counts = self->counts;
  g_mutex_unlock (&self->lock);
  if (counts.frames > 0 && counts.embeddings == 0)
    GST_ELEMENT_WARNING (self, STREAM, WRONG_TYPE,
        ("None of the %" G_GUINT64_FORMAT
         " frames had an embedding: a simclrencoder belongs upstream of simclrclassifier.",
            counts.frames),
        (NULL));
  else if (counts.embeddings > 0 && counts.taught == 0 &&
           self->active.mode == GST_SIMCLR_CLASSIFIER_FIT)
    GST_ELEMENT_WARNING (self, STREAM, FAILED,
        ("mode=fit, but nothing was taught: set labels to a file or label while playing."), (NULL));
}

void
_gst_simclr_classifier_report (GstSimclrClassifier *self, gboolean at_eos)
{
  g_autoptr (SimclrConfusion) evaluation = NULL;
  g_auto (GStrv) labels = NULL;
  g_autofree guint64 *cells = NULL;
  guint64 unknown;
  gsize n;

  if (at_eos) {
    check_lines (self);
    check_embeddings (self);
  }
  g_mutex_lock (&self->lock);
  if (self->evaluated)
    evaluation = g_object_ref (self->evaluation);
  unknown = self->counts.unknown;
  self->evaluated = FALSE;
  g_mutex_unlock (&self->lock);
  if (evaluation == NULL)
    return;
  /* nobody adds to it: this is the streaming thread, or there is none */
  labels = simclr_confusion_get_labels (evaluation);
  cells = simclr_confusion_get_cells (evaluation, &n);
  post (self, evaluation, labels, cells, unknown);
  if (self->active.report != NULL)
    write_report (self, evaluation);
  if (self->active.confusion != NULL)
    draw_confusion (self, evaluation, labels, cells);
}
