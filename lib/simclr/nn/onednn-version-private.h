/* Where oneDNN's versions 2 and 3 differ, in one way for both.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/nn/onednn-private.h>

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t SimclrOnednnOwnedDesc;
#else
typedef dnnl_memory_desc_t *SimclrOnednnOwnedDesc;
#endif

/* The four memories and the attributes that describe a convolution. */
typedef struct
{
  SimclrOnednnOwnedDesc x, y, weights, bias;
  dnnl_primitive_attr_t attributes;
  dnnl_dims_t strides, dilation, before, after;
} SimclrOnednnDescription;

/* NULL where that cannot be; free takes NULL, too. */
SimclrOnednnOwnedDesc _simclr_onednn_desc_new (
    gint n, const dnnl_dims_t sizes, dnnl_data_type_t type, dnnl_format_tag_t tag);
void _simclr_onednn_desc_free (SimclrOnednnOwnedDesc desc);
gboolean _simclr_onednn_desc_is_blocked (SimclrOnednnDesc desc);

dnnl_status_t _simclr_onednn_append_relu (dnnl_post_ops_t operations);
dnnl_status_t _simclr_onednn_append_sum (
    dnnl_post_ops_t operations, const SimclrOnednnNumbers *numbers);
/* n scales, one for each output channel; version 3 takes them as an argument of each run. */
dnnl_status_t _simclr_onednn_set_scales (
    dnnl_primitive_attr_t attributes, const gfloat *scales, dnnl_dim_t n);

/* The nth implementation that oneDNN offers, its favourite first. forward: a hint for the other directions. */
dnnl_status_t _simclr_onednn_create_nth (SimclrOnednnDirection direction,
    const SimclrOnednnDescription *d, dnnl_engine_t engine, dnnl_primitive_desc_t forward, guint n,
    dnnl_primitive_desc_t *desc);
