/* The meta SimclrPair: a GstCustomMeta whose fields tell how a positive pair was made.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrpairmeta.h"

#include "gstsimclrneighbourmeta.h"

/* Fields of each view, in the order of set_view(); on the meta they are called view1-...,
 * view2-... and, for small crops, view3-... and so on. Quarks, because a structure is filled for every frame. */
static const gchar *const view_fields[] = {
    "crop-x",
    "crop-y",
    "crop-width",
    "crop-height",
    "flip",
    "jitter",
    "brightness",
    "contrast",
    "saturation",
    "hue",
    "order",
    "grayscale",
    "blur",
    "sigma",
    "solarize",
    "solarize-threshold",
    "pts",
    "running-time",
};

static const gchar *const pair_fields[] = {
    "seed", "pair", "size", "interpolation", "frame-width", "frame-height"};

#define MAX_VIEWS (2 + GST_SIMCLR_PAIR_MAX_CROPS)

static GQuark view_quarks[MAX_VIEWS][G_N_ELEMENTS (view_fields)];
static GQuark pair_quarks[G_N_ELEMENTS (pair_fields)];

void
gst_simclr_pair_meta_register (void)
{
  static gsize once = 0;
  const gchar *no_tags[] = {NULL};

  if (!g_once_init_enter (&once))
    return;
  for (guint view = 0; view < MAX_VIEWS; view++)
    for (guint i = 0; i < G_N_ELEMENTS (view_fields); i++) {
      g_autofree gchar *name = g_strdup_printf ("view%u-%s", view + 1, view_fields[i]);

      view_quarks[view][i] = g_quark_from_string (name);
    }
  for (guint i = 0; i < G_N_ELEMENTS (pair_fields); i++)
    pair_quarks[i] = g_quark_from_static_string (pair_fields[i]);
  /* no tags and no transform function: copied with the buffer, whatever is done to it */
  gst_meta_register_custom (GST_SIMCLR_PAIR_META_NAME, no_tags, NULL, NULL, NULL);
  g_once_init_leave (&once, 1);
}

static gint64
to_signed (GstClockTime time)
{
  return time <= G_MAXINT64 ? (gint64) time : -1; /* GST_CLOCK_TIME_NONE is above */
}

void
gst_simclr_pair_get_times (GstBuffer *buffer, gint64 times[2])
{
  GstCustomMeta *meta = gst_buffer_get_custom_meta (buffer, GST_SIMCLR_PAIR_META_NAME);
  GstClockTime original = gst_simclr_get_original_time (buffer), views[2];

  times[0] = times[1] =
      to_signed (GST_CLOCK_TIME_IS_VALID (original) ? original : GST_BUFFER_PTS (buffer));
  if (meta == NULL ||
      !gst_structure_id_get (gst_custom_meta_get_structure (meta),
          g_quark_from_static_string ("view1-running-time"), G_TYPE_UINT64, &views[0],
          g_quark_from_static_string ("view2-running-time"), G_TYPE_UINT64, &views[1], NULL))
    return;
  if (!GST_CLOCK_TIME_IS_VALID (original))
    times[0] = to_signed (views[0]);
  times[1] = times[0];
  if (times[0] >= 0 && GST_CLOCK_TIME_IS_VALID (views[0]) && GST_CLOCK_TIME_IS_VALID (views[1]))
    times[1] = MAX (0, times[0] + (gint64) (views[1] - views[0]));
}

static void
set_view (GstStructure *fields, const GQuark *name, const GstSimclrPairView *view)
{
  const SimclrDraw *draw = &view->draw;
  gchar order[5] = {0};

  for (guint i = 0; i < 4; i++)
    order[i] = (gchar) ('0' + draw->order[i]);
  gst_structure_id_set (fields, name[0], G_TYPE_UINT, draw->crop_x, name[1], G_TYPE_UINT,
      draw->crop_y, name[2], G_TYPE_UINT, draw->crop_width, name[3], G_TYPE_UINT, draw->crop_height,
      name[4], G_TYPE_BOOLEAN, draw->flip, name[5], G_TYPE_BOOLEAN, draw->jitter, name[6],
      G_TYPE_DOUBLE, draw->brightness, name[7], G_TYPE_DOUBLE, draw->contrast, name[8],
      G_TYPE_DOUBLE, draw->saturation, name[9], G_TYPE_DOUBLE, draw->hue, name[10], G_TYPE_STRING,
      order, name[11], G_TYPE_BOOLEAN, draw->grayscale, name[12], G_TYPE_BOOLEAN, draw->blur,
      name[13], G_TYPE_DOUBLE, draw->sigma, name[14], G_TYPE_BOOLEAN, draw->solarize, name[15],
      G_TYPE_DOUBLE, draw->solarize_threshold, name[16], G_TYPE_UINT64, view->pts, name[17],
      G_TYPE_UINT64, view->running_time, NULL);
}

void
gst_simclr_pair_meta_add (GstBuffer *buffer, const GstSimclrPair *pair)
{
  GstCustomMeta *meta = gst_buffer_add_custom_meta (buffer, GST_SIMCLR_PAIR_META_NAME);
  GstStructure *fields = gst_custom_meta_get_structure (meta);
  const SimclrDraw *draw = &pair->views[0].draw;
  const GQuark *name = pair_quarks;

  gst_structure_id_set (fields, name[0], G_TYPE_UINT64, draw->seed, name[1], G_TYPE_UINT64,
      draw->pair, name[2], G_TYPE_UINT, pair->layout.size, name[3], G_TYPE_STRING,
      pair->interpolation, name[4], G_TYPE_UINT, pair->frame_width, name[5], G_TYPE_UINT,
      pair->frame_height, NULL);
  if (pair->layout.crops > 0)
    gst_structure_set (fields, "small-size", G_TYPE_UINT, pair->layout.crop_size, NULL);
  for (guint view = 0; view < 2 + pair->layout.crops; view++)
    set_view (fields, view_quarks[view], &pair->views[view]);
}
