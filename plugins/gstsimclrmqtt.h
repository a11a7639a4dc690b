/* Lines to an MQTT broker by a thread of their own, so that nobody waits for a network.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_SIMCLR_MQTT_PORT 1883
#define GST_SIMCLR_MQTT_TLS_PORT 8883

typedef struct
{
  gchar *address; /* HOST, HOST:PORT, or either after mqtt:// or mqtts:// */
  gchar *topic;
  gchar *client_id; /* NULL: the broker chooses */
  gchar *username, *password;
  gchar *ca_file;              /* NULL: the system's authorities */
  gchar *cert_file, *key_file; /* of this client; both or neither */
  gboolean insecure;           /* the broker's certificate may be for another host */
  gchar *will_topic, *will_payload;
  guint will_qos;
  gboolean will_retain;
  guint keep_alive; /* seconds */
  guint qos;
  gboolean retain;
  guint queue_size; /* lines that wait, at most */
} GstSimclrMqttSettings;

typedef struct _GstSimclrMqtt GstSimclrMqtt;

typedef struct
{
  guint64 sent;    /* with qos 1 and 2: acknowledged */
  guint64 dropped; /* while the queue was full, or waiting when it ended */
  gboolean connected;
} GstSimclrMqttCounts;

/* Connects in the background, again and again. What goes wrong is posted as the owner's warnings; the owner outlives it. NULL with an error: these settings can never work. */
GstSimclrMqtt *gst_simclr_mqtt_new (GstElement *owner, const GstSimclrMqttSettings *settings,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Never waits: where the queue is full its oldest line is dropped, and that is said. */
void gst_simclr_mqtt_send (GstSimclrMqtt *self, const gchar *line, gsize length);
/* Waits until all lines are sent, but no longer than that, and not while interrupted. */
void gst_simclr_mqtt_drain (GstSimclrMqtt *self, GstClockTime longest);
void gst_simclr_mqtt_set_interrupted (GstSimclrMqtt *self, gboolean interrupted);
/* Whether the broker did not let us in, or its certificate was refused, before there ever was a connection: no line will be
 * sent. The first time it hands over why. */
gboolean gst_simclr_mqtt_is_refused (GstSimclrMqtt *self, GError **error, gchar **details);
void gst_simclr_mqtt_count (GstSimclrMqtt *self, GstSimclrMqttCounts *counts);
/* Takes what is left to the broker if it is connected and fast. Returns the last counts. */
void gst_simclr_mqtt_free (GstSimclrMqtt *self, GstSimclrMqttCounts *counts);

G_END_DECLS
