/* The official code's linear evaluation: stochastic gradient descent on frozen embeddings.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/evaluate/linear-probe-private.h>

#include <simclr/base/random-private.h>
#include <cblas.h>
#include <math.h>
#include <string.h>

#define BATCH 512
#define EPOCHS 100
#define RATE 0.1
#define RATE_BATCH 256
#define MOMENTUM 0.9f

typedef struct
{
  const SimclrProbeProblem *problem;
  gsize n; /* n_classes * (size + 1) */
  gfloat *weight, *bias;
  gfloat *gradient, *bias_gradient;
  gfloat *momentum; /* weight's, then bias's */
  gfloat *z, *logits;
} Sgd;

static void
shuffle (guint32 *order, gsize count, guint64 seed, guint epoch)
{
  for (gsize i = count; i-- > 1;) {
    gsize other =
        (gsize) _simclr_random_below (seed, SIMCLR_STREAM_PROBE | epoch, i, (guint64) i + 1);
    guint32 swap = order[i];

    order[i] = order[other];
    order[other] = swap;
  }
}

static void
compute_gradient (Sgd *self, const guint32 *picks, gsize count)
{
  const SimclrProbeProblem *problem = self->problem;
  int classes = (int) problem->n_classes, size = (int) problem->rows.size;

  _simclr_probe_prepare (problem, 0, picks, count, self->z);
  for (gsize i = 0; i < count; i++)
    memcpy (self->logits + i * classes, self->bias, classes * sizeof (gfloat));
  cblas_sgemm (CblasRowMajor, CblasNoTrans, CblasTrans, (int) count, classes, size, 1.0f, self->z,
      size, self->weight, size, 1.0f, self->logits, classes);
  _simclr_probe_cross_entropy (problem, 0, picks, count, self->logits);
  cblas_sgemm (CblasRowMajor, CblasTrans, CblasNoTrans, classes, size, (int) count,
      1.0f / (gfloat) count, self->logits, classes, self->z, size, 0.0f, self->gradient, size);
  for (gint k = 0; k < classes; k++) {
    gfloat sum = 0;

    for (gsize i = 0; i < count; i++)
      sum += self->logits[i * classes + k];
    self->bias_gradient[k] = sum / (gfloat) count;
  }
}

/* Nesterov's form as in Keras: the step looks ahead along the new velocity. */
static void
step (gfloat *restrict weights, const gfloat *restrict gradient, gfloat *restrict velocity,
    gfloat rate, gsize n)
{
  for (gsize i = 0; i < n; i++) {
    velocity[i] = MOMENTUM * velocity[i] - rate * gradient[i];
    weights[i] += MOMENTUM * velocity[i] - rate * gradient[i];
  }
}

guint
_simclr_probe_sgd (const SimclrProbeProblem *problem, guint64 seed, gdouble *weights)
{
  gsize size = problem->rows.size, classes = problem->n_classes, count = problem->rows.count;
  gsize batch = MIN (BATCH, count), batches = count / batch, n = classes * (size + 1);
  g_autofree gfloat *floats = g_new0 (gfloat, 3 * n + batch * (size + classes));
  g_autofree guint32 *order = g_new (guint32, count);
  gdouble rate = RATE * (gdouble) batch / RATE_BATCH, total = (gdouble) EPOCHS * (gdouble) batches;
  guint steps = 0;
  Sgd self = {.problem = problem, .n = n, .weight = floats};

  self.bias = self.weight + classes * size;
  self.gradient = self.weight + n;
  self.bias_gradient = self.gradient + classes * size;
  self.momentum = self.gradient + n;
  self.z = self.momentum + n;
  self.logits = self.z + batch * size;
  for (gsize i = 0; i < count; i++)
    order[i] = (guint32) i;

  for (guint epoch = 0; epoch < EPOCHS; epoch++) {
    shuffle (order, count, seed, epoch);
    for (gsize b = 0; b < batches; b++) {
      gdouble now = rate * (1 + cos (G_PI * steps++ / total)) / 2;

      compute_gradient (&self, order + b * batch, batch);
      /* weight and bias, gradient and bias_gradient lie one after the other */
      step (self.weight, self.gradient, self.momentum, (gfloat) now, n);
    }
  }
  for (gsize k = 0; k < classes; k++) {
    for (gsize j = 0; j < size; j++)
      weights[k * (size + 1) + j] = self.weight[k * size + j];
    weights[k * (size + 1) + size] = self.bias[k];
  }
  return steps;
}
