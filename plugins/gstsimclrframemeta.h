/* Which frame of the input a buffer shows, by number, through replay and into a batch.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/* A GstCustomMeta on frames and pairs. Field `number` (guint64): frames are counted from 0 in the order they come in,
 * at each start. Field `stream` (guint): tells apart the cameras that frames come from. simclrreplay attaches it, for
 * it gives out frames in another order. */
#define GST_SIMCLR_FRAME_META_NAME "SimclrFrame"
/* A GstCustomMeta on a training batch with the field `frames` (GBytes of guint64): the number of each pair's
 * frame. */
#define GST_SIMCLR_BATCH_META_NAME "SimclrBatch"
/* Nobody knows. */
#define GST_SIMCLR_NO_FRAME G_MAXUINT64

/* Once before the first meta; harmless when repeated. */
void gst_simclr_frame_meta_register (void);

/* Adds it to a writable buffer, or changes what it says. */
void gst_simclr_frame_meta_set (GstBuffer *buffer, guint64 number, guint stream);
/* FALSE: there is none. */
gboolean gst_simclr_frame_meta_get (GstBuffer *buffer, guint64 *number, guint *stream);

/* The streams that a pad has seen, by id. Zero bytes are none. */
typedef struct
{
  GHashTable *numbers; /* of ids; NULL while empty */
  guint next;
} GstSimclrStreams;

/* The most that are told apart; those that come later take the numbers of the earliest. */
#define GST_SIMCLR_STREAMS (1u << 15)

/* The number of the stream that begins: streams are counted from 0 in the order they first appear, so that a run that
 * is repeated has the same numbers. */
guint gst_simclr_streams_get (GstSimclrStreams *self, GstEvent *stream_start);
void gst_simclr_streams_clear (GstSimclrStreams *self);

void gst_simclr_batch_meta_add (GstBuffer *tensors, const guint64 *frames, guint n_pairs);
/* The numbers of n_pairs frames, borrowed; NULL: there are none. */
const guint64 *gst_simclr_batch_meta_get (GstBuffer *tensors, guint n_pairs);

G_END_DECLS
