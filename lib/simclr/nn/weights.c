/* The weights of an encoder: immutable, counted, shared between threads.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/weights-private.h>

#include <simclr/simclr-error.h>
#include <simclr/base/multiversion-private.h>
#include <simclr/base/random-private.h>
#include <simclr/nn/resnet-private.h>
#include <math.h>
#include <string.h>

/**
 * SimclrWeights:
 *
 * The weights of a residual encoder, with its running statistics and, where training left them, its
 * projection head and its linear layer over labels. Immutable once made, so any number of threads may read one at the same time.
 */
G_DEFINE_BOXED_TYPE (SimclrWeights, simclr_weights, simclr_weights_ref, simclr_weights_unref)

/* The deviation of a standard normal that is cut at two deviations. */
#define TRUNCATED_DEVIATION 0.87962566103423978

SimclrWeights *
_simclr_weights_new (SimclrArchitecture architecture, gdouble width, SimclrStem stem,
    guint input_size, GError **error)
{
  g_autoptr (SimclrResnet) resnet = NULL;
  SimclrWeights *self;

  if (input_size == 0)
    input_size = stem == SIMCLR_STEM_CIFAR ? 32 : 224;
  if (stem == SIMCLR_STEM_AUTO)
    stem = input_size <= 32 ? SIMCLR_STEM_CIFAR : SIMCLR_STEM_IMAGENET;
  resnet = _simclr_resnet_new (architecture, width, stem, input_size, error);
  if (!resnet)
    return NULL;

  self = g_new0 (SimclrWeights, 1);
  g_atomic_ref_count_init (&self->references);
  self->architecture = architecture;
  self->width = width;
  self->stem = stem;
  self->input_size = input_size;
  self->normalization = SIMCLR_NORMALIZATION_NONE;
  self->layout = _simclr_parameters_ref (resnet->layout);
  self->values = g_new0 (gfloat, _simclr_parameters_get_floats (self->layout));
  self->statistics_layout = _simclr_parameters_ref (resnet->statistics_layout);
  self->statistics = g_new0 (gfloat, _simclr_parameters_get_floats (self->statistics_layout));
  return self;
}

/* tf.keras.initializers.VarianceScaling (): truncated normal, variance 1 / fan in (resnet.py). */
static void
fill_convolution (gfloat *floats, const SimclrParameter *parameter, guint number, guint64 seed)
{
  gdouble fan_in = (gdouble) (parameter->count / parameter->shape[0]);
  gdouble deviation = 1 / sqrt (fan_in) / TRUNCATED_DEVIATION;

  for (gsize i = 0; i < parameter->count; i++)
    floats[parameter->offset + i] = (gfloat) (deviation * _simclr_random_truncated_normal (seed,
                                                              SIMCLR_STREAM_WEIGHTS | number, i));
}

/* The last BatchNorm of a block starts at zero, so that every block starts as the identity
 * (resnet.py, init_zero). */
static gboolean
ends_block (const SimclrResnet *resnet, guint scale)
{
  for (guint i = 0; i < resnet->layers->len; i++) {
    const SimclrLayer *layer = _simclr_resnet_get_layer (resnet, i);

    if (layer->kind == SIMCLR_LAYER_CONVOLUTION && layer->scale == scale)
      return layer->residual != 0;
  }
  return FALSE;
}

/**
 * simclr_weights_new_random:
 * @architecture: which ResNet
 * @width: multiplier of all channel counts, above 0 and at most 16; fractions are allowed
 * @stem: first layers; auto is cifar for inputs of at most 32 pixels, else imagenet
 * @input_size: height and width of the pictures in pixels; 0: 32 with the cifar stem, else 224
 * @seed: seed of the random numbers
 * @error: return location for an error
 *
 * Makes untrained weights as the official code does: convolutions truncated normal with variance
 * 1 / fan-in, BatchNorm scales one, zero in the last of each block. The same seed gives the same
 * weights.
 *
 * Returns: (transfer full): the weights, or %NULL with @error set (%SIMCLR_ERROR_VALUE)
 */
SimclrWeights *
simclr_weights_new_random (SimclrArchitecture architecture, gdouble width, SimclrStem stem,
    guint input_size, guint64 seed, GError **error)
{
  g_autoptr (SimclrResnet) resnet = NULL;
  SimclrWeights *self = _simclr_weights_new (architecture, width, stem, input_size, error);

  if (!self)
    return NULL;
  resnet = _simclr_resnet_new (architecture, width, self->stem, self->input_size, NULL);
  self->seed = seed;
  for (guint i = 0; i < _simclr_parameters_get_length (self->layout); i++) {
    const SimclrParameter *parameter = _simclr_parameters_get (self->layout, i);

    if (parameter->kind == SIMCLR_PARAMETER_WEIGHT)
      fill_convolution (self->values, parameter, i, seed);
    else if (parameter->kind == SIMCLR_PARAMETER_SCALE)
      _simclr_parameter_fill (parameter, self->values, ends_block (resnet, i) ? 0 : 1);
  }
  for (guint i = 0; i < _simclr_parameters_get_length (self->statistics_layout); i++) {
    const SimclrParameter *parameter = _simclr_parameters_get (self->statistics_layout, i);

    _simclr_parameter_fill (
        parameter, self->statistics, parameter->kind == SIMCLR_PARAMETER_VARIANCE ? 1 : 0);
  }
  return self;
}

void
_simclr_weights_set_head (SimclrWeights *self, SimclrParameters *layout, const gfloat *values,
    SimclrParameters *statistics_layout, const gfloat *statistics)
{
  g_assert (self->head_layout == NULL);
  self->head_layout = layout;
  self->head_values = g_memdup2 (values, _simclr_parameters_get_floats (layout) * sizeof (gfloat));
  self->head_statistics_layout = statistics_layout;
  self->head_statistics =
      g_memdup2 (statistics, _simclr_parameters_get_floats (statistics_layout) * sizeof (gfloat));
}

SimclrParameters *
_simclr_classifier_layout_new (gsize n_labels, gsize size)
{
  SimclrParameters *layout = _simclr_parameters_new ();
  const gsize shape[2] = {n_labels, size};

  _simclr_parameters_add (layout, "fc.weight", SIMCLR_PARAMETER_LOGITS, 2, shape);
  _simclr_parameters_add (layout, "fc.bias", SIMCLR_PARAMETER_BIAS, 1, shape);
  return layout;
}

void
_simclr_weights_set_classifier (SimclrWeights *self, SimclrParameters *layout, const gfloat *values,
    guint head_layer, const gchar *const *labels)
{
  g_assert (self->classifier_layout == NULL);
  self->classifier_layout = layout;
  self->classifier_values =
      g_memdup2 (values, _simclr_parameters_get_floats (layout) * sizeof (gfloat));
  self->head_layer = head_layer;
  self->labels = g_strdupv ((gchar **) labels);
}

/**
 * simclr_weights_adapt:
 * @self: weights
 * @input_size: height and width in pixels of the pictures they are to take; 0: as they are
 * @normalization: how pixels are to become input; auto: as they are
 * @error: return location for an error
 *
 * The same weights for pictures of another size or normalisation: a residual encoder takes any size,
 * but is at its best near the one it was trained at.
 *
 * Returns: (transfer full): @self or a copy, or %NULL with @error set (%SIMCLR_ERROR_VALUE)
 */
SimclrWeights *
simclr_weights_adapt (
    SimclrWeights *self, guint input_size, SimclrNormalization normalization, GError **error)
{
  SimclrWeights *copy;

  if (input_size == 0)
    input_size = self->input_size;
  if (normalization == SIMCLR_NORMALIZATION_AUTO)
    normalization = self->normalization;
  if (input_size == self->input_size && normalization == self->normalization)
    return simclr_weights_ref (self);

  copy = _simclr_weights_new (self->architecture, self->width, self->stem, input_size, error);
  if (!copy)
    return NULL;
  copy->normalization = normalization;
  copy->step = self->step;
  copy->seed = self->seed;
  copy->name = g_strdup (self->name);
  memcpy (
      copy->values, self->values, _simclr_parameters_get_floats (self->layout) * sizeof (gfloat));
  memcpy (copy->statistics, self->statistics,
      _simclr_parameters_get_floats (self->statistics_layout) * sizeof (gfloat));
  if (self->head_layout)
    _simclr_weights_set_head (copy, _simclr_parameters_ref (self->head_layout), self->head_values,
        _simclr_parameters_ref (self->head_statistics_layout), self->head_statistics);
  if (self->classifier_layout)
    _simclr_weights_set_classifier (copy, _simclr_parameters_ref (self->classifier_layout),
        self->classifier_values, self->head_layer, (const gchar *const *) self->labels);
  return copy;
}

/**
 * simclr_weights_ref:
 * @self: weights
 *
 * Returns: (transfer full): @self, counted once more
 */
SimclrWeights *
simclr_weights_ref (SimclrWeights *self)
{
  g_atomic_ref_count_inc (&self->references);
  return self;
}

/**
 * simclr_weights_unref:
 * @self: (transfer full): weights
 *
 * Gives up a reference; the last one frees the memory.
 */
void
simclr_weights_unref (SimclrWeights *self)
{
  if (!g_atomic_ref_count_dec (&self->references))
    return;
  _simclr_parameters_unref (self->layout);
  _simclr_parameters_unref (self->statistics_layout);
  g_clear_pointer (&self->head_layout, _simclr_parameters_unref);
  g_clear_pointer (&self->head_statistics_layout, _simclr_parameters_unref);
  g_free (self->values);
  g_free (self->statistics);
  g_free (self->head_values);
  g_free (self->head_statistics);
  g_clear_pointer (&self->classifier_layout, _simclr_parameters_unref);
  g_free (self->classifier_values);
  g_strfreev (self->labels);
  g_free (self->name);
  g_free (self);
}

/**
 * simclr_weights_get_architecture:
 * @self: weights
 *
 * Returns: which ResNet these weights are for
 */
SimclrArchitecture
simclr_weights_get_architecture (SimclrWeights *self)
{
  return self->architecture;
}

/**
 * simclr_weights_get_width:
 * @self: weights
 *
 * Returns: the multiplier of all channel counts
 */
gdouble
simclr_weights_get_width (SimclrWeights *self)
{
  return self->width;
}

/**
 * simclr_weights_get_stem:
 * @self: weights
 *
 * Returns: the stem, never auto
 */
SimclrStem
simclr_weights_get_stem (SimclrWeights *self)
{
  return self->stem;
}

/**
 * simclr_weights_get_input_size:
 * @self: weights
 *
 * Returns: height and width in pixels of the pictures the encoder takes
 */
guint
simclr_weights_get_input_size (SimclrWeights *self)
{
  return self->input_size;
}

/**
 * simclr_weights_get_normalization:
 * @self: weights
 *
 * Returns: how pixels become input, never auto
 */
SimclrNormalization
simclr_weights_get_normalization (SimclrWeights *self)
{
  return self->normalization;
}

/**
 * simclr_weights_get_embedding_size:
 * @self: weights
 * @output: which embedding
 *
 * Returns: floats of one embedding; 0 for the projection of weights without projection head
 */
guint
simclr_weights_get_embedding_size (SimclrWeights *self, SimclrOutput output)
{
  SimclrParameters *table =
      output == SIMCLR_OUTPUT_PROJECTION ? self->head_statistics_layout : self->statistics_layout;
  gsize size = 0;

  /* The last BatchNorm's channels: of the head, or of the last block. */
  if (table)
    size = _simclr_parameters_get (table, _simclr_parameters_get_length (table) - 1)->count;
  return (guint) size;
}

/**
 * simclr_weights_get_labels:
 * @self: weights
 *
 * Returns: (transfer full) (nullable) (array zero-terminated=1): the labels that a fine-tuned encoder tells
 *   apart, in the order of the rows of `fc.weight`; numbers from 0 where the file does not name them; %NULL
 *   where there is no linear layer over labels
 */
gchar **
simclr_weights_get_labels (SimclrWeights *self)
{
  return self->classifier_layout ? g_strdupv (self->labels) : NULL;
}

/**
 * simclr_weights_get_step:
 * @self: weights
 *
 * Returns: training steps that made these weights, 0 for untrained ones
 */
guint64
simclr_weights_get_step (SimclrWeights *self)
{
  return self->step;
}

/* Without a way out, so that it runs at the speed of memory: only infinity and NaN have this exponent. */
SIMCLR_MULTIVERSION
static gboolean
are_finite (const gfloat *restrict values, gsize n)
{
  const guint32 exponent = 0x7f800000;
  guint32 bad = 0;

  for (gsize i = 0; i < n; i++) {
    guint32 bits;

    memcpy (&bits, values + i, sizeof bits);
    bad |= (bits & exponent) == exponent;
  }
  return bad == 0;
}

/**
 * simclr_weights_are_finite:
 * @self: weights
 *
 * Returns: whether all numbers of the encoder and its heads are finite; those of a training run that
 *   diverged are not
 */
gboolean
simclr_weights_are_finite (SimclrWeights *self)
{
  g_return_val_if_fail (self != NULL, FALSE);

  return are_finite (self->values, _simclr_parameters_get_floats (self->layout)) &&
         are_finite (self->statistics, _simclr_parameters_get_floats (self->statistics_layout)) &&
         (self->head_layout == NULL ||
             (are_finite (self->head_values, _simclr_parameters_get_floats (self->head_layout)) &&
                 are_finite (self->head_statistics,
                     _simclr_parameters_get_floats (self->head_statistics_layout)))) &&
         (self->classifier_layout == NULL ||
             are_finite (
                 self->classifier_values, _simclr_parameters_get_floats (self->classifier_layout)));
}
