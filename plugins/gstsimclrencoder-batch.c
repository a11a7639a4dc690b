/* Collecting a batch: frames and pairs become the pictures that an encoder takes.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrencoder-private.h"

#include "gstsimclrpairmeta.h"
#include "gstsimclrvideo.h"

#define GST_CAT_DEFAULT gst_simclr_encoder_debug

gboolean
_gst_simclr_encoder_allocate_batch (GstSimclrEncoder *self)
{
  guint views = self->training ? 2 : 1;
  guint batch = _gst_simclr_encoder_get_batch (self, self->training);
  gsize floats = _gst_simclr_encoder_picture_floats (self), count;

  _gst_simclr_encoder_drop_batch (self);
  g_clear_pointer (&self->pictures, g_free);
  g_clear_pointer (&self->offsets, g_free);
  g_clear_pointer (&self->times, g_free);
  g_clear_pointer (&self->streams, g_free);
  g_clear_pointer (&self->frames, g_free);
  self->capacity = batch;
  if (self->training) {
    self->offsets = g_new (guint64, batch);
    self->times = g_new (gint64, 2 * (gsize) batch);
    self->streams = g_new (guint, 2 * (gsize) batch);
    self->frames = g_new (guint64, batch);
  }
  if (g_size_checked_mul (&count, floats, (gsize) batch * views))
    self->pictures = g_try_new (gfloat, count);
  if (self->pictures == NULL || (self->training && self->offsets == NULL)) {
    GST_ELEMENT_ERROR (self, RESOURCE, NO_SPACE_LEFT,
        ("No memory for batch-size=%u: %u pictures of %ux%u.", batch, batch * views,
            self->input_size, self->input_size),
        (NULL));
    return FALSE;
  }
  return TRUE;
}

void
_gst_simclr_encoder_drop_batch (GstSimclrEncoder *self)
{
  _gst_simclr_encoder_stop_timer (self);
  while (!g_queue_is_empty (&self->held))
    gst_mini_object_unref (g_queue_pop_head (&self->held));
  self->filled = 0;
  self->batch_pts = GST_CLOCK_TIME_NONE;
  self->batch_end = GST_CLOCK_TIME_NONE;
  self->batch_discont = FALSE;
}

static void
note_times (GstSimclrEncoder *self, GstBuffer *buffer)
{
  if (!GST_CLOCK_TIME_IS_VALID (self->batch_pts))
    self->batch_pts = GST_BUFFER_PTS (buffer);
  if (GST_BUFFER_PTS_IS_VALID (buffer))
    self->batch_end = GST_BUFFER_PTS (buffer) +
                      (GST_BUFFER_DURATION_IS_VALID (buffer) ? GST_BUFFER_DURATION (buffer) : 0);
  if (GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DISCONT))
    self->batch_discont = TRUE;
}

/* Tensors begin with the batch's first frame and last until the end of its last one. */
void
_gst_simclr_encoder_stamp (GstSimclrEncoder *self, GstBuffer *tensors)
{
  GST_BUFFER_PTS (tensors) = self->batch_pts;
  if (GST_CLOCK_TIME_IS_VALID (self->batch_pts) && self->batch_end > self->batch_pts)
    GST_BUFFER_DURATION (tensors) = self->batch_end - self->batch_pts;
  if (self->batch_discont)
    GST_BUFFER_FLAG_SET (tensors, GST_BUFFER_FLAG_DISCONT);
}

static gboolean
map_frame (GstSimclrEncoder *self, GstBuffer *buffer, GstVideoFrame *mapped, SimclrFrame *frame)
{
  if (!gst_video_frame_map (mapped, &self->info, buffer, GST_MAP_READ)) {
    GST_ELEMENT_ERROR (self, STREAM, FORMAT,
        ("A frame of %" G_GSIZE_FORMAT " bytes is not the %dx%d video that its caps promise.",
            gst_buffer_get_size (buffer), self->info.width, self->info.height),
        ("%" G_GSIZE_FORMAT " bytes expected", GST_VIDEO_INFO_SIZE (&self->info)));
    return FALSE;
  }
  gst_simclr_describe_frame (mapped, frame);
  return TRUE;
}

/* The frame's evaluation view becomes the batch's next picture. */
gboolean
_gst_simclr_encoder_add_frame (GstSimclrEncoder *self, GstBuffer *buffer)
{
  gfloat *picture = self->pictures + self->filled * _gst_simclr_encoder_picture_floats (self);
  g_autoptr (GError) error = NULL;
  GstVideoFrame mapped;
  SimclrFrame frame;
  gboolean done;

  if (!map_frame (self, buffer, &mapped, &frame))
    return FALSE;
  done = simclr_evaluation_view (&frame, self->input_size, self->normalization, picture, &error);
  gst_video_frame_unmap (&mapped);
  if (!done) {
    GST_ELEMENT_ERROR (self, STREAM, FORMAT,
        ("Could not scale a frame of %ux%u to %ux%u.", frame.width, frame.height, self->input_size,
            self->input_size),
        ("%s", error->message));
    return FALSE;
  }
  note_times (self, buffer);
  self->filled++;
  return TRUE;
}

/* Which frame a pair shows, of which stream, and when each view's was filmed. */
static void
note_facts (GstSimclrEncoder *self, GstBuffer *buffer)
{
  guint pair = self->filled, stream = self->stream;

  self->offsets[pair] = GST_BUFFER_OFFSET (buffer);
  gst_simclr_pair_get_times (buffer, self->times + 2 * pair);
  if (!gst_simclr_frame_meta_get (buffer, &self->frames[pair], &stream))
    self->frames[pair] = self->pairs; /* nobody upstream has changed the order */
  self->streams[2 * pair] = self->streams[2 * pair + 1] = stream;
}

/* The upper half becomes row 2i, the lower one row 2i + 1. */
gboolean
_gst_simclr_encoder_add_pair (GstSimclrEncoder *self, GstBuffer *buffer)
{
  gsize floats = _gst_simclr_encoder_picture_floats (self);
  gfloat *views = self->pictures + 2 * self->filled * floats;
  g_autoptr (GError) error = NULL;
  GstVideoFrame mapped;
  SimclrFrame frame;
  gboolean done = TRUE;

  if (!map_frame (self, buffer, &mapped, &frame))
    return FALSE;
  frame.height /= 2;
  for (guint view = 0; view < 2 && done; view++) {
    done = simclr_frame_to_floats (&frame, self->normalization, views + view * floats, &error);
    frame.data += frame.stride * frame.height;
  }
  gst_video_frame_unmap (&mapped);
  if (!done) {
    GST_ELEMENT_ERROR (
        self, STREAM, FORMAT, ("Could not read a pair of views."), ("%s", error->message));
    return FALSE;
  }
  note_facts (self, buffer);
  self->pairs++;
  note_times (self, buffer);
  self->filled++;
  return TRUE;
}
