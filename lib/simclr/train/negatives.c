/* A queue of past projections that serve as negatives once more.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/train/negatives-private.h>

#include <simclr/simclr-error.h>
#include <simclr/base/arena-private.h>
#include <simclr/loss/loss-kernel-private.h>
#include <string.h>

#define PROJECTIONS "negatives.projections"
#define FACTS "negatives.facts" /* (count, 3): time, stream, label */

struct _SimclrNegatives
{
  gsize capacity;
  gsize columns;
  gsize count;
  gsize next; /* where the next one goes: the oldest, once the queue is full */
  gfloat *u;  /* (capacity, columns), unit length */
  SimclrViewFacts facts;
};

SimclrNegatives *
_simclr_negatives_new (gsize capacity, gsize columns, GError **error)
{
  g_autoptr (SimclrNegatives) self = g_new0 (SimclrNegatives, 1);

  self->capacity = capacity;
  self->columns = columns;
  self->u = _simclr_aligned_alloc (capacity * columns * sizeof (gfloat), error);
  if (!self->u)
    return NULL;
  self->facts = (SimclrViewFacts){
      g_new (gint64, capacity), g_new (guint32, capacity), g_new (gint32, capacity)};
  return g_steal_pointer (&self);
}

void
_simclr_negatives_free (SimclrNegatives *self)
{
  _simclr_aligned_free (self->u);
  g_free (self->facts.times);
  g_free (self->facts.streams);
  g_free (self->facts.labels);
  g_free (self);
}

static void
advance (SimclrNegatives *self)
{
  self->next = (self->next + 1) % self->capacity;
  self->count = MIN (self->count + 1, self->capacity);
}

void
_simclr_negatives_push (SimclrNegatives *self, const SimclrLossBatch *batch)
{
  const SimclrViewFacts *facts = &batch->facts;

  for (gsize row = batch->rows - MIN (batch->rows, self->capacity); row < batch->rows; row++) {
    gsize at = self->next;
    gfloat inverse;

    _simclr_loss_normalize (
        batch->z + row * self->columns, 1, self->columns, self->u + at * self->columns, &inverse);
    self->facts.times[at] = facts->times ? facts->times[row] : 0;
    self->facts.streams[at] = facts->streams ? facts->streams[row] : SIMCLR_NO_STREAM;
    self->facts.labels[at] = facts->labels ? facts->labels[row] : SIMCLR_NO_LABEL;
    advance (self);
  }
}

void
_simclr_negatives_lend (SimclrNegatives *self, SimclrLossBatch *batch)
{
  batch->memory = self->u;
  batch->memory_rows = self->count;
  batch->memory_facts = self->facts;
}

void
_simclr_negatives_save (SimclrNegatives *self, SimclrSafetensorsWriter *writer)
{
  const gsize shape[2] = {self->count, self->columns}, facts_shape[2] = {self->count, 3};
  g_autofree gchar *next = g_strdup_printf ("%" G_GSIZE_FORMAT, self->next);
  gint64 *facts;

  if (self->count == 0)
    return;
  facts = g_new (gint64, 3 * self->count);
  for (gsize i = 0; i < self->count; i++) {
    facts[3 * i] = self->facts.times[i];
    facts[3 * i + 1] = self->facts.streams[i];
    facts[3 * i + 2] = self->facts.labels[i];
  }
  _simclr_safetensors_writer_add (writer, PROJECTIONS, 2, shape, self->u);
  _simclr_safetensors_writer_take_integers (writer, FACTS, 2, facts_shape, facts);
  _simclr_safetensors_writer_set_metadata (writer, "negatives_next", next);
}

static gboolean
check (SimclrNegatives *self, SimclrSafetensors *file, const SimclrSafetensor *projections,
    const SimclrSafetensor *facts, guint64 *next, GError **error)
{
  const gchar *text = _simclr_safetensors_get_metadata (file, "negatives_next");

  if (projections->n_dims != 2 || projections->shape[1] != self->columns ||
      projections->shape[0] == 0) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH,
        "%s does not hold projections of %" G_GSIZE_FORMAT " floats", PROJECTIONS, self->columns);
    return FALSE;
  }
  if (!facts || !text ||
      !g_ascii_string_to_unsigned (text, 10, 0, projections->shape[0], next, NULL)) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_FORMAT,
        "there is %s, but no %s or no metadata negatives_next that fits", PROJECTIONS, FACTS);
    return FALSE;
  }
  return TRUE;
}

/* Another capacity than the file's: oldest first, as if they came once more. */
static void
take_newest (SimclrNegatives *self, const gfloat *u, const gint64 *facts, gsize count, gsize oldest)
{
  for (gsize i = count - MIN (count, self->capacity); i < count; i++) {
    gsize from = (oldest + i) % count, at = self->next;

    memcpy (
        self->u + at * self->columns, u + from * self->columns, self->columns * sizeof (gfloat));
    self->facts.times[at] = facts[3 * from];
    self->facts.streams[at] = (guint32) facts[3 * from + 1];
    self->facts.labels[at] = (gint32) facts[3 * from + 2];
    advance (self);
  }
}

gboolean
_simclr_negatives_load (SimclrNegatives *self, SimclrSafetensors *file, GError **error)
{
  const SimclrSafetensor *projections = _simclr_safetensors_lookup (file, PROJECTIONS);
  const SimclrSafetensor *tensor = _simclr_safetensors_lookup (file, FACTS);
  g_autofree gfloat *u = NULL;
  g_autofree gint64 *facts = NULL;
  guint64 next;
  gsize count;

  if (!projections)
    return TRUE;
  if (!check (self, file, projections, tensor, &next, error))
    return FALSE;
  count = projections->shape[0];
  u = g_try_new (gfloat, projections->count);
  facts = g_try_new (gint64, 3 * count);
  if (!u || !facts) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MEMORY,
        "no memory for %" G_GSIZE_FORMAT " negatives", count);
    return FALSE;
  }
  if (!_simclr_safetensors_read_floats (file, projections, u, projections->count, error) ||
      !_simclr_safetensors_read_integers (file, tensor, facts, 3 * count, error))
    return FALSE;
  self->count = 0;
  self->next = count == self->capacity ? next % count : 0; /* every one to its place */
  take_newest (self, u, facts, count, next % count);
  return TRUE;
}
