/* oneDNN's convolutions, in float and bfloat16.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/convolution-native-private.h>

#include <simclr/base/arena-private.h>
#include <simclr/nn/amx-private.h>
#include <simclr/nn/onednn-pass-private.h>

typedef struct
{
  SimclrConvolution parent;
  SimclrConvolutionUse ours; /* what this library's own code is the faster one for */
  SimclrConvolution *own;    /* that code, or NULL */
  SimclrOnednnPass *forward;
  SimclrOnednnPass *backward;         /* to the data */
  SimclrOnednnPass *backward_and_add; /* NULL: backward can add by itself */
  SimclrOnednnPass *gradient;         /* of the weights */
  gboolean transposed;                /* backward is a forward convolution of the rotated kernel */
  gfloat *no_bias;                    /* zeros */
} OnednnConvolution;

static void
forward (SimclrConvolution *parent, gconstpointer x, gpointer y, const SimclrEpilogue *epilogue,
    gpointer workspace)
{
  static const SimclrEpilogue none = {NULL};
  OnednnConvolution *self = (OnednnConvolution *) parent;
  SimclrOnednnRun run = {.x = (gpointer) x, .y = y, .workspace = workspace};

  if (self->ours & SIMCLR_CONVOLUTION_FORWARD) {
    _simclr_convolution_forward (self->own, x, y, epilogue, workspace);
    return;
  }
  if (!epilogue)
    epilogue = &none;
  run.bias = epilogue->bias ? epilogue->bias : self->no_bias;
  run.residual = epilogue->residual;
  _simclr_onednn_pass_run (self->forward,
      (epilogue->residual ? SIMCLR_ONEDNN_SUM : 0) | (epilogue->relu ? SIMCLR_ONEDNN_RELU : 0),
      &run);
}

static void
backward_data (SimclrConvolution *parent, gconstpointer dy, gpointer dx, gboolean accumulate,
    gpointer workspace)
{
  OnednnConvolution *self = (OnednnConvolution *) parent;
  SimclrOnednnRun run = {.x = dx, .y = (gpointer) dy, .workspace = workspace};

  if (self->ours & SIMCLR_CONVOLUTION_BACKWARD_DATA) {
    _simclr_convolution_backward_data (self->own, dy, dx, accumulate, workspace);
    return;
  }
  if (self->transposed) {
    run.x = (gpointer) dy;
    run.y = dx;
  }
  if (accumulate && self->backward_and_add)
    _simclr_onednn_pass_run (self->backward_and_add, 0, &run);
  else
    _simclr_onednn_pass_run (self->backward, accumulate ? SIMCLR_ONEDNN_SUM : 0, &run);
}

static void
backward_weights (SimclrConvolution *parent, gconstpointer x, gconstpointer dy, gfloat *dweights,
    gpointer workspace)
{
  OnednnConvolution *self = (OnednnConvolution *) parent;
  SimclrOnednnRun run = {.x = (gpointer) x, .y = (gpointer) dy, .workspace = workspace};

  if (self->ours & SIMCLR_CONVOLUTION_BACKWARD_WEIGHTS) {
    _simclr_convolution_backward_weights (self->own, x, dy, dweights, workspace);
    return;
  }
  _simclr_onednn_pass_run (self->gradient, 0, &run);
  _simclr_onednn_pass_get_gradient (self->gradient, workspace, dweights);
}

static void
set_weights (SimclrConvolution *parent, const gfloat *weights)
{
  OnednnConvolution *self = (OnednnConvolution *) parent;

  if (self->own)
    _simclr_convolution_set_weights (self->own, weights);
  if (self->forward)
    _simclr_onednn_pass_set_weights (self->forward, weights, FALSE);
  if (self->backward)
    _simclr_onednn_pass_set_weights (self->backward, weights, self->transposed);
  if (self->backward_and_add)
    _simclr_onednn_pass_set_weights (self->backward_and_add, weights, FALSE);
}

static void
free_convolution (SimclrConvolution *parent)
{
  OnednnConvolution *self = (OnednnConvolution *) parent;

  g_clear_pointer (&self->forward, _simclr_onednn_pass_free);
  g_clear_pointer (&self->backward, _simclr_onednn_pass_free);
  g_clear_pointer (&self->backward_and_add, _simclr_onednn_pass_free);
  g_clear_pointer (&self->gradient, _simclr_onednn_pass_free);
  g_clear_pointer (&self->own, _simclr_convolution_free);
  g_free (self->no_bias);
  g_free (self);
}

/* The convolution at stride 1 that carries the output's gradient to the input's. */
static SimclrOnednnProblem
transpose (const SimclrOnednnProblem *p)
{
  const dnnl_dim_t padding = p->kernel - 1 - p->top;

  return (SimclrOnednnProblem){.images = p->images,
      .in = p->out,
      .height = p->out_height,
      .width = p->out_width,
      .out = p->in,
      .out_height = p->height,
      .out_width = p->width,
      .kernel = p->kernel,
      .stride = 1,
      .top = padding,
      .left = padding,
      .bottom = padding,
      .right = padding};
}

/* oneDNN's forward code is its best and can add to what is there; where the stride is not 1 it has to be the
 * backward code, which can not. */
static gboolean
create_backward (OnednnConvolution *self, const SimclrOnednnProblem *problem,
    const SimclrOnednnNumbers *numbers, GError **error)
{
  SimclrParallel *parallel = self->parent.parallel;

  self->transposed = problem->stride == 1 && problem->top < problem->kernel;
  if (self->transposed) {
    SimclrOnednnProblem transposed = transpose (problem);

    self->backward = _simclr_onednn_pass_new (SIMCLR_ONEDNN_FORWARD, &transposed, numbers,
        SIMCLR_ONEDNN_SUM, SIMCLR_ONEDNN_BY_LINES, parallel, error);
    return self->backward != NULL;
  }
  self->backward = _simclr_onednn_pass_new (
      SIMCLR_ONEDNN_BACKWARD_DATA, problem, numbers, 0, SIMCLR_ONEDNN_BY_IMAGES, parallel, error);
  if (!self->backward)
    return FALSE;
  self->backward_and_add = _simclr_onednn_pass_new (
      SIMCLR_ONEDNN_BACKWARD_DATA, problem, numbers, 0, SIMCLR_ONEDNN_STAGED, parallel, error);
  return self->backward_and_add != NULL;
}

static gboolean
create_passes (OnednnConvolution *self, const SimclrOnednnNumbers *numbers, GError **error)
{
  const SimclrOnednnProblem problem = _simclr_onednn_describe (&self->parent.shape);
  const SimclrConvolutionUse use = self->parent.use & ~self->ours;
  SimclrParallel *parallel = self->parent.parallel;

  if (use & SIMCLR_CONVOLUTION_FORWARD) {
    self->forward = _simclr_onednn_pass_new (SIMCLR_ONEDNN_FORWARD, &problem, numbers,
        SIMCLR_ONEDNN_RELU | SIMCLR_ONEDNN_SUM | SIMCLR_ONEDNN_BIAS,
        self->parent.use == SIMCLR_CONVOLUTION_FORWARD
            ? _simclr_onednn_cut_inference (&self->parent.shape, parallel)
            : SIMCLR_ONEDNN_BY_LINES,
        parallel, error);
    if (!self->forward)
      return FALSE;
  }
  if ((use & SIMCLR_CONVOLUTION_BACKWARD_DATA) && !create_backward (self, &problem, numbers, error))
    return FALSE;
  if (use & SIMCLR_CONVOLUTION_BACKWARD_WEIGHTS) {
    self->gradient = _simclr_onednn_pass_new (SIMCLR_ONEDNN_BACKWARD_WEIGHTS, &problem, numbers, 0,
        SIMCLR_ONEDNN_BY_IMAGES, parallel, error);
    return self->gradient != NULL;
  }
  return TRUE;
}

static gboolean
create_own (OnednnConvolution *self, GError **error)
{
  const SimclrConvolutionShape *shape = &self->parent.shape;
  SimclrParallel *parallel = self->parent.parallel;

#ifdef HAVE_AMX
  if (self->parent.precision == SIMCLR_PRECISION_BFLOAT16)
    self->own = _simclr_convolution_amx_new (shape, self->ours, parallel, error);
  else
#endif
    self->own =
        _simclr_convolution_unfold_new (shape, self->ours, self->parent.precision, parallel, error);
  return self->own != NULL;
}

static gboolean
is_slow (OnednnConvolution *self)
{
  SimclrOnednnPass *const passes[] = {self->forward, self->backward, self->gradient};

  for (guint i = 0; i < G_N_ELEMENTS (passes); i++) {
    if (passes[i] && _simclr_onednn_pass_is_slow (passes[i]))
      return TRUE;
  }
  return FALSE;
}

static void
plan_workspace (OnednnConvolution *self)
{
  SimclrOnednnPass *const passes[] = {
      self->forward, self->backward, self->backward_and_add, self->gradient};

  self->parent.workspace = self->own ? _simclr_convolution_get_workspace (self->own) : 0;
  for (guint i = 0; i < G_N_ELEMENTS (passes); i++) {
    if (passes[i])
      self->parent.workspace =
          MAX (self->parent.workspace, _simclr_onednn_pass_get_workspace (passes[i]));
  }
}

static const SimclrConvolutionClass onednn_class = {
    .provider = SIMCLR_PROVIDER_ONEDNN,
    .free = free_convolution,
    .set_weights = set_weights,
    .forward = forward,
    .backward_data = backward_data,
    .backward_weights = backward_weights,
};

/* ours: the uses that this library's own code takes. */
static OnednnConvolution *
onednn_new (const SimclrConvolutionShape *shape, SimclrConvolutionUse use,
    SimclrPrecision precision, SimclrConvolutionUse ours, SimclrParallel *parallel, GError **error)
{
  OnednnConvolution *self = g_new0 (OnednnConvolution, 1);

  self->parent = (SimclrConvolution){.klass = &onednn_class,
      .shape = *shape,
      .use = use,
      .precision = precision,
      .parallel = parallel};
  self->ours = ours;
  self->no_bias = g_new0 (gfloat, shape->out);
  if (!create_passes (self,
          precision == SIMCLR_PRECISION_BFLOAT16 ? &_simclr_onednn_bfloat16
                                                 : &_simclr_onednn_float32,
          error) ||
      (ours && !create_own (self, error))) {
    free_convolution (&self->parent);
    return NULL;
  }
  plan_workspace (self);
  return self;
}

SimclrConvolution *
_simclr_convolution_onednn_new (const SimclrConvolutionShape *shape, SimclrConvolutionUse use,
    SimclrPrecision precision, SimclrParallel *parallel, GError **error)
{
  return (SimclrConvolution *) onednn_new (shape, use, precision, 0, parallel, error);
}

/* Multiplications, those of this library's Winograd code in float against direct ones in oneDNN's code. The
 * constants were measured on a processor with AVX512-BF16: direct products in bfloat16 are twice as fast;
 * transforming or loading a weight costs as much as so many multiplications, most where the weights do not
 * fit into the caches. Products of whole tiles (AMX) are more than four times as fast, so that a quarter of the
 * multiplications does not make up for them. The choice is by shape and never by the clock, so that results repeat. */
static gboolean
winograd_wins (
    const SimclrConvolutionShape *shape, SimclrConvolutionUse use, SimclrPrecision precision)
{
  const gboolean large = shape->in * shape->out * 36 * sizeof (gfloat) > 16 * 1024 * 1024;
  const gdouble weight_cost =
      use == SIMCLR_CONVOLUTION_FORWARD ? (large ? 100 : 10) : (large ? 240 : 150);
  const gdouble images = (gdouble) shape->images, weights = (gdouble) (shape->in * shape->out);
  const gboolean half = precision == SIMCLR_PRECISION_BFLOAT16;
  const gdouble direct_speed = half ? 2.1 : 1;
  gdouble tiles, direct, winograd;

  if (!_simclr_winograd_pays (shape) || (half && _simclr_onednn_has_tiles ()))
    return FALSE;
  tiles = ceil ((gdouble) shape->height / 4) * ceil ((gdouble) shape->width / 4);
  direct = images * (gdouble) (shape->height * shape->width * 9) * weights;
  winograd = 36 * (images * tiles * (weights + 20.0 * (gdouble) (shape->in + shape->out)) +
                      weight_cost * weights);
  return winograd * direct_speed < direct;
}

/* Of a float convolution, by shape as above: the gradient of the weights, by unfolding. */
static SimclrConvolutionUse
choose_unfolded (const SimclrConvolutionShape *shape)
{
  return shape->kernel == 3 || (shape->kernel == 1 && shape->out >= 4 * shape->in)
             ? SIMCLR_CONVOLUTION_BACKWARD_WEIGHTS
             : 0;
}

/* Of one of bfloat16, where the processor has tiles and there are pictures and channels enough to fill ours:
 * the weights' gradient, which oneDNN's code makes at a third or less of the speed, and what has lines of
 * less than a tile, or a stride to go back by. */
static SimclrConvolutionUse
choose_tiled (const SimclrConvolutionShape *shape)
{
  SimclrConvolutionUse uses = 0;

#ifdef HAVE_AMX
  const gsize few = SIMCLR_AMX_TILE / 2;

  if (!_simclr_onednn_has_tiles () || !_simclr_amx_available () ||
      shape->kernel * shape->kernel > SIMCLR_AMX_MOST_TAPS || shape->images < SIMCLR_AMX_TILE ||
      MIN (shape->in, shape->out) < SIMCLR_AMX_TILE)
    return 0;
  uses = SIMCLR_CONVOLUTION_BACKWARD_WEIGHTS;
  if (_simclr_convolution_out_width (shape) <= few)
    uses |= SIMCLR_CONVOLUTION_FORWARD;
  if (shape->stride > 1 || shape->width <= few)
    uses |= SIMCLR_CONVOLUTION_BACKWARD_DATA;
#endif
  return uses;
}

static SimclrConvolution *
create (const SimclrConvolutionShape *shape, SimclrConvolutionUse use, SimclrPrecision precision,
    SimclrParallel *parallel, GError **error)
{
  SimclrConvolutionUse ours;
  OnednnConvolution *self;

  if (winograd_wins (shape, use, precision))
    return _simclr_convolution_winograd_new (shape, use, precision, parallel, error);
  ours = use &
         (precision == SIMCLR_PRECISION_BFLOAT16 ? choose_tiled (shape) : choose_unfolded (shape));
  self = onednn_new (shape, use, precision, ours, parallel, error);
  if (self && is_slow (self)) {
    free_convolution (&self->parent);
    return _simclr_convolution_unfold_new (shape, use, precision, parallel, error);
  }
  return (SimclrConvolution *) self;
}

const SimclrConvolutionClass _simclr_convolution_onednn = {
    .provider = SIMCLR_PROVIDER_ONEDNN,
    .create = create,
};
