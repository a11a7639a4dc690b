/* How the encoder makes forward passes and takes them back.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/nn/encoder.h>
#include <simclr/base/view-facts-private.h>

/* embeddings (n_views + n_views / 2 * crops_per_pair, size) belong to the encoder's plan. */
SimclrForwardPass *_simclr_forward_pass_new (SimclrEncoder *encoder, guint n_views,
    guint crops_per_pair, const gfloat *embeddings) G_GNUC_WARN_UNUSED_RESULT;

/* What was said of the views; borrowed. */
SimclrViewFacts _simclr_forward_pass_get_facts (SimclrForwardPass *self);

/* Called by the pass: the gradient flows back through the encoder's plan; and the pass is gone. */
void _simclr_encoder_backward (SimclrEncoder *self, const gfloat *gradient);
void _simclr_encoder_pass_returned (SimclrEncoder *self);
