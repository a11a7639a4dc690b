/* The picture of simclrplot: where curves and map stand, and what both are drawn with.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrplotdraw-private.h"

#include <math.h>

static const GstSimclrColor background = {0.07, 0.08, 0.10, 1}, paper = {0.11, 0.12, 0.15, 1},
                            grid = {1, 1, 1, 0.10};

gdouble
_gst_simclr_canvas_text (const GstSimclrCanvas *self, const gchar *text, gdouble size,
    gboolean bold, GstSimclrAlign align, gdouble x, gdouble y, gdouble room,
    const GstSimclrColor *color)
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
      x - (align == GST_SIMCLR_LEFT       ? 0
              : align == GST_SIMCLR_RIGHT ? 1
                                          : 0.5) *
              width / PANGO_SCALE,
      y + 0.36 * size * self->em - (gdouble) baseline / PANGO_SCALE);
  pango_cairo_show_layout (self->cr, layout);
  return (gdouble) width / PANGO_SCALE;
}

gdouble
_gst_simclr_tick_distance (gdouble range, gdouble parts)
{
  gdouble rough = range / parts, power = pow (10, floor (log10 (rough)));

  return power * (rough < 1.5 * power ? 1 : rough < 3.5 * power ? 2 : rough < 7.5 * power ? 5 : 10);
}

gchar *
_gst_simclr_format_number (gdouble number)
{
  if (fabs (number) >= 1e6)
    return g_strdup_printf ("%gM", number / 1e6);
  if (fabs (number) >= 1e4)
    return g_strdup_printf ("%gk", number / 1e3);
  return g_strdup_printf ("%g", fabs (number) < 1e-9 ? 0 : number);
}

void
_gst_simclr_canvas_frame (const GstSimclrCanvas *self, const GstSimclrArea *area)
{
  cairo_rectangle (self->cr, area->x, area->y, area->width, area->height);
  gst_simclr_set_color (self->cr, &paper);
  cairo_fill (self->cr);
}

void
_gst_simclr_canvas_line (
    const GstSimclrCanvas *self, gdouble x0, gdouble y0, gdouble x1, gdouble y1)
{
  cairo_move_to (self->cr, x0, y0);
  cairo_line_to (self->cr, x1, y1);
  cairo_set_line_width (self->cr, 1);
  gst_simclr_set_color (self->cr, &grid);
  cairo_stroke (self->cr);
}

void
gst_simclr_plot_draw (cairo_t *cr, gint width, gint height, const GstSimclrPlotContent *content)
{
  GstSimclrCanvas canvas = {.cr = cr, .em = MAX (MIN (height / 36.0, width / 48.0), 6)};
  gdouble pad = canvas.em, middle = content->curves == NULL ? 0 : content->map == NULL ? 1 : 0.42;
  GstSimclrArea area = {pad, pad, width - 2 * pad, height - 1.4 * pad};

  gst_simclr_set_color (cr, &background);
  cairo_paint (cr);
  if (content->curves != NULL) {
    GstSimclrArea curves = area;

    curves.width = middle * area.width - (content->map != NULL ? pad / 2 : 0);
    _gst_simclr_canvas_curves (&canvas, content->curves, &curves);
  }
  if (content->map != NULL) {
    GstSimclrArea map = area;

    map.x += middle * area.width + (content->curves != NULL ? pad / 2 : 0);
    map.width = (1 - middle) * area.width - (content->curves != NULL ? pad / 2 : 0);
    _gst_simclr_canvas_map (&canvas, content, &map);
  }
}
