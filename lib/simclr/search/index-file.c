/* The folder of an index: files of full chunks, the log of the newest entries, and who may write.
 *
 *   NUMBER.safetensors  a full chunk, NUMBER its first entry, 20 digits (index-segment.c)
 *   recent.log          the entries that follow (index-log.c); some may be in the last full chunk already
 *   writer.lock         locked by the one process that writes
 *
 * A chunk's file appears whole or not at all; only then the log begins anew. A reader takes the log first: what it
 * then misses of the files, it has.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/search/index-private.h>

#include <simclr/io/atomic-file-private.h>
#include <simclr/simclr-error.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_NAME "recent.log"
#define LOCK_NAME "writer.lock"
#define SEGMENT_SUFFIX ".safetensors"
#define SEGMENT_DIGITS 20

struct _SimclrIndexFolder
{
  int lock; /* the locked file, -1 for a reader */
  int log;  /* open for appending, -1 before the first entry */
  goffset log_bytes;
};

static gboolean
fail (GError **error, const gchar *what, const gchar *path)
{
  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), "could not %s \"%s\": %s",
      what, path, g_strerror (errno));
  return FALSE;
}

static gboolean
take_lock (SimclrIndex *self, GError **error)
{
  g_autofree gchar *path = g_build_filename (self->path, LOCK_NAME, NULL);

  if (g_mkdir_with_parents (self->path, 0777) != 0)
    return fail (error, "make the folder", self->path);
  self->folder->lock = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (self->folder->lock < 0)
    return fail (error, "open", path);
  /* file systems without locks have no other answer than going on */
  if (flock (self->folder->lock, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
    return TRUE;
  g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_BUSY, "another process or element adds to it");
  return FALSE;
}

/* The log's content, taken by a handle so that a writer that replaces it does not matter; NULL without
 * error where there is none. */
static GBytes *
read_log (const gchar *path, GError **error)
{
  g_autofree gchar *content = NULL;
  g_autoptr (GError) failure = NULL;
  gsize bytes;

  if (g_file_get_contents (path, &content, &bytes, &failure))
    return g_bytes_new_take (g_steal_pointer (&content), bytes);
  if (!g_error_matches (failure, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    g_propagate_error (error, g_steal_pointer (&failure));
  return NULL;
}

static gint
compare_names (gconstpointer a, gconstpointer b)
{
  return g_strcmp0 (*(const gchar *const *) a, *(const gchar *const *) b);
}

static GPtrArray *
list_segments (SimclrIndex *self, GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GDir) dir = g_dir_open (self->path, 0, error);
  const gchar *name;

  if (dir == NULL)
    return NULL;
  while ((name = g_dir_read_name (dir)) != NULL) {
    if (strspn (name, "0123456789") == SEGMENT_DIGITS &&
        g_str_equal (name + SEGMENT_DIGITS, SEGMENT_SUFFIX))
      g_ptr_array_add (names, g_build_filename (self->path, name, NULL));
  }
  g_ptr_array_sort (names, compare_names);
  return g_steal_pointer (&names);
}

static gboolean
take_facts (SimclrIndex *self, gsize size, gchar *encoder, GError **error)
{
  if (self->size != 0 && self->size != size) {
    g_free (encoder);
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_FORMAT,
        "embeddings of %" G_GSIZE_FORMAT " floats among others of %" G_GSIZE_FORMAT, size,
        self->size);
    return FALSE;
  }
  self->size = size;
  if (encoder != NULL) {
    g_free (self->encoder);
    self->encoder = encoder;
  }
  return TRUE;
}

static SimclrChunk *
read_segment (SimclrIndex *self, const gchar *path, gchar **encoder, GError **error)
{
  g_autoptr (GMappedFile) file = g_mapped_file_new (path, FALSE, error);
  g_autoptr (GBytes) bytes = file != NULL ? g_mapped_file_get_bytes (file) : NULL;
  SimclrChunk *chunk;

  if (file == NULL)
    return NULL;
  chunk = _simclr_segment_read (bytes, _simclr_index_intern, self, encoder, error);
  if (chunk == NULL)
    g_prefix_error (error, "\"%s\": ", path);
  else
    chunk->path = g_strdup (path);
  return chunk;
}

/* Behind the chunks there are; takes it over. */
static gboolean
take_segment (SimclrIndex *self, SimclrChunk *chunk, gchar *encoder, GError **error)
{
  if (!take_facts (self, chunk->size, encoder, error))
    g_prefix_error (error, "\"%s\": ", chunk->path);
  else if (chunk->first < self->next)
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_FORMAT,
        "\"%s\" begins with entry %" G_GUINT64_FORMAT ", which the file before it has too",
        chunk->path, chunk->first);
  else {
    g_ptr_array_add (self->chunks, chunk);
    self->next = chunk->first + chunk->count;
    self->total += chunk->count;
    return TRUE;
  }
  _simclr_chunk_unref (chunk);
  return FALSE;
}

static gboolean
read_segments (SimclrIndex *self, GError **error)
{
  g_autoptr (GPtrArray) paths = list_segments (self, error);

  for (guint i = 0; paths != NULL && i < paths->len; i++) {
    const gchar *path = g_ptr_array_index (paths, i);
    g_autoptr (GError) failure = NULL;
    gchar *encoder = NULL;
    SimclrChunk *chunk = read_segment (self, path, &encoder, &failure);

    /* a writer took the oldest away */
    if (chunk == NULL && !self->writable &&
        g_error_matches (failure, G_FILE_ERROR, G_FILE_ERROR_NOENT))
      continue;
    if (chunk == NULL) {
      g_propagate_error (error, g_steal_pointer (&failure));
      return FALSE;
    }
    if (!take_segment (self, chunk, encoder, error))
      return FALSE;
  }
  return paths != NULL;
}

typedef struct
{
  SimclrIndex *index;
  SimclrLogHeader header;
} Replay;

static gboolean
take_logged (gpointer data, guint64 number, const gfloat *embedding, gint64 time,
    const gchar *stream, const gchar *source, const SimclrPicture *picture, GError **error)
{
  Replay *replay = data;
  SimclrIndex *self = replay->index;
  SimclrEntry entry = {embedding, time, NULL, *picture};

  if (number < self->next)
    return TRUE;
  if (!take_facts (self, replay->header.size, NULL, error))
    return FALSE;
  self->next = number;
  entry.origin = _simclr_index_intern (self, stream, source);
  return _simclr_index_append (self, &entry, error);
}

/* Goes on behind the last whole entry. */
static gboolean
open_log (SimclrIndex *self, const gchar *path, goffset whole, GError **error)
{
  SimclrIndexFolder *folder = self->folder;

  if (folder->log >= 0)
    close (folder->log);
  folder->log = open (path, O_WRONLY | O_APPEND | O_CLOEXEC);
  folder->log_bytes = whole;
  if (folder->log < 0 || ftruncate (folder->log, whole) != 0)
    return fail (error, "write", path);
  return TRUE;
}

/* A log without entries takes the place of the one there is. */
static gboolean
start_log (SimclrIndex *self, GError **error)
{
  g_autofree gchar *path = g_build_filename (self->path, LOG_NAME, NULL);
  SimclrLogHeader header = {self->size, self->next, self->encoder};
  g_autoptr (GBytes) bytes = _simclr_log_encode_header (&header);
  g_autoptr (SimclrAtomicFile) file = _simclr_atomic_file_open (path, error);
  gsize size;
  gconstpointer data = g_bytes_get_data (bytes, &size);

  return file != NULL && _simclr_atomic_file_write (file, data, size, error) &&
         _simclr_atomic_file_commit (file, error) && open_log (self, path, (goffset) size, error);
}

static gboolean
replay_log (SimclrIndex *self, const gchar *path, GBytes *log, GError **error)
{
  Replay replay = {self, {0}};
  gsize whole = 0;
  gboolean read;

  read = _simclr_log_read (log, &replay.header, take_logged, &replay, &whole, error) &&
         take_facts (self, replay.header.size, g_steal_pointer (&replay.header.encoder), error);
  _simclr_log_header_clear (&replay.header);
  if (!read) {
    g_prefix_error (error, "\"%s\": ", path);
    return FALSE;
  }
  self->next = MAX (self->next, replay.header.first);
  if (!self->writable)
    return TRUE;
  if (whole < g_bytes_get_size (log))
    g_info ("\"%s\": an entry that was being written when its writer ended is left out", path);
  return open_log (self, path, (goffset) whole, error) && _simclr_index_folder_seal (self, error);
}

gboolean
_simclr_index_folder_open (SimclrIndex *self, GError **error)
{
  g_autofree gchar *path = g_build_filename (self->path, LOG_NAME, NULL);
  g_autoptr (GBytes) log = NULL;
  g_autoptr (GError) failure = NULL;

  self->folder = g_new0 (SimclrIndexFolder, 1);
  self->folder->lock = self->folder->log = -1;
  if (self->writable && !take_lock (self, error))
    return FALSE;
  log = read_log (path, &failure);
  if (failure != NULL) {
    g_propagate_error (error, g_steal_pointer (&failure));
    return FALSE;
  }
  if (!read_segments (self, error) || (log != NULL && !replay_log (self, path, log, error)))
    return FALSE;
  if (self->writable || log != NULL || self->chunks->len > 0)
    return TRUE;
  g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_FORMAT, "\"%s\" is no index: there is no \"%s\"",
      self->path, LOG_NAME);
  return FALSE;
}

void
_simclr_index_folder_free (SimclrIndexFolder *self)
{
  if (self->log >= 0)
    close (self->log);
  if (self->lock >= 0)
    close (self->lock);
  g_free (self);
}

/* A record is whole or cut away again. */
gboolean
_simclr_index_folder_log (SimclrIndex *self, const SimclrEntry *entry, GError **error)
{
  SimclrIndexFolder *folder = self->folder;
  g_autoptr (GBytes) bytes = NULL;
  const guint8 *data;
  gsize size;

  if (folder->log < 0 && !start_log (self, error))
    return FALSE;
  bytes = _simclr_log_encode (entry, self->size);
  data = g_bytes_get_data (bytes, &size);
  for (gsize done = 0; done < size;) {
    gssize written = write (folder->log, data + done, size - done);

    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0) {
      errno = written == 0 ? ENOSPC : errno;
      fail (error, "write to the log of", self->path);
      if (ftruncate (folder->log, folder->log_bytes) != 0)
        g_debug ("\"%s\": what was written of an entry stays", self->path);
      return FALSE;
    }
    done += (gsize) written;
  }
  folder->log_bytes += (goffset) size;
  return TRUE;
}

static gboolean
seal_chunk (SimclrIndex *self, guint number, GError **error)
{
  SimclrChunk *chunk = g_ptr_array_index (self->chunks, number), *mapped;
  g_autofree gchar *encoder = NULL;
  g_autofree gchar *path = g_strdup_printf (
      "%s/%0*" G_GUINT64_FORMAT SEGMENT_SUFFIX, self->path, SEGMENT_DIGITS, chunk->first);

  if (!_simclr_segment_write (chunk, self->encoder, path, error) ||
      (mapped = read_segment (self, path, &encoder, error)) == NULL)
    return FALSE;
  g_mutex_lock (&self->lock);
  self->chunks->pdata[number] = mapped;
  g_mutex_unlock (&self->lock);
  _simclr_chunk_unref (chunk);
  return TRUE;
}

gboolean
_simclr_index_folder_seal (SimclrIndex *self, GError **error)
{
  SimclrChunk *last;

  for (guint i = 0; i < self->chunks->len; i++) {
    SimclrChunk *chunk = g_ptr_array_index (self->chunks, i);

    if (chunk->file == NULL && chunk->count == chunk->capacity && !seal_chunk (self, i, error))
      return FALSE;
  }
  if (self->chunks->len == 0)
    return TRUE;
  last = g_ptr_array_index (self->chunks, self->chunks->len - 1);
  return last->file == NULL || start_log (self, error);
}

gboolean
_simclr_index_folder_sync (SimclrIndex *self, GError **error)
{
  if (self->folder->log >= 0 && fdatasync (self->folder->log) != 0)
    return fail (error, "write to the log of", self->path);
  return TRUE;
}
