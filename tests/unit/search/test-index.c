/* SimclrIndex in memory: exact answers, filters, bounds, threads, errors.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/search/index-kernel-private.h>

#include "moments.h"

static void
check_moments (guint count, gsize size, gdouble spread)
{
  g_autoptr (Moments) moments = moments_new (count, size, spread, 1 + count);
  g_autoptr (SimclrIndex) index = simclr_index_new (0);
  g_autoptr (Moments) others = moments_new (3, size, 1, 99);
  const Filter filters[] = {NO_FILTER, {"door", G_MININT64, G_MAXINT64, 0},
      {NULL, 7000, 1500000, 0}, {NULL, G_MININT64, G_MAXINT64, 20000},
      {"Straße", 500000, G_MAXINT64, 3000}};

  moments_add (moments, index, 0, count);
  g_assert_cmpuint (simclr_index_get_n_entries (index), ==, count);
  for (guint i = 0; i < G_N_ELEMENTS (filters); i++) {
    for (guint query = 0; query < others->count; query++)
      check_search (moments, 0, index, others->rows + query * size, 10, &filters[i]);
    check_search (moments, 0, index, moments->rows + count / 2 * size, 10, &filters[i]);
  }
  g_assert_finalize_object (g_steal_pointer (&index));
}

static void
test_answers_are_exact (void)
{
  const guint counts[] = {1, 9, 127, 128, 129, 2047, 2048, 2049, 5000};

  for (guint i = 0; i < G_N_ELEMENTS (counts); i++) {
    check_moments (counts[i], 24, 0.05);
    check_moments (counts[i], 19, 1);
  }
  check_moments (3000, 128, 0.01);
  check_moments (700, 512, 0.1);
  check_moments (300, 1, 1);
}

/* No entry is more similar than its bound, and bounds are tight enough to be of use. */
static void
test_bounds_hold (void)
{
  const gdouble spreads[] = {1, 0.1, 0.0001};

  for (guint s = 0; s < G_N_ELEMENTS (spreads); s++) {
    const gsize size = 100, count = SIMCLR_BLOCK_ROWS;
    g_autoptr (Moments) moments = moments_new (count + 1, size, spreads[s], 5);
    gfloat center[100], scales[SIMCLR_BLOCK_ROWS], errors[SIMCLR_BLOCK_ROWS];
    gfloat bounds[SIMCLR_BLOCK_ROWS], *query = moments->rows + count * size, scale, error;
    gint8 codes[SIMCLR_BLOCK_ROWS * 100];
    gint16 levels[100];
    gint32 dots[SIMCLR_BLOCK_ROWS];
    gfloat radius, highest;

    for (guint row = 0; row <= count; row++)
      g_assert_true (
          _simclr_index_normalize (moments->rows + row * size, size, moments->rows + row * size));
    radius = _simclr_index_encode (moments->rows, count, size, center, codes, scales, errors);
    scale = _simclr_index_round_query (query, size, levels, &error);
    _simclr_index_code_dots (codes, levels, count, size, codes, dots);
    highest = _simclr_index_bounds (dots, scales, errors, count,
        _simclr_index_dot (query, center, size), radius, scale, error, bounds);
    for (guint row = 0; row < count; row++) {
      gdouble similarity = cosine (query, moments->rows + row * size, size);

      g_assert_cmpfloat (bounds[row], >=, similarity);
      g_assert_cmpfloat (bounds[row], <, similarity + 2e-5 + 0.02 * (gdouble) radius);
      g_assert_cmpfloat (highest, >=, bounds[row]);
    }
  }
}

static void
test_the_largest_products_do_not_overflow (void)
{
  const gsize size = 65536;
  g_autofree gfloat *row = g_new (gfloat, 2 * size);
  g_autofree gfloat *center = g_new (gfloat, size);
  g_autofree gint8 *codes = g_new (gint8, 2 * size);
  g_autofree gint16 *levels = g_new (gint16, size);
  gfloat scales[2], errors[2], error;
  gint32 dots[2];

  for (gsize i = 0; i < size; i++) {
    row[i] = 1.0f / 256;
    row[size + i] = -1.0f / 256;
  }
  _simclr_index_encode (row, 2, size, center, codes, scales, errors);
  _simclr_index_round_query (row, size, levels, &error);
  _simclr_index_code_dots (codes, levels, 2, size, codes, dots);
  g_assert_cmpint (dots[0], >, 0);
  g_assert_cmpint (dots[1], ==, -dots[0]);
}

static void
test_equal_moments_come_in_their_order (void)
{
  g_autoptr (SimclrIndex) index = simclr_index_new (0);
  const gfloat one[] = {3, 4, 0}, query[] = {1, 1, 1};
  g_autoptr (GPtrArray) found = NULL;
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < 3000; i++)
    g_assert_true (simclr_index_add (index, one, 3, i, NULL, NULL, NULL, 0, 0, &error));
  found = simclr_index_search (index, query, 3, 300, NULL, G_MININT64, G_MAXINT64, 0, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (found->len, ==, 300);
  for (guint i = 0; i < found->len; i++)
    g_assert_cmpuint (((SimclrMatch *) g_ptr_array_index (found, i))->number, ==, i);
}

static void
test_the_oldest_go (void)
{
  g_autoptr (Moments) moments = moments_new (1000, 8, 0.1, 4);
  const guint bounds[] = {1, 3, 8, 100, 999};

  for (guint i = 0; i < G_N_ELEMENTS (bounds); i++) {
    g_autoptr (SimclrIndex) index = simclr_index_new (bounds[i]);
    guint64 kept;

    moments_add (moments, index, 0, moments->count);
    kept = simclr_index_get_n_entries (index);
    g_assert_cmpuint (kept, <=, bounds[i]);
    g_assert_cmpuint (kept, >=, bounds[i] - bounds[i] / 8);
    check_search (moments, moments->count - (guint) kept, index, moments->rows, 5, &NO_FILTER);
  }
}

static void
test_what_was_said_of_a_moment_is_kept (void)
{
  g_autoptr (SimclrIndex) index = simclr_index_new (0);
  g_autoptr (GBytes) pixels = g_bytes_new ("abcdefghijklmnopqr", 18);
  g_autoptr (SimclrMatch) match = NULL, copy = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) streams = NULL;
  g_autofree gfloat *embedding = NULL;
  g_autofree gchar *encoder = NULL;
  gsize n_floats;

  g_assert_true (
      simclr_index_add (index, (gfloat[]){3, 4}, 2, -5, "yard", "/a b.webm", pixels, 3, 2, &error));
  g_assert_true (simclr_index_add (index, (gfloat[]){0, 0}, 2, 50, NULL, NULL, NULL, 0, 0, &error));
  match = simclr_index_find (index, -100, NULL, &error);
  copy = simclr_match_copy (match);
  g_assert_cmpint (copy->time, ==, -5);
  g_assert_cmpstr (copy->stream, ==, "yard");
  g_assert_cmpstr (copy->source, ==, "/a b.webm");
  g_assert_true (g_bytes_equal (copy->thumbnail, pixels));
  g_assert_cmpuint (copy->thumbnail_width, ==, 3);
  g_assert_cmpuint (copy->thumbnail_height, ==, 2);
  embedding = simclr_index_get_embedding (index, 0, &n_floats, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (n_floats, ==, 2);
  g_assert_cmpfloat_with_epsilon (embedding[0], 0.6, 1e-6);
  streams = simclr_index_get_streams (index);
  g_assert_cmpuint (g_strv_length (streams), ==, 2);
  g_assert_cmpstr (streams[1], ==, "yard");
  simclr_index_set_encoder (index, "resnet18");
  g_object_get (index, "encoder", &encoder, NULL);
  g_assert_cmpstr (encoder, ==, "resnet18");
}

static void
test_the_nearest_in_time_is_found (void)
{
  g_autoptr (Moments) moments = moments_new (3000, 2, 1, 4);
  g_autoptr (SimclrIndex) index = simclr_index_new (0);
  g_autoptr (SimclrMatch) before = NULL, between = NULL, after = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_null (simclr_index_find (index, 0, NULL, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_VALUE);
  g_clear_error (&error);
  moments_add (moments, index, 0, moments->count);
  before = simclr_index_find (index, G_MININT64, NULL, &error);
  g_assert_cmpuint (before->number, ==, 0);
  between = simclr_index_find (index, 1000507 + 1, "Straße", &error);
  g_assert_cmpuint (between->number, ==, 2 * 1001 + 1);
  after = simclr_index_find (index, G_MAXINT64, NULL, &error);
  g_assert_cmpuint (after->number, ==, 2998);
  g_assert_null (simclr_index_find (index, 0, "attic", &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_VALUE);
}

static gpointer
add_all (gpointer data)
{
  gpointer *both = data;

  moments_add (both[0], both[1], 0, ((Moments *) both[0])->count);
  return NULL;
}

/* What a search finds while others are added is exact for what it has seen. */
static void
test_searching_goes_on_while_adding (void)
{
  g_autoptr (Moments) moments = moments_new (6000, 16, 0.1, 8);
  g_autoptr (SimclrIndex) index = simclr_index_new (0);
  gpointer both[] = {moments, index};
  GThread *thread = g_thread_new ("adder", add_all, both);
  guint64 seen = 0;

  while (seen < moments->count) {
    const gfloat *query = moments->rows + 77 * moments->size;
    g_autoptr (GError) error = NULL;
    g_autoptr (GPtrArray) found = NULL;

    seen = simclr_index_get_n_entries (index);
    found = simclr_index_search (
        index, query, moments->size, 1, NULL, G_MININT64, G_MAXINT64, 0, &error);
    g_assert_no_error (error);
    if (seen > 77)
      g_assert_cmpuint (((SimclrMatch *) g_ptr_array_index (found, 0))->number, ==, 77);
  }
  g_thread_join (thread);
  check_search (moments, 0, index, moments->rows, 10, &NO_FILTER);
}

static void
expect (SimclrIndex *index, const gfloat *embedding, gsize n, const gchar *stream, GBytes *pixels,
    guint width, SimclrError code)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (
      simclr_index_add (index, embedding, n, 0, stream, NULL, pixels, width, 1, &error));
  g_assert_error (error, SIMCLR_ERROR, (gint) code);
}

static void
test_wrong_moments_are_errors (void)
{
  g_autoptr (SimclrIndex) index = simclr_index_new (0);
  const gfloat sound[] = {1, 2, 3}, infinite[] = {1, INFINITY, 3};
  g_autoptr (GBytes) pixels = g_bytes_new ("abc", 3);
  g_autoptr (GError) error = NULL;
  gsize n_floats;

  expect (index, infinite, 3, NULL, NULL, 0, SIMCLR_ERROR_NON_FINITE);
  expect (index, sound, 0, NULL, NULL, 0, SIMCLR_ERROR_SHAPE);
  expect (index, sound, 3, "\xff", NULL, 0, SIMCLR_ERROR_VALUE);
  expect (index, sound, 3, NULL, pixels, 2, SIMCLR_ERROR_SHAPE);
  expect (index, sound, 3, NULL, NULL, 1, SIMCLR_ERROR_SHAPE);
  expect (index, sound, 3, NULL, NULL, 5000, SIMCLR_ERROR_SHAPE);
  /* what was refused says nothing of sizes */
  g_assert_true (simclr_index_add (index, sound, 2, 0, NULL, NULL, NULL, 0, 0, &error));
  expect (index, sound, 3, NULL, NULL, 0, SIMCLR_ERROR_SHAPE);
  g_assert_cmpuint (simclr_index_get_n_entries (index), ==, 1);

  g_assert_null (simclr_index_search (index, sound, 3, 1, NULL, G_MININT64, G_MAXINT64, 0, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE);
  g_clear_error (&error);
  g_assert_null (
      simclr_index_search (index, infinite, 2, 1, NULL, G_MININT64, G_MAXINT64, 0, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_NON_FINITE);
  g_clear_error (&error);
  g_assert_null (simclr_index_get_embedding (index, 1, &n_floats, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_VALUE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/index/answers-are-exact", test_answers_are_exact);
  g_test_add_func ("/index/bounds-hold", test_bounds_hold);
  g_test_add_func ("/index/no-overflow", test_the_largest_products_do_not_overflow);
  g_test_add_func ("/index/order-of-equals", test_equal_moments_come_in_their_order);
  g_test_add_func ("/index/oldest-go", test_the_oldest_go);
  g_test_add_func ("/index/kept", test_what_was_said_of_a_moment_is_kept);
  g_test_add_func ("/index/nearest-in-time", test_the_nearest_in_time_is_found);
  g_test_add_func ("/index/adding", test_searching_goes_on_while_adding);
  g_test_add_func ("/index/errors", test_wrong_moments_are_errors);
  return g_test_run ();
}
