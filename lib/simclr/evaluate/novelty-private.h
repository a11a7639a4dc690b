/* How unlike everything that was taught an embedding is.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/evaluate/examples-private.h>

/* The distance (one minus cosine) that counts as novelty 1: 95 % of the examples are nearer than this to
 * the nearest of the other half of their own label or of other labels. Halves, in the order of teaching,
 * because neighbouring frames of a video would vouch for each other. At least 0.001, and 0 where nothing can be
 * said: of fewer than two examples. */
gdouble _simclr_novelty_calibrate (SimclrParallel *parallel, const SimclrExamples *examples);

/* Distance to the nearest example over that of calibration; 0 where calibration said nothing. */
gfloat _simclr_novelty (gfloat similarity, gdouble calibration);
