/* What simclroverlay's panel says, taken from the metas of frames.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrpanel.h"

#include <math.h>

void
gst_simclr_panel_content_clear (GstSimclrPanelContent *self)
{
  g_clear_pointer (&self->label, g_free);
  g_clear_pointer (&self->text, g_free);
  g_clear_pointer (&self->names, g_ptr_array_unref);
  g_clear_pointer (&self->percentages, g_array_unref);
  gst_simclr_panel_nearest_clear (&self->nearest);
}

void
gst_simclr_panel_content_copy (GstSimclrPanelContent *to, const GstSimclrPanelContent *from)
{
  *to = *from;
  to->label = g_strdup (from->label);
  to->text = g_strdup (from->text);
  to->names = from->names != NULL ? g_ptr_array_ref (from->names) : NULL;
  to->percentages = from->percentages != NULL ? g_array_ref (from->percentages) : NULL;
  to->nearest.stream = g_strdup (from->nearest.stream);
  to->nearest.time = g_strdup (from->nearest.time);
  to->nearest.thumbnail =
      from->nearest.thumbnail != NULL ? g_bytes_ref (from->nearest.thumbnail) : NULL;
}

static gboolean
are_nearest_equal (const GstSimclrPanelNearest *one, const GstSimclrPanelNearest *them)
{
  return g_strcmp0 (one->stream, them->stream) == 0 && g_strcmp0 (one->time, them->time) == 0 &&
         one->similarity == them->similarity && one->width == them->width &&
         (one->thumbnail == them->thumbnail ||
             (one->thumbnail != NULL && them->thumbnail != NULL &&
                 g_bytes_equal (one->thumbnail, them->thumbnail)));
}

gboolean
gst_simclr_panel_content_equal (
    const GstSimclrPanelContent *self, const GstSimclrPanelContent *them)
{
  guint rows = self->names != NULL ? self->names->len : 0;

  if (g_strcmp0 (self->label, them->label) != 0 || g_strcmp0 (self->text, them->text) != 0 ||
      self->known != them->known || self->confidence != them->confidence ||
      self->novelty != them->novelty || !are_nearest_equal (&self->nearest, &them->nearest) ||
      rows != (them->names != NULL ? them->names->len : 0))
    return FALSE;
  for (guint i = 0; i < rows; i++) {
    if (!g_str_equal (self->names->pdata[i], them->names->pdata[i]) ||
        g_array_index (self->percentages, guint, i) != g_array_index (them->percentages, guint, i))
      return FALSE;
  }
  return TRUE;
}

static guint
to_percent (gdouble share)
{
  return isfinite (share) ? (guint) lround (100 * CLAMP (share, 0, 1)) : 0;
}

static void
take_scores (GstSimclrPanelContent *self, const GstStructure *fields)
{
  const GValue *names = gst_structure_get_value (fields, "labels"),
               *scores = gst_structure_get_value (fields, "scores");
  guint n;

  if (names == NULL || scores == NULL || !GST_VALUE_HOLDS_ARRAY (names) ||
      !GST_VALUE_HOLDS_ARRAY (scores))
    return;
  n = MIN (gst_value_array_get_size (names), gst_value_array_get_size (scores));
  for (guint i = 0; i < MIN (n, GST_SIMCLR_PANEL_ROWS); i++) {
    const GValue *name = gst_value_array_get_value (names, i),
                 *score = gst_value_array_get_value (scores, i);
    guint percent;

    if (!G_VALUE_HOLDS_STRING (name) || !G_VALUE_HOLDS_DOUBLE (score) ||
        g_value_get_string (name) == NULL)
      return;
    percent = to_percent (g_value_get_double (score));
    g_ptr_array_add (self->names, g_utf8_make_valid (g_value_get_string (name), -1));
    g_array_append_val (self->percentages, percent);
  }
}

void
gst_simclr_panel_content_take (GstSimclrPanelContent *self, const GstStructure *fields)
{
  gchar *text = g_steal_pointer (&self->text);
  GstSimclrPanelNearest nearest = self->nearest;
  gdouble confidence = 0, novelty = 0;

  self->nearest = (GstSimclrPanelNearest){0};
  gst_simclr_panel_content_clear (self);
  *self = (GstSimclrPanelContent){.text = text, .known = TRUE, .nearest = nearest};
  self->names = g_ptr_array_new_with_free_func (g_free);
  self->percentages = g_array_new (FALSE, FALSE, sizeof (guint));
  if (gst_structure_get_string (fields, "label") != NULL)
    self->label = g_utf8_make_valid (gst_structure_get_string (fields, "label"), -1);
  gst_structure_get_boolean (fields, "known", &self->known);
  gst_structure_get_double (fields, "confidence", &confidence);
  gst_structure_get_double (fields, "novelty", &novelty);
  self->confidence = to_percent (confidence);
  self->novelty = isfinite (novelty) ? (guint) lround (10 * CLAMP (novelty, 0, 999)) : 9990;
  take_scores (self, fields);
}

void
gst_simclr_panel_nearest_clear (GstSimclrPanelNearest *self)
{
  g_free (self->stream);
  g_free (self->time);
  g_clear_pointer (&self->thumbnail, g_bytes_unref);
  *self = (GstSimclrPanelNearest){0};
}

/* A position in a stream, or a time of day: no stream is ten years long. */
static gchar *
format_time (gint64 time)
{
  const gint64 second = G_GINT64_CONSTANT (1000000000);
  gint64 seconds = time / second;

  if (seconds >= 10 * 365 * 86400) {
    g_autoptr (GDateTime) date = g_date_time_new_from_unix_utc (seconds);

    return g_date_time_format (date, "%Y-%m-%d %H:%M:%S");
  }
  return g_strdup_printf ("%" G_GINT64_FORMAT ":%02d:%02d", seconds / 3600,
      (gint) (seconds / 60 % 60), (gint) (seconds % 60));
}

void
gst_simclr_panel_nearest_take (GstSimclrPanelNearest *self, const GstStructure *fields)
{
  const gchar *stream = gst_structure_get_string (fields, "stream");
  gdouble similarity = 0;
  gint64 time = 0;

  gst_simclr_panel_nearest_clear (self);
  gst_structure_get_double (fields, "similarity", &similarity);
  gst_structure_get_int64 (fields, "time", &time);
  self->stream = g_utf8_make_valid (stream != NULL ? stream : "", -1);
  self->time = format_time (MAX (time, 0));
  self->similarity = to_percent (similarity);
  gst_structure_get (fields, "thumbnail", G_TYPE_BYTES, &self->thumbnail, "thumbnail-width",
      G_TYPE_UINT, &self->width, "thumbnail-height", G_TYPE_UINT, &self->height, NULL);
  /* metas come from anywhere */
  if (self->thumbnail != NULL &&
      (self->width == 0 || self->height == 0 || self->width > 4096 || self->height > 4096 ||
          g_bytes_get_size (self->thumbnail) != (gsize) self->width * self->height * 3))
    g_clear_pointer (&self->thumbnail, g_bytes_unref);
}
