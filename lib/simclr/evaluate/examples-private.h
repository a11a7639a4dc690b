/* What a classifier was shown: embeddings with their labels, in the order of teaching.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/evaluate/neighbors-private.h>

typedef struct
{
  GPtrArray *labels; /* gchar *, of each class, in the order of their first example */
  GArray *counts;    /* guint64, examples of each class */
  GArray *floats;    /* gfloat, row after row, as they came */
  GArray *scales;    /* gfloat, one over each row's length, 0 for a row of zeros */
  GArray *classes;   /* guint32, of each row */
  gsize size;        /* floats of a row; 0 while nothing was taught */
  guint64 dropped;   /* rows that had to go since the start, for want of room */
} SimclrExamples;

SimclrExamples *_simclr_examples_new (void) G_GNUC_WARN_UNUSED_RESULT;
void _simclr_examples_free (SimclrExamples *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimclrExamples, _simclr_examples_free)

gsize _simclr_examples_get_count (const SimclrExamples *self);
SimclrRows _simclr_examples_get_rows (const SimclrExamples *self);
/* The class of that label, or -1. */
gint64 _simclr_examples_find (const SimclrExamples *self, const gchar *label);

gboolean _simclr_label_check (const gchar *label, GError **error);

/* An embedding must be finite and as large as those before; a label is UTF-8 and not empty. */
gboolean _simclr_examples_add (
    SimclrExamples *self, const gfloat *embedding, gsize size, const gchar *label, GError **error);
/* The parts of it: a new class, and a row of a class that is there. */
guint32 _simclr_examples_add_label (SimclrExamples *self, const gchar *label);
gboolean _simclr_examples_add_row (
    SimclrExamples *self, const gfloat *embedding, gsize size, guint32 class, GError **error);
/* Forgets a label; returns its examples. */
guint64 _simclr_examples_remove (SimclrExamples *self, const gchar *label);
/* Drops every second row of the label that has the most, until at most `most` are left: what stays
 * still spans the time of teaching. */
void _simclr_examples_bound (SimclrExamples *self, gsize most);
