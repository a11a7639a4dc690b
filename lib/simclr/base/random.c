/* Counter-based random numbers: Philox4x32-10 and what is made of it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/base/random-private.h>

#include <math.h>

/* Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3 (SC11), table 2. */
#define MULTIPLIER_0 0xD2511F53u
#define MULTIPLIER_1 0xCD9E8D57u
#define WEYL_0 0x9E3779B9u
#define WEYL_1 0xBB67AE85u
#define ROUNDS 10

void
_simclr_random_bits (guint64 seed, guint64 stream, guint64 index, guint32 bits[4])
{
  guint32 c0 = (guint32) index, c1 = (guint32) (index >> 32);
  guint32 c2 = (guint32) stream, c3 = (guint32) (stream >> 32);
  guint32 k0 = (guint32) seed, k1 = (guint32) (seed >> 32);

  for (guint round = 0; round < ROUNDS; round++) {
    guint64 p0 = (guint64) MULTIPLIER_0 * c0;
    guint64 p1 = (guint64) MULTIPLIER_1 * c2;
    guint32 n0 = (guint32) (p1 >> 32) ^ c1 ^ k0;
    guint32 n2 = (guint32) (p0 >> 32) ^ c3 ^ k1;

    c1 = (guint32) p1;
    c3 = (guint32) p0;
    c0 = n0;
    c2 = n2;
    k0 += WEYL_0;
    k1 += WEYL_1;
  }
  bits[0] = c0;
  bits[1] = c1;
  bits[2] = c2;
  bits[3] = c3;
}

static gdouble
unit_interval (guint32 high, guint32 low)
{
  return (gdouble) ((((guint64) high << 32) | low) >> 11) * 0x1p-53;
}

gdouble
_simclr_random_uniform (guint64 seed, guint64 stream, guint64 index)
{
  guint32 bits[4];

  _simclr_random_bits (seed, stream, index, bits);
  return unit_interval (bits[0], bits[1]);
}

guint64
_simclr_random_below (guint64 seed, guint64 stream, guint64 index, guint64 bound)
{
  guint32 bits[4];
  guint64 value;

  g_return_val_if_fail (bound > 0, 0);

  _simclr_random_bits (seed, stream, index, bits);
  value = ((guint64) bits[0] << 32) | bits[1];
  return (guint64) (((unsigned __int128) value * bound) >> 64);
}

/* Box-Muller on one block of bits; 1 - u keeps the logarithm finite. */
static gdouble
normal_of_bits (const guint32 bits[4])
{
  gdouble radius = sqrt (-2.0 * log (1.0 - unit_interval (bits[0], bits[1])));

  return radius * cos (2.0 * G_PI * unit_interval (bits[2], bits[3]));
}

gdouble
_simclr_random_normal (guint64 seed, guint64 stream, guint64 index)
{
  guint32 bits[4];

  _simclr_random_bits (seed, stream, index, bits);
  return normal_of_bits (bits);
}

gdouble
_simclr_random_truncated_normal (guint64 seed, guint64 stream, guint64 index)
{
  gdouble value;
  guint32 bits[4];

  for (guint64 attempt = 0;; attempt++) {
    _simclr_random_bits (seed, stream, index | (attempt << 48), bits);
    value = normal_of_bits (bits);
    if (fabs (value) <= 2.0)
      return value;
  }
}
