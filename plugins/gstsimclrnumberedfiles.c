/* Files with a number in their name, of which the newest are kept.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrnumberedfiles.h"

#include <glib/gstdio.h>
#include <string.h>

/* A location taken apart. */
typedef struct
{
  gchar *folder, *prefix, *suffix;
  guint width; /* digits, at least */
} Pattern;

typedef struct
{
  gchar *path;
  guint64 number;
  struct timespec written;
} File;

static void
pattern_free (Pattern *self)
{
  g_free (self->folder);
  g_free (self->prefix);
  g_free (self->suffix);
  g_free (self);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Pattern, pattern_free)

static void
file_free (gpointer data)
{
  g_free (((File *) data)->path);
  g_free (data);
}

/* The end of the directive that begins here, NULL if it is none. */
static const gchar *
read_directive (const gchar *text, guint *width)
{
  gchar *end;

  *width = (guint) MIN (g_ascii_strtoull (text + 1, &end, 10), 20);
  if (text[1] == '-' || text[1] == '+')
    return NULL;
  while (*end == 'l')
    end++;
  return *end == 'd' || *end == 'u' ? end + 1 : NULL;
}

/* NULL: it names one file. */
static Pattern *
pattern_new (const gchar *location)
{
  g_autofree gchar *name = g_path_get_basename (location);
  Pattern *self = NULL;
  const gchar *end;
  guint width;

  for (const gchar *text = strchr (name, '%'); text != NULL; text = strchr (text + 1, '%')) {
    if ((end = read_directive (text, &width)) == NULL)
      continue;
    if (self != NULL) {
      pattern_free (self);
      return NULL;
    }
    self = g_new0 (Pattern, 1);
    self->folder = g_path_get_dirname (location);
    self->prefix = g_strndup (name, (gsize) (text - name));
    self->suffix = g_strdup (end);
    self->width = width;
  }
  return self;
}

gboolean
gst_simclr_location_is_numbered (const gchar *location)
{
  g_autoptr (Pattern) pattern = pattern_new (location);

  return pattern != NULL;
}

gchar *
gst_simclr_location_get_file (const gchar *location, guint64 number)
{
  g_autoptr (Pattern) pattern = pattern_new (location);
  g_autofree gchar *name = NULL;

  if (pattern == NULL)
    return g_strdup (location);
  name = g_strdup_printf ("%s%0*" G_GUINT64_FORMAT "%s", pattern->prefix, (gint) pattern->width,
      number, pattern->suffix);
  return g_build_filename (pattern->folder, name, NULL);
}

/* Only names that this pattern gives. */
static gboolean
parse_name (const Pattern *self, const gchar *name, guint64 *number)
{
  gsize prefix = strlen (self->prefix), suffix = strlen (self->suffix), length = strlen (name);
  g_autofree gchar *digits = NULL;

  if (length <= prefix + suffix || !g_str_has_prefix (name, self->prefix) ||
      !g_str_has_suffix (name, self->suffix))
    return FALSE;
  digits = g_strndup (name + prefix, length - prefix - suffix);
  if (strlen (digits) < self->width || (strlen (digits) > MAX (self->width, 1) && digits[0] == '0'))
    return FALSE;
  return g_ascii_string_to_unsigned (digits, 10, 0, G_MAXUINT64, number, NULL);
}

/* The last written first; of two in one tick of the clock, that of the higher number. */
static gint
compare_age (gconstpointer a, gconstpointer b)
{
  const File *first = *(File *const *) a, *second = *(File *const *) b;

  if (first->written.tv_sec != second->written.tv_sec)
    return first->written.tv_sec < second->written.tv_sec ? 1 : -1;
  if (first->written.tv_nsec != second->written.tv_nsec)
    return first->written.tv_nsec < second->written.tv_nsec ? 1 : -1;
  return (first->number < second->number) - (first->number > second->number);
}

static GPtrArray *
list_files (const Pattern *pattern)
{
  GPtrArray *files = g_ptr_array_new_with_free_func (file_free);
  g_autoptr (GDir) folder = g_dir_open (pattern->folder, 0, NULL);
  const gchar *name;

  while (folder != NULL && (name = g_dir_read_name (folder)) != NULL) {
    g_autofree gchar *path = g_build_filename (pattern->folder, name, NULL);
    GStatBuf status;
    guint64 number;
    File *file;

    if (!parse_name (pattern, name, &number) || g_stat (path, &status) != 0 ||
        !S_ISREG (status.st_mode))
      continue;
    file = g_new0 (File, 1);
    file->path = g_steal_pointer (&path);
    file->number = number;
    file->written = status.st_mtim;
    g_ptr_array_add (files, file);
  }
  g_ptr_array_sort (files, compare_age);
  return files;
}

gchar *
gst_simclr_location_find_newest (const gchar *location)
{
  g_autoptr (Pattern) pattern = pattern_new (location);
  g_autoptr (GPtrArray) files = NULL;

  if (pattern == NULL)
    return g_strdup (location);
  files = list_files (pattern);
  return files->len > 0 ? g_strdup (((File *) g_ptr_array_index (files, 0))->path) : NULL;
}

void
gst_simclr_location_prune (const gchar *location, guint most)
{
  g_autoptr (Pattern) pattern = pattern_new (location);
  g_autoptr (GPtrArray) files = NULL;

  if (pattern == NULL || most == 0)
    return;
  files = list_files (pattern);
  for (guint i = most; i < files->len; i++)
    g_unlink (((File *) g_ptr_array_index (files, i))->path);
}
