/* The trainer's settings and counters as properties.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/train/trainer-private.h>

#include <simclr/simclr-enum-types.h>

enum
{
  PROP_0,
  PROP_LOSS,
  PROP_TEMPERATURE,
  PROP_MARGIN,
  PROP_SEMI_HARD,
  PROP_NEGATIVES,
  PROP_EXCLUDE_NEIGHBOURS,
  PROP_PROJECTION_LAYERS,
  PROP_PROJECTION_HIDDEN,
  PROP_PROJECTION_SIZE,
  PROP_HEAD_LAYER,
  PROP_DISTILLATION_TEMPERATURE,
  PROP_OPTIMIZER,
  PROP_LEARNING_RATE,
  PROP_LEARNING_RATE_SCALING,
  PROP_MOMENTUM,
  PROP_WEIGHT_DECAY,
  PROP_TRUST_COEFFICIENT,
  PROP_SCHEDULE,
  PROP_WARMUP_STEPS,
  PROP_TOTAL_STEPS,
  PROP_RESTART_STEPS,
  PROP_RESTART_FACTOR,
  PROP_SEED,
  PROP_STEP,
  PROP_PAIRS_SEEN,
  PROP_SKIPPED_STEPS,
  N_PROPERTIES
};

static GParamSpec *properties[N_PROPERTIES];

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  SimclrTrainer *self = SIMCLR_TRAINER (object);

  switch (id) {
  case PROP_LOSS:
    g_value_set_enum (value, (gint) self->loss);
    break;
  case PROP_TEMPERATURE:
    g_value_set_double (value, self->temperature);
    break;
  case PROP_MARGIN:
    g_value_set_double (value, self->margin);
    break;
  case PROP_SEMI_HARD:
    g_value_set_boolean (value, self->semi_hard);
    break;
  case PROP_NEGATIVES:
    g_value_set_uint (value, self->n_negatives);
    break;
  case PROP_EXCLUDE_NEIGHBOURS:
    g_value_set_uint64 (value, self->neighbours);
    break;
  case PROP_PROJECTION_LAYERS:
    g_value_set_uint (value, self->projection_layers);
    break;
  case PROP_PROJECTION_HIDDEN:
    g_value_set_uint (value, self->projection_hidden);
    break;
  case PROP_PROJECTION_SIZE:
    g_value_set_uint (value, self->projection_size);
    break;
  case PROP_HEAD_LAYER:
    g_value_set_uint (value, self->head_layer);
    break;
  case PROP_DISTILLATION_TEMPERATURE:
    g_value_set_double (value, self->distillation_temperature);
    break;
  case PROP_OPTIMIZER:
    g_value_set_enum (value, (gint) self->optimizer.method);
    break;
  case PROP_LEARNING_RATE:
    g_value_set_double (value, self->learning_rate);
    break;
  case PROP_LEARNING_RATE_SCALING:
    g_value_set_enum (value, (gint) self->scaling);
    break;
  case PROP_MOMENTUM:
    g_value_set_double (value, self->optimizer.momentum);
    break;
  case PROP_WEIGHT_DECAY:
    g_value_set_double (value, self->optimizer.weight_decay);
    break;
  case PROP_TRUST_COEFFICIENT:
    g_value_set_double (value, self->optimizer.trust_coefficient);
    break;
  case PROP_SCHEDULE:
    g_value_set_enum (value, (gint) self->schedule.shape);
    break;
  case PROP_WARMUP_STEPS:
    g_value_set_uint64 (value, self->schedule.warmup_steps);
    break;
  case PROP_TOTAL_STEPS:
    g_value_set_uint64 (value, self->schedule.total_steps);
    break;
  case PROP_RESTART_STEPS:
    g_value_set_uint64 (value, self->schedule.restart_steps);
    break;
  case PROP_RESTART_FACTOR:
    g_value_set_uint (value, self->schedule.restart_factor);
    break;
  case PROP_SEED:
    g_value_set_uint64 (value, self->seed);
    break;
  case PROP_STEP:
    g_value_set_uint64 (value, self->step);
    break;
  case PROP_PAIRS_SEEN:
    g_value_set_uint64 (value, self->pairs_seen);
    break;
  case PROP_SKIPPED_STEPS:
    g_value_set_uint64 (value, self->skipped);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
}

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  SimclrTrainer *self = SIMCLR_TRAINER (object);

  switch (id) {
  case PROP_LOSS:
    self->loss = (SimclrLoss) g_value_get_enum (value);
    break;
  case PROP_TEMPERATURE:
    self->temperature = g_value_get_double (value);
    break;
  case PROP_MARGIN:
    self->margin = g_value_get_double (value);
    break;
  case PROP_SEMI_HARD:
    self->semi_hard = g_value_get_boolean (value);
    break;
  case PROP_NEGATIVES:
    self->n_negatives = g_value_get_uint (value);
    break;
  case PROP_EXCLUDE_NEIGHBOURS:
    self->neighbours = g_value_get_uint64 (value);
    break;
  case PROP_PROJECTION_LAYERS:
    self->projection_layers = g_value_get_uint (value);
    break;
  case PROP_PROJECTION_HIDDEN:
    self->projection_hidden = g_value_get_uint (value);
    break;
  case PROP_PROJECTION_SIZE:
    self->projection_size = g_value_get_uint (value);
    break;
  case PROP_HEAD_LAYER:
    self->head_layer = g_value_get_uint (value);
    break;
  case PROP_DISTILLATION_TEMPERATURE:
    self->distillation_temperature = g_value_get_double (value);
    break;
  case PROP_OPTIMIZER:
    self->optimizer.method = (SimclrOptimizer) g_value_get_enum (value);
    break;
  case PROP_LEARNING_RATE:
    self->learning_rate = g_value_get_double (value);
    break;
  case PROP_LEARNING_RATE_SCALING:
    self->scaling = (SimclrLearningRateScaling) g_value_get_enum (value);
    break;
  case PROP_MOMENTUM:
    self->optimizer.momentum = g_value_get_double (value);
    break;
  case PROP_WEIGHT_DECAY:
    self->optimizer.weight_decay = g_value_get_double (value);
    break;
  case PROP_TRUST_COEFFICIENT:
    self->optimizer.trust_coefficient = g_value_get_double (value);
    break;
  case PROP_SCHEDULE:
    self->schedule.shape = (SimclrSchedule) g_value_get_enum (value);
    break;
  case PROP_WARMUP_STEPS:
    self->schedule.warmup_steps = g_value_get_uint64 (value);
    break;
  case PROP_TOTAL_STEPS:
    self->schedule.total_steps = g_value_get_uint64 (value);
    break;
  case PROP_RESTART_STEPS:
    self->schedule.restart_steps = g_value_get_uint64 (value);
    break;
  case PROP_RESTART_FACTOR:
    self->schedule.restart_factor = g_value_get_uint (value);
    break;
  case PROP_SEED:
    self->seed = g_value_get_uint64 (value);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
}

#define READWRITE (G_PARAM_READWRITE | G_PARAM_CONSTRUCT | G_PARAM_STATIC_STRINGS)
#define READABLE (G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)

static void
install_loss_properties (void)
{
  properties[PROP_LOSS] = g_param_spec_enum (
      "loss", "Loss", "What training minimises.", SIMCLR_TYPE_LOSS, SIMCLR_LOSS_NT_XENT, READWRITE);
  properties[PROP_TEMPERATURE] = g_param_spec_double ("temperature", "Temperature",
      "Temperature of contrastive losses; a lower one gives the hardest negatives more weight.",
      0.001, 1000, 0.1, READWRITE);
  properties[PROP_MARGIN] = g_param_spec_double ("margin", "Margin",
      "How much more similar (cosine) the positive shall be than a negative; for "
      "loss=margin-triplet.",
      0, 2, 0.8, READWRITE);
  properties[PROP_SEMI_HARD] = g_param_spec_boolean ("semi-hard", "Semi-hard negatives",
      "Each view learns from one negative, the most similar of those less similar than its "
      "positive, "
      "which the paper found better; otherwise from all. For loss=nt-logistic and margin-triplet.",
      TRUE, READWRITE);
  properties[PROP_NEGATIVES] = g_param_spec_uint ("negatives", "Negatives",
      "Projections of past steps that are negatives of all views beside those of the batch; 0: "
      "none.",
      0, 1 << 24, 0, READWRITE);
  properties[PROP_EXCLUDE_NEIGHBOURS] = g_param_spec_uint64 ("exclude-neighbours",
      "Exclude neighbours",
      "Views filmed at most so many nanoseconds apart are no negatives of each other; 0: all are.",
      0, G_MAXINT64 / 2, 0, READWRITE);
  properties[PROP_PROJECTION_LAYERS] = g_param_spec_uint ("projection-layers", "Projection layers",
      "Dense layers of the projection head, each with BatchNorm, ReLU between them.", 1, 3, 2,
      READWRITE);
  properties[PROP_PROJECTION_HIDDEN] = g_param_spec_uint ("projection-hidden", "Projection hidden",
      "Width of the projection head's hidden layers; 0: as wide as the representation.", 0, 65536,
      0, READWRITE);
  properties[PROP_PROJECTION_SIZE] = g_param_spec_uint ("projection-size", "Projection size",
      "Outputs of the projection head.", 1, 65536, 128, READWRITE);
  properties[PROP_HEAD_LAYER] = g_param_spec_uint ("head-layer", "Head layer",
      "Layers of the projection head that become part of the encoder, with the linear layer over "
      "labels behind them; 0: it sees the representation. For loss=cross-entropy and distillation.",
      0, 3, 0, READWRITE);
  properties[PROP_DISTILLATION_TEMPERATURE] = g_param_spec_double ("distillation-temperature",
      "Distillation temperature",
      "How much loss=distillation softens the probabilities of teacher and student: their logits "
      "are divided by it.",
      0.01, 1000, 1, READWRITE);
  properties[PROP_SEED] = g_param_spec_uint64 ("seed", "Seed",
      "Seed of the projection head's initial weights.", 0, G_MAXUINT64, 0, READWRITE);
}

static void
install_optimizer_properties (void)
{
  properties[PROP_OPTIMIZER] =
      g_param_spec_enum ("optimizer", "Optimizer", "How the weights follow the gradient.",
          SIMCLR_TYPE_OPTIMIZER, SIMCLR_OPTIMIZER_LARS, READWRITE);
  properties[PROP_LEARNING_RATE] = g_param_spec_double ("learning-rate", "Learning rate",
      "Learning rate before learning-rate-scaling and schedule.", 0, 1000, 0.3, READWRITE);
  properties[PROP_LEARNING_RATE_SCALING] = g_param_spec_enum ("learning-rate-scaling",
      "Learning rate scaling", "How the learning rate depends on the batch.",
      SIMCLR_TYPE_LEARNING_RATE_SCALING, SIMCLR_LEARNING_RATE_SCALING_LINEAR, READWRITE);
  properties[PROP_MOMENTUM] = g_param_spec_double ("momentum", "Momentum",
      "Momentum of LARS and SGD; first beta of AdamW.", 0, 0.9999, 0.9, READWRITE);
  properties[PROP_WEIGHT_DECAY] = g_param_spec_double ("weight-decay", "Weight decay",
      "Weight decay of convolutions and dense layers; BatchNorm and biases have none.", 0, 10, 1e-6,
      READWRITE);
  properties[PROP_TRUST_COEFFICIENT] = g_param_spec_double ("trust-coefficient",
      "Trust coefficient", "LARS: how far a layer moves in a step, beside the size of its weights.",
      1e-9, 10, 0.001, READWRITE);
}

static void
install_schedule_properties (void)
{
  properties[PROP_SCHEDULE] =
      g_param_spec_enum ("schedule", "Schedule", "How the learning rate depends on the step.",
          SIMCLR_TYPE_SCHEDULE, SIMCLR_SCHEDULE_COSINE, READWRITE);
  properties[PROP_WARMUP_STEPS] = g_param_spec_uint64 ("warmup-steps", "Warm-up steps",
      "Steps over which the learning rate rises from zero; 0: none.", 0, G_MAXUINT64, 0, READWRITE);
  properties[PROP_TOTAL_STEPS] = g_param_spec_uint64 ("total-steps", "Total steps",
      "Steps of the whole training: the cosine ends there, and the run with it; 0: no end, the "
      "rate stays constant.",
      0, G_MAXUINT64, 0, READWRITE);
  properties[PROP_RESTART_STEPS] = g_param_spec_uint64 ("restart-steps", "Restart steps",
      "Steps of the first cycle of schedule=cosine-restarts.", 1, G_MAXUINT64, 10000, READWRITE);
  properties[PROP_RESTART_FACTOR] = g_param_spec_uint ("restart-factor", "Restart factor",
      "Each cycle of schedule=cosine-restarts is so many times as long as the one before.", 1, 1000,
      1, READWRITE);
  properties[PROP_STEP] = g_param_spec_uint64 (
      "step", "Step", "Steps since step 0, skipped ones included.", 0, G_MAXUINT64, 0, READABLE);
  properties[PROP_PAIRS_SEEN] = g_param_spec_uint64 (
      "pairs-seen", "Pairs seen", "Pairs that entered training.", 0, G_MAXUINT64, 0, READABLE);
  properties[PROP_SKIPPED_STEPS] = g_param_spec_uint64 ("skipped-steps", "Skipped steps",
      "Steps skipped for a non-finite loss or gradient.", 0, G_MAXUINT64, 0, READABLE);
}

void
_simclr_trainer_install_properties (GObjectClass *object_class)
{
  object_class->get_property = get_property;
  object_class->set_property = set_property;
  install_loss_properties ();
  install_optimizer_properties ();
  install_schedule_properties ();
  g_object_class_install_properties (object_class, N_PROPERTIES, properties);
}
