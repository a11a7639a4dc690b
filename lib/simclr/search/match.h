/* A stored moment that a search found.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/simclr-macros.h>

G_BEGIN_DECLS

/**
 * SimclrMatch:
 * @number: of the entry, counted from 0 since the index was made
 * @time: of the moment, in nanoseconds, as it was given
 * @similarity: cosine of the angle between the two embeddings, -1 to 1
 * @stream: name of the stream, "" where none was given
 * @source: where the frame came from, "" where nothing was said
 * @thumbnail: (nullable): RGB bytes, row after row without gaps, or %NULL
 * @thumbnail_width: pixels, 0 without a thumbnail
 * @thumbnail_height: pixels, 0 without a thumbnail
 *
 * One answer of simclr_index_search().
 */
typedef struct
{
  guint64 number;
  gint64 time;
  gdouble similarity;
  gchar *stream;
  gchar *source;
  GBytes *thumbnail;
  guint thumbnail_width;
  guint thumbnail_height;
} SimclrMatch;

#define SIMCLR_TYPE_MATCH (simclr_match_get_type ())
SIMCLR_API
GType simclr_match_get_type (void);
SIMCLR_API
SimclrMatch *simclr_match_copy (const SimclrMatch *self) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
void simclr_match_free (SimclrMatch *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimclrMatch, simclr_match_free)

G_END_DECLS
