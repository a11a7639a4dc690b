/* A flat map of embeddings whose axes hold still from fit to fit.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/evaluate/projection.h>

#include <simclr/base/blas-private.h>
#include <simclr/base/random-private.h>
#include <simclr/simclr-error.h>
#include <cblas.h>
#include <math.h>
#include <string.h>

#define AXES 2
/* Directions that the search carries along: it finds two of them the faster, the more there are. */
#define WIDTH 8
#define MOST_ROUNDS 100
/* Of the variance along the two axes, from round to round. */
#define STANDSTILL 1e-6
#define STREAM (G_GUINT64_CONSTANT (16) << 32)

/* LAPACK, part of OpenBLAS: eigenvalues, ascending, and vectors (jobz V) of a symmetric matrix. */
void dsyev_ (const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w,
    double *work, const int *lwork, int *info, gsize jobz_length, gsize uplo_length);

/**
 * SimclrProjection:
 *
 * The two principal components of embeddings (PCA of their directions: each is scaled to unit length
 * first), for pictures of how embeddings lie. A fit after another one turns its axes within their plane to where
 * the former ones were, as far as it can, so that a map that is fitted anew from frame to frame neither flips nor spins. To be
 * used by one thread at a time.
 */
struct _SimclrProjection
{
  GObject parent;

  guint size;     /* of an embedding; 0 before the first fit */
  gfloat *mean;   /* (size) */
  gfloat *axes;   /* (AXES, size), orthonormal rows */
  gfloat *search; /* (WIDTH, size): where the next fit begins */
  gdouble shares[AXES];
};

G_DEFINE_FINAL_TYPE (SimclrProjection, simclr_projection, G_TYPE_OBJECT)

static void
forget (SimclrProjection *self)
{
  g_clear_pointer (&self->mean, g_free);
  g_clear_pointer (&self->axes, g_free);
  g_clear_pointer (&self->search, g_free);
  self->size = 0;
}

static void
simclr_projection_finalize (GObject *object)
{
  forget (SIMCLR_PROJECTION (object));
  G_OBJECT_CLASS (simclr_projection_parent_class)->finalize (object);
}

static void
simclr_projection_class_init (SimclrProjectionClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = simclr_projection_finalize;
}

static void
simclr_projection_init (SimclrProjection *self)
{
}

/**
 * simclr_projection_new:
 *
 * Returns: (transfer full): a projection without axes
 */
SimclrProjection *
simclr_projection_new (void)
{
  return g_object_new (SIMCLR_TYPE_PROJECTION, NULL);
}

/* rows of unit length; a row of zeros stays. FALSE where something is not finite. */
static gboolean
scale_rows (const gfloat *embeddings, gfloat *rows, gsize n, guint size)
{
  for (gsize i = 0; i < n; i++) {
    const gfloat *in = embeddings + i * size;
    gfloat *out = rows + i * size;
    gdouble square = 0;
    gfloat scale;

    for (guint c = 0; c < size; c++)
      square += (gdouble) in[c] * in[c];
    if (!isfinite (square))
      return FALSE;
    scale = square > 0 ? (gfloat) (1 / sqrt (square)) : 0;
    for (guint c = 0; c < size; c++)
      out[c] = scale * in[c];
  }
  return TRUE;
}

/* Returns the whole variance, times n. */
static gdouble
centre_rows (gfloat *rows, gsize n, guint size, gfloat *mean)
{
  gdouble total = 0;

  for (guint c = 0; c < size; c++) {
    gdouble sum = 0;

    for (gsize i = 0; i < n; i++)
      sum += rows[i * size + c];
    mean[c] = (gfloat) (sum / (gdouble) n);
    for (gsize i = 0; i < n; i++) {
      rows[i * size + c] -= mean[c];
      total += (gdouble) rows[i * size + c] * rows[i * size + c];
    }
  }
  return total;
}

/* Gram and Schmidt over the rows of basis (width, size), twice, for once is not enough for rows that are nearly
 * alike. A row that depends on those before it becomes zeros. */
static void
orthonormalize (gfloat *basis, guint width, guint size)
{
  for (guint i = 0; i < width; i++) {
    gfloat *row = basis + (gsize) i * size;
    gfloat before = cblas_snrm2 ((int) size, row, 1), norm;

    for (guint pass = 0; pass < 2; pass++) {
      for (guint j = 0; j < i; j++) {
        const gfloat *other = basis + (gsize) j * size;

        cblas_saxpy ((int) size, -cblas_sdot ((int) size, row, 1, other, 1), other, 1, row, 1);
      }
    }
    norm = cblas_snrm2 ((int) size, row, 1);
    cblas_sscal ((int) size, norm > 1e-5f * before ? 1 / norm : 0, row, 1);
  }
}

/* Rayleigh and Ritz: turns the basis within its span so that its first rows are the best axes there, given the
 * coordinates (n, WIDTH) of the rows along it. values: the variances along them, times n, best first. */
static void
rotate_to_best (gfloat *basis, guint size, const gfloat *coordinates, gsize n, gdouble *values)
{
  gdouble matrix[WIDTH * WIDTH] = {0}, ascending[WIDTH], work[WIDTH * 8];
  g_autofree gfloat *old = g_memdup2 (basis, (gsize) WIDTH * size * sizeof *basis);
  int width = WIDTH, work_size = G_N_ELEMENTS (work), info = 0;

  for (gsize i = 0; i < n; i++) {
    const gfloat *row = coordinates + i * WIDTH;

    for (guint a = 0; a < WIDTH; a++)
      for (guint b = 0; b < WIDTH; b++)
        matrix[a * WIDTH + b] += (gdouble) row[a] * row[b];
  }
  dsyev_ ("V", "U", &width, matrix, &width, ascending, work, &work_size, &info, 1, 1);
  for (guint k = 0; k < WIDTH; k++) {
    const gdouble *vector = matrix + (WIDTH - 1 - k) * WIDTH;
    gfloat *row = basis + (gsize) k * size;

    values[k] = info == 0 ? MAX (ascending[WIDTH - 1 - k], 0) : 0;
    memset (row, 0, size * sizeof *row);
    for (guint a = 0; a < WIDTH; a++)
      cblas_saxpy ((int) size, (gfloat) vector[a], old + (gsize) a * size, 1, row, 1);
  }
}

/* Subspace iteration: each round multiplies the basis with the covariance of rows (n, size). */
static void
search_axes (gfloat *basis, const gfloat *rows, gsize n, guint size, gdouble *values)
{
  g_autofree gfloat *coordinates = g_new (gfloat, n * WIDTH);
  gdouble before = 0;

  orthonormalize (basis, WIDTH, size);
  for (guint round = 0; round < MOST_ROUNDS; round++) {
    gdouble sum;

    cblas_sgemm (CblasRowMajor, CblasNoTrans, CblasTrans, (int) n, WIDTH, (int) size, 1, rows,
        (int) size, basis, (int) size, 0, coordinates, WIDTH);
    rotate_to_best (basis, size, coordinates, n, values);
    sum = values[0] + values[1];
    if (round > 0 && fabs (sum - before) <= STANDSTILL * sum)
      return;
    before = sum;
    cblas_sgemm (CblasRowMajor, CblasNoTrans, CblasTrans, (int) n, WIDTH, (int) size, 1, rows,
        (int) size, basis, (int) size, 0, coordinates, WIDTH);
    cblas_sgemm (CblasRowMajor, CblasTrans, CblasNoTrans, WIDTH, (int) size, (int) n, 1,
        coordinates, WIDTH, rows, (int) size, 0, basis, (int) size);
    orthonormalize (basis, WIDTH, size);
  }
}

/* The turn, or turn and flip, of the plane that brings the new axes (AXES, size) as near to the old ones as can
 * be: the orthogonal polar factor of their products. values turn along. */
static void
align (const gfloat *old, gfloat *axes, guint size, gdouble *values)
{
  gdouble a = cblas_sdot ((int) size, old, 1, axes, 1),
          b = cblas_sdot ((int) size, old, 1, axes + size, 1),
          c = cblas_sdot ((int) size, old + size, 1, axes, 1),
          d = cblas_sdot ((int) size, old + size, 1, axes + size, 1);
  gdouble flip = a * d - b * c < 0 ? -1 : 1, x = a + flip * d, y = b - flip * c;
  gdouble length = hypot (x, y), cosine, sine, first = values[0], second = values[1];

  if (length < 1e-9)
    return;
  cosine = x / length;
  sine = y / length;
  for (guint i = 0; i < size; i++) {
    gdouble u = axes[i], v = axes[size + i];

    axes[i] = (gfloat) (cosine * u + sine * v);
    axes[size + i] = (gfloat) (flip * (cosine * v - sine * u));
  }
  values[0] = cosine * cosine * first + sine * sine * second;
  values[1] = sine * sine * first + cosine * cosine * second;
}

static gboolean
check (gsize n_floats, guint size, gsize least, GError **error)
{
  if (size == 0 || n_floats % size != 0 || n_floats / size < least) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE,
        "%" G_GSIZE_FORMAT " floats are not %" G_GSIZE_FORMAT " or more embeddings of %u", n_floats,
        least, size);
    return FALSE;
  }
  return TRUE;
}

static gboolean
fail_not_finite (GError **error)
{
  g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_NON_FINITE, "an embedding is not finite");
  return FALSE;
}

/* Room for embeddings of this size; an axis that was fitted to others is none. */
static void
prepare (SimclrProjection *self, guint size)
{
  if (self->size == size)
    return;
  forget (self);
  self->mean = g_new (gfloat, size);
  self->search = g_new0 (gfloat, (gsize) WIDTH * size);
}

/* Directions in which the last embeddings did not spread at all begin anew. */
static void
fill_search (SimclrProjection *self, guint size)
{
  for (guint k = 0; k < WIDTH; k++) {
    gfloat *row = self->search + (gsize) k * size;

    if (cblas_snrm2 ((int) size, row, 1) > 0.5f)
      continue;
    for (guint c = 0; c < size; c++)
      row[c] = (gfloat) _simclr_random_normal (1, STREAM + k, c);
  }
}

/**
 * simclr_projection_fit:
 * @self: a projection
 * @embeddings: (array length=n_floats): embeddings, row by row
 * @n_floats: their count
 * @size: floats of one embedding
 * @error: return location for an error
 *
 * Finds the plane through the mean in which the embeddings' directions spread most. Axes of a former fit of the same
 * size are kept to as far as that plane allows; otherwise the first axis is the one along which they
 * spread most. After an error the projection is as before.
 *
 * Returns: %FALSE with @error set where the floats are not two or more embeddings (%SIMCLR_ERROR_SHAPE), or
 *   not finite (%SIMCLR_ERROR_NON_FINITE)
 */
gboolean
simclr_projection_fit (
    SimclrProjection *self, const gfloat *embeddings, gsize n_floats, guint size, GError **error)
{
  g_autofree gfloat *rows = NULL, *axes = NULL;
  gdouble values[WIDTH], total;
  gsize n;

  g_return_val_if_fail (SIMCLR_IS_PROJECTION (self), FALSE);
  g_return_val_if_fail (embeddings != NULL || n_floats == 0, FALSE);

  if (!check (n_floats, size, 2, error))
    return FALSE;
  n = n_floats / size;
  rows = g_new (gfloat, n_floats);
  if (!scale_rows (embeddings, rows, n, size))
    return fail_not_finite (error);
  _simclr_blas_prepare ();
  prepare (self, size);
  total = centre_rows (rows, n, size, self->mean);
  fill_search (self, size);
  search_axes (self->search, rows, n, size, values);
  axes = g_memdup2 (self->search, (gsize) AXES * size * sizeof *axes);
  if (self->axes != NULL)
    align (self->axes, axes, size, values);
  g_free (self->axes);
  self->axes = g_steal_pointer (&axes);
  self->size = size;
  for (guint k = 0; k < AXES; k++)
    self->shares[k] = total > 0 ? CLAMP (values[k] / total, 0, 1) : 0;
  return TRUE;
}

/**
 * simclr_projection_map:
 * @self: a projection that was fitted
 * @embeddings: (array length=n_floats): embeddings, row by row
 * @n_floats: their count
 * @size: floats of one embedding
 * @n_coordinates: (out): twice the number of embeddings
 * @error: return location for an error
 *
 * Places embeddings on the map. The unit of both axes is the length of an embedding, which was scaled to 1.
 *
 * Returns: (transfer full) (array length=n_coordinates): x and y of each embedding, or %NULL with @error set
 *   where there was no fit, or one of another size (%SIMCLR_ERROR_MISMATCH), or embeddings are not finite
 */
gfloat *
simclr_projection_map (SimclrProjection *self, const gfloat *embeddings, gsize n_floats, guint size,
    gsize *n_coordinates, GError **error)
{
  g_autofree gfloat *rows = NULL, *points = NULL;
  gsize n;

  g_return_val_if_fail (SIMCLR_IS_PROJECTION (self), NULL);
  g_return_val_if_fail (embeddings != NULL || n_floats == 0, NULL);
  g_return_val_if_fail (n_coordinates != NULL, NULL);

  *n_coordinates = 0;
  if (!check (n_floats, size, 0, error))
    return NULL;
  if (self->axes == NULL || self->size != size) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH,
        "embeddings of %u floats, but the projection was fitted to %u", size, self->size);
    return NULL;
  }
  n = n_floats / size;
  rows = g_new (gfloat, MAX (n_floats, 1));
  points = g_new0 (gfloat, MAX (n * AXES, 1));
  if (!scale_rows (embeddings, rows, n, size)) {
    fail_not_finite (error);
    return NULL;
  }
  for (gsize i = 0; i < n; i++) {
    cblas_saxpy ((int) size, -1, self->mean, 1, rows + i * size, 1);
    for (guint k = 0; k < AXES; k++)
      points[i * AXES + k] =
          cblas_sdot ((int) size, rows + i * size, 1, self->axes + (gsize) k * size, 1);
  }
  *n_coordinates = n * AXES;
  return g_steal_pointer (&points);
}

/**
 * simclr_projection_get_shares:
 * @self: a projection
 * @first: (out): for the first axis
 * @second: (out): for the second
 *
 * Asks how much of the variance of the fitted embeddings lies along each axis: 1 is all of it. Zeros before
 * the first fit.
 */
void
simclr_projection_get_shares (SimclrProjection *self, gdouble *first, gdouble *second)
{
  g_return_if_fail (SIMCLR_IS_PROJECTION (self));
  g_return_if_fail (first != NULL && second != NULL);

  *first = self->shares[0];
  *second = self->shares[1];
}
