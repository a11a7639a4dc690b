/* Exact search for the nearest rows by inner product, in tiles.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/evaluate/neighbors-private.h>

#include <simclr/base/blas-private.h>
#include <simclr/simclr-error.h>
#include <cblas.h>
#include <math.h>

/* A tile of similarities stays in the second-level cache. */
#define TILE_ROWS 64
#define TILE_AMONG 1024

typedef struct
{
  const SimclrRows *among;
  const SimclrRows *rows;
  gsize neighbors;
  SimclrNeighbor *found; /* a heap for each row, the least similar first */
  gfloat *tiles;         /* for each thread */
  gsize tile_rows;
} Search;

gfloat *
_simclr_rows_copy_unit (
    const gfloat *rows, gsize count, gsize size, const gchar *what, GError **error)
{
  g_autofree gfloat *unit = g_try_new (gfloat, count * size + 1);

  if (unit == NULL) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MEMORY,
        "no memory for %" G_GSIZE_FORMAT " embeddings of %" G_GSIZE_FORMAT, count, size);
    return NULL;
  }
  for (gsize row = 0; row < count; row++) {
    const gfloat *in = rows + row * size;
    gdouble square = 0, factor;

    for (gsize i = 0; i < size; i++)
      square += (gdouble) in[i] * in[i];
    if (!isfinite (square)) {
      g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_NON_FINITE,
          "%s embedding %" G_GSIZE_FORMAT " holds a number that is not finite", what, row);
      return NULL;
    }
    factor = square > 0 ? 1 / sqrt (square) : 0;
    for (gsize i = 0; i < size; i++)
      unit[row * size + i] = (gfloat) (in[i] * factor);
  }
  return g_steal_pointer (&unit);
}

/* Whether a should leave before b: less similar, or as similar and later. */
static inline gboolean
is_farther (const SimclrNeighbor *a, const SimclrNeighbor *b)
{
  return a->similarity < b->similarity || (a->similarity == b->similarity && a->row > b->row);
}

/* Puts a neighbor at the root of a heap and lets it sink. */
static void
sink (SimclrNeighbor *heap, gsize count, SimclrNeighbor neighbor)
{
  gsize at = 0;

  while (2 * at + 1 < count) {
    gsize child = 2 * at + 1;

    if (child + 1 < count && is_farther (&heap[child + 1], &heap[child]))
      child++;
    if (!is_farther (&heap[child], &neighbor))
      break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = neighbor;
}

static void
keep_nearest (const Search *self, gsize row, const gfloat *similarities, gsize first, gsize count)
{
  SimclrNeighbor *heap = self->found + row * self->neighbors;
  const gfloat *scales = self->among->scales, *offsets = self->among->offsets;
  const guint32 *groups = self->rows->groups != NULL ? self->among->groups : NULL;
  gfloat factor = self->rows->scales != NULL ? self->rows->scales[row] : 1;

  for (gsize i = 0; i < count; i++) {
    gfloat similarity = similarities[i] * factor * (scales != NULL ? scales[first + i] : 1);

    if (offsets != NULL)
      similarity += offsets[first + i];
    if (groups != NULL && groups[first + i] == self->rows->groups[row])
      continue;
    /* rows come in ascending order, so an equal one is never nearer */
    if (similarity > heap[0].similarity)
      sink (heap, self->neighbors, (SimclrNeighbor){similarity, first + i});
  }
}

/* tile (count, TILE_AMONG) = rows begin .. of the one, times the other's from first, transposed */
static void
multiply_tile (const Search *self, gsize begin, gsize count, gsize first, gsize width, gfloat *tile)
{
  const SimclrRows *among = self->among;
  const gfloat *rows = self->rows->floats + begin * among->size;
  int size = (int) among->size;

  if (count == 1)
    cblas_sgemv (CblasRowMajor, CblasNoTrans, (int) width, size, 1.0f,
        among->floats + first * among->size, size, rows, 1, 0.0f, tile, 1);
  else
    cblas_sgemm (CblasRowMajor, CblasNoTrans, CblasTrans, (int) count, (int) width, size, 1.0f,
        rows, size, among->floats + first * among->size, size, 0.0f, tile, TILE_AMONG);
}

static void
search (guint thread, gsize begin, gsize end, gpointer data)
{
  Search *self = data;
  gfloat *tile = self->tiles + (gsize) thread * self->tile_rows * TILE_AMONG;

  for (gsize i = begin * self->neighbors; i < end * self->neighbors; i++)
    self->found[i] = (SimclrNeighbor){-G_MAXFLOAT, 0};

  for (gsize row = begin; row < end; row += self->tile_rows) {
    gsize count = MIN (self->tile_rows, end - row);

    for (gsize first = 0; first < self->among->count; first += TILE_AMONG) {
      gsize width = MIN (TILE_AMONG, self->among->count - first);

      multiply_tile (self, row, count, first, width, tile);
      for (gsize i = 0; i < count; i++)
        keep_nearest (self, row + i, tile + i * TILE_AMONG, first, width);
    }
  }
}

void
_simclr_neighbors_search (SimclrParallel *parallel, const SimclrRows *among, const SimclrRows *rows,
    gsize neighbors, SimclrNeighbor *found)
{
  gsize threads = parallel != NULL ? _simclr_parallel_get_threads (parallel) : 1;
  Search self = {among, rows, neighbors, found, .tile_rows = CLAMP (rows->count, 1, TILE_ROWS)};

  _simclr_blas_prepare ();
  self.tiles = g_new (gfloat, threads * self.tile_rows * TILE_AMONG);
  _simclr_parallel_for (parallel, rows->count, self.tile_rows, search, &self);
  g_free (self.tiles);
}
