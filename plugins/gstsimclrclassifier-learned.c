/* What simclrclassifier has learned, where it lies, and the file of labels.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrclassifier-private.h"

#include <glib/gstdio.h>
#include <unistd.h>

#include "gstsimclrmessages.h"

#define GST_CAT_DEFAULT gst_simclr_classifier_debug

static gboolean
read_labels (GstSimclrClassifier *self)
{
  g_autoptr (GError) error = NULL;

  if (self->active.labels == NULL)
    return TRUE;
  self->truth = gst_simclr_labels_load (self->active.labels, &error);
  if (self->truth != NULL)
    return TRUE;
  GST_ELEMENT_ERROR (self, RESOURCE, OPEN_READ,
      ("Could not read labels=\"%s\".", self->active.labels), ("%s", error->message));
  return FALSE;
}

/* What is taught for hours must not end with a folder that is not there. */
static gboolean
check_folder (GstSimclrClassifier *self, const gchar *property, const gchar *path)
{
  g_autofree gchar *folder = NULL;

  if (path == NULL)
    return TRUE;
  folder = g_path_get_dirname (path);
  if (g_file_test (folder, G_FILE_TEST_IS_DIR) && !g_file_test (path, G_FILE_TEST_IS_DIR) &&
      g_access (folder, W_OK | X_OK) == 0)
    return TRUE;
  GST_ELEMENT_ERROR (self, RESOURCE, OPEN_WRITE,
      ("%s=\"%s\" cannot be written: \"%s\" is no folder to write a file of that name to.",
          property, path, folder),
      (NULL));
  return FALSE;
}

/* A classifier of its own for each run, with the settings of this moment. */
static SimclrClassifier *
make_classifier (GstSimclrClassifier *self, gint *method)
{
  SimclrClassifier *classifier = simclr_classifier_new ();
  guint n;
  g_autofree GParamSpec **pspecs =
      g_object_class_list_properties (G_OBJECT_GET_CLASS (classifier), &n);

  GST_OBJECT_LOCK (self);
  for (guint i = 0; i < n; i++) {
    g_auto (GValue) value = G_VALUE_INIT;

    g_object_get_property (G_OBJECT (self->prototype), pspecs[i]->name, &value);
    g_object_set_property (G_OBJECT (classifier), pspecs[i]->name, &value);
  }
  *method = -1;
  if (self->method_set)
    g_object_get (classifier, "method", method, NULL);
  GST_OBJECT_UNLOCK (self);
  return classifier;
}

static gboolean
load (GstSimclrClassifier *self, gint method)
{
  const gchar *path = self->active.location;
  g_autoptr (GError) error = NULL;

  if (path == NULL)
    return TRUE;
  if (self->active.mode == GST_SIMCLR_CLASSIFIER_FIT) {
    if (!self->active.resume)
      return TRUE;
    if (!g_file_test (path, G_FILE_TEST_EXISTS)) {
      GST_INFO_OBJECT (self, "\"%s\" is not there yet: beginning afresh", path);
      return TRUE;
    }
  }
  if (!simclr_classifier_load (self->classifier, path, &error)) {
    GST_ELEMENT_ERROR (self, RESOURCE, OPEN_READ,
        ("Could not load location=\"%s\", which mode=fit writes.", path), ("%s", error->message));
    return FALSE;
  }
  if (method >= 0)
    g_object_set (self->classifier, "method", method, NULL);
  GST_INFO_OBJECT (self, "\"%s\": %u labels, %" G_GUINT64_FORMAT " examples", path,
      simclr_classifier_get_n_labels (self->classifier),
      simclr_classifier_get_n_examples (self->classifier, NULL));
  return TRUE;
}

gboolean
_gst_simclr_classifier_open (GstSimclrClassifier *self)
{
  gboolean fits = self->active.mode == GST_SIMCLR_CLASSIFIER_FIT, done;
  gint method;

  if (!check_folder (self, "location", fits ? self->active.location : NULL) ||
      !check_folder (self, "report", self->active.report) ||
      !check_folder (self, "confusion", self->active.confusion) || !read_labels (self))
    return FALSE;
  g_mutex_lock (&self->lock);
  self->classifier = make_classifier (self, &method);
  self->evaluation = simclr_confusion_new ();
  g_mutex_unlock (&self->lock);
  /* posting an error may run a handler that reads stats: without the lock; nothing streams yet */
  done = load (self, method);
  return done;
}

const gchar *const *
_gst_simclr_classifier_get_labels (GstSimclrClassifier *self)
{
  if (self->labels == NULL)
    self->labels = simclr_classifier_get_labels (self->classifier);
  return (const gchar *const *) self->labels;
}

void
_gst_simclr_classifier_labels_changed (GstSimclrClassifier *self)
{
  g_clear_pointer (&self->labels, g_strfreev);
}

gboolean
_gst_simclr_classifier_save (GstSimclrClassifier *self)
{
  const gchar *path = self->active.location;
  g_autoptr (GError) error = NULL;
  guint64 examples;
  guint labels;
  gboolean saved;

  g_mutex_lock (&self->lock);
  if (path == NULL || self->classifier == NULL || !self->unsaved) {
    g_mutex_unlock (&self->lock);
    return TRUE;
  }
  examples = simclr_classifier_get_n_examples (self->classifier, NULL);
  labels = simclr_classifier_get_n_labels (self->classifier);
  saved = simclr_classifier_save (self->classifier, path, &error);
  self->unsaved = !saved;
  g_mutex_unlock (&self->lock);

  if (!saved) {
    GST_ELEMENT_ERROR (
        self, RESOURCE, WRITE, ("Could not write location=\"%s\".", path), ("%s", error->message));
    return FALSE;
  }
  GST_INFO_OBJECT (self, "wrote \"%s\"", path);
  gst_simclr_post_element_message (GST_ELEMENT (self),
      gst_structure_new ("simclr-learned", "location", G_TYPE_STRING, path, "labels", G_TYPE_UINT,
          labels, "examples", G_TYPE_UINT64, examples, NULL));
  return TRUE;
}

guint64
_gst_simclr_classifier_unlearn (GstSimclrClassifier *self, const gchar *label)
{
  guint64 removed = 0;

  g_mutex_lock (&self->lock);
  if (self->classifier != NULL && label != NULL)
    removed = simclr_classifier_unlearn (self->classifier, label);
  if (removed > 0) {
    self->unsaved = TRUE;
    _gst_simclr_classifier_labels_changed (self);
  }
  g_mutex_unlock (&self->lock);
  GST_INFO_OBJECT (self, "unlearned %" G_GUINT64_FORMAT " examples of \"%s\"", removed, label);
  return removed;
}

gchar **
_gst_simclr_classifier_list_labels (GstSimclrClassifier *self)
{
  gchar **labels;

  g_mutex_lock (&self->lock);
  labels = self->classifier != NULL ? simclr_classifier_get_labels (self->classifier)
                                    : g_new0 (gchar *, 1);
  g_mutex_unlock (&self->lock);
  return labels;
}
