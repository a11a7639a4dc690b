/* The losses forward and backward over batches of 128 floats: milliseconds, and scratch memory.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/loss/loss-private.h>

#include "benchmark.h"

#define COLUMNS 128

typedef struct
{
  SimclrParallel *team;
  SimclrLossSettings settings;
  SimclrLossBatch batch;
  gfloat *dz, *scratch;
} Run;

static void
compute (gpointer data)
{
  Run *run = data;
  SimclrLossResult result;

  _simclr_loss (run->team, &run->settings, &run->batch, run->dz, &result, run->scratch);
}

static void
run_batch (SimclrParallel *team, SimclrLoss loss, gsize pairs, gdouble seconds)
{
  guint threads = _simclr_parallel_get_threads (team);
  gsize rows = 2 * pairs, scratch = _simclr_loss_get_scratch (threads, rows, COLUMNS);
  g_autofree gchar *name = g_strdup_printf ("%s-%" G_GSIZE_FORMAT,
      loss == SIMCLR_LOSS_NT_XENT ? "ntxent" : to_nick (SIMCLR_TYPE_LOSS, (gint) loss), pairs);
  g_autofree gchar *more = NULL;
  g_autofree gfloat *z = new_noise (rows * COLUMNS);
  g_autofree gint32 *labels = g_new (gint32, rows);
  Run run = {team, {loss, 0.5, .margin = 0.8}, {z, rows, COLUMNS, {.labels = labels}},
      g_new (gfloat, rows * COLUMNS), g_new (gfloat, scratch)};
  Timing timing;

  for (gsize row = 0; row < rows; row++)
    labels[row] = (gint32) (row / 2 % 10);
  timing = time_calls (compute, &run, seconds);
  more = g_strdup_printf (", \"processor_seconds\": %.4g, \"scratch-mebibytes\": %.3g",
      timing.processor, (gdouble) scratch * sizeof (gfloat) / (1 << 20));
  print_figure (name, 1e3 * timing.median, 1e3 * timing.lowest, 1e3 * timing.highest, "ms", threads,
      "openblas", "float32", more);
  g_free (run.dz);
  g_free (run.scratch);
}

int
main (int argc, char **argv)
{
  static const gsize pairs[] = {64, 256, 512, 2048, 8192};
  Options o = parse_options (argc, argv, "The losses, forward and backward.");
  g_autoptr (SimclrParallel) team = _simclr_parallel_new ((guint) o.threads);

  if (o.pairs > 0) {
    run_batch (team, SIMCLR_LOSS_NT_XENT, (gsize) o.pairs, o.seconds);
    return 0;
  }
  for (guint i = 0; i < G_N_ELEMENTS (pairs); i++)
    run_batch (team, SIMCLR_LOSS_NT_XENT, pairs[i], o.seconds / 5);
  for (gint loss = SIMCLR_LOSS_DECOUPLED; loss <= SIMCLR_LOSS_SUPERVISED; loss++)
    run_batch (team, (SimclrLoss) loss, 512, o.seconds / 5);
  return 0;
}
