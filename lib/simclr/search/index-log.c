/* The newest entries of an index: a log to which each is appended with its checksum.
 *
 * Everything is little-endian. The header: 8 bytes "SIMCLRLG"; U32 version 1; U32 floats of an embedding; U64
 * number of the first entry; U32 bytes of the encoder's name, and the name; U32 CRC-32 of all that. Then a
 * record for each entry: U32 bytes of the payload; U32 CRC-32 of the payload; U32 CRC-32 of these 8 bytes, so that
 * a record that was being written when its writer died is told from a damaged one; the payload: I64 time; U32 bytes of the stream's name; U32 bytes of the source; U32 width and U32 height of the thumbnail; F32
 * embedding; the two texts; the thumbnail's RGB bytes.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/search/index-private.h>

#include <simclr/simclr-error.h>
#include <string.h>

#define MAGIC "SIMCLRLG"
#define VERSION 1
#define FIXED_BYTES 28  /* of the header, up to the encoder's name */
#define RECORD_BYTES 12 /* before a payload */
#define ENTRY_BYTES 24  /* of a payload, up to the embedding */
#define MOST_TEXT 65535

/* The CRC-32 of Ethernet, PNG and zip. */
static guint32
checksum (const guint8 *data, gsize bytes)
{
  static guint32 table[256];
  static gsize made = 0;
  guint32 crc = 0xffffffff;

  if (g_once_init_enter (&made)) {
    for (guint32 i = 0; i < 256; i++) {
      table[i] = i;
      for (guint bit = 0; bit < 8; bit++)
        table[i] = (table[i] & 1 ? 0xedb88320 : 0) ^ table[i] >> 1;
    }
    g_once_init_leave (&made, 1);
  }
  for (gsize i = 0; i < bytes; i++)
    crc = table[(crc ^ data[i]) & 0xff] ^ crc >> 8;
  return ~crc;
}

static void
put32 (GByteArray *to, guint32 number)
{
  number = GUINT32_TO_LE (number);
  g_byte_array_append (to, (const guint8 *) &number, sizeof number);
}

static void
put64 (GByteArray *to, guint64 number)
{
  number = GUINT64_TO_LE (number);
  g_byte_array_append (to, (const guint8 *) &number, sizeof number);
}

static guint32
get32 (const guint8 *from)
{
  guint32 number;

  memcpy (&number, from, sizeof number);
  return GUINT32_FROM_LE (number);
}

static guint64
get64 (const guint8 *from)
{
  guint64 number;

  memcpy (&number, from, sizeof number);
  return GUINT64_FROM_LE (number);
}

void
_simclr_log_header_clear (SimclrLogHeader *self)
{
  g_clear_pointer (&self->encoder, g_free);
}

GBytes *
_simclr_log_encode_header (const SimclrLogHeader *header)
{
  GByteArray *bytes = g_byte_array_new ();
  const gchar *encoder = header->encoder != NULL ? header->encoder : "";

  g_byte_array_append (bytes, (const guint8 *) MAGIC, 8);
  put32 (bytes, VERSION);
  put32 (bytes, (guint32) header->size);
  put64 (bytes, header->first);
  put32 (bytes, (guint32) strlen (encoder));
  g_byte_array_append (bytes, (const guint8 *) encoder, (guint) strlen (encoder));
  put32 (bytes, checksum (bytes->data, bytes->len));
  return g_byte_array_free_to_bytes (bytes);
}

GBytes *
_simclr_log_encode (const SimclrEntry *entry, gsize size)
{
  GByteArray *bytes = g_byte_array_new ();
  const gchar *texts[] = {entry->origin->stream, entry->origin->source};
  guint32 number;

  put64 (bytes, 0); /* the payload's size and checksum, */
  put32 (bytes, 0); /* and theirs */
  put64 (bytes, (guint64) entry->time);
  put32 (bytes, (guint32) strlen (texts[0]));
  put32 (bytes, (guint32) strlen (texts[1]));
  put32 (bytes, entry->picture.width);
  put32 (bytes, entry->picture.height);
  for (gsize i = 0; i < size; i++) {
    memcpy (&number, entry->embedding + i, sizeof number);
    put32 (bytes, number);
  }
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    g_byte_array_append (bytes, (const guint8 *) texts[i], (guint) strlen (texts[i]));
  if (entry->picture.bytes != NULL)
    g_byte_array_append (bytes, g_bytes_get_data (entry->picture.bytes, NULL),
        (guint) g_bytes_get_size (entry->picture.bytes));

  number = GUINT32_TO_LE (bytes->len - RECORD_BYTES);
  memcpy (bytes->data, &number, sizeof number);
  number = GUINT32_TO_LE (checksum (bytes->data + RECORD_BYTES, bytes->len - RECORD_BYTES));
  memcpy (bytes->data + 4, &number, sizeof number);
  number = GUINT32_TO_LE (checksum (bytes->data, 8));
  memcpy (bytes->data + 8, &number, sizeof number);
  return g_byte_array_free_to_bytes (bytes);
}

static gboolean
fail (GError **error, const gchar *what)
{
  g_set_error_literal (error, SIMCLR_ERROR, SIMCLR_ERROR_FORMAT, what);
  return FALSE;
}

static gboolean
read_header (const guint8 *data, gsize bytes, SimclrLogHeader *header, gsize *end, GError **error)
{
  gsize name;

  if (bytes < FIXED_BYTES + 4 || memcmp (data, MAGIC, 8) != 0)
    return fail (error, "not the log of an index");
  if (get32 (data + 8) != VERSION)
    return fail (error, "a log of an index in a version that is not known here");
  name = get32 (data + 24);
  if (name > MOST_TEXT || name > bytes - FIXED_BYTES - 4)
    return fail (error, "the log's header is cut");
  *end = FIXED_BYTES + name;
  if (get32 (data + *end) != checksum (data, *end))
    return fail (error, "the log's header is damaged (its checksum differs)");
  *end += 4;
  header->size = get32 (data + 12);
  header->first = get64 (data + 16);
  if (header->size < 1 || header->size > SIMCLR_INDEX_MOST_FLOATS || header->first > G_MAXINT64 ||
      !g_utf8_validate ((const gchar *) data + FIXED_BYTES, (gssize) name, NULL))
    return fail (error, "the log's header makes no sense");
  header->encoder = name > 0 ? g_strndup ((const gchar *) data + FIXED_BYTES, name) : NULL;
  return TRUE;
}

/* A payload whose checksum is right. floats (size) is room for the embedding. */
static gboolean
read_entry (const guint8 *data, gsize bytes, const SimclrLogHeader *header, guint64 number,
    gfloat *floats, SimclrLogFunc each, gpointer user_data, GError **error)
{
  gsize left, texts[2], picture_bytes;
  g_autofree gchar *stream = NULL, *source = NULL;
  g_autoptr (GBytes) pixels = NULL;
  SimclrPicture picture = {0};

  if (bytes < ENTRY_BYTES + header->size * sizeof (gfloat))
    return fail (error, "an entry is too short for its embedding");
  left = bytes - ENTRY_BYTES - header->size * sizeof (gfloat);
  texts[0] = get32 (data + 8);
  texts[1] = get32 (data + 12);
  picture.width = get32 (data + 16);
  picture.height = get32 (data + 20);
  if (texts[0] > MOST_TEXT || texts[1] > MOST_TEXT || picture.width > SIMCLR_THUMBNAIL_MOST ||
      picture.height > SIMCLR_THUMBNAIL_MOST)
    return fail (error, "an entry's sizes make no sense");
  picture_bytes = (gsize) picture.width * picture.height * 3;
  if (left != texts[0] + texts[1] + picture_bytes)
    return fail (error, "an entry's size is not that of its parts");
  for (gsize i = 0; i < header->size; i++) {
    guint32 bits = get32 (data + ENTRY_BYTES + i * sizeof (gfloat));

    memcpy (floats + i, &bits, sizeof bits);
  }
  data += ENTRY_BYTES + header->size * sizeof (gfloat);
  if (!g_utf8_validate ((const gchar *) data, (gssize) texts[0], NULL) ||
      !g_utf8_validate ((const gchar *) data + texts[0], (gssize) texts[1], NULL))
    return fail (error, "an entry's texts are not UTF-8");
  stream = g_strndup ((const gchar *) data, texts[0]);
  source = g_strndup ((const gchar *) data + texts[0], texts[1]);
  if (picture_bytes > 0)
    picture.bytes = pixels = g_bytes_new (data + texts[0] + texts[1], picture_bytes);
  data -= ENTRY_BYTES + header->size * sizeof (gfloat);
  return each (user_data, number, floats, (gint64) get64 (data), stream, source, &picture, error);
}

gboolean
_simclr_log_read (GBytes *bytes, SimclrLogHeader *header, SimclrLogFunc each, gpointer user_data,
    gsize *whole, GError **error)
{
  gsize size, at = 0;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  g_autofree gfloat *floats = NULL;

  if (!read_header (data, size, header, &at, error))
    return FALSE;
  floats = g_new (gfloat, header->size);
  *whole = at;
  for (guint64 number = header->first; size - at >= RECORD_BYTES; number++) {
    const guint8 *record = data + at;
    gsize payload = get32 (record);
    gboolean sound = get32 (record + 8) == checksum (record, 8);

    if (sound && payload > size - at - RECORD_BYTES) /* it was being written */
      return TRUE;
    sound = sound && get32 (record + 4) == checksum (record + RECORD_BYTES, payload);
    if (!(sound || fail (error, "it is damaged (its checksum differs)")) ||
        !read_entry (
            record + RECORD_BYTES, payload, header, number, floats, each, user_data, error)) {
      g_prefix_error (
          error, "entry %" G_GUINT64_FORMAT " (byte %" G_GSIZE_FORMAT "): ", number, at);
      return FALSE;
    }
    at += RECORD_BYTES + payload;
    *whole = at;
  }
  return TRUE;
}
