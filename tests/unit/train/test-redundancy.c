/* Which items are redundant: the cached neighbours against all comparisons, and what a memory keeps by them.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/train/replay-private.h>

#include <math.h>
#include <string.h>

#define SIZE 6
#define MOST 64

typedef struct
{
  SimclrReplayEntry entry;
  gdouble embedding[SIZE]; /* unit length */
  gboolean is_in;
} Item;

static void
make_embedding (GRand *random, gfloat embedding[SIZE])
{
  for (guint i = 0; i < SIZE; i++)
    embedding[i] = (gfloat) g_rand_double_range (random, -1, 1);
}

static void
normalize (const gfloat *from, gdouble *to)
{
  gdouble square = 0;

  for (guint i = 0; i < SIZE; i++)
    square += (gdouble) from[i] * from[i];
  for (guint i = 0; i < SIZE; i++)
    to[i] = from[i] / sqrt (square);
}

static gdouble
cosine (const Item *a, const Item *b)
{
  gdouble sum = 0;

  for (guint i = 0; i < SIZE; i++)
    sum += a->embedding[i] * b->embedding[i];
  return sum;
}

/* By all comparisons: how much alike the item and its nearest (older) one are. */
static gdouble
nearest_by_definition (const Item *items, guint n, const Item *item, gboolean older_only)
{
  gdouble highest = -2;

  for (guint i = 0; i < n; i++) {
    if (&items[i] != item && items[i].is_in &&
        (!older_only || items[i].entry.number < item->entry.number))
      highest = MAX (highest, cosine (&items[i], item));
  }
  return highest;
}

static void
check_find (SimclrReplayRedundancy *redundancy, Item *items, guint n, gboolean older_only)
{
  SimclrReplayEntry *other, *found = _simclr_replay_redundancy_find (redundancy, &other);
  gdouble highest = -2;
  guint length = 0;

  for (guint i = 0; i < n; i++) {
    if (items[i].is_in) {
      highest = MAX (highest, nearest_by_definition (items, n, &items[i], older_only));
      length++;
    }
  }
  g_assert_cmpuint (redundancy->length, ==, length);
  if (length == 0) {
    g_assert_null (found);
    return;
  }
  g_assert_nonnull (found);
  if (highest == -2)
    return;
  g_assert_cmpfloat (
      fabs (nearest_by_definition (items, n, (Item *) found, older_only) - highest), <, 1e-6);
  g_assert_cmpfloat (fabs (cosine ((Item *) found, (Item *) other) - highest), <, 1e-6);
}

static void
test_the_most_redundant_is_found (gconstpointer data)
{
  gboolean older_only = GPOINTER_TO_INT (data);
  SimclrReplayRedundancy redundancy = {.older_only = older_only, .size = SIZE};
  Item items[MOST] = {0};
  g_autoptr (GRand) random = g_rand_new_with_seed (3);
  gfloat embedding[SIZE];

  for (guint i = 0; i < MOST; i++) {
    items[i].entry.number = i;
    items[i].entry.row = G_MAXSIZE;
  }
  for (guint step = 0; step < 20000; step++) {
    Item *item = &items[g_rand_int_range (random, 0, MOST)];

    make_embedding (random, embedding);
    if (!item->is_in) {
      normalize (embedding, item->embedding);
      g_assert_true (_simclr_replay_redundancy_add (&redundancy, &item->entry, embedding));
      item->is_in = TRUE;
    } else if (step % 3 == 0) {
      gfloat mixed[SIZE];
      gdouble unit[SIZE];

      normalize (embedding, unit);
      for (guint i = 0; i < SIZE; i++)
        mixed[i] = (gfloat) (0.25 * item->embedding[i] + 0.75 * unit[i]);
      normalize (mixed, item->embedding);
      g_assert_true (
          _simclr_replay_redundancy_update (&redundancy, &item->entry, embedding, 0.25f));
    } else {
      _simclr_replay_redundancy_remove (&redundancy, &item->entry);
      item->is_in = FALSE;
    }
    check_find (&redundancy, items, MOST, older_only);
  }
  _simclr_replay_redundancy_clear (&redundancy);
  g_assert_cmpuint (items[0].entry.row, ==, G_MAXSIZE);
}

static void
test_mean_is_that_of_the_nearest (gconstpointer data)
{
  gboolean older_only = GPOINTER_TO_INT (data);
  SimclrReplayRedundancy redundancy = {.older_only = older_only, .size = SIZE};
  Item items[20] = {0};
  g_autoptr (GRand) random = g_rand_new_with_seed (4);
  gdouble sum = 0;

  for (guint i = 0; i < G_N_ELEMENTS (items); i++) {
    gfloat embedding[SIZE];

    make_embedding (random, embedding);
    normalize (embedding, items[i].embedding);
    items[i].entry.number = i * 7 % G_N_ELEMENTS (items); /* in another order than they come */
    items[i].is_in = TRUE;
    g_assert_true (_simclr_replay_redundancy_add (&redundancy, &items[i].entry, embedding));
  }
  for (guint i = 0; i < G_N_ELEMENTS (items); i++)
    sum += MAX (nearest_by_definition (items, G_N_ELEMENTS (items), &items[i], older_only), -1.5);
  if (older_only) /* the oldest has none */
    g_assert_cmpfloat (
        fabs (_simclr_replay_redundancy_mean (&redundancy) - (sum + 1.5) / 19), <, 1e-6);
  else
    g_assert_cmpfloat (fabs (_simclr_replay_redundancy_mean (&redundancy) - sum / 20), <, 1e-6);
  _simclr_replay_redundancy_clear (&redundancy);
}

static void
test_no_direction_is_no_embedding (void)
{
  SimclrReplayRedundancy redundancy = {.size = 2};
  const gfloat bad[][2] = {{0, 0}, {NAN, 1}, {INFINITY, 1}};
  const gfloat good[2] = {1, 1};
  SimclrReplayEntry entry = {.row = G_MAXSIZE};

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (_simclr_replay_redundancy_add (&redundancy, &entry, bad[i]));
  g_assert_true (_simclr_replay_redundancy_add (&redundancy, &entry, good));
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (_simclr_replay_redundancy_update (&redundancy, &entry, bad[i], 0));
  g_assert_cmpuint (redundancy.length, ==, 1);
  _simclr_replay_redundancy_clear (&redundancy);
}

/* Items are their own numbers from 1. */
static SimclrReplay *
memory_new (SimclrReplayRule rule, guint64 capacity, guint64 max_bytes)
{
  SimclrReplay *replay =
      simclr_replay_new (SIMCLR_REPLAY_POLICY_MIN_REDUNDANCY, capacity, max_bytes, 1, NULL);

  simclr_replay_set_rule (replay, rule);
  return replay;
}

/* Embeds what waits: the direction of each item by the angle that the test gave it. */
static void
embed_waiting (SimclrReplay *replay, const gdouble *angles)
{
  gpointer item;
  guint64 number;

  while ((item = simclr_replay_get_waiting (replay, 0, &number)) != NULL) {
    gdouble angle = angles[GPOINTER_TO_UINT (item) - 1];
    const gfloat embedding[] = {(gfloat) cos (angle), (gfloat) sin (angle)};

    g_assert_cmpuint (number, ==, GPOINTER_TO_UINT (item) - 1);
    simclr_replay_set_embedding (replay, number, embedding, 1, 2);
  }
}

static gboolean
holds (SimclrReplay *replay, guint64 number)
{
  return _simclr_replay_find (replay, number, NULL) != NULL;
}

static void
add (SimclrReplay *replay, guint number)
{
  g_assert_true (simclr_replay_add (replay, GUINT_TO_POINTER (number + 1), 1, NULL));
}

/* Three directions, and near copies of them: the firsts of each stay for good. */
static void
test_of_two_alike_the_newer_goes (void)
{
  g_autoptr (SimclrReplay) replay = memory_new (SIMCLR_REPLAY_RULE_NEWER, 4, 0);
  gdouble angles[60];

  for (guint i = 0; i < G_N_ELEMENTS (angles); i++) {
    angles[i] = i % 3 + 0.01 * (i / 3) / 20;
    add (replay, i);
    embed_waiting (replay, angles);
    g_assert_cmpuint (simclr_replay_get_length (replay), <=, 4);
  }
  for (guint i = 0; i < 3; i++)
    g_assert_true (holds (replay, i));
  g_assert_true (holds (replay, 59));
  g_assert_cmpuint (simclr_replay_get_seen (replay), ==, 60);
  g_assert_cmpfloat (simclr_replay_get_redundancy (replay), >, 0.1);
}

/* A camera that hangs on one scene for long keeps what it saw before; first in, first out would not. */
static void
test_a_long_scene_takes_no_more_than_its_share (void)
{
  g_autoptr (SimclrReplay) replay = memory_new (SIMCLR_REPLAY_RULE_NEWER, 20, 0);
  g_autoptr (GRand) random = g_rand_new_with_seed (5);
  gdouble angles[500];
  guint early = 0;

  for (guint i = 0; i < G_N_ELEMENTS (angles); i++) {
    angles[i] = i < 16 ? 0.15 * (i + 1) : g_rand_double_range (random, -0.001, 0.001);
    add (replay, i);
    embed_waiting (replay, angles);
  }
  for (guint i = 0; i < 16; i++)
    early += holds (replay, i) ? 1 : 0;
  g_assert_cmpuint (early, ==, 16);
}

/* Both of a pair go, about equally often, and embeddings of views are averaged. */
static void
test_published_drops_either (void)
{
  guint older = 0;

  for (guint seed = 0; seed < 200; seed++) {
    g_autoptr (SimclrReplay) replay =
        simclr_replay_new (SIMCLR_REPLAY_POLICY_MIN_REDUNDANCY, 3, 0, seed, NULL);
    const gfloat embeddings[3][4] = {{1, 0.1f, 1, -0.1f}, {1, 0, 1, 0.02f}, {0, 1, 0, 1}};
    guint64 number;

    simclr_replay_set_rule (replay, SIMCLR_REPLAY_RULE_PUBLISHED);
    for (guint i = 0; i < 3; i++) {
      add (replay, i);
      g_assert_null (simclr_replay_get_waiting (replay, 0, &number));
      simclr_replay_set_embedding (replay, i, embeddings[i], 2, 2);
    }
    add (replay, 3);
    g_assert_true (holds (replay, 2));
    g_assert_cmpint (holds (replay, 0) + holds (replay, 1), ==, 1);
    older += holds (replay, 1) ? 1 : 0;
  }
  g_assert_cmpuint (older, >, 60);
  g_assert_cmpuint (older, <, 140);
}

/* As long as nobody embeds it is a reservoir; when embedding begins nothing is lost; when it stops, what
 * is known is not given up for what is not. */
static void
test_without_embeddings_chance_decides (void)
{
  g_autoptr (SimclrReplay) replay = memory_new (SIMCLR_REPLAY_RULE_NEWER, 100, 0);
  gdouble angles[5000];
  guint late = 0, kept = 0;

  for (guint i = 0; i < G_N_ELEMENTS (angles); i++)
    angles[i] = i * 0.618 * 2 * G_PI;
  for (guint i = 0; i < 1000; i++)
    add (replay, i);
  for (guint i = 500; i < 1000; i++)
    late += holds (replay, i) ? 1 : 0;
  g_assert_cmpuint (late, >, 30);
  g_assert_cmpuint (late, <, 70);

  embed_waiting (replay, angles);
  g_assert_cmpuint (simclr_replay_get_length (replay), ==, 100);
  g_assert_cmpuint (simclr_replay_get_embedded (replay), ==, 100);
  for (guint i = 1000; i < G_N_ELEMENTS (angles); i++) {
    g_assert_cmpint (
        simclr_replay_admits (replay, 1), ==, i - 1000 < 100 / SIMCLR_REPLAY_WAITING_SHARE);
    add (replay, i);
  }
  for (guint i = 0; i < 1000; i++)
    kept += holds (replay, i) ? 1 : 0;
  g_assert_cmpuint (kept, ==, 100 - 100 / SIMCLR_REPLAY_WAITING_SHARE);
  g_assert_cmpuint (simclr_replay_get_seen (replay), ==, G_N_ELEMENTS (angles));
}

/* The oldest embeddings are to be made anew, in turn; a new one takes the old one's place altogether. */
static void
test_old_embeddings_are_renewed (void)
{
  g_autoptr (SimclrReplay) replay = memory_new (SIMCLR_REPLAY_RULE_NEWER, 6, 0);
  const gdouble angles[] = {0, 1, 2, 3, 4, 5};
  const gfloat like_the_second[] = {(gfloat) cos (1.001), (gfloat) sin (1.001)};
  guint64 number;

  g_assert_null (simclr_replay_get_stale (replay, 0, &number));
  for (guint i = 0; i < 5; i++)
    add (replay, i);
  embed_waiting (replay, angles);
  for (guint i = 0; i < 5; i++) {
    g_assert_nonnull (simclr_replay_get_stale (replay, i, &number));
    g_assert_cmpuint (number, ==, i);
  }
  g_assert_null (simclr_replay_get_stale (replay, 5, &number));
  simclr_replay_set_embedding (replay, 0, like_the_second, 1, 2);
  g_assert_nonnull (simclr_replay_get_stale (replay, 0, &number));
  g_assert_cmpuint (number, ==, 1);
  g_assert_nonnull (simclr_replay_get_stale (replay, 4, &number));
  g_assert_cmpuint (number, ==, 0);
  add (replay, 5);
  embed_waiting (replay, angles);
  add (replay, 6);
  g_assert_true (holds (replay, 0));
  g_assert_false (holds (replay, 1));
}

static void
test_embeddings_count_as_bytes (void)
{
  g_autoptr (SimclrReplay) replay = memory_new (SIMCLR_REPLAY_RULE_NEWER, 0, 10 * (100 + 8));
  gdouble angles[200];
  guint64 number;

  for (guint i = 0; i < G_N_ELEMENTS (angles); i++) {
    angles[i] = i;
    g_assert_true (simclr_replay_add (replay, GUINT_TO_POINTER (i + 1), 100, NULL));
    embed_waiting (replay, angles);
    g_assert_cmpuint (simclr_replay_get_bytes (replay), <=, 10 * (100 + 8));
    g_assert_cmpuint (simclr_replay_get_bytes (replay), ==,
        simclr_replay_get_length (replay) * 100 + simclr_replay_get_embedded (replay) * 8);
  }
  g_assert_cmpuint (simclr_replay_get_length (replay), >=, 9);
  g_assert_null (simclr_replay_get_waiting (replay, 0, &number));
}

static void
test_another_encoder_begins_anew (void)
{
  g_autoptr (SimclrReplay) replay = memory_new (SIMCLR_REPLAY_RULE_NEWER, 10, 0);
  const gfloat wide[3] = {1, 2, 3};
  gdouble angles[10];
  guint64 number;
  guint waiting = 0;

  for (guint i = 0; i < 10; i++) {
    angles[i] = i;
    add (replay, i);
  }
  embed_waiting (replay, angles);
  simclr_replay_set_embedding (replay, 4, wide, 1, 3);
  g_assert_cmpuint (simclr_replay_get_embedded (replay), ==, 1);
  while (simclr_replay_get_waiting (replay, waiting, &number) != NULL)
    waiting++;
  g_assert_cmpuint (waiting, ==, 9);
  g_assert_cmpuint (simclr_replay_get_bytes (replay), ==, 10 + 3 * sizeof (gfloat));
  simclr_replay_set_embedding (replay, 1000, wide, 1, 3);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/redundancy/the-most-redundant-is-found/of-all", GINT_TO_POINTER (FALSE),
      test_the_most_redundant_is_found);
  g_test_add_data_func ("/redundancy/the-most-redundant-is-found/of-older", GINT_TO_POINTER (TRUE),
      test_the_most_redundant_is_found);
  g_test_add_data_func ("/redundancy/mean-is-that-of-the-nearest/of-all", GINT_TO_POINTER (FALSE),
      test_mean_is_that_of_the_nearest);
  g_test_add_data_func ("/redundancy/mean-is-that-of-the-nearest/of-older", GINT_TO_POINTER (TRUE),
      test_mean_is_that_of_the_nearest);
  g_test_add_func ("/redundancy/no-direction-is-no-embedding", test_no_direction_is_no_embedding);
  g_test_add_func ("/redundancy/of-two-alike-the-newer-goes", test_of_two_alike_the_newer_goes);
  g_test_add_func ("/redundancy/a-long-scene-takes-no-more-than-its-share",
      test_a_long_scene_takes_no_more_than_its_share);
  g_test_add_func ("/redundancy/published-drops-either", test_published_drops_either);
  g_test_add_func (
      "/redundancy/without-embeddings-chance-decides", test_without_embeddings_chance_decides);
  g_test_add_func ("/redundancy/old-embeddings-are-renewed", test_old_embeddings_are_renewed);
  g_test_add_func ("/redundancy/embeddings-count-as-bytes", test_embeddings_count_as_bytes);
  g_test_add_func ("/redundancy/another-encoder-begins-anew", test_another_encoder_begins_anew);
  return g_test_run ();
}
