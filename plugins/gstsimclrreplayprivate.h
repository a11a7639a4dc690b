/* simclrreplay from inside: what its sides, sinks and source, share.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gstsimclrframemeta.h"
#include "gstsimclrlabels.h"
#include "gstsimclrreplay.h"

#include <gst/video/video.h>
#include <simclr/simclr.h>

G_BEGIN_DECLS

GST_DEBUG_CATEGORY_EXTERN (gst_simclr_replay_debug);

typedef struct
{
  SimclrReplayPolicy policy;
  SimclrReplayRule rule;
  guint64 capacity;     /* frames, 0: no bound */
  guint64 max_bytes;    /* 0: no bound */
  guint64 min_fill;     /* frames */
  guint epochs;         /* 0: no end */
  guint64 num_samples;  /* 0: no end */
  gdouble min_distance; /* 0: every frame is taken */
  gdouble cut_distance; /* 0: no cuts */
  gdouble refresh_ratio;
  gdouble fresh_ratio;
  guint64 fresh_frames;
  gdouble min_samples; /* for each frame that came in, 0: the input never waits */
  gdouble max_samples; /* for each frame that came in, 0: no bound */
  guint storage_size;  /* pixels, 0: as they come */
  guint threads;       /* that embed, 0: all processors */
  guint64 seed;
  gboolean resume;
  GstClockTime save_interval;
  gchar *location; /* NULL: none */
  gchar *model;    /* NULL: the one that is trained downstream */
  gchar *labels;   /* NULL: every frame is taken in */
  gdouble label_fraction;
} GstSimclrReplaySettings;

/* Frames taken in last, that a new one is compared with. */
#define GST_SIMCLR_REPLAY_REMEMBERED 8

/* A sink pad: one camera. */
typedef struct
{
  GstPad *pad;  /* borrowed */
  guint source; /* its number */

  gboolean started, ended; /* lock: since its last stream-start */
  gboolean flushing;       /* lock */

  /* streaming thread of the pad */
  GstCaps *caps;
  GstVideoInfo info;
  gboolean is_readable;     /* by the library, as it comes */
  guint stream;             /* number of the stream that comes in */
  GstSimclrStreams streams; /* a funnel brings several */
  GstSegment segment;
  GstBufferPool *pool; /* of the latest frame that had one */
  gboolean pool_is_bounded;
  GstVideoConverter *converter; /* to what is stored; NULL: it is stored as it comes */
  GstCaps *stored_caps;
  GstVideoInfo stored_info;
  guint64 run; /* frames that follow each other; 0: the next one begins a new run */
  gboolean has_last;
  gfloat last[SIMCLR_THUMBNAIL_FLOATS]; /* of the frame before */
  gfloat taken[GST_SIMCLR_REPLAY_REMEMBERED][SIMCLR_THUMBNAIL_FLOATS];
  guint n_taken, next_taken;
} GstSimclrReplayInput;

/* Which frame a sample was, for embeddings that come back from training. */
typedef struct
{
  guint64 sample, frame;
} GstSimclrReplayDrawn;

#define GST_SIMCLR_REPLAY_DRAWN 4096

/* One sample, as it is taken from the memory. */
typedef struct
{
  GstSample *frame;
  guint64 number; /* of the frame */
  guint64 index;  /* of the sample */
  gboolean need_segment;
  gboolean was_flushed;
} GstSimclrReplayTaken;

struct _GstSimclrReplay
{
  GstElement parent;

  GstSimclrReplayInput *first; /* of the pad "sink" */
  GstPad *srcpad;

  GstSimclrReplaySettings settings; /* object lock */
  GstSimclrReplaySettings run;      /* a copy of them, constant from READY to PAUSED and back */
  GstSimclrLabels *labels;          /* likewise; of the frames that are taken in, NULL: all */

  GMutex lock;
  GCond wake; /* for the source pad's task and inputs that wait: anything below has changed */

  /* lock */
  GPtrArray *inputs;                /* of GstSimclrReplayInput, owned */
  GstSimclrReplayInput *main_input; /* whose stream the output continues; NULL: none yet */
  SimclrReplay *memory;             /* of GstSample; NULL below PAUSED */
  GstFlowReturn flow;               /* of the source pad; what the sink pad returns */
  gboolean input_ended;             /* EOS has come in, on all pads */
  gboolean started;                 /* a stream has begun */
  gboolean filled;                  /* min-fill was reached since the start */
  gboolean located;      /* next_sample is known: the trainer was asked where to resume */
  guint64 next_sample;   /* position in the whole sequence, resumed part included */
  guint64 pushed;        /* samples of this run */
  guint64 done;          /* of them, those that downstream has taken */
  guint64 frames;        /* that came in since sampling could begin */
  guint64 copied;        /* frames that could not be held by reference */
  guint64 received;      /* frames since the start */
  guint64 ignored;       /* frames without a picture: GAP, CORRUPTED or empty */
  guint64 near;          /* frames too like those taken in before */
  guint64 unlabelled;    /* frames left out for want of a label */
  guint64 cuts;          /* scene cuts that were seen */
  GQueue pending;        /* of GstEvent, to be sent before the next sample */
  gboolean need_segment; /* a segment must be sent before the next sample */
  gboolean was_flushed;  /* since the last segment: running time starts at 0 */
  guint32 seqnum;        /* of the input's segment, or GST_SEQNUM_INVALID */
  gdouble stale_due;     /* embeddings to be made anew */
  gint embed_due;        /* frames that may be embedded before the next sample; below 0: in debt */
  gboolean can_embed;    /* there are weights to embed with */
  gboolean must_save;    /* the trainer has written a checkpoint */
  gboolean changed;      /* since the last save */
  gboolean is_following; /* the encoder was asked to send embeddings */
  GstSimclrReplayDrawn *drawn; /* of the last samples, by number; NULL: nobody asks */

  /* task of the source pad */
  GstCaps *src_caps;     /* sent last */
  GstClockTime position; /* where the next sample begins on the output's own timeline */
  gint64 saved_at;       /* monotonic time, 0: never */
  SimclrModel *model;    /* embeds; NULL until it is known */
  guint64 model_version; /* that the encoder has */
  SimclrEncoder *encoder;
  guint input_size;
  SimclrNormalization normalization;
  gfloat *pictures;
};

/* gstsimclrreplaysettings.c: properties */
void gst_simclr_replay_install_properties (GObjectClass *klass);
void gst_simclr_replay_init_settings (GstSimclrReplay *self);
/* Whether frames are stored in another form than they come in; any thread. */
gboolean gst_simclr_replay_converts (GstSimclrReplay *self);
void gst_simclr_replay_take_settings (GstSimclrReplay *self);
void gst_simclr_replay_clear_settings (GstSimclrReplay *self);

/* gstsimclrreplaysink.c: streams come in */
extern GstStaticPadTemplate gst_simclr_replay_sink_template;
extern GstStaticPadTemplate gst_simclr_replay_request_template;
GstSimclrReplayInput *gst_simclr_replay_add_input (
    GstSimclrReplay *self, GstPadTemplate *template, const gchar *name, guint source);
void gst_simclr_replay_remove_input (GstSimclrReplay *self, GstPad *pad);
void gst_simclr_replay_input_free (gpointer input);
GstCaps *gst_simclr_replay_get_input_caps (GstSimclrReplay *self);

/* gstsimclrreplayintake.c: frames are looked at and stored */
gboolean gst_simclr_replay_set_input_caps (
    GstSimclrReplay *self, GstSimclrReplayInput *input, GstCaps *caps);
void gst_simclr_replay_reset_input (GstSimclrReplayInput *input);
gboolean gst_simclr_replay_load_labels (GstSimclrReplay *self);
GstFlowReturn gst_simclr_replay_take_frame (
    GstSimclrReplay *self, GstSimclrReplayInput *input, GstBuffer *buffer, guint64 number);

/* gstsimclrreplaysrc.c: samples go out */
extern GstStaticPadTemplate gst_simclr_replay_src_template;
void gst_simclr_replay_init_src (GstSimclrReplay *self);
void gst_simclr_replay_reset_src (GstSimclrReplay *self);
/* Starts sampling again after a flush or an end; lock held. */
void gst_simclr_replay_restart (GstSimclrReplay *self);
/* Wakes the task, which sees flow and stops; lock held. */
void gst_simclr_replay_set_flow (GstSimclrReplay *self, GstFlowReturn flow);
/* What so many samples for each frame make; lock held. */
guint64 gst_simclr_replay_count_samples (GstSimclrReplay *self, gdouble samples_per_frame);

/* gstsimclrreplayoutput.c: what is sent, by the task of the source pad */
/* Takes all events. */
void gst_simclr_replay_push_events (GstSimclrReplay *self, GQueue *events);
/* Takes the event. */
void gst_simclr_replay_push_numbered (GstSimclrReplay *self, GstEvent *event);
/* The sample, after what has to go before it. */
GstFlowReturn gst_simclr_replay_push_output (
    GstSimclrReplay *self, const GstSimclrReplayTaken *taken, GQueue *events);

/* gstsimclrreplayembed.c: frames are embedded with the weights of the moment */
void gst_simclr_replay_open_model (GstSimclrReplay *self);
void gst_simclr_replay_close_model (GstSimclrReplay *self);
/* Whether enough frames wait, and can be embedded; lock held. */
gboolean gst_simclr_replay_may_embed (GstSimclrReplay *self);
/* A sample was pushed; lock held. */
void gst_simclr_replay_earn_embedding (GstSimclrReplay *self);
/* Task of the source pad: looks for weights, or asks for embeddings, after a sample. */
void gst_simclr_replay_find_model (GstSimclrReplay *self);
void gst_simclr_replay_embed (GstSimclrReplay *self);
void gst_simclr_replay_take_embeddings (GstSimclrReplay *self, const GstStructure *fields);

/* gstsimclrreplayfile.c: the memory is kept in a file. Errors and warnings are posted. */
gboolean gst_simclr_replay_restore (GstSimclrReplay *self);
/* final: a failure is an error, else a warning. */
void gst_simclr_replay_save (GstSimclrReplay *self, gboolean final);

G_END_DECLS
