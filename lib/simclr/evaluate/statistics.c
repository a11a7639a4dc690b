/* The health of a batch of embeddings without labels.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/evaluate/statistics-private.h>

#include <simclr/base/blas-private.h>
#include <cblas.h>
#include <math.h>
#include <string.h>

/* The longer side is taken in strips of this many, converted to double. */
#define STRIP 128

/* LAPACK, part of OpenBLAS: eigenvalues (jobz N) of a symmetric matrix, ascending. */
void dsyev_ (const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w,
    double *work, const int *lwork, int *info, gsize jobz_length, gsize uplo_length);

/* Of an even spread: a column that deviates less has collapsed. */
#define FEW 0.01

/* work of dsyev: 3 n - 1 at least, n * (block + 2) to run well */
#define WORK_PER_ROW 66

gsize
_simclr_statistics_get_scratch (gsize rows, gsize columns)
{
  gsize side = MIN (rows, columns);

  gsize pairs = MIN (rows / 2, SIMCLR_UNIFORMITY_PAIRS);
  gsize rank = side * side + side * STRIP + side + side * WORK_PER_ROW;

  return MAX (MAX (rank, 2 * columns), pairs * (pairs + STRIP + 1));
}

/* strip (side, count): entries begin .. begin + count - 1 of the longer side, in double. */
static void
convert_strip (const gfloat *z, gsize rows, gsize columns, gsize begin, gsize count, gdouble *strip)
{
  if (rows <= columns) {
    for (gsize row = 0; row < rows; row++)
      for (gsize i = 0; i < count; i++)
        strip[row * STRIP + i] = z[row * columns + begin + i];
  } else {
    for (gsize i = 0; i < count; i++)
      for (gsize column = 0; column < columns; column++)
        strip[column * STRIP + i] = z[(begin + i) * columns + column];
  }
}

/* The squares of single-precision singular values lose the small ones; in double they do not. */
gdouble
_simclr_effective_rank (const gfloat *z, gsize rows, gsize columns, gdouble *scratch)
{
  gsize side = MIN (rows, columns), length = MAX (rows, columns);
  gdouble *gram = scratch, *strip = gram + side * side, *values = strip + side * STRIP;
  gdouble *work = values + side, trace = 0, sum = 0, entropy = 0;
  int n = (int) side, work_size = (int) (side * WORK_PER_ROW), info = 0;

  _simclr_blas_prepare ();
  memset (gram, 0, side * side * sizeof (gdouble));
  for (gsize begin = 0; begin < length; begin += STRIP) {
    gsize count = MIN (STRIP, length - begin);

    convert_strip (z, rows, columns, begin, count, strip);
    cblas_dsyrk (
        CblasRowMajor, CblasLower, CblasNoTrans, n, (int) count, 1.0, strip, STRIP, 1.0, gram, n);
  }
  for (gsize i = 0; i < side; i++)
    trace += gram[i * side + i];
  if (!isfinite (trace))
    return NAN;
  if (trace <= 0)
    return 0;

  /* the lower triangle by rows is the upper one by columns */
  dsyev_ ("N", "U", &n, gram, &n, values, work, &work_size, &info, 1, 1);
  if (info != 0)
    return NAN;
  for (gsize i = 0; i < side; i++) {
    values[i] = sqrt (MAX (values[i], 0));
    sum += values[i];
  }
  for (gsize i = 0; i < side; i++) {
    gdouble share = values[i] / sum;

    if (share > 0)
      entropy -= share * log (share);
  }
  return exp (entropy);
}

static gdouble
inverse_length (const gfloat *row, gsize columns)
{
  gdouble square = 0;

  for (gsize c = 0; c < columns; c++)
    square += (gdouble) row[c] * row[c];
  return square > 0 ? 1 / sqrt (square) : 0;
}

gdouble
_simclr_embedding_deviation (
    const gfloat *z, gsize rows, gsize columns, guint *collapsed, gdouble *scratch)
{
  gdouble *sums = scratch, *squares = scratch + columns, deviation = 0;
  guint few = 0;

  memset (scratch, 0, 2 * columns * sizeof (gdouble));
  for (gsize row = 0; row < rows; row++) {
    const gfloat *in = z + row * columns;
    gdouble factor = inverse_length (in, columns);

    for (gsize c = 0; c < columns; c++) {
      gdouble value = in[c] * factor;

      sums[c] += value;
      squares[c] += value * value;
    }
  }
  for (gsize c = 0; c < columns; c++) {
    gdouble mean = sums[c] / (gdouble) rows;
    gdouble variance = squares[c] / (gdouble) rows - mean * mean;

    deviation += sqrt (variance < 0 ? 0 : variance);
    few += variance * (gdouble) columns < FEW * FEW;
  }
  if (collapsed)
    *collapsed = few;
  return deviation / (gdouble) columns * sqrt ((gdouble) columns);
}

gdouble
_simclr_alignment (const gfloat *z, gsize rows, gsize columns)
{
  gdouble sum = 0;

  for (gsize row = 0; row + 1 < rows; row += 2) {
    const gfloat *a = z + row * columns, *b = a + columns;
    gdouble factor_a = inverse_length (a, columns), factor_b = inverse_length (b, columns);

    for (gsize c = 0; c < columns; c++) {
      gdouble difference = a[c] * factor_a - b[c] * factor_b;

      sum += difference * difference;
    }
  }
  return sum / (gdouble) (rows / 2);
}

/* Rows of z are stride floats apart. */
static gdouble
uniformity_of (const gfloat *z, gsize stride, gsize rows, gsize columns, gdouble *scratch)
{
  gdouble *gram = scratch, *strip = gram + rows * rows, *factors = strip + rows * STRIP, sum = 0;

  for (gsize row = 0; row < rows; row++)
    factors[row] = inverse_length (z + row * stride, columns);
  memset (gram, 0, rows * rows * sizeof (gdouble));
  for (gsize begin = 0; begin < columns; begin += STRIP) {
    gsize count = MIN (STRIP, columns - begin);

    for (gsize row = 0; row < rows; row++)
      for (gsize i = 0; i < count; i++)
        strip[row * STRIP + i] = z[row * stride + begin + i] * factors[row];
    cblas_dsyrk (CblasRowMajor, CblasLower, CblasNoTrans, (int) rows, (int) count, 1.0, strip,
        STRIP, 1.0, gram, (int) rows);
  }
  for (gsize row = 1; row < rows; row++)
    for (gsize other = 0; other < row; other++)
      sum += exp (4 * (gram[row * rows + other] - 1));
  return log (sum / (0.5 * (gdouble) rows * (gdouble) (rows - 1)));
}

gdouble
_simclr_uniformity (const gfloat *z, gsize rows, gsize columns, gdouble *scratch)
{
  gsize pairs = MIN (rows / 2, SIMCLR_UNIFORMITY_PAIRS);

  if (pairs < 2)
    return 0;
  _simclr_blas_prepare ();
  return 0.5 * (uniformity_of (z, 2 * columns, pairs, columns, scratch) +
                   uniformity_of (z + columns, 2 * columns, pairs, columns, scratch));
}
