/* The stored moment most like a frame, as a custom meta that any language reads by name.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrnearestmeta.h"

void
gst_simclr_nearest_meta_register (void)
{
  /* no tags: what a frame looks like outlives its scaling and conversion */
  static const gchar *tags[] = {NULL};
  static gsize registered = 0;

  if (g_once_init_enter (&registered)) {
    gst_meta_register_custom (GST_SIMCLR_NEAREST_META_NAME, tags, NULL, NULL, NULL);
    g_once_init_leave (&registered, TRUE);
  }
}

void
gst_buffer_add_simclr_nearest_meta (GstBuffer *buffer, const SimclrMatch *match)
{
  GstCustomMeta *meta = gst_buffer_add_custom_meta (buffer, GST_SIMCLR_NEAREST_META_NAME);
  GstStructure *fields;

  g_return_if_fail (meta != NULL);
  fields = gst_custom_meta_get_structure (meta);
  gst_structure_set (fields, "number", G_TYPE_UINT64, match->number, "time", G_TYPE_INT64,
      match->time, "similarity", G_TYPE_DOUBLE, match->similarity, "stream", G_TYPE_STRING,
      match->stream, "source", G_TYPE_STRING, match->source, NULL);
  if (match->thumbnail != NULL)
    gst_structure_set (fields, "thumbnail", G_TYPE_BYTES, match->thumbnail, "thumbnail-width",
        G_TYPE_UINT, match->thumbnail_width, "thumbnail-height", G_TYPE_UINT,
        match->thumbnail_height, NULL);
}

const GstStructure *
gst_buffer_get_simclr_nearest (GstBuffer *buffer)
{
  GstCustomMeta *meta = gst_buffer_get_custom_meta (buffer, GST_SIMCLR_NEAREST_META_NAME);

  return meta != NULL ? gst_custom_meta_get_structure (meta) : NULL;
}
