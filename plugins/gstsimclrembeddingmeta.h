/* A frame's embedding as a custom meta that any language reads by name.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/* The GstCustomMeta "SimclrEmbedding" holds a GstStructure with these fields:
 *   embedding     GBytes   float32 in the machine's byte order, `rows` times `size` of them
 *   size          guint    floats of one embedding
 *   rows          guint    embeddings: 1 on a frame, the batch on tensors
 *   model         gchar *  the model's shared name, else its file's name, else "untrained"
 *   architecture  gchar *  for example "resnet18"
 *   step          guint64  training step of the weights that made it
 */
#define GST_SIMCLR_EMBEDDING_META_NAME "SimclrEmbedding"

typedef struct
{
  const gchar *model;
  const gchar *architecture;
  guint64 step;
  guint size;
} GstSimclrEmbeddingOrigin;

/* Before any other function here. */
void gst_simclr_embedding_meta_register (void);

/* buffer must be writable; embeddings is referenced. With GStreamer 1.26 the same floats are a GstTensorMeta too. */
void gst_buffer_add_simclr_embedding_meta (
    GstBuffer *buffer, GBytes *embeddings, const GstSimclrEmbeddingOrigin *origin);

/* The floats, valid as long as the buffer, NULL where there is no embedding; size and rows may be
 * NULL. */
const gfloat *gst_buffer_get_simclr_embedding (GstBuffer *buffer, guint *size, guint *rows);

G_END_DECLS
