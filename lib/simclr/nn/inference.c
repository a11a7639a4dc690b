/* Embedding with a network's newest weights, in batches of any size.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/inference-private.h>

/* Plans for this many batch sizes are kept, so that a partial batch costs no new planning each time. */
#define KEPT_PLANS 3

#define DEFAULT_FRAMES 32

struct _SimclrInference
{
  SimclrResnet *resnet;
  SimclrProvider provider;
  SimclrPrecision precision; /* until calibrated; never int8 */
  SimclrParallel *parallel;  /* borrowed */

  SimclrFolded *folded;
  gboolean stale;
  GPtrArray *plans; /* newest used last */

  gboolean int8;
  guint frames;                   /* to calibrate with */
  guint64 seen;                   /* of them */
  SimclrCalibration *calibration; /* NULL before the first frame and when done */
  gfloat *ranges;                 /* (layers + 1), NULL until calibrated */
};

SimclrInference *
_simclr_inference_new (SimclrResnet *resnet, SimclrProvider provider, SimclrPrecision precision,
    SimclrParallel *parallel)
{
  SimclrInference *self = g_new0 (SimclrInference, 1);

  self->resnet = _simclr_resnet_ref (resnet);
  self->provider = provider;
  self->int8 = precision == SIMCLR_PRECISION_INT8;
  self->precision = self->int8 ? _simclr_precision_beside_int8 () : precision;
  self->parallel = parallel;
  self->stale = TRUE;
  self->plans = g_ptr_array_new_with_free_func ((GDestroyNotify) _simclr_inference_plan_free);
  self->frames = DEFAULT_FRAMES;
  return self;
}

void
_simclr_inference_free (SimclrInference *self)
{
  g_clear_pointer (&self->plans, g_ptr_array_unref);
  g_clear_pointer (&self->folded, _simclr_folded_free);
  g_clear_pointer (&self->calibration, _simclr_calibration_free);
  g_clear_pointer (&self->ranges, g_free);
  g_clear_pointer (&self->resnet, _simclr_resnet_unref);
  g_free (self);
}

void
_simclr_inference_set_calibration_frames (SimclrInference *self, guint frames)
{
  self->frames = MAX (frames, 1);
}

gboolean
_simclr_inference_is_calibrated (SimclrInference *self)
{
  return self->ranges != NULL && !self->stale;
}

void
_simclr_inference_weights_changed (SimclrInference *self)
{
  self->stale = TRUE;
}

/* Folds the newest weights where that has not been done. What was seen with others does not count. */
static void
refresh (SimclrInference *self, const gfloat *values, const gfloat *statistics)
{
  if (!self->stale)
    return;
  if (!self->folded)
    self->folded = _simclr_folded_new (self->resnet);
  _simclr_folded_set (self->folded, self->resnet, values, statistics);
  g_clear_pointer (&self->calibration, _simclr_calibration_free);
  self->seen = 0;
  if (self->ranges)
    g_ptr_array_set_size (self->plans, 0);
  g_clear_pointer (&self->ranges, g_free);
  for (guint i = 0; i < self->plans->len; i++)
    _simclr_inference_plan_set_folded (g_ptr_array_index (self->plans, i), self->folded);
  self->stale = FALSE;
}

static SimclrInferencePlan *
find_plan (SimclrInference *self, guint n, GError **error)
{
  SimclrInferencePlan *plan = NULL;

  for (guint i = 0; i < self->plans->len && !plan; i++) {
    plan = g_ptr_array_index (self->plans, i);
    if (_simclr_inference_plan_get_images (plan) == n)
      g_ptr_array_steal_index (self->plans, i);
    else
      plan = NULL;
  }
  if (!plan) {
    if (self->plans->len == KEPT_PLANS)
      g_ptr_array_remove_index (self->plans, 0);
    plan = _simclr_inference_plan_new (self->resnet, self->provider, self->precision, n,
        self->folded, self->ranges, self->parallel, error);
    if (!plan)
      return NULL;
  }
  g_ptr_array_add (self->plans, plan);
  return plan;
}

/* When enough has been seen, plans are of bytes from the next call on. */
static void
count_frames (SimclrInference *self, guint n)
{
  const guint tensors = self->resnet->layers->len + 1;

  self->seen += n;
  if (self->seen < self->frames)
    return;
  self->ranges = g_new0 (gfloat, tensors);
  for (guint tensor = 1; tensor < tensors; tensor++)
    self->ranges[tensor] = _simclr_calibration_get_range (self->calibration, tensor);
  g_clear_pointer (&self->calibration, _simclr_calibration_free);
  g_ptr_array_set_size (self->plans, 0);
}

gboolean
_simclr_inference_run (SimclrInference *self, const gfloat *values, const gfloat *statistics,
    const gfloat *pictures, guint n, gfloat *embeddings, GError **error)
{
  SimclrInferencePlan *plan;

  refresh (self, values, statistics);
  plan = find_plan (self, n, error);
  if (!plan)
    return FALSE;
  if (self->int8 && !self->ranges && !self->calibration)
    self->calibration = _simclr_calibration_new (self->resnet->layers->len + 1);
  _simclr_inference_plan_run (plan, pictures, embeddings, self->calibration);
  if (self->calibration)
    count_frames (self, n);
  return TRUE;
}
