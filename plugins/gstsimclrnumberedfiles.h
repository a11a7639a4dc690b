/* Files with a number in their name, of which the newest are kept.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A location is numbered when its last part has one %d, %u or %llu (with a width, too: %08llu), as with
 * multifilesink; any other is the name of one file, whatever per cents it has. */
gboolean gst_simclr_location_is_numbered (const gchar *location);

/* The file of that number; a copy of a location that is not numbered. */
gchar *gst_simclr_location_get_file (
    const gchar *location, guint64 number) G_GNUC_WARN_UNUSED_RESULT;
/* The file that was written last; NULL: there is none yet. A copy of a location that is not numbered. */
gchar *gst_simclr_location_find_newest (const gchar *location) G_GNUC_WARN_UNUSED_RESULT;
/* Deletes all but the most files that were written last. Nothing where location is not numbered, or most is 0. */
void gst_simclr_location_prune (const gchar *location, guint most);

G_END_DECLS
