/* What the files that draw simclrplot's picture share: the canvas, texts on it, and the numbers of axes.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gstsimclrplotdraw.h"

#include "gstsimclrdrawing.h"

G_BEGIN_DECLS

/* Pixels of the picture. */
typedef struct
{
  gdouble x, y, width, height;
} GstSimclrArea;

typedef struct
{
  cairo_t *cr;
  gdouble em; /* size of the text */
} GstSimclrCanvas;

/* Where x is in a text. */
typedef enum
{
  GST_SIMCLR_LEFT,
  GST_SIMCLR_CENTER,
  GST_SIMCLR_RIGHT,
} GstSimclrAlign;

static const GstSimclrColor white = {1, 1, 1, 1}, muted = {0.72, 0.75, 0.80, 1};

/* A line whose letters' middle is at y, of size ems; returns its width. room: pixels, 0: as wide as it is. */
gdouble _gst_simclr_canvas_text (const GstSimclrCanvas *self, const gchar *text, gdouble size,
    gboolean bold, GstSimclrAlign align, gdouble x, gdouble y, gdouble room,
    const GstSimclrColor *color);
/* What a chart or map is drawn on, and a line of its grid. */
void _gst_simclr_canvas_frame (const GstSimclrCanvas *self, const GstSimclrArea *area);
void _gst_simclr_canvas_line (
    const GstSimclrCanvas *self, gdouble x0, gdouble y0, gdouble x1, gdouble y1);

/* A round number near range / parts, and a number as it stands at an axis. */
gdouble _gst_simclr_tick_distance (gdouble range, gdouble parts);
gchar *_gst_simclr_format_number (gdouble number) G_GNUC_WARN_UNUSED_RESULT;

/* Curves (gstsimclrplotdraw-curves.c) and map (gstsimclrplotdraw-map.c), over the whole area. */
void _gst_simclr_canvas_curves (
    const GstSimclrCanvas *canvas, const GstSimclrCurves *curves, const GstSimclrArea *area);
void _gst_simclr_canvas_map (
    const GstSimclrCanvas *canvas, const GstSimclrPlotContent *content, const GstSimclrArea *area);

G_END_DECLS
