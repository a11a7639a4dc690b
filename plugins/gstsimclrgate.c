/* simclrgate: passes a frame only when its embedding moved enough.
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-simclrgate
 * @title: simclrgate
 * @short_description: key frames: passes a frame only when its embedding moved enough
 *
 * Near-duplicates end here. A frame passes when its embedding (the meta of simclrencoder) is at least
 * #simclrgate:threshold away from that of the last frame that passed, as one minus the cosine of the angle
 * between them: 0 is the same, 1 has nothing in common. So one frame of each scene is kept, and of a scene that
 * changes slowly as many as it changes.
 *
 * #simclrgate:min-interval bounds how often frames pass, #simclrgate:max-interval how long none does. The
 * first frame passes, as does the first after a flush or a change of caps. Frames without an embedding
 * pass, and are warned of once.
 *
 * In the place of each frame that does not pass goes a GAP event, so that downstream's clock does not stand
 * still; the next frame that passes is marked DISCONT. No latency is added.
 *
 * ## Messages
 *
 * `simclr-keyframe`, for each frame that passes because it moved or because of #simclrgate:max-interval, if
 * #simclrgate:messages is set: `frame` (#guint64, its number since the start, from 0), `running-time`
 * (#guint64, nanoseconds), `distance` (#gdouble, from the frame before that passed).
 *
 * ## Statistics
 *
 * #simclrgate:stats is a structure `simclr-gate` with `frames`, `passed` (#guint64) and `distance` (#gdouble) of
 * the newest frame from the last one that passed.
 *
 * ## One picture of each scene
 *
 * |[
 * gst-launch-1.0 videotestsrc pattern=blink num-buffers=60 ! video/x-raw,width=64,height=64 ! simclrencoder width=0.25 input-size=32 ! simclrgate threshold=0.001 min-interval=100000000 ! videoconvert ! pngenc ! multifilesink location=scene-%03d.png
 * ]|
 */

#include "gstsimclrgate.h"

#include <math.h>
#include <string.h>

#include "gstsimclrembeddingmeta.h"
#include "gstsimclrmessages.h"

GST_DEBUG_CATEGORY_STATIC (gst_simclr_gate_debug);
#define GST_CAT_DEFAULT gst_simclr_gate_debug

#define DEFAULT_THRESHOLD 0.2

enum
{
  PROP_0,
  PROP_THRESHOLD,
  PROP_MIN_INTERVAL,
  PROP_MAX_INTERVAL,
  PROP_MESSAGES,
  PROP_STATS,
};

typedef struct
{
  gdouble threshold;
  GstClockTime min_interval;
  GstClockTime max_interval; /* 0: none */
  gboolean messages;
} Settings;

typedef struct
{
  guint64 frames;
  guint64 passed;
  gdouble distance;
} Counts;

struct _GstSimclrGate
{
  GstBaseTransform parent;

  Settings settings; /* object lock */
  Counts counts;     /* object lock */

  /* streaming thread, or while there is none */
  gfloat *last; /* embedding of the last frame that passed, NULL: the next one passes */
  guint size;
  GstClockTime last_time; /* running time of it */
  gboolean warned;
};

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE (
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw(ANY)"));

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw(ANY)"));

G_DEFINE_FINAL_TYPE (GstSimclrGate, gst_simclr_gate, GST_TYPE_BASE_TRANSFORM)
GST_ELEMENT_REGISTER_DEFINE (simclrgate, "simclrgate", GST_RANK_NONE, GST_TYPE_SIMCLR_GATE)

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstSimclrGate *self = GST_SIMCLR_GATE (object);

  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_THRESHOLD:
    self->settings.threshold = g_value_get_double (value);
    break;
  case PROP_MIN_INTERVAL:
    self->settings.min_interval = g_value_get_uint64 (value);
    break;
  case PROP_MAX_INTERVAL:
    self->settings.max_interval = g_value_get_uint64 (value);
    break;
  case PROP_MESSAGES:
    self->settings.messages = g_value_get_boolean (value);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstSimclrGate *self = GST_SIMCLR_GATE (object);

  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_THRESHOLD:
    g_value_set_double (value, self->settings.threshold);
    break;
  case PROP_MIN_INTERVAL:
    g_value_set_uint64 (value, self->settings.min_interval);
    break;
  case PROP_MAX_INTERVAL:
    g_value_set_uint64 (value, self->settings.max_interval);
    break;
  case PROP_MESSAGES:
    g_value_set_boolean (value, self->settings.messages);
    break;
  case PROP_STATS:
    g_value_take_boxed (
        value, gst_structure_new ("simclr-gate", "frames", G_TYPE_UINT64, self->counts.frames,
                   "passed", G_TYPE_UINT64, self->counts.passed, "distance", G_TYPE_DOUBLE,
                   self->counts.distance, NULL));
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

static void
forget (GstSimclrGate *self)
{
  g_clear_pointer (&self->last, g_free);
  self->size = 0;
  self->last_time = GST_CLOCK_TIME_NONE;
}

/* One minus the cosine; an embedding without direction is as far as can be from all but its like. */
static gdouble
get_distance (const gfloat *a, const gfloat *b, guint size)
{
  gdouble product = 0, a_square = 0, b_square = 0;

  for (guint i = 0; i < size; i++) {
    product += (gdouble) a[i] * b[i];
    a_square += (gdouble) a[i] * a[i];
    b_square += (gdouble) b[i] * b[i];
  }
  if (a_square > 0 && b_square > 0)
    return 1 - product / sqrt (a_square * b_square);
  return a_square == b_square ? 0 : 1;
}

static GstClockTime
get_running_time (GstSimclrGate *self, GstBuffer *buffer)
{
  GstSegment *segment = &GST_BASE_TRANSFORM (self)->segment;

  if (segment->format != GST_FORMAT_TIME || !GST_BUFFER_PTS_IS_VALID (buffer))
    return GST_CLOCK_TIME_NONE;
  return gst_segment_to_running_time (segment, GST_FORMAT_TIME, GST_BUFFER_PTS (buffer));
}

/* Whether a frame that is so far and so long after the last one passes. Time may be unknown, or go back. */
static gboolean
passes (GstSimclrGate *self, const Settings *settings, gdouble distance, GstClockTime time)
{
  GstClockTime since = GST_CLOCK_TIME_NONE;

  if (GST_CLOCK_TIME_IS_VALID (time) && GST_CLOCK_TIME_IS_VALID (self->last_time) &&
      time >= self->last_time)
    since = time - self->last_time;
  if (GST_CLOCK_TIME_IS_VALID (since) && since < settings->min_interval)
    return FALSE;
  if (GST_CLOCK_TIME_IS_VALID (since) && settings->max_interval > 0 &&
      since >= settings->max_interval)
    return TRUE;
  return distance >= settings->threshold;
}

static void
warn_once (GstSimclrGate *self)
{
  if (self->warned)
    return;
  self->warned = TRUE;
  GST_ELEMENT_WARNING (self, STREAM, FORMAT,
      ("A frame without an embedding passes: simclrencoder belongs before simclrgate."), (NULL));
}

static GstFlowReturn
drop (GstSimclrGate *self, GstBuffer *buffer)
{
  if (GST_BUFFER_PTS_IS_VALID (buffer))
    gst_pad_push_event (GST_BASE_TRANSFORM_SRC_PAD (self),
        gst_event_new_gap (GST_BUFFER_PTS (buffer), GST_BUFFER_DURATION (buffer)));
  return GST_BASE_TRANSFORM_FLOW_DROPPED;
}

static void
keep (GstSimclrGate *self, const gfloat *embedding, guint size, GstClockTime time)
{
  if (size != self->size)
    self->last = g_renew (gfloat, self->last, size);
  self->size = size;
  self->last_time = time;
  memcpy (self->last, embedding, size * sizeof (gfloat));
}

static GstFlowReturn
transform_ip (GstBaseTransform *transform, GstBuffer *buffer)
{
  GstSimclrGate *self = GST_SIMCLR_GATE (transform);
  GstClockTime time = get_running_time (self, buffer);
  guint size, rows;
  const gfloat *embedding = gst_buffer_get_simclr_embedding (buffer, &size, &rows);
  gboolean known = embedding != NULL && rows > 0, passing = TRUE, first;
  gdouble distance = 0;
  Settings settings;
  guint64 number;

  if (!known)
    warn_once (self);
  first = self->last == NULL || size != self->size;
  GST_OBJECT_LOCK (self);
  settings = self->settings;
  if (known && !first) {
    distance = get_distance (embedding, self->last, size);
    passing = passes (self, &settings, distance, time);
    self->counts.distance = distance;
  }
  number = self->counts.frames++;
  self->counts.passed += passing;
  GST_OBJECT_UNLOCK (self);

  GST_LOG_OBJECT (self, "frame %" G_GUINT64_FORMAT " at %" GST_TIME_FORMAT ", distance %g: %s",
      number, GST_TIME_ARGS (time), distance, passing ? "passes" : "dropped");
  if (!passing)
    return drop (self, buffer);
  if (known)
    keep (self, embedding, size, time);
  if (known && !first && settings.messages)
    gst_simclr_post_element_message (GST_ELEMENT (self),
        gst_structure_new ("simclr-keyframe", "frame", G_TYPE_UINT64, number, "running-time",
            G_TYPE_UINT64, time, "distance", G_TYPE_DOUBLE, distance, NULL));
  return GST_FLOW_OK;
}

static gboolean
set_caps (GstBaseTransform *transform, GstCaps *sink, GstCaps *src)
{
  forget (GST_SIMCLR_GATE (transform));
  return TRUE;
}

static gboolean
sink_event (GstBaseTransform *transform, GstEvent *event)
{
  if (GST_EVENT_TYPE (event) == GST_EVENT_FLUSH_STOP)
    forget (GST_SIMCLR_GATE (transform));
  return GST_BASE_TRANSFORM_CLASS (gst_simclr_gate_parent_class)->sink_event (transform, event);
}

static gboolean
start (GstBaseTransform *transform)
{
  GstSimclrGate *self = GST_SIMCLR_GATE (transform);

  forget (self);
  self->warned = FALSE;
  GST_OBJECT_LOCK (self);
  self->counts = (Counts){0};
  GST_OBJECT_UNLOCK (self);
  return TRUE;
}

static gboolean
stop (GstBaseTransform *transform)
{
  GstSimclrGate *self = GST_SIMCLR_GATE (transform);

  GST_INFO_OBJECT (self, "%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " frames passed",
      self->counts.passed, self->counts.frames);
  forget (self);
  return TRUE;
}

static void
finalize (GObject *object)
{
  forget (GST_SIMCLR_GATE (object));
  G_OBJECT_CLASS (gst_simclr_gate_parent_class)->finalize (object);
}

static void
install_properties (GObjectClass *klass)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING;

  g_object_class_install_property (klass, PROP_THRESHOLD,
      g_param_spec_double ("threshold", "Threshold",
          "Distance from the last frame that passed (one minus the cosine of the embeddings' "
          "angle, 0 "
          "to 2) from which on a frame passes.",
          0, 2, DEFAULT_THRESHOLD, flags));
  g_object_class_install_property (klass, PROP_MIN_INTERVAL,
      g_param_spec_uint64 ("min-interval", "Minimum interval",
          "Nanoseconds after a frame that passed in which none passes.", 0, G_MAXINT64, 0, flags));
  g_object_class_install_property (klass, PROP_MAX_INTERVAL,
      g_param_spec_uint64 ("max-interval", "Maximum interval",
          "Nanoseconds after a frame that passed from which on any frame passes; 0: it has to have "
          "moved.",
          0, G_MAXINT64, 0, flags));
  g_object_class_install_property (klass, PROP_MESSAGES,
      g_param_spec_boolean (
          "messages", "Messages", "Whether simclr-keyframe messages are posted.", FALSE, flags));
  g_object_class_install_property (klass, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics", "Structure simclr-gate: frames, passed, distance.",
          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

static void
gst_simclr_gate_class_init (GstSimclrGateClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseTransformClass *transform_class = GST_BASE_TRANSFORM_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_simclr_gate_debug, "simclrgate", 0, "SimCLR gate");
  gst_simclr_embedding_meta_register ();
  object_class->set_property = set_property;
  object_class->get_property = get_property;
  object_class->finalize = finalize;
  install_properties (object_class);
  transform_class->transform_ip = transform_ip;
  transform_class->transform_ip_on_passthrough = TRUE;
  transform_class->set_caps = set_caps;
  transform_class->sink_event = sink_event;
  transform_class->start = start;
  transform_class->stop = stop;
  gst_element_class_set_static_metadata (element_class, "SimCLR gate", "Filter/Video",
      "Passes a frame only when its embedding moved enough: key frames without near-duplicates",
      "The gst-simclr authors");
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
}

static void
gst_simclr_gate_init (GstSimclrGate *self)
{
  self->settings = (Settings){DEFAULT_THRESHOLD, 0, 0, FALSE};
  self->last_time = GST_CLOCK_TIME_NONE;
  gst_base_transform_set_passthrough (GST_BASE_TRANSFORM (self), TRUE);
}
