/* The arithmetic of NT-Xent on one tile of the similarity matrix.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Row lengths are padded to this many floats, the lanes that sums are taken in. */
#define SIMCLR_NTXENT_LANES 64
/* A logit that no sum notices: the view itself, and the padding. */
#define SIMCLR_NTXENT_NOTHING (-1e30f)

/* What is known of one row's softmax after some of its columns. */
typedef struct
{
  gdouble highest; /* logit */
  gdouble sum;     /* of exp (logit - highest) */
  gdouble moment;  /* of exp (logit - highest) * (logit - highest) */
} SimclrNtxentRow;

/* u = z / |z|, as tf.math.l2_normalize; inverse is 1 / |z|, at most 1e6. Both are (rows, columns). */
void _simclr_ntxent_normalize (
    const gfloat *z, gsize rows, gsize columns, gfloat *u, gfloat *inverse);
/* The gradient of the above in place: du to dz. */
void _simclr_ntxent_normalize_backward (
    const gfloat *u, const gfloat *inverse, gsize rows, gsize columns, gfloat *du);

/* The largest of padded logits. */
gfloat _simclr_ntxent_highest (const gfloat *logits, gsize padded);
/* Adds padded logits, the largest of which is highest, to the row. */
void _simclr_ntxent_row_add (
    SimclrNtxentRow *row, const gfloat *logits, gsize padded, gfloat highest);

/* logits[k] = exp (logits[k] - own) + exp (logits[k] - others[k]), where own and others are the
 * logarithms of the softmax sums of this row and of column k's row. */
void _simclr_ntxent_pull (gfloat *logits, gsize columns, gfloat own, const gfloat *others);
