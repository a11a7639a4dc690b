/* The learning rate of a step (official code, model.py WarmUpAndCosineDecay).
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/simclr-enums.h>

/* base * batch / 256 (linear), base * sqrt (batch), or base; pairs is the batch. */
gdouble _simclr_schedule_scale (SimclrLearningRateScaling scaling, gdouble base, guint64 pairs);

typedef struct
{
  SimclrSchedule shape;
  guint64 warmup_steps;
  guint64 total_steps;   /* 0: no end */
  guint64 restart_steps; /* of the first cycle, from 1 */
  guint restart_factor;  /* each cycle is so many times as long as the one before, from 1 */
} SimclrScheduleSettings;

/* step counts from 0. Warm-up: step / warmup_steps of the scaled rate; then half a cosine to zero at
 * total_steps, or constant, or cosines one after the other. Without an end cosine stays constant. */
gdouble _simclr_schedule_rate (
    const SimclrScheduleSettings *settings, gdouble scaled, guint64 step);
