/* Weighted nearest-neighbour classification on embeddings.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/evaluate/knn.h>

#include <simclr/base/blas-private.h>
#include <simclr/base/parallel-private.h>
#include <simclr/simclr-error.h>
#include <cblas.h>
#include <math.h>

/* A tile of similarities stays in the second-level cache. */
#define TILE_TEST 64
#define TILE_TRAIN 1024

typedef struct
{
  gfloat similarity;
  gsize row; /* of the training embeddings */
} Neighbor;

typedef struct
{
  gsize size; /* floats of an embedding */
  gsize n_train;
  gsize n_test;
  gsize neighbors;
  gdouble temperature;
  gfloat *train; /* of unit length */
  gfloat *test;
  guint32 *classes; /* of each training embedding, 0 .. n_classes - 1 */
  guint32 *labels;  /* of each class, ascending */
  gsize n_classes;
  guint32 *predictions;

  /* for each thread */
  gfloat *tiles;
  Neighbor *heaps; /* neighbors of each row of a tile, the least similar first */
  gdouble *votes;
} Knn;

static gfloat *
copy_unit_rows (const gfloat *rows, gsize count, gsize size, const gchar *what, GError **error)
{
  g_autofree gfloat *unit = g_try_new (gfloat, count * size + 1);

  if (unit == NULL) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MEMORY,
        "no memory for %" G_GSIZE_FORMAT " embeddings of %" G_GSIZE_FORMAT, count, size);
    return NULL;
  }
  for (gsize row = 0; row < count; row++) {
    const gfloat *in = rows + row * size;
    gdouble square = 0, factor;

    for (gsize i = 0; i < size; i++)
      square += (gdouble) in[i] * in[i];
    if (!isfinite (square)) {
      g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_NON_FINITE,
          "%s embedding %" G_GSIZE_FORMAT " holds a number that is not finite", what, row);
      return NULL;
    }
    factor = square > 0 ? 1 / sqrt (square) : 0;
    for (gsize i = 0; i < size; i++)
      unit[row * size + i] = (gfloat) (in[i] * factor);
  }
  return g_steal_pointer (&unit);
}

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

/* Whether a should leave before b: less similar, or as similar and later. */
static inline gboolean
is_farther (const Neighbor *a, const Neighbor *b)
{
  return a->similarity < b->similarity || (a->similarity == b->similarity && a->row > b->row);
}

/* Puts a neighbor at the root of a heap and lets it sink. */
static void
sink (Neighbor *heap, gsize count, Neighbor neighbor)
{
  gsize at = 0;

  while (2 * at + 1 < count) {
    gsize child = 2 * at + 1;

    if (child + 1 < count && is_farther (&heap[child + 1], &heap[child]))
      child++;
    if (!is_farther (&heap[child], &neighbor))
      break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = neighbor;
}

static void
keep_nearest (const Knn *self, const gfloat *similarities, gsize first, gsize count, Neighbor *heap)
{
  for (gsize i = 0; i < count; i++) {
    /* rows come in ascending order, so an equal one is never nearer */
    if (similarities[i] > heap[0].similarity)
      sink (heap, self->neighbors, (Neighbor){similarities[i], first + i});
  }
}

static guint32
vote (const Knn *self, const Neighbor *heap, gdouble *votes)
{
  gfloat highest = -G_MAXFLOAT;
  gsize best = 0;

  for (gsize c = 0; c < self->n_classes; c++)
    votes[c] = 0;
  for (gsize i = 0; i < self->neighbors; i++)
    highest = MAX (highest, heap[i].similarity);
  for (gsize i = 0; i < self->neighbors; i++)
    votes[self->classes[heap[i].row]] +=
        exp (((gdouble) heap[i].similarity - highest) / self->temperature);
  for (gsize c = 1; c < self->n_classes; c++) {
    if (votes[c] > votes[best])
      best = c;
  }
  return self->labels[best];
}

static void
classify_tile (Knn *self, gsize begin, gsize rows, gfloat *tile, Neighbor *heaps, gdouble *votes)
{
  for (gsize i = 0; i < rows * self->neighbors; i++)
    heaps[i] = (Neighbor){-G_MAXFLOAT, 0};

  for (gsize first = 0; first < self->n_train; first += TILE_TRAIN) {
    gsize count = MIN (TILE_TRAIN, self->n_train - first);

    cblas_sgemm (CblasRowMajor, CblasNoTrans, CblasTrans, (int) rows, (int) count, (int) self->size,
        1.0f, self->test + begin * self->size, (int) self->size, self->train + first * self->size,
        (int) self->size, 0.0f, tile, TILE_TRAIN);
    for (gsize i = 0; i < rows; i++)
      keep_nearest (self, tile + i * TILE_TRAIN, first, count, heaps + i * self->neighbors);
  }
  for (gsize i = 0; i < rows; i++)
    self->predictions[begin + i] = vote (self, heaps + i * self->neighbors, votes);
}

static void
classify (guint thread, gsize begin, gsize end, gpointer data)
{
  Knn *self = data;
  gfloat *tile = self->tiles + (gsize) thread * TILE_TEST * TILE_TRAIN;
  Neighbor *heaps = self->heaps + (gsize) thread * TILE_TEST * self->neighbors;
  gdouble *votes = self->votes + (gsize) thread * self->n_classes;

  for (gsize row = begin; row < end; row += TILE_TEST)
    classify_tile (self, row, MIN (TILE_TEST, end - row), tile, heaps, votes);
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

/* Memory for the threads; the tables are bounded by the caller's arrays. */
static void
run (Knn *self)
{
  g_autoptr (SimclrParallel) parallel = _simclr_parallel_new (0);
  gsize threads = _simclr_parallel_get_threads (parallel);

  self->tiles = g_new (gfloat, threads * TILE_TEST * TILE_TRAIN);
  self->heaps = g_new (Neighbor, threads * TILE_TEST * self->neighbors);
  self->votes = g_new (gdouble, threads * self->n_classes);
  _simclr_blas_prepare ();
  _simclr_parallel_for (parallel, self->n_test, TILE_TEST, classify, self);
  g_free (self->tiles);
  g_free (self->heaps);
  g_free (self->votes);
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

  g_return_val_if_fail (n_predictions != NULL, NULL);

  *n_predictions = 0;
  if (!check (n_train_floats, n_train, n_test_floats, neighbors, temperature, error))
    return NULL;
  self.size = n_train_floats / n_train;
  self.n_test = n_test_floats / self.size;
  self.train = copy_unit_rows (train, n_train, self.size, "training", error);
  if (self.train != NULL)
    self.test = copy_unit_rows (test, self.n_test, self.size, "test", error);

  if (self.test != NULL) {
    number_classes (&self, train_labels);
    self.predictions = g_new (guint32, self.n_test + 1);
    *n_predictions = self.n_test;
    run (&self);
  }
  g_free (self.train);
  g_free (self.test);
  g_free (self.classes);
  g_free (self.labels);
  return self.predictions;
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
