/* An exponential mean over time of a row of numbers.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/* Zeroed memory is a mean that has not begun. One thread. */
typedef struct
{
  gfloat *values;
  gsize n;
  GstClockTime time;
} GstSimclrSmoothing;

/* Replaces values (n) by their mean over the last `constant` nanoseconds or so: what lies dt back weighs
 * exp (-dt / constant). Begins anew where n changed, time is unknown or goes back, or constant is 0. */
void gst_simclr_smoothing_update (
    GstSimclrSmoothing *self, gfloat *values, gsize n, GstClockTime time, GstClockTime constant);
void gst_simclr_smoothing_reset (GstSimclrSmoothing *self);

G_END_DECLS
