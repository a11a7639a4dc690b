/* simclrplot follows the simclrtrainer whose curves it draws.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrplot-private.h"

#include "gstsimclrtrainer.h"

#define GST_CAT_DEFAULT gst_simclr_plot_debug

/* In the trainer's thread. */
static void
on_trained (GstElement *trainer, const GstStructure *fields, gpointer data)
{
  GstSimclrPlot *self = data;

  g_mutex_lock (&self->lock);
  gst_simclr_curves_add (&self->curves, fields);
  g_mutex_unlock (&self->lock);
}

/* The pipeline that all of this is in, or this element itself. */
static GstObject *
get_top (GstSimclrPlot *self)
{
  GstObject *top = gst_object_ref (GST_OBJECT (self)), *above;

  while ((above = gst_object_get_parent (top)) != NULL) {
    gst_object_unref (top);
    top = above;
  }
  return top;
}

static gint
compare_trainer (gconstpointer item, gconstpointer name)
{
  GstElement *element = g_value_get_object (item);
  g_autofree gchar *own = NULL;

  if (!GST_IS_SIMCLR_TRAINER (element))
    return 1;
  own = gst_element_get_name (element);
  return name == NULL || g_str_equal (own, name) ? 0 : 1;
}

static GstElement *
find_trainer (GstObject *top, const gchar *name)
{
  g_auto (GValue) found = G_VALUE_INIT;
  GstIterator *elements;
  GstElement *trainer = NULL;

  if (!GST_IS_BIN (top))
    return NULL;
  elements = gst_bin_iterate_recurse (GST_BIN (top));
  if (gst_iterator_find_custom (elements, compare_trainer, &found, (gpointer) name))
    trainer = g_value_dup_object (&found);
  gst_iterator_free (elements);
  return trainer;
}

gboolean
_gst_simclr_plot_follow_trainer (GstSimclrPlot *self)
{
  g_autofree gchar *name = NULL;
  g_autoptr (GstObject) top = get_top (self);

  GST_OBJECT_LOCK (self);
  if (self->trainer_name != NULL && *self->trainer_name != '\0')
    name = g_strdup (self->trainer_name);
  GST_OBJECT_UNLOCK (self);
  self->trainer = find_trainer (top, name);
  if (self->trainer == NULL && name != NULL) {
    GST_ELEMENT_ERROR (self, LIBRARY, SETTINGS,
        ("trainer=\"%s\": there is no simclrtrainer of that name in the pipeline.", name), (NULL));
    return FALSE;
  }
  if (self->trainer != NULL) /* the handler outlives its element where it is being called */
    self->handler = g_signal_connect_data (self->trainer, "trained", G_CALLBACK (on_trained),
        gst_object_ref (self), (GClosureNotify) gst_object_unref, 0);
  GST_DEBUG_OBJECT (self, "curves of %" GST_PTR_FORMAT, self->trainer);
  return TRUE;
}

void
_gst_simclr_plot_leave_trainer (GstSimclrPlot *self)
{
  if (self->trainer != NULL)
    g_signal_handler_disconnect (self->trainer, self->handler);
  gst_clear_object (&self->trainer);
}
