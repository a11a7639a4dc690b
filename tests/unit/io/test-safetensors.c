/* safetensors: what is written is read, what is not sound is an error.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/io/safetensors-private.h>
#include <simclr/simclr-error.h>

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

/* A file of a header and that many bytes of data 0, 1, 2, ... */
static GBytes *
make_file (const gchar *json, gsize data)
{
  guint64 length = GUINT64_TO_LE ((guint64) strlen (json));
  GByteArray *bytes = g_byte_array_new ();

  g_byte_array_append (bytes, (const guint8 *) &length, sizeof length);
  g_byte_array_append (bytes, (const guint8 *) json, (guint) strlen (json));
  for (gsize i = 0; i < data; i++) {
    guint8 byte = (guint8) i;

    g_byte_array_append (bytes, &byte, 1);
  }
  return g_byte_array_free_to_bytes (bytes);
}

static SimclrSafetensors *
parse (const gchar *json, gsize data, GError **error)
{
  g_autoptr (GBytes) bytes = make_file (json, data);

  return _simclr_safetensors_parse (bytes, error);
}

static void
test_sound_headers (void)
{
  static const struct
  {
    const gchar *json;
    gsize data;
    guint tensors;
  } sound[] = {
      {"{}", 0, 0},
      {"{} \n  ", 0, 0},
      {"{\"__metadata__\":{}}", 0, 0},
      {"{\"__metadata__\":{\"a\":\"b\"}}", 0, 0},
      {"{\"x\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4, 1},
      {"{\"x\":{\"data_offsets\":[0,12],\"shape\":[1,3],\"dtype\":\"F32\"}}", 12, 1},
      {" {}" + 1, 0, 0},
      {"{\"x\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[4,20]},"
       "\"y\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
          20, 2},
      {"{\"x\":{\"dtype\":\"F32\",\"shape\":[0,5],\"data_offsets\":[0,0]},"
       "\"y\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
       "\"z\":{\"dtype\":\"I8\",\"shape\":[0],\"data_offsets\":[3,3]}}",
          3, 3},
      {"{\"x\":{\"dtype\":\"F4\",\"shape\":[4],\"data_offsets\":[0,2]}}", 2, 1},
      {"{ \"x\" : { \"dtype\" : \"U8\" , \"shape\" : [ 1 ] , \"data_offsets\" : [ 0 , 1 ] } }", 1,
          1},
      {"{\"x\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}", 1, 1},
  };

  for (guint i = 0; i < G_N_ELEMENTS (sound); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (SimclrSafetensors) file = parse (sound[i].json, sound[i].data, &error);

    g_assert_no_error (error);
    g_assert_cmpuint (_simclr_safetensors_get_length (file), ==, sound[i].tensors);
  }
}

#define TENSOR(type, shape, offsets)                                                               \
  "{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void
test_hostile_headers (void)
{
  static const struct
  {
    const gchar *json;
    gsize data;
    const gchar *says;
  } hostile[] = {
      {"", 0, "expected '{'"},
      {" {}", 0, "expected '{'"},
      {"[]", 0, "expected '{'"},
      {"{", 0, "expected"},
      {"{}{}", 0, "something follows"},
      {"{},", 0, "something follows"},
      {"{\"x\"}", 0, "expected ':'"},
      {"{\"x\":1}", 0, "expected '{'"},
      {"{\"x\":[[[[[[[[[[[[[[[[", 0, "expected '{'"},
      {"{\"x\":{}}", 0, "expected '\"'"},
      {"{/* \" */}", 0, "expected '\"'"},
      {"{'x':{}}", 0, "expected '\"'"},
      {"{\"x\":" TENSOR ("F32", "[1]", "[0,4]") ",}", 4, "expected '\"'"},
      {"{\"x\":" TENSOR ("F31", "[1]", "[0,4]") "}", 4, "unknown type \"F31\""},
      {"{\"x\":" TENSOR ("f32", "[1]", "[0,4]") "}", 4, "unknown type"},
      {"{\"x\":" TENSOR ("F32", "[-1]", "[0,4]") "}", 4, "without sign"},
      {"{\"x\":" TENSOR ("F32", "[1.0]", "[0,4]") "}", 4, "expected ']'"},
      {"{\"x\":" TENSOR ("F32", "[1e0]", "[0,4]") "}", 4, "expected ']'"},
      {"{\"x\":" TENSOR ("F32", "[01]", "[0,4]") "}", 4, "begins with 0"},
      {"{\"x\":" TENSOR ("F32", "[\"1\"]", "[0,4]") "}", 4, "without sign"},
      {"{\"x\":" TENSOR ("F32", "[1,]", "[0,4]") "}", 4, "without sign"},
      {"{\"x\":" TENSOR ("F32", "null", "[0,4]") "}", 4, "expected '['"},
      {"{\"x\":" TENSOR ("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, "more than 8"},
      {"{\"x\":" TENSOR ("F32", "[1]", "[0]") "}", 4, "two data_offsets"},
      {"{\"x\":" TENSOR ("F32", "[1]", "[0,4,8]") "}", 4, "more than 2"},
      {"{\"x\":" TENSOR ("F32", "[1]", "[4,0]") "}", 4, "no range"},
      {"{\"x\":" TENSOR ("F32", "[2]", "[0,4]") "}", 4, "the shape needs 8"},
      {"{\"x\":" TENSOR ("F32", "[1]", "[0,8]") "}", 8, "the shape needs 4"},
      {"{\"x\":" TENSOR ("F4", "[3]", "[0,1]") "}", 1, "no size"},
      /* products that wrap around to 4, 0 and 2^64 - 1 bytes */
      {"{\"x\":" TENSOR ("F32", "[4611686018427387905]", "[0,4]") "}", 4, "no size"},
      {"{\"x\":" TENSOR ("F32", "[4294967296,4294967296]", "[0,0]") "}", 0, "does not fit"},
      {"{\"x\":" TENSOR ("U8", "[18446744073709551615]", "[0,18446744073709551615]") "}", 4,
          "no size"},
      {"{\"x\":" TENSOR ("U8", "[18446744073709551616]", "[0,4]") "}", 4, "64 bits"},
      {"{\"x\":" TENSOR ("U8", "[4]", "[18446744073709551612,18446744073709551616]") "}", 4,
          "64 bits"},
      {"{\"x\":" TENSOR ("U8", "[4]", "[18446744073709551611,18446744073709551615]") "}", 4,
          "no range"},
      /* one byte too few, one too many, a hole, an overlap, the same bytes twice */
      {"{\"x\":" TENSOR ("F32", "[1]", "[0,4]") "}", 3, "which has 3"},
      {"{\"x\":" TENSOR ("F32", "[1]", "[0,4]") "}", 5, "5 bytes of data"},
      {"{}", 1, "1 bytes of data"},
      {"{\"x\":" TENSOR ("F32", "[1]", "[4,8]") "}", 8, "begins at byte 4"},
      {"{\"x\":" TENSOR ("F32", "[1]", "[0,4]") ",\"y\":" TENSOR ("F32", "[1]", "[8,12]") "}", 12,
          "begins at byte 8"},
      {"{\"x\":" TENSOR ("F32", "[2]", "[0,8]") ",\"y\":" TENSOR ("F32", "[1]", "[4,8]") "}", 8,
          "begins at byte 4"},
      {"{\"x\":" TENSOR ("F32", "[1]", "[0,4]") ",\"y\":" TENSOR ("F32", "[1]", "[0,4]") "}", 4,
          "begins at byte 0"},
      {"{\"x\":" TENSOR ("U8", "[9223372036854775807]",
           "[0,9223372036854775807]") ",\"y\":" TENSOR ("U8", "[1]", "[0,1]") "}",
          4, "no size"},
      /* twice the same name, written differently the second time */
      {"{\"x\":" TENSOR ("F32", "[1]", "[0,4]") ",\"x\":" TENSOR ("F32", "[1]", "[4,8]") "}", 8,
          "second tensor"},
      {"{\"x\":" TENSOR ("F32", "[1]", "[0,4]") ",\"\\u0078\":" TENSOR ("F32", "[1]", "[4,8]") "}",
          8, "second tensor"},
      {"{\"x\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
          "a second \"dtype\""},
      {"{\"x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"more\":1}}", 1,
          "unknown field \"more\""},
      {"{\"x\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, "needs dtype"},
      {"{\"__metadata__\":{\"a\":\"b\"},\"__metadata__\":{}}", 0, "second __metadata__"},
      {"{\"__metadata__\":{\"a\":\"b\",\"a\":\"b\"}}", 0, "second metadata"},
      {"{\"__metadata__\":{\"a\":1}}", 0, "metadata \"a\""},
      {"{\"__metadata__\":{\"a\":null}}", 0, "metadata \"a\""},
      {"{\"__metadata__\":{\"a\":{\"b\":\"c\"}}}", 0, "metadata \"a\""},
      {"{\"__metadata__\":null}", 0, "expected '{'"},
      {"{\"__metadata__\":{\"a\":\"b\"", 0, "expected"},
      {"{\"__metadata__\":{\"a\":\"b", 0, "expected '\"'"},
      {"{\"__metadata__\":{\"a\":\"b\\", 0, "does not end"},
      {"{\"__metadata__\":{\"a\":\"\\q\"}}", 0, "unknown escape"},
      {"{\"__metadata__\":{\"a\":\"\\u12\"}}", 0, "hexadecimal"},
      {"{\"__metadata__\":{\"a\":\"\\u0000\"}}", 0, "not a character"},
      {"{\"__metadata__\":{\"a\":\"\\ud800\"}}", 0, "surrogate"},
      {"{\"__metadata__\":{\"a\":\"\\ud800\\u0041\"}}", 0, "surrogate"},
      {"{\"__metadata__\":{\"a\":\"\\udc00\"}}", 0, "not a character"},
      {"{\"__metadata__\":{\"a\":\"\n\"}}", 0, "control character"},
      {"{\"__metadata__\":{\"a\":\"\xff\"}}", 0, "UTF-8"},
  };

  for (guint i = 0; i < G_N_ELEMENTS (hostile); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (SimclrSafetensors) file = parse (hostile[i].json, hostile[i].data, &error);
    g_autofree gchar *escaped = g_strescape (hostile[i].json, NULL);

    g_test_message ("%s: %s", escaped, error != NULL ? error->message : "no error");
    g_assert_null (file);
    g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_FORMAT);
    g_assert_nonnull (strstr (error->message, hostile[i].says));
  }
}

/* Brackets by the million, which a reader that follows nesting does not survive. */
static void
test_deep_nesting_is_an_error (void)
{
  const gchar *starts[] = {"{\"x\":{\"shape\":", "{\"__metadata__\":{\"a\":", "{\"x\":"};

  for (guint i = 0; i < G_N_ELEMENTS (starts); i++) {
    g_autoptr (GString) json = g_string_new (starts[i]);
    g_autoptr (GError) error = NULL;

    for (guint depth = 0; depth < 1000000; depth++)
      g_string_append (json, i == 2 ? "{\"x\":" : "[");
    g_assert_null (parse (json->str, 0, &error));
    g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_FORMAT);
  }
}

static void
test_long_names_are_an_error (void)
{
  g_autofree gchar *name = g_strnfill (5000, 'x');
  g_autofree gchar *json = g_strdup_printf ("{\"%s\":{}}", name);
  g_autoptr (GError) error = NULL;

  g_assert_null (parse (json, 0, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_FORMAT);
  g_assert_cmpuint (strlen (error->message), <, 200);
}

static void
test_header_lengths_are_checked (void)
{
  const guint64 lengths[] = {0, 1, 3, 1000, 100000001, G_MAXINT64, G_MAXUINT64, G_MAXUINT64 - 7};

  for (guint i = 0; i < G_N_ELEMENTS (lengths); i++) {
    guint64 content[2] = {GUINT64_TO_LE (lengths[i]), 0};
    g_autoptr (GBytes) bytes = NULL;
    g_autoptr (GError) error = NULL;

    memcpy (&content[1], "{}      ", 8);
    bytes = g_bytes_new (content, 10);
    g_assert_null (_simclr_safetensors_parse (bytes, &error));
    g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_FORMAT);
  }
}

static void
test_names_and_metadata_are_unescaped (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrSafetensors) file = parse (
      "{\"__metadata__\":{\"k\\\"\\\\\\/\":\"\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00 \xc3\xa9\"},"
      "\"a\\u0062c\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
      1, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (_simclr_safetensors_get_metadata (file, "k\"\\/"), ==,
      "\b\f\n\r\t\xc3\xa9\xf0\x9f\x98\x80 \xc3\xa9");
  g_assert_null (_simclr_safetensors_get_metadata (file, "k"));
  g_assert_nonnull (_simclr_safetensors_lookup (file, "abc"));
  g_assert_null (_simclr_safetensors_lookup (file, "abcd"));
}

/* Each type's bits against the numbers that IEEE 754 gives them. */
static void
test_types_are_converted (void)
{
  static const struct
  {
    const gchar *dtype;
    guint width;
    guint64 bits;
    gdouble value;
  } numbers[] = {
      {"F32", 4, 0x3fc00000, 1.5},
      {"F32", 4, 0xff800000, -INFINITY},
      {"F32", 4, 0x00000001, 0x1p-149},
      {"F64", 8, 0x3ff8000000000000, 1.5},
      {"F64", 8, 0xc00921fb54442d18, -3.14159265358979312},
      {"F64", 8, 0x7fe0000000000000, INFINITY},
      {"F16", 2, 0x3e00, 1.5},
      {"F16", 2, 0xbe00, -1.5},
      {"F16", 2, 0x7bff, 65504},
      {"F16", 2, 0x0400, 0x1p-14},
      {"F16", 2, 0x03ff, 1023 * 0x1p-24},
      {"F16", 2, 0x8001, -0x1p-24},
      {"F16", 2, 0x7c00, INFINITY},
      {"F16", 2, 0xfc00, -INFINITY},
      {"F16", 2, 0x7e00, NAN},
      {"BF16", 2, 0x3fc0, 1.5},
      {"BF16", 2, 0xc049, -3.140625},
      {"BF16", 2, 0x7f80, INFINITY},
      {"BF16", 2, 0x7fc0, NAN},
      {"BF16", 2, 0x8000, -0.0},
  };

  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++) {
    g_autofree gchar *json =
        g_strdup_printf ("{\"x\":{\"dtype\":\"%s\",\"shape\":[1],\"data_offsets\":[0,%u]}}",
            numbers[i].dtype, numbers[i].width);
    guint64 length = GUINT64_TO_LE ((guint64) strlen (json));
    g_autoptr (GByteArray) content = g_byte_array_new ();
    g_autoptr (GBytes) bytes = NULL;
    g_autoptr (SimclrSafetensors) file = NULL;
    gfloat value = 7, expected = (gfloat) numbers[i].value;

    g_byte_array_append (content, (const guint8 *) &length, 8);
    g_byte_array_append (content, (const guint8 *) json, (guint) strlen (json));
    for (guint byte = 0; byte < numbers[i].width; byte++) {
      guint8 one = (guint8) (numbers[i].bits >> (8 * byte));

      g_byte_array_append (content, &one, 1);
    }
    bytes = g_bytes_new (content->data, content->len);
    file = _simclr_safetensors_parse (bytes, NULL);
    g_assert_nonnull (file);
    g_assert_true (
        _simclr_safetensors_read_floats (file, _simclr_safetensors_get (file, 0), &value, 1, NULL));
    if (isnan (expected))
      g_assert_true (isnan (value));
    else
      g_assert_cmpmem (&value, sizeof value, &expected, sizeof expected);
  }
}

static void
test_only_floats_are_read (void)
{
  g_autoptr (SimclrSafetensors) file =
      parse ("{\"i\":" TENSOR ("I64", "[1]", "[0,8]") ",\"u\":" TENSOR (
                 "U8", "[4]", "[8,12]") ",\"f\":" TENSOR ("F32", "[2]", "[12,20]") "}",
          20, NULL);
  g_autoptr (GError) error = NULL;
  gfloat floats[4];

  g_assert_nonnull (file);
  g_assert_false (_simclr_safetensors_read_floats (
      file, _simclr_safetensors_lookup (file, "i"), floats, 1, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_FORMAT);
  g_clear_error (&error);
  g_assert_false (_simclr_safetensors_read_floats (
      file, _simclr_safetensors_lookup (file, "u"), floats, 4, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_FORMAT);
  g_clear_error (&error);
  g_assert_false (_simclr_safetensors_read_floats (
      file, _simclr_safetensors_lookup (file, "f"), floats, 1, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE);
}

typedef struct
{
  gchar *folder;
  gchar *path;
} Fixture;

static void
set_up (Fixture *self, gconstpointer data)
{
  self->folder = g_dir_make_tmp ("simclr-test-XXXXXX", NULL);
  g_assert_nonnull (self->folder);
  self->path = g_build_filename (self->folder, "file.safetensors", NULL);
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  g_unlink (self->path);
  g_assert_cmpint (g_rmdir (self->folder), ==, 0); /* nothing else was left */
  g_free (self->folder);
  g_free (self->path);
}

#define MANY 50000 /* floats, more than a chunk of the reader */

static void
write_some (const gchar *path, const gfloat *many)
{
  g_autoptr (SimclrSafetensorsWriter) writer = _simclr_safetensors_writer_new ();
  g_autoptr (GError) error = NULL;
  const gsize matrix[] = {2, MANY / 2}, vector[] = {3}, none[] = {4, 0};

  _simclr_safetensors_writer_set_metadata (writer, "step", "1");
  _simclr_safetensors_writer_set_metadata (writer, "quote", "\"\\\n\x01\xc3\xa9");
  _simclr_safetensors_writer_set_metadata (writer, "step", "2");
  _simclr_safetensors_writer_add (writer, "matrix", 2, matrix, many);
  _simclr_safetensors_writer_add_scalar (writer, "count", -5);
  _simclr_safetensors_writer_take (
      writer, "vec\"tor", 1, vector, g_memdup2 (many + 7, 3 * sizeof (gfloat)));
  _simclr_safetensors_writer_add (writer, "none", 2, none, many);
  _simclr_safetensors_writer_add_scalar (writer, "count2", 6);
  g_assert_true (_simclr_safetensors_writer_write (writer, path, &error));
  g_assert_no_error (error);
}

static gfloat *
many_floats (void)
{
  gfloat *many = g_new (gfloat, MANY);

  for (guint i = 0; i < MANY; i++)
    many[i] = (gfloat) (sin (i) * pow (10, (gint) (i % 60) - 30));
  return many;
}

static void
test_what_is_written_is_read (Fixture *fixture, gconstpointer data)
{
  g_autofree gfloat *many = many_floats (), *again = g_new (gfloat, MANY);
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrSafetensors) file = NULL;
  const SimclrSafetensor *tensor;

  write_some (fixture->path, many);
  file = _simclr_safetensors_open (fixture->path, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (_simclr_safetensors_get_length (file), ==, 5);
  g_assert_cmpstr (_simclr_safetensors_get_metadata (file, "step"), ==, "2");
  g_assert_cmpstr (_simclr_safetensors_get_metadata (file, "quote"), ==, "\"\\\n\x01\xc3\xa9");

  tensor = _simclr_safetensors_lookup (file, "matrix");
  g_assert_cmpuint (tensor->n_dims, ==, 2);
  g_assert_cmpuint (tensor->shape[0], ==, 2);
  g_assert_cmpuint (tensor->shape[1], ==, MANY / 2);
  g_assert_true (_simclr_safetensors_read_floats (file, tensor, again, MANY, &error));
  g_assert_cmpmem (again, MANY * sizeof (gfloat), many, MANY * sizeof (gfloat));

  tensor = _simclr_safetensors_lookup (file, "vec\"tor");
  g_assert_true (_simclr_safetensors_read_floats (file, tensor, again, 3, &error));
  g_assert_cmpmem (again, 3 * sizeof (gfloat), many + 7, 3 * sizeof (gfloat));

  tensor = _simclr_safetensors_lookup (file, "none");
  g_assert_cmpuint (tensor->count, ==, 0);
  g_assert_true (_simclr_safetensors_read_floats (file, tensor, NULL, 0, &error));

  tensor = _simclr_safetensors_lookup (file, "count");
  g_assert_cmpint (tensor->dtype, ==, SIMCLR_DTYPE_I64);
  g_assert_cmpuint (tensor->n_dims, ==, 0);
}

static void
test_layout_is_aligned_and_repeatable (Fixture *fixture, gconstpointer data)
{
  g_autofree gfloat *many = many_floats ();
  g_autofree gchar *first = NULL, *second = NULL;
  gsize first_size, second_size;
  guint64 length;
  gint64 count;

  write_some (fixture->path, many);
  g_assert_true (g_file_get_contents (fixture->path, &first, &first_size, NULL));
  write_some (fixture->path, many);
  g_assert_true (g_file_get_contents (fixture->path, &second, &second_size, NULL));
  g_assert_cmpmem (first, first_size, second, second_size);

  memcpy (&length, first, sizeof length);
  length = GUINT64_FROM_LE (length);
  g_assert_cmpuint (length % 8, ==, 0);
  g_assert_cmpint (first[8], ==, '{');
  /* the widest type first */
  memcpy (&count, first + 8 + length, sizeof count);
  g_assert_cmpint (GINT64_FROM_LE (count), ==, -5);
  memcpy (&count, first + 16 + length, sizeof count);
  g_assert_cmpint (GINT64_FROM_LE (count), ==, 6);
  g_assert_cmpuint (first_size, ==, 8 + length + 16 + (MANY + 3) * sizeof (gfloat));
}

static void
test_a_cut_file_is_an_error (void)
{
  const gchar *json = "{\"__metadata__\":{\"a\":\"b\"},\"x\":" TENSOR (
      "F32", "[2,2]", "[0,16]") ",\"y\":" TENSOR ("BF16", "[3]", "[16,22]") "}";
  g_autoptr (GBytes) whole = make_file (json, 22);
  g_autoptr (SimclrSafetensors) sound = _simclr_safetensors_parse (whole, NULL);

  g_assert_nonnull (sound);
  for (gsize size = 0; size < g_bytes_get_size (whole); size++) {
    g_autoptr (GBytes) cut = g_bytes_new (g_bytes_get_data (whole, NULL), size);
    g_autoptr (GError) error = NULL;

    g_assert_null (_simclr_safetensors_parse (cut, &error));
    g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_FORMAT);
  }
}

/* Cut after it was opened: an error, not a signal. */
static void
test_a_file_cut_while_open_is_an_error (Fixture *fixture, gconstpointer data)
{
  g_autofree gfloat *many = many_floats ();
  g_autoptr (SimclrSafetensors) file = NULL;
  g_autoptr (GError) error = NULL;

  write_some (fixture->path, many);
  file = _simclr_safetensors_open (fixture->path, NULL);
  g_assert_nonnull (file);
  g_assert_cmpint (truncate (fixture->path, 1000), ==, 0);
  g_assert_false (_simclr_safetensors_read_floats (
      file, _simclr_safetensors_lookup (file, "matrix"), many, MANY, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_FORMAT);
}

/* A header of more than 100 MB is no header, however long the file; this one is a hole. */
static void
test_huge_headers_are_not_read (Fixture *fixture, gconstpointer data)
{
  const guint64 length = GUINT64_TO_LE ((guint64) 100000001);
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (fixture->path, (const gchar *) &length, 8, NULL));
  g_assert_cmpint (truncate (fixture->path, 200000000), ==, 0);
  g_assert_null (_simclr_safetensors_open (fixture->path, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_FORMAT);
  g_assert_nonnull (strstr (error->message, "at most"));
}

static void
test_what_is_no_file_is_an_error (Fixture *fixture, gconstpointer data)
{
  const gchar *paths[] = {fixture->path, fixture->folder, "/dev/zero", "/dev/null"};

  for (guint i = 0; i < G_N_ELEMENTS (paths); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (_simclr_safetensors_open (paths[i], &error));
    g_assert_nonnull (error);
    g_assert_nonnull (strstr (error->message, paths[i]));
    if (i == 0)
      g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
  }
}

#define ADD(name, function)                                                                        \
  g_test_add ("/safetensors/" name, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/safetensors/sound-headers", test_sound_headers);
  g_test_add_func ("/safetensors/hostile-headers", test_hostile_headers);
  g_test_add_func ("/safetensors/deep-nesting-is-an-error", test_deep_nesting_is_an_error);
  g_test_add_func ("/safetensors/long-names-are-an-error", test_long_names_are_an_error);
  g_test_add_func ("/safetensors/header-lengths-are-checked", test_header_lengths_are_checked);
  g_test_add_func (
      "/safetensors/names-and-metadata-are-unescaped", test_names_and_metadata_are_unescaped);
  g_test_add_func ("/safetensors/types-are-converted", test_types_are_converted);
  g_test_add_func ("/safetensors/only-floats-are-read", test_only_floats_are_read);
  g_test_add_func ("/safetensors/a-cut-file-is-an-error", test_a_cut_file_is_an_error);
  ADD ("what-is-written-is-read", test_what_is_written_is_read);
  ADD ("layout-is-aligned-and-repeatable", test_layout_is_aligned_and_repeatable);
  ADD ("a-file-cut-while-open-is-an-error", test_a_file_cut_while_open_is_an_error);
  ADD ("huge-headers-are-not-read", test_huge_headers_are_not_read);
  ADD ("what-is-no-file-is-an-error", test_what_is_no_file_is_an_error);
  return g_test_run ();
}
