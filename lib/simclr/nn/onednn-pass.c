/* One direction of a convolution by oneDNN, cut up for a team of threads.
 *
 * oneDNN's own team (OpenMP's) would spin beside ours, so every thread of ours runs primitives of one
 * thread, over its share of images or of lines. Shares of the same shape use the same primitive.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/onednn-pass-private.h>

#include <simclr/base/arena-private.h>
#include <simclr/base/bfloat16-private.h>
#include <simclr/base/multiversion-private.h>
#include <string.h>

#define VARIANTS 4 /* of SIMCLR_ONEDNN_RELU and SIMCLR_ONEDNN_SUM */
#define MOST_ARGUMENTS 5

/* Bytes of a staged result: stays in the second-level cache until it is added. */
#define STAGE_BYTES (512 * 1024)

/* The weights in one of the layouts that this pass's primitives like. */
typedef struct
{
  SimclrOnednnLayout layout;
  gpointer data;
  dnnl_memory_t memory;
} Packed;

/* Shares of one shape. */
typedef struct
{
  SimclrOnednnProblem problem;
  SimclrOnednnPrimitive primitives[VARIANTS];
  SimclrOnednnLayout gradient;
  Packed *packed[VARIANTS]; /* borrowed */
} Kind;

/* Runs of one primitive: some images, or some lines of one. */
typedef struct
{
  Kind *kind;
  gsize x, y; /* bytes before its part of them */
  gsize runs; /* each on the images behind the one before */
  dnnl_memory_t x_memory, y_memory, bias_memory, gradient_memory;
  dnnl_memory_t scratch_memory[VARIANTS];
  dnnl_exec_arg_t arguments[VARIANTS][MOST_ARGUMENTS];
  gint n_arguments[VARIANTS];
} Job;

/* What one thread does. */
typedef struct
{
  dnnl_stream_t stream;
  GPtrArray *jobs;
} Share;

struct _SimclrOnednnPass
{
  SimclrOnednnDirection direction;
  SimclrOnednnProblem problem;
  gboolean bfloat16;
  SimclrOnednnExtra extra;
  SimclrOnednnCut cut;
  SimclrParallel *parallel; /* borrowed */

  gsize x_image, y_image; /* bytes */
  GPtrArray *kinds;
  GPtrArray *packed;
  Share *shares;
  guint n_shares;
  gsize scratch;     /* bytes of a share's scratch memory */
  gsize share_bytes; /* with its gradient or its staged result behind that */
};

static gsize
round_up (gsize bytes)
{
  return (bytes + SIMCLR_ALIGNMENT - 1) / SIMCLR_ALIGNMENT * SIMCLR_ALIGNMENT;
}

static void
packed_free (gpointer data)
{
  Packed *self = data;

  if (self->memory)
    dnnl_memory_destroy (self->memory);
  _simclr_aligned_free (self->data);
  _simclr_onednn_layout_clear (&self->layout);
  g_free (self);
}

static void
kind_free (gpointer data)
{
  Kind *self = data;

  for (guint v = 0; v < VARIANTS; v++)
    _simclr_onednn_primitive_clear (&self->primitives[v]);
  _simclr_onednn_layout_clear (&self->gradient);
  g_free (self);
}

static void
job_free (gpointer data)
{
  Job *self = data;

  for (guint v = 0; v < VARIANTS; v++)
    g_clear_pointer (&self->scratch_memory[v], dnnl_memory_destroy);
  g_clear_pointer (&self->x_memory, dnnl_memory_destroy);
  g_clear_pointer (&self->y_memory, dnnl_memory_destroy);
  g_clear_pointer (&self->bias_memory, dnnl_memory_destroy);
  g_clear_pointer (&self->gradient_memory, dnnl_memory_destroy);
  g_free (self);
}

/* The variants that may be asked for. */
static gboolean
has_variant (SimclrOnednnPass *self, guint variant)
{
  return (variant & self->extra) == variant;
}

/* A buffer for the weights as the primitive wants them; shared by all that want the same. */
static Packed *
get_packed (SimclrOnednnPass *self, SimclrOnednnPrimitive *primitive, GError **error)
{
  SimclrOnednnDesc desc = _simclr_onednn_primitive_get_desc (primitive, DNNL_ARG_WEIGHTS);
  SimclrOnednnDesc other;
  Packed *packed;

  for (guint i = 0; i < self->packed->len; i++) {
    packed = g_ptr_array_index (self->packed, i);
    dnnl_memory_get_memory_desc (packed->memory, &other);
    if (dnnl_memory_desc_equal (desc, other))
      return packed;
  }
  packed = g_new0 (Packed, 1);
  g_ptr_array_add (self->packed, packed);
  _simclr_onednn_layout_init (&packed->layout, desc, &self->problem);
  packed->data = _simclr_aligned_alloc (packed->layout.bytes, error);
  if (!packed->data)
    return NULL;
  memset (packed->data, 0, packed->layout.bytes); /* the padding stays so */
  return _simclr_onednn_memory_new (&packed->memory, desc, packed->data, error) ? packed : NULL;
}

static gboolean
kind_init (SimclrOnednnPass *self, Kind *kind, GError **error)
{
  const SimclrOnednnExtra bias = self->extra & SIMCLR_ONEDNN_BIAS;

  for (guint v = 0; v < VARIANTS; v++) {
    SimclrOnednnPrimitive *primitive = &kind->primitives[v];

    if (!has_variant (self, v))
      continue;
    if (!_simclr_onednn_primitive_init (
            primitive, self->direction, &kind->problem, self->bfloat16, v | bias, error))
      return FALSE;
    self->scratch = MAX (self->scratch, round_up (primitive->scratch));
    if (self->direction == SIMCLR_ONEDNN_BACKWARD_WEIGHTS) {
      _simclr_onednn_layout_init (&kind->gradient,
          _simclr_onednn_primitive_get_desc (primitive, DNNL_ARG_DIFF_WEIGHTS), &kind->problem);
      continue;
    }
    kind->packed[v] = get_packed (self, primitive, error);
    if (!kind->packed[v])
      return FALSE;
  }
  return _simclr_onednn_primitive_prepare (&kind->primitives[0], error);
}

static Kind *
get_kind (SimclrOnednnPass *self, const SimclrOnednnProblem *problem, GError **error)
{
  Kind *kind;

  for (guint i = 0; i < self->kinds->len; i++) {
    kind = g_ptr_array_index (self->kinds, i);
    if (memcmp (&kind->problem, problem, sizeof *problem) == 0)
      return kind;
  }
  kind = g_new0 (Kind, 1);
  kind->problem = *problem;
  g_ptr_array_add (self->kinds, kind);
  return kind_init (self, kind, error) ? kind : NULL;
}

/* A memory whose place is told at each run. */
static gboolean
add_argument (Job *job, guint variant, gint argument, dnnl_memory_t *memory, GError **error)
{
  SimclrOnednnPrimitive *primitive = &job->kind->primitives[variant];

  if (!*memory && !_simclr_onednn_memory_new (
                      memory, _simclr_onednn_primitive_get_desc (primitive, argument), NULL, error))
    return FALSE;
  job->arguments[variant][job->n_arguments[variant]++] = (dnnl_exec_arg_t){argument, *memory};
  return TRUE;
}

static gboolean
add_arguments (SimclrOnednnPass *self, Job *job, guint v, GError **error)
{
  static const gint x[] = {DNNL_ARG_SRC, DNNL_ARG_DIFF_SRC, DNNL_ARG_SRC};
  static const gint y[] = {DNNL_ARG_DST, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_DST};

  if (!add_argument (job, v, x[self->direction], &job->x_memory, error) ||
      !add_argument (job, v, y[self->direction], &job->y_memory, error))
    return FALSE;
  if ((self->extra & SIMCLR_ONEDNN_BIAS) &&
      !add_argument (job, v, DNNL_ARG_BIAS, &job->bias_memory, error))
    return FALSE;
  if (job->kind->primitives[v].scratch > 0 &&
      !add_argument (job, v, DNNL_ARG_SCRATCHPAD, &job->scratch_memory[v], error))
    return FALSE;
  if (self->direction == SIMCLR_ONEDNN_BACKWARD_WEIGHTS)
    return add_argument (job, v, DNNL_ARG_DIFF_WEIGHTS, &job->gradient_memory, error);
  return add_argument (job, v, DNNL_ARG_WEIGHTS, &job->kind->packed[v]->memory, error);
}

static gboolean
add_job (SimclrOnednnPass *self, Share *share, const SimclrOnednnProblem *problem, gsize x, gsize y,
    gsize runs, GError **error)
{
  Job *job = g_new0 (Job, 1);

  g_ptr_array_add (share->jobs, job);
  job->kind = get_kind (self, problem, error);
  job->x = x;
  job->y = y;
  job->runs = runs;
  if (!job->kind)
    return FALSE;
  for (guint v = 0; v < VARIANTS; v++) {
    if (has_variant (self, v) && !add_arguments (self, job, v, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
add_images (
    SimclrOnednnPass *self, Share *share, gsize first, gsize images, gsize runs, GError **error)
{
  SimclrOnednnProblem part = self->problem;

  part.images = (dnnl_dim_t) images;
  return add_job (self, share, &part, first * self->x_image, first * self->y_image, runs, error);
}

/* Some lines of one image's output, with the lines of its input that they depend on. */
static gboolean
add_lines (
    SimclrOnednnPass *self, Share *share, gsize image, gsize line, gsize lines, GError **error)
{
  const SimclrOnednnProblem *p = &self->problem;
  SimclrOnednnProblem part = *p;
  dnnl_dim_t first = (dnnl_dim_t) line * p->stride - p->top;
  dnnl_dim_t last = first + ((dnnl_dim_t) lines - 1) * p->stride + p->kernel - 1;
  gsize skipped = (gsize) MAX (first, 0) * (self->x_image / (gsize) p->height);

  part.images = 1;
  part.top = MAX (-first, 0);
  part.bottom = MAX (last - (p->height - 1), 0);
  part.height = MIN (last, p->height - 1) - MAX (first, 0) + 1;
  part.out_height = (dnnl_dim_t) lines;
  return add_job (self, share, &part, image * self->x_image + skipped,
      image * self->y_image + line * (self->y_image / (gsize) p->out_height), 1, error);
}

static gboolean
cut_lines (SimclrOnednnPass *self, guint number, GError **error)
{
  gsize height = (gsize) self->problem.out_height;
  gsize lines = (gsize) self->problem.images * height;
  gsize end = lines * (number + 1) / self->n_shares, count;

  for (gsize line = lines * number / self->n_shares; line < end; line += count) {
    gsize image = line / height;

    if (line % height == 0 && end - line >= height) {
      count = (end - line) / height * height;
      if (!add_images (self, &self->shares[number], image, count / height, 1, error))
        return FALSE;
    } else {
      count = MIN (end - line, height - line % height);
      if (!add_lines (self, &self->shares[number], image, line % height, count, error))
        return FALSE;
    }
  }
  return TRUE;
}

/* Each run takes at most so many images, the last one what is left. */
static gboolean
cut_images (SimclrOnednnPass *self, guint number, gsize most, GError **error)
{
  gsize images = (gsize) self->problem.images;
  gsize begin = images * number / self->n_shares;
  gsize end = images * (number + 1) / self->n_shares;
  gsize runs, rest;
  Share *share = &self->shares[number];

  if (begin == end)
    return TRUE;
  most = MIN (most, end - begin);
  runs = (end - begin) / most;
  rest = (end - begin) % most;
  return add_images (self, share, begin, most, runs, error) &&
         (rest == 0 || add_images (self, share, end - rest, rest, 1, error));
}

static gboolean
cut (SimclrOnednnPass *self, GError **error)
{
  const gsize images = (gsize) self->problem.images;
  const gsize staged = CLAMP (STAGE_BYTES / self->x_image, 1, images);
  gsize extra = 0;

  for (guint number = 0; number < self->n_shares; number++) {
    Share *share = &self->shares[number];
    gboolean good = FALSE;

    share->jobs = g_ptr_array_new_with_free_func (job_free);
    if (!_simclr_onednn_stream_new (&share->stream, error))
      return FALSE;
    switch (self->cut) {
    case SIMCLR_ONEDNN_BY_LINES:
      good = cut_lines (self, number, error);
      break;
    case SIMCLR_ONEDNN_BY_IMAGES:
      good = cut_images (self, number, images, error);
      break;
    case SIMCLR_ONEDNN_STAGED:
      good = cut_images (self, number, staged, error);
      extra = staged * self->x_image;
      break;
    }
    if (!good)
      return FALSE;
  }
  for (guint i = 0; i < self->kinds->len; i++)
    extra = MAX (extra, ((Kind *) g_ptr_array_index (self->kinds, i))->gradient.bytes);
  self->share_bytes = self->scratch + round_up (extra);
  return TRUE;
}

SimclrOnednnPass *
_simclr_onednn_pass_new (SimclrOnednnDirection direction, const SimclrOnednnProblem *problem,
    gboolean bfloat16, SimclrOnednnExtra extra, SimclrOnednnCut way, SimclrParallel *parallel,
    GError **error)
{
  g_autoptr (SimclrOnednnPass) self = g_new0 (SimclrOnednnPass, 1);
  const gsize bytes = bfloat16 ? sizeof (guint16) : sizeof (gfloat);
  gint entered = _simclr_onednn_enter ();
  gboolean good;

  self->direction = direction;
  self->problem = *problem;
  self->bfloat16 = bfloat16;
  self->extra = extra;
  self->cut = way;
  self->parallel = parallel;
  self->x_image = (gsize) (problem->height * problem->width * problem->in) * bytes;
  self->y_image = (gsize) (problem->out_height * problem->out_width * problem->out) * bytes;
  self->kinds = g_ptr_array_new_with_free_func (kind_free);
  self->packed = g_ptr_array_new_with_free_func (packed_free);
  self->n_shares = _simclr_parallel_get_threads (parallel);
  self->shares = g_new0 (Share, self->n_shares);
  good = cut (self, error);
  _simclr_onednn_leave (entered);
  return good ? g_steal_pointer (&self) : NULL;
}

void
_simclr_onednn_pass_free (SimclrOnednnPass *self)
{
  for (guint i = 0; i < self->n_shares; i++) {
    g_clear_pointer (&self->shares[i].jobs, g_ptr_array_unref);
    g_clear_pointer (&self->shares[i].stream, dnnl_stream_destroy);
  }
  g_free (self->shares);
  g_ptr_array_unref (self->kinds);
  g_ptr_array_unref (self->packed);
  g_free (self);
}

gboolean
_simclr_onednn_pass_is_slow (SimclrOnednnPass *self)
{
  for (guint i = 0; i < self->kinds->len; i++) {
    if (((Kind *) g_ptr_array_index (self->kinds, i))->primitives[0].slow)
      return TRUE;
  }
  return FALSE;
}

gsize
_simclr_onednn_pass_get_workspace (SimclrOnednnPass *self)
{
  return self->n_shares * self->share_bytes;
}

typedef struct
{
  SimclrOnednnPass *self;
  Packed *packed;
  const gfloat *weights;
  gfloat *dweights;
  gconstpointer workspace;
  gboolean transposed;
} Packing;

SIMCLR_MULTIVERSION
static void
scatter_floats (
    gfloat *restrict to, const gsize *restrict places, const gfloat *restrict from, gsize n)
{
  for (gsize i = 0; i < n; i++)
    to[places[i]] = from[i];
}

SIMCLR_MULTIVERSION
static void
scatter_bfloat16 (
    guint16 *restrict to, const gsize *restrict places, const gfloat *restrict from, gsize n)
{
  for (gsize i = 0; i < n; i++)
    to[places[i]] = _simclr_to_bfloat16 (from[i]);
}

/* Row by row of weights (out, tap, in). */
static void
pack_rows (guint thread, gsize begin, gsize end, gpointer data)
{
  const Packing *packing = data;
  const SimclrOnednnLayout *layout = &packing->packed->layout;
  const SimclrOnednnProblem *p = &packing->self->problem;
  const gboolean transposed = packing->transposed;
  const gsize taps = (gsize) (p->kernel * p->kernel);
  const gsize columns = (gsize) (transposed ? p->out : p->in);
  const gsize *rows = transposed ? layout->in : layout->out;
  const gsize *places = transposed ? layout->out : layout->in;

  for (gsize row = begin; row < end; row++) {
    for (gsize tap = 0; tap < taps; tap++) {
      const gfloat *from = packing->weights + (row * taps + tap) * columns;
      gsize place = rows[row] + layout->tap[transposed ? taps - 1 - tap : tap];

      if (packing->self->bfloat16)
        scatter_bfloat16 ((guint16 *) packing->packed->data + place, places, from, columns);
      else
        scatter_floats ((gfloat *) packing->packed->data + place, places, from, columns);
    }
  }
}

void
_simclr_onednn_pass_set_weights (SimclrOnednnPass *self, const gfloat *weights, gboolean transposed)
{
  for (guint i = 0; i < self->packed->len; i++) {
    Packing packing = {.self = self,
        .packed = g_ptr_array_index (self->packed, i),
        .weights = weights,
        .transposed = transposed};

    /* Whole blocks of channels for each thread, so that none writes beside another. */
    _simclr_parallel_for (self->parallel,
        (gsize) (transposed ? self->problem.in : self->problem.out), 64, pack_rows, &packing);
  }
}

SIMCLR_MULTIVERSION
static void
add_floats (gfloat *restrict sum, const gfloat *restrict part, gsize n)
{
  for (gsize i = 0; i < n; i++)
    sum[i] += part[i];
}

SIMCLR_MULTIVERSION
static void
add_bfloat16 (guint16 *restrict sum, const guint16 *restrict part, gsize n)
{
  for (gsize i = 0; i < n; i++)
    sum[i] = _simclr_to_bfloat16 (_simclr_from_bfloat16 (sum[i]) + _simclr_from_bfloat16 (part[i]));
}

typedef struct
{
  SimclrOnednnPass *self;
  const SimclrOnednnRun *run;
  guint variant;
} Call;

static void
run_once (const Call *call, Job *job, dnnl_stream_t stream, guint8 *x, guint8 *y, guint8 *scratch)
{
  SimclrOnednnPass *self = call->self;
  const guint v = call->variant;
  guint8 *behind = scratch + self->scratch;
  dnnl_status_t status;

  dnnl_memory_set_data_handle (job->x_memory, self->cut == SIMCLR_ONEDNN_STAGED ? behind : x);
  dnnl_memory_set_data_handle (job->y_memory, y);
  if (job->bias_memory)
    dnnl_memory_set_data_handle (job->bias_memory, (gpointer) call->run->bias);
  if (job->gradient_memory)
    dnnl_memory_set_data_handle (job->gradient_memory, behind);
  if (job->scratch_memory[v])
    dnnl_memory_set_data_handle (job->scratch_memory[v], scratch);
  status = dnnl_primitive_execute (
      job->kind->primitives[v].primitive, stream, job->n_arguments[v], job->arguments[v]);
  if (status == dnnl_success)
    status = dnnl_stream_wait (stream);
  if (status != dnnl_success)
    g_error ("oneDNN cannot run a convolution (status %d)", (gint) status);
}

static void
run_job (const Call *call, Job *job, dnnl_stream_t stream, guint8 *scratch)
{
  SimclrOnednnPass *self = call->self;
  const SimclrOnednnProblem *part = &job->kind->problem;
  const SimclrOnednnRun *run = call->run;
  const gsize x_bytes = (gsize) part->images * self->x_image;
  const gsize y_bytes = (gsize) (part->images * part->out_height) *
                        (self->y_image / (gsize) self->problem.out_height);

  for (gsize i = 0; i < job->runs; i++) {
    guint8 *x = (guint8 *) run->x + job->x + i * x_bytes;
    guint8 *y = (guint8 *) run->y + job->y + i * y_bytes;
    gpointer staged = scratch + self->scratch;

    if (run->residual && run->residual != run->y)
      memcpy (y, (const guint8 *) run->residual + job->y + i * y_bytes, y_bytes);
    run_once (call, job, stream, x, y, scratch);
    if (self->cut != SIMCLR_ONEDNN_STAGED)
      continue;
    if (self->bfloat16)
      add_bfloat16 ((gpointer) x, staged, x_bytes / sizeof (guint16));
    else
      add_floats ((gpointer) x, staged, x_bytes / sizeof (gfloat));
  }
}

static void
run_shares (guint thread, gsize begin, gsize end, gpointer data)
{
  const Call *call = data;
  gint entered = _simclr_onednn_enter ();

  for (gsize number = begin; number < end; number++) {
    Share *share = &call->self->shares[number];

    for (guint i = 0; i < share->jobs->len; i++)
      run_job (call, g_ptr_array_index (share->jobs, i), share->stream,
          (guint8 *) call->run->workspace + number * call->self->share_bytes);
  }
  _simclr_onednn_leave (entered);
}

/* What was not asked for before is compiled now; that fails only where memory has run out. */
static void
prepare_variant (SimclrOnednnPass *self, guint variant)
{
  g_autoptr (GError) error = NULL;
  gint entered = _simclr_onednn_enter ();

  for (guint i = 0; i < self->kinds->len; i++) {
    Kind *kind = g_ptr_array_index (self->kinds, i);

    if (!_simclr_onednn_primitive_prepare (&kind->primitives[variant], &error))
      g_error ("%s", error->message);
  }
  _simclr_onednn_leave (entered);
}

void
_simclr_onednn_pass_run (
    SimclrOnednnPass *self, SimclrOnednnExtra extra, const SimclrOnednnRun *run)
{
  Call call = {self, run, extra & (SIMCLR_ONEDNN_RELU | SIMCLR_ONEDNN_SUM)};

  prepare_variant (self, call.variant);
  _simclr_parallel_for (self->parallel, self->n_shares, 1, run_shares, &call);
}

SIMCLR_MULTIVERSION
static void
gather_floats (gfloat *restrict sum, const gfloat *restrict part, const gsize *restrict places,
    gsize n, gboolean first)
{
  if (first) {
    for (gsize i = 0; i < n; i++)
      sum[i] = part[places[i]];
  } else {
    for (gsize i = 0; i < n; i++)
      sum[i] += part[places[i]];
  }
}

static void
gather_rows (guint thread, gsize begin, gsize end, gpointer data)
{
  const Packing *packing = data;
  SimclrOnednnPass *self = packing->self;
  const gsize taps = (gsize) (self->problem.kernel * self->problem.kernel);
  const gsize in = (gsize) self->problem.in;

  for (gsize out = begin; out < end; out++) {
    gfloat *sums = packing->dweights + out * taps * in;
    gboolean first = TRUE;

    for (guint number = 0; number < self->n_shares; number++) {
      const GPtrArray *jobs = self->shares[number].jobs;
      const gfloat *part = (gconstpointer) ((const guint8 *) packing->workspace +
                                            number * self->share_bytes + self->scratch);
      const SimclrOnednnLayout *layout;

      if (jobs->len == 0) /* fewer images than threads */
        continue;
      layout = &((Job *) g_ptr_array_index (jobs, 0))->kind->gradient;
      for (gsize tap = 0; tap < taps; tap++)
        gather_floats (
            sums + tap * in, part + layout->out[out] + layout->tap[tap], layout->in, in, first);
      first = FALSE;
    }
  }
}

void
_simclr_onednn_pass_get_gradient (SimclrOnednnPass *self, gpointer workspace, gfloat *dweights)
{
  Packing packing = {.self = self, .workspace = workspace, .dweights = dweights};

  _simclr_parallel_for (self->parallel, (gsize) self->problem.out, 16, gather_rows, &packing);
}
