/* Whether training goes well: what its figures of many steps say together.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/train/health-private.h>

#include <math.h>

/* One-dimensional or constant, of what could be 1 and many. */
#define COLLAPSED_DEVIATION 0.1
#define COLLAPSED_RANK 2
#define FEWEST_SIDES 4
/* A mean that has risen by this share of its lowest value (at least of 1) while positives, or labels, are found less than half
 * as often as at best does not come back by itself. One without the other may be harder pictures. */
#define DIVERGED_SHARE 0.25
#define SETTLED_SHARE 0.125
#define LOST_ACCURACY 0.5
/* Clear of what chance finds, a run that does worse than it did has other pictures to learn from: so many steps
 * and what was best is forgotten, or an endless run would be judged by its easiest day. */
#define FORGETTING 1000
#define CHANCES 4
/* LARS and a usual weight decay settle around a hundredfold. */
#define EXPLODED_GROWTH 1000

static gdouble
get_accuracy (const SimclrTrainingStatistics *statistics)
{
  return statistics->contrastive_accuracy >= 0 ? statistics->contrastive_accuracy
                                               : statistics->accuracy;
}

static void
update_means (SimclrHealth *self, const SimclrTrainingStatistics *statistics, gsize candidates)
{
  gdouble steps;

  self->steps++;
  /* the plain mean of the first steps, then a running one */
  steps = (gdouble) MIN (self->steps, SIMCLR_HEALTH_STEPS);
  self->mean += (statistics->loss - self->mean) / steps;
  self->accuracy += (get_accuracy (statistics) - self->accuracy) / steps;
  if (self->steps < SIMCLR_HEALTH_STEPS)
    return;
  if (self->steps == SIMCLR_HEALTH_STEPS || self->mean < self->lowest)
    self->lowest = self->mean;
  if (self->accuracy > self->best)
    self->best = self->accuracy;
  if (self->accuracy * (gdouble) candidates > CHANCES) {
    self->lowest += (self->mean - self->lowest) / FORGETTING;
    self->best += (self->accuracy - self->best) / FORGETTING;
  }
}

static gboolean
is_worse (const SimclrHealth *self, gdouble loss, gdouble accuracy, gdouble share)
{
  return self->steps > SIMCLR_HEALTH_STEPS &&
         loss - self->lowest > MAX (fabs (self->lowest), 1) * share &&
         accuracy < LOST_ACCURACY * self->best;
}

/* The verdict changes when enough steps in a row contradict it. */
static void
judge (gboolean symptom, gboolean *verdict, guint *against)
{
  *against = symptom != *verdict ? *against + 1 : 0;
  if (*against < SIMCLR_HEALTH_STEPS)
    return;
  *verdict = symptom;
  *against = 0;
}

/* Weights that are no numbers have exploded, too. */
static gboolean
have_exploded (const SimclrHealth *self, const SimclrTrainingStatistics *statistics)
{
  return self->first_norm > 0 && !(statistics->weight_norm <= EXPLODED_GROWTH * self->first_norm);
}

static gboolean
judge_step (
    SimclrHealth *self, const SimclrTrainingStatistics *statistics, gsize sides, gsize candidates)
{
  gboolean collapsed = /* sides 0: there are no projections to judge */
      sides >= FEWEST_SIDES && (statistics->embedding_deviation < COLLAPSED_DEVIATION ||
                                   statistics->effective_rank < COLLAPSED_RANK);
  gboolean diverging;

  update_means (self, statistics, candidates);
  diverging =
      is_worse (self, self->mean, self->accuracy, self->diverging ? SETTLED_SHARE : DIVERGED_SHARE);
  judge (collapsed, &self->collapsed, &self->collapse);
  judge (diverging, &self->diverging, &self->divergence);
  /* whoever keeps weights need not wait for a verdict */
  return !diverging && !self->diverging &&
         !is_worse (self, statistics->loss, get_accuracy (statistics), DIVERGED_SHARE);
}

void
_simclr_health_update (
    SimclrHealth *self, SimclrTrainingStatistics *statistics, gsize sides, gsize candidates)
{
  gboolean exploded = have_exploded (self, statistics);

  statistics->sound = !statistics->was_skipped && judge_step (self, statistics, sides, candidates);
  statistics->sound = statistics->sound && !exploded;
  statistics->collapsed = self->collapsed;
  statistics->diverging = self->diverging || exploded;
}
