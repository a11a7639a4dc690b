/* What the comparisons with other implementations ask of libsimclr, on the command line.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/simclr.h>

#include "tool.h"

/* checkpoint ARCHITECTURE WIDTH STEM SIZE PATH: a few steps on noise, saved as training saves. */
static void
make_checkpoint (gchar **arguments)
{
  g_autoptr (GError) error = NULL;
  guint size = (guint) strtoul (arguments[3], NULL, 10), views = 8;
  g_autoptr (SimclrWeights) weights = simclr_weights_new_random (
      from_nick (SIMCLR_TYPE_ARCHITECTURE, arguments[0]), g_ascii_strtod (arguments[1], NULL),
      from_nick (SIMCLR_TYPE_STEM, arguments[2]), size, 3, &error);
  g_autoptr (SimclrEncoder) encoder = NULL;
  g_autoptr (SimclrTrainer) trainer = simclr_trainer_new ();
  g_autoptr (GRand) random = g_rand_new_with_seed (4);
  gsize floats = (gsize) views * size * size * 3;
  g_autofree gfloat *pixels = g_new (gfloat, floats);

  stop_at (error);
  encoder = simclr_encoder_new (weights, SIMCLR_PROVIDER_AUTO, SIMCLR_PRECISION_FLOAT32, 0, &error);
  stop_at (error);
  g_object_set (trainer, "optimizer", SIMCLR_OPTIMIZER_SGD, "learning-rate", 0.05,
      "learning-rate-scaling", SIMCLR_LEARNING_RATE_SCALING_NONE, NULL);
  for (guint step = 0; step < 3; step++) {
    g_autoptr (SimclrForwardPass) pass = NULL;
    SimclrTrainingStatistics statistics;

    for (gsize i = 0; i < floats; i++)
      pixels[i] = (gfloat) g_rand_double (random);
    pass = simclr_encoder_forward (encoder, pixels, views, &error);
    stop_at (error);
    simclr_trainer_step (trainer, pass, &statistics, &error);
    stop_at (error);
  }
  simclr_trainer_save (trainer, arguments[4], &error);
  stop_at (error);
}

/* Names of n labels: their numbers. */
static void
set_labels (SimclrTrainer *trainer, guint n)
{
  g_auto (GStrv) names = g_new0 (gchar *, n + 1);

  for (guint i = 0; i < n; i++)
    names[i] = g_strdup_printf ("%u", i);
  simclr_trainer_set_labels (trainer, (const gchar *const *) names);
}

static void
set_teacher (SimclrTrainer *trainer, const gchar *path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrWeights) teacher = simclr_weights_load (path, &error);

  stop_at (error);
  simclr_trainer_set_teacher (trainer, teacher, &error);
  stop_at (error);
}

/* View i, counted by pairs, shows label i / 2 of n, in turn; one pair in eight has none. */
static void
label_views (SimclrForwardPass *pass, guint n)
{
  guint views = simclr_forward_pass_get_n_views (pass);
  g_autofree gint *labels = g_new (gint, views);

  for (guint i = 0; i < views; i++)
    labels[i] = i / 2 % 8 == 7 ? -1 : (gint) (i / 2 % n);
  simclr_forward_pass_set_labels (pass, labels, views, NULL);
}

/* train CHECKPOINT VIEWS STEPS SAVED PROVIDER [PROPERTY=VALUE ...]: steps on the same views (raw floats), from
 * a checkpoint, with the trainer's properties, and labels=NUMBER or teacher=PATH; prints the loss of each. Exits
 * with 77 without that provider. */
static void
train (gchar **arguments)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrTrainer) trainer = simclr_trainer_new ();
  guint labels = 0;
  g_autoptr (SimclrWeights) weights = NULL;
  g_autoptr (SimclrEncoder) encoder = NULL;
  g_autofree gfloat *views = NULL;
  guint steps = (guint) strtoul (arguments[2], NULL, 10);
  gsize bytes;

  for (gchar **setting = arguments + 5; *setting != NULL; setting++) {
    if (g_str_has_prefix (*setting, "labels="))
      set_labels (trainer, labels = (guint) strtoul (strchr (*setting, '=') + 1, NULL, 10));
    else if (g_str_has_prefix (*setting, "teacher="))
      set_teacher (trainer, strchr (*setting, '=') + 1);
    else
      set_property (G_OBJECT (trainer), *setting);
  }
  simclr_trainer_resume (trainer, arguments[0], &error);
  stop_at (error);
  weights = simclr_trainer_get_weights (trainer);
  encoder = simclr_encoder_new (
      weights, from_nick (SIMCLR_TYPE_PROVIDER, arguments[4]), SIMCLR_PRECISION_FLOAT32, 0, &error);
  if (g_error_matches (error, SIMCLR_ERROR, SIMCLR_ERROR_UNSUPPORTED))
    exit (77);
  stop_at (error);
  views = read_file (arguments[1], &bytes);
  for (guint step = 0; step < steps; step++) {
    g_autoptr (SimclrForwardPass) pass =
        simclr_encoder_forward_array (encoder, views, bytes / sizeof (gfloat), &error);
    SimclrTrainingStatistics statistics;

    stop_at (error);
    if (labels > 0)
      label_views (pass, labels);
    simclr_trainer_step (trainer, pass, &statistics, &error);
    stop_at (error);
    g_print ("%.9g\n", statistics.loss);
  }
  simclr_trainer_save (trainer, arguments[3], &error);
  stop_at (error);
}

/* embed PATH OUTPUT PICTURES EMBEDDINGS: raw floats (n, size, size, 3) to raw floats (n, embedding). */
static void
embed (gchar **arguments)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrWeights) weights = simclr_weights_load (arguments[0], &error);
  g_autoptr (SimclrEncoder) encoder = NULL;
  g_autofree gfloat *pictures = NULL, *embeddings = NULL;
  gsize bytes, floats;

  stop_at (error);
  encoder = simclr_encoder_new (weights, SIMCLR_PROVIDER_AUTO, SIMCLR_PRECISION_FLOAT32, 0, &error);
  stop_at (error);
  pictures = read_file (arguments[2], &bytes);
  embeddings = simclr_encoder_encode_array (encoder, pictures, bytes / sizeof (gfloat),
      from_nick (SIMCLR_TYPE_OUTPUT, arguments[1]), &floats, &error);
  stop_at (error);
  g_file_set_contents (
      arguments[3], (const gchar *) embeddings, (gssize) (floats * sizeof (gfloat)), &error);
  stop_at (error);
}

int
main (int argc, char **argv)
{
  if (argc == 7 && g_str_equal (argv[1], "checkpoint")) {
    make_checkpoint (argv + 2);
  } else if (argc == 6 && g_str_equal (argv[1], "embed")) {
    embed (argv + 2);
  } else if (argc >= 7 && g_str_equal (argv[1], "train")) {
    train (argv + 2);
  } else {
    g_printerr ("usage: %s checkpoint ARCHITECTURE WIDTH STEM SIZE PATH\n"
                "       %s embed WEIGHTS OUTPUT PICTURES EMBEDDINGS\n"
                "       %s train CHECKPOINT VIEWS STEPS SAVED PROVIDER [PROPERTY=VALUE ...] "
                "[labels=NUMBER] "
                "[teacher=PATH]\n",
        argv[0], argv[0], argv[0]);
    return 2;
  }
  return 0;
}
