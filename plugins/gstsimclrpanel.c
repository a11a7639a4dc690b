/* The panel of simclroverlay, drawn: how large it is, what stands where, and its place in the frame.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrpanel.h"

#include <math.h>

#include "gstsimclrdrawing.h"

#define DEFAULT_FONT "Sans 16"
#define DEFAULT_POINTS 16
#define PIXELS_PER_POINT (96.0 / 72)
/* Settings in pixels are meant for frames of this height. */
#define STYLE_HEIGHT 480.0
#define FONT_LEAST 10.0 /* pixels; smaller is no text */

/* In ems of the label. */
#define WIDTH 12.5
#define MARGIN 0.6
#define BAR 0.34
#define HALF_CAPITAL 0.36
#define GAP 0.3
#define SMALL 0.62 /* size of everything but the label */
#define SMALL_LINE 0.98
#define NAME_SHARE 0.5 /* of a row of scores */
#define THUMBNAIL_WIDTH 4.6
#define THUMBNAIL_HEIGHT 3.1

static const GstSimclrColor background = {0.07, 0.08, 0.10, 0.78}, white = {1, 1, 1, 1},
                            muted = {0.78, 0.80, 0.84, 1}, track = {1, 1, 1, 0.16},
                            sure = {0.20, 0.80, 0.62, 1}, odd = {0.98, 0.72, 0.25, 1},
                            other = {0.55, 0.62, 0.72, 1};

/* One drawing; lengths are in pixels as they are seen. */
typedef struct
{
  cairo_t *cr;
  const GstSimclrPanelContent *content;
  const GstSimclrPanelStyle *style;
  PangoFontDescription *font;
  gdouble em;
  gdouble width, inner; /* of the panel, and between its margins */
} Panel;

static void
draw_bar (const Panel *self, gdouble x, gdouble y, gdouble width, guint percent,
    const GstSimclrColor *color)
{
  gdouble height = self->em * BAR, filled = width * percent / 100;

  gst_simclr_round_rectangle (self->cr, x, y, width, height, height / 2);
  gst_simclr_set_color (self->cr, &track);
  cairo_fill (self->cr);
  if (percent == 0)
    return;
  gst_simclr_round_rectangle (self->cr, x, y, MAX (filled, height), height, height / 2);
  gst_simclr_set_color (self->cr, color);
  cairo_fill (self->cr);
}

/* A line of text, the middle of its letters at y, whatever the script, between x and x + room; what does not fit ends in dots. Right: it ends
 * at x + room. */
static void
draw_text (const Panel *self, const gchar *text, gdouble size, gboolean bold, gboolean right,
    gdouble x, gdouble y, gdouble room, const GstSimclrColor *color)
{
  g_autoptr (PangoLayout) layout =
      gst_simclr_line_new (self->cr, text, self->font, size * self->em, bold);
  gdouble baseline;

  pango_layout_set_ellipsize (layout, PANGO_ELLIPSIZE_END);
  pango_layout_set_width (layout, (gint) (MAX (room, 0) * PANGO_SCALE));
  pango_layout_set_alignment (layout, right ? PANGO_ALIGN_RIGHT : PANGO_ALIGN_LEFT);
  /* where a label is written from the right, it still stands on the left */
  pango_layout_set_auto_dir (layout, FALSE);
  baseline = (gdouble) pango_layout_get_baseline (layout) / PANGO_SCALE;
  gst_simclr_set_color (self->cr, color);
  cairo_move_to (self->cr, x, y + HALF_CAPITAL * size * self->em - baseline);
  pango_cairo_show_layout (self->cr, layout);
}

static gboolean
shows_rows (const Panel *self)
{
  return self->style->show_scores && self->content->names != NULL && self->content->names->len > 1;
}

static gboolean
shows_nearest (const Panel *self)
{
  return self->style->show_nearest && self->content->nearest.stream != NULL;
}

static gdouble
get_height (const Panel *self)
{
  gdouble ems = 2 * MARGIN;

  if (self->content->label != NULL) {
    ems += 1.2;
    if (self->style->show_confidence)
      ems += GAP + BAR;
    if (self->style->show_novelty)
      ems += GAP + SMALL_LINE;
    if (shows_rows (self))
      ems += GAP + SMALL_LINE * self->content->names->len;
  }
  if (shows_nearest (self))
    ems += (self->content->label != NULL ? GAP : 0) + THUMBNAIL_HEIGHT;
  if (self->content->text != NULL)
    ems += (self->content->label != NULL || shows_nearest (self) ? GAP : 0) + SMALL_LINE;
  return ems * self->em;
}

static gdouble
draw_label (const Panel *self, gdouble y)
{
  const GstSimclrPanelContent *content = self->content;
  const GstSimclrColor *color = content->known ? &sure : &odd;
  gdouble em = self->em, left = MARGIN * em;
  gdouble percent_room = self->style->show_confidence ? 2.5 * em : 0;
  g_autofree gchar *percent = g_strdup_printf ("%u %%", content->confidence);

  draw_text (self, content->label, 1, TRUE, FALSE, left, y + 0.6 * em, self->inner - percent_room,
      content->known ? &white : &odd);
  y += 1.2 * em;
  if (!self->style->show_confidence)
    return y;
  draw_text (self, percent, 0.8, FALSE, TRUE, left + self->inner - percent_room, y - 0.6 * em,
      percent_room, content->known ? &white : &muted);
  draw_bar (self, left, y + GAP * em, self->inner, content->confidence, color);
  return y + (GAP + BAR) * em;
}

/* 1 is the edge of what was taught. */
static gdouble
draw_novelty (const Panel *self, gdouble y)
{
  gdouble em = self->em, left = MARGIN * em, middle = y + (GAP + SMALL_LINE / 2) * em;
  g_autofree gchar *number =
      g_strdup_printf ("%u.%u", self->content->novelty / 10, self->content->novelty % 10);
  const GstSimclrColor *color = self->content->novelty > 10 ? &odd : &muted;

  draw_text (self, "novelty", SMALL, FALSE, FALSE, left, middle, self->inner / 2, &muted);
  draw_text (self, number, SMALL, self->content->novelty > 10, TRUE, left + self->inner / 2, middle,
      self->inner / 2, color);
  return y + (GAP + SMALL_LINE) * em;
}

static gdouble
draw_rows (const Panel *self, gdouble y)
{
  const GstSimclrPanelContent *content = self->content;
  gdouble em = self->em, left = MARGIN * em, names = self->inner * NAME_SHARE;

  y += GAP * em;
  for (guint i = 0; i < content->names->len; i++, y += SMALL_LINE * em) {
    const gchar *name = content->names->pdata[i];
    gboolean chosen = content->known && g_str_equal (name, content->label);

    draw_text (self, name, SMALL, FALSE, FALSE, left, y + SMALL_LINE / 2 * em, names - 0.4 * em,
        chosen ? &white : &muted);
    draw_bar (self, left + names, y + (SMALL_LINE - BAR) / 2 * em, self->inner - names,
        g_array_index (content->percentages, guint, i), chosen ? &sure : &other);
  }
  return y;
}

/* As large as fits into the room for it, in its middle. */
static void
draw_thumbnail (const Panel *self, gdouble x, gdouble y)
{
  const GstSimclrPanelNearest *nearest = &self->content->nearest;
  const guint8 *from = g_bytes_get_data (nearest->thumbnail, NULL);
  gint width = (gint) nearest->width, height = (gint) nearest->height;
  cairo_surface_t *surface = cairo_image_surface_create (CAIRO_FORMAT_RGB24, width, height);
  gint stride = cairo_image_surface_get_stride (surface);
  guint8 *to = cairo_image_surface_get_data (surface);
  gdouble room_x = THUMBNAIL_WIDTH * self->em, room_y = THUMBNAIL_HEIGHT * self->em;
  gdouble scale = MIN (room_x / width, room_y / height);

  for (gint row = 0; row < height; row++) {
    guint32 *pixels = (guint32 *) (gpointer) (to + (gsize) row * (gsize) stride);

    for (gint column = 0; column < width; column++, from += 3)
      pixels[column] = (guint32) from[0] << 16 | (guint32) from[1] << 8 | from[2];
  }
  cairo_surface_mark_dirty (surface);
  cairo_save (self->cr);
  cairo_translate (self->cr, x + (room_x - scale * width) / 2, y + (room_y - scale * height) / 2);
  cairo_rectangle (self->cr, 0, 0, scale * width, scale * height);
  cairo_clip (self->cr);
  cairo_scale (self->cr, scale, scale);
  cairo_set_source_surface (self->cr, surface, 0, 0);
  cairo_pattern_set_extend (cairo_get_source (self->cr), CAIRO_EXTEND_PAD);
  cairo_paint (self->cr);
  cairo_restore (self->cr);
  cairo_surface_destroy (surface);
}

static gdouble
draw_nearest (const Panel *self, gdouble y)
{
  const GstSimclrPanelNearest *nearest = &self->content->nearest;
  gdouble em = self->em, left = MARGIN * em, room = self->inner, middle;
  g_autofree gchar *percent = g_strdup_printf ("%u %% similar", nearest->similarity);
  const gchar *lines[] = {percent, nearest->time, nearest->stream};

  if (nearest->thumbnail != NULL) {
    draw_thumbnail (self, left, y);
    left += (THUMBNAIL_WIDTH + GAP) * em;
    room -= (THUMBNAIL_WIDTH + GAP) * em;
  }
  middle = y + (THUMBNAIL_HEIGHT - 2 * SMALL_LINE) / 2 * em;
  for (guint i = 0; i < G_N_ELEMENTS (lines); i++, middle += SMALL_LINE * em)
    draw_text (self, lines[i], SMALL, FALSE, FALSE, left, middle, room, i == 0 ? &white : &muted);
  return y + THUMBNAIL_HEIGHT * em;
}

static void
draw_panel (const Panel *self, gdouble height)
{
  gdouble y = MARGIN * self->em;

  gst_simclr_round_rectangle (self->cr, 0, 0, self->width, height, 0.5 * self->em);
  gst_simclr_set_color (self->cr, &background);
  cairo_fill (self->cr);
  if (self->content->label != NULL) {
    y = draw_label (self, y);
    if (self->style->show_novelty)
      y = draw_novelty (self, y);
    if (shows_rows (self))
      y = draw_rows (self, y);
    y += GAP * self->em;
  }
  if (shows_nearest (self))
    y = draw_nearest (self, y) + GAP * self->em;
  if (self->content->text != NULL)
    draw_text (self, self->content->text, SMALL, FALSE, FALSE, MARGIN * self->em,
        y + SMALL_LINE / 2 * self->em, self->inner, &white);
}

/* The size of the label's em. A size in the font's description is for frames of STYLE_HEIGHT. */
static gdouble
choose_em (const Panel *self, gdouble scale)
{
  gdouble size = (gdouble) pango_font_description_get_size (self->font) / PANGO_SCALE;

  if (size <= 0)
    size = DEFAULT_POINTS;
  if (!pango_font_description_get_size_is_absolute (self->font))
    size *= PIXELS_PER_POINT;
  return MAX (size * scale, FONT_LEAST);
}

/* Where a panel of that length begins. Multiples of 4, the coarsest grid of colours that formats have. */
static gint
place (gint length, gint room, gdouble pad, gint end)
{
  gint most = room - length, at;

  at = end == 0 ? (gint) pad : end == 1 ? most / 2 : most - (gint) pad;
  return CLAMP (at, 0, MAX (most, 0)) & ~3;
}

static gint
to_grid (gdouble length, gint most)
{
  return MIN (((gint) ceil (length) + 3) & ~3, most);
}

/* (height, width) pixels as GStreamer composes them, drawn by Cairo. */
static GstVideoOverlayRectangle *
draw (Panel *self, gdouble height, gdouble aspect, gint x, gint y, gint columns, gint rows)
{
  gint stride = cairo_format_stride_for_width (CAIRO_FORMAT_ARGB32, columns);
  GstBuffer *pixels = gst_buffer_new_allocate (NULL, (gsize) stride * (gsize) rows, NULL);
  gsize offset[GST_VIDEO_MAX_PLANES] = {0};
  gint strides[GST_VIDEO_MAX_PLANES] = {stride};
  GstVideoOverlayRectangle *rectangle;
  cairo_surface_t *surface;
  GstMapInfo map;

  gst_buffer_memset (pixels, 0, 0, (gsize) stride * (gsize) rows);
  gst_buffer_map (pixels, &map, GST_MAP_READWRITE);
  surface =
      cairo_image_surface_create_for_data (map.data, CAIRO_FORMAT_ARGB32, columns, rows, stride);
  self->cr = cairo_create (surface);
  cairo_scale (self->cr, 1 / aspect, 1);
  draw_panel (self, height);
  cairo_destroy (self->cr);
  cairo_surface_destroy (surface);
  gst_buffer_unmap (pixels, &map);
  gst_buffer_add_video_meta_full (pixels, GST_VIDEO_FRAME_FLAG_NONE,
      GST_VIDEO_OVERLAY_COMPOSITION_FORMAT_RGB, (guint) columns, (guint) rows, 1, offset, strides);
  rectangle = gst_video_overlay_rectangle_new_raw (pixels, x, y, (guint) columns, (guint) rows,
      GST_VIDEO_OVERLAY_FORMAT_FLAG_PREMULTIPLIED_ALPHA);
  gst_buffer_unref (pixels);
  return rectangle;
}

GstVideoOverlayComposition *
gst_simclr_panel_draw (const GstSimclrPanelContent *content, const GstSimclrPanelStyle *style,
    const GstVideoInfo *info)
{
  Panel self = {.content = content, .style = style};
  gint frame_width = GST_VIDEO_INFO_WIDTH (info), frame_height = GST_VIDEO_INFO_HEIGHT (info);
  gdouble aspect = (gdouble) GST_VIDEO_INFO_PAR_N (info) / GST_VIDEO_INFO_PAR_D (info);
  gdouble scale = style->auto_resize ? frame_height / STYLE_HEIGHT : 1, height;
  GstVideoOverlayComposition *composition;
  GstVideoOverlayRectangle *rectangle;
  gint columns, rows;

  if ((content->label == NULL && content->text == NULL && !shows_nearest (&self)) ||
      frame_width < 1 || frame_height < 1)
    return NULL;
  self.font = pango_font_description_from_string (style->font ? style->font : DEFAULT_FONT);
  self.em = choose_em (&self, scale);
  self.width = MIN (WIDTH * self.em, MAX (frame_width * aspect - 2 * style->xpad * scale, 1));
  self.inner = MAX (self.width - 2 * MARGIN * self.em, 1);
  height = get_height (&self);
  columns = to_grid (self.width / aspect, frame_width);
  rows = to_grid (height, frame_height);
  rectangle = draw (&self, height, aspect,
      place (columns, frame_width, style->xpad * scale / aspect, (gint) style->horizontal),
      place (rows, frame_height, style->ypad * scale, (gint) style->vertical), columns, rows);
  pango_font_description_free (self.font);
  composition = gst_video_overlay_composition_new (rectangle);
  gst_video_overlay_rectangle_unref (rectangle);
  return composition;
}
