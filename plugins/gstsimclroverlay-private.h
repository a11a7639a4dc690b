/* What the files of simclroverlay share: its state, and who may touch it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gstsimclroverlay.h"

#include "gstsimclrpanel.h"

G_BEGIN_DECLS

GST_DEBUG_CATEGORY_EXTERN (gst_simclr_overlay_debug);

/* What is drawn into, and what only passes: then the panel goes downstream as a meta. */
#define GST_SIMCLR_OVERLAY_DRAWN_CAPS                                                              \
  GST_VIDEO_CAPS_MAKE (GST_VIDEO_OVERLAY_COMPOSITION_BLEND_FORMATS)
#define GST_SIMCLR_OVERLAY_ALL_CAPS                                                                \
  GST_SIMCLR_OVERLAY_DRAWN_CAPS                                                                    \
  "; " GST_VIDEO_CAPS_MAKE_WITH_FEATURES ("ANY", GST_VIDEO_FORMATS_ALL)

typedef struct
{
  GstSimclrPanelStyle style;
  GstClockTime hold;
  gchar *text; /* NULL: none */
  gboolean silent;
  guint version; /* counts changes */
} GstSimclrOverlaySettings;

struct _GstSimclrOverlay
{
  GstElement parent;

  GstPad *sinkpad, *srcpad;
  GstSimclrOverlaySettings settings; /* object lock */

  /* streaming thread, or while there is none */
  GstVideoInfo info;
  GstCaps *caps; /* of the input */
  gboolean attaches;
  GstSimclrPanelContent content;
  GstClockTime said; /* when content was last told */
  GstSimclrPanelContent drawn;
  guint drawn_version;
  GstVideoOverlayComposition *panel; /* of drawn, NULL: nothing to draw, or to be drawn */
  gboolean stale;                    /* panel is no longer that of drawn */
};

/* Properties (gstsimclroverlay-properties.c). A snapshot is to be cleared. */
void _gst_simclr_overlay_install_properties (GObjectClass *klass);
void _gst_simclr_overlay_init_settings (GstSimclrOverlay *self);
void _gst_simclr_overlay_settings_clear (GstSimclrOverlaySettings *self);
GstSimclrOverlaySettings _gst_simclr_overlay_snapshot (GstSimclrOverlay *self);

/* Negotiation (gstsimclroverlay-negotiation.c). */
gboolean _gst_simclr_overlay_query (GstPad *pad, GstObject *parent, GstQuery *query);
gboolean _gst_simclr_overlay_negotiate (GstSimclrOverlay *self);

G_END_DECLS
