/* simclrtrainer's labels: which file says what frames show, and what it says of a batch.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrtrainer-private.h"

#include "gstsimclrframemeta.h"
#include "gstsimclrproperties.h"

#define GST_CAT_DEFAULT gst_simclr_trainer_debug

gboolean
_gst_simclr_trainer_load_labels (GstSimclrTrainer *self)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *path = NULL;
  SimclrLoss loss;

  GST_OBJECT_LOCK (self);
  path = gst_simclr_dup_text (self->settings.labels);
  GST_OBJECT_UNLOCK (self);
  g_object_get (self->trainer, "loss", &loss, NULL);
  if (path == NULL) {
    if (loss != SIMCLR_LOSS_SUPERVISED && loss != SIMCLR_LOSS_CROSS_ENTROPY)
      return TRUE;
    GST_ELEMENT_ERROR (self, LIBRARY, SETTINGS,
        ("loss=%s needs labels: a text file with one label a frame.",
            loss == SIMCLR_LOSS_SUPERVISED ? "supervised" : "cross-entropy"),
        (NULL));
    return FALSE;
  }
  self->labels = gst_simclr_labels_load (path, &error);
  if (self->labels == NULL) {
    GST_ELEMENT_ERROR (
        self, RESOURCE, OPEN_READ, ("Could not read labels=\"%s\".", path), ("%s", error->message));
    return FALSE;
  }
  GST_INFO_OBJECT (self, "%u labels of %" G_GUINT64_FORMAT " frames",
      gst_simclr_labels_get_n_labels (self->labels), gst_simclr_labels_get_length (self->labels));
  if (loss == SIMCLR_LOSS_CROSS_ENTROPY)
    simclr_trainer_set_labels (self->trainer, gst_simclr_labels_get_texts (self->labels));
  return TRUE;
}

/* An empty path is none. */
gboolean
_gst_simclr_trainer_load_teacher (GstSimclrTrainer *self)
{
  g_autoptr (SimclrWeights) teacher = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree gchar *path = NULL;
  SimclrLoss loss;

  GST_OBJECT_LOCK (self);
  path = gst_simclr_dup_text (self->settings.teacher);
  GST_OBJECT_UNLOCK (self);
  g_object_get (self->trainer, "loss", &loss, NULL);
  if (loss != SIMCLR_LOSS_DISTILLATION)
    return TRUE;
  if (path == NULL) {
    GST_ELEMENT_ERROR (self, LIBRARY, SETTINGS,
        ("loss=distillation needs a teacher: the file of a fine-tuned encoder."), (NULL));
    return FALSE;
  }
  teacher = simclr_weights_load (path, &error);
  if (teacher == NULL || !simclr_trainer_set_teacher (self->trainer, teacher, &error)) {
    GST_ELEMENT_ERROR (self, RESOURCE, OPEN_READ, ("Could not learn from teacher=\"%s\".", path),
        ("%s", error->message));
    return FALSE;
  }
  return TRUE;
}

static void
warn_unlabelled (GstSimclrTrainer *self, guint64 frame)
{
  if (self->unlabelled)
    return;
  self->unlabelled = TRUE;
  GST_ELEMENT_WARNING (self, RESOURCE, READ,
      ("Frame %" G_GUINT64_FORMAT " has no label: labels has %" G_GUINT64_FORMAT " lines.", frame,
          gst_simclr_labels_get_length (self->labels)),
      ("Frames without a label teach nothing, or count as alike with nobody; there may be more of "
       "them."));
}

void
_gst_simclr_trainer_label (GstSimclrTrainer *self, GstBuffer *buffer, SimclrForwardPass *pass)
{
  guint n_views = simclr_forward_pass_get_n_views (pass);
  const guint64 *frames = gst_simclr_batch_meta_get (buffer, n_views / 2);
  g_autofree gint *labels = NULL;

  if (self->labels == NULL || frames == NULL)
    return;
  labels = g_new (gint, n_views);
  for (guint view = 0; view < n_views; view++) {
    labels[view] = gst_simclr_labels_get (self->labels, frames[view / 2]);
    if (frames[view / 2] >= gst_simclr_labels_get_length (self->labels))
      warn_unlabelled (self, frames[view / 2]);
  }
  simclr_forward_pass_set_labels (pass, labels, n_views, NULL);
}
