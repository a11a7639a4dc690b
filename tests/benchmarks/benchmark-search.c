/* Search among a million embeddings of 512 floats on one core: milliseconds, recall, memory.
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Three kinds of data, none of which search was made for in particular:
 *   video     scenes of about 100 frames around one of 2000 places; a frame is a small step from the one before,
 *             values are what a ReLU leaves, so that all embeddings point one way
 *   clusters  2000 of them, entries in random order
 *   gaussian  no structure at all: nothing can be ruled out without looking at it
 * Queries are entries with noise, or for gaussian others of their kind. Recall is the share of the ten
 * nearest by comparing with every one that are among the ten answers. */
#include <simclr/search/index-kernel-private.h>

#include "benchmark.h"

#include <glib/gstdio.h>
#include <math.h>
#include <unistd.h>

#define FLOATS 512
#define PLACES 2000
#define ANSWERS 10
#define QUERIES 20
#define SECOND G_GINT64_CONSTANT (1000000000)

typedef struct
{
  const gchar *kind;
  GRand *random;
  gfloat *places; /* (PLACES, FLOATS) */
  gfloat now[FLOATS];
} Source;

/* The sum of four bytes: near enough to normal, and quick. Mean 0, deviation 1. */
static inline gfloat
draw (GRand *random)
{
  guint32 bits = g_rand_int (random);

  return ((gfloat) ((bits & 255) + (bits >> 8 & 255) + (bits >> 16 & 255) + (bits >> 24)) - 510) /
         147.8f;
}

static void
next_embedding (Source *self, gfloat *embedding)
{
  gboolean video = g_str_equal (self->kind, "video");

  if (g_str_equal (self->kind, "gaussian")) {
    for (guint i = 0; i < FLOATS; i++)
      embedding[i] = draw (self->random);
    return;
  }
  if (!video || g_rand_int_range (self->random, 0, 100) == 0) {
    const gfloat *place =
        self->places + (gsize) g_rand_int_range (self->random, 0, PLACES) * FLOATS;

    for (guint i = 0; i < FLOATS; i++)
      self->now[i] = place[i] + 0.3f * draw (self->random);
  }
  for (guint i = 0; i < FLOATS; i++) {
    self->now[i] += video ? 0.03f * draw (self->random) : 0;
    embedding[i] = video ? MAX (self->now[i], 0) : self->now[i];
  }
}

static gdouble
resident_mebibytes (void)
{
  g_autofree gchar *text = NULL;
  gulong pages = 0;

  if (g_file_get_contents ("/proc/self/statm", &text, NULL, NULL))
    sscanf (text, "%*u %lu", &pages);
  return (gdouble) pages * (gdouble) sysconf (_SC_PAGESIZE) / (1 << 20);
}

typedef struct
{
  SimclrIndex *index;
  gfloat *queries; /* (QUERIES, FLOATS) */
  guint query;
  guint64 apart;
  GPtrArray *answers;
} Run;

static void
answer (gpointer data)
{
  Run *run = data;
  const gfloat *query = run->queries + run->query * FLOATS;

  g_clear_pointer (&run->answers, g_ptr_array_unref);
  run->answers = simclr_index_search (
      run->index, query, FLOATS, ANSWERS, NULL, G_MININT64, G_MAXINT64, run->apart, NULL);
  run->query = (run->query + 1) % QUERIES;
}

/* The ten nearest of each query so far, by comparing with every one. */
typedef struct
{
  gdouble similarities[QUERIES][ANSWERS];
  guint64 numbers[QUERIES][ANSWERS];
} Truth;

static void
compare (Truth *self, const gfloat *queries, const gfloat *embedding, guint64 number)
{
  gfloat unit[FLOATS];

  _simclr_index_normalize (embedding, FLOATS, unit);
  for (guint q = 0; q < QUERIES; q++) {
    gdouble similarity = (gdouble) _simclr_index_dot (unit, queries + q * FLOATS, FLOATS);
    gint at = ANSWERS - 1;

    if (similarity <= self->similarities[q][at])
      continue;
    for (; at > 0 && self->similarities[q][at - 1] < similarity; at--) {
      self->similarities[q][at] = self->similarities[q][at - 1];
      self->numbers[q][at] = self->numbers[q][at - 1];
    }
    self->similarities[q][at] = similarity;
    self->numbers[q][at] = number;
  }
}

static gdouble
measure_recall (Run *run, const Truth *truth)
{
  guint found = 0;

  run->query = 0;
  run->apart = 0;
  for (guint q = 0; q < QUERIES; q++) {
    answer (run);
    for (guint i = 0; i < run->answers->len; i++) {
      for (guint j = 0; j < ANSWERS; j++)
        found +=
            ((SimclrMatch *) g_ptr_array_index (run->answers, i))->number == truth->numbers[q][j];
    }
  }
  return (gdouble) found / (QUERIES * ANSWERS);
}

/* Each query is an entry with noise: what a new frame of a known place would be. */
static void
make_queries (const gchar *kind, guint entries, gfloat *queries)
{
  Source source = {kind, g_rand_new_with_seed (1), new_noise (PLACES * FLOATS)};
  g_autoptr (GRand) noise = g_rand_new_with_seed (2);
  gfloat embedding[FLOATS];
  guint step = MAX (1, entries / QUERIES);

  for (guint i = 0; i < PLACES * FLOATS; i++)
    source.places[i] = 2 * source.places[i] - 1;
  for (guint i = 0; i < entries; i++) {
    next_embedding (&source, embedding);
    if (i % step != step / 2 || i / step >= QUERIES)
      continue;
    for (guint j = 0; j < FLOATS; j++)
      embedding[j] =
          g_str_equal (kind, "gaussian") ? draw (noise) : embedding[j] + 0.1f * draw (noise);
    _simclr_index_normalize (embedding, FLOATS, queries + i / step * FLOATS);
  }
  g_rand_free (source.random);
  g_free (source.places);
}

static void
fill (const gchar *kind, guint entries, SimclrIndex *index, const gfloat *queries, Truth *truth)
{
  Source source = {kind, g_rand_new_with_seed (1), new_noise (PLACES * FLOATS)};
  gfloat embedding[FLOATS];

  for (guint i = 0; i < PLACES * FLOATS; i++)
    source.places[i] = 2 * source.places[i] - 1;
  for (guint i = 0; i < entries; i++) {
    g_autoptr (GError) error = NULL;

    next_embedding (&source, embedding);
    compare (truth, queries, embedding, i);
    if (!simclr_index_add (
            index, embedding, FLOATS, (gint64) i * SECOND, "benchmark", NULL, NULL, 0, 0, &error)) {
      g_printerr ("%s\n", error->message);
      exit (1);
    }
  }
  g_rand_free (source.random);
  g_free (source.places);
}

static void
report (const gchar *kind, const gchar *what, guint entries, Run *run, gdouble seconds,
    gdouble recall, gdouble memory)
{
  g_autofree gchar *name = g_strdup_printf ("search-%s-%s-%u", kind, what, entries);
  g_autofree gchar *more = NULL;
  Timing timing = time_calls (answer, run, seconds);

  more = g_strdup_printf (", \"processor_ms\": %.4g, \"recall_at_10\": %.4g, "
                          "\"resident_mebibytes\": %.4g",
      1e3 * timing.processor, recall, memory);
  print_figure (name, 1e3 * timing.median, 1e3 * timing.lowest, 1e3 * timing.highest, "ms", 1,
      "native", "int8", more);
}

static void
run_kind (const gchar *kind, guint entries, const gchar *folder, gdouble seconds)
{
  g_autofree gfloat *queries = g_new (gfloat, QUERIES * FLOATS);
  g_autofree Truth *truth = g_new0 (Truth, 1);
  g_autofree gchar *path = folder != NULL ? g_build_filename (folder, kind, NULL) : NULL;
  g_autoptr (GError) error = NULL;
  gdouble before = resident_mebibytes (), recall;
  Run run = {path != NULL ? simclr_index_open (path, 0, &error) : simclr_index_new (0), queries};

  if (run.index == NULL) {
    g_printerr ("%s\n", error->message);
    exit (1);
  }
  for (guint q = 0; q < QUERIES * ANSWERS; q++)
    truth->similarities[q / ANSWERS][q % ANSWERS] = -2;
  make_queries (kind, entries, queries);
  fill (kind, entries, run.index, queries, truth);
  recall = measure_recall (&run, truth);
  report (kind, "nearest", entries, &run, seconds, recall, resident_mebibytes () - before);
  run.apart = 60 * SECOND;
  report (kind, "minute-apart", entries, &run, seconds, recall, resident_mebibytes () - before);
  g_clear_pointer (&run.answers, g_ptr_array_unref);
  g_object_unref (run.index);

  if (path != NULL) {
    gint64 begin = g_get_monotonic_time ();
    g_autofree gchar *name = g_strdup_printf ("open-%s-%u", kind, entries);
    gdouble milliseconds;

    run.index = simclr_index_open_readonly (path, &error);
    milliseconds = (gdouble) (g_get_monotonic_time () - begin) / 1e3;
    print_figure (name, milliseconds, milliseconds, milliseconds, "ms", 1, "native", "int8", "");
    g_object_unref (run.index);
  }
}

int
main (int argc, char **argv)
{
  static const gchar *kinds[] = {"video", "clusters", "gaussian"};
  Options o = parse_options (argc, argv,
      "Search among --size thousand embeddings (1000) of 512 floats. SIMCLR_BENCHMARK_FOLDER: a "
      "folder "
      "with 3 GiB of room for each kind of data, where the indexes are left; unset: in memory.");
  const gchar *folder = g_getenv ("SIMCLR_BENCHMARK_FOLDER");
  guint entries = 1000 * (guint) (o.size != 32 ? o.size : 1000);

  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++) {
    if (o.architecture != NULL && !g_str_equal (o.architecture, "resnet18") &&
        !g_str_equal (o.architecture, kinds[i]))
      continue;
    run_kind (kinds[i], entries, folder, o.seconds);
  }
  return 0;
}
