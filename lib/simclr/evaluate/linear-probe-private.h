/* Multinomial logistic regression on frozen embeddings: the linear evaluation of SimCLR.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/evaluate/examples-private.h>
#include <simclr/simclr-enums.h>

typedef struct
{
  gsize n_classes;
  gsize size;     /* floats of an embedding */
  gfloat *weight; /* (n_classes, size), as torch.nn.Linear, standardisation folded in */
  gfloat *bias;
  guint iterations; /* that fitting took */
  gboolean converged;
  gdouble loss; /* mean cross entropy on the examples, penalty not included, in nats */
} SimclrLinearProbe;

typedef struct
{
  SimclrProbeSolver solver;
  gboolean standardize;
  gdouble l2; /* 0: one over the examples */
  guint64 seed;
} SimclrProbeSettings;

SimclrLinearProbe *_simclr_linear_probe_new (
    gsize n_classes, gsize size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void _simclr_linear_probe_free (SimclrLinearProbe *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimclrLinearProbe, _simclr_linear_probe_free)

SimclrLinearProbe *_simclr_linear_probe_fit (SimclrParallel *parallel,
    const SimclrExamples *examples, const SimclrProbeSettings *settings,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* probabilities (count, n_classes) of embeddings (count, size) */
void _simclr_linear_probe_classify (
    const SimclrLinearProbe *self, const gfloat *embeddings, gsize count, gfloat *probabilities);

/* --- between the two files ------------------------------------------------------------------------ */

/* The problem that both solvers have: logits = V z + b of z = (x - mean) / scale = x factor - shift. */
typedef struct
{
  SimclrRows rows;
  const guint32 *classes;
  gsize n_classes;
  gdouble *mean;  /* (size) */
  gdouble *scale; /* (size), of x */
  const gfloat *factor;
  const gfloat *shift;
  gdouble *decay; /* (size): the penalty is the sum of decay[j] V[k][j]^2 / 2 */
} SimclrProbeProblem;

/* z (count, size) of rows picks[0 .. count - 1], or first .. first + count - 1 where picks is NULL */
void _simclr_probe_prepare (
    const SimclrProbeProblem *self, gsize first, const guint32 *picks, gsize count, gfloat *z);

/* Softmax of logits (count, n_classes) in place minus the one of the true class: the gradient of the sum
 * of cross entropies, which is returned. */
gdouble _simclr_probe_cross_entropy (
    const SimclrProbeProblem *self, gsize first, const guint32 *picks, gsize count, gfloat *logits);

/* The official code's linear evaluation: Nesterov momentum 0.9, batches of 512, learning rate 0.1 times
 * batch / 256 down a cosine, 100 epochs, from zero, no penalty. weights (n_classes, size + 1), the bias
 * last. Returns the steps. */
guint _simclr_probe_sgd (const SimclrProbeProblem *self, guint64 seed, gdouble *weights);
