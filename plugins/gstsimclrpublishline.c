/* What the metas of a frame say, as one line of JSON.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrpublishline.h"

#include <gst/video/video.h>
#include <string.h>

#include "gstsimclrclassificationmeta.h"
#include "gstsimclrembeddingmeta.h"
#include "gstsimclrjson.h"

#define SCORE_DIGITS 6
#define FLOAT_DIGITS 9 /* a float32 is read back as it was */

/* The metas of one name, in the order of their rows. */
static GstCustomMeta *
find_meta (GstBuffer *buffer, const gchar *name, guint row)
{
  GstMeta *meta;
  gpointer state = NULL;
  guint seen = 0;

  while ((meta = gst_buffer_iterate_meta (buffer, &state)) != NULL) {
    if (gst_meta_info_is_custom (meta->info) &&
        gst_custom_meta_has_name ((GstCustomMeta *) meta, name) && seen++ == row)
      return (GstCustomMeta *) meta;
  }
  return NULL;
}

const GstStructure *
gst_simclr_publish_get_classification (GstBuffer *buffer, guint row)
{
  GstCustomMeta *meta = find_meta (buffer, GST_SIMCLR_CLASSIFICATION_META_NAME, row);

  return meta != NULL ? gst_custom_meta_get_structure (meta) : NULL;
}

guint
gst_simclr_publish_count_rows (GstBuffer *buffer)
{
  guint rows = 1;

  gst_buffer_get_simclr_embedding (buffer, NULL, &rows);
  return MAX (rows, 1);
}

static void
append_time (GString *line, GstClockTime running_time)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree gchar *text = g_date_time_format (now, "%Y-%m-%dT%H:%M:%S");

  gst_simclr_json_name (line, "time");
  g_string_append_printf (line, "\"%s.%03dZ\"", text, g_date_time_get_microsecond (now) / 1000);
  gst_simclr_json_name (line, "running-time");
  if (GST_CLOCK_TIME_IS_VALID (running_time))
    g_string_append_printf (line, "%" G_GUINT64_FORMAT, running_time);
  else
    g_string_append (line, "null");
}

static void
append_number (GString *line, const GstStructure *fields, const gchar *name)
{
  gdouble number;

  if (!gst_structure_get_double (fields, name, &number))
    return;
  gst_simclr_json_name (line, name);
  gst_simclr_json_double (line, number, SCORE_DIGITS);
}

static void
append_classification (GString *line, const GstStructure *fields)
{
  const gchar *label = gst_structure_get_string (fields, "label");
  gboolean known = FALSE;

  gst_simclr_json_name (line, "label");
  gst_simclr_json_string (line, label != NULL ? label : "unknown");
  gst_structure_get_boolean (fields, "known", &known);
  gst_simclr_json_name (line, "known");
  g_string_append (line, known ? "true" : "false");
  append_number (line, fields, "confidence");
  append_number (line, fields, "novelty");
}

/* An object of scores by label, best first. */
static void
append_scores (GString *line, const GstStructure *fields)
{
  const GValue *labels = gst_structure_get_value (fields, "labels"),
               *scores = gst_structure_get_value (fields, "scores");
  guint n;

  if (labels == NULL || scores == NULL || !GST_VALUE_HOLDS_ARRAY (labels) ||
      !GST_VALUE_HOLDS_ARRAY (scores))
    return;
  n = MIN (gst_value_array_get_size (labels), gst_value_array_get_size (scores));
  gst_simclr_json_name (line, "scores");
  g_string_append_c (line, '{');
  for (guint i = 0; i < n; i++) {
    const GValue *label = gst_value_array_get_value (labels, i),
                 *score = gst_value_array_get_value (scores, i);

    if (!G_VALUE_HOLDS_STRING (label) || !G_VALUE_HOLDS_DOUBLE (score) ||
        g_value_get_string (label) == NULL)
      continue;
    gst_simclr_json_name (line, g_value_get_string (label));
    gst_simclr_json_double (line, g_value_get_double (score), SCORE_DIGITS);
  }
  g_string_append_c (line, '}');
}

static void
append_region (GString *line, const GstVideoRegionOfInterestMeta *region)
{
  gst_simclr_json_item (line);
  g_string_append_c (line, '{');
  gst_simclr_json_name (line, "type");
  gst_simclr_json_string (line, g_quark_to_string (region->roi_type));
  gst_simclr_json_name (line, "id");
  g_string_append_printf (line, "%d", region->id);
  gst_simclr_json_name (line, "x");
  g_string_append_printf (
      line, "%u,\"y\":%u,\"width\":%u,\"height\":%u", region->x, region->y, region->w, region->h);
  for (GList *item = region->params; item != NULL; item = item->next) {
    gst_simclr_json_name (line, gst_structure_get_name (item->data));
    gst_simclr_json_structure (line, item->data);
  }
  g_string_append_c (line, '}');
}

static void
append_regions (GString *line, GstBuffer *buffer)
{
  gpointer state = NULL;
  GstMeta *meta;

  gst_simclr_json_name (line, "regions");
  g_string_append_c (line, '[');
  while ((meta = gst_buffer_iterate_meta_filtered (
              buffer, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE)) != NULL)
    append_region (line, (GstVideoRegionOfInterestMeta *) meta);
  g_string_append_c (line, ']');
}

static void
append_model (GString *line, GstBuffer *buffer)
{
  GstCustomMeta *meta = gst_buffer_get_custom_meta (buffer, GST_SIMCLR_EMBEDDING_META_NAME);
  const GstStructure *fields;
  const gchar *model;
  guint64 step = 0;

  if (meta == NULL)
    return;
  fields = gst_custom_meta_get_structure (meta);
  model = gst_structure_get_string (fields, "model");
  gst_structure_get_uint64 (fields, "step", &step);
  gst_simclr_json_name (line, "model");
  gst_simclr_json_string (line, model != NULL ? model : "");
  gst_simclr_json_name (line, "step");
  g_string_append_printf (line, "%" G_GUINT64_FORMAT, step);
}

static void
append_base64 (GString *line, const gfloat *floats, guint size)
{
  g_autofree guint32 *ordered = g_new (guint32, size);
  g_autofree gchar *text = NULL;

  for (guint i = 0; i < size; i++) {
    memcpy (&ordered[i], &floats[i], sizeof *ordered);
    ordered[i] = GUINT32_TO_LE (ordered[i]);
  }
  text = g_base64_encode ((const guchar *) ordered, size * sizeof *ordered);
  g_string_append_printf (line, "\"%s\"", text);
}

static void
append_array (GString *line, const gfloat *floats, guint size)
{
  g_string_append_c (line, '[');
  for (guint i = 0; i < size; i++) {
    gst_simclr_json_item (line);
    gst_simclr_json_double (line, floats[i], FLOAT_DIGITS);
  }
  g_string_append_c (line, ']');
}

static void
append_embedding (GString *line, GstBuffer *buffer, const GstSimclrPublishRow *row)
{
  guint size = 0, rows = 0;
  const gfloat *floats = gst_buffer_get_simclr_embedding (buffer, &size, &rows);

  if (floats == NULL || row->row >= rows)
    return;
  floats += (gsize) row->row * size;
  gst_simclr_json_name (line, "embedding");
  if (row->embedding == GST_SIMCLR_PUBLISH_BASE64)
    append_base64 (line, floats, size);
  else
    append_array (line, floats, size);
}

void
gst_simclr_publish_write_line (GString *line, GstBuffer *buffer, const GstSimclrPublishRow *row)
{
  const GstStructure *classification = gst_simclr_publish_get_classification (buffer, row->row);

  g_string_assign (line, "{");
  if (row->fields & GST_SIMCLR_PUBLISH_TIME)
    append_time (line, row->running_time);
  if (row->fields & GST_SIMCLR_PUBLISH_STREAM && row->stream != NULL) {
    gst_simclr_json_name (line, "stream");
    gst_simclr_json_string (line, row->stream);
  }
  gst_simclr_json_name (line, "frame");
  g_string_append_printf (line, "%" G_GUINT64_FORMAT, row->frame);
  if (row->fields & GST_SIMCLR_PUBLISH_CLASSIFICATION && classification != NULL)
    append_classification (line, classification);
  if (row->fields & GST_SIMCLR_PUBLISH_SCORES && classification != NULL)
    append_scores (line, classification);
  if (row->fields & GST_SIMCLR_PUBLISH_REGIONS && row->rows == 1)
    append_regions (line, buffer);
  if (row->fields & GST_SIMCLR_PUBLISH_MODEL)
    append_model (line, buffer);
  if (row->embedding != GST_SIMCLR_PUBLISH_NO_EMBEDDING)
    append_embedding (line, buffer, row);
  g_string_append (line, "}\n");
}
