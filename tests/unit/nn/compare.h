/* What the tests of tensors share: numbers to start from, aligned memory, normalised error.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/base/arena-private.h>
#include <simclr/base/random-private.h>

#include <math.h>

typedef gfloat Tensor; /* aligned, with the slack behind it that kernels may touch */

static inline void
tensor_free (Tensor *tensor)
{
  _simclr_aligned_free (tensor);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Tensor, tensor_free)

/* Full of NaN, so that what nobody writes shows. */
static inline Tensor *
tensor_new (gsize floats)
{
  g_autoptr (GError) error = NULL;
  Tensor *tensor = _simclr_aligned_alloc (MAX (1, floats) * sizeof (gfloat), &error);

  g_assert_no_error (error);
  for (gsize i = 0; i < floats; i++)
    tensor[i] = NAN;
  return tensor;
}

static inline Tensor *
tensor_new_random (gsize floats, guint64 stream)
{
  Tensor *tensor = tensor_new (floats);

  for (gsize i = 0; i < floats; i++)
    tensor[i] = (gfloat) _simclr_random_normal (20200213, stream, i);
  return tensor;
}

static inline Tensor *
tensor_copy (const Tensor *from, gsize floats)
{
  Tensor *tensor = tensor_new (floats);

  for (gsize i = 0; i < floats; i++)
    tensor[i] = from[i];
  return tensor;
}

/* |a - b| / |b|; not a number where a is not. */
static inline gdouble
normalised_error (const gfloat *a, const gdouble *b, gsize n)
{
  gdouble difference = 0, size = 0;

  for (gsize i = 0; i < n; i++) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    size += b[i] * b[i];
  }
  return size > 0 ? sqrt (difference / size) : sqrt (difference);
}

static inline gdouble
normalised_error_float (const gfloat *a, const gfloat *b, gsize n)
{
  gdouble difference = 0, size = 0;

  for (gsize i = 0; i < n; i++) {
    difference += ((gdouble) a[i] - b[i]) * ((gdouble) a[i] - b[i]);
    size += (gdouble) b[i] * b[i];
  }
  return size > 0 ? sqrt (difference / size) : sqrt (difference);
}
