/* Embeddings with labels, and a classifier taught with them; for the tests of classifiers.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/base/random-private.h>
#include <simclr/evaluate/classifier-private.h>

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

/* Each label about a direction of its own; another stream is other examples of the same labels. */
static inline Data
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

static inline void
data_clear (Data *self)
{
  g_free (self->rows);
  g_free (self->classes);
  g_free (self->labels);
}

static inline SimclrClassifier *
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

static inline gfloat *
classify (SimclrClassifier *self, const Data *data)
{
  g_autoptr (GError) error = NULL;
  gsize n;
  gfloat *scores = simclr_classifier_classify (self, data->rows, data->count * SIZE, &n, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (n, ==, data->count * simclr_classifier_get_n_labels (self));
  return scores;
}
