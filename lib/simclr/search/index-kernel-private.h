/* One byte for a number of an embedding, and what the rounding can have changed at most.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Rows that share a centre: neighbours in time, which are alike. */
#define SIMCLR_BLOCK_ROWS 128

gfloat _simclr_index_dot (const gfloat *a, const gfloat *b, gsize size);

/* Brings a row to unit length; FALSE where a number is not finite. A row of zeros stays. */
gboolean _simclr_index_normalize (const gfloat *row, gsize size, gfloat *unit);

/* Codes a block of rows (count, size) as row = center + scale * code + e, ‖e‖ <= error. Every row is
 * within the radius returned of the centre. */
gfloat _simclr_index_encode (const gfloat *rows, gsize count, gsize size, gfloat *center,
    gint8 *codes, gfloat *scales, gfloat *errors);

/* query = scale * levels + f, ‖f‖ <= *error, levels so small that products with codes do not overflow.
 * Returns the scale. */
gfloat _simclr_index_round_query (const gfloat *query, gsize size, gint16 *levels, gfloat *error);

/* dots (count) = codes (count, size) times levels. What begins at next is asked for from memory meanwhile. */
void _simclr_index_code_dots (const gint8 *codes, const gint16 *levels, gsize count, gsize size,
    const gint8 *next, gint32 *dots);

/* Highest similarity that each of a block's rows can have to the query; returns the highest of them.
 * distance is the query's product with the centre. */
gfloat _simclr_index_bounds (const gint32 *dots, const gfloat *scales, const gfloat *errors,
    gsize count, gfloat distance, gfloat radius, gfloat query_scale, gfloat query_error,
    gfloat *bounds);

/* What the rounding of sums of floats may add to a bound: rows and queries have unit length. */
#define SIMCLR_INDEX_SLACK 1e-5f
