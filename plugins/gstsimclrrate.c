/* How many per second: a count over a sliding window of wall time.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrrate.h"

#define WINDOW (10 * G_USEC_PER_SEC)

static void
push (GstSimclrRate *self, gint64 time, guint64 count)
{
  guint last = (self->first + self->n) % GST_SIMCLR_RATE_ENTRIES;

  self->times[last] = time;
  self->counts[last] = count;
  self->n++;
}

static void
pop (GstSimclrRate *self)
{
  self->first = (self->first + 1) % GST_SIMCLR_RATE_ENTRIES;
  self->n--;
}

void
gst_simclr_rate_begin (GstSimclrRate *self, gint64 time, guint64 count)
{
  self->first = 0;
  self->n = 0;
  push (self, time, count);
}

gdouble
gst_simclr_rate_update (GstSimclrRate *self, gint64 time, guint64 count)
{
  if (self->n == GST_SIMCLR_RATE_ENTRIES)
    pop (self);
  while (self->n > 1 && time - self->times[self->first] > WINDOW)
    pop (self);
  push (self, time, count);
  if (self->n < 2 || time <= self->times[self->first])
    return 0;
  return (gdouble) (count - self->counts[self->first]) * G_USEC_PER_SEC /
         (gdouble) (time - self->times[self->first]);
}
