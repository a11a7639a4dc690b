/* Collecting a batch: frames and pairs become the pictures that an encoder takes.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrencoder-private.h"

#include "gstsimclrpairmeta.h"
#include "gstsimclrvideo.h"

#define GST_CAT_DEFAULT gst_simclr_encoder_debug

gboolean
_gst_simclr_encoder_has_room (GstSimclrEncoder *self)
{
  const GstSimclrPairLayout *have = &self->batch_layout, *want = &self->layout;

  return !self->training ||
         (have->crops == want->crops && (want->crops == 0 || have->crop_size == want->crop_size));
}

static gsize
crop_floats (GstSimclrEncoder *self)
{
  return 3 * (gsize) self->layout.crop_size * self->layout.crop_size;
}

/* NULL: no memory. */
static gfloat *
new_pictures (gsize pictures, gsize floats)
{
  gsize count;

  return g_size_checked_mul (&count, floats, pictures) ? g_try_new (gfloat, count) : NULL;
}

gboolean
_gst_simclr_encoder_allocate_batch (GstSimclrEncoder *self)
{
  guint views = self->training ? 2 : 1;
  guint batch = _gst_simclr_encoder_get_batch (self, self->training);
  const gsize crops = self->training ? (gsize) batch * self->layout.crops : 0;

  _gst_simclr_encoder_drop_batch (self);
  g_clear_pointer (&self->pictures, g_free);
  g_clear_pointer (&self->crops, g_free);
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
  self->batch_layout = self->layout;
  self->pictures = new_pictures ((gsize) batch * views, _gst_simclr_encoder_picture_floats (self));
  if (crops > 0)
    self->crops = new_pictures (crops, crop_floats (self));
  if (self->pictures == NULL || (crops > 0 && self->crops == NULL)) {
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

/* What lies at a place of the picture, as floats. */
static gboolean
read_view (GstSimclrEncoder *self, const SimclrFrame *picture, guint x, guint y, guint size,
    gfloat *floats, GError **error)
{
  SimclrFrame view = *picture;

  view.data += y * view.stride + 3 * (gsize) x;
  view.width = view.height = size;
  return simclr_frame_to_floats (&view, self->normalization, floats, error);
}

static gboolean
read_crops (GstSimclrEncoder *self, const SimclrFrame *picture, GError **error)
{
  const GstSimclrPairLayout *layout = &self->layout;
  gfloat *floats = self->crops + (gsize) self->filled * layout->crops * crop_floats (self);

  for (guint i = 0; i < layout->crops; i++) {
    guint x, y;

    gst_simclr_pair_layout_locate (layout, i, &x, &y);
    if (!read_view (self, picture, x, y, layout->crop_size, floats, error))
      return FALSE;
    floats += crop_floats (self);
  }
  return TRUE;
}

/* The upper view becomes row 2i, the lower one row 2i + 1. */
gboolean
_gst_simclr_encoder_add_pair (GstSimclrEncoder *self, GstBuffer *buffer)
{
  gsize floats = _gst_simclr_encoder_picture_floats (self);
  gfloat *views = self->pictures + 2 * self->filled * floats;
  g_autoptr (GError) error = NULL;
  GstVideoFrame mapped;
  SimclrFrame frame;
  gboolean done;

  if (!map_frame (self, buffer, &mapped, &frame))
    return FALSE;
  done = read_view (self, &frame, 0, 0, self->input_size, views, &error) &&
         read_view (self, &frame, 0, self->input_size, self->input_size, views + floats, &error) &&
         read_crops (self, &frame, &error);
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
