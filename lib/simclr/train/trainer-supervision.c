/* What a trainer is told of labels and of a teacher.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/train/trainer-private.h>

#include <simclr/simclr-error.h>

/**
 * simclr_trainer_set_labels:
 * @self: a trainer that has not taken a step
 * @labels: (array zero-terminated=1): names of the labels 0, 1, ... of [method@ForwardPass.set_labels]
 *
 * Says what a linear layer is to tell apart with %SIMCLR_LOSS_CROSS_ENTROPY. The names go into the
 * checkpoint.
 */
void
simclr_trainer_set_labels (SimclrTrainer *self, const gchar *const *labels)
{
  g_return_if_fail (SIMCLR_IS_TRAINER (self));
  g_return_if_fail (labels != NULL && *labels != NULL);
  g_return_if_fail (self->encoder == NULL);

  g_strfreev (self->labels);
  self->labels = g_strdupv ((gchar **) labels);
}

/**
 * simclr_trainer_set_teacher:
 * @self: a trainer that has not taken a step
 * @teacher: weights with a linear layer over labels, as %SIMCLR_LOSS_CROSS_ENTROPY leaves them
 * @error: return location for an error
 *
 * Says whose probabilities the encoder is to learn with %SIMCLR_LOSS_DISTILLATION. The teacher may be of any
 * architecture and width; it sees the views that the encoder sees, and stays as it is.
 *
 * Returns: %FALSE with @error set when @teacher has no linear layer over labels (%SIMCLR_ERROR_MISMATCH)
 */
gboolean
simclr_trainer_set_teacher (SimclrTrainer *self, SimclrWeights *teacher, GError **error)
{
  g_return_val_if_fail (SIMCLR_IS_TRAINER (self), FALSE);
  g_return_val_if_fail (teacher != NULL, FALSE);
  g_return_val_if_fail (self->encoder == NULL, FALSE);

  if (!teacher->classifier_layout) {
    g_set_error_literal (error, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH,
        "a teacher is a fine-tuned encoder, but these weights have no linear layer over labels "
        "(fc.weight); loss=cross-entropy makes one");
    return FALSE;
  }
  g_clear_pointer (&self->teacher, simclr_weights_unref);
  self->teacher = simclr_weights_ref (teacher);
  return TRUE;
}

SimclrSupervisionSettings
_simclr_trainer_get_supervision_settings (SimclrTrainer *self)
{
  return (SimclrSupervisionSettings){.loss = self->loss,
      .head_layer = self->head_layer,
      .temperature = self->distillation_temperature,
      .optimizer = self->optimizer,
      .labels = (const gchar *const *) self->labels,
      .teacher = self->teacher};
}
