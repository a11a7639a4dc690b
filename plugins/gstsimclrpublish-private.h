/* What the files of simclrpublish share: its state, and who may touch it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gstsimclrmqtt.h"
#include "gstsimclrpublish.h"
#include "gstsimclrpublishline.h"

G_BEGIN_DECLS

GST_DEBUG_CATEGORY_EXTERN (gst_simclr_publish_debug);

typedef enum
{
  GST_SIMCLR_PUBLISH_EACH_FRAME,
  GST_SIMCLR_PUBLISH_EACH_CHANGE,
} GstSimclrPublishMode;

/* May be changed at any time. */
typedef struct
{
  GstSimclrPublishMode mode;
  GstClockTime interval;
  GstSimclrPublishFields fields;
  GstSimclrPublishEmbedding embedding;
  gboolean flush;
} GstSimclrPublishLive;

/* Taken over at start. Texts are NULL where unset or empty. */
typedef struct
{
  gchar *location;
  gboolean append;
  GstSimclrMqttSettings mqtt; /* address NULL: no broker */
} GstSimclrPublishFixed;

struct _GstSimclrPublish
{
  GstBaseTransform parent;

  GstSimclrPublishLive live;    /* object lock */
  GstSimclrPublishFixed fixed;  /* object lock */
  gchar *stream;                /* object lock: NULL: the stream's own id */
  guint64 lines, dropped, sent; /* object lock: the last two of the last connection */
  GstSimclrMqtt *mqtt;          /* object lock to change it: NULL: none */

  /* streaming thread, or while there is none */
  gchar *location; /* of the open file, for messages */
  gchar *stream_id;
  int fd; /* -1: none */
  GString *line, *buffered;
  guint64 frames;
  GHashTable *said; /* what was last said, by stream and row */
};

/* Properties (gstsimclrpublish-properties.c). */
void _gst_simclr_publish_install_properties (GObjectClass *klass);
void _gst_simclr_publish_init_settings (GstSimclrPublish *self);
void _gst_simclr_publish_clear_settings (GstSimclrPublish *self);

/* Output (gstsimclrpublish-output.c). FALSE: an error was posted. */
gboolean _gst_simclr_publish_open (GstSimclrPublish *self);
/* Whether lines still can reach the broker. */
gboolean _gst_simclr_publish_check (GstSimclrPublish *self);
/* The line that self->line holds; flush: written at once. */
gboolean _gst_simclr_publish_put (GstSimclrPublish *self, gboolean flush);
/* At the end of a stream: takes what is left to file and broker, and waits for the broker a little. */
void _gst_simclr_publish_finish (GstSimclrPublish *self);
/* From any thread: nobody waits, or may again. */
void _gst_simclr_publish_interrupt (GstSimclrPublish *self, gboolean interrupted);
void _gst_simclr_publish_close (GstSimclrPublish *self);
/* With the object lock. */
GstStructure *_gst_simclr_publish_make_stats (GstSimclrPublish *self) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
