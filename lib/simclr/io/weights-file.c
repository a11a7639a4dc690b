/* Weights to and from safetensors tensors with torchvision's names.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/io/weights-file-private.h>

#include <simclr/io/foreign-names-private.h>
#include <simclr/io/label-list-private.h>
#include <simclr/io/parameter-file-private.h>
#include <simclr/simclr-enum-types.h>
#include <simclr/simclr-error.h>
#include <string.h>

#define FORMAT "simclr"
#define VERSION "1"
#define LAYERS 4
#define HEAD "projection_head.layers."
#define MAX_HEAD_LAYERS 3
/* More pixels in a row than any encoder takes; products of sizes stay in range. */
#define MAX_INPUT_SIZE 16384

/* Blocks of each layer; ResNet-34 and ResNet-50 differ in the kind of block. */
static const struct
{
  SimclrArchitecture architecture;
  gboolean bottleneck;
  guint blocks[LAYERS];
} architectures[] = {
    {SIMCLR_ARCHITECTURE_RESNET18, FALSE, {2, 2, 2, 2}},
    {SIMCLR_ARCHITECTURE_RESNET34, FALSE, {3, 4, 6, 3}},
    {SIMCLR_ARCHITECTURE_RESNET50, TRUE, {3, 4, 6, 3}},
    {SIMCLR_ARCHITECTURE_RESNET101, TRUE, {3, 4, 23, 3}},
    {SIMCLR_ARCHITECTURE_RESNET152, TRUE, {3, 8, 36, 3}},
};

static const gchar *
get_nick (GType type, gint value)
{
  g_autoptr (GTypeClass) klass = g_type_class_ref (type);
  GEnumValue *found = g_enum_get_value (G_ENUM_CLASS (klass), value);

  return found != NULL ? found->value_nick : "unknown"; /* static, outlives the class */
}

static gboolean G_GNUC_PRINTF (3, 4)
    fail (GError **error, SimclrError code, const gchar *format, ...)
{
  g_autofree gchar *what = NULL;
  va_list arguments;

  va_start (arguments, format);
  what = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error_literal (error, SIMCLR_ERROR, (gint) code, what);
  return FALSE;
}

static gboolean G_GNUC_PRINTF (2, 3) has_tensor (SimclrSafetensors *file, const gchar *format, ...)
{
  g_autofree gchar *name = NULL;
  va_list arguments;

  va_start (arguments, format);
  name = g_strdup_vprintf (format, arguments);
  va_end (arguments);

  return _simclr_safetensors_lookup (file, name) != NULL;
}

static const SimclrSafetensor *
get_convolution (SimclrSafetensors *file, const gchar *name, GError **error)
{
  const SimclrSafetensor *tensor = _simclr_safetensors_lookup (file, name);
  g_autofree gchar *shape = NULL;

  if (tensor == NULL) {
    fail (error, SIMCLR_ERROR_MISMATCH, "tensor \"%s\" is missing: not the weights of a ResNet",
        name);
    return NULL;
  }
  if (tensor->n_dims == 4 && tensor->shape[0] > 0 && tensor->shape[2] == tensor->shape[3])
    return tensor;
  shape = _simclr_safetensor_describe_shape (tensor);
  fail (error, SIMCLR_ERROR_MISMATCH,
      "tensor \"%s\" has the shape %s in the file, but that of a convolution is wanted", name,
      shape);
  return NULL;
}

/* What the tensors themselves say. */
static gboolean
recognise (SimclrSafetensors *file, SimclrArchitecture *architecture, gdouble *width,
    SimclrStem *stem, GError **error)
{
  const SimclrSafetensor *first = get_convolution (file, "conv1.weight", error);
  gboolean bottleneck = has_tensor (file, "layer%u.%u.conv3.weight", 1, 0);
  guint blocks[LAYERS] = {0};

  if (first == NULL)
    return FALSE;
  if (first->shape[2] != 7 && first->shape[2] != 3)
    return fail (error, SIMCLR_ERROR_MISMATCH,
        "tensor \"conv1.weight\" has a kernel of %" G_GUINT64_FORMAT
        ", but 7 (imagenet stem) or 3 (cifar stem) is wanted",
        first->shape[2]);
  *stem = first->shape[2] == 7 ? SIMCLR_STEM_IMAGENET : SIMCLR_STEM_CIFAR;
  *width = (gdouble) first->shape[0] / 64;

  for (guint layer = 0; layer < LAYERS; layer++)
    while (has_tensor (file, "layer%u.%u.conv1.weight", layer + 1, blocks[layer]))
      blocks[layer]++;
  for (guint i = 0; i < G_N_ELEMENTS (architectures); i++) {
    if (bottleneck == architectures[i].bottleneck &&
        memcmp (blocks, architectures[i].blocks, sizeof blocks) == 0) {
      *architecture = architectures[i].architecture;
      return TRUE;
    }
  }
  return fail (error, SIMCLR_ERROR_MISMATCH,
      "layers of %u, %u, %u and %u %s blocks are none of resnet18, 34, 50, 101 and 152", blocks[0],
      blocks[1], blocks[2], blocks[3], bottleneck ? "bottleneck" : "basic");
}

/* A number of the metadata; unchanged where there is none. */
static gboolean
read_number (
    SimclrSafetensors *file, const gchar *key, guint64 max, guint64 *number, GError **error)
{
  const gchar *text = _simclr_safetensors_get_metadata (file, key);

  if (text == NULL || g_ascii_string_to_unsigned (text, 10, 0, max, number, NULL))
    return TRUE;
  return fail (error, SIMCLR_ERROR_FORMAT,
      "metadata \"%s\" is \"%.100s\", not a number from 0 to %" G_GUINT64_FORMAT, key, text, max);
}

/* A width such as 0.3 does not follow from rounded channels; it must only agree with them. */
static gboolean
read_width (SimclrSafetensors *file, gdouble *width, GError **error)
{
  const gchar *text = _simclr_safetensors_get_metadata (file, "width");
  gdouble value;
  gchar *end;

  if (text == NULL)
    return TRUE;
  value = g_ascii_strtod (text, &end);
  if (end == text || *end != '\0' || !(value > 0))
    return fail (error, SIMCLR_ERROR_FORMAT, "metadata \"width\" is \"%.100s\", not a width", text);
  if (!(ABS (value - *width) * 64 <= 1))
    return fail (error, SIMCLR_ERROR_FORMAT,
        "metadata \"width\" is %.100s, but conv1 has the channels of width %g", text, *width);
  *width = value;
  return TRUE;
}

/* A nick of the metadata must be the one that is expected, where there is one. */
static gboolean
check_nick (SimclrSafetensors *file, const gchar *key, const gchar *expected, GError **error)
{
  const gchar *text = _simclr_safetensors_get_metadata (file, key);

  if (text == NULL || g_str_equal (text, expected))
    return TRUE;
  return fail (error, SIMCLR_ERROR_FORMAT,
      "metadata \"%s\" is \"%.100s\", but the tensors are those of %s", key, text, expected);
}

static gboolean
read_normalization (SimclrSafetensors *file, SimclrNormalization *normalization, GError **error)
{
  const gchar *text = _simclr_safetensors_get_metadata (file, "normalization");

  *normalization = SIMCLR_NORMALIZATION_NONE;
  if (text == NULL || g_str_equal (text, "none"))
    return TRUE;
  if (!g_str_equal (text, "imagenet"))
    return fail (error, SIMCLR_ERROR_FORMAT,
        "metadata \"normalization\" is \"%.100s\", not none or imagenet", text);
  *normalization = SIMCLR_NORMALIZATION_IMAGENET;
  return TRUE;
}

static gboolean
check_version (SimclrSafetensors *file, GError **error)
{
  const gchar *format = _simclr_safetensors_get_metadata (file, "format");
  const gchar *version = _simclr_safetensors_get_metadata (file, "version");

  if (g_strcmp0 (format, FORMAT) != 0 || g_strcmp0 (version, VERSION) == 0)
    return TRUE;
  return fail (error, SIMCLR_ERROR_UNSUPPORTED,
      "version %.100s of the format, this library reads version " VERSION,
      version != NULL ? version : "(none)");
}

/* Before memory is taken for weights of this width, the file must hold one of the widest layers. */
static gboolean
check_widest (SimclrSafetensors *file, gdouble width, GError **error)
{
  const SimclrSafetensor *tensor = get_convolution (file, "layer4.0.conv2.weight", error);

  if (tensor == NULL)
    return FALSE;
  if (ABS ((gdouble) tensor->shape[0] - 512 * width) <= 8 &&
      ABS ((gdouble) tensor->shape[1] - 512 * width) <= 8 && tensor->shape[2] == 3)
    return TRUE;
  return fail (error, SIMCLR_ERROR_MISMATCH,
      "tensor \"layer4.0.conv2.weight\" has %" G_GUINT64_FORMAT " and %" G_GUINT64_FORMAT
      " channels, not %g as the width of conv1 asks for",
      tensor->shape[0], tensor->shape[1], 512 * width);
}

/* Weights of the file's shape, still empty. */
static SimclrWeights *
create (SimclrSafetensors *file, GError **error)
{
  g_autoptr (SimclrWeights) weights = NULL;
  SimclrArchitecture architecture = SIMCLR_ARCHITECTURE_RESNET18;
  SimclrNormalization normalization;
  SimclrStem stem = SIMCLR_STEM_AUTO;
  gdouble width = 1;
  guint64 input_size = 0, step = 0, seed = 0;

  if (!check_version (file, error) || !recognise (file, &architecture, &width, &stem, error) ||
      !check_nick (
          file, "architecture", get_nick (SIMCLR_TYPE_ARCHITECTURE, architecture), error) ||
      !check_nick (file, "stem", get_nick (SIMCLR_TYPE_STEM, stem), error) ||
      !read_width (file, &width, error) || !check_widest (file, width, error) ||
      !read_normalization (file, &normalization, error) ||
      !read_number (file, "input_size", MAX_INPUT_SIZE, &input_size, error) ||
      !read_number (file, "step", G_MAXUINT64, &step, error) ||
      !read_number (file, "seed", G_MAXUINT64, &seed, error))
    return NULL;

  weights = _simclr_weights_new (architecture, width, stem, (guint) input_size, error);
  if (weights == NULL)
    return NULL;
  weights->normalization = normalization;
  weights->step = step;
  weights->seed = seed;
  g_free (weights->name);
  weights->name = g_strdup (_simclr_safetensors_get_metadata (file, "name"));
  return g_steal_pointer (&weights);
}

static void
add_head_tensor (SimclrParameters *layout, SimclrParameterKind kind, guint module,
    const gchar *field, guint n_dims, const gsize *shape)
{
  g_autofree gchar *name = g_strdup_printf (HEAD "%u.%s", module, field);

  _simclr_parameters_add (layout, name, kind, n_dims, shape);
}

/* Adds one dense layer with its BatchNorm to the layouts; size is the width of its input, then of its
 * output. Only the matrix is checked here: the rest when it is read. */
static gboolean
add_head_layer (SimclrSafetensors *file, guint layer, SimclrParameters *layout,
    SimclrParameters *statistics, gsize *size, GError **error)
{
  guint dense = 3 * layer, norm = dense + 1;
  g_autofree gchar *name = g_strdup_printf (HEAD "%u.weight", dense);
  const SimclrSafetensor *weight = _simclr_safetensors_lookup (file, name);
  gsize shape[2] = {(gsize) weight->shape[0], *size};

  if (weight->n_dims != 2 || weight->shape[0] == 0 || weight->shape[1] != *size) {
    g_autofree gchar *found = _simclr_safetensor_describe_shape (weight);

    return fail (error, SIMCLR_ERROR_MISMATCH,
        "tensor \"%s\" has the shape %s in the file, but a matrix of %" G_GSIZE_FORMAT
        " columns is wanted",
        name, found, *size);
  }
  if (has_tensor (file, HEAD "%u.bias", dense))
    return fail (error, SIMCLR_ERROR_UNSUPPORTED,
        "tensor \"" HEAD "%u.bias\": dense layers of a projection head have no bias here", dense);

  add_head_tensor (layout, SIMCLR_PARAMETER_WEIGHT, dense, "weight", 2, shape);
  add_head_tensor (layout, SIMCLR_PARAMETER_SCALE, norm, "weight", 1, shape);
  if (has_tensor (file, HEAD "%u.bias", norm))
    add_head_tensor (layout, SIMCLR_PARAMETER_SHIFT, norm, "bias", 1, shape);
  add_head_tensor (statistics, SIMCLR_PARAMETER_MEAN, norm, "running_mean", 1, shape);
  add_head_tensor (statistics, SIMCLR_PARAMETER_VARIANCE, norm, "running_var", 1, shape);
  *size = shape[0];
  return TRUE;
}

/* Reads the projection head into the weights, where the file has one. */
static gboolean
read_head (SimclrSafetensors *file, SimclrWeights *weights, GError **error)
{
  g_autoptr (SimclrParameters) layout = _simclr_parameters_new ();
  g_autoptr (SimclrParameters) statistics_layout = _simclr_parameters_new ();
  g_autofree gfloat *values = NULL, *statistics = NULL;
  gsize size = simclr_weights_get_embedding_size (weights, SIMCLR_OUTPUT_REPRESENTATION);
  guint layers = 0;

  /* another implementation's head, with biases and without BatchNorm: the encoder is what is of use */
  if (g_strcmp0 (_simclr_safetensors_get_metadata (file, "format"), FORMAT) != 0 &&
      has_tensor (file, HEAD "0.bias")) {
    g_debug ("a projection head with biases is left out");
    return TRUE;
  }
  while (has_tensor (file, HEAD "%u.weight", 3 * layers)) {
    if (layers == MAX_HEAD_LAYERS)
      return fail (error, SIMCLR_ERROR_UNSUPPORTED, "the projection head has more than %d layers",
          MAX_HEAD_LAYERS);
    if (!add_head_layer (file, layers++, layout, statistics_layout, &size, error))
      return FALSE;
  }
  if (layers == 0)
    return TRUE;

  values = g_new0 (gfloat, _simclr_parameters_get_floats (layout));
  statistics = g_new0 (gfloat, _simclr_parameters_get_floats (statistics_layout));
  if (!_simclr_parameters_file_read (file, layout, values, error) ||
      !_simclr_parameters_file_read (file, statistics_layout, statistics, error))
    return FALSE;
  _simclr_weights_set_head (
      weights, g_steal_pointer (&layout), values, g_steal_pointer (&statistics_layout), statistics);
  return TRUE;
}

/* What the linear layer sees: the representation, or a layer of the projection head; 0: there is no such
 * layer. */
static gsize
classifier_input (SimclrWeights *weights, guint head_layer)
{
  g_autofree gchar *name = g_strdup_printf (HEAD "%u.weight", 3 * (head_layer - 1));
  const SimclrParameter *dense;

  if (head_layer == 0)
    return simclr_weights_get_embedding_size (weights, SIMCLR_OUTPUT_REPRESENTATION);
  dense =
      weights->head_layout != NULL ? _simclr_parameters_lookup (weights->head_layout, name) : NULL;
  return dense != NULL ? dense->shape[0] : 0;
}

/* The names of so many logits. */
static gchar **
read_label_names (SimclrSafetensors *file, gsize n_labels, GError **error)
{
  const gchar *json = _simclr_safetensors_get_metadata (file, "labels");
  g_auto (GStrv) labels = NULL;

  if (json == NULL)
    return _simclr_label_list_numbers (n_labels);
  labels = _simclr_label_list_from_json (json, error);
  if (labels != NULL && g_strv_length (labels) != n_labels) {
    fail (error, SIMCLR_ERROR_MISMATCH,
        "metadata labels has %u names, but fc.weight %" G_GSIZE_FORMAT " rows",
        g_strv_length (labels), n_labels);
    return NULL;
  }
  return g_steal_pointer (&labels);
}

/* Reads the linear layer over labels, where the file has one. Another implementation's fc may be anything: what
 * does not fit is left out. */
static gboolean
read_classifier (SimclrSafetensors *file, SimclrWeights *weights, GError **error)
{
  const SimclrSafetensor *weight = _simclr_safetensors_lookup (file, "fc.weight");
  const SimclrSafetensor *bias = _simclr_safetensors_lookup (file, "fc.bias");
  gboolean ours = g_strcmp0 (_simclr_safetensors_get_metadata (file, "format"), FORMAT) == 0;
  g_autoptr (SimclrParameters) layout = NULL;
  g_autofree gfloat *values = NULL;
  g_auto (GStrv) labels = NULL;
  guint64 head_layer = 0;
  gsize size;

  if (weight == NULL || !read_number (file, "head_layer", MAX_HEAD_LAYERS, &head_layer, error))
    return weight == NULL;
  size = classifier_input (weights, (guint) head_layer);
  if (weight->n_dims != 2 || weight->shape[0] == 0 || weight->shape[1] != size || bias == NULL ||
      bias->n_dims != 1 || bias->shape[0] != weight->shape[0]) {
    g_debug ("fc.weight and fc.bias are no linear layer over embeddings of %" G_GSIZE_FORMAT
             " floats",
        size);
    return !ours ||
           fail (error, SIMCLR_ERROR_MISMATCH,
               "tensors fc.weight and fc.bias are no linear layer over the %" G_GSIZE_FORMAT
               " floats of layer %" G_GUINT64_FORMAT,
               size, head_layer);
  }
  labels = read_label_names (file, (gsize) weight->shape[0], error);
  if (labels == NULL)
    return FALSE;
  layout = _simclr_classifier_layout_new ((gsize) weight->shape[0], size);
  values = g_new0 (gfloat, _simclr_parameters_get_floats (layout));
  if (!_simclr_parameters_file_read (file, layout, values, error))
    return FALSE;
  _simclr_weights_set_classifier (weights, g_steal_pointer (&layout), values, (guint) head_layer,
      (const gchar *const *) labels);
  return TRUE;
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
  weights = create (file, error);
  if (weights == NULL ||
      !_simclr_parameters_file_read (file, weights->layout, weights->values, error) ||
      !_simclr_parameters_file_read (
          file, weights->statistics_layout, weights->statistics, error) ||
      !read_head (file, weights, error) || !read_classifier (file, weights, error))
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
      {"format", FORMAT},
      {"version", VERSION},
      {"architecture", get_nick (SIMCLR_TYPE_ARCHITECTURE, weights->architecture)},
      {"width", g_ascii_dtostr (width, sizeof width, weights->width)},
      {"stem", get_nick (SIMCLR_TYPE_STEM, weights->stem)},
      {"input_size", input_size},
      {"normalization", get_nick (SIMCLR_TYPE_NORMALIZATION, weights->normalization)},
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
