/* What a pass through oneDNN consists of: runs of primitives, with their memories and arguments.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/onednn-job-private.h>

#include <string.h>

void
_simclr_onednn_packed_free (gpointer data)
{
  SimclrOnednnPacked *self = data;

  if (self->memory)
    dnnl_memory_destroy (self->memory);
  _simclr_aligned_free (self->data);
  _simclr_onednn_layout_clear (&self->layout);
  g_free (self);
}

void
_simclr_onednn_kind_free (gpointer data)
{
  SimclrOnednnKind *self = data;

  for (guint v = 0; v < SIMCLR_ONEDNN_VARIANTS; v++)
    _simclr_onednn_primitive_clear (&self->primitives[v]);
  g_free (self);
}

void
_simclr_onednn_job_free (gpointer data)
{
  SimclrOnednnJob *self = data;

  for (guint v = 0; v < SIMCLR_ONEDNN_VARIANTS; v++)
    g_clear_pointer (&self->scratch_memory[v], dnnl_memory_destroy);
  g_clear_pointer (&self->x_memory, dnnl_memory_destroy);
  g_clear_pointer (&self->y_memory, dnnl_memory_destroy);
  g_clear_pointer (&self->bias_memory, dnnl_memory_destroy);
  g_clear_pointer (&self->gradient_memory, dnnl_memory_destroy);
  g_clear_pointer (&self->scales_memory, dnnl_memory_destroy);
  g_free (self);
}

/* The variants that may be asked for. */
static gboolean
has_variant (SimclrOnednnPass *self, guint variant)
{
  return (variant & self->extra) == variant;
}

/* A buffer for the weights as the primitive wants them; shared by all that want the same. */
static SimclrOnednnPacked *
get_packed (SimclrOnednnPass *self, const SimclrOnednnProblem *problem,
    SimclrOnednnPrimitive *primitive, GError **error)
{
  SimclrOnednnDesc desc = _simclr_onednn_primitive_get_desc (primitive, DNNL_ARG_WEIGHTS);
  SimclrOnednnDesc other;
  SimclrOnednnPacked *packed;

  for (guint i = 0; i < self->packed->len; i++) {
    packed = g_ptr_array_index (self->packed, i);
    dnnl_memory_get_memory_desc (packed->memory, &other);
    if (packed->first_out == (gsize) problem->first_out && dnnl_memory_desc_equal (desc, other))
      return packed;
  }
  packed = g_new0 (SimclrOnednnPacked, 1);
  g_ptr_array_add (self->packed, packed);
  packed->first_out = (gsize) problem->first_out;
  _simclr_onednn_layout_init (&packed->layout, desc, problem);
  packed->data = _simclr_aligned_alloc (packed->layout.bytes, error);
  if (!packed->data)
    return NULL;
  memset (packed->data, 0, packed->layout.bytes); /* the padding stays so */
  return _simclr_onednn_memory_new (&packed->memory, desc, packed->data, error) ? packed : NULL;
}

static gboolean
kind_init (SimclrOnednnPass *self, SimclrOnednnKind *kind, GError **error)
{
  const SimclrOnednnExtra bias = self->extra & SIMCLR_ONEDNN_BIAS;

  for (guint v = 0; v < SIMCLR_ONEDNN_VARIANTS; v++) {
    SimclrOnednnPrimitive *primitive = &kind->primitives[v];

    if (!has_variant (self, v))
      continue;
    if (!_simclr_onednn_primitive_init (
            primitive, self->direction, &kind->problem, &self->numbers, v | bias, error))
      return FALSE;
    self->scratch = MAX (self->scratch, _simclr_onednn_round_up (primitive->scratch));
    if (self->direction == SIMCLR_ONEDNN_BACKWARD_WEIGHTS)
      continue;
    kind->packed[v] = get_packed (self, &kind->problem, primitive, error);
    if (!kind->packed[v])
      return FALSE;
  }
  return _simclr_onednn_primitive_prepare (&kind->primitives[0], error);
}

static SimclrOnednnKind *
get_kind (SimclrOnednnPass *self, const SimclrOnednnProblem *problem, GError **error)
{
  SimclrOnednnKind *kind;

  for (guint i = 0; i < self->kinds->len; i++) {
    kind = g_ptr_array_index (self->kinds, i);
    if (memcmp (&kind->problem, problem, sizeof *problem) == 0)
      return kind;
  }
  kind = g_new0 (SimclrOnednnKind, 1);
  kind->problem = *problem;
  g_ptr_array_add (self->kinds, kind);
  return kind_init (self, kind, error) ? kind : NULL;
}

/* A memory whose place is told at each run. */
static gboolean
add_argument (
    SimclrOnednnJob *job, guint variant, gint argument, dnnl_memory_t *memory, GError **error)
{
  SimclrOnednnPrimitive *primitive = &job->kind->primitives[variant];

  if (!*memory && !_simclr_onednn_memory_new (
                      memory, _simclr_onednn_primitive_get_desc (primitive, argument), NULL, error))
    return FALSE;
  job->arguments[variant][job->n_arguments[variant]++] = (dnnl_exec_arg_t){argument, *memory};
  return TRUE;
}

/* Only oneDNN 3 takes them as an argument. */
static gboolean
add_scales (SimclrOnednnPass *self, SimclrOnednnJob *job, guint variant, GError **error)
{
#if DNNL_VERSION_MAJOR >= 3
  const SimclrOnednnProblem *problem = &job->kind->problem;

  if (!job->scales_memory && !_simclr_onednn_vector_new (&job->scales_memory, problem->out,
                                 (gpointer) (self->numbers.scales + problem->first_out), error))
    return FALSE;
  job->arguments[variant][job->n_arguments[variant]++] =
      (dnnl_exec_arg_t){DNNL_ARG_ATTR_SCALES | DNNL_ARG_WEIGHTS, job->scales_memory};
#endif
  return TRUE;
}

static gboolean
add_arguments (SimclrOnednnPass *self, SimclrOnednnJob *job, guint v, GError **error)
{
  static const gint x[] = {DNNL_ARG_SRC, DNNL_ARG_DIFF_SRC, DNNL_ARG_SRC};
  static const gint y[] = {DNNL_ARG_DST, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_DST};

  if (!add_argument (job, v, x[self->direction], &job->x_memory, error) ||
      !add_argument (job, v, y[self->direction], &job->y_memory, error))
    return FALSE;
  if ((self->extra & SIMCLR_ONEDNN_BIAS) &&
      !add_argument (job, v, DNNL_ARG_BIAS, &job->bias_memory, error))
    return FALSE;
  if (self->numbers.scales && !add_scales (self, job, v, error))
    return FALSE;
  if (job->kind->primitives[v].scratch > 0 &&
      !add_argument (job, v, DNNL_ARG_SCRATCHPAD, &job->scratch_memory[v], error))
    return FALSE;
  if (self->direction == SIMCLR_ONEDNN_BACKWARD_WEIGHTS)
    return add_argument (job, v, DNNL_ARG_DIFF_WEIGHTS, &job->gradient_memory, error);
  return add_argument (job, v, DNNL_ARG_WEIGHTS, &job->kind->packed[v]->memory, error);
}

gboolean
_simclr_onednn_job_add (SimclrOnednnPass *self, SimclrOnednnShare *share,
    const SimclrOnednnProblem *problem, gsize x, gsize y, gsize runs, GError **error)
{
  SimclrOnednnJob *job = g_new0 (SimclrOnednnJob, 1);

  g_ptr_array_add (share->jobs, job);
  job->kind = get_kind (self, problem, error);
  job->x = x;
  job->y = y;
  job->runs = runs;
  if (!job->kind)
    return FALSE;
  for (guint v = 0; v < SIMCLR_ONEDNN_VARIANTS; v++) {
    if (has_variant (self, v) && !add_arguments (self, job, v, error))
      return FALSE;
  }
  return TRUE;
}
