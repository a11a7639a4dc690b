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
 * connects again by itself, and only at the end of the stream waits up to two seconds for what is left. The
 * connection is plain TCP.
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
 */
#include "gstsimclrpublish.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "gstsimclrclassificationmeta.h"
#include "gstsimclrembeddingmeta.h"
#ifdef HAVE_MOSQUITTO
#include "gstsimclrmqtt.h"
#endif
#include "gstsimclrproperties.h"
#include "gstsimclrpublishline.h"
#include "gstsimclrtensorcaps.h"

GST_DEBUG_CATEGORY_STATIC (gst_simclr_publish_debug);
#define GST_CAT_DEFAULT gst_simclr_publish_debug

#define DEFAULT_FIELDS                                                                             \
  (GST_SIMCLR_PUBLISH_TIME | GST_SIMCLR_PUBLISH_STREAM | GST_SIMCLR_PUBLISH_CLASSIFICATION |       \
      GST_SIMCLR_PUBLISH_SCORES)
#define DEFAULT_QUEUE_SIZE 1000
#define DEFAULT_TOPIC "simclr"
#define BUFFERED (64 * 1024)
#define LAST_WAIT (2 * GST_SECOND)

typedef enum
{
  MODE_FRAME,
  MODE_CHANGE,
} Mode;

enum
{
  PROP_0,
  PROP_MODE,
  PROP_INTERVAL,
  PROP_FIELDS,
  PROP_EMBEDDING,
  PROP_STREAM,
  PROP_LOCATION,
  PROP_APPEND,
  PROP_FLUSH,
  PROP_MQTT_ADDRESS,
  PROP_MQTT_TOPIC,
  PROP_MQTT_CLIENT_ID,
  PROP_MQTT_USERNAME,
  PROP_MQTT_PASSWORD,
  PROP_MQTT_QOS,
  PROP_MQTT_RETAIN,
  PROP_QUEUE_SIZE,
  PROP_STATS,
};

/* May be changed at any time. */
typedef struct
{
  Mode mode;
  GstClockTime interval;
  GstSimclrPublishFields fields;
  GstSimclrPublishEmbedding embedding;
  gboolean flush;
} Live;

/* Taken over at start. */
typedef struct
{
  gchar *location; /* texts: NULL where unset or empty */
  gboolean append;
  gchar *address, *topic, *client_id, *username, *password;
  guint qos, queue_size;
  gboolean retain;
} Fixed;

/* What was last said of one row of one stream. */
typedef struct
{
  gchar *label; /* NULL: nothing was seen */
  GstClockTime time;
} Said;

struct _GstSimclrPublish
{
  GstBaseTransform parent;

  Live live;                    /* object lock */
  Fixed fixed;                  /* object lock */
  gchar *stream;                /* object lock: NULL: the stream's own id */
  guint64 lines, dropped, sent; /* object lock: the last two of the last connection */

  /* streaming thread, or while there is none */
  gchar *location; /* of the open file, for messages */
  gchar *stream_id;
  int fd; /* -1: none */
  GString *line, *buffered;
  guint64 frames;
  GHashTable *said; /* of Said, by stream and row */
#ifdef HAVE_MOSQUITTO
  struct _GstSimclrMqtt *mqtt; /* object lock to change it: NULL: none */
#endif
};

#define CAPS "video/x-raw(ANY); " GST_SIMCLR_TENSOR_CAPS

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (CAPS));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS (CAPS));

G_DEFINE_FINAL_TYPE (GstSimclrPublish, gst_simclr_publish, GST_TYPE_BASE_TRANSFORM)
GST_ELEMENT_REGISTER_DEFINE (simclrpublish, "simclrpublish", GST_RANK_NONE, GST_TYPE_SIMCLR_PUBLISH)

static GType
get_mode_type (void)
{
  static const GEnumValue values[] = {{MODE_FRAME, "A line for each frame", "frame"},
      {MODE_CHANGE, "A line when the label is another one than before", "change"}, {0, NULL, NULL}};

  return gst_simclr_own_enum ("GstSimclrPublishMode", values);
}

static GType
get_fields_type (void)
{
  static const GFlagsValue values[] = {
      {GST_SIMCLR_PUBLISH_TIME, "Time of day and running time", "time"},
      {GST_SIMCLR_PUBLISH_STREAM, "The stream's name", "stream"},
      {GST_SIMCLR_PUBLISH_CLASSIFICATION, "Label, known, confidence, novelty", "classification"},
      {GST_SIMCLR_PUBLISH_SCORES, "The best labels' scores", "scores"},
      {GST_SIMCLR_PUBLISH_REGIONS, "Regions of interest", "regions"},
      {GST_SIMCLR_PUBLISH_MODEL, "The encoder's name and step", "model"}, {0, NULL, NULL}};
  static gsize type = 0;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_flags_register_static ("GstSimclrPublishFields", values));
  return type;
}

static GType
get_embedding_type (void)
{
  static const GEnumValue values[] = {
      {GST_SIMCLR_PUBLISH_NO_EMBEDDING, "Without the embedding", "none"},
      {GST_SIMCLR_PUBLISH_BASE64, "Base64 of little-endian float32", "base64"},
      {GST_SIMCLR_PUBLISH_ARRAY, "An array of numbers", "array"}, {0, NULL, NULL}};

  return gst_simclr_own_enum ("GstSimclrPublishEmbedding", values);
}

/* The field behind a property of text, NULL for others. */
static gchar **
get_text_field (GstSimclrPublish *self, guint id)
{
  switch (id) {
  case PROP_STREAM:
    return &self->stream;
  case PROP_LOCATION:
    return &self->fixed.location;
  case PROP_MQTT_ADDRESS:
    return &self->fixed.address;
  case PROP_MQTT_TOPIC:
    return &self->fixed.topic;
  case PROP_MQTT_CLIENT_ID:
    return &self->fixed.client_id;
  case PROP_MQTT_USERNAME:
    return &self->fixed.username;
  case PROP_MQTT_PASSWORD:
    return &self->fixed.password;
  default:
    return NULL;
  }
}

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstSimclrPublish *self = GST_SIMCLR_PUBLISH (object);

  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_MODE:
    self->live.mode = (Mode) g_value_get_enum (value);
    break;
  case PROP_INTERVAL:
    self->live.interval = g_value_get_uint64 (value);
    break;
  case PROP_FIELDS:
    self->live.fields = (GstSimclrPublishFields) g_value_get_flags (value);
    break;
  case PROP_EMBEDDING:
    self->live.embedding = (GstSimclrPublishEmbedding) g_value_get_enum (value);
    break;
  case PROP_FLUSH:
    self->live.flush = g_value_get_boolean (value);
    break;
  case PROP_APPEND:
    self->fixed.append = g_value_get_boolean (value);
    break;
  case PROP_MQTT_QOS:
    self->fixed.qos = g_value_get_uint (value);
    break;
  case PROP_MQTT_RETAIN:
    self->fixed.retain = g_value_get_boolean (value);
    break;
  case PROP_QUEUE_SIZE:
    self->fixed.queue_size = g_value_get_uint (value);
    break;
  default:
    if (get_text_field (self, id) != NULL)
      gst_simclr_take_text (get_text_field (self, id), value);
    else
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

/* Called with the object lock. */
static GstStructure *
make_stats (GstSimclrPublish *self)
{
  guint64 sent = self->sent, dropped = self->dropped;
  gboolean connected = FALSE;

#ifdef HAVE_MOSQUITTO
  if (self->mqtt != NULL) {
    GstSimclrMqttCounts counts;

    gst_simclr_mqtt_count (self->mqtt, &counts);
    sent = counts.sent;
    dropped = counts.dropped;
    connected = counts.connected;
  }
#endif
  return gst_structure_new ("simclr-publish", "lines", G_TYPE_UINT64, self->lines, "sent",
      G_TYPE_UINT64, sent, "dropped", G_TYPE_UINT64, dropped, "connected", G_TYPE_BOOLEAN,
      connected, NULL);
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstSimclrPublish *self = GST_SIMCLR_PUBLISH (object);

  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_MODE:
    g_value_set_enum (value, (gint) self->live.mode);
    break;
  case PROP_INTERVAL:
    g_value_set_uint64 (value, self->live.interval);
    break;
  case PROP_FIELDS:
    g_value_set_flags (value, self->live.fields);
    break;
  case PROP_EMBEDDING:
    g_value_set_enum (value, (gint) self->live.embedding);
    break;
  case PROP_FLUSH:
    g_value_set_boolean (value, self->live.flush);
    break;
  case PROP_APPEND:
    g_value_set_boolean (value, self->fixed.append);
    break;
  case PROP_MQTT_QOS:
    g_value_set_uint (value, self->fixed.qos);
    break;
  case PROP_MQTT_RETAIN:
    g_value_set_boolean (value, self->fixed.retain);
    break;
  case PROP_QUEUE_SIZE:
    g_value_set_uint (value, self->fixed.queue_size);
    break;
  case PROP_STATS:
    g_value_take_boxed (value, make_stats (self));
    break;
  default:
    if (get_text_field (self, id) != NULL)
      g_value_set_string (value, *get_text_field (self, id));
    else
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

static void
said_free (gpointer data)
{
  Said *said = data;

  g_free (said->label);
  g_free (said);
}

static gboolean
open_file (GstSimclrPublish *self, const Fixed *fixed)
{
  gint flags = O_WRONLY | O_CREAT | O_CLOEXEC | (fixed->append ? O_APPEND : O_TRUNC);

  if (fixed->location == NULL) {
    self->fd = fixed->address == NULL ? fcntl (STDOUT_FILENO, F_DUPFD_CLOEXEC, 3) : -1;
    self->location = g_strdup ("standard output");
    return TRUE;
  }
  self->location = g_strdup (fixed->location);
  self->fd = open (fixed->location, flags, 0666);
  if (self->fd < 0) {
    gint number = errno;

    GST_ELEMENT_ERROR (self, RESOURCE, OPEN_WRITE,
        ("location=\"%s\" cannot be written to.", fixed->location), ("%s", g_strerror (number)));
  }
  return self->fd >= 0;
}

#ifdef HAVE_MOSQUITTO
static gboolean
open_mqtt (GstSimclrPublish *self, const Fixed *fixed)
{
  const GstSimclrMqttSettings settings = {
      .address = fixed->address,
      .topic = fixed->topic != NULL ? fixed->topic : (gchar *) "",
      .client_id = fixed->client_id,
      .username = fixed->username,
      .password = fixed->password,
      .qos = fixed->qos,
      .retain = fixed->retain,
      .queue_size = fixed->queue_size,
  };
  g_autoptr (GError) error = NULL;
  GstSimclrMqtt *mqtt;

  if (fixed->address == NULL)
    return TRUE;
  mqtt = gst_simclr_mqtt_new (GST_ELEMENT (self), &settings, &error);
  if (mqtt == NULL) {
    GST_ELEMENT_ERROR (self, LIBRARY, SETTINGS,
        ("mqtt-address=\"%s\", mqtt-topic=\"%s\" cannot be published to.", fixed->address,
            settings.topic),
        ("%s", error->message));
    return FALSE;
  }
  GST_OBJECT_LOCK (self);
  self->mqtt = mqtt;
  GST_OBJECT_UNLOCK (self);
  return TRUE;
}

static void
close_mqtt (GstSimclrPublish *self)
{
  GstSimclrMqttCounts counts;
  GstSimclrMqtt *mqtt;

  GST_OBJECT_LOCK (self);
  mqtt = g_steal_pointer (&self->mqtt);
  GST_OBJECT_UNLOCK (self);
  if (mqtt == NULL)
    return;
  gst_simclr_mqtt_free (mqtt, &counts);
  GST_OBJECT_LOCK (self);
  self->sent = counts.sent;
  self->dropped = counts.dropped;
  GST_OBJECT_UNLOCK (self);
  GST_INFO_OBJECT (self, "%" G_GUINT64_FORMAT " lines sent, %" G_GUINT64_FORMAT " dropped",
      counts.sent, counts.dropped);
}

static void
send (GstSimclrPublish *self, const GString *line)
{
  if (self->mqtt != NULL) /* without the newline */
    gst_simclr_mqtt_send (self->mqtt, line->str, line->len - 1);
}

static void
drain (GstSimclrPublish *self)
{
  if (self->mqtt != NULL)
    gst_simclr_mqtt_drain (self->mqtt, LAST_WAIT);
}

/* From any thread. */
static void
interrupt (GstSimclrPublish *self, gboolean interrupted)
{
  GST_OBJECT_LOCK (self);
  if (self->mqtt != NULL)
    gst_simclr_mqtt_set_interrupted (self->mqtt, interrupted);
  GST_OBJECT_UNLOCK (self);
}
#else
static gboolean
open_mqtt (GstSimclrPublish *self, const Fixed *fixed)
{
  if (fixed->address != NULL)
    GST_ELEMENT_ERROR (self, LIBRARY, SETTINGS,
        ("mqtt-address=\"%s\": there is no MQTT in this build.", fixed->address),
        ("It was built without libmosquitto."));
  return fixed->address == NULL;
}

static void
close_mqtt (GstSimclrPublish *self)
{
}

static void
send (GstSimclrPublish *self, const GString *line)
{
}

static void
drain (GstSimclrPublish *self)
{
}

static void
interrupt (GstSimclrPublish *self, gboolean interrupted)
{
}
#endif

/* Texts are the element's: what is fixed changes only below PAUSED. */
static gboolean
start (GstBaseTransform *trans)
{
  GstSimclrPublish *self = GST_SIMCLR_PUBLISH (trans);
  Fixed fixed;

  GST_OBJECT_LOCK (self);
  fixed = self->fixed;
  self->lines = self->sent = self->dropped = 0;
  GST_OBJECT_UNLOCK (self);
  self->frames = 0;
  self->said = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, said_free);
  return open_file (self, &fixed) && open_mqtt (self, &fixed);
}

/* FALSE: an error was posted. */
static gboolean
write_out (GstSimclrPublish *self)
{
  gsize done = 0;

  while (done < self->buffered->len) {
    gssize written = write (self->fd, self->buffered->str + done, self->buffered->len - done);
    gint number = written == 0 ? ENOSPC : errno;

    if (written > 0) {
      done += (gsize) written;
    } else if (written == 0 || number != EINTR) {
      GST_ELEMENT_ERROR (self, RESOURCE, WRITE,
          ("A line could not be written to %s (property location).", self->location),
          ("%s", g_strerror (number)));
      g_string_truncate (self->buffered, 0);
      return FALSE;
    }
  }
  g_string_truncate (self->buffered, 0);
  return TRUE;
}

static gboolean
stop (GstBaseTransform *trans)
{
  GstSimclrPublish *self = GST_SIMCLR_PUBLISH (trans);

  close_mqtt (self);
  if (self->fd >= 0) {
    write_out (self);
    close (self->fd);
  }
  self->fd = -1;
  g_string_truncate (self->buffered, 0);
  g_clear_pointer (&self->location, g_free);
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
is_due (GstSimclrPublish *self, const Live *live, const GstSimclrPublishRow *row,
    const GstStructure *classification)
{
  const gchar *label =
      classification != NULL ? gst_structure_get_string (classification, "label") : NULL;
  g_autofree gchar *key =
      g_strdup_printf ("%u %s", row->row, row->stream != NULL ? row->stream : "");
  Said *said = g_hash_table_lookup (self->said, key);
  gboolean due;

  if (said == NULL) {
    due = live->mode == MODE_FRAME || label != NULL;
    said = g_new0 (Said, 1);
    said->time = row->running_time;
    g_hash_table_insert (self->said, g_steal_pointer (&key), said);
  } else if (live->mode == MODE_FRAME) {
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

static gboolean
put (GstSimclrPublish *self, gboolean flush)
{
  GST_OBJECT_LOCK (self);
  self->lines++;
  GST_OBJECT_UNLOCK (self);
  send (self, self->line);
  if (self->fd < 0)
    return TRUE;
  g_string_append_len (self->buffered, self->line->str, (gssize) self->line->len);
  return flush || self->buffered->len >= BUFFERED ? write_out (self) : TRUE;
}

static GstFlowReturn
transform_ip (GstBaseTransform *trans, GstBuffer *buffer)
{
  GstSimclrPublish *self = GST_SIMCLR_PUBLISH (trans);
  g_autofree gchar *stream = get_stream (self);
  GstSimclrPublishRow row = {.stream = stream, .rows = gst_simclr_publish_count_rows (buffer)};
  Live live;

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
    if (!put (self, live.flush))
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
    interrupt (self, TRUE);
    break;
  case GST_EVENT_FLUSH_STOP:
    interrupt (self, FALSE);
    break;
  case GST_EVENT_EOS:
    if (self->fd >= 0)
      write_out (self);
    drain (self);
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
    interrupt (GST_SIMCLR_PUBLISH (element), TRUE);
  return GST_ELEMENT_CLASS (gst_simclr_publish_parent_class)->change_state (element, transition);
}

static void
finalize (GObject *object)
{
  GstSimclrPublish *self = GST_SIMCLR_PUBLISH (object);

  stop (GST_BASE_TRANSFORM (self));
  for (guint id = PROP_0; id <= PROP_STATS; id++) {
    gchar **field = get_text_field (self, id);

    if (field != NULL)
      g_free (*field);
  }
  g_string_free (self->line, TRUE);
  g_string_free (self->buffered, TRUE);
  G_OBJECT_CLASS (gst_simclr_publish_parent_class)->finalize (object);
}

#define LIVE (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING)
#define FIXED (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY)

static void
install_content (GObjectClass *klass)
{
  g_object_class_install_property (klass, PROP_MODE,
      g_param_spec_enum ("mode", "Mode",
          "Whether there is a line for each frame, or one when the label changes.",
          get_mode_type (), MODE_FRAME, LIVE));
  g_object_class_install_property (klass, PROP_INTERVAL,
      g_param_spec_uint64 ("interval", "Interval",
          "Nanoseconds of running time: in mode frame from one line to the next at least, in mode "
          "change the longest without a line; 0: every frame, and only changes.",
          0, G_MAXUINT64 - 1, 0, LIVE));
  g_object_class_install_property (klass, PROP_FIELDS,
      g_param_spec_flags (
          "fields", "Fields", "What a line holds.", get_fields_type (), DEFAULT_FIELDS, LIVE));
  g_object_class_install_property (klass, PROP_EMBEDDING,
      g_param_spec_enum ("embedding", "Embedding", "Whether and how a line holds the embedding.",
          get_embedding_type (), GST_SIMCLR_PUBLISH_NO_EMBEDDING, LIVE));
  g_object_class_install_property (klass, PROP_STREAM,
      g_param_spec_string ("stream", "Stream",
          "Name of the stream in lines. Unset: GStreamer's stream id.", NULL, LIVE));
}

static void
install_file (GObjectClass *klass)
{
  g_object_class_install_property (klass, PROP_LOCATION,
      g_param_spec_string ("location", "Location",
          "File for the lines. Unset: standard output, unless mqtt-address is set.", NULL, FIXED));
  g_object_class_install_property (klass, PROP_APPEND,
      g_param_spec_boolean ("append", "Append",
          "Whether lines are added to a file that is there; otherwise it is replaced.", FALSE,
          FIXED));
  g_object_class_install_property (klass, PROP_FLUSH,
      g_param_spec_boolean ("flush", "Flush",
          "Whether each line is written at once; otherwise when 64 KiB have come together, and at "
          "the end.",
          TRUE, LIVE));
}

static void
install_mqtt_text (
    GObjectClass *klass, guint id, const gchar *name, const gchar *nick, const gchar *blurb)
{
  g_object_class_install_property (klass, id, g_param_spec_string (name, nick, blurb, NULL, FIXED));
}

static void
install_mqtt (GObjectClass *klass)
{
  install_mqtt_text (klass, PROP_MQTT_ADDRESS, "mqtt-address", "MQTT address",
      "MQTT broker for the lines, as HOST or HOST:PORT (1883 where there is none). Unset: none.");
  g_object_class_install_property (klass, PROP_MQTT_TOPIC,
      g_param_spec_string ("mqtt-topic", "MQTT topic", "Topic that lines are published under.",
          DEFAULT_TOPIC, FIXED));
  install_mqtt_text (klass, PROP_MQTT_CLIENT_ID, "mqtt-client-id", "MQTT client id",
      "Name by which the broker knows this client. Unset: the library makes one up.");
  install_mqtt_text (klass, PROP_MQTT_USERNAME, "mqtt-username", "MQTT user name",
      "User name for the broker. Unset: none.");
  install_mqtt_text (klass, PROP_MQTT_PASSWORD, "mqtt-password", "MQTT password",
      "Password for the broker, sent as it is. Unset: none.");
  g_object_class_install_property (klass, PROP_MQTT_QOS,
      g_param_spec_uint ("mqtt-qos", "MQTT quality of service",
          "How surely a line arrives: 0, it is sent once; 1, again until the broker has "
          "acknowledged it; 2, exactly "
          "once.",
          0, 2, 0, FIXED));
  g_object_class_install_property (klass, PROP_MQTT_RETAIN,
      g_param_spec_boolean ("mqtt-retain", "MQTT retain",
          "Whether the broker keeps the last line for those who subscribe later.", FALSE, FIXED));
  g_object_class_install_property (klass, PROP_QUEUE_SIZE,
      g_param_spec_uint ("queue-size", "Queue size",
          "Lines that wait for the broker at most; then the oldest is dropped.", 1, 1000000,
          DEFAULT_QUEUE_SIZE, FIXED));
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
  gst_type_mark_as_plugin_api (get_fields_type (), 0);

  object_class->set_property = set_property;
  object_class->get_property = get_property;
  object_class->finalize = finalize;
  install_content (object_class);
  install_file (object_class);
  install_mqtt (object_class);
  g_object_class_install_property (object_class, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "Lines written, sent to the broker and dropped since the start, and whether it is "
          "connected.",
          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));

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
  self->live = (Live){.mode = MODE_FRAME, .fields = DEFAULT_FIELDS, .flush = TRUE};
  self->fixed = (Fixed){.topic = g_strdup (DEFAULT_TOPIC), .queue_size = DEFAULT_QUEUE_SIZE};
  self->fd = -1;
  self->line = g_string_new (NULL);
  self->buffered = g_string_new (NULL);
  gst_base_transform_set_passthrough (GST_BASE_TRANSFORM (self), TRUE);
}
