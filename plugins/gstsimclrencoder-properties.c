/* simclrencoder's properties: what a user says, and what of it holds in a run.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrencoder-private.h"

#include "gstsimclrproperties.h"

#define FLAGS (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY)

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
  PROP_CALIBRATION_FRAMES,
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
  case PROP_CALIBRATION_FRAMES:
    settings->calibration_frames = g_value_get_uint (value);
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
  case PROP_CALIBRATION_FRAMES:
    g_value_set_uint (value, settings->calibration_frames);
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

/* What there is before there are weights. */
static void
install_untrained (GObjectClass *klass)
{
  g_object_class_install_property (klass, PROP_ARCHITECTURE,
      g_param_spec_enum ("architecture", "Architecture",
          "Residual network of an untrained encoder (weights bring their own). The paper's is "
          "resnet50; the default is what a CPU trains at a useful rate.",
          gst_simclr_described_enum (SIMCLR_TYPE_ARCHITECTURE), SIMCLR_ARCHITECTURE_RESNET18,
          FLAGS));
  g_object_class_install_property (klass, PROP_WIDTH,
      g_param_spec_double ("width", "Width",
          "Multiplier of the channels of an untrained encoder, fractions allowed; at least one "
          "channel is left in each layer.",
          1.0 / 64, 16, 1, FLAGS));
  g_object_class_install_property (klass, PROP_STEM,
      g_param_spec_enum ("stem", "Stem",
          "First layers of an untrained encoder; auto takes cifar for inputs of at most 32 pixels, "
          "else imagenet.",
          gst_simclr_described_enum (SIMCLR_TYPE_STEM), SIMCLR_STEM_AUTO, FLAGS));
  g_object_class_install_property (klass, PROP_INPUT_SIZE,
      g_param_spec_uint ("input-size", "Input size",
          "Side in pixels of the square picture that the encoder sees; 0: as its weights say, for "
          "an untrained one 32 or 224, by stem and frame. When training it is the size of the "
          "pairs.",
          0, 4096, 0, FLAGS));
  g_object_class_install_property (klass, PROP_NORMALIZATION,
      g_param_spec_enum ("normalization", "Normalization",
          "How pixels become the encoder's input; auto follows the weights.",
          gst_simclr_described_enum (SIMCLR_TYPE_NORMALIZATION), SIMCLR_NORMALIZATION_AUTO, FLAGS));
  g_object_class_install_property (klass, PROP_SEED,
      g_param_spec_uint64 ("seed", "Seed",
          "Seed of an untrained encoder's weights: the same seed gives the same weights.", 0,
          G_MAXUINT64, 0, FLAGS));
}

/* Where weights come from, and who shares them. */
static void
install_weights (GObjectClass *klass)
{
  g_object_class_install_property (klass, PROP_LOCATION,
      g_param_spec_string ("location", "Location",
          "Safetensors file to load weights from: a checkpoint of simclrtrainer, or a torchvision "
          "ResNet, alone or inside the model of another SimCLR implementation; with %d or %08llu "
          "in "
          "its name the newest of simclrtrainer's numbered ones. Unset: none.",
          NULL, FLAGS));
  g_object_class_install_property (klass, PROP_MODEL,
      g_param_spec_string ("model", "Model",
          "Name under which encoders of this process share weights: those that train publish them, "
          "those that embed take the newest between two batches; unset: not shared.",
          NULL, FLAGS));
  g_object_class_install_property (klass, PROP_FOLLOW,
      g_param_spec_boolean ("follow", "Follow",
          "Take new versions of location as they are written, by another process for example; with "
          "a model, all who share it do. Frames pass without an embedding until there is a file. "
          "Not used when training.",
          FALSE, FLAGS));
  g_object_class_install_property (klass, PROP_FOLLOW_INTERVAL,
      g_param_spec_uint64 ("follow-interval", "Follow interval",
          "Nanoseconds between two looks at a file that is followed, at least.", 0, G_MAXINT64,
          GST_SECOND, FLAGS));
}

static void
install_batches (GObjectClass *klass)
{
  g_object_class_install_property (klass, PROP_BATCH_SIZE,
      g_param_spec_uint ("batch-size", "Batch size",
          "Pairs in a batch when training, frames in a batch when embedding; 0: 64 pairs or 1 "
          "frame.",
          0, 65536, 0, FLAGS));
  g_object_class_install_property (klass, PROP_MICROBATCH_SIZE,
      g_param_spec_uint ("microbatch-size", "Microbatch size",
          "Pairs that go through the network at a time when training, so that a large batch fits "
          "in little memory; each is computed twice. 0: the whole batch.",
          0, 65536, 0, FLAGS));
  g_object_class_install_property (klass, PROP_BATCH_TIMEOUT,
      g_param_spec_uint64 ("batch-timeout", "Batch timeout",
          "Nanoseconds after its first frame when an incomplete batch is embedded all the same; 0: "
          "a batch waits until it is full. Not used when training.",
          0, G_MAXINT64, 0, FLAGS));
  g_object_class_install_property (klass, PROP_OUTPUT,
      g_param_spec_enum ("output", "Output",
          "Which embedding of a frame is sent; projection needs weights with a projection head. "
          "Not used when training.",
          gst_simclr_described_enum (SIMCLR_TYPE_OUTPUT), SIMCLR_OUTPUT_REPRESENTATION, FLAGS));
  g_object_class_install_property (klass, PROP_QOS,
      g_param_spec_boolean ("qos", "Quality of service",
          "Frames that downstream calls too late pass without an embedding; tensors are not made "
          "of them.",
          TRUE, FLAGS));
}

static void
install_computing (GObjectClass *klass)
{
  g_object_class_install_property (klass, PROP_PRECISION,
      g_param_spec_enum ("precision", "Precision",
          "Number format of activations. bfloat16 takes half the memory; auto takes it where the "
          "processor multiplies it and oneDNN was built in, else float32. Weights, sums and the "
          "loss are float32 in both. int8 only embeds; auto never takes it.",
          gst_simclr_described_enum (SIMCLR_TYPE_PRECISION), SIMCLR_PRECISION_AUTO, FLAGS));
  g_object_class_install_property (klass, PROP_CALIBRATION_FRAMES,
      g_param_spec_uint ("calibration-frames", "Calibration frames",
          "With precision=int8: frames that are embedded as with precision=auto, after each change "
          "of weights, to learn how far the bytes have to reach. They should be like those that "
          "follow.",
          1, 65536, 32, FLAGS));
  g_object_class_install_property (klass, PROP_PROVIDER,
      g_param_spec_enum ("provider", "Provider",
          "Who computes the convolutions; auto takes the fastest that was built in.",
          gst_simclr_described_enum (SIMCLR_TYPE_PROVIDER), SIMCLR_PROVIDER_AUTO, FLAGS));
  g_object_class_install_property (klass, PROP_THREADS,
      g_param_spec_uint ("threads", "Threads",
          "Threads that compute; 0: one for each processor this process may use.", 0, 1024, 0,
          FLAGS));
  g_object_class_install_property (klass, PROP_NICE,
      g_param_spec_uint ("nice", "Niceness",
          "How far the threads that compute give way to others, as nice(1), 0 to 19; training too "
          "runs in them. Only on Linux.",
          0, 19, 0, FLAGS));
  g_object_class_install_property (klass, PROP_MAX_CPU,
      g_param_spec_double ("max-cpu", "Maximum share of time",
          "Share of the time that training steps may take, 0.01 to 1: after each step training "
          "rests as long as it takes to keep it. Not used when embedding.",
          0.01, 1, 1, FLAGS));
}

void
_gst_simclr_encoder_install_properties (GObjectClass *klass)
{
  klass->set_property = set_property;
  klass->get_property = get_property;
  install_untrained (klass);
  install_weights (klass);
  install_batches (klass);
  install_computing (klass);
  g_object_class_install_property (klass, PROP_EMBEDDING_SIZE,
      g_param_spec_uint ("embedding-size", "Embedding size",
          "Floats of one embedding; 0 until the encoder is made, at the first caps.", 0, G_MAXUINT,
          0, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

/* As the property specifications promise. */
void
_gst_simclr_encoder_init_settings (GstSimclrEncoder *self)
{
  self->settings = (GstSimclrEncoderSettings){
      .architecture = SIMCLR_ARCHITECTURE_RESNET18,
      .width = 1,
      .stem = SIMCLR_STEM_AUTO,
      .normalization = SIMCLR_NORMALIZATION_AUTO,
      .output = SIMCLR_OUTPUT_REPRESENTATION,
      .precision = SIMCLR_PRECISION_AUTO,
      .calibration_frames = 32,
      .provider = SIMCLR_PROVIDER_AUTO,
      .max_cpu = 1,
      .follow_interval = GST_SECOND,
      .qos = TRUE,
  };
}

void
_gst_simclr_encoder_settings_clear (GstSimclrEncoderSettings *settings)
{
  g_clear_pointer (&settings->location, g_free);
  g_clear_pointer (&settings->model, g_free);
}

void
_gst_simclr_encoder_take_settings (GstSimclrEncoder *self)
{
  _gst_simclr_encoder_settings_clear (&self->active);
  GST_OBJECT_LOCK (self);
  self->active = self->settings;
  self->active.location = gst_simclr_dup_text (self->settings.location);
  self->active.model = gst_simclr_dup_text (self->settings.model);
  GST_OBJECT_UNLOCK (self);
}
