/* The curves that simclrplot draws: a training run of any length in bounded memory.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

typedef enum
{
  GST_SIMCLR_CURVE_LOSS,
  GST_SIMCLR_CURVE_ACCURACY,
  GST_SIMCLR_CURVE_RANK,
  GST_SIMCLR_CURVE_SPREAD,
} GstSimclrCurve;
#define GST_SIMCLR_CURVES 4

/* The mean of some steps in a row; NAN where none of them had a number. */
typedef struct
{
  gdouble step; /* the last of them */
  gdouble values[GST_SIMCLR_CURVES];
} GstSimclrCurvePoint;

#define GST_SIMCLR_CURVE_MOST 1024

typedef struct
{
  GstSimclrCurvePoint points[GST_SIMCLR_CURVE_MOST];
  guint n;
  guint span; /* steps of a point; doubled whenever the points are too many */

  GstSimclrCurvePoint sums; /* of the steps that make the next point */
  guint counts[GST_SIMCLR_CURVES], steps;

  /* of the last step */
  guint64 step; /* 0: none yet */
  gdouble last[GST_SIMCLR_CURVES];
  gdouble learning_rate, pairs_per_second;
  gboolean collapsed, diverging;
} GstSimclrCurves;

void gst_simclr_curves_clear (GstSimclrCurves *self);
/* From the fields of the message simclr-training. A step that is not after the last one begins anew. */
void gst_simclr_curves_add (GstSimclrCurves *self, const GstStructure *fields);

G_END_DECLS
