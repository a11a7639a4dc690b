/* A tiny picture of a frame: a few pixels of each of 8x8 cells, averaged.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/augment/thumbnail.h>

#include <math.h>

#include <simclr/augment/frame-private.h>

#define CELLS 8
/* Pixels looked at in each direction of a cell, at most: what a frame's size costs. */
#define SAMPLES 8

/* Begin and end of a cell of 0 .. pixels - 1; never empty. */
static void
cell_bounds (guint cell, guint pixels, guint *begin, guint *end)
{
  *begin = (guint) ((guint64) cell * pixels / CELLS);
  *end = MAX ((guint) ((guint64) (cell + 1) * pixels / CELLS), *begin + 1);
}

/* Mean of pixels that lie evenly in the cell, in [0, 1]. */
static void
average_cell (const SimclrFrame *frame, const SimclrPixelLayout *layout, guint row, guint column,
    gfloat rgb[3])
{
  guint left, right, top, bottom, across, down, sums[3] = {0};

  cell_bounds (column, frame->width, &left, &right);
  cell_bounds (row, frame->height, &top, &bottom);
  across = MIN (right - left, SAMPLES);
  down = MIN (bottom - top, SAMPLES);
  for (guint j = 0; j < down; j++) {
    guint y = top + (guint) (((guint64) 2 * j + 1) * (bottom - top) / (2 * down));

    for (guint i = 0; i < across; i++) {
      guint x = left + (guint) (((guint64) 2 * i + 1) * (right - left) / (2 * across));
      const guint8 *pixel = frame->data + y * frame->stride + (gsize) x * layout->bytes;

      for (guint c = 0; c < 3; c++)
        sums[c] += pixel[layout->offsets[c]];
    }
  }
  for (guint c = 0; c < 3; c++)
    rgb[c] = (gfloat) sums[c] / (255.0f * (gfloat) (across * down));
}

/**
 * simclr_thumbnail: (skip)
 * @frame: the picture
 * @thumbnail: (array fixed-size=192): room for %SIMCLR_THUMBNAIL_FLOATS floats in [0, 1]
 * @error: return location for an error
 *
 * Makes a thumbnail of a frame: the colours of 8x8 cells, from at most 64 pixels of each, so that it takes
 * a few microseconds whatever the frame's size.
 *
 * Returns: %FALSE if the frame is not a picture
 */
gboolean
simclr_thumbnail (const SimclrFrame *frame, gfloat *thumbnail, GError **error)
{
  g_return_val_if_fail (frame != NULL && thumbnail != NULL, FALSE);

  if (!_simclr_frame_check (frame, error))
    return FALSE;
  for (guint row = 0; row < CELLS; row++) {
    for (guint column = 0; column < CELLS; column++)
      average_cell (frame, _simclr_pixel_layout (frame->format), row, column,
          thumbnail + 3 * (row * CELLS + column));
  }
  return TRUE;
}

/**
 * simclr_thumbnail_distance: (skip)
 * @a: (array fixed-size=192): a thumbnail
 * @b: (array fixed-size=192): another
 *
 * Returns: root of the mean squared difference: 0 for the same, 1 for black and white
 */
gdouble
simclr_thumbnail_distance (const gfloat *a, const gfloat *b)
{
  gdouble sum = 0;

  for (guint i = 0; i < SIMCLR_THUMBNAIL_FLOATS; i++)
    sum += (gdouble) (a[i] - b[i]) * (a[i] - b[i]);
  return sqrt (sum / SIMCLR_THUMBNAIL_FLOATS);
}
