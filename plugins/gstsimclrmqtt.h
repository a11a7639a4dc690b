/* Lines to an MQTT broker by a thread of their own, so that nobody waits for a network.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_SIMCLR_MQTT_PORT 1883

typedef struct
{
  gchar *address; /* HOST or HOST:PORT */
  gchar *topic;
  gchar *client_id; /* NULL: the broker chooses */
  gchar *username, *password;
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

/* Connects in the background, again and again. What goes wrong is posted as the owner's warnings; the owner
 * outlives it. NULL with an error: these settings can never work. */
GstSimclrMqtt *gst_simclr_mqtt_new (GstElement *owner, const GstSimclrMqttSettings *settings,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Never waits: where the queue is full its oldest line is dropped, and that is said. */
void gst_simclr_mqtt_send (GstSimclrMqtt *self, const gchar *line, gsize length);
/* Waits until all lines are sent, but no longer than that, and not while interrupted. */
void gst_simclr_mqtt_drain (GstSimclrMqtt *self, GstClockTime longest);
void gst_simclr_mqtt_set_interrupted (GstSimclrMqtt *self, gboolean interrupted);
void gst_simclr_mqtt_count (GstSimclrMqtt *self, GstSimclrMqttCounts *counts);
/* Takes what is left to the broker if it is connected and fast. Returns the last counts. */
void gst_simclr_mqtt_free (GstSimclrMqtt *self, GstSimclrMqttCounts *counts);

G_END_DECLS
