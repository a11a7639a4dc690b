/* A residual encoder f: pictures to representations, for embedding and for training.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/encoder-state-private.h>

#include <simclr/simclr-enum-types.h>
#include <simclr/simclr-error.h>

#include <math.h>

#define DEFAULT_CALIBRATION_FRAMES 32

G_DEFINE_FINAL_TYPE (SimclrEncoder, simclr_encoder, G_TYPE_OBJECT)

enum
{
  PROP_0,
  PROP_WEIGHTS,
  PROP_PROVIDER,
  PROP_PRECISION,
  PROP_THREADS,
  PROP_NICE,
  PROP_CALIBRATION_FRAMES,
};

void
_simclr_encoder_begin_inference (SimclrEncoder *self)
{
  self->inference =
      _simclr_inference_new (self->resnet, self->provider, self->precision, self->parallel);
  _simclr_inference_set_calibration_frames (self->inference, self->calibration_frames);
}

/* What cannot be done while an object is made, for it may fail: before anything is computed. */
gboolean
_simclr_encoder_open (SimclrEncoder *self, GError **error)
{
  if (self->resnet)
    return TRUE;
  if (!self->weights) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_VALUE,
        "this encoder has no weights; they are given when it is made, or by set_weights");
    return FALSE;
  }
  if (!_simclr_provider_choose (&self->provider, &self->precision, error))
    return FALSE;
  self->resnet = _simclr_resnet_new (self->weights->architecture, self->weights->width,
      self->weights->stem, self->weights->input_size, error);
  if (!self->resnet)
    return FALSE;
  self->step = self->weights->step;
  self->parallel = _simclr_parallel_new (self->threads);
  _simclr_parallel_set_nice (self->parallel, self->nice);
  _simclr_encoder_begin_inference (self);
  return TRUE;
}

static void
simclr_encoder_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  SimclrEncoder *self = SIMCLR_ENCODER (object);

  switch (id) {
  case PROP_WEIGHTS:
    self->weights = g_value_dup_boxed (value);
    break;
  case PROP_PROVIDER:
    self->provider = g_value_get_enum (value);
    break;
  case PROP_PRECISION:
    self->precision = g_value_get_enum (value);
    break;
  case PROP_THREADS:
    self->threads = g_value_get_uint (value);
    break;
  case PROP_NICE:
    simclr_encoder_set_nice (self, g_value_get_uint (value));
    break;
  case PROP_CALIBRATION_FRAMES:
    simclr_encoder_set_calibration_frames (self, g_value_get_uint (value));
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
}

static void
simclr_encoder_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  SimclrEncoder *self = SIMCLR_ENCODER (object);

  switch (id) {
  case PROP_WEIGHTS:
    g_value_take_boxed (value, self->weights ? simclr_encoder_get_weights (self) : NULL);
    break;
  case PROP_PROVIDER:
    g_value_set_enum (value, self->provider);
    break;
  case PROP_PRECISION:
    g_value_set_enum (value, self->precision);
    break;
  case PROP_THREADS:
    g_value_set_uint (value, self->threads);
    break;
  case PROP_NICE:
    g_value_set_uint (value, self->nice);
    break;
  case PROP_CALIBRATION_FRAMES:
    g_value_set_uint (value, self->calibration_frames);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
}

static void
simclr_encoder_finalize (GObject *object)
{
  SimclrEncoder *self = SIMCLR_ENCODER (object);

  g_clear_pointer (&self->training, _simclr_training_free);
  g_clear_pointer (&self->crop_resnet, _simclr_resnet_unref);
  g_clear_pointer (&self->inference, _simclr_inference_free);
  g_clear_pointer (&self->head, _simclr_projection_head_free);
  g_clear_pointer (&self->resnet, _simclr_resnet_unref);
  g_clear_pointer (&self->weights, simclr_weights_unref);
  g_clear_pointer (&self->parallel, _simclr_parallel_unref);
  G_OBJECT_CLASS (simclr_encoder_parent_class)->finalize (object);
}

static void
simclr_encoder_class_init (SimclrEncoderClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags once = G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS;

  object_class->set_property = simclr_encoder_set_property;
  object_class->get_property = simclr_encoder_get_property;
  object_class->finalize = simclr_encoder_finalize;

  g_object_class_install_property (object_class, PROP_WEIGHTS,
      g_param_spec_boxed ("weights", "Weights",
          "The weights; they also say architecture, width, stem and input size.",
          SIMCLR_TYPE_WEIGHTS, once));
  g_object_class_install_property (object_class, PROP_PROVIDER,
      g_param_spec_enum ("provider", "Provider", "Who computes convolutions.", SIMCLR_TYPE_PROVIDER,
          SIMCLR_PROVIDER_AUTO, once));
  g_object_class_install_property (object_class, PROP_PRECISION,
      g_param_spec_enum ("precision", "Precision",
          "Number format of activations and of what is multiplied.", SIMCLR_TYPE_PRECISION,
          SIMCLR_PRECISION_AUTO, once));
  g_object_class_install_property (object_class, PROP_THREADS,
      g_param_spec_uint ("threads", "Threads", "Threads that compute; 0: one for each processor.",
          0, G_MAXUINT, 0, once));
  g_object_class_install_property (object_class, PROP_NICE,
      g_param_spec_uint ("nice", "Nice",
          "How much the threads that compute give way to others, as nice(1).", 0, 19, 0,
          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS));
  g_object_class_install_property (object_class, PROP_CALIBRATION_FRAMES,
      g_param_spec_uint ("calibration-frames", "Calibration frames",
          "Pictures that are embedded in another precision first, for precision int8.", 1,
          G_MAXUINT, DEFAULT_CALIBRATION_FRAMES, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS));
}

static void
simclr_encoder_init (SimclrEncoder *self)
{
  self->calibration_frames = DEFAULT_CALIBRATION_FRAMES;
}

/**
 * simclr_encoder_new:
 * @weights: the weights; also say architecture, width, stem and input size
 * @provider: who computes convolutions
 * @precision: number format
 * @threads: threads that compute, 0: one for each processor
 * @error: return location for an error
 *
 * Made with properties instead (g_object_new(), `Simclr.Encoder(weights=...)` in Python), an encoder says what is
 * not to be had when it first computes.
 *
 * Returns: (transfer full): an encoder, or %NULL with @error set when provider or precision are not to be
 *   had here (%SIMCLR_ERROR_UNSUPPORTED)
 */
SimclrEncoder *
simclr_encoder_new (SimclrWeights *weights, SimclrProvider provider, SimclrPrecision precision,
    guint threads, GError **error)
{
  g_autoptr (SimclrEncoder) self = NULL;

  g_return_val_if_fail (weights != NULL, NULL);

  self = g_object_new (SIMCLR_TYPE_ENCODER, "weights", weights, "provider", provider, "precision",
      precision, "threads", threads, NULL);
  if (!_simclr_encoder_open (self, error))
    return NULL;
  return g_steal_pointer (&self);
}

/**
 * simclr_encoder_set_nice:
 * @self: an encoder that is not computing
 * @nice: 0 (the default) to 19
 *
 * Makes the threads that compute give way to others, as nice(1) does for processes. With @nice above 0 the
 * caller's thread does not compute itself, for it could not be made what it was again. It concerns training
 * too, all of it that runs in this encoder's threads. Only on Linux.
 */
void
simclr_encoder_set_nice (SimclrEncoder *self, guint nice)
{
  g_return_if_fail (SIMCLR_IS_ENCODER (self));
  g_return_if_fail (nice <= 19);

  self->nice = nice;
  if (self->parallel)
    _simclr_parallel_set_nice (self->parallel, nice);
}

/**
 * simclr_encoder_set_calibration_frames:
 * @self: an encoder of precision int8
 * @frames: pictures, at least 1
 *
 * How many pictures are embedded in the fastest other precision, for each set of weights, before int8 begins:
 * they say how far each tensor's bytes have to reach. They should be like those that follow. 32 by default;
 * no effect with other precisions. The same pictures in the same order give the same embeddings.
 */
void
simclr_encoder_set_calibration_frames (SimclrEncoder *self, guint frames)
{
  g_return_if_fail (SIMCLR_IS_ENCODER (self));
  g_return_if_fail (frames > 0);

  self->calibration_frames = frames;
  if (self->inference)
    _simclr_inference_set_calibration_frames (self->inference, frames);
}

/**
 * simclr_encoder_is_calibrated:
 * @self: an encoder
 *
 * Returns: whether the next pictures are embedded in int8; %FALSE with other precisions
 */
gboolean
simclr_encoder_is_calibrated (SimclrEncoder *self)
{
  g_return_val_if_fail (SIMCLR_IS_ENCODER (self), FALSE);

  return self->inference && _simclr_inference_is_calibrated (self->inference);
}

gboolean
_simclr_encoder_check_pictures (
    SimclrEncoder *self, const gfloat *pictures, guint n, GError **error)
{
  if (!_simclr_encoder_open (self, error))
    return FALSE;
  if (pictures == NULL || n == 0) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE, "there is no picture to encode");
    return FALSE;
  }
  return TRUE;
}

const gfloat *
_simclr_encoder_current_values (SimclrEncoder *self)
{
  return self->training ? _simclr_training_get_parameters (self->training)->values
                        : self->weights->values;
}

const gfloat *
_simclr_encoder_current_statistics (SimclrEncoder *self)
{
  return self->training ? _simclr_training_get_statistics (self->training)
                        : self->weights->statistics;
}

static void
scale_to_unit_length (gfloat *z, gsize rows, gsize columns)
{
  for (gsize row = 0; row < rows; row++) {
    gfloat *out = z + row * columns;
    gdouble sum = 0;

    for (gsize c = 0; c < columns; c++)
      sum += (gdouble) out[c] * (gdouble) out[c];
    for (gsize c = 0; c < columns; c++)
      out[c] = (gfloat) ((gdouble) out[c] / sqrt (MAX (sum, 1e-12)));
  }
}

static gboolean
project (SimclrEncoder *self, const gfloat *h, guint n, gfloat *z, GError **error)
{
  if (!self->weights->head_layout) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH,
        "these weights have no projection head; only output=representation is to be had");
    return FALSE;
  }
  if (!self->head)
    self->head =
        _simclr_projection_head_new_from (self->weights->head_layout, self->weights->head_values,
            self->weights->head_statistics_layout, self->weights->head_statistics, error);
  if (!self->head || !_simclr_projection_head_infer (self->head, self->parallel, h, n, z, error))
    return FALSE;
  scale_to_unit_length (z, n, _simclr_projection_head_get_output_size (self->head));
  return TRUE;
}

/**
 * simclr_encoder_encode: (skip)
 * @self: an encoder
 * @pictures: floats of shape (n_pictures, size, size, 3), size being the input size, as
 *   simclr_evaluation_view() makes them
 * @n_pictures: how many, at least 1
 * @output: representation, or projection scaled to unit length
 * @embeddings: (out caller-allocates): shaped (n_pictures, embedding size) floats
 * @error: return location for an error
 *
 * Embeds pictures with the running statistics.
 *
 * Returns: %FALSE with @error set on failure (%SIMCLR_ERROR_SHAPE, %SIMCLR_ERROR_MEMORY,
 *   %SIMCLR_ERROR_MISMATCH where a projection is wanted and there is no head)
 */
gboolean
simclr_encoder_encode (SimclrEncoder *self, const gfloat *pictures, guint n_pictures,
    SimclrOutput output, gfloat *embeddings, GError **error)
{
  g_autofree gfloat *made = NULL;
  gfloat *h = embeddings;

  g_return_val_if_fail (SIMCLR_IS_ENCODER (self), FALSE);

  if (!_simclr_encoder_check_pictures (self, pictures, n_pictures, error))
    return FALSE;
  if (output == SIMCLR_OUTPUT_PROJECTION)
    h = made = g_new (gfloat, n_pictures * self->resnet->embedding_size);
  if (!_simclr_inference_run (self->inference, _simclr_encoder_current_values (self),
          _simclr_encoder_current_statistics (self), pictures, n_pictures, h, error))
    return FALSE;
  return output == SIMCLR_OUTPUT_REPRESENTATION || project (self, h, n_pictures, embeddings, error);
}

static gboolean
same_shape (SimclrWeights *a, SimclrWeights *b)
{
  return a->architecture == b->architecture && a->width == b->width && a->stem == b->stem &&
         a->input_size == b->input_size;
}

/**
 * simclr_encoder_set_weights:
 * @self: an encoder
 * @weights: weights of the same architecture, width, stem and input size
 * @error: return location for an error
 *
 * Takes other weights from the next call on. Not while a forward pass is out.
 *
 * Returns: %FALSE with @error set when the shapes differ (%SIMCLR_ERROR_MISMATCH) or a forward pass is
 *   out (%SIMCLR_ERROR_BUSY)
 */
gboolean
simclr_encoder_set_weights (SimclrEncoder *self, SimclrWeights *weights, GError **error)
{
  g_return_val_if_fail (SIMCLR_IS_ENCODER (self), FALSE);
  g_return_val_if_fail (weights != NULL, FALSE);

  if (self->weights && !same_shape (self->weights, weights)) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH,
        "the new weights are for another architecture, width, stem or input size");
    return FALSE;
  }
  if (g_atomic_int_get (&self->pass_is_out)) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_BUSY, "a forward pass is still out");
    return FALSE;
  }
  weights = simclr_weights_ref (weights);
  g_clear_pointer (&self->weights, simclr_weights_unref);
  self->weights = weights;
  self->step = weights->step;
  if (self->inference)
    _simclr_inference_weights_changed (self->inference);
  self->weights_stale = FALSE;
  g_clear_pointer (&self->head, _simclr_projection_head_free);
  if (self->training)
    _simclr_training_set_weights (self->training, weights);
  return TRUE;
}

/**
 * simclr_encoder_get_weights:
 * @self: an encoder
 *
 * Returns: (transfer full) (nullable): the weights as they are now; a copy where training changed them; %NULL
 *   where the encoder was made without
 */
SimclrWeights *
simclr_encoder_get_weights (SimclrEncoder *self)
{
  g_return_val_if_fail (SIMCLR_IS_ENCODER (self), NULL);

  if (!self->weights)
    return NULL;
  if (self->weights_stale) {
    SimclrWeights *snapshot = _simclr_encoder_snapshot (self);

    simclr_weights_unref (self->weights);
    self->weights = snapshot;
    self->weights_stale = FALSE;
    g_clear_pointer (&self->head, _simclr_projection_head_free);
  }
  return simclr_weights_ref (self->weights);
}

/**
 * simclr_encoder_get_embedding_size:
 * @self: an encoder
 * @output: which embedding
 *
 * Returns: floats of one embedding; 0 for the projection where there is no head, or without weights
 */
guint
simclr_encoder_get_embedding_size (SimclrEncoder *self, SimclrOutput output)
{
  g_return_val_if_fail (SIMCLR_IS_ENCODER (self), 0);

  return self->weights ? simclr_weights_get_embedding_size (self->weights, output) : 0;
}

/**
 * simclr_encoder_get_provider:
 * @self: an encoder
 *
 * Returns: who computes the convolutions, never auto once something was computed
 */
SimclrProvider
simclr_encoder_get_provider (SimclrEncoder *self)
{
  g_return_val_if_fail (SIMCLR_IS_ENCODER (self), SIMCLR_PROVIDER_AUTO);

  return self->provider;
}

/**
 * simclr_encoder_get_precision:
 * @self: an encoder
 *
 * Returns: the number format, never auto once something was computed
 */
SimclrPrecision
simclr_encoder_get_precision (SimclrEncoder *self)
{
  g_return_val_if_fail (SIMCLR_IS_ENCODER (self), SIMCLR_PRECISION_AUTO);

  return self->precision;
}
