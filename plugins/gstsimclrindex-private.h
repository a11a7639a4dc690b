/* Inside of simclrindex, shared by its files.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gstsimclrindex.h"

#include <gst/video/video.h>
#include <simclr/simclr.h>

#include "gstsimclrpicture.h"

G_BEGIN_DECLS

GST_DEBUG_CATEGORY_EXTERN (gst_simclr_index_debug);

typedef enum
{
  GST_SIMCLR_INDEX_STREAM_TIME,
  GST_SIMCLR_INDEX_RUNNING_TIME,
  GST_SIMCLR_INDEX_UTC,
} GstSimclrIndexClock;

/* Settings; texts that are empty are NULL. */
typedef struct
{
  gchar *location, *stream, *source;
  GstSimclrIndexClock clock;
  guint64 max_entries;
  GstClockTime interval;
  gdouble min_change;
  guint thumbnail_size;
  gboolean nearest;
  guint matches;
  GstClockTime apart;
} GstSimclrIndexSettings;

typedef struct
{
  guint64 frames;
  guint64 embeddings;
  guint64 stored;
} GstSimclrIndexCounts;

struct _GstSimclrIndex
{
  GstBaseTransform parent;

  GstSimclrIndexSettings settings; /* object lock */
  GstSimclrIndexCounts counts;     /* object lock */
  SimclrIndex *index;              /* object lock; NULL while in READY or below */
  GBytes *newest;                  /* object lock; embedding of the newest frame, NULL: none */
  gint64 newest_time;              /* object lock */

  /* streaming thread, or while there is none */
  gchar *uri; /* of what plays, NULL: nobody said */
  GstVideoInfo info;
  gboolean has_info;
  GstSimclrPicture picture;
  gfloat *last; /* embedding stored last, NULL: none */
  guint size;
  gint64 last_time;
  gboolean origin_compared, warned;
};

/* Properties (gstsimclrindex-properties.c). take: a copy of the moment; clear it. */
void _gst_simclr_index_install_properties (GObjectClass *klass);
void _gst_simclr_index_init_settings (GstSimclrIndex *self);
void _gst_simclr_index_settings_clear (GstSimclrIndexSettings *self);
void _gst_simclr_index_settings_take (GstSimclrIndex *self, GstSimclrIndexSettings *copy);

/* The index, referenced; NULL where there is none. */
SimclrIndex *_gst_simclr_index_get (GstSimclrIndex *self) G_GNUC_WARN_UNUSED_RESULT;

/* Frames (gstsimclrindex-frame.c): stores one if it should be, says what it looks like. An error was posted. */
GstFlowReturn _gst_simclr_index_handle (GstSimclrIndex *self, GstBuffer *buffer);

/* Searches (gstsimclrindex-search.c): the action signal. */
GstStructure *_gst_simclr_index_search (GstSimclrIndex *self, const GstStructure *query);

G_END_DECLS
