/* The encoder in training: forward passes, the master weights, and what the trainer asks of it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/encoder-state-private.h>

#include <simclr/nn/forward-pass-private.h>
#include <simclr/simclr-error.h>

#include <string.h>

/**
 * simclr_encoder_set_microbatch_size:
 * @self: an encoder
 * @pairs: pairs that go through the network at a time when training; 0: the whole batch
 *
 * Lets a batch be larger than memory has room for (GradCache): [method@Encoder.forward] then keeps no
 * activations, and [method@ForwardPass.backward] computes each microbatch again. The gradient is that of
 * the loss over the whole batch; only the statistics of BatchNorm are each microbatch's own, and enter the
 * running ones once for each. Microbatches are of as equal a size as can be; one that divides the batch
 * takes the least memory. From the next forward pass on.
 */
void
simclr_encoder_set_microbatch_size (SimclrEncoder *self, guint pairs)
{
  g_return_if_fail (SIMCLR_IS_ENCODER (self));

  self->microbatch = pairs;
}

gboolean
_simclr_encoder_count_pictures (SimclrEncoder *self, gsize floats, guint *n, GError **error)
{
  gsize picture, count;

  if (!_simclr_encoder_open (self, error))
    return FALSE;
  picture = _simclr_resnet_get_floats (self->resnet, 0);
  count = floats / picture;
  if (count == 0 || floats % picture != 0 || count > G_MAXUINT) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE,
        "%" G_GSIZE_FORMAT " floats are no whole number of %" G_GSIZE_FORMAT "x%" G_GSIZE_FORMAT
        " pictures of three colours",
        floats, self->resnet->input_size, self->resnet->input_size);
    return FALSE;
  }
  *n = (guint) count;
  return TRUE;
}

void
_simclr_encoder_set_frozen (SimclrEncoder *self, gboolean frozen)
{
  self->frozen = frozen;
}

/* Weights of the same description as those of the encoder, all zero. */
static SimclrWeights *
describe (SimclrEncoder *self)
{
  SimclrWeights *old = self->weights;
  SimclrWeights *copy =
      _simclr_weights_new (old->architecture, old->width, old->stem, old->input_size, NULL);

  copy->normalization = old->normalization;
  copy->seed = old->seed;
  copy->name = g_strdup (old->name);
  copy->step = self->step;
  return copy;
}

/* Training's master copy is the newest from here on: the weights it began with need not stay beside it. */
static void
let_go_of_weights (SimclrEncoder *self)
{
  SimclrWeights *description = describe (self);

  g_clear_pointer (&description->values, g_free);
  g_clear_pointer (&description->statistics, g_free);
  simclr_weights_unref (self->weights);
  self->weights = description;
  self->weights_stale = TRUE;
}

static gboolean
check_trainable (SimclrEncoder *self, GError **error)
{
  if (self->precision == SIMCLR_PRECISION_INT8)
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_UNSUPPORTED,
        "precision int8 only embeds; train with precision auto, float32 or bfloat16");
  return self->precision != SIMCLR_PRECISION_INT8;
}

static gboolean
begin_training (SimclrEncoder *self, GError **error)
{
  if (!self->training) {
    self->training = _simclr_training_new (
        self->resnet, self->provider, self->precision, self->parallel, self->weights, error);
    if (self->training && !self->weights->head_layout) /* a head is good until the first step */
      let_go_of_weights (self);
  }
  if (!self->training)
    return FALSE;
  _simclr_training_set_microbatch (self->training, self->microbatch);
  _simclr_training_set_frozen (self->training, self->frozen);
  return TRUE;
}

/* The same network for pictures of the crops' size; a crop_size of 0: no crops. */
static gboolean
begin_crops (SimclrEncoder *self, guint crops_per_pair, guint crop_size, GError **error)
{
  SimclrWeights *weights = self->weights;

  if (self->crop_resnet && self->crop_resnet->input_size != crop_size)
    g_clear_pointer (&self->crop_resnet, _simclr_resnet_unref);
  if (!self->crop_resnet && crop_size > 0) {
    self->crop_resnet =
        _simclr_resnet_new (weights->architecture, weights->width, weights->stem, crop_size, error);
    if (!self->crop_resnet)
      return FALSE;
  }
  _simclr_training_set_crops (self->training, self->crop_resnet, crops_per_pair);
  return TRUE;
}

static gboolean
begin_pass (SimclrEncoder *self, GError **error)
{
  if (g_atomic_int_compare_and_exchange (&self->pass_is_out, FALSE, TRUE))
    return TRUE;
  g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_BUSY,
      "a forward pass is still out; it has to come back before the next");
  return FALSE;
}

/* crops NULL: none. */
static SimclrForwardPass *
forward (SimclrEncoder *self, const gfloat *views, guint n_views, const gfloat *crops,
    guint crops_per_pair, guint crop_size, GError **error)
{
  const gfloat *embeddings = NULL;

  if (!_simclr_encoder_check_pictures (self, views, n_views, error) ||
      !check_trainable (self, error) || !begin_pass (self, error))
    return NULL;
  if (begin_training (self, error) && begin_crops (self, crops_per_pair, crop_size, error))
    embeddings = _simclr_training_forward (self->training, views, n_views, crops, error);
  if (!embeddings) {
    g_atomic_int_set (&self->pass_is_out, FALSE);
    return NULL;
  }
  return _simclr_forward_pass_new (self, n_views, crops_per_pair, embeddings);
}

/**
 * simclr_encoder_forward: (skip)
 * @self: an encoder
 * @views: floats of shape (n_views, size, size, 3)
 * @n_views: how many, two for each pair: rows a0 b0 a1 b1 ...
 * @error: return location for an error
 *
 * Embeds a batch with its own statistics and keeps what going backward needs.
 *
 * Returns: (transfer full): the forward pass, or %NULL with @error set (%SIMCLR_ERROR_BUSY while another
 *   is out, %SIMCLR_ERROR_SHAPE, %SIMCLR_ERROR_MEMORY, %SIMCLR_ERROR_UNSUPPORTED with precision int8)
 */
SimclrForwardPass *
simclr_encoder_forward (SimclrEncoder *self, const gfloat *views, guint n_views, GError **error)
{
  g_return_val_if_fail (SIMCLR_IS_ENCODER (self), NULL);

  return forward (self, views, n_views, NULL, 0, 0, error);
}

/**
 * simclr_encoder_forward_crops: (skip)
 * @self: an encoder
 * @views: floats of shape (n_views, size, size, 3)
 * @n_views: how many, two for each pair: rows a0 b0 a1 b1 ...
 * @crops: floats of shape (n_views / 2 * crops_per_pair, crop_size, crop_size, 3): the small crops of the first
 *   pair, then those of the second ...
 * @crops_per_pair: how many each pair has, at least 1
 * @crop_size: width and height of a crop, in pixels
 * @error: return location for an error
 *
 * Embeds a batch of pairs and the small crops that go with them (multi-crop, Caron et al. 2020, section 3.3). The
 * statistics are those of the views, and of the crops, each for itself.
 *
 * Returns: (transfer full): the forward pass, or %NULL with @error set, as by [method@Encoder.forward]; of an odd
 *   number of views, or crops too small for the network, %SIMCLR_ERROR_SHAPE
 */
SimclrForwardPass *
simclr_encoder_forward_crops (SimclrEncoder *self, const gfloat *views, guint n_views,
    const gfloat *crops, guint crops_per_pair, guint crop_size, GError **error)
{
  g_return_val_if_fail (SIMCLR_IS_ENCODER (self), NULL);
  g_return_val_if_fail (crops != NULL, NULL);
  g_return_val_if_fail (crops_per_pair > 0 && crop_size > 0, NULL);

  if (n_views % 2 != 0) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE,
        "small crops belong to pairs, but there are %u views", n_views);
    return NULL;
  }
  return forward (self, views, n_views, crops, crops_per_pair, crop_size, error);
}

void
_simclr_encoder_backward (SimclrEncoder *self, const gfloat *gradient)
{
  _simclr_training_backward (self->training, gradient);
}

void
_simclr_encoder_pass_returned (SimclrEncoder *self)
{
  g_atomic_int_set (&self->pass_is_out, FALSE);
}

const SimclrParameterSet *
_simclr_encoder_get_parameters (SimclrEncoder *self)
{
  return _simclr_training_get_parameters (self->training);
}

void
_simclr_encoder_get_views (SimclrEncoder *self, gfloat *views)
{
  _simclr_training_get_views (self->training, views);
}

SimclrParallel *
_simclr_encoder_get_parallel (SimclrEncoder *self)
{
  return self->parallel;
}

void
_simclr_encoder_share_parallel (SimclrEncoder *self, SimclrParallel *parallel)
{
  g_assert (self->training == NULL);
  _simclr_inference_free (self->inference);
  _simclr_parallel_unref (self->parallel);
  self->parallel = _simclr_parallel_ref (parallel);
  _simclr_encoder_begin_inference (self);
}

SimclrWeights *
_simclr_encoder_peek_weights (SimclrEncoder *self)
{
  return self->weights;
}

void
_simclr_encoder_commit (SimclrEncoder *self, guint64 step)
{
  _simclr_training_commit (self->training);
  self->step = step;
  _simclr_inference_weights_changed (self->inference);
  if (!self->weights_stale)
    let_go_of_weights (self);
}

SimclrWeights *
_simclr_encoder_snapshot (SimclrEncoder *self)
{
  SimclrWeights *copy = describe (self);

  memcpy (copy->values, _simclr_encoder_current_values (self),
      _simclr_parameters_get_floats (copy->layout) * sizeof (gfloat));
  memcpy (copy->statistics, _simclr_encoder_current_statistics (self),
      _simclr_parameters_get_floats (copy->statistics_layout) * sizeof (gfloat));
  return copy;
}
