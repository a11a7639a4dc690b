/* Inside of SimclrIndex: chunks of entries, and the files that they come from.
 *
 * An index is a list of chunks of consecutive entries. The newest one is being filled, in memory; the others are
 * full and, in an index with a folder, files that are mapped. A chunk's entries never change once counted, so
 * that a search looks at them without a lock.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/search/index-kernel-private.h>
#include <simclr/search/index.h>

#define SIMCLR_CHUNK_ROWS 2048
#define SIMCLR_INDEX_MOST_FLOATS 65536
#define SIMCLR_THUMBNAIL_MOST 4096 /* pixels of a side */

/* Both strings live as long as the index, one copy of each, so that pointers compare. */
typedef struct
{
  const gchar *stream;
  const gchar *source;
} SimclrOrigin;

typedef struct
{
  GBytes *bytes; /* NULL: none */
  guint width;
  guint height;
} SimclrPicture;

typedef struct
{
  gatomicrefcount references;
  guint64 first; /* number of the first entry */
  gsize size;    /* floats of an embedding */
  guint capacity;
  guint count; /* index lock while it is being filled */
  guint coded; /* blocks with codes; as count */

  gint64 *times;           /* (capacity) */
  SimclrOrigin **origins;  /* (capacity), the index's */
  const gfloat *rows;      /* (capacity, size), unit length */
  const gint8 *codes;      /* (capacity, size) */
  const gfloat *scales;    /* (capacity) */
  const gfloat *errors;    /* (capacity) */
  const gfloat *centers;   /* (blocks, size) */
  const gfloat *radii;     /* (blocks) */
  SimclrPicture *pictures; /* (capacity) */

  GPtrArray *memory; /* what of the above is allocated */
  GBytes *file;      /* what of it is mapped, NULL while in memory only */
  gchar *path;
} SimclrChunk;

#define SIMCLR_N_BLOCKS(rows) (((rows) + SIMCLR_BLOCK_ROWS - 1) / SIMCLR_BLOCK_ROWS)

/* -chunk.c. NULL where there is no memory. */
SimclrChunk *_simclr_chunk_new (guint64 first, guint capacity, gsize size, GError **error);
SimclrChunk *_simclr_chunk_ref (SimclrChunk *self);
void _simclr_chunk_unref (SimclrChunk *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimclrChunk, _simclr_chunk_unref)
/* What one entry is made of; nothing is copied but the embedding (unit length), origin is the index's. */
typedef struct
{
  const gfloat *embedding;
  gint64 time;
  SimclrOrigin *origin;
  SimclrPicture picture;
} SimclrEntry;
/* Writes the next row, and codes of a block that it completes. Readers see it when count and coded are what
 * this returns. */
void _simclr_chunk_write (SimclrChunk *self, const SimclrEntry *entry, guint *count, guint *coded);

/* Gives the index's own copy. */
typedef SimclrOrigin *(*SimclrInternFunc) (gpointer data, const gchar *stream, const gchar *source);

/* -segment.c: a full chunk as a safetensors file. */
gboolean _simclr_segment_write (
    const SimclrChunk *chunk, const gchar *encoder, const gchar *path, GError **error);
SimclrChunk *_simclr_segment_read (GBytes *bytes, SimclrInternFunc intern, gpointer data,
    gchar **encoder, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* -log.c: the entries that are not in a full chunk yet. */
typedef struct
{
  gsize size;
  guint64 first;  /* number of the first record's entry */
  gchar *encoder; /* owned, NULL: not said */
} SimclrLogHeader;
void _simclr_log_header_clear (SimclrLogHeader *self);
GBytes *_simclr_log_encode_header (const SimclrLogHeader *header) G_GNUC_WARN_UNUSED_RESULT;
GBytes *_simclr_log_encode (const SimclrEntry *entry, gsize size) G_GNUC_WARN_UNUSED_RESULT;
typedef gboolean (*SimclrLogFunc) (gpointer data, guint64 number, const gfloat *embedding,
    gint64 time, const gchar *stream, const gchar *source, const SimclrPicture *picture,
    GError **error);
/* Calls each for every whole entry. *whole is where the last one ends: what follows is what a killed writer
 * left of another. Anything else that is wrong is an error. */
gboolean _simclr_log_read (GBytes *bytes, SimclrLogHeader *header, SimclrLogFunc each,
    gpointer data, gsize *whole, GError **error);

/* -file.c: the folder of an index. */
typedef struct _SimclrIndexFolder SimclrIndexFolder;

struct _SimclrIndex
{
  GObject parent;

  gchar *path; /* constant; NULL: in memory */
  gboolean writable;
  guint64 max_entries;

  GMutex write_lock; /* of who adds; taken before lock. Guards: */
  SimclrIndexFolder *folder;
  gfloat *unit; /* the embedding being added */

  GMutex lock; /* guards: */
  gchar *encoder;
  gsize size; /* 0: nothing was added yet */
  guint64 next;
  guint64 total;       /* entries */
  GPtrArray *chunks;   /* oldest first, the last may not be full */
  GHashTable *strings; /* owned */
  GHashTable *origins; /* owned; a set */
};

SimclrOrigin *_simclr_index_intern (gpointer index, const gchar *stream, const gchar *source);
/* Puts an entry with an embedding of unit length behind the others; under write_lock. */
gboolean _simclr_index_append (SimclrIndex *self, const SimclrEntry *entry, GError **error);

/* Opens or makes the folder, and fills the index from it. */
gboolean _simclr_index_folder_open (SimclrIndex *self, GError **error);
void _simclr_index_folder_free (SimclrIndexFolder *self);
/* Before an entry is appended; FALSE: it was not written. */
gboolean _simclr_index_folder_log (SimclrIndex *self, const SimclrEntry *entry, GError **error);
/* Makes files of full chunks. */
gboolean _simclr_index_folder_seal (SimclrIndex *self, GError **error);
gboolean _simclr_index_folder_sync (SimclrIndex *self, GError **error);
