/* The head of a fine-tuned encoder: layers of the projection head, and a linear layer over labels.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/supervised-head-private.h>

#include <simclr/base/arena-private.h>
#include <simclr/nn/linear-private.h>
#include <simclr/nn/projection-head-private.h>
#include <simclr/simclr-error.h>
#include <string.h>

struct _SimclrSupervisedHead
{
  gsize size; /* floats of the representation */
  gsize in;   /* and of what the linear layer sees */
  gsize n_labels;
  guint layer;
  SimclrProjectionHead *projection; /* NULL: layer 0 */
  SimclrParameterSet parameters;    /* weight (labels, in), bias (labels) */

  gsize rows;           /* that the memory below is for */
  gfloat *logits;       /* (rows, labels) */
  gfloat *features;     /* (rows, in): of inference, or the gradient */
  const gfloat *inputs; /* of the last forward, borrowed */
};

static gsize
bias_offset (SimclrSupervisedHead *self)
{
  return _simclr_parameters_get (self->parameters.layout, 1)->offset;
}

static gboolean
read_projection (SimclrSupervisedHead *self, SimclrWeights *weights, GError **error)
{
  if (self->layer == 0)
    return TRUE;
  if (!weights->head_layout) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH,
        "layer %u of the projection head is wanted, but the encoder's weights have no projection "
        "head; a checkpoint of pretraining has one",
        self->layer);
    return FALSE;
  }
  self->projection = _simclr_projection_head_new_from (weights->head_layout, weights->head_values,
      weights->head_statistics_layout, weights->head_statistics, error);
  if (!self->projection ||
      !_simclr_projection_head_set_depth (self->projection, self->layer, error))
    return FALSE;
  self->in = _simclr_projection_head_get_output_size (self->projection);
  return TRUE;
}

SimclrSupervisedHead *
_simclr_supervised_head_new (
    SimclrWeights *weights, guint head_layer, gsize n_labels, GError **error)
{
  g_autoptr (SimclrSupervisedHead) self = g_new0 (SimclrSupervisedHead, 1);
  gsize bytes;

  self->layer = head_layer;
  self->n_labels = n_labels;
  self->size = self->in = simclr_weights_get_embedding_size (weights, SIMCLR_OUTPUT_REPRESENTATION);
  if (!read_projection (self, weights, error))
    return NULL;
  self->parameters.layout = _simclr_classifier_layout_new (n_labels, self->in);
  bytes = _simclr_parameters_get_floats (self->parameters.layout) * sizeof (gfloat);
  self->parameters.values = _simclr_aligned_alloc (bytes, error);
  if (self->parameters.values)
    self->parameters.gradients = _simclr_aligned_alloc (bytes, error);
  if (!self->parameters.gradients)
    return NULL;
  memset (self->parameters.values, 0, bytes);
  memset (self->parameters.gradients, 0, bytes);
  return g_steal_pointer (&self);
}

SimclrSupervisedHead *
_simclr_supervised_head_new_from (SimclrWeights *weights, GError **error)
{
  g_autoptr (SimclrSupervisedHead) self = NULL;

  if (!weights->classifier_layout) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH,
        "these weights have no linear layer over labels (fc.weight)");
    return NULL;
  }
  self = _simclr_supervised_head_new (
      weights, weights->head_layer, g_strv_length (weights->labels), error);
  if (!self)
    return NULL;
  g_assert (_simclr_parameters_get_floats (self->parameters.layout) ==
            _simclr_parameters_get_floats (weights->classifier_layout));
  memcpy (self->parameters.values, weights->classifier_values,
      _simclr_parameters_get_floats (self->parameters.layout) * sizeof (gfloat));
  return g_steal_pointer (&self);
}

void
_simclr_supervised_head_free (SimclrSupervisedHead *self)
{
  g_clear_pointer (&self->projection, _simclr_projection_head_free);
  g_clear_pointer (&self->parameters.layout, _simclr_parameters_unref);
  _simclr_aligned_free (self->parameters.values);
  _simclr_aligned_free (self->parameters.gradients);
  _simclr_aligned_free (self->logits);
  _simclr_aligned_free (self->features);
  g_free (self);
}

gsize
_simclr_supervised_head_get_n_labels (SimclrSupervisedHead *self)
{
  return self->n_labels;
}

guint
_simclr_supervised_head_get_layer (SimclrSupervisedHead *self)
{
  return self->layer;
}

const SimclrParameterSet *
_simclr_supervised_head_get_parameters (SimclrSupervisedHead *self)
{
  return &self->parameters;
}

const SimclrParameterSet *
_simclr_supervised_head_get_projection (SimclrSupervisedHead *self)
{
  return self->projection ? _simclr_projection_head_get_used (self->projection) : NULL;
}

static gboolean
prepare (SimclrSupervisedHead *self, gsize rows, GError **error)
{
  if (self->rows == rows)
    return TRUE;
  self->rows = 0;
  g_clear_pointer (&self->logits, _simclr_aligned_free);
  g_clear_pointer (&self->features, _simclr_aligned_free);
  self->logits = _simclr_aligned_alloc (rows * self->n_labels * sizeof (gfloat), error);
  if (self->logits)
    self->features = _simclr_aligned_alloc (rows * self->in * sizeof (gfloat), error);
  if (!self->features)
    return FALSE;
  self->rows = rows;
  return TRUE;
}

/* logits (rows, labels) = x weight' + bias */
static void
apply (SimclrSupervisedHead *self, SimclrParallel *parallel, const gfloat *x, gsize rows,
    gfloat *logits)
{
  const gfloat *bias = self->parameters.values + bias_offset (self);

  _simclr_linear_forward (
      parallel, x, self->parameters.values, rows, self->in, self->n_labels, logits);
  for (gsize row = 0; row < rows; row++)
    for (gsize k = 0; k < self->n_labels; k++)
      logits[row * self->n_labels + k] += bias[k];
}

const gfloat *
_simclr_supervised_head_forward (SimclrSupervisedHead *self, SimclrParallel *parallel,
    const gfloat *h, gsize rows, GError **error)
{
  if (!prepare (self, rows, error))
    return NULL;
  self->inputs = self->projection
                     ? _simclr_projection_head_forward (self->projection, parallel, h, rows, error)
                     : h;
  if (!self->inputs)
    return NULL;
  apply (self, parallel, self->inputs, rows, self->logits);
  return self->logits;
}

void
_simclr_supervised_head_backward (
    SimclrSupervisedHead *self, SimclrParallel *parallel, const gfloat *dlogits, gfloat *dh)
{
  gfloat *bias = self->parameters.gradients + bias_offset (self);

  for (gsize k = 0; k < self->n_labels; k++) {
    gdouble sum = 0;

    for (gsize row = 0; row < self->rows; row++)
      sum += (gdouble) dlogits[row * self->n_labels + k];
    bias[k] = (gfloat) sum;
  }
  _simclr_linear_backward (parallel, self->inputs, self->parameters.values, dlogits, self->rows,
      self->in, self->n_labels, self->projection ? self->features : dh, self->parameters.gradients);
  if (self->projection)
    _simclr_projection_head_backward (self->projection, parallel, self->features, dh);
}

void
_simclr_supervised_head_commit (SimclrSupervisedHead *self)
{
  if (self->projection)
    _simclr_projection_head_commit (self->projection);
}

gboolean
_simclr_supervised_head_infer (SimclrSupervisedHead *self, SimclrParallel *parallel,
    const gfloat *h, gsize rows, gfloat *logits, GError **error)
{
  if (!prepare (self, rows, error) ||
      (self->projection && !_simclr_projection_head_infer (
                               self->projection, parallel, h, rows, self->features, error)))
    return FALSE;
  apply (self, parallel, self->projection ? self->features : h, rows, logits);
  return TRUE;
}

void
_simclr_supervised_head_store (
    SimclrSupervisedHead *self, const gchar *const *labels, SimclrWeights *weights)
{
  if (self->projection) {
    const SimclrParameterSet *all = _simclr_projection_head_get_parameters (self->projection);

    _simclr_weights_set_head (weights, _simclr_parameters_ref (all->layout), all->values,
        _simclr_parameters_ref (_simclr_projection_head_get_statistics_layout (self->projection)),
        _simclr_projection_head_get_statistics (self->projection));
  }
  _simclr_weights_set_classifier (weights, _simclr_parameters_ref (self->parameters.layout),
      self->parameters.values, self->layer, labels);
}
