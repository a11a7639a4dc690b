/* Figures of a classifier against the truth: top-1, top-5, a table of labels, a confusion matrix.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/evaluate/confusion.h>

#include <simclr/evaluate/examples-private.h>
#include <simclr/simclr-error.h>
#include <json-glib/json-glib.h>
#include <stdlib.h>
#include <string.h>

/* True labels that rank lower than this are in no top-k. */
#define MOST_RANKS 1024

struct _SimclrConfusion
{
  GObject parent;

  GPtrArray *labels;   /* gchar *, in the order in which they came up */
  GHashTable *by_name; /* number of a label plus 1 */
  GPtrArray *rows;     /* GArray of guint64: how often a true label was taken for each */
  guint64 ranks[MOST_RANKS];
  guint64 count;
};

G_DEFINE_FINAL_TYPE (SimclrConfusion, simclr_confusion, G_TYPE_OBJECT)

static void
simclr_confusion_finalize (GObject *object)
{
  SimclrConfusion *self = SIMCLR_CONFUSION (object);

  g_hash_table_unref (self->by_name);
  g_ptr_array_unref (self->labels);
  g_ptr_array_unref (self->rows);
  G_OBJECT_CLASS (simclr_confusion_parent_class)->finalize (object);
}

static void
simclr_confusion_class_init (SimclrConfusionClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = simclr_confusion_finalize;
}

static void
simclr_confusion_init (SimclrConfusion *self)
{
  self->labels = g_ptr_array_new_with_free_func (g_free);
  self->by_name = g_hash_table_new (g_str_hash, g_str_equal);
  self->rows = g_ptr_array_new_with_free_func ((GDestroyNotify) g_array_unref);
}

/**
 * simclr_confusion_new:
 *
 * Makes a confusion matrix that has seen nothing yet.
 *
 * Returns: (transfer full): a confusion matrix
 */
SimclrConfusion *
simclr_confusion_new (void)
{
  return g_object_new (SIMCLR_TYPE_CONFUSION, NULL);
}

static guint
get_number (SimclrConfusion *self, const gchar *label)
{
  guint number = GPOINTER_TO_UINT (g_hash_table_lookup (self->by_name, label));
  gchar *copy;

  if (number > 0)
    return number - 1;
  copy = g_strdup (label);
  g_ptr_array_add (self->labels, copy);
  g_ptr_array_add (self->rows, g_array_new (FALSE, TRUE, sizeof (guint64)));
  g_hash_table_insert (self->by_name, copy, GUINT_TO_POINTER (self->labels->len));
  return self->labels->len - 1;
}

static guint64
get_cell (SimclrConfusion *self, guint truth, guint predicted)
{
  const GArray *row = g_ptr_array_index (self->rows, truth);

  return predicted < row->len ? g_array_index (row, guint64, predicted) : 0;
}

/* How many labels score higher than the true one (equal ones before it count); -1 where the classifier
 * does not know it. */
static gint64
get_rank (const gchar *truth, const gchar *const *labels, const gfloat *scores, gsize n)
{
  gint64 rank = 0;
  gsize own = 0;

  while (own < n && !g_str_equal (labels[own], truth))
    own++;
  if (own == n)
    return -1;
  for (gsize i = 0; i < n; i++)
    rank += scores[i] > scores[own] || (scores[i] == scores[own] && i < own);
  return rank;
}

typedef struct
{
  gchar *key;
  guint number;
} Ordered;

static gint
compare_ordered (gconstpointer a, gconstpointer b)
{
  const Ordered *x = a, *y = b;
  gint order = strcmp (x->key, y->key);

  return order != 0 ? order : (gint) x->number - (gint) y->number;
}

/* Numbers of the labels, sorted as a person sorts files: 9 before 10. */
static guint *
sort_labels (SimclrConfusion *self)
{
  guint n = self->labels->len, *numbers = g_new (guint, n + 1);
  g_autofree Ordered *ordered = g_new (Ordered, n + 1);

  for (guint i = 0; i < n; i++)
    ordered[i] =
        (Ordered){g_utf8_collate_key_for_filename (g_ptr_array_index (self->labels, i), -1), i};
  qsort (ordered, n, sizeof *ordered, compare_ordered);
  for (guint i = 0; i < n; i++) {
    numbers[i] = ordered[i].number;
    g_free (ordered[i].key);
  }
  return numbers;
}

/**
 * simclr_confusion_add:
 * @self: a confusion matrix
 * @truth: the true label of something classified
 * @labels: (array length=n_labels): the labels that were to choose from
 * @n_labels: how many
 * @scores: (array length=n_scores): the score of each
 * @n_scores: as many
 * @error: return location for an error
 *
 * Counts one classification. The prediction is the label of the highest score, of equal ones the first; a
 * true label that is not among @labels cannot be right.
 *
 * Returns: %FALSE with @error set when there are no labels or not as many scores (%SIMCLR_ERROR_SHAPE), or
 *   @truth is no label (%SIMCLR_ERROR_VALUE)
 */
gboolean
simclr_confusion_add (SimclrConfusion *self, const gchar *truth, const gchar *const *labels,
    gsize n_labels, const gfloat *scores, gsize n_scores, GError **error)
{
  gsize best = 0;
  guint row, column;
  gint64 rank;
  GArray *cells;

  g_return_val_if_fail (SIMCLR_IS_CONFUSION (self), FALSE);
  g_return_val_if_fail (truth != NULL, FALSE);

  if (n_labels == 0 || n_scores != n_labels) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE,
        "%" G_GSIZE_FORMAT " scores for %" G_GSIZE_FORMAT " labels", n_scores, n_labels);
    return FALSE;
  }
  if (!_simclr_label_check (truth, error))
    return FALSE;
  for (gsize i = 0; i < n_labels; i++)
    get_number (self, labels[i]);
  for (gsize i = 1; i < n_labels; i++)
    best = scores[i] > scores[best] ? i : best;
  rank = get_rank (truth, labels, scores, n_labels);
  if (rank >= 0 && rank < MOST_RANKS)
    self->ranks[rank]++;
  row = get_number (self, truth);
  column = get_number (self, labels[best]);
  cells = g_ptr_array_index (self->rows, row);
  if (cells->len <= column)
    g_array_set_size (cells, column + 1);
  g_array_index (cells, guint64, column)++;
  self->count++;
  return TRUE;
}

/**
 * simclr_confusion_get_count:
 * @self: a confusion matrix
 *
 * Returns: classifications counted
 */
guint64
simclr_confusion_get_count (SimclrConfusion *self)
{
  g_return_val_if_fail (SIMCLR_IS_CONFUSION (self), 0);

  return self->count;
}

/**
 * simclr_confusion_get_top:
 * @self: a confusion matrix
 * @k: 1 for accuracy, 5 for top-5
 *
 * Returns: the share of classifications whose true label was among the @k highest scores, 0 to 1; 0 of none
 */
gdouble
simclr_confusion_get_top (SimclrConfusion *self, guint k)
{
  guint64 right = 0;

  g_return_val_if_fail (SIMCLR_IS_CONFUSION (self), 0);

  for (guint rank = 0; rank < MIN (k, MOST_RANKS); rank++)
    right += self->ranks[rank];
  return self->count > 0 ? (gdouble) right / (gdouble) self->count : 0;
}

/**
 * simclr_confusion_get_labels:
 * @self: a confusion matrix
 *
 * Returns: (transfer full) (array zero-terminated=1): all labels that were to choose from or true, sorted
 */
gchar **
simclr_confusion_get_labels (SimclrConfusion *self)
{
  g_autofree guint *order = NULL;
  gchar **labels;

  g_return_val_if_fail (SIMCLR_IS_CONFUSION (self), NULL);

  order = sort_labels (self);
  labels = g_new0 (gchar *, self->labels->len + 1);
  for (guint i = 0; i < self->labels->len; i++)
    labels[i] = g_strdup (g_ptr_array_index (self->labels, order[i]));
  return labels;
}

/**
 * simclr_confusion_get_cells:
 * @self: a confusion matrix
 * @n: (out): labels times labels
 *
 * Returns: (transfer full) (array length=n): the confusion matrix, row after row, labels in the order of
 *   simclr_confusion_get_labels(): the row is the true label, the column the predicted one
 */
guint64 *
simclr_confusion_get_cells (SimclrConfusion *self, gsize *n)
{
  g_autofree guint *order = NULL;
  guint labels;
  guint64 *cells;

  g_return_val_if_fail (SIMCLR_IS_CONFUSION (self), NULL);
  g_return_val_if_fail (n != NULL, NULL);

  order = sort_labels (self);
  labels = self->labels->len;
  *n = (gsize) labels * labels;
  cells = g_new (guint64, *n + 1);
  for (guint row = 0; row < labels; row++)
    for (guint column = 0; column < labels; column++)
      cells[(gsize) row * labels + column] = get_cell (self, order[row], order[column]);
  return cells;
}

/**
 * simclr_confusion_get_class:
 * @self: a confusion matrix
 * @label: a label
 * @recall: (out): the share of those truly of this label that were predicted so; 0 of none
 * @precision: (out): the share of those predicted so that truly are; 0 of none
 *
 * Returns: classifications whose true label this is
 */
guint64
simclr_confusion_get_class (
    SimclrConfusion *self, const gchar *label, gdouble *recall, gdouble *precision)
{
  guint64 of_truth = 0, of_prediction = 0, right;
  guint number;

  g_return_val_if_fail (SIMCLR_IS_CONFUSION (self), 0);
  g_return_val_if_fail (label != NULL && recall != NULL && precision != NULL, 0);

  *recall = *precision = 0;
  number = GPOINTER_TO_UINT (g_hash_table_lookup (self->by_name, label));
  if (number == 0)
    return 0;
  number--;
  for (guint i = 0; i < self->labels->len; i++) {
    of_truth += get_cell (self, number, i);
    of_prediction += get_cell (self, i, number);
  }
  right = get_cell (self, number, number);
  if (of_truth > 0)
    *recall = (gdouble) right / (gdouble) of_truth;
  if (of_prediction > 0)
    *precision = (gdouble) right / (gdouble) of_prediction;
  return of_truth;
}

static void
add_number (JsonBuilder *builder, const gchar *name, gdouble value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_double_value (builder, value);
}

static void
add_class (SimclrConfusion *self, JsonBuilder *builder, const gchar *label)
{
  gdouble recall, precision;
  guint64 count = simclr_confusion_get_class (self, label, &recall, &precision);

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "label");
  json_builder_add_string_value (builder, label);
  json_builder_set_member_name (builder, "frames");
  json_builder_add_int_value (builder, (gint64) count);
  add_number (builder, "recall", recall);
  add_number (builder, "precision", precision);
  json_builder_end_object (builder);
}

/**
 * simclr_confusion_to_json:
 * @self: a confusion matrix
 *
 * All figures as one JSON object: `frames`, `top1`, `top5`, `classes` (an array of objects with `label`,
 * `frames`, `recall`, `precision`) and `confusion` (rows of true labels, columns of predicted ones).
 *
 * Returns: (transfer full): the text
 */
gchar *
simclr_confusion_to_json (SimclrConfusion *self)
{
  g_autoptr (JsonBuilder) builder = NULL;
  g_autoptr (JsonNode) root = NULL;
  g_autofree guint *order = NULL;

  g_return_val_if_fail (SIMCLR_IS_CONFUSION (self), NULL);

  builder = json_builder_new ();
  order = sort_labels (self);
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "frames");
  json_builder_add_int_value (builder, (gint64) self->count);
  add_number (builder, "top1", simclr_confusion_get_top (self, 1));
  add_number (builder, "top5", simclr_confusion_get_top (self, 5));
  json_builder_set_member_name (builder, "classes");
  json_builder_begin_array (builder);
  for (guint i = 0; i < self->labels->len; i++)
    add_class (self, builder, g_ptr_array_index (self->labels, order[i]));
  json_builder_end_array (builder);
  json_builder_set_member_name (builder, "confusion");
  json_builder_begin_array (builder);
  for (guint row = 0; row < self->labels->len; row++) {
    json_builder_begin_array (builder);
    for (guint column = 0; column < self->labels->len; column++)
      json_builder_add_int_value (builder, (gint64) get_cell (self, order[row], order[column]));
    json_builder_end_array (builder);
  }
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  return json_to_string (root, FALSE);
}
