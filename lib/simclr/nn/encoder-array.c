/* An encoder for languages that have arrays or bytes instead of pointers.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/encoder-private.h>

#include <simclr/simclr-error.h>

#include <math.h>

/* The floats of bytes, which must lie where floats may. */
static const gfloat *
floats_of (GBytes *bytes, gsize *n, GError **error)
{
  gsize size;
  const gfloat *floats = g_bytes_get_data (bytes, &size);

  if (size == 0 || size % sizeof (gfloat) != 0 ||
      GPOINTER_TO_SIZE (floats) % G_ALIGNOF (gfloat) != 0) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE,
        "%" G_GSIZE_FORMAT " bytes are no whole number of floats of %" G_GSIZE_FORMAT
        " bytes, aligned",
        size, sizeof (gfloat));
    return NULL;
  }
  *n = size / sizeof (gfloat);
  return floats;
}

/**
 * simclr_encoder_encode_array: (rename-to simclr_encoder_encode)
 * @self: an encoder
 * @pictures: (array length=n_floats): (pictures, size, size, 3) floats in [0, 1]
 * @n_floats: floats of @pictures
 * @output: representation, or projection scaled to unit length
 * @n_embedding_floats: (out): pictures times the embedding size
 * @error: return location for an error
 *
 * Embeds pictures with the running statistics; the form for languages with arrays.
 * [method@Encoder.encode_bytes] is quicker where each float of an array becomes an object, as in Python.
 *
 * Returns: (array length=n_embedding_floats) (transfer full): the embeddings row by row, or %NULL with
 *   @error set
 */
gfloat *
simclr_encoder_encode_array (SimclrEncoder *self, const gfloat *pictures, gsize n_floats,
    SimclrOutput output, gsize *n_embedding_floats, GError **error)
{
  g_autofree gfloat *embeddings = NULL;
  gsize size;
  guint n;

  g_return_val_if_fail (SIMCLR_IS_ENCODER (self), NULL);

  *n_embedding_floats = 0;
  if (!_simclr_encoder_count_pictures (self, n_floats, &n, error))
    return NULL;
  size = simclr_encoder_get_embedding_size (self, output);
  embeddings = g_new (gfloat, n * MAX (size, 1));
  if (!simclr_encoder_encode (self, pictures, n, output, embeddings, error))
    return NULL;
  *n_embedding_floats = n * size;
  return g_steal_pointer (&embeddings);
}

/**
 * simclr_encoder_encode_bytes:
 * @self: an encoder
 * @pictures: floats (pictures, size, size, 3), float32 in the machine's byte order, in [0, 1], as
 *   [func@evaluation_view_to_bytes] makes them
 * @output: representation, or projection scaled to unit length
 * @error: return location for an error
 *
 * Embeds pictures with the running statistics, bytes to bytes: NumPy's `frombuffer` and `tobytes`, Python's
 * `array` and JavaScript's `Float32Array` read and write them.
 *
 * Returns: (transfer full) (nullable): floats (pictures, embedding size), float32 in the machine's byte order, or %NULL
 *   with @error set
 */
GBytes *
simclr_encoder_encode_bytes (
    SimclrEncoder *self, GBytes *pictures, SimclrOutput output, GError **error)
{
  const gfloat *floats;
  gfloat *embeddings;
  gsize n_floats, n;

  g_return_val_if_fail (SIMCLR_IS_ENCODER (self), NULL);
  g_return_val_if_fail (pictures != NULL, NULL);

  floats = floats_of (pictures, &n_floats, error);
  if (!floats)
    return NULL;
  embeddings = simclr_encoder_encode_array (self, floats, n_floats, output, &n, error);
  return embeddings ? g_bytes_new_take (embeddings, n * sizeof (gfloat)) : NULL;
}

/**
 * simclr_encoder_forward_array: (rename-to simclr_encoder_forward)
 * @self: an encoder
 * @views: (array length=n_floats): (views, size, size, 3) floats, rows a0 b0 a1 b1 ...
 * @n_floats: floats of @views
 * @error: return location for an error
 *
 * Embeds a batch with its own statistics and keeps what going backward needs; the form for languages
 * with arrays.
 *
 * Returns: (transfer full): the forward pass, or %NULL with @error set
 */
SimclrForwardPass *
simclr_encoder_forward_array (
    SimclrEncoder *self, const gfloat *views, gsize n_floats, GError **error)
{
  guint n;

  g_return_val_if_fail (SIMCLR_IS_ENCODER (self), NULL);

  if (!_simclr_encoder_count_pictures (self, n_floats, &n, error))
    return NULL;
  return simclr_encoder_forward (self, views, n, error);
}

/**
 * simclr_encoder_forward_bytes:
 * @self: an encoder
 * @views: floats (views, size, size, 3), float32 in the machine's byte order, rows a0 b0 a1 b1 ...
 * @error: return location for an error
 *
 * Embeds a batch with its own statistics and keeps what going backward needs, from bytes.
 *
 * Returns: (transfer full): the forward pass, or %NULL with @error set
 */
SimclrForwardPass *
simclr_encoder_forward_bytes (SimclrEncoder *self, GBytes *views, GError **error)
{
  const gfloat *floats;
  gsize n;

  g_return_val_if_fail (SIMCLR_IS_ENCODER (self), NULL);
  g_return_val_if_fail (views != NULL, NULL);

  floats = floats_of (views, &n, error);
  return floats ? simclr_encoder_forward_array (self, floats, n, error) : NULL;
}

/* The size of so many square pictures of three colours; 0: there is none. */
static guint
size_of (gsize n_floats, gsize pictures)
{
  const gsize pixels = pictures > 0 ? n_floats / 3 / pictures : 0;
  const gsize size = (gsize) sqrt ((gdouble) pixels);

  return pixels > 0 && size * size * 3 * pictures == n_floats ? (guint) size : 0;
}

/**
 * simclr_encoder_forward_crops_bytes: (rename-to simclr_encoder_forward_crops)
 * @self: an encoder
 * @views: floats (views, size, size, 3), float32 in the machine's byte order, rows a0 b0 a1 b1 ...
 * @crops: floats (pairs * crops_per_pair, crop size, crop size, 3), the small crops of the first pair, then those
 *   of the second ...
 * @crops_per_pair: how many each pair has, at least 1
 * @error: return location for an error
 *
 * Embeds a batch of pairs and the small crops that go with them (multi-crop), from bytes; how large crops are
 * follows from how many bytes there are.
 *
 * Returns: (transfer full): the forward pass, or %NULL with @error set (%SIMCLR_ERROR_SHAPE where @crops do not
 *   fit)
 */
SimclrForwardPass *
simclr_encoder_forward_crops_bytes (
    SimclrEncoder *self, GBytes *views, GBytes *crops, guint crops_per_pair, GError **error)
{
  const gfloat *floats, *crop_floats;
  gsize n_floats, n_crop_floats;
  guint n, size;

  g_return_val_if_fail (SIMCLR_IS_ENCODER (self), NULL);
  g_return_val_if_fail (views != NULL && crops != NULL, NULL);
  g_return_val_if_fail (crops_per_pair > 0, NULL);

  floats = floats_of (views, &n_floats, error);
  crop_floats = floats ? floats_of (crops, &n_crop_floats, error) : NULL;
  if (!crop_floats || !_simclr_encoder_count_pictures (self, n_floats, &n, error))
    return NULL;
  size = size_of (n_crop_floats, (gsize) (n / 2) * crops_per_pair);
  if (size == 0) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE,
        "%" G_GSIZE_FORMAT " floats are no %u square crops of three colours for each of %u pairs",
        n_crop_floats, crops_per_pair, n / 2);
    return NULL;
  }
  return simclr_encoder_forward_crops (self, floats, n, crop_floats, crops_per_pair, size, error);
}
