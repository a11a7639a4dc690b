/* Weights to and from safetensors tensors with torchvision's names.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/io/weights-file-parts-private.h>

#include <simclr/io/foreign-names-private.h>
#include <simclr/io/label-list-private.h>
#include <simclr/io/parameter-file-private.h>
#include <simclr/simclr-enum-types.h>
#include <string.h>

const gchar *
_simclr_weights_file_get_nick (GType type, gint value)
{
  g_autoptr (GTypeClass) klass = g_type_class_ref (type);
  GEnumValue *found = g_enum_get_value (G_ENUM_CLASS (klass), value);

  return found != NULL ? found->value_nick : "unknown"; /* static, outlives the class */
}

gboolean
_simclr_weights_file_fail (GError **error, SimclrError code, const gchar *format, ...)
{
  g_autofree gchar *what = NULL;
  va_list arguments;

  va_start (arguments, format);
  what = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error_literal (error, SIMCLR_ERROR, (gint) code, what);
  return FALSE;
}

gboolean
_simclr_weights_file_has_tensor (SimclrSafetensors *file, const gchar *format, ...)
{
  g_autofree gchar *name = NULL;
  va_list arguments;

  va_start (arguments, format);
  name = g_strdup_vprintf (format, arguments);
  va_end (arguments);

  return _simclr_safetensors_lookup (file, name) != NULL;
}

gboolean
_simclr_weights_file_read_number (
    SimclrSafetensors *file, const gchar *key, guint64 max, guint64 *number, GError **error)
{
  const gchar *text = _simclr_safetensors_get_metadata (file, key);

  if (text == NULL || g_ascii_string_to_unsigned (text, 10, 0, max, number, NULL))
    return TRUE;
  return _simclr_weights_file_fail (error, SIMCLR_ERROR_FORMAT,
      "metadata \"%s\" is \"%.100s\", not a number from 0 to %" G_GUINT64_FORMAT, key, text, max);
}

static gboolean
is_known (SimclrWeights *weights, const gchar *name)
{
  return _simclr_parameters_lookup (weights->layout, name) != NULL ||
         _simclr_parameters_lookup (weights->statistics_layout, name) != NULL ||
         (weights->head_layout != NULL &&
             (_simclr_parameters_lookup (weights->head_layout, name) != NULL ||
                 _simclr_parameters_lookup (weights->head_statistics_layout, name) != NULL)) ||
         g_str_has_prefix (name, "optimizer.") || g_str_has_prefix (name, "fc.") ||
         g_str_has_suffix (name, ".num_batches_tracked");
}

SimclrWeights *
_simclr_weights_file_read (SimclrSafetensors *file, GError **error)
{
  g_autoptr (SimclrWeights) weights = NULL;

  if (!_simclr_foreign_names_adapt (file, error))
    return NULL;
  weights = _simclr_weights_file_recognise (file, error);
  if (weights == NULL ||
      !_simclr_parameters_file_read (file, weights->layout, weights->values, error) ||
      !_simclr_parameters_file_read (
          file, weights->statistics_layout, weights->statistics, error) ||
      !_simclr_weights_file_read_head (file, weights, error) ||
      !_simclr_weights_file_read_classifier (file, weights, error))
    return NULL;

  for (guint i = 0; i < _simclr_safetensors_get_length (file); i++) {
    const gchar *name = _simclr_safetensors_get (file, i)->name;

    if (!is_known (weights, name))
      g_debug ("tensor \"%s\" is not used", name);
  }
  return g_steal_pointer (&weights);
}

/* torch counts the batches that each BatchNorm has seen. */
static void
add_counts (SimclrSafetensorsWriter *writer, SimclrParameters *statistics, guint64 step)
{
  for (guint i = 0; i < _simclr_parameters_get_length (statistics); i++) {
    const SimclrParameter *parameter = _simclr_parameters_get (statistics, i);
    g_autofree gchar *module = g_strdup (parameter->name);
    g_autofree gchar *name = NULL;

    if (parameter->kind != SIMCLR_PARAMETER_MEAN)
      continue;
    *strrchr (module, '.') = '\0';
    name = g_strconcat (module, ".num_batches_tracked", NULL);
    _simclr_safetensors_writer_add_scalar (writer, name, (gint64) MIN (step, G_MAXINT64));
  }
}

static void
add_metadata (SimclrSafetensorsWriter *writer, SimclrWeights *weights)
{
  gchar width[G_ASCII_DTOSTR_BUF_SIZE];
  g_autofree gchar *input_size = g_strdup_printf ("%u", weights->input_size);
  g_autofree gchar *step = g_strdup_printf ("%" G_GUINT64_FORMAT, weights->step);
  g_autofree gchar *seed = g_strdup_printf ("%" G_GUINT64_FORMAT, weights->seed);
  const struct
  {
    const gchar *key;
    const gchar *value;
  } metadata[] = {
      {"format", SIMCLR_WEIGHTS_FILE_FORMAT},
      {"version", SIMCLR_WEIGHTS_FILE_VERSION},
      {"architecture",
          _simclr_weights_file_get_nick (SIMCLR_TYPE_ARCHITECTURE, weights->architecture)},
      {"width", g_ascii_dtostr (width, sizeof width, weights->width)},
      {"stem", _simclr_weights_file_get_nick (SIMCLR_TYPE_STEM, weights->stem)},
      {"input_size", input_size},
      {"normalization",
          _simclr_weights_file_get_nick (SIMCLR_TYPE_NORMALIZATION, weights->normalization)},
      {"step", step},
      {"seed", seed},
      {"name", weights->name},
  };

  for (guint i = 0; i < G_N_ELEMENTS (metadata); i++) {
    if (metadata[i].value != NULL)
      _simclr_safetensors_writer_set_metadata (writer, metadata[i].key, metadata[i].value);
  }
}

static void
add_classifier (SimclrSafetensorsWriter *writer, SimclrWeights *weights)
{
  g_autofree gchar *labels = _simclr_label_list_to_json (
      (const gchar *const *) weights->labels, g_strv_length (weights->labels));
  g_autofree gchar *layer = g_strdup_printf ("%u", weights->head_layer);

  _simclr_parameters_file_add (writer, weights->classifier_layout, weights->classifier_values);
  _simclr_safetensors_writer_set_metadata (writer, "labels", labels);
  _simclr_safetensors_writer_set_metadata (writer, "head_layer", layer);
}

void
_simclr_weights_file_add (SimclrSafetensorsWriter *writer, SimclrWeights *weights)
{
  add_metadata (writer, weights);
  _simclr_parameters_file_add (writer, weights->layout, weights->values);
  _simclr_parameters_file_add (writer, weights->statistics_layout, weights->statistics);
  add_counts (writer, weights->statistics_layout, weights->step);
  if (weights->classifier_layout != NULL)
    add_classifier (writer, weights);
  if (weights->head_layout == NULL)
    return;
  _simclr_parameters_file_add (writer, weights->head_layout, weights->head_values);
  _simclr_parameters_file_add (writer, weights->head_statistics_layout, weights->head_statistics);
  add_counts (writer, weights->head_statistics_layout, weights->step);
}

/**
 * simclr_weights_load:
 * @path: (type filename): a safetensors file
 * @error: return location for an error
 *
 * Reads weights that simclr_weights_save() or a trainer's checkpoint wrote, or the state dict of a
 * torchvision resnet18, 34, 50, 101 or 152, alone or as the encoder inside a model: of sthalles/SimCLR,
 * Spijkervet/SimCLR, lightly, solo-learn, SupContrast, leftthomas/SimCLR and others that keep torchvision's
 * names behind a prefix or put the modules into a sequence. A first kernel of 3 is taken for the cifar stem.
 * Such files say nothing of the input size (taken to be 224, or 32 with the cifar stem) and the
 * normalisation (taken to be none); simclr_weights_adapt() and the properties of simclrencoder change both.
 * Of projection heads only lightly's with BatchNorm is read, with the shift of its last BatchNorm. `fc.weight` and `fc.bias` are the linear layer
 * over labels of a fine-tuned encoder (or of torchvision's models).
 *
 * Returns: (transfer full) (nullable): the weights, or %NULL with @error set
 */
SimclrWeights *
simclr_weights_load (const gchar *path, GError **error)
{
  g_autoptr (SimclrSafetensors) file = NULL;
  SimclrWeights *weights;

  g_return_val_if_fail (path != NULL, NULL);

  file = _simclr_safetensors_open (path, error);
  if (file == NULL)
    return NULL;
  weights = _simclr_weights_file_read (file, error);
  if (weights == NULL)
    g_prefix_error (error, "\"%s\": ", path);
  return weights;
}

/**
 * simclr_weights_save:
 * @self: weights
 * @path: (type filename): where to write
 * @error: return location for an error
 *
 * Writes a safetensors file with torchvision's names, which torch's load_state_dict() takes. The file
 * appears as a whole or, on an error, not at all; an existing one is replaced.
 *
 * Returns: %TRUE, or %FALSE with @error set
 */
gboolean
simclr_weights_save (SimclrWeights *self, const gchar *path, GError **error)
{
  g_autoptr (SimclrSafetensorsWriter) writer = NULL;

  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (path != NULL, FALSE);

  writer = _simclr_safetensors_writer_new ();
  _simclr_weights_file_add (writer, self);
  return _simclr_safetensors_writer_write (writer, path, error);
}
