/* Models that elements of one process share by name.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrmodeltable.h"

typedef struct
{
  SimclrModel *model;
  guint users;
} Entry;

static GMutex lock;
static GHashTable *entries; /* lock: name to Entry; NULL while empty */

static void
entry_free (gpointer data)
{
  Entry *entry = data;

  g_object_unref (entry->model);
  g_free (entry);
}

SimclrModel *
gst_simclr_model_table_acquire (const gchar *name)
{
  SimclrModel *model;
  Entry *entry;

  g_mutex_lock (&lock);
  if (entries == NULL)
    entries = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, entry_free);
  entry = g_hash_table_lookup (entries, name);
  if (entry == NULL) {
    entry = g_new0 (Entry, 1);
    entry->model = simclr_model_new ();
    g_hash_table_insert (entries, g_strdup (name), entry);
  }
  entry->users++;
  model = entry->model;
  g_mutex_unlock (&lock);
  return model;
}

void
gst_simclr_model_table_release (const gchar *name)
{
  Entry *entry;

  g_mutex_lock (&lock);
  entry = entries != NULL ? g_hash_table_lookup (entries, name) : NULL;
  if (entry != NULL && --entry->users == 0) {
    g_hash_table_remove (entries, name);
    if (g_hash_table_size (entries) == 0)
      g_clear_pointer (&entries, g_hash_table_unref);
  }
  g_mutex_unlock (&lock);
  g_return_if_fail (entry != NULL);
}
