/* One byte for a number of an embedding, and what the rounding can have changed at most.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/search/index-kernel-private.h>

#include <simclr/base/bfloat16-private.h>
#include <simclr/base/multiversion-private.h>
#include <math.h>

#define LINE 64
#define AHEAD 4096

SIMCLR_MULTIVERSION gfloat
_simclr_index_dot (const gfloat *restrict a, const gfloat *restrict b, gsize size)
{
  SimclrVector sums[2] = {{0}, {0}};
  gfloat sum = 0;
  gsize i = 0;

  for (; i + 2 * SIMCLR_LANES <= size; i += 2 * SIMCLR_LANES) {
    sums[0] += _simclr_load_vector (a, i, FALSE) * _simclr_load_vector (b, i, FALSE);
    sums[1] += _simclr_load_vector (a, i + SIMCLR_LANES, FALSE) *
               _simclr_load_vector (b, i + SIMCLR_LANES, FALSE);
  }
  for (; i < size; i++)
    sum += a[i] * b[i];
  sums[0] += sums[1];
  for (guint lane = 0; lane < SIMCLR_LANES; lane++)
    sum += sums[0][lane];
  return sum;
}

gboolean
_simclr_index_normalize (const gfloat *row, gsize size, gfloat *unit)
{
  gdouble square = 0, factor;

  for (gsize i = 0; i < size; i++)
    square += (gdouble) row[i] * row[i];
  if (!isfinite (square))
    return FALSE;
  factor = square > 0 ? 1 / sqrt (square) : 0;
  for (gsize i = 0; i < size; i++)
    unit[i] = (gfloat) (row[i] * factor);
  return TRUE;
}

/* A norm that is not too small by rounding. */
static gfloat
round_up (gdouble square)
{
  return (gfloat) (sqrt (square) * (1 + 1e-6)) + 1e-12f;
}

SIMCLR_MULTIVERSION static void
encode_row (const gfloat *restrict row, const gfloat *restrict center, gsize size,
    gint8 *restrict codes, gfloat *scale, gfloat *error, gfloat *radius)
{
  gfloat highest = 0, inverse;
  gdouble square = 0, rest = 0;

  for (gsize i = 0; i < size; i++)
    highest = MAX (highest, fabsf (row[i] - center[i]));
  *scale = highest / 127;
  inverse = *scale > 0 ? 1 / *scale : 0;
  for (gsize i = 0; i < size; i++)
    codes[i] = (gint8) CLAMP (rintf ((row[i] - center[i]) * inverse), -127.0f, 127.0f);
  for (gsize i = 0; i < size; i++) {
    gdouble difference = (gdouble) row[i] - center[i];
    gdouble lost = difference - (gdouble) *scale * codes[i];

    square += difference * difference;
    rest += lost * lost;
  }
  *error = round_up (rest);
  *radius = MAX (*radius, round_up (square));
}

gfloat
_simclr_index_encode (const gfloat *rows, gsize count, gsize size, gfloat *center, gint8 *codes,
    gfloat *scales, gfloat *errors)
{
  gfloat radius = 0;

  for (gsize i = 0; i < size; i++)
    center[i] = 0;
  for (gsize row = 0; row < count; row++)
    for (gsize i = 0; i < size; i++)
      center[i] += rows[row * size + i] / (gfloat) count;
  for (gsize row = 0; row < count; row++)
    encode_row (
        rows + row * size, center, size, codes + row * size, &scales[row], &errors[row], &radius);
  return radius;
}

gfloat
_simclr_index_round_query (const gfloat *query, gsize size, gint16 *levels, gfloat *error)
{
  gfloat most = MIN (G_MAXINT16, (gfloat) (G_MAXINT32 / (127 * size)));
  gfloat highest = 0, scale;
  gdouble square = 0;

  for (gsize i = 0; i < size; i++)
    highest = MAX (highest, fabsf (query[i]));
  scale = highest > 0 ? highest / most : 1;
  for (gsize i = 0; i < size; i++) {
    gdouble lost;

    levels[i] = (gint16) CLAMP (rintf (query[i] / scale), -most, most);
    lost = query[i] - (gdouble) scale * levels[i];
    square += lost * lost;
  }
  *error = round_up (square);
  return scale;
}

SIMCLR_MULTIVERSION void
_simclr_index_code_dots (const gint8 *restrict codes, const gint16 *restrict levels, gsize count,
    gsize size, const gint8 *next, gint32 *restrict dots)
{
  gsize rows_ahead = MIN (MAX (AHEAD / size, 1), count);

  for (gsize row = 0; row < count; row++) {
    const gint8 *code = codes + row * size;
    const gint8 *ahead = row + rows_ahead < count ? code + rows_ahead * size
                                                  : next + (row + rows_ahead - count) * size;
    gint32 sum = 0;

    /* processors do not look ahead across pages, and codes lie in small ones */
    for (gsize i = 0; i < size; i += LINE)
      __builtin_prefetch (ahead + i);
    for (gsize i = 0; i < size; i++)
      sum += (gint16) code[i] * levels[i];
    dots[row] = sum;
  }
}

/* row = center + scale code + e and query = query_scale levels + f:
 * query row = query center + query_scale scale (levels code) + f (scale code) + query e. */
SIMCLR_MULTIVERSION gfloat
_simclr_index_bounds (const gint32 *restrict dots, const gfloat *restrict scales,
    const gfloat *restrict errors, gsize count, gfloat distance, gfloat radius, gfloat query_scale,
    gfloat query_error, gfloat *restrict bounds)
{
  gfloat base = distance + query_error * radius + SIMCLR_INDEX_SLACK;
  gfloat highest[SIMCLR_LANES], most = -G_MAXFLOAT;

  for (guint lane = 0; lane < SIMCLR_LANES; lane++)
    highest[lane] = -G_MAXFLOAT;
  for (gsize row = 0; row < count; row++)
    bounds[row] =
        base + query_scale * scales[row] * (gfloat) dots[row] + (1 + query_error) * errors[row];
  for (gsize row = 0; row + SIMCLR_LANES <= count; row += SIMCLR_LANES)
    for (guint lane = 0; lane < SIMCLR_LANES; lane++)
      highest[lane] = bounds[row + lane] > highest[lane] ? bounds[row + lane] : highest[lane];
  for (gsize row = count - count % SIMCLR_LANES; row < count; row++)
    most = MAX (most, bounds[row]);
  for (guint lane = 0; lane < SIMCLR_LANES; lane++)
    most = MAX (most, highest[lane]);
  return most;
}
