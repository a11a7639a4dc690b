/* The settings of an augmentation, and drawing from them.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/augment/augment.h>
#include <simclr/augment/resize-private.h>

typedef struct
{
  guint size;
  gdouble strength;
  gdouble min_area, max_area, min_aspect, max_aspect;
  gdouble flip_probability;
  gdouble jitter_probability;
  gdouble brightness, contrast, saturation, hue; /* largest changes at strength 1 */
  gdouble grayscale_probability;
  gdouble blur_probability, blur_min_sigma, blur_max_sigma;
  gdouble solarize_probability, solarize_threshold;
  SimclrInterpolation interpolation;
  guint64 seed;
} SimclrAugmentSettings;

/* Which numbers belong to one view: two views and two pairs never share any. */
typedef struct
{
  guint64 seed;
  guint64 pair;
  guint view;
} SimclrDrawKey;

/* Uses of random numbers within a view. Never renumber: it would change every draw of every seed. */
typedef enum
{
  SIMCLR_SLOT_FLIP,
  SIMCLR_SLOT_JITTER,
  SIMCLR_SLOT_BRIGHTNESS,
  SIMCLR_SLOT_CONTRAST,
  SIMCLR_SLOT_SATURATION,
  SIMCLR_SLOT_HUE,
  SIMCLR_SLOT_ORDER,
  SIMCLR_SLOT_GRAYSCALE,
  SIMCLR_SLOT_BLUR,
  SIMCLR_SLOT_SIGMA,
  SIMCLR_SLOT_SOLARIZE,
  SIMCLR_SLOT_CROP = 64, /* and what follows: four for each attempt */
} SimclrSlot;

gdouble _simclr_draw_uniform (const SimclrDrawKey *key, guint slot);
gdouble _simclr_draw_between (const SimclrDrawKey *key, guint slot, gdouble low, gdouble high);
guint _simclr_draw_below (const SimclrDrawKey *key, guint slot, guint bound);

/* The random resized crop of a width x height frame. */
void _simclr_draw_crop (const SimclrDrawKey *key, const SimclrAugmentSettings *settings,
    guint width, guint height, SimclrBox *box);

void _simclr_draw_view (const SimclrDrawKey *key, const SimclrAugmentSettings *settings,
    guint width, guint height, SimclrDraw *draw);

/* Whether the draw can be applied to a width x height frame. */
gboolean _simclr_draw_check (const SimclrDraw *draw, guint width, guint height, GError **error);
