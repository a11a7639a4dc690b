/* A classifier that came with a fine-tuned encoder: it has a linear layer over labels, and no examples.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/evaluate/classifier-private.h>

#include <simclr/io/weights-file-private.h>
#include <simclr/simclr-enum-types.h>
#include <simclr/simclr-error.h>

/* What simclrclassifier calls the encoder of embeddings, too: it compares the two. */
static gchar *
describe_encoder (SimclrWeights *weights)
{
  g_autoptr (GEnumClass) klass = g_type_class_ref (SIMCLR_TYPE_ARCHITECTURE);

  return g_strdup_printf ("%s, step %" G_GUINT64_FORMAT,
      g_enum_get_value (klass, (gint) weights->architecture)->value_nick, weights->step);
}

gboolean
_simclr_classifier_is_encoder (SimclrSafetensors *file)
{
  return _simclr_safetensors_get_metadata (file, "method") == NULL &&
         _simclr_safetensors_lookup (file, "fc.weight") != NULL;
}

gboolean
_simclr_classifier_read_encoder (SimclrClassifier *self, SimclrSafetensors *file, GError **error)
{
  g_autoptr (SimclrWeights) weights = _simclr_weights_file_read (file, error);
  g_autoptr (SimclrSupervisedHead) head = NULL;
  g_autoptr (SimclrExamples) examples = _simclr_examples_new ();

  if (weights != NULL)
    head = _simclr_supervised_head_new_from (weights, error);
  if (head == NULL)
    return FALSE;
  for (gchar **label = weights->labels; *label != NULL; label++)
    _simclr_examples_add_label (examples, *label);
  examples->size = simclr_weights_get_embedding_size (weights, SIMCLR_OUTPUT_REPRESENTATION);

  _simclr_classifier_forget (self);
  _simclr_examples_free (self->examples);
  self->examples = g_steal_pointer (&examples);
  self->supervised = g_steal_pointer (&head);
  self->method = SIMCLR_CLASSIFIER_METHOD_LINEAR;
  g_free (self->encoder);
  self->encoder = describe_encoder (weights);
  return TRUE;
}

gboolean
_simclr_classifier_check_examples (SimclrClassifier *self, const gchar *purpose, GError **error)
{
  if (self->supervised == NULL)
    return TRUE;
  g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_UNSUPPORTED,
      "this classifier is the linear layer of a fine-tuned encoder, and has no examples: it cannot "
      "%s",
      purpose);
  return FALSE;
}
