/* The parts of an ONNX model: nodes, tensors, inputs and outputs, and the file made of them.
 *
 * Everything in a model is its own memory from the C library, as protobuf-c's free function expects.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/io/atomic-file-private.h>
#include <simclr/io/onnx.pb-c.h>

/* Operator set 13 with version 7 of the format, both of 2020: every runtime in use takes them. */
Onnx__ModelProto *_simclr_onnx_model_new (const gchar *graph_name) G_GNUC_WARN_UNUSED_RESULT;
void _simclr_onnx_model_free (Onnx__ModelProto *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Onnx__ModelProto, _simclr_onnx_model_free)

/* All strings are copied. */
void _simclr_onnx_model_add_metadata (Onnx__ModelProto *self, const gchar *key, const gchar *value);

#define SIMCLR_ONNX_BATCH (-1) /* a dimension of any size */

void _simclr_onnx_model_add_input (Onnx__ModelProto *self, const gchar *name, const gchar *about,
    guint n_dims, const gint64 *shape);
void _simclr_onnx_model_add_output (Onnx__ModelProto *self, const gchar *name, const gchar *about,
    guint n_dims, const gint64 *shape);

/* A constant; returns the floats to fill in, which stay the model's. */
gfloat *_simclr_onnx_model_add_constant (
    Onnx__ModelProto *self, const gchar *name, guint n_dims, const gint64 *shape);

/* The node is named as its only output; inputs are names of tensors, the last one NULL. */
Onnx__NodeProto *_simclr_onnx_model_add_node (Onnx__ModelProto *self, const gchar *operator,
    const gchar * output, const gchar *input, ...) G_GNUC_NULL_TERMINATED;
void _simclr_onnx_node_set_integer (Onnx__NodeProto *node, const gchar *name, gint64 value);
/* count times the same value: kernel sizes, strides and paddings are */
void _simclr_onnx_node_set_integers (
    Onnx__NodeProto *node, const gchar *name, guint count, gint64 value);

gboolean _simclr_onnx_model_write (Onnx__ModelProto *self, SimclrAtomicFile *file, GError **error);
