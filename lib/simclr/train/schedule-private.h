/* The learning rate of a step (official code, model.py WarmUpAndCosineDecay).
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/simclr-enums.h>

/* base * batch / 256 (linear), base * sqrt (batch), or base; pairs is the batch. */
gdouble _simclr_schedule_scale (SimclrLearningRateScaling scaling, gdouble base, guint64 pairs);

/* step counts from 0. Warm-up: step / warmup_steps of the scaled rate; then half a cosine to zero at
 * total_steps, or constant. total_steps 0 has no end, so cosine stays constant. */
gdouble _simclr_schedule_rate (SimclrSchedule schedule, gdouble scaled, guint64 step,
    guint64 warmup_steps, guint64 total_steps);
