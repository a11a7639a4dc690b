/* Labels for embeddings: scores, predictions and novelty.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/evaluate/classifier-private.h>

#include <simclr/base/blas-private.h>
#include <simclr/simclr-error.h>
#include <cblas.h>
#include <math.h>

/* Embeddings that are classified at a time: bounds the memory of their neighbours. */
#define BLOCK 1024

/* The mean direction of each label's examples. */
static void
compute_prototypes (SimclrClassifier *self)
{
  SimclrRows rows = _simclr_examples_get_rows (self->examples);
  gsize n_labels = self->examples->labels->len;
  g_autofree gdouble *sums = g_new0 (gdouble, n_labels * rows.size + 1);

  for (gsize i = 0; i < rows.count; i++) {
    gdouble *sum = sums + g_array_index (self->examples->classes, guint32, i) * rows.size;

    for (gsize j = 0; j < rows.size; j++)
      sum[j] += (gdouble) rows.floats[i * rows.size + j] * rows.scales[i];
  }
  self->prototypes = g_new (gfloat, n_labels * rows.size + 1);
  for (gsize k = 0; k < n_labels; k++) {
    const gdouble *sum = sums + k * rows.size;
    gdouble square = 0;

    for (gsize j = 0; j < rows.size; j++)
      square += sum[j] * sum[j];
    for (gsize j = 0; j < rows.size; j++)
      self->prototypes[k * rows.size + j] = square > 0 ? (gfloat) (sum[j] / sqrt (square)) : 0;
  }
}

/**
 * simclr_classifier_fit:
 * @self: a classifier
 * @error: return location for an error
 *
 * Computes what the method needs from the examples, if they or the settings have changed: the linear layer,
 * or the prototypes. The linear layer is the optimum of a convex function (solver lbfgs), so that it
 * depends on nothing but examples, #SimclrClassifier:l2 and #SimclrClassifier:standardize.
 *
 * Returns: %FALSE with @error set when nothing was taught (%SIMCLR_ERROR_FAILED), a linear layer has
 *   fewer than two labels (%SIMCLR_ERROR_VALUE), or memory is short
 */
gboolean
simclr_classifier_fit (SimclrClassifier *self, GError **error)
{
  g_return_val_if_fail (SIMCLR_IS_CLASSIFIER (self), FALSE);

  if (self->examples->labels->len == 0) {
    g_set_error_literal (error, SIMCLR_ERROR, SIMCLR_ERROR_FAILED, "nothing was taught yet");
    return FALSE;
  }
  if (self->supervised != NULL)
    return self->method == SIMCLR_CLASSIFIER_METHOD_LINEAR ||
           _simclr_classifier_check_examples (self, "serve method=knn or prototype", error);
  switch (self->method) {
  case SIMCLR_CLASSIFIER_METHOD_LINEAR:
    if (self->probe == NULL)
      self->probe = _simclr_linear_probe_fit (
          _simclr_classifier_get_parallel (self), self->examples, &self->probe_settings, error);
    return self->probe != NULL;
  case SIMCLR_CLASSIFIER_METHOD_PROTOTYPE:
    if (self->prototypes == NULL)
      compute_prototypes (self);
    return TRUE;
  case SIMCLR_CLASSIFIER_METHOD_KNN:
  default:
    return TRUE;
  }
}

/* Scores add up to 1. */
static void
softmax (gfloat *scores, gsize n, gdouble temperature)
{
  gfloat highest = scores[0];
  gdouble sum = 0;

  for (gsize k = 1; k < n; k++)
    highest = MAX (highest, scores[k]);
  for (gsize k = 0; k < n; k++) {
    gdouble weight = exp (((gdouble) scores[k] - highest) / temperature);

    scores[k] = (gfloat) weight;
    sum += weight;
  }
  for (gsize k = 0; k < n; k++)
    scores[k] = (gfloat) (scores[k] / sum);
}

static void
vote (SimclrClassifier *self, const SimclrNeighbor *nearest, gsize neighbors, gfloat *scores)
{
  gsize n = self->examples->labels->len;
  gfloat highest = -G_MAXFLOAT;
  gdouble sum = 0;

  for (gsize k = 0; k < n; k++)
    scores[k] = 0;
  for (gsize i = 0; i < neighbors; i++)
    highest = MAX (highest, nearest[i].similarity);
  for (gsize i = 0; i < neighbors; i++) {
    gdouble weight = exp (((gdouble) nearest[i].similarity - highest) / self->temperature);

    scores[g_array_index (self->examples->classes, guint32, nearest[i].row)] += (gfloat) weight;
    sum += weight;
  }
  for (gsize k = 0; k < n; k++)
    scores[k] = (gfloat) (scores[k] / sum);
}

static void
classify_by_neighbors (SimclrClassifier *self, const SimclrRows *rows, gfloat *scores)
{
  SimclrRows examples = _simclr_examples_get_rows (self->examples);
  gsize neighbors = MIN (self->neighbors, examples.count);
  g_autofree SimclrNeighbor *found = g_new (SimclrNeighbor, rows->count * neighbors);

  _simclr_neighbors_search (
      _simclr_classifier_get_parallel (self), &examples, rows, neighbors, found);
  for (gsize i = 0; i < rows->count; i++)
    vote (self, found + i * neighbors, neighbors, scores + i * self->examples->labels->len);
}

static void
classify_by_prototype (SimclrClassifier *self, const SimclrRows *rows, gfloat *scores)
{
  int n = (int) self->examples->labels->len, size = (int) rows->size;

  _simclr_blas_prepare ();
  cblas_sgemm (CblasRowMajor, CblasNoTrans, CblasTrans, (int) rows->count, n, size, 1.0f,
      rows->floats, size, self->prototypes, size, 0.0f, scores, n);
  for (gsize i = 0; i < rows->count; i++)
    softmax (scores + i * n, n, self->temperature);
}

static gboolean
classify_linear (
    SimclrClassifier *self, const gfloat *embeddings, gsize count, gfloat *scores, GError **error)
{
  const gsize n = self->examples->labels->len;

  if (self->supervised == NULL) {
    _simclr_linear_probe_classify (self->probe, embeddings, count, scores);
    return TRUE;
  }
  if (!_simclr_supervised_head_infer (self->supervised, _simclr_classifier_get_parallel (self),
          embeddings, count, scores, error))
    return FALSE;
  for (gsize i = 0; i < count; i++)
    softmax (scores + i * n, n, 1);
  return TRUE;
}

static gboolean
check (SimclrClassifier *self, gsize n_floats, GError **error)
{
  if (self->examples->size == 0) {
    g_set_error_literal (error, SIMCLR_ERROR, SIMCLR_ERROR_FAILED, "nothing was taught yet");
    return FALSE;
  }
  if (n_floats % self->examples->size != 0) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE,
        "%" G_GSIZE_FORMAT " floats are no whole number of embeddings of %" G_GSIZE_FORMAT
        " floats, the size of what was taught",
        n_floats, self->examples->size);
    return FALSE;
  }
  return TRUE;
}

/**
 * simclr_classifier_classify:
 * @self: a classifier
 * @embeddings: (array length=n_floats): embeddings, row after row
 * @n_floats: floats in @embeddings
 * @n_scores: (out): embeddings times labels
 * @error: return location for an error
 *
 * Scores of every label for every embedding. Those of one embedding are between 0 and 1 and add up to 1:
 * shares of the votes, probabilities of the linear layer, or a softmax over the prototypes' similarities.
 *
 * Returns: (transfer full) (array length=n_scores) (nullable): the scores, row after row, labels in the
 *   order of simclr_classifier_get_labels(), or %NULL with @error set
 */
gfloat *
simclr_classifier_classify (SimclrClassifier *self, const gfloat *embeddings, gsize n_floats,
    gsize *n_scores, GError **error)
{
  gsize count, n_labels, size;
  g_autofree gfloat *scores = NULL, *unit = NULL;

  g_return_val_if_fail (SIMCLR_IS_CLASSIFIER (self), NULL);
  g_return_val_if_fail (n_scores != NULL, NULL);

  *n_scores = 0;
  if (!check (self, n_floats, error) || !simclr_classifier_fit (self, error))
    return NULL;
  size = self->examples->size;
  count = n_floats / size;
  n_labels = self->examples->labels->len;
  unit = _simclr_rows_copy_unit (embeddings, count, size, "the", error);
  if (unit == NULL)
    return NULL;
  scores = g_try_new (gfloat, count * n_labels + 1);
  if (scores == NULL) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MEMORY,
        "no memory for %" G_GSIZE_FORMAT " scores of %" G_GSIZE_FORMAT " labels", count, n_labels);
    return NULL;
  }
  for (gsize first = 0; first < count; first += BLOCK) {
    SimclrRows rows = {
        .floats = unit + first * size, .count = MIN (BLOCK, count - first), .size = size};

    if (self->method == SIMCLR_CLASSIFIER_METHOD_LINEAR) {
      if (!classify_linear (
              self, embeddings + first * size, rows.count, scores + first * n_labels, error))
        return NULL;
    } else if (self->method == SIMCLR_CLASSIFIER_METHOD_PROTOTYPE) {
      classify_by_prototype (self, &rows, scores + first * n_labels);
    } else {
      classify_by_neighbors (self, &rows, scores + first * n_labels);
    }
  }
  *n_scores = count * n_labels;
  return g_steal_pointer (&scores);
}

/**
 * simclr_classifier_predict:
 * @self: a classifier
 * @embeddings: (array length=n_floats): embeddings, row after row
 * @n_floats: floats in @embeddings
 * @error: return location for an error
 *
 * The label of the highest score of each embedding; of equal ones the one taught first.
 *
 * Returns: (transfer full) (array zero-terminated=1) (nullable): a label for each embedding, or %NULL with
 *   @error set
 */
gchar **
simclr_classifier_predict (
    SimclrClassifier *self, const gfloat *embeddings, gsize n_floats, GError **error)
{
  g_autofree gfloat *scores = NULL;
  gsize n_scores, n_labels, count;
  gchar **labels;

  g_return_val_if_fail (SIMCLR_IS_CLASSIFIER (self), NULL);

  scores = simclr_classifier_classify (self, embeddings, n_floats, &n_scores, error);
  if (scores == NULL)
    return NULL;
  n_labels = self->examples->labels->len;
  count = n_scores / n_labels;
  labels = g_new0 (gchar *, count + 1);
  for (gsize i = 0; i < count; i++) {
    gsize best = 0;

    for (gsize k = 1; k < n_labels; k++)
      if (scores[i * n_labels + k] > scores[i * n_labels + best])
        best = k;
    labels[i] = g_strdup (g_ptr_array_index (self->examples->labels, best));
  }
  return labels;
}

/**
 * simclr_classifier_get_novelty:
 * @self: a classifier
 * @embeddings: (array length=n_floats): embeddings, row after row
 * @n_floats: floats in @embeddings
 * @n_rows: (out): embeddings
 * @error: return location for an error
 *
 * How unlike all examples each embedding is: its distance (one minus cosine similarity) to an example over the
 * reach of that example's label, the least of all examples. So 0 is a double of an example, and what is
 * above 2 is better called unknown: the reach was found by measurement to be half of the distance where that begins,
 * from how far apart a label's examples are and how far the other labels (with a single label: scenes in general).
 * With fewer than two examples, and for a fine-tuned encoder's linear layer, everything is 0.
 *
 * Returns: (transfer full) (array length=n_rows) (nullable): a number for each embedding, or %NULL with
 *   @error set
 */
gfloat *
simclr_classifier_get_novelty (
    SimclrClassifier *self, const gfloat *embeddings, gsize n_floats, gsize *n_rows, GError **error)
{
  g_autofree gfloat *unit = NULL, *novelty = NULL;
  const SimclrNovelty *taught;
  SimclrRows rows;

  g_return_val_if_fail (SIMCLR_IS_CLASSIFIER (self), NULL);
  g_return_val_if_fail (n_rows != NULL, NULL);

  *n_rows = 0;
  if (!check (self, n_floats, error))
    return NULL;
  rows = (SimclrRows){.count = n_floats / self->examples->size, .size = self->examples->size};
  unit = _simclr_rows_copy_unit (embeddings, rows.count, rows.size, "the", error);
  if (unit == NULL)
    return NULL;
  rows.floats = unit;
  novelty = g_new0 (gfloat, rows.count + 1);
  taught = self->supervised == NULL ? _simclr_classifier_get_novelty (self) : NULL;
  if (taught != NULL)
    _simclr_novelty_compute (
        taught, _simclr_classifier_get_parallel (self), self->examples, &rows, novelty);
  *n_rows = rows.count;
  return g_steal_pointer (&novelty);
}
