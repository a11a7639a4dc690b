/* bfloat16: the upper half of a float. Activations may be stored so; arithmetic is float.
 *
 * The vector forms handle sixteen values; a function that may see either format takes a constant
 * `half`, and is compiled once for each.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/simclr-enums.h>
#include <string.h>

#define SIMCLR_LANES 16

typedef gfloat SimclrVector __attribute__ ((vector_size (64), aligned (4), may_alias));
typedef guint32 SimclrBits __attribute__ ((vector_size (64), aligned (4), may_alias));
typedef guint16 SimclrHalves __attribute__ ((vector_size (32), aligned (2), may_alias));

#define SIMCLR_INLINE static inline __attribute__ ((always_inline, unused))

/* Bytes of one stored value. */
SIMCLR_INLINE gsize
_simclr_value_bytes (SimclrPrecision precision)
{
  return precision == SIMCLR_PRECISION_BFLOAT16 ? 2 : 4;
}

SIMCLR_INLINE gfloat
_simclr_from_bfloat16 (guint16 half)
{
  guint32 bits = (guint32) half << 16;
  gfloat value;

  memcpy (&value, &bits, sizeof value);
  return value;
}

/* To nearest, ties to even. The NaNs that arithmetic makes stay NaNs. */
SIMCLR_INLINE guint16
_simclr_to_bfloat16 (gfloat value)
{
  guint32 bits;

  memcpy (&bits, &value, sizeof bits);
  return (guint16) ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

/* Value number i of an array in either format. */
SIMCLR_INLINE gfloat
_simclr_load_value (gconstpointer values, gsize i, const gboolean half)
{
  return half ? _simclr_from_bfloat16 (((const guint16 *) values)[i])
              : ((const gfloat *) values)[i];
}

SIMCLR_INLINE void
_simclr_store_value (gpointer values, gsize i, gfloat value, const gboolean half)
{
  if (half)
    ((guint16 *) values)[i] = _simclr_to_bfloat16 (value);
  else
    ((gfloat *) values)[i] = value;
}

/* Values i to i + 15. */
SIMCLR_INLINE SimclrVector
_simclr_load_vector (gconstpointer values, gsize i, const gboolean half)
{
  if (half) {
    const SimclrHalves halves = *(const SimclrHalves *) ((const guint16 *) values + i);

    return (SimclrVector) (__builtin_convertvector(halves, SimclrBits) << 16);
  }
  return *(const SimclrVector *) ((const gfloat *) values + i);
}

SIMCLR_INLINE void
_simclr_store_vector (gpointer values, gsize i, SimclrVector value, const gboolean half)
{
  if (half) {
    const SimclrBits bits = (SimclrBits) value;

    *(SimclrHalves *) ((guint16 *) values + i) =
        __builtin_convertvector((bits + 0x7fff + ((bits >> 16) & 1)) >> 16, SimclrHalves);
  } else {
    *(SimclrVector *) ((gfloat *) values + i) = value;
  }
}

/* Keeps what mask (a comparison's result) selects, zero elsewhere. */
SIMCLR_INLINE SimclrVector
_simclr_select (SimclrVector value, SimclrBits mask)
{
  return (SimclrVector) ((SimclrBits) value & mask);
}
