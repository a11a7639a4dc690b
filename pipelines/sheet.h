/* A sheet of thumbnails with captions, the question first.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <cairo.h>
#include <glib.h>

typedef struct
{
  cairo_surface_t *picture; /* owned, NULL: an empty frame */
  gchar *caption;           /* two lines, owned */
} SheetCell;

void sheet_cell_clear (SheetCell *self);

/* From RGB bytes without gaps; NULL where there are none. */
cairo_surface_t *sheet_picture_new (GBytes *rgb, guint width, guint height);

/* The first cell is the question, the others are answers, in rows. FALSE with error set where the file could not be
 * written. */
gboolean sheet_write (const SheetCell *cells, guint count, const gchar *path, GError **error);
