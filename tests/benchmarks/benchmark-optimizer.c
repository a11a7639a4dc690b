/* One optimizer step over the parameters of an encoder: milliseconds, and the rate at which memory moves.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/weights-private.h>
#include <simclr/train/optimizer-private.h>

#include "benchmark.h"

typedef struct
{
  SimclrParallel *team;
  SimclrParameterSet set;
  SimclrOptimizerState *state;
} Run;

static void
step (gpointer data)
{
  Run *run = data;

  _simclr_optimizer_step (run->state, run->team, 1e-6);
}

static void
sum (gpointer data)
{
  Run *run = data;
  volatile gdouble result = _simclr_gradient_sum_of_squares (run->team, &run->set);

  (void) result;
}

/* streams: floats read or written for each parameter */
static void
report (Run *run, const gchar *name, void (*call) (gpointer data), guint streams, gdouble seconds)
{
  Timing timing = time_calls (call, run, seconds);
  gdouble bytes = (gdouble) _simclr_parameters_get_floats (run->set.layout) * streams * 4;
  g_autofree gchar *rate =
      g_strdup_printf (", \"gigabytes-per-second\": %.3g", bytes / timing.median / 1e9);

  print_figure (name, 1e3 * timing.median, 1e3 * timing.lowest, 1e3 * timing.highest, "ms",
      _simclr_parallel_get_threads (run->team), "none", "float32", rate);
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const gchar *name;
    SimclrOptimizer method;
    guint streams;
  } methods[] = {
      {"optimizer-lars", SIMCLR_OPTIMIZER_LARS, 7}, /* w, g for the norms; w, v twice and g */
      {"optimizer-sgd", SIMCLR_OPTIMIZER_SGD, 5},
      {"optimizer-adamw", SIMCLR_OPTIMIZER_ADAMW, 7},
  };
  Options o = parse_options (argc, argv, "Optimizer steps and the gradient's norm.");
  g_autoptr (SimclrParallel) team = _simclr_parallel_new ((guint) o.threads);
  g_autoptr (SimclrWeights) weights =
      simclr_weights_new_random (from_nick (SIMCLR_TYPE_ARCHITECTURE, o.architecture), o.width,
          SIMCLR_STEM_CIFAR, 32, 1, NULL);
  g_autofree gfloat *gradients = new_noise (_simclr_parameters_get_floats (weights->layout));
  Run run = {team, {weights->layout, weights->values, gradients}, NULL};

  for (guint i = 0; i < G_N_ELEMENTS (methods); i++) {
    SimclrOptimizerSettings settings = {methods[i].method, 0.9, 1e-4, 1e-3};

    run.state = _simclr_optimizer_new (&settings, &run.set);
    report (&run, methods[i].name, step, methods[i].streams, o.seconds / 4);
    _simclr_optimizer_free (run.state);
  }
  report (&run, "optimizer-gradient-norm", sum, 1, o.seconds / 4);
  return 0;
}
