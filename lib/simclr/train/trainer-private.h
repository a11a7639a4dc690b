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

/**
 * SimclrTrainer:
 *
 * Trains an [class@Encoder] by contrastive loss. Settings are properties, read at the first step. One
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
  SimclrNegatives *negatives; /* NULL: none */
  SimclrOnlineProbe *probe;   /* learns when batches have labels */

  /* From resume to the first step */
  SimclrWeights *resumed;
  SimclrSafetensors *resumed_file;

  SimclrHealth health;

  /* One step's memory */
  gsize memory_rows;
  gfloat *memory;
  gfloat *dh, *dz, *scratch;
  gdouble *doubles; /* of the statistics */
};

void _simclr_trainer_install_properties (GObjectClass *object_class);
