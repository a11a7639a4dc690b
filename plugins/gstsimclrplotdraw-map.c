/* The map of simclrplot, drawn: axes, points, their thumbnails where there is room, and the legend.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrplotdraw-private.h"

#include <math.h>

static const GstSimclrColor old_point = {0.30, 0.38, 0.55, 1}, new_point = {0.35, 0.85, 0.72, 1};

static const GstSimclrColor palette[] = {{0.35, 0.85, 0.72, 1}, {0.98, 0.60, 0.36, 1},
    {0.52, 0.68, 1, 1}, {0.95, 0.52, 0.72, 1}, {0.98, 0.85, 0.37, 1}, {0.70, 0.60, 0.95, 1},
    {0.62, 0.85, 0.40, 1}, {0.50, 0.82, 0.95, 1}};

/* The map's way from coordinates to pixels; one scale for both axes. */
typedef struct
{
  GstSimclrMap *map;
  GstSimclrArea area;
  gdouble scale;        /* pixels for 1 */
  gdouble thumb_height; /* pixels */
} MapView;

static gdouble
map_x (const MapView *self, gdouble x)
{
  return self->area.x + self->area.width / 2 + (x - self->map->view_x) * self->scale;
}

static gdouble
map_y (const MapView *self, gdouble y)
{
  return self->area.y + self->area.height / 2 - (y - self->map->view_y) * self->scale;
}

static GstSimclrColor
get_point_color (const MapView *self, const GstSimclrMapPoint *point, gdouble age)
{
  if (point->label > 0)
    return g_str_equal (self->map->labels->pdata[point->label - 1], "unknown")
               ? muted
               : palette[(point->label - 1) % G_N_ELEMENTS (palette)];
  return (GstSimclrColor){(1 - age) * new_point.red + age * old_point.red,
      (1 - age) * new_point.green + age * old_point.green,
      (1 - age) * new_point.blue + age * old_point.blue, 1};
}

static void
draw_map_axes (const GstSimclrCanvas *canvas, const MapView *self)
{
  const GstSimclrArea *area = &self->area;
  gdouble em = canvas->em, half_width = area->width / 2 / self->scale,
          half_height = area->height / 2 / self->scale;
  gdouble distance = _gst_simclr_tick_distance (2 * MIN (half_width, half_height), 4);
  gdouble bottom = area->y + area->height;

  for (gdouble x = ceil ((self->map->view_x - half_width) / distance) * distance;
       x <= self->map->view_x + half_width; x += distance) {
    g_autofree gchar *text = _gst_simclr_format_number (x);

    _gst_simclr_canvas_line (canvas, map_x (self, x), area->y, map_x (self, x), bottom);
    _gst_simclr_canvas_text (
        canvas, text, 0.8, FALSE, GST_SIMCLR_CENTER, map_x (self, x), bottom + 0.8 * em, 0, &muted);
  }
  for (gdouble y = ceil ((self->map->view_y - half_height) / distance) * distance;
       y <= self->map->view_y + half_height; y += distance) {
    g_autofree gchar *text = _gst_simclr_format_number (y);

    _gst_simclr_canvas_line (
        canvas, area->x, map_y (self, y), area->x + area->width, map_y (self, y));
    _gst_simclr_canvas_text (
        canvas, text, 0.8, FALSE, GST_SIMCLR_RIGHT, area->x - 0.4 * em, map_y (self, y), 0, &muted);
  }
}

static void
draw_axis_names (const GstSimclrCanvas *canvas, const MapView *self)
{
  const GstSimclrArea *area = &self->area;
  g_autofree gchar *first = g_strdup_printf (
      "axis 1 (embedding lengths): %.0f %% of variance", 100 * self->map->shares[0]);
  g_autofree gchar *second = g_strdup_printf (
      "axis 2 (embedding lengths): %.0f %% of variance", 100 * self->map->shares[1]);

  _gst_simclr_canvas_text (canvas, first, 0.85, FALSE, GST_SIMCLR_CENTER, area->x + area->width / 2,
      area->y + area->height + 1.9 * canvas->em, area->width, &muted);
  cairo_save (canvas->cr);
  cairo_translate (canvas->cr, area->x - 3.2 * canvas->em, area->y + area->height / 2);
  cairo_rotate (canvas->cr, -G_PI / 2);
  _gst_simclr_canvas_text (
      canvas, second, 0.85, FALSE, GST_SIMCLR_CENTER, 0, 0, area->height, &muted);
  cairo_restore (canvas->cr);
}

static void
draw_dots (const GstSimclrCanvas *canvas, const MapView *self)
{
  GArray *points = self->map->points;

  for (guint i = 0; i < points->len; i++) {
    const GstSimclrMapPoint *point = &g_array_index (points, GstSimclrMapPoint, i);
    GstSimclrColor color = get_point_color (self, point, 1 - (gdouble) (i + 1) / points->len);

    cairo_arc (canvas->cr, map_x (self, point->x), map_y (self, point->y),
        MAX (0.22 * canvas->em, 2), 0, 2 * G_PI);
    gst_simclr_set_color (canvas->cr, &color);
    cairo_fill (canvas->cr);
  }
}

static GstSimclrArea
get_thumb_area (const MapView *self, const GstSimclrMapPoint *point)
{
  gdouble width = cairo_image_surface_get_width (point->thumbnail),
          height = cairo_image_surface_get_height (point->thumbnail);
  gdouble factor = MIN (self->thumb_height / height, 2 * self->thumb_height / width);

  return (GstSimclrArea){map_x (self, point->x) - factor * width / 2,
      map_y (self, point->y) - factor * height / 2, factor * width, factor * height};
}

static void
draw_thumb (const GstSimclrCanvas *canvas, const MapView *self, const GstSimclrMapPoint *point,
    const GstSimclrColor *color, gdouble border)
{
  GstSimclrArea area = get_thumb_area (self, point);
  cairo_t *cr = canvas->cr;

  cairo_save (cr);
  gst_simclr_round_rectangle (cr, area.x, area.y, area.width, area.height, 0.25 * canvas->em);
  cairo_clip_preserve (cr);
  cairo_translate (cr, area.x, area.y);
  cairo_scale (cr, area.width / cairo_image_surface_get_width (point->thumbnail),
      area.height / cairo_image_surface_get_height (point->thumbnail));
  cairo_set_source_surface (cr, point->thumbnail, 0, 0);
  cairo_pattern_set_extend (cairo_get_source (cr), CAIRO_EXTEND_PAD);
  cairo_paint (cr);
  cairo_restore (cr);
  gst_simclr_round_rectangle (cr, area.x, area.y, area.width, area.height, 0.25 * canvas->em);
  cairo_set_line_width (cr, border);
  gst_simclr_set_color (cr, color);
  cairo_stroke (cr);
}

static gboolean
overlaps (const GstSimclrArea *a, const GstSimclrArea *b, gdouble gap)
{
  return a->x < b->x + b->width + gap && b->x < a->x + a->width + gap &&
         a->y < b->y + b->height + gap && b->y < a->y + a->height + gap;
}

static gboolean
is_inside (const GstSimclrArea *area, const GstSimclrArea *room)
{
  return area->x >= room->x && area->y >= room->y &&
         area->x + area->width <= room->x + room->width &&
         area->y + area->height <= room->y + room->height;
}

/* One after the other, where there is room. Those that had a place keep it if they can, so that pictures do
 * not come and go; then the newest. */
static void
draw_thumbs (const GstSimclrCanvas *canvas, const MapView *self)
{
  GArray *points = self->map->points;
  g_autoptr (GArray) taken = g_array_new (FALSE, FALSE, sizeof (GstSimclrArea));

  for (guint pass = 0; pass < 2; pass++) {
    for (guint i = points->len; i-- > 0;) {
      GstSimclrMapPoint *point = &g_array_index (points, GstSimclrMapPoint, i);
      gboolean had = point->has_place, fits;
      GstSimclrColor color;
      GstSimclrArea area;

      if (point->thumbnail == NULL || had != (pass == 0))
        continue;
      area = get_thumb_area (self, point);
      fits = is_inside (&area, &self->area);
      for (guint k = 0; fits && k < taken->len; k++)
        fits = !overlaps (&area, &g_array_index (taken, GstSimclrArea, k), 0.2 * canvas->em);
      /* a second look in the same picture is not needed: what lost its place is free for others */
      point->has_place = fits;
      if (!fits)
        continue;
      g_array_append_val (taken, area);
      color = get_point_color (self, point, 1 - (gdouble) (i + 1) / points->len);
      draw_thumb (canvas, self, point, &color, MAX (0.1 * canvas->em, 1));
    }
  }
}

static void
draw_current (const GstSimclrCanvas *canvas, const MapView *self)
{
  const GstSimclrMapPoint *point = &self->map->current;

  if (point->thumbnail != NULL) {
    draw_thumb (canvas, self, point, &white, MAX (0.22 * canvas->em, 2));
    return;
  }
  cairo_arc (
      canvas->cr, map_x (self, point->x), map_y (self, point->y), 0.5 * canvas->em, 0, 2 * G_PI);
  cairo_set_line_width (canvas->cr, MAX (0.2 * canvas->em, 2));
  gst_simclr_set_color (canvas->cr, &white);
  cairo_stroke (canvas->cr);
}

static void
draw_legend (const GstSimclrCanvas *canvas, const MapView *self)
{
  GPtrArray *labels = self->map->labels;
  guint n = MIN (labels->len, G_N_ELEMENTS (palette));
  gdouble em = canvas->em, y = self->area.y + 0.9 * em, x = self->area.x + 0.9 * em;

  for (guint i = 0; i < n; i++, y += 1.25 * em) {
    GstSimclrMapPoint point = {.label = i + 1};
    GstSimclrColor color = get_point_color (self, &point, 0);

    cairo_arc (canvas->cr, x, y, 0.32 * em, 0, 2 * G_PI);
    gst_simclr_set_color (canvas->cr, &color);
    cairo_fill (canvas->cr);
    _gst_simclr_canvas_text (
        canvas, labels->pdata[i], 0.9, FALSE, GST_SIMCLR_LEFT, x + 0.8 * em, y, 10 * em, &white);
  }
}

void
_gst_simclr_canvas_map (
    const GstSimclrCanvas *canvas, const GstSimclrPlotContent *content, const GstSimclrArea *whole)
{
  gdouble em = canvas->em, left = 3.9 * em, head = 1.4 * em, foot = 2.4 * em;
  MapView self = {.map = content->map,
      .area = {whole->x + left, whole->y + head, whole->width - left, whole->height - head - foot}};
  g_autofree gchar *title = g_strdup_printf ("map of %u frames, the last %.0f s",
      content->map->points->len, (gdouble) content->window / GST_SECOND);

  if (self.area.width < em || self.area.height < em)
    return;
  _gst_simclr_canvas_frame (canvas, &self.area);
  _gst_simclr_canvas_text (canvas, title, 0.95, FALSE, GST_SIMCLR_LEFT, self.area.x,
      whole->y + 0.5 * em, self.area.width, &white);
  if (!content->has_map) {
    _gst_simclr_canvas_text (canvas, "waiting for embeddings", 1, FALSE, GST_SIMCLR_CENTER,
        self.area.x + self.area.width / 2, self.area.y + self.area.height / 2, 0, &muted);
    return;
  }
  self.scale = MIN (
      self.area.width / 2 / content->map->reach_x, self.area.height / 2 / content->map->reach_y);
  self.thumb_height = MIN (self.area.width, self.area.height) / 10;
  draw_map_axes (canvas, &self);
  draw_axis_names (canvas, &self);
  cairo_save (canvas->cr);
  cairo_rectangle (canvas->cr, self.area.x, self.area.y, self.area.width, self.area.height);
  cairo_clip (canvas->cr);
  draw_dots (canvas, &self);
  draw_thumbs (canvas, &self);
  draw_current (canvas, &self);
  draw_legend (canvas, &self);
  cairo_restore (canvas->cr);
}
