/* NT-Xent forward and backward over batches of 128 floats: milliseconds, and scratch memory.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/loss/ntxent-private.h>

#include "benchmark.h"

#define COLUMNS 128

typedef struct
{
  SimclrParallel *team;
  gsize rows;
  gfloat *z, *dz, *scratch;
} Run;

static void
compute (gpointer data)
{
  Run *run = data;
  SimclrNtxentResult result;

  _simclr_ntxent (run->team, run->z, run->rows, COLUMNS, 0.5, run->dz, &result, run->scratch);
}

static void
run_batch (SimclrParallel *team, gsize pairs, gdouble seconds)
{
  guint threads = _simclr_parallel_get_threads (team);
  gsize rows = 2 * pairs, scratch = _simclr_ntxent_get_scratch (threads, rows, COLUMNS);
  g_autofree gchar *name = g_strdup_printf ("ntxent-%" G_GSIZE_FORMAT, pairs);
  g_autofree gchar *more = NULL;
  Run run = {team, rows, new_noise (rows * COLUMNS), g_new (gfloat, rows * COLUMNS),
      g_new (gfloat, scratch)};
  Timing timing = time_calls (compute, &run, seconds);

  more = g_strdup_printf (", \"processor_seconds\": %.4g, \"scratch-mebibytes\": %.3g",
      timing.processor, (gdouble) scratch * sizeof (gfloat) / (1 << 20));
  print_figure (name, 1e3 * timing.median, 1e3 * timing.lowest, 1e3 * timing.highest, "ms", threads,
      "openblas", "float32", more);
  g_free (run.z);
  g_free (run.dz);
  g_free (run.scratch);
}

int
main (int argc, char **argv)
{
  static const gsize pairs[] = {64, 256, 512, 2048, 8192};
  Options o = parse_options (argc, argv, "NT-Xent, forward and backward.");
  g_autoptr (SimclrParallel) team = _simclr_parallel_new ((guint) o.threads);

  if (o.pairs > 0) {
    run_batch (team, (gsize) o.pairs, o.seconds);
    return 0;
  }
  for (guint i = 0; i < G_N_ELEMENTS (pairs); i++)
    run_batch (team, pairs[i], o.seconds / 5);
  return 0;
}
