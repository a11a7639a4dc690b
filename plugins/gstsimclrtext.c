/* Text in pictures: any script by Pango, or what Cairo alone can write.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrtext.h"

#ifdef HAVE_PANGO

#include "gstsimclrdrawing.h"

gdouble
gst_simclr_text_width (cairo_t *cr, const gchar *text, gdouble size)
{
  g_autoptr (PangoLayout) layout = gst_simclr_line_new (cr, text, NULL, size, FALSE);
  gint width;

  pango_layout_get_size (layout, &width, NULL);
  return (gdouble) width / PANGO_SCALE;
}

void
gst_simclr_text_show (cairo_t *cr, const gchar *text, gdouble size)
{
  g_autoptr (PangoLayout) layout = gst_simclr_line_new (cr, text, NULL, size, FALSE);

  cairo_rel_move_to (cr, 0, -(gdouble) pango_layout_get_baseline (layout) / PANGO_SCALE);
  pango_cairo_show_layout (cr, layout);
}

#else

gdouble
gst_simclr_text_width (cairo_t *cr, const gchar *text, gdouble size)
{
  cairo_text_extents_t extents;

  cairo_set_font_size (cr, size);
  cairo_text_extents (cr, text, &extents);
  return extents.x_advance;
}

void
gst_simclr_text_show (cairo_t *cr, const gchar *text, gdouble size)
{
  cairo_set_font_size (cr, size);
  cairo_show_text (cr, text);
}

#endif

static gchar *
cut_text (const gchar *text, glong length)
{
  g_autofree gchar *begin = g_utf8_substring (text, 0, length);

  return g_strconcat (begin, "…", NULL);
}

gchar *
gst_simclr_text_fit (cairo_t *cr, const gchar *text, gdouble size, gdouble room)
{
  glong fits = 0, too_long = g_utf8_strlen (text, -1);

  if (gst_simclr_text_width (cr, text, size) <= room)
    return g_strdup (text);
  while (fits + 1 < too_long) {
    glong middle = (fits + too_long) / 2;
    g_autofree gchar *cut = cut_text (text, middle);

    if (gst_simclr_text_width (cr, cut, size) <= room)
      fits = middle;
    else
      too_long = middle;
  }
  return cut_text (text, MAX (fits, 1));
}
