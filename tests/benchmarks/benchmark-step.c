/* Pairs that one training step takes in a second: forward, head, loss, backward, optimizer; views in memory.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "benchmark.h"

typedef struct
{
  SimclrEncoder *encoder;
  SimclrTrainer *trainer;
  gfloat *views;
  guint n_views;
} Step;

static void
take_step (gpointer data)
{
  Step *step = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrForwardPass) pass =
      simclr_encoder_forward (step->encoder, step->views, step->n_views, &error);
  SimclrTrainingStatistics statistics;

  if (pass == NULL || !simclr_trainer_step (step->trainer, pass, &statistics, &error))
    g_error ("%s", error->message);
}

int
main (int argc, char **argv)
{
  Options o = parse_options (argc, argv, "Training steps on noise, in pairs a second.");
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrWeights) weights =
      simclr_weights_new_random (from_nick (SIMCLR_TYPE_ARCHITECTURE, o.architecture), o.width,
          SIMCLR_STEM_AUTO, (guint) o.size, 1, &error);
  g_autoptr (SimclrEncoder) encoder = NULL;
  g_autoptr (SimclrTrainer) trainer = simclr_trainer_new ();
  g_autofree gfloat *views = NULL;
  g_autofree gchar *name = NULL, *more = NULL;
  Timing timing;
  Step step;

  if (o.pairs <= 0)
    o.pairs = 64;

  if (weights != NULL)
    encoder = simclr_encoder_new (weights, from_nick (SIMCLR_TYPE_PROVIDER, o.provider),
        from_nick (SIMCLR_TYPE_PRECISION, o.precision), (guint) o.threads, &error);
  if (encoder == NULL) {
    g_printerr ("%s\n", error->message);
    return 1;
  }
  g_clear_pointer (&weights, simclr_weights_unref);
  simclr_encoder_set_microbatch_size (encoder, (guint) MAX (o.microbatch, 0));
  g_object_set (trainer, "optimizer", SIMCLR_OPTIMIZER_SGD, "learning-rate", 0.03,
      "learning-rate-scaling", SIMCLR_LEARNING_RATE_SCALING_NONE, "temperature", 0.5, NULL);
  views = new_noise ((gsize) o.pairs * 2 * (gsize) o.size * (gsize) o.size * 3);
  step = (Step){encoder, trainer, views, (guint) o.pairs * 2};
  timing = time_calls (take_step, &step, o.seconds);

  name = g_strdup_printf ("step-%s-%gx-%d-%dpairs", o.architecture, o.width, o.size, o.pairs);
  more = g_strdup_printf (", \"processor_seconds\": %.4g, \"peak_mebibytes\": %.0f",
      timing.processor / o.pairs, peak_mebibytes ());
  print_figure (name, o.pairs / timing.median, o.pairs / timing.highest, o.pairs / timing.lowest,
      "pairs/s", o.threads > 0 ? (guint) o.threads : g_get_num_processors (),
      to_nick (SIMCLR_TYPE_PROVIDER, (gint) simclr_encoder_get_provider (encoder)),
      to_nick (SIMCLR_TYPE_PRECISION, (gint) simclr_encoder_get_precision (encoder)), more);
  return 0;
}
