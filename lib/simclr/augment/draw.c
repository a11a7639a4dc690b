/* Everything that is drawn at random for one view, from numbers that only seed, pair, view and use
 * decide, so that any view can be drawn at any time.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/augment/augment-private.h>

#include <math.h>

#include <simclr/base/random-private.h>
#include <simclr/simclr-error.h>

G_DEFINE_BOXED_TYPE (SimclrDraw, simclr_draw, simclr_draw_copy, simclr_draw_free)

/**
 * simclr_draw_copy:
 * @self: a draw
 *
 * Returns: (transfer full): a copy of @self
 */
SimclrDraw *
simclr_draw_copy (const SimclrDraw *self)
{
  g_return_val_if_fail (self != NULL, NULL);
  return g_memdup2 (self, sizeof (SimclrDraw));
}

/**
 * simclr_draw_free:
 * @self: (transfer full): a draw
 *
 * Frees what simclr_draw_copy() made.
 */
void
simclr_draw_free (SimclrDraw *self)
{
  g_free (self);
}

static guint64
stream_of (const SimclrDrawKey *key, guint slot)
{
  return SIMCLR_STREAM_AUGMENT | (guint64) slot << 16 | key->view;
}

gdouble
_simclr_draw_uniform (const SimclrDrawKey *key, guint slot)
{
  return _simclr_random_uniform (key->seed, stream_of (key, slot), key->pair);
}

gdouble
_simclr_draw_between (const SimclrDrawKey *key, guint slot, gdouble low, gdouble high)
{
  return low + _simclr_draw_uniform (key, slot) * (high - low);
}

guint
_simclr_draw_below (const SimclrDrawKey *key, guint slot, guint bound)
{
  return (guint) _simclr_random_below (key->seed, stream_of (key, slot), key->pair, bound);
}

static gboolean
draw_event (const SimclrDrawKey *key, guint slot, gdouble probability)
{
  return _simclr_draw_uniform (key, slot) < probability;
}

/* A factor around 1, at most change away and never negative. */
static gdouble
draw_factor (const SimclrDrawKey *key, guint slot, gdouble change)
{
  return change > 0 ? _simclr_draw_between (key, slot, MAX (0, 1 - change), 1 + change) : 1;
}

/* One of the 24 orders of four, each as likely. */
static void
draw_order (const SimclrDrawKey *key, guint8 order[4])
{
  guint number = _simclr_draw_below (key, SIMCLR_SLOT_ORDER, 24);

  for (guint8 i = 0; i < 4; i++)
    order[i] = i;
  for (guint i = 0; i < 3; i++) {
    guint left = 4 - i;
    guint j = i + number % left;
    guint8 chosen = order[j];

    number /= left;
    order[j] = order[i];
    order[i] = chosen;
  }
}

static void
draw_jitter (const SimclrDrawKey *key, const SimclrAugmentSettings *settings, SimclrDraw *draw)
{
  gdouble strength = settings->strength;
  gdouble hue = MIN (settings->hue * strength, 0.5);

  draw->jitter = strength > 0 && draw_event (key, SIMCLR_SLOT_JITTER, settings->jitter_probability);
  if (!draw->jitter)
    return;
  draw->brightness = draw_factor (key, SIMCLR_SLOT_BRIGHTNESS, settings->brightness * strength);
  draw->contrast = draw_factor (key, SIMCLR_SLOT_CONTRAST, settings->contrast * strength);
  draw->saturation = draw_factor (key, SIMCLR_SLOT_SATURATION, settings->saturation * strength);
  draw->hue = hue > 0 ? _simclr_draw_between (key, SIMCLR_SLOT_HUE, -hue, hue) : 0;
  draw_order (key, draw->order);
}

void
_simclr_draw_view (const SimclrDrawKey *key, const SimclrAugmentSettings *settings, guint width,
    guint height, SimclrDraw *draw)
{
  SimclrBox box;

  *draw = (SimclrDraw){
      .seed = key->seed,
      .pair = key->pair,
      .view = key->view,
      .brightness = 1,
      .contrast = 1,
      .saturation = 1,
      .order = {0, 1, 2, 3},
      .solarize_threshold = settings->solarize_threshold,
  };

  _simclr_draw_crop (key, settings, width, height, &box);
  draw->crop_x = box.x;
  draw->crop_y = box.y;
  draw->crop_width = box.width;
  draw->crop_height = box.height;
  draw->flip = draw_event (key, SIMCLR_SLOT_FLIP, settings->flip_probability);
  draw_jitter (key, settings, draw);
  draw->grayscale = draw_event (key, SIMCLR_SLOT_GRAYSCALE, settings->grayscale_probability);
  draw->blur = draw_event (key, SIMCLR_SLOT_BLUR, settings->blur_probability);
  if (draw->blur)
    draw->sigma = _simclr_draw_between (
        key, SIMCLR_SLOT_SIGMA, settings->blur_min_sigma, settings->blur_max_sigma);
  draw->solarize = draw_event (key, SIMCLR_SLOT_SOLARIZE, settings->solarize_probability);
}

static gboolean
check_factor (const gchar *name, gdouble value, GError **error)
{
  if (isfinite (value) && value >= 0)
    return TRUE;
  g_set_error (
      error, SIMCLR_ERROR, SIMCLR_ERROR_VALUE, "draw: %s factor %g is not 0 or more", name, value);
  return FALSE;
}

static gboolean
check_jitter (const SimclrDraw *draw, GError **error)
{
  guint seen = 0;

  if (!check_factor ("brightness", draw->brightness, error) ||
      !check_factor ("contrast", draw->contrast, error) ||
      !check_factor ("saturation", draw->saturation, error))
    return FALSE;
  if (!(fabs (draw->hue) <= 0.5)) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_VALUE,
        "draw: a hue shift of %g turns is not in -0.5 to 0.5", draw->hue);
    return FALSE;
  }
  for (guint i = 0; i < 4; i++)
    seen |= draw->order[i] < 4 ? 1u << draw->order[i] : 0;
  if (seen != 0xf) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_VALUE,
        "draw: %u, %u, %u, %u is not an order of 0, 1, 2, 3", draw->order[0], draw->order[1],
        draw->order[2], draw->order[3]);
    return FALSE;
  }
  return TRUE;
}

gboolean
_simclr_draw_check (const SimclrDraw *draw, guint width, guint height, GError **error)
{
  if (draw->crop_width == 0 || draw->crop_height == 0 || draw->crop_width > width ||
      draw->crop_height > height || draw->crop_x > width - draw->crop_width ||
      draw->crop_y > height - draw->crop_height) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE,
        "draw: a crop of %ux%u pixels at %u, %u is not inside a frame of %ux%u", draw->crop_width,
        draw->crop_height, draw->crop_x, draw->crop_y, width, height);
    return FALSE;
  }
  if (draw->jitter && !check_jitter (draw, error))
    return FALSE;
  if (draw->blur && !(draw->sigma > 0 && isfinite (draw->sigma))) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_VALUE,
        "draw: a blur of deviation %g is not above 0", draw->sigma);
    return FALSE;
  }
  if (draw->solarize && !isfinite (draw->solarize_threshold)) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_VALUE,
        "draw: a solarize threshold of %g is not a number from 0 to 1", draw->solarize_threshold);
    return FALSE;
  }
  return TRUE;
}
