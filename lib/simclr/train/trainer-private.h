/* Inside SimclrTrainer, for its files: steps, properties and checkpoints.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/train/trainer.h>
#include <simclr/io/safetensors-private.h>
#include <simclr/nn/projection-head-private.h>
#include <simclr/nn/weights-private.h>
#include <simclr/train/health-private.h>
#include <simclr/train/negatives-private.h>
#include <simclr/train/online-probe-private.h>
#include <simclr/train/optimizer-private.h>
#include <simclr/train/schedule-private.h>
#include <simclr/train/supervision-private.h>

/**
 * SimclrTrainer:
 *
 * Trains an [class@Encoder]: by contrastive loss, on labels, or from a teacher. Settings are properties, read at the first step. One
 * caller at a time.
 */
struct _SimclrTrainer
{
  GObject parent;

  SimclrLoss loss;
  gdouble temperature;
  gdouble margin;
  gboolean semi_hard;
  guint n_negatives;
  guint64 neighbours; /* nanoseconds */
  guint projection_layers;
  guint projection_hidden;
  guint projection_size;
  guint head_layer;
  gdouble distillation_temperature;
  gchar **labels;         /* NULL: none were set */
  SimclrWeights *teacher; /* NULL: none was set */
  SimclrOptimizerSettings optimizer;
  gdouble learning_rate;
  SimclrLearningRateScaling scaling;
  SimclrScheduleSettings schedule;
  guint64 seed;

  guint64 step;
  guint64 pairs_seen;
  guint64 skipped;

  SimclrEncoder *encoder; /* NULL until the first step */
  SimclrProjectionHead *head;
  SimclrOptimizerState *encoder_state;
  SimclrOptimizerState *head_state;
  SimclrNegatives *negatives;     /* NULL: none */
  SimclrOnlineProbe *probe;       /* learns when batches have labels */
  SimclrSupervision *supervision; /* in place of the four above where loss is not contrastive */

  /* From resume to the first step */
  SimclrWeights *resumed;
  SimclrSafetensors *resumed_file;

  SimclrHealth health;
  gboolean is_idle; /* this step's batch had nothing to learn from */

  /* One step's memory */
  gsize memory_rows, memory_crops;
  gfloat *memory;
  gfloat *dh, *dz, *scratch;
  gdouble *doubles; /* of the statistics */
};

SimclrSupervisionSettings _simclr_trainer_get_supervision_settings (SimclrTrainer *self);

void _simclr_trainer_install_properties (GObjectClass *object_class);
