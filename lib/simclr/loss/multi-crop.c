/* A contrastive loss with small crops beside the two views of each picture (multi-crop).
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/loss/multi-crop-private.h>

#include <string.h>

#define FLOATS_OF_A_LINE 16

/* A batch whose pairs are a crop and a view. All arrays are scratch memory. */
typedef struct
{
  gfloat *z, *dz; /* (rows, columns) */
  SimclrViewFacts facts;
  gfloat *rest; /* the loss's own scratch */
} Mixed;

static gsize
lines (gsize bytes)
{
  const gsize line = FLOATS_OF_A_LINE * sizeof (gfloat);

  return (bytes + line - 1) / line * FLOATS_OF_A_LINE;
}

/* A row's time, stream and label. */
static gsize
facts_floats (gsize rows)
{
  return lines (rows * sizeof (gint64)) + 2 * lines (rows * sizeof (gint32));
}

gsize
_simclr_multi_crop_get_scratch (guint threads, gsize rows, gsize columns)
{
  return 2 * lines (rows * columns * sizeof (gfloat)) + facts_floats (rows) + FLOATS_OF_A_LINE +
         _simclr_loss_get_scratch (threads, rows, columns);
}

static gpointer
take (gfloat **next, gsize bytes)
{
  gfloat *taken = *next;

  *next += lines (bytes);
  return taken;
}

static Mixed
take_scratch (const SimclrLossBatch *batch, gfloat *scratch)
{
  const gsize rows = batch->rows, line = FLOATS_OF_A_LINE * sizeof (gfloat);
  gfloat *next = (gfloat *) (((guintptr) scratch + line - 1) / line * line);
  Mixed mixed = {0};

  mixed.z = take (&next, rows * batch->columns * sizeof (gfloat));
  mixed.dz = take (&next, rows * batch->columns * sizeof (gfloat));
  if (batch->facts.times) {
    mixed.facts.times = take (&next, rows * sizeof (gint64));
    mixed.facts.streams = take (&next, rows * sizeof (guint32));
  }
  if (batch->facts.labels)
    mixed.facts.labels = take (&next, rows * sizeof (gint32));
  mixed.rest = next;
  return mixed;
}

static void
take_facts (SimclrViewFacts *to, gsize at, const SimclrViewFacts *from, gsize row)
{
  if (from->times) {
    to->times[at] = from->times[row];
    to->streams[at] = from->streams[row];
  }
  if (from->labels)
    to->labels[at] = from->labels[row];
}

/* Rows: a pair's crop, then its view, and so on. */
static void
gather (Mixed *mixed, const SimclrLossBatch *batch, const gfloat *crops, gsize per_pair, gsize crop,
    gsize side)
{
  const gsize columns = batch->columns, bytes = columns * sizeof (gfloat);

  for (gsize pair = 0; pair < batch->rows / 2; pair++) {
    const gsize view = 2 * pair + side;

    memcpy (mixed->z + 2 * pair * columns, crops + (pair * per_pair + crop) * columns, bytes);
    memcpy (mixed->z + (2 * pair + 1) * columns, batch->z + view * columns, bytes);
    take_facts (&mixed->facts, 2 * pair, &batch->facts, 2 * pair);
    take_facts (&mixed->facts, 2 * pair + 1, &batch->facts, view);
  }
}

static void
add (gfloat *restrict to, const gfloat *restrict from, gsize count)
{
  for (gsize i = 0; i < count; i++)
    to[i] += from[i];
}

static void
scatter (const Mixed *mixed, const SimclrLossBatch *batch, gsize per_pair, gsize crop, gsize side,
    gfloat *dz, gfloat *dcrops)
{
  const gsize columns = batch->columns;

  for (gsize pair = 0; pair < batch->rows / 2; pair++) {
    add (dcrops + (pair * per_pair + crop) * columns, mixed->dz + 2 * pair * columns, columns);
    add (dz + (2 * pair + side) * columns, mixed->dz + (2 * pair + 1) * columns, columns);
  }
}

static void
scale (gfloat *values, gsize count, gfloat factor)
{
  for (gsize i = 0; i < count; i++)
    values[i] *= factor;
}

void
_simclr_multi_crop_loss (SimclrParallel *parallel, const SimclrLossSettings *settings,
    const SimclrLossBatch *batch, const gfloat *crops, gsize per_pair, gfloat *dz, gfloat *dcrops,
    SimclrLossResult *result, gfloat *scratch)
{
  const gsize batches = 1 + 2 * per_pair, columns = batch->columns;
  const gsize crop_floats = batch->rows / 2 * per_pair * columns;
  Mixed mixed = take_scratch (batch, scratch);
  SimclrLossBatch mixed_batch = *batch;
  SimclrLossResult one;

  mixed_batch.z = mixed.z;
  mixed_batch.facts = mixed.facts;
  _simclr_loss (parallel, settings, batch, dz, result, mixed.rest);
  memset (dcrops, 0, crop_floats * sizeof (gfloat));
  for (gsize crop = 0; crop < per_pair; crop++) {
    for (gsize side = 0; side < 2; side++) {
      gather (&mixed, batch, crops, per_pair, crop, side);
      _simclr_loss (parallel, settings, &mixed_batch, mixed.dz, &one, mixed.rest);
      scatter (&mixed, batch, per_pair, crop, side, dz, dcrops);
      result->loss += one.loss;
    }
  }
  result->loss /= (gdouble) batches;
  scale (dz, batch->rows * columns, 1 / (gfloat) batches);
  scale (dcrops, crop_floats, 1 / (gfloat) batches);
}
