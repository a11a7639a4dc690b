/* One loss and its gradient, for the comparison with PyTorch.
 *   loss-tool LOSS TEMPERATURE MARGIN SEMI-HARD COLUMNS NEIGHBOURS Z MEMORY TIMES LABELS GRADIENT
 * Z and MEMORY are raw floats, TIMES (64 bits) and LABELS (32 bits) raw integers of batch, then memory.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/simclr-enum-types.h>
#include <simclr/loss/loss-private.h>

#include "tool.h"

int
main (int argc, char **argv)
{
  g_autoptr (SimclrParallel) team = _simclr_parallel_new (1);
  g_autofree gfloat *z = NULL, *memory = NULL, *dz = NULL, *scratch = NULL;
  g_autofree gint64 *times = NULL;
  g_autofree gint32 *labels = NULL;
  g_autofree guint32 *streams = NULL;
  SimclrLossSettings settings;
  SimclrLossResult result;
  SimclrLossBatch batch = {0};
  gsize bytes, memory_bytes, rest;

  if (argc != 12)
    return 2;
  settings = (SimclrLossSettings){(SimclrLoss) from_nick (SIMCLR_TYPE_LOSS, argv[1]),
      g_ascii_strtod (argv[2], NULL), g_ascii_strtod (argv[3], NULL), atoi (argv[4]) != 0,
      g_ascii_strtoll (argv[6], NULL, 10)};
  batch.columns = (gsize) atoi (argv[5]);
  batch.z = z = read_file (argv[7], &bytes);
  batch.memory = memory = read_file (argv[8], &memory_bytes);
  times = read_file (argv[9], &rest);
  labels = read_file (argv[10], &rest);
  batch.rows = bytes / sizeof (gfloat) / batch.columns;
  batch.memory_rows = memory_bytes / sizeof (gfloat) / batch.columns;
  streams = g_new0 (guint32, batch.rows + batch.memory_rows);
  batch.facts = (SimclrViewFacts){times, streams, labels};
  batch.memory_facts =
      (SimclrViewFacts){times + batch.rows, streams + batch.rows, labels + batch.rows};
  dz = g_new (gfloat, batch.rows * batch.columns);
  scratch = g_new (gfloat, _simclr_loss_get_scratch (1, batch.rows, batch.columns));
  _simclr_loss (team, &settings, &batch, dz, &result, scratch);
  g_print ("%.9g\n", result.loss);
  return g_file_set_contents (argv[11], (const gchar *) dz, (gssize) bytes, NULL) ? 0 : 1;
}
