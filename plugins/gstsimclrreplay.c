/* simclrreplay: the element's properties, states and documentation.
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-simclrreplay
 * @title: simclrreplay
 * @short_description: a memory of frames that training draws from
 *
 * simclrreplay stands between a source of frames and training. Its sink pad stores frames as fast as
 * they come and never waits for what is downstream; its source pad pushes samples, frames picked at
 * random, as fast as training takes them. So a camera is never held up, and a batch holds frames of
 * many moments instead of near copies of one.
 *
 * ## Which frames are kept
 *
 * * `policy=reservoir`: a uniform sample of everything seen, for a camera that runs for long.
 * * `policy=fifo`: the newest frames.
 * * `policy=all`: every frame, for a file or folder. What does not fit into #GstSimclrReplay:capacity
 *   and #GstSimclrReplay:max-bytes is an error.
 *
 * Frames are held by reference, and copied only when holding them would starve somebody: buffers of a
 * pool with a fixed number of buffers, memory of a device, or a small piece of a large memory.
 * #GstSimclrReplay:max-bytes counts the memory of the pixels; the bookkeeping adds about 1 KiB a frame.
 * Frames flagged GAP or CORRUPTED, and empty ones, are not stored. A flush or a seek does not clear
 * the memory; going to READY does. When the input's caps change, frames stored before keep theirs,
 * and each sample is preceded by its caps where they differ from those of the sample before.
 *
 * ## Which samples are pushed, and until when
 *
 * With `policy=all` sampling begins when the input has ended: #GstSimclrReplay:epochs passes over all
 * frames, each in a fresh random order that follows from #GstSimclrReplay:seed and the number of the
 * pass alone; then comes EOS. With the other policies sampling begins as soon as
 * #GstSimclrReplay:min-fill frames are there, or the memory is full. Every frame in it is then as
 * likely as every other, but one that was pushed rests until half as many samples as there are frames
 * have followed, so that a batch smaller than half the memory has no frame twice, its own negative.
 * EOS at the input ends sampling, though not before #GstSimclrReplay:min-fill samples, or as many as
 * there are frames if those are fewer, have been pushed.
 *
 * With any policy EOS goes out after #GstSimclrReplay:num-samples, or when downstream has enough
 * (returns EOS, as simclrtrainer does after its `total-steps`); the sink pad then returns EOS too,
 * which ends the source.
 *
 * ## What a sample looks like
 *
 * A sample is the stored frame's memory in a new buffer. Its PTS lies on a timeline of the output's
 * own, made of the frames' durations one after the other, so that `... ! simclrreplay ! autovideosink`
 * shows what training would see. When the frame came in, as running time of the input, is kept in a
 * #GstReferenceTimestampMeta with caps `timestamp/x-running-time`, and which frame it is in the
 * #GstCustomMeta `SimclrFrame`, field `number` (guint64): frames are counted from 0 in the order they came
 * in since the start. The buffer's offset is its number in the sequence of samples. Every sample is flagged DISCONT: neighbours in the output are no
 * neighbours in time, so that `temporal-window` of simclraugment finds no second frame for it. QoS
 * events from downstream end here. Tags and other serialized events go out before the next sample; GAP
 * events are dropped.
 *
 * ## Resuming
 *
 * Before the first sample the element sends a custom query downstream, with an empty structure
 * `simclr-resume`. If it is answered with a field `pairs` (guint64), the sequence of samples goes on
 * at that number: with `policy=all` in the middle of the right pass, so that a run that was stopped
 * and resumed sees the same frames in the same order as one that was not. `epochs` and `num-samples`
 * count the whole sequence.
 *
 * ## Statistics
 *
 * #GstSimclrReplay:stats is a structure `simclr-replay` with
 *
 * * `level` (guint64): frames held
 * * `bytes` (guint64): what they take
 * * `seen` (guint64): frames that were offered to the memory
 * * `copied` (guint64): frames that had to be copied
 * * `ignored` (guint64): frames flagged GAP or CORRUPTED, or empty
 * * `next-sample` (guint64): number of the next sample in the sequence
 * * `pushed` (guint64): samples pushed since the start
 *
 * ## Example launch line
 *
 * |[
 * gst-launch-1.0 videotestsrc num-buffers=300 pattern=ball ! video/x-raw,format=RGB,width=64,height=64 ! simclrreplay policy=all epochs=2 seed=1 ! fakesink
 * ]| Stores 300 frames, then pushes each of them twice, in two random orders.
 *
 * |[
 * gst-launch-1.0 videotestsrc is-live=true pattern=ball ! video/x-raw,format=RGB,width=64,height=64 ! simclrreplay capacity=100 min-fill=30 num-samples=1000 ! fakesink
 * ]| Samples from a live source as fast as the sink can, until there were 1000.
 */

#include "gstsimclrreplayprivate.h"

#include "gstsimclrproperties.h"

GST_DEBUG_CATEGORY (gst_simclr_replay_debug);
#define GST_CAT_DEFAULT gst_simclr_replay_debug

#define DEFAULT_POLICY SIMCLR_REPLAY_POLICY_RESERVOIR
#define DEFAULT_CAPACITY 0
#define DEFAULT_MAX_BYTES (G_GUINT64_CONSTANT (1) << 30)
#define DEFAULT_MIN_FILL 256
#define DEFAULT_EPOCHS 1
#define DEFAULT_NUM_SAMPLES 0
#define DEFAULT_SEED 0

enum
{
  PROP_0,
  PROP_POLICY,
  PROP_CAPACITY,
  PROP_MAX_BYTES,
  PROP_MIN_FILL,
  PROP_EPOCHS,
  PROP_NUM_SAMPLES,
  PROP_SEED,
  PROP_LEVEL,
  PROP_STATS,
};

G_DEFINE_FINAL_TYPE_WITH_CODE (GstSimclrReplay, gst_simclr_replay, GST_TYPE_ELEMENT,
    GST_DEBUG_CATEGORY_INIT (gst_simclr_replay_debug, "simclrreplay", 0, "replay memory"))
GST_ELEMENT_REGISTER_DEFINE (simclrreplay, "simclrreplay", GST_RANK_NONE, GST_TYPE_SIMCLR_REPLAY)

static void
gst_simclr_replay_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstSimclrReplay *self = GST_SIMCLR_REPLAY (object);
  GstSimclrReplaySettings *settings = &self->settings;

  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_POLICY:
    settings->policy = g_value_get_enum (value);
    break;
  case PROP_CAPACITY:
    settings->capacity = g_value_get_uint64 (value);
    break;
  case PROP_MAX_BYTES:
    settings->max_bytes = g_value_get_uint64 (value);
    break;
  case PROP_MIN_FILL:
    settings->min_fill = g_value_get_uint64 (value);
    break;
  case PROP_EPOCHS:
    settings->epochs = g_value_get_uint (value);
    break;
  case PROP_NUM_SAMPLES:
    settings->num_samples = g_value_get_uint64 (value);
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

static GstStructure *
get_stats (GstSimclrReplay *self)
{
  GstStructure *stats;

  g_mutex_lock (&self->lock);
  stats = gst_structure_new ("simclr-replay", "level", G_TYPE_UINT64,
      self->memory ? simclr_replay_get_length (self->memory) : 0, "bytes", G_TYPE_UINT64,
      self->memory ? simclr_replay_get_bytes (self->memory) : 0, "seen", G_TYPE_UINT64,
      self->memory ? simclr_replay_get_seen (self->memory) : 0, "copied", G_TYPE_UINT64,
      self->copied, "ignored", G_TYPE_UINT64, self->ignored, "next-sample", G_TYPE_UINT64,
      self->next_sample, "pushed", G_TYPE_UINT64, self->pushed, NULL);
  g_mutex_unlock (&self->lock);
  return stats;
}

static void
gst_simclr_replay_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstSimclrReplay *self = GST_SIMCLR_REPLAY (object);
  GstSimclrReplaySettings settings;

  GST_OBJECT_LOCK (self);
  settings = self->settings;
  GST_OBJECT_UNLOCK (self);

  switch (id) {
  case PROP_POLICY:
    g_value_set_enum (value, settings.policy);
    break;
  case PROP_CAPACITY:
    g_value_set_uint64 (value, settings.capacity);
    break;
  case PROP_MAX_BYTES:
    g_value_set_uint64 (value, settings.max_bytes);
    break;
  case PROP_MIN_FILL:
    g_value_set_uint64 (value, settings.min_fill);
    break;
  case PROP_EPOCHS:
    g_value_set_uint (value, settings.epochs);
    break;
  case PROP_NUM_SAMPLES:
    g_value_set_uint64 (value, settings.num_samples);
    break;
  case PROP_SEED:
    g_value_set_uint64 (value, settings.seed);
    break;
  case PROP_LEVEL:
    g_value_set_uint64 (value, get_level (self));
    break;
  case PROP_STATS:
    g_value_take_boxed (value, get_stats (self));
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    break;
  }
}

static void
start (GstSimclrReplay *self)
{
  GST_OBJECT_LOCK (self);
  self->run = self->settings;
  GST_OBJECT_UNLOCK (self);

  g_mutex_lock (&self->lock);
  self->memory = simclr_replay_new (self->run.policy, self->run.capacity, self->run.max_bytes,
      self->run.seed, (GDestroyNotify) gst_sample_unref);
  self->input_ended = self->filled = self->located = FALSE;
  self->next_sample = self->pushed = 0;
  self->copied = self->received = self->ignored = 0;
  self->need_segment = TRUE;
  self->was_flushed = FALSE;
  self->seqnum = GST_SEQNUM_INVALID;
  g_mutex_unlock (&self->lock);
  gst_simclr_replay_reset_src (self);

  if (self->run.policy != SIMCLR_REPLAY_POLICY_ALL && self->run.capacity == 0 &&
      self->run.max_bytes == 0)
    GST_WARNING_OBJECT (self, "neither capacity nor max-bytes: the memory grows without end");
}

static void
stop (GstSimclrReplay *self)
{
  g_mutex_lock (&self->lock);
  g_clear_object (&self->memory);
  g_queue_clear_full (&self->pending, (GDestroyNotify) gst_event_unref);
  g_mutex_unlock (&self->lock);
  gst_simclr_replay_reset_src (self);
}

static GstStateChangeReturn
gst_simclr_replay_change_state (GstElement *element, GstStateChange transition)
{
  GstSimclrReplay *self = GST_SIMCLR_REPLAY (element);
  GstStateChangeReturn result;

  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED)
    start (self);
  result = GST_ELEMENT_CLASS (gst_simclr_replay_parent_class)->change_state (element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY ||
      (transition == GST_STATE_CHANGE_READY_TO_PAUSED && result == GST_STATE_CHANGE_FAILURE))
    stop (self);
  return result;
}

static void
gst_simclr_replay_finalize (GObject *object)
{
  GstSimclrReplay *self = GST_SIMCLR_REPLAY (object);

  stop (self);
  gst_simclr_replay_reset_sink (self);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->wake);
  G_OBJECT_CLASS (gst_simclr_replay_parent_class)->finalize (object);
}

static GParamSpec *
setting_uint64 (const gchar *name, const gchar *nick, const gchar *blurb, guint64 value)
{
  return g_param_spec_uint64 (name, nick, blurb, 0, G_MAXUINT64, value,
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
}

static void
install_properties (GObjectClass *object_class)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;

  g_object_class_install_property (object_class, PROP_POLICY,
      g_param_spec_enum ("policy", "Policy", "Which frames are kept.",
          gst_simclr_described_enum (SIMCLR_TYPE_REPLAY_POLICY), DEFAULT_POLICY, flags));
  g_object_class_install_property (object_class, PROP_CAPACITY,
      setting_uint64 (
          "capacity", "Capacity", "Frames kept at most; 0: no bound.", DEFAULT_CAPACITY));
  g_object_class_install_property (object_class, PROP_MAX_BYTES,
      setting_uint64 ("max-bytes", "Maximum bytes",
          "Bytes of memory that the kept frames take at most; 0: no bound.", DEFAULT_MAX_BYTES));
  g_object_class_install_property (object_class, PROP_MIN_FILL,
      setting_uint64 ("min-fill", "Minimum fill",
          "Frames in the memory before the first sample, unless it is full or the input ends "
          "before; policy=all waits for the end of the input instead.",
          DEFAULT_MIN_FILL));
  g_object_class_install_property (object_class, PROP_EPOCHS,
      g_param_spec_uint ("epochs", "Epochs",
          "Passes over all frames after the last one has come in, for policy=all; 0: no end.", 0,
          G_MAXUINT, DEFAULT_EPOCHS, flags));
  g_object_class_install_property (object_class, PROP_NUM_SAMPLES,
      setting_uint64 ("num-samples", "Number of samples",
          "Samples after which EOS is sent, those of a resumed run included; 0: no end.",
          DEFAULT_NUM_SAMPLES));
  g_object_class_install_property (object_class, PROP_SEED,
      setting_uint64 ("seed", "Seed",
          "Seed of all random choices: the same seed and frames give the same samples.",
          DEFAULT_SEED));
  g_object_class_install_property (object_class, PROP_LEVEL,
      g_param_spec_uint64 ("level", "Level", "Frames in the memory now.", 0, G_MAXUINT64, 0,
          G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
  g_object_class_install_property (object_class, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "Structure simclr-replay with level, bytes, seen, copied, ignored, next-sample and "
          "pushed.",
          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

static void
gst_simclr_replay_class_init (GstSimclrReplayClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  object_class->set_property = gst_simclr_replay_set_property;
  object_class->get_property = gst_simclr_replay_get_property;
  object_class->finalize = gst_simclr_replay_finalize;
  element_class->change_state = gst_simclr_replay_change_state;

  install_properties (object_class);
  gst_element_class_add_static_pad_template (element_class, &gst_simclr_replay_sink_template);
  gst_element_class_add_static_pad_template (element_class, &gst_simclr_replay_src_template);
  gst_element_class_set_static_metadata (element_class, "SimCLR replay memory", "Filter/Video",
      "Stores frames at the camera's rate and pushes random ones at the trainer's",
      "The gst-simclr developers");
}

static void
gst_simclr_replay_init (GstSimclrReplay *self)
{
  g_mutex_init (&self->lock);
  g_cond_init (&self->wake);
  g_queue_init (&self->pending);
  self->flow = GST_FLOW_FLUSHING;
  self->settings = (GstSimclrReplaySettings){
      .policy = DEFAULT_POLICY,
      .capacity = DEFAULT_CAPACITY,
      .max_bytes = DEFAULT_MAX_BYTES,
      .min_fill = DEFAULT_MIN_FILL,
      .epochs = DEFAULT_EPOCHS,
      .num_samples = DEFAULT_NUM_SAMPLES,
      .seed = DEFAULT_SEED,
  };
  gst_simclr_replay_init_sink (self);
  gst_simclr_replay_init_src (self);
}
