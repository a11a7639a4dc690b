/* The colour operations of one view in their drawn order, block by block.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/augment/colour-private.h>

/* Pixels that go through all operations before the next ones do: three planes of them stay in the
 * nearest cache. */
#define BLOCK 1024

enum
{
  BRIGHTNESS,
  CONTRAST,
  SATURATION,
  HUE,
  N_OPERATIONS,
};

static void
apply_one (gfloat *const planes[3], gsize begin, gsize n, const SimclrDraw *draw, guint operation,
    gfloat mean)
{
  gfloat *red = planes[0] + begin, *green = planes[1] + begin, *blue = planes[2] + begin;

  switch (operation) {
  case BRIGHTNESS:
    if (draw->brightness != 1)
      for (guint c = 0; c < 3; c++)
        _simclr_colour_brightness (planes[c] + begin, n, (gfloat) draw->brightness);
    break;
  case CONTRAST:
    if (draw->contrast != 1)
      for (guint c = 0; c < 3; c++)
        _simclr_colour_contrast (planes[c] + begin, n, (gfloat) draw->contrast, mean);
    break;
  case SATURATION:
    if (draw->saturation != 1)
      _simclr_colour_saturation (red, green, blue, n, (gfloat) draw->saturation);
    break;
  case HUE:
    if (draw->hue != 0)
      _simclr_colour_hue (red, green, blue, n, (gfloat) draw->hue);
    break;
  }
}

/* Contrast needs the mean of the whole picture as it is when its turn comes, so the blocks run
 * twice: up to contrast, gathering the mean, and from contrast on. */
void
_simclr_colour_apply (gfloat *const planes[3], gsize n, const SimclrDraw *draw)
{
  guint turn = 0;
  gdouble sum = 0;

  if (draw->jitter && draw->contrast != 1) {
    while (turn < N_OPERATIONS && draw->order[turn] != CONTRAST)
      turn++;
    for (gsize begin = 0; begin < n; begin += BLOCK) {
      gsize count = MIN (BLOCK, n - begin);

      for (guint i = 0; i < turn; i++)
        apply_one (planes, begin, count, draw, draw->order[i], 0);
      sum +=
          _simclr_colour_gray_sum (planes[0] + begin, planes[1] + begin, planes[2] + begin, count);
    }
  }
  if (!draw->jitter && !draw->grayscale)
    return;
  for (gsize begin = 0; begin < n; begin += BLOCK) {
    gsize count = MIN (BLOCK, n - begin);

    for (guint i = turn; draw->jitter && i < N_OPERATIONS; i++)
      apply_one (planes, begin, count, draw, draw->order[i], (gfloat) (sum / (gdouble) n));
    if (draw->grayscale)
      _simclr_colour_gray (planes[0] + begin, planes[1] + begin, planes[2] + begin, count);
  }
}
