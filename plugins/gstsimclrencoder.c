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
 *   collected into batches that the trainer learns from. The tensors are the embeddings of the views, rows a0 b0 a1
 *   b1 ...; those of small crops that come along (simclraugment's `small-crops`) reach the trainer alone.
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
 * ## In bytes
 *
 * With `precision=int8` weights and activations are bytes after the first convolution, which is
 * nearly twice as fast as bfloat16 where the processor multiplies bytes (AVX512-VNNI or AVX-VNNI) and oneDNN
 * was built in; elsewhere it is an error. It calibrates itself: the first #simclrencoder:calibration-frames
 * frames are embedded as with precision=auto and say how far the bytes have to reach; so are those after a
 * change of weights, which makes int8 of no use beside a training that publishes often. Embeddings are about
 * 2 % (of their length) off those of float32. Training needs another precision.
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
#include "gstsimclrtensorcaps.h"

GST_DEBUG_CATEGORY (gst_simclr_encoder_debug);
#define GST_CAT_DEFAULT gst_simclr_encoder_debug

#define FORMATS "{ RGB, BGR, RGBx, BGRx, GRAY8 }"

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE (
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (GST_VIDEO_CAPS_MAKE (FORMATS)));

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC,
    GST_PAD_ALWAYS, GST_STATIC_CAPS (GST_VIDEO_CAPS_MAKE (FORMATS) "; " GST_SIMCLR_TENSOR_CAPS));

G_DEFINE_FINAL_TYPE (GstSimclrEncoder, gst_simclr_encoder, GST_TYPE_ELEMENT)
GST_ELEMENT_REGISTER_DEFINE (simclrencoder, "simclrencoder", GST_RANK_NONE, GST_TYPE_SIMCLR_ENCODER)

static GstFlowReturn
chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  GstSimclrEncoder *self = GST_SIMCLR_ENCODER (parent);

  if (self->caps != NULL && gst_pad_check_reconfigure (self->srcpad) &&
      !_gst_simclr_encoder_negotiate (self)) {
    gst_pad_mark_reconfigure (self->srcpad);
    gst_buffer_unref (buffer);
    return _gst_simclr_encoder_is_flushing (self) ? GST_FLOW_FLUSHING : GST_FLOW_NOT_NEGOTIATED;
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

/* Back to what init left; no streaming thread is here. */
static void
reset (GstSimclrEncoder *self)
{
  _gst_simclr_encoder_drop_batch (self);
  _gst_simclr_encoder_close (self);
  g_clear_pointer (&self->pictures, g_free);
  g_clear_pointer (&self->crops, g_free);
  g_clear_pointer (&self->offsets, g_free);
  g_clear_pointer (&self->times, g_free);
  g_clear_pointer (&self->streams, g_free);
  g_clear_pointer (&self->frames, g_free);
  self->pairs = 0;
  gst_simclr_streams_clear (&self->seen);
  self->stream = 0;
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
    _gst_simclr_encoder_take_settings (self);
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
gst_simclr_encoder_class_init (GstSimclrEncoderClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_simclr_encoder_debug, "simclrencoder", 0, "SimCLR encoder");
  gst_simclr_embedding_meta_register ();
  gst_simclr_frame_meta_register ();

  object_class->finalize = finalize;
  _gst_simclr_encoder_install_properties (object_class);

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
  _gst_simclr_encoder_init_settings (self);
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
  gst_pad_set_event_full_function (self->sinkpad, _gst_simclr_encoder_sink_event);
  gst_pad_set_query_function (self->sinkpad, _gst_simclr_encoder_sink_query);
  gst_element_add_pad (GST_ELEMENT (self), self->sinkpad);

  self->srcpad = gst_pad_new_from_static_template (&src_template, "src");
  gst_pad_set_event_function (self->srcpad, _gst_simclr_encoder_src_event);
  gst_pad_set_query_function (self->srcpad, _gst_simclr_encoder_src_query);
  gst_element_add_pad (GST_ELEMENT (self), self->srcpad);
}
