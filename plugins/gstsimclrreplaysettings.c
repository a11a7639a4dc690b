/* simclrreplay's settings and figures, as properties.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrreplayprivate.h"

#include "gstsimclrproperties.h"

#define GST_CAT_DEFAULT gst_simclr_replay_debug

enum
{
  PROP_0,
  PROP_POLICY,
  PROP_RULE,
  PROP_MODEL,
  PROP_REFRESH_RATIO,
  PROP_CAPACITY,
  PROP_MAX_BYTES,
  PROP_STORAGE_SIZE,
  PROP_MIN_DISTANCE,
  PROP_CUT_DISTANCE,
  PROP_LABELS,
  PROP_LABEL_FRACTION,
  PROP_FRESH_RATIO,
  PROP_FRESH_FRAMES,
  PROP_MIN_FILL,
  PROP_MIN_SAMPLES,
  PROP_MAX_SAMPLES,
  PROP_EPOCHS,
  PROP_NUM_SAMPLES,
  PROP_LOCATION,
  PROP_RESUME,
  PROP_SAVE_INTERVAL,
  PROP_THREADS,
  PROP_SEED,
  PROP_LEVEL,
  PROP_STATS,
};

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstSimclrReplay *self = GST_SIMCLR_REPLAY (object);
  GstSimclrReplaySettings *settings = &self->settings;

  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_POLICY:
    settings->policy = g_value_get_enum (value);
    break;
  case PROP_RULE:
    settings->rule = g_value_get_enum (value);
    break;
  case PROP_MODEL:
    g_free (settings->model);
    settings->model = g_value_dup_string (value);
    break;
  case PROP_REFRESH_RATIO:
    settings->refresh_ratio = g_value_get_double (value);
    break;
  case PROP_CAPACITY:
    settings->capacity = g_value_get_uint64 (value);
    break;
  case PROP_MAX_BYTES:
    settings->max_bytes = g_value_get_uint64 (value);
    break;
  case PROP_STORAGE_SIZE:
    settings->storage_size = g_value_get_uint (value);
    break;
  case PROP_MIN_DISTANCE:
    settings->min_distance = g_value_get_double (value);
    break;
  case PROP_CUT_DISTANCE:
    settings->cut_distance = g_value_get_double (value);
    break;
  case PROP_LABELS:
    g_free (settings->labels);
    settings->labels = g_value_dup_string (value);
    break;
  case PROP_LABEL_FRACTION:
    settings->label_fraction = g_value_get_double (value);
    break;
  case PROP_FRESH_RATIO:
    settings->fresh_ratio = g_value_get_double (value);
    break;
  case PROP_FRESH_FRAMES:
    settings->fresh_frames = g_value_get_uint64 (value);
    break;
  case PROP_MIN_FILL:
    settings->min_fill = g_value_get_uint64 (value);
    break;
  case PROP_MIN_SAMPLES:
    settings->min_samples = g_value_get_double (value);
    break;
  case PROP_MAX_SAMPLES:
    settings->max_samples = g_value_get_double (value);
    break;
  case PROP_EPOCHS:
    settings->epochs = g_value_get_uint (value);
    break;
  case PROP_NUM_SAMPLES:
    settings->num_samples = g_value_get_uint64 (value);
    break;
  case PROP_LOCATION:
    g_free (settings->location);
    settings->location = g_value_dup_string (value);
    break;
  case PROP_RESUME:
    settings->resume = g_value_get_boolean (value);
    break;
  case PROP_SAVE_INTERVAL:
    settings->save_interval = g_value_get_uint64 (value);
    break;
  case PROP_THREADS:
    settings->threads = g_value_get_uint (value);
    break;
  case PROP_SEED:
    settings->seed = g_value_get_uint64 (value);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    break;
  }
  GST_OBJECT_UNLOCK (self);
}

static guint64
get_level (GstSimclrReplay *self)
{
  guint64 level;

  g_mutex_lock (&self->lock);
  level = self->memory ? simclr_replay_get_length (self->memory) : 0;
  g_mutex_unlock (&self->lock);
  return level;
}

/* What the memory knows of itself; lock held. */
static void
add_memory_stats (GstStructure *stats, SimclrReplay *memory)
{
  gst_structure_set (stats, "level", G_TYPE_UINT64, simclr_replay_get_length (memory), "bytes",
      G_TYPE_UINT64, simclr_replay_get_bytes (memory), "seen", G_TYPE_UINT64,
      simclr_replay_get_seen (memory), "embedded", G_TYPE_UINT64,
      simclr_replay_get_embedded (memory), "redundancy", G_TYPE_DOUBLE,
      simclr_replay_get_redundancy (memory), NULL);
}

static GstStructure *
get_stats (GstSimclrReplay *self)
{
  GstStructure *stats = gst_structure_new ("simclr-replay", "level", G_TYPE_UINT64, (guint64) 0,
      "bytes", G_TYPE_UINT64, (guint64) 0, "seen", G_TYPE_UINT64, (guint64) 0, "embedded",
      G_TYPE_UINT64, (guint64) 0, "redundancy", G_TYPE_DOUBLE, 0.0, NULL);

  g_mutex_lock (&self->lock);
  if (self->memory)
    add_memory_stats (stats, self->memory);
  gst_structure_set (stats, "near", G_TYPE_UINT64, self->near, "cuts", G_TYPE_UINT64, self->cuts,
      "copied", G_TYPE_UINT64, self->copied, "ignored", G_TYPE_UINT64, self->ignored, "unlabelled",
      G_TYPE_UINT64, self->unlabelled, "next-sample", G_TYPE_UINT64, self->next_sample, "pushed",
      G_TYPE_UINT64, self->pushed, NULL);
  g_mutex_unlock (&self->lock);
  return stats;
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstSimclrReplay *self = GST_SIMCLR_REPLAY (object);
  const GstSimclrReplaySettings *settings = &self->settings;

  /* these have the other lock */
  if (id == PROP_LEVEL)
    g_value_set_uint64 (value, get_level (self));
  if (id == PROP_STATS)
    g_value_take_boxed (value, get_stats (self));

  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_POLICY:
    g_value_set_enum (value, settings->policy);
    break;
  case PROP_RULE:
    g_value_set_enum (value, settings->rule);
    break;
  case PROP_MODEL:
    g_value_set_string (value, settings->model);
    break;
  case PROP_REFRESH_RATIO:
    g_value_set_double (value, settings->refresh_ratio);
    break;
  case PROP_CAPACITY:
    g_value_set_uint64 (value, settings->capacity);
    break;
  case PROP_MAX_BYTES:
    g_value_set_uint64 (value, settings->max_bytes);
    break;
  case PROP_STORAGE_SIZE:
    g_value_set_uint (value, settings->storage_size);
    break;
  case PROP_MIN_DISTANCE:
    g_value_set_double (value, settings->min_distance);
    break;
  case PROP_CUT_DISTANCE:
    g_value_set_double (value, settings->cut_distance);
    break;
  case PROP_LABELS:
    g_value_set_string (value, settings->labels);
    break;
  case PROP_LABEL_FRACTION:
    g_value_set_double (value, settings->label_fraction);
    break;
  case PROP_FRESH_RATIO:
    g_value_set_double (value, settings->fresh_ratio);
    break;
  case PROP_FRESH_FRAMES:
    g_value_set_uint64 (value, settings->fresh_frames);
    break;
  case PROP_MIN_FILL:
    g_value_set_uint64 (value, settings->min_fill);
    break;
  case PROP_MIN_SAMPLES:
    g_value_set_double (value, settings->min_samples);
    break;
  case PROP_MAX_SAMPLES:
    g_value_set_double (value, settings->max_samples);
    break;
  case PROP_EPOCHS:
    g_value_set_uint (value, settings->epochs);
    break;
  case PROP_NUM_SAMPLES:
    g_value_set_uint64 (value, settings->num_samples);
    break;
  case PROP_LOCATION:
    g_value_set_string (value, settings->location);
    break;
  case PROP_RESUME:
    g_value_set_boolean (value, settings->resume);
    break;
  case PROP_SAVE_INTERVAL:
    g_value_set_uint64 (value, settings->save_interval);
    break;
  case PROP_THREADS:
    g_value_set_uint (value, settings->threads);
    break;
  case PROP_SEED:
    g_value_set_uint64 (value, settings->seed);
    break;
  case PROP_LEVEL:
  case PROP_STATS:
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    break;
  }
  GST_OBJECT_UNLOCK (self);
}

#define FLAGS (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY)

static void
install_what_is_kept (GObjectClass *klass)
{
  g_object_class_install_property (klass, PROP_POLICY,
      g_param_spec_enum ("policy", "Policy", "Which frames are kept.",
          gst_simclr_described_enum (SIMCLR_TYPE_REPLAY_POLICY),
          SIMCLR_REPLAY_POLICY_MIN_REDUNDANCY, FLAGS));
  g_object_class_install_property (klass, PROP_RULE,
      g_param_spec_enum ("redundancy-rule", "Redundancy rule",
          "Which frame goes with policy=min-redundancy when the memory is full.",
          gst_simclr_described_enum (SIMCLR_TYPE_REPLAY_RULE), SIMCLR_REPLAY_RULE_NEWER, FLAGS));
  g_object_class_install_property (klass, PROP_MODEL,
      g_param_spec_string ("model", "Model",
          "Name of the shared model that embeds frames for policy=min-redundancy with "
          "redundancy-rule=newer; unset: the encoder that is trained downstream.",
          NULL, FLAGS));
  g_object_class_install_property (klass, PROP_REFRESH_RATIO,
      g_param_spec_double ("refresh-ratio", "Refresh ratio",
          "Stored frames embedded anew for each frame that is embedded, for redundancy-rule=newer; "
          "0: an embedding stays as it was made.",
          0, 15, 1, FLAGS));
  g_object_class_install_property (klass, PROP_CAPACITY,
      g_param_spec_uint64 (
          "capacity", "Capacity", "Frames kept at most; 0: no bound.", 0, G_MAXUINT64, 0, FLAGS));
  g_object_class_install_property (klass, PROP_MAX_BYTES,
      g_param_spec_uint64 ("max-bytes", "Maximum bytes",
          "Bytes of memory that the kept frames, and their embeddings, take at most; 0: no bound.",
          0, G_MAXUINT64, G_GUINT64_CONSTANT (1) << 30, FLAGS));
  g_object_class_install_property (klass, PROP_STORAGE_SIZE,
      g_param_spec_uint ("storage-size", "Storage size",
          "Frames are stored as RGB, made so small that their shorter side has this many pixels "
          "(smaller ones are not enlarged); any video format may come in then. 0: stored as they "
          "come.",
          0, 4096, 0, FLAGS));
  g_object_class_install_property (klass, PROP_MIN_DISTANCE,
      g_param_spec_double ("min-distance", "Minimum distance",
          "A frame whose thumbnail (8x8 colours) is less than this away from one of the last 8 "
          "that were taken in is not; root of the mean squared difference, 0 to 1. 0: all are "
          "taken in; 0.02 leaves out what a static camera repeats.",
          0, 1, 0, FLAGS));
  g_object_class_install_property (klass, PROP_CUT_DISTANCE,
      g_param_spec_double ("cut-distance", "Cut distance",
          "A frame whose thumbnail is more than this away from that of the frame before begins a "
          "new shot, so that no pair of the temporal window spans a scene cut; same unit as "
          "min-distance. 0: only marked discontinuities count.",
          0, 1, 0.25, FLAGS));
  g_object_class_install_property (klass, PROP_LABELS,
      g_param_spec_string ("labels", "Labels",
          "UTF-8 text file that says what frames show, as simclrtrainer's: line n is the label of "
          "frame n. Frames without one are not taken in. Unset: all are.",
          NULL, FLAGS));
  g_object_class_install_property (klass, PROP_LABEL_FRACTION,
      g_param_spec_double ("label-fraction", "Label fraction",
          "Share of each label's frames that is taken in, at least one, chosen by seed; the rest "
          "counts as unlabelled. For labels.",
          0, 1, 1, FLAGS));
  g_object_class_install_property (klass, PROP_THREADS,
      g_param_spec_uint ("threads", "Threads",
          "Threads that embed frames; 0: one for each processor this process may use.", 0, 1024, 0,
          FLAGS));
  g_object_class_install_property (klass, PROP_SEED,
      g_param_spec_uint64 ("seed", "Seed",
          "Seed of all random choices: the same seed and frames give the same samples.", 0,
          G_MAXUINT64, 0, FLAGS));
}

static void
install_what_is_pushed (GObjectClass *klass)
{
  g_object_class_install_property (klass, PROP_FRESH_RATIO,
      g_param_spec_double ("fresh-ratio", "Fresh ratio",
          "Share of samples drawn from the newest frames, whatever the policy keeps; 0: no frame "
          "is preferred for its age. Not with policy=all.",
          0, 1, 0, FLAGS));
  g_object_class_install_property (klass, PROP_FRESH_FRAMES,
      g_param_spec_uint64 ("fresh-frames", "Fresh frames",
          "How many frames are the newest, with a fresh-ratio above 0.", 0, G_MAXUINT64, 256,
          FLAGS));
  g_object_class_install_property (klass, PROP_MIN_FILL,
      g_param_spec_uint64 ("min-fill", "Minimum fill",
          "Frames in the memory before the first sample, unless it is full or the input ends "
          "before; policy=all waits for the end of the input instead.",
          0, G_MAXUINT64, 256, FLAGS));
  g_object_class_install_property (klass, PROP_MIN_SAMPLES,
      g_param_spec_double ("min-samples-per-frame", "Minimum samples per frame",
          "Samples to push for each frame that has come in before the next one is accepted: the "
          "input waits for training, for files that are played once as if they were a camera. 0: "
          "it never waits. Not with policy=all.",
          0, 1e6, 0, FLAGS));
  g_object_class_install_property (klass, PROP_MAX_SAMPLES,
      g_param_spec_double ("max-samples-per-frame", "Maximum samples per frame",
          "Samples pushed at most for each frame that has come in since sampling began: training "
          "waits when nothing new comes. 0: no bound. Not with policy=all.",
          0, 1e6, 0, FLAGS));
  g_object_class_install_property (klass, PROP_EPOCHS,
      g_param_spec_uint ("epochs", "Epochs",
          "Passes over all frames after the last one has come in, for policy=all; 0: no end.", 0,
          G_MAXUINT, 1, FLAGS));
  g_object_class_install_property (klass, PROP_NUM_SAMPLES,
      g_param_spec_uint64 ("num-samples", "Number of samples",
          "Samples after which EOS is sent, those of a resumed run included; 0: no end.", 0,
          G_MAXUINT64, 0, FLAGS));
}

static void
install_file (GObjectClass *klass)
{
  g_object_class_install_property (klass, PROP_LOCATION,
      g_param_spec_string ("location", "Location",
          "Safetensors file that the memory is written to: at the end, on the way to READY, and "
          "after a checkpoint of the trainer; unset: none is written.",
          NULL, FLAGS));
  g_object_class_install_property (klass, PROP_RESUME,
      g_param_spec_boolean (
          "resume", "Resume", "Begin with what location holds, if it is there.", FALSE, FLAGS));
  g_object_class_install_property (klass, PROP_SAVE_INTERVAL,
      g_param_spec_uint64 ("save-interval", "Save interval",
          "Nanoseconds between two writes that follow checkpoints of the trainer, at least.", 0,
          G_MAXUINT64, 60 * GST_SECOND, FLAGS));
}

void
gst_simclr_replay_install_properties (GObjectClass *klass)
{
  klass->set_property = set_property;
  klass->get_property = get_property;
  install_what_is_kept (klass);
  install_what_is_pushed (klass);
  install_file (klass);
  g_object_class_install_property (klass, PROP_LEVEL,
      g_param_spec_uint64 ("level", "Level", "Frames in the memory now.", 0, G_MAXUINT64, 0,
          G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
  g_object_class_install_property (klass, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "Structure simclr-replay with level, bytes, seen, near, cuts, embedded, redundancy, "
          "copied, ignored, unlabelled, next-sample and pushed.",
          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

/* As the property specifications promise. */
void
gst_simclr_replay_init_settings (GstSimclrReplay *self)
{
  self->settings = (GstSimclrReplaySettings){
      .policy = SIMCLR_REPLAY_POLICY_MIN_REDUNDANCY,
      .rule = SIMCLR_REPLAY_RULE_NEWER,
      .refresh_ratio = 1,
      .max_bytes = G_GUINT64_CONSTANT (1) << 30,
      .cut_distance = 0.25,
      .label_fraction = 1,
      .fresh_frames = 256,
      .min_fill = 256,
      .epochs = 1,
      .save_interval = 60 * GST_SECOND,
  };
}

void
gst_simclr_replay_take_settings (GstSimclrReplay *self)
{
  g_free (self->run.location);
  g_free (self->run.model);
  g_free (self->run.labels);
  GST_OBJECT_LOCK (self);
  self->run = self->settings;
  self->run.location = gst_simclr_dup_text (self->settings.location);
  self->run.model = gst_simclr_dup_text (self->settings.model);
  self->run.labels = gst_simclr_dup_text (self->settings.labels);
  GST_OBJECT_UNLOCK (self);
}

void
gst_simclr_replay_clear_settings (GstSimclrReplay *self)
{
  g_free (self->settings.location);
  g_free (self->settings.model);
  g_free (self->settings.labels);
  g_free (self->run.labels);
  g_free (self->run.location);
  g_free (self->run.model);
}

gboolean
gst_simclr_replay_converts (GstSimclrReplay *self)
{
  gboolean result;

  GST_OBJECT_LOCK (self);
  result = self->settings.storage_size > 0;
  GST_OBJECT_UNLOCK (self);
  return result;
}
