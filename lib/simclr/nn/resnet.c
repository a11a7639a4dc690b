/* The plan of a residual network: ResNet-18 to 152, any width, ImageNet or CIFAR stem.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/resnet-private.h>

#include <simclr/simclr-error.h>
#include <math.h>

#define STAGES 4

typedef struct
{
  guint blocks[STAGES];
  gboolean bottleneck;
} Family;

/* He et al., table 1; indexed by SimclrArchitecture. */
static const Family families[] = {
    {{2, 2, 2, 2}, FALSE},
    {{3, 4, 6, 3}, FALSE},
    {{3, 4, 6, 3}, TRUE},
    {{3, 4, 23, 3}, TRUE},
    {{3, 8, 36, 3}, TRUE},
};

static gsize
scale_channels (gsize base, gdouble width)
{
  return (gsize) MAX (1, llround ((gdouble) base * width));
}

gsize
_simclr_resnet_get_size (const SimclrResnet *self, guint tensor)
{
  const SimclrLayer *layer;

  if (tensor == 0)
    return self->input_size;
  layer = _simclr_resnet_get_layer (self, tensor - 1);
  return _simclr_convolution_out_height (&layer->shape);
}

gsize
_simclr_resnet_get_channels (const SimclrResnet *self, guint tensor)
{
  return tensor == 0 ? 3 : _simclr_resnet_get_layer (self, tensor - 1)->shape.out;
}

gsize
_simclr_resnet_get_floats (const SimclrResnet *self, guint tensor)
{
  gsize size = _simclr_resnet_get_size (self, tensor);

  return size * size * _simclr_resnet_get_channels (self, tensor);
}

static guint
add_vector (SimclrParameters *table, const gchar *prefix, const gchar *name,
    SimclrParameterKind kind, gsize channels)
{
  g_autofree gchar *full = g_strconcat (prefix, name, NULL);

  return _simclr_parameters_add (table, full, kind, 1, &channels);
}

/* Appends convolution + BatchNorm with torchvision's names; returns its output tensor. */
static guint
add_convolution (SimclrResnet *self, const gchar *convolution, const gchar *norm, guint input,
    gsize out, gsize kernel, gsize stride, guint residual, gboolean relu)
{
  gsize size = _simclr_resnet_get_size (self, input);
  SimclrLayer layer = {.kind = SIMCLR_LAYER_CONVOLUTION,
      .input = input,
      .residual = residual,
      .relu = relu,
      .shape = {0, size, size, _simclr_resnet_get_channels (self, input), out, kernel, stride,
          kernel / 2}};
  const gsize shape[4] = {out, layer.shape.in, kernel, kernel};
  g_autofree gchar *weight = g_strconcat (convolution, ".weight", NULL);

  layer.weight = _simclr_parameters_add (self->layout, weight, SIMCLR_PARAMETER_WEIGHT, 4, shape);
  layer.scale = add_vector (self->layout, norm, ".weight", SIMCLR_PARAMETER_SCALE, out);
  layer.shift = add_vector (self->layout, norm, ".bias", SIMCLR_PARAMETER_SHIFT, out);
  layer.mean =
      add_vector (self->statistics_layout, norm, ".running_mean", SIMCLR_PARAMETER_MEAN, out);
  layer.variance =
      add_vector (self->statistics_layout, norm, ".running_var", SIMCLR_PARAMETER_VARIANCE, out);
  g_array_append_val (self->layers, layer);
  return self->layers->len;
}

static guint
add_max_pool (SimclrResnet *self, guint input)
{
  gsize size = _simclr_resnet_get_size (self, input);
  gsize channels = _simclr_resnet_get_channels (self, input);
  SimclrLayer layer = {.kind = SIMCLR_LAYER_MAX_POOL,
      .input = input,
      .shape = {0, size, size, channels, channels, 3, 2, 1}};

  g_array_append_val (self->layers, layer);
  return self->layers->len;
}

/* One residual block; the shortcut is projected where size or channels change. */
static guint
add_block (SimclrResnet *self, guint stage, guint block, guint input, gsize inner, gsize outer,
    gsize stride, gboolean bottleneck)
{
  const guint convolutions = bottleneck ? 3 : 2;
  guint tensor = input, residual = input;

  for (guint i = 1; i <= convolutions; i++) {
    g_autofree gchar *convolution = g_strdup_printf ("layer%u.%u.conv%u", stage, block, i);
    g_autofree gchar *norm = g_strdup_printf ("layer%u.%u.bn%u", stage, block, i);
    const gboolean last = i == convolutions;
    const gboolean wide = !bottleneck || i == 2; /* 3x3 */
    const gboolean strided = bottleneck ? i == 2 : i == 1;

    if (last && (stride != 1 || _simclr_resnet_get_channels (self, input) != outer)) {
      g_autofree gchar *shortcut = g_strdup_printf ("layer%u.%u.downsample.0", stage, block);
      g_autofree gchar *shortcut_norm = g_strdup_printf ("layer%u.%u.downsample.1", stage, block);

      residual = add_convolution (self, shortcut, shortcut_norm, input, outer, 1, stride, 0, FALSE);
    }
    tensor = add_convolution (self, convolution, norm, tensor, last ? outer : inner, wide ? 3 : 1,
        strided ? stride : 1, last ? residual : 0, TRUE);
  }
  return tensor;
}

SimclrResnet *
_simclr_resnet_new (SimclrArchitecture architecture, gdouble width, SimclrStem stem,
    gsize input_size, GError **error)
{
  g_autoptr (SimclrResnet) self = NULL;
  const Family *family;
  guint tensor;

  g_return_val_if_fail (stem != SIMCLR_STEM_AUTO, NULL);
  if ((guint) architecture >= G_N_ELEMENTS (families) || !(width > 0) || width > 16 ||
      input_size == 0 || input_size > 16384) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_VALUE,
        "architecture %d, width %g and input size %" G_GSIZE_FORMAT
        " are no encoder: the width goes up to 16, the input size from 1 to 16384",
        (gint) architecture, width, input_size);
    return NULL;
  }

  family = &families[architecture];
  self = g_new0 (SimclrResnet, 1);
  g_atomic_ref_count_init (&self->references);
  self->layers = g_array_new (FALSE, FALSE, sizeof (SimclrLayer));
  self->layout = _simclr_parameters_new ();
  self->statistics_layout = _simclr_parameters_new ();
  self->input_size = input_size;

  tensor = add_convolution (self, "conv1", "bn1", 0, scale_channels (64, width),
      stem == SIMCLR_STEM_CIFAR ? 3 : 7, stem == SIMCLR_STEM_CIFAR ? 1 : 2, 0, TRUE);
  if (stem == SIMCLR_STEM_IMAGENET)
    tensor = add_max_pool (self, tensor);
  for (guint stage = 0; stage < STAGES; stage++) {
    gsize inner = scale_channels ((gsize) 64 << stage, width);
    gsize outer = family->bottleneck ? inner * 4 : inner;

    for (guint block = 0; block < family->blocks[stage]; block++)
      tensor = add_block (self, stage + 1, block, tensor, inner, outer,
          stage > 0 && block == 0 ? 2 : 1, family->bottleneck);
  }
  self->embedding_size = _simclr_resnet_get_channels (self, tensor);
  return g_steal_pointer (&self);
}

SimclrResnet *
_simclr_resnet_ref (SimclrResnet *self)
{
  g_atomic_ref_count_inc (&self->references);
  return self;
}

void
_simclr_resnet_unref (SimclrResnet *self)
{
  if (!g_atomic_ref_count_dec (&self->references))
    return;
  g_array_unref (self->layers);
  _simclr_parameters_unref (self->layout);
  _simclr_parameters_unref (self->statistics_layout);
  g_free (self);
}
