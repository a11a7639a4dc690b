/* The frame that a pair's second view may come from, on the frame of the first.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/* simclrreplay asks downstream with a custom query "simclr-temporal-window" how far apart the two frames of
 * a pair may be; simclraugment answers with a field `window` (guint64 nanoseconds, 0: the same frame). To a
 * sample that has another frame of the same shot within the window in the memory the replay then attaches
 * that one. The meta survives copies of the buffer, and is lost where its pixels are changed. */
#define GST_SIMCLR_WINDOW_QUERY_NAME "simclr-temporal-window"

typedef struct
{
  GstMeta meta;

  GstBuffer *frame; /* with the same caps as the buffer it is on */
  GstClockTime running_time;
} GstSimclrNeighbourMeta;

#define GST_SIMCLR_NEIGHBOUR_META_API_TYPE (gst_simclr_neighbour_meta_api_get_type ())
GType gst_simclr_neighbour_meta_api_get_type (void);
const GstMetaInfo *gst_simclr_neighbour_meta_get_info (void);

/* Keeps a reference to the frame. */
void gst_buffer_add_simclr_neighbour_meta (
    GstBuffer *buffer, GstBuffer *frame, GstClockTime running_time);
GstSimclrNeighbourMeta *gst_buffer_get_simclr_neighbour_meta (GstBuffer *buffer);

/* Asks the peer of a source pad; 0 where nobody answers. */
GstClockTime gst_simclr_window_query (GstPad *pad);
/* The answering side: FALSE if it is another query. */
gboolean gst_simclr_window_answer (GstQuery *query, GstClockTime window);

/* When a replayed frame was filmed, as running time of the input it came from; GST_CLOCK_TIME_NONE where
 * nobody knows. It is kept in a GstReferenceTimestampMeta. */
void gst_simclr_set_original_time (GstBuffer *buffer, GstClockTime time, GstClockTime duration);
GstClockTime gst_simclr_get_original_time (GstBuffer *buffer);

G_END_DECLS
