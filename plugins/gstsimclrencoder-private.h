/* What the files of simclrencoder share: its state, and who may touch it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/video/video.h>

#include "gstsimclrencoder.h"
#include "gstsimclrfollower.h"
#include "gstsimclrforwardmeta.h"
#include "gstsimclrframemeta.h"
#include "gstsimclrpairlayout.h"

G_BEGIN_DECLS

GST_DEBUG_CATEGORY_EXTERN (gst_simclr_encoder_debug);

/* What leaves the source pad. */
typedef enum
{
  GST_SIMCLR_ENCODER_MODE_NONE, /* not negotiated */
  GST_SIMCLR_ENCODER_MODE_VIDEO,
  GST_SIMCLR_ENCODER_MODE_TENSORS,
  GST_SIMCLR_ENCODER_MODE_TRAINING,
} GstSimclrEncoderMode;

/* Properties that a file or a checkpoint may contradict, as flags: set by the user. */
typedef enum
{
  GST_SIMCLR_ENCODER_SET_ARCHITECTURE = 1 << 0,
  GST_SIMCLR_ENCODER_SET_WIDTH = 1 << 1,
  GST_SIMCLR_ENCODER_SET_STEM = 1 << 2,
  GST_SIMCLR_ENCODER_SET_INPUT_SIZE = 1 << 3,
} GstSimclrEncoderSet;

typedef struct
{
  SimclrArchitecture architecture;
  gdouble width;
  SimclrStem stem;
  guint input_size; /* 0: by the frames */
  SimclrNormalization normalization;
  gchar *location;
  gchar *model;
  guint batch_size; /* 0: by the mode */
  guint microbatch_size;
  GstClockTime batch_timeout;
  SimclrOutput output;
  SimclrPrecision precision;
  guint calibration_frames;
  SimclrProvider provider;
  guint threads;
  guint nice;
  gdouble max_cpu;
  gboolean follow;
  GstClockTime follow_interval;
  gboolean qos;
  guint64 seed;
  guint set; /* GstSimclrEncoderSet */
} GstSimclrEncoderSettings;

struct _GstSimclrEncoder
{
  GstElement parent;

  GstPad *sinkpad;
  GstPad *srcpad;
  GstSimclrForwardGate *gate;

  GstSimclrEncoderSettings settings; /* object lock */
  guint embedding_size;              /* object lock */
  GstClockTime latency;              /* object lock: what batching adds */
  SimclrModel *offered;  /* object lock: where weights in training appear, once asked for */
  gboolean trains;       /* object lock: the mode is training */
  GstClockTime earliest; /* object lock: running time; frames before it are late */
  gdouble proportion;    /* object lock: of the last QoS event */
  gboolean is_followed;  /* object lock: somebody upstream wants the embeddings */

  /* Set on the way to PAUSED, then constant. */
  GstSimclrEncoderSettings active;
  SimclrWeights *file_weights; /* of location, NULL without */
  SimclrModel *model;          /* of the table, or of a file that is followed; NULL without */
  GstSimclrFollower *follower; /* of location, NULL without */

  /* Stream lock. */
  GstVideoInfo info;
  GstCaps *caps;    /* of the sink pad */
  gboolean is_pair; /* and they are pairs, of this layout */
  GstSimclrPairLayout layout;
  GstSimclrEncoderMode mode;
  gboolean failed;        /* an error was posted that only going to READY undoes */
  SimclrEncoder *encoder; /* NULL while a shared model has nothing to embed with yet */
  gboolean training;      /* the encoder was made for training */
  SimclrWeights *weights; /* what embeds; NULL when training */
  gboolean untrained;     /* and nobody has been told yet */
  guint64 model_version;
  guint input_size; /* pixels of a side */
  SimclrNormalization normalization;
  guint size; /* of an embedding, floats */
  guint rows; /* of the tensors in the source pad's caps; 0: none yet */

  /* The batch: views (training: a0 b0 a1 b1 ...) as (pictures, size, size, 3) floats, and the small crops of
   * pairs, (crops, crop size, crop size, 3) floats; NULL: they have none. */
  gfloat *pictures;
  gfloat *crops;
  GstSimclrPairLayout batch_layout; /* that there is memory for */
  gint64 *times;   /* of views when training: when their frames were filmed; -1: nobody knows */
  guint *streams;  /* of views when training: numbers of the streams that their frames come from */
  guint64 *frames; /* of pairs when training: numbers of their frames */
  GstSimclrStreams seen; /* streams */
  guint stream;          /* that comes in */
  guint64 pairs;         /* that came in since the start */
  guint capacity;        /* frames or pairs that fit */
  guint filled;
  guint64 *offsets; /* of the pairs, when training */
  GQueue held; /* frames that wait for their embedding and are passed on, and events between them */
  GstSegment segment;
  guint64 embedded, skipped; /* frames */
  GstClockTime batch_pts, batch_end;
  gboolean batch_discont;

  /* A batch that did not fill in time. */
  GstClock *clock;
  GstClockID timer;
  guint generation;        /* of the batch that the timer watches */
  GstFlowReturn late_flow; /* what came of the last late batch */
};

/* What batch-size=0 means. */
#define GST_SIMCLR_ENCODER_TRAINING_BATCH 64
#define GST_SIMCLR_ENCODER_EMBEDDING_BATCH 1

static inline guint
_gst_simclr_encoder_get_batch (GstSimclrEncoder *self, gboolean training)
{
  if (self->active.batch_size != 0)
    return self->active.batch_size;
  return training ? GST_SIMCLR_ENCODER_TRAINING_BATCH : GST_SIMCLR_ENCODER_EMBEDDING_BATCH;
}

static inline gsize
_gst_simclr_encoder_picture_floats (GstSimclrEncoder *self)
{
  return 3 * (gsize) self->input_size * self->input_size;
}

/* Properties (gstsimclrencoder-properties.c). take copies the settings of this moment to active. */
void _gst_simclr_encoder_install_properties (GObjectClass *klass);
void _gst_simclr_encoder_init_settings (GstSimclrEncoder *self);
void _gst_simclr_encoder_take_settings (GstSimclrEncoder *self);
void _gst_simclr_encoder_settings_clear (GstSimclrEncoderSettings *settings);

/* Weights (gstsimclrencoder-weights.c). Errors are posted. */
gboolean _gst_simclr_encoder_open (GstSimclrEncoder *self);
void _gst_simclr_encoder_close (GstSimclrEncoder *self);
gboolean _gst_simclr_encoder_prepare (GstSimclrEncoder *self, gboolean training);
gboolean _gst_simclr_encoder_refresh (GstSimclrEncoder *self);

/* Negotiation (gstsimclrencoder-negotiation.c). */
gboolean _gst_simclr_encoder_set_caps (GstSimclrEncoder *self, GstCaps *caps);
gboolean _gst_simclr_encoder_negotiate (GstSimclrEncoder *self);
void _gst_simclr_encoder_push_tensor_caps (GstSimclrEncoder *self, guint rows);
gboolean _gst_simclr_encoder_sink_query (GstPad *pad, GstObject *parent, GstQuery *query);
gboolean _gst_simclr_encoder_src_query (GstPad *pad, GstObject *parent, GstQuery *query);

/* Events (gstsimclrencoder-events.c), the pads' functions. */
GstFlowReturn _gst_simclr_encoder_sink_event (GstPad *pad, GstObject *parent, GstEvent *event);
gboolean _gst_simclr_encoder_src_event (GstPad *pad, GstObject *parent, GstEvent *event);
/* Whether a flush or a state change is what keeps things from going on. */
gboolean _gst_simclr_encoder_is_flushing (GstSimclrEncoder *self);

/* Batches (gstsimclrencoder-batch.c): frames to pictures in memory. */
gboolean _gst_simclr_encoder_allocate_batch (GstSimclrEncoder *self);
/* Whether the memory that was allocated is for the small crops that come in now. */
gboolean _gst_simclr_encoder_has_room (GstSimclrEncoder *self);
gboolean _gst_simclr_encoder_add_frame (GstSimclrEncoder *self, GstBuffer *buffer);
gboolean _gst_simclr_encoder_add_pair (GstSimclrEncoder *self, GstBuffer *buffer);
void _gst_simclr_encoder_stamp (GstSimclrEncoder *self, GstBuffer *tensors);
void _gst_simclr_encoder_drop_batch (GstSimclrEncoder *self);

/* Embedding (gstsimclrencoder-embedding.c). embed sends what has been collected, if anything. All take
 * the buffer. */
GstFlowReturn _gst_simclr_encoder_embed_frame (GstSimclrEncoder *self, GstBuffer *buffer);
GstFlowReturn _gst_simclr_encoder_embed (GstSimclrEncoder *self);
void _gst_simclr_encoder_stop_timer (GstSimclrEncoder *self);

/* Training (gstsimclrencoder-training.c). answer_model is for any thread. */
gboolean _gst_simclr_encoder_answer_model (GstSimclrEncoder *self, GstQuery *query);
GstFlowReturn _gst_simclr_encoder_train_pair (GstSimclrEncoder *self, GstBuffer *buffer);

G_END_DECLS
