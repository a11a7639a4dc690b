/* Ending one branch of a tee without ending the others.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrbranch.h"

/* Far more elements than any pipeline has in a row; ends a walk in circles. */
#define DEPTH_LIMIT 200

#define CUT_KEY "simclr-cut"

static GMutex lock; /* two branches of a tee may end at the same time */

static gboolean
is_tee (GstElement *element)
{
  GstElementFactory *factory = gst_element_get_factory (element);

  return factory != NULL && g_str_equal (GST_OBJECT_NAME (factory), "tee");
}

/* Linked source pads beside this one that still pass data. */
static guint
count_others (GstElement *tee, GstPad *pad)
{
  guint n = 0;

  GST_OBJECT_LOCK (tee);
  for (GList *item = tee->srcpads; item != NULL; item = item->next) {
    GstPad *other = item->data;

    if (other != pad && gst_pad_is_linked (other) &&
        g_object_get_data (G_OBJECT (other), CUT_KEY) == NULL)
      n++;
  }
  GST_OBJECT_UNLOCK (tee);
  return n;
}

static GstPad *find_tee_pad (GstPad *sinkpad, guint depth);

static GstPad *
find_above (GstPad *srcpad, guint depth)
{
  g_autoptr (GstIterator) links = gst_pad_iterate_internal_links (srcpad);
  GstPad *found = NULL;
  gboolean done = links == NULL;
  g_auto (GValue) item = G_VALUE_INIT;

  while (!done && found == NULL) {
    switch (gst_iterator_next (links, &item)) {
    case GST_ITERATOR_OK:
      found = find_tee_pad (g_value_get_object (&item), depth + 1);
      g_value_reset (&item);
      break;
    case GST_ITERATOR_RESYNC:
      gst_iterator_resync (links);
      break;
    default:
      done = TRUE;
    }
  }
  return found;
}

/* The nearest tee's pad above a sink pad, through ghost pads and whatever stands between. */
static GstPad *
find_tee_pad (GstPad *sinkpad, guint depth)
{
  g_autoptr (GstPad) srcpad = gst_pad_get_peer (sinkpad);
  g_autoptr (GstElement) element = NULL;

  if (srcpad == NULL || depth > DEPTH_LIMIT)
    return NULL;
  element = gst_pad_get_parent_element (srcpad);
  if (element != NULL && is_tee (element))
    return g_steal_pointer (&srcpad);
  return find_above (srcpad, depth);
}

static GstPadProbeReturn
drop (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  return GST_PAD_PROBE_DROP;
}

gboolean
gst_simclr_branch_cut (GstSimclrBranch *self, GstPad *sinkpad)
{
  g_autoptr (GstPad) pad = find_tee_pad (sinkpad, 0);
  g_autoptr (GstElement) tee = pad != NULL ? gst_pad_get_parent_element (pad) : NULL;
  gboolean others = FALSE;

  g_return_val_if_fail (self->pad == NULL, FALSE);
  if (tee == NULL)
    return FALSE;
  g_mutex_lock (&lock);
  others = count_others (tee, pad) > 0;
  if (others)
    g_object_set_data (G_OBJECT (pad), CUT_KEY, GINT_TO_POINTER (TRUE));
  g_mutex_unlock (&lock);
  if (!others)
    return FALSE;
  self->probe = gst_pad_add_probe (
      pad, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST, drop, NULL, NULL);
  self->pad = g_steal_pointer (&pad);
  return TRUE;
}

void
gst_simclr_branch_restore (GstSimclrBranch *self)
{
  if (self->pad == NULL)
    return;
  gst_pad_remove_probe (self->pad, self->probe);
  g_object_set_data (G_OBJECT (self->pad), CUT_KEY, NULL);
  gst_clear_object (&self->pad);
}
