/* What elements say on the bus: element messages and progress.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrmessages.h"

GstStructure *
gst_simclr_training_structure_new (
    const gchar *name, const SimclrTrainingStatistics *statistics, gdouble pairs_per_second)
{
  GstStructure *fields = gst_structure_new (name, "step", G_TYPE_UINT64, statistics->step, "loss",
      G_TYPE_DOUBLE, statistics->loss, "learning-rate", G_TYPE_DOUBLE, statistics->learning_rate,
      "pairs-per-second", G_TYPE_DOUBLE, pairs_per_second, "gradient-norm", G_TYPE_DOUBLE,
      statistics->gradient_norm, "diverging", G_TYPE_BOOLEAN, statistics->diverging, "sound",
      G_TYPE_BOOLEAN, statistics->sound, "weight-norm", G_TYPE_DOUBLE, statistics->weight_norm,
      "pairs", G_TYPE_UINT64, statistics->pairs_seen, "skipped-steps", G_TYPE_UINT64,
      statistics->skipped, NULL);

  if (statistics->contrastive_accuracy >= 0)
    gst_structure_set (fields, "contrastive-accuracy", G_TYPE_DOUBLE,
        statistics->contrastive_accuracy, "contrastive-entropy", G_TYPE_DOUBLE,
        statistics->contrastive_entropy, "embedding-deviation", G_TYPE_DOUBLE,
        statistics->embedding_deviation, "effective-rank", G_TYPE_DOUBLE,
        statistics->effective_rank, "collapsed-dimensions", G_TYPE_UINT,
        statistics->collapsed_dimensions, "alignment", G_TYPE_DOUBLE, statistics->alignment,
        "uniformity", G_TYPE_DOUBLE, statistics->uniformity, "collapsed", G_TYPE_BOOLEAN,
        statistics->collapsed, NULL);
  if (statistics->accuracy >= 0 && statistics->step > 0 && statistics->contrastive_accuracy < 0)
    gst_structure_set (fields, "accuracy", G_TYPE_DOUBLE, statistics->accuracy, NULL);
  if (statistics->probe_accuracy >= 0 && statistics->step > 0)
    gst_structure_set (fields, "probe-accuracy", G_TYPE_DOUBLE, statistics->probe_accuracy,
        "probe-loss", G_TYPE_DOUBLE, statistics->probe_loss, NULL);
  return fields;
}

void
gst_simclr_post_element_message (GstElement *element, GstStructure *fields)
{
  gst_element_post_message (element, gst_message_new_element (GST_OBJECT (element), fields));
}

void
gst_simclr_post_checkpoint (GstElement *element, const gchar *location, guint64 step)
{
  gst_simclr_post_element_message (
      element, gst_structure_new ("simclr-checkpoint", "location", G_TYPE_STRING, location, "step",
                   G_TYPE_UINT64, step, NULL));
}

void
gst_simclr_post_progress (
    GstElement *element, GstProgressType type, guint64 step, guint64 total, gdouble loss)
{
  g_autofree gchar *text = g_strdup_printf (
      "step %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT ", loss %.4f", step, total, loss);
  GstMessage *message = gst_message_new_progress (GST_OBJECT (element), type, "training", text);
  gint percent = total > 0 ? (gint) (100.0 * (gdouble) MIN (step, total) / (gdouble) total) : 0;

  gst_structure_set (
      gst_message_writable_structure (message), "percent", G_TYPE_INT, percent, NULL);
  gst_element_post_message (element, message);
}

void
gst_simclr_array_append_uint64 (GValue *array, guint64 number)
{
  g_auto (GValue) value = G_VALUE_INIT;

  g_value_init (&value, G_TYPE_UINT64);
  g_value_set_uint64 (&value, number);
  gst_value_array_append_value (array, &value);
}

void
gst_simclr_array_append_double (GValue *array, gdouble number)
{
  g_auto (GValue) value = G_VALUE_INIT;

  g_value_init (&value, G_TYPE_DOUBLE);
  g_value_set_double (&value, number);
  gst_value_array_append_value (array, &value);
}

void
gst_simclr_array_append_string (GValue *array, const gchar *text)
{
  g_auto (GValue) value = G_VALUE_INIT;

  g_value_init (&value, G_TYPE_STRING);
  g_value_set_string (&value, text);
  gst_value_array_append_value (array, &value);
}
