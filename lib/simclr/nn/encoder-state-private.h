/* What the files of SimclrEncoder share: its state.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/nn/encoder-private.h>
#include <simclr/nn/inference-private.h>
#include <simclr/nn/projection-head-private.h>
#include <simclr/nn/training-private.h>
#include <simclr/nn/weights-private.h>

/**
 * SimclrEncoder:
 *
 * A residual network that turns pictures into representations h. It embeds with the running statistics
 * ([method@Encoder.encode]) or takes part in training with those of the batch
 * ([method@Encoder.forward]). One caller at a time; weights travel between threads as
 * [struct@Weights].
 */
struct _SimclrEncoder
{
  GObject parent;

  SimclrWeights *
      weights; /* the newest that were set or snapshot; immutable; without floats while training has them */
  SimclrResnet *resnet; /* NULL until opened, as are parallel and inference */
  SimclrProvider provider;
  SimclrPrecision precision;
  SimclrParallel *parallel;
  guint threads, nice;
  guint calibration_frames; /* of int8 */

  /* Embedding */
  SimclrInference *inference;
  SimclrProjectionHead *head;

  SimclrTraining *training;  /* NULL until the first forward */
  SimclrResnet *crop_resnet; /* for small crops; NULL: none went forward last */
  guint microbatch;          /* pairs */
  gboolean frozen;
  guint64 step;
  gboolean weights_stale; /* the trained values are newer than weights */
  gint pass_is_out;       /* atomic */
};

/* What may fail before anything is computed, once. */
gboolean _simclr_encoder_open (SimclrEncoder *self, GError **error);
/* Opens, and wants at least one picture. */
gboolean _simclr_encoder_check_pictures (
    SimclrEncoder *self, const gfloat *pictures, guint n, GError **error);
/* With the team of threads that it has now. */
void _simclr_encoder_begin_inference (SimclrEncoder *self);
/* Training's, once there is any, or those that were set. */
const gfloat *_simclr_encoder_current_values (SimclrEncoder *self);
const gfloat *_simclr_encoder_current_statistics (SimclrEncoder *self);
