/* Frames: their pixel layouts, and pixels as the floats an encoder reads.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/augment/frame-private.h>

#include <simclr/simclr-error.h>

/* In the order of SimclrPixelFormat. */
static const SimclrPixelLayout layouts[] = {
    [SIMCLR_PIXEL_FORMAT_RGB] = {3, 3, {0, 1, 2}},
    [SIMCLR_PIXEL_FORMAT_BGR] = {3, 3, {2, 1, 0}},
    [SIMCLR_PIXEL_FORMAT_RGBX] = {4, 3, {0, 1, 2}},
    [SIMCLR_PIXEL_FORMAT_BGRX] = {4, 3, {2, 1, 0}},
    [SIMCLR_PIXEL_FORMAT_GRAY8] = {1, 1, {0, 0, 0}},
};

const SimclrPixelLayout *
_simclr_pixel_layout (SimclrPixelFormat format)
{
  return (guint) format < G_N_ELEMENTS (layouts) ? &layouts[format] : NULL;
}

gboolean
_simclr_frame_check (const SimclrFrame *frame, GError **error)
{
  const SimclrPixelLayout *layout = _simclr_pixel_layout (frame->format);

  if (layout == NULL) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_VALUE, "frame: %d is not a pixel format",
        (gint) frame->format);
    return FALSE;
  }
  if (frame->data == NULL || frame->width == 0 || frame->height == 0) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE, "frame: %ux%u pixels are no picture",
        frame->width, frame->height);
    return FALSE;
  }
  if (frame->stride / layout->bytes < frame->width) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE,
        "frame: a stride of %" G_GSIZE_FORMAT " bytes is less than a row of %u pixels of %u bytes",
        frame->stride, frame->width, layout->bytes);
    return FALSE;
  }
  return TRUE;
}

gboolean
_simclr_frame_from_bytes (SimclrFrame *frame, GBytes *pixels, GError **error)
{
  gsize length;

  frame->data = g_bytes_get_data (pixels, &length);
  if (!_simclr_frame_check (frame, error))
    return FALSE;
  /* the last row may end with its last pixel */
  if (length / frame->height < frame->stride &&
      (length / frame->stride + 1 < frame->height ||
          length % frame->stride <
              (gsize) frame->width * _simclr_pixel_layout (frame->format)->bytes)) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE,
        "frame: %" G_GSIZE_FORMAT " bytes are too few for %u rows of %" G_GSIZE_FORMAT " bytes",
        length, frame->height, frame->stride);
    return FALSE;
  }
  return TRUE;
}

/* torchvision's ImageNet statistics of pixels in [0, 1]. */
static const gdouble imagenet_mean[3] = {0.485, 0.456, 0.406};
static const gdouble imagenet_deviation[3] = {0.229, 0.224, 0.225};

void
_simclr_pixel_mapping (
    SimclrPixelMapping *mapping, SimclrNormalization normalization, gboolean unit)
{
  gdouble scale = unit ? 1.0 : 1.0 / 255.0;

  for (guint c = 0; c < 3; c++) {
    if (normalization == SIMCLR_NORMALIZATION_IMAGENET) {
      mapping->scale[c] = (gfloat) (scale / imagenet_deviation[c]);
      mapping->offset[c] = (gfloat) (-imagenet_mean[c] / imagenet_deviation[c]);
    } else {
      mapping->scale[c] = (gfloat) scale;
      mapping->offset[c] = 0;
    }
  }
}

/**
 * simclr_frame_to_floats: (skip)
 * @frame: the picture
 * @normalization: how pixels become floats (%SIMCLR_NORMALIZATION_AUTO: [0, 1])
 * @pixels: room for red, green and blue of each pixel, row by row: (height, width, 3)
 * @error: return location for an error
 *
 * Turns a whole frame, unscaled, into floats as an encoder reads them. GRAY8 becomes red, green and
 * blue alike.
 *
 * Returns: %FALSE if the frame is not a picture
 */
gboolean
simclr_frame_to_floats (
    const SimclrFrame *frame, SimclrNormalization normalization, gfloat *pixels, GError **error)
{
  const SimclrPixelLayout *layout;
  SimclrPixelMapping mapping;

  g_return_val_if_fail (frame != NULL, FALSE);
  g_return_val_if_fail (pixels != NULL, FALSE);

  if (!_simclr_frame_check (frame, error))
    return FALSE;

  layout = _simclr_pixel_layout (frame->format);
  _simclr_pixel_mapping (&mapping, normalization, FALSE);
  for (gsize y = 0; y < frame->height; y++)
    _simclr_bytes_to_floats (frame->data + y * frame->stride, layout, frame->width, &mapping,
        pixels + y * frame->width * 3);
  return TRUE;
}
