/* Inside of simclrclassifier, shared by its files.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gstsimclrclassifier.h"

#include <gst/video/video.h>
#include <simclr/simclr.h>

#include "gstsimclrlabels.h"
#include "gstsimclrsmoothing.h"

G_BEGIN_DECLS

GST_DEBUG_CATEGORY_EXTERN (gst_simclr_classifier_debug);

typedef enum
{
  GST_SIMCLR_CLASSIFIER_FIT,
  GST_SIMCLR_CLASSIFIER_PREDICT,
} GstSimclrClassifierMode;

typedef enum
{
  GST_SIMCLR_CLASSIFIER_ON_CHANGE,
  GST_SIMCLR_CLASSIFIER_ON_FRAME,
  GST_SIMCLR_CLASSIFIER_NEVER,
} GstSimclrClassifierMessages;

/* Settings that may change while playing: a copy is taken for each buffer. */
typedef struct
{
  gchar *label; /* NULL where it is not set or empty */
  gdouble confidence_threshold;
  gdouble novelty_threshold;
  gdouble novelty_hysteresis;
  GstClockTime smoothing;
  GstSimclrClassifierMessages messages;
  gboolean region_of_interest;
} GstSimclrClassifierLive;

/* Settings that hold from READY to READY. */
typedef struct
{
  GstSimclrClassifierMode mode;
  gboolean resume;
  gchar *location;
  gchar *labels;
  gchar *report;
  gchar *confusion;
} GstSimclrClassifierFixed;

/* What is known of the frames so far; lock. */
typedef struct
{
  guint64 frames;     /* that came by, rows of tensors */
  guint64 embeddings; /* of them with an embedding */
  guint64 taught;
  guint64 unknown;
  gchar *label; /* the last one, NULL where unknown */
  gdouble confidence;
  gdouble novelty;
} GstSimclrClassifierCounts;

struct _GstSimclrClassifier
{
  GstElement parent;
  GstPad *sinkpad, *srcpad;

  GstSimclrClassifierLive live;   /* object lock */
  GstSimclrClassifierFixed fixed; /* object lock */
  SimclrClassifier *prototype;    /* object lock; the library's settings */
  gboolean method_set;            /* object lock; method is the user's, not the file's */

  /* constant while streaming */
  GstSimclrClassifierFixed active;
  GstSimclrLabels *truth; /* of the labels file, NULL without */

  /* streaming thread only */
  gboolean is_video;
  GstVideoInfo info;
  guint tensor_size, tensor_rows;
  GstSegment segment;
  GstSimclrSmoothing smoothing;
  gboolean alarm;           /* novelty is being told */
  gboolean origin_compared; /* with that of the file */
  gchar *told;              /* label last told, "" for unknown; NULL before the first */

  GMutex lock; /* taken after no other; guards: */
  SimclrClassifier *classifier;
  SimclrConfusion *evaluation;
  gchar **labels; /* the classifier's, as they were when last needed; NULL: ask again */
  GstSimclrClassifierCounts counts;
  gboolean unsaved;   /* taught since the last save */
  gboolean evaluated; /* counted since the last message */
};

/* -properties.c: what the user says. take copies what holds from READY to READY to active. */
void _gst_simclr_classifier_install_properties (GObjectClass *klass);
void _gst_simclr_classifier_init_settings (GstSimclrClassifier *self);
void _gst_simclr_classifier_take_settings (GstSimclrClassifier *self);
void _gst_simclr_classifier_clear_settings (GstSimclrClassifier *self);

/* -learned.c: what was learned, and where it lies. Errors are posted. */
gboolean _gst_simclr_classifier_open (GstSimclrClassifier *self);
gboolean _gst_simclr_classifier_save (GstSimclrClassifier *self);
/* The labels as they are now; borrowed, valid under the lock. */
const gchar *const *_gst_simclr_classifier_get_labels (GstSimclrClassifier *self);
void _gst_simclr_classifier_labels_changed (GstSimclrClassifier *self);
/* Signals. How many examples were forgotten; the labels in the order of their first example. */
guint64 _gst_simclr_classifier_unlearn (GstSimclrClassifier *self, const gchar *label);
gchar **_gst_simclr_classifier_list_labels (GstSimclrClassifier *self);

/* -frame.c: takes buffer, gives back the one to push, or NULL with *flow set and an error posted. */
GstBuffer *_gst_simclr_classifier_handle (
    GstSimclrClassifier *self, GstBuffer *buffer, GstFlowReturn *flow);

/* -evaluation.c: at the end, messages and files about how right the predictions were. */
void _gst_simclr_classifier_report (GstSimclrClassifier *self, gboolean at_eos);

G_END_DECLS
