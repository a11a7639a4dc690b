/* Files that are whole or absent: written beside their place, then renamed into it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

typedef struct _SimclrAtomicFile SimclrAtomicFile;

/* Opens a temporary file .NAME.tmp-0 (-1 .. while others write the same path) in the folder of path; a
 * symbolic link is followed, so that the link stays. What a killed process left under such a name is
 * removed first: a living writer is known by its lock on the file. */
SimclrAtomicFile *_simclr_atomic_file_open (
    const gchar *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean _simclr_atomic_file_write (
    SimclrAtomicFile *self, gconstpointer data, gsize bytes, GError **error);
/* Makes the bytes durable and gives them their name. An existing file's permissions are kept, a new
 * file has those of the umask. */
gboolean _simclr_atomic_file_commit (SimclrAtomicFile *self, GError **error);
/* Removes the temporary unless it was committed; path is then as before. */
void _simclr_atomic_file_free (SimclrAtomicFile *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimclrAtomicFile, _simclr_atomic_file_free)
