/* Inside of SimclrClassifier.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/evaluate/classifier.h>
#include <simclr/evaluate/linear-probe-private.h>
#include <simclr/evaluate/novelty-private.h>
#include <simclr/io/safetensors-private.h>
#include <simclr/nn/supervised-head-private.h>

struct _SimclrClassifier
{
  GObject parent;

  SimclrClassifierMethod method;
  guint neighbors;
  gdouble temperature;
  SimclrProbeSettings probe_settings;
  guint64 max_bytes;
  guint threads;
  gchar *encoder;

  SimclrExamples *examples;         /* labels only, where supervised is there */
  SimclrSupervisedHead *supervised; /* of a fine-tuned encoder; NULL: examples were taught */
  SimclrParallel *parallel;         /* made when first needed */
  /* what follows from the examples, made when first needed; NULL when not made yet */
  SimclrLinearProbe *probe;
  gfloat *prototypes; /* (labels, size), of unit length */
  SimclrNovelty *novelty;
};

/* What load does once the file is open; the fuzzer begins here. On failure self is as it was. */
gboolean _simclr_classifier_read (SimclrClassifier *self, SimclrSafetensors *file, GError **error);
SimclrParallel *_simclr_classifier_get_parallel (SimclrClassifier *self);
/* After the examples changed. */
void _simclr_classifier_invalidate (SimclrClassifier *self);
/* Before others are taken over: all but the examples goes. */
void _simclr_classifier_forget (SimclrClassifier *self);

/* Whether the file is that of an encoder with a linear layer over labels; the same as read, for such a file;
 * and whether there are examples for what is wanted ("be taught"), with an error where there cannot be. */
gboolean _simclr_classifier_is_encoder (SimclrSafetensors *file);
gboolean _simclr_classifier_read_encoder (
    SimclrClassifier *self, SimclrSafetensors *file, GError **error);
gboolean _simclr_classifier_check_examples (
    SimclrClassifier *self, const gchar *purpose, GError **error);
/* Makes it if it is missing; NULL where fewer than two examples say nothing. */
const SimclrNovelty *_simclr_classifier_get_novelty (SimclrClassifier *self);
