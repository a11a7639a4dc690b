/* The weights of an encoder (and its projection head): immutable, counted, shared between threads.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/simclr-macros.h>
#include <simclr/simclr-enums.h>

G_BEGIN_DECLS

#define SIMCLR_TYPE_WEIGHTS (simclr_weights_get_type ())
typedef struct _SimclrWeights SimclrWeights;

SIMCLR_API
GType simclr_weights_get_type (void);
SIMCLR_API
SimclrWeights *simclr_weights_new_random (SimclrArchitecture architecture, gdouble width,
    SimclrStem stem, guint input_size, guint64 seed, GError **error) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
SimclrWeights *simclr_weights_load (const gchar *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
gboolean simclr_weights_save (SimclrWeights *self, const gchar *path, GError **error);
SIMCLR_API
SimclrWeights *simclr_weights_adapt (SimclrWeights *self, guint input_size,
    SimclrNormalization normalization, GError **error) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
SimclrWeights *simclr_weights_ref (SimclrWeights *self) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
void simclr_weights_unref (SimclrWeights *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimclrWeights, simclr_weights_unref)

SIMCLR_API
SimclrArchitecture simclr_weights_get_architecture (SimclrWeights *self);
SIMCLR_API
gdouble simclr_weights_get_width (SimclrWeights *self);
SIMCLR_API
SimclrStem simclr_weights_get_stem (SimclrWeights *self);
SIMCLR_API
guint simclr_weights_get_input_size (SimclrWeights *self);
SIMCLR_API
SimclrNormalization simclr_weights_get_normalization (SimclrWeights *self);
SIMCLR_API
guint simclr_weights_get_embedding_size (SimclrWeights *self, SimclrOutput output);
SIMCLR_API
gboolean simclr_weights_are_finite (SimclrWeights *self);
SIMCLR_API
gchar **simclr_weights_get_labels (SimclrWeights *self) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
guint64 simclr_weights_get_step (SimclrWeights *self);

G_END_DECLS
