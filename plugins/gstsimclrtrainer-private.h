/* What the files of simclrtrainer share: its state, and who may touch it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/simclr.h>

#include "gstsimclrbranch.h"
#include "gstsimclrforwardmeta.h"
#include "gstsimclrlabels.h"
#include "gstsimclrrate.h"
#include "gstsimclrtrainer.h"

G_BEGIN_DECLS

GST_DEBUG_CATEGORY_EXTERN (gst_simclr_trainer_debug);

typedef struct
{
  gchar *location;
  gchar *labels;
  gchar *teacher;
  gchar *tensorboard;
  guint64 tensorboard_interval; /* at least 1 */
  guint64 checkpoint_interval;
  guint64 publish_interval;
  guint max_files; /* 0: all are kept */
  gboolean resume;
} GstSimclrTrainerSettings;

struct _GstSimclrTrainer
{
  GstBaseSink parent;

  GstSimclrTrainerSettings settings;   /* object lock */
  SimclrTrainer *prototype;            /* object lock: holds the library's settings, never trains */
  SimclrTrainingStatistics statistics; /* object lock: of the last step */
  gdouble pairs_per_second;            /* object lock */
  gint64 playing_since;                /* object lock: monotonic time */
  GThread *prerolling;                 /* preroll lock: NULL: there was no need to, yet */
  gboolean prerolled;                  /* preroll lock: that thread is done */

  /* Set on the way to PAUSED, then constant. */
  gchar *location; /* NULL: no checkpoint; may be numbered */
  guint max_files;
  guint64 total_steps;
  guint64 first_step;      /* where this run began */
  GstSimclrLabels *labels; /* NULL: none */

  /* A question from upstream may come while a step is taken. */
  GMutex lock;
  SimclrTrainer *trainer; /* lock: NULL outside of PAUSED and PLAYING */

  /* Streaming thread, or the one that changes the state while there is none. */
  guint64 step;
  guint64 saved_step;
  guint skipped_in_a_row;
  gboolean unsound;               /* the last step's weights are not worth keeping */
  gboolean publish_due, save_due; /* as soon as they are */
  gboolean collapsed, diverging;  /* and that was said */
  gboolean unlabelled;            /* frames without a label were, and that was said */
  gint64 warned_at, progress_at;  /* monotonic times; 0: never */
  gdouble loss;
  gboolean in_progress;
  gboolean finished;
  GstSimclrRate rate;
  GstSimclrBranch branch;
  SimclrSummaryWriter *summaries; /* NULL: none */
  gboolean summaries_failed;      /* and that was said */
};

/* The signal `trained`. */
extern guint _gst_simclr_trainer_trained;

/* Properties (gstsimclrtrainer-properties.c). new_trainer makes one with the settings of this moment. */
void _gst_simclr_trainer_install_properties (GObjectClass *klass);
void _gst_simclr_trainer_init_settings (GstSimclrTrainer *self);
void _gst_simclr_trainer_clear_settings (GstSimclrTrainer *self);
SimclrTrainer *_gst_simclr_trainer_new_trainer (GstSimclrTrainer *self) G_GNUC_WARN_UNUSED_RESULT;

/* Preroll (gstsimclrtrainer-preroll.c): at a serialized event, with the preroll lock held; and where it may be over, without
 * the lock. */
void _gst_simclr_trainer_preroll (GstSimclrTrainer *self, GstEvent *event);
void _gst_simclr_trainer_end_preroll (GstSimclrTrainer *self);

/* Steps (gstsimclrtrainer-step.c). */
GstFlowReturn _gst_simclr_trainer_render (GstBaseSink *sink, GstBuffer *buffer);
void _gst_simclr_trainer_end_progress (GstSimclrTrainer *self, GstProgressType type);

/* Checkpoints (gstsimclrtrainer-checkpoint.c). Errors and warnings are posted. */
gboolean _gst_simclr_trainer_check_location (GstSimclrTrainer *self);
gboolean _gst_simclr_trainer_resume (GstSimclrTrainer *self);
/* Writes what is newer than the last checkpoint. final: a failure is an error, else a warning. */
gboolean _gst_simclr_trainer_save (GstSimclrTrainer *self, gboolean final);

/* Labels (gstsimclrtrainer-labels.c). load posts errors; label tells the pass what its views show. */
gboolean _gst_simclr_trainer_load_labels (GstSimclrTrainer *self);
gboolean _gst_simclr_trainer_load_teacher (GstSimclrTrainer *self);
void _gst_simclr_trainer_label (GstSimclrTrainer *self, GstBuffer *buffer, SimclrForwardPass *pass);

/* Curves (gstsimclrtrainer-tensorboard.c), from first_step on. Errors and warnings are posted. */
gboolean _gst_simclr_trainer_open_summaries (GstSimclrTrainer *self);
void _gst_simclr_trainer_write_summary (
    GstSimclrTrainer *self, const SimclrTrainingStatistics *statistics, gdouble pairs_per_second);

/* Weights of so many skipped steps in a row are no longer worth keeping, or training. */
#define GST_SIMCLR_TRAINER_DIVERGING 10
#define GST_SIMCLR_TRAINER_DIVERGED 100

G_END_DECLS
