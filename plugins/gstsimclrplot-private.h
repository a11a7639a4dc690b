/* What the files of simclrplot share: its state, and who may touch it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/video/video.h>

#include "gstsimclrplot.h"
#include "gstsimclrplotdraw.h"

G_BEGIN_DECLS

GST_DEBUG_CATEGORY_EXTERN (gst_simclr_plot_debug);

typedef enum
{
  GST_SIMCLR_PLOT_SHOW_CURVES = 1 << 0,
  GST_SIMCLR_PLOT_SHOW_MAP = 1 << 1,
} GstSimclrPlotShow;

typedef struct
{
  GstSimclrPlotShow show;
  guint points;
  GstClockTime window;
  gboolean thumbnails;
} GstSimclrPlotSettings;

struct _GstSimclrPlot
{
  GstElement parent;

  GstPad *sinkpad, *srcpad;
  GstSimclrPlotSettings settings; /* object lock */
  gchar *trainer_name;            /* object lock: NULL: the first one */

  /* where the state is changed */
  GstElement *trainer; /* NULL: none */
  gulong handler;

  GMutex lock;
  GstSimclrCurves curves; /* lock: the trainer's thread adds to them */

  /* streaming thread, or while there is none */
  GstSegment segment;
  GstVideoInfo in, out;
  GstVideoConverter *shrink; /* to a thumbnail; NULL: none wanted yet */
  GstVideoInfo small;
  GstBufferPool *pool;
  GstSimclrMap map;
  GstClockTime next_picture, last_point, now; /* running times */
  GstClockTime pts;                           /* of the last frame */
  gboolean drawn;                             /* what came last is in a picture */
};

/* Properties (gstsimclrplot-properties.c). */
void _gst_simclr_plot_install_properties (GObjectClass *klass);
void _gst_simclr_plot_init_settings (GstSimclrPlot *self);
GstSimclrPlotSettings _gst_simclr_plot_get_settings (GstSimclrPlot *self);

/* The trainer whose curves are drawn (gstsimclrplot-trainer.c). FALSE: an error was posted. */
gboolean _gst_simclr_plot_follow_trainer (GstSimclrPlot *self);
void _gst_simclr_plot_leave_trainer (GstSimclrPlot *self);

/* Frames onto the map, and pictures out (gstsimclrplot-picture.c). plan_thumbnails after each change of the input's
 * format. take_frame puts a frame on the map for now, or to stay where one is due; seen: a picture follows. */
void _gst_simclr_plot_plan_thumbnails (GstSimclrPlot *self);
void _gst_simclr_plot_take_frame (
    GstSimclrPlot *self, GstBuffer *buffer, const GstSimclrPlotSettings *settings, gboolean seen);
GstFlowReturn _gst_simclr_plot_push_picture (
    GstSimclrPlot *self, const GstSimclrPlotSettings *settings);

G_END_DECLS
