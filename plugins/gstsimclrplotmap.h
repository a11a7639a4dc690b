/* The map that simclrplot draws: the embeddings of the last while, flat, with a picture of each.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <cairo.h>
#include <gst/gst.h>

#include <simclr/simclr.h>

G_BEGIN_DECLS

/* A frame on the map. */
typedef struct
{
  GstClockTime time;          /* running time */
  guint label;                /* number in the map's labels, plus 1; 0: none */
  cairo_surface_t *thumbnail; /* NULL: none */
  gdouble x, y;
  gboolean has_place; /* its thumbnail was drawn the last time */
} GstSimclrMapPoint;

typedef struct
{
  SimclrProjection *projection;
  GArray *points;     /* of GstSimclrMapPoint, oldest first */
  GArray *embeddings; /* of gfloat, (points, size) */
  GPtrArray *labels;  /* of gchar *, in the order in which they came up */
  guint size;         /* floats of an embedding; 0: none yet */

  GstSimclrMapPoint current; /* the frame of this moment; not placed where size is 0 */
  gfloat *current_embedding; /* (size) */
  gdouble shares[2];         /* of the variance, along each axis */

  /* what is seen at least: the middle, and half the width and height */
  gboolean has_view;
  GstClockTime view_time;
  gdouble view_x, view_y, reach_x, reach_y;
} GstSimclrMap;

void gst_simclr_map_init (GstSimclrMap *self);
void gst_simclr_map_clear (GstSimclrMap *self); /* as after init */
void gst_simclr_map_free (GstSimclrMap *self);  /* what init made */

/* The frame of this moment; the thumbnail, NULL for none, is taken over. Embeddings of another size clear the
 * map. label may be NULL. */
void gst_simclr_map_set_current (GstSimclrMap *self, GstClockTime time, const gfloat *embedding,
    guint size, const gchar *label, cairo_surface_t *thumbnail);
/* It stays on the map, until it is older than window or there are more than most. */
void gst_simclr_map_keep_current (GstSimclrMap *self, GstClockTime window, guint most);
/* Fits the axes, places the points, and lets the view follow them. FALSE where there is nothing to see. */
gboolean gst_simclr_map_update (GstSimclrMap *self);

G_END_DECLS
