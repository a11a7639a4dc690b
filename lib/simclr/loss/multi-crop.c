/* A contrastive loss with small crops beside the two views of each picture (multi-crop).
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/loss/multi-crop-private.h>

#include <simclr/base/arena-private.h>

#include <cblas.h>
#include <string.h>

/* A batch whose pairs are a crop and a view. All arrays are scratch memory. */
typedef struct
{
  gfloat *z, *dz; /* (rows, columns) */
  SimclrViewFacts facts;
  gfloat *rest; /* the loss's own scratch */
} Mixed;

/* z and dz, a time of two floats' size, a stream and a label. */
gsize
_simclr_multi_crop_get_scratch (guint threads, gsize rows, gsize columns)
{
  return 2 * _simclr_align_floats (rows * columns) + _simclr_align_floats (2 * rows) +
         2 * _simclr_align_floats (rows) + _simclr_align_floats (1) +
         _simclr_loss_get_scratch (threads, rows, columns);
}

static Mixed
take_scratch (const SimclrLossBatch *batch, gfloat *scratch)
{
  const gsize rows = batch->rows;
  gfloat *next = _simclr_align_scratch (scratch);
  Mixed mixed = {0};

  mixed.z = _simclr_take_floats (&next, rows * batch->columns);
  mixed.dz = _simclr_take_floats (&next, rows * batch->columns);
  if (batch->facts.times) {
    mixed.facts.times = (gint64 *) _simclr_take_floats (&next, 2 * rows);
    mixed.facts.streams = (guint32 *) _simclr_take_floats (&next, rows);
  }
  if (batch->facts.labels)
    mixed.facts.labels = (gint32 *) _simclr_take_floats (&next, rows);
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

/* Adds the mixed batch's share of the gradients. */
static void
scatter (const Mixed *mixed, const SimclrLossBatch *batch, gsize per_pair, gsize crop, gsize side,
    gfloat share, gfloat *dz, gfloat *dcrops)
{
  const gsize columns = batch->columns;

  for (gsize pair = 0; pair < batch->rows / 2; pair++) {
    const gfloat *from = mixed->dz + 2 * pair * columns;

    cblas_saxpy ((int) columns, share, from, 1, dcrops + (pair * per_pair + crop) * columns, 1);
    cblas_saxpy ((int) columns, share, from + columns, 1, dz + (2 * pair + side) * columns, 1);
  }
}

void
_simclr_multi_crop_loss (SimclrParallel *parallel, const SimclrLossSettings *settings,
    const SimclrLossBatch *batch, const gfloat *crops, gsize per_pair, gfloat *dz, gfloat *dcrops,
    SimclrLossResult *result, gfloat *scratch)
{
  const gsize batches = 1 + 2 * per_pair, floats = batch->rows * batch->columns;
  const gfloat share = 1 / (gfloat) batches;
  Mixed mixed = take_scratch (batch, scratch);
  SimclrLossBatch mixed_batch = *batch;
  SimclrLossResult one;

  mixed_batch.z = mixed.z;
  mixed_batch.facts = mixed.facts;
  _simclr_loss (parallel, settings, batch, dz, result, mixed.rest);
  cblas_sscal ((int) floats, share, dz, 1);
  memset (dcrops, 0, floats / 2 * per_pair * sizeof (gfloat));
  for (gsize crop = 0; crop < per_pair; crop++) {
    for (gsize side = 0; side < 2; side++) {
      gather (&mixed, batch, crops, per_pair, crop, side);
      _simclr_loss (parallel, settings, &mixed_batch, mixed.dz, &one, mixed.rest);
      scatter (&mixed, batch, per_pair, crop, side, share, dz, dcrops);
      result->loss += one.loss;
    }
  }
  result->loss /= (gdouble) batches;
}
