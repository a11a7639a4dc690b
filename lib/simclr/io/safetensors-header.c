/* The JSON header of a safetensors file.
 *
 * A general JSON reader keeps the last of two members of the same name, follows any nesting and takes
 * many times the text's memory. The header's grammar is so small (objects of depth two, strings, arrays
 * of numbers without sign) that reading exactly it is both shorter and safer.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/io/safetensors-header-private.h>

#include <simclr/simclr-error.h>
#include <string.h>

#define MAX_DIMS G_N_ELEMENTS (((SimclrSafetensor *) NULL)->shape)
/* Names appear in messages. */
#define MAX_NAME 1024

typedef struct
{
  const gchar *start;
  const gchar *next;
  const gchar *end;
  GError **error;
} Reader;

/* Element sizes in bits; types of less than a byte are packed. */
static const struct
{
  const gchar *name;
  SimclrDtype dtype;
  guint bits;
} dtypes[] = {
    {"F32", SIMCLR_DTYPE_F32, 32},
    {"F16", SIMCLR_DTYPE_F16, 16},
    {"BF16", SIMCLR_DTYPE_BF16, 16},
    {"F64", SIMCLR_DTYPE_F64, 64},
    {"I64", SIMCLR_DTYPE_I64, 64},
    {"BOOL", SIMCLR_DTYPE_OTHER, 8},
    {"U8", SIMCLR_DTYPE_OTHER, 8},
    {"I8", SIMCLR_DTYPE_OTHER, 8},
    {"U16", SIMCLR_DTYPE_OTHER, 16},
    {"I16", SIMCLR_DTYPE_OTHER, 16},
    {"U32", SIMCLR_DTYPE_OTHER, 32},
    {"I32", SIMCLR_DTYPE_OTHER, 32},
    {"U64", SIMCLR_DTYPE_OTHER, 64},
    {"C64", SIMCLR_DTYPE_OTHER, 64},
    {"F4", SIMCLR_DTYPE_OTHER, 4},
    {"F6_E2M3", SIMCLR_DTYPE_OTHER, 6},
    {"F6_E3M2", SIMCLR_DTYPE_OTHER, 6},
    {"F8_E5M2", SIMCLR_DTYPE_OTHER, 8},
    {"F8_E4M3", SIMCLR_DTYPE_OTHER, 8},
    {"F8_E8M0", SIMCLR_DTYPE_OTHER, 8},
};

static gboolean G_GNUC_PRINTF (2, 3) fail (Reader *reader, const gchar *format, ...)
{
  g_autofree gchar *what = NULL;
  va_list arguments;

  va_start (arguments, format);
  what = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (reader->error, SIMCLR_ERROR, SIMCLR_ERROR_FORMAT,
      "safetensors header, byte %" G_GSIZE_FORMAT ": %s", (gsize) (reader->next - reader->start),
      what);
  return FALSE;
}

static void
skip_spaces (Reader *reader)
{
  while (reader->next < reader->end && strchr (" \t\n\r", *reader->next) != NULL &&
         *reader->next != '\0')
    reader->next++;
}

/* Takes the character if it comes next, after spaces. */
static gboolean
accept (Reader *reader, gchar wanted)
{
  skip_spaces (reader);
  if (reader->next == reader->end || *reader->next != wanted)
    return FALSE;
  reader->next++;
  return TRUE;
}

static gboolean
expect (Reader *reader, gchar wanted)
{
  return accept (reader, wanted) ? TRUE : fail (reader, "expected '%c'", wanted);
}

/* Four hexadecimal digits; -1 with error. */
static gint
read_hex (Reader *reader)
{
  gint value = 0;

  for (guint i = 0; i < 4; i++) {
    gint digit = reader->next < reader->end ? g_ascii_xdigit_value (*reader->next) : -1;

    if (digit < 0) {
      fail (reader, "expected four hexadecimal digits after \\u");
      return -1;
    }
    value = value * 16 + digit;
    reader->next++;
  }
  return value;
}

/* The character after \u, written as one or two units of UTF-16. */
static gboolean
read_unicode (Reader *reader, GString *text)
{
  gint unit = read_hex (reader), low;

  if (unit < 0)
    return FALSE;
  if (unit >= 0xd800 && unit < 0xdc00) {
    if (reader->end - reader->next < 2 || reader->next[0] != '\\' || reader->next[1] != 'u')
      return fail (reader, "half a surrogate pair");
    reader->next += 2;
    low = read_hex (reader);
    if (low < 0)
      return FALSE;
    if (low < 0xdc00 || low >= 0xe000)
      return fail (reader, "half a surrogate pair");
    unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
  } else if (unit == 0 || (unit >= 0xdc00 && unit < 0xe000)) {
    return fail (reader, "\\u%04x is not a character", (guint) unit);
  }
  g_string_append_unichar (text, (gunichar) unit);
  return TRUE;
}

static gboolean
read_escape (Reader *reader, GString *text)
{
  static const gchar letters[] = "\"\\/bfnrt", characters[] = "\"\\/\b\f\n\r\t";
  const gchar *letter;

  if (reader->next == reader->end)
    return fail (reader, "the string does not end");
  if (*reader->next == 'u') {
    reader->next++;
    return read_unicode (reader, text);
  }
  letter = *reader->next != '\0' ? strchr (letters, *reader->next) : NULL;
  if (letter == NULL)
    return fail (reader, "unknown escape");
  reader->next++;
  g_string_append_c (text, characters[letter - letters]);
  return TRUE;
}

/* At most max bytes; the text is known to be UTF-8. NULL with error. */
static gchar *
read_string (Reader *reader, gsize max)
{
  GString *text;

  if (!expect (reader, '"'))
    return NULL;
  text = g_string_new (NULL);
  while (reader->next < reader->end && *reader->next != '"') {
    const gchar *run = reader->next;

    if (*run == '\\') {
      reader->next++;
      if (!read_escape (reader, text))
        goto failed;
      continue;
    }
    while (reader->next < reader->end && *reader->next != '"' && *reader->next != '\\' &&
           (guchar) *reader->next >= 0x20)
      reader->next++;
    if (reader->next == run) {
      fail (reader, "control character in a string");
      goto failed;
    }
    g_string_append_len (text, run, reader->next - run);
  }
  if (!expect (reader, '"'))
    goto failed;
  if (text->len > max) {
    fail (reader, "a name of more than %" G_GSIZE_FORMAT " bytes", max);
    goto failed;
  }
  return g_string_free (text, FALSE);

failed:
  g_string_free (text, TRUE);
  return NULL;
}

static gboolean
read_number (Reader *reader, guint64 *number)
{
  const gchar *first;

  skip_spaces (reader);
  first = reader->next;
  *number = 0;
  while (reader->next < reader->end && g_ascii_isdigit (*reader->next)) {
    if (!g_uint64_checked_mul (number, *number, 10) ||
        !g_uint64_checked_add (number, *number, (guint64) (*reader->next - '0')))
      return fail (reader, "the number does not fit in 64 bits");
    reader->next++;
  }
  if (reader->next == first)
    return fail (reader, "expected a whole number without sign");
  if (*first == '0' && reader->next - first > 1)
    return fail (reader, "a number begins with 0");
  return TRUE;
}

/* At most max numbers in brackets. */
static gboolean
read_numbers (Reader *reader, guint64 *numbers, guint max, guint *count)
{
  *count = 0;
  if (!expect (reader, '['))
    return FALSE;
  if (accept (reader, ']'))
    return TRUE;
  do {
    if (*count == max)
      return fail (reader, "more than %u numbers", max);
    if (!read_number (reader, &numbers[(*count)++]))
      return FALSE;
  } while (accept (reader, ','));
  return expect (reader, ']');
}

static gboolean
read_dtype (Reader *reader, SimclrSafetensor *tensor, guint *bits)
{
  g_autofree gchar *name = read_string (reader, MAX_NAME);

  if (name == NULL)
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (dtypes); i++) {
    if (g_str_equal (name, dtypes[i].name)) {
      tensor->dtype = dtypes[i].dtype;
      *bits = dtypes[i].bits;
      return TRUE;
    }
  }
  return fail (reader, "unknown type \"%s\"", name);
}

/* Fills in count, offset and bytes where type, shape and offsets agree. */
static gboolean
check_tensor (Reader *reader, SimclrSafetensor *tensor, guint bits, const guint64 offsets[2])
{
  guint64 count = 1, size;

  for (guint i = 0; i < tensor->n_dims; i++) {
    if (!g_uint64_checked_mul (&count, count, tensor->shape[i]))
      return fail (reader, "the shape's product does not fit in 64 bits");
  }
  if (!g_uint64_checked_mul (&size, count, bits) || size % 8 != 0 || size / 8 > G_MAXSSIZE)
    return fail (reader, "%" G_GUINT64_FORMAT " elements of %u bits are no size", count, bits);
  if (offsets[0] > offsets[1] || offsets[1] > G_MAXSSIZE)
    return fail (reader, "data_offsets %" G_GUINT64_FORMAT ", %" G_GUINT64_FORMAT " are no range",
        offsets[0], offsets[1]);
  if (offsets[1] - offsets[0] != size / 8)
    return fail (reader,
        "data_offsets hold %" G_GUINT64_FORMAT " bytes, the shape needs %" G_GUINT64_FORMAT,
        offsets[1] - offsets[0], size / 8);
  tensor->offset = (gsize) offsets[0];
  tensor->bytes = (gsize) (size / 8);
  tensor->count = (gsize) count;
  return TRUE;
}

/* { "dtype": ..., "shape": [...], "data_offsets": [begin, end] }, each once, in any order. */
static gboolean
read_tensor (Reader *reader, SimclrSafetensor *tensor)
{
  enum
  {
    DTYPE = 1 << 0,
    SHAPE = 1 << 1,
    OFFSETS = 1 << 2,
  };
  guint64 offsets[2] = {0};
  guint seen = 0, bits = 0, n_offsets = 0;

  if (!expect (reader, '{'))
    return FALSE;
  do {
    g_autofree gchar *key = read_string (reader, MAX_NAME);
    guint field;

    if (key == NULL || !expect (reader, ':'))
      return FALSE;
    field = g_str_equal (key, "dtype")          ? DTYPE
            : g_str_equal (key, "shape")        ? SHAPE
            : g_str_equal (key, "data_offsets") ? OFFSETS
                                                : 0;
    if (field == 0 || (seen & field) != 0)
      return fail (reader, "%s \"%s\"", field == 0 ? "unknown field" : "a second", key);
    seen |= field;
    if (field == DTYPE   ? !read_dtype (reader, tensor, &bits)
        : field == SHAPE ? !read_numbers (reader, tensor->shape, MAX_DIMS, &tensor->n_dims)
                         : !read_numbers (reader, offsets, G_N_ELEMENTS (offsets), &n_offsets))
      return FALSE;
  } while (accept (reader, ','));
  if (!expect (reader, '}'))
    return FALSE;

  if (seen != (DTYPE | SHAPE | OFFSETS) || n_offsets != G_N_ELEMENTS (offsets))
    return fail (reader, "a tensor needs dtype, shape and two data_offsets");
  return check_tensor (reader, tensor, bits, offsets);
}

static gboolean
read_metadata (Reader *reader, GHashTable *metadata)
{
  if (!expect (reader, '{'))
    return FALSE;
  if (accept (reader, '}'))
    return TRUE;
  do {
    g_autofree gchar *key = read_string (reader, MAX_NAME);
    g_autofree gchar *value = NULL;

    if (key == NULL || !expect (reader, ':'))
      return FALSE;
    if (g_hash_table_contains (metadata, key))
      return fail (reader, "a second metadata key \"%s\"", key);
    value = read_string (reader, G_MAXSIZE);
    if (value == NULL) {
      g_prefix_error (reader->error, "metadata \"%s\": ", key);
      return FALSE;
    }
    g_hash_table_insert (metadata, g_steal_pointer (&key), g_steal_pointer (&value));
  } while (accept (reader, ','));
  return expect (reader, '}');
}

/* One member of the outer object. */
static gboolean
read_member (Reader *reader, SimclrSafetensorsHeader *self, gboolean *seen_metadata)
{
  g_autofree gchar *name = read_string (reader, MAX_NAME);
  SimclrSafetensor tensor = {0};

  if (name == NULL || !expect (reader, ':'))
    return FALSE;
  if (g_str_equal (name, "__metadata__")) {
    if (*seen_metadata)
      return fail (reader, "a second __metadata__");
    *seen_metadata = TRUE;
    return read_metadata (reader, self->metadata);
  }
  if (g_hash_table_contains (self->by_name, name))
    return fail (reader, "a second tensor \"%s\"", name);
  if (!read_tensor (reader, &tensor)) {
    g_prefix_error (reader->error, "tensor \"%s\": ", name);
    return FALSE;
  }
  tensor.name = name;
  g_array_append_val (self->tensors, tensor);
  g_hash_table_insert (
      self->by_name, g_steal_pointer (&name), GUINT_TO_POINTER (self->tensors->len));
  return TRUE;
}

SimclrSafetensorsHeader *
_simclr_safetensors_header_parse (const gchar *json, gsize length, GError **error)
{
  g_autoptr (SimclrSafetensorsHeader) self = g_new0 (SimclrSafetensorsHeader, 1);
  Reader reader = {json, json, json + length, error};
  gboolean seen_metadata = FALSE;

  self->tensors = g_array_new (FALSE, FALSE, sizeof (SimclrSafetensor));
  self->by_name = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->metadata = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);

  if (!g_utf8_validate_len (json, length, &reader.next)) {
    fail (&reader, "not UTF-8");
    return NULL;
  }
  reader.next = json;
  if (length == 0 || *json != '{') {
    fail (&reader, "expected '{'");
    return NULL;
  }
  reader.next++;
  if (!accept (&reader, '}')) {
    do {
      if (!read_member (&reader, self, &seen_metadata))
        return NULL;
    } while (accept (&reader, ','));
    if (!expect (&reader, '}'))
      return NULL;
  }
  skip_spaces (&reader);
  if (reader.next != reader.end) {
    fail (&reader, "something follows the object");
    return NULL;
  }
  return g_steal_pointer (&self);
}

void
_simclr_safetensors_header_free (SimclrSafetensorsHeader *self)
{
  g_array_unref (self->tensors);
  g_hash_table_unref (self->by_name);
  g_hash_table_unref (self->metadata);
  g_free (self);
}
