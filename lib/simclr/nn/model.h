/* A place where training publishes weights and embedding takes the newest.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/nn/weights.h>

G_BEGIN_DECLS

#define SIMCLR_TYPE_MODEL (simclr_model_get_type ())
SIMCLR_API
G_DECLARE_FINAL_TYPE (SimclrModel, simclr_model, SIMCLR, MODEL, GObject)

SIMCLR_API
SimclrModel *simclr_model_new (void) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
void simclr_model_publish (SimclrModel *self, SimclrWeights *weights);
SIMCLR_API
SimclrWeights *simclr_model_take (SimclrModel *self) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
guint64 simclr_model_get_version (SimclrModel *self);

G_END_DECLS
