/* Losses over the logits of labels: cross entropy, and distillation from a teacher's probabilities.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

typedef struct
{
  gdouble loss;     /* mean over the rows that count, nats; 0 where none does */
  gdouble accuracy; /* share of them whose best logit is the label's, or the teacher's best */
  gsize rows;       /* that count */
} SimclrClassificationResult;

/* logits (rows, n); labels (rows) from 0 to n - 1, negative ones do not count. gradient (rows, n) is that of
 * the loss to the logits, 0 in rows that do not count. */
void _simclr_cross_entropy (const gfloat *logits, const gint32 *labels, gsize rows, gsize n,
    gfloat *gradient, SimclrClassificationResult *result);

/* Cross entropy between the teacher's and the student's probabilities, both softened by the temperature, times
 * its square, so that the gradient's size does not depend on it (Hinton et al. 2015, 1503.02531, and the
 * official code's add_kd_loss). All (rows, n); gradient is to the student's logits. */
void _simclr_distillation (const gfloat *student, const gfloat *teacher, gsize rows, gsize n,
    gdouble temperature, gfloat *gradient, SimclrClassificationResult *result);
