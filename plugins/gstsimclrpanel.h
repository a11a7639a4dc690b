/* The panel that simclroverlay shows: a label, how sure it is, what else it could be, what the frame looks like.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/video/video.h>

G_BEGIN_DECLS

/* Rows of other labels, the best one included. */
#define GST_SIMCLR_PANEL_ROWS 5

typedef enum
{
  GST_SIMCLR_PANEL_LEFT,
  GST_SIMCLR_PANEL_CENTER,
  GST_SIMCLR_PANEL_RIGHT,
} GstSimclrPanelHorizontal;

typedef enum
{
  GST_SIMCLR_PANEL_TOP,
  GST_SIMCLR_PANEL_MIDDLE,
  GST_SIMCLR_PANEL_BOTTOM,
} GstSimclrPanelVertical;

typedef struct
{
  gchar *font; /* Pango's description, NULL: the default */
  GstSimclrPanelHorizontal horizontal;
  GstSimclrPanelVertical vertical;
  guint xpad, ypad;
  gboolean auto_resize;
  gboolean show_confidence, show_novelty, show_scores, show_nearest;
} GstSimclrPanelStyle;

/* The stored moment most like the frame. */
typedef struct
{
  gchar *stream; /* NULL: there is none; "": it has no name */
  gchar *time;
  guint similarity;  /* percent */
  GBytes *thumbnail; /* RGB without gaps, NULL: none */
  guint width, height;
} GstSimclrPanelNearest;

/* What is said, rounded as it is seen, so that equal contents look the same. */
typedef struct
{
  gchar *label; /* NULL: nothing is known of the frame */
  gboolean known;
  guint confidence;    /* percent */
  guint novelty;       /* tenths */
  gchar *text;         /* a line beneath, NULL: none */
  GPtrArray *names;    /* of gchar *, best first */
  GArray *percentages; /* of guint, one for each name */
  GstSimclrPanelNearest nearest;
} GstSimclrPanelContent;

/* Contents (gstsimclrpanel-content.c). */
void gst_simclr_panel_content_clear (GstSimclrPanelContent *self);
void gst_simclr_panel_content_copy (GstSimclrPanelContent *to, const GstSimclrPanelContent *from);
gboolean gst_simclr_panel_content_equal (
    const GstSimclrPanelContent *self, const GstSimclrPanelContent *other);
/* From the fields of a meta SimclrClassification, as far as they are there. The text and the nearest
 * moment stay. */
void gst_simclr_panel_content_take (GstSimclrPanelContent *self, const GstStructure *fields);
void gst_simclr_panel_nearest_clear (GstSimclrPanelNearest *self);
/* From the fields of a meta SimclrNearest. */
void gst_simclr_panel_nearest_take (GstSimclrPanelNearest *self, const GstStructure *fields);

/* The panel, at its place in a frame of that size; NULL where the content is empty. It is never larger than
 * the frame, and on frames of other than square pixels it is drawn as it will be seen. */
GstVideoOverlayComposition *gst_simclr_panel_draw (const GstSimclrPanelContent *content,
    const GstSimclrPanelStyle *style, const GstVideoInfo *info) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
