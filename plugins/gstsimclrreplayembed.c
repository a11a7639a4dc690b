/* simclrreplay's embeddings: frames that wait are embedded with the weights of the moment, or training
 * tells what it makes of them.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrreplayprivate.h"

#include "gstsimclrmodelquery.h"
#include "gstsimclrmodeltable.h"
#include "gstsimclrvideo.h"

#define GST_CAT_DEFAULT gst_simclr_replay_debug

/* Frames embedded at a time: few enough that the next sample does not wait for long. */
#define BATCH 16

typedef struct
{
  GstSample *frames[BATCH];
  guint64 numbers[BATCH];
  guint n;
} Batch;

void
gst_simclr_replay_open_model (GstSimclrReplay *self)
{
  if (self->run.policy == SIMCLR_REPLAY_POLICY_MIN_REDUNDANCY && self->run.model)
    self->model = g_object_ref (gst_simclr_model_table_acquire (self->run.model));
}

void
gst_simclr_replay_close_model (GstSimclrReplay *self)
{
  if (self->model && self->run.model)
    gst_simclr_model_table_release (self->run.model);
  g_clear_object (&self->model);
  g_clear_object (&self->encoder);
  g_clear_pointer (&self->pictures, g_free);
  self->model_version = 0;
}

/* A batch costs little more than a single frame, but what waits is not compared with the rest. */
gboolean
gst_simclr_replay_may_embed (GstSimclrReplay *self)
{
  guint64 number;
  guint worth_it;

  if (!self->can_embed)
    return FALSE;
  worth_it = (guint) CLAMP (simclr_replay_get_length (self->memory) / 32, 1, BATCH / 2);
  return simclr_replay_get_waiting (self->memory, worth_it - 1, &number) != NULL;
}

/* A sample has been pushed. Lock held. */
void
gst_simclr_replay_earn_embedding (GstSimclrReplay *self)
{
  self->embed_due = MIN (self->embed_due + 1, BATCH);
}

static void
follow_training (GstSimclrReplay *self)
{
  g_autoptr (SimclrModel) model = NULL;

  if (self->is_following)
    return;
  model = gst_simclr_model_query (self->srcpad, TRUE);
  if (!model)
    return;
  g_mutex_lock (&self->lock);
  self->is_following = TRUE;
  self->drawn = g_new0 (GstSimclrReplayDrawn, GST_SIMCLR_REPLAY_DRAWN);
  for (guint i = 0; i < GST_SIMCLR_REPLAY_DRAWN; i++)
    self->drawn[i].sample = G_MAXUINT64;
  g_mutex_unlock (&self->lock);
}

void
gst_simclr_replay_find_model (GstSimclrReplay *self)
{
  if (self->run.policy != SIMCLR_REPLAY_POLICY_MIN_REDUNDANCY || self->can_embed)
    return;
  if (self->run.rule == SIMCLR_REPLAY_RULE_PUBLISHED) {
    follow_training (self);
    return;
  }
  if (!self->model)
    self->model = gst_simclr_model_query (self->srcpad, FALSE);
  if (!self->model || simclr_model_get_version (self->model) == 0)
    return;
  GST_INFO_OBJECT (self, "there are weights to embed with");
  g_mutex_lock (&self->lock);
  self->can_embed = TRUE;
  g_mutex_unlock (&self->lock);
}

static gboolean
make_encoder (GstSimclrReplay *self, SimclrWeights *weights, GError **error)
{
  guint size = simclr_weights_get_input_size (weights);

  g_clear_object (&self->encoder);
  self->encoder = simclr_encoder_new (
      weights, SIMCLR_PROVIDER_AUTO, SIMCLR_PRECISION_AUTO, self->run.threads, error);
  if (!self->encoder)
    return FALSE;
  self->input_size = size;
  self->normalization = simclr_weights_get_normalization (weights);
  g_free (self->pictures);
  self->pictures = g_new (gfloat, (gsize) BATCH * size * size * 3);
  return TRUE;
}

/* The newest weights. */
static gboolean
refresh (GstSimclrReplay *self, GError **error)
{
  guint64 version = simclr_model_get_version (self->model);
  g_autoptr (SimclrWeights) weights = NULL;

  if (self->encoder && version == self->model_version)
    return TRUE;
  weights = simclr_model_take (self->model);
  self->model_version = version;
  if (self->encoder && simclr_weights_get_input_size (weights) == self->input_size &&
      simclr_weights_get_normalization (weights) == self->normalization &&
      simclr_encoder_set_weights (self->encoder, weights, NULL))
    return TRUE;
  return make_encoder (self, weights, error);
}

static gboolean
collect_one (Batch *batch, GstSample *frame)
{
  if (frame)
    batch->frames[batch->n++] = gst_sample_ref (frame);
  return frame != NULL;
}

/* Those that wait, and for each of them some whose embedding is old: whole ones only, so that what is left of
 * a fraction is carried over. Lock held. */
static void
collect_stale (GstSimclrReplay *self, Batch *batch)
{
  guint n = 0;

  self->stale_due += batch->n * self->run.refresh_ratio;
  while (
      batch->n < BATCH && self->stale_due >= 1 &&
      collect_one (batch, simclr_replay_get_stale (self->memory, n, &batch->numbers[batch->n]))) {
    self->stale_due -= 1;
    n++;
  }
  self->stale_due = MIN (self->stale_due, BATCH);
}

static void
collect (GstSimclrReplay *self, Batch *batch)
{
  batch->n = 0;
  g_mutex_lock (&self->lock);
  while (batch->n < BATCH && collect_one (batch, simclr_replay_get_waiting (self->memory, batch->n,
                                                     &batch->numbers[batch->n])))
    ;
  self->embed_due -= (gint) batch->n;
  collect_stale (self, batch);
  g_mutex_unlock (&self->lock);
}

/* A frame that cannot be seen is a black one: it is as good as any other black one. */
static void
make_picture (GstSimclrReplay *self, GstSample *sample, gfloat *picture)
{
  gsize floats = 3 * (gsize) self->input_size * self->input_size;
  gboolean done = FALSE;
  GstVideoFrame mapped;
  GstVideoInfo info;
  SimclrFrame frame;

  if (gst_video_info_from_caps (&info, gst_sample_get_caps (sample)) &&
      gst_video_frame_map (&mapped, &info, gst_sample_get_buffer (sample), GST_MAP_READ)) {
    gst_simclr_describe_frame (&mapped, &frame);
    done = simclr_evaluation_view (&frame, self->input_size, self->normalization, picture, NULL);
    gst_video_frame_unmap (&mapped);
  }
  if (!done)
    memset (picture, 0, floats * sizeof (gfloat));
}

/* One lock for each, so that no camera waits for more than one comparison with the memory. */
static void
learn (GstSimclrReplay *self, const Batch *batch, const gfloat *embeddings, guint size)
{
  for (guint i = 0; i < batch->n; i++) {
    g_mutex_lock (&self->lock);
    simclr_replay_set_embedding (
        self->memory, batch->numbers[i], embeddings + (gsize) i * size, 1, size);
    g_mutex_unlock (&self->lock);
  }
  g_mutex_lock (&self->lock);
  g_cond_broadcast (&self->wake);
  g_mutex_unlock (&self->lock);
}

static gboolean
embed_batch (GstSimclrReplay *self, const Batch *batch, GError **error)
{
  g_autofree gfloat *embeddings = NULL;
  guint size;

  if (!refresh (self, error))
    return FALSE;
  for (guint i = 0; i < batch->n; i++)
    make_picture (self, batch->frames[i],
        self->pictures + (gsize) i * self->input_size * self->input_size * 3);
  size = simclr_encoder_get_embedding_size (self->encoder, SIMCLR_OUTPUT_REPRESENTATION);
  embeddings = g_new (gfloat, (gsize) batch->n * size);
  if (!simclr_encoder_encode (
          self->encoder, self->pictures, batch->n, SIMCLR_OUTPUT_REPRESENTATION, embeddings, error))
    return FALSE;
  learn (self, batch, embeddings, size);
  return TRUE;
}

void
gst_simclr_replay_embed (GstSimclrReplay *self)
{
  g_autoptr (GError) error = NULL;
  Batch batch;

  collect (self, &batch);
  if (batch.n > 0 && !embed_batch (self, &batch, &error)) {
    GST_ELEMENT_WARNING (self, LIBRARY, FAILED,
        ("Could not embed frames; chance decides which are kept."), ("%s", error->message));
    g_mutex_lock (&self->lock);
    self->can_embed = FALSE;
    g_cond_broadcast (&self->wake);
    g_mutex_unlock (&self->lock);
  }
  for (guint i = 0; i < batch.n; i++)
    gst_sample_unref (batch.frames[i]);
}

static const void *
get_bytes (const GstStructure *fields, const gchar *name, gsize *size)
{
  const GValue *value = gst_structure_get_value (fields, name);

  if (!value || !G_VALUE_HOLDS (value, G_TYPE_BYTES) || !g_value_get_boxed (value))
    return NULL;
  return g_bytes_get_data (g_value_get_boxed (value), size);
}

/* Two views of each sample. */
void
gst_simclr_replay_take_embeddings (GstSimclrReplay *self, const GstStructure *fields)
{
  gsize sample_bytes = 0, embedding_bytes = 0;
  const guint64 *samples = get_bytes (fields, "samples", &sample_bytes);
  const gfloat *embeddings = get_bytes (fields, "embeddings", &embedding_bytes);
  gsize n = sample_bytes / sizeof (guint64);
  guint size = 0;

  if (!samples || !embeddings || !gst_structure_get_uint (fields, "size", &size) || size == 0 ||
      embedding_bytes / sizeof (gfloat) / size != 2 * n) {
    GST_WARNING_OBJECT (self, "embeddings that fit nothing");
    return;
  }
  for (gsize i = 0; i < n; i++) {
    g_mutex_lock (&self->lock);
    if (self->memory && self->drawn) {
      const GstSimclrReplayDrawn *drawn = &self->drawn[samples[i] % GST_SIMCLR_REPLAY_DRAWN];

      if (drawn->sample == samples[i])
        simclr_replay_set_embedding (
            self->memory, drawn->frame, embeddings + 2 * i * size, 2, size);
    }
    g_mutex_unlock (&self->lock);
  }
}
