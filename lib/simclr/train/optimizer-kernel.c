/* The optimizers' arithmetic on a run of parameters.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/train/optimizer-kernel-private.h>

#include <simclr/base/multiversion-private.h>
#include <math.h>

/* Independent sums, so that they vectorise; always the same number, so that results do not depend on
 * the processor's vectors. */
#define LANES 16

static gdouble
add_lanes (const gdouble *lanes)
{
  gdouble sum = 0;

  for (gsize lane = 0; lane < LANES; lane++)
    sum += lanes[lane];
  return sum;
}

SIMCLR_MULTIVERSION
gdouble
_simclr_sum_of_squares (const gfloat *restrict x, gsize count)
{
  gdouble lanes[LANES] = {0}, sum;
  gsize i = 0;

  for (; i + LANES <= count; i += LANES)
    for (gsize lane = 0; lane < LANES; lane++)
      lanes[lane] += (gdouble) x[i + lane] * x[i + lane];
  sum = add_lanes (lanes);
  for (; i < count; i++)
    sum += (gdouble) x[i] * x[i];
  return sum;
}

SIMCLR_MULTIVERSION
void
_simclr_lars_norms (const gfloat *restrict w, const gfloat *restrict g, gsize count, gfloat decay,
    gdouble *weights, gdouble *updates)
{
  gdouble w_lanes[LANES] = {0}, g_lanes[LANES] = {0};
  gsize i = 0;

  for (; i + LANES <= count; i += LANES) {
    for (gsize lane = 0; lane < LANES; lane++) {
      gfloat update = g[i + lane] + decay * w[i + lane];

      w_lanes[lane] += (gdouble) w[i + lane] * w[i + lane];
      g_lanes[lane] += (gdouble) update * update;
    }
  }
  *weights = add_lanes (w_lanes);
  *updates = add_lanes (g_lanes);
  for (; i < count; i++) {
    gfloat update = g[i] + decay * w[i];

    *weights += (gdouble) w[i] * w[i];
    *updates += (gdouble) update * update;
  }
}

SIMCLR_MULTIVERSION
void
_simclr_lars_update (gfloat *restrict w, const gfloat *restrict g, gfloat *restrict v, gsize count,
    gfloat rate, gfloat momentum, gfloat decay)
{
  for (gsize i = 0; i < count; i++) {
    v[i] = momentum * v[i] + rate * (g[i] + decay * w[i]);
    w[i] -= v[i];
  }
}

SIMCLR_MULTIVERSION
void
_simclr_sgd_update (gfloat *restrict w, const gfloat *restrict g, gfloat *restrict v, gsize count,
    gfloat rate, gfloat momentum, gfloat decay)
{
  for (gsize i = 0; i < count; i++) {
    v[i] = momentum * v[i] + (g[i] + decay * w[i]);
    w[i] -= rate * v[i];
  }
}

SIMCLR_MULTIVERSION
void
_simclr_adamw_update (gfloat *restrict w, const gfloat *restrict g, gfloat *restrict mean,
    gfloat *restrict square, gsize count, const SimclrAdamwFactors *factors)
{
  const SimclrAdamwFactors f = *factors;

  for (gsize i = 0; i < count; i++) {
    mean[i] = f.beta1 * mean[i] + f.rest1 * g[i];
    square[i] = f.beta2 * square[i] + f.rest2 * (g[i] * g[i]);
    w[i] = f.shrink * w[i] - f.rate * mean[i] / (f.correction * sqrtf (square[i]) + f.epsilon);
  }
}
