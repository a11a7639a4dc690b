/* Follows a checkpoint file that another process writes: new versions appear in a model.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrfollower.h"

#include <glib/gstdio.h>

#include "gstsimclrnumberedfiles.h"

/* What tells one version of a file from another; renaming a new file into place changes the inode. */
typedef struct
{
  guint64 device, inode, size;
  gint64 seconds, nanoseconds;
} Version;

/* Shared with the job that is under way, which may outlive the element's streaming. */
struct _GstSimclrFollower
{
  gatomicrefcount references;
  gchar *location;    /* constant; may be numbered */
  SimclrModel *model; /* constant */

  gint busy;       /* atomic: a job is under way; what follows is its own then, else the caller's */
  Version version; /* looked at last */
  gint64 looked_at; /* monotonic time; 0: never */
};

static void
follower_unref (gpointer data)
{
  GstSimclrFollower *self = data;

  if (!g_atomic_ref_count_dec (&self->references))
    return;
  g_free (self->location);
  g_object_unref (self->model);
  g_free (self);
}

static gboolean
get_version (const gchar *path, Version *version)
{
  GStatBuf status;

  *version = (Version){0};
  if (g_stat (path, &status) != 0)
    return FALSE;
  version->device = status.st_dev;
  version->inode = status.st_ino;
  version->size = (guint64) status.st_size;
  version->seconds = status.st_mtim.tv_sec;
  version->nanoseconds = status.st_mtim.tv_nsec;
  return TRUE;
}

static void
load (GstSimclrFollower *self, const gchar *path, GstElement *element)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrWeights) weights = simclr_weights_load (path, &error);

  if (weights == NULL) {
    GST_WARNING_OBJECT (element, "\"%s\" is passed over: %s", path, error->message);
  } else if (!simclr_weights_are_finite (weights)) {
    GST_WARNING_OBJECT (element, "\"%s\" is passed over: its weights are not finite", path);
  } else {
    GST_INFO_OBJECT (element, "\"%s\" is now at step %" G_GUINT64_FORMAT, path,
        simclr_weights_get_step (weights));
    simclr_model_publish (self->model, weights);
  }
}

static void
look (GstElement *element, gpointer data)
{
  GstSimclrFollower *self = data;
  g_autofree gchar *path = gst_simclr_location_find_newest (self->location);
  Version version;

  if (path != NULL && get_version (path, &version) &&
      memcmp (&version, &self->version, sizeof version) != 0) {
    self->version = version;
    load (self, path, element);
  }
  g_atomic_int_set (&self->busy, FALSE);
}

GstSimclrFollower *
gst_simclr_follower_new (const gchar *location, SimclrModel *model, gboolean loaded)
{
  g_autofree gchar *path = loaded ? gst_simclr_location_find_newest (location) : NULL;
  GstSimclrFollower *self = g_new0 (GstSimclrFollower, 1);

  g_atomic_ref_count_init (&self->references);
  self->location = g_strdup (location);
  self->model = g_object_ref (model);
  if (path != NULL)
    get_version (path, &self->version);
  return self;
}

void
gst_simclr_follower_free (GstSimclrFollower *self)
{
  follower_unref (self);
}

void
gst_simclr_follower_poll (GstSimclrFollower *self, GstElement *element, GstClockTime interval)
{
  gint64 now = g_get_monotonic_time ();

  if (g_atomic_int_get (&self->busy) ||
      (self->looked_at != 0 && now - self->looked_at < (gint64) (interval / GST_USECOND)))
    return;
  self->looked_at = now;
  g_atomic_int_set (&self->busy, TRUE);
  g_atomic_ref_count_inc (&self->references);
  gst_element_call_async (element, look, self, follower_unref);
}
