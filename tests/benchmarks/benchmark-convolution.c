/* Every provider's convolutions at the shapes of ResNet-18 (CIFAR stem) and ResNet-50, in GFLOP/s.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/convolution-private.h>
#include <simclr/base/arena-private.h>

#include "benchmark.h"

typedef struct
{
  const gchar *name;
  SimclrConvolutionShape shape;
} Case;

static const Case cases[] = {
    {"resnet18-cifar-stem", {32, 32, 32, 3, 64, 3, 1, 1}},
    {"resnet18-cifar-layer1", {32, 32, 32, 64, 64, 3, 1, 1}},
    {"resnet18-cifar-layer2-down", {32, 32, 32, 64, 128, 3, 2, 1}},
    {"resnet18-cifar-layer2", {32, 16, 16, 128, 128, 3, 1, 1}},
    {"resnet18-cifar-layer2-shortcut", {32, 32, 32, 64, 128, 1, 2, 0}},
    {"resnet18-cifar-layer3", {32, 8, 8, 256, 256, 3, 1, 1}},
    {"resnet18-cifar-layer4", {32, 4, 4, 512, 512, 3, 1, 1}},
    {"resnet50-stem", {4, 224, 224, 3, 64, 7, 2, 3}},
    {"resnet50-layer1-reduce", {4, 56, 56, 256, 64, 1, 1, 0}},
    {"resnet50-layer1-3x3", {4, 56, 56, 64, 64, 3, 1, 1}},
    {"resnet50-layer1-expand", {4, 56, 56, 64, 256, 1, 1, 0}},
    {"resnet50-layer2-down", {4, 56, 56, 128, 128, 3, 2, 1}},
    {"resnet50-layer3-reduce", {4, 14, 14, 1024, 256, 1, 1, 0}},
    {"resnet50-layer3-3x3", {4, 14, 14, 256, 256, 3, 1, 1}},
    {"resnet50-layer4-expand", {4, 7, 7, 512, 2048, 1, 1, 0}},
    {"one-layer1", {1, 56, 56, 64, 64, 3, 1, 1}},
    {"one-layer2", {1, 28, 28, 128, 128, 3, 1, 1}},
    {"one-layer3", {1, 14, 14, 256, 256, 3, 1, 1}},
    {"one-layer4-down", {1, 14, 14, 256, 512, 3, 2, 1}},
    {"one-layer4", {1, 7, 7, 512, 512, 3, 1, 1}},
    {"one-layer4-reduce", {1, 7, 7, 2048, 512, 1, 1, 0}},
};

typedef struct
{
  SimclrConvolution *convolution;
  gfloat *x, *w, *y, *dw, *workspace;
} Run;

static void
run_forward (gpointer data)
{
  Run *run = data;

  _simclr_convolution_forward (run->convolution, run->x, run->y, NULL, run->workspace);
}

static void
run_backward_data (gpointer data)
{
  Run *run = data;

  _simclr_convolution_backward_data (run->convolution, run->y, run->x, FALSE, run->workspace);
}

static void
run_backward_weights (gpointer data)
{
  Run *run = data;

  _simclr_convolution_backward_weights (run->convolution, run->x, run->y, run->dw, run->workspace);
}

static gfloat *
new_tensor (gsize floats)
{
  gfloat *tensor = _simclr_aligned_alloc (floats * sizeof (gfloat), NULL);

  for (gsize i = 0; i < floats; i++)
    tensor[i] = (gfloat) (i % 1000) / 1000 - 0.5f;
  return tensor;
}

static void
run_case (const Case *c, SimclrProvider provider, SimclrPrecision precision,
    SimclrParallel *parallel, gdouble seconds)
{
  static const struct
  {
    const gchar *name;
    void (*call) (gpointer data);
  } directions[] = {{"forward", run_forward}, {"backward-data", run_backward_data},
      {"backward-weights", run_backward_weights}};
  const SimclrConvolutionShape *s = &c->shape;
  gsize positions =
      s->images * _simclr_convolution_out_height (s) * _simclr_convolution_out_width (s);
  gsize weights = s->out * s->kernel * s->kernel * s->in;
  gdouble operations = 2.0 * (gdouble) positions * (gdouble) weights;
  g_autoptr (GError) error = NULL;
  SimclrConvolution *convolution = _simclr_convolution_new (provider, s,
      SIMCLR_CONVOLUTION_FORWARD | SIMCLR_CONVOLUTION_BACKWARD_DATA |
          SIMCLR_CONVOLUTION_BACKWARD_WEIGHTS,
      precision, parallel, &error);
  Run run = {convolution};

  if (convolution == NULL)
    g_error ("%s", error->message);
  run.x = new_tensor (s->images * s->height * s->width * s->in);
  run.w = new_tensor (weights);
  run.dw = new_tensor (weights);
  run.y = new_tensor (positions * s->out);
  run.workspace =
      new_tensor (_simclr_convolution_get_workspace (convolution) / sizeof (gfloat) + 1);
  _simclr_convolution_set_weights (convolution, run.w);
  for (guint d = 0; d < G_N_ELEMENTS (directions); d++) {
    Timing timing = time_calls (directions[d].call, &run, seconds);
    g_autofree gchar *name = g_strdup_printf ("convolution-%s-%s", c->name, directions[d].name);

    print_figure (name, operations / timing.median / 1e9, operations / timing.highest / 1e9,
        operations / timing.lowest / 1e9, "GFLOP/s", _simclr_parallel_get_threads (parallel),
        to_nick (SIMCLR_TYPE_PROVIDER, (gint) provider),
        to_nick (SIMCLR_TYPE_PRECISION, (gint) precision), "");
  }
  _simclr_convolution_free (convolution);
  _simclr_aligned_free (run.x);
  _simclr_aligned_free (run.w);
  _simclr_aligned_free (run.dw);
  _simclr_aligned_free (run.y);
  _simclr_aligned_free (run.workspace);
}

int
main (int argc, char **argv)
{
  static const SimclrProvider providers[] = {SIMCLR_PROVIDER_OPENBLAS, SIMCLR_PROVIDER_ONEDNN};
  static const SimclrPrecision precisions[] = {SIMCLR_PRECISION_FLOAT32, SIMCLR_PRECISION_BFLOAT16};
  Options o = parse_options (argc, argv, "Convolutions of every provider that is there.");
  g_autoptr (SimclrParallel) parallel = _simclr_parallel_new ((guint) o.threads);

  for (guint p = 0; p < G_N_ELEMENTS (providers); p++)
    for (guint r = 0; r < G_N_ELEMENTS (precisions); r++) {
      SimclrProvider provider = providers[p];
      SimclrPrecision precision = precisions[r];
      const gboolean wanted =
          (g_str_equal (o.provider, "auto") ||
              g_str_equal (o.provider, to_nick (SIMCLR_TYPE_PROVIDER, (gint) provider))) &&
          (g_str_equal (o.precision, "auto") ||
              g_str_equal (o.precision, to_nick (SIMCLR_TYPE_PRECISION, (gint) precision)));

      if (!wanted || !_simclr_provider_choose (&provider, &precision, NULL))
        continue;
      for (guint c = 0; c < G_N_ELEMENTS (cases); c++)
        run_case (&cases[c], provider, precision, parallel, o.seconds / 10);
    }
  return 0;
}
