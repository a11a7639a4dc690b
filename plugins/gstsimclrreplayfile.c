/* simclrreplay's memory in a file: what it holds when a run ends is there when the next one begins.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrreplayprivate.h"

#define GST_CAT_DEFAULT gst_simclr_replay_debug

typedef struct
{
  GstBuffer *buffer;
  GstMapInfo map;
} Mapped;

static void
mapped_free (gpointer data)
{
  Mapped *mapped = data;

  gst_buffer_unmap (mapped->buffer, &mapped->map);
  gst_buffer_unref (mapped->buffer);
  g_free (mapped);
}

/* The buffer's own bytes, without a copy. */
static GBytes *
wrap (GstBuffer *buffer)
{
  Mapped *mapped = g_new0 (Mapped, 1);

  if (!gst_buffer_map (buffer, &mapped->map, GST_MAP_READ)) {
    g_free (mapped);
    return NULL;
  }
  mapped->buffer = gst_buffer_ref (buffer);
  return g_bytes_new_with_free_func (mapped->map.data, mapped->map.size, mapped_free, mapped);
}

/* A copy whose rows lie as the caps alone say. */
static GBytes *
lay_out (GstBuffer *buffer, const GstVideoInfo *info)
{
  g_autoptr (GstBuffer) plain = gst_buffer_new_allocate (NULL, info->size, NULL);
  GstVideoFrame from, to;
  gboolean copied = FALSE;

  if (!gst_video_frame_map (&from, info, buffer, GST_MAP_READ))
    return NULL;
  if (gst_video_frame_map (&to, info, plain, GST_MAP_WRITE)) {
    copied = gst_video_frame_copy (&to, &from);
    gst_video_frame_unmap (&to);
  }
  gst_video_frame_unmap (&from);
  return copied ? wrap (plain) : NULL;
}

static GBytes *
describe (gpointer item, gchar **format, gpointer user_data)
{
  GstBuffer *buffer = gst_sample_get_buffer (item);
  GstCaps *caps = gst_sample_get_caps (item);
  GstVideoInfo info;
  GBytes *bytes;

  if (!gst_video_info_from_caps (&info, caps))
    return NULL;
  bytes = gst_buffer_get_video_meta (buffer) || gst_buffer_get_size (buffer) != info.size
              ? lay_out (buffer, &info)
              : wrap (buffer);
  if (bytes)
    *format = gst_caps_to_string (caps);
  return bytes;
}

/* Running times of another run are not to be compared with those of this one. */
static guint
number_restored_stream (guint source)
{
  return (source & G_MAXINT16) | 1u << 31;
}

static gpointer
revive (GBytes *bytes, const gchar *format, const SimclrReplayFacts *facts, gpointer user_data,
    GError **error)
{
  g_autoptr (GstCaps) caps = gst_caps_from_string (format);
  g_autoptr (GstBuffer) buffer = NULL;
  GstSegment segment;
  GstVideoInfo info;

  if (!caps || !gst_caps_is_fixed (caps) || !gst_video_info_from_caps (&info, caps)) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_FORMAT, "\"%s\" is no video", format);
    return NULL;
  }
  if (g_bytes_get_size (bytes) != info.size) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_FORMAT,
        "%" G_GSIZE_FORMAT " bytes are no frame of %dx%d, which takes %" G_GSIZE_FORMAT,
        g_bytes_get_size (bytes), info.width, info.height, info.size);
    return NULL;
  }
  buffer = gst_buffer_new_wrapped_bytes (bytes);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  if (facts->time >= 0)
    GST_BUFFER_PTS (buffer) = (GstClockTime) facts->time;
  return gst_sample_new (buffer, caps, &segment,
      gst_structure_new (GST_SIMCLR_FRAME_META_NAME, "stream", G_TYPE_UINT,
          number_restored_stream (facts->source), NULL));
}

gboolean
gst_simclr_replay_restore (GstSimclrReplay *self)
{
  const gchar *path = self->run.location;
  g_autoptr (GError) error = NULL;

  if (!self->run.resume)
    return TRUE;
  if (!path) {
    GST_ELEMENT_ERROR (
        self, LIBRARY, SETTINGS, ("resume=true needs a location to resume from."), (NULL));
    return FALSE;
  }
  if (!g_file_test (path, G_FILE_TEST_EXISTS)) {
    GST_INFO_OBJECT (self, "\"%s\" is not there yet: an empty memory", path);
    return TRUE;
  }
  if (!simclr_replay_load (self->memory, path, revive, NULL, &error)) {
    GST_ELEMENT_ERROR (self, RESOURCE, OPEN_READ,
        ("Could not restore the memory from \"%s\" (property location).", path),
        ("%s", error->message));
    return FALSE;
  }
  self->filled = simclr_replay_get_length (self->memory) >= self->run.min_fill ||
                 simclr_replay_is_full (self->memory);
  GST_INFO_OBJECT (self, "restored %" G_GUINT64_FORMAT " frames from \"%s\"",
      simclr_replay_get_length (self->memory), path);
  return TRUE;
}

/* Whether it is time for a save in the middle of a run. */
static gboolean
is_due (GstSimclrReplay *self)
{
  return self->saved_at == 0 || g_get_monotonic_time () - self->saved_at >=
                                    (gint64) (self->run.save_interval / GST_USECOND);
}

void
gst_simclr_replay_save (GstSimclrReplay *self, gboolean final)
{
  const gchar *path = self->run.location;
  g_autoptr (SimclrReplayDump) dump = NULL;
  g_autoptr (GError) error = NULL;

  g_mutex_lock (&self->lock);
  self->must_save = FALSE;
  if (path && self->memory && self->changed && (final || is_due (self))) {
    dump = simclr_replay_dump (self->memory, describe, NULL);
    self->changed = FALSE;
  }
  g_mutex_unlock (&self->lock);
  if (!dump)
    return;
  if (simclr_replay_dump_write (dump, path, &error)) {
    GST_INFO_OBJECT (self, "wrote the memory to \"%s\"", path);
  } else if (final) {
    GST_ELEMENT_ERROR (self, RESOURCE, WRITE,
        ("Could not write the memory to \"%s\" (property location).", path),
        ("%s", error->message));
  } else {
    GST_ELEMENT_WARNING (self, RESOURCE, WRITE,
        ("Could not write the memory to \"%s\" (property location); training goes on.", path),
        ("%s", error->message));
  }
  self->saved_at = g_get_monotonic_time ();
}
