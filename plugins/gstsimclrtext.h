/* Text in pictures: any script by Pango, or what Cairo alone can write.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <cairo.h>
#include <glib.h>

G_BEGIN_DECLS

/* In Cairo's units; size is the height of the letters' em. */
gdouble gst_simclr_text_width (cairo_t *cr, const gchar *text, gdouble size);
/* The line's baseline begins at the current point. */
void gst_simclr_text_show (cairo_t *cr, const gchar *text, gdouble size);
/* A copy that is no wider than room: it ends in dots where it had to be cut. */
gchar *gst_simclr_text_fit (
    cairo_t *cr, const gchar *text, gdouble size, gdouble room) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
