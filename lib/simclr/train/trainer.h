/* Training: projection head or labels, loss, optimizer, schedule, checkpoint.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/nn/encoder.h>
#include <simclr/nn/model.h>

G_BEGIN_DECLS

/**
 * SimclrTrainingStatistics:
 * @step: steps since step 0, this one and skipped ones included
 * @pairs_seen: pairs that entered training since step 0, skipped steps included
 * @skipped: steps skipped for a non-finite loss or gradient since step 0
 * @was_skipped: this step was skipped: nothing was changed
 * @loss: mean over all views, nats; of cross entropy over those with a label
 * @accuracy: share of these views whose best logit is their label's (cross entropy) or the teacher's best one
 *   (distillation), before this step; -1 with a contrastive loss, or without labels
 * @contrastive_accuracy: share of views whose positive is the most similar, 0 to 1; -1 without contrast: then this
 *   and what is said of projections below is not known, and 0
 * @contrastive_entropy: mean entropy of the softmax over candidates, nats
 * @learning_rate: used in this step
 * @gradient_norm: Euclidean norm of the whole gradient
 * @embedding_deviation: mean over dimensions of the deviation of unit-length projections over the
 *   batch, times the square root of the dimensions: 1 when spread evenly, 0 when collapsed
 * @effective_rank: exponential of the entropy of the projections' singular values (RankMe)
 * @collapsed_dimensions: dimensions of the unit-length projections that deviate by less than a hundredth of
 *   an even spread
 * @alignment: mean squared distance of the unit-length projections of a pair, 0 when they are the same
 *   (Wang and Isola 2020)
 * @uniformity: log of the mean of exp (-2 squared distance) between pairs, -4 when spread evenly, 0 when
 *   collapsed (Wang and Isola 2020), over at most 256 pairs
 * @collapsed: for some steps now the projections have been all alike or on one line
 * @diverging: for some steps now the loss has been well above what it had come down to, and positives were found
 *   less than half as often; or the weights have grown a thousandfold
 * @sound: the weights are worth keeping: nothing in this step or those before speaks of divergence
 * @weight_norm: Euclidean norm of all weights after the step
 * @probe_accuracy: share of the batch's labelled views that a linear layer on the representation, which
 *   learns beside without touching the encoder, got right before this step; -1 without labels
 * @probe_loss: its mean cross entropy, nats; -1 without labels
 * @seconds: time the step took in this call (forward pass not included)
 *
 * What one training step did.
 */
typedef struct
{
  guint64 step;
  guint64 pairs_seen;
  guint64 skipped;
  gboolean was_skipped;
  gdouble loss;
  gdouble accuracy;
  gdouble contrastive_accuracy;
  gdouble contrastive_entropy;
  gdouble learning_rate;
  gdouble gradient_norm;
  gdouble embedding_deviation;
  gdouble effective_rank;
  guint collapsed_dimensions;
  gdouble alignment;
  gdouble uniformity;
  gboolean collapsed;
  gboolean diverging;
  gboolean sound;
  gdouble weight_norm;
  gdouble probe_accuracy;
  gdouble probe_loss;
  gdouble seconds;
} SimclrTrainingStatistics;

/* SimclrTrainer: a GObject with properties loss, temperature, margin, semi-hard, negatives, exclude-neighbours, projection-layers, projection-hidden,
 * projection-size, head-layer, distillation-temperature, optimizer, learning-rate, learning-rate-scaling, momentum,
 * weight-decay, trust-coefficient, schedule, warmup-steps, total-steps, restart-steps, restart-factor, seed (of the head's initial weights), and
 * read-only step, pairs-seen, skipped-steps. */
#define SIMCLR_TYPE_TRAINER (simclr_trainer_get_type ())
SIMCLR_API
G_DECLARE_FINAL_TYPE (SimclrTrainer, simclr_trainer, SIMCLR, TRAINER, GObject)

SIMCLR_API
SimclrTrainer *simclr_trainer_new (void) G_GNUC_WARN_UNUSED_RESULT;
/* Before the first step: what loss=cross-entropy tells apart, and who teaches loss=distillation. */
SIMCLR_API
void simclr_trainer_set_labels (SimclrTrainer *self, const gchar *const *labels);
SIMCLR_API
gboolean simclr_trainer_set_teacher (SimclrTrainer *self, SimclrWeights *teacher, GError **error);
/* Rows a0 b0 a1 b1 ...; a non-finite loss or gradient is no error: statistics->was_skipped. */
SIMCLR_API
gboolean simclr_trainer_step (SimclrTrainer *self, SimclrForwardPass *pass,
    SimclrTrainingStatistics *statistics, GError **error);
/* The whole state (encoder, head, optimizer, position), atomically. */
SIMCLR_API
gboolean simclr_trainer_save (SimclrTrainer *self, const gchar *path, GError **error);
/* Before the first step: take up a saved state. The encoder must then be started with
 * simclr_trainer_get_weights(). */
SIMCLR_API
gboolean simclr_trainer_resume (SimclrTrainer *self, const gchar *path, GError **error);
/* Newest weights of encoder and head (a snapshot), NULL before the first step without resume. */
SIMCLR_API
SimclrWeights *simclr_trainer_get_weights (SimclrTrainer *self) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
