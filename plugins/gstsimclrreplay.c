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
 * * `policy=min-redundancy` (the default): frames that differ, to the eyes of the encoder that is being trained. A
 *   camera that looks at one scene for an hour gives that hour no more room than what is to be seen in it. Of the
 *   policies with bounded memory it learns most from ordered streams, as much as shuffled training in most of what was
 *   measured (docs/streams.md); it costs two embeddings for each frame that comes in.
 * * `policy=reservoir`: a uniform sample of everything seen, which costs nothing: for encoders so large that embedding
 *   every frame would take too much from training.
 * * `policy=fifo`: the newest frames.
 * * `policy=all`: every frame, for a file or folder. What does not fit into #GstSimclrReplay:capacity
 *   and #GstSimclrReplay:max-bytes is an error.
 *
 * With any policy #GstSimclrReplay:min-distance keeps out frames that look like one of the last that were
 * taken in, which costs microseconds: with a camera the first thing to set.
 *
 * With #GstSimclrReplay:labels, the text file that simclrtrainer reads for fine-tuning, only frames with a label are
 * taken in, and of these only #GstSimclrReplay:label-fraction: the 1 % and 10 % splits of semi-supervised
 * learning, the same share of every label. The seed decides which.
 *
 * Frames are held by reference, and copied only when holding them would starve somebody: buffers of a
 * pool with a fixed number of buffers, memory of a device, or a small piece of a large memory. With
 * #GstSimclrReplay:storage-size they are stored scaled down, as RGB, at the size that training needs:
 * 10,000 frames of 64x48 take 92 MB.
 * #GstSimclrReplay:max-bytes counts the memory of pixels and embeddings; the bookkeeping adds about 1 KiB a
 * frame. Frames flagged GAP or CORRUPTED, and empty ones, are not stored. A flush or a seek does not clear
 * the memory; going to READY does. When the input's caps change, frames stored before keep theirs,
 * and each sample is preceded by its caps where they differ from those of the sample before.
 *
 * ## Minimum redundancy
 *
 * When the memory is full, of the two frames whose embeddings are most alike (cosine) one goes.
 *
 * * `redundancy-rule=newer` (the default): each frame is embedded after it has come in, with the weights
 *   that training has at that moment, and of the two the newer one goes. Frames that repeat what the memory
 *   has seen do not push out what they repeat. With each frame that is embedded #GstSimclrReplay:refresh-ratio
 *   stored ones are embedded anew, those whose embedding is the oldest: an encoder in training moves on, and
 *   only embeddings of about the same age can be compared.
 * * `redundancy-rule=published`: the rule of Purushwalkam et al. 2022 (2203.12710). Embeddings come from
 *   training, as a moving average over the times a frame was trained on; either of the two goes. Nothing
 *   is computed in addition.
 *
 * The weights are those of the simclrencoder downstream, found by a query through the elements between; with
 * #GstSimclrReplay:model they are those published under that name. Embedding is done by the thread that
 * pushes samples, between two of them, so that no camera waits for it, and no more frames than samples, so that
 * training goes on however fast frames come in; a frame that comes in costs a product of all embeddings with one. Up to 64 frames wait to be embedded (at most a quarter of the
 * memory); while more would, new ones are not taken in. Before there are weights, and without any, chance
 * decides as with `policy=reservoir`.
 *
 * ## Short and long memory
 *
 * With #GstSimclrReplay:fresh-ratio the newest #GstSimclrReplay:fresh-frames frames are a short memory of
 * their own, from which that share of the samples is drawn; the policy rules over the long memory, into which
 * frames come that leave the short one. #GstSimclrReplay:capacity is that of both together.
 *
 * ## Several cameras
 *
 * Each camera has a sink pad: `sink`, or `sink_%u` on request; gst-launch-1.0 finds one for each `! NAME.`. They
 * share the memory, and each is as likely as every other to give the next sample, however many frames it has in it,
 * so that a batch's negatives come from different scenes. Input ends when all have ended. The output continues the
 * stream of the first. Which stream a frame is from goes with it (field `stream` of the meta `SimclrFrame`), so that
 * `exclude-neighbours` of simclrtrainer takes only frames of one camera for neighbours; streams that a `funnel` joins
 * are told apart as well.
 *
 * ## Neighbours in time
 *
 * If simclraugment downstream has a `temporal-window`, a sample brings along another frame of the memory as a
 * meta, drawn from those of the same camera and shot that were filmed at most that much before or after it;
 * simclraugment makes view 2 from that one. A shot ends with a DISCONT, a flush, a new segment, a change
 * of caps, and where a frame looks altogether different from the one before
 * (#GstSimclrReplay:cut-distance).
 *
 * ## The memory in a file
 *
 * With #GstSimclrReplay:location the memory is written as safetensors at the end, on the way to READY, and after
 * each checkpoint of simclrtrainer (not more often than #GstSimclrReplay:save-interval); with
 * #GstSimclrReplay:resume the next run begins with it. A write is atomic. The file has a tensor of bytes
 * for each frame (`frame.N`), its embedding (`embedding.N`) if there is one, and metadata with times, cameras and
 * shots. A file that is not sound is an error, and is left as it is.
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
 * #GstSimclrReplay:max-samples-per-frame bounds training: it waits when no new frames come in, instead of
 * learning by heart what there is. #GstSimclrReplay:min-samples-per-frame makes the input wait for training, for
 * a file that is played once as if it were a camera; with both the same a run is decided by its seeds.
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
 * in since the start. The buffer's offset is its number in the sequence of samples. Every sample is flagged
 * DISCONT: neighbours in the output are no neighbours in time. QoS
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
 * * `near` (guint64): frames that were not, for #GstSimclrReplay:min-distance
 * * `cuts` (guint64): scene cuts
 * * `embedded` (guint64): frames held whose embedding is known
 * * `redundancy` (gdouble): mean cosine between the embedding of a frame held and the one most like it
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
 *
 * |[
 * gst-launch-1.0 videotestsrc pattern=ball num-buffers=150 ! simclrreplay policy=min-redundancy capacity=64 min-fill=32 storage-size=40 min-distance=0.002 min-samples-per-frame=1 ! simclraugment size=32 temporal-window=500000000 ! simclrencoder width=0.125 batch-size=16 ! simclrtrainer
 * ]| Trains beside a stream that repeats itself; the memory keeps what differs.
 *
 * |[
 * gst-launch-1.0 videotestsrc pattern=ball num-buffers=100 ! video/x-raw,format=RGB,width=64,height=64 ! cameras.sink_0 videotestsrc pattern=snow num-buffers=100 ! video/x-raw,format=RGB,width=64,height=64 ! cameras.sink_1 simclrreplay name=cameras min-fill=50 ! fakesink
 * ]| Two cameras, drawn from alike.
 */

#include "gstsimclrreplayprivate.h"

GST_DEBUG_CATEGORY (gst_simclr_replay_debug);
#define GST_CAT_DEFAULT gst_simclr_replay_debug

G_DEFINE_FINAL_TYPE_WITH_CODE (GstSimclrReplay, gst_simclr_replay, GST_TYPE_ELEMENT,
    GST_DEBUG_CATEGORY_INIT (gst_simclr_replay_debug, "simclrreplay", 0, "replay memory"))
GST_ELEMENT_REGISTER_DEFINE (simclrreplay, "simclrreplay", GST_RANK_NONE, GST_TYPE_SIMCLR_REPLAY)

static void
reset_counters (GstSimclrReplay *self)
{
  self->main_input = NULL;
  for (guint i = 0; i < self->inputs->len; i++) {
    GstSimclrReplayInput *input = g_ptr_array_index (self->inputs, i);

    input->started = input->ended = FALSE;
  }
  self->started = self->input_ended = self->filled = self->located = FALSE;
  self->next_sample = self->pushed = self->done = self->frames = 0;
  self->copied = self->received = self->ignored = self->near = self->cuts = self->unlabelled = 0;
  self->need_segment = TRUE;
  self->was_flushed = FALSE;
  self->seqnum = GST_SEQNUM_INVALID;
  self->stale_due = 0;
  self->embed_due = 0;
  self->can_embed = self->is_following = self->must_save = self->changed = FALSE;
}

static gboolean
start (GstSimclrReplay *self)
{
  const GstSimclrReplaySettings *run = &self->run;

  gst_simclr_replay_take_settings (self);
  if (!gst_simclr_replay_load_labels (self))
    return FALSE;
  g_mutex_lock (&self->lock);
  self->memory = simclr_replay_new (
      run->policy, run->capacity, run->max_bytes, run->seed, (GDestroyNotify) gst_sample_unref);
  simclr_replay_set_rule (self->memory, run->rule);
  if (run->fresh_ratio > 0)
    simclr_replay_set_fresh (self->memory, run->fresh_ratio, run->fresh_frames);
  reset_counters (self);
  g_mutex_unlock (&self->lock);
  gst_simclr_replay_reset_src (self);
  gst_simclr_replay_open_model (self);

  if (run->policy != SIMCLR_REPLAY_POLICY_ALL && run->capacity == 0 && run->max_bytes == 0)
    GST_WARNING_OBJECT (self, "neither capacity nor max-bytes: the memory grows without end");
  return gst_simclr_replay_restore (self);
}

static void
stop (GstSimclrReplay *self)
{
  gst_simclr_replay_close_model (self);
  g_clear_pointer (&self->labels, gst_simclr_labels_free);
  g_mutex_lock (&self->lock);
  g_clear_object (&self->memory);
  g_clear_pointer (&self->drawn, g_free);
  g_queue_clear_full (&self->pending, (GDestroyNotify) gst_event_unref);
  g_mutex_unlock (&self->lock);
  gst_simclr_replay_reset_src (self);
}

static GstStateChangeReturn
gst_simclr_replay_change_state (GstElement *element, GstStateChange transition)
{
  GstSimclrReplay *self = GST_SIMCLR_REPLAY (element);
  GstStateChangeReturn result;

  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && !start (self)) {
    stop (self);
    return GST_STATE_CHANGE_FAILURE;
  }
  result = GST_ELEMENT_CLASS (gst_simclr_replay_parent_class)->change_state (element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    gst_simclr_replay_save (self, TRUE);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY ||
      (transition == GST_STATE_CHANGE_READY_TO_PAUSED && result == GST_STATE_CHANGE_FAILURE))
    stop (self);
  return result;
}

/* Cameras of one memory, at most. */
#define MOST_PADS 1024

/* Lock held. */
static gboolean
is_taken (GstSimclrReplay *self, guint64 number)
{
  for (guint i = 0; i < self->inputs->len; i++) {
    if (((GstSimclrReplayInput *) g_ptr_array_index (self->inputs, i))->source == number + 1)
      return TRUE;
  }
  return FALSE;
}

/* A name that is given is kept; otherwise the lowest number that is free, for cameras may come and go for ever.
 * sink is camera 0, sink_0 camera 1, ... */
static GstPad *
gst_simclr_replay_request_new_pad (
    GstElement *element, GstPadTemplate *template, const gchar *name, const GstCaps *caps)
{
  GstSimclrReplay *self = GST_SIMCLR_REPLAY (element);
  g_autofree gchar *made_up = NULL;
  GstSimclrReplayInput *input;
  guint64 number = 0;

  if (!name || !g_str_has_prefix (name, "sink_") ||
      !g_ascii_string_to_unsigned (name + strlen ("sink_"), 10, 0, MOST_PADS - 1, &number, NULL)) {
    g_mutex_lock (&self->lock);
    while (is_taken (self, number))
      number++;
    g_mutex_unlock (&self->lock);
    name = made_up = g_strdup_printf ("sink_%" G_GUINT64_FORMAT, number);
  }
  if (number >= MOST_PADS)
    return NULL;

  input = gst_simclr_replay_add_input (self, template, name, (guint) number + 1);
  if (!gst_element_add_pad (element, input->pad)) {
    gst_simclr_replay_remove_input (self, input->pad);
    return NULL;
  }
  return input->pad;
}

static void
gst_simclr_replay_release_pad (GstElement *element, GstPad *pad)
{
  GstSimclrReplay *self = GST_SIMCLR_REPLAY (element);

  gst_object_ref (pad);
  gst_pad_set_active (pad, FALSE);
  gst_element_remove_pad (element, pad);
  gst_simclr_replay_remove_input (self, pad);
  gst_object_unref (pad);
}

static void
gst_simclr_replay_finalize (GObject *object)
{
  GstSimclrReplay *self = GST_SIMCLR_REPLAY (object);

  stop (self);
  gst_simclr_replay_clear_settings (self);
  g_ptr_array_unref (self->inputs);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->wake);
  G_OBJECT_CLASS (gst_simclr_replay_parent_class)->finalize (object);
}

static void
gst_simclr_replay_class_init (GstSimclrReplayClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  object_class->finalize = gst_simclr_replay_finalize;
  element_class->change_state = gst_simclr_replay_change_state;
  element_class->request_new_pad = gst_simclr_replay_request_new_pad;
  element_class->release_pad = gst_simclr_replay_release_pad;

  gst_simclr_replay_install_properties (object_class);
  /* the first that fits is the one that links by the element's name alone ask for, once "sink" is taken */
  gst_element_class_add_static_pad_template (element_class, &gst_simclr_replay_request_template);
  gst_element_class_add_static_pad_template (element_class, &gst_simclr_replay_sink_template);
  gst_element_class_add_static_pad_template (element_class, &gst_simclr_replay_src_template);
  gst_element_class_set_static_metadata (element_class, "SimCLR replay memory", "Filter/Video",
      "Stores frames at the camera's rate and pushes random ones at the trainer's",
      "The gst-simclr developers");
}

static void
gst_simclr_replay_init (GstSimclrReplay *self)
{
  g_autoptr (GstPadTemplate) template =
      gst_static_pad_template_get (&gst_simclr_replay_sink_template);

  g_mutex_init (&self->lock);
  g_cond_init (&self->wake);
  g_queue_init (&self->pending);
  self->flow = GST_FLOW_FLUSHING;
  self->inputs = g_ptr_array_new_with_free_func (gst_simclr_replay_input_free);
  gst_simclr_replay_init_settings (self);
  gst_simclr_replay_init_src (self);
  self->first = gst_simclr_replay_add_input (self, template, "sink", 0);
  gst_element_add_pad (GST_ELEMENT (self), self->first->pad);
}
