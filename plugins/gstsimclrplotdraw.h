/* The picture that simclrplot makes of its curves and its map.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <cairo.h>

#include "gstsimclrplotcurves.h"
#include "gstsimclrplotmap.h"

G_BEGIN_DECLS

typedef struct
{
  const GstSimclrCurves *curves; /* NULL: not shown */
  GstSimclrMap *map;             /* NULL: not shown; thumbnails remember their places */
  gboolean has_map;              /* there is something on it */
  GstClockTime window;           /* that the map covers */
} GstSimclrPlotContent;

/* Fills all of (width, height). */
void gst_simclr_plot_draw (
    cairo_t *cr, gint width, gint height, const GstSimclrPlotContent *content);

G_END_DECLS
