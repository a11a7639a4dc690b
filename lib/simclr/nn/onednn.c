/* What this library uses of oneDNN, the same for its versions 2 and 3.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/onednn-version-private.h>

#include <simclr/simclr-error.h>
#include <string.h>

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

static gboolean
has_isa (guint needed)
{
  return ((guint) dnnl_get_effective_cpu_isa () & needed) == needed;
}

gboolean
_simclr_onednn_has_bfloat16 (void)
{
  return has_isa (dnnl_cpu_isa_avx512_core_bf16);
}

gboolean
_simclr_onednn_has_tiles (void)
{
  return has_isa (dnnl_cpu_isa_avx512_core_amx);
}

/* Where the instructions are missing oneDNN has other code, which is no faster than floats. */
gboolean
_simclr_onednn_has_int8 (void)
{
  return has_isa (dnnl_cpu_isa_avx512_core_vnni) || has_isa (dnnl_cpu_isa_avx2_vnni);
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

gboolean
_simclr_onednn_vector_new (dnnl_memory_t *memory, dnnl_dim_t n, gpointer data, GError **error)
{
  const dnnl_dims_t sizes = {n};
  SimclrOnednnOwnedDesc desc = _simclr_onednn_desc_new (1, sizes, dnnl_f32, dnnl_a);
  gboolean good = desc && _simclr_onednn_memory_new (memory, desc, data, error);

  _simclr_onednn_desc_free (desc);
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
create_attributes (SimclrOnednnDescription *d, const SimclrOnednnProblem *problem,
    const SimclrOnednnNumbers *numbers, SimclrOnednnExtra extra)
{
  dnnl_post_ops_t operations = NULL;
  gboolean good =
      dnnl_primitive_attr_create (&d->attributes) == dnnl_success &&
      dnnl_primitive_attr_set_scratchpad_mode (d->attributes, dnnl_scratchpad_mode_user) ==
          dnnl_success &&
      dnnl_post_ops_create (&operations) == dnnl_success &&
      (!numbers->scales ||
          _simclr_onednn_set_scales (
              d->attributes, numbers->scales + problem->first_out, problem->out) == dnnl_success) &&
      (!(extra & SIMCLR_ONEDNN_SUM) ||
          _simclr_onednn_append_sum (operations, numbers) == dnnl_success) &&
      (!(extra & SIMCLR_ONEDNN_RELU) || _simclr_onednn_append_relu (operations) == dnnl_success) &&
      dnnl_primitive_attr_set_post_ops (d->attributes, operations) == dnnl_success;

  if (operations)
    dnnl_post_ops_destroy (operations);
  return good;
}

/* Weights lie as oneDNN likes them; their gradient is float whatever the rest is. */
static gboolean
description_init (SimclrOnednnDescription *d, SimclrOnednnDirection direction,
    const SimclrOnednnProblem *p, const SimclrOnednnNumbers *numbers, SimclrOnednnExtra extra)
{
  const dnnl_dims_t x = {p->images, p->in, p->height, p->width};
  const dnnl_dims_t y = {p->images, p->out, p->out_height, p->out_width};
  const dnnl_dims_t weights = {p->out, p->in, p->kernel, p->kernel};
  const dnnl_dims_t bias = {p->out};
  dnnl_data_type_t weights_type = direction == SIMCLR_ONEDNN_BACKWARD_WEIGHTS
                                      ? dnnl_f32
                                      : _simclr_onednn_numbers_get_weights (numbers);

  *d = (SimclrOnednnDescription){.strides = {p->stride, p->stride},
      .before = {p->top, p->left},
      .after = {p->bottom, p->right}};
  d->x = _simclr_onednn_desc_new (4, x, numbers->x, dnnl_nhwc);
  d->y = _simclr_onednn_desc_new (4, y, numbers->y, dnnl_nhwc);
  d->weights = _simclr_onednn_desc_new (4, weights, weights_type, dnnl_format_tag_any);
  if (extra & SIMCLR_ONEDNN_BIAS) {
    d->bias = _simclr_onednn_desc_new (1, bias, dnnl_f32, dnnl_a);
    if (!d->bias)
      return FALSE;
  }
  return d->x && d->y && d->weights && create_attributes (d, p, numbers, extra);
}

static void
description_clear (SimclrOnednnDescription *d)
{
  _simclr_onednn_desc_free (d->x);
  _simclr_onednn_desc_free (d->y);
  _simclr_onednn_desc_free (d->weights);
  _simclr_onednn_desc_free (d->bias);
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
 * in bfloat16, the gradient of strided 1x1 kernels over fewer channels than a vector holds. Compiling its
 * batch-reduced products by tiles (AMX) it reads beyond its own tables, and may crash. */
static gboolean
is_wrong (const gchar *name, SimclrOnednnDirection direction, const SimclrOnednnProblem *problem)
{
  const dnnl_dim_t summed = direction == SIMCLR_ONEDNN_BACKWARD_DATA ? problem->out : problem->in;

  if (strstr (name, "1x1") && direction == SIMCLR_ONEDNN_BACKWARD_WEIGHTS && problem->stride > 1 &&
      problem->in < (strstr (name, "avx2") ? 8 : 16))
    return TRUE;
  if (strstr (name, "jit_bf16_1x1"))
    return summed % 2 != 0;
#if DNNL_VERSION_MAJOR < 3
  if (strstr (name, "brgconv:") && strstr (name, "amx"))
    return TRUE;
#endif
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
pick (SimclrOnednnPrimitive *self, SimclrOnednnDirection direction,
    const SimclrOnednnDescription *d, const SimclrOnednnProblem *problem,
    dnnl_primitive_desc_t forward)
{
  dnnl_engine_t engine = _simclr_onednn_get_engine (NULL);
  const gint weights =
      direction == SIMCLR_ONEDNN_BACKWARD_WEIGHTS ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS;
  Rating best = RATING_WRONG;

  for (guint n = 0; best < RATING_BEST; n++) {
    SimclrOnednnPrimitive other = {NULL};
    Rating rating;

    if (_simclr_onednn_create_nth (direction, d, engine, forward, n, &other.desc) != dnnl_success)
      break;
    rating = rate (other.desc, direction, problem);
    if (rating > best &&
        _simclr_onednn_desc_is_blocked (_simclr_onednn_primitive_get_desc (&other, weights))) {
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
  SimclrOnednnDescription d, hint = {NULL};
  dnnl_primitive_desc_t forward = NULL;
  dnnl_engine_t engine = _simclr_onednn_get_engine (error);
  gboolean good;

  *self = (SimclrOnednnPrimitive){NULL};
  if (!engine)
    return FALSE;
  good = description_init (&d, direction, problem, numbers, extra);
  if (direction != SIMCLR_ONEDNN_FORWARD)
    good = good && description_init (&hint, SIMCLR_ONEDNN_FORWARD, problem, numbers, 0) &&
           _simclr_onednn_create_nth (SIMCLR_ONEDNN_FORWARD, &hint, engine, NULL, 0, &forward) ==
               dnnl_success;
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
