/* Nearest neighbours against a straightforward version in double precision.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/evaluate/knn.h>
#include <simclr/simclr-error.h>
#include <simclr/base/random-private.h>

#include <math.h>

#define CLASSES 5

typedef struct
{
  gsize n_train, n_test, size;
  gfloat *train, *test;
  guint32 *train_labels, *test_labels;
} Data;

/* Clouds around a centre for each class; labels are large and not in order. */
static guint32
label_of (guint number)
{
  const guint32 labels[CLASSES] = {7, 4000000000u, 0, 12, 3};

  return labels[number];
}

static gfloat *
make_cloud (gsize count, gsize size, gdouble noise, guint64 stream, guint32 *labels)
{
  gfloat *rows = g_new (gfloat, count * size);

  for (gsize i = 0; i < count; i++) {
    guint number = (guint) _simclr_random_below (2, stream, i, CLASSES);

    labels[i] = label_of (number);
    for (gsize j = 0; j < size; j++)
      rows[i * size + j] = (gfloat) (_simclr_random_normal (2, 100 + number, j) +
                                     noise * _simclr_random_normal (2, stream + 1, i * size + j));
  }
  return rows;
}

static void
data_init (Data *self, gsize n_train, gsize n_test, gsize size, gdouble noise)
{
  *self = (Data){n_train, n_test, size};
  self->train_labels = g_new (guint32, n_train);
  self->test_labels = g_new (guint32, n_test);
  self->train = make_cloud (n_train, size, noise, 10, self->train_labels);
  self->test = make_cloud (n_test, size, noise, 20, self->test_labels);
}

static void
data_clear (Data *self)
{
  g_free (self->train);
  g_free (self->test);
  g_free (self->train_labels);
  g_free (self->test_labels);
}

static gdouble
cosine (const gfloat *a, const gfloat *b, gsize size)
{
  gdouble ab = 0, aa = 0, bb = 0;

  for (gsize i = 0; i < size; i++) {
    ab += (gdouble) a[i] * b[i];
    aa += (gdouble) a[i] * a[i];
    bb += (gdouble) b[i] * b[i];
  }
  return ab / sqrt (aa * bb);
}

/* The definition; margin is how much the winner leads, relative to all votes. */
static guint32
define (const Data *self, gsize row, guint neighbors, gdouble temperature, gdouble *margin)
{
  g_autofree gdouble *similarities = g_new (gdouble, self->n_train);
  gdouble votes[CLASSES] = {0}, all = 0, second = 0;
  guint best = 0;

  for (gsize i = 0; i < self->n_train; i++)
    similarities[i] =
        cosine (self->test + row * self->size, self->train + i * self->size, self->size);
  for (guint n = 0; n < neighbors; n++) {
    gsize nearest = 0;

    for (gsize i = 1; i < self->n_train; i++)
      if (similarities[i] > similarities[nearest])
        nearest = i;
    for (guint c = 0; c < CLASSES; c++)
      if (label_of (c) == self->train_labels[nearest])
        votes[c] += exp (similarities[nearest] / temperature);
    similarities[nearest] = -2;
  }
  for (guint c = 0; c < CLASSES; c++) {
    all += votes[c];
    best = votes[c] > votes[best] ? c : best;
  }
  for (guint c = 0; c < CLASSES; c++)
    second = c != best ? MAX (second, votes[c]) : second;
  *margin = (votes[best] - second) / all;
  return label_of (best);
}

static void
test_is_its_definition (void)
{
  static const struct
  {
    gsize n_train, n_test, size;
    guint neighbors;
    gdouble temperature;
  } cases[] = {
      {40, 30, 4, 1, 0.1},
      {40, 30, 4, 40, 0.1},
      {300, 150, 16, 20, 0.07},
      {2500, 70, 24, 200, 0.5},
      {2500, 70, 24, 1, 0.5},
      {1, 3, 8, 1, 1},
  };

  for (guint c = 0; c < G_N_ELEMENTS (cases); c++) {
    g_autofree guint32 *predictions = NULL;
    g_autoptr (GError) error = NULL;
    gsize n, clear = 0;
    Data data;

    data_init (&data, cases[c].n_train, cases[c].n_test, cases[c].size, 1.5);
    predictions = simclr_knn_classify (data.train, data.n_train * data.size, data.train_labels,
        data.n_train, data.test, data.n_test * data.size, cases[c].neighbors, cases[c].temperature,
        &n, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (n, ==, data.n_test);
    for (gsize row = 0; row < n; row++) {
      gdouble margin;
      guint32 expected = define (&data, row, cases[c].neighbors, cases[c].temperature, &margin);

      if (margin < 1e-4) /* rounding may decide */
        continue;
      clear++;
      g_assert_cmpuint (predictions[row], ==, expected);
    }
    g_assert_cmpuint (clear, >, n * 9 / 10);
    data_clear (&data);
  }
}

static void
test_accuracy_counts_hits (void)
{
  g_autofree guint32 *predictions = NULL;
  g_autoptr (GError) error = NULL;
  gsize n, right = 0;
  gdouble accuracy;
  Data data;

  data_init (&data, 200, 100, 8, 1);
  predictions = simclr_knn_classify (
      data.train, 200 * 8, data.train_labels, 200, data.test, 100 * 8, 10, 0.1, &n, NULL);
  for (gsize i = 0; i < n; i++)
    right += predictions[i] == data.test_labels[i];
  accuracy = simclr_knn_accuracy (data.train, 200 * 8, data.train_labels, 200, data.test, 100 * 8,
      data.test_labels, 100, 10, 0.1, &error);
  g_assert_no_error (error);
  g_assert_cmpfloat_with_epsilon (accuracy, (gdouble) right / 100, 1e-12);
  g_assert_cmpfloat (accuracy, >, 0.5);
  g_assert_cmpfloat (accuracy, <, 1);
  data_clear (&data);
}

/* Many equal similarities: the earliest neighbours and the lowest label win, whatever the team. */
static void
test_ties_are_settled (void)
{
  const gfloat train[] = {1, 0, 2, 0, 3, 0, 4, 0};
  const guint32 labels[] = {9, 9, 5, 5};
  const gfloat crowd[] = {1, 1, 2, 2, 1, 0, 3, 0};
  const guint32 crowd_labels[] = {5, 9, 9, 5};
  const gfloat test[] = {1, 0};
  g_autofree guint32 *two = NULL, *four = NULL, *three = NULL;
  gsize n;

  two = simclr_knn_classify (train, 8, labels, 4, test, 2, 2, 0.1, &n, NULL);
  g_assert_cmpuint (two[0], ==, 9);
  four = simclr_knn_classify (train, 8, labels, 4, test, 2, 4, 0.1, &n, NULL);
  g_assert_cmpuint (four[0], ==, 5);

  /* two nearer ones come after two that are equal: of these the later one leaves */
  three = simclr_knn_classify (crowd, 8, crowd_labels, 4, test, 2, 3, 0.1, &n, NULL);
  g_assert_cmpuint (three[0], ==, 5);
}

static void
test_extremes_are_safe (void)
{
  const gfloat train[] = {1e30f, 0, 0, 1e-30f, 0, 0};
  const guint32 labels[] = {1, 2, 3};
  const gfloat test[] = {1e-30f, 0, 0, 1e30f, 0, 0};
  g_autofree guint32 *predictions = NULL;
  g_autoptr (GError) error = NULL;
  gsize n;

  predictions = simclr_knn_classify (train, 6, labels, 3, test, 6, 3, 1e-6, &n, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (n, ==, 3);
  g_assert_cmpuint (predictions[0], ==, 1);
  g_assert_cmpuint (predictions[1], ==, 2);
}

static void
test_nothing_to_classify_is_no_error (void)
{
  const gfloat train[] = {1, 2};
  const guint32 labels[] = {1};
  g_autofree guint32 *predictions = NULL;
  g_autoptr (GError) error = NULL;
  gsize n = 5;

  predictions = simclr_knn_classify (train, 2, labels, 1, NULL, 0, 1, 0.1, &n, &error);
  g_assert_no_error (error);
  g_assert_nonnull (predictions);
  g_assert_cmpuint (n, ==, 0);
}

static void
test_bad_sizes_are_errors (void)
{
  const gfloat numbers[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, bad[2] = {1, NAN};
  const guint32 labels[6] = {0};
  static const struct
  {
    gsize train_floats, n_train, test_floats;
    guint neighbors;
    gdouble temperature;
    gint code;
  } cases[] = {
      {12, 5, 4, 1, 0.1, SIMCLR_ERROR_SHAPE},
      {0, 0, 4, 1, 0.1, SIMCLR_ERROR_SHAPE},
      {12, 0, 4, 1, 0.1, SIMCLR_ERROR_SHAPE},
      {0, 6, 4, 1, 0.1, SIMCLR_ERROR_SHAPE},
      {12, 6, 3, 1, 0.1, SIMCLR_ERROR_SHAPE},
      {12, 6, 4, 0, 0.1, SIMCLR_ERROR_VALUE},
      {12, 6, 4, 7, 0.1, SIMCLR_ERROR_VALUE},
      {12, 6, 4, 1, 0, SIMCLR_ERROR_VALUE},
      {12, 6, 4, 1, -1, SIMCLR_ERROR_VALUE},
      {12, 6, 4, 1, NAN, SIMCLR_ERROR_VALUE},
      {12, 6, 4, 1, INFINITY, SIMCLR_ERROR_VALUE},
  };
  g_autoptr (GError) error = NULL;
  gsize n = 1;

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) found = NULL;

    g_assert_null (simclr_knn_classify (numbers, cases[i].train_floats, labels, cases[i].n_train,
        numbers, cases[i].test_floats, cases[i].neighbors, cases[i].temperature, &n, &found));
    g_assert_error (found, SIMCLR_ERROR, cases[i].code);
    g_assert_cmpuint (n, ==, 0);
  }
  g_assert_null (simclr_knn_classify (numbers, 12, labels, 6, bad, 2, 1, 0.1, &n, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_NON_FINITE);
  g_clear_error (&error);
  g_assert_cmpfloat (
      simclr_knn_accuracy (numbers, 12, labels, 6, numbers, 4, labels, 3, 1, 0.1, &error), ==, -1);
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/knn/is-its-definition", test_is_its_definition);
  g_test_add_func ("/knn/accuracy-counts-hits", test_accuracy_counts_hits);
  g_test_add_func ("/knn/ties-are-settled", test_ties_are_settled);
  g_test_add_func ("/knn/extremes-are-safe", test_extremes_are_safe);
  g_test_add_func ("/knn/nothing-to-classify-is-no-error", test_nothing_to_classify_is_no_error);
  g_test_add_func ("/knn/bad-sizes-are-errors", test_bad_sizes_are_errors);
  return g_test_run ();
}
