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
  const gfloat *embeddings; /* (n_views, embedding size), the encoder's */
  gboolean used;            /* went backward */
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
simclr_forward_pass_class_init (SimclrForwardPassClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = simclr_forward_pass_dispose;
}

static void
simclr_forward_pass_init (SimclrForwardPass *self)
{
}

SimclrForwardPass *
_simclr_forward_pass_new (SimclrEncoder *encoder, guint n_views, const gfloat *embeddings)
{
  SimclrForwardPass *self = g_object_new (SIMCLR_TYPE_FORWARD_PASS, NULL);

  self->encoder = g_object_ref (encoder);
  self->n_views = n_views;
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

/**
 * simclr_forward_pass_get_embeddings:
 * @self: a forward pass
 * @n_floats: (out) (optional): views times the embedding size
 *
 * Returns: (array length=n_floats) (transfer none): the representations h, (views, embedding size) row by
 *   row in the order of the views
 */
const gfloat *
simclr_forward_pass_get_embeddings (SimclrForwardPass *self, gsize *n_floats)
{
  g_return_val_if_fail (SIMCLR_IS_FORWARD_PASS (self), NULL);

  if (n_floats)
    *n_floats = (gsize) self->n_views *
                simclr_encoder_get_embedding_size (self->encoder, SIMCLR_OUTPUT_REPRESENTATION);
  return self->embeddings;
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
  if (n_floats != wanted) {
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
