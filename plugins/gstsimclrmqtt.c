/* Lines to an MQTT broker by a thread of their own, so that nobody waits for a network.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrmqtt.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <mosquitto.h>
#include <unistd.h>

GST_DEBUG_CATEGORY_STATIC (gst_simclr_mqtt_debug);
#define GST_CAT_DEFAULT gst_simclr_mqtt_debug

#define KEEP_ALIVE 60                /* seconds */
#define TICK (500 * GST_MSECOND)     /* how often the library looks after its timers */
#define PATIENCE (10 * GST_SECOND)   /* from connecting to the broker's answer */
#define FIRST_PAUSE (1 * GST_SECOND) /* between tries, doubled up to the longest */
#define LONGEST_PAUSE (30 * GST_SECOND)
#define LINGER (500 * GST_MSECOND) /* for what is left at the end */
#define WARNINGS_APART (5 * GST_SECOND)
#define IN_FLIGHT 20 /* lines that the library holds */

typedef enum
{
  IDLE,
  CONNECTING, /* until the broker answers */
  CONNECTED,
} State;

struct _GstSimclrMqtt
{
  GstElement *owner; /* borrowed */
  GstSimclrMqttSettings settings;
  gchar *host;
  guint16 port;
  GThread *thread;
  int wake[2]; /* a pipe: what is written interrupts the thread's poll */
  GCancellable *resolving;

  GMutex lock;
  GCond emptied;
  GQueue lines; /* lock: of GBytes */
  guint in_flight;
  GstSimclrMqttCounts counts;
  guint64 told_dropped;
  GstClockTime told_at; /* GST_CLOCK_TIME_NONE: never */
  gboolean interrupted;
  gboolean stopping;
  GstClockTime deadline; /* of stopping */

  /* the thread's own */
  struct mosquitto *client;
  GList *addresses; /* of GInetAddress, those that were not tried yet */
  State state;
  GPollFD fds[2]; /* the pipe's end, the broker's connection */
  GstClockTime state_since, pause;
  gboolean failure_told;
};

static gboolean
is_stopping (GstSimclrMqtt *self)
{
  gboolean stopping;

  g_mutex_lock (&self->lock);
  stopping = self->stopping;
  g_mutex_unlock (&self->lock);
  return stopping;
}

/* Drops are said at once, then at most every few seconds. Called with the lock, which it gives up. */
static void
tell_drops (GstSimclrMqtt *self)
{
  GstClockTime now = gst_util_get_timestamp ();
  guint64 dropped = self->counts.dropped;
  gboolean due = dropped > self->told_dropped && (!GST_CLOCK_TIME_IS_VALID (self->told_at) ||
                                                     now - self->told_at >= WARNINGS_APART);

  if (due) {
    self->told_dropped = dropped;
    self->told_at = now;
  }
  g_mutex_unlock (&self->lock);
  if (due)
    GST_ELEMENT_WARNING (self->owner, RESOURCE, WRITE,
        ("The MQTT broker %s does not keep up: %" G_GUINT64_FORMAT " lines dropped so far.",
            self->settings.address, dropped),
        ("The queue holds %u lines (property queue-size).", self->settings.queue_size));
}

static void
wake (GstSimclrMqtt *self)
{
  /* where the pipe is full, it wakes already */
  if (write (self->wake[1], "", 1) < 0 && errno != EAGAIN)
    GST_WARNING_OBJECT (self->owner, "%s", g_strerror (errno));
}

void
gst_simclr_mqtt_send (GstSimclrMqtt *self, const gchar *line, gsize length)
{
  g_mutex_lock (&self->lock);
  if (self->lines.length >= self->settings.queue_size) {
    g_bytes_unref (g_queue_pop_head (&self->lines));
    self->counts.dropped++;
  }
  g_queue_push_tail (&self->lines, g_bytes_new (line, length));
  if (self->lines.length == 1)
    wake (self);
  tell_drops (self);
}

void
gst_simclr_mqtt_drain (GstSimclrMqtt *self, GstClockTime longest)
{
  gint64 until = g_get_monotonic_time () + (gint64) GST_TIME_AS_USECONDS (longest);

  g_mutex_lock (&self->lock);
  while (self->lines.length + self->in_flight > 0 && !self->interrupted &&
         g_cond_wait_until (&self->emptied, &self->lock, until))
    ;
  if (self->lines.length > 0)
    GST_INFO_OBJECT (self->owner, "%u lines are not sent yet", self->lines.length);
  g_mutex_unlock (&self->lock);
}

void
gst_simclr_mqtt_set_interrupted (GstSimclrMqtt *self, gboolean interrupted)
{
  g_mutex_lock (&self->lock);
  self->interrupted = interrupted;
  g_cond_broadcast (&self->emptied);
  g_mutex_unlock (&self->lock);
}

void
gst_simclr_mqtt_count (GstSimclrMqtt *self, GstSimclrMqttCounts *counts)
{
  g_mutex_lock (&self->lock);
  *counts = self->counts;
  g_mutex_unlock (&self->lock);
}

/* One failure is said, then none until the broker has answered again. */
static void
tell_failure (GstSimclrMqtt *self, const gchar *reason)
{
  if (!self->failure_told && !is_stopping (self))
    GST_ELEMENT_WARNING (self->owner, RESOURCE, OPEN_WRITE,
        ("The MQTT broker %s cannot be reached; up to %u lines wait for it, the stream does not.",
            self->settings.address, self->settings.queue_size),
        ("%s", reason));
  self->failure_told = TRUE;
  GST_DEBUG_OBJECT (self->owner, "%s: %s", self->settings.address, reason);
}

static void
enter (GstSimclrMqtt *self, State state)
{
  self->state = state;
  self->state_since = gst_util_get_timestamp ();
  g_mutex_lock (&self->lock);
  self->counts.connected = state == CONNECTED;
  g_mutex_unlock (&self->lock);
}

/* The connection is lost or was never made; the next try comes after a pause, unless the host has another
 * address. */
static void
give_up (GstSimclrMqtt *self, const gchar *reason)
{
  mosquitto_disconnect (self->client);
  if (self->settings.qos == 0) {
    g_mutex_lock (&self->lock);
    self->counts.dropped += self->in_flight;
    self->in_flight = 0;
    g_mutex_unlock (&self->lock);
  }
  enter (self, IDLE);
  if (self->addresses != NULL)
    return;
  tell_failure (self, reason);
  self->pause = self->pause == 0 ? FIRST_PAUSE : MIN (2 * self->pause, LONGEST_PAUSE);
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
  return self->state == IDLE && (self->addresses != NULL || self->pause == 0 ||
                                    gst_util_get_timestamp () - self->state_since >= self->pause);
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
  code = mosquitto_connect_async (self->client, number, self->port, KEEP_ALIVE);
  if (code == MOSQ_ERR_SUCCESS)
    enter (self, CONNECTING);
  else
    give_up (self, code == MOSQ_ERR_ERRNO ? g_strerror (errno) : mosquitto_strerror (code));
}

static void
forget_addresses (GstSimclrMqtt *self)
{
  g_resolver_free_addresses (g_steal_pointer (&self->addresses));
}

static void
on_connect (struct mosquitto *client, void *data, int code)
{
  GstSimclrMqtt *self = data;

  if (code != 0) {
    give_up (self, mosquitto_connack_string (code));
    return;
  }
  GST_INFO_OBJECT (self->owner, "connected to %s", self->settings.address);
  forget_addresses (self);
  self->failure_told = FALSE;
  self->pause = 0;
  enter (self, CONNECTED);
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

/* The library's socket comes and goes with the connection. */
static void
wait_for_events (GstSimclrMqtt *self, GstClockTime longest)
{
  int fd = mosquitto_socket (self->client);
  gboolean writes = self->state == CONNECTING || mosquitto_want_write (self->client);
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
  while (self->state == CONNECTED && !mosquitto_want_write (self->client)) {
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
      give_up (self, mosquitto_strerror (code));
  }
}

static void
serve (GstSimclrMqtt *self)
{
  gint code = MOSQ_ERR_SUCCESS;

  if (self->fds[1].revents & ~G_IO_OUT)
    code = mosquitto_loop_read (self->client, 1);
  if (code == MOSQ_ERR_SUCCESS && self->state != IDLE && self->fds[1].revents & G_IO_OUT)
    code = mosquitto_loop_write (self->client, 1);
  if (code == MOSQ_ERR_SUCCESS && self->state != IDLE)
    code = mosquitto_loop_misc (self->client);
  if (self->state == IDLE)
    return;
  if (code != MOSQ_ERR_SUCCESS)
    give_up (self, code == MOSQ_ERR_ERRNO ? g_strerror (errno) : mosquitto_strerror (code));
  else if (self->state == CONNECTING && gst_util_get_timestamp () - self->state_since > PATIENCE)
    give_up (self, "no answer");
}

/* FALSE when the end has come. */
static gboolean
may_go_on (GstSimclrMqtt *self)
{
  gboolean going;

  g_mutex_lock (&self->lock);
  going =
      !self->stopping || (self->state == CONNECTED && self->lines.length + self->in_flight > 0 &&
                             gst_util_get_timestamp () < self->deadline);
  g_mutex_unlock (&self->lock);
  return going;
}

static gpointer
run (gpointer data)
{
  GstSimclrMqtt *self = data;

  while (may_go_on (self)) {
    if (is_time_to_connect (self))
      try_to_connect (self);
    publish (self);
    wait_for_events (self, is_stopping (self) ? TICK / 50 : TICK);
    serve (self);
  }
  mosquitto_disconnect (self->client);
  mosquitto_loop_write (self->client, 1);
  return NULL;
}

static gboolean
open_pipe (GstSimclrMqtt *self, GError **error)
{
  return g_unix_open_pipe (self->wake, FD_CLOEXEC, error) &&
         g_unix_set_fd_nonblocking (self->wake[0], TRUE, error) &&
         g_unix_set_fd_nonblocking (self->wake[1], TRUE, error);
}

static gboolean
parse_address (GstSimclrMqtt *self, GError **error)
{
  g_autoptr (GSocketConnectable) address =
      g_network_address_parse (self->settings.address, GST_SIMCLR_MQTT_PORT, error);

  if (address == NULL)
    return FALSE;
  self->host = g_strdup (g_network_address_get_hostname (G_NETWORK_ADDRESS (address)));
  self->port = g_network_address_get_port (G_NETWORK_ADDRESS (address));
  return TRUE;
}

static gboolean
make_client (GstSimclrMqtt *self, GError **error)
{
  const GstSimclrMqttSettings *settings = &self->settings;

  if (mosquitto_pub_topic_check (settings->topic) != MOSQ_ERR_SUCCESS) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
        "\"%s\" is no topic to publish under: it may not be empty nor hold + or #",
        settings->topic);
    return FALSE;
  }
  self->client = mosquitto_new (settings->client_id, TRUE, self);
  if (self->client == NULL) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "\"%s\" is no client id: %s",
        settings->client_id, g_strerror (errno));
    return FALSE;
  }
  mosquitto_connect_callback_set (self->client, on_connect);
  mosquitto_publish_callback_set (self->client, on_publish);
  if (settings->username != NULL)
    mosquitto_username_pw_set (self->client, settings->username, settings->password);
  return TRUE;
}

static void
copy_settings (GstSimclrMqttSettings *to, const GstSimclrMqttSettings *from)
{
  *to = *from;
  to->address = g_strdup (from->address);
  to->topic = g_strdup (from->topic);
  to->client_id = g_strdup (from->client_id);
  to->username = g_strdup (from->username);
  to->password = g_strdup (from->password);
}

static void
release (GstSimclrMqtt *self)
{
  if (self->client != NULL)
    mosquitto_destroy (self->client);
  forget_addresses (self);
  g_queue_clear_full (&self->lines, (GDestroyNotify) g_bytes_unref);
  for (guint i = 0; i < G_N_ELEMENTS (self->wake); i++) {
    if (self->wake[i] >= 0)
      close (self->wake[i]);
  }
  g_object_unref (self->resolving);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->emptied);
  g_free (self->host);
  g_free (self->settings.address);
  g_free (self->settings.topic);
  g_free (self->settings.client_id);
  g_free (self->settings.username);
  g_free (self->settings.password);
  g_free (self);
}

GstSimclrMqtt *
gst_simclr_mqtt_new (GstElement *owner, const GstSimclrMqttSettings *settings, GError **error)
{
  static gsize initialised = 0;
  GstSimclrMqtt *self = g_new0 (GstSimclrMqtt, 1);

  if (g_once_init_enter (&initialised)) {
    GST_DEBUG_CATEGORY_INIT (gst_simclr_mqtt_debug, "simclrmqtt", 0, "SimCLR's MQTT client");
    mosquitto_lib_init ();
    g_once_init_leave (&initialised, TRUE);
  }
  self->owner = owner;
  copy_settings (&self->settings, settings);
  self->told_at = GST_CLOCK_TIME_NONE;
  self->wake[0] = self->wake[1] = -1;
  self->resolving = g_cancellable_new ();
  g_mutex_init (&self->lock);
  g_cond_init (&self->emptied);
  g_queue_init (&self->lines);
  if (!open_pipe (self, error) || !parse_address (self, error) || !make_client (self, error)) {
    release (self);
    return NULL;
  }
  self->thread = g_thread_new ("simclrmqtt", run, self);
  return self;
}

void
gst_simclr_mqtt_free (GstSimclrMqtt *self, GstSimclrMqttCounts *counts)
{
  g_mutex_lock (&self->lock);
  self->stopping = TRUE;
  self->deadline = gst_util_get_timestamp () + LINGER;
  g_mutex_unlock (&self->lock);
  g_cancellable_cancel (self->resolving);
  wake (self);
  g_thread_join (self->thread);
  self->counts.dropped += self->lines.length + self->in_flight;
  self->counts.connected = FALSE;
  *counts = self->counts;
  if (counts->dropped > self->told_dropped)
    GST_ELEMENT_WARNING (self->owner, RESOURCE, WRITE,
        ("%" G_GUINT64_FORMAT " lines did not reach the MQTT broker %s, %" G_GUINT64_FORMAT " did.",
            counts->dropped, self->settings.address, counts->sent),
        (NULL));
  release (self);
}
