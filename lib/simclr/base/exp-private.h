/* exp () that vectorises: a few units in the last place, without table or branch.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <string.h>

/* For x up to 88; below -87, where floats become subnormal, it is 0. NaN stays NaN. x is split into
 * n ln 2 + r with |r| <= ln 2 / 2; e^r is Cephes' polynomial, 2^n is written into the exponent. Adding
 * and taking off 1.5 * 2^23 rounds to a whole number, which then stands in the sum's lowest bits. */
static inline __attribute__ ((always_inline)) gfloat
_simclr_exp (gfloat x)
{
  const gfloat rounder = 0x1.8p23f;
  gfloat shifted = x * 1.44269504088896341f + rounder;
  gfloat n = shifted - rounder;
  gfloat r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  gfloat y = 1.9875691500e-4f, power;
  guint32 bits;

  y = y * r + 1.3981999507e-3f;
  y = y * r + 8.3334519073e-3f;
  y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f;
  y = y * r + 5.0000001201e-1f;
  y = y * r * r + r + 1.0f;

  memcpy (&bits, &shifted, sizeof bits);
  bits = (bits + 127) << 23;
  memcpy (&power, &bits, sizeof power);
  return x < -87.0f ? 0.0f : y * power;
}
