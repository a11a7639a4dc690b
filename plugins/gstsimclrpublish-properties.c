/* simclrpublish's properties.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrpublish-private.h"

#include "gstsimclrproperties.h"

#define DEFAULT_FIELDS                                                                             \
  (GST_SIMCLR_PUBLISH_TIME | GST_SIMCLR_PUBLISH_STREAM | GST_SIMCLR_PUBLISH_CLASSIFICATION |       \
      GST_SIMCLR_PUBLISH_SCORES)
#define DEFAULT_QUEUE_SIZE 1000
#define DEFAULT_TOPIC "simclr"
#define DEFAULT_KEEP_ALIVE 60

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
  PROP_MQTT_CA_FILE,
  PROP_MQTT_CERT_FILE,
  PROP_MQTT_KEY_FILE,
  PROP_MQTT_INSECURE,
  PROP_MQTT_KEEP_ALIVE,
  PROP_MQTT_WILL_TOPIC,
  PROP_MQTT_WILL_PAYLOAD,
  PROP_MQTT_WILL_QOS,
  PROP_MQTT_WILL_RETAIN,
  PROP_QUEUE_SIZE,
  PROP_STATS,
};

static GType
get_mode_type (void)
{
  static const GEnumValue values[] = {
      {GST_SIMCLR_PUBLISH_EACH_FRAME, "A line for each frame", "frame"},
      {GST_SIMCLR_PUBLISH_EACH_CHANGE, "A line when the label is another one than before",
          "change"},
      {0, NULL, NULL}};

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
    return &self->fixed.mqtt.address;
  case PROP_MQTT_TOPIC:
    return &self->fixed.mqtt.topic;
  case PROP_MQTT_CLIENT_ID:
    return &self->fixed.mqtt.client_id;
  case PROP_MQTT_USERNAME:
    return &self->fixed.mqtt.username;
  case PROP_MQTT_PASSWORD:
    return &self->fixed.mqtt.password;
  case PROP_MQTT_CA_FILE:
    return &self->fixed.mqtt.ca_file;
  case PROP_MQTT_CERT_FILE:
    return &self->fixed.mqtt.cert_file;
  case PROP_MQTT_KEY_FILE:
    return &self->fixed.mqtt.key_file;
  case PROP_MQTT_WILL_TOPIC:
    return &self->fixed.mqtt.will_topic;
  case PROP_MQTT_WILL_PAYLOAD:
    return &self->fixed.mqtt.will_payload;
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
    self->live.mode = (GstSimclrPublishMode) g_value_get_enum (value);
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
    self->fixed.mqtt.qos = g_value_get_uint (value);
    break;
  case PROP_MQTT_RETAIN:
    self->fixed.mqtt.retain = g_value_get_boolean (value);
    break;
  case PROP_MQTT_INSECURE:
    self->fixed.mqtt.insecure = g_value_get_boolean (value);
    break;
  case PROP_MQTT_KEEP_ALIVE:
    self->fixed.mqtt.keep_alive = g_value_get_uint (value);
    break;
  case PROP_MQTT_WILL_QOS:
    self->fixed.mqtt.will_qos = g_value_get_uint (value);
    break;
  case PROP_MQTT_WILL_RETAIN:
    self->fixed.mqtt.will_retain = g_value_get_boolean (value);
    break;
  case PROP_QUEUE_SIZE:
    self->fixed.mqtt.queue_size = g_value_get_uint (value);
    break;
  default:
    if (get_text_field (self, id) != NULL)
      gst_simclr_take_text (get_text_field (self, id), value);
    else
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
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
    g_value_set_uint (value, self->fixed.mqtt.qos);
    break;
  case PROP_MQTT_RETAIN:
    g_value_set_boolean (value, self->fixed.mqtt.retain);
    break;
  case PROP_MQTT_INSECURE:
    g_value_set_boolean (value, self->fixed.mqtt.insecure);
    break;
  case PROP_MQTT_KEEP_ALIVE:
    g_value_set_uint (value, self->fixed.mqtt.keep_alive);
    break;
  case PROP_MQTT_WILL_QOS:
    g_value_set_uint (value, self->fixed.mqtt.will_qos);
    break;
  case PROP_MQTT_WILL_RETAIN:
    g_value_set_boolean (value, self->fixed.mqtt.will_retain);
    break;
  case PROP_QUEUE_SIZE:
    g_value_set_uint (value, self->fixed.mqtt.queue_size);
    break;
  case PROP_STATS:
    g_value_take_boxed (value, _gst_simclr_publish_make_stats (self));
    break;
  default:
    if (get_text_field (self, id) != NULL)
      g_value_set_string (value, *get_text_field (self, id));
    else
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

#define LIVE (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING)
#define FIXED (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY)

static void
install_content (GObjectClass *klass)
{
  g_object_class_install_property (klass, PROP_MODE,
      g_param_spec_enum ("mode", "Mode",
          "Whether there is a line for each frame, or one when the label changes.",
          get_mode_type (), GST_SIMCLR_PUBLISH_EACH_FRAME, LIVE));
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
install_mqtt_tls (GObjectClass *klass)
{
  install_mqtt_text (klass, PROP_MQTT_CA_FILE, "mqtt-ca-file", "MQTT authorities",
      "PEM file of the certificate authorities that vouch for the broker. Unset: the system's.");
  install_mqtt_text (klass, PROP_MQTT_CERT_FILE, "mqtt-cert-file", "MQTT certificate",
      "PEM file of this client's certificate, where the broker wants one. Unset: none.");
  install_mqtt_text (klass, PROP_MQTT_KEY_FILE, "mqtt-key-file", "MQTT key",
      "PEM file of the private key to mqtt-cert-file, not encrypted. Unset: none.");
  g_object_class_install_property (klass, PROP_MQTT_INSECURE,
      g_param_spec_boolean ("mqtt-insecure", "MQTT insecure",
          "Whether the broker's certificate may be for another host name; who vouches for it is "
          "checked all the same.",
          FALSE, FIXED));
}

static void
install_mqtt_will (GObjectClass *klass)
{
  install_mqtt_text (klass, PROP_MQTT_WILL_TOPIC, "mqtt-will-topic", "MQTT last will's topic",
      "Topic under which the broker publishes mqtt-will-payload when it loses this client. Unset: "
      "it does not.");
  install_mqtt_text (klass, PROP_MQTT_WILL_PAYLOAD, "mqtt-will-payload", "MQTT last will",
      "What the broker publishes when it loses this client. Unset: an empty message.");
  g_object_class_install_property (klass, PROP_MQTT_WILL_QOS,
      g_param_spec_uint ("mqtt-will-qos", "MQTT last will's quality of service",
          "As mqtt-qos, of the last will.", 0, 2, 0, FIXED));
  g_object_class_install_property (klass, PROP_MQTT_WILL_RETAIN,
      g_param_spec_boolean ("mqtt-will-retain", "MQTT last will retained",
          "Whether the broker keeps the last will for those who subscribe later.", FALSE, FIXED));
}

static void
install_mqtt (GObjectClass *klass)
{
  install_mqtt_text (klass, PROP_MQTT_ADDRESS, "mqtt-address", "MQTT address",
      "MQTT broker for the lines: mqtt://HOST:PORT, mqtts://HOST:PORT with TLS, or HOST:PORT, "
      "which is with TLS where mqtt-ca-file or mqtt-cert-file is set or the port is 8883. Without "
      "PORT: 1883, with TLS 8883. Unset: none.");
  g_object_class_install_property (klass, PROP_MQTT_TOPIC,
      g_param_spec_string ("mqtt-topic", "MQTT topic", "Topic that lines are published under.",
          DEFAULT_TOPIC, FIXED));
  install_mqtt_text (klass, PROP_MQTT_CLIENT_ID, "mqtt-client-id", "MQTT client id",
      "Name by which the broker knows this client. Unset: the library makes one up.");
  install_mqtt_text (klass, PROP_MQTT_USERNAME, "mqtt-username", "MQTT user name",
      "User name for the broker. Unset: none.");
  install_mqtt_text (klass, PROP_MQTT_PASSWORD, "mqtt-password", "MQTT password",
      "Password for the broker, sent as it is where there is no TLS. Unset: none.");
  g_object_class_install_property (klass, PROP_MQTT_QOS,
      g_param_spec_uint ("mqtt-qos", "MQTT quality of service",
          "How surely a line arrives: 0, it is sent once; 1, again until the broker has "
          "acknowledged it; 2, exactly "
          "once.",
          0, 2, 0, FIXED));
  g_object_class_install_property (klass, PROP_MQTT_RETAIN,
      g_param_spec_boolean ("mqtt-retain", "MQTT retain",
          "Whether the broker keeps the last line for those who subscribe later.", FALSE, FIXED));
  g_object_class_install_property (klass, PROP_MQTT_KEEP_ALIVE,
      g_param_spec_uint ("mqtt-keep-alive", "MQTT keep alive",
          "Seconds without a line after which client and broker make sure of each other.", 5, 65535,
          DEFAULT_KEEP_ALIVE, FIXED));
  g_object_class_install_property (klass, PROP_QUEUE_SIZE,
      g_param_spec_uint ("queue-size", "Queue size",
          "Lines that wait for the broker at most; then the oldest is dropped.", 1, 1000000,
          DEFAULT_QUEUE_SIZE, FIXED));
}

void
_gst_simclr_publish_install_properties (GObjectClass *klass)
{
  klass->set_property = set_property;
  klass->get_property = get_property;
  gst_type_mark_as_plugin_api (get_fields_type (), 0);
  install_content (klass);
  install_file (klass);
  install_mqtt (klass);
  install_mqtt_tls (klass);
  install_mqtt_will (klass);
  g_object_class_install_property (klass, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "Lines written, sent to the broker and dropped since the start, and whether it is "
          "connected.",
          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

/* As the property specifications promise. */
void
_gst_simclr_publish_init_settings (GstSimclrPublish *self)
{
  self->live.fields = DEFAULT_FIELDS;
  self->live.flush = TRUE;
  self->fixed.mqtt.topic = g_strdup (DEFAULT_TOPIC);
  self->fixed.mqtt.keep_alive = DEFAULT_KEEP_ALIVE;
  self->fixed.mqtt.queue_size = DEFAULT_QUEUE_SIZE;
}

void
_gst_simclr_publish_clear_settings (GstSimclrPublish *self)
{
  for (guint id = PROP_0; id < PROP_STATS; id++) {
    gchar **field = get_text_field (self, id);

    if (field != NULL)
      g_clear_pointer (field, g_free);
  }
}
