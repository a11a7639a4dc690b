/* Dense layer without bias, as OpenBLAS matrix products over shares of the rows.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/linear-private.h>

#include <simclr/base/blas-private.h>
#include <cblas.h>

/* Shares are cut at multiples of what a matrix kernel handles at once. */
#define GRAIN 16

typedef struct
{
  const gfloat *x;
  const gfloat *w;
  const gfloat *dy;
  gsize rows;
  gsize in;
  gsize out;
  gfloat *result;
} Linear;

/* y = x * w' */
static void
forward_rows (guint thread, gsize begin, gsize end, gpointer data)
{
  const Linear *self = data;

  cblas_sgemm (CblasRowMajor, CblasNoTrans, CblasTrans, (int) (end - begin), (int) self->out,
      (int) self->in, 1.0f, self->x + begin * self->in, (int) self->in, self->w, (int) self->in,
      0.0f, self->result + begin * self->out, (int) self->out);
}

/* dx = dy * w */
static void
backward_rows (guint thread, gsize begin, gsize end, gpointer data)
{
  const Linear *self = data;

  cblas_sgemm (CblasRowMajor, CblasNoTrans, CblasNoTrans, (int) (end - begin), (int) self->in,
      (int) self->out, 1.0f, self->dy + begin * self->out, (int) self->out, self->w, (int) self->in,
      0.0f, self->result + begin * self->in, (int) self->in);
}

/* dw = dy' * x, split over outputs: each thread sums over all rows, so that nothing is shared. */
static void
backward_outputs (guint thread, gsize begin, gsize end, gpointer data)
{
  const Linear *self = data;

  cblas_sgemm (CblasRowMajor, CblasTrans, CblasNoTrans, (int) (end - begin), (int) self->in,
      (int) self->rows, 1.0f, self->dy + begin, (int) self->out, self->x, (int) self->in, 0.0f,
      self->result + begin * self->in, (int) self->in);
}

void
_simclr_linear_forward (SimclrParallel *parallel, const gfloat *x, const gfloat *w, gsize rows,
    gsize in, gsize out, gfloat *y)
{
  Linear self = {x, w, NULL, rows, in, out, y};

  _simclr_blas_prepare ();
  _simclr_parallel_for (parallel, rows, GRAIN, forward_rows, &self);
}

void
_simclr_linear_backward (SimclrParallel *parallel, const gfloat *x, const gfloat *w,
    const gfloat *dy, gsize rows, gsize in, gsize out, gfloat *dx, gfloat *dw)
{
  Linear self = {x, w, dy, rows, in, out, dw};

  _simclr_blas_prepare ();
  _simclr_parallel_for (parallel, out, GRAIN, backward_outputs, &self);
  if (dx != NULL) {
    self.result = dx;
    _simclr_parallel_for (parallel, rows, GRAIN, backward_rows, &self);
  }
}
