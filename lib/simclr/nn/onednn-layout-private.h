/* Where oneDNN wants the weights of a convolution: taking them there, and their gradients back.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/base/parallel-private.h>
#include <simclr/nn/onednn-private.h>

/* Weight (out, tap, in) lies at the sum of its three offsets, in elements. */
typedef struct
{
  gsize bytes;
  gsize n_out, n_taps, n_in;
  gsize *out; /* owns all three */
  gsize *in;
  gsize *tap;
} SimclrOnednnLayout;

/* A gradient in its layout, so many bytes into a workspace. */
typedef struct
{
  SimclrOnednnLayout layout;
  gsize place;
} SimclrOnednnPart;

/* desc: of DNNL_ARG_WEIGHTS or DNNL_ARG_DIFF_WEIGHTS. */
void _simclr_onednn_layout_init (
    SimclrOnednnLayout *self, SimclrOnednnDesc desc, const SimclrOnednnProblem *problem);
void _simclr_onednn_layout_clear (SimclrOnednnLayout *self);

/* Writes weights (out, kernel, kernel, in) to data, as numbers of that type; whole ones for bytes. transposed: data is for the
 * convolution of the rotated kernel from out to in channels; weights are (in, kernel, kernel, out) of it. */
void _simclr_onednn_layout_pack (const SimclrOnednnLayout *self, SimclrParallel *parallel,
    const gfloat *weights, gboolean transposed, dnnl_data_type_t type, gpointer data);

/* sum (out, kernel, kernel, in) = the parts, added in their order. */
void _simclr_onednn_parts_sum (const SimclrOnednnPart *parts, guint n_parts,
    SimclrParallel *parallel, gconstpointer workspace, gfloat *sum);
