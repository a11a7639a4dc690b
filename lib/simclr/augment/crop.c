/* The box of a random resized crop.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/augment/augment-private.h>

#include <math.h>

/* The official code's max_attempts. */
#define ATTEMPTS 100

/* torchvision's RandomResizedCrop.get_params(): area uniform, logarithm of width / height uniform,
 * position uniform among those inside the frame. A box that does not fit is drawn again; after the
 * last attempt the box is the whole frame, as in the official code. */
void
_simclr_draw_crop (const SimclrDrawKey *key, const SimclrAugmentSettings *settings, guint width,
    guint height, SimclrBox *box)
{
  gdouble area = (gdouble) width * height;
  gdouble low = log (settings->min_aspect), high = log (settings->max_aspect);

  for (guint attempt = 0; attempt < ATTEMPTS; attempt++) {
    guint slot = SIMCLR_SLOT_CROP + 4 * attempt;
    gdouble target =
        area * _simclr_draw_between (key, slot, settings->min_area, settings->max_area);
    gdouble aspect = exp (_simclr_draw_between (key, slot + 1, low, high));
    gdouble w = rint (sqrt (target * aspect));
    gdouble h = rint (sqrt (target / aspect));

    if (w < 1 || w > width || h < 1 || h > height)
      continue;
    box->width = (guint) w;
    box->height = (guint) h;
    box->x = _simclr_draw_below (key, slot + 2, width - box->width + 1);
    box->y = _simclr_draw_below (key, slot + 3, height - box->height + 1);
    return;
  }
  *box = (SimclrBox){0, 0, width, height};
}
