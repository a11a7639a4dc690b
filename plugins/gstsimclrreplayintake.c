/* simclrreplay's intake: a frame is looked at, made small, held or copied, and stored.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrreplayprivate.h"

#include "gstsimclrvideo.h"

#define GST_CAT_DEFAULT gst_simclr_replay_debug

static gboolean
is_readable (GstVideoFormat format)
{
  switch (format) {
  case GST_VIDEO_FORMAT_RGB:
  case GST_VIDEO_FORMAT_BGR:
  case GST_VIDEO_FORMAT_RGBx:
  case GST_VIDEO_FORMAT_BGRx:
  case GST_VIDEO_FORMAT_GRAY8:
    return TRUE;
  default:
    return FALSE;
  }
}

/* What a frame is stored as: RGB whose shorter side has the storage size, unless it is as small as
 * that already. */
static gboolean
prepare_storage (GstSimclrReplay *self, GstSimclrReplayInput *input)
{
  guint size = self->run.storage_size, width, height, shorter;
  const GstVideoInfo *info = &input->info;

  input->stored_info = input->info;
  gst_caps_replace (&input->stored_caps, input->caps);
  if (size == 0)
    return TRUE;
  width = (guint) info->width;
  height = (guint) info->height;
  shorter = MIN (width, height);
  if (shorter > size) {
    width = (guint) gst_util_uint64_scale_round (width, size, shorter);
    height = (guint) gst_util_uint64_scale_round (height, size, shorter);
  } else if (GST_VIDEO_INFO_FORMAT (info) == GST_VIDEO_FORMAT_RGB) {
    return TRUE;
  }
  gst_video_info_set_format (&input->stored_info, GST_VIDEO_FORMAT_RGB, width, height);
  input->stored_info.fps_n = info->fps_n;
  input->stored_info.fps_d = info->fps_d;
  gst_caps_take (&input->stored_caps, gst_video_info_to_caps (&input->stored_info));
  input->converter = gst_video_converter_new (&input->info, &input->stored_info, NULL);
  GST_DEBUG_OBJECT (input->pad, "storing %" GST_PTR_FORMAT, input->stored_caps);
  return input->converter != NULL;
}

gboolean
gst_simclr_replay_set_input_caps (GstSimclrReplay *self, GstSimclrReplayInput *input, GstCaps *caps)
{
  g_clear_pointer (&input->converter, gst_video_converter_free);
  gst_caps_replace (&input->caps, NULL);
  input->run = 0;
  input->has_last = FALSE;
  input->n_taken = 0;
  if (!gst_video_info_from_caps (&input->info, caps)) {
    GST_ERROR_OBJECT (input->pad, "not video: %" GST_PTR_FORMAT, caps);
    return FALSE;
  }
  gst_caps_replace (&input->caps, caps);
  input->is_readable = is_readable (GST_VIDEO_INFO_FORMAT (&input->info));
  if (!prepare_storage (self, input)) {
    gst_caps_replace (&input->caps, NULL);
    return FALSE;
  }
  if (self->run.min_distance > 0 && !input->is_readable && !input->converter) {
    GST_ELEMENT_ERROR (self, STREAM, FORMAT,
        ("min-distance cannot compare frames of the format %s.",
            gst_video_format_to_string (GST_VIDEO_INFO_FORMAT (&input->info))),
        ("Put a videoconvert in front of it, or set storage-size."));
    gst_caps_replace (&input->caps, NULL);
    return FALSE;
  }
  return TRUE;
}

void
gst_simclr_replay_reset_input (GstSimclrReplayInput *input)
{
  gst_clear_caps (&input->caps);
  gst_clear_caps (&input->stored_caps);
  gst_clear_object (&input->pool);
  g_clear_pointer (&input->converter, gst_video_converter_free);
  gst_segment_init (&input->segment, GST_FORMAT_UNDEFINED);
  gst_simclr_streams_clear (&input->streams);
  input->run = 0;
  input->has_last = FALSE;
  input->n_taken = 0;
}

/* What the buffer keeps from being freed, in bytes. */
static gsize
buffer_footprint (GstBuffer *buffer)
{
  gsize bytes = 0;

  for (guint i = 0; i < gst_buffer_n_memory (buffer); i++) {
    gsize whole = 0;

    gst_memory_get_sizes (gst_buffer_peek_memory (buffer, i), NULL, &whole);
    bytes += whole;
  }
  return bytes;
}

static gboolean
pool_is_bounded (GstSimclrReplayInput *input, GstBufferPool *pool)
{
  GstStructure *config;
  guint max_buffers = 0;

  if (pool == input->pool)
    return input->pool_is_bounded;

  config = gst_buffer_pool_get_config (pool);
  if (!gst_buffer_pool_config_get_params (config, NULL, NULL, NULL, &max_buffers))
    max_buffers = 0;
  gst_structure_free (config);

  gst_object_replace ((GstObject **) &input->pool, GST_OBJECT (pool));
  input->pool_is_bounded = max_buffers > 0;
  GST_DEBUG_OBJECT (input->pad,
      "frames come from %" GST_PTR_FORMAT " of at most %u buffers (0: any): %s", pool, max_buffers,
      max_buffers > 0 ? "copying" : "holding by reference");
  return input->pool_is_bounded;
}

static gboolean
is_in_system_memory (GstBuffer *buffer)
{
  for (guint i = 0; i < gst_buffer_n_memory (buffer); i++) {
    if (!gst_memory_is_type (gst_buffer_peek_memory (buffer, i), GST_ALLOCATOR_SYSMEM))
      return FALSE;
  }
  return TRUE;
}

/* A frame is held by reference unless that starves somebody (a pool that runs dry, a device's or
 * another buffer's memory) or keeps much more memory than the frame's. */
static gboolean
must_copy (GstSimclrReplayInput *input, GstBuffer *buffer)
{
  gsize size = gst_buffer_get_size (buffer);

  if (buffer->pool && pool_is_bounded (input, buffer->pool))
    return TRUE;
  if (gst_buffer_get_parent_buffer_meta (buffer))
    return TRUE;
  if (!is_in_system_memory (buffer))
    return TRUE;
  return buffer_footprint (buffer) > size + size / 4;
}

/* A new buffer with the frame as it is stored. */
static GstBuffer *
convert (GstSimclrReplayInput *input, GstBuffer *buffer)
{
  GstBuffer *stored = gst_buffer_new_allocate (NULL, input->stored_info.size, NULL);
  GstVideoFrame in, out;

  if (!stored || !gst_video_frame_map (&in, &input->info, buffer, GST_MAP_READ)) {
    gst_clear_buffer (&stored);
    return NULL;
  }
  if (gst_video_frame_map (&out, &input->stored_info, stored, GST_MAP_WRITE)) {
    gst_video_converter_frame (input->converter, &in, &out);
    gst_video_frame_unmap (&out);
    gst_buffer_copy_into (
        stored, buffer, GST_BUFFER_COPY_FLAGS | GST_BUFFER_COPY_TIMESTAMPS, 0, -1);
  } else {
    gst_clear_buffer (&stored);
  }
  gst_video_frame_unmap (&in);
  return stored;
}

/* Takes the frame and gives what will be stored; NULL with an error posted. */
static GstBuffer *
make_storable (
    GstSimclrReplay *self, GstSimclrReplayInput *input, GstBuffer *buffer, gboolean *is_copy)
{
  GstBuffer *copy;

  *is_copy = FALSE;
  if (!input->converter && !must_copy (input, buffer))
    return buffer;
  copy = input->converter ? convert (input, buffer) : gst_buffer_copy_deep (buffer);
  if (!copy)
    GST_ELEMENT_ERROR (self, RESOURCE, READ,
        ("Could not copy a frame of %" G_GSIZE_FORMAT " bytes.", gst_buffer_get_size (buffer)),
        ("its memory cannot be mapped, or is not what the caps promise"));
  gst_buffer_unref (buffer);
  *is_copy = TRUE;
  return copy;
}

/* FALSE where there is nothing to be seen: the frame is passed for what its caps say, and is like none. */
static gboolean
make_thumbnail (GstSimclrReplay *self, GstSimclrReplayInput *input, GstBuffer *buffer,
    gfloat thumbnail[SIMCLR_THUMBNAIL_FLOATS])
{
  GstBuffer *readable = NULL;
  gboolean made = FALSE;
  GstVideoFrame mapped;
  SimclrFrame frame;

  if (self->run.min_distance <= 0 &&
      (self->run.cut_distance <= 0 || !input->is_readable || !is_in_system_memory (buffer)))
    return FALSE;
  readable = input->is_readable ? gst_buffer_ref (buffer) : convert (input, buffer);
  if (readable &&
      gst_video_frame_map (&mapped, input->is_readable ? &input->info : &input->stored_info,
          readable, GST_MAP_READ | GST_VIDEO_FRAME_MAP_FLAG_NO_REF)) {
    gst_simclr_describe_frame (&mapped, &frame);
    made = simclr_thumbnail (&frame, thumbnail, NULL);
    gst_video_frame_unmap (&mapped);
  }
  gst_clear_buffer (&readable);
  return made;
}

static gboolean
is_like_those_taken (
    GstSimclrReplay *self, const GstSimclrReplayInput *input, const gfloat *thumbnail)
{
  for (guint i = 0; i < input->n_taken; i++) {
    if (simclr_thumbnail_distance (thumbnail, input->taken[i]) < self->run.min_distance)
      return TRUE;
  }
  return FALSE;
}

/* Compares the frame with those before it: after a cut it begins a new run, and it may be too like what was
 * taken in to be taken as well. */
static gboolean
look (GstSimclrReplay *self, GstSimclrReplayInput *input, GstBuffer *buffer)
{
  gfloat thumbnail[SIMCLR_THUMBNAIL_FLOATS];
  gboolean is_near = FALSE;

  if (GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DISCONT))
    input->run = 0;
  if (!make_thumbnail (self, input, buffer, thumbnail))
    return TRUE;
  if (self->run.cut_distance > 0 && input->has_last && input->run != 0 &&
      simclr_thumbnail_distance (thumbnail, input->last) > self->run.cut_distance) {
    GST_DEBUG_OBJECT (input->pad, "scene cut before %" GST_PTR_FORMAT, buffer);
    input->run = 0;
    g_mutex_lock (&self->lock);
    self->cuts++;
    g_mutex_unlock (&self->lock);
  }
  memcpy (input->last, thumbnail, sizeof input->last);
  input->has_last = TRUE;

  if (self->run.min_distance > 0) {
    is_near = is_like_those_taken (self, input, thumbnail);
    if (!is_near) {
      memcpy (input->taken[input->next_taken], thumbnail, sizeof input->taken[0]);
      input->next_taken = (input->next_taken + 1) % GST_SIMCLR_REPLAY_REMEMBERED;
      input->n_taken = MIN (input->n_taken + 1, GST_SIMCLR_REPLAY_REMEMBERED);
    }
  }
  return !is_near;
}

static SimclrReplayFacts
make_facts (GstSimclrReplay *self, GstSimclrReplayInput *input, GstBuffer *buffer)
{
  SimclrReplayFacts facts = {.bytes = buffer_footprint (buffer), .source = input->source};
  GstClockTime time = GST_CLOCK_TIME_NONE;

  if (input->segment.format == GST_FORMAT_TIME && GST_BUFFER_PTS_IS_VALID (buffer))
    time = gst_segment_to_running_time (&input->segment, GST_FORMAT_TIME, GST_BUFFER_PTS (buffer));
  facts.time = GST_CLOCK_TIME_IS_VALID (time) ? (gint64) time : -1;
  if (input->run == 0)
    input->run = simclr_replay_begin_run (self->memory);
  facts.run = facts.time >= 0 ? input->run : 0;
  return facts;
}

static void
note_fill (GstSimclrReplay *self)
{
  if (!self->filled && (simclr_replay_get_length (self->memory) >= self->run.min_fill ||
                           simclr_replay_is_full (self->memory)))
    self->filled = TRUE;
}

/* Takes the frame. */
static GstFlowReturn
store (GstSimclrReplay *self, GstSimclrReplayInput *input, GstBuffer *buffer, guint64 number,
    gboolean is_copy)
{
  g_autoptr (GError) error = NULL;
  GstSample *frame = gst_sample_new (buffer, input->stored_caps, &input->segment,
      gst_structure_new (GST_SIMCLR_FRAME_META_NAME, "number", G_TYPE_UINT64, number, "stream",
          G_TYPE_UINT, input->stream, NULL));
  SimclrReplayFacts facts;
  GstFlowReturn flow;

  g_mutex_lock (&self->lock);
  flow = self->flow;
  if (flow != GST_FLOW_OK) {
    gst_sample_unref (frame);
  } else {
    facts = make_facts (self, input, buffer);
    if (!simclr_replay_add_with_facts (self->memory, frame, &facts, &error)) {
      flow = GST_FLOW_ERROR;
      gst_simclr_replay_set_flow (self, flow);
    } else {
      self->copied += is_copy ? 1 : 0;
      self->changed = TRUE;
      note_fill (self);
    }
  }
  g_mutex_unlock (&self->lock);
  gst_buffer_unref (buffer);

  if (error) {
    GST_ELEMENT_ERROR (self, RESOURCE, NO_SPACE_LEFT,
        ("Could not store a frame with max-bytes=%" G_GUINT64_FORMAT
         " and capacity=%" G_GUINT64_FORMAT ": %s.",
            self->run.max_bytes, self->run.capacity, error->message),
        ("raise them, make the frames smaller (storage-size), or choose policy=reservoir"));
  }
  return flow;
}

/* What is offered although it would not be kept counts as seen. */
static GstFlowReturn
offer (GstSimclrReplay *self, GstSimclrReplayInput *input, GstBuffer *buffer, guint64 number)
{
  gsize bytes = input->converter ? input->stored_info.size : gst_buffer_get_size (buffer);
  gboolean admitted, is_copy = FALSE;

  g_mutex_lock (&self->lock);
  admitted = self->flow == GST_FLOW_OK && simclr_replay_admits (self->memory, bytes);
  g_mutex_unlock (&self->lock);
  GST_LOG_OBJECT (input->pad, "%s %" GST_PTR_FORMAT, admitted ? "storing" : "passing by", buffer);
  if (admitted)
    buffer = make_storable (self, input, buffer, &is_copy);
  return buffer ? store (self, input, buffer, number, is_copy) : GST_FLOW_ERROR;
}

/* Whether samples are still due for the frames that have come in; lock held. */
static gboolean
is_behind (GstSimclrReplay *self)
{
  return self->run.min_samples > 0 && self->run.policy != SIMCLR_REPLAY_POLICY_ALL &&
         self->filled && self->flow == GST_FLOW_OK &&
         (self->done < gst_simclr_replay_count_samples (self, self->run.min_samples) ||
             gst_simclr_replay_may_embed (self));
}

/* The frame counts; with min-samples-per-frame the next one waits until training has come as far. */
static GstFlowReturn
keep_pace (GstSimclrReplay *self, GstSimclrReplayInput *input)
{
  GstFlowReturn flow = GST_FLOW_OK;

  g_mutex_lock (&self->lock);
  self->frames += self->filled ? 1 : 0;
  g_cond_broadcast (&self->wake);
  while (!input->flushing && is_behind (self)) {
    g_cond_wait (&self->wake, &self->lock);
    flow = self->flow;
  }
  g_mutex_unlock (&self->lock);
  return flow;
}

static gboolean
has_no_picture (GstBuffer *buffer)
{
  return GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_GAP) ||
         GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_CORRUPTED) ||
         gst_buffer_get_size (buffer) == 0;
}

static void
count (GstSimclrReplay *self, guint64 *counter)
{
  g_mutex_lock (&self->lock);
  (*counter)++;
  g_mutex_unlock (&self->lock);
}

gboolean
gst_simclr_replay_load_labels (GstSimclrReplay *self)
{
  g_autoptr (GError) error = NULL;

  if (self->run.labels == NULL)
    return TRUE;
  self->labels = gst_simclr_labels_load (self->run.labels, &error);
  if (self->labels == NULL) {
    GST_ELEMENT_ERROR (self, RESOURCE, OPEN_READ,
        ("Could not read labels=\"%s\".", self->run.labels), ("%s", error->message));
    return FALSE;
  }
  if (self->run.label_fraction < 1)
    gst_simclr_labels_thin (self->labels, self->run.label_fraction, self->run.seed);
  return TRUE;
}

GstFlowReturn
gst_simclr_replay_take_frame (
    GstSimclrReplay *self, GstSimclrReplayInput *input, GstBuffer *buffer, guint64 number)
{
  GstFlowReturn flow;

  if (!input->caps) {
    gst_buffer_unref (buffer);
    return GST_FLOW_NOT_NEGOTIATED;
  }
  if (has_no_picture (buffer)) {
    gst_buffer_unref (buffer);
    count (self, &self->ignored);
    return GST_FLOW_OK;
  }
  if (self->labels != NULL && gst_simclr_labels_get (self->labels, number) < 0) {
    gst_buffer_unref (buffer);
    count (self, &self->unlabelled);
    return GST_FLOW_OK;
  }
  if (look (self, input, buffer)) {
    flow = offer (self, input, buffer, number);
    if (flow != GST_FLOW_OK)
      return flow;
  } else {
    gst_buffer_unref (buffer);
    count (self, &self->near);
  }
  return keep_pace (self, input);
}
