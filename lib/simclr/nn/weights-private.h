/* Inside SimclrWeights.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/nn/weights.h>
#include <simclr/nn/parameters-private.h>

/* Everything is set before the object is shared and never after. */
struct _SimclrWeights
{
  gatomicrefcount references;

  SimclrArchitecture architecture;
  gdouble width;
  SimclrStem stem; /* never auto */
  guint input_size;
  SimclrNormalization normalization; /* never auto */
  guint64 step;
  guint64 seed;
  gchar *name; /* for people; NULL: the architecture's nick */

  SimclrParameters *layout; /* trained tensors of the encoder */
  gfloat *values;
  SimclrParameters *statistics_layout; /* running means and variances of the encoder */
  gfloat *statistics;

  /* Projection head; layouts NULL where there is none. */
  SimclrParameters *head_layout;
  gfloat *head_values;
  SimclrParameters *head_statistics_layout;
  gfloat *head_statistics;

  /* Linear layer over labels, of a fine-tuned encoder; layout NULL where there is none. */
  SimclrParameters *classifier_layout; /* _simclr_classifier_layout_new() */
  gfloat *classifier_values;
  guint head_layer; /* of the projection head, that it sees; 0: the representation */
  gchar **labels;   /* one for each logit */
};

/* fc.weight (n_labels, size) and fc.bias (n_labels). */
SimclrParameters *_simclr_classifier_layout_new (
    gsize n_labels, gsize size) G_GNUC_WARN_UNUSED_RESULT;

/* Empty weights of a shape: values are zero; fills in stem and input size where auto / 0. */
SimclrWeights *_simclr_weights_new (SimclrArchitecture architecture, gdouble width, SimclrStem stem,
    guint input_size, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Takes the layouts' references and copies the floats. */
void _simclr_weights_set_head (SimclrWeights *self, SimclrParameters *layout, const gfloat *values,
    SimclrParameters *statistics_layout, const gfloat *statistics);
/* Takes the layout's reference and copies the rest. */
void _simclr_weights_set_classifier (SimclrWeights *self, SimclrParameters *layout,
    const gfloat *values, guint head_layer, const gchar *const *labels);
