/* Whether training goes well: what its figures of many steps say together.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/train/health-private.h>

#include <math.h>

/* One-dimensional or constant, of what could be 1 and many. */
#define COLLAPSED_DEVIATION 0.1
#define COLLAPSED_RANK 2
#define FEWEST_SIDES 4
/* A mean that has risen by this share of its lowest value (at least of 1) does not come back by itself. */
#define DIVERGED_SHARE 0.25
#define SETTLED_SHARE 0.125

static void
update_loss (SimclrHealth *self, gdouble loss)
{
  self->steps++;
  /* the plain mean of the first steps, then a running one */
  self->mean += (loss - self->mean) / (gdouble) MIN (self->steps, SIMCLR_HEALTH_STEPS);
  if (self->steps == SIMCLR_HEALTH_STEPS ||
      (self->steps > SIMCLR_HEALTH_STEPS && self->mean < self->lowest))
    self->lowest = self->mean;
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

void
_simclr_health_update (SimclrHealth *self, SimclrTrainingStatistics *statistics, gsize sides)
{
  gboolean collapsed = /* sides 0: there are no projections to judge */
      sides >= FEWEST_SIDES && (statistics->embedding_deviation < COLLAPSED_DEVIATION ||
                                   statistics->effective_rank < COLLAPSED_RANK);
  gboolean diverging;

  update_loss (self, statistics->loss);
  diverging = self->steps > SIMCLR_HEALTH_STEPS &&
              self->mean - self->lowest >
                  MAX (fabs (self->lowest), 1) * (self->diverging ? SETTLED_SHARE : DIVERGED_SHARE);
  judge (collapsed, &self->collapsed, &self->collapse);
  judge (diverging, &self->diverging, &self->divergence);
  statistics->collapsed = self->collapsed;
  statistics->diverging = self->diverging;
}
