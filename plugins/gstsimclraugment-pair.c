/* simclraugment at work: which frames make a pair, and how it is made.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclraugment-private.h"

#include "gstsimclrneighbourmeta.h"
#include "gstsimclrpairmeta.h"
#include "gstsimclrresumequery.h"
#include "gstsimclrvideo.h"

#define GST_CAT_DEFAULT gst_simclr_augment_debug

/* A trainer that continues from a checkpoint says how many pairs it has seen. */
static void
ask_where_to_resume (GstSimclrAugment *self)
{
  g_auto (GstSimclrResume) resume = {0};

  if (gst_simclr_resume_query (GST_BASE_TRANSFORM_SRC_PAD (self), &resume)) {
    GST_INFO_OBJECT (self, "resuming at pair %" G_GUINT64_FORMAT, resume.pairs);
    self->pairs = resume.pairs;
  }
  self->asked = TRUE;
}

/* The past frame that view 2 comes from; NULL: this one. Borrowed from the history. */
static const GstSimclrPastFrame *
choose_partner (GstSimclrAugment *self, GstClockTime running_time, GstClockTime window)
{
  guint chosen;

  if (window == 0 || !GST_CLOCK_TIME_IS_VALID (running_time)) {
    gst_simclr_frame_history_clear (&self->history);
    return NULL;
  }
  gst_simclr_frame_history_advance (&self->history, running_time, window);
  if (self->history.length == 0)
    return NULL;
  chosen = simclr_augment_draw_partner (self->augment, self->pairs, self->history.length);
  return &self->history.frames[chosen];
}

/* A replay brings the neighbour with the frame. FALSE: it has none, or there is no replay. */
static gboolean
take_neighbour (GstBuffer *buffer, GstClockTime window, GstSimclrPastFrame *partner)
{
  GstSimclrNeighbourMeta *meta = gst_buffer_get_simclr_neighbour_meta (buffer);

  if (window == 0 || meta == NULL)
    return FALSE;
  *partner = (GstSimclrPastFrame){meta->frame, meta->running_time};
  return TRUE;
}

/* Draws and makes the small crops, of the frame that view 1 comes from. */
static gboolean
make_crops (GstSimclrAugment *self, const SimclrFrame *frame, GstVideoFrame *out,
    GstSimclrPair *pair, GError **error)
{
  const GstSimclrPairLayout *layout = &self->layout;
  guint8 *data = GST_VIDEO_FRAME_PLANE_DATA (out, 0);
  const gsize stride = (gsize) GST_VIDEO_FRAME_PLANE_STRIDE (out, 0);
  const gsize above = 2 * (gsize) layout->size;

  memset (data + above * stride, 0, (gst_simclr_pair_layout_get_height (layout) - above) * stride);
  for (guint i = 0; i < layout->crops; i++) {
    GstSimclrPairView *view = &pair->views[2 + i];
    guint x, y;

    gst_simclr_pair_layout_locate (layout, i, &x, &y);
    *view = pair->views[0];
    simclr_augment_draw (self->small, self->pairs, 2 + i, frame->width, frame->height, &view->draw);
    if (!simclr_augment_apply (
            self->small, frame, &view->draw, data + y * stride + 3 * (gsize) x, stride, error)) {
      g_prefix_error (error, "small crop %u: ", i + 1);
      return FALSE;
    }
  }
  return TRUE;
}

/* Draws and makes both views, of which the second may come from another frame, and the small crops. */
static gboolean
make_pair (GstSimclrAugment *self, const GstVideoFrame *first, const GstVideoFrame *second,
    GstVideoFrame *out, GstSimclrPair *pair)
{
  const GstVideoFrame *sources[2] = {first, second};
  g_autoptr (GError) error = NULL;
  SimclrFrame frames[2];
  SimclrDraw draws[2];

  for (guint i = 0; i < 2; i++) {
    gst_simclr_describe_frame (sources[i], &frames[i]);
    pair->views[i].pts = GST_BUFFER_PTS (sources[i]->buffer);
    simclr_augment_draw (
        self->augment, self->pairs, i, frames[i].width, frames[i].height, &draws[i]);
    pair->views[i].draw = draws[i];
  }
  if (simclr_augment_apply_pair (self->augment, frames, draws, GST_VIDEO_FRAME_PLANE_DATA (out, 0),
          (gsize) GST_VIDEO_FRAME_PLANE_STRIDE (out, 0), &error) &&
      (self->layout.crops == 0 || make_crops (self, &frames[0], out, pair, &error)))
    return TRUE;
  GST_ELEMENT_ERROR (
      self, STREAM, FAILED, ("Could not make a pair of views."), ("%s", error->message));
  return FALSE;
}

static gboolean
make_pair_with (GstSimclrAugment *self, const GstVideoFrame *in, const GstSimclrPastFrame *partner,
    GstVideoFrame *out, GstSimclrPair *pair)
{
  GstVideoFrame past;
  gboolean made;

  if (partner == NULL)
    return make_pair (self, in, in, out, pair);
  if (!gst_video_frame_map (
          &past, &GST_VIDEO_FILTER (self)->in_info, partner->buffer, GST_MAP_READ)) {
    GST_ELEMENT_ERROR (self, STREAM, FAILED, ("Could not read an earlier frame."),
        ("mapping a buffer of the temporal window failed"));
    return FALSE;
  }
  pair->views[1].running_time = partner->running_time;
  made = make_pair (self, in, &past, out, pair);
  gst_video_frame_unmap (&past);
  return made;
}

/* When the frame was filmed: a replay remembers it. */
static GstClockTime
get_time (GstSimclrAugment *self, GstBuffer *buffer)
{
  GstClockTime time = gst_simclr_get_original_time (buffer);

  if (GST_CLOCK_TIME_IS_VALID (time))
    return time;
  return gst_segment_to_running_time (
      &GST_BASE_TRANSFORM (self)->segment, GST_FORMAT_TIME, GST_BUFFER_PTS (buffer));
}

GstFlowReturn
_gst_simclr_augment_transform_frame (GstVideoFilter *filter, GstVideoFrame *in, GstVideoFrame *out)
{
  GstSimclrAugment *self = GST_SIMCLR_AUGMENT (filter);
  GstSimclrAugmentSettings settings = _gst_simclr_augment_snapshot (self);
  GstClockTime window = settings.temporal_window;
  GstClockTime running_time = get_time (self, in->buffer);
  const GstSimclrPastFrame *partner;
  GstSimclrPastFrame neighbour;
  GstSimclrPair pair = {
      .layout = self->layout,
      .frame_width = (guint) GST_VIDEO_FRAME_WIDTH (in),
      .frame_height = (guint) GST_VIDEO_FRAME_HEIGHT (in),
      .views = {{.running_time = running_time}, {.running_time = running_time}},
  };

  if (!self->asked)
    ask_where_to_resume (self);
  if (settings.version != self->applied)
    _gst_simclr_augment_apply_settings (self, &settings);

  partner = take_neighbour (in->buffer, window, &neighbour)
                ? &neighbour
                : choose_partner (self, running_time, window);
  if (!make_pair_with (self, in, partner, out, &pair))
    return GST_FLOW_ERROR;
  pair.interpolation = self->interpolation;
  gst_simclr_pair_meta_add (out->buffer, &pair);
  self->pairs++;

  if (window > 0 && GST_CLOCK_TIME_IS_VALID (running_time) &&
      !gst_simclr_frame_history_add (&self->history, in, running_time, window))
    GST_WARNING_OBJECT (self, "no memory to keep a frame for the temporal window");
  return GST_FLOW_OK;
}
