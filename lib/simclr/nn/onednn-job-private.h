/* What a pass through oneDNN consists of: runs of primitives, with their memories and arguments.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/base/arena-private.h>
#include <simclr/nn/onednn-layout-private.h>
#include <simclr/nn/onednn-pass-private.h>

#define SIMCLR_ONEDNN_VARIANTS 4 /* of SIMCLR_ONEDNN_RELU and SIMCLR_ONEDNN_SUM */
#define SIMCLR_ONEDNN_ARGUMENTS 6

/* The weights of some output channels, in one of the layouts that this pass's primitives like. */
typedef struct
{
  gsize first_out;
  SimclrOnednnLayout layout;
  gpointer data;
  dnnl_memory_t memory;
} SimclrOnednnPacked;

/* Shares of one shape. */
typedef struct
{
  SimclrOnednnProblem problem;
  SimclrOnednnPrimitive primitives[SIMCLR_ONEDNN_VARIANTS];
  SimclrOnednnPacked *packed[SIMCLR_ONEDNN_VARIANTS]; /* borrowed */
} SimclrOnednnKind;

/* Runs of one primitive: some images, or some lines of one. */
typedef struct
{
  SimclrOnednnKind *kind;
  gsize x, y; /* bytes before its part of them */
  gsize runs; /* each on the images behind the one before */
  dnnl_memory_t x_memory, y_memory, bias_memory, gradient_memory, scales_memory;
  dnnl_memory_t scratch_memory[SIMCLR_ONEDNN_VARIANTS];
  dnnl_exec_arg_t arguments[SIMCLR_ONEDNN_VARIANTS][SIMCLR_ONEDNN_ARGUMENTS];
  gint n_arguments[SIMCLR_ONEDNN_VARIANTS];
} SimclrOnednnJob;

/* What one thread does. */
typedef struct
{
  dnnl_stream_t stream;
  GPtrArray *jobs;
} SimclrOnednnShare;

struct _SimclrOnednnPass
{
  SimclrOnednnDirection direction;
  SimclrOnednnProblem problem;
  SimclrOnednnNumbers numbers;
  SimclrOnednnExtra extra;
  SimclrOnednnCut cut;
  gboolean clears;          /* the scratch memory before each run */
  SimclrParallel *parallel; /* borrowed */

  gsize x_image, y_image; /* bytes */
  GPtrArray *kinds;
  GPtrArray *packed;
  const gfloat *weights; /* borrowed, until they are packed */
  gboolean transposed;
  GArray *parts; /* SimclrOnednnPart: the threads' gradients of the weights */
  SimclrOnednnShare *shares;
  guint n_shares;
  gsize scratch;     /* bytes of a share's scratch memory */
  gsize share_bytes; /* with its gradient or its staged result behind that */
};

/* To whole cache lines. */
static inline gsize
_simclr_onednn_round_up (gsize bytes)
{
  return (bytes + SIMCLR_ALIGNMENT - 1) / SIMCLR_ALIGNMENT * SIMCLR_ALIGNMENT;
}

void _simclr_onednn_packed_free (gpointer packed);
void _simclr_onednn_kind_free (gpointer kind);
void _simclr_onednn_job_free (gpointer job);

/* Adds a job to a share: so many runs of a convolution, the first so many bytes into x and y. */
gboolean _simclr_onednn_job_add (SimclrOnednnPass *pass, SimclrOnednnShare *share,
    const SimclrOnednnProblem *problem, gsize x, gsize y, gsize runs, GError **error);
