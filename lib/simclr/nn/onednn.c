/* What this library uses of oneDNN, the same for its versions 2 and 3.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/onednn-private.h>

#include <simclr/simclr-error.h>
#include <string.h>

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t OwnedDesc;
#else
typedef dnnl_memory_desc_t *OwnedDesc;
#endif

/* The four memories and the attributes that describe a convolution. */
typedef struct
{
  OwnedDesc x, y, weights, bias;
  dnnl_primitive_attr_t attributes;
  dnnl_dims_t strides, dilation, before, after;
} Description;

#if DNNL_CPU_RUNTIME == DNNL_RUNTIME_OMP
/* The OpenMP runtime is the one that oneDNN was built for, whatever compiles this file; so its functions
 * are declared here instead of by the compiler's header. Both are of the calling thread only. */
int omp_get_max_threads (void);
void omp_set_num_threads (int threads);

gint
_simclr_onednn_enter (void)
{
  gint threads = omp_get_max_threads ();

  omp_set_num_threads (1);
  return threads;
}

void
_simclr_onednn_leave (gint entered)
{
  omp_set_num_threads (entered);
}
#else
gint
_simclr_onednn_enter (void)
{
  return 1;
}

void
_simclr_onednn_leave (gint entered)
{
}
#endif

dnnl_engine_t
_simclr_onednn_get_engine (GError **error)
{
  static dnnl_engine_t engine; /* for all, until the process ends */
  static gsize once;

  if (g_once_init_enter (&once)) {
    if (dnnl_engine_create (&engine, dnnl_cpu, 0) != dnnl_success)
      engine = NULL;
    g_once_init_leave (&once, 1);
  }
  if (!engine)
    g_set_error (
        error, SIMCLR_ERROR, SIMCLR_ERROR_UNSUPPORTED, "oneDNN finds no processor that it can use");
  return engine;
}

gboolean
_simclr_onednn_has_bfloat16 (void)
{
  const guint needed = dnnl_cpu_isa_avx512_core_bf16;

  return ((guint) dnnl_get_effective_cpu_isa () & needed) == needed;
}

/* Where the instructions are missing oneDNN has other code, which is no faster than floats. */
gboolean
_simclr_onednn_has_int8 (void)
{
  const guint isa = (guint) dnnl_get_effective_cpu_isa ();

  return (isa & dnnl_cpu_isa_avx512_core_vnni) == dnnl_cpu_isa_avx512_core_vnni ||
         (isa & dnnl_cpu_isa_avx2_vnni) == dnnl_cpu_isa_avx2_vnni;
}

gsize
_simclr_onednn_type_get_bytes (dnnl_data_type_t type)
{
  return type == dnnl_f32 ? sizeof (gfloat) : type == dnnl_bf16 ? sizeof (guint16) : 1;
}

dnnl_data_type_t
_simclr_onednn_numbers_get_weights (const SimclrOnednnNumbers *numbers)
{
  return numbers->scales ? dnnl_s8 : numbers->x;
}

static gboolean
check (dnnl_status_t status, const gchar *what, GError **error)
{
  if (status != dnnl_success)
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_UNSUPPORTED, "oneDNN cannot %s (status %d)",
        what, (gint) status);
  return status == dnnl_success;
}

gboolean
_simclr_onednn_memory_new (
    dnnl_memory_t *memory, SimclrOnednnDesc desc, gpointer data, GError **error)
{
  return check (dnnl_memory_create (memory, desc, _simclr_onednn_get_engine (NULL), data),
      "describe memory", error);
}

gboolean
_simclr_onednn_stream_new (dnnl_stream_t *stream, GError **error)
{
  dnnl_engine_t engine = _simclr_onednn_get_engine (error);

  return engine && check (dnnl_stream_create (stream, engine, dnnl_stream_default_flags),
                       "make a stream", error);
}

#if DNNL_VERSION_MAJOR >= 3

static OwnedDesc
desc_new (gint n, const dnnl_dims_t sizes, dnnl_data_type_t type, dnnl_format_tag_t tag)
{
  OwnedDesc desc = NULL;

  return dnnl_memory_desc_create_with_tag (&desc, n, sizes, type, tag) == dnnl_success ? desc
                                                                                       : NULL;
}

static void
desc_free (OwnedDesc desc)
{
  if (desc)
    dnnl_memory_desc_destroy (desc);
}

static dnnl_status_t
append_relu (dnnl_post_ops_t operations)
{
  return dnnl_post_ops_append_eltwise (operations, dnnl_eltwise_relu, 0, 0);
}

static dnnl_status_t
append_sum (dnnl_post_ops_t operations, const SimclrOnednnNumbers *numbers)
{
  if (!numbers->scales)
    return dnnl_post_ops_append_sum (operations, 1, 0, dnnl_data_type_undef);
  return dnnl_post_ops_append_sum (operations, numbers->sum_scale, 0, numbers->sum_type);
}

/* They come as an argument of each run. */
static dnnl_status_t
set_scales (dnnl_primitive_attr_t attributes, const gfloat *scales, dnnl_dim_t n)
{
  return dnnl_primitive_attr_set_scales_mask (attributes, DNNL_ARG_WEIGHTS, 1);
}

gfloat
_simclr_onednn_get_bias (gfloat bias, gfloat scale)
{
  return bias;
}

static dnnl_status_t
create (SimclrOnednnDirection direction, const Description *d, dnnl_engine_t engine,
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

/* The nth implementation that oneDNN offers, its favourite first. */
static dnnl_status_t
create_nth (SimclrOnednnDirection direction, const Description *d, dnnl_engine_t engine,
    dnnl_primitive_desc_t forward, guint n, dnnl_primitive_desc_t *desc)
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

static gboolean
is_blocked (SimclrOnednnDesc desc)
{
  dnnl_format_kind_t kind = dnnl_format_kind_undef;

  dnnl_memory_desc_query (desc, dnnl_query_format_kind, &kind);
  return kind == dnnl_blocked;
}

#else /* version 2 */

static OwnedDesc
desc_new (gint n, const dnnl_dims_t sizes, dnnl_data_type_t type, dnnl_format_tag_t tag)
{
  OwnedDesc desc = g_new0 (dnnl_memory_desc_t, 1);

  if (dnnl_memory_desc_init_by_tag (desc, n, sizes, type, tag) != dnnl_success)
    g_clear_pointer (&desc, g_free);
  return desc;
}

static void
desc_free (OwnedDesc desc)
{
  g_free (desc);
}

static dnnl_status_t
append_relu (dnnl_post_ops_t operations)
{
  return dnnl_post_ops_append_eltwise (operations, 1, dnnl_eltwise_relu, 0, 0);
}

static dnnl_status_t
append_sum (dnnl_post_ops_t operations, const SimclrOnednnNumbers *numbers)
{
  if (!numbers->scales)
    return dnnl_post_ops_append_sum (operations, 1);
  return dnnl_post_ops_append_sum_v2 (operations, numbers->sum_scale, numbers->sum_type);
}

static dnnl_status_t
set_scales (dnnl_primitive_attr_t attributes, const gfloat *scales, dnnl_dim_t n)
{
  return dnnl_primitive_attr_set_output_scales (attributes, n, 1 << 1, scales);
}

gfloat
_simclr_onednn_get_bias (gfloat bias, gfloat scale)
{
  return bias / scale;
}

static dnnl_status_t
describe (SimclrOnednnDirection direction, const Description *d, dnnl_convolution_desc_t *operation)
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

/* The nth implementation that oneDNN offers, its favourite first. */
static dnnl_status_t
create_nth (SimclrOnednnDirection direction, const Description *d, dnnl_engine_t engine,
    dnnl_primitive_desc_t forward, guint n, dnnl_primitive_desc_t *desc)
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

static gboolean
is_blocked (SimclrOnednnDesc desc)
{
  return desc->format_kind == dnnl_blocked;
}

#endif

gboolean
_simclr_onednn_vector_new (dnnl_memory_t *memory, dnnl_dim_t n, gpointer data, GError **error)
{
  const dnnl_dims_t sizes = {n};
  OwnedDesc desc = desc_new (1, sizes, dnnl_f32, dnnl_a);
  gboolean good = desc && _simclr_onednn_memory_new (memory, desc, data, error);

  desc_free (desc);
  return good;
}

gsize
_simclr_onednn_desc_get_bytes (SimclrOnednnDesc desc)
{
  return desc ? dnnl_memory_desc_get_size (desc) : 0;
}

const SimclrOnednnNumbers _simclr_onednn_float32 = {.x = dnnl_f32, .y = dnnl_f32};
const SimclrOnednnNumbers _simclr_onednn_bfloat16 = {.x = dnnl_bf16, .y = dnnl_bf16};

static gboolean
create_attributes (Description *d, const SimclrOnednnProblem *problem,
    const SimclrOnednnNumbers *numbers, SimclrOnednnExtra extra)
{
  dnnl_post_ops_t operations = NULL;
  gboolean good =
      dnnl_primitive_attr_create (&d->attributes) == dnnl_success &&
      dnnl_primitive_attr_set_scratchpad_mode (d->attributes, dnnl_scratchpad_mode_user) ==
          dnnl_success &&
      dnnl_post_ops_create (&operations) == dnnl_success &&
      (!numbers->scales || set_scales (d->attributes, numbers->scales + problem->first_out,
                               problem->out) == dnnl_success) &&
      (!(extra & SIMCLR_ONEDNN_SUM) || append_sum (operations, numbers) == dnnl_success) &&
      (!(extra & SIMCLR_ONEDNN_RELU) || append_relu (operations) == dnnl_success) &&
      dnnl_primitive_attr_set_post_ops (d->attributes, operations) == dnnl_success;

  if (operations)
    dnnl_post_ops_destroy (operations);
  return good;
}

/* Weights lie as oneDNN likes them; their gradient is float whatever the rest is. */
static gboolean
description_init (Description *d, SimclrOnednnDirection direction, const SimclrOnednnProblem *p,
    const SimclrOnednnNumbers *numbers, SimclrOnednnExtra extra)
{
  const dnnl_dims_t x = {p->images, p->in, p->height, p->width};
  const dnnl_dims_t y = {p->images, p->out, p->out_height, p->out_width};
  const dnnl_dims_t weights = {p->out, p->in, p->kernel, p->kernel};
  const dnnl_dims_t bias = {p->out};
  dnnl_data_type_t weights_type = direction == SIMCLR_ONEDNN_BACKWARD_WEIGHTS
                                      ? dnnl_f32
                                      : _simclr_onednn_numbers_get_weights (numbers);

  *d = (Description){.strides = {p->stride, p->stride},
      .before = {p->top, p->left},
      .after = {p->bottom, p->right}};
  d->x = desc_new (4, x, numbers->x, dnnl_nhwc);
  d->y = desc_new (4, y, numbers->y, dnnl_nhwc);
  d->weights = desc_new (4, weights, weights_type, dnnl_format_tag_any);
  if (extra & SIMCLR_ONEDNN_BIAS) {
    d->bias = desc_new (1, bias, dnnl_f32, dnnl_a);
    if (!d->bias)
      return FALSE;
  }
  return d->x && d->y && d->weights && create_attributes (d, p, numbers, extra);
}

static void
description_clear (Description *d)
{
  desc_free (d->x);
  desc_free (d->y);
  desc_free (d->weights);
  desc_free (d->bias);
  if (d->attributes)
    dnnl_primitive_attr_destroy (d->attributes);
}

typedef enum
{
  RATING_WRONG,
  RATING_REFERENCE,
  RATING_SLOW,
  RATING_SECOND,
  RATING_BEST,
} Rating;

/* What oneDNN 2.6's direct code gets wrong: in bfloat16, 1x1 kernels over odd channels, which it takes in
 * pairs, and the gradient of kernels that are larger than the picture; with AVX2 in float32 and with AVX-512
 * in bfloat16, the gradient of strided 1x1 kernels over fewer channels than a vector holds. */
static gboolean
is_wrong (const gchar *name, SimclrOnednnDirection direction, const SimclrOnednnProblem *problem)
{
  const dnnl_dim_t summed = direction == SIMCLR_ONEDNN_BACKWARD_DATA ? problem->out : problem->in;

  if (strstr (name, "1x1") && direction == SIMCLR_ONEDNN_BACKWARD_WEIGHTS && problem->stride > 1 &&
      problem->in < (strstr (name, "avx2") ? 8 : 16))
    return TRUE;
  if (strstr (name, "jit_bf16_1x1"))
    return summed % 2 != 0;
  return strstr (name, "jit_bf16") && direction == SIMCLR_ONEDNN_BACKWARD_WEIGHTS &&
         MIN (problem->height, problem->width) < problem->kernel;
}

/* How much an implementation is wanted, by the name that oneDNN gives it. Batch-reduced products ("brg") are
 * oneDNN's favourite, but they work line by line and are slower than direct code where lines are short. */
static Rating
rate (
    dnnl_primitive_desc_t desc, SimclrOnednnDirection direction, const SimclrOnednnProblem *problem)
{
  const gchar *name = "ref";

  dnnl_primitive_desc_query (desc, dnnl_query_impl_info_str, 0, &name);
  if (is_wrong (name, direction, problem))
    return RATING_WRONG;
  if (strstr (name, "ref"))
    return RATING_REFERENCE;
  if (strstr (name, "gemm"))
    return RATING_SLOW;
  return strstr (name, "brg") && problem->out_width < 6 ? RATING_SECOND : RATING_BEST;
}

/* The first of the best rated; oneDNN offers the better ones first and its reference last. */
static gboolean
pick (SimclrOnednnPrimitive *self, SimclrOnednnDirection direction, const Description *d,
    const SimclrOnednnProblem *problem, dnnl_primitive_desc_t forward)
{
  dnnl_engine_t engine = _simclr_onednn_get_engine (NULL);
  const gint weights =
      direction == SIMCLR_ONEDNN_BACKWARD_WEIGHTS ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS;
  Rating best = RATING_WRONG;

  for (guint n = 0; best < RATING_BEST; n++) {
    SimclrOnednnPrimitive other = {NULL};
    Rating rating;

    if (create_nth (direction, d, engine, forward, n, &other.desc) != dnnl_success)
      break;
    rating = rate (other.desc, direction, problem);
    if (rating > best && is_blocked (_simclr_onednn_primitive_get_desc (&other, weights))) {
      g_clear_pointer (&self->desc, dnnl_primitive_desc_destroy);
      self->desc = g_steal_pointer (&other.desc);
      best = rating;
    }
    g_clear_pointer (&other.desc, dnnl_primitive_desc_destroy);
    if (rating == RATING_REFERENCE)
      break;
  }
  self->slow = best <= RATING_SLOW;
  return self->desc != NULL;
}

gboolean
_simclr_onednn_primitive_init (SimclrOnednnPrimitive *self, SimclrOnednnDirection direction,
    const SimclrOnednnProblem *problem, const SimclrOnednnNumbers *numbers, SimclrOnednnExtra extra,
    GError **error)
{
  Description d, hint = {NULL};
  dnnl_primitive_desc_t forward = NULL;
  dnnl_engine_t engine = _simclr_onednn_get_engine (error);
  gboolean good;

  *self = (SimclrOnednnPrimitive){NULL};
  if (!engine)
    return FALSE;
  good = description_init (&d, direction, problem, numbers, extra);
  if (direction != SIMCLR_ONEDNN_FORWARD)
    good = good && description_init (&hint, SIMCLR_ONEDNN_FORWARD, problem, numbers, 0) &&
           create_nth (SIMCLR_ONEDNN_FORWARD, &hint, engine, NULL, 0, &forward) == dnnl_success;
  good = good && pick (self, direction, &d, problem, forward);
  if (forward)
    dnnl_primitive_desc_destroy (forward);
  description_clear (&d);
  description_clear (&hint);
  if (!good) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_UNSUPPORTED,
        "oneDNN %d.%d cannot convolve %d to %d channels by %dx%d here", DNNL_VERSION_MAJOR,
        DNNL_VERSION_MINOR, (gint) problem->in, (gint) problem->out, (gint) problem->kernel,
        (gint) problem->kernel);
    return FALSE;
  }
  self->scratch =
      _simclr_onednn_desc_get_bytes (_simclr_onednn_primitive_get_desc (self, DNNL_ARG_SCRATCHPAD));
  return TRUE;
}

gboolean
_simclr_onednn_primitive_prepare (SimclrOnednnPrimitive *self, GError **error)
{
  return self->primitive || check (dnnl_primitive_create (&self->primitive, self->desc),
                                "compile its code: no memory, or none that may be executed", error);
}

void
_simclr_onednn_primitive_clear (SimclrOnednnPrimitive *self)
{
  g_clear_pointer (&self->primitive, dnnl_primitive_destroy);
  g_clear_pointer (&self->desc, dnnl_primitive_desc_destroy);
}

SimclrOnednnDesc
_simclr_onednn_primitive_get_desc (SimclrOnednnPrimitive *self, gint argument)
{
  return dnnl_primitive_desc_query_md (self->desc, dnnl_query_exec_arg_md, argument);
}
