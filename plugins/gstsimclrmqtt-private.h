/* What the files of the MQTT client share: its state, and who may touch it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <mosquitto.h>

#include "gstsimclrmqtt.h"

G_BEGIN_DECLS

GST_DEBUG_CATEGORY_EXTERN (gst_simclr_mqtt_debug);

typedef enum
{
  GST_SIMCLR_MQTT_IDLE,
  GST_SIMCLR_MQTT_CONNECTING, /* until the broker answers */
  GST_SIMCLR_MQTT_CONNECTED,
  GST_SIMCLR_MQTT_REFUSED, /* for good */
} GstSimclrMqttState;

struct _GstSimclrMqtt
{
  GstElement *owner;              /* borrowed */
  GstSimclrMqttSettings settings; /* its own copy */
  gchar *host;
  guint16 port;
  gboolean tls;
  GThread *thread;
  int wake[2]; /* a pipe: what is written interrupts the thread's poll */
  GCancellable *resolving;

  GMutex lock;
  GCond emptied;
  GQueue lines;    /* lock: of GBytes */
  guint in_flight; /* lock: lines that the library holds */
  GstSimclrMqttCounts counts;
  guint64 told_dropped;
  GstClockTime told_at; /* GST_CLOCK_TIME_NONE: never */
  gboolean interrupted;
  gboolean refused; /* nothing will ever be sent */
  GError *refusal;  /* NULL: it was said, or there is none */
  gchar *refusal_details;
  gboolean stopping;
  GstClockTime deadline; /* of stopping */

  /* the thread's own */
  struct mosquitto *client;
  GList *addresses; /* of GInetAddress, those that were not tried yet */
  GstSimclrMqttState state;
  gboolean established; /* there is a network connection */
  GPollFD fds[2];       /* the pipe's end, the broker's connection */
  GstClockTime state_since, pause;
  gchar *complaint; /* of the library, in this try; NULL: none */
  gboolean failure_told;
  gboolean was_connected; /* once */
};

/* Settings (gstsimclrmqtt-settings.c): what the address says, and a client made of the rest. */
void _gst_simclr_mqtt_copy_settings (GstSimclrMqttSettings *to, const GstSimclrMqttSettings *from);
void _gst_simclr_mqtt_clear_settings (GstSimclrMqttSettings *settings);
gboolean _gst_simclr_mqtt_parse_address (GstSimclrMqtt *self, GError **error);
gboolean _gst_simclr_mqtt_make_client (GstSimclrMqtt *self, GError **error);

/* Connection (gstsimclrmqtt-connection.c), in the thread. A turn connects, sends and receives what it can, and
 * waits for more, no longer than that. */
void _gst_simclr_mqtt_listen (GstSimclrMqtt *self);
void _gst_simclr_mqtt_take_turn (GstSimclrMqtt *self, GstClockTime longest);
void _gst_simclr_mqtt_disconnect (GstSimclrMqtt *self);
gboolean _gst_simclr_mqtt_is_stopping (GstSimclrMqtt *self);

G_END_DECLS
