/* The moments most like an embedding: exact, looking at as few as can be.
 *
 * What is nearest is found from bounds. No entry of a block is more like the query than its centre and radius
 * allow; none more than its code, one byte a number, and the code's error allow. So blocks and entries wait in a heap
 * ordered by the highest similarity they can have. The first is taken out and put back with a tighter
 * bound, until it is an entry whose similarity is computed: then no other can be more similar. Blocks of
 * scenes that look different are never read, codes rule out most of the rest, and what is left is exact.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/search/index-private.h>

#include <simclr/simclr-error.h>
#include <math.h>
#include <string.h>

/* How tight an item's bound is; of equal bounds the looser goes first. */
typedef enum
{
  BLOCK,   /* by centre and radius */
  SCANNED, /* the highest of its entries' */
  ENTRY,   /* by its code */
  EXACT,
} Stage;

typedef struct
{
  gfloat bound;
  guint32 chunk;
  guint32 row; /* of a block: its first */
  Stage stage;
} Item;

/* A chunk as it was when the search began. */
typedef struct
{
  SimclrChunk *chunk;
  guint count, coded;
  gsize offset; /* of its entries' bounds */
} View;

typedef struct
{
  const gchar *stream; /* the index's own copy, NULL: all */
  gint64 begin, end;
  guint64 apart;
  gboolean filters;

  gsize size;
  GArray *views;
  GArray *heap;
  gfloat *bounds; /* of all entries; a block's once it is scanned */
  gfloat *query;  /* unit length */
  gint16 *levels;
  gfloat scale, error;
  gint32 dots[SIMCLR_BLOCK_ROWS];

  GPtrArray *matches;
  GArray *taken; /* Item of each match */
} Search;

static inline gboolean
goes_before (const Item *a, const Item *b)
{
  if (a->bound != b->bound)
    return a->bound > b->bound;
  if (a->stage != b->stage)
    return a->stage < b->stage;
  return a->chunk != b->chunk ? a->chunk < b->chunk : a->row < b->row;
}

static void
push (Search *self, Item item)
{
  Item *heap;
  guint at = self->heap->len;

  if (!isfinite (item.bound)) /* a file that lies */
    return;
  g_array_append_val (self->heap, item);
  heap = (Item *) (gpointer) self->heap->data;
  while (at > 0 && goes_before (&item, &heap[(at - 1) / 2])) {
    heap[at] = heap[(at - 1) / 2];
    at = (at - 1) / 2;
  }
  heap[at] = item;
}

static Item
pop (Search *self)
{
  Item *heap = (Item *) (gpointer) self->heap->data;
  guint count = self->heap->len - 1, at = 0;
  Item first = heap[0], last = heap[count];

  while (2 * at + 1 < count) {
    guint child = 2 * at + 1;

    if (child + 1 < count && goes_before (&heap[child + 1], &heap[child]))
      child++;
    if (!goes_before (&heap[child], &last))
      break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = last;
  g_array_set_size (self->heap, count);
  return first;
}

static inline const View *
get_view (const Search *self, guint chunk)
{
  return &g_array_index (self->views, View, chunk);
}

static inline gboolean
is_wanted (const Search *self, const SimclrChunk *chunk, guint row)
{
  return chunk->times[row] >= self->begin && chunk->times[row] <= self->end &&
         (self->stream == NULL || chunk->origins[row]->stream == self->stream);
}

/* Whether a moment of the same stream has been taken that is too near in time. */
static gboolean
is_too_near (const Search *self, const SimclrChunk *chunk, guint row)
{
  if (self->apart == 0)
    return FALSE;
  for (guint i = 0; i < self->taken->len; i++) {
    const Item *item = &g_array_index (self->taken, Item, i);
    const SimclrChunk *other = get_view (self, item->chunk)->chunk;
    gint64 a = chunk->times[row], b = other->times[item->row];
    guint64 distance = a > b ? (guint64) a - (guint64) b : (guint64) b - (guint64) a;

    if (distance < self->apart && chunk->origins[row]->stream == other->origins[item->row]->stream)
      return TRUE;
  }
  return FALSE;
}

static void
push_exact (Search *self, guint number, guint row)
{
  const SimclrChunk *chunk = get_view (self, number)->chunk;

  if (is_wanted (self, chunk, row) && !is_too_near (self, chunk, row))
    push (self, (Item){_simclr_index_dot (chunk->rows + row * self->size, self->query, self->size),
                    number, row, EXACT});
}

static guint
block_rows (const View *view, guint begin)
{
  return MIN (SIMCLR_BLOCK_ROWS, view->count - begin);
}

static gboolean
has_wanted (const Search *self, const View *view, guint begin)
{
  gboolean found = !self->filters;

  for (guint row = begin; !found && row < begin + block_rows (view, begin); row++)
    found = is_wanted (self, view->chunk, row);
  return found;
}

/* Every block by its centre; entries that have no codes yet exactly. */
static void
begin_chunk (Search *self, guint number)
{
  const View *view = get_view (self, number);
  const SimclrChunk *chunk = view->chunk;

  for (guint block = 0; block < view->coded; block++) {
    guint begin = block * SIMCLR_BLOCK_ROWS;
    gfloat distance;

    if (!has_wanted (self, view, begin))
      continue;
    distance = _simclr_index_dot (chunk->centers + block * self->size, self->query, self->size);
    /* kept where its entries' bounds will be */
    self->bounds[view->offset + begin] = distance;
    push (self, (Item){distance + chunk->radii[block] + SIMCLR_INDEX_SLACK, number, begin, BLOCK});
  }
  for (guint row = view->coded * SIMCLR_BLOCK_ROWS; row < view->count; row++)
    push_exact (self, number, row);
}

/* The codes that will probably be read next. */
static const gint8 *
guess_next (const Search *self, const gint8 *otherwise)
{
  const Item *next = (const Item *) (gconstpointer) self->heap->data;

  if (self->heap->len == 0 || next->stage != BLOCK)
    return otherwise;
  return get_view (self, next->chunk)->chunk->codes + next->row * self->size;
}

static void
scan_block (Search *self, Item item)
{
  const View *view = get_view (self, item.chunk);
  const SimclrChunk *chunk = view->chunk;
  guint count = block_rows (view, item.row);
  gfloat *bounds = self->bounds + view->offset + item.row;
  const gint8 *codes = chunk->codes + item.row * self->size;

  _simclr_index_code_dots (
      codes, self->levels, count, self->size, guess_next (self, codes), self->dots);
  item.bound =
      _simclr_index_bounds (self->dots, chunk->scales + item.row, chunk->errors + item.row, count,
          bounds[0], chunk->radii[item.row / SIMCLR_BLOCK_ROWS], self->scale, self->error, bounds);
  item.stage = SCANNED;
  push (self, item);
}

static void
open_block (Search *self, const Item *item)
{
  const View *view = get_view (self, item->chunk);

  for (guint row = item->row; row < item->row + block_rows (view, item->row); row++) {
    if (is_wanted (self, view->chunk, row) && !is_too_near (self, view->chunk, row))
      push (self, (Item){self->bounds[view->offset + row], item->chunk, row, ENTRY});
  }
}

static SimclrMatch *
make_match (const SimclrChunk *chunk, guint row, gdouble similarity)
{
  const SimclrPicture *picture = &chunk->pictures[row];
  SimclrMatch *match = g_new0 (SimclrMatch, 1);

  match->number = chunk->first + row;
  match->time = chunk->times[row];
  match->similarity = CLAMP (similarity, -1, 1);
  match->stream = g_strdup (chunk->origins[row]->stream);
  match->source = g_strdup (chunk->origins[row]->source);
  if (picture->bytes != NULL)
    match->thumbnail = g_bytes_ref (picture->bytes);
  match->thumbnail_width = picture->width;
  match->thumbnail_height = picture->height;
  return match;
}

static void
run (Search *self, guint n_matches)
{
  for (guint i = 0; i < self->views->len; i++)
    begin_chunk (self, i);
  while (self->heap->len > 0 && self->matches->len < n_matches) {
    Item item = pop (self);
    const SimclrChunk *chunk = get_view (self, item.chunk)->chunk;

    if (item.stage == BLOCK)
      scan_block (self, item);
    else if (item.stage == SCANNED)
      open_block (self, &item);
    else if (item.stage == ENTRY)
      push_exact (self, item.chunk, item.row);
    else if (!is_too_near (self, chunk, item.row)) {
      g_ptr_array_add (self->matches, make_match (chunk, item.row, (gdouble) item.bound));
      g_array_append_val (self->taken, item);
    }
  }
}

static void
clear_view (gpointer view)
{
  _simclr_chunk_unref (((View *) view)->chunk);
}

/* Returns how many entries there are. */
static gsize
take_views (SimclrIndex *self, GArray *views)
{
  gsize entries = 0;

  g_array_set_clear_func (views, clear_view);
  g_mutex_lock (&self->lock);
  for (guint i = 0; i < self->chunks->len; i++) {
    SimclrChunk *chunk = g_ptr_array_index (self->chunks, i);
    View view = {_simclr_chunk_ref (chunk), chunk->count, chunk->coded, entries};

    g_array_append_val (views, view);
    entries += chunk->count;
  }
  g_mutex_unlock (&self->lock);
  return entries;
}

/* The index's own copy of a stream's name, NULL where it does not know it. */
static const gchar *
find_stream (SimclrIndex *self, const gchar *stream)
{
  gpointer known = NULL;

  g_mutex_lock (&self->lock);
  g_hash_table_lookup_extended (self->strings, stream, &known, NULL);
  g_mutex_unlock (&self->lock);
  return known;
}

static gboolean
check_query (
    SimclrIndex *self, const gfloat *embedding, gsize n_floats, gfloat *unit, GError **error)
{
  guint size = simclr_index_get_embedding_size (self);

  if (n_floats == 0 || (size != 0 && size != n_floats)) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE,
        "an embedding of %" G_GSIZE_FORMAT " floats in an index of embeddings of %u", n_floats,
        size);
    return FALSE;
  }
  if (_simclr_index_normalize (embedding, n_floats, unit))
    return TRUE;
  g_set_error_literal (error, SIMCLR_ERROR, SIMCLR_ERROR_NON_FINITE,
      "the embedding holds a number that is not finite");
  return FALSE;
}

/**
 * simclr_index_search:
 * @self: an index
 * @embedding: (array length=n_floats): what to look for
 * @n_floats: floats in it
 * @n_matches: how many answers there are at most
 * @stream: (nullable): only moments of the stream of this name; %NULL: of all
 * @begin: only moments not before this time, in nanoseconds; %G_MININT64: all
 * @end: only moments not after this time; %G_MAXINT64: all
 * @apart: answers of the same stream are at least as many nanoseconds apart (the most similar ones stay); 0:
 *   it does not matter
 * @error: return location for an error
 *
 * Finds the moments whose embeddings have the highest cosine similarity. The answer is exact: the one that comparing
 * with every entry gives. It runs on the calling thread, while others add or search.
 *
 * Returns: (transfer container) (element-type SimclrMatch): the matches, most similar first, of equal ones the
 *   earlier entry; or %NULL with @error set
 */
GPtrArray *
simclr_index_search (SimclrIndex *self, const gfloat *embedding, gsize n_floats, guint n_matches,
    const gchar *stream, gint64 begin, gint64 end, guint64 apart, GError **error)
{
  g_autofree gfloat *unit = NULL, *bounds = NULL;
  g_autofree gint16 *levels = NULL;
  g_autoptr (GArray) views = g_array_new (FALSE, FALSE, sizeof (View));
  g_autoptr (GArray) heap = g_array_new (FALSE, FALSE, sizeof (Item));
  g_autoptr (GArray) taken = g_array_new (FALSE, FALSE, sizeof (Item));
  g_autoptr (GPtrArray) matches =
      g_ptr_array_new_with_free_func ((GDestroyNotify) simclr_match_free);
  Search search = {.begin = begin, .end = end, .apart = apart};

  g_return_val_if_fail (SIMCLR_IS_INDEX (self), NULL);
  g_return_val_if_fail (embedding != NULL || n_floats == 0, NULL);

  unit = g_new (gfloat, MAX (n_floats, 1));
  if (!check_query (self, embedding, n_floats, unit, error))
    return NULL;
  search.stream = stream != NULL ? find_stream (self, stream) : NULL;
  search.filters = stream != NULL || begin > G_MININT64 || end < G_MAXINT64;
  if (stream != NULL && search.stream == NULL)
    return g_steal_pointer (&matches);
  bounds = g_try_new (gfloat, take_views (self, views) + 1);
  if (bounds == NULL) {
    g_set_error_literal (error, SIMCLR_ERROR, SIMCLR_ERROR_MEMORY, "no memory for a search");
    return NULL;
  }
  levels = g_new (gint16, n_floats);
  search.size = n_floats;
  search.query = unit;
  search.levels = levels;
  search.scale = _simclr_index_round_query (unit, n_floats, levels, &search.error);
  search.views = views;
  search.heap = heap;
  search.bounds = bounds;
  search.matches = matches;
  search.taken = taken;
  run (&search, n_matches);
  return g_steal_pointer (&matches);
}

/* The entry nearest in time among those of a stream (NULL: all); FALSE where there is none. */
static gboolean
find_nearest (GArray *views, gint64 time, const gchar *stream, const SimclrChunk **chunk, guint *at)
{
  guint64 nearest = G_MAXUINT64;

  *chunk = NULL;
  for (guint i = 0; i < views->len; i++) {
    const View *view = &g_array_index (views, View, i);

    for (guint row = 0; row < view->count; row++) {
      gint64 other = view->chunk->times[row];
      guint64 distance =
          time > other ? (guint64) time - (guint64) other : (guint64) other - (guint64) time;

      if ((stream != NULL && view->chunk->origins[row]->stream != stream) ||
          (*chunk != NULL && distance >= nearest))
        continue;
      nearest = distance;
      *chunk = view->chunk;
      *at = row;
    }
  }
  return *chunk != NULL;
}

/**
 * simclr_index_find:
 * @self: an index
 * @time: in nanoseconds
 * @stream: (nullable): name of a stream; %NULL: any
 * @error: return location for an error
 *
 * Finds the moment nearest in time; of equally near ones the one added first. Its similarity is 1.
 *
 * Returns: (transfer full): the moment, or %NULL with @error set where there is none
 */
SimclrMatch *
simclr_index_find (SimclrIndex *self, gint64 time, const gchar *stream, GError **error)
{
  g_autoptr (GArray) views = g_array_new (FALSE, FALSE, sizeof (View));
  const gchar *known;
  const SimclrChunk *chunk;
  guint row = 0;

  g_return_val_if_fail (SIMCLR_IS_INDEX (self), NULL);

  known = stream != NULL ? find_stream (self, stream) : NULL;
  take_views (self, views);
  if ((stream == NULL || known != NULL) && find_nearest (views, time, known, &chunk, &row))
    return make_match (chunk, row, 1);
  if (stream != NULL)
    g_set_error (
        error, SIMCLR_ERROR, SIMCLR_ERROR_VALUE, "there is nothing of stream \"%s\"", stream);
  else
    g_set_error_literal (error, SIMCLR_ERROR, SIMCLR_ERROR_VALUE, "the index is empty");
  return NULL;
}

/**
 * simclr_index_get_embedding:
 * @self: an index
 * @number: of an entry
 * @n_floats: (out): floats of the embedding
 * @error: return location for an error
 *
 * Returns: (transfer full) (array length=n_floats): the entry's embedding, of unit length; %NULL with
 *   @error set where there is no such entry (any more)
 */
gfloat *
simclr_index_get_embedding (SimclrIndex *self, guint64 number, gsize *n_floats, GError **error)
{
  g_autoptr (GArray) views = g_array_new (FALSE, FALSE, sizeof (View));

  g_return_val_if_fail (SIMCLR_IS_INDEX (self), NULL);
  g_return_val_if_fail (n_floats != NULL, NULL);

  take_views (self, views);
  for (guint i = 0; i < views->len; i++) {
    const View *view = &g_array_index (views, View, i);

    if (number < view->chunk->first || number - view->chunk->first >= view->count)
      continue;
    *n_floats = view->chunk->size;
    return g_memdup2 (view->chunk->rows + (number - view->chunk->first) * view->chunk->size,
        view->chunk->size * sizeof (gfloat));
  }
  *n_floats = 0;
  g_set_error (
      error, SIMCLR_ERROR, SIMCLR_ERROR_VALUE, "the index has no entry %" G_GUINT64_FORMAT, number);
  return NULL;
}
