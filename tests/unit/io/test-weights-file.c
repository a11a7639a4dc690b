/* Weights go through files unchanged; files that do not fit are errors that name the tensor.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/io/weights-file-private.h>
#include <simclr/io/parameter-file-private.h>
#include <simclr/simclr-error.h>

#include <glib/gstdio.h>
#include <string.h>

typedef struct
{
  gchar *folder;
  gchar *path;
} Fixture;

static void
set_up (Fixture *self, gconstpointer data)
{
  self->folder = g_dir_make_tmp ("simclr-test-XXXXXX", NULL);
  g_assert_nonnull (self->folder);
  self->path = g_build_filename (self->folder, "weights.safetensors", NULL);
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  g_unlink (self->path);
  g_assert_cmpint (g_rmdir (self->folder), ==, 0);
  g_free (self->folder);
  g_free (self->path);
}

/* Distinct numbers in every tensor, so that no two can be exchanged unseen. */
static void
number (SimclrParameters *layout, gfloat *values, gfloat first)
{
  for (guint i = 0; i < _simclr_parameters_get_length (layout); i++) {
    const SimclrParameter *parameter = _simclr_parameters_get (layout, i);

    for (gsize j = 0; j < parameter->count; j++)
      values[parameter->offset + j] = first++ * 0x1p-10f;
  }
}

static void
add_vector (SimclrParameters *layout, const gchar *name, SimclrParameterKind kind, gsize count)
{
  _simclr_parameters_add (layout, name, kind, 1, &count);
}

/* A head of two layers; the last BatchNorm has no shift. */
static void
add_head (SimclrWeights *weights)
{
  SimclrParameters *layout = _simclr_parameters_new (), *statistics = _simclr_parameters_new ();
  gsize size = simclr_weights_get_embedding_size (weights, SIMCLR_OUTPUT_REPRESENTATION);
  const gsize first[] = {24, size}, second[] = {8, 24};
  g_autofree gfloat *values = NULL, *moments = NULL;

  _simclr_parameters_add (
      layout, "projection_head.layers.0.weight", SIMCLR_PARAMETER_WEIGHT, 2, first);
  add_vector (layout, "projection_head.layers.1.weight", SIMCLR_PARAMETER_SCALE, 24);
  add_vector (layout, "projection_head.layers.1.bias", SIMCLR_PARAMETER_SHIFT, 24);
  _simclr_parameters_add (
      layout, "projection_head.layers.3.weight", SIMCLR_PARAMETER_WEIGHT, 2, second);
  add_vector (layout, "projection_head.layers.4.weight", SIMCLR_PARAMETER_SCALE, 8);
  add_vector (statistics, "projection_head.layers.1.running_mean", SIMCLR_PARAMETER_MEAN, 24);
  add_vector (statistics, "projection_head.layers.1.running_var", SIMCLR_PARAMETER_VARIANCE, 24);
  add_vector (statistics, "projection_head.layers.4.running_mean", SIMCLR_PARAMETER_MEAN, 8);
  add_vector (statistics, "projection_head.layers.4.running_var", SIMCLR_PARAMETER_VARIANCE, 8);
  values = g_new0 (gfloat, _simclr_parameters_get_floats (layout));
  moments = g_new0 (gfloat, _simclr_parameters_get_floats (statistics));
  number (layout, values, 5);
  number (statistics, moments, 7);
  _simclr_weights_set_head (weights, layout, values, statistics, moments);
}

static SimclrWeights *
make (SimclrArchitecture architecture, gdouble width, SimclrStem stem, guint input_size)
{
  g_autoptr (GError) error = NULL;
  SimclrWeights *weights = _simclr_weights_new (architecture, width, stem, input_size, &error);

  g_assert_no_error (error);
  number (weights->layout, weights->values, 1);
  number (weights->statistics_layout, weights->statistics, 3);
  weights->step = 77;
  weights->seed = G_MAXUINT64;
  weights->normalization = SIMCLR_NORMALIZATION_IMAGENET;
  weights->name = g_strdup ("a \"name\"");
  return weights;
}

static void
assert_same_floats (
    SimclrParameters *a_layout, const gfloat *a, SimclrParameters *b_layout, const gfloat *b)
{
  g_assert_cmpuint (
      _simclr_parameters_get_length (a_layout), ==, _simclr_parameters_get_length (b_layout));
  for (guint i = 0; i < _simclr_parameters_get_length (a_layout); i++)
    g_assert_cmpstr (
        _simclr_parameters_get (a_layout, i)->name, ==, _simclr_parameters_get (b_layout, i)->name);
  g_assert_cmpmem (a, _simclr_parameters_get_floats (a_layout) * sizeof (gfloat), b,
      _simclr_parameters_get_floats (b_layout) * sizeof (gfloat));
}

static void
assert_same_tensors (SimclrWeights *a, SimclrWeights *b)
{
  g_assert_cmpint (a->architecture, ==, b->architecture);
  g_assert_cmpfloat (a->width, ==, b->width);
  g_assert_cmpint (a->stem, ==, b->stem);
  assert_same_floats (a->layout, a->values, b->layout, b->values);
  assert_same_floats (a->statistics_layout, a->statistics, b->statistics_layout, b->statistics);
  g_assert_cmpint (a->head_layout != NULL, ==, b->head_layout != NULL);
  if (a->head_layout == NULL)
    return;
  assert_same_floats (a->head_layout, a->head_values, b->head_layout, b->head_values);
  assert_same_floats (
      a->head_statistics_layout, a->head_statistics, b->head_statistics_layout, b->head_statistics);
}

static void
test_saved_is_loaded (Fixture *fixture, gconstpointer data)
{
  static const struct
  {
    SimclrArchitecture architecture;
    gdouble width;
    SimclrStem stem;
    guint input_size;
    gboolean head;
  } cases[] = {
      {SIMCLR_ARCHITECTURE_RESNET18, 0.25, SIMCLR_STEM_CIFAR, 32, TRUE},
      {SIMCLR_ARCHITECTURE_RESNET18, 0.33, SIMCLR_STEM_IMAGENET, 96, FALSE},
      {SIMCLR_ARCHITECTURE_RESNET34, 0.05, SIMCLR_STEM_CIFAR, 48, TRUE},
      {SIMCLR_ARCHITECTURE_RESNET50, 0.1, SIMCLR_STEM_IMAGENET, 224, TRUE},
      {SIMCLR_ARCHITECTURE_RESNET101, 0.05, SIMCLR_STEM_CIFAR, 64, FALSE},
      {SIMCLR_ARCHITECTURE_RESNET152, 0.03, SIMCLR_STEM_CIFAR, 32, FALSE},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (SimclrWeights) saved =
        make (cases[i].architecture, cases[i].width, cases[i].stem, cases[i].input_size);
    g_autoptr (SimclrWeights) loaded = NULL;
    g_autoptr (GError) error = NULL;

    if (cases[i].head)
      add_head (saved);
    g_assert_true (simclr_weights_save (saved, fixture->path, &error));
    loaded = simclr_weights_load (fixture->path, &error);
    g_assert_no_error (error);
    assert_same_tensors (saved, loaded);
    g_assert_cmpuint (loaded->input_size, ==, saved->input_size);
    g_assert_cmpuint (loaded->step, ==, 77);
    g_assert_cmpuint (loaded->seed, ==, G_MAXUINT64);
    g_assert_cmpint (loaded->normalization, ==, SIMCLR_NORMALIZATION_IMAGENET);
    g_assert_cmpstr (loaded->name, ==, "a \"name\"");
  }
}

/* torch's state dict has these names beside ours, and shapes of its own order. */
static void
test_names_and_shapes_are_torchs (Fixture *fixture, gconstpointer data)
{
  g_autoptr (SimclrWeights) weights =
      make (SIMCLR_ARCHITECTURE_RESNET18, 0.25, SIMCLR_STEM_IMAGENET, 0);
  g_autoptr (SimclrSafetensors) file = NULL;
  const SimclrSafetensor *tensor;

  g_assert_true (simclr_weights_save (weights, fixture->path, NULL));
  file = _simclr_safetensors_open (fixture->path, NULL);
  tensor = _simclr_safetensors_lookup (file, "conv1.weight");
  g_assert_cmpuint (tensor->n_dims, ==, 4);
  g_assert_cmpuint (tensor->shape[0], ==, 16);
  g_assert_cmpuint (tensor->shape[1], ==, 3);
  g_assert_cmpuint (tensor->shape[2], ==, 7);
  g_assert_nonnull (_simclr_safetensors_lookup (file, "layer2.0.downsample.0.weight"));
  g_assert_nonnull (_simclr_safetensors_lookup (file, "layer2.0.downsample.1.running_var"));
  tensor = _simclr_safetensors_lookup (file, "layer4.1.bn2.num_batches_tracked");
  g_assert_cmpint (tensor->dtype, ==, SIMCLR_DTYPE_I64);
  g_assert_cmpuint (tensor->n_dims, ==, 0);
}

/* A writer of the tensors alone, but for what skip names; shape replaces that of changed. */
static void
write_tensors (SimclrWeights *weights, const gchar *path, const gchar *skip, const gchar *changed)
{
  g_autoptr (SimclrSafetensorsWriter) writer = _simclr_safetensors_writer_new ();
  SimclrParameters *layouts[] = {weights->layout, weights->statistics_layout};
  const gfloat *values[] = {weights->values, weights->statistics};
  const gsize extra[] = {10, 4}, two[] = {2, 1};
  const gfloat numbers[40] = {0};

  for (guint l = 0; l < G_N_ELEMENTS (layouts); l++) {
    for (guint i = 0; i < _simclr_parameters_get_length (layouts[l]); i++) {
      const SimclrParameter *parameter = _simclr_parameters_get (layouts[l], i);

      if (g_strcmp0 (parameter->name, changed) == 0)
        _simclr_safetensors_writer_add (writer, changed, 2, two, numbers);
      else if (g_strcmp0 (parameter->name, skip) != 0)
        _simclr_parameter_file_add (
            writer, parameter->name, parameter, values[l] + parameter->offset);
    }
  }
  _simclr_safetensors_writer_add (writer, "fc.weight", 2, extra, numbers);
  _simclr_safetensors_writer_add (writer, "optimizer.momentum.conv1.weight", 2, extra, numbers);
  _simclr_safetensors_writer_add (writer, "something.else", 2, extra, numbers);
  _simclr_safetensors_writer_add_scalar (writer, "bn1.num_batches_tracked", 9);
  g_assert_true (_simclr_safetensors_writer_write (writer, path, NULL));
}

static void
test_files_without_metadata_are_recognised (Fixture *fixture, gconstpointer data)
{
  for (gint i = SIMCLR_ARCHITECTURE_RESNET18; i <= SIMCLR_ARCHITECTURE_RESNET152; i++) {
    SimclrStem stem = i % 2 == 0 ? SIMCLR_STEM_IMAGENET : SIMCLR_STEM_CIFAR;
    g_autoptr (SimclrWeights) weights = make ((SimclrArchitecture) i, 0.0625, stem, 0);
    g_autoptr (SimclrWeights) loaded = NULL;
    g_autoptr (GError) error = NULL;

    write_tensors (weights, fixture->path, NULL, NULL);
    loaded = simclr_weights_load (fixture->path, &error);
    g_assert_no_error (error);
    assert_same_tensors (weights, loaded);
    g_assert_cmpuint (loaded->input_size, ==, stem == SIMCLR_STEM_IMAGENET ? 224 : 32);
    g_assert_cmpint (loaded->normalization, ==, SIMCLR_NORMALIZATION_NONE);
    g_assert_cmpuint (loaded->step, ==, 0);
  }
}

static void
assert_not_loaded (Fixture *fixture, gint code, const gchar *says)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (simclr_weights_load (fixture->path, &error));
  g_assert_error (error, SIMCLR_ERROR, code);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, says));
  g_assert_nonnull (strstr (error->message, fixture->path));
}

static void
test_missing_and_wrong_tensors_are_named (Fixture *fixture, gconstpointer data)
{
  const gchar *names[] = {"conv1.weight", "bn1.bias", "layer3.1.conv2.weight",
      "layer2.0.downsample.1.weight", "layer4.1.bn2.running_var", "layer4.0.conv2.weight"};
  g_autoptr (SimclrWeights) weights =
      make (SIMCLR_ARCHITECTURE_RESNET18, 0.25, SIMCLR_STEM_CIFAR, 0);

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    write_tensors (weights, fixture->path, names[i], NULL);
    assert_not_loaded (fixture, SIMCLR_ERROR_MISMATCH, names[i]);
    write_tensors (weights, fixture->path, NULL, names[i]);
    assert_not_loaded (fixture, SIMCLR_ERROR_MISMATCH, names[i]);
    assert_not_loaded (fixture, SIMCLR_ERROR_MISMATCH, "(2, 1)");
  }
  write_tensors (weights, fixture->path, "layer1.1.conv1.weight", NULL);
  assert_not_loaded (fixture, SIMCLR_ERROR_MISMATCH, "1, 2, 2 and 2");
}

/* How another implementation calls our tensors: prefix, numbers of conv1, bn1, layer1 to 4 (or none), and
 * the shortcut of a block. */
typedef struct
{
  const gchar *prefix;
  const gchar *modules[6];
  const gchar *shortcut;
} Naming;

static gchar *
rename_tensor (const Naming *naming, const gchar *name)
{
  const gchar *const modules[] = {"conv1.", "bn1.", "layer1.", "layer2.", "layer3.", "layer4."};
  GString *renamed = g_string_new (name);

  for (guint i = 0; naming->modules[0] && i < G_N_ELEMENTS (modules); i++) {
    if (!g_str_has_prefix (name, modules[i]))
      continue;
    g_string_erase (renamed, 0, (gssize) strlen (modules[i]) - 1);
    g_string_prepend (renamed, naming->modules[i]);
  }
  g_string_prepend (renamed, naming->prefix);
  if (naming->shortcut)
    g_string_replace (renamed, "downsample", naming->shortcut, 0);
  return g_string_free (renamed, FALSE);
}

static void
add_renamed (SimclrSafetensorsWriter *writer, SimclrWeights *weights, const Naming *naming)
{
  SimclrParameters *layouts[] = {weights->layout, weights->statistics_layout};
  const gfloat *values[] = {weights->values, weights->statistics};

  for (guint l = 0; l < G_N_ELEMENTS (layouts); l++) {
    for (guint i = 0; i < _simclr_parameters_get_length (layouts[l]); i++) {
      const SimclrParameter *parameter = _simclr_parameters_get (layouts[l], i);
      g_autofree gchar *name = rename_tensor (naming, parameter->name);

      _simclr_parameter_file_add (writer, name, parameter, values[l] + parameter->offset);
    }
  }
}

/* The names are those of the projects' state_dict ()s. */
static const Naming namings[] = {
    {"", {NULL}, NULL},                                  /* tonylins/simclr-converter */
    {"", {NULL}, "shortcut"},                            /* lightly's ResNetGenerator, alone */
    {"backbone.", {NULL}, NULL},                         /* sthalles/SimCLR, solo-learn */
    {"encoder.", {NULL}, NULL},                          /* Spijkervet/SimCLR, older solo-learn */
    {"module.encoder.", {NULL}, NULL},                   /* the same behind DataParallel */
    {"encoder.module.", {NULL}, "shortcut"},             /* HobbitLong/SupContrast */
    {"backbone.", {"0", "1", "4", "5", "6", "7"}, NULL}, /* lightly, torchvision's children */
    {"backbone.", {"0", "1", "2", "3", "4", "5"}, "shortcut"}, /* lightly, ResNetGenerator's */
    {"f.", {"0", "1", "3", "4", "5", "6"}, NULL},              /* leftthomas/SimCLR */
    {"", {"0", "1", "4", "5", "6", "7"}, NULL},                /* a sequence alone */
};

static void
test_other_implementations_load (Fixture *fixture, gconstpointer data)
{
  for (guint i = 0; i < G_N_ELEMENTS (namings); i++) {
    g_autoptr (SimclrWeights) weights =
        make (i % 2 == 0 ? SIMCLR_ARCHITECTURE_RESNET18 : SIMCLR_ARCHITECTURE_RESNET50, 0.0625,
            i % 3 == 0 ? SIMCLR_STEM_IMAGENET : SIMCLR_STEM_CIFAR, 0);
    g_autoptr (SimclrSafetensorsWriter) writer = _simclr_safetensors_writer_new ();
    g_autoptr (SimclrWeights) loaded = NULL;
    g_autoptr (GError) error = NULL;
    const gsize shape[] = {4, 128};
    const gfloat numbers[512] = {0};

    /* their heads: of two dense layers with biases */
    _simclr_safetensors_writer_add (writer, "projector.0.weight", 2, shape, numbers);
    _simclr_safetensors_writer_add (writer, "projection_head.layers.0.weight", 2, shape, numbers);
    _simclr_safetensors_writer_add (writer, "projection_head.layers.0.bias", 1, shape, numbers);
    _simclr_safetensors_writer_add (writer, "backbone.fc.0.weight", 2, shape, numbers);
    add_renamed (writer, weights, &namings[i]);
    g_assert_true (_simclr_safetensors_writer_write (writer, fixture->path, NULL));
    loaded = simclr_weights_load (fixture->path, &error);
    g_assert_no_error (error);
    assert_same_tensors (weights, loaded);
  }
}

/* lightly's head has our names. */
static void
test_lightlys_head_loads (Fixture *fixture, gconstpointer data)
{
  g_autoptr (SimclrWeights) weights =
      make (SIMCLR_ARCHITECTURE_RESNET18, 0.0625, SIMCLR_STEM_CIFAR, 0);
  g_autoptr (SimclrSafetensorsWriter) writer = _simclr_safetensors_writer_new ();
  g_autoptr (SimclrWeights) loaded = NULL;
  g_autoptr (GError) error = NULL;

  add_head (weights);
  add_renamed (writer, weights, &namings[6]);
  _simclr_parameters_file_add (writer, weights->head_layout, weights->head_values);
  _simclr_parameters_file_add (writer, weights->head_statistics_layout, weights->head_statistics);
  g_assert_true (_simclr_safetensors_writer_write (writer, fixture->path, NULL));
  loaded = simclr_weights_load (fixture->path, &error);
  g_assert_no_error (error);
  assert_same_tensors (weights, loaded);
}

/* Separius/SimCLRv2-Pytorch's name for a tensor; see resnet.py there. */
static gchar *
name_as_version_2 (const gchar *name)
{
  static const gchar *const modules[][2] = {
      {"downsample.0.", "projection.shortcut."},
      {"downsample.1.", "projection.bn.0."},
      {"conv1.", "net.0."},
      {"bn1.", "net.1.0."},
      {"conv2.", "net.2."},
      {"bn2.", "net.3.0."},
      {"conv3.", "net.4."},
      {"bn3.", "net.5.0."},
  };
  guint layer, block;
  gint begin;

  if (g_str_has_prefix (name, "conv1."))
    return g_strconcat ("resnet.net.0.0.", name + 6, NULL);
  if (g_str_has_prefix (name, "bn1."))
    return g_strconcat ("resnet.net.0.1.0.", name + 4, NULL);
  g_assert_cmpint (sscanf (name, "layer%u.%u.%n", &layer, &block, &begin), ==, 2);
  for (guint i = 0; i < G_N_ELEMENTS (modules); i++)
    if (g_str_has_prefix (name + begin, modules[i][0]))
      return g_strdup_printf ("resnet.net.%u.blocks.%u.%s%s", layer, block, modules[i][1],
          name + begin + strlen (modules[i][0]));
  g_assert_not_reached ();
}

static void
test_version_2_loads (Fixture *fixture, gconstpointer data)
{
  g_autoptr (SimclrWeights) weights =
      make (SIMCLR_ARCHITECTURE_RESNET50, 0.0625, SIMCLR_STEM_IMAGENET, 0);
  SimclrParameters *layouts[] = {weights->layout, weights->statistics_layout};
  const gfloat *values[] = {weights->values, weights->statistics};
  const gsize shape[] = {4, 3, 3, 3};
  const gfloat numbers[108] = {0};

  for (guint selective = 0; selective < 2; selective++) {
    g_autoptr (SimclrSafetensorsWriter) writer = _simclr_safetensors_writer_new ();
    g_autoptr (SimclrWeights) loaded = NULL;
    g_autoptr (GError) error = NULL;

    for (guint l = 0; l < G_N_ELEMENTS (layouts); l++) {
      for (guint i = 0; i < _simclr_parameters_get_length (layouts[l]); i++) {
        const SimclrParameter *parameter = _simclr_parameters_get (layouts[l], i);
        g_autofree gchar *name = name_as_version_2 (parameter->name);

        _simclr_parameter_file_add (writer, name, parameter, values[l] + parameter->offset);
      }
    }
    _simclr_safetensors_writer_add (writer, "resnet.fc.weight", 4, shape, numbers);
    _simclr_safetensors_writer_add (writer, "head.layers.0.weight", 4, shape, numbers);
    if (selective)
      _simclr_safetensors_writer_add (
          writer, "resnet.net.1.blocks.0.net.2.main_conv.0.weight", 4, shape, numbers);
    g_assert_true (_simclr_safetensors_writer_write (writer, fixture->path, NULL));
    if (selective) {
      assert_not_loaded (fixture, SIMCLR_ERROR_UNSUPPORTED, "selective kernels");
      continue;
    }
    loaded = simclr_weights_load (fixture->path, &error);
    g_assert_no_error (error);
    assert_same_tensors (weights, loaded);
  }
}

static void
test_two_encoders_are_an_error (Fixture *fixture, gconstpointer data)
{
  const Naming momentum = {"momentum_backbone.", {NULL}, NULL};
  g_autoptr (SimclrWeights) weights =
      make (SIMCLR_ARCHITECTURE_RESNET18, 0.0625, SIMCLR_STEM_CIFAR, 0);
  g_autoptr (SimclrSafetensorsWriter) writer = _simclr_safetensors_writer_new ();

  add_renamed (writer, weights, &namings[6]);
  add_renamed (writer, weights, &momentum);
  g_assert_true (_simclr_safetensors_writer_write (writer, fixture->path, NULL));
  assert_not_loaded (fixture, SIMCLR_ERROR_MISMATCH, "momentum_backbone.");
}

static void
test_wrong_metadata_is_an_error (Fixture *fixture, gconstpointer data)
{
  static const struct
  {
    const gchar *key;
    const gchar *value;
    gint code;
  } cases[] = {
      {"version", "2", SIMCLR_ERROR_UNSUPPORTED},
      {"architecture", "resnet34", SIMCLR_ERROR_FORMAT},
      {"architecture", "vgg", SIMCLR_ERROR_FORMAT},
      {"stem", "imagenet", SIMCLR_ERROR_FORMAT},
      {"width", "1000", SIMCLR_ERROR_FORMAT},
      {"width", "nan", SIMCLR_ERROR_FORMAT},
      {"width", "-1", SIMCLR_ERROR_FORMAT},
      {"width", "", SIMCLR_ERROR_FORMAT},
      {"width", "0.25x", SIMCLR_ERROR_FORMAT},
      {"input_size", "-1", SIMCLR_ERROR_FORMAT},
      {"input_size", "4294967297", SIMCLR_ERROR_FORMAT},
      {"input_size", "1000000", SIMCLR_ERROR_FORMAT},
      {"normalization", "auto", SIMCLR_ERROR_FORMAT},
      {"step", "1e3", SIMCLR_ERROR_FORMAT},
      {"step", "18446744073709551616", SIMCLR_ERROR_FORMAT},
      {"seed", "x", SIMCLR_ERROR_FORMAT},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (SimclrWeights) weights =
        make (SIMCLR_ARCHITECTURE_RESNET18, 0.25, SIMCLR_STEM_CIFAR, 0);
    g_autoptr (SimclrSafetensorsWriter) writer = _simclr_safetensors_writer_new ();

    _simclr_weights_file_add (writer, weights);
    _simclr_safetensors_writer_set_metadata (writer, cases[i].key, cases[i].value);
    g_assert_true (_simclr_safetensors_writer_write (writer, fixture->path, NULL));
    assert_not_loaded (
        fixture, cases[i].code, cases[i].code == SIMCLR_ERROR_FORMAT ? cases[i].key : "version");
  }
}

/* A narrow ResNet-152, but for a stem of width 16 and that layer4.0.conv2. */
static void
write_mixture (const gchar *path, const gsize *shape)
{
  static const guint blocks[] = {3, 8, 36, 3};
  g_autoptr (SimclrSafetensorsWriter) writer = _simclr_safetensors_writer_new ();
  const gsize first[] = {1024, 3, 3, 3}, one[] = {1, 1, 3, 3};
  g_autofree gfloat *numbers = g_new0 (gfloat, 8192 * 27);

  _simclr_safetensors_writer_add (writer, "conv1.weight", 4, first, numbers);
  for (guint layer = 0; layer < 4; layer++) {
    for (guint block = 0; block < blocks[layer]; block++) {
      for (guint i = 1; i <= 3; i++) {
        g_autofree gchar *name = g_strdup_printf ("layer%u.%u.conv%u.weight", layer + 1, block, i);

        _simclr_safetensors_writer_add (
            writer, name, 4, layer == 3 && block == 0 && i == 2 ? shape : one, numbers);
      }
    }
  }
  g_assert_true (_simclr_safetensors_writer_write (writer, path, NULL));
}

/* A small file must not make the reader take memory for a network of any width. */
static void
test_a_small_file_stays_small (Fixture *fixture, gconstpointer data)
{
  const gsize shapes[][4] = {
      {8192, 1, 3, 3}, {1, 8192, 3, 3}, {8192, 8192, 3, 0}, {8192, 8192, 0, 0}, {1, 1, 3, 3}};

  for (guint i = 0; i < G_N_ELEMENTS (shapes); i++) {
    write_mixture (fixture->path, shapes[i]);
    assert_not_loaded (fixture, SIMCLR_ERROR_MISMATCH, "layer4.0.conv2.weight");
  }
}

static void
test_wrong_heads_are_errors (Fixture *fixture, gconstpointer data)
{
  static const struct
  {
    const gchar *name;
    guint n_dims;
    gsize shape[2];
    gint code;
  } cases[] = {
      {"projection_head.layers.0.weight", 2, {4, 127}, SIMCLR_ERROR_MISMATCH},
      {"projection_head.layers.0.weight", 2, {0, 128}, SIMCLR_ERROR_MISMATCH},
      {"projection_head.layers.0.weight", 1, {4, 0}, SIMCLR_ERROR_MISMATCH},
      {"projection_head.layers.0.weight", 2, {4, 128}, SIMCLR_ERROR_MISMATCH},
      {"projection_head.layers.0.bias", 1, {4, 0}, SIMCLR_ERROR_UNSUPPORTED},
  };
  const gfloat numbers[512] = {0};

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (SimclrWeights) weights =
        make (SIMCLR_ARCHITECTURE_RESNET18, 0.25, SIMCLR_STEM_CIFAR, 0);
    g_autoptr (SimclrSafetensorsWriter) writer = _simclr_safetensors_writer_new ();

    if (cases[i].code == SIMCLR_ERROR_UNSUPPORTED)
      add_head (weights);
    _simclr_weights_file_add (writer, weights);
    _simclr_safetensors_writer_add (
        writer, cases[i].name, cases[i].n_dims, cases[i].shape, numbers);
    g_assert_true (_simclr_safetensors_writer_write (writer, fixture->path, NULL));
    assert_not_loaded (fixture, cases[i].code, "projection_head.layers.");
  }
}

#define ADD(name, function)                                                                        \
  g_test_add ("/weights-file/" name, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("saved-is-loaded", test_saved_is_loaded);
  ADD ("names-and-shapes-are-torchs", test_names_and_shapes_are_torchs);
  ADD ("files-without-metadata-are-recognised", test_files_without_metadata_are_recognised);
  ADD ("other-implementations-load", test_other_implementations_load);
  ADD ("lightlys-head-loads", test_lightlys_head_loads);
  ADD ("version-2-loads", test_version_2_loads);
  ADD ("two-encoders-are-an-error", test_two_encoders_are_an_error);
  ADD ("missing-and-wrong-tensors-are-named", test_missing_and_wrong_tensors_are_named);
  ADD ("wrong-metadata-is-an-error", test_wrong_metadata_is_an_error);
  ADD ("a-small-file-stays-small", test_a_small_file_stays_small);
  ADD ("wrong-heads-are-errors", test_wrong_heads_are_errors);
  return g_test_run ();
}
