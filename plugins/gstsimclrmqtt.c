/* Lines to an MQTT broker by a thread of their own, so that nobody waits for a network.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrmqtt-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <unistd.h>

GST_DEBUG_CATEGORY (gst_simclr_mqtt_debug);
#define GST_CAT_DEFAULT gst_simclr_mqtt_debug

#define TICK (500 * GST_MSECOND)   /* how often the library looks after its timers */
#define LINGER (500 * GST_MSECOND) /* for what is left at the end */
#define WARNINGS_APART (5 * GST_SECOND)

gboolean
_gst_simclr_mqtt_is_stopping (GstSimclrMqtt *self)
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
  gboolean due =
      !self->refused && dropped > self->told_dropped &&
      (!GST_CLOCK_TIME_IS_VALID (self->told_at) || now - self->told_at >= WARNINGS_APART);

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
  while (self->lines.length + self->in_flight > 0 && !self->interrupted && !self->refused &&
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

gboolean
gst_simclr_mqtt_is_refused (GstSimclrMqtt *self, GError **error, gchar **details)
{
  gboolean refused;

  g_mutex_lock (&self->lock);
  refused = self->refused;
  *error = g_steal_pointer (&self->refusal);
  *details = g_steal_pointer (&self->refusal_details);
  g_mutex_unlock (&self->lock);
  return refused;
}

void
gst_simclr_mqtt_count (GstSimclrMqtt *self, GstSimclrMqttCounts *counts)
{
  g_mutex_lock (&self->lock);
  *counts = self->counts;
  g_mutex_unlock (&self->lock);
}

/* FALSE when the end has come. */
static gboolean
may_go_on (GstSimclrMqtt *self)
{
  gboolean going;

  g_mutex_lock (&self->lock);
  going = !self->stopping ||
          (self->state == GST_SIMCLR_MQTT_CONNECTED && self->lines.length + self->in_flight > 0 &&
              gst_util_get_timestamp () < self->deadline);
  g_mutex_unlock (&self->lock);
  return going;
}

static gpointer
run (gpointer data)
{
  GstSimclrMqtt *self = data;

  while (may_go_on (self))
    _gst_simclr_mqtt_take_turn (self, _gst_simclr_mqtt_is_stopping (self) ? TICK / 50 : TICK);
  _gst_simclr_mqtt_disconnect (self);
  return NULL;
}

static gboolean
open_pipe (GstSimclrMqtt *self, GError **error)
{
  return g_unix_open_pipe (self->wake, FD_CLOEXEC, error) &&
         g_unix_set_fd_nonblocking (self->wake[0], TRUE, error) &&
         g_unix_set_fd_nonblocking (self->wake[1], TRUE, error);
}

static void
release (GstSimclrMqtt *self)
{
  if (self->client != NULL)
    mosquitto_destroy (self->client);
  g_resolver_free_addresses (self->addresses);
  g_queue_clear_full (&self->lines, (GDestroyNotify) g_bytes_unref);
  for (guint i = 0; i < G_N_ELEMENTS (self->wake); i++) {
    if (self->wake[i] >= 0)
      close (self->wake[i]);
  }
  g_object_unref (self->resolving);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->emptied);
  g_free (self->host);
  g_free (self->complaint);
  g_clear_error (&self->refusal);
  g_free (self->refusal_details);
  _gst_simclr_mqtt_clear_settings (&self->settings);
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
  _gst_simclr_mqtt_copy_settings (&self->settings, settings);
  self->told_at = GST_CLOCK_TIME_NONE;
  self->wake[0] = self->wake[1] = -1;
  self->resolving = g_cancellable_new ();
  g_mutex_init (&self->lock);
  g_cond_init (&self->emptied);
  g_queue_init (&self->lines);
  if (!open_pipe (self, error) || !_gst_simclr_mqtt_parse_address (self, error) ||
      !_gst_simclr_mqtt_make_client (self, error)) {
    release (self);
    return NULL;
  }
  _gst_simclr_mqtt_listen (self);
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
