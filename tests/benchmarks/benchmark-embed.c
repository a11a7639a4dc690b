/* Milliseconds that embedding one picture takes, alone and in a batch of 16; pictures in memory.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "benchmark.h"

typedef struct
{
  SimclrEncoder *encoder;
  const gfloat *pictures;
  guint n_pictures;
  gfloat *embeddings;
} Embedding;

static void
embed (gpointer data)
{
  Embedding *embedding = data;
  g_autoptr (GError) error = NULL;

  if (!simclr_encoder_encode (embedding->encoder, embedding->pictures, embedding->n_pictures,
          SIMCLR_OUTPUT_REPRESENTATION, embedding->embeddings, &error))
    g_error ("%s", error->message);
}

int
main (int argc, char **argv)
{
  static const guint batches[] = {1, 16};
  Options o = parse_options (argc, argv, "Embedding of noise, in milliseconds a picture.");
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrWeights) weights =
      simclr_weights_new_random (from_nick (SIMCLR_TYPE_ARCHITECTURE, o.architecture), o.width,
          SIMCLR_STEM_AUTO, (guint) o.size, 1, &error);
  g_autoptr (SimclrEncoder) encoder = NULL;
  g_autofree gfloat *pictures = NULL, *embeddings = NULL;

  if (weights != NULL)
    encoder = simclr_encoder_new (weights, from_nick (SIMCLR_TYPE_PROVIDER, o.provider),
        from_nick (SIMCLR_TYPE_PRECISION, o.precision), (guint) o.threads, &error);
  if (encoder == NULL) {
    g_printerr ("%s\n", error->message);
    return 1;
  }
  pictures = new_noise ((gsize) 16 * (gsize) o.size * (gsize) o.size * 3);
  embeddings = g_new (
      gfloat, 16 * simclr_encoder_get_embedding_size (encoder, SIMCLR_OUTPUT_REPRESENTATION));
  simclr_encoder_set_calibration_frames (
      encoder, 1); /* int8: on noise, for speed does not depend on it */
  embed (&(Embedding){encoder, pictures, 1, embeddings});
  for (guint i = 0; i < G_N_ELEMENTS (batches); i++) {
    Embedding embedding = {encoder, pictures, batches[i], embeddings};
    Timing timing = time_calls (embed, &embedding, o.seconds);
    gdouble scale = 1000.0 / batches[i];
    g_autofree gchar *name =
        g_strdup_printf ("embed-%s-%gx-%d-batch%u", o.architecture, o.width, o.size, batches[i]);
    g_autofree gchar *more =
        g_strdup_printf (", \"processor_seconds\": %.4g, \"peak_mebibytes\": %.0f",
            timing.processor / batches[i], peak_mebibytes ());

    print_figure (name, timing.median * scale, timing.lowest * scale, timing.highest * scale,
        "ms/picture", o.threads > 0 ? (guint) o.threads : g_get_num_processors (),
        to_nick (SIMCLR_TYPE_PROVIDER, (gint) simclr_encoder_get_provider (encoder)),
        to_nick (SIMCLR_TYPE_PRECISION, (gint) simclr_encoder_get_precision (encoder)), more);
  }
  return 0;
}
