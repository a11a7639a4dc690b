/* One direction of a convolution by oneDNN, cut up for a team of threads.
 *
 * oneDNN's own team (OpenMP's) would spin beside ours, so every thread of ours runs primitives of one
 * thread, over its share of images or of lines. Shares of the same shape use the same primitive.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/onednn-job-private.h>

#include <simclr/base/bfloat16-private.h>
#include <simclr/base/multiversion-private.h>
#include <string.h>

/* Bytes of a staged result: stays in the second-level cache until it is added. */
#define STAGE_BYTES (512 * 1024)

/* Output channels that oneDNN's code likes to make at a time. */
#define CHANNELS 64

/* Pixels of output below which threads share channels instead of lines; measured at 7x7 and 14x14. */
#define FEW_POSITIONS 100

static void
part_clear (gpointer data)
{
  _simclr_onednn_layout_clear (&((SimclrOnednnPart *) data)->layout);
}

static gboolean
add_images (SimclrOnednnPass *self, SimclrOnednnShare *share, gsize first, gsize images, gsize runs,
    GError **error)
{
  SimclrOnednnProblem part = self->problem;

  part.images = (dnnl_dim_t) images;
  return _simclr_onednn_job_add (
      self, share, &part, first * self->x_image, first * self->y_image, runs, error);
}

/* Some lines of one image's output, with the lines of its input that they depend on. */
static gboolean
add_lines (SimclrOnednnPass *self, SimclrOnednnShare *share, gsize image, gsize line, gsize lines,
    GError **error)
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
  return _simclr_onednn_job_add (self, share, &part, image * self->x_image + skipped,
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

/* As many blocks of output channels for every share; each is made beside y and copied there. */
static gboolean
cut_channels (SimclrOnednnPass *self, guint number, GError **error)
{
  const gsize out = (gsize) self->problem.out;
  const gsize blocks = (out + CHANNELS - 1) / CHANNELS;
  const gsize begin = blocks * number / self->n_shares * CHANNELS;
  const gsize end = MIN (blocks * (number + 1) / self->n_shares * CHANNELS, out);
  SimclrOnednnProblem part = self->problem;

  part.first_out = (dnnl_dim_t) begin;
  part.out = (dnnl_dim_t) (end - begin);
  return begin >= end ||
         _simclr_onednn_job_add (self, &self->shares[number], &part, 0, 0, 1, error);
}

/* Bytes of the widest share's output. */
static gsize
part_bytes (SimclrOnednnPass *self)
{
  const SimclrOnednnProblem *p = &self->problem;
  gsize channels = 0;

  for (guint i = 0; i < self->kinds->len; i++)
    channels = MAX (
        channels, (gsize) ((SimclrOnednnKind *) g_ptr_array_index (self->kinds, i))->problem.out);
  return channels * (gsize) p->images * (self->y_image / (gsize) p->out);
}

/* Each run takes at most so many images, the last one what is left. */
static gboolean
cut_images (SimclrOnednnPass *self, guint number, gsize most, GError **error)
{
  gsize images = (gsize) self->problem.images;
  gsize begin = images * number / self->n_shares;
  gsize end = images * (number + 1) / self->n_shares;
  gsize runs, rest;
  SimclrOnednnShare *share = &self->shares[number];

  if (begin == end)
    return TRUE;
  most = MIN (most, end - begin);
  runs = (end - begin) / most;
  rest = (end - begin) % most;
  return add_images (self, share, begin, most, runs, error) &&
         (rest == 0 || add_images (self, share, end - rest, rest, 1, error));
}

/* One gradient for each share that has images; its place is the share's number until the size of shares is
 * known. Returns the bytes of the largest. */
static gsize
add_parts (SimclrOnednnPass *self)
{
  gsize bytes = 0;

  for (guint number = 0; number < self->n_shares; number++) {
    SimclrOnednnPart part = {.place = number};
    const GPtrArray *jobs = self->shares[number].jobs;
    SimclrOnednnKind *kind;

    if (jobs->len == 0)
      continue;
    kind = ((SimclrOnednnJob *) g_ptr_array_index (jobs, 0))->kind;
    _simclr_onednn_layout_init (&part.layout,
        _simclr_onednn_primitive_get_desc (&kind->primitives[0], DNNL_ARG_DIFF_WEIGHTS),
        &self->problem);
    g_array_append_val (self->parts, part);
    bytes = MAX (bytes, part.layout.bytes);
  }
  return bytes;
}

static gboolean
cut (SimclrOnednnPass *self, GError **error)
{
  const gsize images = (gsize) self->problem.images;
  const gsize staged = CLAMP (STAGE_BYTES / self->x_image, 1, images);
  gsize extra = 0;

  for (guint number = 0; number < self->n_shares; number++) {
    SimclrOnednnShare *share = &self->shares[number];
    gboolean good = FALSE;

    share->jobs = g_ptr_array_new_with_free_func (_simclr_onednn_job_free);
    if (!_simclr_onednn_stream_new (&share->stream, error))
      return FALSE;
    switch (self->cut) {
    case SIMCLR_ONEDNN_BY_LINES:
      good = cut_lines (self, number, error);
      break;
    case SIMCLR_ONEDNN_BY_CHANNELS:
      good = cut_channels (self, number, error);
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
  if (self->direction == SIMCLR_ONEDNN_BACKWARD_WEIGHTS)
    extra = add_parts (self);
  if (self->cut == SIMCLR_ONEDNN_BY_CHANNELS)
    extra = part_bytes (self);
  self->share_bytes = self->scratch + _simclr_onednn_round_up (extra);
  for (guint i = 0; i < self->parts->len; i++) {
    SimclrOnednnPart *part = &g_array_index (self->parts, SimclrOnednnPart, i);

    part->place = part->place * self->share_bytes + self->scratch;
  }
  return TRUE;
}

SimclrOnednnProblem
_simclr_onednn_describe (const SimclrConvolutionShape *shape)
{
  const dnnl_dim_t padding = (dnnl_dim_t) shape->padding;

  return (SimclrOnednnProblem){.images = (dnnl_dim_t) shape->images,
      .in = (dnnl_dim_t) shape->in,
      .height = (dnnl_dim_t) shape->height,
      .width = (dnnl_dim_t) shape->width,
      .out = (dnnl_dim_t) shape->out,
      .out_height = (dnnl_dim_t) _simclr_convolution_out_height (shape),
      .out_width = (dnnl_dim_t) _simclr_convolution_out_width (shape),
      .kernel = (dnnl_dim_t) shape->kernel,
      .stride = (dnnl_dim_t) shape->stride,
      .top = padding,
      .left = padding,
      .bottom = padding,
      .right = padding};
}

SimclrOnednnCut
_simclr_onednn_cut_inference (const SimclrConvolutionShape *shape, SimclrParallel *parallel)
{
  const gsize positions = shape->images * _simclr_convolution_out_height (shape) *
                          _simclr_convolution_out_width (shape);
  const guint threads = _simclr_parallel_get_threads (parallel);

  return threads > 1 && positions < FEW_POSITIONS && shape->out >= (gsize) threads * CHANNELS
             ? SIMCLR_ONEDNN_BY_CHANNELS
             : SIMCLR_ONEDNN_BY_LINES;
}

SimclrOnednnPass *
_simclr_onednn_pass_new (SimclrOnednnDirection direction, const SimclrOnednnProblem *problem,
    const SimclrOnednnNumbers *numbers, SimclrOnednnExtra extra, SimclrOnednnCut way,
    SimclrParallel *parallel, GError **error)
{
  g_autoptr (SimclrOnednnPass) self = g_new0 (SimclrOnednnPass, 1);
  gint entered = _simclr_onednn_enter ();
  gboolean good;

  self->direction = direction;
  self->problem = *problem;
  self->numbers = *numbers;
  self->extra = extra;
  self->cut = way;
  /* oneDNN 2's gradient by tiles multiplies what nobody wrote, where pictures are small (by zeros, but it may be
   * not a number) */
  self->clears = direction == SIMCLR_ONEDNN_BACKWARD_WEIGHTS && numbers->x == dnnl_bf16 &&
                 _simclr_onednn_has_tiles ();
  self->parallel = parallel;
  self->x_image = (gsize) (problem->height * problem->width * problem->in) *
                  _simclr_onednn_type_get_bytes (numbers->x);
  self->y_image = (gsize) (problem->out_height * problem->out_width * problem->out) *
                  _simclr_onednn_type_get_bytes (numbers->y);
  self->kinds = g_ptr_array_new_with_free_func (_simclr_onednn_kind_free);
  self->packed = g_ptr_array_new_with_free_func (_simclr_onednn_packed_free);
  self->parts = g_array_new (FALSE, FALSE, sizeof (SimclrOnednnPart));
  g_array_set_clear_func (self->parts, part_clear);
  self->n_shares = _simclr_parallel_get_threads (parallel);
  self->shares = g_new0 (SimclrOnednnShare, self->n_shares);
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
  g_array_unref (self->parts);
  g_free (self);
}

gboolean
_simclr_onednn_pass_is_slow (SimclrOnednnPass *self)
{
  for (guint i = 0; i < self->kinds->len; i++) {
    if (((SimclrOnednnKind *) g_ptr_array_index (self->kinds, i))->primitives[0].slow)
      return TRUE;
  }
  return FALSE;
}

gsize
_simclr_onednn_pass_get_workspace (SimclrOnednnPass *self)
{
  return self->n_shares * self->share_bytes;
}

void
_simclr_onednn_pass_set_weights (SimclrOnednnPass *self, const gfloat *weights, gboolean transposed)
{
  self->weights = weights;
  self->transposed = transposed;
}

/* New weights are packed by the first run that needs them: some passes have none. */
void
_simclr_onednn_pass_pack (SimclrOnednnPass *self)
{
  const gfloat *weights = g_steal_pointer (&self->weights);

  for (guint i = 0; weights && i < self->packed->len; i++) {
    const SimclrOnednnPacked *packed = g_ptr_array_index (self->packed, i);

    _simclr_onednn_layout_pack (&packed->layout, self->parallel,
        weights + packed->first_out * packed->layout.n_taps * packed->layout.n_in, self->transposed,
        _simclr_onednn_numbers_get_weights (&self->numbers), packed->data);
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
run_once (const Call *call, SimclrOnednnJob *job, dnnl_stream_t stream, guint8 *x, guint8 *y,
    guint8 *scratch)
{
  SimclrOnednnPass *self = call->self;
  const guint v = call->variant;
  guint8 *behind = scratch + self->scratch;
  dnnl_status_t status;

  dnnl_memory_set_data_handle (job->x_memory, self->cut == SIMCLR_ONEDNN_STAGED ? behind : x);
  dnnl_memory_set_data_handle (job->y_memory, y);
  if (job->bias_memory)
    dnnl_memory_set_data_handle (
        job->bias_memory, (gpointer) (call->run->bias + job->kind->problem.first_out));
  if (job->gradient_memory)
    dnnl_memory_set_data_handle (job->gradient_memory, behind);
  if (job->scratch_memory[v])
    dnnl_memory_set_data_handle (job->scratch_memory[v], scratch);
  if (self->clears)
    memset (scratch, 0, job->kind->primitives[v].scratch);
  status = dnnl_primitive_execute (
      job->kind->primitives[v].primitive, stream, job->n_arguments[v], job->arguments[v]);
  if (status == dnnl_success)
    status = dnnl_stream_wait (stream);
  if (status != dnnl_success)
    g_error ("oneDNN cannot run a convolution (status %d)", (gint) status);
}

/* Rows of some bytes each. */
static void
copy_rows (const guint8 *from, gsize from_row, guint8 *to, gsize to_row, gsize bytes, gsize rows)
{
  for (gsize row = 0; row < rows; row++)
    memcpy (to + row * to_row, from + row * from_row, bytes);
}

/* Some output channels, which lie apart in y. */
static void
run_channels (const Call *call, SimclrOnednnJob *job, dnnl_stream_t stream, guint8 *scratch)
{
  SimclrOnednnPass *self = call->self;
  const SimclrOnednnProblem *part = &job->kind->problem;
  const gsize rows = (gsize) (part->images * part->out_height * part->out_width);
  const gsize value = _simclr_onednn_type_get_bytes (self->numbers.y);
  const gsize row = (gsize) self->problem.out * value, bytes = (gsize) part->out * value;
  const gsize first = (gsize) part->first_out * value;
  guint8 *made = scratch + self->scratch;

  if (call->run->residual)
    copy_rows ((const guint8 *) call->run->residual + first, row, made, bytes, bytes, rows);
  run_once (call, job, stream, call->run->x, made, scratch);
  copy_rows (made, bytes, (guint8 *) call->run->y + first, row, bytes, rows);
}

static void
run_job (const Call *call, SimclrOnednnJob *job, dnnl_stream_t stream, guint8 *scratch)
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
    if (self->numbers.x == dnnl_bf16)
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
    SimclrOnednnShare *share = &call->self->shares[number];

    for (guint i = 0; i < share->jobs->len; i++) {
      SimclrOnednnJob *job = g_ptr_array_index (share->jobs, i);
      guint8 *scratch = (guint8 *) call->run->workspace + number * call->self->share_bytes;

      if (call->self->cut == SIMCLR_ONEDNN_BY_CHANNELS)
        run_channels (call, job, share->stream, scratch);
      else
        run_job (call, job, share->stream, scratch);
    }
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
    SimclrOnednnKind *kind = g_ptr_array_index (self->kinds, i);

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
  _simclr_onednn_pass_pack (self);
  _simclr_parallel_for (self->parallel, self->n_shares, 1, run_shares, &call);
}

void
_simclr_onednn_pass_get_gradient (SimclrOnednnPass *self, gpointer workspace, gfloat *dweights)
{
  _simclr_onednn_parts_sum ((const SimclrOnednnPart *) (gpointer) self->parts->data,
      self->parts->len, self->parallel, workspace, dweights);
}
