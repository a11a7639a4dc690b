/* Where simclrpublish's lines go: a file, standard output, an MQTT broker.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrpublish-private.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define GST_CAT_DEFAULT gst_simclr_publish_debug

#define BUFFERED (64 * 1024)
#define LAST_WAIT (2 * GST_SECOND)

static gboolean
open_file (GstSimclrPublish *self, const GstSimclrPublishFixed *fixed)
{
  gint flags = O_WRONLY | O_CREAT | O_CLOEXEC | (fixed->append ? O_APPEND : O_TRUNC);

  if (fixed->location == NULL) {
    self->fd = fixed->mqtt.address == NULL ? fcntl (STDOUT_FILENO, F_DUPFD_CLOEXEC, 3) : -1;
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
open_mqtt (GstSimclrPublish *self, const GstSimclrPublishFixed *fixed)
{
  GstSimclrMqttSettings settings = fixed->mqtt;
  g_autoptr (GError) error = NULL;
  GstSimclrMqtt *mqtt;

  if (fixed->mqtt.address == NULL)
    return TRUE;
  if (settings.topic == NULL)
    settings.topic = (gchar *) "";
  mqtt = gst_simclr_mqtt_new (GST_ELEMENT (self), &settings, &error);
  if (mqtt == NULL) {
    GST_ELEMENT_ERROR (self, LIBRARY, SETTINGS,
        ("Lines cannot be published to an MQTT broker: %s.", error->message), (NULL));
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

gboolean
_gst_simclr_publish_check (GstSimclrPublish *self)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *details = NULL;

  if (self->mqtt == NULL || !gst_simclr_mqtt_is_refused (self->mqtt, &error, &details))
    return TRUE;
  if (error != NULL)
    gst_element_message_full (GST_ELEMENT (self), GST_MESSAGE_ERROR, error->domain, error->code,
        g_strdup (error->message), g_steal_pointer (&details), __FILE__, G_STRFUNC, __LINE__);
  return FALSE;
}

void
_gst_simclr_publish_interrupt (GstSimclrPublish *self, gboolean interrupted)
{
  GST_OBJECT_LOCK (self);
  if (self->mqtt != NULL)
    gst_simclr_mqtt_set_interrupted (self->mqtt, interrupted);
  GST_OBJECT_UNLOCK (self);
}
#else
static gboolean
open_mqtt (GstSimclrPublish *self, const GstSimclrPublishFixed *fixed)
{
  if (fixed->mqtt.address != NULL)
    GST_ELEMENT_ERROR (self, LIBRARY, SETTINGS,
        ("mqtt-address=\"%s\": there is no MQTT in this build.", fixed->mqtt.address),
        ("It was built without libmosquitto."));
  return fixed->mqtt.address == NULL;
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

gboolean
_gst_simclr_publish_check (GstSimclrPublish *self)
{
  return TRUE;
}

void
_gst_simclr_publish_interrupt (GstSimclrPublish *self, gboolean interrupted)
{
}
#endif

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

/* Texts are the element's: what is fixed changes only below PAUSED. */
gboolean
_gst_simclr_publish_open (GstSimclrPublish *self)
{
  GstSimclrPublishFixed fixed;

  GST_OBJECT_LOCK (self);
  fixed = self->fixed;
  self->lines = self->sent = self->dropped = 0;
  GST_OBJECT_UNLOCK (self);
  return open_file (self, &fixed) && open_mqtt (self, &fixed);
}

gboolean
_gst_simclr_publish_put (GstSimclrPublish *self, gboolean flush)
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

void
_gst_simclr_publish_finish (GstSimclrPublish *self)
{
  if (self->fd >= 0)
    write_out (self);
  drain (self);
  _gst_simclr_publish_check (self);
}

void
_gst_simclr_publish_close (GstSimclrPublish *self)
{
  close_mqtt (self);
  if (self->fd >= 0) {
    write_out (self);
    close (self->fd);
  }
  self->fd = -1;
  g_string_truncate (self->buffered, 0);
  g_clear_pointer (&self->location, g_free);
}

GstStructure *
_gst_simclr_publish_make_stats (GstSimclrPublish *self)
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
