/* simclrreplay from inside: what its two sides, sink and source, share.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gstsimclrreplay.h"

#include <simclr/simclr.h>

G_BEGIN_DECLS

GST_DEBUG_CATEGORY_EXTERN (gst_simclr_replay_debug);

typedef struct
{
  SimclrReplayPolicy policy;
  guint64 capacity;    /* frames, 0: no bound */
  guint64 max_bytes;   /* 0: no bound */
  guint64 min_fill;    /* frames */
  guint epochs;        /* 0: no end */
  guint64 num_samples; /* 0: no end */
  guint64 seed;
} GstSimclrReplaySettings;

struct _GstSimclrReplay
{
  GstElement parent;

  GstPad *sinkpad;
  GstPad *srcpad;

  GstSimclrReplaySettings settings; /* object lock */
  GstSimclrReplaySettings run;      /* a copy of them, constant from READY to PAUSED and back */

  GMutex lock;
  GCond wake; /* for the source pad's task: anything below has changed */

  /* lock */
  SimclrReplay *memory;  /* of GstSample; NULL below PAUSED */
  GstFlowReturn flow;    /* of the source pad; what the sink pad returns */
  gboolean input_ended;  /* EOS has come in */
  gboolean filled;       /* min-fill was reached since the start */
  gboolean located;      /* next_sample is known: the trainer was asked where to resume */
  guint64 next_sample;   /* position in the whole sequence, resumed part included */
  guint64 pushed;        /* samples of this run */
  guint64 copied;        /* frames that could not be held by reference */
  guint64 received;      /* frames since the start */
  guint64 ignored;       /* frames without a picture: GAP, CORRUPTED or empty */
  GQueue pending;        /* of GstEvent, to be sent before the next sample */
  gboolean need_segment; /* a segment must be sent before the next sample */
  gboolean was_flushed;  /* since the last segment: running time starts at 0 */
  guint32 seqnum;        /* of the input's segment, or GST_SEQNUM_INVALID */

  /* streaming thread of the sink pad */
  GstCaps *caps; /* of the frames coming in */
  GstSegment segment;
  GstBufferPool *pool; /* of the latest frame that had one */
  gboolean pool_is_bounded;

  /* task of the source pad */
  GstCaps *src_caps;     /* sent last */
  GstClockTime position; /* where the next sample begins on the output's own timeline */
};

/* gstsimclrreplaysink.c: frames come in */
extern GstStaticPadTemplate gst_simclr_replay_sink_template;
void gst_simclr_replay_init_sink (GstSimclrReplay *self);
void gst_simclr_replay_reset_sink (GstSimclrReplay *self);

/* gstsimclrreplaysrc.c: samples go out */
extern GstStaticPadTemplate gst_simclr_replay_src_template;
void gst_simclr_replay_init_src (GstSimclrReplay *self);
void gst_simclr_replay_reset_src (GstSimclrReplay *self);
/* Starts sampling again after a flush or an end; lock held. */
void gst_simclr_replay_restart (GstSimclrReplay *self);
/* Wakes the task, which sees flow and stops; lock held. */
void gst_simclr_replay_set_flow (GstSimclrReplay *self, GstFlowReturn flow);

G_END_DECLS
