/* bfloat16: the upper half of a float, rounded to nearest, ties to even.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <string.h>

typedef guint16 SimclrBfloat16;

/* A NaN stays one: rounding could carry it to infinity, so its quiet bit is set instead. */
static inline __attribute__ ((always_inline)) SimclrBfloat16
_simclr_bfloat16_from_float (gfloat value)
{
  guint32 bits, rounded;

  memcpy (&bits, &value, sizeof bits);
  rounded = bits + 0x7fff + (bits >> 16 & 1);
  return (SimclrBfloat16) ((value != value ? bits | 0x400000 : rounded) >> 16);
}

static inline __attribute__ ((always_inline)) gfloat
_simclr_bfloat16_to_float (SimclrBfloat16 value)
{
  guint32 bits = (guint32) value << 16;
  gfloat result;

  memcpy (&result, &bits, sizeof result);
  return result;
}
