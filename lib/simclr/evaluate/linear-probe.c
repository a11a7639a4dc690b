/* Multinomial logistic regression on frozen embeddings: the linear evaluation of SimCLR.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/evaluate/linear-probe-private.h>

#include <simclr/base/blas-private.h>
#include <simclr/base/exp-private.h>
#include <simclr/base/multiversion-private.h>
#include <simclr/evaluate/lbfgs-private.h>
#include <simclr/simclr-error.h>
#include <cblas.h>
#include <math.h>
#include <string.h>

#define TILE 256
#define TOLERANCE 2e-6
#define MOST_ITERATIONS 2000

/* One evaluation of the objective, shared by the threads. */
typedef struct
{
  const SimclrProbeProblem *problem;
  SimclrParallel *parallel;
  guint threads;
  gfloat *weight;  /* V as floats (n_classes, size) */
  gfloat *bias;    /* (n_classes) */
  gfloat *scratch; /* for each thread: z (TILE, size), logits (TILE, n_classes), one gradient */
  gsize scratch_floats;
  gdouble *sums; /* for each thread: gradient (n_classes, size + 1), loss */
  gsize n;       /* n_classes * (size + 1) */
  gdouble loss;  /* mean cross entropy of the last evaluation */
} Evaluation;

SimclrLinearProbe *
_simclr_linear_probe_new (gsize n_classes, gsize size, GError **error)
{
  SimclrLinearProbe *self = g_new0 (SimclrLinearProbe, 1);

  self->n_classes = n_classes;
  self->size = size;
  self->weight = g_try_new0 (gfloat, n_classes * size + 1);
  self->bias = g_try_new0 (gfloat, n_classes + 1);
  if (self->weight == NULL || self->bias == NULL) {
    _simclr_linear_probe_free (self);
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MEMORY,
        "no memory for a linear layer of %" G_GSIZE_FORMAT " classes", n_classes);
    return NULL;
  }
  return self;
}

void
_simclr_linear_probe_free (SimclrLinearProbe *self)
{
  g_free (self->weight);
  g_free (self->bias);
  g_free (self);
}

SIMCLR_MULTIVERSION
static void
prepare_row (const gfloat *restrict x, const gfloat *restrict factor, const gfloat *restrict shift,
    gfloat *restrict z, gsize size)
{
  for (gsize j = 0; j < size; j++)
    z[j] = x[j] * factor[j] - shift[j];
}

void
_simclr_probe_prepare (
    const SimclrProbeProblem *self, gsize first, const guint32 *picks, gsize count, gfloat *z)
{
  gsize size = self->rows.size;

  for (gsize i = 0; i < count; i++)
    prepare_row (self->rows.floats + (picks != NULL ? picks[i] : first + i) * size, self->factor,
        self->shift, z + i * size, size);
}

/* Leaves the weights and returns their sum; highest is what was taken off before exp (). */
SIMCLR_MULTIVERSION
static gfloat
softmax (gfloat *restrict row, gsize n, gfloat *highest)
{
  gfloat top = row[0], sum = 0;

  for (gsize k = 1; k < n; k++)
    top = MAX (top, row[k]);
  for (gsize k = 0; k < n; k++)
    row[k] = _simclr_exp (row[k] - top);
  for (gsize k = 0; k < n; k++)
    sum += row[k];
  for (gsize k = 0; k < n; k++)
    row[k] /= sum;
  *highest = top;
  return sum;
}

gdouble
_simclr_probe_cross_entropy (
    const SimclrProbeProblem *self, gsize first, const guint32 *picks, gsize count, gfloat *logits)
{
  gdouble loss = 0;
  gfloat highest, sum;

  for (gsize i = 0; i < count; i++) {
    gfloat *row = logits + i * self->n_classes;
    guint32 class = self->classes[picks != NULL ? picks[i] : first + i];
    gfloat own = row[class];

    sum = softmax (row, self->n_classes, &highest);
    loss += log ((gdouble) sum) + highest - own;
    row[class] -= 1;
  }
  return loss;
}

static void
evaluate_tile (Evaluation *self, guint thread, gsize first, gsize count)
{
  const SimclrProbeProblem *problem = self->problem;
  int classes = (int) problem->n_classes, size = (int) problem->rows.size;
  gsize size1 = problem->rows.size + 1;
  gfloat *z = self->scratch + thread * self->scratch_floats;
  gfloat *logits = z + (gsize) TILE * size, *gradient = logits + (gsize) TILE * classes;
  gdouble *sums = self->sums + thread * (self->n + 1);

  _simclr_probe_prepare (problem, first, NULL, count, z);
  for (gsize i = 0; i < count; i++)
    memcpy (logits + i * classes, self->bias, classes * sizeof (gfloat));
  cblas_sgemm (CblasRowMajor, CblasNoTrans, CblasTrans, (int) count, classes, size, 1.0f, z, size,
      self->weight, size, 1.0f, logits, classes);
  sums[self->n] += _simclr_probe_cross_entropy (problem, first, NULL, count, logits);
  cblas_sgemm (CblasRowMajor, CblasTrans, CblasNoTrans, classes, size, (int) count, 1.0f, logits,
      classes, z, size, 0.0f, gradient, size);
  for (gsize k = 0; k < problem->n_classes; k++) {
    gdouble *out = sums + k * size1;

    for (gsize j = 0; j < problem->rows.size; j++)
      out[j] += gradient[k * size + j];
    for (gsize i = 0; i < count; i++)
      out[size] += logits[i * classes + k];
  }
}

static void
evaluate_rows (guint thread, gsize begin, gsize end, gpointer data)
{
  for (gsize first = begin; first < end; first += TILE)
    evaluate_tile (data, thread, first, MIN (TILE, end - first));
}

/* Mean cross entropy plus penalty, and the gradient. */
static gdouble
evaluate (const gdouble *x, gdouble *gradient, gpointer data)
{
  Evaluation *self = data;
  const SimclrProbeProblem *problem = self->problem;
  gsize size = problem->rows.size, count = problem->rows.count;
  gdouble loss = 0, penalty = 0;

  for (gsize k = 0; k < problem->n_classes; k++) {
    for (gsize j = 0; j < size; j++)
      self->weight[k * size + j] = (gfloat) x[k * (size + 1) + j];
    self->bias[k] = (gfloat) x[k * (size + 1) + size];
  }
  memset (self->sums, 0, self->threads * (self->n + 1) * sizeof (gdouble));
  _simclr_parallel_for (self->parallel, count, TILE, evaluate_rows, self);

  memset (gradient, 0, self->n * sizeof (gdouble));
  for (guint thread = 0; thread < self->threads; thread++) {
    const gdouble *sums = self->sums + thread * (self->n + 1);

    for (gsize i = 0; i < self->n; i++)
      gradient[i] += sums[i] / (gdouble) count;
    loss += sums[self->n] / (gdouble) count;
  }
  for (gsize k = 0; k < problem->n_classes; k++) {
    for (gsize j = 0; j < size; j++) {
      gsize i = k * (size + 1) + j;

      penalty += problem->decay[j] * x[i] * x[i] / 2;
      gradient[i] += problem->decay[j] * x[i];
    }
  }
  self->loss = loss;
  return loss + penalty;
}

/* Mean and deviation of each column; a column without deviation is divided by 1. The optimum does not
 * depend on the scale that the search is done in, so without standardisation one is taken that makes
 * all directions alike, and the penalty is that of the embeddings' own weights. */
static void
prepare_columns (SimclrProbeProblem *self, const SimclrProbeSettings *settings)
{
  gsize size = self->rows.size, count = self->rows.count;
  gdouble l2 = settings->l2 > 0 ? settings->l2 : 1 / (gdouble) count;

  for (gsize i = 0; i < count; i++)
    for (gsize j = 0; j < size; j++)
      self->mean[j] += self->rows.floats[i * size + j] / (gdouble) count;
  for (gsize i = 0; i < count; i++) {
    for (gsize j = 0; j < size; j++) {
      gdouble off = self->rows.floats[i * size + j] - self->mean[j];

      self->scale[j] += off * off / (gdouble) count;
    }
  }
  for (gsize j = 0; j < size; j++) {
    gdouble variance = self->scale[j];
    gboolean constant = sqrt (variance) <= 1e-6 * fabs (self->mean[j]) || variance < 1e-30;

    if (settings->standardize) {
      self->scale[j] = constant ? 1 : sqrt (variance);
      self->decay[j] = l2;
    } else if (settings->solver == SIMCLR_PROBE_SOLVER_SGD) {
      self->scale[j] = 1;
      self->mean[j] = 0;
    } else {
      self->scale[j] = sqrt (variance + l2);
      self->decay[j] = l2 / (self->scale[j] * self->scale[j]);
    }
  }
}

/* z = x factor - shift, in floats. */
static void
round_columns (SimclrProbeProblem *self, gfloat *floats)
{
  gsize size = self->rows.size;
  gfloat *factor = floats, *shift = floats + size;

  for (gsize j = 0; j < size; j++) {
    factor[j] = (gfloat) (1 / self->scale[j]);
    shift[j] = (gfloat) (self->mean[j] * (gdouble) factor[j]);
  }
  self->factor = factor;
  self->shift = shift;
}

/* weight = V factor, bias = b - V shift */
static void
fold (const SimclrProbeProblem *problem, const gdouble *x, SimclrLinearProbe *probe)
{
  gsize size = problem->rows.size;

  for (gsize k = 0; k < problem->n_classes; k++) {
    const gdouble *row = x + k * (size + 1);
    gdouble bias = row[size];

    for (gsize j = 0; j < size; j++) {
      probe->weight[k * size + j] = (gfloat) (row[j] * problem->factor[j]);
      bias -= row[j] * problem->shift[j];
    }
    probe->bias[k] = (gfloat) bias;
  }
}

static gboolean
solve (Evaluation *self, const SimclrProbeSettings *settings, gdouble *x, SimclrLinearProbe *probe)
{
  SimclrMinimum minimum;

  if (settings->solver == SIMCLR_PROBE_SOLVER_SGD) {
    g_autofree gdouble *gradient = g_new (gdouble, self->n);

    probe->iterations = _simclr_probe_sgd (self->problem, settings->seed, x);
    evaluate (x, gradient, self);
    probe->converged = isfinite (self->loss);
  } else {
    minimum = _simclr_lbfgs (evaluate, self, x, self->n, TOLERANCE, MOST_ITERATIONS);
    probe->iterations = minimum.iterations;
    probe->converged = minimum.converged;
    evaluate (x, self->sums + self->threads * (self->n + 1), self);
    if (!isfinite (minimum.value))
      return FALSE;
  }
  probe->loss = self->loss;
  return TRUE;
}

SimclrLinearProbe *
_simclr_linear_probe_fit (SimclrParallel *parallel, const SimclrExamples *examples,
    const SimclrProbeSettings *settings, GError **error)
{
  gsize size = examples->size, n_classes = examples->labels->len;
  g_autoptr (SimclrLinearProbe) probe = NULL;
  g_autofree gdouble *columns = NULL, *sums = NULL, *x = NULL;
  g_autofree gfloat *floats = NULL, *column_floats = NULL;
  SimclrProbeProblem problem = {.rows = _simclr_examples_get_rows (examples),
      .classes = (const guint32 *) (gpointer) examples->classes->data,
      .n_classes = n_classes};
  Evaluation self = {.problem = &problem, .parallel = parallel, .n = n_classes * (size + 1)};

  if (n_classes < 2) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_VALUE,
        "a linear layer tells labels apart: %" G_GSIZE_FORMAT " were taught, at least 2 are needed",
        n_classes);
    return NULL;
  }
  _simclr_blas_prepare ();
  self.threads = parallel != NULL ? _simclr_parallel_get_threads (parallel) : 1;
  self.scratch_floats = TILE * (size + n_classes) + n_classes * size;
  probe = _simclr_linear_probe_new (n_classes, size, error);
  if (probe == NULL)
    return NULL;
  columns = g_new0 (gdouble, 3 * size);
  column_floats = g_new (gfloat, 2 * size);
  sums = g_try_new (gdouble, (self.threads + 1) * (self.n + 1));
  x = g_try_new0 (gdouble, self.n);
  floats = g_try_new (gfloat, self.threads * self.scratch_floats + n_classes * (size + 1));
  if (sums != NULL && x != NULL && floats != NULL) {
    problem.mean = columns;
    problem.scale = columns + size;
    problem.decay = columns + 2 * size;
    prepare_columns (&problem, settings);
    round_columns (&problem, column_floats);
    self.sums = sums;
    self.weight = floats;
    self.bias = floats + n_classes * size;
    self.scratch = self.bias + n_classes;
    if (solve (&self, settings, x, probe)) {
      fold (&problem, x, probe);
      return g_steal_pointer (&probe);
    }
  }
  g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MEMORY,
      "no memory to fit a linear layer of %" G_GSIZE_FORMAT " classes on %" G_GSIZE_FORMAT
      " floats",
      n_classes, size);
  return NULL;
}

void
_simclr_linear_probe_classify (
    const SimclrLinearProbe *self, const gfloat *embeddings, gsize count, gfloat *probabilities)
{
  int classes = (int) self->n_classes, size = (int) self->size;
  gfloat highest;

  _simclr_blas_prepare ();
  for (gsize i = 0; i < count; i++)
    memcpy (probabilities + i * classes, self->bias, classes * sizeof (gfloat));
  cblas_sgemm (CblasRowMajor, CblasNoTrans, CblasTrans, (int) count, classes, size, 1.0f,
      embeddings, size, self->weight, size, 1.0f, probabilities, classes);
  for (gsize i = 0; i < count; i++)
    softmax (probabilities + i * classes, self->n_classes, &highest);
}
