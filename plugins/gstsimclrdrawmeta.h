/* What was drawn for a positive pair, on its buffer, readable by name from any language.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

#include <simclr/simclr.h>

G_BEGIN_DECLS

#define GST_SIMCLR_DRAW_META_NAME "SimclrDraw"

/* Where one view came from, and what was drawn for it. */
typedef struct
{
  SimclrDraw draw;
  GstClockTime pts;          /* of the frame, or GST_CLOCK_TIME_NONE */
  GstClockTime running_time; /* of the frame, or GST_CLOCK_TIME_NONE */
} GstSimclrDrawnView;

/* The pair's common facts. */
typedef struct
{
  guint size;
  const gchar *interpolation; /* nick, static */
  guint frame_width, frame_height;
  GstSimclrDrawnView views[2];
} GstSimclrDrawnPair;

/* Once before the first meta; harmless when repeated. */
void gst_simclr_draw_meta_register (void);

/* Adds the meta to a writable buffer. */
void gst_simclr_draw_meta_add (GstBuffer *buffer, const GstSimclrDrawnPair *pair);

G_END_DECLS
