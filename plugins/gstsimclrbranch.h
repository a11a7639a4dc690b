/* Ending one branch of a tee without ending the others.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/* A tee stops all of its branches as soon as one returns EOS. A sink that has enough while others go on
 * cuts its branch off instead: the tee drops what it would have sent there. Zeroed memory is a branch
 * that is not cut. */
typedef struct
{
  GstPad *pad; /* the tee's */
  gulong probe;
} GstSimclrBranch;

/* Cuts the branch that leads to the sink pad at the nearest tee above. FALSE where there is none, or
 * where nothing would go on but branches that are cut already: then EOS is the right answer. */
gboolean gst_simclr_branch_cut (GstSimclrBranch *self, GstPad *sinkpad);
void gst_simclr_branch_restore (GstSimclrBranch *self);

G_END_DECLS
