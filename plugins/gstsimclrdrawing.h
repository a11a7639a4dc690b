/* What simclroverlay and simclrplot draw with: colours, rounded rectangles, lines of text in any script.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <pango/pangocairo.h>

G_BEGIN_DECLS

typedef struct
{
  gdouble red, green, blue, alpha;
} GstSimclrColor;

void gst_simclr_set_color (cairo_t *cr, const GstSimclrColor *color);

/* A path; radius is that of its corners, at most half a side. */
void gst_simclr_round_rectangle (
    cairo_t *cr, gdouble x, gdouble y, gdouble width, gdouble height, gdouble radius);

/* One line of text whose em is size high, in Cairo's units; font NULL: Sans. */
PangoLayout *gst_simclr_line_new (cairo_t *cr, const gchar *text, const PangoFontDescription *font,
    gdouble size, gboolean bold) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
