/* What is known of views beside their pixels: when and in which stream they were filmed, what they show.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* A view whose stream is this is nobody's neighbour. */
#define SIMCLR_NO_STREAM G_MAXUINT32
/* A view whose label is this shares it with nobody but its partner. */
#define SIMCLR_NO_LABEL (-1)

/* One entry for each view. NULL where nothing is known; times and streams are known together. */
typedef struct
{
  gint64 *times; /* nanoseconds */
  guint32 *streams;
  gint32 *labels;
} SimclrViewFacts;
