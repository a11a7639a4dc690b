/* Made-up moments of video, and what search must find among them by comparing with every one.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <math.h>
#include <simclr/simclr.h>
#include <string.h>

typedef struct
{
  guint count;
  gsize size;
  gfloat *rows;
  gint64 *times;
  const gchar **streams;
} Moments;

static inline gdouble
normal (GRand *random)
{
  gdouble radius = sqrt (-2 * log (1 - g_rand_double (random)));

  return radius * cos (2 * G_PI * g_rand_double (random));
}

/* Scenes that begin anywhere, in which each frame is a small step from the one before; spread 1 makes every frame
 * a scene of its own. Two streams take turns. */
static inline Moments *
moments_new (guint count, gsize size, gdouble spread, guint32 seed)
{
  static const gchar *streams[] = {"door", "Straße"};
  Moments *self = g_new (Moments, 1);
  g_autoptr (GRand) random = g_rand_new_with_seed (seed);

  *self = (Moments){count, size, g_new (gfloat, count * size + 1), g_new (gint64, count + 1),
      g_new (const gchar *, count + 1)};
  for (guint row = 0; row < count; row++) {
    gfloat *now = self->rows + row * size, *before = now - size;
    gboolean cut = row == 0 || spread >= 1 || g_rand_int_range (random, 0, 50) == 0;

    for (gsize i = 0; i < size; i++)
      now[i] = (gfloat) (cut ? normal (random) : before[i] + spread * normal (random));
    self->times[row] = (gint64) row / 2 * 1000 + 7;
    self->streams[row] = streams[row % 2];
  }
  return self;
}

static inline void
moments_free (Moments *self)
{
  g_free (self->rows);
  g_free (self->times);
  g_free (self->streams);
  g_free (self);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Moments, moments_free)

static inline void
moments_add (const Moments *self, SimclrIndex *index, guint begin, guint end)
{
  for (guint row = begin; row < end; row++) {
    g_autoptr (GError) error = NULL;

    g_assert_true (simclr_index_add (index, self->rows + row * self->size, self->size,
        self->times[row], self->streams[row], NULL, NULL, 0, 0, &error));
    g_assert_no_error (error);
  }
}

static inline gdouble
cosine (const gfloat *a, const gfloat *b, gsize size)
{
  gdouble product = 0, squares[2] = {0, 0};

  for (gsize i = 0; i < size; i++) {
    product += (gdouble) a[i] * b[i];
    squares[0] += (gdouble) a[i] * a[i];
    squares[1] += (gdouble) b[i] * b[i];
  }
  return squares[0] > 0 && squares[1] > 0 ? product / sqrt (squares[0] * squares[1]) : 0;
}

typedef struct
{
  const gchar *stream;
  gint64 begin, end;
  guint64 apart;
} Filter;

#define NO_FILTER ((Filter){NULL, G_MININT64, G_MAXINT64, 0})

/* Takes the most similar of moments from..count that is allowed beside those taken, as often as asked for. Returns
 * how many there are. */
static inline guint
moments_search (const Moments *self, guint from, const gfloat *query, guint n_matches,
    const Filter *filter, guint *taken)
{
  g_autofree gdouble *similarities = g_new (gdouble, self->count);
  guint found;

  for (guint row = from; row < self->count; row++)
    similarities[row] = cosine (query, self->rows + row * self->size, self->size);
  for (found = 0; found < n_matches; found++) {
    gint64 best = -1;

    for (guint row = from; row < self->count; row++) {
      gboolean allowed = self->times[row] >= filter->begin && self->times[row] <= filter->end &&
                         (!filter->stream || g_str_equal (filter->stream, self->streams[row]));

      for (guint i = 0; i < found; i++)
        allowed = allowed && taken[i] != row &&
                  !(g_str_equal (self->streams[taken[i]], self->streams[row]) &&
                      (guint64) ABS (self->times[taken[i]] - self->times[row]) < filter->apart);
      if (allowed && (best < 0 || similarities[row] > similarities[best]))
        best = row;
    }
    if (best < 0)
      break;
    taken[found] = (guint) best;
  }
  return found;
}

/* Numbers of entries are those of moments. */
static inline void
check_search (const Moments *self, guint from, SimclrIndex *index, const gfloat *query,
    guint n_matches, const Filter *filter)
{
  g_autofree guint *wanted = g_new (guint, n_matches + 1);
  guint n_wanted = moments_search (self, from, query, n_matches, filter, wanted);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) found = simclr_index_search (index, query, self->size, n_matches,
      filter->stream, filter->begin, filter->end, filter->apart, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (found->len, ==, n_wanted);
  for (guint i = 0; i < n_wanted; i++) {
    const SimclrMatch *match = g_ptr_array_index (found, i);
    gdouble similarity = cosine (query, self->rows + wanted[i] * self->size, self->size);

    /* of moments that are equally similar but for rounding another may be first */
    g_assert_cmpuint (match->number, <, self->count);
    g_assert_cmpfloat_with_epsilon (match->similarity, similarity, 2e-6);
    g_assert_cmpfloat_with_epsilon (match->similarity,
        cosine (query, self->rows + match->number * self->size, self->size), 2e-6);
    g_assert_cmpint (match->time, ==, self->times[match->number]);
    g_assert_cmpstr (match->stream, ==, self->streams[match->number]);
  }
}
