/* The question that runs down to a trainer: are you there, and where does training stand?
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

#include <simclr/simclr.h>

G_BEGIN_DECLS

/* A custom query "simclr-resume". Every element that does not know it passes it on downstream; queue
 * lets it overtake data, tee asks each branch. A simclrtrainer answers with
 *   pairs    guint64         pairs that training has consumed, 0 in a fresh run
 *   step     guint64         optimizer steps taken
 *   weights  SimclrWeights   what the encoder starts from; absent in a fresh run */
#define GST_SIMCLR_RESUME_QUERY_NAME "simclr-resume"

typedef struct
{
  guint64 pairs;
  guint64 step;
  SimclrWeights *weights; /* owned, nullable */
} GstSimclrResume;

/* Asks the peer of a source pad; FALSE where no trainer answers. */
gboolean gst_simclr_resume_query (GstPad *pad, GstSimclrResume *resume);
void gst_simclr_resume_clear (GstSimclrResume *resume);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (GstSimclrResume, gst_simclr_resume_clear)

/* The trainer's side. */
gboolean gst_simclr_is_resume_query (GstQuery *query);
void gst_simclr_resume_answer (GstQuery *query, const GstSimclrResume *resume);

G_END_DECLS
