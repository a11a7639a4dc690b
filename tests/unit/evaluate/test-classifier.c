/* Classifiers against their definitions in double precision, and what they remember.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/base/random-private.h>
#include <simclr/evaluate/classifier-private.h>
#include <simclr/simclr-error.h>

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define CLASSES 4
#define SIZE 12

static const gchar *const names[CLASSES] = {"cup", "Tür \"7\"", "mouse, grey", "\xe7\x8c\xab"};

typedef struct
{
  gsize count;
  gfloat *rows; /* (count, SIZE), not of unit length, with a column that never changes */
  guint *classes;
  const gchar **labels;
} Data;

static Data
make_data (gsize count, gdouble noise, guint64 stream)
{
  Data data = {
      count, g_new (gfloat, count * SIZE), g_new (guint, count), g_new (const gchar *, count)};

  for (gsize i = 0; i < count; i++) {
    /* the first of each label come in order */
    guint class = i < CLASSES ? (guint) i : (guint) _simclr_random_below (3, stream, i, CLASSES);

    data.classes[i] = class;
    data.labels[i] = names[class];
    for (gsize j = 0; j < SIZE; j++)
      data.rows[i * SIZE + j] =
          (gfloat) ((_simclr_random_normal (3, 100 + class, j) +
                        noise * _simclr_random_normal (3, stream + 1, i * SIZE + j) + 2) *
                    (j % 3 == 0 ? 0.05 : 1));
    data.rows[i * SIZE + SIZE - 1] = 0.25f;
  }
  return data;
}

static void
data_clear (Data *self)
{
  g_free (self->rows);
  g_free (self->classes);
  g_free (self->labels);
}

static SimclrClassifier *
make_taught (const Data *data, const gchar *property, ...)
{
  SimclrClassifier *self = simclr_classifier_new ();
  g_autoptr (GError) error = NULL;
  va_list arguments;

  va_start (arguments, property);
  g_object_set_valist (G_OBJECT (self), property, arguments);
  va_end (arguments);
  simclr_classifier_teach (self, data->rows, data->count * SIZE, data->labels, data->count, &error);
  g_assert_no_error (error);
  return self;
}

static gfloat *
classify (SimclrClassifier *self, const Data *data)
{
  g_autoptr (GError) error = NULL;
  gsize n;
  gfloat *scores = simclr_classifier_classify (self, data->rows, data->count * SIZE, &n, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (n, ==, data->count * simclr_classifier_get_n_labels (self));
  return scores;
}

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

/* Examples of labels as an encoder makes them: all lie about one direction, each label about one of its own beside it,
 * each example beside that. Distances are about the squares: (aside^2 + noise^2) over two, as dimensions are many. */
#define WIDE 64

static void
make_embedding (guint64 label, guint64 stream, guint64 i, gdouble aside, gdouble noise, gfloat *row)
{
  for (gsize j = 0; j < WIDE; j++)
    row[j] = (gfloat) (1 + aside * _simclr_random_normal (7, 1000 + label, j) +
                       noise * _simclr_random_normal (7, stream, i * WIDE + j));
}

static void
teach_scene (SimclrClassifier *self, const gchar *label, guint64 number, guint count, gdouble aside,
    gdouble noise)
{
  g_autoptr (GError) error = NULL;
  gfloat row[WIDE];

  for (guint i = 0; i < count; i++) {
    make_embedding (number, 10 + number, i, aside, noise, row);
    simclr_classifier_teach (self, row, WIDE, &label, 1, &error);
    g_assert_no_error (error);
  }
}

/* The share of new frames of a scene that are known. */
static gdouble
share_known (SimclrClassifier *self, guint64 number, gdouble aside, gdouble noise)
{
  gfloat rows[40 * WIDE];
  g_autofree gfloat *novelty = NULL;
  guint known = 0;
  gsize n;

  for (guint i = 0; i < 40; i++)
    make_embedding (number, 500 + number, i, aside, noise, rows + i * WIDE);
  novelty = simclr_classifier_get_novelty (self, rows, 40 * WIDE, &n, NULL);
  g_assert_cmpuint (n, ==, 40);
  for (guint i = 0; i < 40; i++)
    known += novelty[i] <= 2;
  return known / 40.0;
}

/* What counts is how far the labels are from each other: not how large a direction they share, nor whether one
 * was shown with less variety than it has. */
static void
test_few_examples_leave_others_unknown (void)
{
  for (guint asides = 0; asides < 3; asides++)
    for (guint count = 5; count <= 20; count += 15)
      for (guint shown = 0; shown < 2; shown++) {
        const gdouble aside = 0.05 * (1 << (2 * asides)), noise = 0.2 * aside;
        g_autoptr (SimclrClassifier) self = simclr_classifier_new ();

        teach_scene (self, "cup", 0, count, aside, shown ? noise / 10 : noise);
        teach_scene (self, "hat", 1, count, aside, noise);
        g_assert_cmpfloat (share_known (self, 0, aside, noise), >=, 0.9);
        g_assert_cmpfloat (share_known (self, 1, aside, noise), >=, 0.9);
        for (guint other = 2; other < 12; other++)
          g_assert_cmpfloat (share_known (self, other, aside, noise), <=, 0.1);
      }
}

/* A lively label does not make what is far from a calm one known. */
static void
test_each_label_has_its_reach (void)
{
  g_autoptr (SimclrClassifier) self = simclr_classifier_new ();
  gfloat near_calm[WIDE], near_lively[WIDE];
  g_autofree gfloat *calm = NULL, *lively = NULL;
  gsize n;

  teach_scene (self, "calm", 0, 20, 0.4, 0.01);
  teach_scene (self, "lively", 1, 20, 0.4, 0.2);
  make_embedding (0, 900, 0, 0.4, 0.15, near_calm);
  make_embedding (1, 900, 0, 0.4, 0.15, near_lively);
  calm = simclr_classifier_get_novelty (self, near_calm, WIDE, &n, NULL);
  lively = simclr_classifier_get_novelty (self, near_lively, WIDE, &n, NULL);
  g_assert_cmpfloat (calm[0], >, 1.2 * lively[0]);
}

/* Pictures of labels lie among each other. */
static void
test_mixed_labels_stay_known (void)
{
  g_autoptr (SimclrClassifier) self = simclr_classifier_new ();

  for (guint label = 0; label < CLASSES; label++)
    teach_scene (self, names[label], label, 50, 0.05, 0.4);
  for (guint label = 0; label < CLASSES; label++)
    g_assert_cmpfloat (share_known (self, label, 0.05, 0.4), >=, 0.95);
}

static void
test_one_label_knows_itself (void)
{
  g_autoptr (SimclrClassifier) self = simclr_classifier_new ();

  teach_scene (self, "cup", 0, 5, 0.5, 0.1);
  g_assert_cmpfloat (share_known (self, 0, 0.5, 0.1), >=, 0.9);
  for (guint other = 1; other < 10; other++)
    g_assert_cmpfloat (share_known (self, other, 0.5, 0.1), <=, 0.1);
}

/* The rule by its words, where distances are known: directions in a plane, one label over ten degrees, one at ninety. */
static void
test_novelty_is_distance_over_reach (void)
{
  g_autoptr (SimclrClassifier) self = simclr_classifier_new ();
  g_autofree gfloat *novelty = NULL;
  g_autoptr (GError) error = NULL;
  const gdouble degree = G_PI / 180, away[4] = {0, 3, 7, 40};
  gdouble within[2], reach, far[21];
  gfloat asked[4][2];
  gsize n;

  for (guint label = 0; label < 2; label++)
    for (guint i = 0; i < 21; i++) {
      gdouble angle = (label * 90 + i / 2.0) * degree;
      gfloat row[2] = {(gfloat) (3 * cos (angle)), (gfloat) (3 * sin (angle))};
      const gchar *name = label ? "other" : "slow";

      simclr_classifier_teach (self, row, 2, &name, 1, &error);
      g_assert_no_error (error);
    }
  /* frames 0 to 10 are one half: the others are half a degree to five and a half from it, as these are from them; 95 %
   * of the 21 end at the second longest, five degrees of frames 1 and 20 */
  for (guint i = 0; i < 21; i++)
    far[i] = 1 - cos ((i <= 10 ? 11 - (gdouble) i : (gdouble) i - 10) / 2 * degree);
  within[0] = far[20];
  within[1] = far[1];
  g_assert_cmpfloat_with_epsilon (within[0], within[1], 1e-12);
  reach = 0.16 * pow (within[0], 0.2) * pow (0.3, 0.8);
  for (guint i = 0; i < 4; i++) {
    asked[i][0] = (gfloat) cos (-away[i] * degree);
    asked[i][1] = (gfloat) sin (-away[i] * degree);
  }
  novelty = simclr_classifier_get_novelty (self, asked[0], 8, &n, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (n, ==, 4);
  for (guint i = 0; i < 4; i++)
    g_assert_cmpfloat_with_epsilon (novelty[i], (1 - cos (away[i] * degree)) / reach, 1e-3);
}

static void
test_one_example_has_no_novelty (void)
{
  const gfloat row[2] = {1, 2}, other[2] = {-1, 0.5f};
  const gchar *label = "only";
  g_autoptr (SimclrClassifier) self = simclr_classifier_new ();
  g_autofree gfloat *novelty = NULL;
  gsize n;

  simclr_classifier_teach (self, row, 2, &label, 1, NULL);
  novelty = simclr_classifier_get_novelty (self, other, 2, &n, NULL);
  g_assert_cmpfloat (novelty[0], ==, 0);
}

static void
check_saved (SimclrClassifierMethod method)
{
  Data train = make_data (60, 1, 10), test = make_data (20, 1, 20);
  g_autoptr (SimclrClassifier) self =
      make_taught (&train, "method", method, "encoder", "resnet18, step 7", NULL);
  g_autoptr (SimclrClassifier) loaded = simclr_classifier_new ();
  g_autofree gchar *folder = g_dir_make_tmp ("simclr-test-XXXXXX", NULL);
  g_autofree gchar *path = g_build_filename (folder, "classifier.safetensors", NULL);
  g_autofree gchar *encoder = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) labels = NULL;
  SimclrClassifierMethod found;
  g_autofree gfloat *a = NULL, *b = NULL, *c = NULL, *d = NULL;
  gsize n;

  g_assert_true (simclr_classifier_save (self, path, &error));
  g_assert_no_error (error);
  simclr_classifier_teach (loaded, (const gfloat[]){1, 2}, 2, train.labels, 1, NULL);
  g_assert_true (simclr_classifier_load (loaded, path, &error));
  g_assert_no_error (error);
  labels = simclr_classifier_get_labels (loaded);
  for (guint k = 0; k < CLASSES; k++)
    g_assert_cmpstr (labels[k], ==, names[k]);
  g_object_get (loaded, "method", &found, "encoder", &encoder, NULL);
  g_assert_cmpint (found, ==, method);
  g_assert_cmpstr (encoder, ==, "resnet18, step 7");
  if (method == SIMCLR_CLASSIFIER_METHOD_LINEAR)
    g_assert_nonnull (loaded->probe); /* no fitting again */
  a = classify (self, &test);
  b = classify (loaded, &test);
  g_assert_cmpmem (a, 20 * CLASSES * sizeof (gfloat), b, 20 * CLASSES * sizeof (gfloat));
  c = simclr_classifier_get_novelty (self, test.rows, 20 * SIZE, &n, NULL);
  d = simclr_classifier_get_novelty (loaded, test.rows, 20 * SIZE, &n, NULL);
  g_assert_cmpmem (c, 20 * sizeof (gfloat), d, 20 * sizeof (gfloat));

  /* teaching goes on from a file */
  simclr_classifier_teach (self, test.rows, 20 * SIZE, test.labels, 20, NULL);
  simclr_classifier_teach (loaded, test.rows, 20 * SIZE, test.labels, 20, NULL);
  g_free (g_steal_pointer (&a));
  g_free (g_steal_pointer (&b));
  a = classify (self, &test);
  b = classify (loaded, &test);
  g_assert_cmpmem (a, 20 * CLASSES * sizeof (gfloat), b, 20 * CLASSES * sizeof (gfloat));
  g_free (g_steal_pointer (&c));
  g_free (g_steal_pointer (&d));
  c = simclr_classifier_get_novelty (self, train.rows, 60 * SIZE, &n, NULL);
  d = simclr_classifier_get_novelty (loaded, train.rows, 60 * SIZE, &n, NULL);
  g_assert_cmpmem (c, 60 * sizeof (gfloat), d, 60 * sizeof (gfloat));
  g_remove (path);
  g_rmdir (folder);
  data_clear (&train);
  data_clear (&test);
}

static void
test_a_file_brings_everything_back (void)
{
  check_saved (SIMCLR_CLASSIFIER_METHOD_KNN);
  check_saved (SIMCLR_CLASSIFIER_METHOD_LINEAR);
  check_saved (SIMCLR_CLASSIFIER_METHOD_PROTOTYPE);
}

/* Files of earlier versions have one distance in place of a reach for each label. */
static void
test_earlier_files_load (void)
{
  const gfloat examples[10] = {3, 0, 2, 0.1f, 4, -0.3f, 0, 1, 0.1f, 2},
               classes[5] = {0, 0, 0, 1, 1};
  const gchar *const labels[] = {"a", "a", "a", "b", "b"};
  const gsize shape[2] = {5, 2};
  g_autofree gchar *folder = g_dir_make_tmp ("simclr-test-XXXXXX", NULL);
  g_autofree gchar *path = g_build_filename (folder, "earlier.safetensors", NULL);
  g_autoptr (SimclrSafetensorsWriter) writer = _simclr_safetensors_writer_new ();
  g_autoptr (SimclrClassifier) loaded = simclr_classifier_new ();
  g_autoptr (SimclrClassifier) taught = simclr_classifier_new ();
  g_autofree gfloat *a = NULL, *b = NULL;
  g_autoptr (GError) error = NULL;
  gsize n;

  _simclr_safetensors_writer_set_metadata (writer, "format", "simclr-classifier");
  _simclr_safetensors_writer_set_metadata (writer, "version", "1");
  _simclr_safetensors_writer_set_metadata (writer, "method", "prototype");
  _simclr_safetensors_writer_set_metadata (writer, "labels", "[\"a\", \"b\"]");
  _simclr_safetensors_writer_set_metadata (writer, "novelty_distance", "0.5");
  _simclr_safetensors_writer_add (writer, "examples", 2, shape, examples);
  _simclr_safetensors_writer_add (writer, "classes", 1, shape, classes);
  g_assert_true (_simclr_safetensors_writer_write (writer, path, NULL));
  g_assert_true (simclr_classifier_load (loaded, path, &error));
  g_assert_no_error (error);
  g_assert_true (simclr_classifier_teach (taught, examples, 10, labels, 5, &error));
  a = simclr_classifier_get_novelty (loaded, (const gfloat[]){1, 1, 1, -0.2f}, 4, &n, NULL);
  b = simclr_classifier_get_novelty (taught, (const gfloat[]){1, 1, 1, -0.2f}, 4, &n, NULL);
  g_assert_cmpmem (a, 2 * sizeof (gfloat), b, 2 * sizeof (gfloat));
  g_assert_cmpfloat (a[0], >, 2);
  g_remove (path);
  g_rmdir (folder);
}

/* Files are hostile until parsed: each of these fails, and leaves the classifier as it was. */
static void
test_bad_files_are_errors (void)
{
  static const struct
  {
    const gchar *key, *value, *says;
    gboolean cut_classes;
    gfloat class;
    gfloat value0;
    gfloat reach; /* of the second label; 0: the file has none */
  } cases[] = {
      {"format", "simclr", "format"},
      {"version", "2", "version 2"},
      {"method", "guess", "guess"},
      {"labels", "[\"a\"", "labels"},
      {"labels", "[\"a\", [\"b\"]]", "labels"},
      {"labels", "[[[[[[[[", "labels"},
      {"labels", "{\"a\": 1}", "labels"},
      {"labels", "[\"a\", \"a\"]", "label 1"},
      {"labels", "[\"a\", \"\"]", "label 1"},
      {"labels", "[\"a\", 7]", "label 1"},
      {"labels", "[\"a\", \"b\", \"c\"]", "label 2 has no examples"},
      {.says = "classes", .cut_classes = TRUE},
      {.says = "class 2", .class = 2},
      {.says = "class -1", .class = -1},
      {.says = "class 0.5", .class = 0.5f},
      {.says = "class nan", .class = NAN},
      {.says = "example 0", .value0 = NAN},
      {.says = "example 0", .value0 = INFINITY},
      {.says = "reach of label 1", .reach = NAN},
      {.says = "reach of label 1", .reach = -1},
      {.says = "reach of label 1", .reach = 3},
  };
  const gsize shape[2] = {3, 2}, short_shape[1] = {2};
  g_autofree gchar *folder = g_dir_make_tmp ("simclr-test-XXXXXX", NULL);
  g_autofree gchar *path = g_build_filename (folder, "bad.safetensors", NULL);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (SimclrSafetensorsWriter) writer = _simclr_safetensors_writer_new ();
    g_autoptr (SimclrClassifier) self = simclr_classifier_new ();
    g_autoptr (GError) error = NULL;
    gfloat examples[6] = {cases[i].value0, 2, 3, 4, 5, 6}, classes[3] = {0, 1, cases[i].class};
    gfloat reach[2] = {1, 0};
    const gchar *label = "kept";

    _simclr_safetensors_writer_set_metadata (writer, "format", "simclr-classifier");
    _simclr_safetensors_writer_set_metadata (writer, "version", "1");
    _simclr_safetensors_writer_set_metadata (writer, "method", "knn");
    _simclr_safetensors_writer_set_metadata (writer, "labels", "[\"a\", \"b\"]");
    if (cases[i].key != NULL)
      _simclr_safetensors_writer_set_metadata (writer, cases[i].key, cases[i].value);
    _simclr_safetensors_writer_add (writer, "examples", 2, shape, examples);
    _simclr_safetensors_writer_add (
        writer, "classes", 1, cases[i].cut_classes ? short_shape : shape, classes);
    reach[1] = cases[i].reach;
    if (reach[1] != 0)
      _simclr_safetensors_writer_add (writer, "reach", 1, short_shape, reach);
    g_assert_true (_simclr_safetensors_writer_write (writer, path, NULL));
    simclr_classifier_teach (self, examples + 1, 2, &label, 1, NULL);
    g_assert_false (simclr_classifier_load (self, path, &error));
    g_assert_nonnull (strstr (error->message, path));
    if (strstr (error->message, cases[i].says) == NULL)
      g_error ("\"%s\" does not say \"%s\"", error->message, cases[i].says);
    g_assert_cmpuint (simclr_classifier_get_n_examples (self, "kept"), ==, 1);
  }
  g_remove (path);
  g_rmdir (folder);
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
  g_test_add_func (
      "/classifier/few-examples-leave-others-unknown", test_few_examples_leave_others_unknown);
  g_test_add_func ("/classifier/each-label-has-its-reach", test_each_label_has_its_reach);
  g_test_add_func ("/classifier/mixed-labels-stay-known", test_mixed_labels_stay_known);
  g_test_add_func ("/classifier/one-label-knows-itself", test_one_label_knows_itself);
  g_test_add_func (
      "/classifier/novelty-is-distance-over-reach", test_novelty_is_distance_over_reach);
  g_test_add_func ("/classifier/one-example-has-no-novelty", test_one_example_has_no_novelty);
  g_test_add_func ("/classifier/a-file-brings-everything-back", test_a_file_brings_everything_back);
  g_test_add_func ("/classifier/earlier-files-load", test_earlier_files_load);
  g_test_add_func ("/classifier/bad-files-are-errors", test_bad_files_are_errors);
  g_test_add_func ("/classifier/bad-examples-are-errors", test_bad_examples_are_errors);
  return g_test_run ();
}
