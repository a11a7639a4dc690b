/* What the metas of a frame say, as one line of JSON.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

typedef enum
{
  GST_SIMCLR_PUBLISH_TIME = 1 << 0,
  GST_SIMCLR_PUBLISH_STREAM = 1 << 1,
  GST_SIMCLR_PUBLISH_CLASSIFICATION = 1 << 2,
  GST_SIMCLR_PUBLISH_SCORES = 1 << 3,
  GST_SIMCLR_PUBLISH_REGIONS = 1 << 4,
  GST_SIMCLR_PUBLISH_MODEL = 1 << 5,
} GstSimclrPublishFields;

typedef enum
{
  GST_SIMCLR_PUBLISH_NO_EMBEDDING,
  GST_SIMCLR_PUBLISH_BASE64,
  GST_SIMCLR_PUBLISH_ARRAY,
} GstSimclrPublishEmbedding;

/* One row: the frame itself, or one of the embeddings of a buffer of tensors. */
typedef struct
{
  GstSimclrPublishFields fields;
  GstSimclrPublishEmbedding embedding;
  const gchar *stream; /* NULL: unknown */
  guint64 frame;
  guint row, rows;
  GstClockTime running_time; /* or GST_CLOCK_TIME_NONE */
} GstSimclrPublishRow;

/* How many rows a buffer has, at least 1. */
guint gst_simclr_publish_count_rows (GstBuffer *buffer);
/* The classification of a row, borrowed, NULL where there is none. */
const GstStructure *gst_simclr_publish_get_classification (GstBuffer *buffer, guint row);

/* Replaces what is in the line; it ends in a newline. */
void gst_simclr_publish_write_line (
    GString *line, GstBuffer *buffer, const GstSimclrPublishRow *row);

G_END_DECLS
