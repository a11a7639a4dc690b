/* Where oneDNN's versions 2 and 3 differ.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/onednn-version-private.h>

#include <string.h>

#if DNNL_VERSION_MAJOR >= 3

SimclrOnednnOwnedDesc
_simclr_onednn_desc_new (
    gint n, const dnnl_dims_t sizes, dnnl_data_type_t type, dnnl_format_tag_t tag)
{
  SimclrOnednnOwnedDesc desc = NULL;

  return dnnl_memory_desc_create_with_tag (&desc, n, sizes, type, tag) == dnnl_success ? desc
                                                                                       : NULL;
}

void
_simclr_onednn_desc_free (SimclrOnednnOwnedDesc desc)
{
  if (desc)
    dnnl_memory_desc_destroy (desc);
}

dnnl_status_t
_simclr_onednn_append_relu (dnnl_post_ops_t operations)
{
  return dnnl_post_ops_append_eltwise (operations, dnnl_eltwise_relu, 0, 0);
}

dnnl_status_t
_simclr_onednn_append_sum (dnnl_post_ops_t operations, const SimclrOnednnNumbers *numbers)
{
  if (!numbers->scales)
    return dnnl_post_ops_append_sum (operations, 1, 0, dnnl_data_type_undef);
  return dnnl_post_ops_append_sum (operations, numbers->sum_scale, 0, numbers->sum_type);
}

dnnl_status_t
_simclr_onednn_set_scales (dnnl_primitive_attr_t attributes, const gfloat *scales, dnnl_dim_t n)
{
  return dnnl_primitive_attr_set_scales_mask (attributes, DNNL_ARG_WEIGHTS, 1);
}

gfloat
_simclr_onednn_get_bias (gfloat bias, gfloat scale)
{
  return bias;
}

static dnnl_status_t
create (SimclrOnednnDirection direction, const SimclrOnednnDescription *d, dnnl_engine_t engine,
    dnnl_primitive_desc_t forward, dnnl_primitive_desc_t *desc)
{
  switch (direction) {
  case SIMCLR_ONEDNN_FORWARD:
    return dnnl_convolution_forward_primitive_desc_create (desc, engine, dnnl_forward_training,
        dnnl_convolution_direct, d->x, d->weights, d->bias, d->y, d->strides, d->dilation,
        d->before, d->after, d->attributes);
  case SIMCLR_ONEDNN_BACKWARD_DATA:
    return dnnl_convolution_backward_data_primitive_desc_create (desc, engine,
        dnnl_convolution_direct, d->x, d->weights, d->y, d->strides, d->dilation, d->before,
        d->after, forward, d->attributes);
  default:
    return dnnl_convolution_backward_weights_primitive_desc_create (desc, engine,
        dnnl_convolution_direct, d->x, d->weights, NULL, d->y, d->strides, d->dilation, d->before,
        d->after, forward, d->attributes);
  }
}

dnnl_status_t
_simclr_onednn_create_nth (SimclrOnednnDirection direction, const SimclrOnednnDescription *d,
    dnnl_engine_t engine, dnnl_primitive_desc_t forward, guint n, dnnl_primitive_desc_t *desc)
{
  dnnl_status_t status = create (direction, d, engine, forward, desc);

  for (guint i = 0; i < n && status == dnnl_success; i++)
    status = dnnl_primitive_desc_next_impl (*desc);
  if (status != dnnl_success)
    g_clear_pointer (desc, dnnl_primitive_desc_destroy);
  return status;
}

void
_simclr_onednn_desc_get_blocking (SimclrOnednnDesc desc, SimclrOnednnBlocking *blocking)
{
  const dnnl_dims_t *strides = NULL, *sizes = NULL, *dimensions = NULL;

  dnnl_memory_desc_query (desc, dnnl_query_strides, &strides);
  dnnl_memory_desc_query (desc, dnnl_query_inner_nblks_s32, &blocking->blocks);
  dnnl_memory_desc_query (desc, dnnl_query_inner_blks, &sizes);
  dnnl_memory_desc_query (desc, dnnl_query_inner_idxs, &dimensions);
  memcpy (blocking->strides, *strides, sizeof (dnnl_dims_t));
  memcpy (blocking->block_sizes, *sizes, sizeof (dnnl_dims_t));
  memcpy (blocking->block_dimensions, *dimensions, sizeof (dnnl_dims_t));
}

gboolean
_simclr_onednn_desc_is_blocked (SimclrOnednnDesc desc)
{
  dnnl_format_kind_t kind = dnnl_format_kind_undef;

  dnnl_memory_desc_query (desc, dnnl_query_format_kind, &kind);
  return kind == dnnl_blocked;
}

#else /* version 2 */

SimclrOnednnOwnedDesc
_simclr_onednn_desc_new (
    gint n, const dnnl_dims_t sizes, dnnl_data_type_t type, dnnl_format_tag_t tag)
{
  SimclrOnednnOwnedDesc desc = g_new0 (dnnl_memory_desc_t, 1);

  if (dnnl_memory_desc_init_by_tag (desc, n, sizes, type, tag) != dnnl_success)
    g_clear_pointer (&desc, g_free);
  return desc;
}

void
_simclr_onednn_desc_free (SimclrOnednnOwnedDesc desc)
{
  g_free (desc);
}

dnnl_status_t
_simclr_onednn_append_relu (dnnl_post_ops_t operations)
{
  return dnnl_post_ops_append_eltwise (operations, 1, dnnl_eltwise_relu, 0, 0);
}

dnnl_status_t
_simclr_onednn_append_sum (dnnl_post_ops_t operations, const SimclrOnednnNumbers *numbers)
{
  if (!numbers->scales)
    return dnnl_post_ops_append_sum (operations, 1);
  return dnnl_post_ops_append_sum_v2 (operations, numbers->sum_scale, numbers->sum_type);
}

dnnl_status_t
_simclr_onednn_set_scales (dnnl_primitive_attr_t attributes, const gfloat *scales, dnnl_dim_t n)
{
  return dnnl_primitive_attr_set_output_scales (attributes, n, 1 << 1, scales);
}

gfloat
_simclr_onednn_get_bias (gfloat bias, gfloat scale)
{
  return bias / scale;
}

static dnnl_status_t
describe (SimclrOnednnDirection direction, const SimclrOnednnDescription *d,
    dnnl_convolution_desc_t *operation)
{
  switch (direction) {
  case SIMCLR_ONEDNN_FORWARD:
    return dnnl_dilated_convolution_forward_desc_init (operation, dnnl_forward_training,
        dnnl_convolution_direct, d->x, d->weights, d->bias, d->y, d->strides, d->dilation,
        d->before, d->after);
  case SIMCLR_ONEDNN_BACKWARD_DATA:
    return dnnl_dilated_convolution_backward_data_desc_init (operation, dnnl_convolution_direct,
        d->x, d->weights, d->y, d->strides, d->dilation, d->before, d->after);
  default:
    return dnnl_dilated_convolution_backward_weights_desc_init (operation, dnnl_convolution_direct,
        d->x, d->weights, NULL, d->y, d->strides, d->dilation, d->before, d->after);
  }
}

dnnl_status_t
_simclr_onednn_create_nth (SimclrOnednnDirection direction, const SimclrOnednnDescription *d,
    dnnl_engine_t engine, dnnl_primitive_desc_t forward, guint n, dnnl_primitive_desc_t *desc)
{
  dnnl_convolution_desc_t operation;
  dnnl_primitive_desc_iterator_t iterator = NULL;
  dnnl_status_t status = describe (direction, d, &operation);

  if (status == dnnl_success)
    status =
        dnnl_primitive_desc_iterator_create (&iterator, &operation, d->attributes, engine, forward);
  for (guint i = 0; i < n && status == dnnl_success; i++)
    status = dnnl_primitive_desc_iterator_next (iterator);
  if (status == dnnl_success)
    *desc = dnnl_primitive_desc_iterator_fetch (iterator);
  if (iterator)
    dnnl_primitive_desc_iterator_destroy (iterator);
  return *desc || status != dnnl_success ? status : dnnl_out_of_memory;
}

void
_simclr_onednn_desc_get_blocking (SimclrOnednnDesc desc, SimclrOnednnBlocking *blocking)
{
  const dnnl_blocking_desc_t *from = &desc->format_desc.blocking;

  blocking->blocks = from->inner_nblks;
  memcpy (blocking->strides, from->strides, sizeof (dnnl_dims_t));
  memcpy (blocking->block_sizes, from->inner_blks, sizeof (dnnl_dims_t));
  memcpy (blocking->block_dimensions, from->inner_idxs, sizeof (dnnl_dims_t));
}

gboolean
_simclr_onednn_desc_is_blocked (SimclrOnednnDesc desc)
{
  return desc->format_kind == dnnl_blocked;
}

#endif
