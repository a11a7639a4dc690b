/* The learning rate of a step (official code, model.py WarmUpAndCosineDecay; SGDR's restarts).
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

/* Half a cosine from 1 down to 0. */
static gdouble
cosine (guint64 position, guint64 length)
{
  return 0.5 * (1 + cos (G_PI * (gdouble) position / (gdouble) length));
}

/* The cycle that a step is in: T_i = T_0 factor^i. */
static gdouble
restarting (guint64 position, guint64 length, guint factor)
{
  if (factor == 1)
    return cosine (position % length, length);
  while (position >= length) {
    position -= length;
    if (length > G_MAXUINT64 / factor)
      return 1;
    length *= factor;
  }
  return cosine (position, length);
}

gdouble
_simclr_schedule_rate (const SimclrScheduleSettings *settings, gdouble scaled, guint64 step)
{
  const guint64 warmup = settings->warmup_steps, total = settings->total_steps;

  if (step < warmup)
    return (gdouble) step / (gdouble) warmup * scaled;
  switch (settings->shape) {
  case SIMCLR_SCHEDULE_COSINE_RESTARTS:
    return scaled * restarting (step - warmup, settings->restart_steps, settings->restart_factor);
  case SIMCLR_SCHEDULE_COSINE:
    if (total == 0)
      return scaled;
    return step >= total ? 0 : scaled * cosine (step - warmup, total - warmup);
  case SIMCLR_SCHEDULE_CONSTANT:
  default:
    return scaled;
  }
}
