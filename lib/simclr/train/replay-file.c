/* A replay memory to and from a safetensors file.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/train/replay-private.h>

#include <string.h>

#include <simclr/io/safetensors-private.h>
#include <simclr/simclr-enum-types.h>
#include <simclr/simclr-error.h>

/* Metadata `kind` says that it is a memory, in which version. Each frame is a tensor frame.NUMBER of
 * bytes and, where it has an embedding, embedding.NUMBER. Metadata `frames` has a line for each, oldest
 * first: number, source, run, time, rank, the number of its format, and how much like an older one (rule
 * newer) or any other one (rule published) it is, at most; format.0 and so on say what the bytes are. */
#define KIND "simclr-replay-1"
#define FIELDS 7

struct _SimclrReplayDump
{
  SimclrSafetensorsWriter *writer;
  GString *frames;
  GPtrArray *formats; /* of strings */
};

static const gchar *
get_nick (GType type, gint value)
{
  g_autoptr (GEnumClass) klass = g_type_class_ref (type);

  return g_enum_get_value (klass, value)->value_nick;
}

static void
set_number (SimclrSafetensorsWriter *writer, const gchar *key, guint64 value)
{
  g_autofree gchar *text = g_strdup_printf ("%" G_GUINT64_FORMAT, value);

  _simclr_safetensors_writer_set_metadata (writer, key, text);
}

/* Its number; frames of one camera share one, so the search is short. Takes the format. */
static guint
find_format (SimclrReplayDump *self, gchar *format)
{
  for (guint i = 0; i < self->formats->len; i++) {
    if (g_str_equal (g_ptr_array_index (self->formats, i), format)) {
      g_free (format);
      return i;
    }
  }
  g_ptr_array_add (self->formats, format);
  return self->formats->len - 1;
}

static void
dump_embedding (SimclrReplayDump *self, SimclrReplay *replay, const SimclrReplayEntry *entry)
{
  const SimclrReplayRedundancy *redundancy = &replay->redundancy;
  const gsize shape[] = {redundancy->size};
  const gfloat *embedding = entry->embedding;
  g_autofree gchar *name = g_strdup_printf ("embedding.%" G_GUINT64_FORMAT, entry->number);

  if (entry->row != G_MAXSIZE)
    embedding = redundancy->rows + entry->row * redundancy->size;
  if (embedding)
    _simclr_safetensors_writer_take (
        self->writer, name, 1, shape, g_memdup2 (embedding, redundancy->size * sizeof (gfloat)));
}

static void
dump_entry (SimclrReplayDump *self, SimclrReplay *replay, const SimclrReplayEntry *entry,
    SimclrReplayDescribe describe, gpointer user_data)
{
  g_autofree gchar *name = g_strdup_printf ("frame.%" G_GUINT64_FORMAT, entry->number);
  gchar similarity[G_ASCII_DTOSTR_BUF_SIZE];
  gchar *format = NULL;
  g_autoptr (GBytes) bytes = describe (entry->item, &format, user_data);

  if (!bytes)
    return;
  _simclr_safetensors_writer_add_bytes (self->writer, name, bytes);
  dump_embedding (self, replay, entry);
  g_ascii_formatd (similarity, sizeof similarity, "%.9g",
      entry->row != G_MAXSIZE ? _simclr_replay_redundancy_bound (&replay->redundancy, entry) : 1);
  g_string_append_printf (self->frames,
      "%" G_GUINT64_FORMAT " %u %" G_GUINT64_FORMAT " %" G_GINT64_FORMAT " %" G_GUINT64_FORMAT
      " %u %s\n",
      entry->number, entry->facts.source, entry->facts.run, entry->facts.time, entry->rank,
      find_format (self, format), similarity);
}

/**
 * simclr_replay_dump: (skip)
 * @self: a #SimclrReplay
 * @describe: (scope call): gives an item's bytes
 * @user_data: data for it
 *
 * Collects what a file needs, without copying the items' bytes, so that a memory that is in use is held up
 * for a moment only.
 *
 * Returns: (transfer full): what simclr_replay_dump_write() writes, also after the memory has changed
 */
SimclrReplayDump *
simclr_replay_dump (SimclrReplay *self, SimclrReplayDescribe describe, gpointer user_data)
{
  SimclrReplayDump *dump;

  g_return_val_if_fail (SIMCLR_IS_REPLAY (self), NULL);
  g_return_val_if_fail (describe != NULL, NULL);

  dump = g_new0 (SimclrReplayDump, 1);
  dump->writer = _simclr_safetensors_writer_new ();
  dump->frames = g_string_new (NULL);
  dump->formats = g_ptr_array_new_with_free_func (g_free);
  for (gsize place = 0; place < self->order->len; place++)
    dump_entry (dump, self, g_ptr_array_index (self->order, place), describe, user_data);

  _simclr_safetensors_writer_set_metadata (dump->writer, "kind", KIND);
  _simclr_safetensors_writer_set_metadata (
      dump->writer, "policy", get_nick (SIMCLR_TYPE_REPLAY_POLICY, (gint) self->policy));
  _simclr_safetensors_writer_set_metadata (
      dump->writer, "rule", get_nick (SIMCLR_TYPE_REPLAY_RULE, (gint) self->rule));
  set_number (dump->writer, "seen", self->seen);
  set_number (dump->writer, "runs", self->runs);
  set_number (dump->writer, "lowest_dropped", self->lowest_dropped);
  _simclr_safetensors_writer_set_metadata (dump->writer, "frames", dump->frames->str);
  for (guint i = 0; i < dump->formats->len; i++) {
    g_autofree gchar *key = g_strdup_printf ("format.%u", i);

    _simclr_safetensors_writer_set_metadata (
        dump->writer, key, g_ptr_array_index (dump->formats, i));
  }
  return dump;
}

/**
 * simclr_replay_dump_write: (skip)
 * @self: a #SimclrReplayDump
 * @path: (type filename): the file
 * @error: return location for a #GError
 *
 * Writes a memory as a safetensors file. The write is atomic: whatever happens, @path is the old file or
 * the new one.
 *
 * Returns: %FALSE with @error set if it could not be written
 */
gboolean
simclr_replay_dump_write (SimclrReplayDump *self, const gchar *path, GError **error)
{
  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (path != NULL, FALSE);

  return _simclr_safetensors_writer_write (self->writer, path, error);
}

/**
 * simclr_replay_dump_free: (skip)
 * @self: (transfer full): a #SimclrReplayDump
 *
 * Frees it.
 */
void
simclr_replay_dump_free (SimclrReplayDump *self)
{
  _simclr_safetensors_writer_free (self->writer);
  g_string_free (self->frames, TRUE);
  g_ptr_array_unref (self->formats);
  g_free (self);
}

/* A file that is being read. */
typedef struct
{
  SimclrReplay *replay;
  SimclrSafetensors *file;
  SimclrReplayRevive revive;
  gpointer user_data;
  gboolean same_policy; /* else ranks are made anew */
  gboolean same_rule;   /* else nothing is known of similarities */
  guint size;           /* of an embedding */
  guint64 next_number;  /* numbers must rise */
} Reader;

static gboolean
get_number (SimclrSafetensors *file, const gchar *key, guint64 *value, GError **error)
{
  const gchar *text = _simclr_safetensors_get_metadata (file, key);

  if (text && g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT64, value, NULL))
    return TRUE;
  return _simclr_safetensors_fail (error, "metadata %s is %s", key, text ? text : "missing");
}

/* NULL without error: there is none. */
static gfloat *
read_embedding (Reader *reader, guint64 number, gboolean *sound, GError **error)
{
  g_autofree gchar *name = g_strdup_printf ("embedding.%" G_GUINT64_FORMAT, number);
  const SimclrSafetensor *tensor = _simclr_safetensors_lookup (reader->file, name);
  g_autofree gfloat *embedding = NULL;

  *sound = TRUE;
  if (!tensor)
    return NULL;
  *sound = FALSE;
  if (tensor->n_dims != 1 || tensor->count == 0 || tensor->count > G_MAXINT ||
      (reader->size != 0 && tensor->count != reader->size)) {
    _simclr_safetensors_fail (error,
        "tensor \"%s\" has %" G_GSIZE_FORMAT " elements in %u dimensions, not %u", name,
        tensor->count, tensor->n_dims, reader->size);
    return NULL;
  }
  embedding = g_try_new (gfloat, tensor->count);
  if (!embedding) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MEMORY, "no memory for tensor \"%s\"", name);
    return NULL;
  }
  if (!_simclr_safetensors_read_floats (reader->file, tensor, embedding, tensor->count, error))
    return NULL;
  reader->size = (guint) tensor->count;
  *sound = TRUE;
  return g_steal_pointer (&embedding);
}

static gpointer
read_item (Reader *reader, guint64 number, guint64 format, SimclrReplayFacts *facts, GError **error)
{
  g_autofree gchar *name = g_strdup_printf ("frame.%" G_GUINT64_FORMAT, number);
  g_autofree gchar *key = g_strdup_printf ("format.%" G_GUINT64_FORMAT, format);
  const SimclrSafetensor *tensor = _simclr_safetensors_lookup (reader->file, name);
  const gchar *words = _simclr_safetensors_get_metadata (reader->file, key);
  g_autoptr (GBytes) bytes = NULL;

  if (!tensor || !words) {
    _simclr_safetensors_fail (
        error, "%s \"%s\" is missing", tensor ? "metadata" : "tensor", tensor ? key : name);
    return NULL;
  }
  bytes = _simclr_safetensors_read_bytes (reader->file, tensor, error);
  if (!bytes)
    return NULL;
  facts->bytes = g_bytes_get_size (bytes);
  return reader->revive (bytes, words, facts, reader->user_data, error);
}

/* A line of `frames`. */
typedef struct
{
  guint64 number, rank, format;
  SimclrReplayFacts facts; /* bytes not known yet */
  gfloat similarity;
} Line;

/* More than 1 by what rounding does, NaN not at all. */
static gboolean
parse_similarity (const gchar *word, gfloat *similarity)
{
  gchar *end;
  gdouble value = g_ascii_strtod (word, &end);

  *similarity = (gfloat) value;
  return end != word && *end == '\0' && value >= SIMCLR_REPLAY_NO_SIMILARITY && value <= 1.01;
}

static gboolean
parse_line (const gchar *text, Line *line)
{
  g_auto (GStrv) words = g_strsplit (text, " ", FIELDS + 1);
  guint64 source;

  *line = (Line){0};
  if (g_strv_length (words) != FIELDS ||
      !g_ascii_string_to_unsigned (words[0], 10, 0, G_MAXUINT64, &line->number, NULL) ||
      !g_ascii_string_to_unsigned (words[1], 10, 0, SIMCLR_REPLAY_SOURCES - 1, &source, NULL) ||
      !g_ascii_string_to_unsigned (words[2], 10, 0, G_MAXINT64, &line->facts.run, NULL) ||
      !g_ascii_string_to_signed (words[3], 10, G_MININT64, G_MAXINT64, &line->facts.time, NULL) ||
      !g_ascii_string_to_unsigned (words[4], 10, 0, G_MAXUINT64, &line->rank, NULL) ||
      !g_ascii_string_to_unsigned (words[5], 10, 0, G_MAXUINT64, &line->format, NULL))
    return FALSE;
  line->facts.source = (guint) source;
  return parse_similarity (words[6], &line->similarity);
}

static gboolean
read_frame (Reader *reader, const gchar *text, GError **error)
{
  SimclrReplay *replay = reader->replay;
  g_autofree gfloat *embedding = NULL;
  gboolean sound;
  gpointer item;
  Line line;

  if (!parse_line (text, &line) || line.number < reader->next_number || line.number >= replay->seen)
    return _simclr_safetensors_fail (error, "\"%s\" does not describe a frame", text);
  reader->next_number = line.number + 1;
  embedding = read_embedding (reader, line.number, &sound, error);
  if (!sound)
    return FALSE;
  item = read_item (reader, line.number, line.format, &line.facts, error);
  if (!item)
    return FALSE;
  replay->redundancy.size = reader->size;
  _simclr_replay_restore (replay, item, &line.facts, line.number,
      reader->same_policy ? line.rank : _simclr_replay_rank (replay, line.number), embedding,
      reader->same_rule ? line.similarity : 1);
  return TRUE;
}

static gboolean
read_all (Reader *reader, GError **error)
{
  SimclrReplay *replay = reader->replay;
  const gchar *kind = _simclr_safetensors_get_metadata (reader->file, "kind");
  const gchar *policy = _simclr_safetensors_get_metadata (reader->file, "policy");
  const gchar *rule = _simclr_safetensors_get_metadata (reader->file, "rule");
  const gchar *frames = _simclr_safetensors_get_metadata (reader->file, "frames");
  guint64 lowest_dropped, runs;

  if (g_strcmp0 (kind, KIND) != 0)
    return _simclr_safetensors_fail (
        error, "it is no replay memory: metadata kind is %s", kind ? kind : "missing");
  if (!frames)
    return _simclr_safetensors_fail (error, "metadata frames is missing");
  if (!get_number (reader->file, "seen", &replay->seen, error) ||
      !get_number (reader->file, "runs", &runs, error) ||
      !get_number (reader->file, "lowest_dropped", &lowest_dropped, error))
    return FALSE;
  if (replay->seen >= G_MAXINT64 || runs >= G_MAXINT64)
    return _simclr_safetensors_fail (error, "more frames or runs than there can be");
  reader->same_policy =
      g_strcmp0 (policy, get_nick (SIMCLR_TYPE_REPLAY_POLICY, (gint) replay->policy)) == 0;
  reader->same_rule =
      g_strcmp0 (rule, get_nick (SIMCLR_TYPE_REPLAY_RULE, (gint) replay->rule)) == 0;
  if (reader->same_policy)
    replay->lowest_dropped = lowest_dropped;

  while (*frames != '\0') {
    const gchar *end = strchrnul (frames, '\n');
    g_autofree gchar *line = g_strndup (frames, (gsize) (end - frames));

    if (!read_frame (reader, line, error))
      return FALSE;
    frames = *end == '\n' ? end + 1 : end;
  }
  replay->runs = MAX (runs, replay->runs);
  return TRUE;
}

gboolean
_simclr_replay_read (SimclrReplay *self, SimclrSafetensors *file, SimclrReplayRevive revive,
    gpointer user_data, GError **error)
{
  Reader reader = {.replay = self, .file = file, .revive = revive, .user_data = user_data};

  self->redundancy.older_only = self->rule == SIMCLR_REPLAY_RULE_NEWER;
  if (read_all (&reader, error))
    return TRUE;
  simclr_replay_clear (self);
  return FALSE;
}

/**
 * simclr_replay_load: (skip)
 * @self: a #SimclrReplay that is empty
 * @path: (type filename): a file that simclr_replay_dump_write() wrote
 * @revive: (scope call): makes an item of its bytes
 * @user_data: data for it
 * @error: return location for a #GError
 *
 * Takes back what a file holds, as far as the bounds allow. All belong to the long memory then. After an
 * error the memory is empty.
 *
 * Returns: %FALSE with @error set when the file is not sound (%SIMCLR_ERROR_FORMAT), or @revive failed
 */
gboolean
simclr_replay_load (SimclrReplay *self, const gchar *path, SimclrReplayRevive revive,
    gpointer user_data, GError **error)
{
  g_autoptr (SimclrSafetensors) file = NULL;

  g_return_val_if_fail (SIMCLR_IS_REPLAY (self), FALSE);
  g_return_val_if_fail (path != NULL && revive != NULL, FALSE);
  g_return_val_if_fail (self->order->len == 0, FALSE);

  file = _simclr_safetensors_open (path, error);
  if (!file)
    return FALSE;
  if (_simclr_replay_read (self, file, revive, user_data, error))
    return TRUE;
  g_prefix_error (error, "\"%s\": ", path);
  return FALSE;
}
