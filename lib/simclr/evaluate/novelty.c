/* How unlike everything that was taught an embedding is.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/evaluate/novelty-private.h>

#include <stdlib.h>
#include <string.h>

#define QUANTILE 0.95
/* More examples than these are judged by a sample, evenly spread. */
#define MOST_JUDGED 2000
/* Examples that are all alike, of a test pattern or a still picture, do not make the next sensor noise
 * novel. */
#define LEAST_DISTANCE 1e-3

static gint
compare_distances (gconstpointer a, gconstpointer b)
{
  gfloat x = *(const gfloat *) a, y = *(const gfloat *) b;

  return x < y ? -1 : x > y;
}

/* Half 0 or 1 of each class, by the order of teaching; halves[i] = 2 * class + half. */
static guint32 *
number_halves (const SimclrExamples *examples)
{
  gsize count = _simclr_examples_get_count (examples);
  g_autofree guint64 *seen = g_new0 (guint64, examples->labels->len);
  guint32 *halves = g_new (guint32, count);

  for (gsize i = 0; i < count; i++) {
    guint32 class = g_array_index (examples->classes, guint32, i);
    guint64 all = g_array_index (examples->counts, guint64, class);

    halves[i] = 2 * class + (2 * seen[class]++ >= all);
  }
  return halves;
}

/* Copies of the rows that are judged; a label's only example says nothing of how far apart a label's
 * examples are, unless there are no others. */
static gsize
pick_rows (const SimclrExamples *examples, const guint32 *halves, gfloat *floats, gfloat *scales,
    guint32 *groups)
{
  SimclrRows all = _simclr_examples_get_rows (examples);
  gsize stride = all.count / MOST_JUDGED + 1, picked = 0;
  gboolean all_alone = all.count == examples->labels->len;

  for (gsize i = 0; i < all.count; i += stride) {
    guint32 class = g_array_index (examples->classes, guint32, i);

    if (!all_alone && g_array_index (examples->counts, guint64, class) < 2)
      continue;
    memcpy (floats + picked * all.size, all.floats + i * all.size, all.size * sizeof (gfloat));
    scales[picked] = all.scales[i];
    groups[picked++] = halves[i];
  }
  return picked;
}

gdouble
_simclr_novelty_calibrate (SimclrParallel *parallel, const SimclrExamples *examples)
{
  SimclrRows all = _simclr_examples_get_rows (examples), judged = {.size = all.size};
  g_autofree guint32 *halves = NULL, *groups = NULL;
  g_autofree gfloat *floats = NULL, *scales = NULL, *distances = NULL;
  g_autofree SimclrNeighbor *found = NULL;
  gsize most = MIN (all.count, MOST_JUDGED), n = 0;

  if (all.count < 2)
    return 0;
  halves = number_halves (examples);
  floats = g_new (gfloat, most * all.size);
  scales = g_new (gfloat, most);
  groups = g_new (guint32, most);
  judged.count = pick_rows (examples, halves, floats, scales, groups);
  judged.floats = floats;
  judged.scales = scales;
  judged.groups = groups;
  all.groups = halves;
  found = g_new (SimclrNeighbor, most);
  _simclr_neighbors_search (parallel, &all, &judged, 1, found);

  distances = g_new (gfloat, most);
  for (gsize i = 0; i < judged.count; i++)
    if (found[i].similarity > -2)
      distances[n++] = 1 - found[i].similarity;
  if (n == 0)
    return 0;
  qsort (distances, n, sizeof (gfloat), compare_distances);
  return MAX (distances[(gsize) (QUANTILE * (gdouble) (n - 1) + 0.5)], LEAST_DISTANCE);
}

gfloat
_simclr_novelty (gfloat similarity, gdouble calibration)
{
  gdouble distance = 1 - (gdouble) similarity;

  return calibration > 0 && distance > 0 ? (gfloat) (distance / calibration) : 0;
}
