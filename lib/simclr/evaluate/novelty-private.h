/* How unlike everything that was taught an embedding is.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/evaluate/examples-private.h>

/* A distance is one minus the cosine. Each label has a reach, and novelty is the distance to an example over the reach
 * of its label, the least of all examples. Found by measurement (tests/benchmarks/measure-unknown.py) to have half of
 * the distance at which an embedding is better called unknown, so that novelty is 2 there:
 *
 *   reach = 0.16 * within^0.2 * between^0.8
 *
 * between: how far other labels are: the lower quartile over them of the label's median distance to them, at most
 *   0.3, for an encoder may have learned to hold just these apart; 0.2 where there is no other, as far as scenes of a
 *   trained encoder are from each other.
 * within: how far 95 % of the label's examples are from its other half, in the order of teaching, for neighbouring
 *   frames of a video would vouch for each other; the geometric mean of the label's and of all labels'. A few
 *   frames in a row say little of how else a thing will be seen, hence the small power.
 *
 * The reach is at least the median distance from an example to another one of its label: labels that lie among each
 * other, as those of single pictures do, would know nothing otherwise. */
typedef struct
{
  gfloat *reach;   /* of each label */
  gfloat *scales;  /* of each example, one over its length and over its label's reach */
  gfloat *offsets; /* of each example, minus one over its label's reach */
} SimclrNovelty;

/* Of at least two examples. */
SimclrNovelty *_simclr_novelty_new (
    SimclrParallel *parallel, const SimclrExamples *examples) G_GNUC_WARN_UNUSED_RESULT;
/* With the reach of each label that was computed before. Takes it. */
SimclrNovelty *_simclr_novelty_new_from (
    gfloat *reach, const SimclrExamples *examples) G_GNUC_WARN_UNUSED_RESULT;
void _simclr_novelty_free (SimclrNovelty *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimclrNovelty, _simclr_novelty_free)

/* Of rows of unit length. examples are those that self was made of. */
void _simclr_novelty_compute (const SimclrNovelty *self, SimclrParallel *parallel,
    const SimclrExamples *examples, const SimclrRows *rows, gfloat *novelty);
