/* What simclrclassifier does with a frame: learns it, or says what it shows.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrclassifier-private.h"

#include <string.h>

#include "gstsimclrclassificationmeta.h"
#include "gstsimclrembeddingmeta.h"
#include "gstsimclrmessages.h"

#define GST_CAT_DEFAULT gst_simclr_classifier_debug

/* Labels that messages and metas list with their scores. */
#define MOST_LISTED 5

/* One buffer's embeddings and what is asked of them. */
typedef struct
{
  GstBuffer *buffer;
  const gfloat *floats;
  guint size, rows;
  guint64 first; /* number of the first row's frame */
  GstSimclrClassifierLive live;
} Frame;

static void
take_live (GstSimclrClassifier *self, GstSimclrClassifierLive *live)
{
  GST_OBJECT_LOCK (self);
  *live = self->live;
  live->label = g_strdup (self->live.label);
  GST_OBJECT_UNLOCK (self);
}

/* What the file says of a frame, NULL where there is no file or the line is empty. */
static const gchar *
get_truth (GstSimclrClassifier *self, guint64 number)
{
  return self->truth != NULL ? gst_simclr_labels_get_text (self->truth, number) : NULL;
}

static gboolean
check_lines (GstSimclrClassifier *self, guint64 last)
{
  if (self->truth == NULL || last < gst_simclr_labels_get_length (self->truth))
    return TRUE;
  GST_ELEMENT_ERROR (self, RESOURCE, READ,
      ("labels=\"%s\" has %" G_GUINT64_FORMAT " lines, but frame %" G_GUINT64_FORMAT
       " came: it takes one line a frame.",
          self->active.labels, gst_simclr_labels_get_length (self->truth), last + 1),
      (NULL));
  return FALSE;
}

/* Embeddings of another encoder than the taught ones are near nothing, or near the wrong thing. */
static void
compare_origin (GstSimclrClassifier *self, GstBuffer *buffer)
{
  GstCustomMeta *meta = gst_buffer_get_custom_meta (buffer, GST_SIMCLR_EMBEDDING_META_NAME);
  const gchar *architecture = NULL;
  g_autofree gchar *now = NULL, *taught = NULL;
  guint64 step = 0;

  if (meta != NULL) {
    const GstStructure *fields = gst_custom_meta_get_structure (meta);

    architecture = gst_structure_get_string (fields, "architecture");
    gst_structure_get_uint64 (fields, "step", &step);
  }
  if (architecture == NULL)
    return;
  now = g_strdup_printf ("%s, step %" G_GUINT64_FORMAT, architecture, step);
  g_mutex_lock (&self->lock);
  g_object_get (self->classifier, "encoder", &taught, NULL);
  if (g_strcmp0 (taught, now) != 0)
    g_object_set (self->classifier, "encoder", now, NULL);
  g_mutex_unlock (&self->lock);

  if (!self->origin_compared && taught != NULL && !g_str_equal (taught, now))
    GST_ELEMENT_WARNING (self, LIBRARY, SETTINGS,
        ("What was learned in location=\"%s\" came from another encoder (%s) than these embeddings "
         "(%s): labels may be wrong.",
            self->active.location, taught, now),
        (NULL));
  self->origin_compared = TRUE;
}

static gboolean
check_size (GstSimclrClassifier *self, guint size)
{
  guint taught;

  g_mutex_lock (&self->lock);
  taught = simclr_classifier_get_embedding_size (self->classifier);
  g_mutex_unlock (&self->lock);
  if (taught == 0 || taught == size)
    return TRUE;
  GST_ELEMENT_ERROR (self, STREAM, WRONG_TYPE,
      ("Embeddings of %u floats come in, but what was learned%s%s%s has %u: it belongs to another "
       "encoder.",
          size, self->active.location != NULL ? " in location=\"" : "",
          self->active.location != NULL ? self->active.location : "",
          self->active.location != NULL ? "\"" : "", taught),
      (NULL));
  return FALSE;
}

static gboolean
teach (GstSimclrClassifier *self, const Frame *frame, GError **error)
{
  guint64 dropped = simclr_classifier_get_n_dropped (self->classifier), taught = 0;
  gboolean done = TRUE;

  for (guint row = 0; done && row < frame->rows; row++) {
    const gchar *label =
        frame->live.label != NULL ? frame->live.label : get_truth (self, frame->first + row);

    if (label == NULL)
      continue;
    done = simclr_classifier_teach (
        self->classifier, frame->floats + (gsize) row * frame->size, frame->size, &label, 1, error);
    taught += done;
  }
  if (taught > 0) {
    self->counts.taught += taught;
    self->unsaved = TRUE;
    _gst_simclr_classifier_labels_changed (self);
  }
  if (dropped == 0 && simclr_classifier_get_n_dropped (self->classifier) > 0)
    GST_WARNING_OBJECT (self, "max-bytes is reached: from now on some examples are forgotten");
  return done;
}

/* The labels of the highest scores, best first. */
static void
set_best (GstStructure *fields, const gchar *const *labels, const gfloat *scores, gsize n)
{
  GValue names = G_VALUE_INIT, numbers = G_VALUE_INIT;
  gsize best[MOST_LISTED], listed = 0;

  for (gsize i = 0; i < n; i++) {
    gsize at = listed;

    while (at > 0 && scores[i] > scores[best[at - 1]])
      at--;
    if (at == MOST_LISTED)
      continue;
    listed = MIN (listed + 1, MOST_LISTED);
    memmove (best + at + 1, best + at, (listed - at - 1) * sizeof (gsize));
    best[at] = i;
  }
  g_value_init (&names, GST_TYPE_ARRAY);
  g_value_init (&numbers, GST_TYPE_ARRAY);
  for (gsize i = 0; i < listed; i++) {
    gst_simclr_array_append_string (&names, labels[best[i]]);
    gst_simclr_array_append_double (&numbers, scores[best[i]]);
  }
  gst_structure_take_value (fields, "labels", &names);
  gst_structure_take_value (fields, "scores", &numbers);
}

/* When a row of a buffer is: rows share its duration. */
static GstClockTime
get_time (const Frame *frame, guint row)
{
  GstClockTime pts = GST_BUFFER_PTS (frame->buffer), duration = GST_BUFFER_DURATION (frame->buffer);

  if (!GST_CLOCK_TIME_IS_VALID (pts) || !GST_CLOCK_TIME_IS_VALID (duration))
    return pts;
  return pts + gst_util_uint64_scale_int (duration, (gint) row, (gint) frame->rows);
}

/* Novelty beyond the threshold is told once, and its end once it is well below. */
static GstStructure *
watch_novelty (
    GstSimclrClassifier *self, const Frame *frame, gdouble novelty, const GstStructure *fields)
{
  const GstSimclrClassifierLive *live = &frame->live;
  gboolean alarm =
      novelty > live->novelty_threshold * (self->alarm ? 1 - live->novelty_hysteresis : 1);
  guint64 number, time;

  if (live->novelty_threshold <= 0 || alarm == self->alarm)
    return NULL;
  self->alarm = alarm;
  gst_structure_get (
      fields, "frame", G_TYPE_UINT64, &number, "running-time", G_TYPE_UINT64, &time, NULL);
  return gst_structure_new ("simclr-novelty", "active", G_TYPE_BOOLEAN, alarm, "novelty",
      G_TYPE_DOUBLE, novelty, "threshold", G_TYPE_DOUBLE, live->novelty_threshold, "frame",
      G_TYPE_UINT64, number, "running-time", G_TYPE_UINT64, time, NULL);
}

static void
count (GstSimclrClassifier *self, const Frame *frame, guint row, const gchar *const *labels,
    const gfloat *scores, gsize n, gboolean known, gsize best, gdouble novelty)
{
  const gchar *truth = get_truth (self, frame->first + row);

  g_clear_pointer (&self->counts.label, g_free);
  self->counts.label = known ? g_strdup (labels[best]) : NULL;
  self->counts.confidence = scores[best];
  self->counts.novelty = novelty;
  self->counts.unknown += !known;
  if (truth != NULL) {
    simclr_confusion_add (self->evaluation, truth, labels, n, scores, n, NULL);
    self->evaluated = TRUE;
  }
}

/* scores (n + 1): those of the labels, then the novelty. Metas go onto the buffer, messages onto the
 * queue. */
static void
tell (GstSimclrClassifier *self, const Frame *frame, guint row, gfloat *scores, gsize n,
    GQueue *messages)
{
  const GstSimclrClassifierLive *live = &frame->live;
  const gchar *const *labels = _gst_simclr_classifier_get_labels (self);
  GstClockTime time = get_time (frame, row);
  GstStructure *fields, *alarm;
  const gchar *name;
  gdouble novelty;
  gboolean known;
  gsize best = 0;

  gst_simclr_smoothing_update (&self->smoothing, scores, n + 1, time, live->smoothing);
  novelty = scores[n];
  for (gsize i = 1; i < n; i++)
    best = scores[i] > scores[best] ? i : best;
  known = scores[best] >= live->confidence_threshold &&
          !(live->novelty_threshold > 0 && novelty > live->novelty_threshold);
  name = known ? labels[best] : "unknown";
  count (self, frame, row, labels, scores, n, known, best, novelty);

  fields = gst_structure_new ("simclr-classification", "label", G_TYPE_STRING, name, "known",
      G_TYPE_BOOLEAN, known, "confidence", G_TYPE_DOUBLE, (gdouble) scores[best], "novelty",
      G_TYPE_DOUBLE, novelty, "frame", G_TYPE_UINT64, frame->first + row, "row", G_TYPE_UINT, row,
      "running-time", G_TYPE_UINT64,
      gst_segment_to_running_time (&self->segment, GST_FORMAT_TIME, time), NULL);
  set_best (fields, labels, scores, n);
  gst_buffer_add_simclr_classification_meta (frame->buffer, fields);
  if (self->is_video && known && live->region_of_interest)
    gst_buffer_add_simclr_classification_region (frame->buffer, &self->info, name, scores[best]);

  alarm = watch_novelty (self, frame, novelty, fields);
  if (live->messages == GST_SIMCLR_CLASSIFIER_ON_FRAME ||
      (live->messages == GST_SIMCLR_CLASSIFIER_ON_CHANGE &&
          g_strcmp0 (self->told, known ? name : "") != 0)) {
    g_free (self->told);
    self->told = g_strdup (known ? name : "");
    g_queue_push_tail (messages, g_steal_pointer (&fields));
  }
  if (alarm != NULL)
    g_queue_push_tail (messages, alarm);
  g_clear_pointer (&fields, gst_structure_free);
}

static gboolean
classify (GstSimclrClassifier *self, const Frame *frame, GQueue *messages, GError **error)
{
  gsize floats = (gsize) frame->rows * frame->size, n_scores, n_novelty, n;
  g_autofree gfloat *scores = NULL, *novelty = NULL, *row_scores = NULL;

  scores = simclr_classifier_classify (self->classifier, frame->floats, floats, &n_scores, error);
  if (scores == NULL)
    return FALSE;
  if (frame->live.novelty_threshold > 0) {
    novelty =
        simclr_classifier_get_novelty (self->classifier, frame->floats, floats, &n_novelty, error);
    if (novelty == NULL)
      return FALSE;
  }
  n = n_scores / frame->rows;
  row_scores = g_new (gfloat, n + 1);
  for (guint row = 0; row < frame->rows; row++) {
    memcpy (row_scores, scores + row * n, n * sizeof (gfloat));
    row_scores[n] = novelty != NULL ? novelty[row] : 0;
    tell (self, frame, row, row_scores, n, messages);
  }
  return TRUE;
}

/* A linear layer has nothing to tell apart before there are two labels. */
static gboolean
can_classify (GstSimclrClassifier *self)
{
  SimclrClassifierMethod method;

  g_object_get (self->classifier, "method", &method, NULL);
  return simclr_classifier_get_n_labels (self->classifier) >=
         (method == SIMCLR_CLASSIFIER_METHOD_LINEAR ? 2 : 1);
}

static gboolean
handle_rows (GstSimclrClassifier *self, const Frame *frame)
{
  gboolean fits = self->active.mode == GST_SIMCLR_CLASSIFIER_FIT, done = TRUE;
  GQueue messages = G_QUEUE_INIT;
  g_autoptr (GError) error = NULL;
  GstStructure *fields;

  g_mutex_lock (&self->lock);
  self->counts.embeddings += frame->rows;
  if (frame->live.label != NULL || (fits && self->truth != NULL))
    done = teach (self, frame, &error);
  else if (can_classify (self))
    done = classify (self, frame, &messages, &error);
  g_mutex_unlock (&self->lock);

  while ((fields = g_queue_pop_head (&messages)) != NULL) {
    GST_LOG_OBJECT (self, "%" GST_PTR_FORMAT, fields);
    gst_simclr_post_element_message (GST_ELEMENT (self), fields);
  }
  if (!done)
    GST_ELEMENT_ERROR (self, STREAM, FAILED,
        ("Could not %s frame %" G_GUINT64_FORMAT ".",
            frame->live.label != NULL || fits ? "learn" : "classify", frame->first),
        ("%s", error->message));
  return done;
}

/* Rows of tensors are read from their memory, whoever made them; a frame's embedding is its meta. */
static gboolean
find_embeddings (GstSimclrClassifier *self, Frame *frame, GstMapInfo *map)
{
  if (self->is_video) {
    frame->floats = gst_buffer_get_simclr_embedding (frame->buffer, &frame->size, &frame->rows);
    frame->rows = MIN (frame->rows, 1);
    return TRUE;
  }
  frame->size = self->tensor_size;
  if (!gst_buffer_map (frame->buffer, map, GST_MAP_READ)) {
    GST_ELEMENT_ERROR (self, RESOURCE, READ, ("Could not read a tensor."), (NULL));
    return FALSE;
  }
  frame->rows = (guint) (map->size / sizeof (gfloat) / frame->size);
  frame->floats = (const gfloat *) map->data;
  if (map->size == (gsize) frame->rows * frame->size * sizeof (gfloat) &&
      frame->rows == self->tensor_rows)
    return TRUE;
  GST_ELEMENT_ERROR (self, STREAM, WRONG_TYPE,
      ("A tensor of %" G_GSIZE_FORMAT " bytes is not %u rows of %u floats.", map->size,
          self->tensor_rows, frame->size),
      (NULL));
  gst_buffer_unmap (frame->buffer, map);
  return FALSE;
}

static gboolean
handle (GstSimclrClassifier *self, Frame *frame)
{
  guint rows = self->is_video ? 1 : frame->rows;

  g_mutex_lock (&self->lock);
  frame->first = self->counts.frames;
  self->counts.frames += rows;
  g_mutex_unlock (&self->lock);
  if (!check_lines (self, frame->first + rows - 1))
    return FALSE;
  if (frame->floats == NULL || frame->rows == 0) {
    GST_LOG_OBJECT (self, "frame %" G_GUINT64_FORMAT " has no embedding", frame->first);
    return TRUE;
  }
  if (!check_size (self, frame->size))
    return FALSE;
  compare_origin (self, frame->buffer);
  return handle_rows (self, frame);
}

GstBuffer *
_gst_simclr_classifier_handle (GstSimclrClassifier *self, GstBuffer *buffer, GstFlowReturn *flow)
{
  Frame frame = {.buffer = gst_buffer_make_writable (buffer)};
  GstMapInfo map = GST_MAP_INFO_INIT;
  gboolean done = FALSE;

  if (find_embeddings (self, &frame, &map)) {
    take_live (self, &frame.live);
    done = handle (self, &frame);
    g_free (frame.live.label);
    if (!self->is_video)
      gst_buffer_unmap (frame.buffer, &map);
  }
  if (done)
    return frame.buffer;
  *flow = GST_FLOW_ERROR;
  gst_buffer_unref (frame.buffer);
  return NULL;
}
