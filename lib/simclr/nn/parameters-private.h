/* A table of named tensors that share one flat buffer.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

typedef enum
{
  SIMCLR_PARAMETER_WEIGHT,   /* convolution or dense weight: decays, adapts */
  SIMCLR_PARAMETER_LOGITS,   /* weight of a linear layer over labels: decays, does not adapt */
  SIMCLR_PARAMETER_BIAS,     /* dense bias: neither */
  SIMCLR_PARAMETER_SCALE,    /* BatchNorm gamma: neither */
  SIMCLR_PARAMETER_SHIFT,    /* BatchNorm beta: neither */
  SIMCLR_PARAMETER_MEAN,     /* BatchNorm running mean: not trained */
  SIMCLR_PARAMETER_VARIANCE, /* BatchNorm running variance: not trained */
} SimclrParameterKind;

/* One tensor. shape is the file's: (O, I, KH, KW) for convolutions, (O, I) for dense layers, (C) else.
 * In memory a convolution's weight is (O, KH, KW, I), everything else is as in the file. */
typedef struct
{
  gchar *name; /* torchvision's, for example layer1.0.conv1.weight */
  SimclrParameterKind kind;
  guint n_dims;
  gsize shape[4];
  gsize offset; /* floats from the start of the flat buffer; a multiple of 16 */
  gsize count;  /* floats */
} SimclrParameter;

/* The table alone, immutable once built, counted. Floats between tensors are zero and stay zero. */
typedef struct _SimclrParameters SimclrParameters;

SimclrParameters *_simclr_parameters_new (void) G_GNUC_WARN_UNUSED_RESULT;
SimclrParameters *_simclr_parameters_ref (SimclrParameters *self) G_GNUC_WARN_UNUSED_RESULT;
void _simclr_parameters_unref (SimclrParameters *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimclrParameters, _simclr_parameters_unref)

/* Appends a tensor; returns its number. name is copied. */
guint _simclr_parameters_add (SimclrParameters *self, const gchar *name, SimclrParameterKind kind,
    guint n_dims, const gsize *shape);
guint _simclr_parameters_get_length (SimclrParameters *self);
const SimclrParameter *_simclr_parameters_get (SimclrParameters *self, guint number);
const SimclrParameter *_simclr_parameters_lookup (SimclrParameters *self, const gchar *name);
/* Floats of the flat buffer. */
gsize _simclr_parameters_get_floats (SimclrParameters *self);

/* Between memory and file order (a copy except for convolutions). */
void _simclr_parameter_to_file (const SimclrParameter *self, const gfloat *memory, gfloat *file);
void _simclr_parameter_from_file (const SimclrParameter *self, const gfloat *file, gfloat *memory);

/* Sets every float of one tensor in the flat buffer floats. */
void _simclr_parameter_fill (const SimclrParameter *self, gfloat *floats, gfloat value);

/* What an optimizer works on: a table with its values and gradients (both flat, borrowed). */
typedef struct
{
  SimclrParameters *layout;
  gfloat *values;
  gfloat *gradients;
} SimclrParameterSet;
