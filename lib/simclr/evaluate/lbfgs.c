/* Minimises a smooth function by L-BFGS (Nocedal and Wright, algorithms 7.4 and 7.5).
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/evaluate/lbfgs-private.h>

#include <math.h>
#include <string.h>

/* Pairs of steps and changes of the gradient that shape the next direction. */
#define MEMORY 20
/* Armijo's constant: the share of the promised decrease that a step must bring. */
#define SUFFICIENT 1e-4
#define MOST_HALVINGS 30
/* Rounding is all that is left when the value falls by less than this share in so many iterations. */
#define STALL 1e-9
#define STALL_ITERATIONS 20

typedef struct
{
  SimclrObjective objective;
  gpointer data;
  gsize n;
  gdouble *x, *gradient, value;
  gdouble *next, *next_gradient; /* the point being tried */
  gdouble *direction;
  gdouble *steps, *changes; /* (MEMORY, n), pair number i in row i % MEMORY */
  gdouble curvatures[MEMORY];
  guint64 pairs;
} Lbfgs;

static gdouble
dot (const gdouble *a, const gdouble *b, gsize n)
{
  gdouble sum = 0;

  for (gsize i = 0; i < n; i++)
    sum += a[i] * b[i];
  return sum;
}

static void
add (gdouble *a, gdouble factor, const gdouble *b, gsize n)
{
  for (gsize i = 0; i < n; i++)
    a[i] += factor * b[i];
}

static gdouble
find_largest (const gdouble *a, gsize n)
{
  gdouble largest = 0;

  for (gsize i = 0; i < n; i++)
    largest = fabs (a[i]) > largest || isnan (a[i]) ? fabs (a[i]) : largest;
  return largest;
}

/* direction = minus the gradient, shaped by the pairs in memory (the two loops). */
static void
compute_direction (Lbfgs *self)
{
  guint64 oldest = self->pairs > MEMORY ? self->pairs - MEMORY : 0;
  gdouble weights[MEMORY], *d = self->direction;
  gsize n = self->n;

  for (gsize i = 0; i < n; i++)
    d[i] = -self->gradient[i];
  for (guint64 pair = self->pairs; pair-- > oldest;) {
    gsize slot = pair % MEMORY;

    weights[slot] = dot (self->steps + slot * n, d, n) / self->curvatures[slot];
    add (d, -weights[slot], self->changes + slot * n, n);
  }
  if (self->pairs > 0) {
    gsize slot = (self->pairs - 1) % MEMORY;
    const gdouble *change = self->changes + slot * n;
    gdouble scale = self->curvatures[slot] / dot (change, change, n);

    for (gsize i = 0; i < n; i++)
      d[i] *= scale;
  }
  for (guint64 pair = oldest; pair < self->pairs; pair++) {
    gsize slot = pair % MEMORY;
    gdouble back = dot (self->changes + slot * n, d, n) / self->curvatures[slot];

    add (d, weights[slot] - back, self->steps + slot * n, n);
  }
}

/* Backtracks from a full step by the minimum of the parabola through what is known. */
static gboolean
search_line (Lbfgs *self, gdouble length)
{
  gdouble slope = dot (self->direction, self->gradient, self->n);

  if (!(slope < 0))
    return FALSE;
  for (guint i = 0; i < MOST_HALVINGS; i++) {
    gdouble value, shorter;

    memcpy (self->next, self->x, self->n * sizeof (gdouble));
    add (self->next, length, self->direction, self->n);
    value = self->objective (self->next, self->next_gradient, self->data);
    if (value <= self->value + SUFFICIENT * length * slope) {
      self->value = value;
      return TRUE;
    }
    shorter = -slope * length * length / (2 * (value - self->value - slope * length));
    length = isfinite (shorter) ? CLAMP (shorter, 0.1 * length, 0.5 * length) : 0.1 * length;
  }
  return FALSE;
}

/* Takes the point that search_line() found, and remembers how it came there. */
static void
accept (Lbfgs *self)
{
  gsize n = self->n, slot = self->pairs % MEMORY;
  gdouble *step = self->steps + slot * n, *change = self->changes + slot * n, curvature;

  for (gsize i = 0; i < n; i++) {
    step[i] = self->next[i] - self->x[i];
    change[i] = self->next_gradient[i] - self->gradient[i];
  }
  memcpy (self->x, self->next, n * sizeof (gdouble));
  memcpy (self->gradient, self->next_gradient, n * sizeof (gdouble));
  curvature = dot (step, change, n);
  /* only positive curvature keeps the direction one of descent */
  if (curvature > 1e-10 * dot (change, change, n)) {
    self->curvatures[slot] = curvature;
    self->pairs++;
  }
}

static void
run (Lbfgs *self, gdouble tolerance, guint iterations, SimclrMinimum *minimum)
{
  gboolean fresh = TRUE;
  gdouble before;

  self->value = self->objective (self->x, self->gradient, self->data);
  before = INFINITY;
  for (minimum->iterations = 0;; minimum->iterations++) {
    minimum->gradient = find_largest (self->gradient, self->n);
    minimum->converged = minimum->gradient <= tolerance;
    if (minimum->iterations % STALL_ITERATIONS == 0) {
      minimum->converged |= before - self->value <= STALL * fabs (self->value);
      before = self->value;
    }
    if (minimum->converged || minimum->iterations == iterations || !isfinite (self->value))
      break;
    compute_direction (self);
    if (!search_line (self, fresh ? MIN (1, 1 / minimum->gradient) : 1)) {
      /* once more straight downhill, then rounding is all that is left */
      if (fresh) {
        minimum->converged = TRUE;
        break;
      }
      self->pairs = 0;
      fresh = TRUE;
      continue;
    }
    accept (self);
    fresh = FALSE;
  }
  minimum->value = self->value;
}

SimclrMinimum
_simclr_lbfgs (SimclrObjective objective, gpointer data, gdouble *x, gsize n, gdouble tolerance,
    guint iterations)
{
  Lbfgs self = {.objective = objective, .data = data, .n = n, .x = x};
  SimclrMinimum minimum = {0};
  g_autofree gdouble *memory = g_try_new (gdouble, n * (4 + 2 * MEMORY) + 1);

  minimum.value = NAN;
  if (memory == NULL)
    return minimum;
  self.gradient = memory;
  self.next = memory + n;
  self.next_gradient = memory + 2 * n;
  self.direction = memory + 3 * n;
  self.steps = memory + 4 * n;
  self.changes = self.steps + n * MEMORY;
  run (&self, tolerance, iterations, &minimum);
  return minimum;
}
