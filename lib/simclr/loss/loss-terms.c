/* What the losses make of a row: from sums over its candidates to its value and its pull.
 *
 * NT-Xent: Chen et al. 2020 (2002.05709), equation 1; NT-Logistic and margin triplet its table 2.
 * DCL and weighted DCL: Yeh et al. 2021 (2110.06848). Supervised: Khosla et al. 2020 (2004.11362), L_out.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/loss/loss-terms-private.h>

#include <math.h>

/* of DCL's von Mises-Fisher weights */
#define SIGMA 0.5
#define NEVER 1e30f

gboolean
_simclr_loss_is_semi_hard (const SimclrLossSettings *settings)
{
  return settings->semi_hard && (settings->loss == SIMCLR_LOSS_NT_LOGISTIC ||
                                    settings->loss == SIMCLR_LOSS_MARGIN_TRIPLET);
}

gdouble
_simclr_loss_get_unit (const SimclrLossSettings *settings)
{
  return settings->loss == SIMCLR_LOSS_MARGIN_TRIPLET ? 1 : 1 / settings->temperature;
}

static gdouble
softplus (gdouble x)
{
  return MAX (x, 0) + log1p (exp (-fabs (x)));
}

static gdouble
sigmoid (gdouble x)
{
  return x > 0 ? 1 / (1 + exp (-x)) : exp (x) / (1 + exp (x));
}

/* The semi-hard negative; where all are more similar than the positive, the least similar one (as
 * triplet_semihard_loss of TensorFlow). FALSE: there is no negative. */
static gboolean
choose (const SimclrLossSums *sums, gdouble *logit, gsize *at)
{
  gboolean hard = sums->hard > 0.5f * SIMCLR_LOSS_NOTHING;

  *logit = hard ? sums->hard : sums->easy;
  *at = hard ? sums->hard_at : sums->easy_at;
  return hard || sums->easy < G_MAXFLOAT;
}

static gdouble
settle_nt_logistic (const SimclrLossSettings *settings, const SimclrLossSums *sums, gsize view,
    const SimclrLossViews *views)
{
  gdouble positive = sums->positive, pull = -sigmoid (-positive), negative;
  gsize at;

  if (settings->semi_hard) {
    gboolean found = choose (sums, &negative, &at);

    views->pull[view] = found ? (gfloat) pull : 0.0f;
    views->push[view] = found ? (gfloat) sigmoid (negative) : 0.0f;
    views->chosen[view] = found ? (guint32) at : 0;
    return found ? softplus (-positive) + softplus (negative) : 0;
  }
  if (sums->negatives == 0)
    return views->pull[view] = views->weight[view] = 0.0f;
  views->pull[view] = (gfloat) pull;
  views->weight[view] = (gfloat) (1.0 / (gdouble) sums->negatives);
  return softplus (-positive) + sums->sum / (gdouble) sums->negatives;
}

/* Similarities are logits times temperature. */
static gdouble
settle_margin (const SimclrLossSettings *settings, const SimclrLossSums *sums, gsize view,
    const SimclrLossViews *views)
{
  gdouble negative, over;
  gsize at;

  if (settings->semi_hard) {
    if (choose (sums, &negative, &at)) {
      over = (negative - (gdouble) sums->positive) * settings->temperature + settings->margin;
    } else {
      over = 0;
      at = 0;
    }
    views->push[view] = over > 0 ? 1.0f : 0.0f;
    views->pull[view] = -views->push[view];
    views->chosen[view] = (guint32) at;
    return over < 0 ? 0 : over; /* what is not a number stays so */
  }
  views->weight[view] = sums->negatives > 0 ? (gfloat) (1.0 / (gdouble) sums->negatives) : 0.0f;
  views->pull[view] = -(gfloat) sums->above * views->weight[view];
  return settings->temperature * sums->sum * (gdouble) views->weight[view];
}

static gdouble
settle_softmax (const SimclrLossSettings *settings, const SimclrLossSums *sums,
    const SimclrLossRow *all, gsize view, const SimclrLossViews *views)
{
  gboolean decoupled =
      settings->loss != SIMCLR_LOSS_NT_XENT && settings->loss != SIMCLR_LOSS_SUPERVISED;
  const SimclrLossRow *row = decoupled ? &sums->softmax : all;
  gdouble logarithm = log (row->sum), share, positive;

  if (row->sum == 0) {
    views->logarithm[view] = NEVER;
    return views->pull[view] = 0.0f;
  }
  views->logarithm[view] = (gfloat) (row->highest + logarithm);
  share = settings->loss == SIMCLR_LOSS_SUPERVISED ? 1.0 / (1 + (gdouble) sums->n_same) : 1;
  positive = settings->loss == SIMCLR_LOSS_SUPERVISED
                 ? share * ((gdouble) sums->positive + sums->same)
                 : (gdouble) sums->positive;
  views->weight[view] = (gfloat) share;
  views->pull[view] =
      (gfloat) ((decoupled ? 0 : exp (sums->positive - row->highest) / row->sum) - share);
  return row->highest - positive + logarithm;
}

void
_simclr_loss_settle (const SimclrLossSettings *settings, const SimclrLossSums *sums, gsize view,
    const SimclrLossViews *views, SimclrLossPartial *partial)
{
  SimclrLossRow all = sums->softmax;

  _simclr_loss_row_add_one (&all, sums->positive);
  views->positive[view] = sums->positive;
  switch (settings->loss) {
  case SIMCLR_LOSS_NT_LOGISTIC:
    partial->loss += settle_nt_logistic (settings, sums, view, views);
    break;
  case SIMCLR_LOSS_MARGIN_TRIPLET:
    partial->loss += settle_margin (settings, sums, view, views);
    break;
  default:
    partial->loss += settle_softmax (settings, sums, &all, view, views);
  }
  partial->loss += sums->positive - sums->positive; /* what is not a number shows */
  partial->hits += sums->positive > sums->highest;
  partial->entropy += log (all.sum) - all.moment / all.sum;
}

/* w_j = 2 - pairs * p_j, p = softmax (s / sigma) over pairs with s the positives' similarities. The value
 * is the sum of -n_j w_j l_j over pairs, with l = s / temperature and n_j = 2, the views of a pair (less
 * where one has no negatives); settle wrote -1 for each such view as its pull. */
gdouble
_simclr_loss_weigh (const SimclrLossSettings *settings, gsize rows, const SimclrLossViews *views)
{
  const gdouble scale = settings->temperature / SIGMA, pairs = (gdouble) rows / 2;
  gdouble highest = -G_MAXDOUBLE, sum = 0, mean = 0, gain = 0;

  for (gsize row = 0; row < rows; row += 2)
    highest = MAX (highest, scale * (gdouble) views->positive[row]);
  for (gsize row = 0; row < rows; row += 2) {
    gdouble count = -((gdouble) views->pull[row] + (gdouble) views->pull[row + 1]);
    gdouble weight = exp (scale * (gdouble) views->positive[row] - highest);

    sum += weight;
    mean += weight * count * (gdouble) views->positive[row];
  }
  mean /= sum;
  for (gsize row = 0; row < rows; row += 2) {
    gdouble count = -((gdouble) views->pull[row] + (gdouble) views->pull[row + 1]);
    gdouble positive = views->positive[row];
    gdouble share = exp (scale * positive - highest) / sum, weight = 2 - pairs * share;

    gain += count * positive * (1 - weight);
    views->pull[row] = views->pull[row + 1] =
        (gfloat) (0.5 * (pairs * scale * share * (count * positive - mean) - count * weight));
  }
  return gain;
}
