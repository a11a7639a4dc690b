/* Follows a checkpoint file that another process writes: new versions appear in a model.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

#include <simclr/simclr.h>

G_BEGIN_DECLS

typedef struct _GstSimclrFollower GstSimclrFollower;

/* loaded: the version that the caller has loaded already is not loaded again. */
GstSimclrFollower *gst_simclr_follower_new (
    const gchar *location, SimclrModel *model, gboolean loaded) G_GNUC_WARN_UNUSED_RESULT;
void gst_simclr_follower_free (GstSimclrFollower *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstSimclrFollower, gst_simclr_follower_free)

/* Looks, not more often than once in an interval, in a thread of GStreamer's pool, so that the caller never
 * waits for a disk. A version that cannot be read, or is not finite, is said in the log and passed over. */
void gst_simclr_follower_poll (GstSimclrFollower *self, GstElement *element, GstClockTime interval);

G_END_DECLS
