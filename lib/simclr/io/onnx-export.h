/* Encoders for other runtimes: ONNX.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/nn/weights.h>

G_BEGIN_DECLS

SIMCLR_API
gboolean simclr_weights_export_onnx (
    SimclrWeights *self, const gchar *path, SimclrOutput output, GError **error);

G_END_DECLS
