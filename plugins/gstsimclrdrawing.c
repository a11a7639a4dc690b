/* What simclroverlay and simclrplot draw with: colours, rounded rectangles, lines of text in any script.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrdrawing.h"

void
gst_simclr_set_color (cairo_t *cr, const GstSimclrColor *color)
{
  cairo_set_source_rgba (cr, color->red, color->green, color->blue, color->alpha);
}

void
gst_simclr_round_rectangle (
    cairo_t *cr, gdouble x, gdouble y, gdouble width, gdouble height, gdouble radius)
{
  radius = MIN (radius, MIN (width, height) / 2);
  cairo_new_sub_path (cr);
  cairo_arc (cr, x + width - radius, y + radius, radius, -G_PI / 2, 0);
  cairo_arc (cr, x + width - radius, y + height - radius, radius, 0, G_PI / 2);
  cairo_arc (cr, x + radius, y + height - radius, radius, G_PI / 2, G_PI);
  cairo_arc (cr, x + radius, y + radius, radius, G_PI, 3 * G_PI / 2);
  cairo_close_path (cr);
}

PangoLayout *
gst_simclr_line_new (
    cairo_t *cr, const gchar *text, const PangoFontDescription *font, gdouble size, gboolean bold)
{
  PangoLayout *layout = pango_cairo_create_layout (cr);
  PangoFontDescription *sized = font != NULL ? pango_font_description_copy (font)
                                             : pango_font_description_from_string ("Sans");

  pango_font_description_set_absolute_size (sized, size * PANGO_SCALE);
  if (bold)
    pango_font_description_set_weight (sized, PANGO_WEIGHT_BOLD);
  pango_layout_set_font_description (layout, sized);
  pango_font_description_free (sized);
  pango_layout_set_single_paragraph_mode (layout, TRUE);
  pango_layout_set_text (layout, text, -1);
  return layout;
}
