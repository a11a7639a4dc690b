/* A residual encoder f: pictures to representations, for embedding and for training.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/nn/weights.h>

G_BEGIN_DECLS

#define SIMCLR_TYPE_ENCODER (simclr_encoder_get_type ())
SIMCLR_API
G_DECLARE_FINAL_TYPE (SimclrEncoder, simclr_encoder, SIMCLR, ENCODER, GObject)

#define SIMCLR_TYPE_FORWARD_PASS (simclr_forward_pass_get_type ())
SIMCLR_API
G_DECLARE_FINAL_TYPE (SimclrForwardPass, simclr_forward_pass, SIMCLR, FORWARD_PASS, GObject)

SIMCLR_API
SimclrEncoder *simclr_encoder_new (SimclrWeights *weights, SimclrProvider provider,
    SimclrPrecision precision, guint threads, GError **error) G_GNUC_WARN_UNUSED_RESULT;

SIMCLR_API
void simclr_encoder_set_nice (SimclrEncoder *self, guint nice);

/* embedding: thread-compatible (one caller at a time) */
SIMCLR_API
void simclr_encoder_set_calibration_frames (SimclrEncoder *self, guint frames);
SIMCLR_API
gboolean simclr_encoder_is_calibrated (SimclrEncoder *self);
SIMCLR_API
gboolean simclr_encoder_encode (SimclrEncoder *self, const gfloat *pictures, guint n_pictures,
    SimclrOutput output, gfloat *embeddings, GError **error);
SIMCLR_API
gfloat *simclr_encoder_encode_array (SimclrEncoder *self, const gfloat *pictures, gsize n_floats,
    SimclrOutput output, gsize *n_embedding_floats, GError **error);
SIMCLR_API
GBytes *simclr_encoder_encode_bytes (SimclrEncoder *self, GBytes *pictures, SimclrOutput output,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
gboolean simclr_encoder_set_weights (SimclrEncoder *self, SimclrWeights *weights, GError **error);
SIMCLR_API
SimclrWeights *simclr_encoder_get_weights (SimclrEncoder *self) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
guint simclr_encoder_get_embedding_size (SimclrEncoder *self, SimclrOutput output);
SIMCLR_API
SimclrProvider simclr_encoder_get_provider (SimclrEncoder *self);
SIMCLR_API
SimclrPrecision simclr_encoder_get_precision (SimclrEncoder *self);

/* training */
SIMCLR_API
void simclr_encoder_set_microbatch_size (SimclrEncoder *self, guint pairs);
SIMCLR_API
SimclrForwardPass *simclr_encoder_forward (SimclrEncoder *self, const gfloat *views, guint n_views,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
SimclrForwardPass *simclr_encoder_forward_array (SimclrEncoder *self, const gfloat *views,
    gsize n_floats, GError **error) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
SimclrForwardPass *simclr_encoder_forward_bytes (
    SimclrEncoder *self, GBytes *views, GError **error) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
SimclrForwardPass *simclr_encoder_forward_crops (SimclrEncoder *self, const gfloat *views,
    guint n_views, const gfloat *crops, guint crops_per_pair, guint crop_size,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
SimclrForwardPass *simclr_encoder_forward_crops_bytes (SimclrEncoder *self, GBytes *views,
    GBytes *crops, guint crops_per_pair, GError **error) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
SimclrEncoder *simclr_forward_pass_get_encoder (SimclrForwardPass *self);
SIMCLR_API
guint simclr_forward_pass_get_n_views (SimclrForwardPass *self);
SIMCLR_API
guint simclr_forward_pass_get_crops_per_pair (SimclrForwardPass *self);
SIMCLR_API
const gfloat *simclr_forward_pass_get_embeddings (SimclrForwardPass *self, gsize *n_floats);
SIMCLR_API
gboolean simclr_forward_pass_set_times (
    SimclrForwardPass *self, const gint64 *times, guint n_views, GError **error);
SIMCLR_API
gboolean simclr_forward_pass_set_streams (
    SimclrForwardPass *self, const guint *streams, guint n_views, GError **error);
SIMCLR_API
gboolean simclr_forward_pass_set_labels (
    SimclrForwardPass *self, const gint *labels, guint n_views, GError **error);
SIMCLR_API
gboolean simclr_forward_pass_backward (
    SimclrForwardPass *self, const gfloat *gradient, gsize n_floats, GError **error);

G_END_DECLS
