/* Past frames that the second view of a pair may come from.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/video/video.h>

G_BEGIN_DECLS

/* Frames kept at most. The window is covered evenly: a frame is kept when it is at least a sixteenth
 * of the window later than the last one kept. */
#define GST_SIMCLR_FRAME_HISTORY_LENGTH 16

typedef struct
{
  GstBuffer *buffer;
  GstClockTime running_time;
} GstSimclrPastFrame;

/* For one thread. Zero bytes are an empty history. */
typedef struct
{
  GstSimclrPastFrame frames[GST_SIMCLR_FRAME_HISTORY_LENGTH]; /* oldest first */
  guint length;
  GstBufferPool *copies; /* of frames that may not be held; NULL until the first */
} GstSimclrFrameHistory;

/* Forgets all frames, at a discontinuity. */
void gst_simclr_frame_history_clear (GstSimclrFrameHistory *self);
/* Forgets all frames and the memory for copies, at the end and when the caps change. */
void gst_simclr_frame_history_reset (GstSimclrFrameHistory *self);

/* Forgets what is further than window away from a frame at this running time; everything, if it is
 * earlier than a frame kept. */
void gst_simclr_frame_history_advance (
    GstSimclrFrameHistory *self, GstClockTime running_time, GstClockTime window);

/* Keeps the frame if it is time for one: by reference where its pool does not miss it, else copied.
 * FALSE if there is no memory for a copy. */
gboolean gst_simclr_frame_history_add (GstSimclrFrameHistory *self, GstVideoFrame *frame,
    GstClockTime running_time, GstClockTime window);

G_END_DECLS
