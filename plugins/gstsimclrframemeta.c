/* Which frame of the input a buffer shows, by number, through replay and into a batch.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrframemeta.h"

void
gst_simclr_frame_meta_register (void)
{
  static gsize once = 0;
  const gchar *no_tags[] = {NULL};

  if (!g_once_init_enter (&once))
    return;
  /* no tags and no transform function: copied with the buffer, whatever is done to it */
  gst_meta_register_custom (GST_SIMCLR_FRAME_META_NAME, no_tags, NULL, NULL, NULL);
  gst_meta_register_custom (GST_SIMCLR_BATCH_META_NAME, no_tags, NULL, NULL, NULL);
  g_once_init_leave (&once, 1);
}

void
gst_simclr_frame_meta_set (GstBuffer *buffer, guint64 number, guint stream)
{
  GstCustomMeta *meta;

  gst_simclr_frame_meta_register ();
  meta = gst_buffer_get_custom_meta (buffer, GST_SIMCLR_FRAME_META_NAME);
  if (meta == NULL)
    meta = gst_buffer_add_custom_meta (buffer, GST_SIMCLR_FRAME_META_NAME);
  gst_structure_set (gst_custom_meta_get_structure (meta), "number", G_TYPE_UINT64, number,
      "stream", G_TYPE_UINT, stream, NULL);
}

gboolean
gst_simclr_frame_meta_get (GstBuffer *buffer, guint64 *number, guint *stream)
{
  GstCustomMeta *meta = gst_buffer_get_custom_meta (buffer, GST_SIMCLR_FRAME_META_NAME);

  return meta != NULL && gst_structure_get (gst_custom_meta_get_structure (meta), "number",
                             G_TYPE_UINT64, number, "stream", G_TYPE_UINT, stream, NULL);
}

/* A camera that is plugged in again and again may have a new id each time: what is remembered is bounded. */
#define MOST_IDS 256

guint
gst_simclr_streams_get (GstSimclrStreams *self, GstEvent *stream_start)
{
  gpointer number;
  const gchar *id;

  gst_event_parse_stream_start (stream_start, &id);
  if (self->numbers == NULL || g_hash_table_size (self->numbers) == MOST_IDS) {
    g_clear_pointer (&self->numbers, g_hash_table_unref);
    self->numbers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  }
  if (!g_hash_table_lookup_extended (self->numbers, id, NULL, &number)) {
    number = GUINT_TO_POINTER (self->next);
    self->next = (self->next + 1) % GST_SIMCLR_STREAMS;
    g_hash_table_insert (self->numbers, g_strdup (id), number);
  }
  return GPOINTER_TO_UINT (number);
}

void
gst_simclr_streams_clear (GstSimclrStreams *self)
{
  g_clear_pointer (&self->numbers, g_hash_table_unref);
  self->next = 0;
}

void
gst_simclr_batch_meta_add (GstBuffer *tensors, const guint64 *frames, guint n_pairs)
{
  g_autoptr (GBytes) bytes = g_bytes_new (frames, n_pairs * sizeof *frames);
  GstCustomMeta *meta;

  gst_simclr_frame_meta_register ();
  meta = gst_buffer_add_custom_meta (tensors, GST_SIMCLR_BATCH_META_NAME);
  gst_structure_set (gst_custom_meta_get_structure (meta), "frames", G_TYPE_BYTES, bytes, NULL);
}

const guint64 *
gst_simclr_batch_meta_get (GstBuffer *tensors, guint n_pairs)
{
  GstCustomMeta *meta = gst_buffer_get_custom_meta (tensors, GST_SIMCLR_BATCH_META_NAME);
  const GValue *value =
      meta != NULL ? gst_structure_get_value (gst_custom_meta_get_structure (meta), "frames")
                   : NULL;
  GBytes *bytes =
      value != NULL && G_VALUE_HOLDS (value, G_TYPE_BYTES) ? g_value_get_boxed (value) : NULL;

  if (bytes == NULL || g_bytes_get_size (bytes) != n_pairs * sizeof (guint64))
    return NULL;
  return g_bytes_get_data (bytes, NULL);
}
