/* The map that simclrplot draws: the embeddings of the last while, flat, with a picture of each.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrplotmap.h"

#include <math.h>
#include <string.h>

/* The time in which the view goes most of the way towards what there is to see. */
#define FOLLOW (400 * GST_MSECOND)
#define MARGIN 1.25
#define LEAST_REACH 0.01 /* of the length of an embedding; nearer is the same */

static void
clear_point (gpointer data)
{
  GstSimclrMapPoint *point = data;

  g_clear_pointer (&point->thumbnail, cairo_surface_destroy);
}

void
gst_simclr_map_init (GstSimclrMap *self)
{
  *self = (GstSimclrMap){0};
  self->projection = simclr_projection_new ();
  self->points = g_array_new (FALSE, FALSE, sizeof (GstSimclrMapPoint));
  g_array_set_clear_func (self->points, clear_point);
  self->embeddings = g_array_new (FALSE, FALSE, sizeof (gfloat));
  self->labels = g_ptr_array_new_with_free_func (g_free);
}

void
gst_simclr_map_free (GstSimclrMap *self)
{
  clear_point (&self->current);
  g_clear_pointer (&self->current_embedding, g_free);
  g_clear_object (&self->projection);
  g_clear_pointer (&self->points, g_array_unref);
  g_clear_pointer (&self->embeddings, g_array_unref);
  g_clear_pointer (&self->labels, g_ptr_array_unref);
}

void
gst_simclr_map_clear (GstSimclrMap *self)
{
  gst_simclr_map_free (self);
  gst_simclr_map_init (self);
}

static guint
get_label (GstSimclrMap *self, const gchar *label)
{
  guint index;

  if (label == NULL)
    return 0;
  if (!g_ptr_array_find_with_equal_func (self->labels, label, g_str_equal, &index)) {
    index = self->labels->len;
    g_ptr_array_add (self->labels, g_strdup (label));
  }
  return index + 1;
}

void
gst_simclr_map_set_current (GstSimclrMap *self, GstClockTime time, const gfloat *embedding,
    guint size, const gchar *label, cairo_surface_t *thumbnail)
{
  if (size != self->size) {
    gst_simclr_map_clear (self);
    self->size = size;
    self->current_embedding = g_new (gfloat, size);
  }
  clear_point (&self->current);
  memcpy (self->current_embedding, embedding, size * sizeof *embedding);
  self->current =
      (GstSimclrMapPoint){.time = time, .label = get_label (self, label), .thumbnail = thumbnail};
}

static void
drop (GstSimclrMap *self, guint count)
{
  if (count == 0)
    return;
  g_array_remove_range (self->points, 0, count);
  g_array_remove_range (self->embeddings, 0, count * self->size);
}

void
gst_simclr_map_keep_current (GstSimclrMap *self, GstClockTime window, guint most)
{
  GstSimclrMapPoint point = self->current;
  guint old = 0;

  if (self->size == 0)
    return;
  while (old < self->points->len &&
         g_array_index (self->points, GstSimclrMapPoint, old).time + window < point.time)
    old++;
  drop (self, MAX (old, self->points->len >= most ? self->points->len - most + 1 : 0));
  if (point.thumbnail != NULL)
    cairo_surface_reference (point.thumbnail);
  g_array_append_val (self->points, point);
  g_array_append_vals (self->embeddings, self->current_embedding, self->size);
}

static gboolean
place (GstSimclrMap *self, GstSimclrMapPoint *points, const gfloat *embeddings, gsize n)
{
  gsize count;
  g_autofree gfloat *places = simclr_projection_map (
      self->projection, embeddings, n * self->size, self->size, &count, NULL);

  if (places == NULL)
    return FALSE;
  for (gsize i = 0; i < n; i++) {
    points[i].x = places[2 * i];
    points[i].y = places[2 * i + 1];
  }
  return TRUE;
}

static void
follow (GstSimclrMap *self)
{
  gdouble left = self->current.x, right = left, low = self->current.y, high = low;
  GstClockTime now = self->current.time;
  gdouble passed = now > self->view_time ? (gdouble) (now - self->view_time) / FOLLOW : 0;
  gdouble share = self->has_view ? 1 - exp (-passed) : 1;

  for (guint i = 0; i < self->points->len; i++) {
    const GstSimclrMapPoint *point = &g_array_index (self->points, GstSimclrMapPoint, i);

    left = MIN (left, point->x);
    right = MAX (right, point->x);
    low = MIN (low, point->y);
    high = MAX (high, point->y);
  }
  self->view_x += share * ((left + right) / 2 - self->view_x);
  self->view_y += share * ((low + high) / 2 - self->view_y);
  self->reach_x += share * (MAX (MARGIN * (right - left) / 2, LEAST_REACH) - self->reach_x);
  self->reach_y += share * (MAX (MARGIN * (high - low) / 2, LEAST_REACH) - self->reach_y);
  self->has_view = TRUE;
  self->view_time = now;
}

gboolean
gst_simclr_map_update (GstSimclrMap *self)
{
  if (self->size == 0 || self->points->len < 2)
    return FALSE;
  if (!simclr_projection_fit (self->projection, (const gfloat *) self->embeddings->data,
          self->embeddings->len, self->size, NULL) ||
      !place (self, (GstSimclrMapPoint *) self->points->data,
          (const gfloat *) self->embeddings->data, self->points->len) ||
      !place (self, &self->current, self->current_embedding, 1))
    return FALSE;
  simclr_projection_get_shares (self->projection, &self->shares[0], &self->shares[1]);
  follow (self);
  return TRUE;
}
