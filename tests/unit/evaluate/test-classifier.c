/* Classifiers against their definitions in double precision, and what they remember.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "labelled-data.h"

#include <simclr/simclr-error.h>

#include <math.h>

static gdouble
cosine (const gfloat *a, const gfloat *b)
{
  gdouble ab = 0, aa = 0, bb = 0;

  for (gsize i = 0; i < SIZE; i++) {
    ab += (gdouble) a[i] * b[i];
    aa += (gdouble) a[i] * a[i];
    bb += (gdouble) b[i] * b[i];
  }
  return ab / sqrt (aa * bb);
}

static void
assert_scores (const gfloat *scores, gdouble *expected)
{
  gdouble sum = 0;

  for (guint k = 0; k < CLASSES; k++)
    sum += expected[k];
  for (guint k = 0; k < CLASSES; k++)
    g_assert_cmpfloat_with_epsilon (scores[k], expected[k] / sum, 1e-4);
}

static void
test_neighbours_vote (void)
{
  Data train = make_data (60, 1, 10), test = make_data (20, 1, 20);
  g_autoptr (SimclrClassifier) self = make_taught (
      &train, "method", SIMCLR_CLASSIFIER_METHOD_KNN, "neighbors", 7, "temperature", 0.2, NULL);
  g_autofree gfloat *scores = classify (self, &test);

  for (gsize row = 0; row < test.count; row++) {
    gdouble similarities[60], votes[CLASSES] = {0};

    for (gsize i = 0; i < train.count; i++)
      similarities[i] = cosine (test.rows + row * SIZE, train.rows + i * SIZE);
    for (guint n = 0; n < 7; n++) {
      gsize nearest = 0;

      for (gsize i = 1; i < train.count; i++)
        nearest = similarities[i] > similarities[nearest] ? i : nearest;
      votes[train.classes[nearest]] += exp (similarities[nearest] / 0.2);
      similarities[nearest] = -2;
    }
    assert_scores (scores + row * CLASSES, votes);
  }
  data_clear (&train);
  data_clear (&test);
}

static void
test_prototypes_are_mean_directions (void)
{
  Data train = make_data (60, 1, 10), test = make_data (20, 1, 20);
  g_autoptr (SimclrClassifier) self =
      make_taught (&train, "method", SIMCLR_CLASSIFIER_METHOD_PROTOTYPE, "temperature", 0.3, NULL);
  g_autofree gfloat *scores = classify (self, &test);

  for (gsize row = 0; row < test.count; row++) {
    gdouble weights[CLASSES];

    for (guint k = 0; k < CLASSES; k++) {
      gfloat mean[SIZE] = {0};

      for (gsize i = 0; i < train.count; i++) {
        gdouble square = 0;

        for (gsize j = 0; j < SIZE; j++)
          square += (gdouble) train.rows[i * SIZE + j] * train.rows[i * SIZE + j];
        for (gsize j = 0; j < SIZE; j++)
          if (train.classes[i] == k)
            mean[j] += (gfloat) (train.rows[i * SIZE + j] / sqrt (square));
      }
      weights[k] = exp (cosine (test.rows + row * SIZE, mean) / 0.3);
    }
    assert_scores (scores + row * CLASSES, weights);
  }
  data_clear (&train);
  data_clear (&test);
}

/* The optimum of a convex function is where its gradient is zero: by the definition, on the layer that
 * comes out. Standardised, the penalty is on the weights times the deviation. */
static void
check_optimum (gboolean standardize, gdouble l2)
{
  Data train = make_data (300, 2.5, 10);
  g_autoptr (SimclrClassifier) self = make_taught (&train, "method",
      SIMCLR_CLASSIFIER_METHOD_LINEAR, "standardize", standardize, "l2", l2, "threads", 2, NULL);
  g_autofree gfloat *scores = classify (self, &train);
  gdouble n = (gdouble) train.count, gradient[CLASSES][SIZE + 1] = {0}, variance[SIZE];
  gsize right = 0;

  g_assert_true (self->probe->converged);
  for (gsize j = 0; j < SIZE; j++) {
    gdouble sum = 0, square = 0;

    for (gsize i = 0; i < train.count; i++) {
      sum += train.rows[i * SIZE + j];
      square += (gdouble) train.rows[i * SIZE + j] * train.rows[i * SIZE + j];
    }
    variance[j] = standardize ? square / n - sum * sum / n / n : 1;
    if (variance[j] < 1e-6)
      variance[j] = 1;
  }
  for (gsize i = 0; i < train.count; i++) {
    guint best = 0;

    for (guint k = 0; k < CLASSES; k++) {
      gdouble p = scores[i * CLASSES + k] - (train.classes[i] == k);

      best = scores[i * CLASSES + k] > scores[i * CLASSES + best] ? k : best;
      for (gsize j = 0; j < SIZE; j++)
        gradient[k][j] += p * train.rows[i * SIZE + j] / n;
      gradient[k][SIZE] += p / n;
    }
    right += best == train.classes[i];
  }
  g_assert_cmpuint (right, >, train.count / 2);
  for (guint k = 0; k < CLASSES; k++) {
    g_assert_cmpfloat_with_epsilon (gradient[k][SIZE], 0, 5e-5);
    for (gsize j = 0; j < SIZE; j++) {
      gdouble penalty = (l2 > 0 ? l2 : 1 / n) * self->probe->weight[k * SIZE + j] * variance[j];

      g_assert_cmpfloat_with_epsilon (gradient[k][j] + penalty, 0, 1e-4);
    }
  }
  data_clear (&train);
}

static void
test_linear_layers_are_optimal (void)
{
  check_optimum (FALSE, 0);
  check_optimum (FALSE, 0.05);
  check_optimum (TRUE, 0);
  check_optimum (TRUE, 0.05);
}

static gdouble
accuracy (SimclrClassifier *self, const Data *data)
{
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) labels = simclr_classifier_predict (self, data->rows, data->count * SIZE, &error);
  gsize right = 0;

  g_assert_no_error (error);
  g_assert_cmpuint (g_strv_length (labels), ==, data->count);
  for (gsize i = 0; i < data->count; i++)
    right += g_str_equal (labels[i], data->labels[i]);
  return (gdouble) right / (gdouble) data->count;
}

static void
test_descent_learns_as_well (void)
{
  Data train = make_data (600, 1.5, 10), test = make_data (400, 1.5, 20);
  g_autoptr (SimclrClassifier) exact =
      make_taught (&train, "method", SIMCLR_CLASSIFIER_METHOD_LINEAR, NULL);
  g_autoptr (SimclrClassifier) descent = make_taught (
      &train, "method", SIMCLR_CLASSIFIER_METHOD_LINEAR, "solver", SIMCLR_PROBE_SOLVER_SGD, NULL);
  g_autoptr (SimclrClassifier) again = make_taught (
      &train, "method", SIMCLR_CLASSIFIER_METHOD_LINEAR, "solver", SIMCLR_PROBE_SOLVER_SGD, NULL);
  g_autofree gfloat *a = classify (descent, &test), *b = classify (again, &test);

  g_assert_cmpfloat (accuracy (exact, &test), >, 0.6);
  g_assert_cmpfloat (fabs (accuracy (descent, &test) - accuracy (exact, &test)), <, 0.05);
  g_assert_cmpmem (a, 400 * CLASSES * sizeof (gfloat), b, 400 * CLASSES * sizeof (gfloat));
  data_clear (&train);
  data_clear (&test);
}

static void
test_labels_are_unlearned (void)
{
  Data train = make_data (60, 1, 10);
  g_autoptr (SimclrClassifier) self =
      make_taught (&train, "method", SIMCLR_CLASSIFIER_METHOD_PROTOTYPE, NULL);
  g_autoptr (SimclrClassifier) without = simclr_classifier_new ();
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) labels = NULL;
  g_autofree gfloat *a = NULL, *b = NULL;
  guint64 known = simclr_classifier_get_n_examples (self, names[1]);

  g_object_set (without, "method", SIMCLR_CLASSIFIER_METHOD_PROTOTYPE, NULL);
  g_assert_cmpuint (known, >, 5);
  g_free (classify (self, &train)); /* what follows from the examples is there, and must go */
  g_assert_cmpuint (simclr_classifier_unlearn (self, names[1]), ==, known);
  g_assert_cmpuint (simclr_classifier_unlearn (self, names[1]), ==, 0);
  g_assert_cmpuint (simclr_classifier_get_n_examples (self, NULL), ==, 60 - known);
  labels = simclr_classifier_get_labels (self);
  g_assert_cmpuint (g_strv_length (labels), ==, 3);
  g_assert_cmpstr (labels[0], ==, names[0]);
  g_assert_cmpstr (labels[1], ==, names[2]);

  for (gsize i = 0; i < train.count; i++) {
    if (train.classes[i] == 1)
      continue;
    simclr_classifier_teach (without, train.rows + i * SIZE, SIZE, train.labels + i, 1, &error);
    g_assert_no_error (error);
  }
  a = classify (self, &train);
  b = classify (without, &train);
  g_assert_cmpmem (a, 60 * 3 * sizeof (gfloat), b, 60 * 3 * sizeof (gfloat));

  for (guint k = 0; k < CLASSES; k++)
    simclr_classifier_unlearn (self, names[k]);
  g_assert_cmpuint (simclr_classifier_get_embedding_size (self), ==, 0);
  g_assert_null (simclr_classifier_predict (self, train.rows, SIZE, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_FAILED);
  data_clear (&train);
}

/* A camera that is taught for hours keeps to its memory, and no label is lost for another. */
static void
test_memory_is_bounded (void)
{
  Data train = make_data (60, 1, 10);
  g_autoptr (SimclrClassifier) self = simclr_classifier_new ();
  guint64 all, left, dropped;

  g_object_set (self, "max-bytes", (guint64) (100 * SIZE * sizeof (gfloat)), NULL);
  simclr_classifier_teach (self, train.rows, 5 * SIZE, train.labels, 5, NULL);
  left = simclr_classifier_get_n_examples (self, names[1]);
  for (guint i = 0; i < 1000; i++)
    simclr_classifier_teach (self, train.rows, SIZE, train.labels, 1, NULL);
  all = simclr_classifier_get_n_examples (self, NULL);
  dropped = simclr_classifier_get_n_dropped (self);
  g_assert_cmpuint (all, <=, 100);
  g_assert_cmpuint (all, >, 50);
  g_assert_cmpuint (all + dropped, ==, 1005);
  g_assert_cmpuint (simclr_classifier_get_n_examples (self, names[1]), ==, left);
  data_clear (&train);
}

static void
test_bad_examples_are_errors (void)
{
  const gfloat rows[8] = {1, 2, 3, 4, NAN, 1, 1, 1}, large[2] = {1e30f, 1};
  const gchar *const good[] = {"a", "b"}, *const empty[] = {"", "b"}, *const bytes[] = {"\xff"};
  g_autoptr (SimclrClassifier) self = simclr_classifier_new ();
  g_autoptr (GError) error = NULL;
  gsize n;

  g_assert_false (simclr_classifier_teach (self, rows, 5, good, 2, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE);
  g_clear_error (&error);
  g_assert_false (simclr_classifier_teach (self, rows, 4, empty, 2, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_VALUE);
  g_clear_error (&error);
  g_assert_false (simclr_classifier_teach (self, rows, 2, bytes, 1, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_VALUE);
  g_clear_error (&error);
  g_assert_false (simclr_classifier_teach (self, rows + 4, 2, good, 1, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_NON_FINITE);
  g_clear_error (&error);
  g_assert_false (simclr_classifier_teach (self, large, 2, good, 1, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_NON_FINITE);
  g_clear_error (&error);
  g_assert_false (simclr_classifier_fit (self, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_FAILED);
  g_clear_error (&error);

  g_assert_true (simclr_classifier_teach (self, rows, 2, good, 1, &error));
  g_assert_false (simclr_classifier_teach (self, rows, 3, good, 1, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE);
  g_clear_error (&error);
  g_assert_null (simclr_classifier_classify (self, rows, 3, &n, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE);
  g_clear_error (&error);
  g_assert_null (simclr_classifier_classify (self, rows + 4, 2, &n, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_NON_FINITE);
  g_clear_error (&error);
  g_object_set (self, "method", SIMCLR_CLASSIFIER_METHOD_LINEAR, NULL);
  g_assert_null (simclr_classifier_classify (self, rows, 2, &n, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_VALUE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/classifier/neighbours-vote", test_neighbours_vote);
  g_test_add_func (
      "/classifier/prototypes-are-mean-directions", test_prototypes_are_mean_directions);
  g_test_add_func ("/classifier/linear-layers-are-optimal", test_linear_layers_are_optimal);
  g_test_add_func ("/classifier/descent-learns-as-well", test_descent_learns_as_well);
  g_test_add_func ("/classifier/labels-are-unlearned", test_labels_are_unlearned);
  g_test_add_func ("/classifier/memory-is-bounded", test_memory_is_bounded);
  g_test_add_func ("/classifier/bad-examples-are-errors", test_bad_examples_are_errors);
  return g_test_run ();
}
