/* Minimises a smooth function by L-BFGS (Nocedal and Wright, algorithms 7.4 and 7.5).
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* The value at x (n), and its gradient there. */
typedef gdouble (*SimclrObjective) (const gdouble *x, gdouble *gradient, gpointer data);

typedef struct
{
  guint iterations;
  gdouble value;
  gdouble gradient; /* its largest element's magnitude at the end */
  gboolean converged;
} SimclrMinimum;

/* Starts at x (n) and leaves the best point there. Ends when no element of the gradient is larger than
 * tolerance, when rounding lets the value fall no further (both count as converged), or after
 * `iterations`. Without memory the value is NAN and x as it was. */
SimclrMinimum _simclr_lbfgs (SimclrObjective objective, gpointer data, gdouble *x, gsize n,
    gdouble tolerance, guint iterations);
