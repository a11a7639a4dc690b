/* A frame's classification, as metas that other elements and languages read.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrclassificationmeta.h"

#include "gstsimclranalytics.h"

void
gst_simclr_classification_meta_register (void)
{
  /* no tags: what a frame shows outlives its scaling and conversion */
  static const gchar *tags[] = {NULL};
  static gsize registered = 0;

  if (g_once_init_enter (&registered)) {
    gst_meta_register_custom (GST_SIMCLR_CLASSIFICATION_META_NAME, tags, NULL, NULL, NULL);
    g_once_init_leave (&registered, TRUE);
  }
}

static gboolean
copy_field (GQuark field, const GValue *value, gpointer to)
{
  gst_structure_id_set_value (to, field, value);
  return TRUE;
}

void
gst_buffer_add_simclr_classification_meta (GstBuffer *buffer, const GstStructure *fields)
{
  GstCustomMeta *meta = gst_buffer_add_custom_meta (buffer, GST_SIMCLR_CLASSIFICATION_META_NAME);

  g_return_if_fail (meta != NULL);
  gst_structure_foreach (fields, copy_field, gst_custom_meta_get_structure (meta));
}

void
gst_buffer_add_simclr_classification_region (
    GstBuffer *buffer, const GstVideoInfo *info, const gchar *label, gdouble confidence)
{
  GstVideoRegionOfInterestMeta *region = gst_buffer_add_video_region_of_interest_meta (buffer,
      label, 0, 0, (guint) GST_VIDEO_INFO_WIDTH (info), (guint) GST_VIDEO_INFO_HEIGHT (info));

  gst_video_region_of_interest_meta_add_param (
      region, gst_structure_new ("simclr-classification", "label", G_TYPE_STRING, label,
                  "confidence", G_TYPE_DOUBLE, confidence, NULL));
  gst_buffer_add_simclr_analytics_classification (buffer, label, confidence);
}
