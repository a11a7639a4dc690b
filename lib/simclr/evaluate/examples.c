/* What a classifier was shown: embeddings with their labels, in the order of teaching.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/evaluate/examples-private.h>

#include <simclr/simclr-error.h>
#include <math.h>
#include <string.h>

SimclrExamples *
_simclr_examples_new (void)
{
  SimclrExamples *self = g_new0 (SimclrExamples, 1);

  self->labels = g_ptr_array_new_with_free_func (g_free);
  self->counts = g_array_new (FALSE, FALSE, sizeof (guint64));
  self->floats = g_array_new (FALSE, FALSE, sizeof (gfloat));
  self->scales = g_array_new (FALSE, FALSE, sizeof (gfloat));
  self->classes = g_array_new (FALSE, FALSE, sizeof (guint32));
  return self;
}

void
_simclr_examples_free (SimclrExamples *self)
{
  g_ptr_array_unref (self->labels);
  g_array_unref (self->counts);
  g_array_unref (self->floats);
  g_array_unref (self->scales);
  g_array_unref (self->classes);
  g_free (self);
}

gsize
_simclr_examples_get_count (const SimclrExamples *self)
{
  return self->classes->len;
}

SimclrRows
_simclr_examples_get_rows (const SimclrExamples *self)
{
  return (SimclrRows){.floats = (const gfloat *) (gpointer) self->floats->data,
      .scales = (const gfloat *) (gpointer) self->scales->data,
      .count = self->classes->len,
      .size = self->size};
}

gint64
_simclr_examples_find (const SimclrExamples *self, const gchar *label)
{
  for (guint i = 0; i < self->labels->len; i++)
    if (g_str_equal (g_ptr_array_index (self->labels, i), label))
      return i;
  return -1;
}

/* One over the length, so that similarities become cosines; lengths whose products leave the range of
 * floats are no embeddings. */
static gboolean
compute_scale (const gfloat *embedding, gsize size, gfloat *scale, GError **error)
{
  gdouble square = 0;

  for (gsize i = 0; i < size; i++)
    square += (gdouble) embedding[i] * embedding[i];
  if (!isfinite (square) || square > 1e30) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_NON_FINITE,
        "an embedding of length %g is not one of finite numbers", sqrt (square));
    return FALSE;
  }
  *scale = square > 1e-30 ? (gfloat) (1 / sqrt (square)) : 0;
  return TRUE;
}

gboolean
_simclr_label_check (const gchar *label, GError **error)
{
  if (*label == '\0' || !g_utf8_validate (label, -1, NULL)) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_VALUE, "a label is text in UTF-8, not %s",
        *label == '\0' ? "empty" : "other bytes");
    return FALSE;
  }
  return TRUE;
}

static gboolean
check_size (const SimclrExamples *self, gsize size, GError **error)
{
  if (size == 0 || (self->size != 0 && size != self->size)) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE,
        "an embedding of %" G_GSIZE_FORMAT " floats, but %" G_GSIZE_FORMAT
        " are what was taught before",
        size, self->size);
    return FALSE;
  }
  /* a GArray counts in guint */
  if (self->floats->len > G_MAXUINT - size || self->floats->len + size > G_MAXUINT / 2) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_FULL,
        "%u examples of %" G_GSIZE_FORMAT " floats are as many as can be kept", self->classes->len,
        size);
    return FALSE;
  }
  return TRUE;
}

guint32
_simclr_examples_add_label (SimclrExamples *self, const gchar *label)
{
  const guint64 none = 0;

  g_ptr_array_add (self->labels, g_strdup (label));
  g_array_append_val (self->counts, none);
  return self->labels->len - 1;
}

gboolean
_simclr_examples_add_row (
    SimclrExamples *self, const gfloat *embedding, gsize size, guint32 class, GError **error)
{
  gfloat scale;

  if (!check_size (self, size, error) || !compute_scale (embedding, size, &scale, error))
    return FALSE;
  self->size = size;
  g_array_append_vals (self->floats, embedding, (guint) size);
  g_array_append_val (self->scales, scale);
  g_array_append_val (self->classes, class);
  g_array_index (self->counts, guint64, class)++;
  return TRUE;
}

gboolean
_simclr_examples_add (
    SimclrExamples *self, const gfloat *embedding, gsize size, const gchar *label, GError **error)
{
  gint64 class;
  gfloat scale;

  if (!_simclr_label_check (label, error) || !check_size (self, size, error) ||
      !compute_scale (embedding, size, &scale, error))
    return FALSE;
  class = _simclr_examples_find (self, label);
  if (class < 0)
    class = _simclr_examples_add_label (self, label);
  return _simclr_examples_add_row (self, embedding, size, (guint32) class, error);
}

/* Keeps the rows whose entry in keep is set, in their order. */
static void
compact (SimclrExamples *self, const gboolean *keep)
{
  gfloat *floats = (gfloat *) (gpointer) self->floats->data;
  guint count = self->classes->len, kept = 0;

  for (guint i = 0; i < count; i++) {
    if (!keep[i]) {
      g_array_index (self->counts, guint64, g_array_index (self->classes, guint32, i))--;
      continue;
    }
    if (kept != i)
      memcpy (floats + kept * self->size, floats + i * self->size, self->size * sizeof (gfloat));
    g_array_index (self->scales, gfloat, kept) = g_array_index (self->scales, gfloat, i);
    g_array_index (self->classes, guint32, kept) = g_array_index (self->classes, guint32, i);
    kept++;
  }
  g_array_set_size (self->floats, (guint) (kept * self->size));
  g_array_set_size (self->scales, kept);
  g_array_set_size (self->classes, kept);
}

guint64
_simclr_examples_remove (SimclrExamples *self, const gchar *label)
{
  gint64 number = _simclr_examples_find (self, label);
  g_autofree gboolean *keep = NULL;
  guint64 removed;

  if (number < 0)
    return 0;
  removed = g_array_index (self->counts, guint64, number);
  keep = g_new (gboolean, self->classes->len + 1);
  for (guint i = 0; i < self->classes->len; i++)
    keep[i] = g_array_index (self->classes, guint32, i) != (guint32) number;
  compact (self, keep);

  g_ptr_array_remove_index (self->labels, (guint) number);
  g_array_remove_index (self->counts, (guint) number);
  for (guint i = 0; i < self->classes->len; i++) {
    guint32 *class = &g_array_index (self->classes, guint32, i);

    if (*class > (guint32) number)
      (*class)--;
  }
  if (self->classes->len == 0)
    self->size = 0;
  return removed;
}

/* The class with the most examples. */
static guint32
find_largest (const SimclrExamples *self)
{
  guint32 largest = 0;

  for (guint32 i = 1; i < self->counts->len; i++)
    if (g_array_index (self->counts, guint64, i) > g_array_index (self->counts, guint64, largest))
      largest = i;
  return largest;
}

void
_simclr_examples_bound (SimclrExamples *self, gsize most)
{
  while (self->classes->len > MAX (most, 1)) {
    guint32 largest = find_largest (self);
    g_autofree gboolean *keep = g_new (gboolean, self->classes->len);
    guint before = self->classes->len;
    gboolean odd = FALSE;

    if (g_array_index (self->counts, guint64, largest) < 2)
      return; /* one example of each label is the least */
    for (guint i = 0; i < before; i++) {
      keep[i] = TRUE;
      if (g_array_index (self->classes, guint32, i) == largest) {
        keep[i] = !odd;
        odd = !odd;
      }
    }
    compact (self, keep);
    self->dropped += before - self->classes->len;
  }
}
