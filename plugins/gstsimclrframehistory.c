/* A short, bounded memory of the frames before this one.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrframehistory.h"

#include <string.h>

static void
forget_oldest (GstSimclrFrameHistory *self, guint count)
{
  for (guint i = 0; i < count; i++)
    gst_buffer_unref (self->frames[i].buffer);
  self->length -= count;
  memmove (self->frames, self->frames + count, self->length * sizeof (self->frames[0]));
}

void
gst_simclr_frame_history_clear (GstSimclrFrameHistory *self)
{
  forget_oldest (self, self->length);
}

void
gst_simclr_frame_history_reset (GstSimclrFrameHistory *self)
{
  gst_simclr_frame_history_clear (self);
  if (self->copies != NULL)
    gst_buffer_pool_set_active (self->copies, FALSE);
  gst_clear_object (&self->copies);
}

void
gst_simclr_frame_history_advance (
    GstSimclrFrameHistory *self, GstClockTime running_time, GstClockTime window)
{
  guint old = 0;

  if (self->length > 0 && running_time < self->frames[self->length - 1].running_time)
    gst_simclr_frame_history_clear (self);
  while (old < self->length && running_time - self->frames[old].running_time > window)
    old++;
  forget_oldest (self, old);
}

/* A pool with a limit waits for its buffers, and a decoder or camera would wait with it. */
static gboolean
may_hold (GstBuffer *buffer)
{
  GstStructure *config;
  guint most = 0;

  if (buffer->pool == NULL)
    return TRUE;
  config = gst_buffer_pool_get_config (buffer->pool);
  if (!gst_buffer_pool_config_get_params (config, NULL, NULL, NULL, &most))
    most = 1;
  gst_structure_free (config);
  return most == 0;
}

static gboolean
start_copies (GstSimclrFrameHistory *self, const GstVideoInfo *info)
{
  GstStructure *config;
  GstCaps *caps;

  self->copies = gst_video_buffer_pool_new ();
  config = gst_buffer_pool_get_config (self->copies);
  caps = gst_video_info_to_caps (info);
  gst_buffer_pool_config_set_params (config, caps, (guint) info->size, 0, 0);
  gst_caps_unref (caps);
  if (gst_buffer_pool_set_config (self->copies, config) &&
      gst_buffer_pool_set_active (self->copies, TRUE))
    return TRUE;
  gst_clear_object (&self->copies);
  return FALSE;
}

static GstBuffer *
copy_frame (GstSimclrFrameHistory *self, const GstVideoFrame *frame)
{
  GstVideoInfo info;
  GstVideoFrame copy;
  GstBuffer *buffer = NULL;
  gboolean copied;

  /* the frame's own strides came from its buffer; the copy has the default ones */
  gst_video_info_set_format (&info, GST_VIDEO_FRAME_FORMAT (frame),
      (guint) GST_VIDEO_FRAME_WIDTH (frame), (guint) GST_VIDEO_FRAME_HEIGHT (frame));
  if (self->copies == NULL && !start_copies (self, &info))
    return NULL;
  if (gst_buffer_pool_acquire_buffer (self->copies, &buffer, NULL) != GST_FLOW_OK)
    return NULL;
  if (!gst_video_frame_map (&copy, &info, buffer, GST_MAP_WRITE)) {
    gst_buffer_unref (buffer);
    return NULL;
  }
  copied = gst_video_frame_copy (&copy, frame);
  gst_video_frame_unmap (&copy);
  if (!copied)
    gst_clear_buffer (&buffer);
  else
    gst_buffer_copy_into (buffer, frame->buffer, GST_BUFFER_COPY_TIMESTAMPS, 0, -1);
  return buffer;
}

gboolean
gst_simclr_frame_history_add (GstSimclrFrameHistory *self, GstVideoFrame *frame,
    GstClockTime running_time, GstClockTime window)
{
  GstSimclrPastFrame *past;
  GstBuffer *buffer;

  if (self->length > 0 && running_time - self->frames[self->length - 1].running_time <
                              window / GST_SIMCLR_FRAME_HISTORY_LENGTH)
    return TRUE;
  buffer = may_hold (frame->buffer) ? gst_buffer_ref (frame->buffer) : copy_frame (self, frame);
  if (buffer == NULL)
    return FALSE;
  if (self->length == GST_SIMCLR_FRAME_HISTORY_LENGTH)
    forget_oldest (self, 1);
  past = &self->frames[self->length++];
  past->buffer = buffer;
  past->running_time = running_time;
  return TRUE;
}
