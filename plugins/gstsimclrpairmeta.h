/* What was drawn for a positive pair, on its buffer, readable by name from any language.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

#include <simclr/simclr.h>

#include "gstsimclrpairlayout.h"

G_BEGIN_DECLS

/* Not "SimclrDraw": GStreamer registers a type of the name, and that is the library's. */
#define GST_SIMCLR_PAIR_META_NAME "SimclrPair"

/* Where one view came from, and what was drawn for it. */
typedef struct
{
  SimclrDraw draw;
  GstClockTime pts;          /* of the frame, or GST_CLOCK_TIME_NONE */
  GstClockTime running_time; /* of the frame, or GST_CLOCK_TIME_NONE */
} GstSimclrPairView;

/* The pair's common facts. */
typedef struct
{
  GstSimclrPairLayout layout;
  const gchar *interpolation; /* nick, static */
  guint frame_width, frame_height;
  GstSimclrPairView views[2 + GST_SIMCLR_PAIR_MAX_CROPS]; /* and the small crops */
} GstSimclrPair;

/* Once before the first meta; harmless when repeated. */
void gst_simclr_pair_meta_register (void);

/* Adds the meta to a writable buffer. */
void gst_simclr_pair_meta_add (GstBuffer *buffer, const GstSimclrPair *pair);

/* When the frames of both views were filmed, in nanoseconds of running time: that of a replay's input where
 * one stands upstream, else of the pair's own stream; without the meta the buffer's PTS. -1: nobody knows. */
void gst_simclr_pair_get_times (GstBuffer *buffer, gint64 times[2]);

G_END_DECLS
