/* One training batch on its way: embeddings forward, gradient back.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/forward-pass-private.h>

#include <simclr/simclr-error.h>

/**
 * SimclrForwardPass:
 *
 * The forward pass of a batch of views through a [class@Encoder], whose activations wait for
 * [method@ForwardPass.backward]. An encoder has one at a time: the next can begin when the last reference
 * to this one is gone. Dropping a pass without going backward is allowed and changes nothing.
 */
struct _SimclrForwardPass
{
  GObject parent;

  SimclrEncoder *encoder;
  guint n_views;
  guint crops_per_pair;
  const gfloat *embeddings; /* (views and then crops, embedding size), the encoder's */
  gboolean used;            /* went backward */
  SimclrViewFacts facts;    /* owned */
};

G_DEFINE_FINAL_TYPE (SimclrForwardPass, simclr_forward_pass, G_TYPE_OBJECT)

static void
simclr_forward_pass_dispose (GObject *object)
{
  SimclrForwardPass *self = SIMCLR_FORWARD_PASS (object);

  if (self->encoder)
    _simclr_encoder_pass_returned (self->encoder);
  g_clear_object (&self->encoder);
  G_OBJECT_CLASS (simclr_forward_pass_parent_class)->dispose (object);
}

static void
simclr_forward_pass_finalize (GObject *object)
{
  SimclrForwardPass *self = SIMCLR_FORWARD_PASS (object);

  g_free (self->facts.times);
  g_free (self->facts.streams);
  g_free (self->facts.labels);
  G_OBJECT_CLASS (simclr_forward_pass_parent_class)->finalize (object);
}

static void
simclr_forward_pass_class_init (SimclrForwardPassClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = simclr_forward_pass_dispose;
  G_OBJECT_CLASS (klass)->finalize = simclr_forward_pass_finalize;
}

static void
simclr_forward_pass_init (SimclrForwardPass *self)
{
}

SimclrForwardPass *
_simclr_forward_pass_new (
    SimclrEncoder *encoder, guint n_views, guint crops_per_pair, const gfloat *embeddings)
{
  SimclrForwardPass *self = g_object_new (SIMCLR_TYPE_FORWARD_PASS, NULL);

  self->encoder = g_object_ref (encoder);
  self->n_views = n_views;
  self->crops_per_pair = crops_per_pair;
  self->embeddings = embeddings;
  return self;
}

/**
 * simclr_forward_pass_get_encoder:
 * @self: a forward pass
 *
 * Returns: (transfer none): the encoder that made it
 */
SimclrEncoder *
simclr_forward_pass_get_encoder (SimclrForwardPass *self)
{
  g_return_val_if_fail (SIMCLR_IS_FORWARD_PASS (self), NULL);

  return self->encoder;
}

/**
 * simclr_forward_pass_get_n_views:
 * @self: a forward pass
 *
 * Returns: views in the batch, two for each pair
 */
guint
simclr_forward_pass_get_n_views (SimclrForwardPass *self)
{
  g_return_val_if_fail (SIMCLR_IS_FORWARD_PASS (self), 0);

  return self->n_views;
}

static gsize
count_rows (SimclrForwardPass *self)
{
  return self->n_views + (gsize) self->n_views / 2 * self->crops_per_pair;
}

/**
 * simclr_forward_pass_get_crops_per_pair:
 * @self: a forward pass
 *
 * Returns: small crops that each pair brought along; 0: none
 */
guint
simclr_forward_pass_get_crops_per_pair (SimclrForwardPass *self)
{
  g_return_val_if_fail (SIMCLR_IS_FORWARD_PASS (self), 0);

  return self->crops_per_pair;
}

/**
 * simclr_forward_pass_get_embeddings:
 * @self: a forward pass
 * @n_floats: (out) (optional): views and small crops times the embedding size
 *
 * Returns: (array length=n_floats) (transfer none): the representations h, (views and then small crops, embedding
 *   size) row by row in the order of the views, and of the crops
 */
const gfloat *
simclr_forward_pass_get_embeddings (SimclrForwardPass *self, gsize *n_floats)
{
  g_return_val_if_fail (SIMCLR_IS_FORWARD_PASS (self), NULL);

  if (n_floats)
    *n_floats = self->encoder ? count_rows (self) * simclr_encoder_get_embedding_size (
                                                        self->encoder, SIMCLR_OUTPUT_REPRESENTATION)
                              : 0;
  return self->embeddings;
}

static gboolean
check_views (SimclrForwardPass *self, guint n_views, GError **error)
{
  if (n_views == self->n_views)
    return TRUE;
  g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE,
      "facts of %u views do not fit a batch of %u", n_views, self->n_views);
  return FALSE;
}

/**
 * simclr_forward_pass_set_times:
 * @self: a forward pass
 * @times: (array length=n_views): when each view's frame was filmed, in nanoseconds; below 0: unknown
 * @n_views: views in the batch
 * @error: return location for an error
 *
 * Says when views were filmed, so that a trainer can keep those of one moment from being negatives of
 * each other ([property@Trainer:exclude-neighbours]). All count as one stream until
 * [method@ForwardPass.set_streams] tells streams apart.
 *
 * Returns: %FALSE with @error set when @n_views does not fit (%SIMCLR_ERROR_SHAPE)
 */
gboolean
simclr_forward_pass_set_times (
    SimclrForwardPass *self, const gint64 *times, guint n_views, GError **error)
{
  g_return_val_if_fail (SIMCLR_IS_FORWARD_PASS (self), FALSE);
  g_return_val_if_fail (times != NULL, FALSE);

  if (!check_views (self, n_views, error))
    return FALSE;
  g_free (self->facts.times);
  self->facts.times = g_memdup2 (times, n_views * sizeof *times);
  g_free (self->facts.streams);
  self->facts.streams = g_new0 (guint32, n_views);
  for (guint i = 0; i < n_views; i++)
    if (times[i] < 0)
      self->facts.streams[i] = SIMCLR_NO_STREAM;
  return TRUE;
}

/**
 * simclr_forward_pass_set_streams:
 * @self: a forward pass whose times were set
 * @streams: (array length=n_views): numbers that tell the streams apart which views come from
 * @n_views: views in the batch
 * @error: return location for an error
 *
 * Says which views come from one camera: only those can be neighbours in time.
 *
 * Returns: %FALSE with @error set when @n_views does not fit (%SIMCLR_ERROR_SHAPE)
 */
gboolean
simclr_forward_pass_set_streams (
    SimclrForwardPass *self, const guint *streams, guint n_views, GError **error)
{
  g_return_val_if_fail (SIMCLR_IS_FORWARD_PASS (self), FALSE);
  g_return_val_if_fail (streams != NULL, FALSE);
  g_return_val_if_fail (self->facts.times != NULL, FALSE);

  if (!check_views (self, n_views, error))
    return FALSE;
  for (guint i = 0; i < n_views; i++)
    self->facts.streams[i] = self->facts.times[i] < 0 ? SIMCLR_NO_STREAM : streams[i];
  return TRUE;
}

/**
 * simclr_forward_pass_set_labels:
 * @self: a forward pass
 * @labels: (array length=n_views): the label of each view, from 0; below 0: unknown
 * @n_views: views in the batch
 * @error: return location for an error
 *
 * Says what views show, for the supervised loss.
 *
 * Returns: %FALSE with @error set when @n_views does not fit (%SIMCLR_ERROR_SHAPE)
 */
gboolean
simclr_forward_pass_set_labels (
    SimclrForwardPass *self, const gint *labels, guint n_views, GError **error)
{
  g_return_val_if_fail (SIMCLR_IS_FORWARD_PASS (self), FALSE);
  g_return_val_if_fail (labels != NULL, FALSE);

  if (!check_views (self, n_views, error))
    return FALSE;
  if (!self->facts.labels)
    self->facts.labels = g_new (gint32, n_views);
  for (guint i = 0; i < n_views; i++)
    self->facts.labels[i] = labels[i] < 0 ? SIMCLR_NO_LABEL : labels[i];
  return TRUE;
}

SimclrViewFacts
_simclr_forward_pass_get_facts (SimclrForwardPass *self)
{
  return self->facts;
}

/**
 * simclr_forward_pass_backward:
 * @self: a forward pass
 * @gradient: (array length=n_floats): gradient of the loss to the embeddings, shaped like them
 * @n_floats: floats of @gradient
 * @error: return location for an error
 *
 * Computes the gradients of all of the encoder's weights. Only once for each pass, for the activations
 * are used up by it.
 *
 * Returns: %FALSE with @error set when the size does not fit (%SIMCLR_ERROR_SHAPE) or the pass went
 *   backward before (%SIMCLR_ERROR_BUSY)
 */
gboolean
simclr_forward_pass_backward (
    SimclrForwardPass *self, const gfloat *gradient, gsize n_floats, GError **error)
{
  gsize wanted = 0;

  g_return_val_if_fail (SIMCLR_IS_FORWARD_PASS (self), FALSE);

  simclr_forward_pass_get_embeddings (self, &wanted);
  if (n_floats != wanted || wanted == 0) { /* none: it was not an encoder that made this object */
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE,
        "a gradient of %" G_GSIZE_FORMAT " floats does not fit embeddings of %" G_GSIZE_FORMAT,
        n_floats, wanted);
    return FALSE;
  }
  if (self->used) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_BUSY,
        "this forward pass went backward before; its activations are used up");
    return FALSE;
  }
  self->used = TRUE;
  _simclr_encoder_backward (self->encoder, gradient);
  return TRUE;
}
