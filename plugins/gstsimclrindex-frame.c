/* What simclrindex does with a frame: stores it, and finds what it looks like.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrindex-private.h"

#include <math.h>
#include <string.h>

#include "gstsimclrembeddingmeta.h"
#include "gstsimclrnearestmeta.h"

#define GST_CAT_DEFAULT gst_simclr_index_debug

/* FALSE: the frame has no such time. */
static gboolean
get_time (GstSimclrIndex *self, GstBuffer *buffer, GstSimclrIndexClock clock, gint64 *time)
{
  const GstSegment *segment = &GST_BASE_TRANSFORM (self)->segment;
  GstClockTime found = GST_CLOCK_TIME_NONE;

  if (clock == GST_SIMCLR_INDEX_UTC) {
    *time = g_get_real_time () * 1000;
    return TRUE;
  }
  if (segment->format == GST_FORMAT_TIME && GST_BUFFER_PTS_IS_VALID (buffer))
    found = clock == GST_SIMCLR_INDEX_RUNNING_TIME
                ? gst_segment_to_running_time (segment, GST_FORMAT_TIME, GST_BUFFER_PTS (buffer))
                : gst_segment_to_stream_time (segment, GST_FORMAT_TIME, GST_BUFFER_PTS (buffer));
  *time = (gint64) found;
  return GST_CLOCK_TIME_IS_VALID (found);
}

static gdouble
get_distance (const gfloat *a, const gfloat *b, guint size)
{
  gdouble product = 0, a_square = 0, b_square = 0;

  for (guint i = 0; i < size; i++) {
    product += (gdouble) a[i] * b[i];
    a_square += (gdouble) a[i] * a[i];
    b_square += (gdouble) b[i] * b[i];
  }
  return a_square > 0 && b_square > 0 ? 1 - product / sqrt (a_square * b_square) : 1;
}

static gboolean
should_store (GstSimclrIndex *self, const GstSimclrIndexSettings *settings, const gfloat *embedding,
    guint size, gint64 time)
{
  if (self->last == NULL || self->size != size)
    return TRUE;
  /* time that went back is another pass over the input */
  if (time >= self->last_time && (guint64) (time - self->last_time) < settings->interval)
    return FALSE;
  return settings->min_change <= 0 ||
         get_distance (embedding, self->last, size) >= settings->min_change;
}

static void
remember (GstSimclrIndex *self, const gfloat *embedding, guint size, gint64 time)
{
  if (self->size != size)
    self->last = g_renew (gfloat, self->last, size);
  self->size = size;
  self->last_time = time;
  memcpy (self->last, embedding, size * sizeof (gfloat));
}

/* An index of another encoder's embeddings finds what looks alike to nobody. */
static void
compare_origin (GstSimclrIndex *self, SimclrIndex *index, GstBuffer *buffer)
{
  GstCustomMeta *meta = gst_buffer_get_custom_meta (buffer, GST_SIMCLR_EMBEDDING_META_NAME);
  const GstStructure *fields = gst_custom_meta_get_structure (meta);
  const gchar *architecture = gst_structure_get_string (fields, "architecture");
  g_autofree gchar *now = NULL, *before = NULL;
  guint64 step = 0;

  if (self->origin_compared || architecture == NULL)
    return;
  self->origin_compared = TRUE;
  gst_structure_get_uint64 (fields, "step", &step);
  now = g_strdup_printf ("%s, step %" G_GUINT64_FORMAT, architecture, step);
  before = simclr_index_dup_encoder (index);
  if (before != NULL && !g_str_equal (before, now))
    GST_ELEMENT_WARNING (self, LIBRARY, SETTINGS,
        ("What is in location=\"%s\" came from another encoder (%s) than these embeddings (%s): "
         "what is "
         "found may not look alike.",
            self->settings.location, before, now),
        (NULL));
  simclr_index_set_encoder (index, now);
}

static GBytes *
make_thumbnail (GstSimclrIndex *self, GstBuffer *buffer, guint size, guint *width, guint *height)
{
  GBytes *bytes = NULL;

  *width = *height = 0;
  if (size == 0)
    return NULL;
  if (self->has_info)
    bytes = gst_simclr_picture_make (&self->picture, buffer, &self->info, size, width, height);
  if (bytes == NULL && !self->warned) {
    self->warned = TRUE;
    GST_ELEMENT_WARNING (self, STREAM, FORMAT,
        ("Frames of this kind cannot be read: the index has no thumbnails of them."), (NULL));
  }
  return bytes;
}

static gboolean
store (GstSimclrIndex *self, SimclrIndex *index, const GstSimclrIndexSettings *settings,
    GstBuffer *buffer, const gfloat *embedding, guint size, gint64 time)
{
  const gchar *source = settings->source != NULL ? settings->source : self->uri;
  g_autoptr (GBytes) thumbnail = NULL;
  g_autoptr (GError) error = NULL;
  guint width, height;

  thumbnail = make_thumbnail (self, buffer, settings->thumbnail_size, &width, &height);
  if (simclr_index_add (index, embedding, size, time, settings->stream, source, thumbnail, width,
          height, &error)) {
    remember (self, embedding, size, time);
    GST_OBJECT_LOCK (self);
    self->counts.stored++;
    GST_OBJECT_UNLOCK (self);
    return TRUE;
  }
  if (error->domain == SIMCLR_ERROR)
    GST_ELEMENT_ERROR (self, STREAM, WRONG_TYPE,
        ("An embedding does not fit into the index%s%s%s.",
            settings->location != NULL ? " in location=\"" : "",
            settings->location != NULL ? settings->location : "",
            settings->location != NULL ? "\"" : ""),
        ("%s", error->message));
  else
    GST_ELEMENT_ERROR (self, RESOURCE, WRITE,
        ("Could not write to the index in location=\"%s\".", settings->location),
        ("%s", error->message));
  return FALSE;
}

static SimclrMatch *
find_one (SimclrIndex *index, const gfloat *embedding, guint size, gint64 begin, gint64 end)
{
  g_autoptr (GPtrArray) matches =
      simclr_index_search (index, embedding, size, 1, NULL, begin, end, 0, NULL);

  return matches != NULL && matches->len > 0 ? g_ptr_array_steal_index (matches, 0) : NULL;
}

/* The most similar moment that is not just this one: before it, or in what was stored by a run before, after it. */
static void
tell_nearest (SimclrIndex *index, const GstSimclrIndexSettings *settings, GstBuffer *buffer,
    const gfloat *embedding, guint size, gint64 time)
{
  gint64 apart = (gint64) settings->apart;
  g_autoptr (SimclrMatch) before = NULL, after = NULL;

  before = find_one (index, embedding, size, G_MININT64, time - apart);
  if (time <= G_MAXINT64 - apart)
    after = find_one (index, embedding, size, time + apart, G_MAXINT64);
  if (after != NULL && (before == NULL || after->similarity > before->similarity))
    gst_buffer_add_simclr_nearest_meta (buffer, after);
  else if (before != NULL)
    gst_buffer_add_simclr_nearest_meta (buffer, before);
}

static void
note_newest (GstSimclrIndex *self, const gfloat *embedding, guint size, gint64 time)
{
  GBytes *bytes = g_bytes_new (embedding, size * sizeof (gfloat)), *before;

  GST_OBJECT_LOCK (self);
  before = self->newest;
  self->newest = bytes;
  self->newest_time = time;
  self->counts.embeddings++;
  GST_OBJECT_UNLOCK (self);
  g_clear_pointer (&before, g_bytes_unref);
}

GstFlowReturn
_gst_simclr_index_handle (GstSimclrIndex *self, GstBuffer *buffer)
{
  g_autoptr (SimclrIndex) index = _gst_simclr_index_get (self);
  guint size, rows;
  const gfloat *embedding = gst_buffer_get_simclr_embedding (buffer, &size, &rows);
  GstSimclrIndexSettings settings;
  gboolean done = TRUE;
  gint64 time;

  GST_OBJECT_LOCK (self);
  self->counts.frames++;
  GST_OBJECT_UNLOCK (self);
  if (embedding == NULL || rows == 0 || index == NULL)
    return GST_FLOW_OK;
  _gst_simclr_index_settings_take (self, &settings);
  if (get_time (self, buffer, settings.clock, &time)) {
    note_newest (self, embedding, size, time);
    compare_origin (self, index, buffer);
    /* before it is stored itself; the meta is on the buffer that goes on, which is ours to write */
    if (settings.nearest && gst_buffer_is_writable (buffer))
      tell_nearest (index, &settings, buffer, embedding, size, time);
    if (should_store (self, &settings, embedding, size, time))
      done = store (self, index, &settings, buffer, embedding, size, time);
  } else {
    GST_LOG_OBJECT (self, "a frame without a time is not stored");
  }
  _gst_simclr_index_settings_clear (&settings);
  return done ? GST_FLOW_OK : GST_FLOW_ERROR;
}
