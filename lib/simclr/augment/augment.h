/* SimCLR's stochastic data augmentation: one frame to one view of it (paper, section 3 and
 * appendix A).
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/augment/frame.h>

G_BEGIN_DECLS

/**
 * SimclrDraw:
 * @seed: the seed that was drawn from
 * @pair: number of the pair
 * @view: 0 or 1
 * @crop_x: left edge of the crop in the frame, pixels
 * @crop_y: top edge of the crop, pixels
 * @crop_width: width of the crop, pixels
 * @crop_height: height of the crop, pixels
 * @flip: mirrored left to right
 * @jitter: colour jitter applied
 * @brightness: factor, 1 leaves as is
 * @contrast: factor, 1 leaves as is
 * @saturation: factor, 1 leaves as is
 * @hue: shift in turns, -0.5 to 0.5, 0 leaves as is
 * @order: order of the four: 0 brightness, 1 contrast, 2 saturation, 3 hue (torchvision's numbers)
 * @grayscale: converted to grayscale
 * @blur: blurred
 * @sigma: deviation of the Gaussian, pixels of the view
 * @solarize: inverted above @solarize_threshold
 * @solarize_threshold: 0 to 1
 *
 * Everything that was drawn for one view: with it and the frame, the view can be made again.
 */
typedef struct
{
  guint64 seed;
  guint64 pair;
  guint view;
  guint crop_x, crop_y, crop_width, crop_height;
  gboolean flip;
  gboolean jitter;
  gdouble brightness, contrast, saturation, hue;
  guint8 order[4];
  gboolean grayscale;
  gboolean blur;
  gdouble sigma;
  gboolean solarize;
  gdouble solarize_threshold;
} SimclrDraw;

#define SIMCLR_TYPE_DRAW (simclr_draw_get_type ())
SIMCLR_API
GType simclr_draw_get_type (void);
SIMCLR_API
SimclrDraw *simclr_draw_copy (const SimclrDraw *self) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
void simclr_draw_free (SimclrDraw *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimclrDraw, simclr_draw_free)

/* SimclrAugment: a GObject with the properties of the element simclraugment (DESIGN, section 3)
 * except temporal-window: size, strength, min-area, max-area, min-aspect, max-aspect,
 * flip-probability, jitter-probability, brightness, contrast, saturation, hue,
 * grayscale-probability, blur-probability, blur-min-sigma, blur-max-sigma, solarize-probability,
 * solarize-threshold, interpolation, seed. */
#define SIMCLR_TYPE_AUGMENT (simclr_augment_get_type ())
SIMCLR_API
G_DECLARE_FINAL_TYPE (SimclrAugment, simclr_augment, SIMCLR, AUGMENT, GObject)

SIMCLR_API
SimclrAugment *simclr_augment_new (void) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
void simclr_augment_draw (
    SimclrAugment *self, guint64 pair, guint view, guint width, guint height, SimclrDraw *draw);
SIMCLR_API
guint simclr_augment_draw_partner (SimclrAugment *self, guint64 pair, guint n_candidates);
SIMCLR_API
gboolean simclr_augment_apply (SimclrAugment *self, const SimclrFrame *frame,
    const SimclrDraw *draw, guint8 *view, gsize stride, GError **error);
SIMCLR_API
GBytes *simclr_augment_apply_bytes (SimclrAugment *self, GBytes *pixels, guint width, guint height,
    gsize stride, SimclrPixelFormat format, const SimclrDraw *draw,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
gboolean simclr_augment_apply_pair (SimclrAugment *self, const SimclrFrame frames[2],
    const SimclrDraw draws[2], guint8 *views, gsize stride, GError **error);

G_END_DECLS
