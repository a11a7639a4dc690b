/* A place where training publishes weights and embedding takes the newest.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/model.h>

/**
 * SimclrModel:
 *
 * Hands immutable weights from one thread to others: publishing never waits for a reader, taking never
 * waits for training. All functions may be called from any thread.
 */
struct _SimclrModel
{
  GObject parent;

  GMutex mutex; /* guards both below */
  SimclrWeights *weights;
  guint64 version;
};

G_DEFINE_FINAL_TYPE (SimclrModel, simclr_model, G_TYPE_OBJECT)

static void
simclr_model_finalize (GObject *object)
{
  SimclrModel *self = SIMCLR_MODEL (object);

  g_clear_pointer (&self->weights, simclr_weights_unref);
  g_mutex_clear (&self->mutex);
  G_OBJECT_CLASS (simclr_model_parent_class)->finalize (object);
}

static void
simclr_model_class_init (SimclrModelClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = simclr_model_finalize;
}

static void
simclr_model_init (SimclrModel *self)
{
  g_mutex_init (&self->mutex);
}

/**
 * simclr_model_new:
 *
 * Returns: (transfer full): a model without weights
 */
SimclrModel *
simclr_model_new (void)
{
  return g_object_new (SIMCLR_TYPE_MODEL, NULL);
}

/**
 * simclr_model_publish:
 * @self: a model
 * @weights: weights that readers take from now on
 *
 * Replaces the weights and counts the version up.
 */
void
simclr_model_publish (SimclrModel *self, SimclrWeights *weights)
{
  SimclrWeights *old;

  g_return_if_fail (SIMCLR_IS_MODEL (self));
  g_return_if_fail (weights != NULL);

  g_mutex_lock (&self->mutex);
  old = self->weights;
  self->weights = simclr_weights_ref (weights);
  self->version++;
  g_mutex_unlock (&self->mutex);
  g_clear_pointer (&old, simclr_weights_unref);
}

/**
 * simclr_model_take:
 * @self: a model
 *
 * Returns: (transfer full) (nullable): the newest weights, %NULL before the first were published
 */
SimclrWeights *
simclr_model_take (SimclrModel *self)
{
  SimclrWeights *weights;

  g_return_val_if_fail (SIMCLR_IS_MODEL (self), NULL);

  g_mutex_lock (&self->mutex);
  weights = self->weights ? simclr_weights_ref (self->weights) : NULL;
  g_mutex_unlock (&self->mutex);
  return weights;
}

/**
 * simclr_model_get_version:
 * @self: a model
 *
 * Returns: how often weights were published
 */
guint64
simclr_model_get_version (SimclrModel *self)
{
  guint64 version;

  g_return_val_if_fail (SIMCLR_IS_MODEL (self), 0);

  g_mutex_lock (&self->mutex);
  version = self->version;
  g_mutex_unlock (&self->mutex);
  return version;
}
