/* What the tests of tensors share: numbers to start from, aligned memory, normalised error.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/simclr-enums.h>
#include <simclr/base/arena-private.h>
#include <simclr/base/random-private.h>

#include <math.h>
#include <string.h>

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

/* The nearest number whose lower sixteen bits are zero, ties to the even one. */
static inline gfloat
round_to_bfloat16 (gfloat value)
{
  guint32 bits, below, above;
  gfloat lower, upper;

  memcpy (&bits, &value, sizeof bits);
  below = bits & 0xffff0000;
  above = below + 0x10000;
  memcpy (&lower, &below, sizeof lower);
  memcpy (&upper, &above, sizeof upper);
  if (isnan (value) || value == lower)
    return value;
  if (fabs ((gdouble) value - lower) == fabs ((gdouble) upper - value))
    return below & 0x10000 ? upper : lower;
  return fabs ((gdouble) value - lower) < fabs ((gdouble) upper - value) ? lower : upper;
}

/* Makes every number one that the format holds. */
static inline void
tensor_round (Tensor *tensor, gsize floats, SimclrPrecision precision)
{
  for (gsize i = 0; tensor != NULL && precision == SIMCLR_PRECISION_BFLOAT16 && i < floats; i++)
    tensor[i] = round_to_bfloat16 (tensor[i]);
}

/* A copy in memory as kernels take it: floats, or their upper halves. */
static inline Tensor *
tensor_pack (const Tensor *tensor, gsize floats, SimclrPrecision precision)
{
  const gboolean half = precision == SIMCLR_PRECISION_BFLOAT16;
  Tensor *packed;

  if (tensor == NULL)
    return NULL;
  packed = tensor_new (half ? (floats + 1) / 2 : floats);
  for (gsize i = 0; i < floats; i++) {
    guint32 bits;

    memcpy (&bits, &tensor[i], sizeof bits);
    if (half)
      ((guint16 *) packed)[i] = (guint16) (bits >> 16);
    else
      packed[i] = tensor[i];
  }
  return packed;
}

/* And back. */
static inline Tensor *
tensor_unpack (const Tensor *packed, gsize floats, SimclrPrecision precision)
{
  Tensor *tensor = tensor_new (floats);

  for (gsize i = 0; i < floats; i++) {
    if (precision == SIMCLR_PRECISION_BFLOAT16) {
      guint32 bits = (guint32) ((const guint16 *) packed)[i] << 16;

      memcpy (&tensor[i], &bits, sizeof bits);
    } else {
      tensor[i] = packed[i];
    }
  }
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
