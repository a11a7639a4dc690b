/* CRC-32C (Castagnoli), the checksum of TFRecord files.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/io/crc32c-private.h>

#define POLYNOMIAL 0x82f63b78u /* bits reversed */

/* What each byte adds, made once. */
static const guint32 *
get_table (void)
{
  static guint32 table[256];
  static gsize made = 0;

  if (g_once_init_enter (&made)) {
    for (guint32 byte = 0; byte < 256; byte++) {
      guint32 remainder = byte;

      for (guint bit = 0; bit < 8; bit++)
        remainder = remainder & 1 ? remainder >> 1 ^ POLYNOMIAL : remainder >> 1;
      table[byte] = remainder;
    }
    g_once_init_leave (&made, TRUE);
  }
  return table;
}

guint32
_simclr_crc32c (gconstpointer data, gsize bytes)
{
  const guint32 *table = get_table ();
  const guint8 *next = data;
  guint32 crc = G_MAXUINT32;

  while (bytes-- > 0)
    crc = crc >> 8 ^ table[(crc ^ *next++) & 0xff];
  return ~crc;
}
