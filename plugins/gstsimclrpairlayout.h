/* How the views of a pair, and the small crops that may go with them, lie in one picture, and how caps say so.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_SIMCLR_PAIR_MAX_CROPS 16

/* View 1 lies above view 2; below them the small crops fill rows from left to right. What is left of the last
 * row, and of rows that crops do not fill, is black. */
typedef struct
{
  guint size;      /* of a view: width and height */
  guint crops;     /* 0: a pair alone */
  guint crop_size; /* at most size; means nothing without crops */
} GstSimclrPairLayout;

/* Caps of a pair alone: RGB, twice as high as wide, multiview-mode=top-bottom. With small crops: RGB, multiview-mode=mono,
 * small-crops and small-size. FALSE: these caps are no pair. */
gboolean gst_simclr_pair_layout_parse (const GstCaps *caps, GstSimclrPairLayout *layout);
/* Sets width, height and what else tells the layout. */
void gst_simclr_pair_layout_describe (const GstSimclrPairLayout *layout, GstStructure *caps);
guint gst_simclr_pair_layout_get_height (const GstSimclrPairLayout *layout);
/* The upper left pixel of a small crop, counting from 0. */
void gst_simclr_pair_layout_locate (
    const GstSimclrPairLayout *layout, guint crop, guint *x, guint *y);

G_END_DECLS
