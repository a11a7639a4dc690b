/* Files that are whole or absent: written beside their place, then renamed into it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/io/atomic-file-private.h>

#include <glib/gstdio.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Writers of one path at the same time; each holds one temporary. */
#define MAX_WRITERS 16
#define MAX_LINKS 40
/* A file name has at most 255 bytes. */
#define MAX_NAME_PART 200

struct _SimclrAtomicFile
{
  gchar *path;      /* as the caller wrote it, for messages */
  gchar *target;    /* behind the symbolic links */
  gchar *temporary; /* NULL once renamed */
  int fd;
};

static gboolean
fail (GError **error, const gchar *what, const gchar *path, int number)
{
  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (number), "could not %s \"%s\": %s",
      what, path, g_strerror (number));
  return FALSE;
}

/* The name behind any chain of symbolic links, whether it exists or not. */
static gchar *
follow_links (const gchar *path, GError **error)
{
  g_autofree gchar *name = g_strdup (path);

  for (guint i = 0; i < MAX_LINKS; i++) {
    g_autofree gchar *link = g_file_read_link (name, NULL);
    g_autofree gchar *folder = NULL;

    if (link == NULL)
      return g_steal_pointer (&name);
    folder = g_path_get_dirname (name);
    g_free (name);
    name =
        g_path_is_absolute (link) ? g_steal_pointer (&link) : g_build_filename (folder, link, NULL);
  }
  fail (error, "write", path, ELOOP);
  return NULL;
}

/* Replacing by rename would ignore what the target is and who may write it. */
static gboolean
check_target (const gchar *target, const gchar *path, GError **error)
{
  struct stat status;

  if (stat (target, &status) != 0)
    return errno == ENOENT ? TRUE : fail (error, "write", path, errno);
  if (S_ISDIR (status.st_mode))
    return fail (error, "write", path, EISDIR);
  if (!S_ISREG (status.st_mode)) {
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
        "could not write \"%s\": it is not a regular file", path);
    return FALSE;
  }
  return access (target, W_OK) == 0 ? TRUE : fail (error, "write", path, errno);
}

/* Takes the lock, and makes sure that the name still belongs to the file that is open. */
static gboolean
lock (int fd, const gchar *name)
{
  struct stat ours, named;

  /* file systems without locks have no other answer than going on */
  if (flock (fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    return FALSE;
  return fstat (fd, &ours) == 0 && lstat (name, &named) == 0 && ours.st_dev == named.st_dev &&
         ours.st_ino == named.st_ino;
}

/* Removes what a killed writer left; FALSE where the name is taken by a living one or by something
 * that no writer of ours made. */
static gboolean
remove_leftover (const gchar *name)
{
  int fd = open (name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  struct stat status;
  gboolean removed = FALSE;

  if (fd < 0) /* absent, or exclusive creation will say what is wrong */
    return TRUE;
  if (fstat (fd, &status) == 0 && S_ISREG (status.st_mode) && lock (fd, name))
    removed = unlink (name) == 0;
  close (fd);
  return removed;
}

/* A new locked file under one of the temporary names; -1 with errno. */
static int
open_temporary (const gchar *target, gchar **temporary)
{
  g_autofree gchar *folder = g_path_get_dirname (target);
  g_autofree gchar *base = g_path_get_basename (target);

  for (guint writer = 0; writer < MAX_WRITERS; writer++) {
    g_autofree gchar *name =
        g_strdup_printf ("%s/.%.*s.tmp-%u", folder, MAX_NAME_PART, base, writer);
    int fd;

    if (!remove_leftover (name))
      continue;
    fd = open (name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd >= 0 && lock (fd, name)) {
      *temporary = g_steal_pointer (&name);
      return fd;
    }
    if (fd >= 0) /* another writer took it for a leftover before it was locked */
      close (fd);
    else if (errno != EEXIST)
      return -1;
  }
  errno = EBUSY;
  return -1;
}

SimclrAtomicFile *
_simclr_atomic_file_open (const gchar *path, GError **error)
{
  g_autoptr (SimclrAtomicFile) self = g_new0 (SimclrAtomicFile, 1);

  self->fd = -1;
  self->path = g_strdup (path);
  self->target = follow_links (path, error);
  if (self->target == NULL || !check_target (self->target, path, error))
    return NULL;

  self->fd = open_temporary (self->target, &self->temporary);
  if (self->fd < 0) {
    fail (error, "write", path, errno);
    return NULL;
  }
  return g_steal_pointer (&self);
}

gboolean
_simclr_atomic_file_write (SimclrAtomicFile *self, gconstpointer data, gsize bytes, GError **error)
{
  const guint8 *next = data;

  while (bytes > 0) {
    gssize written = write (self->fd, next, MIN (bytes, (gsize) 1 << 30));

    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return fail (error, "write", self->path, written == 0 ? ENOSPC : errno);
    next += written;
    bytes -= (gsize) written;
  }
  return TRUE;
}

/* Makes the rename durable. Not every file system can; the file is whole either way. */
static void
sync_folder (const gchar *target)
{
  g_autofree gchar *folder = g_path_get_dirname (target);
  int fd = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  if (fd < 0)
    return;
  if (fsync (fd) != 0)
    g_debug ("could not sync the folder \"%s\": %s", folder, g_strerror (errno));
  close (fd);
}

gboolean
_simclr_atomic_file_commit (SimclrAtomicFile *self, GError **error)
{
  struct stat status;

  if (stat (self->target, &status) == 0 && fchmod (self->fd, status.st_mode & 0777) != 0)
    return fail (error, "set the permissions of", self->path, errno);
  if (fsync (self->fd) != 0)
    return fail (error, "write", self->path, errno);
  /* renamed while open, so that the lock holds until the name is free */
  if (rename (self->temporary, self->target) != 0)
    return fail (error, "write", self->path, errno);
  g_clear_pointer (&self->temporary, g_free);
  sync_folder (self->target);
  return TRUE;
}

void
_simclr_atomic_file_free (SimclrAtomicFile *self)
{
  if (self->temporary != NULL)
    unlink (self->temporary);
  if (self->fd >= 0)
    close (self->fd);
  g_free (self->temporary);
  g_free (self->target);
  g_free (self->path);
  g_free (self);
}
