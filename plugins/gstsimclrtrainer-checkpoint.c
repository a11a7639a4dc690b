/* simclrtrainer's checkpoints: where they go, when they are written, how a run goes on from one.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrtrainer-private.h"

#include <glib/gstdio.h>
#include <unistd.h>

#include "gstsimclrmessages.h"
#include "gstsimclrmodelquery.h"
#include "gstsimclrnumberedfiles.h"

#define GST_CAT_DEFAULT gst_simclr_trainer_debug

/* A run of hours must not end with a folder that is not there. */
gboolean
_gst_simclr_trainer_check_location (GstSimclrTrainer *self)
{
  g_autofree gchar *folder = NULL;

  if (self->location == NULL)
    return TRUE;
  folder = g_path_get_dirname (self->location);
  if (!g_file_test (folder, G_FILE_TEST_IS_DIR)) {
    GST_ELEMENT_ERROR (self, RESOURCE, OPEN_WRITE,
        ("location=\"%s\": there is no folder \"%s\".", self->location, folder), (NULL));
    return FALSE;
  }
  if (g_file_test (self->location, G_FILE_TEST_IS_DIR)) {
    GST_ELEMENT_ERROR (self, RESOURCE, OPEN_WRITE,
        ("location=\"%s\" is a folder, not a file.", self->location), (NULL));
    return FALSE;
  }
  if (g_access (folder, W_OK | X_OK) != 0) {
    gint saved_errno = errno;

    GST_ELEMENT_ERROR (self, RESOURCE, OPEN_WRITE,
        ("location=\"%s\": the folder \"%s\" cannot be written to.", self->location, folder),
        ("%s", g_strerror (saved_errno)));
    return FALSE;
  }
  return TRUE;
}

gboolean
_gst_simclr_trainer_resume (GstSimclrTrainer *self)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *path = NULL;

  if (self->location == NULL) {
    GST_ELEMENT_ERROR (
        self, LIBRARY, SETTINGS, ("resume=true needs a location to resume from."), (NULL));
    return FALSE;
  }
  path = gst_simclr_location_find_newest (self->location);
  if (path == NULL || !g_file_test (path, G_FILE_TEST_EXISTS)) {
    GST_INFO_OBJECT (self, "\"%s\" is not there yet: a fresh run", self->location);
    return TRUE;
  }
  if (!simclr_trainer_resume (self->trainer, path, &error)) {
    GST_ELEMENT_ERROR (self, RESOURCE, OPEN_READ,
        ("Could not resume from \"%s\" (property location).", path), ("%s", error->message));
    return FALSE;
  }
  g_object_get (self->trainer, "step", &self->first_step, NULL);
  GST_INFO_OBJECT (self, "resuming \"%s\" at step %" G_GUINT64_FORMAT, path, self->first_step);
  return TRUE;
}

/* What upstream keeps beside it is to be written too. */
static void
tell_upstream (GstSimclrTrainer *self, const gchar *path)
{
  gst_pad_push_event (GST_BASE_SINK_PAD (self),
      gst_event_new_custom (GST_EVENT_CUSTOM_UPSTREAM,
          gst_structure_new (GST_SIMCLR_CHECKPOINT_EVENT_NAME, "location", G_TYPE_STRING, path,
              "step", G_TYPE_UINT64, self->step, NULL)));
}

/* Whether what there is stays. Of a run that diverged from its beginning nothing is there: then what it has come
 * to is better than nothing, unless its numbers are none. */
static gboolean
is_held_back (GstSimclrTrainer *self, gboolean final)
{
  g_autofree gchar *newest = NULL;

  if (self->skipped_in_a_row >= GST_SIMCLR_TRAINER_DIVERGING) {
    GST_WARNING_OBJECT (self, "diverging: \"%s\" is left as it was", self->location);
    return TRUE;
  }
  if (!self->unsound)
    return FALSE;
  newest = gst_simclr_location_find_newest (self->location);
  if (newest == NULL || !g_file_test (newest, G_FILE_TEST_EXISTS))
    return !final;
  if (final)
    GST_ELEMENT_WARNING (self, STREAM, FAILED,
        ("Training diverges: the checkpoint \"%s\" is left as it was.", newest),
        ("It was not overwritten with step %" G_GUINT64_FORMAT ".", self->step));
  return TRUE;
}

gboolean
_gst_simclr_trainer_save (GstSimclrTrainer *self, gboolean final)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *path = NULL;
  gboolean saved;

  if (self->location == NULL || self->step == self->saved_step)
    return TRUE;
  if (is_held_back (self, final))
    return TRUE;
  self->save_due = FALSE;
  path = gst_simclr_location_get_file (self->location, self->step);
  g_mutex_lock (&self->lock);
  saved = simclr_trainer_save (self->trainer, path, &error);
  g_mutex_unlock (&self->lock);
  if (saved) {
    self->saved_step = self->step;
    gst_simclr_location_prune (self->location, self->max_files);
    GST_INFO_OBJECT (self, "wrote \"%s\" at step %" G_GUINT64_FORMAT, path, self->step);
    gst_simclr_post_checkpoint (GST_ELEMENT (self), path, self->step);
    if (!final)
      tell_upstream (self, path);
  } else if (final) {
    GST_ELEMENT_ERROR (self, RESOURCE, WRITE,
        ("Could not write the checkpoint \"%s\" (property location).", path),
        ("%s", error->message));
  } else {
    GST_ELEMENT_WARNING (self, RESOURCE, WRITE,
        ("Could not write the checkpoint \"%s\"; training goes on.", path), ("%s", error->message));
  }
  return saved;
}
