/* A frame's embedding as a custom meta that any language reads by name.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrembeddingmeta.h"

#include "gstsimclranalytics.h"

void
gst_simclr_embedding_meta_register (void)
{
  /* no tags: an embedding outlives scaling, conversion and cropping of its frame */
  static const gchar *tags[] = {NULL};
  static gsize registered = 0;

  if (g_once_init_enter (&registered)) {
    gst_meta_register_custom (GST_SIMCLR_EMBEDDING_META_NAME, tags, NULL, NULL, NULL);
    g_once_init_leave (&registered, TRUE);
  }
}

void
gst_buffer_add_simclr_embedding_meta (
    GstBuffer *buffer, GBytes *embeddings, const GstSimclrEmbeddingOrigin *origin)
{
  GstCustomMeta *meta = gst_buffer_add_custom_meta (buffer, GST_SIMCLR_EMBEDDING_META_NAME);
  guint rows = (guint) (g_bytes_get_size (embeddings) / sizeof (gfloat) / origin->size);

  g_return_if_fail (meta != NULL);
  gst_structure_set (gst_custom_meta_get_structure (meta), "embedding", G_TYPE_BYTES, embeddings,
      "size", G_TYPE_UINT, origin->size, "rows", G_TYPE_UINT, rows, "model", G_TYPE_STRING,
      origin->model, "architecture", G_TYPE_STRING, origin->architecture, "step", G_TYPE_UINT64,
      origin->step, NULL);
  gst_buffer_add_simclr_analytics_tensor (buffer, embeddings, rows, origin->size);
}

const gfloat *
gst_buffer_get_simclr_embedding (GstBuffer *buffer, guint *size, guint *rows)
{
  GstCustomMeta *meta = gst_buffer_get_custom_meta (buffer, GST_SIMCLR_EMBEDDING_META_NAME);
  const GstStructure *fields;
  const GValue *value;
  guint floats = 0;

  if (meta == NULL)
    return NULL;
  fields = gst_custom_meta_get_structure (meta);
  value = gst_structure_get_value (fields, "embedding");
  if (value == NULL || !G_VALUE_HOLDS (value, G_TYPE_BYTES) || g_value_get_boxed (value) == NULL ||
      !gst_structure_get_uint (fields, "size", &floats) || floats == 0)
    return NULL;
  if (size != NULL)
    *size = floats;
  if (rows != NULL)
    *rows = (guint) (g_bytes_get_size (g_value_get_boxed (value)) / sizeof (gfloat) / floats);
  return g_bytes_get_data (g_value_get_boxed (value), NULL);
}
