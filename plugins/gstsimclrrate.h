/* How many per second: a count over a sliding window of wall time.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define GST_SIMCLR_RATE_ENTRIES 64

/* Zeroed memory is a rate that has not begun. One thread. */
typedef struct
{
  gint64 times[GST_SIMCLR_RATE_ENTRIES]; /* microseconds, a ring */
  guint64 counts[GST_SIMCLR_RATE_ENTRIES];
  guint first, n;
} GstSimclrRate;

/* Starts anew: count was reached at time. */
void gst_simclr_rate_begin (GstSimclrRate *self, gint64 time, guint64 count);
/* Returns the rate over the last ten seconds or so, at least since the last call. */
gdouble gst_simclr_rate_update (GstSimclrRate *self, gint64 time, guint64 count);

G_END_DECLS
