/* simclr-search: finds the moments of an index that look most like a picture, or like a moment in it.
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *   simclr-search [--encoder=FILE] INDEX PICTURE
 *   simclr-search --at=TIME [--stream=NAME] INDEX
 *
 * INDEX is a folder that simclrindex fills or has filled; this may be asked while it does:
 *
 *   gst-launch-1.0 filesrc location=clip.webm ! decodebin ! videoconvert !
 *     simclrencoder location=FILE ! simclrindex location=INDEX stream=clip ! fakesink
 *
 * (for each video of a folder once; numbered pictures by `multifilesrc location=%03d.png
 * caps=image/png,framerate=1/1 ! pngdec`). PICTURE is anything that GStreamer decodes, of a video the first frame; FILE
 * are the weights that filled the index. TIME is [[hours:]minutes:]seconds, or, where the index has the time of
 * day, as in 2026-05-01T12:30:00. The moments are printed, most similar first, and drawn. */
#include "sheet.h"

#include <gst/app/gstappsink.h>
#include <gst/video/video.h>
#include <json-glib/json-glib.h>
#include <math.h>
#include <simclr/simclr.h>
#include <stdlib.h>
#include <string.h>

/* What cairo calls RGB24, in GStreamer's words. */
#if G_BYTE_ORDER == G_LITTLE_ENDIAN
#define CAIRO_RGB24 "BGRx"
#else
#define CAIRO_RGB24 "xRGB"
#endif

#define SECOND G_GINT64_CONSTANT (1000000000)
/* From here on a time is one since 1970, not a position in a stream. */
#define TIME_OF_DAY (10 * 365 * 86400 * SECOND)

typedef struct
{
  gchar *encoder, *at, *stream, *from, *to, *within, *sheet;
  gint matches;
  gdouble apart;
  gboolean json;
} Options;

/* What is searched for. */
typedef struct
{
  gfloat *embedding;
  gsize floats;
  SheetCell cell;
  guint64 number; /* of the entry that it is */
  gboolean is_entry;
} Question;

static gboolean fail (GError **error, const gchar *format, ...) G_GNUC_PRINTF (2, 3);

static gboolean
fail (GError **error, const gchar *format, ...)
{
  g_autofree gchar *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error_literal (error, SIMCLR_ERROR, SIMCLR_ERROR_VALUE, text);
  return FALSE;
}

static gboolean
parse_time (const gchar *text, gint64 *time, GError **error)
{
  g_autoptr (GTimeZone) utc = g_time_zone_new_utc ();
  g_autoptr (GDateTime) date = g_date_time_new_from_iso8601 (text, utc);
  g_auto (GStrv) parts = g_strsplit (text, ":", -1);
  gdouble seconds = 0;
  guint i;

  if (date != NULL) {
    *time = (g_date_time_to_unix (date) * 1000000 + g_date_time_get_microsecond (date)) * 1000;
    return TRUE;
  }
  for (i = 0; parts[i] != NULL; i++) {
    gchar *end;
    gdouble part = g_ascii_strtod (parts[i], &end);

    if (end == parts[i] || *end != '\0' || !(part >= 0 && part < 1e9))
      break;
    seconds = seconds * 60 + part;
  }
  if (i == 0 || i > 3 || parts[i] != NULL || seconds > 1e9)
    return fail (error, "\"%s\" is no time like 0:12:03.5", text);
  *time = (gint64) (seconds * 1e9 + 0.5);
  return TRUE;
}

static gchar *
format_time (gint64 time)
{
  gint64 tenths = time / (SECOND / 10);

  if (time >= TIME_OF_DAY) {
    g_autoptr (GDateTime) date = g_date_time_new_from_unix_utc (time / SECOND);

    return g_date_time_format (date, "%Y-%m-%d %H:%M:%S");
  }
  return g_strdup_printf ("%" G_GINT64_FORMAT ":%02d:%02d.%d", tenths / 36000,
      (gint) (tenths / 600 % 60), (gint) (tenths / 10 % 60), (gint) (tenths % 10));
}

/* Until the first frame has come, or cannot come. */
static GstSample *
pull_first (GstElement *pipeline, GstElement *sink, const gchar *path, GError **error)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) message = NULL;
  g_autoptr (GError) reason = NULL;
  g_autofree gchar *debug = NULL;
  GstSample *sample;

  gst_element_set_state (pipeline, GST_STATE_PAUSED);
  message = gst_bus_timed_pop_filtered (
      bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_ASYNC_DONE | GST_MESSAGE_ERROR);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    gst_message_parse_error (message, &reason, &debug);
    fail (error, "\"%s\": %s (%s)", path, reason->message, debug != NULL ? debug : "");
    return NULL;
  }
  sample = gst_app_sink_pull_preroll (GST_APP_SINK (sink));
  if (sample == NULL)
    fail (error, "\"%s\" shows no picture", path);
  return sample;
}

static cairo_surface_t *
copy_frame (GstSample *sample)
{
  GstVideoInfo info;
  GstVideoFrame frame;
  cairo_surface_t *copy;
  guint8 *to;

  if (!gst_video_info_from_caps (&info, gst_sample_get_caps (sample)) ||
      !gst_video_frame_map (&frame, &info, gst_sample_get_buffer (sample), GST_MAP_READ))
    return NULL;
  copy = cairo_image_surface_create (
      CAIRO_FORMAT_RGB24, GST_VIDEO_INFO_WIDTH (&info), GST_VIDEO_INFO_HEIGHT (&info));
  to = cairo_image_surface_get_data (copy);
  for (gint y = 0; to != NULL && y < GST_VIDEO_INFO_HEIGHT (&info); y++)
    memcpy (to + (gsize) y * (gsize) cairo_image_surface_get_stride (copy),
        (guint8 *) GST_VIDEO_FRAME_PLANE_DATA (&frame, 0) +
            (gssize) y * GST_VIDEO_FRAME_PLANE_STRIDE (&frame, 0),
        4 * (gsize) GST_VIDEO_INFO_WIDTH (&info));
  cairo_surface_mark_dirty (copy);
  gst_video_frame_unmap (&frame);
  return copy;
}

/* The meta SimclrEmbedding, read by name as any application may. */
static gboolean
copy_embedding (GstSample *sample, Question *question)
{
  GstCustomMeta *meta =
      gst_buffer_get_custom_meta (gst_sample_get_buffer (sample), "SimclrEmbedding");
  g_autoptr (GBytes) floats = NULL;

  if (meta == NULL || !gst_structure_get (gst_custom_meta_get_structure (meta), "embedding",
                          G_TYPE_BYTES, &floats, NULL))
    return FALSE;
  question->floats = g_bytes_get_size (floats) / sizeof (gfloat);
  question->embedding =
      g_memdup2 (g_bytes_get_data (floats, NULL), question->floats * sizeof (gfloat));
  return TRUE;
}

static gboolean
embed_picture (const gchar *path, const gchar *encoder, Question *question, GError **error)
{
  g_autoptr (GstElement) pipeline = NULL, source = NULL, embedder = NULL, sink = NULL;
  g_autoptr (GstSample) sample = NULL;
  gboolean done;

  if (encoder == NULL)
    return fail (error, "--encoder=FILE must name the weights that the index was made with");
  pipeline = gst_parse_launch ("filesrc name=source ! decodebin ! videoconvert ! "
                               "simclrencoder name=encoder ! video/x-raw ! videoconvert ! "
                               "video/x-raw,format=" CAIRO_RGB24 " ! "
                               "appsink name=sink sync=false max-buffers=1",
      error);
  if (pipeline == NULL)
    return FALSE;
  source = gst_bin_get_by_name (GST_BIN (pipeline), "source");
  embedder = gst_bin_get_by_name (GST_BIN (pipeline), "encoder");
  sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  g_object_set (source, "location", path, NULL);
  g_object_set (embedder, "location", encoder, NULL);
  sample = pull_first (pipeline, sink, path, error);
  done = sample != NULL &&
         (copy_embedding (sample, question) || fail (error, "\"%s\" got no embedding", path));
  if (done) {
    g_autofree gchar *name = g_path_get_basename (path);

    question->cell.picture = copy_frame (sample);
    question->cell.caption = g_strdup_printf ("%s\nsearched for", name);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return done;
}

static gboolean
find_moment (SimclrIndex *index, const Options *options, Question *question, GError **error)
{
  g_autoptr (SimclrMatch) match = NULL;
  g_autofree gchar *when = NULL;
  gint64 time;

  if (!parse_time (options->at, &time, error))
    return FALSE;
  match = simclr_index_find (index, time, options->stream, error);
  if (match == NULL)
    return FALSE;
  question->embedding = simclr_index_get_embedding (index, match->number, &question->floats, error);
  question->number = match->number;
  question->is_entry = TRUE;
  when = format_time (match->time);
  question->cell.picture =
      sheet_picture_new (match->thumbnail, match->thumbnail_width, match->thumbnail_height);
  question->cell.caption = g_strdup_printf (
      "%s%s%s\nsearched for", match->stream, *match->stream != '\0' ? " " : "", when);
  return question->embedding != NULL;
}

/* A moment is not an answer to itself. */
static GPtrArray *
search (SimclrIndex *index, const Options *options, const Question *question, GError **error)
{
  gint64 begin = G_MININT64, end = G_MAXINT64;
  guint wanted = (guint) options->matches;
  GPtrArray *matches;

  if ((options->from != NULL && !parse_time (options->from, &begin, error)) ||
      (options->to != NULL && !parse_time (options->to, &end, error)))
    return NULL;
  matches = simclr_index_search (index, question->embedding, question->floats,
      wanted + question->is_entry, options->within, begin, end, (guint64) (options->apart * 1e9),
      error);
  for (guint i = 0; matches != NULL && question->is_entry && i < matches->len; i++) {
    if (((SimclrMatch *) g_ptr_array_index (matches, i))->number == question->number) {
      g_ptr_array_remove_index (matches, i);
      break;
    }
  }
  if (matches != NULL && matches->len > wanted)
    g_ptr_array_set_size (matches, (gint) wanted);
  return matches;
}

static gboolean
draw (const Question *question, GPtrArray *matches, const gchar *path, GError **error)
{
  g_autofree SheetCell *cells = g_new0 (SheetCell, matches->len + 1);
  gboolean written;

  cells[0] = question->cell;
  for (guint i = 0; i < matches->len; i++) {
    const SimclrMatch *match = g_ptr_array_index (matches, i);
    g_autofree gchar *when = format_time (match->time);

    cells[i + 1].picture =
        sheet_picture_new (match->thumbnail, match->thumbnail_width, match->thumbnail_height);
    cells[i + 1].caption =
        g_strdup_printf ("%s\n%s   %.3f", match->stream, when, match->similarity);
  }
  written = sheet_write (cells, matches->len + 1, path, error);
  for (guint i = 1; i <= matches->len; i++)
    sheet_cell_clear (&cells[i]);
  return written;
}

static void
print_text (GPtrArray *matches)
{
  for (guint i = 0; i < matches->len; i++) {
    const SimclrMatch *match = g_ptr_array_index (matches, i);
    g_autofree gchar *when = format_time (match->time);

    g_print ("%.3f  %s  %s%s%s\n", match->similarity, when, match->stream,
        *match->stream != '\0' ? "  " : "", match->source);
  }
}

static void
print_json (GPtrArray *matches)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autofree gchar *text = NULL;

  json_builder_begin_array (builder);
  for (guint i = 0; i < matches->len; i++) {
    const SimclrMatch *match = g_ptr_array_index (matches, i);

    json_builder_begin_object (builder);
    json_builder_set_member_name (builder, "number");
    json_builder_add_int_value (builder, (gint64) match->number);
    json_builder_set_member_name (builder, "time");
    json_builder_add_int_value (builder, match->time);
    json_builder_set_member_name (builder, "similarity");
    json_builder_add_double_value (builder, match->similarity);
    json_builder_set_member_name (builder, "stream");
    json_builder_add_string_value (builder, match->stream);
    json_builder_set_member_name (builder, "source");
    json_builder_add_string_value (builder, match->source);
    json_builder_end_object (builder);
  }
  json_builder_end_array (builder);
  root = json_builder_get_root (builder);
  text = json_to_string (root, FALSE);
  g_print ("%s\n", text);
}

static gboolean
run (const Options *options, gchar **words, gint n_words, GError **error)
{
  g_autoptr (SimclrIndex) index = NULL;
  g_autoptr (GPtrArray) matches = NULL;
  Question question = {0};
  gboolean done;

  if (n_words != (options->at != NULL ? 1 : 2))
    return fail (error, "needed are an index and either a picture or --at=TIME; see --help");
  if (options->matches < 1 || options->matches > 1000 ||
      !(options->apart >= 0 && options->apart <= 1e9))
    return fail (error, "--matches is 1 to 1000, --apart 0 seconds or more");
  index = simclr_index_open_readonly (words[0], error);
  if (index == NULL)
    return FALSE;
  done = options->at != NULL ? find_moment (index, options, &question, error)
                             : embed_picture (words[1], options->encoder, &question, error);
  matches = done ? search (index, options, &question, error) : NULL;
  done = matches != NULL;
  if (done && options->json)
    print_json (matches);
  else if (done)
    print_text (matches);
  if (done && *options->sheet != '\0')
    done = draw (&question, matches, options->sheet, error);
  sheet_cell_clear (&question.cell);
  g_free (question.embedding);
  return done;
}

int
main (int argc, char **argv)
{
  Options o = {.matches = 10, .apart = 10};
  const GOptionEntry entries[] = {
      {"encoder", 0, 0, G_OPTION_ARG_FILENAME, &o.encoder,
          "Weights that the index was made with, for a picture", "FILE"},
      {"at", 0, 0, G_OPTION_ARG_STRING, &o.at, "Search for what is seen then, instead of a picture",
          "TIME"},
      {"stream", 0, 0, G_OPTION_ARG_STRING, &o.stream, "Of which stream (any)", "NAME"},
      {"in", 0, 0, G_OPTION_ARG_STRING, &o.within, "Only moments of this stream", "NAME"},
      {"from", 0, 0, G_OPTION_ARG_STRING, &o.from, "Only moments from then on", "TIME"},
      {"to", 0, 0, G_OPTION_ARG_STRING, &o.to, "Only moments until then", "TIME"},
      {"matches", 0, 0, G_OPTION_ARG_INT, &o.matches, "Moments at most (10)", "N"},
      {"apart", 0, 0, G_OPTION_ARG_DOUBLE, &o.apart,
          "Seconds between two moments of a stream at least (10)", "S"},
      {"sheet", 0, 0, G_OPTION_ARG_FILENAME, &o.sheet,
          "PNG file of thumbnails to write (search.png); empty: none", "FILE"},
      {"json", 0, 0, G_OPTION_ARG_NONE, &o.json, "Print a JSON array; times are nanoseconds", NULL},
      {NULL},
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("INDEX [PICTURE]");
  g_autoptr (GError) error = NULL;
  gboolean done;

  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_add_group (context, gst_init_get_option_group ());
  if (g_option_context_parse (context, &argc, &argv, &error)) {
    if (o.sheet == NULL)
      o.sheet = g_strdup ("search.png");
    done = run (&o, argv + 1, argc - 1, &error);
  } else {
    done = FALSE;
  }
  if (!done)
    g_printerr ("%s\n", error->message);
  g_free (o.encoder);
  g_free (o.at);
  g_free (o.stream);
  g_free (o.within);
  g_free (o.from);
  g_free (o.to);
  g_free (o.sheet);
  return done ? EXIT_SUCCESS : EXIT_FAILURE;
}
