/* simclrtrainer: the sink in which batches of embeddings train their encoder.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/base/gstbasesink.h>

G_BEGIN_DECLS

#define GST_TYPE_SIMCLR_TRAINER (gst_simclr_trainer_get_type ())
G_DECLARE_FINAL_TYPE (GstSimclrTrainer, gst_simclr_trainer, GST, SIMCLR_TRAINER, GstBaseSink)

GST_ELEMENT_REGISTER_DECLARE (simclrtrainer);

G_END_DECLS
