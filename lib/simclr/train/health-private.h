/* Whether training goes well: what its figures of many steps say together.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/train/trainer.h>

/* A symptom is believed after so many steps in a row, and so is its end. */
#define SIMCLR_HEALTH_STEPS 20

/* Zero bytes are a fresh run. */
typedef struct
{
  guint64 steps;
  gdouble mean;           /* running, of the loss */
  gdouble lowest;         /* that it was, slowly forgotten while learning is good */
  gdouble accuracy, best; /* the same of the accuracy, contrastive or of labels */
  gdouble first_norm;     /* of the weights, before this run changed them */
  guint collapse;         /* steps in a row that speak against the present verdict */
  guint divergence;
  gboolean collapsed;
  gboolean diverging;
} SimclrHealth;

/* Takes up a step, and writes collapsed, diverging and sound into it; one that was skipped changes no verdict.
 * sides: the smaller of views and projection-size, the most that the effective rank could be; 0 where there are no
 * projections. candidates: that one is to be found among. */
void _simclr_health_update (
    SimclrHealth *self, SimclrTrainingStatistics *statistics, gsize sides, gsize candidates);
