/* How unlike everything that was taught an embedding is.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/evaluate/novelty-private.h>

#include <simclr/base/blas-private.h>
#include <cblas.h>
#include <math.h>
#include <stdlib.h>

#define FACTOR 0.16
#define WITHIN_POWER 0.2
#define BETWEEN_ALONE 0.2
#define BETWEEN_MOST 0.3
/* Examples that are all alike, of a test pattern or a still picture, do not make the next sensor noise
 * novel: the least of within over between, and of any reach. */
#define LEAST_WITHIN 1e-3
#define LEAST_REACH 1e-4
/* Where each label has one example only: a usual share of between. */
#define WITHIN_ALONE 1e-2
/* More examples of a label than these are represented by a sample, evenly spread. */
#define MOST_AMONG 20000
#define MOST_JUDGED 500
/* Examples of each label, and of all together, that stand for it before the others. */
#define MOST_SHOWN 16
#define MOST_SHOWN_OF_ALL 8192

/* The examples' rows, label by label in the order of teaching; those of label k are starts[k] .. starts[k + 1] - 1. */
typedef struct
{
  const SimclrExamples *examples;
  gsize n_labels;
  gsize *order;
  gsize *starts;
} Sorted;

static void
sort_by_label (Sorted *self, const SimclrExamples *examples)
{
  gsize count = _simclr_examples_get_count (examples);
  g_autofree gsize *next = NULL;

  self->examples = examples;
  self->n_labels = examples->labels->len;
  self->order = g_new (gsize, count + 1);
  self->starts = g_new0 (gsize, self->n_labels + 1);
  for (gsize k = 0; k < self->n_labels; k++)
    self->starts[k + 1] = self->starts[k] + g_array_index (examples->counts, guint64, k);
  next = g_memdup2 (self->starts, (self->n_labels + 1) * sizeof (gsize));
  for (gsize i = 0; i < count; i++)
    self->order[next[g_array_index (examples->classes, guint32, i)]++] = i;
}

/* Of n things the i-th of `most` evenly spread ones, where there are more than that. */
static gsize
spread (gsize i, gsize n, gsize most)
{
  return n > most ? i * n / most : i;
}

/* Rows of unit length, at most `most` of a label's; returns how many. */
static gsize
copy_rows (const Sorted *self, gsize label, gsize most, gfloat *out)
{
  SimclrRows all = _simclr_examples_get_rows (self->examples);
  gsize n = self->starts[label + 1] - self->starts[label];

  for (gsize i = 0; i < MIN (n, most); i++) {
    gsize row = self->order[self->starts[label] + spread (i, n, most)];

    for (gsize j = 0; j < all.size; j++)
      out[i * all.size + j] = all.floats[row * all.size + j] * all.scales[row];
  }
  return MIN (n, most);
}

static gint
compare_floats (gconstpointer a, gconstpointer b)
{
  gfloat x = *(const gfloat *) a, y = *(const gfloat *) b;

  return x < y ? -1 : x > y;
}

/* Sorts them; between two of them in proportion. */
static gdouble
take_quantile (gfloat *values, gsize n, gdouble quantile)
{
  gdouble position = quantile * (gdouble) (n - 1);
  gsize at = (gsize) position;

  qsort (values, n, sizeof (gfloat), compare_floats);
  return at + 1 < n ? values[at] + (position - (gdouble) at) * (values[at + 1] - values[at])
                    : values[n - 1];
}

/* The quantile of the distances from some of a label's examples to the nearest of another group. */
static gdouble
measure_label (SimclrParallel *parallel, const SimclrRows *among, gdouble quantile)
{
  gsize n = MIN (among->count, MOST_JUDGED);
  g_autofree gfloat *floats = g_new (gfloat, n * among->size), *distances = g_new (gfloat, n);
  g_autofree guint32 *groups = g_new (guint32, n);
  g_autofree SimclrNeighbor *found = g_new (SimclrNeighbor, n);
  SimclrRows rows = {.floats = floats, .groups = groups, .count = n, .size = among->size};

  for (gsize i = 0; i < n; i++) {
    gsize row = spread (i, among->count, MOST_JUDGED);

    groups[i] = among->groups[row];
    for (gsize j = 0; j < among->size; j++)
      floats[i * among->size + j] = among->floats[row * among->size + j];
  }
  _simclr_neighbors_search (parallel, among, &rows, 1, found);
  for (gsize i = 0; i < n; i++)
    distances[i] = MAX (1 - found[i].similarity, 0);
  return take_quantile (distances, n, quantile);
}

/* Both are negative where a label's only example says nothing. */
static void
measure_within (SimclrParallel *parallel, const Sorted *sorted, gdouble *within, gdouble *nearest)
{
  gsize size = sorted->examples->size, most = 0;
  g_autofree gfloat *floats = NULL;
  g_autofree guint32 *groups = NULL;

  for (gsize k = 0; k < sorted->n_labels; k++)
    most = MAX (most, MIN (sorted->starts[k + 1] - sorted->starts[k], MOST_AMONG));
  floats = g_new (gfloat, most * size);
  groups = g_new (guint32, most);
  for (gsize k = 0; k < sorted->n_labels; k++) {
    SimclrRows among = {.floats = floats, .groups = groups, .size = size};

    among.count = copy_rows (sorted, k, MOST_AMONG, floats);
    within[k] = nearest[k] = -1;
    if (among.count < 2)
      continue;
    for (gsize i = 0; i < among.count; i++)
      groups[i] = 2 * i >= among.count;
    within[k] = measure_label (parallel, &among, 0.95);
    for (gsize i = 0; i < among.count; i++)
      groups[i] = (guint32) i;
    nearest[k] = measure_label (parallel, &among, 0.5);
  }
}

/* The median distance from some rows of one label to the nearest of another's; similarities are (rows, stride) and
 * begin at the other's first. */
static gfloat
measure_pair (const gfloat *similarities, gsize rows, gsize stride, gsize others)
{
  gfloat distances[MOST_SHOWN];

  for (gsize i = 0; i < rows; i++) {
    gfloat highest = -1;

    for (gsize j = 0; j < others; j++)
      highest = MAX (highest, similarities[i * stride + j]);
    distances[i] = 1 - highest;
  }
  return (gfloat) take_quantile (distances, rows, 0.5);
}

static void
measure_between (const Sorted *sorted, gdouble *between)
{
  const gsize n = sorted->n_labels, size = sorted->examples->size;
  const gsize most = CLAMP (MOST_SHOWN_OF_ALL / n, 1, MOST_SHOWN);
  g_autofree gfloat *shown = g_new (gfloat, n * most * size), *distances = g_new (gfloat, n);
  g_autofree gfloat *similarities = g_new (gfloat, most * n * most);
  g_autofree gsize *first = g_new0 (gsize, n + 1);

  for (gsize k = 0; k < n; k++)
    first[k + 1] = first[k] + copy_rows (sorted, k, most, shown + first[k] * size);
  _simclr_blas_prepare ();
  for (gsize k = 0; k < n; k++) {
    gsize rows = first[k + 1] - first[k], others = 0;

    cblas_sgemm (CblasRowMajor, CblasNoTrans, CblasTrans, (int) rows, (int) first[n], (int) size,
        1.0f, shown + first[k] * size, (int) size, shown, (int) size, 0.0f, similarities,
        (int) first[n]);
    for (gsize j = 0; j < n; j++)
      if (j != k)
        distances[others++] =
            measure_pair (similarities + first[j], rows, first[n], first[j + 1] - first[j]);
    between[k] = BETWEEN_ALONE;
    if (others > 0) {
      qsort (distances, others, sizeof (gfloat), compare_floats);
      between[k] = CLAMP (distances[(others - 1) / 4], 0, BETWEEN_MOST);
    }
  }
}

/* Brings within to what between makes plausible, and each label's to those of all. */
static void
balance_within (const gdouble *between, gsize n, gdouble *within)
{
  gdouble sum = 0, mean;
  gsize known = 0;

  for (gsize k = 0; k < n; k++) {
    if (within[k] < 0)
      continue;
    within[k] = MAX (within[k], MAX (LEAST_WITHIN * between[k], LEAST_REACH * LEAST_WITHIN));
    sum += log (within[k]);
    known++;
  }
  mean = known > 0 ? exp (sum / (gdouble) known) : 0;
  for (gsize k = 0; k < n; k++) {
    if (within[k] >= 0)
      within[k] = sqrt (within[k] * mean);
    else
      within[k] = known > 0 ? mean : WITHIN_ALONE * between[k];
  }
}

SimclrNovelty *
_simclr_novelty_new (SimclrParallel *parallel, const SimclrExamples *examples)
{
  Sorted sorted;
  gsize n = examples->labels->len;
  g_autofree gdouble *within = g_new (gdouble, n), *nearest = g_new (gdouble, n);
  g_autofree gdouble *between = g_new (gdouble, n);
  gfloat *reach = g_new (gfloat, n);

  sort_by_label (&sorted, examples);
  measure_within (parallel, &sorted, within, nearest);
  measure_between (&sorted, between);
  balance_within (between, n, within);
  for (gsize k = 0; k < n; k++) {
    gdouble expected = FACTOR * pow (within[k], WITHIN_POWER) * pow (between[k], 1 - WITHIN_POWER);

    reach[k] = (gfloat) CLAMP (MAX (expected, nearest[k]), LEAST_REACH, 2);
  }
  g_free (sorted.order);
  g_free (sorted.starts);
  return _simclr_novelty_new_from (reach, examples);
}

SimclrNovelty *
_simclr_novelty_new_from (gfloat *reach, const SimclrExamples *examples)
{
  SimclrNovelty *self = g_new (SimclrNovelty, 1);
  SimclrRows all = _simclr_examples_get_rows (examples);

  self->reach = reach;
  self->scales = g_new (gfloat, all.count);
  self->offsets = g_new (gfloat, all.count);
  for (gsize i = 0; i < all.count; i++) {
    gfloat factor = 1 / reach[g_array_index (examples->classes, guint32, i)];

    self->scales[i] = all.scales[i] * factor;
    self->offsets[i] = -factor;
  }
  return self;
}

void
_simclr_novelty_free (SimclrNovelty *self)
{
  g_free (self->reach);
  g_free (self->scales);
  g_free (self->offsets);
  g_free (self);
}

void
_simclr_novelty_compute (const SimclrNovelty *self, SimclrParallel *parallel,
    const SimclrExamples *examples, const SimclrRows *rows, gfloat *novelty)
{
  SimclrRows among = _simclr_examples_get_rows (examples);
  g_autofree SimclrNeighbor *found = g_new (SimclrNeighbor, rows->count + 1);

  /* (similarity - 1) / reach: minus the novelty, the nearest has the highest */
  among.scales = self->scales;
  among.offsets = self->offsets;
  _simclr_neighbors_search (parallel, &among, rows, 1, found);
  for (gsize i = 0; i < rows->count; i++)
    novelty[i] = MAX (-found[i].similarity, 0);
}
