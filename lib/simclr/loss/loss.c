/* Contrastive losses, tile by tile.
 *
 * The matrix of similarities is never kept: a first pass over its tiles finds each row's sums, a second one
 * computes the tile again, makes of it the gradient to the similarities, for row and column as anchor, and
 * multiplies that with the embeddings. Semi-hard losses have one negative for each row, and need no second
 * pass. Tiles are the same whatever the number of threads, and so is the result.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/loss/loss-private.h>
#include <simclr/loss/loss-terms-private.h>

#include <simclr/base/arena-private.h>
#include <simclr/base/blas-private.h>
#include <cblas.h>
#include <math.h>
#include <string.h>

/* A tile stays in the second-level cache. */
#define TILE_ROWS 128
#define TILE_COLUMNS 512
#define VIEW_ARRAYS 7 /* of SimclrLossViews */
#define NEVER 1e30f

/* Whom views are compared with: the views of the batch, or those of the memory. */
typedef struct
{
  const gfloat *u;
  gsize count;
  const SimclrViewFacts *facts;
  gboolean is_memory;
} Candidates;

typedef struct
{
  const SimclrLossSettings *settings;
  const SimclrLossBatch *batch;
  gfloat *dz;
  gsize rows;
  gsize columns;
  gfloat temperature;
  Candidates batch_candidates;
  Candidates memory_candidates;

  gfloat *u;       /* (rows, columns) of unit length */
  gfloat *inverse; /* (rows) of 1 / length */
  SimclrLossViews views;
  gfloat *never;               /* (TILE_COLUMNS) softmax sums' logarithms that leave nothing */
  gfloat *zeros;               /* (TILE_COLUMNS) */
  SimclrLossPartial *partials; /* one for each tile of rows */
  gfloat *tiles;               /* one for each thread */
} Loss;

static gsize
row_tiles (gsize rows)
{
  return (rows + TILE_ROWS - 1) / TILE_ROWS;
}

static gsize
partial_floats (gsize rows)
{
  return _simclr_align_floats (row_tiles (rows) * sizeof (SimclrLossPartial) / sizeof (gfloat));
}

gsize
_simclr_loss_get_scratch (guint threads, gsize rows, gsize columns)
{
  return _simclr_align_floats (rows * columns) + (1 + VIEW_ARRAYS) * _simclr_align_floats (rows) +
         2 * TILE_COLUMNS + partial_floats (rows) + (gsize) threads * TILE_ROWS * TILE_COLUMNS +
         2 * _simclr_align_floats (1);
}

static void
take_scratch (Loss *self, gfloat *scratch)
{
  gfloat *next = _simclr_align_scratch (scratch);

  self->u = _simclr_take_floats (&next, self->rows * self->columns);
  self->inverse = _simclr_take_floats (&next, self->rows);
  self->views.logarithm = _simclr_take_floats (&next, self->rows);
  self->views.weight = _simclr_take_floats (&next, self->rows);
  self->views.threshold = _simclr_take_floats (&next, self->rows);
  self->views.positive = _simclr_take_floats (&next, self->rows);
  self->views.pull = _simclr_take_floats (&next, self->rows);
  self->views.push = _simclr_take_floats (&next, self->rows);
  self->views.chosen = (guint32 *) _simclr_take_floats (&next, self->rows);
  self->never = _simclr_take_floats (&next, TILE_COLUMNS);
  self->zeros = _simclr_take_floats (&next, TILE_COLUMNS);
  self->partials = (SimclrLossPartial *) _simclr_take_floats (&next, partial_floats (self->rows));
  self->tiles = next;
  for (gsize i = 0; i < TILE_COLUMNS; i++) {
    self->never[i] = NEVER;
    self->zeros[i] = 0.0f;
  }
}

static void
normalize (guint thread, gsize begin, gsize end, gpointer data)
{
  Loss *self = data;
  gsize offset = begin * self->columns;

  _simclr_loss_normalize (
      self->batch->z + offset, end - begin, self->columns, self->u + offset, self->inverse + begin);
}

/* tile (rows of stride TILE_COLUMNS) = similarities / temperature */
static void
compute_logits (const Loss *self, gsize row, gsize rows, const Candidates *candidates, gsize column,
    gsize columns, gfloat *tile)
{
  cblas_sgemm (CblasRowMajor, CblasNoTrans, CblasTrans, (int) rows, (int) columns,
      (int) self->columns, 1 / self->temperature, self->u + row * self->columns,
      (int) self->columns, candidates->u + column * self->columns, (int) self->columns, 0.0f, tile,
      TILE_COLUMNS);
}

static gboolean
is_within (gsize view, const Candidates *candidates, gsize column, gsize columns)
{
  return !candidates->is_memory && view >= column && view < column + columns;
}

static gsize
pad (gfloat *logits, gsize columns)
{
  gsize padded = (columns + SIMCLR_LOSS_LANES - 1) / SIMCLR_LOSS_LANES * SIMCLR_LOSS_LANES;

  for (gsize k = columns; k < padded; k++)
    logits[k] = SIMCLR_LOSS_NOTHING;
  return padded;
}

static gint32
label_of (const Loss *self, gsize view)
{
  const gint32 *labels = self->batch->facts.labels;

  if (self->settings->loss != SIMCLR_LOSS_SUPERVISED || labels == NULL)
    return SIMCLR_NO_LABEL;
  return labels[view];
}

/* Neighbours become nothing. TRUE: they were looked for. */
static gboolean
mask_neighbours (const Loss *self, gsize view, const Candidates *candidates, gsize column,
    gsize columns, gfloat *logits)
{
  const SimclrViewFacts *facts = &self->batch->facts, *theirs = candidates->facts;
  const gint32 label = label_of (self, view);

  if (self->settings->neighbours <= 0 || facts->times == NULL ||
      facts->streams[view] == SIMCLR_NO_STREAM)
    return FALSE;
  _simclr_loss_mask_neighbours (logits, columns, facts->times[view], facts->streams[view],
      theirs->times + column, theirs->streams + column, self->settings->neighbours, label,
      label != SIMCLR_NO_LABEL ? theirs->labels + column : NULL);
  return TRUE;
}

static gsize
find (const gfloat *logits, gsize columns, gfloat logit)
{
  gsize k = 0;

  while (k + 1 < columns && logits[k] != logit)
    k++;
  return k;
}

/* at: the number of the tile's first column, counting the memory after the batch. */
static void
look_for_semi_hard (
    const gfloat *logits, gsize columns, gsize padded, gsize at, SimclrLossSums *sums)
{
  gfloat hard = _simclr_loss_highest_below (logits, padded, sums->positive);
  gfloat easy = _simclr_loss_lowest (logits, padded);

  if (hard > sums->hard) {
    sums->hard = hard;
    sums->hard_at = at + find (logits, columns, hard);
  }
  if (easy < sums->easy) {
    sums->easy = easy;
    sums->easy_at = at + find (logits, columns, easy);
  }
}

/* Adds one row of a tile to what is known of that row. */
static void
add_logits (const Loss *self, gfloat *logits, gsize view, const Candidates *candidates,
    gsize column, gsize columns, SimclrLossSums *sums)
{
  const gsize padded = pad (logits, columns), other = view ^ 1;
  const gint32 label = label_of (self, view);
  const gboolean own = is_within (view, candidates, column, columns);
  gboolean masked = mask_neighbours (self, view, candidates, column, columns, logits);
  gfloat highest, highest_negative;

  if (own)
    logits[view - column] = logits[other - column] = SIMCLR_LOSS_NOTHING;
  sums->negatives += masked ? _simclr_loss_count (logits, padded) : columns - (own ? 2 : 0);
  highest = highest_negative = _simclr_loss_highest (logits, padded);
  if (label != SIMCLR_NO_LABEL)
    highest_negative = _simclr_loss_split_labels (
        logits, columns, label, candidates->facts->labels + column, &sums->same, &sums->n_same);
  sums->highest = MAX (sums->highest, highest_negative);
  _simclr_loss_row_add (&sums->softmax, logits, padded, highest);

  if (_simclr_loss_is_semi_hard (self->settings))
    look_for_semi_hard (
        logits, columns, padded, column + (candidates->is_memory ? self->rows : 0), sums);
  else if (self->settings->loss == SIMCLR_LOSS_NT_LOGISTIC)
    sums->sum += _simclr_loss_sum_softplus (logits, padded);
  else if (self->settings->loss == SIMCLR_LOSS_MARGIN_TRIPLET)
    sums->sum += _simclr_loss_sum_above (logits, padded, self->views.threshold[view], &sums->above);
}

/* The tile that holds the rows' own columns tells their positives. */
static void
take_positives (const Loss *self, gsize begin, gsize rows, gsize column, const gfloat *tile,
    SimclrLossSums *sums)
{
  for (gsize i = 0; i < rows; i++) {
    sums[i].positive = tile[i * TILE_COLUMNS + ((begin + i) ^ 1) - column];
    self->views.threshold[begin + i] =
        sums[i].positive - (gfloat) self->settings->margin / self->temperature;
  }
}

static void
add_tile (Loss *self, gsize begin, gsize rows, const Candidates *candidates, gsize column,
    gfloat *tile, SimclrLossSums *sums)
{
  gsize columns = MIN (TILE_COLUMNS, candidates->count - column);

  compute_logits (self, begin, rows, candidates, column, columns, tile);
  if (is_within (begin, candidates, column, columns))
    take_positives (self, begin, rows, column, tile, sums);
  for (gsize i = 0; i < rows; i++)
    add_logits (self, tile + i * TILE_COLUMNS, begin + i, candidates, column, columns, &sums[i]);
}

static void
first_pass_tile (Loss *self, gsize begin, gsize rows, gfloat *tile, SimclrLossPartial *partial)
{
  const gsize own = begin / TILE_COLUMNS * TILE_COLUMNS;
  SimclrLossSums sums[TILE_ROWS];

  for (gsize i = 0; i < rows; i++)
    sums[i] = (SimclrLossSums){.softmax = {SIMCLR_LOSS_NOTHING, 0, 0},
        .highest = SIMCLR_LOSS_NOTHING,
        .hard = SIMCLR_LOSS_NOTHING,
        .easy = G_MAXFLOAT};

  add_tile (self, begin, rows, &self->batch_candidates, own, tile, sums);
  for (gsize column = 0; column < self->rows; column += TILE_COLUMNS)
    if (column != own)
      add_tile (self, begin, rows, &self->batch_candidates, column, tile, sums);
  for (gsize column = 0; column < self->batch->memory_rows; column += TILE_COLUMNS)
    add_tile (self, begin, rows, &self->memory_candidates, column, tile, sums);

  memset (partial, 0, sizeof *partial);
  for (gsize i = 0; i < rows; i++)
    _simclr_loss_settle (self->settings, &sums[i], begin + i, &self->views, partial);
}

static void
first_pass (guint thread, gsize begin, gsize end, gpointer data)
{
  Loss *self = data;
  gfloat *tile = self->tiles + (gsize) thread * TILE_ROWS * TILE_COLUMNS;

  for (gsize row = begin; row < end; row += TILE_ROWS)
    first_pass_tile (self, row, MIN (TILE_ROWS, end - row), tile, &self->partials[row / TILE_ROWS]);
}

/* A row of logits becomes the gradient to them. The memory's views are nobody's anchors. */
static void
make_pull (const Loss *self, gfloat *pull, gsize view, const Candidates *candidates, gsize column,
    gsize columns)
{
  const SimclrLossViews *views = &self->views;
  const gfloat *weights = candidates->is_memory ? self->zeros : views->weight + column;
  const gint32 label = label_of (self, view);

  mask_neighbours (self, view, candidates, column, columns, pull);
  switch (self->settings->loss) {
  case SIMCLR_LOSS_NT_LOGISTIC:
    _simclr_loss_pull_logistic (pull, columns, views->weight[view], weights);
    break;
  case SIMCLR_LOSS_MARGIN_TRIPLET:
    _simclr_loss_pull_margin (pull, columns, views->weight[view], views->threshold[view], weights,
        candidates->is_memory ? self->zeros : views->threshold + column);
    break;
  default:
    _simclr_loss_pull_softmax (pull, columns, views->logarithm[view],
        candidates->is_memory ? self->never : views->logarithm + column);
  }
  if (label != SIMCLR_NO_LABEL)
    _simclr_loss_pull_labels (
        pull, columns, label, candidates->facts->labels + column, views->weight[view], weights);
  if (is_within (view, candidates, column, columns)) {
    pull[view - column] = 0.0f;
    pull[(view ^ 1) - column] = views->pull[view] + views->pull[view ^ 1];
  }
}

/* du of some rows += factor * pull * candidates */
static void
second_pass_tile (
    Loss *self, gsize begin, gsize rows, const Candidates *candidates, gfloat factor, gfloat *tile)
{
  for (gsize column = 0; column < candidates->count; column += TILE_COLUMNS) {
    gsize columns = MIN (TILE_COLUMNS, candidates->count - column);
    gboolean first = column == 0 && !candidates->is_memory;

    compute_logits (self, begin, rows, candidates, column, columns, tile);
    for (gsize i = 0; i < rows; i++)
      make_pull (self, tile + i * TILE_COLUMNS, begin + i, candidates, column, columns);
    cblas_sgemm (CblasRowMajor, CblasNoTrans, CblasNoTrans, (int) rows, (int) self->columns,
        (int) columns, factor, tile, TILE_COLUMNS, candidates->u + column * self->columns,
        (int) self->columns, first ? 0.0f : 1.0f, self->dz + begin * self->columns,
        (int) self->columns);
  }
}

static gfloat
get_factor (const Loss *self)
{
  return (gfloat) (_simclr_loss_get_unit (self->settings) / (gdouble) self->rows);
}

static void
second_pass (guint thread, gsize begin, gsize end, gpointer data)
{
  Loss *self = data;
  gfloat *tile = self->tiles + (gsize) thread * TILE_ROWS * TILE_COLUMNS;
  gfloat factor = get_factor (self);

  for (gsize row = begin; row < end; row += TILE_ROWS) {
    gsize rows = MIN (TILE_ROWS, end - row);

    second_pass_tile (self, row, rows, &self->batch_candidates, factor, tile);
    second_pass_tile (self, row, rows, &self->memory_candidates, factor, tile);
  }
  _simclr_loss_normalize_backward (self->u + begin * self->columns, self->inverse + begin,
      end - begin, self->columns, self->dz + begin * self->columns);
}

static void
add_scaled (gfloat *to, const gfloat *from, gsize count, gfloat factor)
{
  for (gsize i = 0; i < count; i++)
    to[i] += factor * from[i];
}

/* One positive and one negative for each view: du is a sum of few rows. */
static void
semi_hard_gradient (Loss *self)
{
  const gsize columns = self->columns;
  const gfloat factor = get_factor (self);

  memset (self->dz, 0, self->rows * columns * sizeof (gfloat));
  for (gsize view = 0; view < self->rows; view++) {
    const gfloat *own = self->u + view * columns, *other = self->u + (view ^ 1) * columns;
    gfloat *du = self->dz + view * columns, push = factor * self->views.push[view];
    gsize chosen = self->views.chosen[view];

    add_scaled (du, other, columns, factor * (self->views.pull[view] + self->views.pull[view ^ 1]));
    if (push == 0.0f)
      continue;
    if (chosen < self->rows) {
      add_scaled (du, self->u + chosen * columns, columns, push);
      add_scaled (self->dz + chosen * columns, own, columns, push);
    } else {
      add_scaled (du, self->batch->memory + (chosen - self->rows) * columns, columns, push);
    }
  }
  _simclr_loss_normalize_backward (self->u, self->inverse, self->rows, columns, self->dz);
}

void
_simclr_loss (SimclrParallel *parallel, const SimclrLossSettings *settings,
    const SimclrLossBatch *batch, gfloat *dz, SimclrLossResult *result, gfloat *scratch)
{
  const gsize rows = batch->rows;
  Loss self = {settings, batch, dz, rows, batch->columns, (gfloat) settings->temperature};
  SimclrLossPartial total = {0};

  g_assert (rows >= 2 && rows % 2 == 0 && batch->columns > 0);

  take_scratch (&self, scratch);
  self.batch_candidates = (Candidates){self.u, rows, &batch->facts, FALSE};
  self.memory_candidates =
      (Candidates){batch->memory, batch->memory_rows, &batch->memory_facts, TRUE};
  _simclr_blas_prepare ();
  _simclr_parallel_for (parallel, rows, TILE_ROWS, normalize, &self);
  _simclr_parallel_for (parallel, rows, TILE_ROWS, first_pass, &self);
  for (gsize i = 0; i < row_tiles (rows); i++) {
    total.loss += self.partials[i].loss;
    total.hits += self.partials[i].hits;
    total.entropy += self.partials[i].entropy;
  }
  if (settings->loss == SIMCLR_LOSS_DECOUPLED_WEIGHTED)
    total.loss += _simclr_loss_weigh (settings, rows, &self.views);
  if (_simclr_loss_is_semi_hard (settings))
    semi_hard_gradient (&self);
  else
    _simclr_parallel_for (parallel, rows, TILE_ROWS, second_pass, &self);

  result->loss = total.loss / (gdouble) rows;
  result->accuracy = total.hits / (gdouble) rows;
  result->entropy = total.entropy / (gdouble) rows;
}
