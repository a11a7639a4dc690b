/* simclr-neighbours: says how well embeddings of a video know which moments belong together.
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *   simclr-neighbours --size=D --rate=FPS [--from=FRAME] [--bytes] FILE...
 *
 * A file holds the embeddings of consecutive frames, D floats each, as
 * `... ! simclrencoder ! other/tensors ! filesink` writes them (with --bytes: D bytes each, pictures
 * as they are). For each frame from FRAME on, the most similar other frame is looked up among all
 * that are at least half a second away (nearer ones are almost the same picture). It belongs to the
 * same moment when it is no more than two seconds away. Prints the share of frames for which that
 * is so, one line a file, and what guessing would get. */
#include <glib.h>
#include <math.h>
#include <stdlib.h>

#define NOT_WITHIN 0.5 /* seconds */
#define WITHIN 2.0

typedef struct
{
  gsize size;
  gsize rows;
  gfloat *values; /* (rows, size), each row of length 1 */
} Embeddings;

static void
embeddings_free (Embeddings *self)
{
  g_free (self->values);
  g_free (self);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Embeddings, embeddings_free)

static Embeddings *
embeddings_read (const gchar *path, gsize size, gsize from, gboolean bytes, GError **error)
{
  g_autofree gchar *data = NULL;
  g_autoptr (Embeddings) self = NULL;
  gsize length, row_bytes = bytes ? size : size * sizeof (gfloat);

  if (!g_file_get_contents (path, &data, &length, error))
    return NULL;
  if (length % row_bytes != 0 || length / row_bytes < from + 2) {
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
        "%s: %" G_GSIZE_FORMAT " bytes are not more than %" G_GSIZE_FORMAT
        " rows of %" G_GSIZE_FORMAT " bytes",
        path, length, from + 1, row_bytes);
    return NULL;
  }
  self = g_new0 (Embeddings, 1);
  self->size = size;
  self->rows = length / row_bytes - from;
  self->values = g_new (gfloat, self->rows * size);
  for (gsize k = 0; k < self->rows * size; k++)
    self->values[k] =
        bytes ? ((guint8 *) data)[from * size + k] : ((gfloat *) data)[from * size + k];
  for (gsize row = 0; row < self->rows; row++) {
    gfloat *values = self->values + row * size;
    gdouble squares = 0;

    for (gsize k = 0; k < size; k++)
      squares += (gdouble) values[k] * values[k];
    for (gsize k = 0; k < size; k++)
      values[k] /= MAX (sqrt (squares), 1e-12);
  }
  return g_steal_pointer (&self);
}

static gdouble
similarity (const Embeddings *self, gsize a, gsize b)
{
  const gfloat *x = self->values + a * self->size, *y = self->values + b * self->size;
  gfloat sum = 0;

  for (gsize k = 0; k < self->size; k++)
    sum += x[k] * y[k];
  return sum;
}

/* The share of rows whose most similar row is near; guess is what a random choice would get. */
static gdouble
same_moment (const Embeddings *self, gsize not_within, gsize within, gdouble *guess)
{
  gsize hits = 0, asked = 0;

  *guess = 0;
  for (gsize row = 0; row < self->rows; row++) {
    gsize best = row, candidates = 0, near = 0;
    gdouble highest = -2;

    for (gsize other = 0; other < self->rows; other++) {
      gsize apart = MAX (row, other) - MIN (row, other);
      gdouble value;

      if (apart < MAX (not_within, 1))
        continue;
      candidates++;
      near += apart <= within;
      value = similarity (self, row, other);
      if (value > highest) {
        highest = value;
        best = other;
      }
    }
    if (candidates == 0)
      continue;
    asked++;
    hits += MAX (row, best) - MIN (row, best) <= within;
    *guess += (gdouble) near / candidates;
  }
  *guess /= MAX (asked, 1);
  return (gdouble) hits / MAX (asked, 1);
}

int
main (int argc, char **argv)
{
  gint size = 0, from = 0;
  gdouble rate = 0, guess = 0;
  gboolean bytes = FALSE;
  const GOptionEntry entries[] = {
      {"size", 0, 0, G_OPTION_ARG_INT, &size, "Numbers in one embedding", "D"},
      {"rate", 0, 0, G_OPTION_ARG_DOUBLE, &rate, "Frames in a second", "FPS"},
      {"from", 0, 0, G_OPTION_ARG_INT, &from, "First frame that counts", "FRAME"},
      {"bytes", 0, 0, G_OPTION_ARG_NONE, &bytes, "The files hold bytes, not floats", NULL},
      {NULL},
  };
  g_autoptr (GOptionContext) options = g_option_context_new ("FILE...");
  g_autoptr (GError) error = NULL;

  g_option_context_set_summary (options,
      "Says how well embeddings of a video know which moments belong together: how often the "
      "most similar frame that is at least half a second away is at most two seconds away. A "
      "file holds the embeddings of consecutive frames, as simclrencoder ! other/tensors ! "
      "filesink writes them.");
  g_option_context_add_main_entries (options, entries, NULL);
  if (!g_option_context_parse (options, &argc, &argv, &error)) {
    g_printerr ("%s\n", error->message);
    return EXIT_FAILURE;
  }
  if (size < 1 || rate <= 0 || from < 0 || argc < 2) {
    g_printerr ("%s needs --size, --rate and a file; see --help\n", g_get_prgname ());
    return EXIT_FAILURE;
  }
  for (gint k = 1; k < argc; k++) {
    g_autoptr (Embeddings) embeddings = embeddings_read (argv[k], size, from, bytes, &error);
    gdouble share;

    if (!embeddings) {
      g_printerr ("%s\n", error->message);
      return EXIT_FAILURE;
    }
    share = same_moment (embeddings, NOT_WITHIN * rate, WITHIN * rate, &guess);
    g_print ("%5.1f %% of %" G_GSIZE_FORMAT " frames (guessing: %.1f %%)  %s\n", 100 * share,
        embeddings->rows, 100 * guess, argv[k]);
  }
  return EXIT_SUCCESS;
}
