/* simclrclassifier: labels for frames, learned from examples.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_SIMCLR_CLASSIFIER (gst_simclr_classifier_get_type ())
G_DECLARE_FINAL_TYPE (
    GstSimclrClassifier, gst_simclr_classifier, GST, SIMCLR_CLASSIFIER, GstElement)
GST_ELEMENT_REGISTER_DECLARE (simclrclassifier)

G_END_DECLS
