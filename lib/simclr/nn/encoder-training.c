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
  const gfloat *embeddings;

  g_return_val_if_fail (SIMCLR_IS_ENCODER (self), NULL);

  if (!_simclr_encoder_check_pictures (self, views, n_views, error) ||
      !check_trainable (self, error))
    return NULL;
  if (!g_atomic_int_compare_and_exchange (&self->pass_is_out, FALSE, TRUE)) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_BUSY,
        "a forward pass is still out; it has to come back before the next");
    return NULL;
  }
  embeddings = begin_training (self, error)
                   ? _simclr_training_forward (self->training, views, n_views, error)
                   : NULL;
  if (!embeddings) {
    g_atomic_int_set (&self->pass_is_out, FALSE);
    return NULL;
  }
  return _simclr_forward_pass_new (self, n_views, embeddings);
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
  _simclr_training_get_pictures (self->training, views);
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
