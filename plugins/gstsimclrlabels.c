/* A text file of labels, one line a frame.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrlabels.h"

#include <simclr/simclr.h>
#include <string.h>

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

struct _GstSimclrLabels
{
  GArray *numbers;  /* gint, of each line */
  GPtrArray *texts; /* gchar *, of each number; ended by NULL */
};

static gboolean
check_text (const gchar *text, gsize length, GError **error)
{
  const gchar *end;
  guint line = 1;

  if (g_utf8_validate (text, (gssize) length, &end))
    return TRUE;
  for (const gchar *at = text; at < end; at++)
    line += *at == '\n';
  g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_FORMAT, "line %u is not UTF-8 text", line);
  return FALSE;
}

static gint
compare_texts (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const gchar *const *) a, *(const gchar *const *) b);
}

static gint
compare_numbers (gconstpointer a, gconstpointer b)
{
  const gchar *x = *(const gchar *const *) a, *y = *(const gchar *const *) b;
  guint64 p = g_ascii_strtoull (x, NULL, 10), q = g_ascii_strtoull (y, NULL, 10);

  return p != q ? (p < q ? -1 : 1) : strcmp (x, y);
}

static gboolean
are_numbers (GPtrArray *texts)
{
  guint64 number;

  for (guint i = 0; i < texts->len; i++)
    if (!g_ascii_string_to_unsigned (
            g_ptr_array_index (texts, i), 10, 0, G_MAXUINT64, &number, NULL))
      return FALSE;
  return TRUE;
}

/* Numbers the labels anew, in the order of their texts. */
static void
sort (GstSimclrLabels *self)
{
  g_autoptr (GHashTable) before = g_hash_table_new (g_str_hash, g_str_equal);
  g_autofree gint *numbers = g_new (gint, self->texts->len);

  for (guint i = 0; i < self->texts->len; i++)
    g_hash_table_insert (before, g_ptr_array_index (self->texts, i), GUINT_TO_POINTER (i));
  g_ptr_array_sort (self->texts, are_numbers (self->texts) ? compare_numbers : compare_texts);
  for (guint i = 0; i < self->texts->len; i++)
    numbers[GPOINTER_TO_UINT (g_hash_table_lookup (before, g_ptr_array_index (self->texts, i)))] =
        (gint) i;
  for (guint i = 0; i < self->numbers->len; i++) {
    gint *number = &g_array_index (self->numbers, gint, i);

    if (*number >= 0)
      *number = numbers[*number];
  }
}

GstSimclrLabels *
gst_simclr_labels_load (const gchar *path, GError **error)
{
  g_autoptr (GHashTable) known = g_hash_table_new (g_str_hash, g_str_equal);
  g_auto (GStrv) lines = NULL;
  g_autofree gchar *text = NULL;
  GstSimclrLabels *self;
  gsize length;
  guint count;

  if (!g_file_get_contents (path, &text, &length, error))
    return NULL;
  if (!check_text (text, length, error)) {
    g_prefix_error (error, "%s: ", path);
    return NULL;
  }
  lines = g_strsplit (g_str_has_prefix (text, BYTE_ORDER_MARK) ? text + 3 : text, "\n", -1);
  count = g_strv_length (lines);
  if (count > 0 && *lines[count - 1] == '\0') /* behind the last line's end */
    count--;
  self = g_new0 (GstSimclrLabels, 1);
  self->numbers = g_array_new (FALSE, FALSE, sizeof (gint));
  self->texts = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; i < count; i++) {
    gchar *label = g_strstrip (lines[i]);
    gpointer number = NULL;
    gint found = -1;

    if (*label != '\0') {
      if (!g_hash_table_lookup_extended (known, label, NULL, &number)) {
        number = GUINT_TO_POINTER (self->texts->len);
        g_ptr_array_add (self->texts, g_strdup (label));
        g_hash_table_insert (known, label, number);
      }
      found = GPOINTER_TO_INT (number);
    }
    g_array_append_val (self->numbers, found);
  }
  if (self->texts->len == 0) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_FORMAT, "%s: there is no label in it", path);
    g_clear_pointer (&self, gst_simclr_labels_free);
    return NULL;
  }
  sort (self);
  g_ptr_array_add (self->texts, NULL);
  return self;
}

void
gst_simclr_labels_free (GstSimclrLabels *self)
{
  g_array_unref (self->numbers);
  g_ptr_array_unref (self->texts);
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
  return self->texts->len - 1;
}

const gchar *const *
gst_simclr_labels_get_texts (GstSimclrLabels *self)
{
  return (const gchar *const *) self->texts->pdata;
}

/* The frames of one label, in a random order. */
static GArray *
shuffle_frames (GstSimclrLabels *self, gint label, GRand *random)
{
  GArray *frames = g_array_new (FALSE, FALSE, sizeof (guint));

  for (guint i = 0; i < self->numbers->len; i++)
    if (g_array_index (self->numbers, gint, i) == label)
      g_array_append_val (frames, i);
  for (guint i = frames->len; i > 1; i--) {
    guint other = (guint) g_rand_int_range (random, 0, (gint32) i);
    guint frame = g_array_index (frames, guint, i - 1);

    g_array_index (frames, guint, i - 1) = g_array_index (frames, guint, other);
    g_array_index (frames, guint, other) = frame;
  }
  return frames;
}

void
gst_simclr_labels_thin (GstSimclrLabels *self, gdouble fraction, guint64 seed)
{
  const guint32 seeds[2] = {(guint32) seed, (guint32) (seed >> 32)};
  g_autoptr (GRand) random = g_rand_new_with_seed_array (seeds, G_N_ELEMENTS (seeds));

  for (guint label = 0; label < gst_simclr_labels_get_n_labels (self); label++) {
    g_autoptr (GArray) frames = shuffle_frames (self, (gint) label, random);
    guint kept = MAX ((guint) (fraction * frames->len + 0.5), 1);

    for (guint i = kept; i < frames->len; i++)
      g_array_index (self->numbers, gint, g_array_index (frames, guint, i)) = -1;
  }
}

gint
gst_simclr_labels_get (GstSimclrLabels *self, guint64 frame)
{
  return frame < self->numbers->len ? g_array_index (self->numbers, gint, (guint) frame) : -1;
}

const gchar *
gst_simclr_labels_get_text (GstSimclrLabels *self, guint64 frame)
{
  gint number = gst_simclr_labels_get (self, frame);

  return number >= 0 ? g_ptr_array_index (self->texts, (guint) number) : NULL;
}
