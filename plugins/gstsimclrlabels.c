/* A text file of labels, one line a frame.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrlabels.h"

#include <simclr/simclr.h>

struct _GstSimclrLabels
{
  GArray *numbers; /* gint, of each line */
  guint n_labels;
};

GstSimclrLabels *
gst_simclr_labels_load (const gchar *path, GError **error)
{
  g_autoptr (GHashTable) known = g_hash_table_new (g_str_hash, g_str_equal);
  g_auto (GStrv) lines = NULL;
  g_autofree gchar *text = NULL;
  GstSimclrLabels *self;
  guint count;

  if (!g_file_get_contents (path, &text, NULL, error))
    return NULL;
  lines = g_strsplit (text, "\n", -1);
  count = g_strv_length (lines);
  if (count > 0 && *lines[count - 1] == '\0') /* behind the last line's end */
    count--;
  self = g_new0 (GstSimclrLabels, 1);
  self->numbers = g_array_new (FALSE, FALSE, sizeof (gint));
  for (guint i = 0; i < count; i++) {
    gchar *label = g_strstrip (lines[i]);
    gpointer number = NULL;
    gint found = -1;

    if (*label != '\0') {
      if (!g_hash_table_lookup_extended (known, label, NULL, &number)) {
        number = GUINT_TO_POINTER (self->n_labels++);
        g_hash_table_insert (known, label, number);
      }
      found = GPOINTER_TO_INT (number);
    }
    g_array_append_val (self->numbers, found);
  }
  if (self->n_labels == 0) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_FORMAT, "%s: there is no label in it", path);
    g_clear_pointer (&self, gst_simclr_labels_free);
  }
  return self;
}

void
gst_simclr_labels_free (GstSimclrLabels *self)
{
  g_array_unref (self->numbers);
  g_free (self);
}

guint64
gst_simclr_labels_get_length (GstSimclrLabels *self)
{
  return self->numbers->len;
}

guint
gst_simclr_labels_get_n_labels (GstSimclrLabels *self)
{
  return self->n_labels;
}

gint
gst_simclr_labels_get (GstSimclrLabels *self, guint64 frame)
{
  return frame < self->numbers->len ? g_array_index (self->numbers, gint, (guint) frame) : -1;
}
