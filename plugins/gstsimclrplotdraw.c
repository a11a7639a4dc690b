/* The picture that simclrplot makes of its curves and its map.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrplotdraw.h"

#include <math.h>

#include "gstsimclrdrawing.h"

typedef struct
{
  gdouble x, y, width, height;
} Area;

typedef enum
{
  LEFT,
  CENTER,
  RIGHT,
} Align;

static const GstSimclrColor background = {0.07, 0.08, 0.10, 1}, paper = {0.11, 0.12, 0.15, 1},
                            white = {1, 1, 1, 1}, muted = {0.72, 0.75, 0.80, 1},
                            grid = {1, 1, 1, 0.10}, warning = {0.98, 0.72, 0.25, 1},
                            old_point = {0.30, 0.38, 0.55, 1}, new_point = {0.35, 0.85, 0.72, 1};

static const GstSimclrColor palette[] = {{0.35, 0.85, 0.72, 1}, {0.98, 0.60, 0.36, 1},
    {0.52, 0.68, 1, 1}, {0.95, 0.52, 0.72, 1}, {0.98, 0.85, 0.37, 1}, {0.70, 0.60, 0.95, 1},
    {0.62, 0.85, 0.40, 1}, {0.50, 0.82, 0.95, 1}};

typedef struct
{
  const gchar *title, *unit;
  gdouble scale; /* of the field, to the unit */
  gboolean from_zero;
  gdouble least_top;
  guint decimals;
  GstSimclrColor color;
} Style;

static const Style styles[GST_SIMCLR_CURVES] = {
    {"loss", "nats", 1, FALSE, 0, 2, {0.52, 0.68, 1, 1}},
    {"finds the other view", "%", 100, TRUE, 105, 0, {0.35, 0.85, 0.72, 1}},
    {"effective rank", "dimensions", 1, TRUE, 1, 1, {0.98, 0.60, 0.36, 1}},
    {"spread", "1 = even", 1, TRUE, 1.08, 2, {0.95, 0.52, 0.72, 1}},
};

typedef struct
{
  cairo_t *cr;
  gdouble em; /* size of the text */
} Canvas;

/* A line whose letters' middle is at y; returns its width. */
static gdouble
draw_text (const Canvas *self, const gchar *text, gdouble size, gboolean bold, Align align,
    gdouble x, gdouble y, gdouble room, const GstSimclrColor *color)
{
  g_autoptr (PangoLayout) layout =
      gst_simclr_line_new (self->cr, text, NULL, size * self->em, bold);
  gint width, baseline;

  pango_layout_get_size (layout, &width, NULL);
  if (room > 0 && width > room * PANGO_SCALE) {
    pango_layout_set_ellipsize (layout, PANGO_ELLIPSIZE_END);
    pango_layout_set_width (layout, (gint) (room * PANGO_SCALE));
    width = (gint) (room * PANGO_SCALE);
  }
  baseline = pango_layout_get_baseline (layout);
  gst_simclr_set_color (self->cr, color);
  cairo_move_to (self->cr,
      x - (align == LEFT       ? 0
              : align == RIGHT ? 1
                               : 0.5) *
              width / PANGO_SCALE,
      y + 0.36 * size * self->em - (gdouble) baseline / PANGO_SCALE);
  pango_cairo_show_layout (self->cr, layout);
  return (gdouble) width / PANGO_SCALE;
}

/* A round number near range / parts. */
static gdouble
tick_distance (gdouble range, gdouble parts)
{
  gdouble rough = range / parts, power = pow (10, floor (log10 (rough)));

  return power * (rough < 1.5 * power ? 1 : rough < 3.5 * power ? 2 : rough < 7.5 * power ? 5 : 10);
}

static gchar *
format_number (gdouble number)
{
  if (fabs (number) >= 1e6)
    return g_strdup_printf ("%gM", number / 1e6);
  if (fabs (number) >= 1e4)
    return g_strdup_printf ("%gk", number / 1e3);
  return g_strdup_printf ("%g", fabs (number) < 1e-9 ? 0 : number);
}

static void
draw_frame (const Canvas *self, const Area *area)
{
  cairo_rectangle (self->cr, area->x, area->y, area->width, area->height);
  gst_simclr_set_color (self->cr, &paper);
  cairo_fill (self->cr);
}

static void
draw_line (const Canvas *self, gdouble x0, gdouble y0, gdouble x1, gdouble y1)
{
  cairo_move_to (self->cr, x0, y0);
  cairo_line_to (self->cr, x1, y1);
  cairo_set_line_width (self->cr, 1);
  gst_simclr_set_color (self->cr, &grid);
  cairo_stroke (self->cr);
}

/* One chart's way from numbers to pixels. */
typedef struct
{
  const GstSimclrCurves *curves;
  const Style *style;
  guint index;
  Area area;
  gdouble first, last; /* steps */
  gdouble low, high;
} Chart;

static gboolean
find_range (Chart *self)
{
  gdouble low = G_MAXDOUBLE, high = -G_MAXDOUBLE, margin;

  for (guint i = 0; i < self->curves->n; i++) {
    gdouble value = self->style->scale * self->curves->points[i].values[self->index];

    if (isfinite (value)) {
      low = MIN (low, value);
      high = MAX (high, value);
    }
  }
  if (low > high)
    return FALSE;
  margin = MAX (0.08 * (high - low), 1e-3 * MAX (fabs (high), 1));
  self->low = self->style->from_zero ? 0 : low - margin;
  self->high = self->style->from_zero ? MAX (high + margin, self->style->least_top) : high + margin;
  return TRUE;
}

static gdouble
chart_x (const Chart *self, gdouble step)
{
  return self->area.x + self->area.width * (step - self->first) / MAX (self->last - self->first, 1);
}

static gdouble
chart_y (const Chart *self, gdouble value)
{
  return self->area.y + self->area.height * (self->high - value) / (self->high - self->low);
}

static void
draw_value_axis (const Canvas *canvas, const Chart *self)
{
  gdouble distance = tick_distance (self->high - self->low, 2.5);

  for (gdouble value = ceil (self->low / distance - 1e-9) * distance;
       value <= self->high + 1e-9 * distance; value += distance) {
    g_autofree gchar *text = format_number (value);
    gdouble y = chart_y (self, value);

    draw_line (canvas, self->area.x, y, self->area.x + self->area.width, y);
    draw_text (canvas, text, 0.8, FALSE, RIGHT, self->area.x - 0.4 * canvas->em, y, 0, &muted);
  }
}

static void
draw_step_axis (const Canvas *canvas, const Chart *self, gboolean labelled)
{
  gdouble distance = MAX (tick_distance (MAX (self->last - self->first, 1), 4), 1);
  gdouble bottom = self->area.y + self->area.height;

  for (gdouble step = ceil (self->first / distance) * distance; step <= self->last;
       step += distance) {
    g_autofree gchar *text = format_number (step);
    gdouble x = chart_x (self, step);

    draw_line (canvas, x, self->area.y, x, bottom);
    if (labelled)
      draw_text (canvas, text, 0.8, FALSE, CENTER, x, bottom + 0.8 * canvas->em, 0, &muted);
  }
  if (labelled)
    draw_text (canvas, "step", 0.85, FALSE, CENTER, self->area.x + self->area.width / 2,
        bottom + 1.9 * canvas->em, 0, &muted);
}

/* The points themselves, or for weight < 1 their exponential mean without start-up bias. */
static void
trace (const Canvas *canvas, const Chart *self, gdouble weight)
{
  gdouble sum = 0, weights = 0;

  cairo_new_path (canvas->cr);
  for (guint i = 0; i < self->curves->n; i++) {
    const GstSimclrCurvePoint *point = &self->curves->points[i];
    gdouble value = self->style->scale * point->values[self->index];

    if (!isfinite (value))
      continue;
    sum = (1 - weight) * sum + weight * value;
    weights = (1 - weight) * weights + weight;
    cairo_line_to (canvas->cr, chart_x (self, point->step), chart_y (self, sum / weights));
  }
  cairo_stroke (canvas->cr);
}

static void
draw_chart_title (const Canvas *canvas, const Chart *self)
{
  gdouble value = self->style->scale * self->curves->last[self->index], x = self->area.x,
          y = self->area.y - 0.75 * canvas->em;
  g_autofree gchar *number = isfinite (value)
                                 ? g_strdup_printf ("%.*f", (int) self->style->decimals, value)
                                 : g_strdup ("–");
  g_autofree gchar *unit = g_strdup_printf ("(%s)", self->style->unit);

  x += draw_text (canvas, self->style->title, 0.95, FALSE, LEFT, x, y, 0, &white);
  draw_text (canvas, unit, 0.8, FALSE, LEFT, x + 0.4 * canvas->em, y, 0, &muted);
  if (self->curves->step > 0)
    draw_text (canvas, number, 1.1, TRUE, RIGHT, self->area.x + self->area.width, y, 0,
        &self->style->color);
}

static void
draw_chart (const Canvas *canvas, Chart *self, gboolean lowest)
{
  GstSimclrColor faint = self->style->color;

  draw_frame (canvas, &self->area);
  draw_chart_title (canvas, self);
  if (!find_range (self))
    return;
  draw_value_axis (canvas, self);
  draw_step_axis (canvas, self, lowest);
  cairo_save (canvas->cr);
  cairo_rectangle (canvas->cr, self->area.x, self->area.y, self->area.width + 2, self->area.height);
  cairo_clip (canvas->cr);
  faint.alpha = 0.35;
  cairo_set_line_join (canvas->cr, CAIRO_LINE_JOIN_ROUND);
  gst_simclr_set_color (canvas->cr, &faint);
  trace (canvas, self, 1);
  cairo_set_line_width (canvas->cr, MAX (canvas->em / 7, 1.5));
  gst_simclr_set_color (canvas->cr, &self->style->color);
  trace (canvas, self, 0.1);
  cairo_restore (canvas->cr);
}

static void
draw_head (const Canvas *canvas, const GstSimclrCurves *curves, const Area *area)
{
  gdouble y = area->y + 0.5 * canvas->em;
  const gchar *trouble = curves->collapsed ? "collapsed" : curves->diverging ? "diverging" : NULL;
  g_autofree gchar *step = g_strdup_printf ("step %" G_GUINT64_FORMAT, curves->step);
  g_autofree gchar *rate =
      g_strdup_printf ("%.0f pairs/s, lr %.2g", curves->pairs_per_second, curves->learning_rate);
  gdouble used;

  if (curves->step == 0) {
    draw_text (canvas, "waiting for the first step", 1, FALSE, LEFT, area->x, y, 0, &muted);
    return;
  }
  used = draw_text (canvas, step, 1.1, TRUE, LEFT, area->x, y, 0, &white) + canvas->em;
  draw_text (canvas, trouble != NULL ? trouble : rate, trouble != NULL ? 1.1 : 0.85,
      trouble != NULL, LEFT, area->x + used, y, area->width - used,
      trouble != NULL ? &warning : &muted);
}

static void
draw_curves (const Canvas *canvas, const GstSimclrCurves *curves, const Area *area)
{
  gdouble em = canvas->em, left = 2.6 * em, head = 1.4 * em, title = 1.75 * em, foot = 2.4 * em;
  gdouble height = (area->height - head - foot) / GST_SIMCLR_CURVES - title;

  draw_head (canvas, curves, area);
  for (guint k = 0; k < GST_SIMCLR_CURVES; k++) {
    Chart chart = {.curves = curves,
        .style = &styles[k],
        .index = k,
        .area = {area->x + left, area->y + head + title + k * (height + title), area->width - left,
            height}};

    if (height < em)
      return;
    if (curves->n > 0) {
      chart.first = curves->points[0].step - curves->span;
      chart.last = curves->points[curves->n - 1].step;
    }
    draw_chart (canvas, &chart, k == GST_SIMCLR_CURVES - 1);
  }
}

/* The map's way from coordinates to pixels; one scale for both axes. */
typedef struct
{
  GstSimclrMap *map;
  Area area;
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
draw_map_axes (const Canvas *canvas, const MapView *self)
{
  const Area *area = &self->area;
  gdouble em = canvas->em, half_width = area->width / 2 / self->scale,
          half_height = area->height / 2 / self->scale;
  gdouble distance = tick_distance (2 * MIN (half_width, half_height), 4);
  gdouble bottom = area->y + area->height;

  for (gdouble x = ceil ((self->map->view_x - half_width) / distance) * distance;
       x <= self->map->view_x + half_width; x += distance) {
    g_autofree gchar *text = format_number (x);

    draw_line (canvas, map_x (self, x), area->y, map_x (self, x), bottom);
    draw_text (canvas, text, 0.8, FALSE, CENTER, map_x (self, x), bottom + 0.8 * em, 0, &muted);
  }
  for (gdouble y = ceil ((self->map->view_y - half_height) / distance) * distance;
       y <= self->map->view_y + half_height; y += distance) {
    g_autofree gchar *text = format_number (y);

    draw_line (canvas, area->x, map_y (self, y), area->x + area->width, map_y (self, y));
    draw_text (canvas, text, 0.8, FALSE, RIGHT, area->x - 0.4 * em, map_y (self, y), 0, &muted);
  }
}

static void
draw_axis_names (const Canvas *canvas, const MapView *self)
{
  const Area *area = &self->area;
  g_autofree gchar *first = g_strdup_printf (
      "axis 1 (embedding lengths): %.0f %% of variance", 100 * self->map->shares[0]);
  g_autofree gchar *second = g_strdup_printf (
      "axis 2 (embedding lengths): %.0f %% of variance", 100 * self->map->shares[1]);

  draw_text (canvas, first, 0.85, FALSE, CENTER, area->x + area->width / 2,
      area->y + area->height + 1.9 * canvas->em, area->width, &muted);
  cairo_save (canvas->cr);
  cairo_translate (canvas->cr, area->x - 3.2 * canvas->em, area->y + area->height / 2);
  cairo_rotate (canvas->cr, -G_PI / 2);
  draw_text (canvas, second, 0.85, FALSE, CENTER, 0, 0, area->height, &muted);
  cairo_restore (canvas->cr);
}

static void
draw_dots (const Canvas *canvas, const MapView *self)
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

static Area
get_thumb_area (const MapView *self, const GstSimclrMapPoint *point)
{
  gdouble width = cairo_image_surface_get_width (point->thumbnail),
          height = cairo_image_surface_get_height (point->thumbnail);
  gdouble factor = MIN (self->thumb_height / height, 2 * self->thumb_height / width);

  return (Area){map_x (self, point->x) - factor * width / 2,
      map_y (self, point->y) - factor * height / 2, factor * width, factor * height};
}

static void
draw_thumb (const Canvas *canvas, const MapView *self, const GstSimclrMapPoint *point,
    const GstSimclrColor *color, gdouble border)
{
  Area area = get_thumb_area (self, point);
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
overlaps (const Area *a, const Area *b, gdouble gap)
{
  return a->x < b->x + b->width + gap && b->x < a->x + a->width + gap &&
         a->y < b->y + b->height + gap && b->y < a->y + a->height + gap;
}

static gboolean
is_inside (const Area *area, const Area *room)
{
  return area->x >= room->x && area->y >= room->y &&
         area->x + area->width <= room->x + room->width &&
         area->y + area->height <= room->y + room->height;
}

/* One after the other, where there is room. Those that had a place keep it if they can, so that pictures do
 * not come and go; then the newest. */
static void
draw_thumbs (const Canvas *canvas, const MapView *self)
{
  GArray *points = self->map->points;
  g_autoptr (GArray) taken = g_array_new (FALSE, FALSE, sizeof (Area));

  for (guint pass = 0; pass < 2; pass++) {
    for (guint i = points->len; i-- > 0;) {
      GstSimclrMapPoint *point = &g_array_index (points, GstSimclrMapPoint, i);
      gboolean had = point->has_place, fits;
      GstSimclrColor color;
      Area area;

      if (point->thumbnail == NULL || had != (pass == 0))
        continue;
      area = get_thumb_area (self, point);
      fits = is_inside (&area, &self->area);
      for (guint k = 0; fits && k < taken->len; k++)
        fits = !overlaps (&area, &g_array_index (taken, Area, k), 0.2 * canvas->em);
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
draw_current (const Canvas *canvas, const MapView *self)
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
draw_legend (const Canvas *canvas, const MapView *self)
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
    draw_text (canvas, labels->pdata[i], 0.9, FALSE, LEFT, x + 0.8 * em, y, 10 * em, &white);
  }
}

static void
draw_map (const Canvas *canvas, const GstSimclrPlotContent *content, const Area *whole)
{
  gdouble em = canvas->em, left = 3.9 * em, head = 1.4 * em, foot = 2.4 * em;
  MapView self = {.map = content->map,
      .area = {whole->x + left, whole->y + head, whole->width - left, whole->height - head - foot}};
  g_autofree gchar *title = g_strdup_printf ("map of %u frames, the last %.0f s",
      content->map->points->len, (gdouble) content->window / GST_SECOND);

  if (self.area.width < em || self.area.height < em)
    return;
  draw_frame (canvas, &self.area);
  draw_text (
      canvas, title, 0.95, FALSE, LEFT, self.area.x, whole->y + 0.5 * em, self.area.width, &white);
  if (!content->has_map) {
    draw_text (canvas, "waiting for embeddings", 1, FALSE, CENTER,
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

void
gst_simclr_plot_draw (cairo_t *cr, gint width, gint height, const GstSimclrPlotContent *content)
{
  Canvas canvas = {.cr = cr, .em = MAX (MIN (height / 36.0, width / 48.0), 6)};
  gdouble pad = canvas.em, middle = content->curves == NULL ? 0 : content->map == NULL ? 1 : 0.42;
  Area area = {pad, pad, width - 2 * pad, height - 1.4 * pad};

  gst_simclr_set_color (cr, &background);
  cairo_paint (cr);
  if (content->curves != NULL) {
    Area curves = area;

    curves.width = middle * area.width - (content->map != NULL ? pad / 2 : 0);
    draw_curves (&canvas, content->curves, &curves);
  }
  if (content->map != NULL) {
    Area map = area;

    map.x += middle * area.width + (content->curves != NULL ? pad / 2 : 0);
    map.width = (1 - middle) * area.width - (content->curves != NULL ? pad / 2 : 0);
    draw_map (&canvas, content, &map);
  }
}
