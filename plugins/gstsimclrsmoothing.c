/* An exponential mean over time of a row of numbers.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrsmoothing.h"

#include <math.h>
#include <string.h>

void
gst_simclr_smoothing_reset (GstSimclrSmoothing *self)
{
  g_clear_pointer (&self->values, g_free);
  self->n = 0;
  self->time = GST_CLOCK_TIME_NONE;
}

void
gst_simclr_smoothing_update (
    GstSimclrSmoothing *self, gfloat *values, gsize n, GstClockTime time, GstClockTime constant)
{
  gboolean goes_on = constant > 0 && n == self->n && GST_CLOCK_TIME_IS_VALID (time) &&
                     GST_CLOCK_TIME_IS_VALID (self->time) && time >= self->time;

  if (goes_on) {
    gfloat old = (gfloat) exp (-(gdouble) (time - self->time) / (gdouble) constant);

    for (gsize i = 0; i < n; i++)
      values[i] = old * self->values[i] + (1 - old) * values[i];
  } else if (constant == 0) {
    gst_simclr_smoothing_reset (self);
    return;
  }
  if (self->n != n) {
    g_free (self->values);
    self->values = g_new (gfloat, n);
    self->n = n;
  }
  memcpy (self->values, values, n * sizeof (gfloat));
  self->time = time;
}
