/* A sheet of thumbnails with captions, the question first.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sheet.h"

#include <gio/gio.h>
#include <math.h>

#ifdef HAVE_PANGO
#include <pango/pangocairo.h>
#endif

/* Pixels. */
#define CELL_WIDTH 176
#define PICTURE_HEIGHT 132
#define CAPTION_HEIGHT 36
#define GAP 12
#define FONT_SIZE 12
#define COLUMNS 5

void
sheet_cell_clear (SheetCell *self)
{
  g_clear_pointer (&self->picture, cairo_surface_destroy);
  g_clear_pointer (&self->caption, g_free);
}

cairo_surface_t *
sheet_picture_new (GBytes *rgb, guint width, guint height)
{
  const guint8 *from;
  cairo_surface_t *surface;
  guint8 *to;
  gint stride;

  if (rgb == NULL || width == 0 || height == 0)
    return NULL;
  from = g_bytes_get_data (rgb, NULL);
  surface = cairo_image_surface_create (CAIRO_FORMAT_RGB24, (gint) width, (gint) height);
  to = cairo_image_surface_get_data (surface);
  stride = cairo_image_surface_get_stride (surface);
  for (guint y = 0; to != NULL && y < height; y++) {
    for (guint x = 0; x < width; x++, from += 3) {
      guint32 pixel = (guint32) from[0] << 16 | (guint32) from[1] << 8 | from[2];

      *(guint32 *) (gpointer) (to + (gsize) y * (gsize) stride + 4 * x) = pixel;
    }
  }
  cairo_surface_mark_dirty (surface);
  return surface;
}

/* As large as fits, in the middle. */
static void
draw_picture (cairo_t *cr, cairo_surface_t *picture, gdouble x, gdouble y)
{
  gdouble width = cairo_image_surface_get_width (picture);
  gdouble height = cairo_image_surface_get_height (picture);
  gdouble scale = MIN (CELL_WIDTH / width, PICTURE_HEIGHT / height);

  cairo_save (cr);
  cairo_translate (
      cr, x + (CELL_WIDTH - scale * width) / 2, y + (PICTURE_HEIGHT - scale * height) / 2);
  cairo_rectangle (cr, 0, 0, scale * width, scale * height);
  cairo_clip (cr);
  cairo_scale (cr, scale, scale);
  cairo_set_source_surface (cr, picture, 0, 0);
  cairo_pattern_set_extend (cairo_get_source (cr), CAIRO_EXTEND_PAD);
  cairo_pattern_set_filter (cairo_get_source (cr), CAIRO_FILTER_GOOD);
  cairo_paint (cr);
  cairo_restore (cr);
}

#ifdef HAVE_PANGO
static void
draw_caption (cairo_t *cr, const gchar *caption, gdouble x, gdouble y)
{
  PangoLayout *layout = pango_cairo_create_layout (cr);
  PangoFontDescription *font = pango_font_description_from_string ("Sans");

  pango_font_description_set_absolute_size (font, FONT_SIZE * PANGO_SCALE);
  pango_layout_set_font_description (layout, font);
  pango_layout_set_width (layout, CELL_WIDTH * PANGO_SCALE);
  pango_layout_set_ellipsize (layout, PANGO_ELLIPSIZE_END);
  pango_layout_set_text (layout, caption, -1);
  cairo_move_to (cr, x, y);
  pango_cairo_show_layout (cr, layout);
  pango_font_description_free (font);
  g_object_unref (layout);
}
#else
static void
draw_caption (cairo_t *cr, const gchar *caption, gdouble x, gdouble y)
{
  g_auto (GStrv) lines = g_strsplit (caption, "\n", -1);

  cairo_save (cr);
  cairo_rectangle (cr, x, y, CELL_WIDTH, CAPTION_HEIGHT);
  cairo_clip (cr);
  cairo_select_font_face (cr, "Sans", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_font_size (cr, FONT_SIZE);
  for (guint i = 0; lines[i] != NULL; i++) {
    cairo_move_to (cr, x, y + FONT_SIZE * (1.2 * i + 1));
    cairo_show_text (cr, lines[i]);
  }
  cairo_restore (cr);
}
#endif

static void
draw_cell (cairo_t *cr, const SheetCell *cell, gdouble x, gdouble y)
{
  cairo_set_source_rgb (cr, 0.9, 0.9, 0.9);
  cairo_rectangle (cr, x, y, CELL_WIDTH, PICTURE_HEIGHT);
  cairo_fill (cr);
  if (cell->picture != NULL)
    draw_picture (cr, cell->picture, x, y);
  cairo_set_source_rgb (cr, 0.1, 0.1, 0.1);
  draw_caption (cr, cell->caption, x, y + PICTURE_HEIGHT + 4);
}

gboolean
sheet_write (const SheetCell *cells, guint count, const gchar *path, GError **error)
{
  const gint pitch = CELL_WIDTH + GAP, line = PICTURE_HEIGHT + CAPTION_HEIGHT + GAP;
  guint answers = count - 1, columns = CLAMP (answers, 1, COLUMNS);
  guint rows = MAX ((answers + columns - 1) / columns, 1);
  /* the question has a column of its own, set off by a wider gap */
  gint left = pitch + 2 * GAP;
  cairo_surface_t *sheet = cairo_image_surface_create (
      CAIRO_FORMAT_RGB24, left + GAP + (gint) columns * pitch, GAP + (gint) rows * line);
  cairo_t *cr = cairo_create (sheet);
  cairo_status_t status;

  cairo_set_source_rgb (cr, 1, 1, 1);
  cairo_paint (cr);
  draw_cell (cr, &cells[0], GAP, GAP);
  cairo_set_source_rgb (cr, 0.7, 0.7, 0.7);
  cairo_rectangle (cr, left - GAP / 2, GAP, 1, (gint) rows * line - GAP);
  cairo_fill (cr);
  for (guint i = 0; i < answers; i++)
    draw_cell (cr, &cells[i + 1], left + GAP + (gint) (i % columns) * pitch,
        GAP + (gint) (i / columns) * line);
  cairo_destroy (cr);
  status = cairo_surface_write_to_png (sheet, path);
  cairo_surface_destroy (sheet);
  if (status == CAIRO_STATUS_SUCCESS)
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "could not write \"%s\": %s", path,
      cairo_status_to_string (status));
  return FALSE;
}
