/* An exported model says what it computes: its file is read back and its shapes are followed through.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/io/onnx-export.h>
#include <simclr/nn/weights-private.h>
#include <simclr/simclr-error.h>

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#ifdef HAVE_ONNX
#include <simclr/io/onnx.pb-c.h>
#endif

#define HEAD 8 /* floats of the projection */

typedef struct
{
  gchar *folder;
  gchar *path;
  gchar *info;
} Fixture;

static void
set_up (Fixture *self, gconstpointer data)
{
  self->folder = g_dir_make_tmp ("simclr-test-XXXXXX", NULL);
  g_assert_nonnull (self->folder);
  self->path = g_build_filename (self->folder, "encoder.onnx", NULL);
  self->info = g_strconcat (self->path, ".modelinfo", NULL);
}

/* Nothing else may lie in the folder. */
static void
tear_down (Fixture *self, gconstpointer data)
{
  g_unlink (self->path);
  g_unlink (self->info);
  g_assert_cmpint (g_rmdir (self->folder), ==, 0);
  g_free (self->folder);
  g_free (self->path);
  g_free (self->info);
}

static void
fill (SimclrParameters *layout, gfloat *values, guint32 seed)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (seed);

  for (guint i = 0; i < _simclr_parameters_get_length (layout); i++) {
    const SimclrParameter *parameter = _simclr_parameters_get (layout, i);

    for (gsize j = 0; j < parameter->count; j++)
      values[parameter->offset + j] = (gfloat) g_rand_double_range (random, 0.5, 1.5);
  }
}

static SimclrWeights *
make (SimclrArchitecture architecture, SimclrStem stem, guint input_size,
    SimclrNormalization normalization)
{
  g_autoptr (GError) error = NULL;
  SimclrWeights *weights = _simclr_weights_new (architecture, 0.0625, stem, input_size, &error);

  g_assert_no_error (error);
  fill (weights->layout, weights->values, 3);
  fill (weights->statistics_layout, weights->statistics, 4);
  weights->normalization = normalization;
  weights->step = 77;
  return weights;
}

static void
test_what_cannot_be_exported (Fixture *fixture, gconstpointer data)
{
  g_autoptr (SimclrWeights) weights =
      make (SIMCLR_ARCHITECTURE_RESNET18, SIMCLR_STEM_CIFAR, 16, SIMCLR_NORMALIZATION_NONE);
  g_autoptr (GError) error = NULL;

  g_assert_false (
      simclr_weights_export_onnx (weights, fixture->path, SIMCLR_OUTPUT_PROJECTION, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH);
  g_clear_error (&error);
  weights->values[3] = NAN;
  g_assert_false (
      simclr_weights_export_onnx (weights, fixture->path, SIMCLR_OUTPUT_REPRESENTATION, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_NON_FINITE);
  g_assert_false (g_file_test (fixture->path, G_FILE_TEST_EXISTS));
  g_assert_false (g_file_test (fixture->info, G_FILE_TEST_EXISTS));
}

#ifdef HAVE_ONNX
/* One layer: a matrix and a BatchNorm without shift. */
static void
add_head (SimclrWeights *weights)
{
  SimclrParameters *layout = _simclr_parameters_new (), *statistics = _simclr_parameters_new ();
  const gsize out = HEAD;
  const gsize shape[] = {
      out, simclr_weights_get_embedding_size (weights, SIMCLR_OUTPUT_REPRESENTATION)};
  g_autofree gfloat *values = NULL, *moments = NULL;

  _simclr_parameters_add (
      layout, "projection_head.layers.0.weight", SIMCLR_PARAMETER_WEIGHT, 2, shape);
  _simclr_parameters_add (
      layout, "projection_head.layers.1.weight", SIMCLR_PARAMETER_SCALE, 1, &out);
  _simclr_parameters_add (
      statistics, "projection_head.layers.1.running_mean", SIMCLR_PARAMETER_MEAN, 1, &out);
  _simclr_parameters_add (
      statistics, "projection_head.layers.1.running_var", SIMCLR_PARAMETER_VARIANCE, 1, &out);
  values = g_new0 (gfloat, _simclr_parameters_get_floats (layout));
  moments = g_new0 (gfloat, _simclr_parameters_get_floats (statistics));
  fill (layout, values, 1);
  fill (statistics, moments, 2);
  _simclr_weights_set_head (weights, layout, values, statistics, moments);
}

typedef struct
{
  gint64 dims[4];
  gsize n;
} Shape;

static Onnx__ModelProto *export(Fixture *fixture, SimclrWeights *weights, SimclrOutput output)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *bytes = NULL;
  Onnx__ModelProto *model;
  gsize length;

  g_assert_true (simclr_weights_export_onnx (weights, fixture->path, output, &error));
  g_assert_no_error (error);
  g_assert_true (g_file_get_contents (fixture->path, &bytes, &length, NULL));
  model = onnx__model_proto__unpack (NULL, length, (const guint8 *) bytes);
  g_assert_nonnull (model);
  return model;
}

static void
add_shape (GHashTable *shapes, const gchar *name, const gint64 *dims, gsize n)
{
  Shape *shape = g_new0 (Shape, 1);

  g_assert_cmpuint (n, <=, 4);
  shape->n = n;
  for (gsize i = 0; i < n; i++)
    shape->dims[i] = dims[i];
  g_assert_true (g_hash_table_insert (shapes, (gpointer) name, shape)); /* a name has one meaning */
}

static void
assert_value (Onnx__ValueInfoProto *value, const gchar *name, gsize n, const gint64 *dims)
{
  Onnx__TypeProto__Tensor *tensor = value->type->tensor_type;

  g_assert_cmpstr (value->name, ==, name);
  g_assert_cmpint (value->type->value_case, ==, ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE);
  g_assert_cmpint (tensor->elem_type, ==, 1); /* FLOAT */
  g_assert_cmpuint (tensor->shape->n_dim, ==, n);
  g_assert_cmpstr (tensor->shape->dim[0]->dim_param, ==, "batch");
  for (gsize i = 1; i < n; i++)
    g_assert_cmpint (tensor->shape->dim[i]->dim_value, ==, dims[i]);
}

static const Onnx__AttributeProto *
get_attribute (const Onnx__NodeProto *node, const gchar *name)
{
  for (gsize i = 0; i < node->n_attribute; i++)
    if (g_str_equal (node->attribute[i]->name, name))
      return node->attribute[i];
  g_error ("%s: no attribute %s", node->name, name);
}

/* Height and width after a window; both are the same. */
static void
slide (const Onnx__NodeProto *node, gint64 kernel, Shape *shape)
{
  const Onnx__AttributeProto *pads = get_attribute (node, "pads");
  const Onnx__AttributeProto *strides = get_attribute (node, "strides");
  const Onnx__AttributeProto *kernels = get_attribute (node, "kernel_shape");

  g_assert_cmpuint (pads->n_ints, ==, 4);
  g_assert_cmpuint (strides->n_ints, ==, 2);
  g_assert_cmpuint (kernels->n_ints, ==, 2);
  g_assert_cmpint (kernels->type, ==, 7); /* INTS */
  for (gsize i = 0; i < 2; i++) {
    g_assert_cmpint (kernels->ints[i], ==, kernel);
    shape->dims[2 + i] =
        (shape->dims[2 + i] + pads->ints[i] + pads->ints[2 + i] - kernel) / strides->ints[i] + 1;
  }
}

/* The shape of a node's output, by ONNX's description of the operator. */
static Shape
infer (const Onnx__NodeProto *node, Shape *const *in)
{
  Shape shape = *in[0];

  if (g_str_equal (node->op_type, "Conv")) {
    g_assert_cmpuint (node->n_input, ==, 3);
    g_assert_cmpint (in[1]->dims[1], ==, shape.dims[1]);
    g_assert_cmpint (in[2]->dims[0], ==, in[1]->dims[0]);
    slide (node, in[1]->dims[2], &shape);
    shape.dims[1] = in[1]->dims[0];
  } else if (g_str_equal (node->op_type, "MaxPool")) {
    slide (node, 3, &shape);
  } else if (g_str_equal (node->op_type, "GlobalAveragePool")) {
    shape.dims[2] = shape.dims[3] = 1;
  } else if (g_str_equal (node->op_type, "Flatten")) {
    shape.dims[1] *= shape.dims[2] * shape.dims[3];
    shape.n = 2;
  } else if (g_str_equal (node->op_type, "Gemm")) {
    g_assert_cmpint (get_attribute (node, "transB")->i, ==, 1);
    g_assert_cmpint (in[1]->dims[1], ==, shape.dims[1]);
    shape.dims[1] = in[1]->dims[0];
    g_assert_cmpint (in[2]->dims[0], ==, shape.dims[1]);
  } else if (g_str_equal (node->op_type, "ReduceL2")) {
    g_assert_cmpint (get_attribute (node, "axes")->ints[0], ==, 1);
    shape.dims[1] = 1;
  } else if (g_str_equal (node->op_type, "Add") && !g_str_equal (node->output[0], "normalized")) {
    g_assert_cmpmem (&shape, sizeof shape, in[1], sizeof *in[1]);
  } else { /* elementwise; the second one is broadcast */
    g_assert_nonnull (strstr ("Add Relu Mul Max Div", node->op_type));
  }
  return shape;
}

/* Follows the shapes through the graph: tensors are there before they are used, and all of them are. */
static void
follow (Onnx__GraphProto *graph, const gint64 *input, gint64 floats)
{
  g_autoptr (GHashTable) shapes = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);
  g_autoptr (GHashTable) used = g_hash_table_new (g_str_hash, g_str_equal);
  const Shape *last;

  add_shape (shapes, "input", input, 4);
  for (gsize i = 0; i < graph->n_initializer; i++) {
    Onnx__TensorProto *tensor = graph->initializer[i];
    gsize count = 1;

    for (gsize j = 0; j < tensor->n_dims; j++)
      count *= (gsize) tensor->dims[j];
    g_assert_cmpint (tensor->data_type, ==, 1); /* FLOAT */
    g_assert_cmpuint (tensor->raw_data.len, ==, count * sizeof (gfloat));
    add_shape (shapes, tensor->name, tensor->dims, tensor->n_dims);
  }
  for (gsize i = 0; i < graph->n_node; i++) {
    Onnx__NodeProto *node = graph->node[i];
    Shape *in[3], out;

    g_assert_cmpuint (node->n_input, <=, 3);
    for (gsize j = 0; j < node->n_input; j++) {
      in[j] = g_hash_table_lookup (shapes, node->input[j]);
      g_assert_nonnull (in[j]);
      g_hash_table_add (used, node->input[j]);
    }
    out = infer (node, in);
    add_shape (shapes, node->output[0], out.dims, out.n);
  }
  last = g_hash_table_lookup (shapes, "embedding");
  g_assert_nonnull (last);
  g_assert_cmpuint (last->n, ==, 2);
  g_assert_cmpint (last->dims[0], ==, input[0]);
  g_assert_cmpint (last->dims[1], ==, floats);
  g_assert_cmpuint (g_hash_table_size (used), ==, g_hash_table_size (shapes) - 1);
}

static void
test_shapes_follow (Fixture *fixture, gconstpointer data)
{
  static const struct
  {
    SimclrArchitecture architecture;
    SimclrStem stem;
    guint size;
    SimclrNormalization normalization;
    guint floats;
  } cases[] = {
      {SIMCLR_ARCHITECTURE_RESNET18, SIMCLR_STEM_CIFAR, 32, SIMCLR_NORMALIZATION_NONE, 32},
      {SIMCLR_ARCHITECTURE_RESNET18, SIMCLR_STEM_IMAGENET, 97, SIMCLR_NORMALIZATION_IMAGENET, 32},
      {SIMCLR_ARCHITECTURE_RESNET34, SIMCLR_STEM_IMAGENET, 64, SIMCLR_NORMALIZATION_NONE, 32},
      {SIMCLR_ARCHITECTURE_RESNET50, SIMCLR_STEM_CIFAR, 16, SIMCLR_NORMALIZATION_IMAGENET, 128},
      {SIMCLR_ARCHITECTURE_RESNET152, SIMCLR_STEM_IMAGENET, 224, SIMCLR_NORMALIZATION_NONE, 128},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (SimclrWeights) weights =
        make (cases[i].architecture, cases[i].stem, cases[i].size, cases[i].normalization);
    const gint64 input[] = {5, 3, cases[i].size, cases[i].size};

    add_head (weights);
    for (guint output = 0; output < 2; output++) {
      Onnx__ModelProto *model = export(fixture, weights, (SimclrOutput) output);
      const gint64 floats = output == SIMCLR_OUTPUT_PROJECTION ? HEAD : cases[i].floats;
      const gint64 embedding[] = {0, floats};

      g_assert_cmpint (model->ir_version, ==, 7);
      g_assert_cmpuint (model->n_opset_import, ==, 1);
      g_assert_cmpint (model->opset_import[0]->version, ==, 13);
      g_assert_cmpuint (model->graph->n_input, ==, 1);
      g_assert_cmpuint (model->graph->n_output, ==, 1);
      assert_value (model->graph->input[0], "input", 4, input);
      assert_value (model->graph->output[0], "embedding", 2, embedding);
      follow (model->graph, input, floats);
      onnx__model_proto__free_unpacked (model, NULL);
    }
  }
}

static const Onnx__TensorProto *
find (Onnx__GraphProto *graph, const gchar *name)
{
  for (gsize i = 0; i < graph->n_initializer; i++)
    if (g_str_equal (graph->initializer[i]->name, name))
      return graph->initializer[i];
  g_error ("no constant %s", name);
}

static gfloat
get_float (const Onnx__TensorProto *tensor, gsize number)
{
  guint32 bits;
  gfloat value;

  memcpy (&bits, tensor->raw_data.data + number * sizeof bits, sizeof bits);
  bits = GUINT32_FROM_LE (bits);
  memcpy (&value, &bits, sizeof value);
  return value;
}

static gdouble
value_of (SimclrParameters *layout, const gfloat *values, const gchar *name, gsize number)
{
  return values[_simclr_parameters_lookup (layout, name)->offset + number];
}

/* BatchNorm (w * x) = w s / deviation * x + (shift - mean s / deviation). */
static void
test_batchnorm_is_folded (Fixture *fixture, gconstpointer data)
{
  g_autoptr (SimclrWeights) weights =
      make (SIMCLR_ARCHITECTURE_RESNET18, SIMCLR_STEM_CIFAR, 16, SIMCLR_NORMALIZATION_IMAGENET);
  const SimclrParameter *conv1 = _simclr_parameters_lookup (weights->layout, "conv1.weight");
  Onnx__ModelProto *model = export(fixture, weights, SIMCLR_OUTPUT_REPRESENTATION);
  const Onnx__TensorProto *weight = find (model->graph, "conv1.weight");
  const Onnx__TensorProto *bias = find (model->graph, "tensor1.convolution.bias");

  for (gsize o = 0; o < conv1->shape[0]; o++) {
    gdouble factor =
        value_of (weights->layout, weights->values, "bn1.weight", o) /
        sqrt (value_of (weights->statistics_layout, weights->statistics, "bn1.running_var", o) +
              1e-5);
    gdouble shift =
        value_of (weights->layout, weights->values, "bn1.bias", o) -
        factor * value_of (weights->statistics_layout, weights->statistics, "bn1.running_mean", o);

    g_assert_cmpfloat_with_epsilon (get_float (bias, o), shift, 1e-5);
    for (gsize i = 0; i < 3; i++) /* (O, KH, KW, I) here, (O, I, KH, KW) there */
      for (gsize k = 0; k < 9; k++)
        g_assert_cmpfloat_with_epsilon (get_float (weight, (o * 3 + i) * 9 + k),
            factor * weights->values[conv1->offset + (o * 9 + k) * 3 + i], 1e-5);
  }
  g_assert_cmpfloat_with_epsilon (
      get_float (find (model->graph, "normalization.scale"), 1), 1 / 0.224, 1e-5);
  g_assert_cmpfloat_with_epsilon (
      get_float (find (model->graph, "normalization.offset"), 2), -0.406 / 0.225, 1e-5);
  onnx__model_proto__free_unpacked (model, NULL);
}

static void
assert_dims (GKeyFile *file, const gchar *group, gsize n, const gint *wanted)
{
  g_autofree gchar *type = g_key_file_get_string (file, group, "type", NULL);
  g_autofree gchar *id = g_key_file_get_string (file, group, "id", NULL);
  gsize found = 0;
  g_autofree gint *dims = g_key_file_get_integer_list (file, group, "dims", &found, NULL);

  g_assert_cmpstr (type, ==, "float32");
  g_assert_nonnull (id);
  g_assert_cmpmem (dims, found * sizeof *dims, wanted, n * sizeof *wanted);
}

/* Read as gst_analytics_modelinfo_load () reads it. */
static void
test_tensors_are_described_for_gstreamer (Fixture *fixture, gconstpointer data)
{
  g_autoptr (SimclrWeights) weights =
      make (SIMCLR_ARCHITECTURE_RESNET18, SIMCLR_STEM_CIFAR, 24, SIMCLR_NORMALIZATION_IMAGENET);
  Onnx__ModelProto *model = export(fixture, weights, SIMCLR_OUTPUT_REPRESENTATION);
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autofree gchar *version = NULL, *group = NULL, *ranges = NULL, *direction = NULL;
  g_auto (GStrv) channels = NULL;

  g_key_file_set_list_separator (file, ',');
  g_assert_true (g_key_file_load_from_file (file, fixture->info, G_KEY_FILE_NONE, NULL));
  version = g_key_file_get_string (file, "modelinfo", "version", NULL);
  g_assert_cmpstr (version, ==, "1.0");
  group = g_key_file_get_string (file, "modelinfo", "group-id", NULL);
  g_assert_nonnull (group);
  assert_dims (file, model->graph->input[0]->name, 4, (const gint[]){-1, 3, 24, 24});
  assert_dims (file, model->graph->output[0]->name, 2, (const gint[]){-1, 32});
  direction = g_key_file_get_string (file, "embedding", "dir", NULL);
  g_assert_cmpstr (direction, ==, "output");
  ranges = g_key_file_get_string (file, "input", "ranges", NULL);
  channels = g_strsplit (ranges, ";", -1);
  g_assert_cmpuint (g_strv_length (channels), ==, 3);
  for (guint c = 0; c < 3; c++)
    g_assert_cmpstr (channels[c], ==, "0.0,1.0");
  onnx__model_proto__free_unpacked (model, NULL);
}

/* What stood there stays when something goes wrong. */
static void
test_files_are_whole_or_absent (Fixture *fixture, gconstpointer data)
{
  g_autoptr (SimclrWeights) weights =
      make (SIMCLR_ARCHITECTURE_RESNET18, SIMCLR_STEM_CIFAR, 16, SIMCLR_NORMALIZATION_NONE);
  g_autofree gchar *nowhere = g_build_filename (fixture->folder, "absent", "a.onnx", NULL);
  g_autofree gchar *found = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_false (
      simclr_weights_export_onnx (weights, nowhere, SIMCLR_OUTPUT_REPRESENTATION, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
  g_assert_nonnull (strstr (error->message, nowhere));
  g_clear_error (&error);

  g_assert_true (g_file_set_contents (fixture->path, "before", -1, NULL));
  g_assert_cmpint (g_mkdir (fixture->info, 0700), ==, 0); /* where the description should go */
  g_assert_false (
      simclr_weights_export_onnx (weights, fixture->path, SIMCLR_OUTPUT_REPRESENTATION, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_ISDIR);
  g_assert_true (g_file_get_contents (fixture->path, &found, NULL, NULL));
  g_assert_cmpstr (found, ==, "before");
  g_assert_cmpint (g_rmdir (fixture->info), ==, 0);
}
#else
static void
test_without_protobuf (Fixture *fixture, gconstpointer data)
{
  g_autoptr (SimclrWeights) weights =
      make (SIMCLR_ARCHITECTURE_RESNET18, SIMCLR_STEM_CIFAR, 16, SIMCLR_NORMALIZATION_NONE);
  g_autoptr (GError) error = NULL;

  g_assert_false (
      simclr_weights_export_onnx (weights, fixture->path, SIMCLR_OUTPUT_REPRESENTATION, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_UNSUPPORTED);
}
#endif

#define ADD(name, function)                                                                        \
  g_test_add ("/onnx-export/" name, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("what-cannot-be-exported", test_what_cannot_be_exported);
#ifdef HAVE_ONNX
  ADD ("shapes-follow", test_shapes_follow);
  ADD ("batchnorm-is-folded", test_batchnorm_is_folded);
  ADD ("tensors-are-described-for-gstreamer", test_tensors_are_described_for_gstreamer);
  ADD ("files-are-whole-or-absent", test_files_are_whole_or_absent);
#else
  ADD ("without-protobuf", test_without_protobuf);
#endif
  return g_test_run ();
}
