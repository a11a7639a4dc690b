/* The loss with small crops: the mean over its batches by the losses' definitions, and its gradients against
 * differences.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/loss/multi-crop-private.h>
#include <simclr/simclr-enum-types.h>
#include <simclr/base/random-private.h>

#include "loss-definition.h"

#define ROWS 12
#define COLUMNS 5
#define PER_PAIR 3
#define MEMORY 7
#define CROPS (ROWS / 2 * PER_PAIR)

typedef struct
{
  SimclrLossSettings settings;
  gfloat z[ROWS * COLUMNS], crops[CROPS * COLUMNS], memory[MEMORY * COLUMNS];
  gint64 times[ROWS + MEMORY];
  guint32 streams[ROWS + MEMORY];
  gint32 labels[ROWS + MEMORY];
  gfloat dz[ROWS * COLUMNS], dcrops[CROPS * COLUMNS];
  SimclrLossResult result;
} Batch;

static void
batch_init (Batch *self, SimclrLoss loss, gdouble temperature)
{
  *self = (Batch){.settings = {loss, temperature, .margin = 0.4, .neighbours = 150}};
  for (gsize i = 0; i < G_N_ELEMENTS (self->z); i++)
    self->z[i] = (gfloat) (3 * _simclr_random_normal (1, 1, i));
  for (gsize i = 0; i < G_N_ELEMENTS (self->crops); i++)
    self->crops[i] = (gfloat) (2 * _simclr_random_normal (1, 2, i));
  for (gsize row = 0; row < MEMORY; row++) { /* of unit length */
    gfloat *view = self->memory + row * COLUMNS;
    gdouble square = 0;

    for (gsize c = 0; c < COLUMNS; c++) {
      view[c] = (gfloat) _simclr_random_normal (1, 3, row * COLUMNS + c);
      square += (gdouble) view[c] * view[c];
    }
    for (gsize c = 0; c < COLUMNS; c++)
      view[c] = (gfloat) (view[c] / sqrt (square));
  }
  for (gsize i = 0; i < ROWS + MEMORY; i++) {
    self->times[i] = (gint64) _simclr_random_below (1, 4, i, 1000);
    self->streams[i] = (guint32) _simclr_random_below (1, 5, i, 2);
    self->labels[i] = (gint32) _simclr_random_below (1, 6, i / 2, 4) - 1;
  }
}

static SimclrLossBatch
describe (Batch *self)
{
  return (SimclrLossBatch){.z = self->z,
      .rows = ROWS,
      .columns = COLUMNS,
      .facts = {self->times, self->streams, self->labels},
      .memory = self->memory,
      .memory_rows = MEMORY,
      .memory_facts = {self->times + ROWS, self->streams + ROWS, self->labels + ROWS}};
}

static void
compute (Batch *self, SimclrParallel *team)
{
  const SimclrLossBatch batch = describe (self);
  g_autofree gfloat *scratch = g_new (
      gfloat, _simclr_multi_crop_get_scratch (_simclr_parallel_get_threads (team), ROWS, COLUMNS));

  _simclr_multi_crop_loss (team, &self->settings, &batch, self->crops, PER_PAIR, self->dz,
      self->dcrops, &self->result, scratch);
}

/* The loss of one batch in double precision, whose rows 2 i and 2 i + 1 are those of the two arrays. */
static gdouble
define_batch (
    Batch *self, const gdouble *first, gsize first_step, const gdouble *second, gsize second_side)
{
  gdouble z[ROWS * COLUMNS];
  gint64 times[ROWS];
  guint32 streams[ROWS];
  gint32 labels[ROWS];
  Case one = {.settings = self->settings, .batch = describe (self)};
  SimclrLossResult result;

  for (gsize row = 0; row < ROWS; row++) {
    const gsize pair = row / 2, view = row % 2 == 0 ? row : 2 * pair + second_side;
    const gdouble *from =
        row % 2 == 0 ? first + pair * first_step * COLUMNS : second + view * COLUMNS;

    memcpy (z + row * COLUMNS, from, COLUMNS * sizeof (gdouble));
    times[row] = self->times[view];
    streams[row] = self->streams[view];
    labels[row] = self->labels[view];
  }
  one.batch.facts = (SimclrViewFacts){times, streams, labels};
  define (&one, z, &result);
  return result.loss;
}

/* values: of the views, and then of the crops. */
static gdouble
define_loss (Batch *self, const gdouble *values)
{
  const gdouble *crops = values + ROWS * COLUMNS;
  gdouble sum = define_batch (self, values, 2, values, 1);

  for (gsize crop = 0; crop < PER_PAIR; crop++)
    for (gsize side = 0; side < 2; side++)
      sum += define_batch (self, crops + crop * COLUMNS, PER_PAIR, values, side);
  return sum / (1 + 2 * PER_PAIR);
}

static const SimclrLoss losses[] = {SIMCLR_LOSS_NT_XENT, SIMCLR_LOSS_DECOUPLED,
    SIMCLR_LOSS_DECOUPLED_WEIGHTED, SIMCLR_LOSS_NT_LOGISTIC, SIMCLR_LOSS_MARGIN_TRIPLET,
    SIMCLR_LOSS_SUPERVISED};

static void
test_is_the_mean_of_its_batches (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (losses); i++) {
    const gsize views = ROWS * COLUMNS, count = views + CROPS * COLUMNS;
    gdouble values[(ROWS + CROPS) * COLUMNS], difference = 0, norm = 0;
    Batch self;

    batch_init (&self, losses[i], 0.3);
    compute (&self, NULL);
    for (gsize k = 0; k < count; k++)
      values[k] = k < views ? self.z[k] : self.crops[k - views];
    g_assert_cmpfloat_with_epsilon (self.result.loss, define_loss (&self, values), 1e-5);

    for (gsize k = 0; k < count; k++) {
      const gdouble step = 1e-5, middle = values[k];
      const gdouble got = k < views ? self.dz[k] : self.dcrops[k - views];
      gdouble slope;

      values[k] = middle + step;
      slope = define_loss (&self, values);
      values[k] = middle - step;
      slope = (slope - define_loss (&self, values)) / (2 * step);
      values[k] = middle;
      difference += (got - slope) * (got - slope);
      norm += slope * slope;
    }
    g_test_message ("loss %u: %g of %g", losses[i], sqrt (difference), sqrt (norm));
    g_assert_cmpfloat (norm, >, 0);
    g_assert_cmpfloat (sqrt (difference), <, 3e-5 * sqrt (norm));
  }
}

/* What is told of the contrast is the views' own: comparable with a run without crops. */
static void
test_tells_of_the_views (void)
{
  g_autofree gfloat *scratch = g_new (gfloat, _simclr_loss_get_scratch (1, ROWS, COLUMNS));
  gfloat dz[ROWS * COLUMNS];
  SimclrLossResult views;
  SimclrLossBatch batch;
  Batch self;

  batch_init (&self, SIMCLR_LOSS_NT_XENT, 0.3);
  compute (&self, NULL);
  batch = describe (&self);
  _simclr_loss (NULL, &self.settings, &batch, dz, &views, scratch);
  g_assert_cmpfloat (self.result.accuracy, ==, views.accuracy);
  g_assert_cmpfloat (self.result.entropy, ==, views.entropy);
  g_assert_cmpfloat (self.result.loss, !=, views.loss);
}

static void
test_threads_agree (void)
{
  g_autoptr (SimclrParallel) team = _simclr_parallel_new (2);
  Batch alone, together;

  batch_init (&alone, SIMCLR_LOSS_DECOUPLED, 0.1);
  together = alone;
  compute (&alone, NULL);
  compute (&together, team);
  g_assert_cmpmem (alone.dz, sizeof alone.dz, together.dz, sizeof together.dz);
  g_assert_cmpmem (alone.dcrops, sizeof alone.dcrops, together.dcrops, sizeof together.dcrops);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/multi-crop/is-the-mean-of-its-batches", test_is_the_mean_of_its_batches);
  g_test_add_func ("/multi-crop/tells-of-the-views", test_tells_of_the_views);
  g_test_add_func ("/multi-crop/threads-agree", test_threads_agree);
  return g_test_run ();
}
