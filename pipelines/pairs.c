/* simclr-pairs: draws positive pairs side by side, each view above the other.
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *   simclr-pairs [--pairs=N] [--zoom=N] OUT.png PIPELINE...
 *
 * PIPELINE is a description that ends in simclraugment: `filesrc location=... ! decodebin !
 * videoconvert ! simclraugment size=96`. Every frame that comes out of it becomes one column. */
#include <cairo.h>
#include <gst/app/gstappsink.h>
#include <gst/gst.h>
#include <gst/video/video.h>
#include <stdlib.h>

#define GAP 4 /* pixels between columns and around the sheet */

/* Copies one pair into its column of the sheet, made when the first pair says how large it is. */
static gboolean
draw_pair (cairo_surface_t **sheet, gint column, gint columns, gint zoom, GstSample *sample)
{
  GstBuffer *buffer = gst_sample_get_buffer (sample);
  GstVideoInfo info;
  GstVideoFrame frame;
  cairo_surface_t *pair;
  cairo_t *cr;
  gint width, height, parts;

  if (!gst_video_info_from_caps (&info, gst_sample_get_caps (sample)) ||
      !gst_video_frame_map (&frame, &info, buffer, GST_MAP_READ))
    return FALSE;
  width = GST_VIDEO_INFO_WIDTH (&info);
  height = GST_VIDEO_INFO_HEIGHT (&info);
  parts = height > 2 * width ? 3 : 2; /* the views, and what small crops lie below them */
  if (!*sheet)
    *sheet = cairo_image_surface_create (CAIRO_FORMAT_RGB24, columns * (zoom * width + GAP) + GAP,
        zoom * height + (parts + 1) * GAP);

  /* native-endian xRGB is what cairo calls RGB24 */
  pair = cairo_image_surface_create_for_data (GST_VIDEO_FRAME_PLANE_DATA (&frame, 0),
      CAIRO_FORMAT_RGB24, width, height, GST_VIDEO_FRAME_PLANE_STRIDE (&frame, 0));
  cr = cairo_create (*sheet);
  if (column == 0) {
    cairo_set_source_rgb (cr, 1, 1, 1);
    cairo_paint (cr);
  }
  for (gint part = 0; part < parts; part++) {
    gint x = GAP + column * (zoom * width + GAP), y = GAP + part * (zoom * width + GAP);

    cairo_save (cr);
    cairo_rectangle (cr, x, y, zoom * width, zoom * (part < 2 ? width : height - 2 * width));
    cairo_clip (cr);
    cairo_translate (cr, x, y);
    cairo_scale (cr, zoom, zoom);
    cairo_set_source_surface (cr, pair, 0, -part * width);
    cairo_pattern_set_filter (cairo_get_source (cr), CAIRO_FILTER_NEAREST);
    cairo_paint (cr);
    cairo_restore (cr);
  }
  cairo_destroy (cr);
  cairo_surface_destroy (pair);
  gst_video_frame_unmap (&frame);
  return TRUE;
}

static gboolean
report_error (GstElement *pipeline)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  g_autoptr (GError) error = NULL;
  g_autofree gchar *debug = NULL;

  if (!message)
    return FALSE;
  gst_message_parse_error (message, &error, &debug);
  g_printerr ("%s: %s\n%s\n", GST_MESSAGE_SRC_NAME (message), error->message, debug);
  return TRUE;
}

/* Returns how many pairs were drawn. */
static gint
draw_sheet (GstElement *pipeline, gint columns, gint zoom, cairo_surface_t **sheet)
{
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (pipeline), "pairs");
  gint column = 0;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while (column < columns) {
    g_autoptr (GstSample) sample = gst_app_sink_pull_sample (GST_APP_SINK (sink));

    if (!sample || !draw_pair (sheet, column, columns, zoom, sample))
      break;
    column++;
  }
  return column;
}

int
main (int argc, char **argv)
{
  gint columns = 8, zoom = 1, drawn;
  const GOptionEntry entries[] = {
      {"zoom", 0, 0, G_OPTION_ARG_INT, &zoom, "Times larger than the views are (1)", "N"},
      {"pairs", 0, 0, G_OPTION_ARG_INT, &columns, "Pairs on the sheet (8)", "N"},
      {NULL},
  };
  g_autoptr (GOptionContext) options = g_option_context_new ("OUT.png PIPELINE...");
  g_autoptr (GError) error = NULL;
  g_autofree gchar *words = NULL, *description = NULL;
  g_autoptr (GstElement) pipeline = NULL;
  cairo_surface_t *sheet = NULL;
  cairo_status_t status;

  g_option_context_set_summary (options, "Draws positive pairs side by side, each view above the "
                                         "other, as a PNG. PIPELINE ends in simclraugment; "
                                         "every frame that comes out of it becomes one column.");
  g_option_context_add_main_entries (options, entries, NULL);
  g_option_context_add_group (options, gst_init_get_option_group ());
  g_option_context_set_strict_posix (options, TRUE);
  if (!g_option_context_parse (options, &argc, &argv, &error)) {
    g_printerr ("%s\n", error->message);
    return EXIT_FAILURE;
  }
  if (argc < 3 || columns < 1 || columns > 64 || zoom < 1 || zoom > 16) {
    g_printerr (
        "%s needs OUT.png and a pipeline, 1 to 64 pairs and a zoom of 1 to 16; see --help\n",
        argv[0]);
    return EXIT_FAILURE;
  }
  words = g_strjoinv (" ", argv + 2);
  description = g_strdup_printf (
      "%s ! videoconvert ! video/x-raw,format=%s ! appsink name=pairs sync=false max-buffers=1",
      words, G_BYTE_ORDER == G_LITTLE_ENDIAN ? "BGRx" : "xRGB");
  pipeline = gst_parse_launch (description, &error);
  if (!pipeline || error) {
    g_printerr ("%s\n", error->message);
    return EXIT_FAILURE;
  }
  drawn = draw_sheet (pipeline, columns, zoom, &sheet);
  if (report_error (pipeline) || drawn == 0) {
    gst_element_set_state (pipeline, GST_STATE_NULL);
    g_printerr ("There is no pair to draw.\n");
    return EXIT_FAILURE;
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  status = cairo_surface_write_to_png (sheet, argv[1]);
  cairo_surface_destroy (sheet);
  if (status != CAIRO_STATUS_SUCCESS) {
    g_printerr ("Could not write \"%s\": %s\n", argv[1], cairo_status_to_string (status));
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
