/* Exact search for the nearest rows by inner product, in tiles.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/base/parallel-private.h>

typedef struct
{
  gfloat similarity;
  gsize row; /* of the rows searched */
} SimclrNeighbor;

/* count rows of size floats, borrowed. */
typedef struct
{
  const gfloat *floats;
  const gfloat *scales;  /* one for each row, multiplied into its similarities; NULL: ones */
  const gfloat *offsets; /* of rows searched, added to their similarities; NULL: zeros */
  const guint32 *groups; /* a row finds no row of its own group; NULL: it finds all */
  gsize count;
  gsize size;
} SimclrRows;

/* The `neighbors` rows of `among` most similar to each row of `rows`, in no order; of equal ones the
 * earlier. Where there are fewer, the rest have a similarity of -G_MAXFLOAT. found is
 * (rows->count, neighbors); groups count only if both have them. parallel may be NULL. */
void _simclr_neighbors_search (SimclrParallel *parallel, const SimclrRows *among,
    const SimclrRows *rows, gsize neighbors, SimclrNeighbor *found);

/* Makes a copy of unit length; an error names what holds a number that is not finite. */
gfloat *_simclr_rows_copy_unit (
    const gfloat *rows, gsize count, gsize size, const gchar *what, GError **error);
