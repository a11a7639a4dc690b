/* Curves for TensorBoard: event files.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/io/summary-writer.h>

#include <simclr/simclr-error.h>
#ifdef HAVE_TENSORBOARD
#include <simclr/io/crc32c-private.h>
#include <simclr/io/summary-event-private.h>
#include <glib/gstdio.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#endif

/**
 * SimclrSummaryWriter:
 *
 * Writes scalars into an event file that TensorBoard reads, as TensorFlow's and PyTorch's summary writers do:
 * TFRecords with masked CRC-32C around protobuf messages. What was added is in the file when the call
 * returns, so that TensorBoard can follow a run. To be used by one thread at a time.
 */
struct _SimclrSummaryWriter
{
  GObject parent;

  gchar *path;
  int fd;
  gint64 size; /* of whole records */
};

G_DEFINE_FINAL_TYPE (SimclrSummaryWriter, simclr_summary_writer, G_TYPE_OBJECT)

static void
simclr_summary_writer_finalize (GObject *object)
{
  SimclrSummaryWriter *self = SIMCLR_SUMMARY_WRITER (object);

#ifdef HAVE_TENSORBOARD
  if (self->fd >= 0)
    close (self->fd);
#endif
  g_free (self->path);
  G_OBJECT_CLASS (simclr_summary_writer_parent_class)->finalize (object);
}

static void
simclr_summary_writer_class_init (SimclrSummaryWriterClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = simclr_summary_writer_finalize;
}

static void
simclr_summary_writer_init (SimclrSummaryWriter *self)
{
  self->fd = -1;
}

#ifdef HAVE_TENSORBOARD
/* File names of one process and second differ in this. */
static guint counter; /* atomic */

static gboolean
fail (GError **error, const gchar *what, const gchar *path, int number)
{
  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (number), "could not %s \"%s\": %s",
      what, path, g_strerror (number));
  return FALSE;
}

/* TensorBoard reads the files of a folder in the order of their names. */
static gboolean
open_file (SimclrSummaryWriter *self, const gchar *folder, GError **error)
{
  if (g_mkdir_with_parents (folder, 0777) != 0)
    return fail (error, "make the folder", folder, errno);
  do {
    g_autofree gchar *name =
        g_strdup_printf ("events.out.tfevents.%010" G_GINT64_FORMAT ".%s.%u.%04u",
            g_get_real_time () / G_USEC_PER_SEC, g_get_host_name (), (guint) getpid (),
            (guint) g_atomic_int_add (&counter, 1));

    g_free (self->path);
    self->path = g_build_filename (folder, name, NULL);
    self->fd = open (self->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
  } while (self->fd < 0 && errno == EEXIST);
  return self->fd >= 0 ? TRUE : fail (error, "write", self->path, errno);
}

static void
append_number (GByteArray *record, guint64 number, guint bytes)
{
  guint64 ordered = GUINT64_TO_LE (number);

  g_byte_array_append (record, (const guint8 *) &ordered, bytes);
}

/* A checksum of data that may itself hold checksums. */
static guint32
get_masked_crc (const guint8 *data, gsize bytes)
{
  guint32 crc = _simclr_crc32c (data, bytes);

  return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

/* A TFRecord: length, its checksum, message, its checksum. */
static GByteArray *
make_record (const GByteArray *message)
{
  GByteArray *record = g_byte_array_sized_new (message->len + 16);

  append_number (record, message->len, 8);
  append_number (record, get_masked_crc (record->data, 8), 4);
  g_byte_array_append (record, message->data, message->len);
  append_number (record, get_masked_crc (message->data, message->len), 4);
  return record;
}

/* Behind the whole records; what is left of half a record, as on a full disk, is taken back, for no reader
 * would get past it. */
static gboolean
write_record (SimclrSummaryWriter *self, const GByteArray *record, GError **error)
{
  gsize done = 0;

  while (done < record->len) {
    gssize written =
        pwrite (self->fd, record->data + done, record->len - done, self->size + (gint64) done);
    int number = written == 0 ? ENOSPC : errno;

    if (written > 0) {
      done += (gsize) written;
    } else if (written == 0 || number != EINTR) {
      if (ftruncate (self->fd, self->size) != 0)
        g_debug ("could not cut \"%s\": %s", self->path, g_strerror (errno));
      return fail (error, "write", self->path, number);
    }
  }
  self->size += record->len;
  return TRUE;
}

/* Takes over the message. */
static gboolean
add_message (SimclrSummaryWriter *self, GByteArray *message, GError **error)
{
  g_autoptr (GByteArray) owned = message;
  g_autoptr (GByteArray) record = make_record (message);

  return write_record (self, record, error);
}

static gdouble
get_wall_time (void)
{
  return (gdouble) g_get_real_time () / G_USEC_PER_SEC;
}

static gboolean
begin (SimclrSummaryWriter *self, const gchar *folder, guint64 first_step, GError **error)
{
  return open_file (self, folder, error) &&
         add_message (self, _simclr_event_version (get_wall_time ()), error) &&
         add_message (self, _simclr_event_start (get_wall_time (), first_step), error);
}

static gboolean
add_scalars (SimclrSummaryWriter *self, guint64 step, const gchar *const *tags,
    const gdouble *values, gsize n_values, GError **error)
{
  return add_message (
      self, _simclr_event_scalars (get_wall_time (), step, tags, values, n_values), error);
}
#else
static gboolean
begin (SimclrSummaryWriter *self, const gchar *folder, guint64 first_step, GError **error)
{
  g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_UNSUPPORTED,
      "could not write event files to \"%s\": this libsimclr was built without protobuf-c, which "
      "they need",
      folder);
  return FALSE;
}

static gboolean
add_scalars (SimclrSummaryWriter *self, guint64 step, const gchar *const *tags,
    const gdouble *values, gsize n_values, GError **error)
{
  g_assert_not_reached ();
}
#endif

/**
 * simclr_summary_writer_new:
 * @folder: (type filename): where the file goes; made if it is not there
 * @first_step: the first step that will be added
 * @error: return location for an error
 *
 * Begins a new event file. If the folder has older ones, as when a run is resumed, TensorBoard shows one
 * curve for all of them, in which what older files say of @first_step and later is left out.
 *
 * Returns: (transfer full): a writer, or %NULL with @error set (%SIMCLR_ERROR_UNSUPPORTED where the library
 *   was built without protobuf-c, or a #GFileError)
 */
SimclrSummaryWriter *
simclr_summary_writer_new (const gchar *folder, guint64 first_step, GError **error)
{
  g_autoptr (SimclrSummaryWriter) self = NULL;

  g_return_val_if_fail (folder != NULL, NULL);

  self = g_object_new (SIMCLR_TYPE_SUMMARY_WRITER, NULL);
  return begin (self, folder, first_step, error) ? g_steal_pointer (&self) : NULL;
}

/**
 * simclr_summary_writer_add_scalars:
 * @self: a writer
 * @step: the step that the numbers belong to
 * @tags: (array zero-terminated=1): names of the curves, such as <code>train/contrast_loss</code>
 * @values: (array length=n_values): a number for each tag
 * @n_values: how many
 * @error: return location for an error
 *
 * Adds a point to each of the curves, at the present time. After an error the file is as it was before and
 * adding may be tried again.
 *
 * Returns: %TRUE, or %FALSE with @error set (%SIMCLR_ERROR_SHAPE where tags and values are not equally many,
 *   or a #GFileError)
 */
gboolean
simclr_summary_writer_add_scalars (SimclrSummaryWriter *self, guint64 step,
    const gchar *const *tags, const gdouble *values, gsize n_values, GError **error)
{
  gsize n_tags = 0;

  g_return_val_if_fail (SIMCLR_IS_SUMMARY_WRITER (self), FALSE);
  g_return_val_if_fail (tags != NULL && (values != NULL || n_values == 0), FALSE);

  while (tags[n_tags] != NULL)
    n_tags++;
  if (n_tags != n_values) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE,
        "%" G_GSIZE_FORMAT " tags, but %" G_GSIZE_FORMAT " values", n_tags, n_values);
    return FALSE;
  }
  return add_scalars (self, step, tags, values, n_values, error);
}

/**
 * simclr_summary_writer_get_path:
 * @self: a writer
 *
 * Returns: (type filename): the event file
 */
const gchar *
simclr_summary_writer_get_path (SimclrSummaryWriter *self)
{
  g_return_val_if_fail (SIMCLR_IS_SUMMARY_WRITER (self), NULL);

  return self->path;
}
