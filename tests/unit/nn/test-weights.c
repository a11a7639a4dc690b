/* Weights: names and shapes are torchvision's, first values the official code's, files come back whole.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/weights-private.h>
#include <simclr/simclr-enum-types.h>
#include <simclr/simclr-error.h>

#include <glib/gstdio.h>

#include "fixture.h"

static SimclrWeights *
new_random (SimclrArchitecture architecture, gdouble width, SimclrStem stem, guint64 seed)
{
  g_autoptr (GError) error = NULL;
  SimclrWeights *weights = simclr_weights_new_random (architecture, width, stem, 0, seed, &error);

  g_assert_no_error (error);
  return weights;
}

static gint
from_nick (GType type, const gchar *nick)
{
  g_autoptr (GEnumClass) klass = g_type_class_ref (type);
  GEnumValue *value = g_enum_get_value_by_nick (klass, nick);

  g_assert_nonnull (value);
  return value->value;
}

static gchar *
print_shape (const SimclrParameter *parameter)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < parameter->n_dims; i++)
    g_string_append_printf (text, "%s%zu", i > 0 ? "," : "", parameter->shape[i]);
  return g_string_free (text, FALSE);
}

/* Every tensor of every listed model is there with its shape, and there is none beside them. */
static void
test_names_and_shapes_are_torchvisions (void)
{
  g_autofree gchar *path = fixture_path ("torchvision-names.txt");
  g_autofree gchar *text = NULL, *model = g_strdup ("");
  g_auto (GStrv) lines = NULL;
  g_autoptr (SimclrWeights) weights = NULL;
  g_autoptr (GError) error = NULL;
  guint found = 0, models = 0;

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  lines = g_strsplit (g_strchomp (text), "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++) {
    g_auto (GStrv) fields = g_strsplit (lines[i], " ", -1);
    g_autofree gchar *this_model = g_strjoin (" ", fields[0], fields[1], fields[2], NULL);
    g_autofree gchar *shape = NULL;
    const SimclrParameter *parameter;

    g_assert_cmpuint (g_strv_length (fields), ==, 5);
    if (!g_str_equal (model, this_model)) {
      g_assert_true (weights == NULL ||
                     found == _simclr_parameters_get_length (weights->layout) +
                                  _simclr_parameters_get_length (weights->statistics_layout));
      g_clear_pointer (&weights, simclr_weights_unref);
      weights = _simclr_weights_new (from_nick (SIMCLR_TYPE_ARCHITECTURE, fields[0]),
          g_ascii_strtod (fields[1], NULL), from_nick (SIMCLR_TYPE_STEM, fields[2]), 0, &error);
      g_assert_no_error (error);
      g_free (model);
      model = g_steal_pointer (&this_model);
      found = 0;
      models++;
    }
    parameter = _simclr_parameters_lookup (weights->layout, fields[3]);
    if (parameter == NULL)
      parameter = _simclr_parameters_lookup (weights->statistics_layout, fields[3]);
    if (parameter == NULL)
      g_error ("%s has no tensor %s", model, fields[3]);
    shape = print_shape (parameter);
    if (!g_str_equal (shape, fields[4]))
      g_error ("%s: %s is (%s) here, (%s) there", model, fields[3], shape, fields[4]);
    found++;
  }
  g_assert_cmpuint (found, ==,
      _simclr_parameters_get_length (weights->layout) +
          _simclr_parameters_get_length (weights->statistics_layout));
  g_assert_cmpuint (models, ==, 11);
}

/* Official code: Keras' VarianceScaling: a normal cut at two deviations, of variance 1 / fan-in. */
static void
check_convolution (const SimclrParameter *parameter, const gfloat *values)
{
  gdouble fan_in = parameter->shape[1] * parameter->shape[2] * parameter->shape[3];
  gdouble sum = 0, squares = 0, highest = 0, count = parameter->count;

  g_assert_cmpuint (parameter->n_dims, ==, 4);
  for (gsize i = 0; i < parameter->count; i++) {
    sum += values[i];
    squares += values[i] * values[i];
    highest = MAX (highest, fabs (values[i]));
  }
  /* five standard errors */
  g_assert_cmpfloat (fabs (sum / count), <, 5 / sqrt (fan_in * count));
  g_assert_cmpfloat (fabs (sqrt (squares / count * fan_in) - 1), <, 5 / sqrt (2 * count));
  g_assert_cmpfloat (highest, <=, 2 / 0.87962566103423978 / sqrt (fan_in) * (1 + 1e-5));
  if (count > 2000)
    g_assert_cmpfloat (highest, >, 1.9 / 0.87962566103423978 / sqrt (fan_in));
}

static void
check_initial_values (SimclrWeights *weights, const gchar *last)
{
  guint zero_scales = 0;

  for (guint i = 0; i < _simclr_parameters_get_length (weights->layout); i++) {
    const SimclrParameter *parameter = _simclr_parameters_get (weights->layout, i);
    const gfloat *values = weights->values + parameter->offset;

    if (parameter->kind == SIMCLR_PARAMETER_WEIGHT) {
      check_convolution (parameter, values);
    } else {
      gboolean zero =
          parameter->kind == SIMCLR_PARAMETER_SHIFT ||
          (g_str_has_prefix (parameter->name, "layer") && g_str_has_suffix (parameter->name, last));

      zero_scales += zero && parameter->kind == SIMCLR_PARAMETER_SCALE;
      for (gsize k = 0; k < parameter->count; k++)
        g_assert_cmpfloat (values[k], ==, zero ? 0 : 1);
    }
  }
  g_assert_cmpuint (zero_scales, ==, g_str_equal (last, ".bn2.weight") ? 8 : 16);
  for (guint i = 0; i < _simclr_parameters_get_length (weights->statistics_layout); i++) {
    const SimclrParameter *parameter = _simclr_parameters_get (weights->statistics_layout, i);

    for (gsize k = 0; k < parameter->count; k++)
      g_assert_cmpfloat (weights->statistics[parameter->offset + k], ==,
          parameter->kind == SIMCLR_PARAMETER_VARIANCE ? 1 : 0);
  }
}

static void
test_initial_values_are_the_official_ones (void)
{
  g_autoptr (SimclrWeights) basic =
      new_random (SIMCLR_ARCHITECTURE_RESNET18, 0.5, SIMCLR_STEM_IMAGENET, 1);
  g_autoptr (SimclrWeights) bottleneck =
      new_random (SIMCLR_ARCHITECTURE_RESNET50, 0.5, SIMCLR_STEM_CIFAR, 1);

  check_initial_values (basic, ".bn2.weight");
  check_initial_values (bottleneck, ".bn3.weight");
}

/* No two tensors start from the same numbers. */
static void
test_tensors_differ (void)
{
  g_autoptr (SimclrWeights) weights =
      new_random (SIMCLR_ARCHITECTURE_RESNET18, 0.25, SIMCLR_STEM_CIFAR, 1);
  const SimclrParameter *a = _simclr_parameters_lookup (weights->layout, "layer1.0.conv1.weight");
  const SimclrParameter *b = _simclr_parameters_lookup (weights->layout, "layer1.0.conv2.weight");
  guint same = 0;

  g_assert_cmpuint (a->count, ==, b->count);
  for (gsize i = 0; i < a->count; i++)
    same += weights->values[a->offset + i] == weights->values[b->offset + i];
  g_assert_cmpuint (same, <, 5);
}

static void
test_seed_decides (void)
{
  g_autoptr (SimclrWeights) a =
      new_random (SIMCLR_ARCHITECTURE_RESNET18, 0.1, SIMCLR_STEM_CIFAR, 5);
  g_autoptr (SimclrWeights) b =
      new_random (SIMCLR_ARCHITECTURE_RESNET18, 0.1, SIMCLR_STEM_CIFAR, 5);
  g_autoptr (SimclrWeights) c =
      new_random (SIMCLR_ARCHITECTURE_RESNET18, 0.1, SIMCLR_STEM_CIFAR, 6);
  gsize bytes = _simclr_parameters_get_floats (a->layout) * sizeof (gfloat);

  g_assert_cmpmem (a->values, bytes, b->values, bytes);
  g_assert_cmpint (memcmp (a->values, c->values, bytes), !=, 0);
}

static void
test_auto_stem_and_size (void)
{
  const struct
  {
    SimclrStem stem;
    guint size;
    SimclrStem stem_then;
    guint size_then;
  } cases[] = {
      {SIMCLR_STEM_AUTO, 32, SIMCLR_STEM_CIFAR, 32},
      {SIMCLR_STEM_AUTO, 24, SIMCLR_STEM_CIFAR, 24},
      {SIMCLR_STEM_AUTO, 33, SIMCLR_STEM_IMAGENET, 33},
      {SIMCLR_STEM_AUTO, 224, SIMCLR_STEM_IMAGENET, 224},
      {SIMCLR_STEM_CIFAR, 0, SIMCLR_STEM_CIFAR, 32},
      {SIMCLR_STEM_IMAGENET, 0, SIMCLR_STEM_IMAGENET, 224},
      {SIMCLR_STEM_IMAGENET, 32, SIMCLR_STEM_IMAGENET, 32},
      {SIMCLR_STEM_CIFAR, 96, SIMCLR_STEM_CIFAR, 96},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (SimclrWeights) weights = simclr_weights_new_random (
        SIMCLR_ARCHITECTURE_RESNET18, 0.05, cases[i].stem, cases[i].size, 1, &error);

    g_assert_no_error (error);
    g_assert_cmpint (simclr_weights_get_stem (weights), ==, cases[i].stem_then);
    g_assert_cmpuint (simclr_weights_get_input_size (weights), ==, cases[i].size_then);
    g_assert_cmpint (simclr_weights_get_normalization (weights), ==, SIMCLR_NORMALIZATION_NONE);
  }
}

static void
test_embedding_size (void)
{
  g_autoptr (SimclrWeights) basic =
      new_random (SIMCLR_ARCHITECTURE_RESNET34, 0.25, SIMCLR_STEM_CIFAR, 1);
  g_autoptr (SimclrWeights) bottleneck =
      new_random (SIMCLR_ARCHITECTURE_RESNET101, 0.05, SIMCLR_STEM_CIFAR, 1);

  g_assert_cmpuint (
      simclr_weights_get_embedding_size (basic, SIMCLR_OUTPUT_REPRESENTATION), ==, 128);
  g_assert_cmpuint (
      simclr_weights_get_embedding_size (bottleneck, SIMCLR_OUTPUT_REPRESENTATION), ==, 104);
}

static void
test_impossible_widths_are_errors (void)
{
  const gdouble widths[] = {0, -1, NAN, INFINITY, 1e30};

  for (guint i = 0; i < G_N_ELEMENTS (widths); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (SimclrWeights) weights = simclr_weights_new_random (
        SIMCLR_ARCHITECTURE_RESNET18, widths[i], SIMCLR_STEM_CIFAR, 32, 1, &error);

    g_assert_null (weights);
    g_assert_true (error != NULL && error->domain == SIMCLR_ERROR);
  }
}

static gchar *
temporary_path (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *folder = g_dir_make_tmp ("simclr-XXXXXX", &error);

  g_assert_no_error (error);
  return g_build_filename (folder, "weights.safetensors", NULL);
}

static void
remove_with_folder (const gchar *path)
{
  g_autofree gchar *folder = g_path_get_dirname (path);

  g_unlink (path);
  g_assert_cmpint (g_rmdir (folder), ==, 0); /* nothing else was left there */
}

static void
assert_same_weights (SimclrWeights *a, SimclrWeights *b)
{
  gsize bytes = _simclr_parameters_get_floats (a->layout) * sizeof (gfloat);
  gsize statistics = _simclr_parameters_get_floats (a->statistics_layout) * sizeof (gfloat);

  g_assert_cmpint (simclr_weights_get_architecture (a), ==, simclr_weights_get_architecture (b));
  g_assert_cmpfloat (simclr_weights_get_width (a), ==, simclr_weights_get_width (b));
  g_assert_cmpint (simclr_weights_get_stem (a), ==, simclr_weights_get_stem (b));
  g_assert_cmpuint (simclr_weights_get_input_size (a), ==, simclr_weights_get_input_size (b));
  g_assert_cmpuint (simclr_weights_get_step (a), ==, simclr_weights_get_step (b));
  g_assert_cmpuint (a->seed, ==, b->seed);
  g_assert_cmpmem (
      a->values, bytes, b->values, _simclr_parameters_get_floats (b->layout) * sizeof (gfloat));
  g_assert_cmpmem (a->statistics, statistics, b->statistics,
      _simclr_parameters_get_floats (b->statistics_layout) * sizeof (gfloat));
}

static void
test_save_and_load (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *path = temporary_path ();
  g_autoptr (SimclrWeights) weights = simclr_weights_new_random (SIMCLR_ARCHITECTURE_RESNET50, 0.07,
      SIMCLR_STEM_CIFAR, 48, G_GUINT64_CONSTANT (12345678901234567890), &error);
  g_autoptr (SimclrWeights) loaded = NULL;

  g_assert_no_error (error);
  simclr_weights_save (weights, path, &error);
  g_assert_no_error (error);
  loaded = simclr_weights_load (path, &error);
  g_assert_no_error (error);
  assert_same_weights (loaded, weights);
  remove_with_folder (path);
}

/* The fixtures are torch's tensors with our metadata: OIHW there, O, KH, KW, I here. */
static void
test_convolutions_are_transposed (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *path = fixture_path ("resnet18-imagenet.safetensors");
  g_autoptr (SimclrSafetensors) fixture = fixture_open ("resnet18-imagenet.safetensors");
  g_autoptr (SimclrWeights) weights = simclr_weights_load (path, &error);
  g_autoptr (Tensor) file = fixture_get (fixture, "conv1.weight", NULL);
  const SimclrParameter *parameter;
  const gsize out = 3, in = 3, kernel = 7;

  g_assert_no_error (error);
  parameter = _simclr_parameters_lookup (weights->layout, "conv1.weight");
  g_assert_cmpuint (parameter->count, ==, out * in * kernel * kernel);
  for (gsize o = 0; o < out; o++)
    for (gsize i = 0; i < in; i++)
      for (gsize k = 0; k < kernel * kernel; k++)
        g_assert_cmpfloat (weights->values[parameter->offset + (o * kernel * kernel + k) * in + i],
            ==, file[(o * in + i) * kernel * kernel + k]);
  g_assert_cmpuint (simclr_weights_get_embedding_size (weights, SIMCLR_OUTPUT_PROJECTION), ==, 16);
}

static void
test_missing_file_is_an_error (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrWeights) weights =
      simclr_weights_load ("/nonexistent/weights.safetensors", &error);

  g_assert_null (weights);
  g_assert_nonnull (error);
  g_assert_nonnull (strstr (error->message, "/nonexistent/weights.safetensors"));
}

static void
test_unwritable_path_is_an_error (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrWeights) weights =
      new_random (SIMCLR_ARCHITECTURE_RESNET18, 0.02, SIMCLR_STEM_CIFAR, 1);

  g_assert_false (simclr_weights_save (weights, "/nonexistent/weights.safetensors", &error));
  g_assert_nonnull (error);
}

static void
test_adapted_weights_differ_in_what_was_asked_for (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrWeights) weights = simclr_weights_new_random (
      SIMCLR_ARCHITECTURE_RESNET18, 0.125, SIMCLR_STEM_CIFAR, 32, 5, &error);
  g_autoptr (SimclrWeights) same =
      simclr_weights_adapt (weights, 0, SIMCLR_NORMALIZATION_AUTO, &error);
  g_autoptr (SimclrWeights) other =
      simclr_weights_adapt (weights, 48, SIMCLR_NORMALIZATION_IMAGENET, &error);

  g_assert_no_error (error);
  g_assert_true (same == weights);
  g_assert_cmpuint (simclr_weights_get_input_size (other), ==, 48);
  g_assert_cmpint (simclr_weights_get_normalization (other), ==, SIMCLR_NORMALIZATION_IMAGENET);
  g_assert_cmpint (simclr_weights_get_stem (other), ==, SIMCLR_STEM_CIFAR);
  g_assert_cmpuint (simclr_weights_get_input_size (weights), ==, 32);
  g_assert_cmpint (simclr_weights_get_normalization (weights), ==, SIMCLR_NORMALIZATION_NONE);
  g_assert_cmpmem (other->values, _simclr_parameters_get_floats (other->layout) * sizeof (gfloat),
      weights->values, _simclr_parameters_get_floats (weights->layout) * sizeof (gfloat));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func (
      "/weights/names-and-shapes-are-torchvisions", test_names_and_shapes_are_torchvisions);
  g_test_add_func (
      "/weights/initial-values-are-the-official-ones", test_initial_values_are_the_official_ones);
  g_test_add_func ("/weights/tensors-differ", test_tensors_differ);
  g_test_add_func ("/weights/seed-decides", test_seed_decides);
  g_test_add_func ("/weights/auto-stem-and-size", test_auto_stem_and_size);
  g_test_add_func ("/weights/embedding-size", test_embedding_size);
  g_test_add_func ("/weights/impossible-widths-are-errors", test_impossible_widths_are_errors);
  g_test_add_func ("/weights/save-and-load", test_save_and_load);
  g_test_add_func ("/weights/convolutions-are-transposed", test_convolutions_are_transposed);
  g_test_add_func ("/weights/missing-file-is-an-error", test_missing_file_is_an_error);
  g_test_add_func ("/weights/unwritable-path-is-an-error", test_unwritable_path_is_an_error);
  g_test_add_func ("/weights/adapt", test_adapted_weights_differ_in_what_was_asked_for);
  return g_test_run ();
}
