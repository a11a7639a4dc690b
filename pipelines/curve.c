/* simclr-curve: draws the loss of a training run.
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *   simclr-curve STATISTICS OUT.png
 *
 * STATISTICS holds one JSON object a line with the fields step and loss, as simclr-watch writes. */
#include <cairo.h>
#include <json-glib/json-glib.h>
#include <math.h>
#include <stdlib.h>

#define WIDTH 800
#define HEIGHT 480
#define LEFT 70
#define RIGHT 30
#define TOP 40
#define BOTTOM 50

typedef struct
{
  gdouble step;
  gdouble loss;
} Point;

static GArray *
points_read (const gchar *path, GError **error)
{
  g_autofree gchar *text = NULL;
  g_auto (GStrv) lines = NULL;
  g_autoptr (GArray) points = g_array_new (FALSE, FALSE, sizeof (Point));

  if (!g_file_get_contents (path, &text, NULL, error))
    return NULL;
  lines = g_strsplit (text, "\n", -1);
  for (guint k = 0; lines[k]; k++) {
    g_autoptr (JsonNode) node = *lines[k] ? json_from_string (lines[k], error) : NULL;
    JsonObject *object;
    Point point;

    if (!*lines[k])
      continue;
    if (!node) {
      g_prefix_error (error, "%s, line %u: ", path, k + 1);
      return NULL;
    }
    object = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
    if (!object || !json_object_has_member (object, "step") ||
        !json_object_has_member (object, "loss"))
      continue; /* a skipped step has no loss */
    point.step = json_object_get_double_member (object, "step");
    point.loss = json_object_get_double_member (object, "loss");
    g_array_append_val (points, point);
  }
  if (points->len < 2) {
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
        "%s: a curve needs two steps with a loss, there are %u", path, points->len);
    return NULL;
  }
  return g_steal_pointer (&points);
}

/* A round number near range / 6. */
static gdouble
tick_distance (gdouble range)
{
  gdouble rough = range / 6, power = pow (10, floor (log10 (rough)));

  return power * (rough < 2 * power ? 2 : rough < 5 * power ? 5 : 10);
}

static void
draw_text (cairo_t *cr, gdouble x, gdouble y, gdouble align, const gchar *text)
{
  cairo_text_extents_t extents;

  cairo_text_extents (cr, text, &extents);
  cairo_move_to (cr, x - align * extents.width, y);
  cairo_show_text (cr, text);
}

static void
draw_axes (cairo_t *cr, gdouble last, gdouble low, gdouble high)
{
  gdouble distance = tick_distance (high - low);

  cairo_set_font_size (cr, 14);
  cairo_set_line_width (cr, 1);
  for (gdouble loss = ceil (low / distance) * distance; loss <= high; loss += distance) {
    gdouble y = TOP + (high - loss) / (high - low) * (HEIGHT - TOP - BOTTOM);
    g_autofree gchar *text = g_strdup_printf ("%g", round (loss * 1000) / 1000);

    cairo_set_source_rgb (cr, 0.85, 0.85, 0.85);
    cairo_move_to (cr, LEFT, y);
    cairo_line_to (cr, WIDTH - RIGHT, y);
    cairo_stroke (cr);
    cairo_set_source_rgb (cr, 0.2, 0.2, 0.2);
    draw_text (cr, LEFT - 10, y + 5, 1, text);
  }
  distance = tick_distance (last);
  for (gdouble step = 0; step <= last; step += distance) {
    g_autofree gchar *text = g_strdup_printf ("%g", step);

    draw_text (cr, LEFT + step / last * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM + 20, 0.5, text);
  }
  draw_text (cr, (WIDTH + LEFT) / 2, HEIGHT - 8, 0.5, "step");
  draw_text (cr, LEFT, TOP - 16, 0, "contrastive loss (lower is better), each step and their mean");
}

/* The points themselves, or for weight < 1 their exponential mean without start-up bias. */
static void
draw_curve (cairo_t *cr, const GArray *points, gdouble weight, gdouble low, gdouble high)
{
  gdouble last = g_array_index (points, Point, points->len - 1).step, sum = 0, weights = 0;

  cairo_new_path (cr);
  for (guint k = 0; k < points->len; k++) {
    const Point *point = &g_array_index (points, Point, k);

    sum = (1 - weight) * sum + weight * point->loss;
    weights = (1 - weight) * weights + weight;
    cairo_line_to (cr, LEFT + point->step / last * (WIDTH - LEFT - RIGHT),
        TOP + (high - sum / weights) / (high - low) * (HEIGHT - TOP - BOTTOM));
  }
  cairo_stroke (cr);
}

static gboolean
draw (const GArray *points, const gchar *path, GError **error)
{
  cairo_surface_t *surface = cairo_image_surface_create (CAIRO_FORMAT_RGB24, WIDTH, HEIGHT);
  cairo_t *cr = cairo_create (surface);
  gdouble low = G_MAXDOUBLE, high = -G_MAXDOUBLE, margin;
  cairo_status_t status;

  for (guint k = 0; k < points->len; k++) {
    low = MIN (low, g_array_index (points, Point, k).loss);
    high = MAX (high, g_array_index (points, Point, k).loss);
  }
  margin = MAX (0.05 * (high - low), 1e-3);
  low -= margin;
  high += margin;

  cairo_set_source_rgb (cr, 1, 1, 1);
  cairo_paint (cr);
  draw_axes (cr, g_array_index (points, Point, points->len - 1).step, low, high);
  cairo_set_source_rgb (cr, 0.65, 0.78, 0.93);
  draw_curve (cr, points, 1, low, high);
  cairo_set_source_rgb (cr, 0.05, 0.3, 0.65);
  cairo_set_line_width (cr, 2.5);
  draw_curve (cr, points, 0.1, low, high);

  status = cairo_surface_write_to_png (surface, path);
  cairo_destroy (cr);
  cairo_surface_destroy (surface);
  if (status != CAIRO_STATUS_SUCCESS)
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "Could not write \"%s\": %s", path,
        cairo_status_to_string (status));
  return status == CAIRO_STATUS_SUCCESS;
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) options = g_option_context_new ("STATISTICS OUT.png");
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) points = NULL;

  g_option_context_set_summary (options, "Draws the loss of a training run as a PNG. STATISTICS "
                                         "holds one JSON object a line, with the fields step "
                                         "and loss, as simclr-watch --statistics writes them.");
  if (!g_option_context_parse (options, &argc, &argv, &error)) {
    g_printerr ("%s\n", error->message);
    return EXIT_FAILURE;
  }
  if (argc != 3) {
    g_printerr ("%s needs a file of statistics and the name of the picture; see --help\n",
        g_get_prgname ());
    return EXIT_FAILURE;
  }
  points = points_read (argv[1], &error);
  if (!points || !draw (points, argv[2], &error)) {
    g_printerr ("%s\n", error->message);
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
