/* Pixel layouts of frames and the check every public function makes first.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/augment/frame.h>

typedef struct
{
  guint bytes;       /* of a pixel */
  guint channels;    /* 1 or 3 */
  guint8 offsets[3]; /* of red, green and blue in a pixel */
} SimclrPixelLayout;

/* Borrowed, constant; NULL for a number that is no format. */
const SimclrPixelLayout *_simclr_pixel_layout (SimclrPixelFormat format);

gboolean _simclr_frame_check (const SimclrFrame *frame, GError **error);
/* Lends frame, all but its data filled in, the pixels; an error where they are too few. */
gboolean _simclr_frame_from_bytes (SimclrFrame *frame, GBytes *pixels, GError **error);

/* value = byte * scale + offset, what a channel's bytes become. */
typedef struct
{
  gfloat scale[3];
  gfloat offset[3];
} SimclrPixelMapping;

/* Of bytes 0 to 255, or with unit of floats 0 to 1, to an encoder's input. */
void _simclr_pixel_mapping (
    SimclrPixelMapping *mapping, SimclrNormalization normalization, gboolean unit);

/* Planes of n floats in [0, 1] to n packed pixels of three bytes, rounded to nearest. */
void _simclr_planes_to_bytes (const gfloat *restrict red, const gfloat *restrict green,
    const gfloat *restrict blue, gsize n, guint8 *restrict bytes);
/* Planes of n floats to n packed pixels of three floats. */
void _simclr_planes_to_floats (const gfloat *restrict red, const gfloat *restrict green,
    const gfloat *restrict blue, gsize n, const SimclrPixelMapping *mapping,
    gfloat *restrict pixels);
/* n packed pixels in the layout to n packed pixels of three floats. */
void _simclr_bytes_to_floats (const guint8 *restrict bytes, const SimclrPixelLayout *layout,
    gsize n, const SimclrPixelMapping *mapping, gfloat *restrict pixels);
