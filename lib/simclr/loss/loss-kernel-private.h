/* The arithmetic of contrastive losses on one row of a tile of the similarity matrix.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Row lengths are padded to this many floats, the lanes that sums are taken in. */
#define SIMCLR_LOSS_LANES 64
/* A logit that no sum notices: the view itself, its neighbours, and the padding. */
#define SIMCLR_LOSS_NOTHING (-1e30f)

/* What is known of one row's softmax after some of its columns. */
typedef struct
{
  gdouble highest; /* logit */
  gdouble sum;     /* of exp (logit - highest) */
  gdouble moment;  /* of exp (logit - highest) * (logit - highest) */
} SimclrLossRow;

/* u = z / |z|, as tf.math.l2_normalize; inverse is 1 / |z|, at most 1e6. Both are (rows, columns). */
void _simclr_loss_normalize (
    const gfloat *z, gsize rows, gsize columns, gfloat *u, gfloat *inverse);
/* The gradient of the above in place: du to dz. */
void _simclr_loss_normalize_backward (
    const gfloat *u, const gfloat *inverse, gsize rows, gsize columns, gfloat *du);

/* The largest of padded logits. */
gfloat _simclr_loss_highest (const gfloat *logits, gsize padded);
/* The lowest of padded logits that are something; G_MAXFLOAT where none is. */
gfloat _simclr_loss_lowest (const gfloat *logits, gsize padded);
/* The largest of padded logits below a bound. */
gfloat _simclr_loss_highest_below (const gfloat *logits, gsize padded, gfloat bound);
/* Padded logits that are something. */
gsize _simclr_loss_count (const gfloat *logits, gsize padded);
/* Adds padded logits, the largest of which is highest, to the row. */
void _simclr_loss_row_add (SimclrLossRow *row, const gfloat *logits, gsize padded, gfloat highest);
/* Adds one logit to the row. */
void _simclr_loss_row_add_one (SimclrLossRow *row, gdouble logit);

/* Neighbours in time of one stream become nothing, unless they are positives by their label; labels may be
 * NULL. */
void _simclr_loss_mask_neighbours (gfloat *logits, gsize columns, gint64 time, guint32 stream,
    const gint64 *times, const guint32 *streams, gint64 most, gint32 label, const gint32 *labels);

/* The largest logit of another label, and the sum and count of those of this one that are something. */
gfloat _simclr_loss_split_labels (const gfloat *logits, gsize columns, gint32 label,
    const gint32 *labels, gdouble *sum, gsize *count);
/* NT-Logistic: the sum of log (1 + exp (logit)). */
gdouble _simclr_loss_sum_softplus (const gfloat *logits, gsize padded);
/* Margin: the sum of logit - threshold over logits above it, and how many those are. */
gdouble _simclr_loss_sum_above (const gfloat *logits, gsize padded, gfloat threshold, gsize *count);

/* What follows makes of logits the loss's gradient to them, for the row's view as anchor and for column
 * k's, in place. own is the row's number, others are those of the columns. */

/* Softmax: exp (logit - own) + exp (logit - others[k]), with the logarithms of the softmax sums. */
void _simclr_loss_pull_softmax (gfloat *logits, gsize columns, gfloat own, const gfloat *others);
/* Supervised, after the softmax: minus own + others[k] where the labels agree. */
void _simclr_loss_pull_labels (gfloat *pull, gsize columns, gint32 label, const gint32 *labels,
    gfloat own, const gfloat *others);
/* NT-Logistic: sigma (logit) times own + others[k]. */
void _simclr_loss_pull_logistic (gfloat *logits, gsize columns, gfloat own, const gfloat *others);
/* Margin: own where the logit is above the row's threshold, and others[k] where it is above column k's. */
void _simclr_loss_pull_margin (gfloat *logits, gsize columns, gfloat own, gfloat threshold,
    const gfloat *others, const gfloat *thresholds);
