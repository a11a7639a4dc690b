/* Products of bfloat16 by whole tiles (AMX): 16 rows by 32 values times 32 values by 16 columns at a time.
 * A packed tile is 512 values: of a left factor, 16 rows of 32; of a right one, 16 pairs of its rows, one value
 * of each for every column. Nothing but _simclr_amx_available () may be called where that says no.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Rows or columns of a tile of sums, the depth of one step, and values of a packed tile. */
#define SIMCLR_AMX_TILE 16
#define SIMCLR_AMX_STEP 32
#define SIMCLR_AMX_VALUES (SIMCLR_AMX_TILE * SIMCLR_AMX_STEP)

/* Whether this build, the processor and the system have them; asks the system for this process. */
gboolean _simclr_amx_available (void);

/* Products by one thread come between these: they set and clear its registers' shape. */
void _simclr_amx_begin (void);
void _simclr_amx_end (void);

/* 16 or 32 rows, 16 or 32 columns: sums = the sum over all taps of a[tap] * b[tap]. */
typedef struct
{
  guint row_tiles, column_tiles; /* 1 or 2 each */
  gsize taps;
  gsize steps;             /* of the depth of one tap */
  const guint16 *const *a; /* rows of steps * 32 values, not packed */
  gsize a_row;             /* values from one row to the next */
  const guint16 *const *b; /* packed tiles, step by step */
  gsize b_tile;            /* values from one tile's columns to the next one's */
  gfloat *sums;            /* (32, 32), on a cache line */
} SimclrAmxTaps;

void _simclr_amx_multiply_taps (const SimclrAmxTaps *product);

/* 16 or 32 rows, 16 or 32 columns: c = the sum of a * b over a grid of packed tiles, or +=. Tiles of the
 * next rows or columns follow at once. */
typedef struct
{
  guint row_tiles, column_tiles; /* 1 or 2 each */
  gsize counts[3];               /* of the grid, outermost first */
  const guint16 *a, *b;
  gsize a_strides[3], b_strides[3]; /* values */
  gfloat *c;
  gsize c_row; /* floats */
  gboolean accumulate;
} SimclrAmxGrid;

void _simclr_amx_multiply_grid (const SimclrAmxGrid *product);

/* What sums become on their way to bfloat16: relu? (sums + bias + residual). */
typedef struct
{
  gsize rows, channels;    /* at most 32 each */
  const gfloat *sums;      /* (32, 32) */
  const gfloat *bias;      /* or NULL */
  const guint16 *residual; /* or NULL; may be to */
  gboolean relu;
  guint16 *to;
  gsize to_row; /* values, of residual too */
} SimclrAmxStore;

void _simclr_amx_store (const SimclrAmxStore *store);

/* Copies at most 32 values of each row. */
void _simclr_amx_copy_rows (
    const guint16 *from, gsize from_row, gsize rows, gsize values, guint16 *to, gsize to_row);

/* Copies values, and zeros behind them up to whole steps. */
void _simclr_amx_copy (const guint16 *from, gsize values, guint16 *to);

/* Right tiles' line for two neighbours of the depth: one for every 16 channels, packed tiles apart. Channels are
 * padded with zeros. */
void _simclr_amx_interleave (
    const guint16 *first, const guint16 *second, gsize channels, guint16 *to);

/* Left tiles for 32 neighbours of the depth: one for every 16 channels, padded with zeros. */
void _simclr_amx_transpose (
    const guint16 *const from[SIMCLR_AMX_STEP], gsize channels, guint16 *to);

/* A right tile of weights, given one row of floats after another. Of at most 16 rows, which become columns,
 * and 32 values... */
void _simclr_amx_pack_columns (
    const gfloat *from, gsize row, gsize rows, gsize values, guint16 *to);

/* ...or of at most 32 rows, which stay rows, and 16 values. */
void _simclr_amx_pack_rows (const gfloat *from, gsize row, gsize rows, gsize values, guint16 *to);
