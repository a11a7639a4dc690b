/* The curves of simclrplot, drawn: one chart above the other, over the steps.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrplotdraw-private.h"

#include <math.h>

static const GstSimclrColor warning = {0.98, 0.72, 0.25, 1};

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

/* One chart's way from numbers to pixels. */
typedef struct
{
  const GstSimclrCurves *curves;
  const Style *style;
  guint index;
  GstSimclrArea area;
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
draw_value_axis (const GstSimclrCanvas *canvas, const Chart *self)
{
  gdouble distance = _gst_simclr_tick_distance (self->high - self->low, 2.5);

  for (gdouble value = ceil (self->low / distance - 1e-9) * distance;
       value <= self->high + 1e-9 * distance; value += distance) {
    g_autofree gchar *text = _gst_simclr_format_number (value);
    gdouble y = chart_y (self, value);

    _gst_simclr_canvas_line (canvas, self->area.x, y, self->area.x + self->area.width, y);
    _gst_simclr_canvas_text (
        canvas, text, 0.8, FALSE, GST_SIMCLR_RIGHT, self->area.x - 0.4 * canvas->em, y, 0, &muted);
  }
}

static void
draw_step_axis (const GstSimclrCanvas *canvas, const Chart *self, gboolean labelled)
{
  gdouble distance = MAX (_gst_simclr_tick_distance (MAX (self->last - self->first, 1), 4), 1);
  gdouble bottom = self->area.y + self->area.height;

  for (gdouble step = ceil (self->first / distance) * distance; step <= self->last;
       step += distance) {
    g_autofree gchar *text = _gst_simclr_format_number (step);
    gdouble x = chart_x (self, step);

    _gst_simclr_canvas_line (canvas, x, self->area.y, x, bottom);
    if (labelled)
      _gst_simclr_canvas_text (
          canvas, text, 0.8, FALSE, GST_SIMCLR_CENTER, x, bottom + 0.8 * canvas->em, 0, &muted);
  }
  if (labelled)
    _gst_simclr_canvas_text (canvas, "step", 0.85, FALSE, GST_SIMCLR_CENTER,
        self->area.x + self->area.width / 2, bottom + 1.9 * canvas->em, 0, &muted);
}

/* The points themselves, or for weight < 1 their exponential mean without start-up bias. */
static void
trace (const GstSimclrCanvas *canvas, const Chart *self, gdouble weight)
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
draw_chart_title (const GstSimclrCanvas *canvas, const Chart *self)
{
  gdouble value = self->style->scale * self->curves->last[self->index], x = self->area.x,
          y = self->area.y - 0.75 * canvas->em;
  g_autofree gchar *number = isfinite (value)
                                 ? g_strdup_printf ("%.*f", (int) self->style->decimals, value)
                                 : g_strdup ("–");
  g_autofree gchar *unit = g_strdup_printf ("(%s)", self->style->unit);

  x += _gst_simclr_canvas_text (
      canvas, self->style->title, 0.95, FALSE, GST_SIMCLR_LEFT, x, y, 0, &white);
  _gst_simclr_canvas_text (
      canvas, unit, 0.8, FALSE, GST_SIMCLR_LEFT, x + 0.4 * canvas->em, y, 0, &muted);
  if (self->curves->step > 0)
    _gst_simclr_canvas_text (canvas, number, 1.1, TRUE, GST_SIMCLR_RIGHT,
        self->area.x + self->area.width, y, 0, &self->style->color);
}

static void
draw_chart (const GstSimclrCanvas *canvas, Chart *self, gboolean lowest)
{
  GstSimclrColor faint = self->style->color;

  _gst_simclr_canvas_frame (canvas, &self->area);
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
draw_head (const GstSimclrCanvas *canvas, const GstSimclrCurves *curves, const GstSimclrArea *area)
{
  gdouble y = area->y + 0.5 * canvas->em;
  const gchar *trouble = curves->collapsed ? "collapsed" : curves->diverging ? "diverging" : NULL;
  g_autofree gchar *step = g_strdup_printf ("step %" G_GUINT64_FORMAT, curves->step);
  g_autofree gchar *rate =
      g_strdup_printf ("%.0f pairs/s, lr %.2g", curves->pairs_per_second, curves->learning_rate);
  gdouble used;

  if (curves->step == 0) {
    _gst_simclr_canvas_text (
        canvas, "waiting for the first step", 1, FALSE, GST_SIMCLR_LEFT, area->x, y, 0, &muted);
    return;
  }
  used = _gst_simclr_canvas_text (canvas, step, 1.1, TRUE, GST_SIMCLR_LEFT, area->x, y, 0, &white) +
         canvas->em;
  _gst_simclr_canvas_text (canvas, trouble != NULL ? trouble : rate, trouble != NULL ? 1.1 : 0.85,
      trouble != NULL, GST_SIMCLR_LEFT, area->x + used, y, area->width - used,
      trouble != NULL ? &warning : &muted);
}

void
_gst_simclr_canvas_curves (
    const GstSimclrCanvas *canvas, const GstSimclrCurves *curves, const GstSimclrArea *area)
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
