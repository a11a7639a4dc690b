/* A picture in memory that somebody else owns.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/simclr-macros.h>
#include <simclr/simclr-enums.h>

G_BEGIN_DECLS

/**
 * SimclrFrame:
 * @data: (array) (not nullable): first byte of the first row, borrowed
 * @width: pixels in a row, at least 1
 * @height: rows, at least 1
 * @stride: bytes from one row to the next, at least width times bytes of a pixel
 * @format: layout of a pixel
 *
 * One 8-bit picture. The structure borrows its pixels; it is filled on the stack for one call.
 */
typedef struct
{
  const guint8 *data;
  guint width;
  guint height;
  gsize stride;
  SimclrPixelFormat format;
} SimclrFrame;

SIMCLR_API
gboolean simclr_frame_to_floats (
    const SimclrFrame *frame, SimclrNormalization normalization, gfloat *pixels, GError **error);

G_END_DECLS
