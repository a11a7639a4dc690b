/* Stored moments of hours of video, found again by what they look like.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/search/match.h>

G_BEGIN_DECLS

/* SimclrIndex: a GObject with properties path, max-entries and encoder. Thread-safe: searches and one that
 * adds go on at the same time. */
#define SIMCLR_TYPE_INDEX (simclr_index_get_type ())
SIMCLR_API
G_DECLARE_FINAL_TYPE (SimclrIndex, simclr_index, SIMCLR, INDEX, GObject)

SIMCLR_API
SimclrIndex *simclr_index_new (guint64 max_entries) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
SimclrIndex *simclr_index_open (
    const gchar *path, guint64 max_entries, GError **error) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
SimclrIndex *simclr_index_open_readonly (
    const gchar *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

SIMCLR_API
gboolean simclr_index_add (SimclrIndex *self, const gfloat *embedding, gsize n_floats, gint64 time,
    const gchar *stream, const gchar *source, GBytes *thumbnail, guint thumbnail_width,
    guint thumbnail_height, GError **error);
SIMCLR_API
gboolean simclr_index_sync (SimclrIndex *self, GError **error);

SIMCLR_API
GPtrArray *simclr_index_search (SimclrIndex *self, const gfloat *embedding, gsize n_floats,
    guint n_matches, const gchar *stream, gint64 begin, gint64 end, guint64 apart,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
SimclrMatch *simclr_index_find (
    SimclrIndex *self, gint64 time, const gchar *stream, GError **error) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
gfloat *simclr_index_get_embedding (
    SimclrIndex *self, guint64 number, gsize *n_floats, GError **error) G_GNUC_WARN_UNUSED_RESULT;

SIMCLR_API
guint64 simclr_index_get_n_entries (SimclrIndex *self);
SIMCLR_API
guint simclr_index_get_embedding_size (SimclrIndex *self);
SIMCLR_API
gchar **simclr_index_get_streams (SimclrIndex *self) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
gchar *simclr_index_dup_encoder (SimclrIndex *self) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
void simclr_index_set_encoder (SimclrIndex *self, const gchar *encoder);

G_END_DECLS
