/* What a classifier was taught, to and from a safetensors file.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/evaluate/classifier-private.h>

#include <simclr/io/label-list-private.h>
#include <simclr/io/parameter-file-private.h>
#include <simclr/simclr-enum-types.h>
#include <simclr/simclr-error.h>
#include <math.h>

#define FORMAT "simclr-classifier"
#define VERSION "1"

static const gchar *
method_nick (SimclrClassifierMethod method)
{
  g_autoptr (GEnumClass) klass = g_type_class_ref (SIMCLR_TYPE_CLASSIFIER_METHOD);

  return g_enum_get_value (klass, (gint) method)->value_nick;
}

static void
add_examples (SimclrSafetensorsWriter *writer, const SimclrExamples *examples)
{
  SimclrRows rows = _simclr_examples_get_rows (examples);
  gsize shape[2] = {rows.count, rows.size};
  gfloat *classes = g_new (gfloat, rows.count);

  for (gsize i = 0; i < rows.count; i++)
    classes[i] = (gfloat) g_array_index (examples->classes, guint32, i);
  _simclr_safetensors_writer_add (writer, "examples", 2, shape, rows.floats);
  _simclr_safetensors_writer_take (writer, "classes", 1, shape, classes);
}

/**
 * simclr_classifier_save:
 * @self: a classifier
 * @path: (type filename): the file
 * @error: return location for an error
 *
 * Writes the examples with their labels, and the fitted linear layer if the method is linear, as a
 * safetensors file: `examples` (n, size), `classes` (n), `reach` (labels, see simclr_classifier_get_novelty()),
 * `weight` (labels, size) and `bias` (labels) as in torch.nn.Linear; the labels as a JSON array in the metadata. The write is atomic: whatever happens, @path
 * is the old file or the new one.
 *
 * Returns: %FALSE with @error set (an I/O error, or one of simclr_classifier_fit())
 */
gboolean
simclr_classifier_save (SimclrClassifier *self, const gchar *path, GError **error)
{
  g_autoptr (SimclrSafetensorsWriter) writer = NULL;
  g_autofree gchar *labels = NULL;
  const SimclrNovelty *novelty;

  g_return_val_if_fail (SIMCLR_IS_CLASSIFIER (self), FALSE);
  g_return_val_if_fail (path != NULL, FALSE);

  if (!_simclr_classifier_check_examples (self, "be written", error) ||
      !simclr_classifier_fit (self, error)) {
    g_prefix_error (error, "\"%s\": ", path);
    return FALSE;
  }
  writer = _simclr_safetensors_writer_new ();
  labels = _simclr_label_list_to_json (
      (const gchar *const *) self->examples->labels->pdata, self->examples->labels->len);
  _simclr_safetensors_writer_set_metadata (writer, "format", FORMAT);
  _simclr_safetensors_writer_set_metadata (writer, "version", VERSION);
  _simclr_safetensors_writer_set_metadata (writer, "method", method_nick (self->method));
  _simclr_safetensors_writer_set_metadata (writer, "labels", labels);
  if (self->encoder != NULL)
    _simclr_safetensors_writer_set_metadata (writer, "encoder", self->encoder);
  add_examples (writer, self->examples);
  novelty = _simclr_classifier_get_novelty (self);
  if (novelty != NULL) {
    const gsize shape[1] = {self->examples->labels->len};

    _simclr_safetensors_writer_add (writer, "reach", 1, shape, novelty->reach);
  }
  if (self->method == SIMCLR_CLASSIFIER_METHOD_LINEAR) {
    gsize shape[2] = {self->probe->n_classes, self->probe->size};

    _simclr_safetensors_writer_add (writer, "weight", 2, shape, self->probe->weight);
    _simclr_safetensors_writer_add (writer, "bias", 1, shape, self->probe->bias);
  }
  return _simclr_safetensors_writer_write (writer, path, error);
}

static gboolean
read_labels (SimclrExamples *examples, SimclrSafetensors *file, GError **error)
{
  g_auto (GStrv) labels =
      _simclr_label_list_from_json (_simclr_safetensors_get_metadata (file, "labels"), error);

  if (labels == NULL)
    return FALSE;
  for (gchar **label = labels; *label != NULL; label++)
    _simclr_examples_add_label (examples, *label);
  return TRUE;
}

/* The tensor of that shape; 0 takes any length. */
static const SimclrSafetensor *
find_tensor (
    SimclrSafetensors *file, const gchar *name, guint n_dims, const guint64 *shape, GError **error)
{
  const SimclrSafetensor *tensor = _simclr_safetensors_lookup (file, name);
  g_autofree gchar *found = NULL;
  gboolean same = tensor != NULL && tensor->n_dims == n_dims;

  for (guint i = 0; same && i < n_dims; i++)
    same = tensor->shape[i] > 0 && (shape[i] == 0 || tensor->shape[i] == shape[i]);
  if (same)
    return tensor;
  if (tensor != NULL)
    found = _simclr_safetensor_describe_shape (tensor);
  _simclr_safetensors_fail (error, "tensor \"%s\" %s%s", name,
      found != NULL ? "does not fit: its shape is " : "is missing", found != NULL ? found : "");
  return NULL;
}

static gfloat *
read_tensor (SimclrSafetensors *file, const SimclrSafetensor *tensor, GError **error)
{
  g_autofree gfloat *floats = g_try_new (gfloat, tensor->count);

  if (floats == NULL) {
    g_set_error (
        error, SIMCLR_ERROR, SIMCLR_ERROR_MEMORY, "no memory for tensor \"%s\"", tensor->name);
    return NULL;
  }
  if (!_simclr_safetensors_read_floats (file, tensor, floats, tensor->count, error))
    return NULL;
  return g_steal_pointer (&floats);
}

static gboolean
read_examples (SimclrExamples *examples, SimclrSafetensors *file, GError **error)
{
  const SimclrSafetensor *tensor =
      find_tensor (file, "examples", 2, (const guint64[]){0, 0}, error);
  const SimclrSafetensor *classes_tensor =
      tensor != NULL ? find_tensor (file, "classes", 1, tensor->shape, error) : NULL;
  g_autofree gfloat *floats = NULL, *classes = NULL;
  gsize count, size;

  if (classes_tensor == NULL)
    return FALSE;
  floats = read_tensor (file, tensor, error);
  if (floats == NULL)
    return FALSE;
  classes = read_tensor (file, classes_tensor, error);
  if (classes == NULL)
    return FALSE;
  count = (gsize) tensor->shape[0];
  size = (gsize) tensor->shape[1];
  if (size > G_MAXINT32 || count > G_MAXINT32)
    return _simclr_safetensors_fail (error, "tensor \"examples\" is too large");
  for (gsize i = 0; i < count; i++) {
    if (!(classes[i] >= 0) || !(classes[i] < (gfloat) examples->labels->len) ||
        classes[i] != floorf (classes[i]))
      return _simclr_safetensors_fail (error,
          "example %" G_GSIZE_FORMAT " is of class %g, but there are %u labels", i, classes[i],
          examples->labels->len);
    if (!_simclr_examples_add_row (
            examples, floats + i * size, size, (guint32) classes[i], error)) {
      g_prefix_error (error, "example %" G_GSIZE_FORMAT ": ", i);
      return FALSE;
    }
  }
  for (guint i = 0; i < examples->labels->len; i++)
    if (g_array_index (examples->counts, guint64, i) == 0)
      return _simclr_safetensors_fail (error, "label %u has no examples", i);
  return TRUE;
}

static gboolean
read_probe (SimclrLinearProbe **probe, const SimclrExamples *examples, SimclrSafetensors *file,
    GError **error)
{
  const guint64 shape[2] = {examples->labels->len, examples->size};
  const SimclrSafetensor *weight, *bias;

  if (_simclr_safetensors_lookup (file, "weight") == NULL)
    return TRUE; /* fitted when wanted */
  weight = find_tensor (file, "weight", 2, shape, error);
  bias = weight != NULL ? find_tensor (file, "bias", 1, shape, error) : NULL;
  if (bias == NULL)
    return FALSE;
  *probe = _simclr_linear_probe_new (examples->labels->len, examples->size, error);
  if (*probe == NULL ||
      !_simclr_safetensors_read_floats (file, weight, (*probe)->weight, weight->count, error) ||
      !_simclr_safetensors_read_floats (file, bias, (*probe)->bias, bias->count, error))
    return FALSE;
  (*probe)->converged = TRUE;
  for (gsize i = 0; i < weight->count; i++)
    if (!isfinite ((*probe)->weight[i]))
      return _simclr_safetensors_fail (
          error, "tensor \"weight\" holds a number that is not finite");
  for (gsize i = 0; i < bias->count; i++)
    if (!isfinite ((*probe)->bias[i]))
      return _simclr_safetensors_fail (error, "tensor \"bias\" holds a number that is not finite");
  return TRUE;
}

/* Files before there was a reach have none: it follows from the examples. */
static gboolean
read_novelty (SimclrNovelty **novelty, const SimclrExamples *examples, SimclrSafetensors *file,
    GError **error)
{
  const guint64 shape[1] = {examples->labels->len};
  const SimclrSafetensor *tensor;
  g_autofree gfloat *reach = NULL;

  if (_simclr_safetensors_lookup (file, "reach") == NULL)
    return TRUE;
  tensor = find_tensor (file, "reach", 1, shape, error);
  reach = tensor != NULL ? read_tensor (file, tensor, error) : NULL;
  if (reach == NULL)
    return FALSE;
  for (guint i = 0; i < examples->labels->len; i++)
    if (!(reach[i] > 1e-6f) || !(reach[i] <= 2))
      return _simclr_safetensors_fail (error, "the reach of label %u is %g", i, reach[i]);
  *novelty = _simclr_novelty_new_from (g_steal_pointer (&reach), examples);
  return TRUE;
}

static gboolean
read_method (SimclrSafetensors *file, SimclrClassifierMethod *method, GError **error)
{
  g_autoptr (GEnumClass) klass = g_type_class_ref (SIMCLR_TYPE_CLASSIFIER_METHOD);
  const gchar *format = _simclr_safetensors_get_metadata (file, "format");
  const gchar *version = _simclr_safetensors_get_metadata (file, "version");
  const gchar *nick = _simclr_safetensors_get_metadata (file, "method");
  GEnumValue *value = nick != NULL ? g_enum_get_value_by_nick (klass, nick) : NULL;

  if (g_strcmp0 (format, FORMAT) != 0)
    return _simclr_safetensors_fail (error, "not the file of a classifier: its format is %s",
        format != NULL ? format : "not given");
  if (g_strcmp0 (version, VERSION) != 0)
    return _simclr_safetensors_fail (error,
        "a classifier of version %s; this one reads version " VERSION,
        version != NULL ? version : "(none)");
  if (value == NULL)
    return _simclr_safetensors_fail (
        error, "metadata method is %s", nick != NULL ? nick : "missing");
  *method = (SimclrClassifierMethod) value->value;
  return TRUE;
}

gboolean
_simclr_classifier_read (SimclrClassifier *self, SimclrSafetensors *file, GError **error)
{
  g_autoptr (SimclrExamples) examples = _simclr_examples_new ();
  g_autoptr (SimclrLinearProbe) probe = NULL;
  g_autoptr (SimclrNovelty) novelty = NULL;
  SimclrClassifierMethod method = SIMCLR_CLASSIFIER_METHOD_KNN;

  if (_simclr_classifier_is_encoder (file))
    return _simclr_classifier_read_encoder (self, file, error);
  if (!read_method (file, &method, error) || !read_labels (examples, file, error) ||
      !read_examples (examples, file, error) || !read_probe (&probe, examples, file, error) ||
      !read_novelty (&novelty, examples, file, error))
    return FALSE;

  _simclr_classifier_forget (self);
  _simclr_examples_free (self->examples);
  self->examples = g_steal_pointer (&examples);
  self->probe = g_steal_pointer (&probe);
  self->method = method;
  self->novelty = g_steal_pointer (&novelty);
  g_free (self->encoder);
  self->encoder = g_strdup (_simclr_safetensors_get_metadata (file, "encoder"));
  return TRUE;
}

/**
 * simclr_classifier_load:
 * @self: a classifier
 * @path: (type filename): a file that simclr_classifier_save() wrote, or the checkpoint of a fine-tuned encoder
 * @error: return location for an error
 *
 * Takes over what the file holds in place of what was taught before: examples, labels, the fitted linear
 * layer, and the properties #SimclrClassifier:method and #SimclrClassifier:encoder. Other properties stay. Of an
 * encoder that a trainer has fine-tuned it is the linear layer over labels, which classifies the encoder's
 * representations; there are no examples then.
 *
 * Returns: %FALSE with @error set when the file is not sound; nothing has changed then
 */
gboolean
simclr_classifier_load (SimclrClassifier *self, const gchar *path, GError **error)
{
  g_autoptr (SimclrSafetensors) file = NULL;

  g_return_val_if_fail (SIMCLR_IS_CLASSIFIER (self), FALSE);
  g_return_val_if_fail (path != NULL, FALSE);

  file = _simclr_safetensors_open (path, error);
  if (file == NULL)
    return FALSE;
  if (!_simclr_classifier_read (self, file, error)) {
    g_prefix_error (error, "\"%s\": ", path);
    return FALSE;
  }
  g_object_notify_by_pspec (
      G_OBJECT (self), g_object_class_find_property (G_OBJECT_GET_CLASS (self), "method"));
  return TRUE;
}
