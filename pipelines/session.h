/* A session: a described pipeline, run until it ends or is asked to.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

typedef struct _Session Session;

struct _Session
{
  GstElement *pipeline; /* owned */
  gint status;          /* that the process exits with */
  const gchar *summary; /* of the application, for --help; may be NULL */

  /* What the application has to add; each may be NULL. */
  void (*on_element) (Session *self, GstMessage *message); /* a message of an element */
  void (*before_text) (Session *self);                     /* a warning or an error is printed */
  void (*on_interrupt) (Session *self, gboolean again);    /* again: it does not wait any more */
  gpointer application;

  GMainLoop *loop; /* while it runs */
  gboolean playing;
  gboolean ending; /* was asked to end */
};

/* Takes options, the application's and GStreamer's, and the description after them. FALSE: it has been said
 * why there is no pipeline. */
gboolean session_open (Session *self, const GOptionEntry *entries, gint argc, gchar **argv);

/* Until the stream ends, something fails or, at the second interrupt, at once. */
void session_run (Session *self);

/* Asks the stream to end properly, so that elements write their files. */
void session_end (Session *self);

void session_close (Session *self);
