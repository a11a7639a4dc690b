/* simclrindex: the element's states and documentation.
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-simclrindex
 * @title: simclrindex
 * @short_description: stores what frames look like, and finds the moments most like one
 *
 * An index of hours of video, to be asked for moments by what they look like. Frames pass through; their embeddings
 * (the meta of simclrencoder) are stored with their time, the stream's name, where they come from and a thumbnail,
 * at most one each #simclrindex:interval, and only those that differ from the one stored before by
 * #simclrindex:min-change, so that a night of nothing takes no room.
 *
 * simclr-search, in pipelines/, asks an index for a picture or a moment, also while it is being filled, and answers
 * with a sheet of thumbnails; Simclr.Index is the same from C, Python and JavaScript.
 *
 * ## Where it is stored
 *
 * #simclrindex:location is a folder: files of 2048 moments each, and a log of those that follow. It goes on where the
 * run before ended. What was stored is there whatever happens to the process; a damaged file is an error that names
 * it. With #simclrindex:max-entries the oldest go. A moment takes 5 bytes a float (2.5 KB for 512) and 3 bytes a
 * pixel of its thumbnail. Without a location the index ends with the run. Each 2048th moment writes a file, which
 * takes a moment on a slow disk: as for all that computes, a live camera wants a `queue` before it.
 *
 * One element fills an index at a time. Several cameras go into one by a `funnel`, or into an index each.
 *
 * ## Time and source
 *
 * #simclrindex:time says which time is stored: the position in the stream, which players seek to; running time; or
 * the time of day, for cameras. The source is #simclrindex:source, or the URI that the source element
 * plays.
 *
 * ## Asking while it runs
 *
 * The action signal `search` takes a structure (any name, or none) with these fields, all optional, and
 * returns the answer, which is posted as well: `embedding` (#GBytes of float32; else the newest frame's),
 * `stream` (#gchararray), `begin` and `end` (#gint64, nanoseconds), `matches` (#guint), `apart` (#guint64).
 *
 * With #simclrindex:nearest each frame carries the custom meta `SimclrNearest` about the stored moment that is
 * most like it: `number` (#guint64), `time` (#gint64), `similarity` (#gdouble), `stream`, `source`
 * (#gchararray), `thumbnail` (#GBytes, RGB), `thumbnail-width` and `thumbnail-height` (#guint). Moments
 * less than #simclrindex:apart away do not count.
 *
 * ## Messages
 *
 * `simclr-search`, the answer to `search`, most similar first: `numbers` (#GstValueArray of #guint64), `times`
 * (of #gint64, nanoseconds), `similarities` (of #gdouble, cosine), `streams` and `sources` (of #gchararray);
 * or `error` (#gchararray). `time` (#gint64): of the frame that was searched for, if it was one.
 *
 * `simclr-index`, at EOS: `location` (#gchararray), `stored` (#guint64, in this run) and `entries` (#guint64,
 * in the index).
 *
 * ## Statistics
 *
 * #simclrindex:stats is a structure `simclr-index` with `frames`, `embeddings`, `stored` and `entries`
 * (#guint64).
 *
 * ## Fill an index
 *
 * |[
 * gst-launch-1.0 -m videotestsrc pattern=ball num-buffers=60 ! video/x-raw,width=64,height=64 ! simclrencoder width=0.25 input-size=32 ! simclrindex location=moments stream=ball interval=100000000 min-change=0 ! fakesink
 * ]|
 */

#include "gstsimclrindex-private.h"

#include "gstsimclrembeddingmeta.h"
#include "gstsimclrmessages.h"
#include "gstsimclrnearestmeta.h"

GST_DEBUG_CATEGORY (gst_simclr_index_debug);
#define GST_CAT_DEFAULT gst_simclr_index_debug

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE (
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw(ANY)"));

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw(ANY)"));

G_DEFINE_FINAL_TYPE (GstSimclrIndex, gst_simclr_index, GST_TYPE_BASE_TRANSFORM)
GST_ELEMENT_REGISTER_DEFINE (simclrindex, "simclrindex", GST_RANK_NONE, GST_TYPE_SIMCLR_INDEX)

SimclrIndex *
_gst_simclr_index_get (GstSimclrIndex *self)
{
  SimclrIndex *index;

  GST_OBJECT_LOCK (self);
  index = self->index != NULL ? g_object_ref (self->index) : NULL;
  GST_OBJECT_UNLOCK (self);
  return index;
}

/* A meta is added to a buffer of our own, which shares the frame's memory. */
static GstFlowReturn
prepare_output_buffer (GstBaseTransform *transform, GstBuffer *input, GstBuffer **output)
{
  GstSimclrIndex *self = GST_SIMCLR_INDEX (transform);
  gboolean nearest;

  GST_OBJECT_LOCK (self);
  nearest = self->settings.nearest;
  GST_OBJECT_UNLOCK (self);
  *output = nearest && !gst_buffer_is_writable (input) ? gst_buffer_copy (input) : input;
  return GST_FLOW_OK;
}

static GstFlowReturn
transform_ip (GstBaseTransform *transform, GstBuffer *buffer)
{
  return _gst_simclr_index_handle (GST_SIMCLR_INDEX (transform), buffer);
}

static gboolean
set_caps (GstBaseTransform *transform, GstCaps *sink, GstCaps *src)
{
  GstSimclrIndex *self = GST_SIMCLR_INDEX (transform);

  gst_simclr_picture_reset (&self->picture);
  /* video in another memory may not have a description here; its embeddings are stored all the same */
  self->has_info = gst_video_info_from_caps (&self->info, sink);
  return TRUE;
}

/* Where the frames come from, if somebody upstream knows. */
static void
ask_uri (GstSimclrIndex *self)
{
  g_autoptr (GstQuery) query = gst_query_new_uri ();

  g_clear_pointer (&self->uri, g_free);
  if (gst_pad_peer_query (GST_BASE_TRANSFORM_SINK_PAD (self), query))
    gst_query_parse_uri (query, &self->uri);
  GST_DEBUG_OBJECT (self, "frames come from %s", GST_STR_NULL (self->uri));
}

static void
finish (GstSimclrIndex *self)
{
  g_autoptr (SimclrIndex) index = _gst_simclr_index_get (self);
  g_autoptr (GError) error = NULL;
  GstSimclrIndexSettings settings;
  GstStructure *fields;
  guint64 stored;

  if (index == NULL)
    return;
  _gst_simclr_index_settings_take (self, &settings);
  if (!simclr_index_sync (index, &error))
    GST_ELEMENT_ERROR (self, RESOURCE, WRITE,
        ("Could not write to the index in location=\"%s\".", settings.location),
        ("%s", error->message));
  GST_OBJECT_LOCK (self);
  stored = self->counts.stored;
  GST_OBJECT_UNLOCK (self);
  fields = gst_structure_new ("simclr-index", "location", G_TYPE_STRING,
      settings.location != NULL ? settings.location : "", "stored", G_TYPE_UINT64, stored,
      "entries", G_TYPE_UINT64, simclr_index_get_n_entries (index), NULL);
  GST_INFO_OBJECT (self, "%" GST_PTR_FORMAT, fields);
  gst_simclr_post_element_message (GST_ELEMENT (self), fields);
  _gst_simclr_index_settings_clear (&settings);
}

static gboolean
sink_event (GstBaseTransform *transform, GstEvent *event)
{
  GstSimclrIndex *self = GST_SIMCLR_INDEX (transform);

  switch (GST_EVENT_TYPE (event)) {
  case GST_EVENT_STREAM_START:
    ask_uri (self);
    break;
  case GST_EVENT_FLUSH_STOP:
    g_clear_pointer (&self->last, g_free);
    self->size = 0;
    break;
  case GST_EVENT_EOS:
    /* before the EOS message: whoever sees it finds all of it written */
    finish (self);
    break;
  default:
    break;
  }
  return GST_BASE_TRANSFORM_CLASS (gst_simclr_index_parent_class)->sink_event (transform, event);
}

static gboolean
start (GstBaseTransform *transform)
{
  GstSimclrIndex *self = GST_SIMCLR_INDEX (transform);
  g_autoptr (GError) error = NULL;
  GstSimclrIndexSettings settings;
  SimclrIndex *index;

  _gst_simclr_index_settings_take (self, &settings);
  index = settings.location != NULL
              ? simclr_index_open (settings.location, settings.max_entries, &error)
              : simclr_index_new (settings.max_entries);
  if (index == NULL)
    GST_ELEMENT_ERROR (self, RESOURCE, OPEN_READ_WRITE,
        ("Could not open the index in location=\"%s\".", settings.location),
        ("%s", error->message));
  _gst_simclr_index_settings_clear (&settings);
  self->origin_compared = self->warned = self->has_info = FALSE;
  GST_OBJECT_LOCK (self);
  self->index = index;
  self->counts = (GstSimclrIndexCounts){0};
  GST_OBJECT_UNLOCK (self);
  return index != NULL;
}

static gboolean
stop (GstBaseTransform *transform)
{
  GstSimclrIndex *self = GST_SIMCLR_INDEX (transform);
  SimclrIndex *index;
  GBytes *newest;

  GST_OBJECT_LOCK (self);
  index = g_steal_pointer (&self->index);
  newest = g_steal_pointer (&self->newest);
  GST_OBJECT_UNLOCK (self);
  g_clear_object (&index);
  g_clear_pointer (&newest, g_bytes_unref);
  gst_simclr_picture_reset (&self->picture);
  g_clear_pointer (&self->last, g_free);
  self->size = 0;
  g_clear_pointer (&self->uri, g_free);
  return TRUE;
}

static void
finalize (GObject *object)
{
  GstSimclrIndex *self = GST_SIMCLR_INDEX (object);

  stop (GST_BASE_TRANSFORM (self));
  _gst_simclr_index_settings_clear (&self->settings);
  G_OBJECT_CLASS (gst_simclr_index_parent_class)->finalize (object);
}

static void
install_signal (GObjectClass *klass)
{
  /**
   * GstSimclrIndex::search:
   * @self: the element
   * @query: (nullable): what to search for; %NULL: what the newest frame shows
   *
   * Finds the moments most like an embedding.
   *
   * Returns: (transfer full): the structure simclr-search, which is posted as well
   */
  g_signal_new_class_handler ("search", G_TYPE_FROM_CLASS (klass),
      G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION, G_CALLBACK (_gst_simclr_index_search), NULL, NULL, NULL,
      GST_TYPE_STRUCTURE, 1, GST_TYPE_STRUCTURE);
}

static void
gst_simclr_index_class_init (GstSimclrIndexClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseTransformClass *transform_class = GST_BASE_TRANSFORM_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_simclr_index_debug, "simclrindex", 0, "SimCLR index");
  gst_simclr_embedding_meta_register ();
  gst_simclr_nearest_meta_register ();
  object_class->finalize = finalize;
  _gst_simclr_index_install_properties (object_class);
  install_signal (object_class);
  transform_class->prepare_output_buffer = prepare_output_buffer;
  transform_class->transform_ip = transform_ip;
  transform_class->transform_ip_on_passthrough = TRUE;
  transform_class->set_caps = set_caps;
  transform_class->sink_event = sink_event;
  transform_class->start = start;
  transform_class->stop = stop;
  gst_element_class_set_static_metadata (element_class, "SimCLR index", "Filter/Analyzer/Video",
      "Stores what frames look like in an index, and finds the moments most like one",
      "The gst-simclr authors");
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
}

static void
gst_simclr_index_init (GstSimclrIndex *self)
{
  _gst_simclr_index_init_settings (self);
  gst_base_transform_set_passthrough (GST_BASE_TRANSFORM (self), TRUE);
}
