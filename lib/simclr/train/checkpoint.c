/* The trainer's whole state to and from a safetensors file.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/train/trainer-private.h>

#include <simclr/simclr-error.h>
#include <simclr/simclr-enum-types.h>
#include <simclr/io/weights-file-private.h>

static void
set_number (SimclrSafetensorsWriter *writer, const gchar *key, guint64 value)
{
  g_autofree gchar *text = g_strdup_printf ("%" G_GUINT64_FORMAT, value);

  _simclr_safetensors_writer_set_metadata (writer, key, text);
}

static gboolean
get_number (SimclrSafetensors *file, const gchar *key, guint64 *value, GError **error)
{
  const gchar *text = _simclr_safetensors_get_metadata (file, key);

  if (text && g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT64, value, NULL))
    return TRUE;
  g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_FORMAT,
      "training cannot be resumed from it: metadata %s is %s", key, text ? text : "missing");
  return FALSE;
}

static const gchar *
optimizer_nick (SimclrOptimizer method)
{
  g_autoptr (GEnumClass) klass = g_type_class_ref (SIMCLR_TYPE_OPTIMIZER);

  return g_enum_get_value (klass, (gint) method)->value_nick;
}

/**
 * simclr_trainer_save:
 * @self: a trainer
 * @path: (type filename): the file
 * @error: return location for an error
 *
 * Writes encoder, projection head, optimizer state and position as a safetensors file. The write is atomic:
 * whatever happens, @path is the old file or the new one. Before the first step there is nothing to save,
 * but for what simclr_trainer_resume() took up, which is written as it was.
 *
 * Returns: %FALSE with @error set (an I/O error, or %SIMCLR_ERROR_FAILED before the first step)
 */
gboolean
simclr_trainer_save (SimclrTrainer *self, const gchar *path, GError **error)
{
  g_autoptr (SimclrSafetensorsWriter) writer = NULL;
  g_autoptr (SimclrWeights) weights = NULL;

  g_return_val_if_fail (SIMCLR_IS_TRAINER (self), FALSE);
  g_return_val_if_fail (path != NULL, FALSE);

  if (self->resumed_file)
    return _simclr_safetensors_copy (self->resumed_file, path, error);
  if (!self->encoder) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_FAILED,
        "%s: nothing was trained yet, so there is nothing to save", path);
    return FALSE;
  }
  weights = simclr_trainer_get_weights (self);
  writer = _simclr_safetensors_writer_new ();
  _simclr_weights_file_add (writer, weights);
  _simclr_optimizer_save (self->encoder_state, writer);
  if (self->supervision)
    _simclr_supervision_save (self->supervision, writer);
  else
    _simclr_optimizer_save (self->head_state, writer);
  if (self->negatives)
    _simclr_negatives_save (self->negatives, writer);
  if (self->probe)
    _simclr_online_probe_save (self->probe, writer);
  _simclr_safetensors_writer_set_metadata (
      writer, "optimizer", optimizer_nick (self->optimizer.method));
  set_number (writer, "training_step", self->step);
  set_number (writer, "pairs_seen", self->pairs_seen);
  set_number (writer, "skipped_steps", self->skipped);
  return _simclr_safetensors_writer_write (writer, path, error);
}

static gboolean
check_setting (const gchar *property, gsize of_file, gsize of_trainer, GError **error)
{
  if (of_file == of_trainer)
    return TRUE;
  g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH,
      "it was trained with %s=%" G_GSIZE_FORMAT ", not %" G_GSIZE_FORMAT, property, of_file,
      of_trainer);
  return FALSE;
}

static gboolean
check_optimizer (SimclrTrainer *self, SimclrSafetensors *file, GError **error)
{
  const gchar *method = _simclr_safetensors_get_metadata (file, "optimizer");

  if (g_strcmp0 (method, optimizer_nick (self->optimizer.method)) == 0)
    return TRUE;
  g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH,
      "it was trained with optimizer=%s, not %s", method ? method : "(none)",
      optimizer_nick (self->optimizer.method));
  return FALSE;
}

/* projection-hidden=0 means the width of the representation. */
static gboolean
check_head (SimclrTrainer *self, SimclrProjectionHead *head, SimclrWeights *weights, GError **error)
{
  gsize hidden = _simclr_projection_head_get_hidden_size (head);
  gsize wanted = self->projection_hidden;

  if (wanted == 0)
    wanted = simclr_weights_get_embedding_size (weights, SIMCLR_OUTPUT_REPRESENTATION);
  return check_setting ("projection-layers", _simclr_projection_head_get_layers (head),
             self->projection_layers, error) &&
         check_setting (
             "projection-hidden", hidden, self->projection_layers > 1 ? wanted : 0, error) &&
         check_setting ("projection-size", _simclr_projection_head_get_output_size (head),
             self->projection_size, error);
}

static SimclrProjectionHead *
read_head (SimclrTrainer *self, SimclrWeights *weights, GError **error)
{
  g_autoptr (SimclrProjectionHead) head = NULL;

  if (weights->classifier_layout) {
    g_set_error_literal (error, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH,
        "it was fine-tuned on labels, and is resumed with loss=cross-entropy or distillation only");
    return NULL;
  }
  if (!weights->head_layout) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH,
        "training cannot be resumed from it: it has no projection head");
    return NULL;
  }
  head = _simclr_projection_head_new_from (weights->head_layout, weights->head_values,
      weights->head_statistics_layout, weights->head_statistics, error);
  return head && check_head (self, head, weights, error) ? g_steal_pointer (&head) : NULL;
}

/* The linear layer over the same labels, behind the same layer. */
static gboolean
check_classifier (SimclrTrainer *self, SimclrWeights *weights, GError **error)
{
  const SimclrSupervisionSettings settings = _simclr_trainer_get_supervision_settings (self);
  const gchar *const *labels = _simclr_supervision_get_labels (&settings, error);

  if (!labels)
    return FALSE;
  if (!weights->classifier_layout) {
    g_set_error_literal (error, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH,
        "it was not fine-tuned: it has no linear layer over labels (fc.weight)");
    return FALSE;
  }
  if (!check_setting ("head-layer", weights->head_layer, self->head_layer, error))
    return FALSE;
  if (!g_strv_equal (labels, (const gchar *const *) weights->labels)) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH,
        "it was trained on other labels: %u, the first \"%s\", not %u, the first \"%s\"",
        g_strv_length (weights->labels), weights->labels[0], g_strv_length ((gchar **) labels),
        labels[0]);
    return FALSE;
  }
  return TRUE;
}

/* head stays NULL where there is no contrast. */
static gboolean
check_heads (
    SimclrTrainer *self, SimclrWeights *weights, SimclrProjectionHead **head, GError **error)
{
  if (!_simclr_loss_is_contrastive (self->loss))
    return check_classifier (self, weights, error);
  *head = read_head (self, weights, error);
  return *head != NULL;
}

/**
 * simclr_trainer_resume:
 * @self: a trainer that has not taken a step
 * @path: (type filename): a file that simclr_trainer_save() wrote
 * @error: return location for an error
 *
 * Takes up training where the file left it: heads, optimizer state and position. The encoder has
 * to be made from simclr_trainer_get_weights(). Labels and teacher are set before.
 *
 * Returns: %FALSE with @error set when the file is not sound (%SIMCLR_ERROR_FORMAT) or was made with other
 *   settings (%SIMCLR_ERROR_MISMATCH)
 */
gboolean
simclr_trainer_resume (SimclrTrainer *self, const gchar *path, GError **error)
{
  g_autoptr (SimclrSafetensors) file = NULL;
  g_autoptr (SimclrWeights) weights = NULL;
  g_autoptr (SimclrProjectionHead) head = NULL;
  guint64 step, pairs_seen, skipped;

  g_return_val_if_fail (SIMCLR_IS_TRAINER (self), FALSE);
  g_return_val_if_fail (self->encoder == NULL, FALSE);
  g_return_val_if_fail (path != NULL, FALSE);

  file = _simclr_safetensors_open (path, error);
  if (!file)
    return FALSE;
  weights = _simclr_weights_file_read (file, error);
  if (!weights || !check_optimizer (self, file, error) ||
      !check_heads (self, weights, &head, error) ||
      !get_number (file, "training_step", &step, error) ||
      !get_number (file, "pairs_seen", &pairs_seen, error) ||
      !get_number (file, "skipped_steps", &skipped, error)) {
    g_prefix_error (error, "%s: ", path);
    return FALSE;
  }

  g_clear_pointer (&self->head, _simclr_projection_head_free);
  g_clear_pointer (&self->resumed, simclr_weights_unref);
  g_clear_pointer (&self->resumed_file, _simclr_safetensors_free);
  self->head = g_steal_pointer (&head);
  self->resumed = g_steal_pointer (&weights);
  self->resumed_file = g_steal_pointer (&file);
  self->step = step;
  self->pairs_seen = pairs_seen;
  self->skipped = skipped;
  return TRUE;
}
