/* An encoder's training side: master weights, their gradients, and a batch's way through it, whole or in
 * microbatches.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/training-private.h>

#include <simclr/base/arena-private.h>
#include <simclr/nn/training-plan-private.h>
#include <string.h>

/* The pictures of a batch that are of one size: its views, or its small crops. */
typedef struct
{
  SimclrResnet *resnet; /* for pictures of this size; NULL: there are none */
  gsize per_pair;
  gsize pictures;
  gsize row; /* of the first one's embedding */
  SimclrTrainingPlan
      *plans[2]; /* parts of a batch differ by a pair at most; NULL where not needed */
  gfloat *kept;  /* the pictures of a batch in several parts, else NULL */
  gsize room;    /* pictures that kept has room for */
} Resolution;

enum
{
  VIEWS,
  CROPS,
  N_RESOLUTIONS,
};

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

  /* The batch that is out: each resolution is cut into so many parts. */
  Resolution resolutions[N_RESOLUTIONS];
  gsize parts;

  /* Of a batch that goes through in more than one piece, else empty */
  gfloat *embeddings;
  gfloat *gradients; /* of one piece */
  gsize room;        /* embeddings that there is room for */
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

  self->resnet = self->resolutions[VIEWS].resnet = resnet;
  self->resolutions[VIEWS].per_pair = 2;
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
free_kept (Resolution *resolution)
{
  g_clear_pointer (&resolution->kept, _simclr_aligned_free);
  resolution->room = 0;
}

static void
free_plans (Resolution *resolution)
{
  for (guint i = 0; i < G_N_ELEMENTS (resolution->plans); i++)
    g_clear_pointer (&resolution->plans[i], _simclr_training_plan_free);
}

static void
free_pieces (SimclrTraining *self)
{
  g_clear_pointer (&self->embeddings, _simclr_aligned_free);
  g_clear_pointer (&self->gradients, _simclr_aligned_free);
  self->room = 0;
}

void
_simclr_training_free (SimclrTraining *self)
{
  for (guint i = 0; i < N_RESOLUTIONS; i++) {
    free_plans (&self->resolutions[i]);
    free_kept (&self->resolutions[i]);
  }
  g_clear_pointer (&self->resolutions[CROPS].resnet, _simclr_resnet_unref);
  free_pieces (self);
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
  for (guint i = 0; i < N_RESOLUTIONS; i++)
    for (guint k = 0; k < G_N_ELEMENTS (self->resolutions[i].plans); k++)
      if (self->resolutions[i].plans[k])
        _simclr_training_plan_set_values (self->resolutions[i].plans[k], self->parameters.values);
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

void
_simclr_training_set_crops (SimclrTraining *self, SimclrResnet *resnet, guint per_pair)
{
  Resolution *crops = &self->resolutions[CROPS];

  crops->per_pair = resnet ? per_pair : 0;
  if (crops->resnet == resnet)
    return;
  free_plans (crops);
  free_kept (crops);
  g_clear_pointer (&crops->resnet, _simclr_resnet_unref);
  crops->resnet = resnet ? _simclr_resnet_ref (resnet) : NULL;
}

/* The first picture of a part: parts hold whole pairs, and as equal numbers of them as can be. */
static gsize
part_begin (SimclrTraining *self, const Resolution *resolution, gsize part)
{
  if (self->parts == 1)
    return part * resolution->pictures;
  return resolution->pictures / resolution->per_pair * part / self->parts * resolution->per_pair;
}

static gsize
part_pictures (SimclrTraining *self, const Resolution *resolution, gsize part)
{
  return part_begin (self, resolution, part + 1) - part_begin (self, resolution, part);
}

static void
cut (SimclrTraining *self, gsize views)
{
  const gsize pairs = views / 2;
  Resolution *crops = &self->resolutions[CROPS];

  self->resolutions[VIEWS].pictures = views;
  crops->pictures = pairs * crops->per_pair;
  crops->row = views;
  self->parts = 1;
  if (self->microbatch > 0 && views % 2 == 0)
    self->parts = (pairs + self->microbatch - 1) / self->microbatch;
}

static gsize
count_rows (SimclrTraining *self)
{
  return self->resolutions[VIEWS].pictures + self->resolutions[CROPS].pictures;
}

/* Whether the batch goes through as it is, by one plan. */
static gboolean
is_whole (SimclrTraining *self)
{
  return self->parts == 1 && self->resolutions[CROPS].pictures == 0;
}

static SimclrTrainingPlan *
find_plan (const Resolution *resolution, gsize pictures)
{
  for (guint i = 0; i < G_N_ELEMENTS (resolution->plans); i++)
    if (resolution->plans[i] && _simclr_training_plan_get_images (resolution->plans[i]) == pictures)
      return resolution->plans[i];
  return NULL;
}

static gboolean
is_wanted (SimclrTraining *self, const Resolution *resolution, gsize pictures)
{
  for (gsize part = 0; part < self->parts; part++)
    if (part_pictures (self, resolution, part) == pictures)
      return TRUE;
  return FALSE;
}

/* What is no longer wanted makes room before what is new. */
static void
drop_plans (SimclrTraining *self, Resolution *resolution)
{
  for (guint i = 0; i < G_N_ELEMENTS (resolution->plans); i++)
    if (resolution->plans[i] &&
        (resolution->pictures == 0 ||
            !is_wanted (self, resolution, _simclr_training_plan_get_images (resolution->plans[i]))))
      g_clear_pointer (&resolution->plans[i], _simclr_training_plan_free);
}

static gboolean
prepare_plans (SimclrTraining *self, Resolution *resolution, GError **error)
{
  for (gsize part = 0; part < self->parts && resolution->pictures > 0; part++) {
    const gsize pictures = part_pictures (self, resolution, part);
    SimclrTrainingPlan **place = &resolution->plans[resolution->plans[0] ? 1 : 0];

    if (find_plan (resolution, pictures))
      continue;
    *place = _simclr_training_plan_new (
        resolution->resnet, self->provider, self->precision, pictures, self->parallel, error);
    if (!*place)
      return FALSE;
    _simclr_training_plan_set_values (*place, self->parameters.values);
  }
  return TRUE;
}

static gsize
picture_floats (const Resolution *resolution)
{
  return _simclr_resnet_get_floats (resolution->resnet, 0);
}

/* Several parts: going backward computes all but the last again. */
static gboolean
prepare_kept (SimclrTraining *self, Resolution *resolution, GError **error)
{
  const gsize wanted = self->parts > 1 ? resolution->pictures : 0;

  if (resolution->room == wanted)
    return TRUE;
  free_kept (resolution);
  if (wanted == 0)
    return TRUE;
  resolution->kept =
      _simclr_aligned_alloc (wanted * picture_floats (resolution) * sizeof (gfloat), error);
  if (resolution->kept)
    resolution->room = wanted;
  return resolution->kept != NULL;
}

static gboolean
prepare_pieces (SimclrTraining *self, GError **error)
{
  const gsize rows = is_whole (self) ? 0 : count_rows (self);

  if (self->room == rows)
    return TRUE;
  free_pieces (self);
  if (rows == 0)
    return TRUE;
  self->embeddings =
      _simclr_aligned_alloc (rows * self->resnet->embedding_size * sizeof (gfloat), error);
  if (self->embeddings)
    self->gradients = _simclr_aligned_alloc (value_bytes (self), error);
  if (!self->gradients) {
    free_pieces (self);
    return FALSE;
  }
  memset (self->gradients, 0, value_bytes (self)); /* between tensors too */
  self->room = rows;
  return TRUE;
}

static gboolean
prepare (SimclrTraining *self, GError **error)
{
  for (guint i = 0; i < N_RESOLUTIONS; i++)
    drop_plans (self, &self->resolutions[i]);
  for (guint i = 0; i < N_RESOLUTIONS; i++)
    if (!prepare_plans (self, &self->resolutions[i], error) ||
        !prepare_kept (self, &self->resolutions[i], error))
      return FALSE;
  return prepare_pieces (self, error);
}

static const gfloat *
forward_part (
    SimclrTraining *self, const Resolution *resolution, gsize part, const gfloat *pictures)
{
  SimclrTrainingPlan *plan = find_plan (resolution, part_pictures (self, resolution, part));

  _simclr_training_plan_set_frozen (plan, self->frozen ? self->statistics : NULL);
  _simclr_training_plan_set_pictures (
      plan, pictures + part_begin (self, resolution, part) * picture_floats (resolution));
  return _simclr_training_plan_forward (plan);
}

/* The embeddings of the last part. */
static const gfloat *
forward_resolution (SimclrTraining *self, Resolution *resolution, const gfloat *pictures)
{
  const gsize size = self->resnet->embedding_size;
  const gfloat *embeddings = NULL;

  for (gsize part = 0; part < self->parts; part++) {
    const gsize count = part_pictures (self, resolution, part);

    embeddings = forward_part (self, resolution, part, pictures);
    if (!self->frozen)
      _simclr_training_plan_update_statistics (find_plan (resolution, count), self->pending);
    if (self->embeddings)
      memcpy (self->embeddings + (resolution->row + part_begin (self, resolution, part)) * size,
          embeddings, count * size * sizeof (gfloat));
  }
  if (resolution->kept)
    memcpy (resolution->kept, pictures,
        resolution->pictures * picture_floats (resolution) * sizeof (gfloat));
  return embeddings;
}

const gfloat *
_simclr_training_forward (
    SimclrTraining *self, const gfloat *views, gsize n_views, const gfloat *crops, GError **error)
{
  const gfloat *embeddings;

  cut (self, n_views);
  if (!prepare (self, error))
    return NULL;
  memcpy (self->pending, self->statistics, statistics_bytes (self));
  embeddings = forward_resolution (self, &self->resolutions[VIEWS], views);
  if (self->resolutions[CROPS].pictures > 0)
    forward_resolution (self, &self->resolutions[CROPS], crops);
  return self->embeddings ? self->embeddings : embeddings;
}

void
_simclr_training_get_views (SimclrTraining *self, gfloat *views)
{
  const Resolution *all = &self->resolutions[VIEWS];

  if (all->kept)
    memcpy (views, all->kept, all->pictures * picture_floats (all) * sizeof (gfloat));
  else
    _simclr_training_plan_get_pictures (find_plan (all, all->pictures), views);
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

/* The last part's activations are still there. The first to come overwrites the gradients, others add to
 * them. */
static void
backward_resolution (
    SimclrTraining *self, const Resolution *resolution, const gfloat *gradient, gboolean add)
{
  const gsize size = self->resnet->embedding_size;

  for (gsize part = self->parts; part-- > 0;) {
    const gboolean last = part + 1 == self->parts;
    gsize row = resolution->row + part_begin (self, resolution, part);

    if (!last)
      forward_part (self, resolution, part, resolution->kept);
    add = add || !last;
    _simclr_training_plan_backward (find_plan (resolution, part_pictures (self, resolution, part)),
        gradient + row * size, add ? self->gradients : self->parameters.gradients);
    if (add)
      _simclr_parallel_for (self->parallel, _simclr_parameters_get_floats (self->resnet->layout),
          4096, add_gradients, self);
  }
}

void
_simclr_training_backward (SimclrTraining *self, const gfloat *gradient)
{
  backward_resolution (self, &self->resolutions[VIEWS], gradient, FALSE);
  if (self->resolutions[CROPS].pictures > 0)
    backward_resolution (self, &self->resolutions[CROPS], gradient, TRUE);
}

void
_simclr_training_commit (SimclrTraining *self)
{
  memcpy (self->statistics, self->pending, statistics_bytes (self));
  refresh_plans (self);
}
