/* LARS, SGD and AdamW over flat parameter sets.
 *
 * Tensors are cut into pieces of a fixed size, once: threads share the pieces, and sums over a tensor
 * add up its pieces in order, so that the result is the same for any number of threads.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/train/optimizer-private.h>
#include <simclr/train/optimizer-kernel-private.h>

#include <simclr/base/arena-private.h>
#include <simclr/io/parameter-file-private.h>
#include <simclr/simclr-error.h>
#include <math.h>
#include <string.h>

#define PIECE_FLOATS 16384
#define SUM_BLOCKS 256
#define ADAMW_BETA2 0.999
#define ADAMW_EPSILON 1e-8

/* A run of one tensor. */
typedef struct
{
  guint tensor;
  gsize offset;
  gsize count;
  gdouble weights; /* sums of squares, see _simclr_lars_norms() */
  gdouble updates;
} Piece;

struct _SimclrOptimizerState
{
  SimclrOptimizerSettings settings;
  SimclrParameters *layout;
  gfloat *values;          /* borrowed */
  const gfloat *gradients; /* borrowed */
  gfloat *momentum;        /* like values; AdamW: running mean of the gradient */
  gfloat *square;          /* AdamW: running mean of its square, else NULL */
  guint64 steps;
  GArray *pieces; /* Piece, in the order of tensors */
  gdouble *rates; /* of each tensor in this step: learning rate, and LARS' trust ratio */
};

static gfloat *
new_floats (SimclrParameters *layout)
{
  return g_aligned_alloc0 (
      MAX (_simclr_parameters_get_floats (layout), 1), sizeof (gfloat), SIMCLR_ALIGNMENT);
}

static void
cut_into_pieces (SimclrOptimizerState *self)
{
  for (guint i = 0; i < _simclr_parameters_get_length (self->layout); i++) {
    const SimclrParameter *tensor = _simclr_parameters_get (self->layout, i);

    for (gsize done = 0; done < tensor->count; done += PIECE_FLOATS) {
      Piece piece = {i, tensor->offset + done, MIN (PIECE_FLOATS, tensor->count - done), 0, 0};

      g_array_append_val (self->pieces, piece);
    }
  }
}

SimclrOptimizerState *
_simclr_optimizer_new (const SimclrOptimizerSettings *settings, const SimclrParameterSet *set)
{
  SimclrOptimizerState *self = g_new0 (SimclrOptimizerState, 1);

  self->settings = *settings;
  self->layout = _simclr_parameters_ref (set->layout);
  self->values = set->values;
  self->gradients = set->gradients;
  self->momentum = new_floats (set->layout);
  if (settings->method == SIMCLR_OPTIMIZER_ADAMW)
    self->square = new_floats (set->layout);
  self->pieces = g_array_new (FALSE, FALSE, sizeof (Piece));
  self->rates = g_new0 (gdouble, _simclr_parameters_get_length (set->layout) + 1);
  cut_into_pieces (self);
  return self;
}

void
_simclr_optimizer_free (SimclrOptimizerState *self)
{
  g_aligned_free (self->momentum);
  g_aligned_free (self->square);
  g_array_unref (self->pieces);
  g_free (self->rates);
  _simclr_parameters_unref (self->layout);
  g_free (self);
}

typedef struct
{
  const gfloat *x;
  gsize floats;
  gsize block;
  gdouble sums[SUM_BLOCKS];
} SumOfSquares;

static void
sum_blocks (guint thread, gsize begin, gsize end, gpointer data)
{
  SumOfSquares *self = data;

  for (gsize i = begin; i < end; i++) {
    gsize first = MIN (i * self->block, self->floats);

    self->sums[i] =
        _simclr_sum_of_squares (self->x + first, MIN (self->block, self->floats - first));
  }
}

/* The same for any number of threads. */
static gdouble
sum_of_squares (SimclrParallel *parallel, const gfloat *x, gsize floats)
{
  SumOfSquares self = {.x = x, .floats = floats, .block = (floats + SUM_BLOCKS - 1) / SUM_BLOCKS};
  gdouble sum = 0;

  _simclr_parallel_for (parallel, SUM_BLOCKS, 1, sum_blocks, &self);
  for (guint i = 0; i < SUM_BLOCKS; i++)
    sum += self.sums[i];
  return sum;
}

gdouble
_simclr_gradient_sum_of_squares (SimclrParallel *parallel, const SimclrParameterSet *set)
{
  return sum_of_squares (parallel, set->gradients, _simclr_parameters_get_floats (set->layout));
}

gdouble
_simclr_sum_of_squares_of_values (SimclrParallel *parallel, const SimclrParameterSet *set)
{
  return sum_of_squares (parallel, set->values, _simclr_parameters_get_floats (set->layout));
}

static gboolean
adapts (SimclrOptimizerState *self, guint tensor)
{
  return _simclr_parameters_get (self->layout, tensor)->kind == SIMCLR_PARAMETER_WEIGHT;
}

static gdouble
get_decay (SimclrOptimizerState *self, guint tensor)
{
  gboolean decays = adapts (self, tensor) ||
                    _simclr_parameters_get (self->layout, tensor)->kind == SIMCLR_PARAMETER_LOGITS;

  return decays ? self->settings.weight_decay : 0;
}

static void
measure_pieces (guint thread, gsize begin, gsize end, gpointer data)
{
  SimclrOptimizerState *self = data;

  for (gsize i = begin; i < end; i++) {
    Piece *piece = &g_array_index (self->pieces, Piece, i);

    if (adapts (self, piece->tensor))
      _simclr_lars_norms (self->values + piece->offset, self->gradients + piece->offset,
          piece->count, (gfloat) get_decay (self, piece->tensor), &piece->weights, &piece->updates);
  }
}

/* The learning rate of each weight times eta |w| / |g + decay w|. */
static void
adapt_rates (SimclrOptimizerState *self, gdouble learning_rate)
{
  for (guint i = 0; i < self->pieces->len;) {
    guint tensor = g_array_index (self->pieces, Piece, i).tensor;
    gdouble weights = 0, updates = 0, trust = 1;

    for (; i < self->pieces->len && g_array_index (self->pieces, Piece, i).tensor == tensor; i++) {
      weights += g_array_index (self->pieces, Piece, i).weights;
      updates += g_array_index (self->pieces, Piece, i).updates;
    }
    if (adapts (self, tensor) && weights > 0 && updates > 0)
      trust = self->settings.trust_coefficient * sqrt (weights) / sqrt (updates);
    self->rates[tensor] = learning_rate * trust;
  }
}

static void
update_lars (guint thread, gsize begin, gsize end, gpointer data)
{
  SimclrOptimizerState *self = data;

  for (gsize i = begin; i < end; i++) {
    const Piece *piece = &g_array_index (self->pieces, Piece, i);

    _simclr_lars_update (self->values + piece->offset, self->gradients + piece->offset,
        self->momentum + piece->offset, piece->count, (gfloat) self->rates[piece->tensor],
        (gfloat) self->settings.momentum, (gfloat) get_decay (self, piece->tensor));
  }
}

static void
update_sgd (guint thread, gsize begin, gsize end, gpointer data)
{
  SimclrOptimizerState *self = data;

  for (gsize i = begin; i < end; i++) {
    const Piece *piece = &g_array_index (self->pieces, Piece, i);

    _simclr_sgd_update (self->values + piece->offset, self->gradients + piece->offset,
        self->momentum + piece->offset, piece->count, (gfloat) self->rates[piece->tensor],
        (gfloat) self->settings.momentum, (gfloat) get_decay (self, piece->tensor));
  }
}

static void
update_adamw (guint thread, gsize begin, gsize end, gpointer data)
{
  SimclrOptimizerState *self = data;
  gdouble steps = (gdouble) self->steps, beta1 = self->settings.momentum;
  SimclrAdamwFactors factors = {
      .correction = (gfloat) (1 / sqrt (1 - pow (ADAMW_BETA2, steps))),
      .beta1 = (gfloat) beta1,
      .beta2 = (gfloat) ADAMW_BETA2,
      .rest1 = (gfloat) (1 - beta1),
      .rest2 = (gfloat) (1 - ADAMW_BETA2),
      .epsilon = (gfloat) ADAMW_EPSILON,
  };

  for (gsize i = begin; i < end; i++) {
    const Piece *piece = &g_array_index (self->pieces, Piece, i);
    gdouble rate = self->rates[piece->tensor];

    factors.shrink = (gfloat) (1 - rate * get_decay (self, piece->tensor));
    factors.rate = (gfloat) (rate / (1 - pow (beta1, steps)));
    _simclr_adamw_update (self->values + piece->offset, self->gradients + piece->offset,
        self->momentum + piece->offset, self->square + piece->offset, piece->count, &factors);
  }
}

void
_simclr_optimizer_step (SimclrOptimizerState *self, SimclrParallel *parallel, gdouble learning_rate)
{
  gsize pieces = self->pieces->len;

  self->steps++;
  if (self->settings.method == SIMCLR_OPTIMIZER_LARS) {
    _simclr_parallel_for (parallel, pieces, 1, measure_pieces, self);
    adapt_rates (self, learning_rate);
    _simclr_parallel_for (parallel, pieces, 1, update_lars, self);
    return;
  }
  for (guint i = 0; i < _simclr_parameters_get_length (self->layout); i++)
    self->rates[i] = learning_rate;
  _simclr_parallel_for (parallel, pieces, 1,
      self->settings.method == SIMCLR_OPTIMIZER_ADAMW ? update_adamw : update_sgd, self);
}

static void
save_buffer (SimclrOptimizerState *self, SimclrSafetensorsWriter *writer, const gchar *prefix,
    const gfloat *buffer)
{
  for (guint i = 0; i < _simclr_parameters_get_length (self->layout); i++) {
    const SimclrParameter *tensor = _simclr_parameters_get (self->layout, i);
    g_autofree gchar *name = g_strconcat (prefix, tensor->name, NULL);

    _simclr_parameter_file_add (writer, name, tensor, buffer + tensor->offset);
  }
}

void
_simclr_optimizer_save (SimclrOptimizerState *self, SimclrSafetensorsWriter *writer)
{
  g_autofree gchar *steps = g_strdup_printf ("%" G_GUINT64_FORMAT, self->steps);

  if (self->settings.method != SIMCLR_OPTIMIZER_ADAMW) {
    save_buffer (self, writer, "optimizer.momentum.", self->momentum);
    return;
  }
  save_buffer (self, writer, "optimizer.exp_avg.", self->momentum);
  save_buffer (self, writer, "optimizer.exp_avg_sq.", self->square);
  _simclr_safetensors_writer_set_metadata (writer, "optimizer_step", steps);
}

static gboolean
load_buffer (SimclrOptimizerState *self, SimclrSafetensors *file, const gchar *prefix,
    gfloat *buffer, GError **error)
{
  for (guint i = 0; i < _simclr_parameters_get_length (self->layout); i++) {
    const SimclrParameter *tensor = _simclr_parameters_get (self->layout, i);
    g_autofree gchar *name = g_strconcat (prefix, tensor->name, NULL);

    if (!_simclr_parameter_file_read (file, name, tensor, buffer + tensor->offset, error)) {
      g_prefix_error (error, "the optimizer's state does not fit: ");
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean
load_steps (SimclrSafetensors *file, guint64 *steps, GError **error)
{
  const gchar *text = _simclr_safetensors_get_metadata (file, "optimizer_step");

  if (text == NULL) {
    g_set_error (
        error, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH, "metadata \"optimizer_step\" is missing");
    return FALSE;
  }
  if (!g_ascii_string_to_unsigned (text, 10, 0, G_MAXINT64, steps, NULL)) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_FORMAT,
        "metadata \"optimizer_step\" is \"%.100s\", not a number", text);
    return FALSE;
  }
  return TRUE;
}

/* All of the state or, on an error, nothing. */
gboolean
_simclr_optimizer_load (SimclrOptimizerState *self, SimclrSafetensors *file, GError **error)
{
  gboolean adamw = self->settings.method == SIMCLR_OPTIMIZER_ADAMW;
  gfloat *momentum = new_floats (self->layout);
  gfloat *square = adamw ? new_floats (self->layout) : NULL;
  guint64 steps = 0;
  gboolean loaded = load_buffer (self, file, adamw ? "optimizer.exp_avg." : "optimizer.momentum.",
                        momentum, error) &&
                    (!adamw || (load_buffer (self, file, "optimizer.exp_avg_sq.", square, error) &&
                                   load_steps (file, &steps, error)));

  if (loaded) {
    gfloat *old_momentum = g_steal_pointer (&self->momentum);
    gfloat *old_square = g_steal_pointer (&self->square);

    self->momentum = g_steal_pointer (&momentum);
    self->square = g_steal_pointer (&square);
    self->steps = steps;
    momentum = old_momentum;
    square = old_square;
  }
  g_aligned_free (momentum);
  g_aligned_free (square);
  return loaded;
}
