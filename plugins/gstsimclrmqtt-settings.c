/* The settings of an MQTT connection: checked before it is tried, with errors that name the property.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrmqtt-private.h"

#include <errno.h>
#include <string.h>

/* Where the system's certificate authorities are, beside what OpenSSL was built with. */
#define SYSTEM_AUTHORITIES "/etc/ssl/certs"

/* All texts, for those who copy and free them. */
static const gsize texts[] = {
    G_STRUCT_OFFSET (GstSimclrMqttSettings, address),
    G_STRUCT_OFFSET (GstSimclrMqttSettings, topic),
    G_STRUCT_OFFSET (GstSimclrMqttSettings, client_id),
    G_STRUCT_OFFSET (GstSimclrMqttSettings, username),
    G_STRUCT_OFFSET (GstSimclrMqttSettings, password),
    G_STRUCT_OFFSET (GstSimclrMqttSettings, ca_file),
    G_STRUCT_OFFSET (GstSimclrMqttSettings, cert_file),
    G_STRUCT_OFFSET (GstSimclrMqttSettings, key_file),
    G_STRUCT_OFFSET (GstSimclrMqttSettings, will_topic),
    G_STRUCT_OFFSET (GstSimclrMqttSettings, will_payload),
};

void
_gst_simclr_mqtt_copy_settings (GstSimclrMqttSettings *to, const GstSimclrMqttSettings *from)
{
  *to = *from;
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    G_STRUCT_MEMBER (gchar *, to, texts[i]) = g_strdup (G_STRUCT_MEMBER (gchar *, from, texts[i]));
}

void
_gst_simclr_mqtt_clear_settings (GstSimclrMqttSettings *settings)
{
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    g_clear_pointer (&G_STRUCT_MEMBER (gchar *, settings, texts[i]), g_free);
}

G_GNUC_PRINTF (2, 3)
static gboolean
refuse (GError **error, const gchar *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  g_propagate_error (
      error, g_error_new_valist (G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, format, arguments));
  va_end (arguments);
  return FALSE;
}

static gboolean
parse_uri (GstSimclrMqtt *self, GError **error)
{
  g_autofree gchar *scheme = NULL, *user = NULL, *host = NULL, *path = NULL, *query = NULL;
  gint port;

  if (!g_uri_split (self->settings.address, G_URI_FLAGS_NONE, &scheme, &user, &host, &port, &path,
          &query, NULL, error))
    return FALSE;
  self->tls = g_str_equal (scheme, "mqtts");
  if (!self->tls && !g_str_equal (scheme, "mqtt"))
    return refuse (error, "%s:// is neither mqtt:// nor mqtts://", scheme);
  if (host == NULL || *host == '\0')
    return refuse (error, "there is no host in it");
  if (user != NULL || query != NULL || (*path != '\0' && !g_str_equal (path, "/")))
    return refuse (error, "it may hold host and port only; there are mqtt-username, "
                          "mqtt-password and mqtt-topic");
  self->host = g_steal_pointer (&host);
  self->port = port > 0    ? (guint16) port
               : self->tls ? GST_SIMCLR_MQTT_TLS_PORT
                           : GST_SIMCLR_MQTT_PORT;
  return TRUE;
}

/* As mosquitto_pub takes it: files of certificates, or the port that is registered for it, are a wish for TLS. */
static gboolean
parse_host (GstSimclrMqtt *self, gboolean has_files, GError **error)
{
  g_autoptr (GSocketConnectable) address = g_network_address_parse (
      self->settings.address, has_files ? GST_SIMCLR_MQTT_TLS_PORT : GST_SIMCLR_MQTT_PORT, error);

  if (address == NULL)
    return FALSE;
  self->host = g_strdup (g_network_address_get_hostname (G_NETWORK_ADDRESS (address)));
  self->port = g_network_address_get_port (G_NETWORK_ADDRESS (address));
  self->tls = has_files || self->port == GST_SIMCLR_MQTT_TLS_PORT;
  return TRUE;
}

gboolean
_gst_simclr_mqtt_parse_address (GstSimclrMqtt *self, GError **error)
{
  const GstSimclrMqttSettings *settings = &self->settings;
  gboolean has_files =
      settings->ca_file != NULL || settings->cert_file != NULL || settings->key_file != NULL;
  gboolean parsed = strstr (settings->address, "://") != NULL ? parse_uri (self, error)
                                                              : parse_host (self, has_files, error);

  if (!parsed) {
    g_prefix_error (error, "mqtt-address=\"%s\": ", settings->address);
    return FALSE;
  }
  if (has_files && !self->tls)
    return refuse (error,
        "mqtt-address=\"%s\" is without TLS, mqtt-ca-file, mqtt-cert-file and mqtt-key-file are "
        "for "
        "mqtts://",
        settings->address);
  return TRUE;
}

/* The library says no more of a file than that something is wrong. */
static gboolean
check_pem (const gchar *property, const gchar *path, const gchar *what, GError **error)
{
  g_autofree gchar *text = NULL;
  gboolean good = FALSE;

  if (path == NULL)
    return TRUE;
  if (!g_file_get_contents (path, &text, NULL, error))
    ;
  else if (strstr (text, what) == NULL)
    refuse (error, "there is no \"%s\" in it, as PEM files have", what);
  else if (strstr (text, "ENCRYPTED") != NULL)
    refuse (error, "the key is encrypted; `openssl pkey -in FILE -out FILE` makes one that is not");
  else
    good = TRUE;
  if (!good)
    g_prefix_error (error, "%s=\"%s\": ", property, path);
  return good;
}

/* Nobody is asked for a password on a terminal. */
static int
give_no_password (char *buffer, int size, int writes, void *client)
{
  return 0;
}

static gboolean
set_tls (GstSimclrMqtt *self, GError **error)
{
  const GstSimclrMqttSettings *settings = &self->settings;
  gint code;

  if ((settings->cert_file == NULL) != (settings->key_file == NULL))
    return refuse (error, "mqtt-cert-file and mqtt-key-file go together: one of them is unset");
  if (!check_pem ("mqtt-ca-file", settings->ca_file, "CERTIFICATE-----", error) ||
      !check_pem ("mqtt-cert-file", settings->cert_file, "CERTIFICATE-----", error) ||
      !check_pem ("mqtt-key-file", settings->key_file, "PRIVATE KEY-----", error))
    return FALSE;
  /* version 2.0.11 does not connect a second time with the system's authorities and no folder of them */
  code = mosquitto_tls_set (self->client, settings->ca_file,
      settings->ca_file == NULL ? SYSTEM_AUTHORITIES : NULL, settings->cert_file,
      settings->key_file, give_no_password);
  if (code == MOSQ_ERR_SUCCESS && settings->ca_file == NULL)
    code = mosquitto_int_option (self->client, MOSQ_OPT_TLS_USE_OS_CERTS, 1);
  if (code == MOSQ_ERR_SUCCESS)
    code = mosquitto_tls_insecure_set (self->client, settings->insecure);
  if (code != MOSQ_ERR_SUCCESS)
    return refuse (error, "TLS: %s", mosquitto_strerror (code));
  return TRUE;
}

static gboolean
set_will (GstSimclrMqtt *self, GError **error)
{
  const GstSimclrMqttSettings *settings = &self->settings;
  const gchar *payload = settings->will_payload != NULL ? settings->will_payload : "";

  if (settings->will_topic == NULL && settings->will_payload != NULL)
    return refuse (error, "mqtt-will-payload needs mqtt-will-topic");
  if (settings->will_topic == NULL)
    return TRUE;
  if (mosquitto_pub_topic_check (settings->will_topic) != MOSQ_ERR_SUCCESS ||
      mosquitto_will_set (self->client, settings->will_topic, (int) strlen (payload), payload,
          (int) settings->will_qos, settings->will_retain) != MOSQ_ERR_SUCCESS)
    return refuse (error, "mqtt-will-topic=\"%s\": it may not hold + or #", settings->will_topic);
  return TRUE;
}

static gboolean
set_user (GstSimclrMqtt *self, GError **error)
{
  const GstSimclrMqttSettings *settings = &self->settings;

  if (settings->username == NULL && settings->password != NULL)
    return refuse (error, "mqtt-password needs mqtt-username");
  if (mosquitto_username_pw_set (self->client, settings->username, settings->password) !=
      MOSQ_ERR_SUCCESS)
    return refuse (error, "mqtt-username=\"%s\" is no user name", settings->username);
  return TRUE;
}

gboolean
_gst_simclr_mqtt_make_client (GstSimclrMqtt *self, GError **error)
{
  const GstSimclrMqttSettings *settings = &self->settings;

  if (mosquitto_pub_topic_check (settings->topic) != MOSQ_ERR_SUCCESS)
    return refuse (
        error, "mqtt-topic=\"%s\": it may not be empty nor hold + or #", settings->topic);
  self->client = mosquitto_new (settings->client_id, TRUE, self);
  if (self->client == NULL)
    return refuse (
        error, "mqtt-client-id=\"%s\" is none: %s", settings->client_id, g_strerror (errno));
  return set_user (self, error) && set_will (self, error) && (!self->tls || set_tls (self, error));
}
