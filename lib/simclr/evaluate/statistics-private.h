/* The health of a batch of embeddings without labels.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Doubles of scratch memory that the functions below need. */
gsize _simclr_statistics_get_scratch (gsize rows, gsize columns);

/* RankMe (Garrido et al. 2023, 2210.02885): the exponential of the entropy of the singular values of z
 * (rows, columns), scaled to sum 1. Between 1 and the smaller side; 0 for zeros, NaN for what is not
 * finite. */
gdouble _simclr_effective_rank (const gfloat *z, gsize rows, gsize columns, gdouble *scratch);

/* The deviation over rows of each column of z with its rows scaled to unit length, mean over columns,
 * times the square root of columns: 1 when spread evenly over the sphere, 0 when collapsed. */
gdouble _simclr_embedding_deviation (const gfloat *z, gsize rows, gsize columns, gdouble *scratch);
