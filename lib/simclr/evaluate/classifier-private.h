/* Inside of SimclrClassifier.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/evaluate/classifier.h>
#include <simclr/evaluate/linear-probe-private.h>
#include <simclr/io/safetensors-private.h>

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

  SimclrExamples *examples;
  SimclrParallel *parallel; /* made when first needed */
  /* what follows from the examples, made when first needed; NULL or negative when not made yet */
  SimclrLinearProbe *probe;
  gfloat *prototypes; /* (labels, size), of unit length */
  gdouble calibration;
};

/* What load does once the file is open; the fuzzer begins here. On failure self is as it was. */
gboolean _simclr_classifier_read (SimclrClassifier *self, SimclrSafetensors *file, GError **error);
SimclrParallel *_simclr_classifier_get_parallel (SimclrClassifier *self);
/* After the examples changed. */
void _simclr_classifier_invalidate (SimclrClassifier *self);
/* Makes what is missing. */
gdouble _simclr_classifier_calibrate (SimclrClassifier *self);
