/* The curves that simclrplot draws: a training run of any length in bounded memory.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrplotcurves.h"

#include <math.h>

static const gchar *const field_names[GST_SIMCLR_CURVES] = {
    "loss", "contrastive-accuracy", "effective-rank", "embedding-deviation"};

static void
begin_point (GstSimclrCurves *self)
{
  self->sums = (GstSimclrCurvePoint){0};
  for (guint k = 0; k < GST_SIMCLR_CURVES; k++)
    self->counts[k] = 0;
  self->steps = 0;
}

void
gst_simclr_curves_clear (GstSimclrCurves *self)
{
  self->n = 0;
  self->span = 1;
  self->step = 0;
  self->collapsed = self->diverging = FALSE;
  begin_point (self);
}

static gdouble
mean_of (gdouble a, gdouble b)
{
  return !isfinite (a) ? b : !isfinite (b) ? a : (a + b) / 2;
}

/* Neighbours become one. */
static void
halve (GstSimclrCurves *self)
{
  for (guint i = 0; i < self->n / 2; i++) {
    const GstSimclrCurvePoint *a = &self->points[2 * i], *b = a + 1;
    GstSimclrCurvePoint both = {.step = b->step};

    for (guint k = 0; k < GST_SIMCLR_CURVES; k++)
      both.values[k] = mean_of (a->values[k], b->values[k]);
    self->points[i] = both;
  }
  self->n /= 2;
  self->span *= 2;
}

static void
end_point (GstSimclrCurves *self)
{
  GstSimclrCurvePoint *point;

  point = &self->points[self->n++];
  point->step = (gdouble) self->step;
  for (guint k = 0; k < GST_SIMCLR_CURVES; k++)
    point->values[k] = self->counts[k] > 0 ? self->sums.values[k] / self->counts[k] : NAN;
  begin_point (self);
  if (self->n == GST_SIMCLR_CURVE_MOST) /* an even number */
    halve (self);
}

void
gst_simclr_curves_add (GstSimclrCurves *self, const GstStructure *fields)
{
  guint64 step = 0;

  gst_structure_get_uint64 (fields, "step", &step);
  if (step <= self->step)
    gst_simclr_curves_clear (self);
  self->step = step;
  for (guint k = 0; k < GST_SIMCLR_CURVES; k++) {
    gdouble value = NAN;

    gst_structure_get_double (fields, field_names[k], &value);
    self->last[k] = value;
    if (isfinite (value)) {
      self->sums.values[k] += value;
      self->counts[k]++;
    }
  }
  gst_structure_get_double (fields, "learning-rate", &self->learning_rate);
  gst_structure_get_double (fields, "pairs-per-second", &self->pairs_per_second);
  gst_structure_get_boolean (fields, "collapsed", &self->collapsed);
  gst_structure_get_boolean (fields, "diverging", &self->diverging);
  if (++self->steps >= self->span)
    end_point (self);
}
