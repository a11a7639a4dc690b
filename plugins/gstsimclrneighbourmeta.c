/* The frame that a pair's second view may come from, on the frame of the first.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrneighbourmeta.h"

static GstStaticCaps original_time_caps = GST_STATIC_CAPS ("timestamp/x-running-time");

static gboolean
neighbour_meta_init (GstMeta *meta, gpointer params, GstBuffer *buffer)
{
  GstSimclrNeighbourMeta *self = (GstSimclrNeighbourMeta *) meta;

  self->frame = NULL;
  self->running_time = GST_CLOCK_TIME_NONE;
  return TRUE;
}

static void
neighbour_meta_free (GstMeta *meta, GstBuffer *buffer)
{
  gst_clear_buffer (&((GstSimclrNeighbourMeta *) meta)->frame);
}

static gboolean
neighbour_meta_transform (GstBuffer *to, GstMeta *meta, GstBuffer *from, GQuark type, gpointer data)
{
  GstSimclrNeighbourMeta *self = (GstSimclrNeighbourMeta *) meta;

  if (!GST_META_TRANSFORM_IS_COPY (type) || ((GstMetaTransformCopy *) data)->region)
    return FALSE;
  gst_buffer_add_simclr_neighbour_meta (to, self->frame, self->running_time);
  return TRUE;
}

/* The tag has elements that make new pixels leave the meta behind: the neighbour would not match. */
GType
gst_simclr_neighbour_meta_api_get_type (void)
{
  static gsize type = 0;

  if (g_once_init_enter (&type)) {
    static const gchar *tags[] = {GST_META_TAG_MEMORY_STR, NULL};
    GType registered = gst_meta_api_type_register ("GstSimclrNeighbourMetaAPI", tags);

    g_once_init_leave (&type, registered);
  }
  return type;
}

const GstMetaInfo *
gst_simclr_neighbour_meta_get_info (void)
{
  static const GstMetaInfo *info = NULL;

  if (g_once_init_enter ((GstMetaInfo **) &info)) {
    const GstMetaInfo *registered = gst_meta_register (GST_SIMCLR_NEIGHBOUR_META_API_TYPE,
        "GstSimclrNeighbourMeta", sizeof (GstSimclrNeighbourMeta), neighbour_meta_init,
        neighbour_meta_free, neighbour_meta_transform);

    g_once_init_leave ((GstMetaInfo **) &info, (GstMetaInfo *) registered);
  }
  return info;
}

void
gst_buffer_add_simclr_neighbour_meta (
    GstBuffer *buffer, GstBuffer *frame, GstClockTime running_time)
{
  GstSimclrNeighbourMeta *self = (GstSimclrNeighbourMeta *) gst_buffer_add_meta (
      buffer, gst_simclr_neighbour_meta_get_info (), NULL);

  self->frame = gst_buffer_ref (frame);
  self->running_time = running_time;
}

GstSimclrNeighbourMeta *
gst_buffer_get_simclr_neighbour_meta (GstBuffer *buffer)
{
  return (GstSimclrNeighbourMeta *) gst_buffer_get_meta (
      buffer, GST_SIMCLR_NEIGHBOUR_META_API_TYPE);
}

GstClockTime
gst_simclr_window_query (GstPad *pad)
{
  g_autoptr (GstQuery) query = gst_query_new_custom (
      GST_QUERY_CUSTOM, gst_structure_new_empty (GST_SIMCLR_WINDOW_QUERY_NAME));
  guint64 window = 0;

  if (!gst_pad_peer_query (pad, query) ||
      !gst_structure_get_uint64 (gst_query_get_structure (query), "window", &window))
    return 0;
  return window;
}

gboolean
gst_simclr_window_answer (GstQuery *query, GstClockTime window)
{
  const GstStructure *structure = gst_query_get_structure (query);

  if (GST_QUERY_TYPE (query) != GST_QUERY_CUSTOM || structure == NULL ||
      !gst_structure_has_name (structure, GST_SIMCLR_WINDOW_QUERY_NAME))
    return FALSE;
  gst_structure_set (
      gst_query_writable_structure (query), "window", G_TYPE_UINT64, (guint64) window, NULL);
  return TRUE;
}

void
gst_simclr_set_original_time (GstBuffer *buffer, GstClockTime time, GstClockTime duration)
{
  g_autoptr (GstCaps) caps = gst_static_caps_get (&original_time_caps);

  gst_buffer_add_reference_timestamp_meta (buffer, caps, time, duration);
}

GstClockTime
gst_simclr_get_original_time (GstBuffer *buffer)
{
  g_autoptr (GstCaps) caps = gst_static_caps_get (&original_time_caps);
  GstReferenceTimestampMeta *meta = gst_buffer_get_reference_timestamp_meta (buffer, caps);

  return meta != NULL ? meta->timestamp : GST_CLOCK_TIME_NONE;
}
