/* A session: a described pipeline, run until it ends or is asked to.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

typedef struct _Session Session;

struct _Session
{
  GstElement *pipeline; /* owned */
  gint status;          /* that the process exits with */
  guint
      reconnect; /* seconds after which a stream that has broken off is begun anew; 0: it is not */
  const gchar *summary; /* of the application, for --help; may be NULL */

  /* What the application has to add; each may be NULL. */
  void (*on_element) (Session *self, GstMessage *message); /* a message of an element */
  void (*before_text) (Session *self);                     /* a warning or an error is printed */
  void (*on_interrupt) (Session *self, gboolean again);    /* again: it does not wait any more */
  gboolean (*has_enough) (Session *self); /* the stream ended because it need not go on */
  gpointer application;

  gchar **words;   /* the description, owned */
  GMainLoop *loop; /* while it runs */
  gboolean playing;
  gboolean ending; /* was asked to end */
  guint waiting;   /* source, until it begins anew; 0: none */
};

/* Takes options, the application's and GStreamer's, and the description after them. FALSE: it has been said
 * why there is no pipeline. */
gboolean session_open (Session *self, const GOptionEntry *entries, gint argc, gchar **argv);

/* Until the stream ends, something fails or, at the second interrupt, at once. With reconnect the end of a stream and
 * errors of sources, decoders and the like are no reason to stop; errors of our elements are. Elements that keep
 * their state in a file resume from it. */
void session_run (Session *self);

/* Asks the stream to end properly, so that elements write their files. */
void session_end (Session *self);

void session_close (Session *self);
