/* NT-Xent over all 2N views, tile by tile.
 *
 * The matrix of similarities is never kept: a first pass over its tiles finds each row's softmax sum, a
 * second one computes the tile again and multiplies the softmax of row and column with the embeddings.
 * Tiles are the same whatever the number of threads, and so is the result.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/loss/ntxent-private.h>
#include <simclr/loss/ntxent-kernel-private.h>

#include <simclr/base/blas-private.h>
#include <cblas.h>
#include <math.h>
#include <string.h>

/* A tile stays in the second-level cache. */
#define TILE_ROWS 128
#define TILE_COLUMNS 512
#define FLOATS_OF_A_LINE 16

/* Sums over the rows of one tile. */
typedef struct
{
  gdouble loss;
  gdouble hits;
  gdouble entropy;
} Partial;

typedef struct
{
  const gfloat *z;
  gfloat *dz;
  gsize rows;
  gsize columns;
  gfloat temperature;

  gfloat *u;         /* (rows, columns) of unit length */
  gfloat *inverse;   /* (rows) of 1 / length */
  gfloat *logarithm; /* (rows) of log (softmax sum) */
  Partial *partials; /* one for each tile of rows */
  gfloat *tiles;     /* one for each thread */
} Ntxent;

static gsize
lines (gsize floats)
{
  return (floats + FLOATS_OF_A_LINE - 1) / FLOATS_OF_A_LINE * FLOATS_OF_A_LINE;
}

static gsize
row_tiles (gsize rows)
{
  return (rows + TILE_ROWS - 1) / TILE_ROWS;
}

gsize
_simclr_ntxent_get_scratch (guint threads, gsize rows, gsize columns)
{
  return lines (rows * columns) + 2 * lines (rows) +
         lines (row_tiles (rows) * sizeof (Partial) / sizeof (gfloat)) +
         (gsize) threads * TILE_ROWS * TILE_COLUMNS + 2 * FLOATS_OF_A_LINE;
}

static void
take_scratch (Ntxent *self, gfloat *scratch)
{
  gsize line = FLOATS_OF_A_LINE * sizeof (gfloat);
  gfloat *next = (gfloat *) (((guintptr) scratch + line - 1) / line * line);

  self->u = next;
  next += lines (self->rows * self->columns);
  self->inverse = next;
  next += lines (self->rows);
  self->logarithm = next;
  next += lines (self->rows);
  self->partials = (Partial *) next;
  next += lines (row_tiles (self->rows) * sizeof (Partial) / sizeof (gfloat));
  self->tiles = next;
}

static void
normalize (guint thread, gsize begin, gsize end, gpointer data)
{
  Ntxent *self = data;
  gsize offset = begin * self->columns;

  _simclr_ntxent_normalize (
      self->z + offset, end - begin, self->columns, self->u + offset, self->inverse + begin);
}

/* tile (rows of stride TILE_COLUMNS) = similarities / temperature */
static void
compute_logits (
    const Ntxent *self, gsize row, gsize rows, gsize column, gsize columns, gfloat *tile)
{
  cblas_sgemm (CblasRowMajor, CblasNoTrans, CblasTrans, (int) rows, (int) columns,
      (int) self->columns, 1 / self->temperature, self->u + row * self->columns,
      (int) self->columns, self->u + column * self->columns, (int) self->columns, 0.0f, tile,
      TILE_COLUMNS);
}

/* Adds one row of a tile to what is known of that row. */
static void
add_logits (gfloat *logits, gsize view, gsize column, gsize columns, SimclrNtxentRow *row,
    gfloat *positive, gfloat *highest_negative)
{
  gsize padded = (columns + SIMCLR_NTXENT_LANES - 1) / SIMCLR_NTXENT_LANES * SIMCLR_NTXENT_LANES;
  gsize other = view ^ 1;
  gfloat highest;

  for (gsize k = columns; k < padded; k++)
    logits[k] = SIMCLR_NTXENT_NOTHING;
  if (view >= column && view < column + columns)
    logits[view - column] = SIMCLR_NTXENT_NOTHING;

  if (other >= column && other < column + columns) {
    *positive = logits[other - column];
    logits[other - column] = SIMCLR_NTXENT_NOTHING;
    highest = _simclr_ntxent_highest (logits, padded);
    logits[other - column] = *positive;
    *highest_negative = MAX (*highest_negative, highest);
    highest = MAX (highest, *positive);
  } else {
    highest = _simclr_ntxent_highest (logits, padded);
    *highest_negative = MAX (*highest_negative, highest);
  }
  _simclr_ntxent_row_add (row, logits, padded, highest);
}

static void
first_pass_tile (Ntxent *self, gsize begin, gsize rows, gfloat *tile, Partial *partial)
{
  SimclrNtxentRow row[TILE_ROWS];
  gfloat positive[TILE_ROWS], highest_negative[TILE_ROWS];

  for (gsize i = 0; i < rows; i++) {
    row[i] = (SimclrNtxentRow){SIMCLR_NTXENT_NOTHING, 0, 0};
    positive[i] = highest_negative[i] = SIMCLR_NTXENT_NOTHING;
  }
  for (gsize column = 0; column < self->rows; column += TILE_COLUMNS) {
    gsize columns = MIN (TILE_COLUMNS, self->rows - column);

    compute_logits (self, begin, rows, column, columns, tile);
    for (gsize i = 0; i < rows; i++)
      add_logits (tile + i * TILE_COLUMNS, begin + i, column, columns, &row[i], &positive[i],
          &highest_negative[i]);
  }

  memset (partial, 0, sizeof *partial);
  for (gsize i = 0; i < rows; i++) {
    gdouble logarithm = log (row[i].sum);

    self->logarithm[begin + i] = (gfloat) (row[i].highest + logarithm);
    partial->loss += row[i].highest - positive[i] + logarithm;
    partial->hits += positive[i] > highest_negative[i];
    partial->entropy += logarithm - row[i].moment / row[i].sum;
  }
}

static void
first_pass (guint thread, gsize begin, gsize end, gpointer data)
{
  Ntxent *self = data;
  gfloat *tile = self->tiles + (gsize) thread * TILE_ROWS * TILE_COLUMNS;

  for (gsize row = begin; row < end; row += TILE_ROWS)
    first_pass_tile (self, row, MIN (TILE_ROWS, end - row), tile, &self->partials[row / TILE_ROWS]);
}

/* du of some rows: the sum over k of (p_ik + p_ki - 2 [k is the positive of i]) u_k, over rows *
 * temperature, with p the softmax without the view itself. */
static void
second_pass_tile (Ntxent *self, gsize begin, gsize rows, gfloat *tile)
{
  gfloat factor = (gfloat) (1 / ((gdouble) self->rows * self->temperature));

  for (gsize column = 0; column < self->rows; column += TILE_COLUMNS) {
    gsize columns = MIN (TILE_COLUMNS, self->rows - column);

    compute_logits (self, begin, rows, column, columns, tile);
    for (gsize i = 0; i < rows; i++) {
      gfloat *pull = tile + i * TILE_COLUMNS;
      gsize view = begin + i, other = view ^ 1;

      _simclr_ntxent_pull (pull, columns, self->logarithm[view], self->logarithm + column);
      if (view >= column && view < column + columns)
        pull[view - column] = 0.0f;
      if (other >= column && other < column + columns)
        pull[other - column] -= 2.0f;
    }
    cblas_sgemm (CblasRowMajor, CblasNoTrans, CblasNoTrans, (int) rows, (int) self->columns,
        (int) columns, factor, tile, TILE_COLUMNS, self->u + column * self->columns,
        (int) self->columns, column == 0 ? 0.0f : 1.0f, self->dz + begin * self->columns,
        (int) self->columns);
  }
}

static void
second_pass (guint thread, gsize begin, gsize end, gpointer data)
{
  Ntxent *self = data;
  gfloat *tile = self->tiles + (gsize) thread * TILE_ROWS * TILE_COLUMNS;

  for (gsize row = begin; row < end; row += TILE_ROWS)
    second_pass_tile (self, row, MIN (TILE_ROWS, end - row), tile);
  _simclr_ntxent_normalize_backward (self->u + begin * self->columns, self->inverse + begin,
      end - begin, self->columns, self->dz + begin * self->columns);
}

void
_simclr_ntxent (SimclrParallel *parallel, const gfloat *z, gsize rows, gsize columns,
    gdouble temperature, gfloat *dz, SimclrNtxentResult *result, gfloat *scratch)
{
  Ntxent self = {z, dz, rows, columns, (gfloat) temperature};
  Partial total = {0};

  g_assert (rows >= 2 && rows % 2 == 0 && columns > 0);

  take_scratch (&self, scratch);
  _simclr_blas_prepare ();
  _simclr_parallel_for (parallel, rows, TILE_ROWS, normalize, &self);
  _simclr_parallel_for (parallel, rows, TILE_ROWS, first_pass, &self);
  _simclr_parallel_for (parallel, rows, TILE_ROWS, second_pass, &self);

  for (gsize i = 0; i < row_tiles (rows); i++) {
    total.loss += self.partials[i].loss;
    total.hits += self.partials[i].hits;
    total.entropy += self.partials[i].entropy;
  }
  result->loss = total.loss / (gdouble) rows;
  result->accuracy = total.hits / (gdouble) rows;
  result->entropy = total.entropy / (gdouble) rows;
}
