/* The connection to an MQTT broker: made, used and made again in the client's thread.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrmqtt-private.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define GST_CAT_DEFAULT gst_simclr_mqtt_debug

#define PATIENCE (10 * GST_SECOND)   /* from connecting to the broker's answer */
#define FIRST_PAUSE (1 * GST_SECOND) /* between tries, doubled up to the longest */
#define LONGEST_PAUSE (30 * GST_SECOND)
#define IN_FLIGHT 20 /* lines that the library holds */

/* What a broker answers, of MQTT's numbers. */
enum
{
  TAKEN,
  OTHER_VERSION,
  BAD_CLIENT_ID,
  NOT_NOW,
};

/* One failure is said, then none until the broker has answered again. */
static void
tell_failure (GstSimclrMqtt *self, const gchar *failure, const gchar *reason)
{
  if (!self->failure_told && !_gst_simclr_mqtt_is_stopping (self))
    GST_ELEMENT_WARNING (self->owner, RESOURCE, OPEN_WRITE,
        ("The MQTT broker %s %s; up to %u lines wait for it, the stream does not.",
            self->settings.address, failure, self->settings.queue_size),
        ("%s", reason));
  self->failure_told = TRUE;
  GST_DEBUG_OBJECT (self->owner, "%s: %s", self->settings.address, reason);
}

static void
enter (GstSimclrMqtt *self, GstSimclrMqttState state)
{
  self->state = state;
  self->state_since = gst_util_get_timestamp ();
  g_mutex_lock (&self->lock);
  self->counts.connected = state == GST_SIMCLR_MQTT_CONNECTED;
  g_mutex_unlock (&self->lock);
}

/* There is a connection, or one on its way. */
static gboolean
is_active (GstSimclrMqtt *self)
{
  return self->state == GST_SIMCLR_MQTT_CONNECTING || self->state == GST_SIMCLR_MQTT_CONNECTED;
}

/* The connection is lost or was never made; the next try comes after a pause, unless the host has another
 * address. */
static void
give_up_saying (GstSimclrMqtt *self, const gchar *failure, const gchar *reason)
{
  mosquitto_disconnect (self->client);
  if (self->settings.qos == 0) {
    g_mutex_lock (&self->lock);
    self->counts.dropped += self->in_flight;
    self->in_flight = 0;
    g_mutex_unlock (&self->lock);
  }
  enter (self, GST_SIMCLR_MQTT_IDLE);
  if (self->addresses != NULL)
    return;
  tell_failure (self, failure, reason);
  self->pause = self->pause == 0 ? FIRST_PAUSE : MIN (2 * self->pause, LONGEST_PAUSE);
}

static void
give_up (GstSimclrMqtt *self, const gchar *reason)
{
  give_up_saying (self, "cannot be reached", reason);
}

/* Looked up apart from the library, which could not be interrupted. */
static gboolean
look_up (GstSimclrMqtt *self)
{
  g_autoptr (GError) error = NULL;

  if (self->addresses != NULL)
    return TRUE;
  self->addresses =
      g_resolver_lookup_by_name (g_resolver_get_default (), self->host, self->resolving, &error);
  if (self->addresses == NULL)
    give_up (self, error->message);
  return self->addresses != NULL;
}

static gboolean
is_time_to_connect (GstSimclrMqtt *self)
{
  return self->state == GST_SIMCLR_MQTT_IDLE &&
         (self->addresses != NULL || self->pause == 0 ||
             gst_util_get_timestamp () - self->state_since >= self->pause);
}

static void
forget_addresses (GstSimclrMqtt *self)
{
  g_resolver_free_addresses (g_steal_pointer (&self->addresses));
}

/* What was refused before it ever was taken lies in the settings: there is no further try. The owner's streaming thread
 * posts the error, for gst-launch-1.0 goes on after one that comes while it starts. Text is taken over. */
static void
end_trying (GstSimclrMqtt *self, GstResourceError code, gchar *text, const gchar *details)
{
  GST_WARNING_OBJECT (self->owner, "%s %s", text, details);
  forget_addresses (self);
  enter (self, GST_SIMCLR_MQTT_REFUSED);
  g_mutex_lock (&self->lock);
  self->refused = TRUE;
  self->refusal = g_error_new_literal (GST_RESOURCE_ERROR, (gint) code, text);
  self->refusal_details = g_strdup (details);
  g_cond_broadcast (&self->emptied);
  g_mutex_unlock (&self->lock);
  g_free (text);
}

static gchar *
explain_tls (GstSimclrMqtt *self, const gchar *complaint)
{
  const GstSimclrMqttSettings *settings = &self->settings;

  if (strstr (complaint, "host name") != NULL)
    return g_strdup_printf (
        "The certificate of the MQTT broker %s is not for %s (property mqtt-insecure).",
        settings->address, self->host);
  if (strstr (complaint, "certificate verify failed") == NULL)
    return g_strdup_printf ("There is no TLS with the MQTT broker %s (properties mqtt-ca-file, "
                            "mqtt-cert-file, mqtt-key-file).",
        settings->address);
  if (settings->ca_file != NULL)
    return g_strdup_printf ("mqtt-ca-file=\"%s\" does not vouch for the certificate of the MQTT "
                            "broker %s, or it is out of date.",
        settings->ca_file, settings->address);
  return g_strdup_printf ("The system's authorities do not vouch for the certificate of the MQTT "
                          "broker %s, or it is out of date (property mqtt-ca-file).",
      settings->address);
}

/* A broker that hangs up in the middle may be on its way down or up. */
static gboolean
is_of_the_network (const gchar *complaint)
{
  return strstr (complaint, "unexpected eof") != NULL ||
         strstr (complaint, "system library") != NULL;
}

/* With TLS 1.3 our side of the handshake ends before the broker has looked at our certificate. Its refusal, sent
 * as it hangs up, is lost where the library's next write finds the connection reset: it closes before it reads. */
static gboolean
is_hung_up_on (gint code, gint number)
{
  return code == MOSQ_ERR_TLS || code == MOSQ_ERR_CONN_LOST ||
         (code == MOSQ_ERR_ERRNO && number == EPROTO);
}

/* code is the library's; errno may say more, and what it logged more still. */
static void
fail (GstSimclrMqtt *self, gint code)
{
  gint number = errno;
  const gchar *reason = code == MOSQ_ERR_ERRNO ? g_strerror (number) : mosquitto_strerror (code);
  g_autofree gchar *complaint = g_steal_pointer (&self->complaint);

  if (self->tls && complaint != NULL && !self->was_connected && !is_of_the_network (complaint))
    end_trying (self, GST_RESOURCE_ERROR_OPEN_WRITE, explain_tls (self, complaint), complaint);
  else if (self->tls && complaint == NULL && !self->was_connected && is_hung_up_on (code, number))
    give_up_saying (self,
        "hangs up on TLS (if it asks for a certificate: properties mqtt-cert-file, mqtt-key-file)",
        reason);
  else
    give_up (self, complaint != NULL ? complaint : reason);
}

static void
try_to_connect (GstSimclrMqtt *self)
{
  g_autoptr (GInetAddress) address = NULL;
  g_autofree gchar *number = NULL;
  gint code;

  if (!look_up (self))
    return;
  address = self->addresses->data;
  self->addresses = g_list_delete_link (self->addresses, self->addresses);
  number = g_inet_address_to_string (address);
  /* the broker's certificate is asked for, and compared, by the name that the library is given: it looks it up
   * again, and takes the first address */
  if (self->tls)
    forget_addresses (self);
  g_clear_pointer (&self->complaint, g_free);
  self->established = FALSE;
  code = mosquitto_connect_async (
      self->client, self->tls ? self->host : number, self->port, (int) self->settings.keep_alive);
  if (code == MOSQ_ERR_SUCCESS)
    enter (self, GST_SIMCLR_MQTT_CONNECTING);
  else
    fail (self, code);
}

static void
on_connect (struct mosquitto *client, void *data, int code)
{
  GstSimclrMqtt *self = data;
  const gchar *reason = mosquitto_connack_string (code);

  if (code == NOT_NOW || (code != TAKEN && self->was_connected)) {
    give_up (self, reason);
    return;
  }
  if (code != TAKEN) {
    end_trying (self, GST_RESOURCE_ERROR_NOT_AUTHORIZED,
        g_strdup_printf ("The MQTT broker %s does not let us in (%s).", self->settings.address,
            code == OTHER_VERSION   ? "it speaks another version"
            : code == BAD_CLIENT_ID ? "property mqtt-client-id"
                                    : "properties mqtt-username, mqtt-password"),
        reason);
    return;
  }
  GST_INFO_OBJECT (
      self->owner, "connected to %s%s", self->settings.address, self->tls ? " by TLS" : "");
  forget_addresses (self);
  self->was_connected = TRUE;
  self->failure_told = FALSE;
  self->pause = 0;
  enter (self, GST_SIMCLR_MQTT_CONNECTED);
}

static void
on_publish (struct mosquitto *client, void *data, int id)
{
  GstSimclrMqtt *self = data;

  g_mutex_lock (&self->lock);
  self->counts.sent++;
  if (self->in_flight > 0)
    self->in_flight--;
  if (self->lines.length + self->in_flight == 0)
    g_cond_broadcast (&self->emptied);
  g_mutex_unlock (&self->lock);
}

/* Of a chain of complaints the first is the cause. */
static void
on_log (struct mosquitto *client, void *data, int level, const char *text)
{
  GstSimclrMqtt *self = data;

  GST_LOG_OBJECT (self->owner, "%s", text);
  if (level == MOSQ_LOG_ERR && self->complaint == NULL)
    self->complaint = g_strdup (text);
}

void
_gst_simclr_mqtt_listen (GstSimclrMqtt *self)
{
  mosquitto_connect_callback_set (self->client, on_connect);
  mosquitto_publish_callback_set (self->client, on_publish);
  mosquitto_log_callback_set (self->client, on_log);
}

/* The library's socket comes and goes with the connection. */
static void
wait_for_events (GstSimclrMqtt *self, GstClockTime longest)
{
  int fd = is_active (self) ? mosquitto_socket (self->client) : -1;
  gboolean is_new = self->state == GST_SIMCLR_MQTT_CONNECTING && !self->established,
           shakes_hands = self->tls && self->state == GST_SIMCLR_MQTT_CONNECTING;
  gboolean writes = is_new || (!shakes_hands && mosquitto_want_write (self->client));
  gchar trash[64];

  self->fds[0] = (GPollFD){.fd = self->wake[0], .events = G_IO_IN};
  self->fds[1] = (GPollFD){.fd = fd, .events = G_IO_IN | (writes ? G_IO_OUT : 0)};
  g_poll (self->fds, fd >= 0 ? 2 : 1, (gint) GST_TIME_AS_MSECONDS (longest));
  while (self->fds[0].revents != 0 && read (self->wake[0], trash, sizeof trash) > 0)
    ;
}

/* As many lines as the network takes now. */
static void
publish (GstSimclrMqtt *self)
{
  while (self->state == GST_SIMCLR_MQTT_CONNECTED && !mosquitto_want_write (self->client)) {
    GBytes *line = NULL;
    gsize size;
    gconstpointer data;
    gint code;

    g_mutex_lock (&self->lock);
    if (self->in_flight < IN_FLIGHT && (line = g_queue_pop_head (&self->lines)) != NULL)
      self->in_flight++; /* before the answer, which may come within the call */
    g_mutex_unlock (&self->lock);
    if (line == NULL)
      return;
    data = g_bytes_get_data (line, &size);
    code = mosquitto_publish (self->client, NULL, self->settings.topic, (int) size, data,
        (int) self->settings.qos, self->settings.retain);
    g_bytes_unref (line);
    if (code != MOSQ_ERR_SUCCESS)
      fail (self, code);
  }
}

/* One side of TLS's handshake waits for the other, and it is the library's reading that goes on with it. */
static gint
shake_hands (GstSimclrMqtt *self)
{
  gint code = mosquitto_loop_read (self->client, 1);

  if (code == MOSQ_ERR_SUCCESS && is_active (self))
    code = mosquitto_loop_write (self->client, 1);
  return code;
}

static gint
read_and_write (GstSimclrMqtt *self)
{
  gint code = MOSQ_ERR_SUCCESS;

  if (self->fds[1].revents & ~G_IO_OUT)
    code = mosquitto_loop_read (self->client, 1);
  if (code == MOSQ_ERR_SUCCESS && is_active (self) && self->fds[1].revents & G_IO_OUT)
    code = mosquitto_loop_write (self->client, 1);
  return code;
}

/* A connection that failed before it was one: the library does not see that where there is TLS. */
static const gchar *
get_failure (GstSimclrMqtt *self)
{
  int number = 0;
  socklen_t size = sizeof number;

  if (!(self->fds[1].revents & (G_IO_ERR | G_IO_HUP | G_IO_NVAL)))
    return NULL;
  getsockopt (self->fds[1].fd, SOL_SOCKET, SO_ERROR, &number, &size);
  return number != 0 ? g_strerror (number) : "the connection was closed";
}

static void
serve (GstSimclrMqtt *self)
{
  gboolean connecting = self->state == GST_SIMCLR_MQTT_CONNECTING;
  const gchar *failure;
  gint code;

  if (!is_active (self))
    return;
  if (self->fds[1].revents & G_IO_OUT)
    self->established = TRUE;
  code = self->tls && connecting ? shake_hands (self) : read_and_write (self);
  if (code == MOSQ_ERR_SUCCESS && is_active (self))
    code = mosquitto_loop_misc (self->client);
  if (!is_active (self))
    return;
  if (code != MOSQ_ERR_SUCCESS)
    fail (self, code);
  else if (self->state == GST_SIMCLR_MQTT_CONNECTING && (failure = get_failure (self)) != NULL)
    give_up (self, failure);
  else if (self->state == GST_SIMCLR_MQTT_CONNECTING &&
           gst_util_get_timestamp () - self->state_since > PATIENCE)
    give_up (self, "no answer");
}

void
_gst_simclr_mqtt_take_turn (GstSimclrMqtt *self, GstClockTime longest)
{
  if (is_time_to_connect (self))
    try_to_connect (self);
  publish (self);
  wait_for_events (self, longest);
  serve (self);
}

void
_gst_simclr_mqtt_disconnect (GstSimclrMqtt *self)
{
  mosquitto_disconnect (self->client);
  mosquitto_loop_write (self->client, 1);
}
