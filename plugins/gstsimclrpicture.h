/* Small RGB pictures of frames of any raw format.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/video/video.h>

G_BEGIN_DECLS

typedef struct
{
  GstVideoConverter *converter; /* NULL: not made yet */
  GstVideoInfo from, to;
} GstSimclrPicture;

/* After the caps or the size changed; also frees. */
void gst_simclr_picture_reset (GstSimclrPicture *self);

/* RGB bytes without gaps of the frame at most `size` pixels wide and high, as it is seen (square pixels). NULL
 * where it cannot be read. */
GBytes *gst_simclr_picture_make (GstSimclrPicture *self, GstBuffer *buffer,
    const GstVideoInfo *info, guint size, guint *width, guint *height) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
