/* Products of bfloat16 by whole tiles (AMX), with the processor's own instructions: compilers do not make
 * them by themselves.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/amx-private.h>

#include <immintrin.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define AMX __attribute__ ((target ("amx-tile,amx-bf16,avx512f,avx512bw,avx512vl,avx512bf16")))
#define TILE SIMCLR_AMX_TILE
#define STEP SIMCLR_AMX_STEP
#define VALUES SIMCLR_AMX_VALUES

/* Linux: a process asks before it uses the tiles' registers. */
#define ARCH_REQ_XCOMP_PERM 0x1023
#define XFEATURE_XTILEDATA 18

gboolean
_simclr_amx_available (void)
{
  return __builtin_cpu_supports ("avx512bw") && __builtin_cpu_supports ("avx512vl") &&
         __builtin_cpu_supports ("avx512bf16") &&
         syscall (SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

/* All eight tiles are 16 lines of 64 bytes. Not on the stack: GCC 12 does not see that all of it is read. */
static const struct
{
  guint8 palette, first_line, reserved[14];
  guint16 line_bytes[16];
  guint8 lines[16];
} whole_tiles = {.palette = 1,
    .line_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
    .lines = {16, 16, 16, 16, 16, 16, 16, 16}};

AMX void
_simclr_amx_begin (void)
{
  _tile_loadconfig (&whole_tiles);
}

AMX void
_simclr_amx_end (void)
{
  _tile_release ();
}

/* Tiles 0 to 3 are the sums, row by row; 4 and 5 rows of a, 6 and 7 columns of b. */
AMX static void
clear_sums (void)
{
  _tile_zero (0);
  _tile_zero (1);
  _tile_zero (2);
  _tile_zero (3);
}

AMX static void
load_sums (const gfloat *c, gsize c_row, guint row_tiles, guint column_tiles)
{
  const gfloat *below = c + TILE * c_row;
  const gsize row = c_row * sizeof (gfloat);

  _tile_loadd (0, c, row);
  if (column_tiles == 2)
    _tile_loadd (1, c + TILE, row);
  if (row_tiles == 2)
    _tile_loadd (2, below, row);
  if (row_tiles == 2 && column_tiles == 2)
    _tile_loadd (3, below + TILE, row);
}

AMX static void
store_sums (gfloat *c, gsize c_row, guint row_tiles, guint column_tiles)
{
  gfloat *below = c + TILE * c_row;
  const gsize row = c_row * sizeof (gfloat);

  _tile_stored (0, c, row);
  if (column_tiles == 2)
    _tile_stored (1, c + TILE, row);
  if (row_tiles == 2)
    _tile_stored (2, below, row);
  if (row_tiles == 2 && column_tiles == 2)
    _tile_stored (3, below + TILE, row);
}

AMX static inline void
add_product (const guint16 *a, gsize row, gsize below, const guint16 *b, gsize beside,
    gboolean two_rows, gboolean two_columns)
{
  _tile_loadd (6, b, 64);
  _tile_loadd (4, a, row);
  _tile_dpbf16ps (0, 4, 6);
  if (two_columns) {
    _tile_loadd (7, b + beside, 64);
    _tile_dpbf16ps (1, 4, 7);
  }
  if (two_rows) {
    _tile_loadd (5, a + below, row);
    _tile_dpbf16ps (2, 5, 6);
  }
  if (two_rows && two_columns)
    _tile_dpbf16ps (3, 5, 7);
}

AMX void
_simclr_amx_multiply_taps (const SimclrAmxTaps *p)
{
  const gsize row = p->a_row * sizeof (guint16), below = TILE * p->a_row;
  const gboolean two_rows = p->row_tiles == 2, two_columns = p->column_tiles == 2;

  clear_sums ();
  for (gsize tap = 0; tap < p->taps; tap++) {
    const guint16 *a = p->a[tap], *b = p->b[tap];

    for (gsize step = 0; step < p->steps; step++, a += STEP, b += VALUES)
      add_product (a, row, below, b, p->b_tile, two_rows, two_columns);
  }
  store_sums (p->sums, 2 * TILE, p->row_tiles, p->column_tiles);
}

AMX void
_simclr_amx_multiply_grid (const SimclrAmxGrid *p)
{
  const gboolean two_rows = p->row_tiles == 2, two_columns = p->column_tiles == 2;

  if (p->accumulate)
    load_sums (p->c, p->c_row, p->row_tiles, p->column_tiles);
  else
    clear_sums ();
  for (gsize i = 0; i < p->counts[0]; i++) {
    for (gsize j = 0; j < p->counts[1]; j++) {
      const guint16 *a = p->a + i * p->a_strides[0] + j * p->a_strides[1];
      const guint16 *b = p->b + i * p->b_strides[0] + j * p->b_strides[1];

      for (gsize k = 0; k < p->counts[2]; k++, a += p->a_strides[2], b += p->b_strides[2])
        add_product (a, 64, VALUES, b, VALUES, two_rows, two_columns);
    }
  }
  store_sums (p->c, p->c_row, p->row_tiles, p->column_tiles);
}

/* The first so many of 16 or 32. */
static inline __mmask16
mask_16 (gsize values)
{
  return values >= 16 ? 0xffff : (__mmask16) ((1u << values) - 1);
}

static inline __mmask32
mask_32 (gsize values)
{
  return values >= 32 ? 0xffffffff : (__mmask32) ((1u << values) - 1);
}

/* Half a row of sums. */
AMX static inline __m512
finish (const SimclrAmxStore *s, gsize row, gsize c)
{
  const __mmask16 mask = mask_16 (s->channels > c ? s->channels - c : 0);
  __m512 value = _mm512_load_ps (s->sums + row * 2 * TILE + c);

  if (s->bias)
    value = _mm512_add_ps (value, _mm512_maskz_loadu_ps (mask, s->bias + c));
  if (s->residual) {
    const __m256i halves = _mm256_maskz_loadu_epi16 (mask, s->residual + row * s->to_row + c);

    value = _mm512_add_ps (
        value, _mm512_castsi512_ps (_mm512_slli_epi32 (_mm512_cvtepu16_epi32 (halves), 16)));
  }
  if (s->relu) /* a NaN stays one */
    value = _mm512_mask_mov_ps (
        value, _mm512_cmp_ps_mask (value, _mm512_setzero_ps (), _CMP_LT_OQ), _mm512_setzero_ps ());
  return value;
}

AMX void
_simclr_amx_store (const SimclrAmxStore *s)
{
  const __mmask32 mask = mask_32 (s->channels);

  for (gsize row = 0; row < s->rows; row++) {
    const __m512bh halves = _mm512_cvtne2ps_pbh (finish (s, row, TILE), finish (s, row, 0));

    _mm512_mask_storeu_epi16 (s->to + row * s->to_row, mask, (__m512i) halves);
  }
}

AMX void
_simclr_amx_copy_rows (
    const guint16 *from, gsize from_row, gsize rows, gsize values, guint16 *to, gsize to_row)
{
  const __mmask32 mask = mask_32 (values);

  for (gsize i = 0; i < rows; i++, from += from_row, to += to_row)
    _mm512_mask_storeu_epi16 (to, mask, _mm512_maskz_loadu_epi16 (mask, from));
}

AMX void
_simclr_amx_copy (const guint16 *from, gsize values, guint16 *to)
{
  for (gsize i = 0; i < values; i += STEP)
    _mm512_storeu_si512 (to + i, _mm512_maskz_loadu_epi16 (mask_32 (values - i), from + i));
}

/* Pairs of 16 channels' values. */
AMX static inline __m512i
pair (__m256i first, __m256i second)
{
  return _mm512_or_si512 (
      _mm512_cvtepu16_epi32 (first), _mm512_slli_epi32 (_mm512_cvtepu16_epi32 (second), 16));
}

AMX static inline __m512i
load_pair (const guint16 *first, const guint16 *second, __mmask16 mask)
{
  return pair (_mm256_maskz_loadu_epi16 (mask, first), _mm256_maskz_loadu_epi16 (mask, second));
}

AMX void
_simclr_amx_interleave (const guint16 *first, const guint16 *second, gsize channels, guint16 *to)
{
  for (gsize c = 0; c < channels; c += TILE, to += VALUES)
    _mm512_storeu_si512 (to, load_pair (first + c, second + c, mask_16 (channels - c)));
}

/* 16 lines of 16 pairs, the other way round, become a packed tile. */
AMX static inline void
store_transposed (__m512i r[16], guint16 *to)
{
  __m512i t[16];

  for (guint i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32 (r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32 (r[i], r[i + 1]);
  }
  for (guint i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64 (t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64 (t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64 (t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64 (t[i + 1], t[i + 3]);
  }
  /* r[4 g + j]: lines 4 g to 4 g + 3 of columns j, 4 + j, 8 + j, 12 + j */
  for (guint j = 0; j < 4; j++) {
    const __m512i even = _mm512_shuffle_i32x4 (r[j], r[4 + j], 0x88);
    const __m512i odd = _mm512_shuffle_i32x4 (r[j], r[4 + j], 0xdd);
    const __m512i even_below = _mm512_shuffle_i32x4 (r[8 + j], r[12 + j], 0x88);
    const __m512i odd_below = _mm512_shuffle_i32x4 (r[8 + j], r[12 + j], 0xdd);

    _mm512_storeu_si512 (to + STEP * j, _mm512_shuffle_i32x4 (even, even_below, 0x88));
    _mm512_storeu_si512 (to + STEP * (4 + j), _mm512_shuffle_i32x4 (odd, odd_below, 0x88));
    _mm512_storeu_si512 (to + STEP * (8 + j), _mm512_shuffle_i32x4 (even, even_below, 0xdd));
    _mm512_storeu_si512 (to + STEP * (12 + j), _mm512_shuffle_i32x4 (odd, odd_below, 0xdd));
  }
}

AMX void
_simclr_amx_transpose (const guint16 *const from[STEP], gsize channels, guint16 *to)
{
  for (gsize c = 0; c < channels; c += TILE, to += VALUES) {
    const __mmask16 mask = mask_16 (channels - c);
    __m512i pairs[16];

    for (guint i = 0; i < 16; i++)
      pairs[i] = load_pair (from[2 * i] + c, from[2 * i + 1] + c, mask);
    store_transposed (pairs, to);
  }
}

AMX void
_simclr_amx_pack_columns (const gfloat *from, gsize row, gsize rows, gsize values, guint16 *to)
{
  const __mmask16 low = mask_16 (values), high = mask_16 (values > TILE ? values - TILE : 0);
  __m512i pairs[16];

  for (gsize i = 0; i < 16; i++, from += row) {
    const gboolean there = i < rows;

    pairs[i] = (__m512i) _mm512_cvtne2ps_pbh (
        _mm512_maskz_loadu_ps (there ? high : 0, there ? from + TILE : NULL),
        _mm512_maskz_loadu_ps (there ? low : 0, there ? from : NULL));
  }
  store_transposed (pairs, to);
}

AMX void
_simclr_amx_pack_rows (const gfloat *from, gsize row, gsize rows, gsize values, guint16 *to)
{
  const __mmask16 mask = mask_16 (values);

  for (gsize i = 0; i < STEP; i += 2, from += 2 * row, to += STEP) {
    const __m512 first = _mm512_maskz_loadu_ps (i < rows ? mask : 0, from);
    const __m512 second = _mm512_maskz_loadu_ps (i + 1 < rows ? mask : 0, from + row);

    _mm512_storeu_si512 (
        to, pair ((__m256i) _mm512_cvtneps_pbh (first), (__m256i) _mm512_cvtneps_pbh (second)));
  }
}
