/* What a classifier knows and what is new to it: by labels made up, and by the rule in its own words.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "labelled-data.h"

#include <math.h>

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

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func (
      "/classifier/few-examples-leave-others-unknown", test_few_examples_leave_others_unknown);
  g_test_add_func ("/classifier/each-label-has-its-reach", test_each_label_has_its_reach);
  g_test_add_func ("/classifier/mixed-labels-stay-known", test_mixed_labels_stay_known);
  g_test_add_func ("/classifier/one-label-knows-itself", test_one_label_knows_itself);
  g_test_add_func (
      "/classifier/novelty-is-distance-over-reach", test_novelty_is_distance_over_reach);
  g_test_add_func ("/classifier/one-example-has-no-novelty", test_one_example_has_no_novelty);
  return g_test_run ();
}
