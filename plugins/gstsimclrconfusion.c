/* A confusion matrix as a picture.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrconfusion.h"

#include <simclr/simclr.h>

#ifdef HAVE_CAIRO

#include <math.h>

#include "gstsimclrtext.h"

/* Pixels. */
#define SIDE_LEAST 4
#define SIDE_MOST 48
#define SIDE_WITH_NUMBERS 28
#define MATRIX_WISH 720
#define MARGIN 16
#define TITLE 40
#define NAME_MOST 180
#define FONT 13.0
#define TITLE_FONT 16.0

typedef struct
{
  cairo_t *cr;
  const gchar *const *labels;
  const guint64 *cells;
  guint n;
  gdouble side;  /* of a cell */
  gdouble names; /* room for names */
  gdouble left, top;
  guint step; /* every so many-th name is written */
} Picture;

static void
plan (Picture *self)
{
  gdouble widest = 0;

  for (guint i = 0; i < self->n; i++)
    widest = MAX (widest, gst_simclr_text_width (self->cr, self->labels[i], FONT));
  self->names = MIN (widest, NAME_MOST) + 10;
  self->side = CLAMP (floor ((gdouble) MATRIX_WISH / self->n), SIDE_LEAST, SIDE_MOST);
  self->step = (guint) ceil ((FONT + 2) / self->side);
  self->left = MARGIN + FONT + 8 + self->names;
  self->top = MARGIN + TITLE + FONT + 8 + self->names;
}

/* White to blue with the root of the share, so that few mistakes are seen; mistakes in red. */
static void
draw_cells (const Picture *self)
{
  for (guint row = 0; row < self->n; row++) {
    guint64 sum = 0;

    for (guint column = 0; column < self->n; column++)
      sum += self->cells[(gsize) row * self->n + column];
    for (guint column = 0; column < self->n; column++) {
      guint64 count = self->cells[(gsize) row * self->n + column];
      gdouble share = sum > 0 ? sqrt ((gdouble) count / (gdouble) sum) : 0;
      gdouble x = self->left + column * self->side, y = self->top + row * self->side;
      g_autofree gchar *text = g_strdup_printf ("%" G_GUINT64_FORMAT, count);

      if (row == column)
        cairo_set_source_rgb (self->cr, 1 - 0.9 * share, 1 - 0.6 * share, 1 - 0.25 * share);
      else
        cairo_set_source_rgb (self->cr, 1 - 0.15 * share, 1 - 0.8 * share, 1 - 0.85 * share);
      cairo_rectangle (self->cr, x, y, self->side, self->side);
      cairo_fill (self->cr);
      if (count == 0 || self->side < SIDE_WITH_NUMBERS ||
          gst_simclr_text_width (self->cr, text, FONT) > self->side - 2)
        continue;
      if (share > 0.7)
        cairo_set_source_rgb (self->cr, 1, 1, 1);
      else
        cairo_set_source_rgb (self->cr, 0.2, 0.2, 0.2);
      cairo_move_to (self->cr, x + (self->side - gst_simclr_text_width (self->cr, text, FONT)) / 2,
          y + self->side / 2 + FONT * 0.35);
      gst_simclr_text_show (self->cr, text, FONT);
    }
  }
}

static void
draw_names (const Picture *self)
{
  gdouble size = self->n * self->side;

  cairo_set_source_rgb (self->cr, 0.15, 0.15, 0.15);
  for (guint i = 0; i < self->n; i += self->step) {
    g_autofree gchar *name =
        gst_simclr_text_fit (self->cr, self->labels[i], FONT, self->names - 10);
    gdouble middle = (i + 0.5) * self->side + FONT * 0.35;

    cairo_move_to (self->cr, self->left - 6 - gst_simclr_text_width (self->cr, name, FONT),
        self->top + middle);
    gst_simclr_text_show (self->cr, name, FONT);
    cairo_save (self->cr);
    cairo_move_to (self->cr, self->left + middle, self->top - 6);
    cairo_rotate (self->cr, -G_PI / 2);
    gst_simclr_text_show (self->cr, name, FONT);
    cairo_restore (self->cr);
  }
  cairo_move_to (self->cr,
      self->left + (size - gst_simclr_text_width (self->cr, "predicted", FONT)) / 2,
      MARGIN + TITLE + FONT);
  gst_simclr_text_show (self->cr, "predicted", FONT);
  cairo_save (self->cr);
  cairo_move_to (self->cr, MARGIN + FONT - 2,
      self->top + (size + gst_simclr_text_width (self->cr, "true", FONT)) / 2);
  cairo_rotate (self->cr, -G_PI / 2);
  gst_simclr_text_show (self->cr, "true", FONT);
  cairo_restore (self->cr);
}

static void
draw_frame (const Picture *self, const gchar *title)
{
  gdouble size = self->n * self->side;

  cairo_set_source_rgb (self->cr, 0.6, 0.6, 0.6);
  cairo_set_line_width (self->cr, 1);
  cairo_rectangle (self->cr, self->left - 0.5, self->top - 0.5, size + 1, size + 1);
  cairo_stroke (self->cr);
  cairo_set_source_rgb (self->cr, 0, 0, 0);
  cairo_move_to (self->cr, MARGIN, MARGIN + TITLE_FONT);
  gst_simclr_text_show (self->cr, title, TITLE_FONT);
}

static cairo_t *
new_context (gint width, gint height)
{
  cairo_surface_t *surface = cairo_image_surface_create (CAIRO_FORMAT_RGB24, width, height);
  cairo_t *cr = cairo_create (surface);

  cairo_surface_destroy (surface); /* cr holds it */
  cairo_set_source_rgb (cr, 1, 1, 1);
  cairo_paint (cr);
  return cr;
}

gboolean
gst_simclr_confusion_draw (const gchar *path, const gchar *title, const gchar *const *labels,
    const guint64 *cells, guint n, GError **error)
{
  Picture self = {.labels = labels, .cells = cells, .n = n};
  gdouble width, height;
  cairo_status_t status;

  self.cr = new_context (1, 1); /* to measure text with */
  plan (&self);
  width = MAX (self.left + n * self.side + MARGIN,
      2 * MARGIN + gst_simclr_text_width (self.cr, title, TITLE_FONT));
  height = self.top + n * self.side + MARGIN;
  cairo_destroy (self.cr);
  if (width > 32000 || height > 32000) {
    g_set_error (
        error, SIMCLR_ERROR, SIMCLR_ERROR_UNSUPPORTED, "%u labels are too many for a picture", n);
    return FALSE;
  }
  self.cr = new_context ((gint) ceil (width), (gint) ceil (height));
  draw_cells (&self);
  draw_names (&self);
  draw_frame (&self, title);
  status = cairo_surface_write_to_png (cairo_get_target (self.cr), path);
  cairo_destroy (self.cr);
  if (status != CAIRO_STATUS_SUCCESS)
    g_set_error_literal (error, SIMCLR_ERROR, SIMCLR_ERROR_FAILED, cairo_status_to_string (status));
  return status == CAIRO_STATUS_SUCCESS;
}

#else

gboolean
gst_simclr_confusion_draw (const gchar *path, const gchar *title, const gchar *const *labels,
    const guint64 *cells, guint n, GError **error)
{
  g_set_error_literal (
      error, SIMCLR_ERROR, SIMCLR_ERROR_UNSUPPORTED, "this build cannot draw: Cairo was not there");
  return FALSE;
}

#endif
