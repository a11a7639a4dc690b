/* simclrpublish: what is known of frames, as JSON lines.
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-simclrpublish
 * @title: simclrpublish
 * @short_description: writes what simclrclassifier and simclrencoder say of frames as JSON lines
 *
 * Metadata for programs that are no part of the pipeline: one JSON object a line, for each frame or each time
 * that what is seen changes, to a file, to standard output, or to an MQTT broker. Frames, or tensors of
 * embeddings, pass through untouched.
 *
 * ## A line
 *
 * #simclrpublish:fields chooses from these:
 *
 * * `frame`: number of the frame since the start, from 0 (always there); of tensors, each row is a frame
 * * `time`: `time`, when the line was written (ISO 8601, UTC, milliseconds), and `running-time`, of the frame in
 *   nanoseconds
 * * `stream`: `stream`, the name in #simclrpublish:stream or else GStreamer's stream id
 * * `classification`: `label` (`unknown` where it is none of the labels), `known`, `confidence` (0 to 1) and
 *   `novelty`, as simclrclassifier says them; not there where it said nothing
 * * `scores`: `scores`, an object with the best labels' scores, best first
 * * `regions`: `regions`, the frame's #GstVideoRegionOfInterestMeta: `type`, `id`, `x`, `y`, `width`, `height` in
 *   pixels, and their parameters
 * * `model`: `model` and training `step` of the encoder
 *
 * With #simclrpublish:embedding also `embedding`, the floats as an array or as the base64 of little-endian
 * float32.
 *
 * ## Where lines go
 *
 * To the file #simclrpublish:location, to the MQTT broker #simclrpublish:mqtt-address, or both; to standard
 * output where neither is set (`gst-launch-1.0 -q` keeps its own words out of it). A file that cannot be written is an
 * error. A broker never holds up the stream: lines wait in a queue of
 * #simclrpublish:queue-size, which drops its oldest line when it is full, and a warning says how many. The element
 * connects again by itself, and only at the end of the stream waits up to two seconds for what is left.
 *
 * #simclrpublish:stats is a structure `simclr-publish` with `lines`, `sent` (to the broker), `dropped` (#guint64) and
 * `connected` (#gboolean). A line, in mode change: `{"time":"2026-05-01T12:00:00.000Z","running-time":400000000,
 * "stream":"door","frame":12,"label":"cup","known":true,"confidence":0.93,"novelty":0.4,"scores":{"cup":0.93,
 * "hat":0.07}}`
 *
 * ## Say what is seen, when it changes
 *
 * |[
 * gst-launch-1.0 videotestsrc pattern=ball num-buffers=20 ! video/x-raw,width=64,height=64 ! simclrencoder width=0.25 input-size=64 ! simclrclassifier mode=fit label=ball location=patterns.safetensors ! fakesink
 * gst-launch-1.0 videotestsrc pattern=smpte num-buffers=20 ! video/x-raw,width=64,height=64 ! simclrencoder width=0.25 input-size=64 ! simclrclassifier mode=fit resume=true label=bars location=patterns.safetensors ! fakesink
 * gst-launch-1.0 -q videotestsrc pattern=smpte num-buffers=20 ! video/x-raw,width=64,height=64 ! simclrencoder width=0.25 input-size=64 ! simclrclassifier method=prototype location=patterns.safetensors ! simclrpublish mode=change stream=door ! fakesink
 * ]|
 *
 * ## Embeddings of a stream, one JSON line a frame
 *
 * |[
 * gst-launch-1.0 videotestsrc num-buffers=20 ! simclrencoder width=0.25 ! simclrpublish fields=time+model embedding=array location=embeddings.jsonl ! fakesink
 * ]|
 *
 * ## To an MQTT broker
 *
 * `simclrpublish mode=change interval=60000000000 mqtt-address=broker.local mqtt-topic=cameras/door mqtt-retain=true`:
 * each change, and at least a line a minute; whoever subscribes gets the last one at once.
 *
 * `simclrpublish mode=change mqtt-address=mqtts://broker.local mqtt-ca-file=ca.pem mqtt-username=door mqtt-password=WORD
 * mqtt-topic=cameras/door mqtt-will-topic=cameras/door/state mqtt-will-payload=offline mqtt-will-retain=true`: the same
 * by TLS, to a broker that #simclrpublish:mqtt-ca-file vouches for (the system's authorities where it is unset) and that
 * knows this client by its password; #simclrpublish:mqtt-cert-file and #simclrpublish:mqtt-key-file are for one that
 * knows it by a certificate. The last will is what the broker says when it loses the client.
 *
 * A broker that is not there is a warning, and tried again. One that refuses the client, or that presents a
 * certificate which is not accepted, is an error at the next frame; where there has been a connection before, a warning.
 */
#include "gstsimclrpublish-private.h"

#include "gstsimclrclassificationmeta.h"
#include "gstsimclrembeddingmeta.h"
#include "gstsimclrtensorcaps.h"

GST_DEBUG_CATEGORY (gst_simclr_publish_debug);
#define GST_CAT_DEFAULT gst_simclr_publish_debug

/* What was last said of one row of one stream. */
typedef struct
{
  gchar *label; /* NULL: nothing was seen */
  GstClockTime time;
} Said;

#define CAPS "video/x-raw(ANY); " GST_SIMCLR_TENSOR_CAPS

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (CAPS));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS (CAPS));

G_DEFINE_FINAL_TYPE (GstSimclrPublish, gst_simclr_publish, GST_TYPE_BASE_TRANSFORM)
GST_ELEMENT_REGISTER_DEFINE (simclrpublish, "simclrpublish", GST_RANK_NONE, GST_TYPE_SIMCLR_PUBLISH)

static void
said_free (gpointer data)
{
  Said *said = data;

  g_free (said->label);
  g_free (said);
}

static gboolean
start (GstBaseTransform *trans)
{
  GstSimclrPublish *self = GST_SIMCLR_PUBLISH (trans);

  self->frames = 0;
  self->said = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, said_free);
  return _gst_simclr_publish_open (self);
}

static gboolean
stop (GstBaseTransform *trans)
{
  GstSimclrPublish *self = GST_SIMCLR_PUBLISH (trans);

  _gst_simclr_publish_close (self);
  g_clear_pointer (&self->stream_id, g_free);
  g_clear_pointer (&self->said, g_hash_table_unref);
  return TRUE;
}

static gchar *
get_stream (GstSimclrPublish *self)
{
  gchar *stream;

  GST_OBJECT_LOCK (self);
  stream = g_strdup (self->stream);
  GST_OBJECT_UNLOCK (self);
  return stream != NULL ? stream : g_strdup (self->stream_id);
}

static gboolean
is_over (GstClockTime interval, GstClockTime since, GstClockTime now)
{
  if (!GST_CLOCK_TIME_IS_VALID (now) || !GST_CLOCK_TIME_IS_VALID (since))
    return TRUE;
  return now < since || now - since >= interval;
}

/* Whether this row is worth a line, and if so that it gets one is remembered. */
static gboolean
is_due (GstSimclrPublish *self, const GstSimclrPublishLive *live, const GstSimclrPublishRow *row,
    const GstStructure *classification)
{
  const gchar *label =
      classification != NULL ? gst_structure_get_string (classification, "label") : NULL;
  g_autofree gchar *key =
      g_strdup_printf ("%u %s", row->row, row->stream != NULL ? row->stream : "");
  Said *said = g_hash_table_lookup (self->said, key);
  gboolean due;

  if (said == NULL) {
    due = live->mode == GST_SIMCLR_PUBLISH_EACH_FRAME || label != NULL;
    said = g_new0 (Said, 1);
    said->time = row->running_time;
    g_hash_table_insert (self->said, g_steal_pointer (&key), said);
  } else if (live->mode == GST_SIMCLR_PUBLISH_EACH_FRAME) {
    due = is_over (live->interval, said->time, row->running_time);
  } else {
    due = g_strcmp0 (label, said->label) != 0 ||
          (live->interval > 0 && is_over (live->interval, said->time, row->running_time));
  }
  if (due) {
    g_free (said->label);
    said->label = g_strdup (label);
    said->time = row->running_time;
  }
  return due;
}

static GstFlowReturn
transform_ip (GstBaseTransform *trans, GstBuffer *buffer)
{
  GstSimclrPublish *self = GST_SIMCLR_PUBLISH (trans);
  g_autofree gchar *stream = get_stream (self);
  GstSimclrPublishRow row = {.stream = stream, .rows = gst_simclr_publish_count_rows (buffer)};
  GstSimclrPublishLive live;

  if (!_gst_simclr_publish_check (self))
    return GST_FLOW_ERROR;
  GST_OBJECT_LOCK (self);
  live = self->live;
  GST_OBJECT_UNLOCK (self);
  row.fields = live.fields;
  row.embedding = live.embedding;
  row.running_time =
      gst_segment_to_running_time (&trans->segment, GST_FORMAT_TIME, GST_BUFFER_PTS (buffer));
  for (row.row = 0; row.row < row.rows; row.row++) {
    const GstStructure *classification = gst_simclr_publish_get_classification (buffer, row.row);

    row.frame = self->frames++;
    if (!is_due (self, &live, &row, classification))
      continue;
    gst_simclr_publish_write_line (self->line, buffer, &row);
    if (!_gst_simclr_publish_put (self, live.flush))
      return GST_FLOW_ERROR;
  }
  return GST_FLOW_OK;
}

static gboolean
sink_event (GstBaseTransform *trans, GstEvent *event)
{
  GstSimclrPublish *self = GST_SIMCLR_PUBLISH (trans);
  const gchar *id;

  switch (GST_EVENT_TYPE (event)) {
  case GST_EVENT_STREAM_START:
    gst_event_parse_stream_start (event, &id);
    g_free (self->stream_id);
    self->stream_id = g_strdup (id);
    break;
  case GST_EVENT_FLUSH_START:
    _gst_simclr_publish_interrupt (self, TRUE);
    break;
  case GST_EVENT_FLUSH_STOP:
    _gst_simclr_publish_interrupt (self, FALSE);
    break;
  case GST_EVENT_EOS:
    _gst_simclr_publish_finish (self);
    break;
  default:
    break;
  }
  return GST_BASE_TRANSFORM_CLASS (gst_simclr_publish_parent_class)->sink_event (trans, event);
}

static GstStateChangeReturn
change_state (GstElement *element, GstStateChange transition)
{
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    _gst_simclr_publish_interrupt (GST_SIMCLR_PUBLISH (element), TRUE);
  return GST_ELEMENT_CLASS (gst_simclr_publish_parent_class)->change_state (element, transition);
}

static void
finalize (GObject *object)
{
  GstSimclrPublish *self = GST_SIMCLR_PUBLISH (object);

  stop (GST_BASE_TRANSFORM (self));
  _gst_simclr_publish_clear_settings (self);
  g_string_free (self->line, TRUE);
  g_string_free (self->buffered, TRUE);
  G_OBJECT_CLASS (gst_simclr_publish_parent_class)->finalize (object);
}

static void
gst_simclr_publish_class_init (GstSimclrPublishClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseTransformClass *trans_class = GST_BASE_TRANSFORM_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_simclr_publish_debug, "simclrpublish", 0, "SimCLR publisher");
  gst_simclr_classification_meta_register ();
  gst_simclr_embedding_meta_register ();

  object_class->finalize = finalize;
  _gst_simclr_publish_install_properties (object_class);

  element_class->change_state = change_state;
  gst_element_class_set_static_metadata (element_class, "SimCLR publisher", "Filter/Metadata/Video",
      "Writes what simclrclassifier and simclrencoder say of frames as JSON lines",
      "The gst-simclr authors");
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);

  trans_class->start = start;
  trans_class->stop = stop;
  trans_class->transform_ip = transform_ip;
  trans_class->sink_event = sink_event;
  trans_class->passthrough_on_same_caps = TRUE;
}

static void
gst_simclr_publish_init (GstSimclrPublish *self)
{
  _gst_simclr_publish_init_settings (self);
  self->fd = -1;
  self->line = g_string_new (NULL);
  self->buffered = g_string_new (NULL);
  gst_base_transform_set_passthrough (GST_BASE_TRANSFORM (self), TRUE);
}
