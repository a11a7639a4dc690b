/* An encoder's training side: master weights, their gradients, and a batch's way through it, whole or in
 * microbatches.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/training-private.h>

#include <simclr/base/arena-private.h>
#include <simclr/nn/training-plan-private.h>
#include <string.h>

struct _SimclrTraining
{
  SimclrResnet *resnet; /* borrowed, as parallel */
  SimclrProvider provider;
  SimclrPrecision precision;
  SimclrParallel *parallel;
  guint microbatch; /* pairs; 0: all */
  gboolean frozen;

  SimclrParameterSet parameters;
  gfloat *statistics;
  gfloat *pending; /* statistics as they will be if the step is taken */
  SimclrTrainingPlan
      *plans[2]; /* parts of a batch differ by a pair at most; NULL where not needed */

  /* The batch that is out: cut into parts. */
  gsize views;
  gsize parts;

  /* Of a batch in several parts, else empty */
  gfloat *pictures;
  gfloat *embeddings;
  gfloat *gradients; /* of one part */
  gsize room;        /* views that pictures and embeddings have room for */
};

static gsize
value_bytes (SimclrTraining *self)
{
  return _simclr_parameters_get_floats (self->resnet->layout) * sizeof (gfloat);
}

static gsize
statistics_bytes (SimclrTraining *self)
{
  return _simclr_parameters_get_floats (self->resnet->statistics_layout) * sizeof (gfloat);
}

SimclrTraining *
_simclr_training_new (SimclrResnet *resnet, SimclrProvider provider, SimclrPrecision precision,
    SimclrParallel *parallel, SimclrWeights *weights, GError **error)
{
  g_autoptr (SimclrTraining) self = g_new0 (SimclrTraining, 1);

  self->resnet = resnet;
  self->provider = provider;
  self->precision = precision;
  self->parallel = parallel;
  self->parameters.layout = resnet->layout;
  self->parameters.values = _simclr_aligned_alloc (value_bytes (self), error);
  if (!self->parameters.values)
    return NULL;
  self->parameters.gradients = _simclr_aligned_alloc (value_bytes (self), error);
  if (!self->parameters.gradients)
    return NULL;
  memset (self->parameters.gradients, 0, value_bytes (self));
  self->statistics = g_malloc (statistics_bytes (self));
  self->pending = g_malloc (statistics_bytes (self));
  _simclr_training_set_weights (self, weights);
  return g_steal_pointer (&self);
}

static void
free_parts (SimclrTraining *self)
{
  g_clear_pointer (&self->pictures, _simclr_aligned_free);
  g_clear_pointer (&self->embeddings, _simclr_aligned_free);
  g_clear_pointer (&self->gradients, _simclr_aligned_free);
  self->room = 0;
}

void
_simclr_training_free (SimclrTraining *self)
{
  for (guint i = 0; i < G_N_ELEMENTS (self->plans); i++)
    g_clear_pointer (&self->plans[i], _simclr_training_plan_free);
  free_parts (self);
  _simclr_aligned_free (self->parameters.values);
  _simclr_aligned_free (self->parameters.gradients);
  g_free (self->statistics);
  g_free (self->pending);
  g_free (self);
}

const SimclrParameterSet *
_simclr_training_get_parameters (SimclrTraining *self)
{
  return &self->parameters;
}

gfloat *
_simclr_training_get_statistics (SimclrTraining *self)
{
  return self->statistics;
}

static void
refresh_plans (SimclrTraining *self)
{
  for (guint i = 0; i < G_N_ELEMENTS (self->plans); i++)
    if (self->plans[i])
      _simclr_training_plan_set_values (self->plans[i], self->parameters.values);
}

void
_simclr_training_set_weights (SimclrTraining *self, SimclrWeights *weights)
{
  memcpy (self->parameters.values, weights->values, value_bytes (self));
  memcpy (self->statistics, weights->statistics, statistics_bytes (self));
  refresh_plans (self);
}

void
_simclr_training_set_microbatch (SimclrTraining *self, guint pairs)
{
  self->microbatch = pairs;
}

void
_simclr_training_set_frozen (SimclrTraining *self, gboolean frozen)
{
  self->frozen = frozen;
}

/* The first view of a part: parts hold whole pairs, and as equal numbers of them as can be. */
static gsize
part_begin (SimclrTraining *self, gsize part)
{
  return self->parts == 1 ? part * self->views : self->views / 2 * part / self->parts * 2;
}

static gsize
part_views (SimclrTraining *self, gsize part)
{
  return part_begin (self, part + 1) - part_begin (self, part);
}

static void
cut (SimclrTraining *self, gsize views)
{
  const gsize pairs = views / 2;

  self->views = views;
  self->parts = 1;
  if (self->microbatch > 0 && views % 2 == 0)
    self->parts = (pairs + self->microbatch - 1) / self->microbatch;
}

static SimclrTrainingPlan *
find_plan (SimclrTraining *self, gsize views)
{
  for (guint i = 0; i < G_N_ELEMENTS (self->plans); i++)
    if (self->plans[i] && _simclr_training_plan_get_images (self->plans[i]) == views)
      return self->plans[i];
  return NULL;
}

static gboolean
is_wanted (SimclrTraining *self, gsize views)
{
  for (gsize part = 0; part < self->parts; part++)
    if (part_views (self, part) == views)
      return TRUE;
  return FALSE;
}

/* What is no longer wanted makes room before what is new. */
static gboolean
prepare_plans (SimclrTraining *self, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (self->plans); i++)
    if (self->plans[i] && !is_wanted (self, _simclr_training_plan_get_images (self->plans[i])))
      g_clear_pointer (&self->plans[i], _simclr_training_plan_free);
  for (gsize part = 0; part < self->parts; part++) {
    SimclrTrainingPlan **place = &self->plans[self->plans[0] ? 1 : 0];

    if (find_plan (self, part_views (self, part)))
      continue;
    *place = _simclr_training_plan_new (self->resnet, self->provider, self->precision,
        part_views (self, part), self->parallel, error);
    if (!*place)
      return FALSE;
    _simclr_training_plan_set_values (*place, self->parameters.values);
  }
  return TRUE;
}

static gsize
picture_floats (SimclrTraining *self)
{
  return _simclr_resnet_get_floats (self->resnet, 0);
}

static gboolean
prepare_parts (SimclrTraining *self, GError **error)
{
  const gsize bytes = self->views * sizeof (gfloat);

  if (self->parts == 1)
    free_parts (self);
  if (self->parts == 1 || self->room == self->views)
    return TRUE;
  free_parts (self);
  self->pictures = _simclr_aligned_alloc (bytes * picture_floats (self), error);
  if (self->pictures)
    self->embeddings = _simclr_aligned_alloc (bytes * self->resnet->embedding_size, error);
  if (self->embeddings)
    self->gradients = _simclr_aligned_alloc (value_bytes (self), error);
  if (!self->gradients) {
    free_parts (self);
    return FALSE;
  }
  memset (self->gradients, 0, value_bytes (self)); /* between tensors too */
  self->room = self->views;
  return TRUE;
}

static const gfloat *
forward_part (SimclrTraining *self, gsize part, const gfloat *pictures)
{
  SimclrTrainingPlan *plan = find_plan (self, part_views (self, part));

  _simclr_training_plan_set_frozen (plan, self->frozen ? self->statistics : NULL);
  _simclr_training_plan_set_pictures (
      plan, pictures + part_begin (self, part) * picture_floats (self));
  return _simclr_training_plan_forward (plan);
}

const gfloat *
_simclr_training_forward (
    SimclrTraining *self, const gfloat *pictures, gsize n_views, GError **error)
{
  const gsize size = self->resnet->embedding_size;
  const gfloat *embeddings = NULL;

  cut (self, n_views);
  if (!prepare_plans (self, error) || !prepare_parts (self, error))
    return NULL;
  memcpy (self->pending, self->statistics, statistics_bytes (self));
  for (gsize part = 0; part < self->parts; part++) {
    const gsize views = part_views (self, part);

    embeddings = forward_part (self, part, pictures);
    if (!self->frozen)
      _simclr_training_plan_update_statistics (find_plan (self, views), self->pending);
    if (self->parts > 1)
      memcpy (self->embeddings + part_begin (self, part) * size, embeddings,
          views * size * sizeof (gfloat));
  }
  if (self->parts == 1)
    return embeddings;
  memcpy (self->pictures, pictures, n_views * picture_floats (self) * sizeof (gfloat));
  return self->embeddings;
}

void
_simclr_training_get_pictures (SimclrTraining *self, gfloat *pictures)
{
  if (self->parts == 1)
    _simclr_training_plan_get_pictures (find_plan (self, self->views), pictures);
  else
    memcpy (pictures, self->pictures, self->views * picture_floats (self) * sizeof (gfloat));
}

static void
add_gradients (guint thread, gsize begin, gsize end, gpointer data)
{
  SimclrTraining *self = data;
  gfloat *restrict sum = self->parameters.gradients;
  const gfloat *restrict part = self->gradients;

  for (gsize i = begin; i < end; i++)
    sum[i] += part[i];
}

/* The last part's activations are still there. */
void
_simclr_training_backward (SimclrTraining *self, const gfloat *gradient)
{
  for (gsize part = self->parts; part-- > 0;) {
    const gboolean last = part + 1 == self->parts;

    if (!last)
      forward_part (self, part, self->pictures);
    _simclr_training_plan_backward (find_plan (self, part_views (self, part)),
        gradient + part_begin (self, part) * self->resnet->embedding_size,
        last ? self->parameters.gradients : self->gradients);
    if (!last)
      _simclr_parallel_for (self->parallel, _simclr_parameters_get_floats (self->resnet->layout),
          4096, add_gradients, self);
  }
}

void
_simclr_training_commit (SimclrTraining *self)
{
  memcpy (self->statistics, self->pending, statistics_bytes (self));
  refresh_plans (self);
}
