/* What comes in, what goes out: caps, the training handshake, allocation and latency.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrencoder-private.h"

#include "gstsimclrresumequery.h"
#include "gstsimclrtensorcaps.h"

#define GST_CAT_DEFAULT gst_simclr_encoder_debug

/* A trainer names the forward meta in the ALLOCATION query. Elements that do not pass that query on
 * (a tee to branches that are no trainers, a filter that is not negotiated yet) let the custom one
 * through. The batch's shape is not known before the weights are: caps without dimensions. */
static gboolean
wants_training (GstSimclrEncoder *self)
{
  g_autoptr (GstCaps) caps =
      gst_simclr_tensor_caps_new (0, 0, self->info.fps_n, MAX (self->info.fps_d, 1));
  g_autoptr (GstQuery) query = gst_query_new_allocation (caps, FALSE);
  g_auto (GstSimclrResume) resume = {0};

  if (gst_pad_peer_query (self->srcpad, query) &&
      gst_query_find_allocation_meta (query, GST_SIMCLR_FORWARD_META_API_TYPE, NULL))
    return TRUE;
  return gst_simclr_resume_query (self->srcpad, &resume);
}

/* Frames with metas where downstream takes this video, else tensors. */
static GstSimclrEncoderMode
choose_mode (GstSimclrEncoder *self)
{
  g_autoptr (GstCaps) allowed = gst_pad_peer_query_caps (self->srcpad, NULL);
  g_autoptr (GstCaps) tensors = gst_caps_from_string (GST_SIMCLR_TENSOR_CAPS);

  if (gst_caps_can_intersect (self->caps, allowed))
    return GST_SIMCLR_ENCODER_MODE_VIDEO;
  if (!gst_caps_can_intersect (tensors, allowed))
    return GST_SIMCLR_ENCODER_MODE_NONE;
  return wants_training (self) ? GST_SIMCLR_ENCODER_MODE_TRAINING : GST_SIMCLR_ENCODER_MODE_TENSORS;
}

/* Whether they were taken shows when the next buffer is pushed: caps are sticky, and a refusal during a
 * flush is none. */
void
_gst_simclr_encoder_push_tensor_caps (GstSimclrEncoder *self, guint rows)
{
  g_autoptr (GstCaps) caps = NULL;
  g_autoptr (GstCaps) allowed = NULL;
  g_autoptr (GstCaps) spelled = NULL;

  if (self->rows == rows)
    return;
  caps = gst_simclr_tensor_caps_new (self->size, rows, self->info.fps_n, MAX (self->info.fps_d, 1));
  allowed = gst_pad_peer_query_caps (self->srcpad, NULL);
  spelled = gst_simclr_tensor_caps_adapt (caps, allowed);
  GST_DEBUG_OBJECT (self, "tensors %" GST_PTR_FORMAT, spelled != NULL ? spelled : caps);
  gst_pad_set_caps (self->srcpad, spelled != NULL ? spelled : caps);
  self->rows = rows;
}

/* To other threads. Batching delays the first frame of a batch until the last one, or the timeout, is
 * there. */
static void
tell_mode (GstSimclrEncoder *self)
{
  guint batch = _gst_simclr_encoder_get_batch (self, FALSE);
  GstClockTime latency = 0;
  gboolean changed;

  if (self->mode != GST_SIMCLR_ENCODER_MODE_TRAINING && batch > 1) {
    if (self->info.fps_n > 0)
      latency = gst_util_uint64_scale (
          (guint64) (batch - 1) * GST_SECOND, self->info.fps_d, self->info.fps_n);
    if (self->active.batch_timeout > 0)
      latency =
          latency > 0 ? MIN (latency, self->active.batch_timeout) : self->active.batch_timeout;
  }
  GST_OBJECT_LOCK (self);
  changed = self->latency != latency;
  self->latency = latency;
  self->trains = self->mode == GST_SIMCLR_ENCODER_MODE_TRAINING;
  GST_OBJECT_UNLOCK (self);
  if (changed)
    gst_element_post_message (GST_ELEMENT (self), gst_message_new_latency (GST_OBJECT (self)));
}

gboolean
_gst_simclr_encoder_negotiate (GstSimclrEncoder *self)
{
  GstSimclrEncoderMode mode = self->failed ? GST_SIMCLR_ENCODER_MODE_NONE : choose_mode (self);
  gboolean training = mode == GST_SIMCLR_ENCODER_MODE_TRAINING;

  if (mode == GST_SIMCLR_ENCODER_MODE_NONE) {
    GST_INFO_OBJECT (self, "downstream takes neither %" GST_PTR_FORMAT " nor tensors", self->caps);
    goto refused;
  }
  if (training && !self->is_pair) {
    GST_ELEMENT_ERROR (self, STREAM, FORMAT,
        ("simclrtrainer needs pairs of views, but single frames of %dx%d come in: put a "
         "simclraugment in front of this encoder.",
            self->info.width, self->info.height),
        ("Pairs are RGB, twice as high as wide, multiview-mode=top-bottom; got %" GST_PTR_FORMAT,
            self->caps));
    self->failed = TRUE;
    goto refused;
  }
  if (mode != self->mode)
    _gst_simclr_encoder_drop_batch (self);
  if (!_gst_simclr_encoder_prepare (self, training)) {
    self->failed = TRUE;
    goto refused;
  }

  self->mode = mode;
  tell_mode (self);
  self->rows = 0;
  if (mode == GST_SIMCLR_ENCODER_MODE_VIDEO)
    gst_pad_set_caps (self->srcpad, self->caps);
  else if (self->encoder != NULL)
    _gst_simclr_encoder_push_tensor_caps (self, training ? 2 * self->capacity : self->capacity);
  return TRUE;

refused:
  self->mode = GST_SIMCLR_ENCODER_MODE_NONE;
  return FALSE;
}

gboolean
_gst_simclr_encoder_set_caps (GstSimclrEncoder *self, GstCaps *caps)
{
  GstVideoInfo info;

  if (!gst_video_info_from_caps (&info, caps)) {
    GST_ERROR_OBJECT (self, "not video: %" GST_PTR_FORMAT, caps);
    return FALSE;
  }
  self->info = info;
  self->layout = (GstSimclrPairLayout){0};
  self->is_pair = gst_simclr_pair_layout_parse (caps, &self->layout);
  gst_caps_replace (&self->caps, caps);
  gst_pad_check_reconfigure (self->srcpad);
  if (_gst_simclr_encoder_negotiate (self))
    return TRUE;
  gst_pad_mark_reconfigure (self->srcpad);
  return FALSE;
}

/* What may come in: anything where tensors may go out, else the video that downstream takes. */
static GstCaps *
get_sink_caps (GstSimclrEncoder *self)
{
  g_autoptr (GstCaps) template = gst_pad_get_pad_template_caps (self->sinkpad);
  g_autoptr (GstCaps) allowed = gst_pad_peer_query_caps (self->srcpad, NULL);
  g_autoptr (GstCaps) tensors = gst_caps_from_string (GST_SIMCLR_TENSOR_CAPS);
  GstCaps *caps = gst_caps_intersect_full (allowed, template, GST_CAPS_INTERSECT_FIRST);

  if (gst_caps_can_intersect (tensors, allowed))
    caps = gst_caps_merge (caps, g_steal_pointer (&template));
  return caps;
}

/* What may go out: the video that comes in, or tensors. */
static GstCaps *
get_src_caps (GstSimclrEncoder *self)
{
  g_autoptr (GstCaps) template = gst_pad_get_pad_template_caps (self->sinkpad);
  GstCaps *caps = gst_pad_get_current_caps (self->sinkpad);

  if (caps == NULL)
    caps = gst_pad_peer_query_caps (self->sinkpad, template);
  return gst_caps_merge (caps, gst_caps_from_string (GST_SIMCLR_TENSOR_CAPS));
}

static void
answer_caps (GstQuery *query, GstCaps *caps)
{
  GstCaps *filter;

  gst_query_parse_caps (query, &filter);
  if (filter != NULL) {
    GstCaps *filtered = gst_caps_intersect_full (filter, caps, GST_CAPS_INTERSECT_FIRST);

    gst_caps_unref (caps);
    caps = filtered;
  }
  gst_query_set_caps_result (query, caps);
  gst_caps_unref (caps);
}

/* Frames that are passed on may come from downstream's memory, with as many more as a batch holds
 * back. Called with the stream lock (the query is serialised). */
static gboolean
answer_allocation (GstSimclrEncoder *self, GstQuery *query)
{
  if (self->mode != GST_SIMCLR_ENCODER_MODE_VIDEO) {
    gst_query_add_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL);
    return TRUE;
  }
  if (!gst_pad_peer_query (self->srcpad, query))
    return FALSE;
  for (guint i = 0; i < gst_query_get_n_allocation_pools (query); i++) {
    g_autoptr (GstBufferPool) pool = NULL;
    guint size, least, most;

    gst_query_parse_nth_allocation_pool (query, i, &pool, &size, &least, &most);
    least += _gst_simclr_encoder_get_batch (self, FALSE) - 1;
    gst_query_set_nth_allocation_pool (
        query, i, pool, size, least, most == 0 ? 0 : MAX (most, least));
  }
  return TRUE;
}

gboolean
_gst_simclr_encoder_sink_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  GstSimclrEncoder *self = GST_SIMCLR_ENCODER (parent);

  switch (GST_QUERY_TYPE (query)) {
  case GST_QUERY_CAPS:
    answer_caps (query, get_sink_caps (self));
    return TRUE;
  case GST_QUERY_ALLOCATION:
    return answer_allocation (self, query);
  case GST_QUERY_CUSTOM:
    return _gst_simclr_encoder_answer_model (self, query) ||
           gst_pad_query_default (pad, parent, query);
  default:
    return gst_pad_query_default (pad, parent, query);
  }
}

gboolean
_gst_simclr_encoder_src_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  GstSimclrEncoder *self = GST_SIMCLR_ENCODER (parent);
  GstClockTime least, most, latency;
  gboolean live;

  switch (GST_QUERY_TYPE (query)) {
  case GST_QUERY_CAPS:
    answer_caps (query, get_src_caps (self));
    return TRUE;
  case GST_QUERY_LATENCY:
    if (!gst_pad_peer_query (self->sinkpad, query))
      return FALSE;
    GST_OBJECT_LOCK (self);
    latency = self->latency;
    GST_OBJECT_UNLOCK (self);
    gst_query_parse_latency (query, &live, &least, &most);
    gst_query_set_latency (query, live, least + latency,
        GST_CLOCK_TIME_IS_VALID (most) ? most + latency : GST_CLOCK_TIME_NONE);
    return TRUE;
  default:
    return gst_pad_query_default (pad, parent, query);
  }
}
