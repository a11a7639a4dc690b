/* What the losses make of a row: from sums over its candidates to its value and its pull.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/loss/loss-private.h>
#include <simclr/loss/loss-kernel-private.h>

/* What a pass over all candidates found for one view. All logits are similarities over temperature. */
typedef struct
{
  SimclrLossRow softmax; /* without the positive */
  gfloat positive;       /* logit of the other view of the pair */
  gfloat highest;        /* negative's logit */
  gsize negatives;
  gdouble same; /* supervised: sum of logits of further views of the label */
  gsize n_same; /* and how many */
  gdouble sum;  /* NT-Logistic, margin: over negatives */
  gsize above;  /* margin: negatives that count */
  gfloat hard;  /* semi-hard: the highest logit below the positive's, and whose it is */
  gsize hard_at;
  gfloat easy; /* and the lowest of all */
  gsize easy_at;
} SimclrLossSums;

/* Sums over views. */
typedef struct
{
  gdouble loss;
  gdouble hits;
  gdouble entropy;
} SimclrLossPartial;

/* What the second pass wants to know of views, one entry each. */
typedef struct
{
  gfloat *logarithm; /* of the softmax sum; a large number where the view's negatives are none */
  gfloat *weight;    /* 1 / negatives (NT-Logistic, margin), 1 / positives (supervised) */
  gfloat *threshold; /* margin: a negative's logit above it counts */
  gfloat *positive;  /* logit */
  gfloat *pull;      /* the loss's gradient to the positive's logit, for this view as anchor */
  gfloat *push;      /* semi-hard: the gradient to the chosen negative's logit */
  guint32 *chosen;   /* semi-hard: the negative's number, memory after batch */
} SimclrLossViews;

/* Whether NT-Logistic or margin triplet take one negative for each view. */
gboolean _simclr_loss_is_semi_hard (const SimclrLossSettings *settings);
/* Where the gradient is to logits; margin's is to similarities. */
gdouble _simclr_loss_get_unit (const SimclrLossSettings *settings);

/* Writes what follows for one view and adds its value. */
void _simclr_loss_settle (const SimclrLossSettings *settings, const SimclrLossSums *sums,
    gsize view, const SimclrLossViews *views, SimclrLossPartial *partial);

/* Weighted DCL, which settle leaves unweighted: weights depend on all pairs. Returns what the value
 * (a sum over rows) gains. */
gdouble _simclr_loss_weigh (
    const SimclrLossSettings *settings, gsize rows, const SimclrLossViews *views);
