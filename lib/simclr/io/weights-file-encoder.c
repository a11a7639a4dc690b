/* What encoder a file of weights holds: its architecture, width and stem.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/io/parameter-file-private.h>
#include <simclr/io/weights-file-parts-private.h>
#include <simclr/simclr-enum-types.h>
#include <string.h>

#define LAYERS 4
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

static const SimclrSafetensor *
get_convolution (SimclrSafetensors *file, const gchar *name, GError **error)
{
  const SimclrSafetensor *tensor = _simclr_safetensors_lookup (file, name);
  g_autofree gchar *shape = NULL;

  if (tensor == NULL) {
    _simclr_weights_file_fail (error, SIMCLR_ERROR_MISMATCH,
        "tensor \"%s\" is missing: not the weights of a ResNet", name);
    return NULL;
  }
  if (tensor->n_dims == 4 && tensor->shape[0] > 0 && tensor->shape[2] == tensor->shape[3])
    return tensor;
  shape = _simclr_safetensor_describe_shape (tensor);
  _simclr_weights_file_fail (error, SIMCLR_ERROR_MISMATCH,
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
  gboolean bottleneck = _simclr_weights_file_has_tensor (file, "layer%u.%u.conv3.weight", 1, 0);
  guint blocks[LAYERS] = {0};

  if (first == NULL)
    return FALSE;
  if (first->shape[2] != 7 && first->shape[2] != 3)
    return _simclr_weights_file_fail (error, SIMCLR_ERROR_MISMATCH,
        "tensor \"conv1.weight\" has a kernel of %" G_GUINT64_FORMAT
        ", but 7 (imagenet stem) or 3 (cifar stem) is wanted",
        first->shape[2]);
  *stem = first->shape[2] == 7 ? SIMCLR_STEM_IMAGENET : SIMCLR_STEM_CIFAR;
  *width = (gdouble) first->shape[0] / 64;

  for (guint layer = 0; layer < LAYERS; layer++)
    while (
        _simclr_weights_file_has_tensor (file, "layer%u.%u.conv1.weight", layer + 1, blocks[layer]))
      blocks[layer]++;
  for (guint i = 0; i < G_N_ELEMENTS (architectures); i++) {
    if (bottleneck == architectures[i].bottleneck &&
        memcmp (blocks, architectures[i].blocks, sizeof blocks) == 0) {
      *architecture = architectures[i].architecture;
      return TRUE;
    }
  }
  return _simclr_weights_file_fail (error, SIMCLR_ERROR_MISMATCH,
      "layers of %u, %u, %u and %u %s blocks are none of resnet18, 34, 50, 101 and 152", blocks[0],
      blocks[1], blocks[2], blocks[3], bottleneck ? "bottleneck" : "basic");
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
    return _simclr_weights_file_fail (
        error, SIMCLR_ERROR_FORMAT, "metadata \"width\" is \"%.100s\", not a width", text);
  if (!(ABS (value - *width) * 64 <= 1))
    return _simclr_weights_file_fail (error, SIMCLR_ERROR_FORMAT,
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
  return _simclr_weights_file_fail (error, SIMCLR_ERROR_FORMAT,
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
    return _simclr_weights_file_fail (error, SIMCLR_ERROR_FORMAT,
        "metadata \"normalization\" is \"%.100s\", not none or imagenet", text);
  *normalization = SIMCLR_NORMALIZATION_IMAGENET;
  return TRUE;
}

static gboolean
check_version (SimclrSafetensors *file, GError **error)
{
  const gchar *format = _simclr_safetensors_get_metadata (file, "format");
  const gchar *version = _simclr_safetensors_get_metadata (file, "version");

  if (g_strcmp0 (format, SIMCLR_WEIGHTS_FILE_FORMAT) != 0 ||
      g_strcmp0 (version, SIMCLR_WEIGHTS_FILE_VERSION) == 0)
    return TRUE;
  return _simclr_weights_file_fail (error, SIMCLR_ERROR_UNSUPPORTED,
      "version %.100s of the format, this library reads version " SIMCLR_WEIGHTS_FILE_VERSION,
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
  return _simclr_weights_file_fail (error, SIMCLR_ERROR_MISMATCH,
      "tensor \"layer4.0.conv2.weight\" has %" G_GUINT64_FORMAT " and %" G_GUINT64_FORMAT
      " channels, not %g as the width of conv1 asks for",
      tensor->shape[0], tensor->shape[1], 512 * width);
}

SimclrWeights *
_simclr_weights_file_recognise (SimclrSafetensors *file, GError **error)
{
  g_autoptr (SimclrWeights) weights = NULL;
  SimclrArchitecture architecture = SIMCLR_ARCHITECTURE_RESNET18;
  SimclrNormalization normalization;
  SimclrStem stem = SIMCLR_STEM_AUTO;
  gdouble width = 1;
  guint64 input_size = 0, step = 0, seed = 0;

  if (!check_version (file, error) || !recognise (file, &architecture, &width, &stem, error) ||
      !check_nick (file, "architecture",
          _simclr_weights_file_get_nick (SIMCLR_TYPE_ARCHITECTURE, architecture), error) ||
      !check_nick (file, "stem", _simclr_weights_file_get_nick (SIMCLR_TYPE_STEM, stem), error) ||
      !read_width (file, &width, error) || !check_widest (file, width, error) ||
      !read_normalization (file, &normalization, error) ||
      !_simclr_weights_file_read_number (file, "input_size", MAX_INPUT_SIZE, &input_size, error) ||
      !_simclr_weights_file_read_number (file, "step", G_MAXUINT64, &step, error) ||
      !_simclr_weights_file_read_number (file, "seed", G_MAXUINT64, &seed, error))
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
