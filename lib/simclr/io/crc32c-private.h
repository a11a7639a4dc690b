/* CRC-32C (Castagnoli), the checksum of TFRecord files.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

guint32 _simclr_crc32c (gconstpointer data, gsize bytes);
