/* Training that is not contrastive: fine-tuning on labels, and distillation from a teacher.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/train/supervision-private.h>

#include <simclr/simclr-error.h>
#include <simclr/base/arena-private.h>
#include <simclr/nn/encoder-private.h>
#include <simclr/nn/supervised-head-private.h>

/* Views that the teacher sees at a time: what bounds its memory. */
#define TEACHER_VIEWS 64

struct _SimclrSupervision
{
  SimclrLoss loss;
  gdouble temperature;
  gchar **labels;

  SimclrEncoder *encoder;   /* the one that learns */
  SimclrParallel *parallel; /* its, borrowed */
  SimclrSupervisedHead *head;
  SimclrOptimizerState *linear_state;
  SimclrOptimizerState *projection_state; /* NULL: no layer of the projection head takes part */

  SimclrEncoder *teacher; /* NULL: cross entropy */
  SimclrSupervisedHead *teacher_head;
  gsize teacher_size; /* floats of its representation */
  gsize picture;      /* floats of a view */

  /* One step's memory */
  gsize rows;
  gfloat *gradient; /* (rows, labels), to the logits */
  gfloat *views;    /* of the teacher: (rows, picture) */
  gfloat *taught;   /* its logits (rows, labels) */
  gfloat *embedded; /* its representations (rows, teacher_size) */
};

gboolean
_simclr_loss_is_contrastive (SimclrLoss loss)
{
  return loss != SIMCLR_LOSS_CROSS_ENTROPY && loss != SIMCLR_LOSS_DISTILLATION;
}

const gchar *const *
_simclr_supervision_get_labels (const SimclrSupervisionSettings *settings, GError **error)
{
  gboolean distills = settings->loss == SIMCLR_LOSS_DISTILLATION;
  gchar **of_teacher = settings->teacher ? settings->teacher->labels : NULL;
  const gchar *const *labels = distills ? (const gchar *const *) of_teacher : settings->labels;

  if (!labels)
    g_set_error_literal (error, SIMCLR_ERROR, SIMCLR_ERROR_VALUE,
        distills ? "loss=distillation needs a teacher" : "loss=cross-entropy needs labels");
  return labels;
}

static void
free_memory (SimclrSupervision *self)
{
  g_clear_pointer (&self->gradient, _simclr_aligned_free);
  g_clear_pointer (&self->views, _simclr_aligned_free);
  g_clear_pointer (&self->taught, _simclr_aligned_free);
  g_clear_pointer (&self->embedded, _simclr_aligned_free);
  self->rows = 0;
}

void
_simclr_supervision_free (SimclrSupervision *self)
{
  free_memory (self);
  g_clear_pointer (&self->linear_state, _simclr_optimizer_free);
  g_clear_pointer (&self->projection_state, _simclr_optimizer_free);
  g_clear_pointer (&self->head, _simclr_supervised_head_free);
  g_clear_pointer (&self->teacher_head, _simclr_supervised_head_free);
  g_clear_object (&self->teacher);
  g_clear_object (&self->encoder);
  g_strfreev (self->labels);
  g_free (self);
}

/* The teacher sees the very views of its student, in the precision that it learns in. */
static gboolean
hire_teacher (SimclrSupervision *self, SimclrWeights *weights, GError **error)
{
  SimclrWeights *student = _simclr_encoder_peek_weights (self->encoder);
  g_autoptr (SimclrWeights) adapted = NULL;

  if (weights->normalization != student->normalization) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH,
        "teacher and student see the same views, but the teacher was trained with other "
        "normalization of their pixels");
    return FALSE;
  }
  adapted = simclr_weights_adapt (weights, student->input_size, SIMCLR_NORMALIZATION_AUTO, error);
  if (adapted)
    self->teacher = simclr_encoder_new (adapted, simclr_encoder_get_provider (self->encoder),
        simclr_encoder_get_precision (self->encoder), 1, error);
  if (!self->teacher)
    return FALSE;
  _simclr_encoder_share_parallel (self->teacher, self->parallel);
  self->teacher_head = _simclr_supervised_head_new_from (adapted, error);
  self->teacher_size = simclr_weights_get_embedding_size (adapted, SIMCLR_OUTPUT_REPRESENTATION);
  self->picture = (gsize) student->input_size * student->input_size * 3;
  return self->teacher_head != NULL;
}

static gboolean
begin_optimizers (SimclrSupervision *self, const SimclrOptimizerSettings *settings,
    SimclrSafetensors *file, GError **error)
{
  const SimclrParameterSet *projection = _simclr_supervised_head_get_projection (self->head);

  self->linear_state =
      _simclr_optimizer_new (settings, _simclr_supervised_head_get_parameters (self->head));
  if (projection)
    self->projection_state = _simclr_optimizer_new (settings, projection);
  return !file || (_simclr_optimizer_load (self->linear_state, file, error) &&
                      (!self->projection_state ||
                          _simclr_optimizer_load (self->projection_state, file, error)));
}

SimclrSupervision *
_simclr_supervision_new (const SimclrSupervisionSettings *settings, SimclrEncoder *encoder,
    SimclrWeights *resumed, SimclrSafetensors *file, GError **error)
{
  g_autoptr (SimclrSupervision) self = g_new0 (SimclrSupervision, 1);
  const gchar *const *labels = _simclr_supervision_get_labels (settings, error);

  if (!labels)
    return NULL;
  self->loss = settings->loss;
  self->temperature = settings->temperature;
  self->labels = g_strdupv ((gchar **) labels);
  self->encoder = g_object_ref (encoder);
  self->parallel = _simclr_encoder_get_parallel (encoder);
  self->head = resumed ? _simclr_supervised_head_new_from (resumed, error)
                       : _simclr_supervised_head_new (_simclr_encoder_peek_weights (encoder),
                             settings->head_layer, g_strv_length (self->labels), error);
  if (!self->head || !begin_optimizers (self, &settings->optimizer, file, error) ||
      (self->loss == SIMCLR_LOSS_DISTILLATION && !hire_teacher (self, settings->teacher, error)))
    return NULL;
  return g_steal_pointer (&self);
}

static gfloat *
new_floats (gsize count, gboolean *fine, GError **error)
{
  gfloat *floats = *fine ? _simclr_aligned_alloc (count * sizeof (gfloat), error) : NULL;

  *fine = floats != NULL;
  return floats;
}

static gboolean
prepare_memory (SimclrSupervision *self, gsize rows, GError **error)
{
  const gsize n = _simclr_supervised_head_get_n_labels (self->head);
  gboolean fine = TRUE;

  if (self->rows == rows)
    return TRUE;
  free_memory (self);
  self->gradient = new_floats (rows * n, &fine, error);
  if (self->teacher) {
    self->views = new_floats (rows * self->picture, &fine, error);
    self->taught = new_floats (rows * n, &fine, error);
    self->embedded = new_floats (rows * self->teacher_size, &fine, error);
  }
  if (fine)
    self->rows = rows;
  return fine;
}

/* The teacher's logits of the views of the pass that is out. */
static gboolean
ask_teacher (SimclrSupervision *self, gsize rows, GError **error)
{
  _simclr_encoder_get_views (self->encoder, self->views);
  for (gsize first = 0; first < rows; first += TEACHER_VIEWS)
    if (!simclr_encoder_encode (self->teacher, self->views + first * self->picture,
            (guint) MIN (TEACHER_VIEWS, rows - first), SIMCLR_OUTPUT_REPRESENTATION,
            self->embedded + first * self->teacher_size, error))
      return FALSE;
  return _simclr_supervised_head_infer (
      self->teacher_head, self->parallel, self->embedded, rows, self->taught, error);
}

static gboolean
check_labels (SimclrSupervision *self, const gint32 *labels, gsize rows, GError **error)
{
  const gsize n = _simclr_supervised_head_get_n_labels (self->head);

  for (gsize row = 0; labels && row < rows; row++) {
    if (labels[row] < 0 || (gsize) labels[row] < n)
      continue;
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH,
        "view %" G_GSIZE_FORMAT " has label number %d, but there are %" G_GSIZE_FORMAT " labels",
        row, labels[row], n);
    return FALSE;
  }
  return TRUE;
}

gboolean
_simclr_supervision_compute (SimclrSupervision *self, const gfloat *h, const gint32 *labels,
    gsize rows, gfloat *dh, SimclrClassificationResult *result, GError **error)
{
  const gsize n = _simclr_supervised_head_get_n_labels (self->head);
  const gfloat *logits;

  *result = (SimclrClassificationResult){0};
  if (!check_labels (self, labels, rows, error) || !prepare_memory (self, rows, error) ||
      (self->teacher && !ask_teacher (self, rows, error)))
    return FALSE;
  logits = _simclr_supervised_head_forward (self->head, self->parallel, h, rows, error);
  if (!logits)
    return FALSE;
  if (self->teacher)
    _simclr_distillation (logits, self->taught, rows, n, self->temperature, self->gradient, result);
  else if (labels)
    _simclr_cross_entropy (logits, labels, rows, n, self->gradient, result);
  if (result->rows > 0)
    _simclr_supervised_head_backward (self->head, self->parallel, self->gradient, dh);
  return TRUE;
}

gsize
_simclr_supervision_get_n_labels (SimclrSupervision *self)
{
  return _simclr_supervised_head_get_n_labels (self->head);
}

/* A sum over the linear layer and what takes part of the projection head. */
static gdouble
add_up (SimclrSupervision *self,
    gdouble (*sum) (SimclrParallel *parallel, const SimclrParameterSet *set))
{
  const SimclrParameterSet *projection = _simclr_supervised_head_get_projection (self->head);

  return sum (self->parallel, _simclr_supervised_head_get_parameters (self->head)) +
         (projection ? sum (self->parallel, projection) : 0);
}

gdouble
_simclr_supervision_gradient_sum_of_squares (SimclrSupervision *self)
{
  return add_up (self, _simclr_gradient_sum_of_squares);
}

gdouble
_simclr_supervision_sum_of_squares_of_values (SimclrSupervision *self)
{
  return add_up (self, _simclr_sum_of_squares_of_values);
}

void
_simclr_supervision_step (SimclrSupervision *self, gdouble learning_rate)
{
  _simclr_optimizer_step (self->linear_state, self->parallel, learning_rate);
  if (self->projection_state)
    _simclr_optimizer_step (self->projection_state, self->parallel, learning_rate);
  _simclr_supervised_head_commit (self->head);
}

void
_simclr_supervision_store (SimclrSupervision *self, SimclrWeights *weights)
{
  _simclr_supervised_head_store (self->head, (const gchar *const *) self->labels, weights);
}

void
_simclr_supervision_save (SimclrSupervision *self, SimclrSafetensorsWriter *writer)
{
  _simclr_optimizer_save (self->linear_state, writer);
  if (self->projection_state)
    _simclr_optimizer_save (self->projection_state, writer);
}
