/* simclrencoder: frames to embeddings, pairs to trainable batches.
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-simclrencoder
 * @title: simclrencoder
 * @short_description: embeds frames with a residual network, or trains one
 *
 * The encoder f of SimCLR: a ResNet that turns pictures into embeddings. What it does follows from what
 * is linked to it.
 *
 * * Downstream takes the video that comes in: every frame is passed on with its embedding as the custom
 *   meta `SimclrEmbedding`.
 * * Downstream takes only `other/tensors`: embeddings leave as tensors, `dimensions=D:N` for N
 *   embeddings of D floats, with the same meta.
 * * Downstream is a simclrtrainer (`queue` and `tee` may stand between): pairs from simclraugment are
 *   collected into batches that the trainer learns from.
 *
 * ## Weights
 *
 * Embedding: those of #simclrencoder:location, else what is published as #simclrencoder:model, else
 * random ones, with a warning. Training: those of the checkpoint that simclrtrainer resumes, else of
 * #simclrencoder:location, else random ones. A property that was set and contradicts the weights is
 * an error; one that was not set follows them.
 *
 * ## Which picture the encoder sees
 *
 * A frame whose sides are the model's input size is taken as it is. Any other is scaled and
 * centre-cropped as the official code's evaluation view: the middle 7/8 of its shorter side, as a
 * square, resized to the input size. The input size comes with the weights; an untrained encoder takes
 * 32 with the CIFAR stem, 224 with the ImageNet stem, and with stem=auto 32 for frames whose shorter
 * side is at most 32, else 224. Training takes the size of the pairs.
 *
 * ## Batches
 *
 * When embedding, #simclrencoder:batch-size frames are embedded at a time; what is incomplete is sent
 * after #simclrencoder:batch-timeout, before a serialised event and at EOS. Several streams of the same
 * caps fill batches together behind a `funnel`, and a `streamiddemux` parts them again: which stream a
 * frame is of stays between the frames of a batch. When training, the pairs that do not fill a batch are
 * dropped at EOS. The latency that batching adds is reported.
 *
 * A large batch needs no large memory: with #simclrencoder:microbatch-size the network sees the batch in
 * parts (GradCache, Gao et al. 2021, 2101.06983). The batch goes forward once, keeping the embeddings
 * only; when the trainer has computed the loss of all of them, each part is computed a second time and
 * goes backward. Loss and gradient are those of the whole batch, except for BatchNorm in the encoder
 * (not in the projection head), whose statistics are each part's own, as on several devices without
 * synchronisation; each part enters the running statistics once. Parts are as equal as can be, and a size
 * that divides the batch takes the least memory. It takes about a third more time.
 *
 * ## Beside a camera
 *
 * Encoders with the same #simclrencoder:model share weights: one trains, behind a `tee` others embed with
 * the weights of the newest step, taken between two frames; the meta's `step` says which. Until there
 * are weights frames pass without an embedding. Weights of a run that diverges (not finite) are neither published
 * nor taken: the last good ones stay. With #simclrencoder:follow a checkpoint that another process writes
 * takes the trainer's place; the file is read by a thread of GStreamer's pool, only whole versions are taken,
 * and with a model as well all who share it get them.
 *
 * A frame that comes too late, as QoS events from downstream tell, passes without an embedding
 * (#simclrencoder:qos); each is said in a QoS message. The time that embedding takes is not reported as
 * latency: sinks have `processing-deadline` for it.
 *
 * Training takes all processors unless told otherwise. #simclrencoder:nice lets everything else go first, which
 * is what keeps a display at its rate; #simclrencoder:threads and #simclrencoder:max-cpu leave processors, or
 * time, idle. Between two steps training can be paused, flushed and stopped.
 *
 * ## The meta SimclrEmbedding
 *
 * A #GstCustomMeta, read by name from any language (in Python:
 * `buffer.get_custom_meta("SimclrEmbedding").get_structure()`). Its fields:
 *
 * * `embedding` (#GBytes): `rows` times `size` float32 in the machine's byte order
 * * `size` (#guint): floats of one embedding
 * * `rows` (#guint): embeddings, 1 on a frame
 * * `model` (#gchararray): #simclrencoder:model, else the file's name, else `untrained`
 * * `architecture` (#gchararray): for example `resnet18`
 * * `step` (#guint64): the training step of the weights
 *
 * With GStreamer 1.26 or newer there is a #GstTensorMeta beside it, with one tensor `simclr-embedding`: float32,
 * row-major, (`rows`, `size`), the same memory.
 *
 * ## The meta SimclrBatch
 *
 * A training batch has a #GstCustomMeta `SimclrBatch` with the field `frames` (#GBytes of #guint64, one for
 * each pair): which frames they show, counted from 0 at each start in the order they came into simclrreplay,
 * or into this element where there is none; 2^64 - 1 where nobody knows.
 *
 * ## Embed
 *
 * |[
 * gst-launch-1.0 videotestsrc num-buffers=10 ! simclrencoder width=0.25 ! fakesink silent=false -v
 * ]|
 *
 * ## Embeddings as tensors
 *
 * |[
 * gst-launch-1.0 videotestsrc num-buffers=10 ! simclrencoder width=0.25 batch-size=4 ! other/tensors ! fakesink dump=true
 * ]|
 *
 * ## Two streams, embedded in the same batches
 *
 * |[
 * gst-launch-1.0 funnel name=all ! simclrencoder width=0.25 input-size=32 batch-size=4 ! streamiddemux name=each each.src_0 ! queue ! fakesink each.src_1 ! queue ! fakesink videotestsrc num-buffers=20 ! video/x-raw,format=RGB,width=64,height=48 ! queue ! all. videotestsrc pattern=snow num-buffers=20 ! video/x-raw,format=RGB,width=64,height=48 ! queue ! all.
 * ]|
 *
 * ## Train and embed at once
 *
 * |[
 * gst-launch-1.0 videotestsrc pattern=ball num-buffers=200 ! video/x-raw,width=64,height=64 ! videoconvert ! tee name=camera camera. ! queue leaky=downstream ! simclrreplay min-fill=32 ! simclraugment size=32 ! simclrencoder model=camera width=0.125 batch-size=16 nice=10 ! simclrtrainer camera. ! queue ! simclrencoder model=camera ! videoconvert ! fakesink
 * ]|
 *
 * ## Train
 *
 * |[
 * gst-launch-1.0 -m videotestsrc pattern=ball num-buffers=64 ! video/x-raw,width=64,height=64 ! videoconvert ! simclraugment size=32 ! simclrencoder width=0.25 batch-size=16 ! simclrtrainer
 * ]|
 */

#include "gstsimclrencoder-private.h"

#include "gstsimclrembeddingmeta.h"
#include "gstsimclrframemeta.h"
#include "gstsimclrproperties.h"
#include "gstsimclrtensorcaps.h"

GST_DEBUG_CATEGORY (gst_simclr_encoder_debug);
#define GST_CAT_DEFAULT gst_simclr_encoder_debug

#define FORMATS "{ RGB, BGR, RGBx, BGRx, GRAY8 }"

enum
{
  PROP_0,
  PROP_ARCHITECTURE,
  PROP_WIDTH,
  PROP_STEM,
  PROP_INPUT_SIZE,
  PROP_NORMALIZATION,
  PROP_LOCATION,
  PROP_MODEL,
  PROP_BATCH_SIZE,
  PROP_MICROBATCH_SIZE,
  PROP_BATCH_TIMEOUT,
  PROP_OUTPUT,
  PROP_PRECISION,
  PROP_PROVIDER,
  PROP_THREADS,
  PROP_NICE,
  PROP_MAX_CPU,
  PROP_FOLLOW,
  PROP_FOLLOW_INTERVAL,
  PROP_QOS,
  PROP_SEED,
  PROP_EMBEDDING_SIZE,
};

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE (
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (GST_VIDEO_CAPS_MAKE (FORMATS)));

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC,
    GST_PAD_ALWAYS, GST_STATIC_CAPS (GST_VIDEO_CAPS_MAKE (FORMATS) "; " GST_SIMCLR_TENSOR_CAPS));

G_DEFINE_FINAL_TYPE (GstSimclrEncoder, gst_simclr_encoder, GST_TYPE_ELEMENT)
GST_ELEMENT_REGISTER_DEFINE (simclrencoder, "simclrencoder", GST_RANK_NONE, GST_TYPE_SIMCLR_ENCODER)

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstSimclrEncoder *self = GST_SIMCLR_ENCODER (object);
  GstSimclrEncoderSettings *settings = &self->settings;

  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_ARCHITECTURE:
    settings->architecture = g_value_get_enum (value);
    settings->set |= GST_SIMCLR_ENCODER_SET_ARCHITECTURE;
    break;
  case PROP_WIDTH:
    settings->width = g_value_get_double (value);
    settings->set |= GST_SIMCLR_ENCODER_SET_WIDTH;
    break;
  case PROP_STEM:
    settings->stem = g_value_get_enum (value);
    settings->set |= GST_SIMCLR_ENCODER_SET_STEM;
    break;
  case PROP_INPUT_SIZE:
    settings->input_size = g_value_get_uint (value);
    settings->set |= GST_SIMCLR_ENCODER_SET_INPUT_SIZE;
    break;
  case PROP_NORMALIZATION:
    settings->normalization = g_value_get_enum (value);
    break;
  case PROP_LOCATION:
    g_free (settings->location);
    settings->location = g_value_dup_string (value);
    break;
  case PROP_MODEL:
    g_free (settings->model);
    settings->model = g_value_dup_string (value);
    break;
  case PROP_BATCH_SIZE:
    settings->batch_size = g_value_get_uint (value);
    break;
  case PROP_MICROBATCH_SIZE:
    settings->microbatch_size = g_value_get_uint (value);
    break;
  case PROP_BATCH_TIMEOUT:
    settings->batch_timeout = g_value_get_uint64 (value);
    break;
  case PROP_OUTPUT:
    settings->output = g_value_get_enum (value);
    break;
  case PROP_PRECISION:
    settings->precision = g_value_get_enum (value);
    break;
  case PROP_PROVIDER:
    settings->provider = g_value_get_enum (value);
    break;
  case PROP_THREADS:
    settings->threads = g_value_get_uint (value);
    break;
  case PROP_NICE:
    settings->nice = g_value_get_uint (value);
    break;
  case PROP_MAX_CPU:
    settings->max_cpu = g_value_get_double (value);
    break;
  case PROP_FOLLOW:
    settings->follow = g_value_get_boolean (value);
    break;
  case PROP_FOLLOW_INTERVAL:
    settings->follow_interval = g_value_get_uint64 (value);
    break;
  case PROP_QOS:
    settings->qos = g_value_get_boolean (value);
    break;
  case PROP_SEED:
    settings->seed = g_value_get_uint64 (value);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstSimclrEncoder *self = GST_SIMCLR_ENCODER (object);
  const GstSimclrEncoderSettings *settings = &self->settings;

  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_ARCHITECTURE:
    g_value_set_enum (value, settings->architecture);
    break;
  case PROP_WIDTH:
    g_value_set_double (value, settings->width);
    break;
  case PROP_STEM:
    g_value_set_enum (value, settings->stem);
    break;
  case PROP_INPUT_SIZE:
    g_value_set_uint (value, settings->input_size);
    break;
  case PROP_NORMALIZATION:
    g_value_set_enum (value, settings->normalization);
    break;
  case PROP_LOCATION:
    g_value_set_string (value, settings->location);
    break;
  case PROP_MODEL:
    g_value_set_string (value, settings->model);
    break;
  case PROP_BATCH_SIZE:
    g_value_set_uint (value, settings->batch_size);
    break;
  case PROP_MICROBATCH_SIZE:
    g_value_set_uint (value, settings->microbatch_size);
    break;
  case PROP_BATCH_TIMEOUT:
    g_value_set_uint64 (value, settings->batch_timeout);
    break;
  case PROP_OUTPUT:
    g_value_set_enum (value, settings->output);
    break;
  case PROP_PRECISION:
    g_value_set_enum (value, settings->precision);
    break;
  case PROP_PROVIDER:
    g_value_set_enum (value, settings->provider);
    break;
  case PROP_THREADS:
    g_value_set_uint (value, settings->threads);
    break;
  case PROP_NICE:
    g_value_set_uint (value, settings->nice);
    break;
  case PROP_MAX_CPU:
    g_value_set_double (value, settings->max_cpu);
    break;
  case PROP_FOLLOW:
    g_value_set_boolean (value, settings->follow);
    break;
  case PROP_FOLLOW_INTERVAL:
    g_value_set_uint64 (value, settings->follow_interval);
    break;
  case PROP_QOS:
    g_value_set_boolean (value, settings->qos);
    break;
  case PROP_SEED:
    g_value_set_uint64 (value, settings->seed);
    break;
  case PROP_EMBEDDING_SIZE:
    g_value_set_uint (value, self->embedding_size);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

static GstFlowReturn
chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  GstSimclrEncoder *self = GST_SIMCLR_ENCODER (parent);

  if (self->caps != NULL && gst_pad_check_reconfigure (self->srcpad) &&
      !_gst_simclr_encoder_negotiate (self)) {
    gst_pad_mark_reconfigure (self->srcpad);
    gst_buffer_unref (buffer);
    return GST_PAD_IS_FLUSHING (self->srcpad) ? GST_FLOW_FLUSHING : GST_FLOW_NOT_NEGOTIATED;
  }
  switch (self->mode) {
  case GST_SIMCLR_ENCODER_MODE_VIDEO:
  case GST_SIMCLR_ENCODER_MODE_TENSORS:
    return _gst_simclr_encoder_embed_frame (self, buffer);
  case GST_SIMCLR_ENCODER_MODE_TRAINING:
    return _gst_simclr_encoder_train_pair (self, buffer);
  case GST_SIMCLR_ENCODER_MODE_NONE:
    break;
  }
  gst_buffer_unref (buffer);
  return GST_FLOW_NOT_NEGOTIATED;
}

/* Before whatever follows frames in the stream: embedding sends what it holds, training keeps
 * collecting, and at the end says what was too little for a batch. */
static void
drain (GstSimclrEncoder *self, gboolean end)
{
  switch (self->mode) {
  case GST_SIMCLR_ENCODER_MODE_VIDEO:
  case GST_SIMCLR_ENCODER_MODE_TENSORS:
    self->late_flow = _gst_simclr_encoder_embed (self);
    break;
  case GST_SIMCLR_ENCODER_MODE_TRAINING:
    if (end && self->filled > 0) {
      GST_INFO_OBJECT (
          self, "%u pairs were too few for a batch of %u: dropped", self->filled, self->capacity);
      _gst_simclr_encoder_drop_batch (self);
    }
    break;
  case GST_SIMCLR_ENCODER_MODE_NONE:
    _gst_simclr_encoder_drop_batch (self);
  }
}

static void
set_earliest (GstSimclrEncoder *self, GstClockTime earliest, gdouble proportion)
{
  GST_OBJECT_LOCK (self);
  self->earliest = earliest;
  self->proportion = proportion;
  GST_OBJECT_UNLOCK (self);
}

/* As GstVideoDecoder: a sink that is late will be later by as much again when the next frame is there. */
static gboolean
src_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstSimclrEncoder *self = GST_SIMCLR_ENCODER (parent);
  GstQOSType type;
  gdouble proportion;
  GstClockTimeDiff difference;
  GstClockTime time;

  if (GST_EVENT_TYPE (event) == GST_EVENT_QOS) {
    gst_event_parse_qos (event, &type, &proportion, &difference, &time);
    if (!GST_CLOCK_TIME_IS_VALID (time))
      set_earliest (self, GST_CLOCK_TIME_NONE, proportion);
    else if (difference > 0)
      set_earliest (self, time + 2 * (GstClockTime) difference, proportion);
    else if (time > (GstClockTime) -difference)
      set_earliest (self, time + difference, proportion);
  }
  return gst_pad_event_default (pad, parent, event);
}

/* Whether an event may wait in the batch, between its frames, so that frames of several streams (`funnel`, which
 * announces each stream as it turns to it) fill one batch. What may be followed by nothing for long does not wait. */
static gboolean
joins_batch (GstSimclrEncoder *self, GstEvent *event)
{
  GstCaps *caps;

  if (self->mode != GST_SIMCLR_ENCODER_MODE_VIDEO || self->filled == 0)
    return FALSE;
  switch (GST_EVENT_TYPE (event)) {
  case GST_EVENT_CAPS:
    gst_event_parse_caps (event, &caps);
    return gst_caps_is_equal (caps, self->caps);
  case GST_EVENT_STREAM_START:
  case GST_EVENT_SEGMENT:
  case GST_EVENT_TAG:
    return TRUE;
  default:
    return FALSE;
  }
}

/* Drops the batch. What it held that outlives a flush (which stream this is, its caps) goes on after it. */
static gboolean
finish_flush (GstSimclrEncoder *self, GstEvent *flush_stop)
{
  GQueue events = G_QUEUE_INIT;
  GstEvent *event;
  gboolean done;

  for (GList *item = self->held.head; item != NULL; item = item->next) {
    if (GST_IS_EVENT (item->data) && GST_EVENT_TYPE (item->data) != GST_EVENT_SEGMENT)
      g_queue_push_tail (&events, gst_event_ref (GST_EVENT_CAST (item->data)));
  }
  if (self->mode != GST_SIMCLR_ENCODER_MODE_TRAINING)
    _gst_simclr_encoder_drop_batch (self);
  done = gst_pad_event_default (self->sinkpad, GST_OBJECT (self), flush_stop);
  while ((event = g_queue_pop_head (&events)) != NULL)
    gst_pad_push_event (self->srcpad, event);
  return done;
}

static gboolean
handle_sink_event (GstSimclrEncoder *self, GstEvent *event)
{
  gboolean done;
  GstCaps *caps;

  if (joins_batch (self, event)) {
    if (GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT)
      gst_event_copy_segment (event, &self->segment);
    g_queue_push_tail (&self->held, event);
    return TRUE;
  }
  switch (GST_EVENT_TYPE (event)) {
  case GST_EVENT_FLUSH_START:
    gst_simclr_forward_gate_set_flushing (self->gate, TRUE);
    break;
  case GST_EVENT_FLUSH_STOP:
    gst_simclr_forward_gate_set_flushing (self->gate, FALSE);
    self->batch_pts = GST_CLOCK_TIME_NONE;
    self->late_flow = GST_FLOW_OK;
    gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
    set_earliest (self, GST_CLOCK_TIME_NONE, 1);
    /* a negotiation that the flush cut short is done again */
    gst_pad_mark_reconfigure (self->srcpad);
    return finish_flush (self, event);
  case GST_EVENT_CAPS:
    drain (self, FALSE);
    gst_event_parse_caps (event, &caps);
    done = _gst_simclr_encoder_set_caps (self, caps);
    gst_event_unref (event);
    return done;
  case GST_EVENT_SEGMENT:
    drain (self, FALSE);
    self->batch_pts = GST_CLOCK_TIME_NONE;
    gst_event_copy_segment (event, &self->segment);
    break;
  case GST_EVENT_EOS:
    drain (self, TRUE);
    break;
  default:
    if (GST_EVENT_IS_SERIALIZED (event))
      drain (self, FALSE);
  }
  return gst_pad_event_default (self->sinkpad, GST_OBJECT (self), event);
}

/* An event that a flush or a state change kept from going on is no error of the stream. */
static GstFlowReturn
sink_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstSimclrEncoder *self = GST_SIMCLR_ENCODER (parent);
  gboolean is_caps = GST_EVENT_TYPE (event) == GST_EVENT_CAPS;

  if (handle_sink_event (self, event))
    return GST_FLOW_OK;
  if (GST_PAD_IS_FLUSHING (self->srcpad))
    return GST_FLOW_FLUSHING;
  return is_caps ? GST_FLOW_NOT_NEGOTIATED : GST_FLOW_ERROR;
}

/* An empty name is none. */
static gchar *
dup_name (const gchar *name)
{
  return name != NULL && *name != '\0' ? g_strdup (name) : NULL;
}

static void
take_settings (GstSimclrEncoder *self)
{
  _gst_simclr_encoder_settings_clear (&self->active);
  GST_OBJECT_LOCK (self);
  self->active = self->settings;
  self->active.location = dup_name (self->settings.location);
  self->active.model = dup_name (self->settings.model);
  GST_OBJECT_UNLOCK (self);
}

/* Back to what init left; no streaming thread is here. */
static void
reset (GstSimclrEncoder *self)
{
  _gst_simclr_encoder_drop_batch (self);
  _gst_simclr_encoder_close (self);
  g_clear_pointer (&self->pictures, g_free);
  g_clear_pointer (&self->offsets, g_free);
  g_clear_pointer (&self->times, g_free);
  g_clear_pointer (&self->frames, g_free);
  self->pairs = 0;
  gst_caps_replace (&self->caps, NULL);
  gst_video_info_init (&self->info);
  self->mode = GST_SIMCLR_ENCODER_MODE_NONE;
  self->late_flow = GST_FLOW_OK;
  gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
  self->embedded = self->skipped = 0;
  self->failed = FALSE;
  self->training = FALSE;
  self->capacity = 0;
  self->rows = 0;
  GST_OBJECT_LOCK (self);
  self->latency = 0;
  self->earliest = GST_CLOCK_TIME_NONE;
  self->embedding_size = 0;
  self->trains = self->is_followed = FALSE;
  g_clear_object (&self->offered);
  GST_OBJECT_UNLOCK (self);
}

static GstStateChangeReturn
change_state (GstElement *element, GstStateChange transition)
{
  GstSimclrEncoder *self = GST_SIMCLR_ENCODER (element);
  GstStateChangeReturn result;

  switch (transition) {
  case GST_STATE_CHANGE_READY_TO_PAUSED:
    take_settings (self);
    gst_simclr_forward_gate_reset (self->gate);
    if (!_gst_simclr_encoder_open (self)) {
      reset (self);
      return GST_STATE_CHANGE_FAILURE;
    }
    break;
  case GST_STATE_CHANGE_PAUSED_TO_READY:
    /* wakes a streaming thread that waits for its pass to come back */
    gst_simclr_forward_gate_set_flushing (self->gate, TRUE);
    break;
  default:
    break;
  }
  result = GST_ELEMENT_CLASS (gst_simclr_encoder_parent_class)->change_state (element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY ||
      (transition == GST_STATE_CHANGE_READY_TO_PAUSED && result == GST_STATE_CHANGE_FAILURE)) {
    GST_PAD_STREAM_LOCK (self->sinkpad); /* a late batch may be on its way in another thread */
    reset (self);
    GST_PAD_STREAM_UNLOCK (self->sinkpad);
  }
  return result;
}

static void
finalize (GObject *object)
{
  GstSimclrEncoder *self = GST_SIMCLR_ENCODER (object);

  reset (self);
  _gst_simclr_encoder_settings_clear (&self->settings);
  _gst_simclr_encoder_settings_clear (&self->active);
  gst_simclr_forward_gate_unref (self->gate);
  gst_object_unref (self->clock);
  G_OBJECT_CLASS (gst_simclr_encoder_parent_class)->finalize (object);
}

static void
install_properties (GObjectClass *klass)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;

  g_object_class_install_property (klass, PROP_ARCHITECTURE,
      g_param_spec_enum ("architecture", "Architecture",
          "Residual network of an untrained encoder (weights bring their own). The paper's is "
          "resnet50; the default is what a CPU trains at a useful rate.",
          gst_simclr_described_enum (SIMCLR_TYPE_ARCHITECTURE), SIMCLR_ARCHITECTURE_RESNET18,
          flags));
  g_object_class_install_property (klass, PROP_WIDTH,
      g_param_spec_double ("width", "Width",
          "Multiplier of the channels of an untrained encoder, fractions allowed; at least one "
          "channel is left in each layer.",
          1.0 / 64, 16, 1, flags));
  g_object_class_install_property (klass, PROP_STEM,
      g_param_spec_enum ("stem", "Stem",
          "First layers of an untrained encoder; auto takes cifar for inputs of at most 32 pixels, "
          "else imagenet.",
          gst_simclr_described_enum (SIMCLR_TYPE_STEM), SIMCLR_STEM_AUTO, flags));
  g_object_class_install_property (klass, PROP_INPUT_SIZE,
      g_param_spec_uint ("input-size", "Input size",
          "Side in pixels of the square picture that the encoder sees; 0: as its weights say, for "
          "an "
          "untrained one 32 or 224, by stem and frame. When training it is the size of the pairs.",
          0, 4096, 0, flags));
  g_object_class_install_property (klass, PROP_NORMALIZATION,
      g_param_spec_enum ("normalization", "Normalization",
          "How pixels become the encoder's input; auto follows the weights.",
          gst_simclr_described_enum (SIMCLR_TYPE_NORMALIZATION), SIMCLR_NORMALIZATION_AUTO, flags));
  g_object_class_install_property (klass, PROP_LOCATION,
      g_param_spec_string ("location", "Location",
          "Safetensors file to load weights from: a checkpoint of simclrtrainer, or a torchvision "
          "ResNet, "
          "alone or inside the model of another SimCLR implementation; unset: none.",
          NULL, flags));
  g_object_class_install_property (klass, PROP_MODEL,
      g_param_spec_string ("model", "Model",
          "Name under which encoders of this process share weights: those that train publish "
          "them, those that embed take the newest between two batches; unset: not shared.",
          NULL, flags));
  g_object_class_install_property (klass, PROP_BATCH_SIZE,
      g_param_spec_uint ("batch-size", "Batch size",
          "Pairs in a batch when training, frames in a batch when embedding; 0: 64 pairs or 1 "
          "frame.",
          0, 65536, 0, flags));
  g_object_class_install_property (klass, PROP_MICROBATCH_SIZE,
      g_param_spec_uint ("microbatch-size", "Microbatch size",
          "Pairs that go through the network at a time when training, so that a large batch fits "
          "in "
          "little memory; each is computed twice. 0: the whole batch.",
          0, 65536, 0, flags));
  g_object_class_install_property (klass, PROP_BATCH_TIMEOUT,
      g_param_spec_uint64 ("batch-timeout", "Batch timeout",
          "Nanoseconds after its first frame when an incomplete batch is embedded all the same; "
          "0: a batch waits until it is full. Not used when training.",
          0, G_MAXINT64, 0, flags));
  g_object_class_install_property (klass, PROP_OUTPUT,
      g_param_spec_enum ("output", "Output",
          "Which embedding of a frame is sent; projection needs weights with a projection head. "
          "Not used when training.",
          gst_simclr_described_enum (SIMCLR_TYPE_OUTPUT), SIMCLR_OUTPUT_REPRESENTATION, flags));
  g_object_class_install_property (klass, PROP_PRECISION,
      g_param_spec_enum ("precision", "Precision",
          "Number format of activations. bfloat16 takes half the memory; auto takes it where the "
          "processor multiplies it and oneDNN was built in, else float32. Weights, sums and the "
          "loss "
          "are float32 in both.",
          gst_simclr_described_enum (SIMCLR_TYPE_PRECISION), SIMCLR_PRECISION_AUTO, flags));
  g_object_class_install_property (klass, PROP_PROVIDER,
      g_param_spec_enum ("provider", "Provider",
          "Who computes the convolutions; auto takes the fastest that was built in.",
          gst_simclr_described_enum (SIMCLR_TYPE_PROVIDER), SIMCLR_PROVIDER_AUTO, flags));
  g_object_class_install_property (klass, PROP_THREADS,
      g_param_spec_uint ("threads", "Threads",
          "Threads that compute; 0: one for each processor this process may use.", 0, 1024, 0,
          flags));
  g_object_class_install_property (klass, PROP_NICE,
      g_param_spec_uint ("nice", "Niceness",
          "How far the threads that compute give way to others, as nice(1), 0 to 19; training too "
          "runs in "
          "them. Only on Linux.",
          0, 19, 0, flags));
  g_object_class_install_property (klass, PROP_MAX_CPU,
      g_param_spec_double ("max-cpu", "Maximum share of time",
          "Share of the time that training steps may take, 0.01 to 1: after each step training "
          "rests as long "
          "as it takes to keep it. Not used when embedding.",
          0.01, 1, 1, flags));
  g_object_class_install_property (klass, PROP_FOLLOW,
      g_param_spec_boolean ("follow", "Follow",
          "Take new versions of location as they are written, by another process for example; with "
          "a "
          "model, all who share it do. Frames pass without an embedding until there is a file. Not "
          "used when "
          "training.",
          FALSE, flags));
  g_object_class_install_property (klass, PROP_FOLLOW_INTERVAL,
      g_param_spec_uint64 ("follow-interval", "Follow interval",
          "Nanoseconds between two looks at a file that is followed, at least.", 0, G_MAXINT64,
          GST_SECOND, flags));
  g_object_class_install_property (klass, PROP_QOS,
      g_param_spec_boolean ("qos", "Quality of service",
          "Frames that downstream calls too late pass without an embedding; tensors are not made "
          "of "
          "them.",
          TRUE, flags));
  g_object_class_install_property (klass, PROP_SEED,
      g_param_spec_uint64 ("seed", "Seed",
          "Seed of an untrained encoder's weights: the same seed gives the same weights.", 0,
          G_MAXUINT64, 0, flags));
  g_object_class_install_property (klass, PROP_EMBEDDING_SIZE,
      g_param_spec_uint ("embedding-size", "Embedding size",
          "Floats of one embedding; 0 until the encoder is made, at the first caps.", 0, G_MAXUINT,
          0, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

static void
gst_simclr_encoder_class_init (GstSimclrEncoderClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_simclr_encoder_debug, "simclrencoder", 0, "SimCLR encoder");
  gst_simclr_embedding_meta_register ();
  gst_simclr_frame_meta_register ();

  object_class->set_property = set_property;
  object_class->get_property = get_property;
  object_class->finalize = finalize;
  install_properties (object_class);

  element_class->change_state = change_state;
  gst_element_class_set_static_metadata (element_class, "SimCLR encoder", "Filter/Analyzer/Video",
      "Embeds video frames with a residual network; in front of a simclrtrainer, trains it",
      "The gst-simclr authors");
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
}

static void
gst_simclr_encoder_init (GstSimclrEncoder *self)
{
  GstSimclrEncoderSettings *settings = &self->settings;

  settings->architecture = SIMCLR_ARCHITECTURE_RESNET18;
  settings->width = 1;
  settings->stem = SIMCLR_STEM_AUTO;
  settings->normalization = SIMCLR_NORMALIZATION_AUTO;
  settings->output = SIMCLR_OUTPUT_REPRESENTATION;
  settings->precision = SIMCLR_PRECISION_AUTO;
  settings->provider = SIMCLR_PROVIDER_AUTO;
  settings->max_cpu = 1;
  settings->follow_interval = GST_SECOND;
  settings->qos = TRUE;

  self->earliest = GST_CLOCK_TIME_NONE;
  gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
  self->gate = gst_simclr_forward_gate_new ();
  self->clock = gst_system_clock_obtain ();
  g_queue_init (&self->held);
  gst_video_info_init (&self->info);
  self->batch_pts = GST_CLOCK_TIME_NONE;
  self->batch_end = GST_CLOCK_TIME_NONE;

  self->sinkpad = gst_pad_new_from_static_template (&sink_template, "sink");
  gst_pad_set_chain_function (self->sinkpad, chain);
  gst_pad_set_event_full_function (self->sinkpad, sink_event);
  gst_pad_set_query_function (self->sinkpad, _gst_simclr_encoder_sink_query);
  gst_element_add_pad (GST_ELEMENT (self), self->sinkpad);

  self->srcpad = gst_pad_new_from_static_template (&src_template, "src");
  gst_pad_set_event_function (self->srcpad, src_event);
  gst_pad_set_query_function (self->srcpad, _gst_simclr_encoder_src_query);
  gst_element_add_pad (GST_ELEMENT (self), self->srcpad);
}
