/* One parameter's floats to and from a tensor of a safetensors file.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/io/safetensors-private.h>
#include <simclr/nn/parameters-private.h>

/* Fills the parameter's floats (memory is where they begin) from the tensor called name; an error names
 * the tensor, and both shapes where they differ. */
gboolean _simclr_parameter_file_read (SimclrSafetensors *file, const gchar *name,
    const SimclrParameter *parameter, gfloat *memory, GError **error);

/* Adds the parameter's floats under name; memory is borrowed until written (or copied). */
void _simclr_parameter_file_add (SimclrSafetensorsWriter *writer, const gchar *name,
    const SimclrParameter *parameter, const gfloat *memory);

/* All tensors of a layout under their own names; values is the flat buffer. */
gboolean _simclr_parameters_file_read (
    SimclrSafetensors *file, SimclrParameters *layout, gfloat *values, GError **error);
void _simclr_parameters_file_add (
    SimclrSafetensorsWriter *writer, SimclrParameters *layout, const gfloat *values);

/* "(64, 3, 7, 7)" */
gchar *_simclr_safetensor_describe_shape (const SimclrSafetensor *tensor) G_GNUC_WARN_UNUSED_RESULT;
