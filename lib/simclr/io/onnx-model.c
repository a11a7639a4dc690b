/* The parts of an ONNX model, as protobuf-c's messages.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/io/onnx-model-private.h>

#include <simclr/simclr-error.h>
#include <stdarg.h>
#include <string.h>

#define FORMAT_VERSION 7 /* IR_VERSION_2020_5_8 */
#define OPERATOR_SET 13
#define MOST_BYTES G_MAXINT32 /* that protobuf's readers take */
#define CHUNK 65536

/* A new zeroed message at the end of a repeated field. */
#define APPEND(array, count, type)                                                                 \
  (array = g_realloc (array, (count + 1) * sizeof *array), array[count++] = g_new0 (type, 1))

Onnx__ModelProto *
_simclr_onnx_model_new (const gchar *graph_name)
{
  Onnx__ModelProto *self = g_new0 (Onnx__ModelProto, 1);
  Onnx__OperatorSetIdProto *set;

  onnx__model_proto__init (self);
  self->has_ir_version = TRUE;
  self->ir_version = FORMAT_VERSION;
  self->producer_name = g_strdup ("gst-simclr");
  self->graph = g_new0 (Onnx__GraphProto, 1);
  onnx__graph_proto__init (self->graph);
  self->graph->name = g_strdup (graph_name);

  set = APPEND (self->opset_import, self->n_opset_import, Onnx__OperatorSetIdProto);
  onnx__operator_set_id_proto__init (set);
  set->domain = g_strdup ("");
  set->has_version = TRUE;
  set->version = OPERATOR_SET;
  return self;
}

void
_simclr_onnx_model_free (Onnx__ModelProto *self)
{
  onnx__model_proto__free_unpacked (self, NULL);
}

void
_simclr_onnx_model_add_metadata (Onnx__ModelProto *self, const gchar *key, const gchar *value)
{
  Onnx__StringStringEntryProto *entry =
      APPEND (self->metadata_props, self->n_metadata_props, Onnx__StringStringEntryProto);

  onnx__string_string_entry_proto__init (entry);
  entry->key = g_strdup (key);
  entry->value = g_strdup (value);
}

static Onnx__TensorShapeProto *
make_shape (guint n_dims, const gint64 *shape)
{
  Onnx__TensorShapeProto *self = g_new0 (Onnx__TensorShapeProto, 1);

  onnx__tensor_shape_proto__init (self);
  for (guint i = 0; i < n_dims; i++) {
    Onnx__TensorShapeProto__Dimension *dim =
        APPEND (self->dim, self->n_dim, Onnx__TensorShapeProto__Dimension);

    onnx__tensor_shape_proto__dimension__init (dim);
    if (shape[i] == SIMCLR_ONNX_BATCH) {
      dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
      dim->dim_param = g_strdup ("batch");
    } else {
      dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
      dim->dim_value = shape[i];
    }
  }
  return self;
}

static void
set_value_info (Onnx__ValueInfoProto *self, const gchar *name, const gchar *about, guint n_dims,
    const gint64 *shape)
{
  Onnx__TypeProto__Tensor *tensor = g_new0 (Onnx__TypeProto__Tensor, 1);

  onnx__value_info_proto__init (self);
  self->name = g_strdup (name);
  self->doc_string = g_strdup (about);
  self->type = g_new0 (Onnx__TypeProto, 1);
  onnx__type_proto__init (self->type);
  self->type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
  self->type->tensor_type = tensor;
  onnx__type_proto__tensor__init (tensor);
  tensor->has_elem_type = TRUE;
  tensor->elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
  tensor->shape = make_shape (n_dims, shape);
}

void
_simclr_onnx_model_add_input (Onnx__ModelProto *self, const gchar *name, const gchar *about,
    guint n_dims, const gint64 *shape)
{
  set_value_info (APPEND (self->graph->input, self->graph->n_input, Onnx__ValueInfoProto), name,
      about, n_dims, shape);
}

void
_simclr_onnx_model_add_output (Onnx__ModelProto *self, const gchar *name, const gchar *about,
    guint n_dims, const gint64 *shape)
{
  set_value_info (APPEND (self->graph->output, self->graph->n_output, Onnx__ValueInfoProto), name,
      about, n_dims, shape);
}

gfloat *
_simclr_onnx_model_add_constant (
    Onnx__ModelProto *self, const gchar *name, guint n_dims, const gint64 *shape)
{
  Onnx__TensorProto *tensor =
      APPEND (self->graph->initializer, self->graph->n_initializer, Onnx__TensorProto);
  gsize count = 1;

  onnx__tensor_proto__init (tensor);
  tensor->name = g_strdup (name);
  tensor->has_data_type = TRUE;
  tensor->data_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
  tensor->n_dims = n_dims;
  tensor->dims = g_memdup2 (shape, n_dims * sizeof *shape);
  for (guint i = 0; i < n_dims; i++)
    count *= (gsize) shape[i];
  tensor->has_raw_data = TRUE;
  tensor->raw_data.len = count * sizeof (gfloat);
  tensor->raw_data.data = g_malloc0 (tensor->raw_data.len);
  return (gfloat *) tensor->raw_data.data;
}

Onnx__NodeProto *
_simclr_onnx_model_add_node (
    Onnx__ModelProto *self, const gchar *operator, const gchar * output, const gchar *input, ...)
{
  Onnx__NodeProto *node = APPEND (self->graph->node, self->graph->n_node, Onnx__NodeProto);
  va_list inputs;

  onnx__node_proto__init (node);
  node->name = g_strdup (output);
  node->op_type = g_strdup (operator);
  node->n_output = 1;
  node->output = g_new (gchar *, 1);
  node->output[0] = g_strdup (output);
  va_start (inputs, input);
  for (const gchar *name = input; name != NULL; name = va_arg (inputs, const gchar *)) {
    node->input = g_realloc (node->input, (node->n_input + 1) * sizeof *node->input);
    node->input[node->n_input++] = g_strdup (name);
  }
  va_end (inputs);
  return node;
}

static Onnx__AttributeProto *
add_attribute (Onnx__NodeProto *node, const gchar *name, Onnx__AttributeProto__AttributeType type)
{
  Onnx__AttributeProto *attribute =
      APPEND (node->attribute, node->n_attribute, Onnx__AttributeProto);

  onnx__attribute_proto__init (attribute);
  attribute->name = g_strdup (name);
  attribute->has_type = TRUE;
  attribute->type = type;
  return attribute;
}

void
_simclr_onnx_node_set_integer (Onnx__NodeProto *node, const gchar *name, gint64 value)
{
  Onnx__AttributeProto *attribute =
      add_attribute (node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);

  attribute->has_i = TRUE;
  attribute->i = value;
}

void
_simclr_onnx_node_set_integers (Onnx__NodeProto *node, const gchar *name, guint count, gint64 value)
{
  Onnx__AttributeProto *attribute =
      add_attribute (node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);

  attribute->n_ints = count;
  attribute->ints = g_new (gint64, count);
  for (guint i = 0; i < count; i++)
    attribute->ints[i] = value;
}

/* protobuf-c's stream into a file; small pieces are gathered. */
typedef struct
{
  ProtobufCBuffer base; /* first */
  SimclrAtomicFile *file;
  GByteArray *gathered;
  GError *error; /* the first one; nothing is written afterwards */
} Stream;

static void
flush (Stream *self)
{
  if (!self->error)
    _simclr_atomic_file_write (self->file, self->gathered->data, self->gathered->len, &self->error);
  g_byte_array_set_size (self->gathered, 0);
}

static void
append (ProtobufCBuffer *buffer, size_t bytes, const uint8_t *data)
{
  Stream *self = (Stream *) buffer;

  if (self->gathered->len + bytes > CHUNK)
    flush (self);
  if (bytes <= CHUNK)
    g_byte_array_append (self->gathered, data, (guint) bytes);
  else if (!self->error)
    _simclr_atomic_file_write (self->file, data, bytes, &self->error);
}

/* The file is little-endian whatever the machine is. */
static void
order_bytes (Onnx__GraphProto *graph)
{
#if G_BYTE_ORDER != G_LITTLE_ENDIAN
  for (gsize i = 0; i < graph->n_initializer; i++) {
    guint32 *values = (guint32 *) graph->initializer[i]->raw_data.data;

    for (gsize j = 0; j < graph->initializer[i]->raw_data.len / sizeof *values; j++)
      values[j] = GUINT32_SWAP_LE_BE (values[j]);
  }
#endif
}

gboolean
_simclr_onnx_model_write (Onnx__ModelProto *self, SimclrAtomicFile *file, GError **error)
{
  gsize bytes = onnx__model_proto__get_packed_size (self);
  Stream stream = {.base.append = append, .file = file};

  if (bytes > MOST_BYTES) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_UNSUPPORTED,
        "the model takes %" G_GSIZE_FORMAT " bytes, but an ONNX file has at most %d", bytes,
        MOST_BYTES);
    return FALSE;
  }
  stream.gathered = g_byte_array_new ();
  order_bytes (self->graph);
  onnx__model_proto__pack_to_buffer (self, &stream.base);
  order_bytes (self->graph);
  flush (&stream);
  g_byte_array_unref (stream.gathered);
  if (!stream.error)
    return TRUE;
  g_propagate_error (error, stream.error);
  return FALSE;
}
