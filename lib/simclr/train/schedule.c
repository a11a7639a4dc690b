/* The learning rate of a step (official code, model.py WarmUpAndCosineDecay).
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/train/schedule-private.h>

#include <math.h>

gdouble
_simclr_schedule_scale (SimclrLearningRateScaling scaling, gdouble base, guint64 pairs)
{
  switch (scaling) {
  case SIMCLR_LEARNING_RATE_SCALING_LINEAR:
    return base * (gdouble) pairs / 256;
  case SIMCLR_LEARNING_RATE_SCALING_SQRT:
    return base * sqrt ((gdouble) pairs);
  case SIMCLR_LEARNING_RATE_SCALING_NONE:
  default:
    return base;
  }
}

gdouble
_simclr_schedule_rate (SimclrSchedule schedule, gdouble scaled, guint64 step, guint64 warmup_steps,
    guint64 total_steps)
{
  if (step < warmup_steps)
    return (gdouble) step / (gdouble) warmup_steps * scaled;
  if (schedule == SIMCLR_SCHEDULE_CONSTANT || total_steps == 0)
    return scaled;
  if (step >= total_steps)
    return 0;
  return scaled * 0.5 *
         (1 +
             cos (G_PI * (gdouble) (step - warmup_steps) / (gdouble) (total_steps - warmup_steps)));
}
