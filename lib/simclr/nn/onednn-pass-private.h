/* One direction of a convolution by oneDNN, cut up for a team of threads.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/base/parallel-private.h>
#include <simclr/nn/convolution-private.h>
#include <simclr/nn/onednn-private.h>

typedef struct _SimclrOnednnPass SimclrOnednnPass;

/* x is the side of the input and y that of the output, whichever of them is written. */
typedef struct
{
  gpointer x;
  gpointer y;
  const gfloat *bias;     /* for SIMCLR_ONEDNN_BIAS */
  gconstpointer residual; /* what y begins as, for SIMCLR_ONEDNN_SUM; may be y itself */
  gpointer workspace;
} SimclrOnednnRun;

typedef enum
{
  SIMCLR_ONEDNN_BY_LINES,    /* forward only: every thread gets as many lines of output */
  SIMCLR_ONEDNN_BY_CHANNELS, /* forward only: every thread gets some channels of output */
  SIMCLR_ONEDNN_BY_IMAGES,   /* every thread gets whole images */
  SIMCLR_ONEDNN_STAGED,      /* backward data only: by images, added to x through the workspace */
} SimclrOnednnCut;

SimclrOnednnProblem _simclr_onednn_describe (const SimclrConvolutionShape *shape);

/* By channels where few lines would not divide evenly among threads, and each would read all the weights. By
 * shape, so that results repeat. */
SimclrOnednnCut _simclr_onednn_cut_inference (
    const SimclrConvolutionShape *shape, SimclrParallel *parallel);

/* extra: what may be asked for in runs, singly or together; bias is in every run or in none. */
SimclrOnednnPass *_simclr_onednn_pass_new (SimclrOnednnDirection direction,
    const SimclrOnednnProblem *problem, const SimclrOnednnNumbers *numbers, SimclrOnednnExtra extra,
    SimclrOnednnCut cut, SimclrParallel *parallel, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void _simclr_onednn_pass_free (SimclrOnednnPass *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimclrOnednnPass, _simclr_onednn_pass_free)

/* Whether oneDNN has no code made for this. */
gboolean _simclr_onednn_pass_is_slow (SimclrOnednnPass *self);
gsize _simclr_onednn_pass_get_workspace (SimclrOnednnPass *self);

/* weights are (out, kernel, kernel, in) of the convolution and borrowed until the next run. transposed: the pass is the forward convolution
 * that goes back to its input, of the rotated kernel from out to in channels. */
void _simclr_onednn_pass_set_weights (
    SimclrOnednnPass *self, const gfloat *weights, gboolean transposed);

/* Packs them now, so that they need not be kept until a run. */
void _simclr_onednn_pass_pack (SimclrOnednnPass *self);

void _simclr_onednn_pass_run (
    SimclrOnednnPass *self, SimclrOnednnExtra extra, const SimclrOnednnRun *run);

/* After a run backward to the weights: the threads' gradients, summed in their order. */
void _simclr_onednn_pass_get_gradient (
    SimclrOnednnPass *self, gpointer workspace, gfloat *dweights);
