/* Weighted nearest-neighbour classification on embeddings.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/evaluate/knn.h>

#include <simclr/evaluate/neighbors-private.h>
#include <simclr/simclr-error.h>
#include <math.h>

typedef struct
{
  gsize n_train;
  gsize neighbors;
  gdouble temperature;
  guint32 *classes; /* of each training embedding, 0 .. n_classes - 1 */
  guint32 *labels;  /* of each class, ascending */
  gsize n_classes;
} Knn;

static gint
compare_labels (gconstpointer a, gconstpointer b, gpointer data)
{
  guint32 x = *(const guint32 *) a, y = *(const guint32 *) b;

  return x < y ? -1 : x > y;
}

/* Labels may be any numbers; votes are counted for the ones that occur. */
static void
number_classes (Knn *self, const guint32 *labels)
{
  self->labels = g_memdup2 (labels, self->n_train * sizeof (guint32));
  g_qsort_with_data (self->labels, (gint) self->n_train, sizeof (guint32), compare_labels, NULL);
  for (gsize i = 0; i < self->n_train; i++) {
    if (self->n_classes == 0 || self->labels[self->n_classes - 1] != self->labels[i])
      self->labels[self->n_classes++] = self->labels[i];
  }

  self->classes = g_new (guint32, self->n_train);
  for (gsize i = 0; i < self->n_train; i++) {
    gsize low = 0, high = self->n_classes;

    while (high - low > 1) {
      gsize middle = low + (high - low) / 2;

      if (self->labels[middle] <= labels[i])
        low = middle;
      else
        high = middle;
    }
    self->classes[i] = (guint32) low;
  }
}

static guint32
vote (const Knn *self, const SimclrNeighbor *nearest, gdouble *votes)
{
  gfloat highest = -G_MAXFLOAT;
  gsize best = 0;

  for (gsize c = 0; c < self->n_classes; c++)
    votes[c] = 0;
  for (gsize i = 0; i < self->neighbors; i++)
    highest = MAX (highest, nearest[i].similarity);
  for (gsize i = 0; i < self->neighbors; i++)
    votes[self->classes[nearest[i].row]] +=
        exp (((gdouble) nearest[i].similarity - highest) / self->temperature);
  for (gsize c = 1; c < self->n_classes; c++) {
    if (votes[c] > votes[best])
      best = c;
  }
  return self->labels[best];
}

static gboolean
check (gsize n_train_floats, gsize n_train, gsize n_test_floats, guint neighbors,
    gdouble temperature, GError **error)
{
  if (n_train == 0 || n_train > G_MAXINT || n_train_floats == 0 || n_train_floats % n_train != 0) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE,
        "%" G_GSIZE_FORMAT " floats are not one training embedding for each of %" G_GSIZE_FORMAT
        " labels",
        n_train_floats, n_train);
    return FALSE;
  }
  if (n_test_floats % (n_train_floats / n_train) != 0) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE,
        "%" G_GSIZE_FORMAT " floats are no whole number of embeddings of %" G_GSIZE_FORMAT
        " floats, the size of the training embeddings",
        n_test_floats, n_train_floats / n_train);
    return FALSE;
  }
  if (neighbors == 0 || neighbors > n_train) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_VALUE,
        "%u neighbors wanted, but there are %" G_GSIZE_FORMAT " training embeddings", neighbors,
        n_train);
    return FALSE;
  }
  if (!(temperature > 0) || !isfinite (temperature)) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_VALUE, "a temperature of %g is not positive",
        temperature);
    return FALSE;
  }
  return TRUE;
}

/* All test embeddings: the table of neighbours is as large as the caller's arrays. */
static guint32 *
run (Knn *self, const SimclrRows *train, const SimclrRows *test)
{
  g_autoptr (SimclrParallel) parallel = _simclr_parallel_new (0);
  g_autofree SimclrNeighbor *found = g_new (SimclrNeighbor, test->count * self->neighbors + 1);
  g_autofree gdouble *votes = g_new (gdouble, self->n_classes);
  guint32 *predictions = g_new (guint32, test->count + 1);

  _simclr_neighbors_search (parallel, train, test, self->neighbors, found);
  for (gsize row = 0; row < test->count; row++)
    predictions[row] = vote (self, found + row * self->neighbors, votes);
  return predictions;
}

/**
 * simclr_knn_classify:
 * @train: (array length=n_train_floats): training embeddings, row after row
 * @n_train_floats: floats in @train
 * @train_labels: (array length=n_train): the class of each training embedding, any numbers
 * @n_train: training embeddings; the size of an embedding is @n_train_floats / @n_train
 * @test: (array length=n_test_floats): embeddings to classify, row after row
 * @n_test_floats: floats in @test
 * @neighbors: how many nearest training embeddings vote, for example 200
 * @temperature: of the votes, for example 0.1
 * @n_predictions: (out): embeddings in @test
 * @error: return location for an error
 *
 * Classifies embeddings by their nearest neighbours: the @neighbors training embeddings of highest
 * cosine similarity vote for their class with the weight exp (similarity / temperature). Of equal
 * classes the lowest wins. Embeddings need not have unit length.
 *
 * Returns: (transfer full) (array length=n_predictions) (nullable): the predicted classes, or %NULL
 *   with @error set
 */
guint32 *
simclr_knn_classify (const gfloat *train, gsize n_train_floats, const guint32 *train_labels,
    gsize n_train, const gfloat *test, gsize n_test_floats, guint neighbors, gdouble temperature,
    gsize *n_predictions, GError **error)
{
  Knn self = {.n_train = n_train, .neighbors = neighbors, .temperature = temperature};
  g_autofree gfloat *unit_train = NULL, *unit_test = NULL;
  guint32 *predictions;
  gsize size, n_test;

  g_return_val_if_fail (n_predictions != NULL, NULL);

  *n_predictions = 0;
  if (!check (n_train_floats, n_train, n_test_floats, neighbors, temperature, error))
    return NULL;
  size = n_train_floats / n_train;
  n_test = n_test_floats / size;
  unit_train = _simclr_rows_copy_unit (train, n_train, size, "training", error);
  if (unit_train == NULL)
    return NULL;
  unit_test = _simclr_rows_copy_unit (test, n_test, size, "test", error);
  if (unit_test == NULL)
    return NULL;

  number_classes (&self, train_labels);
  predictions = run (&self, &(SimclrRows){.floats = unit_train, .count = n_train, .size = size},
      &(SimclrRows){.floats = unit_test, .count = n_test, .size = size});
  *n_predictions = n_test;
  g_free (self.classes);
  g_free (self.labels);
  return predictions;
}

/**
 * simclr_knn_accuracy:
 * @train: (array length=n_train_floats): training embeddings, row after row
 * @n_train_floats: floats in @train
 * @train_labels: (array length=n_train): the class of each training embedding
 * @n_train: training embeddings
 * @test: (array length=n_test_floats): embeddings to classify, row after row
 * @n_test_floats: floats in @test
 * @test_labels: (array length=n_test): the true class of each of them
 * @n_test: embeddings to classify
 * @neighbors: how many nearest training embeddings vote
 * @temperature: of the votes
 * @error: return location for an error
 *
 * The share of embeddings that simclr_knn_classify() gets right.
 *
 * Returns: the accuracy, 0 to 1, or -1 with @error set
 */
gdouble
simclr_knn_accuracy (const gfloat *train, gsize n_train_floats, const guint32 *train_labels,
    gsize n_train, const gfloat *test, gsize n_test_floats, const guint32 *test_labels,
    gsize n_test, guint neighbors, gdouble temperature, GError **error)
{
  g_autofree guint32 *predictions = NULL;
  gsize n_predictions, right = 0;

  predictions = simclr_knn_classify (train, n_train_floats, train_labels, n_train, test,
      n_test_floats, neighbors, temperature, &n_predictions, error);
  if (predictions == NULL)
    return -1;
  if (n_test == 0 || n_predictions != n_test) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE,
        "%" G_GSIZE_FORMAT " test labels for %" G_GSIZE_FORMAT " test embeddings", n_test,
        n_predictions);
    return -1;
  }
  for (gsize i = 0; i < n_test; i++)
    right += predictions[i] == test_labels[i];
  return (gdouble) right / (gdouble) n_test;
}
