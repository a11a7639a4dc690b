/* A linear layer over labels goes through files unchanged, and what does not fit is an error or left out.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/io/weights-file-private.h>
#include <simclr/nn/projection-head-private.h>
#include <simclr/nn/supervised-head-private.h>
#include <simclr/simclr-error.h>

#include <glib/gstdio.h>
#include <string.h>

#define SIZE 8 /* floats of a representation */
#define HIDDEN 6
#define LABELS 3

static const gchar *const names[] = {"Straße \"1\"", "猫", "c", NULL};

/* Weights with a head of two layers and a linear layer behind one of them, all of random numbers. */
static SimclrWeights *
make (guint layer)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrWeights) begin = simclr_weights_new_random (
      SIMCLR_ARCHITECTURE_RESNET18, 1.0 / 64, SIMCLR_STEM_CIFAR, 8, 1, &error);
  SimclrWeights *weights = simclr_weights_new_random (
      SIMCLR_ARCHITECTURE_RESNET18, 1.0 / 64, SIMCLR_STEM_CIFAR, 8, 1, &error);
  g_autoptr (SimclrProjectionHead) projection =
      _simclr_projection_head_new (2, SIZE, HIDDEN, 4, 1, &error);
  const SimclrParameterSet *set = _simclr_projection_head_get_parameters (projection);
  g_autoptr (SimclrSupervisedHead) head = NULL;

  g_assert_no_error (error);
  _simclr_weights_set_head (begin, _simclr_parameters_ref (set->layout), set->values,
      _simclr_parameters_ref (_simclr_projection_head_get_statistics_layout (projection)),
      _simclr_projection_head_get_statistics (projection));
  head = _simclr_supervised_head_new (begin, layer, LABELS, &error);
  g_assert_no_error (error);
  set = _simclr_supervised_head_get_parameters (head);
  for (guint i = 0; i < _simclr_parameters_get_length (set->layout); i++) {
    const SimclrParameter *tensor = _simclr_parameters_get (set->layout, i);

    for (gsize k = 0; k < tensor->count; k++)
      set->values[tensor->offset + k] = (gfloat) (i + 1) * (gfloat) k;
  }
  _simclr_supervised_head_store (head, names, weights);
  return weights;
}

static gchar *
make_path (void)
{
  g_autofree gchar *folder = g_dir_make_tmp ("simclr-test-XXXXXX", NULL);

  g_assert_nonnull (folder);
  return g_build_filename (folder, "weights.safetensors", NULL);
}

static void
remove_with_folder (const gchar *path)
{
  g_autofree gchar *folder = g_path_get_dirname (path);

  g_unlink (path);
  g_assert_cmpint (g_rmdir (folder), ==, 0);
}

static void
test_saved_is_loaded (void)
{
  g_autofree gchar *path = make_path ();

  for (guint layer = 0; layer <= 2; layer++) {
    g_autoptr (SimclrWeights) saved = make (layer), loaded = NULL;
    g_autoptr (GError) error = NULL;
    gsize bytes = _simclr_parameters_get_floats (saved->classifier_layout) * sizeof (gfloat);

    g_assert_true (simclr_weights_save (saved, path, &error));
    loaded = simclr_weights_load (path, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (loaded->head_layer, ==, layer);
    g_assert_cmpstrv (loaded->labels, names);
    g_assert_cmpint (loaded->head_layout != NULL, ==, layer > 0);
    g_assert_cmpmem (saved->classifier_values, bytes, loaded->classifier_values, bytes);
  }
  remove_with_folder (path);
}

/* A file of layer 1, or another implementation's of layer 0, with one change. */
typedef struct
{
  const gchar *key; /* of the metadata */
  const gchar *value;
  const gchar *tensor; /* fc.weight or fc.bias */
  gsize shape[2];      /* of it; second 0: one dimension */
  gboolean foreign;
} Change;

static void
add_tensor (
    SimclrSafetensorsWriter *writer, const gchar *name, const gsize *shape, const Change *change)
{
  static const gfloat numbers[64];

  if (g_strcmp0 (change->tensor, name) == 0)
    shape = change->shape;
  _simclr_safetensors_writer_add (writer, name, shape[1] ? 2 : 1, shape, numbers);
}

static SimclrWeights *
load_changed (const gchar *path, const Change *change, GError **error)
{
  g_autoptr (SimclrWeights) weights = make (change->foreign ? 0 : 1);
  g_autoptr (SimclrSafetensorsWriter) writer = _simclr_safetensors_writer_new ();

  g_clear_pointer (&weights->classifier_layout, _simclr_parameters_unref);
  _simclr_weights_file_add (writer, weights);
  add_tensor (writer, "fc.weight", (gsize[]){LABELS, change->foreign ? SIZE : HIDDEN}, change);
  add_tensor (writer, "fc.bias", (gsize[]){LABELS, 0}, change);
  if (change->foreign)
    _simclr_safetensors_writer_set_metadata (writer, "format", "pt");
  else
    _simclr_safetensors_writer_set_metadata (writer, "head_layer", "1");
  if (change->key)
    _simclr_safetensors_writer_set_metadata (writer, change->key, change->value);
  g_assert_true (_simclr_safetensors_writer_write (writer, path, NULL));
  return simclr_weights_load (path, error);
}

static void
test_what_does_not_fit_is_an_error (void)
{
  const struct
  {
    Change change;
    const gchar *says;
  } cases[] = {
      {{"labels", "[\"a\", \"b\"]"}, "2 names, but fc.weight 3 rows"},
      {{"labels", "[\"a\", \"b\", \"a\"]"}, "label 2"},
      {{"labels", "[[[\"a\"]]]"}, "labels"},
      {{"labels", "{}"}, "labels"},
      {{"head_layer", "0"}, "layer 0"},
      {{"head_layer", "2"}, "layer 2"},
      {{"head_layer", "3"}, "layer 3"},
      {{"head_layer", "4294967296"}, "head_layer"},
      {{NULL, NULL, "fc.weight", {3, HIDDEN + 1}}, "fc.weight"},
      {{NULL, NULL, "fc.weight", {0, HIDDEN}}, "fc.weight"},
      {{NULL, NULL, "fc.bias", {LABELS + 1, 0}}, "fc.bias"},
      {{NULL, NULL, "fc.bias", {LABELS, 1}}, "fc.bias"},
  };
  g_autofree gchar *path = make_path ();

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (SimclrWeights) weights = load_changed (path, &cases[i].change, &error);

    g_assert_null (weights);
    g_assert_true (error != NULL && error->domain == SIMCLR_ERROR);
    if (strstr (error->message, cases[i].says) == NULL)
      g_error ("case %u: \"%s\"", i, error->message);
  }
  remove_with_folder (path);
}

/* What others call fc is theirs: a layer over representations is taken, with numbers where there are no names;
 * another is left out. */
static void
test_others_layers (void)
{
  const Change numbered = {.foreign = TRUE};
  const Change named = {"labels", "[\"x\", \"y\", \"z\"]", .foreign = TRUE};
  const Change other = {NULL, NULL, "fc.weight", {LABELS, SIZE + 1}, TRUE};
  g_autofree gchar *path = make_path ();
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrWeights) numbers = load_changed (path, &numbered, &error);
  g_autoptr (SimclrWeights) names_too = load_changed (path, &named, &error);
  g_autoptr (SimclrWeights) left = load_changed (path, &other, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (numbers->labels[2], ==, "2");
  g_assert_cmpstr (names_too->labels[2], ==, "z");
  g_assert_null (left->classifier_layout);
  remove_with_folder (path);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/fine-tuned-file/saved-is-loaded", test_saved_is_loaded);
  g_test_add_func ("/fine-tuned-file/errors", test_what_does_not_fit_is_an_error);
  g_test_add_func ("/fine-tuned-file/others-layers", test_others_layers);
  return g_test_run ();
}
