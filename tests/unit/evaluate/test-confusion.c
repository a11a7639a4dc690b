/* Confusion matrices of few classifications that can be counted by hand.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/evaluate/confusion.h>
#include <simclr/simclr-error.h>

#include <json-glib/json-glib.h>

static const gchar *const labels[] = {"a", "b", "c"};

static void
add (SimclrConfusion *self, const gchar *truth, gfloat a, gfloat b, gfloat c)
{
  const gfloat scores[3] = {a, b, c};
  g_autoptr (GError) error = NULL;

  simclr_confusion_add (self, truth, labels, 3, scores, 3, &error);
  g_assert_no_error (error);
}

static SimclrConfusion *
make_example (void)
{
  SimclrConfusion *self = simclr_confusion_new ();

  add (self, "a", 0.7f, 0.2f, 0.1f);
  add (self, "a", 0.2f, 0.5f, 0.3f);
  add (self, "b", 0.1f, 0.8f, 0.1f);
  add (self, "c", 0.5f, 0.4f, 0.1f);
  add (self, "never taught", 0, 0, 1);
  return self;
}

static void
test_shares_are_counted (void)
{
  g_autoptr (SimclrConfusion) self = make_example ();
  gdouble recall, precision;

  g_assert_cmpuint (simclr_confusion_get_count (self), ==, 5);
  g_assert_cmpfloat_with_epsilon (simclr_confusion_get_top (self, 1), 2 / 5.0, 1e-12);
  g_assert_cmpfloat_with_epsilon (simclr_confusion_get_top (self, 2), 2 / 5.0, 1e-12);
  g_assert_cmpfloat_with_epsilon (simclr_confusion_get_top (self, 3), 4 / 5.0, 1e-12);
  g_assert_cmpfloat_with_epsilon (simclr_confusion_get_top (self, 5), 4 / 5.0, 1e-12);
  g_assert_cmpuint (simclr_confusion_get_class (self, "a", &recall, &precision), ==, 2);
  g_assert_cmpfloat_with_epsilon (recall, 1 / 2.0, 1e-12);
  g_assert_cmpfloat_with_epsilon (precision, 1 / 2.0, 1e-12);
  g_assert_cmpuint (simclr_confusion_get_class (self, "never taught", &recall, &precision), ==, 1);
  g_assert_cmpfloat (recall, ==, 0);
  g_assert_cmpfloat (precision, ==, 0);
  g_assert_cmpuint (simclr_confusion_get_class (self, "unheard of", &recall, &precision), ==, 0);
}

static void
test_confusion_is_counted (void)
{
  const guint64 expected[16] = {1, 1, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0};
  g_autoptr (SimclrConfusion) self = make_example ();
  g_auto (GStrv) names = simclr_confusion_get_labels (self);
  gsize n;
  g_autofree guint64 *cells = simclr_confusion_get_cells (self, &n);

  g_assert_cmpuint (n, ==, 16);
  g_assert_cmpmem (cells, sizeof expected, expected, sizeof expected);
  g_assert_cmpuint (g_strv_length (names), ==, 4);
  g_assert_cmpstr (names[2], ==, "c");
  g_assert_cmpstr (names[3], ==, "never taught");
}

/* Equal scores: the label that comes first is the prediction, and ranks before the others. */
static void
test_ties_are_settled (void)
{
  g_autoptr (SimclrConfusion) self = simclr_confusion_new ();

  add (self, "b", 0.5f, 0.5f, 0);
  g_assert_cmpfloat (simclr_confusion_get_top (self, 1), ==, 0);
  g_assert_cmpfloat (simclr_confusion_get_top (self, 2), ==, 1);
  add (self, "a", 0.5f, 0.5f, 0);
  g_assert_cmpfloat (simclr_confusion_get_top (self, 1), ==, 0.5);
}

static void
test_labels_are_sorted (void)
{
  const gchar *const numbers[] = {"10", "9", "2"};
  const gfloat scores[3] = {1, 0, 0};
  const guint64 expected[9] = {0, 0, 0, 0, 0, 1, 0, 0, 0};
  g_autoptr (SimclrConfusion) self = simclr_confusion_new ();
  g_auto (GStrv) names = NULL;
  g_autofree guint64 *cells = NULL;
  gsize n;

  simclr_confusion_add (self, "9", numbers, 3, scores, 3, NULL);
  names = simclr_confusion_get_labels (self);
  g_assert_cmpstr (names[0], ==, "2");
  g_assert_cmpstr (names[1], ==, "9");
  g_assert_cmpstr (names[2], ==, "10");
  cells = simclr_confusion_get_cells (self, &n);
  g_assert_cmpmem (cells, sizeof expected, expected, sizeof expected);
}

static void
test_json_says_the_same (void)
{
  g_autoptr (SimclrConfusion) self = make_example ();
  g_autofree gchar *json = simclr_confusion_to_json (self);
  g_autoptr (JsonNode) root = json_from_string (json, NULL);
  JsonObject *object = json_node_get_object (root);
  JsonObject *class =
      json_array_get_object_element (json_object_get_array_member (object, "classes"), 1);
  JsonArray *row =
      json_array_get_array_element (json_object_get_array_member (object, "confusion"), 0);

  g_assert_cmpint (json_object_get_int_member (object, "frames"), ==, 5);
  g_assert_cmpfloat_with_epsilon (json_object_get_double_member (object, "top1"), 0.4, 1e-12);
  g_assert_cmpfloat_with_epsilon (json_object_get_double_member (object, "top5"), 0.8, 1e-12);
  g_assert_cmpstr (json_object_get_string_member (class, "label"), ==, "b");
  g_assert_cmpint (json_object_get_int_member (class, "frames"), ==, 1);
  g_assert_cmpfloat_with_epsilon (json_object_get_double_member (class, "precision"), 0.5, 1e-12);
  g_assert_cmpint (json_array_get_int_element (row, 1), ==, 1);
}

static void
test_nothing_is_zero_and_nonsense_an_error (void)
{
  g_autoptr (SimclrConfusion) self = simclr_confusion_new ();
  g_autofree gchar *json = simclr_confusion_to_json (self);
  const gfloat scores[2] = {0};
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (json);
  g_assert_cmpfloat (simclr_confusion_get_top (self, 1), ==, 0);
  g_assert_false (simclr_confusion_add (self, "a", labels, 3, scores, 2, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE);
  g_clear_error (&error);
  g_assert_false (simclr_confusion_add (self, "", labels, 2, scores, 2, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_VALUE);
  g_assert_cmpuint (simclr_confusion_get_count (self), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/confusion/shares-are-counted", test_shares_are_counted);
  g_test_add_func ("/confusion/confusion-is-counted", test_confusion_is_counted);
  g_test_add_func ("/confusion/ties-are-settled", test_ties_are_settled);
  g_test_add_func ("/confusion/labels-are-sorted", test_labels_are_sorted);
  g_test_add_func ("/confusion/json-says-the-same", test_json_says_the_same);
  g_test_add_func ("/confusion/nothing-is-zero-and-nonsense-an-error",
      test_nothing_is_zero_and_nonsense_an_error);
  return g_test_run ();
}
