/* How the views of a pair, and the small crops that may go with them, lie in one picture, and how caps say so.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrpairlayout.h"

#define SMALL_CROPS "small-crops"
#define SMALL_SIZE "small-size"

/* Crops side by side. */
static guint
count_columns (const GstSimclrPairLayout *layout)
{
  return MAX (1, layout->size / MAX (1, layout->crop_size));
}

guint
gst_simclr_pair_layout_get_height (const GstSimclrPairLayout *layout)
{
  const guint columns = count_columns (layout);

  return 2 * layout->size + (layout->crops + columns - 1) / columns * layout->crop_size;
}

void
gst_simclr_pair_layout_locate (const GstSimclrPairLayout *layout, guint crop, guint *x, guint *y)
{
  const guint columns = count_columns (layout);

  *x = crop % columns * layout->crop_size;
  *y = 2 * layout->size + crop / columns * layout->crop_size;
}

void
gst_simclr_pair_layout_describe (const GstSimclrPairLayout *layout, GstStructure *caps)
{
  gst_structure_set (caps, "width", G_TYPE_INT, (gint) layout->size, "height", G_TYPE_INT,
      (gint) gst_simclr_pair_layout_get_height (layout), NULL);
  /* "mono" keeps a picture with crops apart from a mere pair, whatever caps are intersected */
  gst_structure_set (
      caps, "multiview-mode", G_TYPE_STRING, layout->crops > 0 ? "mono" : "top-bottom", NULL);
  if (layout->crops > 0)
    gst_structure_set (caps, SMALL_CROPS, G_TYPE_INT, (gint) layout->crops, SMALL_SIZE, G_TYPE_INT,
        (gint) layout->crop_size, NULL);
}

gboolean
gst_simclr_pair_layout_parse (const GstCaps *caps, GstSimclrPairLayout *layout)
{
  const GstStructure *structure = gst_caps_get_structure (caps, 0);
  gint width, height, crops = 0, crop_size = 0;

  if (g_strcmp0 (gst_structure_get_string (structure, "format"), "RGB") != 0 ||
      !gst_structure_get (
          structure, "width", G_TYPE_INT, &width, "height", G_TYPE_INT, &height, NULL) ||
      width < 1)
    return FALSE;
  if (gst_structure_has_field (structure, SMALL_CROPS)) {
    if (!gst_structure_get (
            structure, SMALL_CROPS, G_TYPE_INT, &crops, SMALL_SIZE, G_TYPE_INT, &crop_size, NULL) ||
        crops < 1 || crops > GST_SIMCLR_PAIR_MAX_CROPS || crop_size < 1 || crop_size > width)
      return FALSE;
  } else if (g_strcmp0 (gst_structure_get_string (structure, "multiview-mode"), "top-bottom") !=
             0) {
    return FALSE;
  }
  *layout = (GstSimclrPairLayout){(guint) width, (guint) crops, (guint) crop_size};
  return (guint) height == gst_simclr_pair_layout_get_height (layout);
}
