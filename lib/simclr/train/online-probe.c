/* A linear layer that learns labels beside contrastive training, from the same batches.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/train/online-probe-private.h>

#include <simclr/base/blas-private.h>
#include <simclr/simclr-error.h>
#include <cblas.h>
#include <math.h>
#include <string.h>

#define MOMENTUM 0.9f
/* More labels than anything has. */
#define MOST_LABELS (1 << 20)

#define WEIGHT "online_probe.weight"
#define BIAS "online_probe.bias"
#define WEIGHT_MOMENTUM "optimizer.momentum.online_probe.weight"
#define BIAS_MOMENTUM "optimizer.momentum.online_probe.bias"

struct _SimclrOnlineProbe
{
  gsize size;
  gsize n_labels; /* as many as have come up */
  gfloat *weight; /* (n_labels, size) */
  gfloat *weight_momentum;
  gfloat *bias; /* (n_labels) */
  gfloat *bias_momentum;
  gfloat *rows;   /* (capacity, size): those of a batch that have labels */
  gfloat *logits; /* (capacity, n_labels) */
  gint32 *labels;
  gfloat *gradient; /* (n_labels, size) */
  gsize capacity;
};

SimclrOnlineProbe *
_simclr_online_probe_new (gsize size)
{
  SimclrOnlineProbe *self = g_new0 (SimclrOnlineProbe, 1);

  self->size = size;
  return self;
}

void
_simclr_online_probe_free (SimclrOnlineProbe *self)
{
  g_free (self->weight);
  g_free (self->weight_momentum);
  g_free (self->bias);
  g_free (self->bias_momentum);
  g_free (self->rows);
  g_free (self->logits);
  g_free (self->labels);
  g_free (self->gradient);
  g_free (self);
}

static gfloat *
grow (gfloat *floats, gsize before, gsize after)
{
  floats = g_renew (gfloat, floats, after);
  memset (floats + before, 0, (after - before) * sizeof (gfloat));
  return floats;
}

/* A label that comes up for the first time begins with zeros. */
static void
make_room (SimclrOnlineProbe *self, gsize rows, gsize n_labels)
{
  gsize size = self->size, before = self->n_labels;

  if (n_labels > before) {
    self->weight = grow (self->weight, before * size, n_labels * size);
    self->weight_momentum = grow (self->weight_momentum, before * size, n_labels * size);
    self->bias = grow (self->bias, before, n_labels);
    self->bias_momentum = grow (self->bias_momentum, before, n_labels);
    self->gradient = g_renew (gfloat, self->gradient, n_labels * size);
    self->n_labels = n_labels;
  }
  if (rows > self->capacity || n_labels > before) {
    self->capacity = MAX (self->capacity, rows);
    self->rows = g_renew (gfloat, self->rows, self->capacity * size);
    self->labels = g_renew (gint32, self->labels, self->capacity);
    self->logits = g_renew (gfloat, self->logits, self->capacity * self->n_labels);
  }
}

/* Brings each column of the gathered rows to mean 0 and deviation 1 over the batch, so that the layer
 * learns fast whatever the embeddings' scale and common direction. */
static gboolean
standardize (SimclrOnlineProbe *self, gsize count)
{
  for (gsize j = 0; j < self->size; j++) {
    gdouble sum = 0, square = 0, mean, deviation;

    for (gsize i = 0; i < count; i++)
      sum += self->rows[i * self->size + j];
    mean = sum / (gdouble) count;
    for (gsize i = 0; i < count; i++) {
      gdouble off = self->rows[i * self->size + j] - mean;

      square += off * off;
    }
    if (!isfinite (square))
      return FALSE;
    deviation = sqrt (square / (gdouble) count) + 1e-6 * fabs (mean) + 1e-30;
    for (gsize i = 0; i < count; i++) {
      gfloat *value = &self->rows[i * self->size + j];

      *value = (gfloat) ((*value - mean) / deviation);
    }
  }
  return TRUE;
}

/* The rows with a label. */
static gsize
gather (SimclrOnlineProbe *self, const gfloat *h, gsize rows, const gint32 *labels)
{
  gsize count = 0;
  gint32 highest = -1;

  for (gsize i = 0; i < rows; i++)
    highest = MAX (highest, labels[i] < MOST_LABELS ? labels[i] : -1);
  make_room (self, rows, MAX ((gsize) (highest + 1), self->n_labels));
  for (gsize i = 0; i < rows; i++) {
    if (labels[i] < 0 || labels[i] >= MOST_LABELS)
      continue;
    memcpy (self->rows + count * self->size, h + i * self->size, self->size * sizeof (gfloat));
    self->labels[count++] = labels[i];
  }
  return count;
}

/* Softmax of a row of logits minus the true label's one, in place. */
static gdouble
cross_entropy (gfloat *logits, gsize n, gint32 label, gboolean *right)
{
  gfloat highest = logits[0], own = logits[label];
  gdouble sum = 0;
  gsize best = 0;

  for (gsize k = 1; k < n; k++) {
    best = logits[k] > logits[best] ? k : best;
    highest = MAX (highest, logits[k]);
  }
  for (gsize k = 0; k < n; k++) {
    logits[k] = expf (logits[k] - highest);
    sum += logits[k];
  }
  for (gsize k = 0; k < n; k++)
    logits[k] = (gfloat) (logits[k] / sum);
  logits[label] -= 1;
  *right = best == (gsize) label;
  return log (sum) + highest - own;
}

static void
descend (gfloat *values, gfloat *momentum, const gfloat *gradient, gfloat rate, gsize n)
{
  for (gsize i = 0; i < n; i++) {
    momentum[i] = MOMENTUM * momentum[i] + gradient[i];
    values[i] -= rate * momentum[i];
  }
}

static void
take_step (SimclrOnlineProbe *self, gsize count, gfloat rate)
{
  int n = (int) self->n_labels, size = (int) self->size;

  cblas_sgemm (CblasRowMajor, CblasTrans, CblasNoTrans, n, size, (int) count, 1.0f / (gfloat) count,
      self->logits, n, self->rows, size, 0.0f, self->gradient, size);
  descend (self->weight, self->weight_momentum, self->gradient, rate, self->n_labels * self->size);
  for (gsize k = 0; k < self->n_labels; k++) {
    gfloat sum = 0;

    for (gsize i = 0; i < count; i++)
      sum += self->logits[i * self->n_labels + k];
    sum /= (gfloat) count;
    descend (self->bias + k, self->bias_momentum + k, &sum, rate, 1);
  }
}

/* The rate is within the curvature's bound, for rows of this length. */
gboolean
_simclr_online_probe_step (SimclrOnlineProbe *self, const gfloat *h, gsize rows,
    const gint32 *labels, gdouble *accuracy, gdouble *loss)
{
  gdouble sum = 0;
  gsize count = gather (self, h, rows, labels), right = 0;
  int n = (int) self->n_labels, size = (int) self->size;

  if (count == 0 || !standardize (self, count))
    return FALSE;
  _simclr_blas_prepare ();
  for (gsize i = 0; i < count; i++)
    memcpy (self->logits + i * self->n_labels, self->bias, self->n_labels * sizeof (gfloat));
  cblas_sgemm (CblasRowMajor, CblasNoTrans, CblasTrans, (int) count, n, size, 1.0f, self->rows,
      size, self->weight, size, 1.0f, self->logits, n);
  for (gsize i = 0; i < count; i++) {
    gboolean is_right;

    sum += cross_entropy (
        self->logits + i * self->n_labels, self->n_labels, self->labels[i], &is_right);
    right += is_right;
  }
  *accuracy = (gdouble) right / (gdouble) count;
  *loss = sum / (gdouble) count;
  take_step (self, count, 1.0f / (gfloat) (self->size + 1));
  return TRUE;
}

void
_simclr_online_probe_save (SimclrOnlineProbe *self, SimclrSafetensorsWriter *writer)
{
  const gsize shape[2] = {self->n_labels, self->size};

  if (self->n_labels == 0)
    return;
  _simclr_safetensors_writer_add (writer, WEIGHT, 2, shape, self->weight);
  _simclr_safetensors_writer_add (writer, BIAS, 1, shape, self->bias);
  _simclr_safetensors_writer_add (writer, WEIGHT_MOMENTUM, 2, shape, self->weight_momentum);
  _simclr_safetensors_writer_add (writer, BIAS_MOMENTUM, 1, shape, self->bias_momentum);
}

gboolean
_simclr_online_probe_load (SimclrOnlineProbe *self, SimclrSafetensors *file, GError **error)
{
  const SimclrSafetensor *weight = _simclr_safetensors_lookup (file, WEIGHT);
  const gchar *names[4] = {WEIGHT, BIAS, WEIGHT_MOMENTUM, BIAS_MOMENTUM};

  if (!weight)
    return TRUE;
  if (weight->n_dims != 2 || weight->shape[0] == 0 || weight->shape[0] > MOST_LABELS ||
      weight->shape[1] != self->size) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH,
        WEIGHT " does not fit embeddings of %" G_GSIZE_FORMAT " floats", self->size);
    return FALSE;
  }
  make_room (self, 0, (gsize) weight->shape[0]);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    const SimclrSafetensor *tensor = _simclr_safetensors_lookup (file, names[i]);
    gfloat *floats[4] = {self->weight, self->bias, self->weight_momentum, self->bias_momentum};
    gsize count = self->n_labels * (i % 2 ? 1 : self->size);

    if (!tensor) {
      g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH,
          "tensor \"%s\" is missing, but " WEIGHT " is there", names[i]);
      return FALSE;
    }
    if (!_simclr_safetensors_read_floats (file, tensor, floats[i], count, error))
      return FALSE;
  }
  return TRUE;
}
