/* What simclrindex answers while it runs.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrindex-private.h"

#include "gstsimclrmessages.h"

#define GST_CAT_DEFAULT gst_simclr_index_debug

typedef struct
{
  GBytes *embedding;
  gboolean is_newest; /* of a frame at: */
  gint64 time;
  const gchar *stream;
  gint64 begin, end;
  guint matches;
  guint64 apart;
} Query;

static void
append_int64 (GValue *array, gint64 number)
{
  g_auto (GValue) value = G_VALUE_INIT;

  g_value_init (&value, G_TYPE_INT64);
  g_value_set_int64 (&value, number);
  gst_value_array_append_value (array, &value);
}

static void
set_matches (GstStructure *fields, GPtrArray *matches)
{
  static const gchar *names[] = {"numbers", "times", "similarities", "streams", "sources"};
  GValue arrays[5] = {G_VALUE_INIT, G_VALUE_INIT, G_VALUE_INIT, G_VALUE_INIT, G_VALUE_INIT};

  for (guint i = 0; i < G_N_ELEMENTS (arrays); i++)
    g_value_init (&arrays[i], GST_TYPE_ARRAY);
  for (guint i = 0; i < matches->len; i++) {
    const SimclrMatch *match = g_ptr_array_index (matches, i);

    gst_simclr_array_append_uint64 (&arrays[0], match->number);
    append_int64 (&arrays[1], match->time);
    gst_simclr_array_append_double (&arrays[2], match->similarity);
    gst_simclr_array_append_string (&arrays[3], match->stream);
    gst_simclr_array_append_string (&arrays[4], match->source);
  }
  for (guint i = 0; i < G_N_ELEMENTS (arrays); i++)
    gst_structure_take_value (fields, names[i], &arrays[i]);
}

/* Fields of another type than the documented are as if they were not there. */
static void
read_query (GstSimclrIndex *self, const GstStructure *fields, Query *query)
{
  const GValue *embedding = fields != NULL ? gst_structure_get_value (fields, "embedding") : NULL;

  *query = (Query){.begin = G_MININT64, .end = G_MAXINT64};
  GST_OBJECT_LOCK (self);
  query->matches = self->settings.matches;
  query->apart = self->settings.apart;
  if (embedding != NULL && G_VALUE_HOLDS (embedding, G_TYPE_BYTES))
    query->embedding = g_value_dup_boxed (embedding);
  else if (self->newest != NULL) {
    query->embedding = g_bytes_ref (self->newest);
    query->is_newest = TRUE;
    query->time = self->newest_time;
  }
  GST_OBJECT_UNLOCK (self);
  if (fields == NULL)
    return;
  query->stream = gst_structure_get_string (fields, "stream");
  gst_structure_get_int64 (fields, "begin", &query->begin);
  gst_structure_get_int64 (fields, "end", &query->end);
  gst_structure_get_uint (fields, "matches", &query->matches);
  gst_structure_get_uint64 (fields, "apart", &query->apart);
}

GstStructure *
_gst_simclr_index_search (GstSimclrIndex *self, const GstStructure *fields)
{
  g_autoptr (SimclrIndex) index = _gst_simclr_index_get (self);
  g_autoptr (GPtrArray) matches = NULL;
  g_autoptr (GError) error = NULL;
  GstStructure *answer = gst_structure_new_empty ("simclr-search");
  Query query;

  read_query (self, fields, &query);
  if (index == NULL || query.embedding == NULL) {
    gst_structure_set (answer, "error", G_TYPE_STRING,
        index == NULL ? "simclrindex is not running" : "no frame with an embedding has come yet",
        NULL);
  } else {
    gsize bytes;
    gconstpointer floats = g_bytes_get_data (query.embedding, &bytes);

    /* memory of others may be anywhere */
    g_autofree gfloat *aligned = g_memdup2 (floats, bytes);

    matches = simclr_index_search (index, aligned, bytes / sizeof (gfloat), query.matches,
        query.stream, query.begin, query.end, query.apart, &error);
    if (query.is_newest)
      gst_structure_set (answer, "time", G_TYPE_INT64, query.time, NULL);
    if (matches != NULL)
      set_matches (answer, matches);
    else
      gst_structure_set (answer, "error", G_TYPE_STRING, error->message, NULL);
  }
  g_clear_pointer (&query.embedding, g_bytes_unref);
  GST_INFO_OBJECT (self, "%" GST_PTR_FORMAT, answer);
  gst_simclr_post_element_message (GST_ELEMENT (self), gst_structure_copy (answer));
  return answer;
}
