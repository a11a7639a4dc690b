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
 * times the square root of columns: 1 when spread evenly over the sphere, 0 when collapsed. collapsed, if
 * not NULL, gets the number of columns in which that is less than a hundredth. */
gdouble _simclr_embedding_deviation (
    const gfloat *z, gsize rows, gsize columns, guint *collapsed, gdouble *scratch);

/* Tongzhou Wang and Phillip Isola (2020, 2005.10242) over rows a0 b0 a1 b1 ..., scaled to unit length.
 * Alignment: the mean of |a - b|^2, 0 to 4. Uniformity: log of the mean over couples of exp (-2 |x - y|^2),
 * for the first and for the second views, the mean of both; -4 for an even spread over a sphere of many
 * dimensions, 0 when collapsed; of SIMCLR_UNIFORMITY_PAIRS pairs at most, 0 for a single one. */
#define SIMCLR_UNIFORMITY_PAIRS 256
gdouble _simclr_alignment (const gfloat *z, gsize rows, gsize columns);
gdouble _simclr_uniformity (const gfloat *z, gsize rows, gsize columns, gdouble *scratch);
