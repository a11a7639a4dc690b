/* The question that runs down to an encoder in training: where do its weights appear?
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

#include <simclr/simclr.h>

G_BEGIN_DECLS

/* A custom query "simclr-model". A simclrencoder that is being trained answers with
 *   model       SimclrModel  where the trainer publishes
 * If the query has a field `follow` (gboolean, TRUE), the encoder from then on sends the embeddings of each
 * batch upstream, as a custom event "simclr-embeddings":
 *   samples     GBytes       the buffers' offsets, guint64 in the machine's byte order
 *   embeddings  GBytes       two for each of them, `size` float32 each
 *   size        guint */
#define GST_SIMCLR_MODEL_QUERY_NAME "simclr-model"
#define GST_SIMCLR_EMBEDDINGS_EVENT_NAME "simclr-embeddings"
/* A custom event that a simclrtrainer sends upstream after it has written a checkpoint; fields `location`
 * (gchararray) and `step` (guint64). */
#define GST_SIMCLR_CHECKPOINT_EVENT_NAME "simclr-checkpoint"

/* Asks the peer of a source pad; NULL where no encoder answers. */
SimclrModel *gst_simclr_model_query (GstPad *pad, gboolean follow) G_GNUC_WARN_UNUSED_RESULT;

/* The encoder's side. */
gboolean gst_simclr_is_model_query (GstQuery *query, gboolean *follow);
void gst_simclr_model_answer (GstQuery *query, SimclrModel *model);

G_END_DECLS
