/* simclrindex's properties: what is stored, where, and how it is searched.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrindex-private.h"

#include "gstsimclrproperties.h"

#define DEFAULT_INTERVAL GST_SECOND
#define DEFAULT_MIN_CHANGE 0.01
#define DEFAULT_THUMBNAIL_SIZE 64
#define DEFAULT_MATCHES 10
#define DEFAULT_APART (10 * GST_SECOND)

enum
{
  PROP_0,
  PROP_LOCATION,
  PROP_STREAM,
  PROP_SOURCE,
  PROP_TIME,
  PROP_MAX_ENTRIES,
  PROP_INTERVAL,
  PROP_MIN_CHANGE,
  PROP_THUMBNAIL_SIZE,
  PROP_NEAREST,
  PROP_MATCHES,
  PROP_APART,
  PROP_STATS,
};

static GType
get_time_type (void)
{
  static const GEnumValue values[] = {
      {GST_SIMCLR_INDEX_STREAM_TIME, "Position in the stream, where a player seeks to", "stream"},
      {GST_SIMCLR_INDEX_RUNNING_TIME, "Time since the pipeline began to play", "running"},
      {GST_SIMCLR_INDEX_UTC, "Time of day, since 1970 in UTC, when the frame came", "utc"},
      {0, NULL, NULL}};

  return gst_simclr_own_enum ("GstSimclrIndexTime", values);
}

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstSimclrIndex *self = GST_SIMCLR_INDEX (object);
  GstSimclrIndexSettings *settings = &self->settings;

  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_LOCATION:
    gst_simclr_take_text (&settings->location, value);
    break;
  case PROP_STREAM:
    gst_simclr_take_text (&settings->stream, value);
    break;
  case PROP_SOURCE:
    gst_simclr_take_text (&settings->source, value);
    break;
  case PROP_TIME:
    settings->clock = (GstSimclrIndexClock) g_value_get_enum (value);
    break;
  case PROP_MAX_ENTRIES:
    settings->max_entries = g_value_get_uint64 (value);
    break;
  case PROP_INTERVAL:
    settings->interval = g_value_get_uint64 (value);
    break;
  case PROP_MIN_CHANGE:
    settings->min_change = g_value_get_double (value);
    break;
  case PROP_THUMBNAIL_SIZE:
    settings->thumbnail_size = g_value_get_uint (value);
    break;
  case PROP_NEAREST:
    settings->nearest = g_value_get_boolean (value);
    break;
  case PROP_MATCHES:
    settings->matches = g_value_get_uint (value);
    break;
  case PROP_APART:
    settings->apart = g_value_get_uint64 (value);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

static GstStructure *
get_stats (GstSimclrIndex *self)
{
  g_autoptr (SimclrIndex) index = _gst_simclr_index_get (self);
  guint64 entries = index != NULL ? simclr_index_get_n_entries (index) : 0;
  GstStructure *stats;

  GST_OBJECT_LOCK (self);
  stats = gst_structure_new ("simclr-index", "frames", G_TYPE_UINT64, self->counts.frames,
      "embeddings", G_TYPE_UINT64, self->counts.embeddings, "stored", G_TYPE_UINT64,
      self->counts.stored, "entries", G_TYPE_UINT64, entries, NULL);
  GST_OBJECT_UNLOCK (self);
  return stats;
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstSimclrIndex *self = GST_SIMCLR_INDEX (object);
  GstSimclrIndexSettings *settings = &self->settings;

  if (id == PROP_STATS) {
    g_value_take_boxed (value, get_stats (self));
    return;
  }
  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_LOCATION:
    g_value_set_string (value, settings->location);
    break;
  case PROP_STREAM:
    g_value_set_string (value, settings->stream);
    break;
  case PROP_SOURCE:
    g_value_set_string (value, settings->source);
    break;
  case PROP_TIME:
    g_value_set_enum (value, (gint) settings->clock);
    break;
  case PROP_MAX_ENTRIES:
    g_value_set_uint64 (value, settings->max_entries);
    break;
  case PROP_INTERVAL:
    g_value_set_uint64 (value, settings->interval);
    break;
  case PROP_MIN_CHANGE:
    g_value_set_double (value, settings->min_change);
    break;
  case PROP_THUMBNAIL_SIZE:
    g_value_set_uint (value, settings->thumbnail_size);
    break;
  case PROP_NEAREST:
    g_value_set_boolean (value, settings->nearest);
    break;
  case PROP_MATCHES:
    g_value_set_uint (value, settings->matches);
    break;
  case PROP_APART:
    g_value_set_uint64 (value, settings->apart);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

static void
install_text (GObjectClass *klass, guint id, const gchar *name, const gchar *nick,
    const gchar *blurb, GParamFlags when)
{
  g_object_class_install_property (klass, id,
      g_param_spec_string (
          name, nick, blurb, NULL, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | when));
}

static void
install_storage (GObjectClass *klass)
{
  const GParamFlags ready = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;
  const GParamFlags playing =
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING;

  install_text (klass, PROP_LOCATION, "location", "Location",
      "Folder of the index, made if it is not there and else gone on with; unset: in memory, for "
      "this run.",
      GST_PARAM_MUTABLE_READY);
  install_text (klass, PROP_STREAM, "stream", "Stream",
      "Name of the stream that frames belong to, for example the camera's; unset: no name.",
      GST_PARAM_MUTABLE_PLAYING);
  install_text (klass, PROP_SOURCE, "source", "Source",
      "Where frames come from, stored with them; unset: the URI that plays, if upstream tells.",
      GST_PARAM_MUTABLE_PLAYING);
  g_object_class_install_property (klass, PROP_TIME,
      g_param_spec_enum ("time", "Time", "Which time is stored with a frame.", get_time_type (),
          GST_SIMCLR_INDEX_STREAM_TIME, ready));
  g_object_class_install_property (klass, PROP_MAX_ENTRIES,
      g_param_spec_uint64 ("max-entries", "Maximum entries",
          "Moments in the index at most; when there are more, the oldest go. 0: no bound.", 0,
          G_MAXUINT64, 0, ready));
  g_object_class_install_property (klass, PROP_INTERVAL,
      g_param_spec_uint64 ("interval", "Interval",
          "Nanoseconds between two moments that are stored, at least.", 0, G_MAXINT64,
          DEFAULT_INTERVAL, playing));
  g_object_class_install_property (klass, PROP_MIN_CHANGE,
      g_param_spec_double ("min-change", "Minimum change",
          "Distance from the moment stored last (one minus the cosine of the embeddings' angle, 0 "
          "to 2) below which a frame is not stored; 0: all are.",
          0, 2, DEFAULT_MIN_CHANGE, playing));
  g_object_class_install_property (klass, PROP_THUMBNAIL_SIZE,
      g_param_spec_uint ("thumbnail-size", "Thumbnail size",
          "Pixels of the longer side of the thumbnail that is stored; 0: none is.", 0, 1024,
          DEFAULT_THUMBNAIL_SIZE, playing));
}

static void
install_search (GObjectClass *klass)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING;

  g_object_class_install_property (klass, PROP_NEAREST,
      g_param_spec_boolean ("nearest", "Nearest",
          "Whether each frame gets a meta SimclrNearest about the stored moment most like it.",
          FALSE, flags));
  g_object_class_install_property (klass, PROP_MATCHES,
      g_param_spec_uint (
          "matches", "Matches", "Answers to a search at most.", 1, 100000, DEFAULT_MATCHES, flags));
  g_object_class_install_property (klass, PROP_APART,
      g_param_spec_uint64 ("apart", "Apart",
          "Nanoseconds between two answers of the same stream at least, and between a frame and "
          "the nearest moment told of it; 0: answers may be neighbours.",
          0, G_MAXINT64, DEFAULT_APART, flags));
  g_object_class_install_property (klass, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "Structure simclr-index: frames, embeddings, stored, entries.", GST_TYPE_STRUCTURE,
          G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

void
_gst_simclr_index_install_properties (GObjectClass *klass)
{
  klass->set_property = set_property;
  klass->get_property = get_property;
  install_storage (klass);
  install_search (klass);
}

/* As the property specifications promise. */
void
_gst_simclr_index_init_settings (GstSimclrIndex *self)
{
  self->settings.interval = DEFAULT_INTERVAL;
  self->settings.min_change = DEFAULT_MIN_CHANGE;
  self->settings.thumbnail_size = DEFAULT_THUMBNAIL_SIZE;
  self->settings.matches = DEFAULT_MATCHES;
  self->settings.apart = DEFAULT_APART;
}

void
_gst_simclr_index_settings_clear (GstSimclrIndexSettings *self)
{
  g_clear_pointer (&self->location, g_free);
  g_clear_pointer (&self->stream, g_free);
  g_clear_pointer (&self->source, g_free);
}

void
_gst_simclr_index_settings_take (GstSimclrIndex *self, GstSimclrIndexSettings *copy)
{
  GST_OBJECT_LOCK (self);
  *copy = self->settings;
  copy->location = g_strdup (self->settings.location);
  copy->stream = g_strdup (self->settings.stream);
  copy->source = g_strdup (self->settings.source);
  GST_OBJECT_UNLOCK (self);
}
